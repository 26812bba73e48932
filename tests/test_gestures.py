"""What the hand does in the score, as edits."""

from __future__ import annotations

import doctest
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_songs import song

from drumscribe.errors import EditError
from drumscribe.kit import BY_HEIGHT, DRUMS
from drumscribe.song import edits, gestures
from drumscribe.song.gestures import Action, Note, Places, meaning, read, slots


@pytest.fixture(scope="module")
def found():
    return song(8)


def do(found, **action):
    """The song after one action."""
    made = meaning(Action(1, **action), found.hits, found.rhythm)
    return found.edit(made.edit), made


def at(found, bar: int, onset: float, drum: str):
    """The hit written there, or None."""
    wanted = (bar, Fraction(onset).limit_denominator(24), drum)
    place = next((p for p in found.rhythm.placements if (p.bar, p.onset, p.drum) == wanted), None)
    return None if place is None else found.hits.by_id()[place.hit_id]


def test_examples_in_docstrings():
    assert doctest.testmod(gestures).failed == 0


def test_drums_from_the_bottom_of_the_staff():
    assert set(BY_HEIGHT) == set(DRUMS) and BY_HEIGHT[:2] == ("pedal_hihat", "kick") and BY_HEIGHT[-1] == "china"


def test_an_added_note_is_written_where_it_was_put(found):
    for onset in (0.0, 0.25, 1.5, 3.75):
        after, made = do(found, kind="add", drum="floor_tom", bar=2, onset=onset + 0.03, names=(-1,))
        hit = at(after, 2, onset, "floor_tom")
        assert hit is not None and made.made == {-1: hit.id} and hit.origin == "user"


def test_a_note_that_is_there_is_not_added_twice(found):
    there = at(found, 1, 0.0, "kick")
    after, made = do(found, kind="add", drum="kick", bar=1, onset=0.0, names=(-4,))
    assert after.hits == found.hits and made.made == {-4: there.id}


@pytest.mark.parametrize(("by", "to"), [(1, 1.25), (-1, 0.75), (4, 2.0), (-5, -0.25)])
def test_a_nudged_note_is_written_so_many_steps_on(found, by, to):
    snare = at(found, 2, 1.0, "snare")
    after, _ = do(found, kind="nudge", hits=(snare.id,), by=by)
    bar, onset = (2, to) if to >= 0 else (1, to + 4)
    assert at(after, bar, onset, "snare").id == snare.id


def test_notes_stay_in_the_song(found):
    first = found.hits[0]
    after, _ = do(found, kind="nudge", hits=(first.id,), by=-3)
    assert after.hits.by_id()[first.id].time_s >= 0
    after, _ = do(found, kind="move", hits=(first.id,), by=-99.0)
    assert after.hits.by_id()[first.id].time_s == 0


def test_up_and_down_go_through_the_drums(found):
    snare = at(found, 0, 1.0, "snare")
    up, _ = do(found, kind="step", hits=(snare.id,), by=1)
    assert up.hits.by_id()[snare.id].drum == "cross_stick"
    hat = at(found, 0, 1.0, "closed_hihat")
    beside, _ = do(found, kind="step", hits=(snare.id,), by=BY_HEIGHT.index("closed_hihat") - BY_HEIGHT.index("snare"))
    assert beside.hits.by_id()[snare.id].drum == "open_hihat" and hat.id in beside.hits.by_id()  # not swallowed
    top, _ = do(found, kind="step", hits=(snare.id,), by=99)
    assert top.hits.by_id()[snare.id].drum == "china"


def test_a_ghost_is_written_as_one_and_as_plain_again(found):
    snare = at(found, 2, 1.0, "snare")
    soft, _ = do(found, kind="ghost", hits=(snare.id,))
    heads = {head.hit_id: head for measure in soft.score.measures for _, head in measure.heads()}
    assert heads[snare.id].ghost
    again, _ = do(soft, kind="ghost", hits=(snare.id,))
    assert again.hits.by_id()[snare.id].velocity == pytest.approx(snare.velocity, abs=3)


def test_an_accent_stands_over_its_note(found):
    softer = found.edit(edits.scale_velocity(found.hits, [hit.id for hit in found.hits if hit.drum == "snare"], 0.6))
    snare = at(softer, 2, 1.0, "snare")
    loud, _ = do(softer, kind="accent", hits=(snare.id,))
    accented = {head.hit_id for measure in loud.score.measures for event, head in measure.heads() if event.accent}
    assert snare.id in accented


