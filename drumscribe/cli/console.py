"""What the command line shows: a bar for each stage, a summary for each song, tables, errors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drumscribe.errors import DrumScribeError

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription
    from drumscribe.types import Progress


@dataclass
class Report:
    """What became of one song."""

    source: str
    summary: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    errors: list[DrumScribeError] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Exit status: of the first error, else 0."""
        return self.errors[0].exit_code if self.errors else 0

    def fail(self, error: DrumScribeError) -> None:
        """Note an error."""
        self.errors.append(error)

    def describe(self, result: Transcription) -> None:
        """Note what was found."""
        self.summary = {
            "title": result.song.title,
            "duration_s": round(result.song.duration_s, 3),
            "bpm": round(result.grid.bpm, 2),
            "meter": str(result.grid.meter or ""),
            "counted": result.grid.name,
            "alternatives": [
                {"name": other.name, "bpm": round(other.bpm, 2), "meter": str(other.meter),
                 "first_downbeat_s": round(other.first_downbeat_s, 3), "confidence": round(other.confidence, 3)}
                for other in result.grid.alternatives
            ],
            "bars": len(result.rhythm.bars),
            "hits": len(result.hits),
            "separation": result.heard.model or result.heard.method,
            "warnings": [*result.warnings, *([result.rhythm.note] if result.rhythm.note else [])],
            "reading": {"changes": len(result.rhythm.changes), "note": result.rhythm.note},
            "seconds": {stage: round(seconds, 2) for stage, seconds in result.timings.items()},
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The song's part of the JSON summary."""
        errors = [error.to_dict() for error in self.errors]
        return {"source": self.source, "ok": not errors, **self.summary, "files": self.files, "errors": errors}

    def lines(self) -> Iterator[str]:
        """The song's lines of the summary for people."""
        if self.summary:
            s = self.summary
            yield f"{self.source}: {s['hits']} hits, {s['bars']} bars of {s['meter']} at {s['bpm']:.0f} BPM"
            others = [f"{number} = {other['name']}" for number, other in enumerate(s["alternatives"], start=1)]
            if others:
                yield f"  might be counted otherwise (rescore --alternative): {'; '.join(others)}"
            yield from (f"  note: {warning}" for warning in s["warnings"])
            yield from (f"  {path}" for path in self.files.values())


class Bars:
    """A bar for each stage on a terminal; without one, nothing until a song is done."""

    def __init__(self, silent: bool) -> None:
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}
        if not silent and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("{task.fields[stage]:<9}"),
                BarColumn(30),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
            )

    def song(self, title: str) -> None:
        """Begin a song: bars of its own below its name."""
        if self._progress is not None:
            for task in self._tasks.values():
                self._progress.remove_task(task)
            self._tasks.clear()
            self._progress.console.print(title, style="bold", markup=False, highlight=False)

    def update(self, progress: Progress) -> None:
        """Move the bar of a stage, which appears with its first report."""
        if self._progress is None:
            return
        from rich.markup import escape

        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._progress.add_task("", total=1.0, stage=progress.stage)
        words = {"description": escape(progress.message)} if progress.message else {}
        self._progress.update(self._tasks[progress.stage], completed=progress.fraction, **words)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        if self._progress is None:
            click.echo(text)
        else:
            self._progress.console.print(text, markup=False, highlight=False)


@contextmanager
def bars_on(silent: bool) -> Iterator[Bars]:
    """Bars for the time of the block."""
    bars = Bars(silent)
    if bars._progress is None:
        yield bars
    else:
        with bars._progress:
            yield bars


def conclude(reports: list[Report], *, as_json: bool, quiet: bool) -> None:
    """Print what became of the songs: results on standard output, errors on standard error."""
    if as_json:
        click.echo(json.dumps([report.to_dict() for report in reports], indent=2, ensure_ascii=False))
    for report in reports:
        if not (as_json or quiet):
            for line in report.lines():
                click.echo(line)
        for error in report.errors:
            complain(error, report.source)


def complain(error: DrumScribeError, source: str = "") -> None:
    """Print an error on standard error."""
    where = f"{source}: " if source else ""
    click.echo(f"Error: {where}{error}", err=True)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print aligned columns (the last one is not padded)."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@contextmanager
def native_noise_in(log: Path) -> Iterator[None]:
    """Send what native libraries print on file descriptor 2 to a log; Python's own ``sys.stderr`` is not touched.

    TensorFlow greets with lines that no setting of its silences.
    """
    try:
        if sys.stderr.fileno() != 2 or click.get_current_context().obj:
            yield
            return
        log.parent.mkdir(parents=True, exist_ok=True)
        noise = log.open("wb")
    except (OSError, ValueError):  # no real standard error, or nowhere to write: let it be noisy
        yield
        return
    quiet, before = os.dup(2), sys.stderr
    with noise, os.fdopen(quiet, "w", buffering=1, encoding=before.encoding, errors="backslashreplace") as stream:
        os.dup2(noise.fileno(), 2)
        sys.stderr = stream
        try:
            yield
        finally:
            sys.stderr = before
            os.dup2(quiet, 2)
