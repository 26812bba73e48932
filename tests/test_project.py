import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from properties import examples

from drumscribe.errors import ProjectError
from drumscribe.kit import LABELS
from drumscribe.notation import to_csv
from drumscribe.options import Options
from drumscribe.rhythm import BeatEvidence
from drumscribe.song import edits, project
from drumscribe.song.project import Heard, Project, Song
from drumscribe.song.transcription import Transcription
from drumscribe.types import Activations, BeatGrid, Hit, Hits, Meter, TempoCandidate


def some_project(seconds: float = 8.0) -> Project:
    rng = np.random.default_rng(1)
    frames = round(seconds * 100)
    shape = (frames, len(LABELS))
    heard = Activations(
        onset=np.clip(rng.exponential(0.05, shape), 0, 1).astype(np.float32),
        velocity=rng.random(shape).astype(np.float32),
        embedding=rng.normal(size=(frames, 4)).astype(np.float16),
        labels=LABELS,
        fps=100.0,
        model="test",
    )
    base = Hits.of(Hit(index, 0.25 * index, "snare", 0.7, 90) for index in range(int(seconds * 4)))
    history = edits.History(base)
    history = history.do(edits.relabel(base, [3, 4], "cross_stick"), at=12.5)
    history = history.do(edits.add(history.hits, 0.1, "crash")).undo()
    beats = np.arange(0, seconds, 0.5)
    grid = BeatGrid(
        times=beats,
        numbers=np.arange(len(beats)) % 4 + 1,
        meters=(Meter(),) * math.ceil(len(beats) / 4),
        bpm=120.0,
        tracker="madmom",
        candidates=(TempoCandidate(120.0, 1.0, 0.9), TempoCandidate(60.0, 0.5, 0.1)),
        confidence=0.8,
    )
    evidence = BeatEvidence(rng.random((frames, 2)).astype(np.float32), 100.0, "madmom", beats)
    return Project(
        song=Song("ab" * 32, seconds, "Tïtle", "Artist", "song.mp3"),
        heard=Heard("demucs", "htdemucs", "", "both"),
        options=Options().updated(beats={"bpm": 120, "meter": "4/4"}, detect={"thresholds": {"kick": 0.3}}),
        history=history,
        grid=grid,
        activations=project.canonical(heard),
        evidence=project.dump(evidence),
        warnings=("Something to know.",),
        provenance={"drumscribe": "0"},
        created_at=1e9,
    )


WHOLE = some_project()
DATA = WHOLE.dumps()


def test_everything_comes_back_equal(tmp_path):
    path = tmp_path / "song.json"
    WHOLE.save(path)
    again = project.load(path)
    for name in ("song", "heard", "options", "history", "warnings", "provenance", "created_at"):
        assert getattr(again, name) == getattr(WHOLE, name), name
    for name in ("onset", "velocity", "embedding"):
        assert np.array_equal(getattr(again.activations, name), getattr(WHOLE.activations, name))
    assert again.activations.labels == LABELS
    assert np.array_equal(again.grid.times, WHOLE.grid.times) and again.grid.numbers.dtype == np.int64
    assert again.grid.meters == WHOLE.grid.meters and again.grid.candidates == WHOLE.grid.candidates
    evidence = project.parse(again.evidence, BeatEvidence)
    assert np.array_equal(evidence.activations, project.parse(WHOLE.evidence, BeatEvidence).activations)
    assert again.dumps() == DATA
    assert [file.name for file in tmp_path.iterdir()] == ["song.json"]


def test_hits_are_plain_rows_for_other_programs():
    document = json.loads(DATA)
    assert document["format"] == "drumscribe-project" and document["version"] == 1
    assert document["hits"][0] == {
        "id": 0, "time_s": 0.0, "drum": "snare", "confidence": 0.7, "velocity": 90, "origin": "model",
    }  # fmt: skip


def test_hits_changed_outside_open_as_one_more_edit():
    document = json.loads(DATA)
    document["hits"][0]["drum"] = "kick"
    del document["hits"][-1]
    opened = project.loads(json.dumps(document).encode())
    assert opened.history.hits[0].drum == "kick"
    assert opened.history.undo_label == "Edit outside DrumScribe"
    assert opened.history.undo().hits == WHOLE.history.hits


