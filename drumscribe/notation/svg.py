"""verovio's SVG made ready to show: self-contained, quiet, with our own heading.

- Music glyphs inside text (the note of a metronome mark) become paths: no music font has to be installed or sent.
- Text is flattened to one element a run, which every SVG reader places alike.
- Simile signs are drawn here, in the empty bars of the page.
- Brackets of endings say a range of passes as such.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from drumscribe.choices import Noteheads
from drumscribe.kit import DRUMS, Notehead
from drumscribe.notation.form import passes_text
from drumscribe.notation.heads import notehead
from drumscribe.notation.musicxml import SWING_WORDS

NAMESPACE = "http://www.w3.org/2000/svg"
_S = f"{{{NAMESPACE}}}"
_BOLD = {"ending", "fing", "reh", "tempo"}
_ITALIC = {"dir", "dynam", "mNum"}
_EM = 1000.0
_ONE_BAR, _TWO_BARS = 0xE500, 0xE501
_SIGN_FONT = "Leland"
_STAFF = 0.72
"""Size of music glyphs on the staff, in page units for each unit of the font."""
_SPACE = 60.0
_HEADS: dict[Notehead, int] = {"normal": 0xE0A4, "x": 0xE0A9, "circle-x": 0xE0B3, "diamond": 0xE0DB}
"""Code points of the noteheads (SMuFL)."""
GHOST = "ghost"
"""What stands for a ghost note among the labels of a legend."""
_LEGEND_TOP, _LEGEND_SPACE, _LEGEND_STEP, _LEGEND_SIZE = 2350.0, 110.0, 1750.0, 230.0
_LOWEST_LINE = 4 * 7 + 2
"""E4, the bottom line, in staff steps."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WHOLE = re.compile(r"\d+")
_TITLE_SIZE = 620.0
_ARTIST_SIZE = 380.0
_LETTER = 0.55
"""Mean width of a bold letter, as a part of its size."""


