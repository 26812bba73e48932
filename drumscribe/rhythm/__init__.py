"""Rhythm: where the beats and bars fall, and how each hit is written in them.

``track`` is costly and listens to the audio; ``beat_grid`` and ``quantise`` take milliseconds and run at every change.
Names are imported when first used, so that the command line starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drumscribe.rhythm.analysis import Deviation, deviations, performed, tempo_curve
    from drumscribe.rhythm.evidence import BeatEvidence
    from drumscribe.rhythm.grid import beat_grid
    from drumscribe.rhythm.likeness import grouped
    from drumscribe.rhythm.quantiser import quantise
    from drumscribe.rhythm.reader import read_hits
    from drumscribe.rhythm.strokes import beats_of, on_grid
    from drumscribe.rhythm.tracking import track

_WHERE = {
    "BeatEvidence": "evidence", "beat_grid": "grid", "grouped": "likeness",
    "quantise": "quantiser", "read_hits": "reader", "track": "tracking",
    **dict.fromkeys(("Deviation", "deviations", "performed", "tempo_curve"), "analysis"),
    **dict.fromkeys(("beats_of", "on_grid"), "strokes"),
}  # fmt: skip

__all__ = [
    "BeatEvidence", "Deviation", "beat_grid", "beats_of", "deviations", "grouped", "on_grid", "performed",
    "quantise", "read_hits", "tempo_curve", "track",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"drumscribe.rhythm.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
