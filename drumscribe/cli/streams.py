"""``-`` on the command line: a recording or project from standard input, one format to standard output."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from drumscribe.errors import OptionsError, SourceError

if TYPE_CHECKING:
    from drumscribe.settings import Settings
    from drumscribe.song.transcription import Transcription

STANDARD = Path("-")
"""How a command line writes standard input and output."""


@contextmanager
def standard_input(settings: Settings) -> Iterator[Path]:
    """What comes in as a file called ``stdin``, for the time of the block. Raises SourceError at a terminal."""
    from drumscribe.storage.writing import storing

    if sys.stdin.isatty():
        raise SourceError(
            "Standard input is the keyboard, not a file.", "Pipe one in: drumscribe transcribe - < song.mp3"
        )
    with storing("Standard input"):
        (settings.data_dir / "tmp").mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="stdin-", dir=settings.data_dir / "tmp", ignore_cleanup_errors=True)
    with folder as name:
        path = Path(name) / "stdin"
        with storing("Standard input"), path.open("wb") as out:
            shutil.copyfileobj(sys.stdin.buffer, out)
        yield path


def check_standard_output(songs: int, kinds: tuple[str, ...], as_json: bool) -> None:
    """Raises OptionsError where not exactly one file would go to standard output."""
    if songs != 1 or len(kinds) != 1 or as_json:
        raise OptionsError(
            "Standard output takes one format of one song, without --json.", "Add --formats midi, for example."
        )


def to_standard_output(result: Transcription, kind: str, settings: Settings) -> None:
    """Write one format, which is made in full before its first byte goes out."""
    with tempfile.TemporaryDirectory(prefix="drumscribe-") as folder:
        files = result.export(Path(folder), (kind,), name="score", settings=settings)
        content = files[kind].read_bytes()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
