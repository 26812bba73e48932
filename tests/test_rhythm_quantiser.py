from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drumscribe.errors import RhythmError
from drumscribe.kit import LABELS
from drumscribe.options import BeatOptions, QuantiseOptions
from drumscribe.rhythm import BeatEvidence, beat_grid, deviations, performed, quantise, tempo_curve
from drumscribe.types import BeatGrid, Hit, Hits, Meter, Rhythm
from tests.grooves import GROOVES, Groove, grid_of, hits_of, load, parse
from tests.properties import examples

FINE = QuantiseOptions(finest=32)


def steady(bars: int = 4, meter: str = "4/4", bpm: float = 120.0, start: float = 0.0) -> BeatGrid:
    parsed = Meter.parse(meter)
    n = bars * parsed.pulses_per_bar
    times = start + 60.0 / bpm * np.arange(n + 1)
    return BeatGrid(times, np.arange(n + 1) % parsed.pulses_per_bar + 1, (parsed,) * bars, bpm, "user")


def hit(time_s: float, drum: str = "snare", velocity: int = 90, id: int = -1) -> Hit:
    return Hit(id if id >= 0 else round(time_s * 1e6), time_s, drum, 1.0, velocity)


def written(rhythm: Rhythm) -> list[tuple[int, Fraction, str]]:
    return [(p.bar, p.onset, p.drum) for p in rhythm.placements]


def onsets(rhythm: Rhythm) -> list[Fraction]:
    return [p.onset for p in rhythm.placements]


@pytest.mark.parametrize("name", sorted(set(GROOVES) - {"shuffle", "pickup_and_rolls", "swing_ride", "jazz_waltz"}))
def test_known_grooves_come_back_from_human_timing(name: str) -> None:
    # one-bar grooves are played four times: a single bar holds no evidence for its own feel
    groove = GROOVES[name]
    truth = parse(Groove(groove.rows, groove.meter, groove.bpm, max(4, groove.times), groove.swing, "", groove.then))
    found = quantise(hits_of(truth, jitter_s=0.006, seed=3), grid_of(truth), FINE)
    want, got = Counter(written(truth)), Counter(written(found))
    assert (want & got).total() >= 0.97 * want.total()
    assert found.dropped == ()


def test_swing_is_a_feel_written_in_straight_eighths() -> None:
    grid = steady(8)
    hits = []
    for pulse in range(32):
        hits.append(hit(grid.times[pulse], "ride"))
        if pulse % 2:
            hits.append(hit(grid.times[pulse] + 0.5 * 0.655, "ride"))
    rhythm = quantise(Hits.of(hits), grid, QuantiseOptions())
    assert rhythm.swing
    assert all(bar.swing for bar in rhythm.bars)
    assert set(onsets(rhythm)) == {Fraction(k, 2) for k in (0, 2, 3, 4, 6, 7)}
    assert max(abs(p.deviation_s) for p in rhythm.placements) < 0.005, "the feel is not lateness"
    straight = quantise(Hits.of(hits), grid, QuantiseOptions(swing="off"))
    assert not straight.swing
    assert Fraction(5, 3) in onsets(straight)


def test_one_triplet_fill_is_not_a_swung_bar() -> None:
    truth = parse(Groove("HH x-x- x-x- x-x- x-x-|x-x- x-x- --- ---\nSD ---- ---- ---- ----|---- ---- xxx xxx", times=3))
    rhythm = quantise(hits_of(truth, 0.005), grid_of(truth), QuantiseOptions())
    assert written(rhythm) == written(truth)
    assert not rhythm.swing


def test_a_late_hit_is_not_a_triplet() -> None:
    grid = steady(4, bpm=100)
    hits = [hit(time, "closed_hihat") for time in np.arange(0, 9.6, 0.3)]
    hits += [hit(0.6 + 1.2 * k + (0.035 if k == 3 else 0.0)) for k in range(8)]
    rhythm = quantise(Hits.of(hits), grid, FINE)
    snares = [p for p in rhythm.placements if p.drum == "snare"]
    assert {p.onset for p in snares} == {Fraction(1), Fraction(3)}
    assert max(p.deviation_s for p in snares) == pytest.approx(0.035, abs=0.006)


