"""First and second endings: where they are found, the order in which they are played, and what the files say."""

from __future__ import annotations

import re
from dataclasses import replace

import grooves
import pytest
from grooves import Groove, parse
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree
from notation_clients import assert_on_their_pages, assert_valid, expected_notes
from properties import examples

from drumscribe.kit import DRUMS
from drumscribe.notation import (
    Measure,
    Score,
    Timeline,
    check,
    notate,
    page_count,
    read_musicxml,
    to_lilypond,
    to_musicxml,
    to_svg,
    to_tab,
)
from drumscribe.notation.form import brackets, passes_text
from drumscribe.notation.structure import LONGEST_ENDING, SAVED_BARS, repeats
from drumscribe.options import NotateOptions
from drumscribe.song import imports
from drumscribe.types import Meter, Rhythm

WHOLE = NotateOptions(sections=False)
BARS = {
    "a": "HH x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-------o-o-----",
    "b": "RD x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-o---o-o-------",
    "f": "SD oooooooo--------\nHT --------oooo----\nFT ------------oooo\nBD o---o---o---o---",
    "g": "SD f---f---o-o-o-o-\nBD o---o---o---o---",
    "h": "CC x---x---x---x---\nBD o---o---o---o---",
    "-": "HH ----------------",
}


def rhythm_of(letters: str) -> Rhythm:
    bars = [Groove(BARS[letter]) for letter in letters]
    return parse(replace(bars[0], then=tuple(bars[1:])))


def form(letters: str, options: NotateOptions = WHOLE) -> str:
    """The chart in one line: bars as letters, ``|:`` and ``:|``, endings in brackets."""
    score = notate(rhythm_of(letters), options)
    ends = {index: letters[number] for number, index in enumerate(score.play_order())}
    words = ""
    for index, measure in enumerate(score.measures):
        before = score.measures[index - 1] if index else measure
        begins = measure.ending and (before.ending != measure.ending or before.repeat_end)
        words += "|:" * measure.repeat_start + f"[{passes_text(measure.ending)} " * bool(begins) + ends[index]
        words += f":|{measure.repeat_end} " if measure.repeat_end else ""
    return words.strip()


# --- where they are found --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("played", "written"), [
    ("aaaaaaaf" "aaaaaaag", "|:aaaaaaa[1. f:|2 [2. g"),
    ("aaaaaafg" "aaaaaagh" "bb", "|:aaaaaa[1. fg:|2 [2. ghbb"),
    ("aaaf" "aaaf" "aaaf" "aaag", "|:aaa[1.–3. f:|4 [4. g"),
    ("aaaf" "aaag" "aaah", "|:aaa[1. f:|3 [2. g:|3 [3. h"),
    ("aaaf" "aaag", "aaafaaag"),  # three bars saved
    ("aabf" "aabf", "|:aabf:|2"),
    ("aaaaaaaf" "aaaaaaaf", "|:aaaaaaaf:|2"),
    ("aaaf" * 4, "|:aaaf:|4"),  # what saves more
    ("aaafaaag" * 2, "|:aaafaaag:|2"),  # eight bars, as with endings that would save seven
    ("abaaaaaf" "aabaaaag", "abaaaaafaabaaaag"),  # the bodies differ
    ("aaaf" "aaag" "aaag" "bbbb", "aaaf|:aaag:|2 bbbb"),  # a last ending leads on
    ("aaaf" "aaag" "aaah" "aaab" "bbbb", "|:aaa[1. f:|3 [2. g:|3 [3. haaabbbbb"),  # three endings at most
])  # fmt: skip
def test_a_passage_is_written_once_with_its_endings(played, written):
    assert form(played) == written


def test_no_ending_without_repeated_sections_and_none_over_a_mark():
    assert form("aaaaaaafaaaaaaag", NotateOptions(repeats=False)) == "aaaaaaafaaaaaaag"
    marked = [bar == 8 for bar in range(16)]
    assert repeats("aaaaaaafaaaaaaag", marked) == []
    assert len(repeats("aaaaaaafaaaaaaag", [False] * 16)) == 1


@examples(200)
@given(st.lists(st.sampled_from(["aaaa", "aaaf", "aaag", "aafg", "aagf", "aaba", "b", "bbbb"]), max_size=10),
       st.sets(st.integers(0, 40)))  # fmt: skip
