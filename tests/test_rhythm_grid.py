from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

from drumscribe.options import BeatOptions
from drumscribe.rhythm import BeatEvidence, beat_grid
from drumscribe.rhythm.readings import choose
from drumscribe.types import BeatGrid, Hit, Hits, Meter
from tests.grooves import Groove, grid_of, hits_of, load, parse


def heard(groove: Groove | str, jitter_s: float = 0.004, late_s: float = 0.0) -> tuple[BeatEvidence, Hits, BeatGrid]:
    """Hits of a groove, and evidence with the right beats (to the frame) and no idea of bars."""
    rhythm = parse(groove) if isinstance(groove, Groove) else load(groove)
    truth = grid_of(rhythm)
    frames = np.zeros((int(truth.times[-1] * 100) + 200, 2), np.float32)
    frames[np.round(truth.times * 100).astype(int), 0] = 0.8
    beats = np.round(truth.times + late_s, 2)
    return BeatEvidence(frames, 100.0, "madmom", beats), hits_of(rhythm, jitter_s, 1), truth


def of(evidence: BeatEvidence, hits: Hits, **options: object) -> BeatGrid:
    grid = beat_grid(evidence, hits, BeatOptions(**options), 60.0)
    check(grid, hits)
    return grid


def check(grid: BeatGrid, hits: Hits) -> None:
    """What every grid must be."""
    assert np.all(np.diff(grid.times) > 0)
    assert len(grid.times) == len(grid.numbers) >= 2
    assert grid.numbers[-1] == 1
    starts = [i for i, number in enumerate(grid.numbers[:-1]) if number == 1 or i == 0]
    assert len(starts) == len(grid.meters)
    for k, meter in enumerate(grid.meters):
        end = starts[k + 1] if k + 1 < len(starts) else len(grid.times) - 1
        first = grid.numbers[starts[k]]
        assert list(grid.numbers[starts[k] : end]) == list(range(first, first + end - starts[k]))
        assert grid.numbers[end - 1] <= meter.pulses_per_bar
    if len(hits):
        step = np.diff(grid.times)
        assert grid.times[0] - 0.3 * step[0] <= hits[0].time_s
        assert hits[-1].time_s < grid.times[-1]
    assert 20 < grid.bpm < 500
    assert any(candidate.factor == 1.0 for candidate in grid.candidates)


def downbeats(grid: BeatGrid) -> np.ndarray:
    return grid.times[grid.numbers == 1]


ROCK = Groove("""
    CC x---------------|----------------|----------------|----------------
    HH --x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x---------
    SD ----O-------O---|----O-------O---|----O-------O---|----O---oooo----
    FT ----------------|----------------|----------------|------------oooo
    BD o-------o-o-----|o-------o-o-----|o-------o-o-----|o---------------
    """, bpm=110, times=4)  # fmt: skip


def test_drums_tell_the_bar_lines_where_the_tracker_does_not() -> None:
    evidence, hits, truth = heard(ROCK)
    grid = of(evidence, hits)
    assert set(grid.meters) == {Meter(4, 4)}
    assert downbeats(grid) == pytest.approx(downbeats(truth)[: len(downbeats(grid))], abs=0.03)
    assert grid.bpm == pytest.approx(110, abs=0.3)
    assert grid.confidence > 0.6
    assert grid.tracker == "madmom"


@pytest.mark.parametrize("name", ["waltz", "five"])
def test_other_meters_are_found(name: str) -> None:
    rows = {
        "waltz": ("3/4", "HH --x-x-x-x-x-|x-x-x-x-x-x-\nCC x-----------|------------\nSD ----o---o---|----o---o---\n"
                         "BD o-----------|o---------o-"),
        "five": ("5/4", "HH x-x-x-x-x-x-x-x-x-x-\nSD ----o-------o---o---\nBD o-------o-o---------"),
    }[name]  # fmt: skip
    evidence, hits, truth = heard(Groove(rows[1], meter=rows[0], bpm=120, times=10))
    grid = of(evidence, hits)
    assert max(set(grid.meters), key=grid.meters.count) == Meter.parse(rows[0])
    assert downbeats(grid)[:5] == pytest.approx(downbeats(truth)[:5], abs=0.03)