@pytest.mark.parametrize(("confidence", "finest"), [(1.0, 8), (0.3, 2)])
def test_a_doubtful_hit_does_not_make_its_pulse_harder_to_read(confidence: float, finest: int) -> None:
    grid = steady(4)
    hits = [hit(eighth / 4, "closed_hihat") for eighth in range(32)]
    hits += [Hit(9_999_999, 2 + 3 / 16, "pedal_hihat", confidence, 60)]  # three 32nds after a beat
    rhythm = quantise(Hits.of(hits), grid, FINE)
    assert max(onset.denominator for onset in onsets(rhythm)) == finest


def test_playing_behind_the_beat_is_read_as_such() -> None:
    grid = steady(8, bpm=110)
    random = np.random.default_rng(0)
    step = 60 / 110
    hits = [hit(step * k / 2, "closed_hihat") for k in range(64)]
    hits += [hit(step * (2 * k + 1) + 0.03 + random.normal(0, 0.004)) for k in range(16)]
    rhythm = quantise(Hits.of(hits), grid, FINE)
    assert {p.onset for p in rhythm.placements if p.drum == "snare"} == {Fraction(1), Fraction(3)}
    by_drum = {d.drum: d for d in deviations(rhythm)}
    assert by_drum["snare"].mean_ms == pytest.approx(30, abs=3)
    assert by_drum["closed_hihat"].mean_ms == pytest.approx(0, abs=3)
    assert by_drum["closed_hihat"].hits == 64


def test_flam_and_drag_are_ornaments_of_their_main_stroke() -> None:
    grid = steady(2)
    hits = [hit(0.0, "kick"), hit(0.47, velocity=40, id=1), hit(0.5, velocity=100, id=2)]
    hits += [hit(1.39, velocity=30, id=3), hit(1.44, velocity=30, id=4), hit(1.5, velocity=100, id=5)]
    rhythm = quantise(Hits.of(hits), grid, QuantiseOptions())
    by_id = {p.hit_id: p for p in rhythm.placements}
    assert set(by_id) == {0, 2, 5}
    assert (by_id[2].ornament, by_id[2].grace_ids, by_id[2].onset) == ("flam", (1,), 1)
    assert (by_id[5].ornament, by_id[5].grace_ids, by_id[5].onset) == ("drag", (3, 4), 3)
    assert rhythm.dropped == ()


def test_a_run_too_fast_for_the_grid_is_a_roll() -> None:
    grid = steady(2, bpm=100)
    hits = [hit(0.6 + 0.04 * k, velocity=70, id=k) for k in range(15)]
    rhythm = quantise(Hits.of(hits), grid, QuantiseOptions())
    assert [(p.hit_id, p.ornament, p.onset, p.roll_length) for p in rhythm.placements] == [(0, "roll", 1, 1)]
    assert rhythm.placements[0].grace_ids == tuple(range(1, 15))


def test_two_strokes_on_one_place_are_named_not_lost() -> None:
    grid = steady(1)
    hits = [hit(0.0, "ride", 90, id=0), hit(0.012, "ride", 60, id=1), hit(0.5, "ride", id=2)]
    rhythm = quantise(Hits.of(hits), grid, QuantiseOptions(finest=8, ornaments=False))
    assert [p.hit_id for p in rhythm.placements] == [0, 2]
    assert rhythm.dropped == (1,)


@pytest.mark.parametrize(
    ("finest", "allowed"), [(8, {1, 2}), (12, {1, 2, 3}), (16, {1, 2, 3, 4}), (24, {1, 2, 3, 4, 6})]
)
def test_the_finest_grid_is_the_users(finest: int, allowed: set[int]) -> None:
    random = np.random.default_rng(5)
    hits = Hits.of(hit(t, "floor_tom", id=i) for i, t in enumerate(np.sort(random.uniform(0, 7.9, 60))))
    rhythm = quantise(hits, steady(4), QuantiseOptions(finest=finest))
    assert {part for bar in rhythm.bars for part in bar.subdivisions} <= allowed
    binary = quantise(hits, steady(4), QuantiseOptions(finest=finest, triplets=False, swing="off"))
    assert {part for bar in binary.bars for part in bar.subdivisions} <= {1, 2, 4}