def polish(svg: str, signs: Sequence[tuple[str, int]] = (), *, title: str = "", artist: str = "",
           page_number: int = 0, legend: Sequence[str] = (), dialect: Noteheads = "pas",
           margin: float = 1300) -> str:  # fmt: skip
    """Return the page ready for the screen and for :mod:`~drumscribe.notation.svg_pdf`.

    Args:
        svg: one page of verovio's, made with ``svgViewBox``.
        signs: ids of the simile bars, in order, with the number of bars that each sign repeats.
        title: heading of the first page.
        artist: to the right under the heading.
        page_number: printed at the foot, if not 0.
        legend: labels of the drums to show with their names under the heading; ``"ghost"`` for a ghost note.
        dialect: of the noteheads in the legend.
        margin: to the left and right of what is written in the heading.
    """
    root = etree.fromstring(svg.encode(), etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    inner = next(element for element in root.iter(f"{_S}svg") if element.get("class") == "definition-scale")
    for element in list(root.iter(f"{_S}desc")):
        element.getparent().remove(element)
    _draw_similes(root, signs)
    for text in root.iterfind(f".//{_S}g[@class='voltaBracket']//{_S}tspan[@font-size]"):
        text.text = passes_text([int(number) for number in _WHOLE.findall(text.text or "")])
    for text in list(inner.iter(f"{_S}text")):
        _flatten(text)
    width, height = (float(number) for number in inner.get("viewBox").split()[2:])
    if title:
        size = min(_TITLE_SIZE, (width - 2 * margin) / (_LETTER * len(title)))
        _add_text(inner, title, width / 2, 1500, size, "middle", bold=True)
    if artist:
        _add_text(inner, artist, width - margin, 1960, _ARTIST_SIZE, "end")
    if legend:
        _draw_legend(inner, legend, dialect, margin, width - margin)
    if page_number:
        _add_text(inner, str(page_number), width / 2, height - 700, _ARTIST_SIZE, "middle")
    return str(etree.tostring(root, encoding="unicode"))


def _draw_similes(root: Any, signs: Sequence[tuple[str, int]]) -> None:
    """Empty the bars and put signs in their middle; a two-bar sign stands on the bar line after its first bar."""
    measures = {g.get("id"): g for g in root.iter(f"{_S}g") if g.get("class") == "measure"} if signs else {}
    second = False
    for name, bars in signs:
        measure = measures[name]
        for rest in [g for g in measure.iter(f"{_S}g") if g.get("class") == "rest"]:
            rest.getparent().remove(rest)
        left, right, middle = _staff_box(measure)
        if bars == 1:
            _sign(measure, _ONE_BAR, (left + right) / 2, middle)
        elif second:
            _sign(measure, _TWO_BARS, left, middle)
        second = bars == 2 and not second


def _staff_box(measure: Any) -> tuple[float, float, float]:
    """Left, right, and height of the middle line of a bar's staff."""
    staff = next(g for g in measure if g.get("class") == "staff")
    lines = [path.get("d") for path in staff if path.tag == f"{_S}path"]
    numbers = [float(number) for number in _NUMBER.findall(lines[len(lines) // 2])]
    return numbers[0], numbers[2], numbers[1]


def _sign(measure: Any, code: int, x: float, y: float) -> None:
    group = etree.SubElement(measure, f"{_S}g")
    group.set("class", "mRpt")
    _draw(group, code, x, y, _STAFF)


def _draw(parent: Any, code: int, x: float, y: float, scale: float) -> None:
    """A glyph with its middle at ``x``."""
    outline, advance = _glyph(_SIGN_FONT, code)
    path = etree.SubElement(parent, f"{_S}path", d=outline)
    path.set("transform", f"translate({x - advance * scale / 2:.1f}, {y:.1f}) scale({scale:.4f}, {-scale:.4f})")


def _draw_legend(parent: Any, labels: Sequence[str], dialect: Noteheads, left: float, right: float) -> None:
    """A small staff with each drum's head, and its name below."""
    step = min(_LEGEND_STEP, (right - left) / len(labels))
    group = etree.SubElement(parent, f"{_S}g")
    group.set("class", "legend")
    bottom = _LEGEND_TOP + 4 * _LEGEND_SPACE
    for line in range(5):
        y = bottom - line * _LEGEND_SPACE
        _line(group, left, left + step * len(labels), y, 10)
    for i, label in enumerate(labels):
        ghost = label == GHOST
        label = "snare" if ghost else label
        row = DRUMS[label]
        place = row.octave * 7 + "CDEFGAB".index(row.step) - _LOWEST_LINE
        x, y = left + (i + 0.5) * step, bottom - place * _LEGEND_SPACE / 2
        for ledger in range(10, place + 1, 2):
            _line(group, x - 110, x + 110, bottom - ledger * _LEGEND_SPACE / 2, 14)
        scale = 4 * _LEGEND_SPACE / _EM
        _draw(group, _HEADS[notehead(label, dialect)], x, y, scale)
        if label == "open_hihat":
            circle = etree.SubElement(group, f"{_S}circle", cx=f"{x:.0f}", cy=f"{y - 150:.0f}", r="40", fill="none")
            circle.set("stroke-width", "12")
        if ghost:
            for code, side in ((0xE0F5, -1), (0xE0F6, 1)):
                _draw(group, code, x + side * 115, y, scale)
        name = "Ghost note" if ghost else row.name
        _add_text(group, name, x, bottom + 330, min(_LEGEND_SIZE, _LEGEND_SIZE * step / 1500), "middle")


def _line(parent: Any, left: float, right: float, y: float, width: int) -> None:
    path = etree.SubElement(parent, f"{_S}path", d=f"M{left:.0f} {y:.0f} L{right:.0f} {y:.0f}")
    path.set("stroke-width", str(width))


def _add_text(parent: Any, words: str, x: float, y: float, size: float, anchor: str, *, bold: bool = False,
              italic: bool = False) -> None:  # fmt: skip
    element = etree.SubElement(parent, f"{_S}text", x=f"{x:.0f}", y=f"{y:.0f}")
    element.set("font-size", f"{size:.0f}px")
    if anchor != "start":
        element.set("text-anchor", anchor)
    if bold:
        element.set("font-weight", "bold")
    if italic:
        element.set("font-style", "italic")
    element.text = words


def _flatten(text: Any) -> None:
    """Replace nested spans by one element a run."""
    classes = {name for above in text.iterancestors(f"{_S}g") for name in (above.get("class") or "").split()}
    bold, italic = bool(classes & _BOLD), bool(classes & _ITALIC)
    group = etree.Element(f"{_S}g")
    group.set("class", "words")
    x, y = float(text.get("x") or 0), float(text.get("y") or 0)
    anchor = text.get("text-anchor") or "start"
    for span in text.iter(f"{_S}tspan"):
        x, y = float(span.get("x") or x), float(span.get("y") or y)
        anchor = span.get("text-anchor") or anchor
        bold = {"bold": True, "normal": False}.get(span.get("font-weight") or "", bold)
        italic = {"italic": True, "normal": False}.get(span.get("font-style") or "", italic)
        words = (span.text or "").strip("\n")
        size = float((span.get("font-size") or "0").removesuffix("px"))
        if not words or not size or not (words.strip() or group.getchildren()):
            continue
        font = span.get("font-family") or ""
        if font and any(ord(letter) >= 0xE000 for letter in words):
            x = _glyphs(group, words, font, x, y, size)
            continue
        last = group[-1] if len(group) and group[-1].tag == f"{_S}text" else None
        if last is not None and span.get("x") is None and last.get("font-size") == f"{size:.0f}px":
            last.text = f"{last.text}{words}".rstrip()
            continue
        shift = len(words) - len(words.lstrip())
        _add_text(group, words.lstrip(), x + 0.25 * size * shift, y, size, anchor, bold=bold, italic=italic)
    if [run.text for run in group] == [SWING_WORDS["swing"]]:
        _draw_swing(group, x + 0.55 * size * len(SWING_WORDS["swing"]), y, size)
    text.getparent().replace(text, group)


def _draw_swing(group: Any, x: float, y: float, size: float) -> None:
    """After the word: two eighths are a quarter and an eighth of a triplet."""
    eighth, quarter, notes = chr(0xECA7), chr(0xECA5), 0.8 * size
    x = _glyphs(group, eighth, _SIGN_FONT, x, y, notes)
    x = _glyphs(group, eighth, _SIGN_FONT, x + 0.15 * size, y, notes) + 0.3 * size
    _add_text(group, "=", x, y, 0.8 * size, "start")
    start = x + 0.85 * size
    x = _glyphs(group, quarter, _SIGN_FONT, start, y, notes)
    x = _glyphs(group, eighth, _SIGN_FONT, x + 0.15 * size, y, notes)
    _add_text(group, "3", (start + x) / 2, y - 0.85 * size, 0.55 * size, "middle", italic=True)


def _glyphs(group: Any, words: str, font: str, x: float, y: float, size: float) -> float:
    for letter in words:
        outline, advance = _glyph(font, ord(letter))
        if outline:
            scale = size / _EM
            path = etree.SubElement(group, f"{_S}path", d=outline)
            path.set("transform", f"translate({x:.1f}, {y:.1f}) scale({scale:.4f}, {-scale:.4f})")
        x += advance * size / _EM
    return x


@lru_cache(maxsize=64)
def _glyph(font: str, code: int) -> tuple[str, float]:
    """Outline (y upwards, 1000 to the em) and advance of a glyph of one of verovio's fonts."""
    import verovio

    data = Path(verovio.__file__).parent / "data"
    if code == ord(" "):
        return "", _SPACE
    source = data / font / f"{code:04X}.xml"
    if not source.exists():
        return "", 300.0
    path = etree.parse(str(source)).getroot().find(".//{*}path")
    boxes = etree.parse(str(data / f"{font}.xml")).getroot()
    box = next((g for g in boxes if g.get("c") == f"{code:04X}"), None)
    return ("" if path is None else path.get("d")), float(box.get("h-a-x") if box is not None else 300)
