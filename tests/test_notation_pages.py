"""Drawn pages (SVG and PDF), and the timeline that finds a hit on them."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import grooves
import pytest
from grooves import PLAIN, RIDE, ROCK, Groove, grid_of, kick_rows, parse, repeated, score_of
from lxml import etree
from notation_clients import assert_on_their_pages

from drumscribe.errors import PdfBackendError
from drumscribe.kit import DRUMS
from drumscribe.notation import (
    Timeline,
    notate,
    page_count,
    pdf,
    svg_pdf,
    to_lilypond,
    to_musicxml,
    to_pdf,
    to_rhythm,
    to_svg,
)
from drumscribe.notation.engrave import page_cuts
from drumscribe.options import NotateOptions


def test_svg_heads_carry_the_ids_of_their_hits():
    rhythm = grooves.load("pickup_and_rolls")
    svg = to_svg(notate(rhythm, NotateOptions()))[0]
    root = etree.fromstring(svg.encode())
    drawn = [g.get("id") for g in root.iter("{*}g") if (g.get("id") or "").startswith("hit-")]
    assert len(drawn) == len(set(drawn))
    graces = {f"hit-{i}" for p in rhythm.placements if p.ornament in ("flam", "drag") for i in p.grace_ids}
    assert set(drawn) == {f"hit-{place.hit_id}" for place in rhythm.placements} | graces
    assert {f"bar-{i}" for i in range(4)} <= {g.get("id") for g in root.iter("{*}g")}
    assert not [t for t in root.iter("{*}text") if any(ord(c) >= 0xE000 for c in "".join(t.itertext()))]


def test_pages_can_be_asked_for_one_by_one_and_from_any_thread():
    many = [kick_rows(i) for i in range(30)]
    score = notate(parse(Groove(many[0], times=4, then=tuple(Groove(rows, times=4) for rows in many[1:]))), PLAIN)
    count = page_count(score)
    assert count > 2
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(to_svg(score, pages=[1, 99])))
    thread.start()
    thread.join()
    assert found == [to_svg(score, [1])]
    assert len(found[0]) == 1
    every = to_svg(score)
    assert every[1] == found[0][0]
    ids = [i for page in every for i in _ids(page)]
    assert sorted(ids) == sorted(f"hit-{place.hit_id}" for place in to_rhythm(score).placements)


def _ids(svg: str) -> list[str]:
    return [g.get("id") for g in etree.fromstring(svg.encode()).iter("{*}g") if (g.get("id") or "").startswith("hit-")]


def test_no_page_is_turned_for_a_line_or_two():
    for count in range(36, 56):
        score = score_of(Groove("\n".join((kick_rows(0), "SD ----o-------o---")), times=count),
                         NotateOptions(simile=False, repeats=False, sections=False))  # fmt: skip
        cuts = page_cuts(score)
        assert [start for start, _ in cuts[1:]] == [end for _, end in cuts[:-1]]
        assert (cuts[0][0], cuts[-1][1]) == (0, count)
        lines = [sum(score.measures[i].new_system for i in range(start, end)) + (start == 0) for start, end in cuts]
        assert max(lines) <= 10
        assert lines[-1] >= 3


TALL = """
    CH x-x x-x xxx xxx|x-- --- --- ---
    HO --- --- --- ---|--x x-x x-x x-x
    SD fff FFF ooo ooo|-g- Og- -g- Og-
    HF x-x --x x-- x-x|--- x-- --- x--
    BD o-o oo- o-o ooo|o-o --o o-- --o
    """


@pytest.mark.parametrize(
    "options", [NotateOptions(repeats=False), NotateOptions(repeats=False, paper="letter", voices=1)]
)
def test_tall_lines_stay_on_their_page(options):
    turns = tuple(Groove(TALL, bpm=80 + 20 * (i % 2), times=2) for i in range(12))
    score = notate(parse(Groove(ROCK, times=4, then=turns)), options, title="Tall")
    assert sum(bool(measure.tempo) for measure in score.measures) > 10
    assert_on_their_pages(score)


def test_pages_show_legend_marks_and_summary():
    groove = repeated(ROCK, 8, Groove("HH ----------------", times=8), Groove(RIDE, times=8))
    score = notate(parse(groove), NotateOptions(summary=True, title="Heading"))
    pages = [etree.fromstring(page.encode()) for page in to_svg(score)]
    assert len(pages) == page_count(score) == 2
    words = ["".join(text.itertext()) for text in pages[0].iter("{*}text")]
    assert {"Heading", "Snare drum", "A", "B", "C"} <= set(words)
    assert "Grooves in this chart" in ["".join(text.itertext()) for text in pages[1].iter("{*}text")]
    assert not _ids(to_svg(score)[1])
    without = to_svg(replace(score, style=replace(score.style, legend=False)))[0]
    assert "Snare drum" not in without


def test_long_titles_and_long_legends_stay_on_the_page():
    rows = "\n".join(f"{row.abbreviation} {'-' * i}x{'-' * (15 - i)}" for i, row in enumerate(DRUMS.values()))
    ghosts = Groove(rows, then=(Groove("SD ----O--g----O--g", times=2),))
    score = notate(parse(ghosts), NotateOptions(), title=" ".join(["A long title"] * 20))
    page = etree.fromstring(to_svg(score)[0].encode())
    width = float(page.find(".//{*}svg").get("viewBox").split()[2])
    words = {"".join(text.itertext()): text for text in page.iter("{*}text")}
    assert float(words[score.title].get("font-size").removesuffix("px")) * 0.5 * len(score.title) < width
    assert {"Ghost note", *(row.name for row in DRUMS.values())} <= set(words)
    source = to_lilypond(score)
    assert "wordwrap-string" in source
    assert '"Ghost note"' in source.split("lyricmode")[1]
    assert source.split("lyricmode")[0].count("\\break") == 1


def test_the_swing_mark_shows_what_the_eighths_stand_for():
    page = etree.fromstring(to_svg(score_of("swing_ride"))[0].encode())
    mark = next(g for g in page.iter("{*}g") if g.get("class") == "words" and "Swing" in "".join(g.itertext()))
    assert [text.text for text in mark.iter("{*}text")] == ["Swing", "=", "3"]
    assert len(list(mark.iter("{*}path"))) == 4


def test_similes_are_drawn_and_their_bars_are_empty():
    svg = etree.fromstring(to_svg(score_of("funk_ghosts", NotateOptions()))[0].encode())
    bars = {g.get("id"): g for g in svg.iter("{*}g") if g.get("class") == "measure"}
    assert [len(bars[f"bar-{i}"].findall(".//{*}g[@class='mRpt']")) for i in range(4)] == [0, 0, 0, 1]
    for i in (2, 3):
        assert not [g for g in bars[f"bar-{i}"].iter("{*}g") if g.get("class") in ("note", "rest")]


def test_titles_are_text_and_not_code():
    title = '<script>alert(1)</script> & "x" \\ #(system "touch /tmp/x") {'
    score = notate(grooves.load("shuffle"), NotateOptions(title=title))
    assert score.title == title
    svg = etree.fromstring(to_svg(score)[0].encode())
    assert svg.find(".//{*}script") is None
    assert title in ["".join(t.itertext()) for t in svg.iter("{*}text")]
    assert '"<script>alert(1)</script> & \\"x\\" \\\\ #(system \\"touch /tmp/x\\") {"' in to_lilypond(score)


@pytest.fixture
def own_temp(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_pdf_by_verovio_needs_no_other_program(own_temp):
    score = notate(grooves.load("funk_ghosts"), NotateOptions(), title="Tïtle 曲", artist="Ärtist")
    data = to_pdf(score, backend="verovio")
    assert data.startswith(b"%PDF")
    assert len(data) > 3000
    assert data == to_pdf(score, backend="verovio")
    assert not list(own_temp.iterdir())


@pytest.mark.slow
def test_pdf_by_lilypond_runs_no_code_from_titles_and_leaves_nothing(own_temp):
    trap = own_temp.parent / "trap"
    title = f'"}} #(system "touch {trap}") \\ % {{'
    data = to_pdf(notate(grooves.load("shuffle"), NotateOptions(), title=title), backend="lilypond")
    assert data.startswith(b"%PDF")
    assert not trap.exists()
    assert not list(own_temp.iterdir())


def test_an_engine_that_takes_too_long_is_stopped(own_temp):
    with pytest.raises(PdfBackendError, match="longer than"):
        to_pdf(score_of("shuffle"), backend="lilypond", timeout_s=0.001)
    assert not list(own_temp.iterdir())


def test_missing_engines_say_so_and_auto_needs_none(monkeypatch):
    monkeypatch.setattr(pdf, "find_lilypond", lambda: None)
    monkeypatch.setattr(pdf, "find_musescore", lambda: None)
    for backend in ("lilypond", "musescore"):
        with pytest.raises(PdfBackendError, match="not installed"):
            to_pdf(score_of("shuffle"), backend=backend)
    with pytest.raises(PdfBackendError, match="switched off"):
        to_pdf(score_of("shuffle"), backend="none")
    assert to_pdf(score_of("shuffle")).startswith(b"%PDF")


def test_an_engine_that_fails_is_reported(monkeypatch, own_temp):
    monkeypatch.setattr(pdf, "find_lilypond", lambda: "/bin/false")
    with pytest.raises(PdfBackendError, match="LilyPond failed"):
        to_pdf(score_of("shuffle"), backend="lilypond")
    assert not list(own_temp.iterdir())


@pytest.mark.slow
def test_auto_is_verovio_and_lilypond_for_what_it_cannot_engrave(monkeypatch):
    score = score_of("shuffle")
    assert to_pdf(score) == to_pdf(score, backend="verovio")

    def fail(pages, *_):
        raise PdfBackendError("The PDF cannot be drawn.", "")

    monkeypatch.setattr(svg_pdf, "svgs_to_pdf", fail)
    assert b"LilyPond" in to_pdf(score)
    monkeypatch.setattr(pdf, "find_lilypond", lambda: None)
    with pytest.raises(PdfBackendError, match="cannot be drawn"):
        to_pdf(score)


@pytest.mark.parametrize("name", sorted(grooves.GROOVES))
def test_timeline_knows_when_every_hit_and_bar_comes(name):
    rhythm = grooves.load(name)
    score = notate(rhythm, NotateOptions(count_in=True))
    times = Timeline.of(score, rhythm, grid_of(rhythm))
    assert [bar.start_s for bar in times.bars] == [bar.start_s for bar in rhythm.bars]
    assert {head.hit_id for head in times.heads} == {i for p in rhythm.placements for i in (p.hit_id, *p.grace_ids)}
    by_id = {head.hit_id: head for head in times.heads}
    for place in rhythm.placements:
        bar = rhythm.bars[place.bar]
        assert by_id[place.hit_id].grid_s == pytest.approx(
            bar.start_s + float(place.onset / bar.length) * (bar.end_s - bar.start_s))  # fmt: skip
        assert times.bar_at(by_id[place.hit_id].grid_s + 1e-6).index == place.bar
    elements = {head.element for m in score.measures for _, head in m.heads()}
    assert all(head.element in elements for head in times.heads)
    assert times.bar_at(-1.0) is None


def test_under_a_repeat_all_passes_point_to_the_written_heads():
    rhythm = parse(repeated(ROCK, 16))
    score = notate(rhythm, NotateOptions())
    times = Timeline.of(score, rhythm)
    last = next(place for place in rhythm.placements if place.bar == 15)
    element = times.element_of(last.hit_id)
    assert element != f"hit-{last.hit_id}"
    assert element in {head.element for m in score.measures for _, head in m.heads()}
    assert times.bars[15].measure < len(score.measures)


def test_importing_the_package_loads_no_engine():
    code = (
        "import sys, drumscribe.notation as n; n.notate; n.to_musicxml; "
        "print([m for m in ('verovio', 'music21', 'reportlab', 'tensorflow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_screen_has_lines_of_its_own_width():
    from ui_songs import song

    rhythm, plain = song(24).rhythm, NotateOptions(repeats=False)
    paper, phone, tablet = (notate(rhythm, plain, title="Beat", screen_mm=width) for width in (None, 85.0, 180.0))

    def lines(score):
        starts = [0, *(i for i, one in enumerate(score.measures) if i and one.new_system), len(score.measures)]
        return [b - a for a, b in itertools.pairwise(starts)]

    assert max(lines(phone)) <= 2 < max(lines(tablet)) <= max(lines(paper))
    assert to_musicxml(replace(phone, measures=paper.measures)) == to_musicxml(paper)  # files are for paper
    pages = to_svg(phone)
    width = float(re.search(r'viewBox="0 0 (\d+) \d+"', pages[0])[1])
    assert width == pytest.approx(850, abs=1) and 'class="legend"' not in pages[0]
    shown = re.findall(r'id="bar-(\d+)"', "".join(pages))
    assert [int(bar) for bar in shown] == list(range(24))
