import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_songs import song

from drumscribe.errors import EditError
from drumscribe.kit import LABELS
from drumscribe.song import edits
from drumscribe.song.edits import Edit, Entry, History
from drumscribe.types import Hit, Hits


def hits_at(*rows: tuple[float, str]) -> Hits:
    return Hits.of(Hit(index, time_s, drum, 0.5, 80) for index, (time_s, drum) in enumerate(rows))


GROOVE = hits_at((0.0, "kick"), (0.5, "snare"), (1.0, "kick"), (1.5, "snare"), (1.5, "closed_hihat"))


def rows_of(hits: Hits) -> list[dict]:
    return [{"id": hit.id, "time_s": round(hit.time_s, 3), "drum": hit.drum, "velocity": hit.velocity} for hit in hits]


def test_add_gives_a_certain_hit_with_an_id_of_its_own():
    change = edits.add(GROOVE, 0.75, "crash", 110)
    (new,) = change.added
    assert (new.time_s, new.drum, new.velocity, new.confidence, new.origin) == (0.75, "crash", 110, 1.0, "user")
    assert new.id >= edits.FIRST_USER_ID and change.removed == ()
    again = edits.add(edits.apply(GROOVE, change), 0.9, "crash")
    assert again.added[0].id == new.id + 1


def test_add_on_top_of_a_hit_takes_its_place():
    change = edits.add(GROOVE, 0.502, "snare")
    assert [hit.id for hit in change.removed] == [1]
    assert len(edits.apply(GROOVE, change)) == len(GROOVE)


def test_delete_move_relabel_velocity():
    after = edits.apply(GROOVE, edits.delete(GROOVE, [0, 2]))
    assert [hit.id for hit in after] == [1, 4, 3]
    moved = edits.apply(GROOVE, edits.move(GROOVE, [1, 3], 0.02)).by_id()
    assert math.isclose(moved[1].time_s, 0.52) and moved[1].origin == "user" and moved[1].confidence == 1
    assert edits.apply(GROOVE, edits.move_to(GROOVE, 0, 0.25))[0].time_s == 0.25
    toms = edits.apply(GROOVE, edits.relabel(GROOVE, [1, 3], "high_tom")).by_id()
    assert toms[3].drum == "high_tom" and toms[3].id == 3
    loud = edits.apply(GROOVE, edits.set_velocity(GROOVE, [0], 127)).by_id()[0]
    assert (loud.velocity, loud.confidence, loud.origin) == (127, 0.5, "model")
    soft = edits.apply(GROOVE, edits.scale_velocity(GROOVE, [0], 0.001)).by_id()[0]
    assert soft.velocity == 1


def test_moving_a_group_over_itself_keeps_all_of_it():
    roll = hits_at(*((0.1 * index, "snare") for index in range(8)))
    after = edits.apply(roll, edits.move(roll, range(8), 0.1))
    assert [round(hit.time_s, 6) for hit in after] == [round(0.1 * index, 6) for index in range(1, 9)]


def test_relabelling_two_simultaneous_hits_to_one_drum_leaves_one():
    after = edits.apply(GROOVE, edits.relabel(GROOVE, [3, 4], "crash"))
    assert [hit.drum for hit in after.between(1.4, 1.6)] == ["crash"]


def test_accept_adds_candidates_and_vouches_for_known_hits():
    candidate = Hit(77, 0.25, "closed_hihat", 0.1, 60)
    after = edits.apply(GROOVE, edits.accept(GROOVE, [candidate, GROOVE.by_id()[1]])).by_id()
    assert after[77].confidence == 1 and after[77].velocity == 60 and after[1].origin == "user"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: edits.add(GROOVE, -0.1, "kick"),
        lambda: edits.add(GROOVE, math.nan, "kick"),
        lambda: edits.add(GROOVE, 1.0, "cowbell"),
        lambda: edits.add(GROOVE, 1.0, "kick", 0),
        lambda: edits.delete(GROOVE, [99]),
        lambda: edits.move(GROOVE, [0], -1.0),
        lambda: edits.relabel(GROOVE, [0], ""),
        lambda: edits.set_velocity(GROOVE, [0], 128),
        lambda: edits.scale_velocity(GROOVE, [0], -1),
        lambda: edits.apply(GROOVE, Edit("x", removed=(Hit(0, 0.1, "kick", 0.5, 80),))),
        lambda: edits.apply(GROOVE, Edit("x", added=(Hit(0, 0.1, "kick", 0.5, 80),))),
        lambda: History(GROOVE).undo(),
        lambda: History(GROOVE).redo(),
    ],
)
def test_impossible_edits_say_so(wrong):
    with pytest.raises(EditError) as caught:
        wrong()
    assert caught.value.what and caught.value.todo


def test_table_unchanged_is_no_edit():
    assert not edits.apply_table(GROOVE, rows_of(GROOVE))


def test_table_changes_deletes_and_adds():
    rows = rows_of(GROOVE)
    rows[1] |= {"drum": "cross_stick"}
    rows[2] |= {"velocity": 100.0}
    del rows[0]
    rows += [
        {"id": None, "time_s": 0.8, "drum": "ride", "velocity": math.nan},
        {"id": math.nan, "time_s": None, "drum": None, "velocity": None},
    ]
    after = edits.apply(GROOVE, edits.apply_table(GROOVE, rows))
    assert [(hit.time_s, hit.drum, hit.velocity) for hit in after] == [
        (0.5, "cross_stick", 80),
        (0.8, "ride", 90),
        (1.0, "kick", 100),
        (1.5, "closed_hihat", 80),
        (1.5, "snare", 80),
    ]


