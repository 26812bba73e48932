"""Every groove as MusicXML and LilyPond, byte for byte as reviewed as pictures.

After a change that is meant, look at the pages, then write the files anew:

    GOLDEN=write python -m pytest tests/test_notation_golden.py
"""

from __future__ import annotations

import os
from pathlib import Path

import grooves
import pytest
from notation_clients import assert_valid

from drumscribe.notation import notate, read_musicxml, to_lilypond, to_musicxml
from drumscribe.options import NotateOptions

FOLDER = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", sorted(grooves.GROOVES))
def test_groove_is_written_as_reviewed(name):
    score = notate(grooves.load(name), NotateOptions(), title=name.replace("_", " ").capitalize())
    document, source = to_musicxml(score), to_lilypond(score)
    assert_valid(document)
    if os.environ.get("GOLDEN") == "write":
        (FOLDER / f"{name}.musicxml").write_bytes(document)
        (FOLDER / f"{name}.ly").write_text(source)
    assert document == (FOLDER / f"{name}.musicxml").read_bytes()
    assert source == (FOLDER / f"{name}.ly").read_text()
    assert read_musicxml(document) == score


def test_no_golden_file_is_left_over():
    assert {path.stem for path in FOLDER.iterdir()} == set(grooves.GROOVES)
