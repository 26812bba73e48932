"""When each bar and notehead of a score sounds, from our own grid: what a cursor and clicks on the page need.

Programs that play scores are silent in simile bars and do not know a tempo that drifts; this knows both.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from drumscribe.notation.model import Head, Score, TempoMark
from drumscribe.types import Bar, BeatGrid, Ornament, Placement, Rhythm

_ORNAMENTS: dict[int, Ornament] = {1: "flam", 2: "drag"}


@dataclass(frozen=True, slots=True)
class PlayedBar:
    """One bar as played.

    Attributes:
        index: in the rhythm.
        measure: index of the written measure that stands for it (several bars share one under a repeat).
        element: id of that measure in the SVG.
        start_s, end_s: seconds.
    """

    index: int
    measure: int
    element: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class PlayedHead:
    """One stroke as played.

    Attributes:
        hit_id: the hit.
        element: id of its notehead in MusicXML and SVG; the SVG draws no heads in simile bars, so fall back on the
            element of the bar.
        bar: index of the bar as played.
        onset: quarter notes from the bar line.
        grid_s: when the written place comes by.
        played_s: when it was played.
    """

    hit_id: int
    element: str
    bar: int
    onset: Fraction
    grid_s: float
    played_s: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Bars and noteheads in order of time. Build with :meth:`of`."""

    bars: tuple[PlayedBar, ...]
    heads: tuple[PlayedHead, ...]

    @classmethod
    def of(cls, score: Score, rhythm: Rhythm, grid: BeatGrid | None = None) -> Timeline:
        """Join ``score`` with the ``rhythm`` it was notated from; ``grid`` refines times inside the bars."""
        order = score.play_order()
        bars = tuple(
            PlayedBar(bar.index, measure, f"bar-{measure}", bar.start_s, bar.end_s)
            for bar, measure in zip(rhythm.bars, order, strict=False)
        )
        places: dict[int, dict[tuple[Fraction, str], Head]] = {}
        for measure in set(order):
            places[measure] = {
                (event.onset, head.drum): head
                for voice in score.measures[measure].voices for event in voice for head in event.heads
            }  # fmt: skip
        own = {head.hit_id: head for measure in score.measures for _, head in measure.heads()}
        heads = []
        for place in rhythm.placements:
            if place.bar >= len(bars):
                continue
            head = own.get(place.hit_id) or places[bars[place.bar].measure].get((place.onset, place.drum))
            if head is None:
                continue
            at = _time(rhythm.bars[place.bar], place.onset, grid)
            for hit_id in (place.hit_id, *place.grace_ids):
                element = own[hit_id].element if hit_id in own else head.element
                heads.append(PlayedHead(hit_id, element, place.bar, place.onset, at, at + place.deviation_s))
        return cls(bars, tuple(sorted(heads, key=lambda head: (head.played_s, head.hit_id))))

    def bar_at(self, time_s: float) -> PlayedBar | None:
        """The bar that sounds at ``time_s``; ``None`` before the first and after the last."""
        index = bisect_right(self.bars, time_s, key=lambda bar: bar.start_s) - 1
        if index < 0 or time_s >= self.bars[index].end_s:
            return None
        return self.bars[index]

    def element_of(self, hit_id: int) -> str | None:
        """Id of the notehead that shows a hit; ``None`` if the score leaves it out."""
        return next((head.element for head in self.heads if head.hit_id == hit_id), None)


def _time(bar: Bar, onset: Fraction, grid: BeatGrid | None) -> float:
    if grid is None or len(grid.times) < 2:
        return bar.start_s + float(onset / bar.length) * (bar.end_s - bar.start_s)
    first = round(float(grid.pulse_at(bar.start_s)))
    return float(grid.time_at(first + float(onset / bar.meter.pulse)))


def to_rhythm(score: Score) -> Rhythm:
    """Return the rhythm that ``score`` shows, repeats written out, in time at its metronome marks.

    For a chart that comes back from another program: from here it can be played, exported, or notated anew.
    """
    tempo = TempoMark(120)
    swing = False
    clock = 0.0
    bars: list[Bar] = []
    placements: list[Placement] = []
    used: set[int] = set()
    spare = 1 + max((head.hit_id for measure in score.measures for _, head in measure.heads()), default=-1)
    for index, at in enumerate(score.play_order()):
        measure = score.measures[at]
        if index == 0 and at and score.measures[0].tempo:
            tempo = score.measures[0].tempo or tempo  # of the count-in
        tempo = measure.tempo or tempo
        swing = measure.swing == "swing" if measure.swing else swing
        seconds = float(measure.length) * 60 / tempo.quarter_bpm
        onsets = [event.onset for event, _ in measure.heads()]
        parts = _subdivisions(measure.meter.pulse, measure.length, onsets)
        bars.append(Bar(index, measure.number, measure.meter, measure.length, clock, clock + seconds,
                        tempo.quarter_bpm, parts, swing))  # fmt: skip
        for voice in measure.voices:
            for event in voice:
                for head in event.heads:
                    graces = [grace.hit_id for grace in event.graces if grace.drum == head.drum]
                    ids = []
                    for wanted in (head.hit_id, *graces):
                        if wanted in used:
                            wanted, spare = spare, spare + 1
                        used.add(wanted)
                        ids.append(wanted)
                    ornament: Ornament = "roll" if event.slashes else _ORNAMENTS.get(len(graces), "")
                    placements.append(Placement(
                        ids[0], index, event.onset, head.drum, head.velocity, 1.0, 0.0, ornament, tuple(ids[1:]),
                        event.duration if event.slashes else Fraction(0)))  # fmt: skip
        clock += seconds
    placements.sort(key=lambda place: (place.bar, place.onset, place.drum))
    pulse = float(bars[0].meter.pulse) if bars else 1.0
    bpm = bars[0].quarter_bpm / pulse if bars else 120.0
    return Rhythm(tuple(bars), tuple(placements), bpm, any(bar.swing for bar in bars))


def _subdivisions(pulse: Fraction, length: Fraction, onsets: list[Fraction]) -> tuple[int, ...]:
    parts = [1] * max(1, int(length / pulse))
    for onset in onsets:
        number, inside = divmod(onset, pulse)
        if number < len(parts):
            parts[int(number)] = lcm(parts[int(number)], (inside / pulse).denominator)
    return tuple(parts)
