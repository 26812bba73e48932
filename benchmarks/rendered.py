"""Grooves written here and played by fluidsynth: recordings whose every stroke is known, at any tempo.

Needs fluidsynth and a General MIDI soundfont (Debian: fluidsynth, fluid-soundfont-gm, timgm6mb-soundfont).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import mido
import numpy as np
import soundfile
from numpy.typing import NDArray

import drumscribe.hits as hit_stage
from benchmarks.accuracy import classes, match
from drumscribe.kit import DRUMS
from drumscribe.options import DetectOptions
from drumscribe.settings import get_settings
from drumscribe.types import Hit, Stem

RATE = 44100
FONTS = Path("/usr/share/sounds/sf2")
Stroke = tuple[float, str, int]
"""Seconds, drum, velocity of 127."""
_ALL, _EIGHTHS, _BEATS, _OFF = range(16), range(0, 16, 2), range(0, 16, 4), range(2, 16, 4)
GROOVES: dict[str, dict[str, tuple[Iterable[int], int]]] = {
    "eighths": {"closed_hihat": (_EIGHTHS, 78), "kick": ((0, 6, 8), 104), "snare": ((4, 12), 102)},
    "sixteenths": {"closed_hihat": (_ALL, 76), "kick": ((0, 7, 10), 104), "snare": ((4, 12), 104)},
    "half time": {"closed_hihat": (_BEATS, 84), "kick": ((0, 3, 11), 106), "snare": ((8,), 108)},
    "open off-beats": {"open_hihat": (_OFF, 88), "kick": (_BEATS, 106), "snare": ((4, 12), 100)},
    "ride": {"ride": (_EIGHTHS, 84), "kick": ((0, 6, 8), 102), "snare": ((4, 12), 100)},
    "ride, foot on 2 and 4": {"ride": ((0, 4, 7, 8, 12, 15), 84), "pedal_hihat": ((4, 12), 80), "kick": ((0, 8), 90)},
    "toms": {"floor_tom": ((0, 3, 6, 8, 11, 14), 98), "kick": ((0, 8), 104), "snare": ((4, 12), 104)},
    "double kick": {"kick": (_ALL, 96), "snare": ((4, 12), 110), "crash": (_BEATS, 90)},
    "no hats": {"kick": ((0, 6, 8), 104), "snare": ((4, 12), 104)},
}
"""Sixteenths of a bar of four beats and the velocity of each drum."""


def strokes(groove: str, bpm: float, bars: int, seed: int = 1) -> list[Stroke]:
    """What is played: ``bars`` bars from half a second on, 4 ms and 6 velocities uneven, the same at every tempo."""
    rng = np.random.default_rng([seed, *groove.encode()])
    out = []
    for bar in range(bars):
        for drum, (places, loud) in GROOVES[groove].items():
            for place in places:
                time = 0.5 + (bar * 16 + place) * 15 / bpm + float(rng.normal(0, 0.004))
                out.append((time, drum, int(np.clip(rng.normal(loud, 6), 20, 127))))
    return sorted(out)


def play(played: list[Stroke], font: Path) -> NDArray[np.float32]:
    """Samples ``(2, n)`` at 44.1 kHz of the strokes on the standard kit of a soundfont."""
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500000)])
    events = [(t, DRUMS[drum].midi, velocity) for t, drum, velocity in played]
    events += [(t + 0.08, key, 0) for t, key, _ in events]
    last = 0
    for time, key, velocity in sorted(events):
        tick = round(time * 1920)
        track.append(mido.Message("note_on", channel=9, note=key, velocity=velocity, time=tick - last))
        last = tick
    track.append(mido.MetaMessage("end_of_track", time=1920))
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder) / "part.mid", Path(folder) / "part.wav"
        mido.MidiFile(ticks_per_beat=960, tracks=[track]).save(midi)
        subprocess.run(["fluidsynth", "-ni", "-q", "-r", str(RATE), "-F", str(wave), str(font), str(midi)],
                       check=True, capture_output=True, timeout=300)  # fmt: skip
        samples, _ = soundfile.read(wave, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.T)


def hear(samples: NDArray[np.float32], options: DetectOptions | None = None) -> list[Hit]:
    """Hits of ``(channels, n)`` samples at 44.1 kHz, as the product shows them."""
    heard = hit_stage.activations(Stem(samples, RATE, "none"), settings=get_settings())
    return list(hit_stage.pick(heard, options or DetectOptions()))


def f_measure(truth: list[tuple[float, str]], found: list[tuple[float, str]], vocab: int = 14) -> float:
    """Micro F of (seconds, drum) at 50 ms in one of the vocabularies of :mod:`benchmarks.accuracy`."""
    right = 0
    for name in {classes(vocab, drum) for _, drum in truth}:
        sides = [sorted(t for t, drum in side if classes(vocab, drum) == name) for side in (truth, found)]
        right += len(match(sides[0], sides[1], 0.05))
    return 2 * right / max(1, len(truth) + len(found))


def pairs(hits: list[Hit]) -> list[tuple[float, str]]:
    """Time and drum of hits."""
    return [(hit.time_s, hit.drum) for hit in hits]