def test_quintuplets_only_where_wished() -> None:
    hits = Hits.of(hit(0.5 * k + 0.1 * i, "snare", id=5 * k + i) for k in range(8) for i in range(5))
    assert {n for bar in quantise(hits, steady(2), FINE).bars for n in bar.subdivisions} - {5}
    wished = quantise(hits, steady(2), QuantiseOptions(finest=32, quintuplets=True))
    assert {n for bar in wished.bars for n in bar.subdivisions} == {5}


def test_bars_have_numbers_lengths_and_tempo() -> None:
    pickup = load("pickup_and_rolls")
    rhythm = quantise(hits_of(pickup), grid_of(pickup), QuantiseOptions())
    assert [bar.number for bar in rhythm.bars] == [bar.number for bar in pickup.bars]
    assert rhythm.bars[0].length == pickup.bars[0].length
    assert rhythm.bars[1].quarter_bpm == pytest.approx(72)
    compound = quantise(Hits(), steady(2, "6/8", 60), QuantiseOptions())
    assert compound.bars[0].length == 3
    assert compound.bars[0].quarter_bpm == pytest.approx(90)
    assert compound.placements == ()


def test_hits_beyond_the_grid_get_bars_of_their_own() -> None:
    grid = steady(1, start=4.0)
    rhythm = quantise(Hits.of([hit(0.1), hit(4.0), hit(13.0)]), grid, QuantiseOptions())
    assert len(rhythm.placements) == 3
    assert len(rhythm.bars) == 7
    assert [bar.index for bar in rhythm.bars] == list(range(7))


def test_hits_hours_away_from_the_grid_are_refused() -> None:
    """A damaged project must not fill the memory with bars."""
    for hits, grid in (([hit(0.0), hit(1e9, id=1)], steady()), ([hit(0.0)], steady(start=1e9))):
        with pytest.raises(RhythmError, match="hours away"):
            quantise(Hits.of(hits), grid, QuantiseOptions())


def test_a_last_stroke_just_before_the_bar_line_is_on_it() -> None:
    early = quantise(Hits.of([hit(0.0), hit(1.96)]), steady(1), QuantiseOptions())
    assert written(early) == [(0, 0, "snare"), (1, 0, "snare")]
    inside = quantise(Hits.of([hit(0.0), hit(1.5), hit(1.625), hit(1.75), hit(1.86)]), steady(1), QuantiseOptions())
    assert written(inside)[-1] == (0, Fraction(15, 4), "snare")
    assert len(inside.bars) == 1


def test_strength_moves_hits_part_of_the_way() -> None:
    grid = steady(2)
    hits = Hits.of([hit(0.0, "kick", id=0), hit(0.52, id=1), hit(1.0, "kick", id=2), hit(1.52, id=3)])
    rhythm = quantise(hits, grid, QuantiseOptions())
    assert [h.time_s for h in performed(hits, rhythm)] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert [h.time_s for h in performed(hits, rhythm, 0.5)] == pytest.approx([0.0, 0.51, 1.0, 1.51])
    assert performed(hits, rhythm, 0.0) == hits
    assert [h.time_s for h in performed(hits, rhythm, ids=[1])] == pytest.approx([0.0, 0.5, 1.0, 1.52])


def test_tempo_curve_follows_the_pulses() -> None:
    times, bpm = tempo_curve(steady(4, bpm=90))
    assert len(times) == len(bpm)
    assert bpm == pytest.approx(90)
    assert np.all(np.diff(times) > 0)