def test_rounding_is_stable_and_small():
    rng = np.random.default_rng(2)
    onset = rng.random((50, 2)).astype(np.float32)
    heard = Activations(onset, onset, np.zeros((50, 0), np.float16), ("kick", "snare"), 100.0, "m")
    once = project.canonical(heard)
    assert np.abs(once.onset - onset).max() <= 1 / 65535
    twice = project.canonical(once)
    assert np.array_equal(once.onset, twice.onset) and np.array_equal(once.velocity, twice.velocity)


def corrupted(**changes):
    document = json.loads(DATA)
    for path, value in changes.items():
        target = document
        *parents, last = path.split("__")
        for key in parents:
            target = target[int(key) if key.isdigit() else key]
        target[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[1, 2]", "damaged"),
        (b'{"format": "other", "version": 1}', "not a DrumScribe project"),
        (b"[" * 100_000, "damaged"),
        (DATA[: len(DATA) // 2], "damaged"),
        (corrupted(version=99), "newer"),
        (corrupted(hits__0__drum="gong"), "gong"),
        (corrupted(hits__0__velocity=0), "velocity"),
        (corrupted(hits__0__time_s=-1), "time_s"),
        (corrupted(hits__1__id=0), "same id"),
        (corrupted(options={"beats": {"bpm": 1e9}}), "bpm"),
        (corrupted(options={"nonsense": {}}), "nonsense"),
        (corrupted(log=[{"kind": "undo", "edit": None, "at": 0}]), "log"),
        (corrupted(grid__times=[0.0, 0.0]), "grid"),
        (corrupted(grid__bpm=-3.0), "grid"),
        (corrupted(grid__meters=[]), "meters"),
        (corrupted(activations__onset__shape=[10**9, 14]), "large"),
        (corrupted(activations__onset__shape=[3, 14]), "shape"),
        (corrupted(activations__onset__zlib="AAAA"), "broken"),
        (corrupted(activations__onset__dtype="|O8"), "kind"),
        (corrupted(activations__labels=["kick"]), "fit together"),
        (corrupted(activations__fps=0.0), "fit together"),
    ],
)
def test_bad_files_are_refused(data, says):
    with pytest.raises(ProjectError) as caught:
        project.loads(data)
    assert says in str(caught.value)


def test_a_small_bomb_does_not_unfold():
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    with pytest.raises(ProjectError, match="shape"):
        project.loads(corrupted(activations__onset__zlib=bomb))


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(ProjectError, match="cannot be read"):
        project.load(tmp_path / "none.json")
    with pytest.raises(ProjectError):
        project.load(tmp_path)


@examples(60)
@given(st.integers(0, len(DATA) - 1), st.binary(min_size=1, max_size=6))
def test_random_damage_gives_a_project_or_a_typed_error(position, junk):
    try:
        opened = project.loads(DATA[:position] + junk + DATA[position + len(junk) :])
    except ProjectError:
        return
    assert len(opened.history.hits) >= 0


def test_arrays_of_any_shape_survive():
    @dataclass
    class Holder:
        plain: NDArray[np.float64]
        cube: NDArray[np.float32]
        odd: NDArray[np.float64]

    holder = Holder(np.array([0.1, 2.0]), np.zeros((2, 0, 3), np.float32), np.array([np.nan, np.inf]))
    again = project.parse(project.dump(holder), Holder)
    assert np.array_equal(again.plain, holder.plain) and again.cube.shape == (2, 0, 3)
    assert np.array_equal(again.odd, holder.odd, equal_nan=True)


def test_same_project_gives_the_same_bytes():
    assert replace(WHOLE).dumps() == DATA


def test_a_project_file_of_version_0_1_0_opens():
    folder = Path(__file__).parent / "fixtures"
    found = Transcription.load(folder / "project-0.1.0.json")
    assert found.provenance["drumscribe"] == "0.1.0"
    assert (found.options.detect.speeds, found.options.detect.source) == ((100,), "mix")  # before there were others
    assert found.heard.source == "mix"
    assert to_csv(found.hits) == (folder / "project-0.1.0.hits.csv").read_text()
    assert (found.song.title, found.score.title) == ("Old groove", "Old groove")
    assert [entry.kind for entry in found.history.log] == ["do", "do", "do", "undo"]
    assert found.options.beats.bar_shift == 1 and found.options.quantise.finest == 16
    assert len(found.rhythm.bars) == 5 and found.grid.bpm == pytest.approx(111.874, abs=0.001)
    again = found.undo().undo()
    assert len(again.hits) == len(found.hits)  # one hit was deleted, one added
    reread = project.loads(found.project().dumps())
    assert Transcription.of_project(reread).hits == found.hits
