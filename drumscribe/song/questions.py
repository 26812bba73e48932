"""Doubts as questions: strokes of one drum at one place of the bar, which one answer decides together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from drumscribe.song import edits
from drumscribe.song.edits import Edit
from drumscribe.song.gestures import Places
from drumscribe.types import Hit, Hits, Meter, Rhythm

Kind = Literal["heard", "missed"]
BELOW = 0.75
"""Hits with less confidence are in doubt."""
ABOVE = 0.2
"""Candidates under the threshold with at least this confidence may have been missed."""
FEWEST = 2
"""A question decides at least so many strokes; single ones are for the queue."""


@dataclass(frozen=True, slots=True)
class Question:
    """Are these strokes right (``"heard"``), or were they missed (``"missed"``)?

    Attributes:
        kind: hits in doubt, or candidates that are no hits.
        drum: of all of them.
        onset: place in the bar, quarter notes from its line.
        meter: of the bars.
        hits: the strokes in order of time.
        bars: index of the bar of each.
        confidence: mean over the strokes.
    """

    kind: Kind
    drum: str
    onset: Fraction
    meter: Meter
    hits: tuple[Hit, ...]
    bars: tuple[int, ...]
    confidence: float

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Names the question while hits come and go."""
        return self.kind, self.drum, str(self.onset), str(self.meter)


def ask(
    hits: Hits, rejected: Iterable[Hit], rhythm: Rhythm, *, below: float = BELOW, above: float = ABOVE,
    passed: Iterable[tuple[str, str, str, str]] = (),
) -> list[Question]:  # fmt: skip
    """Every question, the one that decides most strokes first; of equal ones the more doubtful.

    Args:
        hits: as they are now; those that a user vouched for are in no doubt.
        rejected: candidates that are no hits.
        rhythm: the bars, with the places of the hits.
        passed: keys of questions that were answered or put off.
    """
    if not rhythm.bars:
        return []
    places = Places(rhythm.bars, rhythm.placements)
    groups: dict[tuple[Kind, str, Fraction, Meter], list[tuple[Hit, int]]] = {}
    doubtful: list[tuple[Kind, Hit]] = [
        ("heard", hit) for hit in hits if hit.origin == "model" and hit.confidence < below
    ]
    doubtful += [("missed", hit) for hit in rejected if hit.confidence >= above]
    for kind, hit in doubtful:
        bar, onset = places.of(hit)
        groups.setdefault((kind, hit.drum, onset, rhythm.bars[bar].meter), []).append((hit, bar))
    left_out = set(passed)
    found = []
    for (kind, drum, onset, meter), members in groups.items():
        members.sort(key=lambda member: member[0].time_s)
        strokes, bars = tuple(hit for hit, _ in members), tuple(bar for _, bar in members)
        mean = sum(hit.confidence for hit in strokes) / len(strokes)
        found.append(Question(kind, drum, onset, meter, strokes, bars, mean))
    asked = [one for one in found if len(one.hits) >= FEWEST and one.key not in left_out]
    return sorted(asked, key=lambda one: (-len(one.hits), abs(one.confidence - 0.5), one.hits[0].time_s))


def answer(question: Question, hits: Hits, *, right: bool, drum: str = "", ids: Iterable[int] | None = None) -> Edit:
    """The one edit that an answer comes to.

    Args:
        right: they are there (vouch for them, take candidates in), or they are not (hits go).
        drum: they are there, but this drum.
        ids: of the strokes that the answer is about; all by default.

    Raises:
        EditError: a stroke that is no longer there.
    """
    wanted = None if ids is None else set(ids)
    chosen = [hit for hit in question.hits if wanted is None or hit.id in wanted]
    if not right and not drum:
        return edits.delete(hits, [hit.id for hit in chosen]) if question.kind == "heard" else Edit("Leave out")
    vouched = edits.accept(hits, chosen)
    if not drum:
        return vouched
    after = edits.apply(hits, vouched)
    relabelled = edits.relabel(after, [hit.id for hit in chosen], drum)
    return edits.replace_all(hits, edits.apply(after, relabelled), relabelled.label)


def expected_errors(hits: Hits, rejected: Iterable[Hit], *, above: float = ABOVE) -> float:
    """How many strokes are likely still wrong or missing, by the confidences."""
    wrong = sum(1 - hit.confidence for hit in hits if hit.origin == "model")
    return wrong + sum(hit.confidence for hit in rejected if hit.confidence >= above)
