"""Rhythm: where the beats and bars fall, and how each hit is written in them.

``track`` is costly and listens to the audio; ``beat_grid`` and ``quantise`` are cheap and follow the user's hand.
Names are imported when first used: nothing here costs a command line its start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drumscribe.rhythm.analysis import Deviation, deviations, performed, tempo_curve
    from drumscribe.rhythm.evidence import BeatEvidence
    from drumscribe.rhythm.grid import beat_grid
    from drumscribe.rhythm.quantiser import quantise
    from drumscribe.rhythm.tracking import track

_WHERE = {
    "BeatEvidence": "evidence",
    "Deviation": "analysis",
    "beat_grid": "grid",
    "deviations": "analysis",
    "performed": "analysis",
    "quantise": "quantiser",
    "tempo_curve": "analysis",
    "track": "tracking",
}

__all__ = [
    "BeatEvidence",
    "Deviation",
    "beat_grid",
    "deviations",
    "performed",
    "quantise",
    "tempo_curve",
    "track",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"drumscribe.rhythm.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'drumscribe.rhythm' has no attribute {name!r}")
