"""One correction for many: bars that are alike, and questions that decide many strokes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from ui_songs import song

from drumscribe.rhythm import grouped
from drumscribe.rhythm.likeness import ALIKE, contents, likeness
from drumscribe.song import edits, gestures, project, questions, spreading
from drumscribe.song.gestures import Action


@pytest.fixture(scope="module")
def found():
    return song(16)


def written(found, bar: int) -> list:
    return [(place.onset, place.drum) for place in found.rhythm.placements if place.bar == bar]


def at(found, bar: int, onset: float, drum: str):
    wanted = (bar, Fraction(onset), drum)
    return next(found.hits.by_id()[p.hit_id] for p in found.rhythm.placements if (p.bar, p.onset, p.drum) == wanted)


def after(found, **action):
    return found.edit(gestures.meaning(Action(1, **action), found.hits, found.rhythm).edit)


def test_bars_are_grouped_by_what_was_heard(found):
    numbers = found.rhythm.groups
    assert numbers == grouped(found.rhythm) and len(numbers) == 16
    groups = [[bar for bar in range(16) if numbers[bar] == number] for number in sorted(set(numbers))]
    fills = next(group for group in groups if 3 in group)
    assert fills == [3, 7, 11, 15]  # the bars with toms, and no other
    held = contents(found.rhythm)
    for group in groups:
        assert all(likeness(held[group[0]], held[bar]) >= ALIKE for bar in group)


@pytest.mark.parametrize(
    ("action", "goes", "comes"),
    [
        ({"kind": "delete"}, (1.0, "snare"), None),
        ({"kind": "relabel", "drum": "cross_stick"}, (1.0, "snare"), (1.0, "cross_stick")),
        ({"kind": "nudge", "by": 1}, (1.0, "snare"), (1.25, "snare")),
    ],
)
def test_an_edit_is_repeated_in_the_bars_alike_and_taken_back_at_once(found, action, goes, comes):
    once = after(found, hits=(at(found, 1, 1.0, "snare").id,), **action)
    assert spreading.bar_of(once.history.edits[-1], once.rhythm) == 1
    others = [2, 5, 6, 9]
    edit = spreading.repeated(once.history.edits[-1], once.hits, once.rhythm, others)
    done = once.edit(edit)
    for bar in (1, *others):
        assert (Fraction(goes[0]), goes[1]) not in written(done, bar)
        assert comes is None or (Fraction(comes[0]), comes[1]) in written(done, bar)
    assert written(done, 10) == written(found, 10) and "4 bars alike" in edit.label
    assert done.undo().hits == once.hits


def test_an_added_note_comes_once(found):
    once = after(found, kind="add", drum="ride", bar=1, onset=2.5)
    edit = spreading.repeated(once.history.edits[-1], once.hits, once.rhythm, [2, 3])
    done = once.edit(edit)
    assert all((Fraction(5, 2), "ride") in written(done, bar) for bar in (1, 2, 3)) and len(edit.added) == 2
    assert not spreading.repeated(once.history.edits[-1], done.hits, done.rhythm, [2, 3])


def test_a_flam_is_repeated_as_one(found):
    once = after(found, kind="flam", hits=(at(found, 1, 1.0, "snare").id,))
    done = once.edit(spreading.repeated(once.history.edits[-1], once.hits, once.rhythm, [2, 5]))
    flams = [(p.bar, p.onset) for p in done.rhythm.placements if p.ornament == "flam"]
    assert flams == [(bar, Fraction(1)) for bar in (1, 2, 5)]


def test_bars_are_made_equal_to_one_and_keep_how_they_were_played(found):
    assert written(found, 4) != written(found, 5)
    edit = spreading.equal(5, found.hits, found.rhythm, [4, 3])
    done = found.edit(edit)
    assert written(done, 4) == written(done, 3) == written(found, 5)
    kick = at(found, 4, 0.0, "kick")
    assert done.hits.by_id()[kick.id] == kick
    assert done.undo().hits == found.hits


def test_questions_that_may_mend_most_bars_come_first(found):
    asked = questions.ask(found.hits, found.rejected, found.rhythm)
    assert asked and len(asked[0].hits) >= 10  # in a bar without another doubt the ghost alone may be missing
    for one in asked:
        assert {hit.drum for hit in one.hits} == {one.drum} and len(one.bars) == len(one.hits)
    missed = next(one for one in asked if one.kind == "missed" and one.drum == "snare")
    assert missed.onset == Fraction(7, 4) and len(missed.hits) >= 10  # the ghost that is heard in each bar
    heard = {one.drum for one in asked if one.kind == "heard"}
    assert heard >= {"closed_hihat", "mid_tom"}
    passed = [one.key for one in asked]
    assert questions.ask(found.hits, found.rejected, found.rhythm, passed=passed) == []


@pytest.mark.parametrize(("right", "drum"), [(True, ""), (False, ""), (True, "floor_tom")])
def test_one_answer_is_one_edit_for_all(found, right, drum):
    question = next(one for one in questions.ask(found.hits, found.rejected, found.rhythm) if one.drum == "mid_tom")
    edit = questions.answer(question, found.hits, right=right, drum=drum)
    done = found.edit(edit)
    here = done.hits.by_id()
    for hit in question.hits:
        if right:
            assert (here[hit.id].drum, here[hit.id].confidence) == (drum or hit.drum, 1.0)
        else:
            assert hit.id not in here
    assert len(done.history.edits) == 1 and done.undo().hits == found.hits
    errors = questions.expected_errors
    assert errors(done.hits, done.rejected) < errors(found.hits, found.rejected)
    left = questions.ask(done.hits, done.rejected, done.rhythm)
    assert question.key not in [one.key for one in left]


def test_missed_strokes_are_taken_in_and_some_only_where_wanted(found):
    question = next(one for one in questions.ask(found.hits, found.rejected, found.rhythm) if one.kind == "missed")
    ids = [hit.id for hit in question.hits[:3]]
    done = found.edit(questions.answer(question, found.hits, right=True, ids=ids))
    assert set(ids) <= done.hits.by_id().keys() and len(done.hits) == len(found.hits) + 3
    no = found.edit(questions.answer(question, found.hits, right=False))
    assert not {hit.id for hit in question.hits} & {hit.id for hit in no.rejected} and no.hits == found.hits
    assert question.key not in [one.key for one in questions.ask(no.hits, no.rejected, no.rhythm)]
    assert [hit.id for hit in no.undo().rejected] == [hit.id for hit in found.rejected]
    again = type(no).of_project(project.loads(no.project().dumps()))
    assert again.rejected == no.rejected and again.history.undo_label.startswith("Leave out")


def test_a_song_without_bars_asks_nothing():
    silent = song(0)
    assert questions.ask(silent.hits, silent.rejected, silent.rhythm) == [] or silent.rhythm.bars
    assert set(grouped(silent.rhythm)) <= {-1}
    assert spreading.bar_of(edits.Edit("nothing"), silent.rhythm) is None


def test_beats_are_laid_once_however_much_is_edited(found):
    kick = at(found, 4, 0, "kick")
    one = found.edit(edits.move_to(found.hits, kick.id, kick.time_s + 0.05))
    assert one.grid is found.grid
    beyond = one.edit(edits.add(one.hits, found.grid.times[-1] + 3, "snare"))
    assert beyond.grid.times[-1] > found.grid.times[-1] + 2  # a hit outside needs more bars
    assert beyond.undo().grid is found.grid
    assert beyond.undo().redo().grid.times.tolist() == beyond.grid.times.tolist()
    assert one.rescore(beats={"bar_shift": 1}).edit(edits.delete(one.hits, [kick.id])).grid is not found.grid
    rows = (found.project().dumps(), one.project().dumps())
    packed = [row[row.index(b'"activations"') : row.index(b'"evidence"')] for row in rows]
    assert packed[0] == packed[1]


def test_a_bar_that_is_right_is_left_alone(found):
    bar = found.rhythm.bars[5]
    inside = [hit for hit in found.hits if bar.start_s - 0.02 <= hit.time_s < bar.end_s - 0.02]
    spare = [hit for hit in found.rejected if bar.start_s - 0.02 <= hit.time_s < bar.end_s - 0.02]
    assert spare and any(hit.confidence < 0.75 for hit in inside)
    settled = found.edit(edits.settle(found.hits, [hit.id for hit in inside], spare, "Bar 6 is right"))
    assert written(settled, 5) == written(found, 5) and settled.history.undo_label == "Bar 6 is right"
    asked = questions.ask(settled.hits, settled.rejected, settled.rhythm)
    assert asked and all(5 not in question.bars for question in asked)
    for amount in ("heard", "clean"):
        read = settled.rescore(quantise={"reading": amount})
        assert written(read, 5) == written(found, 5)
    assert settled.undo().hits == found.hits and settled.undo().rejected == found.rejected
