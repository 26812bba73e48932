"""Polished SVG pages to PDF with reportlab: the part of SVG that verovio writes, nothing more."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from lxml import etree
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfgen.canvas import Canvas

from drumscribe.errors import PdfBackendError
from drumscribe.notation.model import PAPER_MM
from drumscribe.notation.svg import NAMESPACE

_S = f"{{{NAMESPACE}}}"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_POINTS_PER_MM = 72 / 25.4
_FONTS = {
    (False, False): "Times-Roman", (True, False): "Times-Bold",
    (False, True): "Times-Italic", (True, True): "Times-BoldItalic",
}  # fmt: skip
_NUMBER = re.compile(r"[-+]?(?:\d*\.\d+|\d+\.?)(?:[eE][-+]?\d+)?")
_TOKEN = re.compile(rf"([MmLlHhVvCcSsQqTtZz])|({_NUMBER.pattern})")
_CALL = re.compile(r"(\w+)\(([^)]*)\)")
Operation = tuple[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class _Ink:
    """Inherited presentation attributes."""

    stroke_width: float = 0.0
    fill: bool = True


def svgs_to_pdf(pages: Sequence[str], paper: str, title: str = "", artist: str = "") -> bytes:
    """Return a PDF with one page for each of ``pages`` (from :func:`~drumscribe.notation.engrave.to_svg`).

    Raises:
        PdfBackendError: if a page holds SVG that is not drawn here.
    """
    width, height = (side * _POINTS_PER_MM for side in PAPER_MM[paper])
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(width, height), pageCompression=1, invariant=1)
    canvas.setTitle(title)
    canvas.setAuthor(artist)
    canvas.setCreator("DrumScribe")
    drawn: set[str] = set()
    for page in pages:
        _Page(canvas, page, drawn).draw(width, height)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


class _Page:
    def __init__(self, canvas: Any, svg: str, drawn: set[str]) -> None:
        self._canvas = canvas
        self._root = etree.fromstring(svg.encode(), etree.XMLParser(resolve_entities=False, huge_tree=True))
        self._symbols = {g.get("id"): g for defs in self._root.iter(f"{_S}defs") for g in defs}
        self._drawn = drawn

    def draw(self, width: float, height: float) -> None:
        inner = next(element for element in self._root.iter(f"{_S}svg") if element.get("class") == "definition-scale")
        scale = width / float(inner.get("viewBox").split()[2])
        for symbol in {use.get("href", use.get(_XLINK)).lstrip("#") for use in inner.iter(f"{_S}use")}:
            self._define(symbol)
        self._canvas.saveState()
        self._canvas.transform(scale, 0, 0, -scale, 0, height)
        for child in inner:
            self._element(child, _Ink())
        self._canvas.restoreState()

    def _define(self, symbol: str) -> None:
        """Keep each glyph once in the file, however many pages use it."""
        name = _form_name(symbol)
        if name in self._drawn:
            return
        self._drawn.add(name)
        self._canvas.beginForm(name, -5000, -5000, 5000, 5000)
        for child in self._symbols[symbol]:
            self._element(child, _Ink())
        self._canvas.endForm()

    def _element(self, element: Any, ink: _Ink) -> None:
        if not isinstance(element.tag, str):
            return
        tag = element.tag.removeprefix(_S)
        hidden = element.get("visibility") == "hidden" or "placeholder" in (element.get("class") or "")
        if tag in ("defs", "style", "desc", "title") or hidden:
            return
        if element.get("stroke-width"):
            ink = replace(ink, stroke_width=float(element.get("stroke-width").removesuffix("px")))
        if element.get("fill") or element.get("fill-opacity"):
            ink = replace(ink, fill=element.get("fill") != "none" and element.get("fill-opacity") != "0")
        self._canvas.saveState()
        for matrix in _matrices(element.get("transform") or ""):
            self._canvas.transform(*matrix)
        if tag in ("g", "svg"):
            for child in element:
                self._element(child, ink)
        elif tag == "use":
            self._canvas.translate(_number(element, "x"), _number(element, "y"))
            self._canvas.doForm(_form_name(element.get("href", element.get(_XLINK)).lstrip("#")))
        elif tag == "text":
            self._text(element)
        else:
            self._shape(tag, element, ink)
        self._canvas.restoreState()

    def _shape(self, tag: str, element: Any, ink: _Ink) -> None:
        path = self._canvas.beginPath()
        if tag == "path":
            for name, numbers in path_operations(element.get("d") or ""):
                {"M": path.moveTo, "L": path.lineTo, "C": path.curveTo, "Z": path.close}[name](*numbers)
        elif tag == "rect":
            path.rect(*(_number(element, name) for name in ("x", "y", "width", "height")))
        elif tag in ("polygon", "polyline"):
            corners = [float(number) for number in _NUMBER.findall(element.get("points") or "")]
            path.moveTo(*corners[:2])
            for i in range(2, len(corners) - 1, 2):
                path.lineTo(corners[i], corners[i + 1])
            if tag == "polygon":
                path.close()
        elif tag in ("ellipse", "circle"):
            rx = _number(element, "rx") or _number(element, "r")
            ry = _number(element, "ry") or _number(element, "r")
            x, y = _number(element, "cx"), _number(element, "cy")
            path.ellipse(x - rx, y - ry, 2 * rx, 2 * ry)
        else:
            raise PdfBackendError(f"The PDF cannot be drawn: its SVG holds <{tag}>.", "Use PDF_BACKEND=lilypond.")
        self._canvas.setLineWidth(ink.stroke_width)
        self._canvas.drawPath(path, stroke=int(ink.stroke_width > 0), fill=int(ink.fill))

    def _text(self, element: Any) -> None:
        words = element.text or ""
        size = float((element.get("font-size") or "0").removesuffix("px"))
        if not words or size <= 0:
            return
        font = _FONTS[(element.get("font-weight") == "bold", element.get("font-style") == "italic")]
        font = _font_for(words, font)
        canvas = self._canvas
        canvas.translate(_number(element, "x"), _number(element, "y"))
        canvas.scale(1, -1)
        canvas.setFont(font, size)
        draw = {"middle": canvas.drawCentredString, "end": canvas.drawRightString}
        draw.get(element.get("text-anchor") or "", canvas.drawString)(0, 0, words)


def _form_name(symbol: str) -> str:
    return "glyph" + symbol.partition("-")[0]


def _number(element: Any, name: str) -> float:
    return float(element.get(name) or 0)


@lru_cache(maxsize=8)
def _cid_font(name: str) -> str:
    registerFont(UnicodeCIDFont(name))
    return name


def _font_for(words: str, font: str) -> str:
    """Times where it has the letters, else one of the Asian fonts that every PDF reader brings."""
    if all(ord(letter) < 0x180 or letter in "–—‘’“”•…×" for letter in words):
        return font
    if any(0xAC00 <= ord(letter) <= 0xD7A3 for letter in words):
        return _cid_font("HYSMyeongJo-Medium")
    if any(0x3040 <= ord(letter) <= 0x30FF for letter in words):
        return _cid_font("HeiseiMin-W3")
    if any(0x4E00 <= ord(letter) <= 0x9FFF for letter in words):
        return _cid_font("STSong-Light")
    return font


def _matrices(text: str) -> Iterator[tuple[float, float, float, float, float, float]]:
    for name, arguments in _CALL.findall(text):
        values = [float(number) for number in _NUMBER.findall(arguments)]
        if name == "translate":
            yield (1, 0, 0, 1, values[0], values[1] if len(values) > 1 else 0)
        elif name == "scale":
            yield (values[0], 0, 0, values[-1], 0, 0)
        elif name == "matrix":
            yield (values[0], values[1], values[2], values[3], values[4], values[5])
        else:
            raise PdfBackendError(f"The PDF cannot be drawn: its SVG holds {name}().", "Use PDF_BACKEND=lilypond.")


@lru_cache(maxsize=4096)
def path_operations(data: str) -> tuple[Operation, ...]:
    """Absolute ``M``, ``L``, ``C``, ``Z`` operations of an SVG path (without arcs).

    >>> path_operations("m1 1h2v-1z")
    (('M', (1.0, 1.0)), ('L', (3.0, 1.0)), ('L', (3.0, 0.0)), ('Z', ()))
    """
    out: list[Operation] = []
    tokens = [(letter, number) for letter, number in _TOKEN.findall(data)]
    x = y = start_x = start_y = 0.0
    control: tuple[float, float] | None = None
    command, at = "", 0
    needs = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "Z": 0}
    while at < len(tokens):
        if tokens[at][0]:
            command = tokens[at][0]
            at += 1
        elif command in "Mm":
            command = "L" if command == "M" else "l"
        kind = command.upper()
        count = needs[kind]
        values: Sequence[float] = [float(number) for _, number in tokens[at : at + count]]
        at += count
        if command.islower():
            values = [value + (x if i % 2 == 0 else y) for i, value in enumerate(values)] if kind != "V" else \
                [values[0] + y]  # fmt: skip
        if kind == "Z":
            out.append(("Z", ()))
            x, y, control = start_x, start_y, None
            continue
        if kind in "HV":
            values = [values[0], y] if kind == "H" else [x, values[0]]
            kind = "L"
        if kind in "ML":
            x, y = values
            if kind == "M":
                start_x, start_y = x, y
            out.append((kind, (x, y)))
            control = None
            continue
        mirrored = (2 * x - control[0], 2 * y - control[1]) if control else (x, y)
        if kind == "S":
            values = [*mirrored, *values]
        if kind in "QT":
            middle = (values[0], values[1]) if kind == "Q" else mirrored
            end_x, end_y = values[-2:]
            out.append(("C", (x + 2 / 3 * (middle[0] - x), y + 2 / 3 * (middle[1] - y),
                              end_x + 2 / 3 * (middle[0] - end_x), end_y + 2 / 3 * (middle[1] - end_y),
                              end_x, end_y)))  # fmt: skip
            control = middle
        else:
            out.append(("C", tuple(values)))
            control = (values[2], values[3])
        x, y = values[-2:]
    return tuple(out)