def test_a_change_of_meter_inside_the_song() -> None:
    waltz = Groove("HH x-x-x-x-x-x-\nSD ----o---o---\nBD o-----------", meter="3/4", bpm=110, times=12)
    evidence, hits, _ = heard(Groove(ROCK.rows, bpm=110, times=3, then=(waltz,)))
    grid = of(evidence, hits)
    assert grid.meters[:10] == (Meter(4, 4),) * 10
    assert grid.meters[-8:] == (Meter(3, 4),) * 8


def test_a_triplet_ride_is_twelve_eight() -> None:
    rows = "RD x-x-x-x-x-x-x-x-x-x-x-x-\nSD ------O-----------O-----\nBD o---------o-o-----------"
    evidence, hits, _ = heard(Groove(rows, meter="12/8", bpm=90, times=8))
    assert {str(meter) for meter in of(evidence, hits).meters} <= {"12/8", "6/8"}


SIX = """
    HH x-x-x-x-x-x-|x-x-x-x-x-x-|x-x-x-x-x-x-|x-x-x-x-x-x-
    SD ------O-----|------O-----|------O-----|------O--g--
    BD o---------o-|o---------o-|o---------o-|o---------o-
    """


@pytest.mark.parametrize("tracked", [1, 3])
def test_bars_of_two_dotted_quarters_that_come_again_are_six_eight(tracked: int) -> None:
    _, hits, truth = heard(Groove(SIX, meter="6/8", bpm=88, times=5))
    index = np.arange(0, len(truth.times) - 1, 1 / tracked)
    beats = np.round(np.interp(index, np.arange(len(truth.times)), truth.times), 2)
    grid = of(BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", beats), hits)
    assert set(grid.meters) == {Meter(6, 8)}
    assert downbeats(grid)[:6] == pytest.approx(downbeats(truth)[:6], abs=0.03)


def test_a_single_bar_of_two_inside_a_song() -> None:
    short = Groove("HH x-x-x-x-\nSD ----o---\nBD o-------", meter="2/4", bpm=110)
    four = Groove(ROCK.rows, bpm=110, times=2)
    evidence, hits, truth = heard(Groove(ROCK.rows, bpm=110, times=2, then=(short, four)))
    grid = of(evidence, hits)
    assert sorted(grid.meters, key=str) == [Meter(2, 4)] + [Meter(4, 4)] * 16
    for bars in (slice(0, 8), slice(-6, None)):  # where in the two bars around the fill it stood may be mistaken
        assert downbeats(grid)[bars] == pytest.approx(downbeats(truth)[bars], abs=0.03)


def test_sevens_of_eighths_over_tracked_quarters() -> None:
    rows = "HH x-x-x-x-x-x-x-|x-x-x-x-x-x-x-\nSD ----o-----o---|----o-----o---\nBD o-----o-------|o-----o-----oo"
    rhythm = parse(Groove(rows, meter="7/8", bpm=120, times=8))
    truth = grid_of(rhythm)
    quarters = truth.times[::2]
    evidence = BeatEvidence(np.ones((3000, 2), np.float32), 100.0, "madmom", quarters)
    grid = of(evidence, hits_of(rhythm))
    assert set(grid.meters) == {Meter(7, 8)}
    assert np.diff(grid.times) == pytest.approx(0.25, abs=0.02)


def test_the_user_says_the_meter_and_the_rest_follows() -> None:
    evidence, hits, _ = heard(ROCK)
    for text in ("2/4", "3/4", "7/8", "6/8", "12/8", "2/2"):
        grid = of(evidence, hits, meter=text)
        assert set(grid.meters) == {Meter.parse(text)}


def test_the_user_says_the_tempo() -> None:
    evidence, hits, truth = heard(ROCK)
    half = of(evidence, hits, bpm=55)
    assert half.bpm == pytest.approx(55, abs=0.5)
    assert np.abs(half.times[:, None] - truth.times[None]).min(axis=1)[2:-6].max() < 0.03, "still on beats"
    double = of(evidence, hits, bpm=220)
    assert double.bpm == pytest.approx(220, abs=2)
    assert [c.factor for c in double.candidates if c.bpm == pytest.approx(110, abs=1)] == [0.5]


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_beats_tracked_at_another_speed_are_counted_as_played(factor: float) -> None:
    evidence, hits, _ = heard(ROCK)
    index = np.arange(0, len(evidence.beats) - 1, 1 / factor)
    beats = np.interp(index, np.arange(len(evidence.beats)), evidence.beats)
    for meter in (None, "4/4"):
        grid = of(BeatEvidence(evidence.activations, 100.0, "madmom", beats), hits, meter=meter)
        assert grid.bpm == pytest.approx(110, abs=1)
        assert factor in {candidate.factor for candidate in grid.candidates}
        assert grid.candidates[0].factor == 1.0


def test_the_off_beat_is_not_taken_for_the_beat() -> None:
    evidence, hits, truth = heard(ROCK)
    late = BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", evidence.beats + 15 / 55)
    grid = of(late, hits)
    assert downbeats(grid) == pytest.approx(downbeats(truth)[: len(downbeats(grid))], abs=0.03)


@pytest.mark.parametrize("meter", ["2/4", "3/4", "5/4", "6/4", "6/8", "12/8"])
def test_another_meter_leaves_the_tempo_as_it_was(meter: str) -> None:
    evidence, hits, _ = heard(ROCK)
    assert of(evidence, hits, meter=meter).bpm == pytest.approx(of(evidence, hits).bpm, rel=0.02)


def test_chances_of_all_readings_are_one() -> None:
    evidence, hits, _ = heard(ROCK)
    choice = choose(evidence.beats, evidence, hits)
    assert sum(choice.speeds.values()) == pytest.approx(1)
    assert 0 < choice.share <= choice.speeds[1.0] <= 1


@pytest.mark.parametrize("bpm", [97.0, 71.0, 154.0])
def test_a_tempo_that_nobody_plays_is_still_the_users(bpm: float) -> None:
    evidence, hits, _ = heard(ROCK)
    assert of(evidence, hits, bpm=bpm).bpm == pytest.approx(bpm, rel=0.03)


def test_the_user_moves_the_bar_lines() -> None:
    evidence, hits, _ = heard(ROCK)
    found = of(evidence, hits)
    step = 60 / 110
    for shift in (-1, 1, 2, 3):
        moved = downbeats(of(evidence, hits, bar_shift=shift))
        for line in downbeats(found)[2:6] + shift * step:
            assert np.abs(moved - line).min() < 0.03
    assert downbeats(of(evidence, hits, bar_shift=4))[2:6] == pytest.approx(downbeats(found)[2:6], abs=0.03)


def test_the_user_says_where_the_first_bar_begins() -> None:
    evidence, hits, truth = heard(ROCK)
    for pulse, off in ((1, 0.0), (2, 0.01), (3, 0.1)):
        moment = float(truth.times[pulse] + off)
        grid = of(evidence, hits, first_downbeat_s=moment)
        assert np.abs(downbeats(grid) - moment).min() < 0.031
        assert grid.confidence == 1.0
    later = of(evidence, hits, first_downbeat_s=float(truth.times[2]), bar_shift=1)
    assert np.abs(downbeats(later) - truth.times[3]).min() < 0.03


def test_a_short_fill_before_the_first_bar_is_a_pickup() -> None:
    evidence, hits, truth = heard(Groove(ROCK.rows, bpm=110, times=3, pickup="SD oooo\nFT ----"))
    grid = of(evidence, hits)
    assert grid.numbers[0] == 4
    assert downbeats(grid)[0] == pytest.approx(truth.times[1], abs=0.03)


def test_pulses_stand_where_the_strokes_are() -> None:
    evidence, hits, truth = heard(ROCK, late_s=-0.015)  # a tracker that sees beats early
    assert np.median(of(evidence, hits).times[: len(truth.times)] - truth.times) == pytest.approx(0, abs=0.004)


@pytest.mark.parametrize("moments", [[], [0.7], [0.3, 1.1], [0.0, 0.01, 0.02], [2.0, 2.5, 3.0, 3.5, 4.25, 5.0]])
@pytest.mark.parametrize("duration", [0.2, 6.0])
def test_a_grid_without_a_tracker(moments: list[float], duration: float) -> None:
    hits = Hits.of(Hit(i, t, "snare", 1.0, 80) for i, t in enumerate(moments))
    grid = beat_grid(BeatEvidence.empty(), hits, BeatOptions(), duration)
    check(grid, hits)
    assert grid.tracker == "user"
    assert beat_grid(BeatEvidence.empty(), hits, BeatOptions(bpm=77), duration).bpm == pytest.approx(77)


def test_hits_long_before_the_first_tracked_beat() -> None:
    evidence, hits, _ = heard(ROCK)
    early = BeatEvidence(evidence.activations, 100.0, "madmom", evidence.beats[evidence.beats > 5])
    of(early, hits)


def test_evidence_travels() -> None:
    evidence, hits, _ = heard("rock_eighths")
    copy = pickle.loads(pickle.dumps(evidence))
    assert np.array_equal(copy.activations, evidence.activations)
    a, b = (beat_grid(e, hits, BeatOptions(), 10.0) for e in (evidence, copy))
    assert np.array_equal(a.times, b.times)
    assert a.meters == b.meters


def test_the_meter_of_a_song_is_that_of_most_bars() -> None:
    two, four = Meter(2, 4), Meter(4, 4)
    times, numbers = np.arange(11.0), np.array([1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 1])
    assert BeatGrid(times, numbers, (two, four, four), 60.0, "user").meter == four
    assert BeatGrid(times[:2], numbers[:2], (), 60.0, "user").meter is None


RIDE_12 = "RD x-x-x-x-x-x-x-x-x-x-x-x-\nSD ------O-----------O-----\nBD o---------o-o-----------"
TRIPLETS = "HH x-x x-x x-x x-x|x-x x-x x-x x-x\nSD -g- -g- Og- -g-|-g- -g- Og- -g-\nBD o-- --o --- --o|o-- --- --o o--"


@pytest.mark.parametrize(
    ("rows", "meter", "bpm", "tracked"),
    [
        (ROCK.rows, "4/4", 66, Fraction(2)),  # a slow song, heard at twice its speed
        (RIDE_12, "12/8", 96, Fraction(3, 2)),  # quarters, where dotted quarters are counted
        (RIDE_12, "12/8", 88, Fraction(3)),  # eighths, likewise
        (TRIPLETS, "4/4", 90, Fraction(3, 2)),
    ],
)
def test_beats_that_a_tracker_takes_for_the_pulse_are_counted_as_a_drummer_does(
    rows: str, meter: str, bpm: float, tracked: Fraction
) -> None:
    _, hits, truth = heard(Groove(rows, meter=meter, bpm=bpm, times=8))
    index = np.arange(0, len(truth.times) - 1, float(1 / tracked))
    beats = np.round(np.interp(index, np.arange(len(truth.times)), truth.times), 2)
    grid = of(BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", beats), hits)
    assert grid.bpm == pytest.approx(truth.bpm, rel=0.01)
    halves = 2 if grid.meter == Meter(6, 8) else 1  # without a bass or chords, 12/8 may be read as bars of 6/8
    assert downbeats(grid)[halves : 6 * halves : halves] == pytest.approx(downbeats(truth)[1:6], abs=0.03)
