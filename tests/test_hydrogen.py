"""Hydrogen: the real program plays the strokes of our songs; songs come back, ours and its own demos."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lxml import etree

from drumscribe.errors import ProjectError
from drumscribe.notation.played import hits_of
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription

GOLDEN = Path(__file__).parent / "golden"
DEMOS = Path("/usr/share/hydrogen/data/demo_songs")
needs_hydrogen = pytest.mark.skipif(shutil.which("h2cli") is None, reason="Hydrogen is missing (apt install hydrogen)")


def strokes(one: Transcription) -> list[tuple[int, object, str, str]]:
    return [(place.bar, place.onset, place.drum, place.ornament) for place in one.rhythm.placements]


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.musicxml")))
def test_a_chart_written_and_opened_is_the_same_chart(name: str) -> None:
    chart = imports.load(GOLDEN / f"{name}.musicxml")
    again = imports.opened(chart.render("hydrogen")[0], "x")
    expected = [(bar, onset, "crash" if drum == "china" else drum, ornament)
                for bar, onset, drum, ornament in strokes(chart)]  # fmt: skip
    assert strokes(again) == sorted(expected, key=lambda row: row[:3])
    assert [bar.meter for bar in again.rhythm.bars] == [bar.meter for bar in chart.rhythm.bars]
    assert (again.title, again.warnings) == (chart.title, ())


def test_equal_bars_are_one_pattern_and_letters_are_tags() -> None:
    chart = imports.load(GOLDEN / "endings.musicxml")
    song = etree.fromstring(chart.render("hydrogen")[0])
    played = [group.text for group in song.iterfind("patternSequence/group/patternID")]
    names = [name.text for name in song.iterfind("patternList/pattern/name")]
    assert len(played) == len(chart.rhythm.bars) > 2 * len(names) and set(played) == set(names)
    assert len(set(names)) == len(names)
    letters = [
        chart.score.measures[at].rehearsal for at in chart.score.play_order() if chart.score.measures[at].rehearsal
    ]
    assert [tag.text for tag in song.iterfind("timeLineTag/newTAG/TAG")] == letters


def test_what_is_damaged_is_refused() -> None:
    data = imports.load(GOLDEN / "rock_eighths.musicxml").render("hydrogen")[0]
    for old, new in ((b"<patternID>", b"<patternID>no "), (b"<position>0<", b"<position>x<"), (b"</song>", b"")):
        with pytest.raises(ProjectError):
            imports.opened(data.replace(old, new), "x.h2song")
    empty = etree.fromstring(data)
    empty.find("patternSequence").clear()
    with pytest.raises(ProjectError, match="No pattern"):
        imports.opened(etree.tostring(empty), "x.h2song")


def rendered(data: bytes, folder: Path, only: set[str]) -> np.ndarray:
    """How sharp the sound is every 5 ms that Hydrogen makes with all instruments but ``only`` muted."""
    song = etree.fromstring(data)
    for instrument in song.iterfind("instrumentList/instrument"):
        instrument.find("isMuted").text = "false" if instrument.findtext("name") in only else "true"
    (folder / "x.h2song").write_bytes(etree.tostring(song))
    environment = {**os.environ, "HOME": str(folder), "QT_QPA_PLATFORM": "offscreen", "JACK_NO_START_SERVER": "1"}
    subprocess.run(["h2cli", "-s", str(folder / "x.h2song"), "-o", str(folder / "x.wav")], env=environment, check=True,
                   capture_output=True, timeout=120)  # fmt: skip
    sound, rate = soundfile.read(folder / "x.wav", always_2d=True)
    step = rate // 200
    edges = np.abs(np.diff(sound, n=2, axis=0, prepend=np.zeros((2, sound.shape[1])))).max(axis=1)
    level = edges[: len(edges) // step * step].reshape(-1, step).max(axis=1)
    return np.concatenate([[0.0], level / level.max()])


@needs_hydrogen
@pytest.mark.slow
@pytest.mark.parametrize("name", ["rock_eighths", "meters_in_turn", "half_time_shuffle", "sextuplet_fill"])
@pytest.mark.parametrize(("drum", "instrument"), [("kick", "Kick"), ("snare", "Snare")])
def test_hydrogen_plays_each_stroke_in_time(name: str, drum: str, instrument: str, tmp_path: Path) -> None:
    chart = imports.load(GOLDEN / f"{name}.musicxml")
    level = rendered(chart.render("hydrogen")[0], tmp_path, {instrument})
    struck = [hit for hit in hits_of(chart.rhythm) if hit.drum == drum]
    expected, loud = [hit.time_s for hit in struck], [hit.time_s for hit in struck if hit.velocity > 60]
    rises = [at * 0.005 for at in np.flatnonzero(level[1:] > 1.5 * level[:-1] + 0.05)]
    for time_s in loud:
        assert any(abs(rise - time_s) < 0.02 for rise in rises), (time_s, rises)
    for rise in rises:
        assert any(-0.01 < rise - time_s < 0.06 for time_s in expected), (rise, expected)


@needs_hydrogen
@pytest.mark.parametrize("path", sorted(DEMOS.glob("GM_kit_*.h2song")), ids=lambda path: path.stem)
def test_songs_that_come_with_hydrogen_are_read(path: Path) -> None:
    found = imports.load(path)
    song = etree.parse(path).getroot()
    assert len(found.rhythm.bars) == len(song.findall("patternSequence/group"))
    assert {"kick", "snare"} <= {hit.drum for hit in found.hits}
    assert found.grid.bpm == pytest.approx(float(song.findtext("bpm")), rel=0.02)
