"""The hit table: rows from hits, filters, and what an edited table means. Pure: pandas, no streamlit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from drumscribe.song import edits
from drumscribe.types import BeatGrid, Hit, Hits, Rhythm
from drumscribe.ui.labels import LABEL_OF, NAMES, beat


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hit stands: bar number as printed, beat counted from 1, and how far off the grid it was played.

    ``deviation_s`` is ``None`` for hits that have no place of their own in the score (grace notes, doubles).
    """

    bar: int
    beat: str
    deviation_s: float | None

    def __str__(self) -> str:
        return f"{self.bar}:{self.beat}"


def places(hits: Iterable[Hit], rhythm: Rhythm, grid: BeatGrid) -> dict[int, Place]:
    """The place of each hit by its id."""
    found = {
        placed.hit_id: Place(
            rhythm.bars[placed.bar].number, beat(placed.onset, rhythm.bars[placed.bar].meter), placed.deviation_s
        )
        for placed in rhythm.placements
    }
    starts = [bar.start_s for bar in rhythm.bars]
    for hit in hits:
        if hit.id in found or not starts:
            continue
        bar = rhythm.bars[max(0, bisect_right(starts, hit.time_s) - 1)]
        share = (hit.time_s - bar.start_s) / max(1e-6, bar.end_s - bar.start_s)
        onset = round(12 * max(0.0, share) * float(bar.length)) / 12  # as near as anybody counts
        found[hit.id] = Place(bar.number, beat(min(onset, float(bar.length) - 1 / 12), bar.meter), None)
    return found


@dataclass(frozen=True, slots=True)
class Filter:
    """Which hits a table shows. Empty ``drums`` means all; bars are numbers as printed, inclusive."""

    drums: tuple[str, ...] = ()
    below: float = 1.0
    first_bar: int | None = None
    last_bar: int | None = None
    origin: str = ""

    def accepts(self, hit: Hit, place: Place | None) -> bool:
        """Whether ``hit`` is shown."""
        bar = place.bar if place else None
        return (
            (not self.drums or hit.drum in self.drums)
            and hit.confidence <= self.below
            and (not self.origin or hit.origin == self.origin)
            and (self.first_bar is None or (bar is not None and bar >= self.first_bar))
            and (self.last_bar is None or (bar is not None and bar <= self.last_bar))
        )


def shown(hits: Hits, where: Mapping[int, Place], chosen: Filter) -> list[int]:
    """Ids of the hits that ``chosen`` accepts, in order of time."""
    return [hit.id for hit in hits if chosen.accepts(hit, where.get(hit.id))]


COLUMNS = ("mark", "time_s", "place", "drum", "velocity", "confidence", "deviation_ms")


def frame(
    ids: Sequence[int], before: Hits, hits: Hits, where: Mapping[int, Place], marked: frozenset[int] = frozenset()
) -> pd.DataFrame:
    """One row a hit, in the order of ``ids``; columns :data:`COLUMNS`, index the ids.

    What can be typed over stands as in ``before``, the hits that the table began with: the editor lays what was typed
    over it. What follows from it is that of ``hits``. All ``ids`` exist in both.
    """
    by_id, began = hits.by_id(), before.by_id()
    rows = [by_id[hit_id] for hit_id in ids]
    typed_over = [began[hit_id] for hit_id in ids]
    spots = [where.get(hit_id) for hit_id in ids]
    return pd.DataFrame(
        {
            "mark": [hit_id in marked for hit_id in ids],
            "time_s": [round(hit.time_s, 3) for hit in typed_over],
            "place": [str(spot) if spot else "" for spot in spots],
            "drum": pd.Categorical([NAMES[hit.drum] for hit in typed_over], categories=list(LABEL_OF)),
            "velocity": [hit.velocity for hit in typed_over],
            "confidence": [round(hit.confidence, 2) for hit in rows],
            "deviation_ms": [
                None if spot is None or spot.deviation_s is None else round(1000 * spot.deviation_s) for spot in spots
            ],
        },
        index=pd.Index(ids, dtype="int64", name="id"),
        columns=list(COLUMNS),
    ).astype({"deviation_ms": "Int64"})


@dataclass(frozen=True, slots=True)
class Changes:
    """What the user did in a table: an edit (perhaps without effect), and rows marked or unmarked."""

    edit: edits.Edit
    marks: dict[int, bool] = field(default_factory=dict)


def changes(ids: Sequence[int], before: Hits, hits: Hits, edited_rows: Mapping[Any, Mapping[str, Any]]) -> Changes:
    """What the editor's accumulated ``edited_rows`` (by position) mean now.

    The rows shall be those of ``before`` with what was typed over them, and a cell that is typed back is no longer
    among the edited ones: so each row is compared with the hits as they are, and may be read again and again.

    Raises:
        EditError: a value that no hit can have.
    """
    by_id, began = hits.by_id(), before.by_id()
    typed = {int(position): cells for position, cells in edited_rows.items()}
    rows: list[dict[str, Any]] = []
    touched: list[Hit] = []
    marks: dict[int, bool] = {}
    for position, hit_id in enumerate(ids):
        hit, was, cells = by_id.get(hit_id), began.get(hit_id), typed.get(position, {})
        if hit is None or was is None:
            continue
        if "mark" in cells:
            marks[hit.id] = bool(cells["mark"])
        if not cells and (hit.time_s, hit.drum, hit.velocity) == (was.time_s, was.drum, was.velocity):
            continue
        touched.append(hit)
        rows.append(
            {
                "id": hit.id,
                "time_s": cells.get("time_s", was.time_s),
                "drum": LABEL_OF.get(cells["drum"], cells["drum"]) if "drum" in cells else was.drum,
                "velocity": cells.get("velocity", was.velocity),
            }
        )
    return Changes(edits.apply_table(hits, rows, shown=touched), marks)