def test_passages_unroll_to_the_bars_and_keep_inside_the_marks(phrases, marks):
    inks = "".join(phrases)
    fixed = [bar in marks for bar in range(len(inks))]
    played, clock = "", 0
    for passage in repeats(inks, fixed):
        assert passage.start >= clock
        assert passage.saved == passage.end - passage.start - len(passage.written()) >= SAVED_BARS
        assert passage.tail <= LONGEST_ENDING
        assert not any(fixed[passage.start + 1 : passage.end])
        played += inks[clock : passage.start]
        body = inks[passage.start : passage.start + passage.length - passage.tail * (len(passage.passes) > 1)]
        for turn in range(1, passage.times + 1):
            tails = [inks[bars.start : bars.stop] for bars, passes in passage.endings() if turn in passes]
            assert len(tails) == (len(passage.passes) > 1)
            played += body + "".join(tails)
        clock = passage.end
    assert played + inks[clock:] == inks


# --- how they are played ---------------------------------------------------------------------------------------------


songs = st.lists(
    st.sampled_from(["aaaa", "aaaf", "aaag", "aaah", "aafg", "aagh", "bbbf", "bbb-", "bb--", "b", "----"]),
    min_size=1, max_size=8,
).map("".join)  # fmt: skip


@examples(80)
@given(st.one_of(songs, songs.map(lambda song: song * 2), st.text("abf-", min_size=1, max_size=20)), st.booleans())
@example("aaaaaaaaaaafaaaaaaaa", False)  # the bar after the last ending looks like it
def test_any_bars_are_played_as_they_were_whatever_their_form(letters, sections):
    rhythm = rhythm_of(letters)
    score = notate(rhythm, NotateOptions(sections=sections))
    check(score)
    notes = [(float(place.bar * 4 + place.onset), DRUMS[place.drum].midi) for place in rhythm.placements]
    assert expected_notes(score) == sorted(notes)
    numbers = [score.measures[index].number for index in score.play_order()]
    assert all(letters[number - 1] == letter for number, letter in zip(numbers, letters, strict=True))
    document = to_musicxml(score)
    assert_valid(document)
    assert read_musicxml(document) == score
    assert tab_rows(score) == tab_rows(notate(rhythm, NotateOptions(sections=sections, repeats=False, simile=False)))
    times = Timeline.of(score, rhythm)
    assert {head.hit_id for head in times.heads} == {i for p in rhythm.placements for i in (p.hit_id, *p.grace_ids)}
    homes = {head.element: (index, head.drum) for index, measure in enumerate(score.measures)
             for _, head in measure.heads()}  # fmt: skip
    drums = {i: place.drum for place in rhythm.placements for i in (place.hit_id, *place.grace_ids)}
    assert all(homes[head.element] == (times.bars[head.bar].measure, drums[head.hit_id]) for head in times.heads)
    source = to_lilypond(score)
    assert source.count("{") == source.count("}")
    for index, measure in enumerate(score.measures):  # neither similes nor long rests reach into an ending or out of it
        inside = score.measures[index : index + measure.rest_run]
        assert all(bar.ending == measure.ending and not bar.repeat_start for bar in inside[1:])
        assert not any(bar.repeat_end for bar in inside[:-1])
        if measure.simile:
            assert score.measures[index - measure.simile].ending in (measure.ending, ())
            assert not measure.ending or score.measures[index - 1].ending == measure.ending


def tab_rows(score: Score) -> dict[str, str]:
    """Each drum's row of the tab in one line."""
    rows: dict[str, str] = {}
    for line in to_tab(score).splitlines():
        drum, bar, cells = line.partition("|")
        if bar:
            rows[drum] = rows.get(drum, "") + cells
    return rows


def bars(*marks: tuple[tuple[int, ...], str]) -> Score:
    """A chart of bars with their endings, and ``|:``, ``:|``, or both."""
    whole = notate(rhythm_of("abfgh"[: len(marks)]), NotateOptions(sections=False, repeats=False))
    made: list[Measure] = []
    passes = max((number for ending, _ in marks for number in ending), default=2)
    for measure, (ending, sign) in zip(whole.measures, marks, strict=True):
        made.append(replace(measure, ending=ending, repeat_start="|:" in sign, repeat_end=passes * (":|" in sign)))
    return replace(whole, measures=tuple(made))


