"""Dense accompaniment: distorted guitars in layers, and a bass that doubles the kick.

Computed for the clip, because the riffs of rock and metal follow the drums; or an accompaniment at hand, driven until
it is a wall. Both hide soft strokes as such records do, and picks and palms are not to be taken for hats and kicks.
"""

from __future__ import annotations

import numpy as np
import pedalboard
from numpy.typing import NDArray

from training.sounds import RATE

FloatArray = NDArray[np.float32]
_SCALE = np.array([0, 0, 0, 1, 2, 3, 5, 6, 7, 8, 10])


def _unit(x: FloatArray) -> FloatArray:
    """Scaled to a root mean square of 0.1."""
    return np.asarray(x * (0.1 / (np.sqrt(float((x**2).mean())) + 1e-6)), dtype=np.float32)


def amplifier(rng: np.random.Generator, *, low_hz: float = 90) -> pedalboard.Pedalboard:
    """Drive, and a loudspeaker's band."""
    return pedalboard.Pedalboard([
        pedalboard.HighpassFilter(low_hz),
        pedalboard.PeakFilter(float(rng.uniform(500, 1500)), float(rng.normal(3, 4)), 0.7),
        pedalboard.Distortion(float(rng.uniform(15, 48))),
        pedalboard.PeakFilter(float(rng.uniform(1800, 4000)), float(rng.uniform(0, 7)), 0.8),
        pedalboard.LowpassFilter(float(rng.uniform(3500, 9000))),
        pedalboard.LowpassFilter(float(rng.uniform(4500, 10000))),
    ])  # fmt: skip


def _events(strokes: NDArray[np.float64], seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """When the guitar is picked: with the kicks, in a steady tremolo, or a chord now and then."""
    kind = rng.random()
    if kind < 0.5 and len(strokes) > 3:
        return strokes[rng.random(len(strokes)) < 0.95]
    step = float(rng.uniform(0.06, 0.2) if kind < 0.75 else rng.uniform(0.3, 2.0))
    return np.arange(rng.uniform(0, step), seconds, step)


def _pitches(count: int, rng: np.random.Generator, root: float) -> NDArray[np.float64]:
    """A riff of a few notes that repeats, in hertz; many stay on the lowest."""
    riff = rng.choice(_SCALE, int(rng.integers(3, 12)))
    stay = int(rng.integers(1, 9))
    notes = riff[(np.arange(count) // stay) % len(riff)]
    return np.asarray(440 * 2 ** ((root + notes - 69) / 12))


def _picked(
    times: NDArray[np.float64], hertz: NDArray[np.float64], length: int, decay_s: float, chord: tuple[float, ...],
    rng: np.random.Generator,
) -> FloatArray:  # fmt: skip
    """Saw-tooth strings struck at ``times``, each until the next."""
    starts = np.clip((times * RATE).astype(int), 0, length)
    sizes = np.diff([*starts, length])
    keep = sizes > 0
    starts, sizes, hertz = starts[keep], sizes[keep], hertz[keep]
    out = np.zeros(length, dtype=np.float32)
    if not len(starts):
        return out
    after = ((np.arange(starts[0], length) - np.repeat(starts, sizes)) / RATE).astype(np.float32)
    pitch = np.repeat(hertz, sizes)
    voice = np.zeros(len(pitch), dtype=np.float32)
    for ratio in chord:
        phase = np.cumsum(pitch * (ratio * 2 ** (rng.normal(0, 4) / 1200))) / RATE + rng.random()
        voice += (2 * (phase % 1) - 1).astype(np.float32)
    loud = np.repeat(rng.uniform(0.7, 1, len(starts)).astype(np.float32), sizes)
    noise = rng.standard_normal(len(pitch), dtype=np.float32)
    pick = noise * float(rng.uniform(0.1, 1.2)) * np.exp(-after / float(rng.uniform(0.001, 0.006)))
    envelope = np.minimum(1, after / 0.002) * np.exp(-after / decay_s)
    out[starts[0] :] = loud * envelope * (voice + pick)
    return out


def riff(kicks: list[float], seconds: float, rng: np.random.Generator) -> FloatArray:
    """Two to four guitars and mostly a bass, ``(seconds * RATE,)``, root mean square 0.1.

    Args:
        kicks: when the kick is struck, in seconds.
        seconds: length.
        rng: source of every choice.
    """
    length = int(seconds * RATE)
    root = float(rng.uniform(30, 46))
    strokes = np.array(sorted(kicks), dtype=np.float64)
    times = _events(strokes, seconds, rng)
    hertz = _pitches(len(times), rng, root)
    chord = ((1.0, 1.5, 2.0), (1.0, 1.5), (1.0, 2.0), (1.0,), (1.0, 1.26, 1.5))[int(rng.integers(5))]
    decay = float(np.exp(rng.uniform(np.log(0.05), np.log(3))))
    out = np.zeros(length, dtype=np.float32)
    for _ in range(int(rng.integers(2, 5))):
        late = float(rng.uniform(0, 0.015)) + rng.normal(0, 0.004, len(times))
        layer = _picked(np.sort(np.clip(times + late, 0, seconds)), hertz, length, decay, chord, rng)
        out += _unit(amplifier(rng)(layer / 2, RATE)) * float(rng.uniform(0.5, 1))
    if rng.random() < 0.35:  # a lead over it
        step = float(rng.uniform(0.08, 0.5))
        high = np.arange(0, seconds, step)
        lead = _picked(high, _pitches(len(high), rng, root + 24 + int(rng.integers(12))), length, 2.0, (1.0,), rng)
        out += _unit(amplifier(rng)(lead, RATE)) * float(rng.uniform(0.5, 1.5))
    out = _unit(out)
    if rng.random() < 0.8:
        under = strokes if len(strokes) > 3 and rng.random() < 0.7 else times
        low = _pitches(len(under), rng, max(24.0, root - 12))
        bass = _picked(under, low, length, float(rng.uniform(0.1, 1)), (1.0,), rng)
        board = pedalboard.Pedalboard([pedalboard.LowpassFilter(float(np.exp(rng.uniform(np.log(250), np.log(4000)))))])
        if rng.random() < 0.4:
            board.append(pedalboard.Distortion(float(rng.uniform(5, 25))))
        out += _unit(board(bass, RATE)) * float(rng.uniform(0.4, 1.4))
    return _unit(out)


def wall(parts: list[FloatArray], rng: np.random.Generator) -> FloatArray:
    """Accompaniments of one length, each driven by an amplifier of its own, summed; root mean square 0.1."""
    driven = [_unit(amplifier(rng)(part / max(1e-5, float(np.abs(part).max())), RATE)) for part in parts]
    return _unit(np.sum(driven, axis=0))


def master(x: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Compress, and limit as hard as loud records are: 3 to 16 dB are shaved off the peaks."""
    x = x / max(1e-5, float(np.abs(x).max()))
    board = pedalboard.Pedalboard()
    if rng.random() < 0.6:
        board.append(pedalboard.Compressor(float(rng.uniform(-26, -10)), float(rng.uniform(1.5, 4)),
                                           float(rng.uniform(3, 30)), float(rng.uniform(60, 250))))  # fmt: skip
    board.append(pedalboard.Gain(float(rng.uniform(3, 16))))
    board.append(pedalboard.Limiter(-1.0, float(rng.uniform(20, 150))))
    return np.asarray(np.clip(board(x, RATE), -1, 1), dtype=np.float32)
