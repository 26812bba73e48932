"""SVG pages by verovio, for the screen and for the PDF fallback.

The score is cut into pages here, line by line, and each page is engraved from its own MusicXML: the first page of a
long song is ready at once, and a change on one page leaves the others in the cache. verovio keeps its resource path per
thread, so it is set in each thread that engraves.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from drumscribe.errors import NotationError
from drumscribe.notation.model import PAPER_MARGIN_MM, PAPER_MM, SCREEN_MARGIN_MM, Event, Measure, Score, Style
from drumscribe.notation.musicxml import to_musicxml
from drumscribe.notation.spelling import VALUES
from drumscribe.notation.summary import grooves, summary_score
from drumscribe.notation.svg import GHOST, polish

FONT = "Leland"
_UNITS_PER_MM = 10.0
_LAST_PAGE_LINES = 3
"""A page turn for less is a nuisance."""
_TOP, _TOP_UNDER_TITLE, _TOP_UNDER_LEGEND = 100, 260, 390
_BOTTOM = 150
"""The margin, and what hangs below the last staff."""
_threads = threading.local()


def to_svg(score: Score, pages: Sequence[int] | None = None) -> list[str]:
    """Engrave pages.

    Noteheads are ``<g class="note" id="hit-<id>">``; bars are ``<g class="measure" id="bar-<index>">``.

    Args:
        score: the chart.
        pages: indices of the pages wanted, in order (all by default); those past the end are left out.

    Raises:
        NotationError: if verovio cannot read the page (a bug).
    """
    cuts = page_cuts(score)
    count = page_count(score)
    wanted = range(count) if pages is None else [page for page in pages if 0 <= page < count]
    return [_page(score, cuts[page], page) if page < len(cuts) else _summary_page(score) for page in wanted]


def to_mei(score: Score) -> str:
    """Return MEI, as verovio reads our MusicXML. Raises NotationError if it cannot."""
    toolkit = _toolkit()
    plain = replace(score, measures=tuple(replace(measure, simile=0) for measure in score.measures))  # keep their notes
    if not toolkit.loadData(to_musicxml(plain).decode()):
        raise NotationError("verovio cannot read the score.", "Report this as a bug, with the project file.")
    found: str = toolkit.getMEI()
    return found


def page_count(score: Score) -> int:
    """Number of SVG pages (at least one), the summary's included."""
    return len(page_cuts(score)) + bool(score.style.summary and grooves(score))


def _summary_page(score: Score) -> str:
    """The groove summary; its ids must not be those of the bars it shows."""
    summary = summary_score(score)
    page = _page(summary, (0, len(summary.measures)), 0)
    return page.replace('id="hit-', 'id="summary-hit-').replace('id="bar-', 'id="summary-bar-')


def page_cuts(score: Score) -> list[tuple[int, int]]:
    """Return ``(first, end)`` measure indices of each page; the last one has a few lines at least."""
    lines = [0, *(i for i, measure in enumerate(score.measures) if i and measure.new_system)]
    ends = [*lines[1:], len(score.measures)]
    page_height = PAPER_MM[score.style.paper][1] * _UNITS_PER_MM
    firsts, room = [0], page_height - _top(score, 0) - _BOTTOM
    for k, (start, end) in enumerate(zip(lines, ends, strict=True)):
        height = line_height(score.measures[start:end])
        if height > room and k > firsts[-1]:
            firsts.append(k)
            room = page_height - _top(score, len(firsts) - 1) - _BOTTOM
        room -= height
    if len(firsts) > 1:
        firsts[-1] = max(firsts[-2] + 1, min(firsts[-1], len(lines) - _LAST_PAGE_LINES))
    starts = [lines[line] for line in firsts]
    return list(zip(starts, [*starts[1:], len(score.measures)], strict=True))


def line_height(measures: Sequence[Measure]) -> float:
    """What a line takes, in tenths of a millimetre: the staff, and what stands above and below it (as measured)."""
    events = [event for measure in measures if not measure.simile for voice in measure.voices for event in voice]
    feet = [event for measure in measures if not measure.simile for voice in measure.voices[1:] for event in voice]
    drums = {head.drum for event in events for head in event.heads}
    height = 252.0
    height += 27 if drums & {"china", "splash"} else 9 if "crash" in drums else 0
    height += 10 * ("pedal_hihat" in drums) + 45 * any(measure.dynamic for measure in measures)
    height += 27 * ("open_hihat" in drums or any(event.accent for event in events))
    height += 38 * any(event.tuplet for event in events) + 25 * any(event.tuplet for event in feet)
    marks = [80 * bool(measure.tempo) or 29 * bool(measure.rehearsal) for measure in measures]
    marks += [47 * bool(measure.ending) for measure in measures]
    words = [40 * (bool(measure.swing) + bool(measure.text) + (measure.repeat_end > 2 and not measure.ending))
             for measure in measures]  # fmt: skip
    return height + max(marks, default=0) + max(words, default=0)


