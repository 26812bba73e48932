"""Results on the wire: what was heard, edits to it, and its files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from drumscribe.api.schemas import AlternativeView, ChangeView, HitsPatch, HitView, ResultView, TempoView
from drumscribe.errors import EditError
from drumscribe.song import edits
from drumscribe.types import Hits

if TYPE_CHECKING:
    from drumscribe.jobs.model import Job
    from drumscribe.pipeline import Transcription


def view(job: Job, transcription: Transcription) -> ResultView:
    """Everything but the activations and the score."""
    grid, rhythm = transcription.grid, transcription.rhythm
    hits = transcription.hits
    return ResultView(
        id=job.id,
        revision=job.revision,
        title=transcription.score.title,
        artist=transcription.score.artist,
        duration_s=transcription.song.duration_s,
        bpm=round(float(grid.bpm), 3),
        bpm_candidates=[TempoView(bpm=c.bpm, factor=c.factor, confidence=c.confidence) for c in grid.candidates],
        counted=grid.name,
        alternatives=[
            AlternativeView(
                name=other.name, bpm=round(other.bpm, 3), meter=str(other.meter),
                first_downbeat_s=round(other.first_downbeat_s, 4), confidence=round(other.confidence, 4),
            )
            for other in grid.alternatives
        ],
        meter=str(grid.meter or "4/4"),
        downbeat_confidence=float(grid.confidence),
        tracker=grid.tracker,
        beats=np.round(grid.times, 4).tolist(),
        downbeats=np.round(grid.times[grid.numbers == 1], 4).tolist(),
        swing=rhythm.swing,
        hits=[
            HitView(
                id=hit.id, time_s=round(hit.time_s, 4), drum=hit.drum, confidence=round(hit.confidence, 4),
                velocity=hit.velocity, origin=hit.origin,
            )
            for hit in hits
        ],
        changes=[
            ChangeView(
                kind=change.kind, hit_id=change.hit_id, time_s=round(change.time_s, 4), drum=change.drum,
                heard=change.heard, heard_chance=round(change.heard_chance, 4), chance=round(change.chance, 4),
            )
            for change in rhythm.changes
        ],
        groups=list(rhythm.groups),
        reading_note=rhythm.note,
        confidence=round(sum(hit.confidence for hit in hits) / len(hits), 4) if len(hits) else 0.0,
        separated=transcription.heard.method == "demucs",
        warnings=list(transcription.warnings),
        options=transcription.options,
    )  # fmt: skip


def steps(hits: Hits, patch: HitsPatch) -> list[edits.Edit]:
    """The one or two steps that ``patch`` stands for: the changes, then the hits that were vouched for.

    Raises EditError for an unknown hit, one that is named twice, or an impossible value.
    """
    known = hits.by_id()
    changes = {change.id: change for change in patch.update}
    named = [*patch.delete, *(change.id for change in patch.update)]
    for hit_id, times in Counter(named).items():
        if hit_id not in known:
            raise EditError(f"There is no hit with the number {hit_id}.", "Fetch the result again.")
        if times > 1:
            raise EditError(f"Hit {hit_id} is named more than once.", "Name each hit in one place only.")
    gone = set(patch.delete)
    rows: list[dict[str, Any]] = []
    for hit in hits:
        if hit.id in gone:
            continue
        row: dict[str, Any] = {"id": hit.id, "time_s": hit.time_s, "drum": hit.drum, "velocity": hit.velocity}
        if hit.id in changes:
            row |= changes[hit.id].model_dump(include={"time_s", "drum", "velocity"}, exclude_none=True)
        rows.append(row)
    rows += [{"id": None, **hit.model_dump()} for hit in patch.add]
    changed = edits.apply_table(hits, rows)
    after = edits.apply(hits, changed)
    present = after.by_id()
    vouched = edits.accept(after, [present[c.id] for c in patch.update if c.accept and c.id in present])
    return [step for step in (changed, vouched) if step]
