"""The one interface between anything that wants songs transcribed and whatever does it.

:func:`connect` gives the embedded runner (one worker process, SQLite) or, where ``REDIS_URL`` is set, Celery's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from drumscribe.jobs.model import Job, JobStatus
from drumscribe.options import Options

if TYPE_CHECKING:
    from drumscribe.pipeline import Transcription
    from drumscribe.settings import Settings


class JobRunner(Protocol):
    """Submit songs, follow them, take the results.

    ``owner`` isolates: a job is visible only to the owner who submitted it (others get
    :class:`~drumscribe.errors.JobNotFoundError`, as if it did not exist). ``owner=None`` sees everything: for
    operators, not for requests.
    """

    def submit(
        self,
        source: str | Path | BinaryIO,
        options: Options | None = None,
        *,
        owner: str,
        name: str = "",
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue a song and return at once.

        Args:
            source: a link (``str``), a local file (``Path``), or an open binary stream; files and streams are copied
                into the store in blocks, so the caller may remove them afterwards.
            options: choices for the song.
            owner: who may see it.
            name: the file name as the user knows it (for a stream; display and extension only, never a path).
            priority: smaller first; ``None``: short songs before long ones.
            idempotency_key: the same key of the same owner returns the job submitted first.

        Raises:
            UnsupportedLinkError: a string that is not a link to one video.
            TooLargeError, UnreadableFileError, EmptyAudioError: the file cannot be taken.
            StorageError: the store could not be written.
            QuotaError: the owner has too many jobs waiting.
        """

    def get(self, job_id: str, *, owner: str | None) -> Job:
        """Raises JobNotFoundError."""

    def list(
        self, *, owner: str | None, status: JobStatus | None = None, limit: int = 50, offset: int = 0
    ) -> list[Job]:
        """Newest first."""

    def cancel(self, job_id: str, *, owner: str | None) -> Job:
        """Ask a queued or running job to stop; a finished one stays as it is. Raises JobNotFoundError."""

    def retry(self, job_id: str, *, owner: str | None) -> Job:
        """Queue a failed or cancelled job again; its finished stages are reused.

        Raises JobNotFoundError, or JobConflictError if it has not failed or been cancelled.
        """

    def delete(self, job_id: str, *, owner: str | None) -> None:
        """Cancel it if need be and remove it with all its files. Raises JobNotFoundError."""

    def result(self, job_id: str, *, owner: str | None) -> Transcription:
        """Reopen the result with the edits saved so far; audio is read only when it is used.

        Raises JobNotFoundError; JobConflictError if it is not done; the job's own error if it failed.
        """

    def save(self, job_id: str, transcription: Transcription, *, owner: str | None, revision: int | None = None) -> Job:
        """Keep an edited result. With ``revision``, only if nobody saved since.

        Raises JobNotFoundError; JobConflictError if it is not done, or ``revision`` is not the present one.
        """

    def adopt(self, transcription: Transcription, *, owner: str) -> Job:
        """Keep a transcription that came from elsewhere (a project file, a chart) as a finished job of ``owner``.

        Raises StorageError.
        """

    def close(self) -> None:
        """Stop what this runner started. Queued jobs stay queued."""


def connect(settings: Settings | None = None) -> JobRunner:
    """The runner that ``settings`` call for. One per process is enough; it is safe to share between threads."""
    from drumscribe.settings import get_settings

    settings = settings or get_settings()
    if settings.redis_url:
        from drumscribe.jobs.celery_runner import CeleryRunner

        return CeleryRunner(settings)
    from drumscribe.jobs.local import LocalRunner

    return LocalRunner(settings)
