"""Downloads: each file of a result is made when first asked for and kept beside it, one per revision."""

from __future__ import annotations

import unicodedata
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from drumscribe.errors import JobConflictError, PdfBackendError
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.stored import JobRunner
from drumscribe.notation.formats import WRITABLE
from drumscribe.settings import Settings
from drumscribe.song.stages import file_name
from drumscribe.storage.files import Folder, Store

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

KINDS: dict[str, tuple[str, str]] = {
    **{kind: (found.ending, found.media_type) for kind, found in WRITABLE.items()},
    "zip": (".zip", "application/zip"),
}
"""What can be downloaded: kind → (end of the file name, media type)."""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same result gives the same zip


INLINE = frozenset({"pdf", "svg"})
"""What a browser shows in the page or the tab; all else it saves."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file to send: a local path, or the presigned address in the bucket, which answers with the same headers."""

    disposition: str
    media_type: str
    path: Path | None = None
    url: str | None = None


def disposition(name: str, *, inline: bool = False) -> str:
    """The Content-Disposition of a file (RFC 6266): its name, and one in ASCII for what does not know RFC 5987.

    >>> disposition("Für.mid")
    "attachment; filename=\"Fur.mid\"; filename*=UTF-8''F%C3%BCr.mid"
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    if plain.startswith("."):  # nothing of the title is left
        plain = f"score{plain}"
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def export(settings: Settings, runner: JobRunner, job_id: str, owner: str, kind: str, page: int = 1) -> Download:
    """Find or make one file of a finished job.

    Raises JobNotFoundError; JobConflictError (not done, or no such page); NotationError; StorageError.
    """
    job, transcription = opened(runner, job_id, owner)
    folder = Store(settings).folder(job.id)
    ending, media_type = KINDS[kind]
    kept = f"r{job.revision}{f'-{page}' if kind == 'svg' else ''}{ending}"
    first = f"r{job.revision}-1{ending}" if kind == "svg" else kept  # of a score all pages are made at once
    if not folder.exists(first):
        if kind == "zip":
            _zip(folder, kept, transcription, settings)
        else:
            _render(folder, job, transcription, kind, settings)
    if not folder.exists(kept):
        raise JobConflictError(f"The score has no page {page}.", "Ask for an earlier page.")
    shown = disposition(f"{_name(transcription, job.title)}{ending}", inline=kind in INLINE)
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    url = folder.store.url(folder.key(kept), shown, media_type)
    return Download(shown, media_type, None if url else folder.path(kept), url)


def opened(runner: JobRunner, job_id: str, owner: str) -> tuple[Job, Transcription]:
    """A job and its result; a failed one conflicts with being asked for it, in the words of its own error.

    Raises JobNotFoundError, JobConflictError, StorageError.
    """
    job = runner.get(job_id, owner=owner)
    if job.status is JobStatus.FAILED and job.error is not None:
        raise JobConflictError(f"The job failed: {job.error['what']}", job.error["todo"] or "Retry it.")
    return job, runner.result(job_id, owner=owner)


def _name(transcription: Transcription, otherwise: str = "") -> str:
    return file_name(transcription.options.notate.title or transcription.song.title or otherwise or "score")


def _render(folder: Folder, job: Job, transcription: Transcription, kind: str, settings: Settings) -> None:
    pages = transcription.render(kind, settings=settings)
    for number, data in enumerate(pages, start=1):
        page = f"-{number}" if kind == "svg" else ""
        folder.write(f"r{job.revision}{page}{KINDS[kind][0]}", data)


def _zip(folder: Folder, kept: str, transcription: Transcription, settings: Settings) -> None:
    stem = _name(transcription)
    with folder.writing(kept) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind in (kind for kind, found in WRITABLE.items() if found.usual):
            with suppress(PdfBackendError):  # a deployment without an engraver still gives all the rest
                for name, data in transcription.files(kind, stem, settings=settings):
                    archive.writestr(zipfile.ZipInfo(f"{stem}/{name}", _EPOCH), data, zipfile.ZIP_DEFLATED)