@pytest.mark.parametrize(("score", "order"), [
    (bars(((), "|:"), ((1,), ":|"), ((2,), "")), (0, 1, 0, 2)),
    (bars(((), "|:"), ((1, 3), ":|"), ((2, 4), ":|"), ((), "")), (0, 1, 0, 2, 0, 1, 0, 2, 3)),
    (bars(((), ""), ((), "|:"), ((1,), ""), ((1,), ":|"), ((2,), "")), (0, 1, 2, 3, 1, 4)),
    (bars(((), "|:"), ((1,), ":|"), ((2,), ""), ((), "|:"), ((), ":|")), (0, 1, 0, 2, 3, 4, 3, 4)),
])  # fmt: skip
def test_every_pass_plays_its_ending(score, order):
    assert score.play_order() == order
    assert read_musicxml(to_musicxml(score)).play_order() == order


@pytest.mark.parametrize(("good", "bad", "order"), [
    (b'<ending number="2" type="discontinue"/>', b"", (0, 1, 0, 2, 3)),
    (b'<ending number="2" type="start">2.</ending>', b"", (0, 1, 0, 2, 3)),  # a first ending alone
    (b'<ending number="1" type="stop"/>', b"", (0, 1, 0, 2, 3)),
    (b'direction="backward"', b'direction="backward" times="9"', (0, 1, 0, 2, 3)),
    (b'number="1" type="start"', b'number="" type="start"', (0, 1, 0, 1, 2, 3)),
    (b'number="1" type="start"', b'number="2" type="start"', (0, 1, 0, 1, 2, 3)),
    (b'number="1" type="start"', b'number="999999999" type="start"', (0, 1, 0, 1, 2, 3)),
    (b'<repeat direction="backward"/>', b"", (0, 1, 2, 3)),
    (b'<repeat direction="forward"/>', b"", (0, 1, 0, 2, 3)),
])  # fmt: skip
def test_other_programs_endings_are_read_as_far_as_they_make_sense(good, bad, order):
    document = to_musicxml(bars(((), "|:"), ((1,), ":|"), ((2,), ""), ((), "")))
    assert good in document
    score = read_musicxml(document.replace(good, bad, 1))
    assert score.play_order() == order
    again = to_musicxml(score)
    assert_valid(again)
    assert read_musicxml(again) == score
    source = to_lilypond(score)
    assert source.count("{") == source.count("}")
    assert len(to_svg(score)) == page_count(score)


# --- what the files say ----------------------------------------------------------------------------------------------


def test_musicxml_puts_each_bracket_into_its_barlines():
    root = etree.fromstring(to_musicxml(notate(grooves.load("endings"), NotateOptions())))
    found = [
        (measure.get("number"), barline.get("location"), mark.get("type"), mark.get("number"), mark.text)
        for measure in root.iter("measure") for barline in measure.iter("barline") for mark in barline.iter("ending")
    ]  # fmt: skip
    assert found == [
        ("8", "left", "start", "1", "1."), ("8", "right", "stop", "1", None),
        ("16", "left", "start", "2", "2."), ("16", "right", "discontinue", "2", None),
        ("20", "left", "start", "1, 2, 3", "1.–3."), ("20", "right", "stop", "1, 2, 3", None),
        ("32", "left", "start", "4", "4."), ("32", "right", "discontinue", "4", None),
        ("39", "left", "start", "1", "1."), ("40", "right", "stop", "1", None),
        ("47", "left", "start", "2", "2."), ("48", "right", "stop", "2", None),  # the end of the piece
    ]  # fmt: skip


def test_lilypond_has_alternatives_within_their_repeat():
    source = to_lilypond(notate(grooves.load("endings"), NotateOptions()))
    marks = source[source.index("marks =") : source.index("hands =")]
    words = (
        "\\repeat volta 2 {", "\\alternative {", "\\volta 1 {", "\\volta 2 {", "} } }",
        "\\repeat volta 4 {", "\\volta 1,2,3 {", "\\volta 4 {", "} } }", "\\volta 2 {", '\\bar "|."', "} } }",
    )  # fmt: skip
    at = 0
    for word in words:
        at = marks.index(word, at) + 1