def _top(score: Score, page: int) -> int:
    """Upper margin: the heading and the legend stand in that of the first page."""
    if page:
        return _TOP
    return _TOP_UNDER_LEGEND if _legend(score) else _TOP_UNDER_TITLE


def _legend(score: Score) -> tuple[str, ...]:
    """Labels of the legend; a screen has none: its drums would be too small to read."""
    return score.drums() if score.style.legend and score.style.screen_mm is None else ()


def _page(score: Score, cut: tuple[int, int], page: int) -> str:
    start, end = cut
    measures: tuple[Measure, ...] = score.measures[start:end]
    if measures:  # a break at its start, too: without any, verovio makes its own
        measures = (replace(measures[0], new_system=True), *measures[1:])
    signs = tuple((f"bar-{start + i}", measure.simile) for i, measure in enumerate(measures) if measure.simile)
    measures = tuple(_blank(measure) if measure.simile else measure for measure in _show_marks(measures))
    document = to_musicxml(replace(score, measures=measures, title="", artist=""), first_index=start,
                           ends=end == len(score.measures))  # fmt: skip
    if page:
        return _engrave(document, score.style, signs, page_number=page + 1)
    legend = _legend(score)
    if legend and any(head.ghost for measure in score.measures for _, head in measure.heads()):
        legend = (*legend, GHOST)
    return _engrave(document, score.style, signs, title=score.title, artist=score.artist, legend=legend)


def _show_marks(measures: Sequence[Measure]) -> list[Measure]:
    """Keep a bar with marks out of its multi-bar rest: verovio leaves out what stands above one."""
    out = list(measures)
    for i, measure in enumerate(measures):
        marked = (measure.rehearsal or measure.tempo or measure.swing or measure.text or measure.dynamic
                  or measure.ending)  # fmt: skip
        if measure.rest_run and marked:
            out[i] = replace(measure, rest_run=0)
            if measure.rest_run > 2:
                out[i + 1] = replace(measures[i + 1], rest_run=measure.rest_run - 1)
    return out


def _blank(measure: Measure) -> Measure:
    """An empty bar of the width of a few notes: verovio makes simile bars too narrow, and cannot draw two-bar signs."""
    quarters, rest = divmod(measure.length, 1)
    events = [Event(Fraction(i), Fraction(1), "quarter") for i in range(quarters)]
    if rest:
        events.append(Event(Fraction(quarters), rest, *VALUES[rest]))
    return replace(measure, simile=0, voices=(tuple(events),))


def _toolkit() -> Any:
    """This thread's verovio."""
    if not hasattr(_threads, "toolkit"):
        import verovio

        verovio.enableLog(verovio.LOG_OFF)
        verovio.setDefaultResourcePath(str(Path(verovio.__file__).parent / "data"))
        _threads.toolkit = verovio.toolkit()
    return _threads.toolkit


@lru_cache(maxsize=128)
def _engrave(document: bytes, style: Style, signs: tuple[tuple[str, int], ...], *, title: str = "", artist: str = "",
             page_number: int = 0, legend: tuple[str, ...] = ()) -> str:  # fmt: skip
    toolkit = _toolkit()
    width, height = PAPER_MM[style.paper]
    margin = PAPER_MARGIN_MM
    if style.screen_mm is not None:
        width, margin = style.screen_mm, SCREEN_MARGIN_MM
    top = _TOP if page_number else _TOP_UNDER_LEGEND if legend else _TOP_UNDER_TITLE
    toolkit.setOptions({
        "pageWidth": round(width * _UNITS_PER_MM), "pageHeight": round(height * _UNITS_PER_MM),
        "pageMarginLeft": round(margin * _UNITS_PER_MM), "pageMarginRight": round(margin * _UNITS_PER_MM),
        "pageMarginTop": top,
        "pageMarginBottom": 100, "unit": 9, "scale": 100, "font": FONT, "breaks": "encoded",
        "header": "none", "footer": "none", "spacingSystem": 8, "svgViewBox": True, "justifyVertically": False,
        "minLastJustification": 0.55, "measureMinWidth": 30, "spacingLinear": 0.3, "multiRestStyle": "block",
         "xmlIdSeed": 1, "smuflTextFont": "none",
    })  # fmt: skip
    if not toolkit.loadData(document.decode()):
        raise NotationError("The page could not be engraved.", "Report this as a bug, with the MusicXML file.")
    return polish(toolkit.renderToSVG(1), signs, title=title, artist=artist, page_number=page_number, legend=legend,
                  dialect=style.noteheads, margin=100 * margin)  # fmt: skip


def clear_cache() -> None:
    """Forget engraved pages (for measurements)."""
    _engrave.cache_clear()
