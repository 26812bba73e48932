"""MIDI played without a click: its tempo means nothing, and its beats are found from the strokes."""

from __future__ import annotations

import io

import mido
import numpy as np
import pytest

from drumscribe.errors import OptionsError
from drumscribe.options import Options
from drumscribe.rhythm import beats_of, on_grid
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription
from drumscribe.types import BeatGrid, Hit, Hits, Meter

KEYS = {"hat": 42, "kick": 36, "snare": 38}
ROCK = {"hat": range(0, 16, 2), "kick": (0, 6, 8), "snare": (4, 12)}


def take(bpm: float, bars: int = 16, *, file_bpm: float = 120.0, drift: float = 0.0) -> bytes:
    """A MIDI file at ``file_bpm`` of a groove played at ``bpm`` that may drift, loosely."""
    random = np.random.default_rng(4)
    steps = 15 / bpm * np.exp(np.cumsum(random.normal(0, drift, bars * 16 + 1)))
    clock = 0.4 + np.concatenate([[0.0], np.cumsum(steps)])
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(file_bpm))])
    events = []
    for bar in range(bars):
        for drum, places in ROCK.items():
            for place in places:
                at = clock[bar * 16 + place] + random.normal(0, 0.006)
                events += [(at, "note_on", KEYS[drum], 95), (at + 0.05, "note_off", KEYS[drum], 0)]
    last = 0
    for at, kind, key, velocity in sorted(events):
        tick = round(at * file_bpm / 60 * 480)
        track.append(mido.Message(kind, channel=9, note=key, velocity=velocity, time=tick - last))
        last = tick
    file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def test_a_take_without_a_click_gets_its_own_beats() -> None:
    found = imports.opened(take(97.3, drift=0.002), "Take.mid")
    assert found.grid.tracker == "strokes"
    assert found.grid.bpm == pytest.approx(97.3, rel=0.05)
    assert found.grid.meter == Meter(4, 4)
    assert any("do not sit" in warning for warning in found.warnings)
    snares = [place.onset for place in found.rhythm.placements if place.drum == "snare"]
    assert sum(onset in (1, 3) for onset in snares) > 0.9 * len(snares)
    assert {part for bar in found.rhythm.bars for part in bar.subdivisions} <= {1, 2, 4}


@pytest.mark.parametrize("bpm", [70.0, 120.0, 163.0])
def test_a_file_that_sits_on_its_grid_keeps_it(bpm: float) -> None:
    data = take(bpm, file_bpm=bpm)
    shifted = imports.opened(data, "Click.mid", Options().updated(beats={"midi": "file"}))
    assert shifted.grid.tracker == "user"
    grid = BeatGrid(0.4 + np.arange(66) * 60 / bpm, np.arange(66) % 4 + 1, (Meter(),) * 17, bpm, "user")
    assert on_grid(shifted.hits, grid)


def test_either_can_be_forced() -> None:
    data = take(97.3)
    kept = imports.opened(data, "Take.mid", Options().updated(beats={"midi": "file"}))
    assert kept.grid.bpm == pytest.approx(120.0, rel=0.001)
    assert not kept.warnings
    later = kept.rescore(beats={"midi": "strokes", "meter": None})
    assert later.grid.bpm == pytest.approx(97.3, rel=0.02)
    with pytest.raises(OptionsError, match="own beats"):
        later.rescore(beats={"midi": "file"})
    forced = imports.opened(take(120.0), "Click.mid", Options().updated(beats={"midi": "strokes"}))
    assert forced.grid.tracker == "strokes"
    assert forced.grid.bpm == pytest.approx(120.0, rel=0.02)


def test_another_tempo_follows_the_strokes_and_comes_back_from_the_project() -> None:
    found = imports.opened(take(97.3), "Take.mid")
    double = found.rescore(beats={"bpm": 2 * found.grid.bpm})
    assert double.grid.bpm == pytest.approx(2 * found.grid.bpm, rel=0.02)
    again = Transcription.of_project(found.project())
    assert again.grid.bpm == found.grid.bpm
    assert again.rhythm == found.rhythm


def test_three_strokes_stay_where_they_are() -> None:
    hits = Hits.of(Hit(i, 0.1 + 0.37 * i, "snare", 1.0, 90) for i in range(3))
    grid = BeatGrid(np.arange(5) * 0.5, np.array([1, 2, 3, 4, 1]), (Meter(),), 120.0, "user")
    assert on_grid(hits, grid)
    assert not len(beats_of(hits, 2.0).beats)
    assert not len(beats_of(Hits(), 2.0).beats)
