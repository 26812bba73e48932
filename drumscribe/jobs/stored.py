"""The one interface between anything that wants songs transcribed and whatever does it (see ``jobs.runner``)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from drumscribe.errors import JobConflictError, JobNotFoundError, OverloadedError, QuotaError
from drumscribe.jobs.db import Database, new_job
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.people import Allowance, People, Person
from drumscribe.options import Options
from drumscribe.settings import Settings
from drumscribe.song import recordings
from drumscribe.song.transcription import Transcription
from drumscribe.storage.files import Store
from drumscribe.storage.parts import Parts
from drumscribe.storage.writing import storing

BYTES_PER_PRIORITY = 5 * 2**20
"""A larger file waits behind smaller ones, one step for so many bytes."""


class JobRunner:
    """Submit songs, follow them, take the results; a subclass sees to it that queued jobs are done.

    ``owner`` isolates: a job is visible only to the owner who submitted it (others get
    :class:`~drumscribe.errors.JobNotFoundError`, as if it did not exist). ``owner=None`` sees everything: for
    operators, not for requests.

    Args:
        settings: ``data_dir``, ``database_url``, ``storage_url``, and limits.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        with storing("The data folder"):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.database = Database(settings)
        self.people = People(self.database)

    def _queued(self, job: Job) -> None:
        """A job has come into the queue."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop what this runner started. Queued jobs stay queued."""
        self.database.close()

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
            BlockedError: the owner was turned away.
            QuotaError: the owner has too many jobs waiting.
            OverloadedError: everybody together has, or the disk is nearly full.
        """
        known = self.database.known(owner, idempotency_key)
        if known is not None:
            return known
        self.check_room(owner)
        if isinstance(source, str):
            from drumscribe.audio.sources import video_id

            video_id(source)
            key, title, step, size = source.strip(), source.strip(), 1, 0
        else:
            from drumscribe.audio.decoding import clean_name, title_of

            name = clean_name(name or (source.name if isinstance(source, Path) else ""))
            upload = self.store.put_upload(source, name)
            key, title, step, size = upload.key, title_of(name), upload.size // BYTES_PER_PRIORITY, upload.size
        job = new_job(
            owner,
            key,
            title=title,
            options=options or Options(),
            priority=step if priority is None else priority,
        )
        job = self.database.insert(job, name=name, idempotency_key=idempotency_key, size=size)
        self._queued(job)
        return job

    def get(self, job_id: str, *, owner: str | None) -> Job:
        """The job now; of a queued one with the expected wait. Raises JobNotFoundError."""
        job = self.database.get(job_id, owner=owner)
        if job.status is JobStatus.QUEUED:
            return replace(job, wait_s=self.database.pace().wait_s(job.position))
        return job

    def list(
        self, *, owner: str | None, status: JobStatus | None = None, limit: int = 50, offset: int = 0
    ) -> list[Job]:
        """Newest first."""
        return self.database.find(owner=owner, status=status, limit=limit, offset=offset)

    def cancel(self, job_id: str, *, owner: str | None) -> Job:
        """Ask a queued or running job to stop; a finished one stays as it is. Raises JobNotFoundError."""
        for target in (JobStatus.CANCELLED, JobStatus.CANCELLING):  # a queued one at once, a running one when it can
            job = self.database.get(job_id, owner=owner)
            if job.status.finished or job.status is JobStatus.CANCELLING:
                return job
            if (target is JobStatus.CANCELLED) != (job.status is JobStatus.QUEUED):
                continue
            try:
                return self.database.move(
                    job_id, target, owner=owner, message="Cancelled" if target.finished else "Stopping"
                )
            except JobConflictError:
                continue  # it moved on between the two steps
        return self.database.get(job_id, owner=owner)

    def retry(self, job_id: str, *, owner: str | None) -> Job:
        """Queue a failed or cancelled job again; its finished stages are reused.

        Raises JobNotFoundError, or JobConflictError if it has not failed or been cancelled.
        """
        job = self.database.get(job_id, owner=owner)
        if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise JobConflictError(f"The job is {job.status}.", "Only failed or cancelled jobs can be tried again.")
        job = self.database.move(job_id, JobStatus.QUEUED, owner=owner, message="Waiting", attempts=0, progress=0.0)
        self._queued(job)
        return job

    def delete(self, job_id: str, *, owner: str | None) -> None:
        """Cancel it if need be and remove it with all its files. Raises JobNotFoundError."""
        job = self.database.get(job_id, owner=owner)
        self.database.delete(job_id)  # the worker sees at its next heartbeat that the job is gone
        self.store.folder(job_id).remove()
        if job.source.startswith("uploads/") and job.source not in self.database.sources().values():
            self.store.remove(job.source)

    def result(self, job_id: str, *, owner: str | None) -> Transcription:
        """Reopen the result with the edits saved so far; audio is read only when it is used.

        Raises JobNotFoundError; JobConflictError if it is not done; the job's own error if it failed.
        """
        job = self.database.get(job_id, owner=owner)
        if job.status is JobStatus.DONE:
            return Transcription.reopen(self.store.folder(job_id))
        if job.status is JobStatus.FAILED:
            raise job.exception() or JobConflictError("The job failed.", "Try it again.")
        raise JobConflictError(f"The job is {job.status}, so there is no result.", "Wait until it is done.")

    def save(self, job_id: str, transcription: Transcription, *, owner: str | None, revision: int | None = None) -> Job:
        """Keep an edited result. With ``revision``, only if nobody saved since.

        Raises JobNotFoundError; JobConflictError if it is not done, or ``revision`` is not the present one.
        """
        job = self.database.save(job_id, owner=owner, revision=revision, **_called(transcription))
        transcription.keep(self.store.folder(job_id))
        return job

    def adopt(self, transcription: Transcription, *, owner: str) -> Job:
        """Keep a transcription that came from elsewhere (a project file, a chart) as a finished job of ``owner``.

        Raises StorageError.
        """
        job = new_job(owner, "", title="", options=transcription.options, priority=0)
        folder = self.store.folder(job.id)
        recordings.bring(folder, transcription.media)
        transcription.keep(folder)  # before the row, so that the job is whole as soon as it is there
        return self._finished(job, transcription)

    def duplicate(self, job_id: str, *, owner: str) -> Job:
        """A second song of ``owner`` with the same audio, hits, and edits, called a copy.

        Raises JobNotFoundError; JobConflictError if it is not done; what :meth:`check_room` raises.
        """
        job, song = self.get(job_id, owner=owner), self.result(job_id, owner=owner)
        self.check_room(owner)
        name = f"{_called(song)['title'] or 'Untitled'} (copy)"
        copy = song.rescore(None, notate={"title": name[:300]})
        second = new_job(owner, job.source, title="", options=job.options, priority=0)
        folder = self.store.folder(second.id)
        self.store.folder(job_id).copy(folder)
        copy.keep(folder)
        return self._finished(second, copy)

    def _finished(self, job: Job, song: Transcription) -> Job:
        """Insert a job that never had to wait."""
        called, length = _called(song), song.song.duration_s
        job = replace(job, title=called["title"], artist=called["artist"], duration_s=length, progress=1.0)
        done = replace(job, status=JobStatus.DONE, finished_at=time.time())
        return self.database.insert(done, size=self.store.folder(job.id).size())

    def clean(self) -> int:
        """Remove jobs that ended ``artifact_ttl_hours`` ago, the oldest beyond ``storage_size_gb``, and stray files.

        A job that waits or runs is never touched. Returns how many jobs were removed.
        """
        expired = self.database.finished_before(time.time() - 3600 * self.settings.artifact_ttl_hours)
        self._remove(expired)
        sizes = {key: size for kind in ("jobs", "uploads") for key, (size, _) in self.store.listing(kind).items()}
        surplus = sum(sizes.values()) - self.settings.storage_size_gb * 2**30
        beyond = []
        for job_id in self.database.finished_before(time.time() + 1) if surplus > 0 else ():
            if surplus <= 0:
                break
            beyond.append(job_id)
            surplus -= sizes.get(f"jobs/{job_id}", 0)
        self._remove(beyond)
        sources = self.database.sources()
        self.store.sweep(jobs=sources.keys(), uploads=set(sources.values()))
        Parts(self.store).sweep()
        return len(expired) + len(beyond)

    def _remove(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            try:
                self.delete(job_id, owner=None)
            except JobNotFoundError:
                continue  # somebody else was faster

    def check_room(self, owner: str) -> None:
        """Whether ``owner`` may submit another job now. Raises BlockedError, QuotaError, OverloadedError, StorageError.

        Refused is what could not be finished: accepted songs need room for their results.
        """
        settings = self.settings
        person = self.people.get(owner)
        person.check()
        self._check_share(owner, self._allowance(person))
        if not settings.public:
            return
        waiting = self.database.counts()[JobStatus.QUEUED]
        if settings.queue_limit and waiting >= settings.queue_limit:
            full = OverloadedError(f"{waiting} songs are waiting already.", "Try again later.")
            full.retry_after_s = self.database.pace().next_end_s()
            raise full
        self.check_disk()

    def allowance(self, owner: str) -> Allowance:
        """What ``owner`` has of each quota, and may have."""
        return self._allowance(self.people.get(owner))

    def _allowance(self, person: Person) -> Allowance:
        counts = self.database.counts(owner=person.owner)
        unfinished = sum(count for status, count in counts.items() if not status.finished)
        return self.people.allowance(person, unfinished, self.settings)

    def _check_share(self, owner: str, may: Allowance) -> None:
        """Whether an owner may have more songs at once, send more music today, and keep more. Raises QuotaError."""
        if may.songs.full:
            quota = QuotaError(
                f"{may.songs.used:.0f} songs of yours are unfinished.", "Wait until one is done, or cancel some."
            )
            quota.retry_after_s = self.database.pace().next_end_s(owner)
            raise quota
        used, limit = may.minutes.used, may.minutes.limit
        if may.minutes.full:
            what = f"{used:.0f} minutes of music of yours were taken today; {limit:.0f} are allowed."
            quota = QuotaError(what, "Come back tomorrow (UTC).")
            quota.retry_after_s = may.renews_at - time.time()
            raise quota
        used, limit = may.megabytes.used, may.megabytes.limit
        if may.megabytes.full:
            raise QuotaError(f"Your songs take {used:.0f} MB; {limit:.0f} are allowed.", "Delete some of them.")

    def check_disk(self) -> None:
        """Whether disk and database have room for what users send. Raises OverloadedError, StorageError."""
        with storing("The data folder"):
            free = shutil.disk_usage(self.settings.data_dir).free / 2**30
        most_gb = self.settings.database_size_gb
        if (self.settings.public and not self.store.remote and free < self.settings.storage_reserve_gb) or (
            most_gb and self.database.size_gb() >= most_gb
        ):
            full = OverloadedError("The server has no room left for more songs.", "Try again later.")
            full.retry_after_s = 600.0
            raise full


def _called(song: Transcription) -> dict[str, str]:
    """The columns by which a song is found."""
    notate, about = song.options.notate, song.song
    title = notate.title or about.title or about.origin
    return {"title": title[:300], "artist": (notate.artist or about.artist)[:300]}
