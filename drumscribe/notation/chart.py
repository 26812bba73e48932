"""From quantised hits to a score: which strokes are shown, how bars are written, and how the chart is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate

from drumscribe.errors import NotationError
from drumscribe.kit import DRUMS
from drumscribe.notation import structure
from drumscribe.notation.dynamics import find_dynamics
from drumscribe.notation.marks import Marks, find_marks
from drumscribe.notation.model import Event, Measure, Score, Style, TempoMark, Voice
from drumscribe.notation.text import one_line
from drumscribe.notation.voices import build_voices, ink
from drumscribe.options import NotateOptions
from drumscribe.types import Bar, Meter, Placement, Rhythm

TEMPO_CHANGE = 0.08
"""A new metronome mark is written where the tempo of four bars differs by more than this."""
_TEMPO_BARS = 4
_CORE = {"ride_bell": "ride", "splash": "crash", "china": "crash", "pedal_hihat": None}
_CORE_GRIDS = (Fraction(1, 2), Fraction(1, 3))


def notate(
    rhythm: Rhythm, options: NotateOptions, *, title: str = "", artist: str = "", screen_mm: float | None = None
) -> Score:
    """Write ``rhythm`` as a score.

    Args:
        rhythm: quantised hits.
        options: style; its ``title`` and ``artist`` win over the arguments where they are not empty.
        title: of the piece.
        artist: of the piece.
        screen_mm: break lines for a screen of this width instead of the paper.

    Raises:
        NotationError: if a bar cannot be written (a length or a position that no note value can show).
    """
    style = Style(options.voices, options.paper, options.noteheads, options.legend, options.summary, screen_mm)
    title, artist = one_line(options.title or title), one_line(options.artist or artist)
    if not rhythm.bars:
        return Score(title, artist, (), style)
    for bar in rhythm.bars:
        if bar.length <= 0 or bar.length.denominator & (bar.length.denominator - 1):
            raise NotationError(f"Bar {bar.number} lasts {bar.length} quarter notes, which cannot be written.",
                                "Choose another time signature.")  # fmt: skip
    marks = find_marks(rhythm.placements)
    shown = _shown(rhythm.placements, marks, options)
    marks = Marks(marks.ghosts, marks.accents if options.accents and not options.simplify else frozenset())
    strokes: list[list[Placement]] = [[] for _ in rhythm.bars]
    for place in shown:
        strokes[place.bar].append(place)
    room = structure.room(screen_mm, options.paper)
    measures = _Chart(rhythm.bars, strokes, marks, options, room).measures()
    if options.count_in:
        measures = _with_count_in(measures)
    return Score(title, artist, tuple(measures), style)


def _shown(placements: Sequence[Placement], marks: Marks, options: NotateOptions) -> list[Placement]:
    """Apply ghosts on/off and simplify, and leave one stroke a drum and place."""
    best: dict[tuple[int, Fraction, str], Placement] = {}
    for place in placements:
        if place.hit_id in marks.ghosts and (options.simplify or not options.ghosts):
            continue
        if options.simplify:
            place = replace(place, ornament="", grace_ids=(), roll_length=Fraction(0))
        if options.simplify == 2:
            core = _CORE.get(place.drum, place.drum)
            if core is None or not any(place.onset % grid == 0 for grid in _CORE_GRIDS):
                continue
            place = replace(place, drum=core)
        key = (place.bar, place.onset, place.drum)
        if key not in best or best[key].velocity < place.velocity:
            best[key] = place
    return sorted(best.values(), key=lambda place: (place.bar, place.onset, place.drum))


@dataclass(frozen=True, slots=True)
class _Chart:
    """The bars of a piece on their way to measures."""

    bars: Sequence[Bar]
    strokes: Sequence[Sequence[Placement]]
    marks: Marks
    options: NotateOptions
    room: float
    """On a line, in note columns."""

    def measures(self) -> list[Measure]:
        bars, options = self.bars, self.options
        count = len(bars)
        tempos = _tempo_marks(bars)
        new_meter = [i == 0 or bars[i].meter != bars[i - 1].meter for i in range(count)]
        new_feel = [bars[i].swing if i == 0 else bars[i].swing != bars[i - 1].swing for i in range(count)]
        first = 1 if bars[0].length < bars[0].meter.quarter_length and count > 1 else 0
        first = structure.lead_in(self.strokes, first)
        begins: list[int] = []
        if options.sections:
            begins = structure.sections(self.strokes, [float(bar.length) for bar in bars], first)
            first = begins[0] if begins else first
        letters = {bar: letter(i) for i, bar in enumerate(begins)} if len(begins) > 1 else {}
        fixed = [bool(new_meter[i] or new_feel[i] or i in tempos or i in letters or i <= first) for i in range(count)]
        loud = find_dynamics(self.strokes, begins, self.marks.ghosts) if options.dynamics else {}
        inks = [ink(bar.meter, bar.length, found, self.marks) for bar, found in zip(bars, self.strokes, strict=True)]

        passages = structure.repeats(inks, fixed) if options.repeats else []
        written = _written(count, passages)
        starts = {passage.start for passage in passages}
        ends = {bar: passage.times for passage in passages for bar in passage.repeat_ends()}
        endings = [ending for passage in passages for ending in passage.endings()]
        under = {bar: passes for bars, passes in endings for bar in bars}
        opening = starts | {bars.start for bars, _ in endings}
        closing = set(ends) | {bars.stop - 1 for bars, _ in endings}
        groupings = _groupings(bars, self.strokes)
        voices = [
            build_voices(bars[i].meter, bars[i].length, self.strokes[i], self.marks, voices=options.voices,
                         grouping=groupings.get(bars[i].meter, ())) for i in written
        ]  # fmt: skip
        layout = structure.Written(
            inks=[inks[i] for i in written],
            widths=[_width(found) for found in voices],
            silent=[not self.strokes[i] for i in written],
            fixed=[fixed[i] or i in opening for i in written],
            line_starts=[i in letters and i > first for i in written],
            closed=[i in closing for i in written],
            torn=[i in under and i not in opening for i in written],
            places=written,
            lead_in=sum(i < first for i in written),
        )
        plans = structure.lay_out(layout, simile=options.simile, room=self.room)
        return [
            Measure(
                number=bars[i].number, meter=bars[i].meter, length=bars[i].length, voices=found,
                show_meter=new_meter[i], tempo=tempos.get(i),
                swing=("swing" if bars[i].swing else "straight") if new_feel[i] else "",
                rehearsal=letters.get(i, ""), dynamic=loud.get(i, ""), simile=plan.simile, rest_run=plan.rest_run,
                repeat_start=i in starts, repeat_end=ends.get(i, 0), ending=under.get(i, ()),
                new_system=plan.new_system and k > 0,
            )
            for k, (i, found, plan) in enumerate(zip(written, voices, plans, strict=True))
        ]  # fmt: skip


def letter(index: int) -> str:
    """Rehearsal letter: A–Z, then AA, AB, ..."""
    return letter(index // 26 - 1) + chr(65 + index % 26) if index >= 26 else chr(65 + index)


def _written(count: int, passages: Sequence[structure.Passage]) -> list[int]:
    repeated = {bar for passage in passages for bar in range(passage.start, passage.end)}
    kept = {bar for passage in passages for bar in passage.written()}
    return [bar for bar in range(count) if bar in kept or bar not in repeated]


def _width(voices: Sequence[Voice]) -> float:
    """Room a bar needs, in columns: one for each onset, more for graces and for the bar line."""
    onsets = {event.onset for voice in voices for event in voice if event.heads}
    graces = sum(len(event.graces) for voice in voices for event in voice)
    return 2.5 + max(len(onsets), 3) + 0.7 * graces


def _tempo_marks(bars: Sequence[Bar]) -> dict[int, TempoMark]:
    """Each mark says the tempo of the whole stretch up to the next; a stretch ends where the tempo has changed."""
    quarters = list(accumulate((float(bar.length) for bar in bars), initial=0.0))

    def rate(start: int, end: int) -> float:
        """Quarter notes a minute over whole bars, so that a slip of one bar line does not show."""
        seconds = bars[end - 1].end_s - bars[start].start_s
        return 60 * (quarters[end] - quarters[start]) / seconds if seconds > 0 else bars[start].quarter_bpm

    marks: dict[int, TempoMark] = {}
    start = 0
    for i in range(1, len(bars)):
        ahead, so_far = bars[i : i + _TEMPO_BARS], rate(start, i)
        moved = len(ahead) >= 2 and all(abs(bar.quarter_bpm / so_far - 1) > TEMPO_CHANGE for bar in ahead)
        if moved or bars[i].meter.compound != bars[i - 1].meter.compound:
            marks[start] = _mark(bars[start].meter, so_far)
            start = i
    marks[start] = _mark(bars[start].meter, rate(start, len(bars)))
    return marks


def _mark(meter: Meter, quarter_bpm: float) -> TempoMark:
    if meter.compound and meter.unit == 8:
        return TempoMark(max(1, round(quarter_bpm / 1.5)), "quarter", 1)
    return TempoMark(max(1, round(quarter_bpm)))


def _groupings(bars: Sequence[Bar], strokes: Sequence[Sequence[Placement]]) -> dict[Meter, tuple[int, ...]]:
    """For meters like 7/8: the order of twos and threes on whose beats kick and snare fall most often."""
    found: dict[Meter, tuple[int, ...]] = {}
    for meter in {bar.meter for bar in bars if bar.meter.unit >= 8 and not bar.meter.compound and bar.meter.beats > 4}:
        weight = [0.0] * meter.beats
        for bar, placed in zip(bars, strokes, strict=True):
            for place in placed if bar.meter == meter and bar.length == meter.quarter_length else ():
                slot = place.onset / meter.pulse
                if slot.denominator == 1 and DRUMS[place.drum].family in ("kick", "snare"):
                    weight[int(slot)] += place.velocity
        ways = _twos_and_threes(meter.beats)
        found[meter] = max(ways, key=lambda way: (_score(way, weight), ways.index(way) * -1))
    return found


def _score(way: Sequence[int], weight: Sequence[float]) -> float:
    heads = [sum(way[:i]) for i in range(len(way))]
    return sum(weight[head] for head in heads) / len(heads)


def _twos_and_threes(beats: int) -> list[tuple[int, ...]]:
    """All ways to fill ``beats`` with as many twos as possible and at most one three; three last comes first."""
    if beats % 2 == 0:
        return [(2,) * (beats // 2)]
    twos = (beats - 3) // 2
    return [(*(2,) * i, 3, *(2,) * (twos - i)) for i in range(twos, -1, -1)]


def _with_count_in(measures: Sequence[Measure]) -> list[Measure]:
    """Put a silent bar before the first in which the beats are counted; it takes over tempo, meter, and feel."""
    first = measures[0]
    meter = first.meter
    pulses = meter.pulses_per_bar
    whole = Event(Fraction(0), meter.quarter_length, "whole", whole_bar=True)
    count = " ".join(str(i + 1) for i in range(pulses))
    lead = Measure(0, meter, meter.quarter_length, ((whole,),), show_meter=True, tempo=first.tempo, text=count,
                   count_in=True)  # fmt: skip
    return [lead, replace(first, show_meter=False, tempo=None), *measures[1:]]