some_hits = st.lists(
    st.tuples(st.floats(0, 12, allow_nan=False), st.sampled_from(LABELS), st.integers(1, 127)), max_size=40
).map(lambda rows: Hits.of(Hit(i, t, drum, 1.0, v) for i, (t, drum, v) in enumerate(rows)))
some_options = st.builds(
    QuantiseOptions, finest=st.sampled_from([8, 12, 16, 24, 32]), triplets=st.booleans(), quintuplets=st.booleans(),
    swing=st.sampled_from(["auto", "on", "off"]), ornaments=st.booleans(),
)  # fmt: skip
some_beats = st.builds(
    BeatOptions, bpm=st.none() | st.floats(40, 220),
    meter=st.none() | st.sampled_from(["2/4", "3/4", "4/4", "5/4", "6/8", "7/8", "12/8", "2/2"]),
    first_downbeat_s=st.none() | st.floats(0, 12), bar_shift=st.integers(-4, 4),
)  # fmt: skip


def test_a_foot_on_the_hands_closed_hihat_is_one_stroke() -> None:
    groove = parse(
        Groove("HH x-x-x-x-x-x-x-x-\nHF ----x-------x---\nSD ----o-------o---\nBD o-------o-------", times=4)
    )
    hits, grid = hits_of(groove), grid_of(groove)
    feet = {place.hit_id for place in groove.placements if place.drum == "pedal_hihat"}
    rhythm = quantise(hits, grid, FINE)
    assert set(rhythm.dropped) == feet
    named = Hits(tuple(replace(hit, origin="user") if hit.id in feet else hit for hit in hits))
    assert quantise(named, grid, FINE).dropped == ()


def test_a_crash_takes_the_hand_from_the_hihat() -> None:
    groove = parse(Groove("CC x---------------\nHH x-x-x-x-x-x-x-x-\nBD o-------o-------", times=2))
    hits, grid = hits_of(groove), grid_of(groove)
    rhythm = quantise(hits, grid, FINE)
    assert [place.drum for place in rhythm.placements if place.onset == 0] == ["crash", "kick"] * 2
    by_user = Hits(tuple(replace(hit, origin="user") for hit in hits))
    assert Counter(written(quantise(by_user, grid, FINE))) == Counter(written(groove))


def test_a_foot_in_a_gap_of_the_hands_stream_is_the_hands_where_the_hand_plays_in_other_bars() -> None:
    steady, gap = (
        "HH x-x-x-x-x-x-x-x-\nBD o-------o-------",
        "HH x-x-x---x-x-x-x-\nHF ------x---------\nBD o-------o-------",
    )
    once = parse(Groove(steady, times=3, then=(Groove(gap), Groove(steady, times=2))))
    found = quantise(hits_of(once), grid_of(once), FINE)
    assert {place.drum for place in found.placements} == {"closed_hihat", "kick"}
    always = parse(Groove(gap, times=4))
    found = quantise(hits_of(always), grid_of(always), FINE)
    assert Counter(written(found)) == Counter(written(always))
    jazz = parse(Groove("RD x---x-x-x---x-x-\nHF ----x-------x---", swing=True, times=4))
    assert Counter(written(quantise(hits_of(jazz), grid_of(jazz), FINE))) == Counter(written(jazz))


def test_a_last_hit_may_belong_to_the_bar_line_after_the_grid() -> None:
    hits = Hits.of([hit(0.0, id=0), hit(0.0, id=1), hit(0.625, "kick", id=3), hit(10.875, id=2)])
    grid = beat_grid(BeatEvidence.empty(), hits, BeatOptions(meter="2/4", first_downbeat_s=8.75), 12.0)
    rhythm = quantise(hits, grid, QuantiseOptions(finest=8, swing="on", triplets=False, ornaments=False))
    assert {0, 2, 3} <= {place.hit_id for place in rhythm.placements}


