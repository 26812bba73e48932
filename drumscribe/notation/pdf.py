"""PDF by verovio (with reportlab), always there and quick; on request by LilyPond, the finest, or by MuseScore."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from drumscribe import confinement
from drumscribe.choices import PdfBackend
from drumscribe.errors import NotationError, PdfBackendError
from drumscribe.notation.lilypond import to_lilypond
from drumscribe.notation.model import Score
from drumscribe.notation.musicxml import to_musicxml
from drumscribe.settings import get_settings

TIMEOUT_S = 120.0
MEMORY_MB = 3000
"""What an engine of somebody else's may take; LilyPond needs about 400 for a song."""


def to_pdf(score: Score, *, backend: PdfBackend = "auto", timeout_s: float = TIMEOUT_S) -> bytes:
    """Engrave the score.

    Args:
        score: the chart.
        backend: ``"auto"`` takes verovio, and LilyPond for a score that verovio cannot engrave.
        timeout_s: seconds that an external engine may take.

    Raises:
        PdfBackendError: no such engine here, PDF is switched off, or the engine failed.
    """
    if backend == "none":
        raise PdfBackendError("PDF output is switched off.", "Set PDF_BACKEND to auto, or export MusicXML or SVG.")
    if backend == "lilypond":
        return _lilypond(score, timeout_s)
    if backend == "musescore":
        return _musescore(score, timeout_s)
    if backend == "auto":
        try:
            return _verovio(score)
        except NotationError:
            if find_lilypond() is None:
                raise
            return _lilypond(score, timeout_s)
    return _verovio(score)


def find_lilypond() -> str | None:
    """Path of a LilyPond: the system's, or the one inside the ``lilypond`` package."""
    found = shutil.which("lilypond")
    if found:
        return found
    try:
        import lilypond
    except ImportError:
        return None
    executable = Path(lilypond.executable())
    return str(executable) if executable.exists() else None


def find_musescore() -> str | None:
    """Path of a MuseScore, or ``None``."""
    return next(filter(None, map(shutil.which, ("mscore", "mscore4portable", "musescore", "musescore3"))), None)


def _verovio(score: Score) -> bytes:
    from drumscribe.notation.engrave import to_svg
    from drumscribe.notation.svg_pdf import svgs_to_pdf

    return svgs_to_pdf(to_svg(score), score.style.paper, score.title, score.artist)


def _lilypond(score: Score, timeout_s: float) -> bytes:
    program = find_lilypond()
    if program is None:
        raise PdfBackendError("LilyPond is not installed.", "Install it (pip install lilypond), or use verovio.")
    return _run([program, "--loglevel=ERROR", "-dno-point-and-click", "--pdf", "-o", "score", "score.ly"],
                "LilyPond", "score.ly", to_lilypond(score).encode(), timeout_s)  # fmt: skip


def _musescore(score: Score, timeout_s: float) -> bytes:
    program = find_musescore()
    if program is None:
        raise PdfBackendError("MuseScore is not installed.", "Install it, or set PDF_BACKEND to auto.")
    return _run([program, "-o", "score.pdf", "score.musicxml"], "MuseScore", "score.musicxml", to_musicxml(score),
                timeout_s)  # fmt: skip


def _run(command: list[str], name: str, source: str, content: bytes, timeout_s: float) -> bytes:
    """Run an engine in an empty folder of its own, which is removed whatever happens."""
    with tempfile.TemporaryDirectory(prefix="drumscribe-pdf-") as folder:
        Path(folder, source).write_bytes(content)
        environment = {**os.environ, "HOME": folder, "XDG_CACHE_HOME": folder, "QT_QPA_PLATFORM": "offscreen"}
        command = confinement.command(
            command, cpu_s=timeout_s, memory_mb=MEMORY_MB, file_mb=100, require=get_settings().require_confinement
        )
        try:
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=timeout_s,
                                  stdin=subprocess.DEVNULL, check=False)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise PdfBackendError(f"{name} took longer than {timeout_s:g} s.", "Try PDF_BACKEND=verovio.") from error
        except OSError as error:
            raise PdfBackendError(f"{name} could not be started: {error}.", "Reinstall it, or use verovio.") from error
        result = Path(folder, "score.pdf")
        if done.returncode or not result.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise PdfBackendError(f"{name} failed: {said[-1] if said else f'status {done.returncode}'}.",
                                  "Try PDF_BACKEND=verovio, or export MusicXML.")  # fmt: skip
        return result.read_bytes()
