"""The level, the meter, and the bar lines by what reads best, whatever the number of beats a minute."""

from __future__ import annotations

import numpy as np
import pytest

from drumscribe.options import BeatOptions
from drumscribe.rhythm import BeatEvidence, beat_grid
from drumscribe.song import project
from drumscribe.types import BeatGrid, Hit, Hits, Meter

# places in sixteenths of a bar of four
BACKBEAT = {"closed_hihat": range(0, 16, 2), "kick": (0, 6, 8), "snare": (4, 12)}
SIXTEENTHS = {"closed_hihat": range(16), "kick": (0, 7, 8, 10), "snare": (4, 12)}
RIDE = {"ride": range(0, 16, 2), "kick": (0, 2, 8, 10), "snare": (4, 12)}
DOUBLE_KICK = {"crash": (0,), "closed_hihat": (4, 8, 12), "kick": range(16), "snare": (4, 12)}
HALF_TIME = {"closed_hihat": range(0, 16, 2), "kick": (0, 10, 11), "snare": (8,)}
FILL = {"snare": (0, 2, 4, 6), "mid_tom": (8, 10), "floor_tom": (12, 14), "kick": (0,)}


def heard(groove: dict[str, object], bpm: float, tracked: float, bars: int = 8) -> tuple[BeatEvidence, Hits]:
    """Perfect hits of a groove, and the beats of a tracker that counts ``tracked`` of them to each pulse."""
    random = np.random.default_rng(round(bpm))
    notes = []
    for bar in range(bars):
        for drum, places in (FILL if bar == bars - 1 else groove).items():
            for place in places:  # type: ignore[attr-defined]
                at = 0.5 + (bar * 16 + place) * 15 / bpm + random.normal(0, 0.004)
                notes.append((float(at), drum))
    hits = Hits.of(Hit(i, at, drum, 1.0, 95) for i, (at, drum) in enumerate(notes))
    beats = 0.5 + np.arange(0, bars * 4 + 0.01, 1 / tracked) * 60 / bpm
    return BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", beats), hits


def laid(groove: dict[str, object], bpm: float, tracked: float, **options: object) -> BeatGrid:
    evidence, hits = heard(groove, bpm, tracked)
    return beat_grid(evidence, hits, BeatOptions(**options), hits[-1].time_s + 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("bpm", [64, 78, 97, 124, 158, 176, 190])
@pytest.mark.parametrize("groove", [BACKBEAT, RIDE], ids=["eighths", "ride"])
@pytest.mark.parametrize("tracked", [1.0, 0.5], ids=["as meant", "at half of it"])
def test_the_backbeat_tells_the_level(groove: dict[str, object], bpm: float, tracked: float) -> None:
    grid = laid(groove, bpm, tracked)
    assert grid.bpm == pytest.approx(bpm, rel=0.02)
    assert set(grid.meters) == {Meter(4, 4)}


@pytest.mark.parametrize(
    ("groove", "bpm"), [(SIXTEENTHS, 100), (SIXTEENTHS, 150), (DOUBLE_KICK, 180), (DOUBLE_KICK, 190), (HALF_TIME, 140)]
)
def test_nothing_is_written_in_thirty_seconds_that_need_not_be(groove: dict[str, object], bpm: float) -> None:
    grid = laid(groove, bpm, 0.5)
    assert grid.bpm == pytest.approx(bpm, rel=0.02)
    assert set(grid.meters) == {Meter(4, 4)}


def test_bars_are_of_one_length_through_a_fill() -> None:
    evidence, hits = heard(BACKBEAT, 120, 1.0, bars=17)
    kept = Hits.of(hit for hit in hits if not 24.5 < hit.time_s < 25.6)  # a break
    grid = beat_grid(evidence, kept, BeatOptions(), 40.0)
    assert set(grid.meters) == {Meter(4, 4)}


def test_another_reading_is_offered_and_can_be_chosen() -> None:
    evidence, hits = heard(SIXTEENTHS, 90, 1.0)
    grid = beat_grid(evidence, hits, BeatOptions(), 30.0)
    assert grid.alternatives
    assert sum(other.confidence for other in grid.alternatives) <= 1.0
    assert [other.confidence for other in grid.alternatives] == sorted(
        (other.confidence for other in grid.alternatives), reverse=True
    )
    for other in grid.alternatives:
        assert other.meter != grid.meter or other.bpm != pytest.approx(grid.bpm, rel=0.02)
        chosen = BeatOptions(bpm=other.bpm, meter=str(other.meter), first_downbeat_s=other.first_downbeat_s)
        again = beat_grid(evidence, hits, chosen, 30.0)
        assert again.bpm == pytest.approx(other.bpm, rel=0.02)
        assert set(again.meters) == {other.meter}
        downbeats = again.times[again.numbers == 1]
        assert np.abs(downbeats - other.first_downbeat_s).min() < 0.05


@pytest.mark.parametrize(
    ("groove", "bpm", "division"),
    [
        (BACKBEAT, 96, "eighths"),
        (SIXTEENTHS, 90, "sixteenths"),
        (RIDE, 180, "eighths"),
        (DOUBLE_KICK, 170, "sixteenths"),
    ],
)
def test_a_reading_is_called_by_its_tempo_meter_and_note_value(
    groove: dict[str, object], bpm: int, division: str
) -> None:
    grid = laid(groove, bpm, 1.0)
    assert grid.name == f"{bpm} in 4/4, in {division}"
    halved = {"eighths": "sixteenths", "sixteenths": "thirty-seconds"}[division]
    evidence, hits = heard(groove, bpm, 1.0)
    assert beat_grid(evidence, hits, BeatOptions(bpm=bpm / 2), 60.0).division == halved


def test_swung_eighths_are_called_so() -> None:
    hits = Hits.of(Hit(2 * k + late, 0.5 + 0.5 * k + late / 3, "ride", 1.0, 90) for k in range(64) for late in (0, 1))
    beats = 0.5 + 0.5 * np.arange(66)
    grid = beat_grid(BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", beats), hits, BeatOptions(), 33.0)
    assert grid.division == "swung eighths"


def test_alternatives_come_back_from_a_project_file_and_older_files_have_none() -> None:
    grid = laid(SIXTEENTHS, 90, 1.0)
    data = project.dump(grid)
    assert project.parse(data, BeatGrid).alternatives == grid.alternatives
    older = data.replace(data[data.index(b',"alternatives"') : data.rindex(b"]") + 1], b"")
    assert project.parse(older, BeatGrid).alternatives == ()


def test_too_few_strokes_leave_the_tracked_level() -> None:
    evidence = BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", np.arange(0.5, 10, 0.5))
    hits = Hits.of(Hit(i, 0.5 + i, "snare", 1.0, 90) for i in range(3))
    grid = beat_grid(evidence, hits, BeatOptions(), 10.0)
    assert grid.bpm == pytest.approx(120, rel=0.01)
    assert grid.alternatives == ()
