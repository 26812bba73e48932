"""Sounds from physics' building blocks: damped modes, shaped noise, contacts, reflections.

Signals are mono float32 at :data:`RATE`, beginning at the moment of the stroke.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

RATE = 44100
_BLOCK = 512

Signal = NDArray[np.float32]
Floats = NDArray[np.float64]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A positive number, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def gain(decibels: float) -> float:
    """Amplitude factor."""
    return float(10 ** (decibels / 20))


def unit(x: NDArray[np.floating]) -> Signal:
    """Scaled to peak 1."""
    return (x / max(1e-9, float(np.abs(x).max(initial=0)))).astype(np.float32)


def samples(seconds: float) -> int:
    """Whole samples in a stretch of time, at least 64."""
    return max(64, round(seconds * RATE))


def fall(length: int, decay_s: float, rise_s: float = 0.0) -> Signal:
    """Exponential decay of time constant ``decay_s``, after an exponential rise."""
    t = np.arange(length, dtype=np.float32) / RATE
    shape = np.exp(-t / decay_s)
    return shape * (1 - np.exp(-t / rise_s)) if rise_s else shape


def mix(*parts: tuple[float, Signal]) -> Signal:
    """Sum of signals of any lengths, each at its amplitude."""
    out = np.zeros(max(len(x) for _, x in parts), dtype=np.float32)
    for amplitude, x in parts:
        out[: len(x)] += np.float32(amplitude) * x
    return out


def ring(
    hertz: Floats, amplitude: Floats, decay_s: Floats, phase: Floats, length: int, rise_s: Floats | None = None
) -> Signal:
    """Sum of damped sinusoids ``a exp(-t/d) sin(2 pi f t + p)``, arrays of shape ``(modes,)``.

    With ``rise_s`` every mode builds up by ``1 - exp(-t/r)`` first, as energy passes to it from others. Time is split
    into blocks, so that the whole is one matrix product.
    """
    if rise_s is not None:
        decay_s = np.concatenate([decay_s, 1 / (1 / decay_s + 1 / rise_s)])
        hertz, phase = np.tile(hertz, 2), np.tile(phase, 2)
        amplitude = np.concatenate([amplitude, -amplitude])
    turns, loss = hertz / RATE, -1 / (decay_s * RATE)

    def parts(at: Floats, start: Floats, scale: Floats) -> tuple[Signal, Signal]:
        angle = (2 * np.pi * np.mod(np.outer(at, turns) + start, 1)).astype(np.float32)
        size = (scale * np.exp(np.outer(at, loss))).astype(np.float32)
        return size * np.sin(angle), size * np.cos(angle)

    ones, none = np.ones_like(turns), np.zeros_like(turns)
    sin_a, cos_a = parts(np.arange(0.0, length, _BLOCK), none, ones)
    sin_b, cos_b = parts(np.arange(float(_BLOCK)), phase / (2 * np.pi), amplitude)
    x = np.hstack([sin_a, cos_a]) @ np.hstack([cos_b, sin_b]).T
    return np.ascontiguousarray(x.reshape(-1)[:length])


def noise(rng: np.random.Generator, length: int, low: float, high: float, order: float = 2.0) -> Signal:
    """Gaussian noise between two corners with Butterworth skirts, peak 1."""
    size = fft.next_fast_len(length, real=True)
    f = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 20).astype(np.float32)
    shape = 1 / np.sqrt((1 + (low / f) ** (2 * order)) * (1 + (f / high) ** (2 * order)))
    white = rng.standard_normal((2, len(f)), dtype=np.float32)
    return unit(fft.irfft((white[0] + 1j * white[1]) * shape, size)[:length])


def glide(x: Signal, depth: float, seconds: float) -> Signal:
    """Pitch raised by the share ``depth`` at first, settling exponentially: tension grows with displacement."""
    t = np.arange(len(x)) / RATE
    warped = (t + depth * seconds * (1 - np.exp(-t / seconds))) * RATE
    return np.interp(warped, np.arange(len(x)), x, right=0.0).astype(np.float32)


_ORDER, _ZERO = (
    np.array(column)
    for column in zip(
        *sorted(((m, z) for m in range(9) for z in special.jn_zeros(m, 5)), key=lambda mode: mode[1])[:32], strict=True
    )
)
RATIOS: Floats = _ZERO / _ZERO[0]
"""Mode frequencies of an ideal circular membrane against its lowest: 1, 1.594, 2.136, 2.296, … (Fletcher and
Rossing, *The Physics of Musical Instruments*, 1998, chapter 3)."""


class Membrane:
    """Modes of a drum of one or two heads.

    Air that moves with the head lowers low modes most (F. & R., chapter 18); the air between two heads splits the
    lowest mode in two. Upper modes die sooner.
    """

    def __init__(self, rng: np.random.Generator, hertz: float, decay_s: float, damping: float, *, heads: int = 2):
        load = rng.uniform(0.0, 0.6)
        ratio = RATIOS * np.sqrt((1 + load) / (1 + load / RATIOS)) * np.exp(rng.normal(0, 0.012, len(RATIOS)))
        weight = np.abs(special.jv(_ORDER, _ZERO * rng.uniform(0.05, 0.6))) / np.abs(special.jv(_ORDER + 1, _ZERO))
        weight = weight * np.exp(rng.normal(0, 0.3, len(RATIOS))) / RATIOS**0.5
        if heads == 2:
            ratio = np.append(ratio, rng.uniform(1.3, 2.0))
            weight = np.append(weight, weight[0] * rng.uniform(0.1, 0.6))
        self.hertz: Floats = hertz * ratio
        self.weight: Floats = weight
        self.decay_s: Floats = decay_s * ratio**-damping * np.exp(rng.normal(0, 0.25, len(ratio)))
        self.decay_s[0] = decay_s

    def strike(self, rng: np.random.Generator, corner: float, length: int) -> Signal:
        """Ringing after a blow whose contact lets through what is below ``corner`` hertz; peak 1."""
        weight = self.weight / (1 + (self.hertz / corner) ** 2) * np.exp(rng.normal(0, 0.12, len(self.weight)))
        detune = np.exp(rng.normal(0, 0.001))
        return unit(ring(self.hertz * detune, weight, self.decay_s, np.zeros_like(weight), length))


def bar(rng: np.random.Generator, low: float, high: float, count: int, decay_s: float, tilt: float = 1.0) -> Signal:
    """A few short inharmonic modes between two frequencies (wood, metal, a rim), upper ones weaker and shorter."""
    hertz = np.sort(np.exp(rng.uniform(np.log(low), np.log(high), count)))
    relative = hertz / hertz[0]
    decays = decay_s * relative**-0.5 * np.exp(rng.normal(0, 0.3, count))
    return unit(
        ring(hertz, relative**-tilt * rng.uniform(0.3, 1, count), decays, np.zeros(count), samples(7 * decay_s))
    )


def colour(rng: np.random.Generator, spread_db: float, size: int = 1024) -> Signal:
    """Minimum-phase impulse response of a smooth random equaliser, ``(size,)``."""
    f = np.fft.rfftfreq(4 * size, 1 / RATE)
    knots = np.array([20, 60, 120, 250, 500, 1000, 2000, 4000, 8000, 15000, 22050])
    level = rng.normal(0, spread_db, len(knots)) * np.array([1, 0.6, 0.5, *([0.8] * 6), 1, 1])
    log_gain = np.interp(np.log(f + 20), np.log(knots + 20.0), level) * np.log(10) / 20
    cepstrum = np.fft.irfft(log_gain)
    cepstrum[1 : 2 * size] *= 2
    cepstrum[2 * size + 1 :] = 0
    return np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[:size].astype(np.float32)


def reflections(rng: np.random.Generator, level_db: float, decay_s: float) -> Signal:
    """The direct sound, a few early echoes, and a diffuse tail that gets duller: a small room's response."""
    length = samples(min(0.6, 5 * decay_s))
    tail = noise(rng, length, 150, between(rng, 2000, 9000), 1) * fall(length, decay_s, rng.uniform(0.002, 0.015))
    for delay in rng.uniform(0.001, 0.04, int(rng.integers(3, 9))):
        if samples(delay) < length:
            tail[samples(delay)] += rng.normal() * 4 * np.exp(-delay / decay_s)
    tail *= gain(level_db) / max(1e-9, float(np.sqrt((tail**2).sum())))
    tail[0] = 1.0
    return tail.astype(np.float32)


def convolved(x: Signal, response: Signal) -> Signal:
    """Linear convolution, ``(len(x) + len(response) - 1,)``."""
    length = len(x) + len(response) - 1
    size = fft.next_fast_len(length, real=True)
    return np.asarray(fft.irfft(fft.rfft(x, size) * fft.rfft(response, size), size)[:length], dtype=np.float32)
