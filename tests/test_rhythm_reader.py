"""The dial from "as heard" to "as a chart": doubtful strokes follow like bars, plain ones and solos stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ui_songs import song

from drumscribe.errors import OptionsError
from drumscribe.options import Options
from drumscribe.rhythm import read_hits
from drumscribe.rhythm.likeness import grouped
from drumscribe.rhythm.reader import RUBATO, TOO_FEW
from drumscribe.song import edits, project
from drumscribe.song.transcription import Transcription
from drumscribe.types import BeatGrid, Hit, Hits, Meter
from tests.grooves import GROOVES, Groove, grid_of, hits_of, parse

GRID = BeatGrid(0.5 * np.arange(65), np.arange(65) % 4 + 1, (Meter(),) * 16, 120.0, "user")


def groove(chance: float = 0.97) -> list[Hit]:
    """Sixteen bars of eighths with a backbeat, plainly heard."""
    notes = [
        (bar * 2.0 + place * 0.125, drum)
        for bar in range(16)
        for drum, places in (("closed_hihat", range(0, 16, 2)), ("kick", (0, 6, 8)), ("snare", (4, 12)))
        for place in places
    ]
    return [Hit(i, at, drum, chance, 90) for i, (at, drum) in enumerate(sorted(notes))]


def at(hits: list[Hit], time_s: float, drum: str) -> Hit:
    return next(hit for hit in hits if hit.drum == drum and abs(hit.time_s - time_s) < 0.01)


def test_a_doubtful_stroke_against_many_sure_bars_goes_and_can_be_taken_back() -> None:
    hits = groove()
    odd = Hit(9000, 5 * 2.0 + 13 * 0.125, "snare", 0.4, 60)
    read = read_hits(Hits.of([*hits, odd]), (), GRID, 1.0)
    assert [(change.kind, change.hit_id, change.heard) for change in read.changes] == [("removed", 9000, "snare")]
    assert read.changes[0].chance < 0.5
    assert read.hits == Hits.of(hits)
    assert read_hits(Hits.of([*hits, odd]), (), GRID, 1.0, frozenset({9000})).changes == ()
    assert read_hits(Hits.of([*hits, odd]), (), GRID, 0.0).hits == Hits.of([*hits, odd])


def test_a_stroke_that_all_like_bars_have_comes_if_something_was_heard() -> None:
    hits = groove()
    lost = at(hits, 7 * 2.0 + 8 * 0.125, "closed_hihat")
    rest = Hits.of(hit for hit in hits if hit is not lost)
    read = read_hits(rest, (replace(lost, confidence=0.4),), GRID, 1.0)
    assert [(change.kind, change.hit_id, change.drum) for change in read.changes] == [
        ("added", lost.id, "closed_hihat")
    ]
    assert read_hits(rest, (), GRID, 1.0).changes == (), "what was not heard at all is not invented"


def test_what_was_plainly_heard_stays_at_every_place_of_the_dial() -> None:
    hits = groove()
    plain = Hit(9000, 5 * 2.0 + 13 * 0.125, "snare", 0.95, 100)
    fill = [Hit(9100 + k, 11 * 2.0 + k * 0.125, "floor_tom", 0.92, 100) for k in range(8, 16)]
    for amount in (0.25, 0.5, 1.0):
        assert read_hits(Hits.of([*hits, plain, *fill]), (), GRID, amount).changes == ()


def test_users_strokes_stay() -> None:
    hits = groove()
    own = Hit(9000, 5 * 2.0 + 13 * 0.125, "snare", 0.2, 60, "user")
    assert read_hits(Hits.of([*hits, own]), (), GRID, 1.0).changes == ()


@pytest.mark.parametrize(
    "name",
    ["linear_funk", "funk_ghosts", "bossa_nova", "five_four", "blues_twelve_eight", "half_time_shuffle", "samba",
     "metal_double_kick", "seven_eight", "reggae_one_drop"],
)  # fmt: skip
@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_grooves_that_are_heard_perfectly_survive(name: str, amount: float) -> None:
    text = GROOVES[name]
    truth = parse(Groove(text.rows, text.meter, text.bpm, 6, text.swing, "", text.then))
    hits = hits_of(truth, jitter_s=0.005, seed=2)
    assert read_hits(hits, (), grid_of(truth), amount).hits == hits


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_blast_beats_and_a_solo_without_repetition_survive(amount: float) -> None:
    blast = [
        Hit(2 * k + i, k * 0.125, drum, 0.93, 100) for k in range(256) for i, drum in enumerate(("kick", "snare"))
    ]  # fmt: skip
    assert read_hits(Hits.of(blast), (), GRID, amount).changes == ()
    random = np.random.default_rng(5)
    drums = ("snare", "high_tom", "mid_tom", "floor_tom", "kick", "crash", "ride")
    solo = [
        Hit(k, k * 0.125, str(random.choice(drums)), float(random.uniform(0.6, 1.0)), 90)
        for k in range(256) if random.random() < 0.6
    ]  # fmt: skip
    read = read_hits(Hits.of(solo), (), GRID, amount)
    assert len(read.changes) <= 0.02 * len(solo)


def test_what_cannot_be_compared_is_written_as_heard_and_says_so() -> None:
    three = Hits.of(Hit(k, 0.5 + k, "snare", 0.6, 90) for k in range(3))
    assert read_hits(Hits(), (), GRID, 0.5).note == TOO_FEW
    read = read_hits(three, (), GRID, 0.5)
    assert (read.note, read.hits, read.changes) == (TOO_FEW, three, ())
    faster = 30.0 * np.linspace(0, 1, 200) ** 0.8
    free = Hits.of(Hit(k, float(at), "snare", 0.6, 90) for k, at in enumerate(faster))
    read = read_hits(free, (), GRID, 0.5)
    assert (read.note, read.hits) == (RUBATO, free)


def test_like_bars_are_one_group() -> None:
    truth = parse(Groove("HH x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-----o-o-------", times=4,
                         then=(Groove("SD oooooooooooooooo"), Groove("HH x-x-x-x-x-x-x-x-\nSD ----o-------o---\n"
                                                                     "BD o-----o-o-----o-"))))  # fmt: skip
    assert grouped(truth) == (0, 0, 0, 0, 1, 0)


def test_groups_stay_with_the_song_whatever_is_corrected() -> None:
    made = song()
    bar = made.rhythm.groups.index(0)
    own = [place.hit_id for place in made.rhythm.placements if place.bar == bar and place.drum != "crash"]
    torn = made.edit(edits.delete(made.hits, own))
    assert torn.rhythm.groups == made.rhythm.groups != grouped(torn.rhythm)
    assert Transcription.of_project(project.loads(torn.project().dumps())).rhythm.groups == made.rhythm.groups
    assert len(made.recounted(1).rhythm.groups) == len(made.recounted(1).rhythm.bars)


def test_the_dial_in_a_song_lists_its_changes_and_takes_them_back() -> None:
    made = song(8, doubts=True)
    assert made.rhythm.changes == (), "unless it is asked for, what was heard is written"
    heard = made.rescore(quantise={"reading": "heard"})
    assert heard.rhythm.changes == ()
    assert [hit.id for hit in heard.read] == [hit.id for hit in heard.hits]
    clean = made.rescore(quantise={"reading": "clean"})
    assert clean.hits == heard.hits, "hits keep what was heard"
    assert len(clean.rhythm.groups) == len(clean.rhythm.bars)
    assert len(clean.rhythm.changes) == 4
    for change in clean.rhythm.changes:
        again = clean.left_as_heard(change.hit_id)
        assert change.hit_id not in {other.hit_id for other in again.rhythm.changes}
    assert clean.left_as_heard().rhythm.changes == ()
    opened = Transcription.of_project(clean.project())
    assert opened.rhythm == clean.rhythm
    kept = clean.project()
    assert (kept.changes, kept.groups) == (clean.rhythm.changes, clean.rhythm.groups)
    read = project.loads(kept.dumps())
    assert (read.changes, read.groups) == (kept.changes, kept.groups), "and they stand in the file"
    with pytest.raises(OptionsError):
        made.rescore(quantise={"reading": 1.5})
    with pytest.raises(OptionsError):
        made.rescore(quantise={"reading": "tidy"})
    assert Options().updated(quantise={"reading": 0.3}).quantise.amount == 0.3