def test_a_flam_is_written_as_one_and_taken_back(found):
    snare = at(found, 2, 1.0, "snare")
    flam, made = do(found, kind="flam", hits=(snare.id,))
    assert next(p for p in flam.rhythm.placements if p.hit_id == snare.id).ornament == "flam"
    assert len(made.edit.added) == 1 and len(flam.hits) == len(found.hits) + 1
    plain, _ = do(flam, kind="flam", hits=(snare.id,))
    assert plain.hits == found.hits
    with pytest.raises(EditError, match="snare drum and toms"):
        do(found, kind="flam", hits=(at(found, 2, 0.0, "kick").id,))


def contents(found, bar: int) -> list:
    return [(p.onset, p.drum) for p in found.rhythm.placements if p.bar == bar]


def copied(found, bar: int) -> tuple[Note, ...]:
    return tuple(Note(float(p.onset), p.drum, p.velocity) for p in found.rhythm.placements if p.bar == bar)


def test_a_pasted_bar_takes_the_place_of_what_was_there(found):
    assert contents(found, 3) != contents(found, 5)
    after, made = do(found, kind="paste", bar=5, notes=copied(found, 3), bars=1, names=tuple(range(-99, -60)))
    assert contents(after, 5) == contents(found, 3) and contents(after, 4) == contents(found, 4)
    assert set(made.made.values()) == {hit.id for hit in made.edit.added}
    assert after.undo().hits == found.hits


def test_pasted_notes_join_what_is_there(found):
    notes = (Note(0.0, "crash", 100), Note(1.0, "snare", 90), Note(5.0, "china", 90))
    after, _ = do(found, kind="paste", bar=1, notes=notes)
    assert (Fraction(0), "crash") in contents(after, 1) and (Fraction(1), "snare") in contents(after, 1)
    assert len(contents(after, 1)) == len(contents(found, 1)) + 1
    assert at(after, 2, 1.0, "china") is not None
    last, _ = do(found, kind="paste", bar=7, notes=notes)  # what would come after the end is left out
    assert len(last.hits) == len(found.hits) + 1


def test_what_an_action_brought_can_be_named_by_the_next(found):
    first = meaning(Action(1, "add", drum="ride", bar=3, onset=0.5, names=(-1,)), found.hits, found.rhythm)
    hits = edits.apply(found.hits, first.edit)
    second = meaning(Action(2, "nudge", hits=(-1,), by=1), hits, found.rhythm, first.made)
    after = found.edit(first.edit, second.edit)
    assert at(after, 3, 0.75, "ride") is not None and len(after.history.edits) == 2
    assert after.undo().undo().hits == found.hits


def test_notes_that_are_gone_are_passed_over(found):
    for kind in ("delete", "nudge", "step", "ghost", "accent", "relabel"):
        assert not meaning(Action(1, kind, hits=(10**12, -5), drum="snare", by=1), found.hits, found.rhythm).edit


@pytest.mark.parametrize(
    "message",
    [[{"id": 1}], [{"id": 1, "kind": "shout"}], [{"id": "x", "kind": "add"}], {"id": 1},
     [{"id": 1, "kind": "add", "bar": "z"}]],
)  # fmt: skip
def test_what_a_browser_sends_is_checked(message):
    with pytest.raises(EditError, match="cannot be read"):
        read(message)


def test_what_cannot_be_done_is_refused(found):
    for action in (Action(1, "add", drum="kettle", bar=0), Action(1, "add", drum="snare", bar=99),
                   Action(1, "relabel", hits=(found.hits[0].id,), drum="x"), Action(1, "paste", bar=0),
                   Action(1, "undo")):  # fmt: skip
        with pytest.raises(EditError):
            meaning(action, found.hits, found.rhythm)


def test_the_hits_of_some_bars_are_those_that_stand_in_them(found):
    places = Places(found.rhythm.bars, found.rhythm.placements)
    for first, end in (
        (0, 1),
        (3, 5),
        (0, len(found.rhythm.bars)),
        (len(found.rhythm.bars) - 1, len(found.rhythm.bars)),
    ):
        assert places.inside(found.hits, first, end) == [hit for hit in found.hits if first <= places.of(hit)[0] < end]
    assert places.inside(found.hits, 0, len(found.rhythm.bars) + 1) == []


@given(bar=st.integers(0, 7), by=st.integers(-20, 20), data=st.data())
def test_every_place_sounds_where_it_is_found_again(found, bar, by, data):
    spots = Places(found.rhythm.bars)
    onset = data.draw(st.sampled_from(slots(found.rhythm.bars[bar])))
    assert spots.nearest(spots.time_s(bar, onset)) == (bar, onset)
    there = spots.moved((bar, onset), by)
    if 0 < there[0] < 7:
        assert spots.moved(there, -by) == (bar, onset)