def test_pages_show_the_brackets_above_everything_else_of_their_bars():
    score = notate(grooves.load("endings"), NotateOptions())
    page = etree.fromstring(to_svg(score)[0].encode())
    signs = [g for g in page.iter("{*}g") if g.get("class") == "voltaBracket"]
    assert ["".join(sign.itertext()).strip() for sign in signs] == ["1.", "2.", "1.–3.", "4.", "1.", "2."]
    measures = {g.get("id"): g for g in page.iter("{*}g") if g.get("class") == "measure"}
    for sign, under in zip(signs, brackets(score.measures), strict=True):
        lowest = max(float(text.get("y")) for text in sign.iter("{*}text"))
        for bar in under:
            drawn = etree.tostring(measures[f"bar-{bar}"]).decode()
            heights = [float(y) for y in re.findall(r"translate\([-\d.]+, ([-\d.]+)\)", drawn)]
            assert lowest < min(heights)


def test_a_chart_with_endings_is_opened_with_them_and_comes_back_unchanged():
    found = imports.opened(to_musicxml(notate(grooves.load("endings"), NotateOptions())), "endings.musicxml")
    assert [measure.ending for measure in found.score.measures if measure.ending] == \
        [(1,), (2,), (1, 2, 3), (4,), (1,), (1,), (2,), (2,)]  # fmt: skip
    assert not imports.returned(found, to_musicxml(found.score))


def test_an_ending_stays_on_its_line():
    score = notate(rhythm_of("aaaaaafgaaaaaagh" * 2), WHOLE)
    for before, measure in zip(score.measures, score.measures[1:], strict=False):
        assert not (measure.new_system and measure.ending and measure.ending == before.ending)


def test_tall_bars_under_brackets_stay_on_their_page():
    tall = "CH x-x x-x xxx xxx\nHO --- --- --- -x-\nSD fff FFF ooo ooo\nHF x-x --x x-- x-x\nBD o-o oo- o-o ooo"
    other = tall.replace("BD o-o", "BD ooo")
    phrase = (Groove(tall, times=3), Groove(tall.replace("CH x-x", "CH xxx")), Groove(tall, times=3), Groove(other))
    turns = [replace(part, bpm=80 + 20 * (i % 2)) for i in range(10) for part in phrase * 2]
    score = notate(parse(replace(turns[0], then=tuple(turns[1:]))), NotateOptions(), title="Tall")
    assert page_count(score) > 1
    assert_on_their_pages(score)


def test_passes_are_told_as_numbers_and_ranges():
    told = {(1,): "1.", (1, 2, 3): "1.–3.", (1, 3): "1. 3.", (1, 2): "1. 2.", (1, 3, 4, 5): "1. 3.–5."}
    assert {passes: passes_text(passes) for passes in told} == told


def test_meters_other_than_four_four_have_endings_too():
    beat, fill = "HH x-x-x-\nBD o-----", "SD oooooo\nBD o-----"
    parts = [Groove(beat, meter="3/4", times=7), Groove(fill, meter="3/4"),
             Groove(beat, meter="3/4", times=7), Groove(fill.replace("oooooo", "o-oo-o"), meter="3/4")]  # fmt: skip
    score = notate(parse(replace(parts[0], then=tuple(parts[1:]))), WHOLE)
    assert [measure.ending for measure in score.measures] == [()] * 7 + [(1,), (2,)]
    assert {measure.meter for measure in score.measures} == {Meter(3, 4)}


def test_how_often_a_passage_is_played_stands_over_its_end():
    """There the player decides; where the bar begins, the count looks like that of the bar."""
    score = notate(rhythm_of("aabf" * 3), WHOLE)
    document = to_musicxml(score)
    assert_valid(document)
    (count,) = [one for one in etree.fromstring(document).iter("direction") if (one.get("id") or "").endswith("-times")]
    assert count.findtext("direction-type/words") == "3×" and not list(count.itersiblings("note"))
    assert read_musicxml(document) == score
    page = etree.fromstring(to_svg(score)[0].encode())
    last = [one for one in page.iter("{*}g") if one.get("class") == "measure"][-1]
    (text,) = [one for one in last.iter("{*}text") if "3×" in "".join(one.itertext())]
    moved = (use.get("transform") or "" for use in last.iter("{*}use"))
    heads = [float(x) for place in moved for x in re.findall(r"translate\(([\d.]+)", place)]
    assert sum(head < float(text.get("x")) for head in heads) > 0.6 * len(heads) > 0
    nameless = re.sub(rb' id="bar-\d+-times"', b"", document)  # as MuseScore saves it
    assert read_musicxml(nameless) == score