def test_table_keeps_the_unrounded_time_of_a_relabelled_hit():
    hits = hits_at((0.123456, "snare"))
    rows = rows_of(hits)
    rows[0]["drum"] = "kick"
    assert edits.apply_table(hits, rows).added[0].time_s == 0.123456


def test_filtered_table_leaves_hidden_hits_alone():
    snares = [hit for hit in GROOVE if hit.drum == "snare"]
    after = edits.apply(GROOVE, edits.apply_table(GROOVE, rows_of(Hits.of(snares))[:1], shown=snares))
    assert [hit.id for hit in after] == [0, 1, 2, 4]


@pytest.mark.parametrize("bad", [{"time_s": "soon"}, {"time_s": None}, {"drum": "gong"}, {"velocity": 0}, {"id": 99}])
def test_bad_table_row_is_named(bad):
    rows = rows_of(GROOVE)
    rows[2] |= bad
    with pytest.raises(EditError, match="Row 3"):
        edits.apply_table(GROOVE, rows)


def test_the_same_row_twice_is_refused():
    with pytest.raises(EditError, match="Row 6"):
        edits.apply_table(GROOVE, [*rows_of(GROOVE), rows_of(GROOVE)[0]])


def test_history_undo_redo_and_labels():
    history = History(GROOVE)
    history = history.do(edits.delete(history.hits, [0]))
    history = history.do(edits.add(history.hits, 3.0, "crash"))
    assert (history.undo_label, history.redo_label) == ("Add crash cymbal", None)
    back = history.undo().undo()
    assert back.hits == GROOVE and back.redo_label == "Delete 1 hit" and len(back.log) == 4
    assert back.redo().redo().hits == history.hits
    branched = back.do(edits.delete(back.hits, [1]))
    assert branched.redo_label is None


def test_rebase_keeps_what_the_user_did_over_new_picks():
    history = History(GROOVE)
    history = history.do(edits.delete(history.hits, [0]))
    history = history.do(edits.relabel(history.hits, [1], "cross_stick"))
    fewer = Hits.of(hit for hit in GROOVE if hit.id not in (1, 3))
    more = Hits.of([*GROOVE, Hit(50, 2.0, "kick", 0.2, 70)])
    assert {hit.id for hit in history.rebase(fewer).hits} == {1, 2, 4}  # touched: stays; deleted: stays away
    assert {hit.id for hit in history.rebase(more).hits} == {1, 2, 3, 4, 50}
    assert history.rebase(more).undo().undo().hits == more


def test_replay_checks_the_log():
    with pytest.raises(EditError):
        edits.replay(GROOVE, [Entry("undo")])
    with pytest.raises(EditError):
        edits.replay(GROOVE, [Entry("do")])


ids = st.integers(0, 4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.floats(0, 10), st.sampled_from(LABELS)),
        st.tuples(st.just("delete"), ids),
        st.tuples(st.just("move"), ids, st.floats(-1, 1)),
        st.tuples(st.just("relabel"), ids, st.sampled_from(LABELS)),
        st.tuples(st.just("velocity"), ids, st.integers(1, 127)),
        st.tuples(st.just("undo")),
        st.tuples(st.just("redo")),
    ),
    max_size=30,
)


@given(steps)
def test_any_history_replays_and_undoes_to_the_start(steps):
    history, states = History(GROOVE), [GROOVE]
    for name, *values in steps:
        hits = history.hits
        try:
            if name == "add":
                history = history.do(edits.add(hits, *values))
            elif name == "delete":
                history = history.do(edits.delete(hits, [values[0]]))
            elif name == "move":
                history = history.do(edits.move(hits, [values[0]], values[1]))
            elif name == "relabel":
                history = history.do(edits.relabel(hits, [values[0]], values[1]))
            elif name == "velocity":
                history = history.do(edits.set_velocity(hits, [values[0]], values[1]))
            elif name == "undo":
                history = history.undo()
            else:
                history = history.redo()
        except EditError:
            assert history.hits == hits
        states.append(history.hits)
        assert edits.replay(GROOVE, history.log).hits == history.hits
    while history.undo_label is not None:
        history = history.undo()
    assert history.hits == GROOVE


def test_a_choice_of_options_is_one_edit_that_undo_takes_back():
    from ui_songs import song

    from drumscribe.errors import OptionsError
    from drumscribe.song.transcription import Transcription

    made = song(8)
    other = made.grid.alternatives[0]
    counted = made.recounted(1)
    assert counted.grid.bpm == pytest.approx(other.bpm, rel=0.02) and set(counted.grid.meters) == {other.meter}
    assert counted.history.undo_label == f"Count at {other.name}" and counted.hits == made.hits
    opened = Transcription.of_project(counted.project())
    for one in (counted, opened):
        back = one.undo()
        assert back.options == made.options and back.rhythm == made.rhythm
        assert back.redo().rhythm == counted.rhythm
    later = counted.edit(edits.delete(counted.hits, [counted.hits[0].id])).rescore(notate={"title": "A"})
    assert later.undo().options == later.options, "only the deleted hit comes back"
    assert later.undo().undo().options.beats == made.options.beats
    with pytest.raises(OptionsError, match="no other reading 9"):
        made.recounted(9)
    with pytest.raises(OptionsError):
        made.choose("Hear anew", detect={"sensitivity": 1.0})


def test_a_hit_can_be_added_where_nothing_was_heard():
    empty = song(4).rescore(None, detect={"sensitivity": 0.0, "thresholds": dict.fromkeys(LABELS, 1.0)})
    assert not len(empty.hits)
    after = empty.edit(edits.add(empty.hits, 1.5, "snare"))
    assert [place.drum for place in after.rhythm.placements] == ["snare"]
