"""Drums and click as sound: hits played on the packaged General MIDI kit, which is one recording for each drum and
velocity layer (see ``scripts/build_kit.py``). Within a layer the level is linear in the velocity.

>>> from drumscribe.types import Hit, Hits
>>> render(Hits.of([Hit(0, 0.5, "snare", 1.0, 100)]), 1.0).shape
(2, 44100)
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from drumscribe.errors import Cancelled
from drumscribe.kit import DRUMS
from drumscribe.types import Bar, CancelToken, FloatArray, Hit, OnFraction

SAMPLE_RATE = 44100
KIT = Path(__file__).parents[1] / "assets" / "kit.flac"
"""Fluid R3 GM's standard kit, one stroke after another (see ``assets/LICENSES.md``)."""
LAYERS = KIT.with_suffix(".json")
"""Which stroke lies where in :data:`KIT`: key, loudest velocity of the layer, first frame, frames."""

CLICK_KEY, CLICK_KEY_ACCENT = 33, 34
"""General MIDI's metronome click and bell."""
VELOCITIES = (50, 90, 127)
"""Layers of :func:`one_shots`; a player takes the nearest and adjusts its level."""

_TAIL_S = 2.7
_FADE = SAMPLE_RATE // 100
_HATS = frozenset(DRUMS[label].midi for label in ("closed_hihat", "pedal_hihat", "open_hihat"))


@dataclass(frozen=True, slots=True)
class OneShot:
    """One sound inside :func:`one_shots`: ``drum`` is a label, ``"click"`` or ``"click_accent"``; times in seconds."""

    drum: str
    velocity: int
    start_s: float
    duration_s: float


@lru_cache(maxsize=1)
def _kit() -> dict[int, list[tuple[int, FloatArray]]]:
    """For each key its layers, softest first: the velocity up to which each is played, and its sound ``(2, n)``."""
    import soundfile

    with KIT.open("rb") as file:
        sound = soundfile.read(file, dtype="float32", always_2d=True)[0].T
    layers: dict[int, list[tuple[int, FloatArray]]] = {}
    for row in json.loads(LAYERS.read_text(encoding="utf-8")):
        piece = sound[:, row["start"] : row["start"] + row["frames"]]
        layers.setdefault(row["key"], []).append((row["velocity"], piece))
    return layers


def _play(
    events: Iterable[tuple[float, int, int]],
    duration_s: float,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> FloatArray:
    """Add up ``(time_s, key, velocity)`` events, in any order, to ``(2, n)`` float32."""
    kit = _kit()
    total = round(duration_s * SAMPLE_RATE)
    out = np.zeros((2, total), np.float32)
    ordered = sorted(events)
    hats = [min(max(round(time_s * SAMPLE_RATE), 0), total) for time_s, key, _ in ordered if key in _HATS]
    following = iter([*hats[1:], total + _FADE])  # a hat ends when the next one begins
    for index, (time_s, key, velocity) in enumerate(ordered):
        if cancel is not None and cancel.is_set():
            raise Cancelled("The synthesised drums were stopped.")
        start = min(max(round(time_s * SAMPLE_RATE), 0), total)
        top, sound = next((top, sound) for top, sound in kit[key] if velocity <= top)
        sound = sound[:, : total - start] * np.float32(velocity / top)
        if key in _HATS:
            end = next(following) - start
            sound = sound[:, : end + _FADE]
            sound[:, end:] *= np.exp(-8 / _FADE * np.arange(max(0, sound.shape[1] - end), dtype=np.float32))
        out[:, start : start + sound.shape[1]] += sound
        if on_progress is not None and index % 200 == 0:
            on_progress(index / len(ordered), "Playing the drums")
    return out


def render(
    hits: Iterable[Hit],
    duration_s: float,
    *,
    drums: Collection[str] | None = None,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> FloatArray:
    """Play hits on the kit.

    Args:
        hits: what to play; hits at or after ``duration_s`` are silent.
        duration_s: length of the result.
        drums: play only these labels; ``None``: all.
        on_progress: called with 0-1 now and then.
        cancel: stops the work.

    Returns:
        ``(2, n)`` float32 at 44,100 Hz.

    Raises:
        Cancelled: when ``cancel`` is set.
    """
    events = [
        (hit.time_s, DRUMS[hit.drum].midi, hit.velocity)
        for hit in hits
        if hit.time_s < duration_s and (drums is None or hit.drum in drums)
    ]
    return _play(events, duration_s, on_progress, cancel)


def pulse_times(bar: Bar) -> list[float]:
    """Times of a bar's pulses, evenly between its bar lines."""
    pulses = max(1, round(float(bar.length / bar.meter.pulse)))
    step = (bar.end_s - bar.start_s) / pulses
    return [bar.start_s + step * pulse for pulse in range(pulses)]


def click(bars: Iterable[Bar], duration_s: float) -> FloatArray:
    """A metronome on every pulse, a bell on every downbeat: ``(2, n)`` float32 at 44,100 Hz."""
    return clicks(
        (
            (time_s, CLICK_KEY if pulse else CLICK_KEY_ACCENT)
            for bar in bars
            for pulse, time_s in enumerate(pulse_times(bar))
        ),
        duration_s,
    )


def clicks(events: Iterable[tuple[float, int]], duration_s: float) -> FloatArray:
    """Clicks at given times, each with :data:`CLICK_KEY` or :data:`CLICK_KEY_ACCENT`; shape as :func:`click`."""
    return _play([(time_s, key, 100) for time_s, key in events if 0 <= time_s < duration_s], duration_s)


@lru_cache(maxsize=1)
def one_shots() -> tuple[FloatArray, tuple[OneShot, ...]]:
    """Every drum at every layer of :data:`VELOCITIES`, and both clicks, one after another.

    A browser schedules these itself, so that an edited hit or a muted drum is heard at once.

    Returns:
        ``(2, n)`` float32 at 44,100 Hz, and where each sound lies in it.
    """
    keys = [(drum.label, drum.midi, velocity) for drum in DRUMS.values() for velocity in VELOCITIES]
    keys += [("click", CLICK_KEY, 100), ("click_accent", CLICK_KEY_ACCENT, 100)]
    pieces, shots, at = [], [], 0
    for label, key, velocity in keys:
        sound = _play([(0.0, key, velocity)], _TAIL_S)
        loud = np.flatnonzero(np.abs(sound).max(axis=0) > 10 ** (-60 / 20))
        end = int(loud[-1]) + 1 if len(loud) else 1
        sound = sound[:, :end]
        fade = min(end, 256)
        sound[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        pieces.append(sound)
        shots.append(OneShot(label, velocity, at / SAMPLE_RATE, end / SAMPLE_RATE))
        gap = np.zeros((2, SAMPLE_RATE // 20), dtype=np.float32)
        pieces.append(gap)
        at += end + gap.shape[1]
    return np.concatenate(pieces, axis=1), tuple(shots)
