"""``drumscribe remote``: the same as ``transcribe``, with the work done by a server."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drumscribe.cli.choosing import changes_of, cheap_choices, listening, reading
from drumscribe.cli.console import Bars, Report, bars_on, conclude
from drumscribe.cli.running import cancelled_by_ctrl_c, guarded, ready_settings, trace, unexpected
from drumscribe.cli.songs import EPILOG, apart, formats_of, free_name, songs_in
from drumscribe.cli.streams import STANDARD, check_standard_output, standard_input
from drumscribe.errors import Cancelled, DrumScribeError, JobConflictError, OptionsError, from_dict
from drumscribe.notation.formats import WRITABLE

if TYPE_CHECKING:
    from drumscribe.client import Client
    from drumscribe.client.models import JobView, QuotaView, ResultView
    from drumscribe.settings import Settings

LOOK_S = 0.5
"""How often the server is asked how far it is."""


@click.command(epilog=EPILOG)
@click.argument("songs", nargs=-1, metavar="SONG...")
@click.option("--url", help="Address of the server [DRUMSCRIBE_URL].")
@click.option("--key", help="API key [DRUMSCRIBE_KEY]; others on this computer see what a command line holds.")
@click.option("--quota", is_flag=True, help="Show what is left of your quotas there; songs may be left out.")
@listening
@reading
@cheap_choices
@guarded
def remote(
    songs: tuple[str, ...], url: str | None, key: str | None, output: Path, formats: str, as_json: bool, quiet: bool,
    **choices: Any,
) -> int:  # fmt: skip
    """Have a server transcribe the songs.

    SONG is what 'transcribe' takes. An upload that was broken off or stopped goes on when the same command is given
    again; Ctrl-C cancels a job that has begun. The server engraves with its own engine.
    """
    from drumscribe.client import Client

    quota = choices.pop("quota")
    if not (songs or quota):
        raise click.UsageError("Missing argument 'SONG...'.")
    if choices.pop("engraver"):
        raise OptionsError("The server engraves with its own engine.", "Leave out --engraver.")
    settings = ready_settings()
    address = url or settings.drumscribe_url
    if not address:
        raise OptionsError("No server was named.", "Give --url, or set DRUMSCRIBE_URL.")
    kinds, sources, changes = formats_of(formats), list(songs_in(songs)), changes_of(choices)
    if output == STANDARD:
        check_standard_output(len(sources), kinds, as_json)
    reports: list[Report] = []
    taken: set[str] = set()
    cancel = cancelled_by_ctrl_c()
    with (
        ExitStack() as stack,
        Client(address, settings.drumscribe_key.get_secret_value() if key is None else key) as server,
        bars_on(quiet or as_json) as bars,
    ):
        server.health()  # a wrong address is told at once, while a line that breaks later is waited for
        work = _Work(server, address, settings, bars, cancel)
        sources = [stack.enter_context(standard_input(settings)) if s == STANDARD else s for s in sources]
        for source in sources:
            report = Report(str(source))
            reports.append(report)
            try:
                job, result = work.heard(source, changes)
                report.summary = _summary(job, result)
                name = source.stem if isinstance(source, Path) else result.title or "song"
                work.write(job, output, kinds, free_name(apart(_file_name(name), source, output, kinds), taken), report)
            except DrumScribeError as error:
                trace()
                report.fail(error)
                if isinstance(error, Cancelled):
                    break
            except Exception as error:  # noqa: BLE001 - one song must not stop the others
                report.fail(unexpected(error))
        left = server.quota() if quota else None
    if left is not None and as_json and not songs:
        click.echo(json.dumps(asdict(left), indent=2, default=datetime.isoformat))
        return 0
    conclude(reports, as_json=as_json, quiet=quiet or output == STANDARD)
    if left is not None:
        click.echo(_left(left), err=as_json or output == STANDARD)
    return next((report.status for report in reports if report.status), 0)


class _Work:
    """One run's server, and who watches it."""

    def __init__(self, server: Client, address: str, settings: Settings, bars: Bars, cancel: threading.Event) -> None:
        self._server, self._address, self._bars, self._cancel = server, address, bars, cancel
        self._kept = settings.data_dir / "remote"

    def heard(self, source: Path | str, options: Any) -> tuple[JobView, ResultView]:
        """Send a song and wait for what was heard. Raises DrumScribeError; Cancelled after Ctrl-C."""
        self._bars.song(str(source))
        job = self._submit(source, options) if isinstance(source, Path) else self._server.submit(source, options)
        while job.status not in ("done", "failed", "cancelled"):
            self._show(job.stage or "waiting", job.fraction, job.message)
            if self._cancel.wait(LOOK_S):
                self._server.cancel(job.id)
                raise Cancelled("Stopped; the job is cancelled.", "Give the command again to begin anew.")
            job = self._server.job(job.id)
        if job.status == "failed":
            raise from_dict(job.error or {})
        if job.status == "cancelled":
            raise Cancelled("The job was cancelled on the server.", "Give the command again.")
        return job, self._server.result(job.id)

    def _submit(self, path: Path, options: Any) -> JobView:
        from drumscribe.client.steps import PIECE
        from drumscribe.errors import UnreadableFileError
        from drumscribe.storage.writing import write_atomic

        try:
            if path.stat().st_size <= PIECE:
                return self._server.submit(path, options)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UnreadableFileError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
        kept = self._kept / hashlib.sha256(f"{self._address} {digest}".encode()).hexdigest()
        begun = kept.read_text() if kept.is_file() else ""

        def sent(now: int, size: int) -> None:
            self._show("upload", now / size, f"{now / 2**20:.0f} of {size / 2**20:.0f} MiB")
            if self._cancel.is_set():
                raise Cancelled("Stopped during the upload.", "Give the same command again to go on from there.")

        upload = self._server.upload(path, begun, on_progress=sent, on_begin=lambda one: write_atomic(kept, one))
        job = self._server.submit_upload(upload, options)
        kept.unlink(missing_ok=True)
        return job

    def write(self, job: JobView, folder: Path, kinds: tuple[str, ...], name: str, report: Report) -> None:
        """Fetch every format; one that the server cannot make is an error of its own. Raises StorageError."""
        from drumscribe.storage.writing import write_atomic

        for done, kind in enumerate(kinds):
            self._show("download", done / len(kinds), kind)
            try:
                pages = [self._server.download(job.id, kind)]
                with suppress(JobConflictError):  # there is no such page
                    while kind == "svg":
                        pages.append(self._server.download(job.id, kind, page=len(pages) + 1))
            except DrumScribeError as error:
                trace()
                report.fail(error)
                continue
            if folder == STANDARD:
                sys.stdout.buffer.write(pages[0])
                sys.stdout.buffer.flush()
                report.files[kind] = "-"
                continue
            for number, data in enumerate(pages, start=1):
                path = folder / f"{name}{f'-{number}' if len(pages) > 1 else ''}{WRITABLE[kind].ending}"
                write_atomic(path, data)
                report.files.setdefault(kind, str(path))
        self._show("download", 1.0, f"{len(report.files)} files")

    def _show(self, stage: str, fraction: float, message: str) -> None:
        from drumscribe.types import Progress

        self._bars.update(Progress(stage, fraction, message))