@examples(50)
@given(some_hits, some_beats, some_options)
def test_any_hits_give_bars_that_add_up(hits: Hits, beats: BeatOptions, options: QuantiseOptions) -> None:
    grid = beat_grid(BeatEvidence.empty(), hits, beats, 12.0)
    rhythm = quantise(hits, grid, options)
    for before, bar in zip(rhythm.bars, rhythm.bars[1:], strict=False):
        assert before.end_s == pytest.approx(bar.start_s)
    for bar in rhythm.bars:
        assert 0 < bar.length <= bar.meter.quarter_length
        assert len(bar.subdivisions) * bar.meter.pulse == bar.length
        assert bar.length == bar.meter.quarter_length or bar.index == 0
    for place in rhythm.placements:
        bar = rhythm.bars[place.bar]
        assert 0 <= place.onset < bar.length
        pulse = int(place.onset // bar.meter.pulse)
        part = (place.onset / bar.meter.pulse - pulse) * bar.subdivisions[pulse]
        assert part.denominator == 1, "subdivisions hold every onset"
    heard = [i for p in rhythm.placements for i in (p.hit_id, *p.grace_ids)] + list(rhythm.dropped)
    assert sorted(heard) == sorted(h.id for h in hits), "every hit is written, in an ornament, or named as dropped"
    assert quantise(hits, grid, options) == rhythm


@st.composite
def some_grids(draw: st.DrawFn) -> BeatGrid:
    """Two to eight bars at any tempo, from before the first hits or after them."""
    meter = draw(st.sampled_from(["4/4", "3/4", "6/8", "7/8", "2/2"]))
    bpm = draw(st.sampled_from([40, 66, 90, 97.3, 100, 120, 128, 163, 200, 240]) | st.floats(40, 240))
    return steady(draw(st.integers(2, 8)), meter, bpm, draw(st.sampled_from([0.0, 0.25, 1.0, -0.4])))


@st.composite
def some_playing(draw: st.DrawFn) -> Hits:
    """Strokes near the places of a grid of its own, of few drums: they meet, flam, roll, and crowd."""
    drums = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=4))
    step = draw(st.sampled_from([0.025, 0.0625, 0.075, 0.1, 0.15, 0.25]))
    strokes = st.tuples(st.integers(0, 80), st.integers(-30, 30), st.sampled_from(drums), st.integers(1, 127))
    rows = draw(st.lists(strokes, max_size=80))
    return Hits.of(Hit(i, max(0.0, k * step + ms / 1000), drum, 1.0, v) for i, (k, ms, drum, v) in enumerate(rows))


@examples(100)
@given(some_hits | some_playing(), some_grids(), some_options)
# the foot is left out, and the hand's stroke, alone, is read another way
@example(Hits.of([hit(8.46875, "closed_hihat"), hit(8.5, "pedal_hihat")]), steady(8, bpm=100), FINE)
# a roll whose place lies before the recording
@example(Hits.of(hit(t, velocity=1, id=i) for i, t in enumerate([0.0, 0.0, 0.0, 0.501])), steady(2, bpm=40, start=1.0),
         QuantiseOptions(finest=8))  # fmt: skip
def test_what_is_quantised_stays(hits: Hits, grid: BeatGrid, options: QuantiseOptions) -> None:
    once = quantise(hits, grid, options)
    kept = Hits(tuple(h for h in hits if h.id not in once.dropped))
    again = quantise(performed(kept, once), grid, options)
    assert [replace(place, deviation_s=0.0) for place in again.placements] == [
        replace(place, deviation_s=0.0) for place in once.placements
    ]
    assert again.bars == once.bars
    assert again.dropped == ()


@pytest.mark.parametrize("sure", [0.6, 0.75])
def test_a_doubtful_stroke_is_not_written_an_eighth_away_from_where_it_was_heard(sure: float) -> None:
    """It stood between swung eighths, on the middle of a triplet, and went to the beat, 165 ms before it."""
    grid = BeatGrid(0.5 * np.arange(33), np.arange(33) % 4 + 1, (Meter(),) * 8, 120.0, "user")
    notes = [(0.5 * k, "kick") for k in range(32)]
    notes += [(0.5 * (k + late), "closed_hihat") for k in range(32) for late in (0, 0.66) if k != 12]
    hits = [Hit(i, at, drum, 0.95, 90) for i, (at, drum) in enumerate(notes)]
    odd = Hit(999, 0.5 * (12 + 1 / 3), "closed_hihat", sure, 80)
    found = quantise(Hits.of([*hits, odd]), grid, QuantiseOptions())
    place = next(place for place in found.placements if place.hit_id == odd.id)
    assert (place.bar, place.onset) == (3, Fraction(1, 3))
