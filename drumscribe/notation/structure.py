"""The form of a chart: sections, repeats, silent stretches, similes, and what goes on a line.

Bars are compared by what is printed in them (:class:`~drumscribe.notation.voices.BarInk`). Sections come from
self-similarity with a checkerboard kernel (J. Foote, *Automatic audio segmentation using a measure of audio novelty*,
2000), snapped to the four-bar phrases of popular music.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drumscribe.choices import Paper
from drumscribe.kit import DRUMS, LABELS
from drumscribe.notation.model import PAPER_MARGIN_MM, PAPER_MM, SCREEN_MARGIN_MM
from drumscribe.types import Placement

KERNEL_BARS = (4, 8)
"""Reaches of the kernels: the short one places a change, the long one tells it from a fill."""
NOVELTY_FLOOR = 0.22
"""Novelty (mean similarity inside minus across, 0–1) from which a bar may begin a section."""
ANNOUNCED = 1.15
"""Factor on it where a crash opens the bar."""
LEAD_PRICE, SPARSE = 0.05, 0.6
"""Price of each bar before the first section, which may have this part of the strokes of the bars after at most."""
SHORTEST_SECTION = 4
PHRASE = 4
LONGEST_REPEAT = 16
SAVED_BARS = 4
"""A repeat is written where it saves at least so many bars."""
LONGEST_ENDING, MOST_ENDINGS = 2, 3
"""Bars of an ending, and endings of one passage."""
LINE_WIDTH = 54.0
"""Room on a line, in note columns of the widest staff that is still easy to read."""
CROWDED, LOOSE = 40.0, 0.5
"""Prices of a line that is fuller or emptier, times the square of the part by which it is."""
BAR_COUNTS = {1: 1.0, 2: 0.15, 3: 0.45, 4: 0.0, 5: 0.4}
"""Prices of a line with so many bars: phrases have two and four; five take in a last bar that would be left alone."""
NARROW, NARROW_COUNTS = 30.0, {1: 0.3, 2: 0.0}
"""The same on a line with less room (a phone's)."""
CHANGED_COUNT = 0.3
"""Price of a line with another number of bars than the one before: the eye counts on it."""
ODD_PHRASE = 0.3
"""Price of a line that begins in the middle of two bars."""
TORN_ENDING = 2.0
"""Price of a line that begins in the middle of an ending."""
_CLEF_MM, _CLEF_AND_METER_MM = 8.0, 14.0
_REST_RUN_WIDTH = 10.0
_SIMILE_WIDTH = 5.0
_CELLS = 48
_COUNTING = frozenset({"closed_hihat", "open_hihat", "pedal_hihat", "cross_stick", "ride"})
LONGEST_COUNT = 2
"""Bars."""
MOST_COUNTS = 4
"""Strokes of a count in one bar."""


def room(screen_mm: float | None, paper: Paper) -> float:
    """Note columns on a line of a screen, at the size that they have on paper (where ``screen_mm`` is ``None``)."""
    if screen_mm is None:
        return LINE_WIDTH
    of_paper = PAPER_MM[paper][0] - 2 * PAPER_MARGIN_MM - _CLEF_MM
    return LINE_WIDTH * max(1.0, screen_mm - 2 * SCREEN_MARGIN_MM - _CLEF_AND_METER_MM) / of_paper


def sections(strokes: Sequence[Sequence[Placement]], lengths: Sequence[float], first: int = 0) -> list[int]:
    """Return indices of the bars that begin a section; the first of them may come after a bar or two that lead in.

    Those beginnings are taken that stand out most in all (dynamic programming), so that a slip of one bar does not
    move all that follow.

    Args:
        strokes: placements of each bar.
        lengths: quarter notes of each bar.
        first: the bar after a pickup or a count.
    """
    count = len(strokes)
    if count - first < 2 * SHORTEST_SECTION:
        return [first] if count > first else []
    similarity = _similarity(_features(strokes, lengths))
    novelty = np.mean([_novelty(similarity, reach) for reach in KERNEL_BARS], axis=0)
    crash = np.array([_crashes(bar) for bar in strokes])
    ways: dict[int, tuple[float, list[int]]] = {
        begin: (LEAD_PRICE * (first - begin), [begin])
        for begin in range(first, first + LONGEST_COUNT + 1) if _leads_in(strokes, first, begin)
    }  # fmt: skip
    for bar in range(first + SHORTEST_SECTION, count - SHORTEST_SECTION + 1):
        if novelty[bar] * ANNOUNCED < NOVELTY_FLOOR:
            continue
        found = []
        for begin, (worth, begins) in ways.items():
            if bar - begin >= SHORTEST_SECTION:
                weight = _weight(novelty, crash, begin, bar)
                if weight >= NOVELTY_FLOOR and weight >= 0.999 * _best_near(novelty, crash, begin, bar):
                    found.append((worth + weight - NOVELTY_FLOOR, [*begins, bar]))
        if found:
            ways[bar] = max(found)
    return max(ways.values())[1]


def _leads_in(strokes: Sequence[Sequence[Placement]], first: int, begin: int) -> bool:
    """Whether the bars from ``first`` to ``begin`` hold far less than those after."""
    after = sorted(len(bar) for bar in strokes[begin : begin + SHORTEST_SECTION])
    return all(len(bar) <= SPARSE * after[len(after) // 2] for bar in strokes[first:begin])


def lead_in(strokes: Sequence[Sequence[Placement]], first: int = 0) -> int:
    """Return the bar with which the music begins, after bars from ``first`` that only count it in.

    A count has a few equal strokes of one hand (sticks, hi-hat, or ride) and lasts two bars at most.
    """
    for bar in range(first, min(first + LONGEST_COUNT + 1, len(strokes))):
        drums = {place.drum for place in strokes[bar]}
        if len(drums) != 1 or not drums <= _COUNTING or len(strokes[bar]) > MOST_COUNTS:
            return bar if bar > first and any(DRUMS[drum].family == "kick" for drum in drums) else first
    return first


def _best_near(novelty: NDArray[np.float64], crash: NDArray[np.bool_], begin: int, bar: int) -> float:
    low, high = max(begin + SHORTEST_SECTION, bar - 2), min(len(novelty), bar + 3)
    return max(_weight(novelty, crash, begin, i) for i in range(low, high))


def _weight(novelty: NDArray[np.float64], crash: NDArray[np.bool_], begin: int, bar: int) -> float:
    """Novelty, more where a crash announces something, less where it would leave an odd number of bars."""
    bars = bar - begin
    phrase = 1.0 if bars % PHRASE == 0 else 0.9 if bars % 2 == 0 else 0.7
    return float(novelty[bar]) * phrase * (ANNOUNCED if crash[bar] else 1.0)


def _crashes(bar: Sequence[Placement]) -> bool:
    return any(place.drum in ("crash", "china", "splash") and place.onset == 0 for place in bar)


def _features(strokes: Sequence[Sequence[Placement]], lengths: Sequence[float]) -> NDArray[np.float64]:
    """``(bars, places)`` unit vectors: which drum plays where in the bar; a crash counts as the ride it stops."""
    found = np.zeros((len(strokes), len(LABELS), _CELLS + 1))
    column = {label: i for i, label in enumerate(LABELS)}
    for i, (bar, length) in enumerate(zip(strokes, lengths, strict=True)):
        for place in bar:
            cell = min(_CELLS - 1, int(float(place.onset) / length * _CELLS))
            found[i, column[place.drum], cell] = 0.3 if place.drum in ("crash", "splash") else 1.0
        found[i, :, _CELLS] = 2 * found[i, :, :_CELLS].any(axis=1)  # which drums play at all says most
    flat = found.reshape(len(strokes), -1)
    flat = flat[:, flat.any(axis=0)]
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    unit: NDArray[np.float64] = flat / np.maximum(norm, 1e-9)
    return unit


def _similarity(features: NDArray[np.float64]) -> NDArray[np.float64]:
    similarity: NDArray[np.float64] = features @ features.T
    silent = np.linalg.norm(features, axis=1) < 0.5
    similarity[np.ix_(silent, silent)] = 1.0
    return similarity


def _novelty(similarity: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Similarity within the bars before and within those after each bar, less that across them."""
    count = len(similarity)
    novelty = np.zeros(count)
    for bar in range(1, count):
        size = min(reach, bar, count - bar)
        if size < 2:
            continue
        before, after = slice(bar - size, bar), slice(bar, bar + size)
        within = (similarity[before, before].mean() + similarity[after, after].mean()) / 2
        novelty[bar] = within - similarity[before, after].mean()
    return novelty


@dataclass(frozen=True, slots=True)
class Passage:
    """Bars that are written once and played several times.

    Attributes:
        start: its first bar.
        length: bars of each pass.
        passes: of each ending in turn: ``(3, 1)`` is ``1.–3.`` and ``4.``; one entry: a plain repeat.
        tail: bars of each ending.
    """

    start: int
    length: int
    passes: tuple[int, ...]
    tail: int = 0

    @property
    def times(self) -> int:
        """Passes in all."""
        return sum(self.passes)

    @property
    def end(self) -> int:
        """The bar after the last pass."""
        return self.start + self.length * self.times

    @property
    def saved(self) -> int:
        """Bars that need not be written."""
        return self.length * (self.times - 1) - self.tail * (len(self.passes) - 1)

    def endings(self) -> list[tuple[range, tuple[int, ...]]]:
        """The bars of each ending where it is played first, and the passes that it is for; none in a plain repeat."""
        found = []
        before = 0
        for count in self.passes if len(self.passes) > 1 else ():
            stop = self.start + self.length * (before + 1)
            found.append((range(stop - self.tail, stop), tuple(range(before + 1, before + count + 1))))
            before += count
        return found

    def repeat_ends(self) -> list[int]:
        """The bars with a repeat barline: the last of the passage, or of each ending but the last."""
        return [bars.stop - 1 for bars, _ in self.endings()[:-1]] or [self.start + self.length - 1]

    def written(self) -> list[int]:
        """The bars that stand on the page."""
        later = [bar for bars, _ in self.endings()[1:] for bar in bars]
        return [*range(self.start, self.start + self.length), *later]


def repeats(inks: Sequence[Hashable], fixed: Sequence[bool]) -> list[Passage]:
    """Find passages worth repeat barlines: whole phrases, counted from the last mark, whose last bars may differ.

    From each phrase the way is taken that saves most bars; among equals one without endings, then a short one.

    Args:
        inks: the look of each bar.
        fixed: bars that carry a mark (section, meter, tempo, feel): a repeat may begin there but not run over it.
    """
    count = len(inks)
    found: list[Passage] = []
    bar = origin = 0
    while bar < count:
        origin = bar if fixed[bar] else origin
        if (bar - origin) % PHRASE:
            bar += 1
            continue
        limit = next((i for i in range(bar + 1, count) if fixed[i]), count)
        lengths = range(PHRASE, min(LONGEST_REPEAT, (count - bar) // 2) + 1, PHRASE)
        ways = [_passage(inks[:limit], bar, length, tail) for tail in range(LONGEST_ENDING + 1) for length in lengths
                if length > 2 * tail]  # fmt: skip
        best = max(ways, key=lambda way: way.saved, default=None)
        if best and best.saved >= SAVED_BARS:
            found.append(best)
            bar = best.end
        else:
            bar += 1
    return found


def _passage(inks: Sequence[Hashable], start: int, length: int, tail: int) -> Passage:
    """The longest passage from ``start`` whose passes differ in the last ``tail`` bars only.

    Of several endings the last one is for one pass: it leads on.
    """
    passes = [1]
    end = start + length
    while end + length <= len(inks) and inks[end : end + length - tail] == inks[start : start + length - tail]:
        if inks[end + length - tail : end + length] == inks[end - tail : end]:
            passes[-1] += 1
        elif len(passes) < MOST_ENDINGS:
            passes.append(1)
        else:
            break
        end += length
    if len(passes) > 1:
        passes[-1] = 1
    return Passage(start, length, tuple(passes), tail)


@dataclass(frozen=True, slots=True)
class BarPlan:
    """How a bar is drawn: ``simile`` 0, 1, 2; ``rest_run`` as in the model; first of its line or not."""

    simile: int = 0
    rest_run: int = 0
    new_system: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The bars to lay out, each tuple with one entry a bar.

    Attributes:
        inks: the look.
        widths: note columns when written out.
        silent: bars without a note.
        fixed: bars with a mark above them or first of a passage or an ending, which are always written out.
        line_starts: bars that must begin a line (sections).
        closed: bars that end with a repeat barline or close an ending.
        torn: bars in the middle of an ending.
        places: the bar's number in the order of play, from 0.
        lead_in: bars before the music (a pickup, a count), which take no bar's place on the first line.
    """

    inks: Sequence[Hashable]
    widths: Sequence[float]
    silent: Sequence[bool]
    fixed: Sequence[bool]
    line_starts: Sequence[bool]
    closed: Sequence[bool]
    torn: Sequence[bool]
    places: Sequence[int]
    lead_in: int = 0


def lay_out(written: Written, *, simile: bool, room: float = LINE_WIDTH) -> list[BarPlan]:
    """Decide lines, similes, and multi-bar rests together: a line always begins with a bar written out.

    ``room`` is that on a line, in note columns.
    """
    after = [False, *written.closed]
    runs = _rest_runs(written.silent, [mark or turn for mark, turn in zip(written.fixed, after, strict=False)])
    plans: list[BarPlan] = []
    count, before = len(written.inks), 0
    while len(plans) < count:
        start = len(plans)
        stop = next((i for i in range(start + 1, count) if written.line_starts[i]), count)
        lines, before = _lines(written, runs, (start, stop), simile, before, room)
        plans += [plan for line in lines for plan in line]
    return plans


def _lines(written: Written, runs: dict[int, int], section: tuple[int, int], simile: bool,
           before: int, room: float) -> tuple[list[list[BarPlan]], int]:  # fmt: skip
    """The lines of a section that cost least in all, and how many bars most of them hold.

    ``before`` is that number for the section before (0: none).
    """
    start, stop = section
    counts = BAR_COUNTS if room >= NARROW else NARROW_COUNTS
    origin = start + (written.lead_in if start == 0 else 0)
    ways: dict[int, dict[int, tuple[float, list[list[BarPlan]], int]]] = {start: {before: (0.0, [], 0)}}
    for bar in range(start, stop):
        if bar not in ways:
            continue
        odd = ODD_PHRASE if (written.places[bar] - written.places[origin]) % 2 and bar > start else 0.0
        torn = TORN_ENDING if written.torn[bar] else 0.0
        for units in counts:
            line, width = _line(written, runs, bar, stop, units + (origin - start if bar == start else 0), simile)
            end = bar + len(line)
            price = odd + torn + counts[units] + _price(width / room, last=end == stop)
            for held, (paid, lines, most) in ways[bar].items():
                changed = held and held != units and end < stop
                total = paid + price + (CHANGED_COUNT if changed else 0.0)
                into = ways.setdefault(end, {})
                if units not in into or total < into[units][0]:
                    into[units] = total, [*lines, line], max(most, units)
            if end == stop:
                break
    _, lines, most = min(ways[stop].values(), key=lambda way: way[0])
    return lines, most


def _price(filled: float, *, last: bool) -> float:
    """What too much or too little on a line costs."""
    off = filled - 1
    return CROWDED * off**2 if off > 0 else 0.0 if last else LOOSE * off**2


def _line(written: Written, runs: dict[int, int], start: int, stop: int, units: int,
          simile: bool) -> tuple[list[BarPlan], float]:  # fmt: skip
    """Plan and width of a line of ``units`` bars (a multi-bar rest counts as one) from ``start``, not over ``stop``."""
    line: list[BarPlan] = []
    width = 0.0
    while units > 0 and start + len(line) < stop:
        bar = start + len(line)
        if bar in runs and bar + runs[bar] <= stop:
            line += [BarPlan(0, runs[bar], not line), *[BarPlan()] * (runs[bar] - 1)]
            width += _REST_RUN_WIDTH
        elif simile and line and _repeats_one(written, runs, bar):
            line.append(BarPlan(1))
            width += _SIMILE_WIDTH
        elif simile and units >= 2 and bar + 1 < stop and _repeats_two(written, bar, line):
            line += [BarPlan(2), BarPlan(2)]
            width += 2 * _SIMILE_WIDTH
            units -= 1
        else:
            line.append(BarPlan(0, 0, not line))
            width += written.widths[bar]
        units -= 1
    return line, width


def _repeats_one(written: Written, runs: dict[int, int], bar: int) -> bool:
    alone = written.fixed[bar] or written.closed[bar - 1] or bar - 1 in runs
    return not alone and written.inks[bar] == written.inks[bar - 1]


def _repeats_two(written: Written, bar: int, line: Sequence[BarPlan]) -> bool:
    """Whether ``bar`` and the next repeat the two bars before, which stand on the same line, written or repeated."""
    if len(line) < 2 or any(plan.simile == 1 or plan.rest_run for plan in line[-2:]):
        return False
    marked = written.fixed[bar] or written.fixed[bar + 1]
    ended = any(written.closed[bar - 2 : bar + 1])
    pair = written.inks[bar : bar + 2]
    return not marked and not ended and pair == written.inks[bar - 2 : bar] and pair[0] != pair[1]


def _rest_runs(silent: Sequence[bool], fixed: Sequence[bool]) -> dict[int, int]:
    """First bar and length of every run of two or more silent bars; a mark may stand only on its first bar."""
    runs: dict[int, int] = {}
    start = 0
    for bar in range(len(silent) + 1):
        over = bar == len(silent) or not silent[bar] or fixed[bar]
        if over:
            if bar - start >= 2 and all(silent[start:bar]):
                runs[start] = bar - start
            start = bar if bar < len(silent) and silent[bar] else bar + 1
    return runs
