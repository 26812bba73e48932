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
    """Every question, the one first whose answer is expected to make most bars right.

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
    doubtful += [("missed", hit) for hit in rejected if hit.confidence >= above and not _other_name(hit, hits)]
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
    worth = _worth(doubtful, hits, places, found)
    asked = [one for one in found if one.key not in left_out]
    return sorted(asked, key=lambda one: (-worth[one.key], one.hits[0].time_s))


def _other_name(candidate: Hit, hits: Hits) -> bool:
    """Whether a candidate is a stroke that is shown under another name (a closed hat, heard as an open one, too)."""
    from drumscribe.hits.decode import RIVALS, TOGETHER_S

    names = next((group for group in RIVALS if candidate.drum in group), (candidate.drum,))
    near = hits.between(candidate.time_s - TOGETHER_S, candidate.time_s + TOGETHER_S)
    return any(hit.drum in names for hit in near)


def _worth(
    doubtful: Iterable[tuple[Kind, Hit]], hits: Hits, places: Places, found: Iterable[Question]
) -> dict[tuple[str, str, str, str], float]:
    """How many bars each question is expected to make right: those in which all the rest is likely to be."""
    right: dict[int, float] = {}  # of each bar: that every stroke in it is right, and none is missing
    for hit in hits:
        if hit.origin == "model":
            bar = places.of(hit)[0]
            right[bar] = right.get(bar, 1.0) * hit.confidence
    for kind, hit in doubtful:
        if kind == "missed":
            bar = places.of(hit)[0]
            right[bar] = right.get(bar, 1.0) * (1 - hit.confidence)
    worth = {}
    for question in found:
        total = 0.0
        for hit, bar in zip(question.hits, question.bars, strict=True):
            stands = hit.confidence if question.kind == "heard" else 1 - hit.confidence
            total += (1 - stands) * right.get(bar, 1.0) / max(stands, 1e-6)
        worth[question.key] = total
    return worth


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
        return edits.delete(hits, [hit.id for hit in chosen]) if question.kind == "heard" else edits.refuse(chosen)
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
