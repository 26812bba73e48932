"""The words of training's material: kits and their sounds, notes, and which drum a key or a folder means.

The kit readers and everything above them share these; nothing here imports another module of training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RATE = 44100
"""Samples per second of everything that is rendered."""
Split = Literal["train", "valid", "test"]

INSTRUMENTS: dict[str, str] = {
    "kick": "kick", "cajon_bass": "", "snare": "snare", "snare_edge": "snare", "snare_rimshot": "snare",
    "snare_off": "snare", "snare_rim": "cross_stick", "tom_high": "high_tom", "tom_mid": "mid_tom",
    "tom_low": "floor_tom", "hihat_closed": "closed_hihat", "hihat_half": "open_hihat", "hihat_open": "open_hihat",
    "hihat_footsplash": "open_hihat", "hihat_pedal": "pedal_hihat", "crash": "crash", "ride_crash": "crash",
    "splash": "splash", "china": "china", "ride": "ride", "ride_bell": "ride_bell",
}  # fmt: skip
"""Instrument folder (without its number) to drum label; anything else is percussion, a negative."""

GM_DRUMS: dict[int, str] = {
    35: "kick", 36: "kick", 37: "cross_stick", 38: "snare", 40: "snare", 41: "floor_tom", 43: "floor_tom",
    58: "floor_tom", 45: "mid_tom", 47: "mid_tom", 48: "high_tom", 50: "high_tom", 42: "closed_hihat",
    22: "closed_hihat", 44: "pedal_hihat", 46: "open_hihat", 26: "open_hihat", 49: "crash", 57: "crash",
    52: "china", 55: "splash", 51: "ride", 59: "ride", 53: "ride_bell",
}  # fmt: skip
"""Key of a General MIDI drum part (and of the e-kit behind the Groove MIDI Dataset) to drum label."""
PERCUSSION = "percussion"

Note = tuple[float, str, float]
"""Time in seconds, drum label (or ``"percussion"``), velocity 0–1."""


@dataclass(slots=True)
class Sounds:
    """The takes of one instrument of one kit, softest layer first; samples are mono float16 at 44.1 kHz, peak 1."""

    layers: list[list[tuple[NDArray[np.float16], int]]] = field(default_factory=list)
    """Each take with the sample index of its onset."""


@dataclass(slots=True)
class Kit:
    """One kit: for every drum label the instruments that can play it."""

    name: str
    family: str
    kind: str
    drums: dict[str, list[Sounds]] = field(default_factory=dict)


@dataclass(slots=True)
class Groove:
    """A drum performance: its notes, and its split."""

    name: str
    split: Split
    notes: list[Note]
    seconds: float
