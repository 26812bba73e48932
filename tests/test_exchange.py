"""Hits from and for other Python libraries; the notebook of the documents."""

from __future__ import annotations

import json
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from ui_songs import song

import drumscribe
from drumscribe.errors import OptionsError, ProjectError
from drumscribe.types import Hit

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def found() -> drumscribe.Song:
    return song(8)


def test_the_notebook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    cells = json.loads((DOCS / "python.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    said = capsys.readouterr().out
    for line in ("96 hits, 8 bars of 4/4", "measures", "True 96 notes", "F1 of all drums: 0.67"):
        assert line in said, said
    assert said.rstrip().endswith("True")


def test_hits_go_out_and_come_back(found: drumscribe.Song) -> None:
    table = found.to_pandas()
    assert list(table["time_s"]) == [hit.time_s for hit in found.hits]
    again = drumscribe.Song.from_hits(table, beats=found.grid)
    assert [(h.time_s, h.drum, h.velocity) for h in again.hits] == [(h.time_s, h.drum, h.velocity) for h in found.hits]
    placed = table.dropna(subset=["bar"])
    assert len(placed) == len(found.rhythm.placements)
    assert not len(drumscribe.Song.from_hits([(0.0, "kick")], bpm=100).edit().to_pandas().query("drum == 'snare'"))


def test_arrays_are_those_that_mir_eval_takes(found: drumscribe.Song) -> None:
    arrays = found.to_mir_eval()
    scores = mir_eval.transcription.evaluate(*arrays.transcription, *arrays.transcription, offset_ratio=None)
    assert scores["F-measure_no_offset"] == 1.0
    mir_eval.onset.validate(arrays.onset, arrays.onset)
    mir_eval.beat.validate(arrays.beat, arrays.beat)
    assert arrays.downbeats[0] == pytest.approx(0.5, abs=0.01) and len(arrays.onset_of("kick")) == 24


def test_pretty_midi_has_the_notes(found: drumscribe.Song) -> None:
    (drums,) = found.to_pretty_midi().instruments
    assert drums.is_drum and len(drums.notes) == len(found.hits)
    times = sorted(note.start for note in drums.notes)
    assert np.allclose(times, sorted(hit.time_s for hit in found.hits), atol=0.003)
    assert len(found.to_pretty_midi(quantised=True).instruments[0].notes) == len(found.rhythm.placements)


def test_beats_may_be_given_or_found(found: drumscribe.Song) -> None:
    rows = [(hit.time_s, hit.drum, hit.velocity) for hit in found.hits]
    given = drumscribe.Song.from_hits(rows, beats=np.arange(0.5, 17, 0.5), title="Mine")
    assert (given.title, len(given.rhythm.bars), str(given.grid.meter)) == ("Mine", 8, "4/4")
    waltz = drumscribe.Song.from_hits(rows, beats=np.arange(0.5, 17, 0.5), meter="3/4")
    assert str(waltz.grid.meter) == "3/4"
    free = drumscribe.Song.from_hits([(t * 1.07 + 0.21, d, v) for t, d, v in rows])
    assert free.grid.bpm == pytest.approx(120 / 1.07, rel=0.02)


def test_what_cannot_be_used_is_told() -> None:
    for rows in ([(1.0,)], [("x", "kick")], [(1.0, "gong")], [(-1.0, "kick")], [None]):
        with pytest.raises(OptionsError, match="Hit 0"):
            drumscribe.Song.from_hits(rows)
    with pytest.raises(OptionsError, match="Beats"):
        drumscribe.Song.from_hits([(0.0, "kick")], beats=[1.0])
    with pytest.raises(ProjectError, match="no drums"):
        drumscribe.Song.from_hits([])
    assert len(drumscribe.Song.from_hits([Hit(9, 0.0, "kick", 0.5, 80)], bpm=90).hits) == 1


def test_fewer_than_fifteen_names() -> None:
    assert len(drumscribe.__all__) < 15 and all(getattr(drumscribe, name) for name in drumscribe.__all__)