def _left(quota: QuotaView) -> str:
    """What may still be sent and kept, in one line."""
    parts = []
    for part, words in (
        (quota.songs, "songs at once"), (quota.minutes, "minutes of music today"), (quota.megabytes, "MB of storage"),
    ):  # fmt: skip
        if part.limit is not None:
            again = f" (anew at {part.renews_at:%Y-%m-%d %H:%M} UTC)" if part.renews_at else ""
            parts.append(f"{part.left:.0f} of {part.limit:.0f} {words}{again}")
    return f"Left on the server: {', '.join(parts) or 'no limits'}."


def _summary(job: JobView, result: ResultView) -> dict[str, Any]:
    """The same members as a song's that was heard here."""
    return {
        "title": result.title,
        "duration_s": round(result.duration_s, 3),
        "bpm": round(result.bpm, 2),
        "meter": result.meter,
        "counted": result.counted,
        "alternatives": [
            {"name": other.name, "bpm": round(other.bpm, 2), "meter": other.meter,
             "first_downbeat_s": round(other.first_downbeat_s, 3), "confidence": round(other.confidence, 3)}
            for other in result.alternatives
        ],
        "bars": len(result.groups),
        "hits": len(result.hits),
        "separation": "demucs" if result.separated else "none",
        "warnings": [*result.warnings, *([result.reading_note] if result.reading_note else [])],
        "reading": {"changes": len(result.changes), "note": result.reading_note},
        "seconds": {stage: round(seconds, 2) for stage, seconds in job.timings.items()},
        "job": job.id,
    }  # fmt: skip


def _file_name(name: str) -> str:
    from drumscribe.song.stages import file_name

    return file_name(name)
