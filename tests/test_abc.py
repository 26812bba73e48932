"""ABC: the programs that its users have play and engrave what we write."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from notation_clients import compare, expected_notes, midi_notes, random_rhythm

from drumscribe.kit import LABELS
from drumscribe.notation import Score, notate, read_musicxml
from drumscribe.notation.abc import NOTES, to_abc
from drumscribe.options import NotateOptions
from drumscribe.types import Meter

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.musicxml"))


def test_each_drum_has_a_note_of_its_own() -> None:
    steps = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    keys = set()
    for note in NOTES.values():
        letter = note.strip("^_'")
        key = steps[letter.upper()] + 12 * (letter.islower() + note.count("'"))
        keys.add(key + note.count("^") - note.count("_"))
    assert set(NOTES) == set(LABELS) and len(keys) == len(NOTES)


def test_what_abc_can_say() -> None:
    text = to_abc(replace(read_musicxml((GOLDEN / "endings.musicxml").read_bytes()), title='50% "x" ]'))
    assert r"T:50\% 'x' )" in text and "[P:A]" in text and "K:C clef=perc" in text
    assert ":|" not in text  # a passage of this one is played four times, so all is written out
    flams = to_abc(read_musicxml((GOLDEN / "street_beat_flams.musicxml").read_bytes()))
    assert "|:" in flams and ":|" in flams and "{c}" in flams
    assert '"<("">)"' in to_abc(read_musicxml((GOLDEN / "funk_ghosts.musicxml").read_bytes()))
    assert "(6:4:" in to_abc(read_musicxml((GOLDEN / "sextuplet_fill.musicxml").read_bytes()))


def score_of(name: str) -> Score:
    """A golden chart, or one of random hits on all drums."""
    if "/" not in name:
        return read_musicxml((GOLDEN / f"{name}.musicxml").read_bytes())
    return notate(random_rhythm(1, Meter.parse(name), 24), NotateOptions())


@pytest.mark.skipif(not shutil.which("abc2midi"), reason="abc2midi is not installed (apt install abcmidi)")
@pytest.mark.parametrize("name", [*NAMES, "4/4", "12/8", "7/8"])
def test_abc2midi_plays_what_is_written(name: str, tmp_path: Path) -> None:
    score = score_of(name)
    (tmp_path / "x.abc").write_text(to_abc(score))
    subprocess.run(["abc2midi", str(tmp_path / "x.abc"), "-NGRA", "-o", str(tmp_path / "x.mid")], check=True,
                   capture_output=True, timeout=60)  # fmt: skip
    got, channels = midi_notes((tmp_path / "x.mid").read_bytes())
    assert (compare(expected_notes(score), got, 0.07), channels) == (([], []), {9})


@pytest.mark.skipif(not shutil.which("abcm2ps"), reason="abcm2ps is not installed (apt install abcm2ps)")
@pytest.mark.parametrize("name", [*NAMES, "4/4", "12/8", "7/8"])
def test_abcm2ps_engraves_it_without_complaint(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.abc").write_text(to_abc(score_of(name)))
    done = subprocess.run(["abcm2ps", "-g", "x.abc", "-O", "x.svg"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60)  # fmt: skip
    assert done.returncode == 0 and "error" not in done.stderr.lower(), done.stderr
    assert list(tmp_path.glob("x*.svg"))
