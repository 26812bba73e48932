"""The embedded runner: one worker process on this machine, jobs in a database, files in the store.

The worker is a process of its own, so an out-of-memory kill costs one job and never the page. Any number of runners
(web server, API, command line) may share one data folder: a lock file decides which of them keeps the worker, the
others only queue.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from drumscribe.errors import (
    DrumScribeError,
    JobConflictError,
    JobNotFoundError,
    QuotaError,
    WorkerDiedError,
)
from drumscribe.jobs.db import Database, Lease, error_values, new_job
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.work import too_slow
from drumscribe.jobs.worker import TOO_LATE
from drumscribe.options import Options
from drumscribe.settings import Settings
from drumscribe.store import Store, storing
from drumscribe.transcription import Transcription

log = logging.getLogger(__name__)

WATCH_S = 0.25
"""How often the worker is looked after."""
CLEAN_S = 600.0
"""How often expired jobs are removed."""
BYTES_PER_PRIORITY = 5 * 2**20
"""A larger file waits behind smaller ones, one step for so many bytes."""
PATIENCE = 3
"""After so many workers that died before they did anything, waiting jobs are failed."""


class LocalRunner:
    """A :class:`~drumscribe.jobs.runner.JobRunner` on this machine.

    Args:
        settings: ``data_dir`` (database, store, cache) and limits.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        with storing("The data folder"):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.database = Database(settings)
        self.database.create()
        self._keeper = _Keeper(settings, self.database, self.clean)
        self._keeper.start()

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, where this runner keeps it and it is running."""
        return self._keeper.pid

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
        """See :meth:`JobRunner.submit`."""
        known = self.database.known(owner, idempotency_key)
        if known is not None:
            return known
        self._check_quota(owner)
        if isinstance(source, str):
            from drumscribe.sources import video_id

            video_id(source)
            key, title, step = source.strip(), source.strip(), 1
        else:
            from drumscribe.audio import clean_name

            name = clean_name(name or (source.name if isinstance(source, Path) else ""))
            upload = self.store.put_upload(source, name)
            key, title, step = upload.key, Path(name).stem, upload.size // BYTES_PER_PRIORITY
        job = new_job(
            owner,
            key,
            title=title,
            options=options or Options(),
            priority=step if priority is None else priority,
        )
        job = self.database.insert(job, name=name, idempotency_key=idempotency_key)
        self._keeper.wake()
        return job

    def get(self, job_id: str, *, owner: str | None) -> Job:
        """See :meth:`JobRunner.get`."""
        return self.database.get(job_id, owner=owner)

    def list(
        self, *, owner: str | None, status: JobStatus | None = None, limit: int = 50, offset: int = 0
    ) -> list[Job]:
        """See :meth:`JobRunner.list`."""
        return self.database.find(owner=owner, status=status, limit=limit, offset=offset)

    def cancel(self, job_id: str, *, owner: str | None) -> Job:
        """See :meth:`JobRunner.cancel`."""
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
        """See :meth:`JobRunner.retry`."""
        job = self.database.get(job_id, owner=owner)
        if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise JobConflictError(f"The job is {job.status}.", "Only failed or cancelled jobs can be tried again.")
        job = self.database.move(job_id, JobStatus.QUEUED, owner=owner, message="Waiting", attempts=0, progress=0.0)
        self._keeper.wake()
        return job

    def delete(self, job_id: str, *, owner: str | None) -> None:
        """See :meth:`JobRunner.delete`."""
        job = self.database.get(job_id, owner=owner)
        self.database.delete(job_id)  # the worker sees at its next heartbeat that the job is gone
        self.store.folder(job_id).remove()
        if job.source.startswith("uploads/") and job.source not in self.database.sources().values():
            self.store.remove(job.source)

    def result(self, job_id: str, *, owner: str | None) -> Transcription:
        """See :meth:`JobRunner.result`."""
        job = self.database.get(job_id, owner=owner)
        if job.status is JobStatus.DONE:
            return Transcription.reopen(self.store.folder(job_id))
        if job.status is JobStatus.FAILED:
            raise job.exception() or JobConflictError("The job failed.", "Try it again.")
        raise JobConflictError(f"The job is {job.status}, so there is no result.", "Wait until it is done.")

    def save(self, job_id: str, transcription: Transcription, *, owner: str | None, revision: int | None = None) -> Job:
        """See :meth:`JobRunner.save`."""
        job = self.database.save(job_id, owner=owner, revision=revision)
        transcription.keep(self.store.folder(job_id))
        return job

    def clean(self) -> int:
        """Remove jobs that ended ``artifact_ttl_hours`` ago, and files nobody refers to. Return how many jobs."""
        expired = self.database.finished_before(time.time() - 3600 * self.settings.artifact_ttl_hours)
        for job_id in expired:
            try:
                self.delete(job_id, owner=None)
            except JobNotFoundError:
                continue  # somebody else was faster
        sources = self.database.sources()
        self.store.sweep(jobs=sources.keys(), uploads=set(sources.values()))
        return len(expired)

    def close(self) -> None:
        """End the worker (its job goes back into the queue) and let go of the database."""
        self._keeper.stop()
        self.database.close()

    def _check_quota(self, owner: str) -> None:
        limit = self.settings.api_active_jobs
        counts = self.database.counts(owner=owner)
        active = sum(count for status, count in counts.items() if not status.finished)
        if limit and active >= limit:
            raise QuotaError(f"{active} songs are waiting already.", "Wait until some are done, or cancel some.")


class _Keeper(threading.Thread):
    """Keeps one worker process alive while there is work, and buries the jobs of dead ones."""

    def __init__(self, settings: Settings, database: Database, clean: Callable[[], int]) -> None:
        super().__init__(name="drumscribe-keeper", daemon=True)
        self._settings = settings
        self._database = database
        self._clean = clean
        self._lock = FileLock(settings.data_dir / "worker.lock")
        self._process: subprocess.Popen[bytes] | None = None
        self._worker = ""
        self._over = threading.Event()
        self._stillborn = 0
        self._seen: dict[str, tuple[int, float]] = {}
        self._next_clean = time.monotonic() + 60

    @property
    def pid(self) -> int | None:
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def wake(self) -> None:
        """Tell the worker, if it is ours, that there is something to do."""
        process = self._process
        if process is not None and process.stdin is not None:
            try:
                process.stdin.write(b"\n")
                process.stdin.flush()
            except (OSError, ValueError):
                log.debug("the worker has gone; the next round starts another")

    def stop(self) -> None:
        """End the worker and this thread."""
        self._over.set()
        if self.is_alive():
            self.join()
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._bury(process.returncode, requeue=True)
        self._lock.release(force=True)

    def run(self) -> None:
        """The thread: look after the worker until told to stop."""
        while not self._over.wait(WATCH_S):
            try:
                self._round()
            except DrumScribeError as error:
                log.warning("%s", error)
                self._over.wait(5)

    def _round(self) -> None:
        if not self._lock.is_locked:
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                return  # another runner keeps the worker
        if self._process is not None and self._process.poll() is not None:
            process, self._process = self._process, None
            self._bury(process.returncode)
        self._reap()
        if self._process is None and self._database.counts()[JobStatus.QUEUED]:
            self._start()
        if time.monotonic() >= self._next_clean:
            self._next_clean = time.monotonic() + CLEAN_S
            self._clean()

    def _start(self) -> None:
        self._worker = uuid.uuid4().hex
        with storing("The worker"):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "drumscribe.jobs.worker", self._worker],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal must not hit it in the middle of a file
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
            if self._process.stdin is not None:
                self._process.stdin.write(_plain(self._settings) + b"\n")
                self._process.stdin.flush()

    def _bury(self, code: int, *, requeue: bool = False) -> None:
        """End the jobs of our dead worker."""
        held = [lease for lease in self._database.leases() if lease.worker == self._worker]
        self._stillborn = 0 if held or code == 0 else self._stillborn + 1
        for lease in held:
            self._end(lease, _death(code, self._database.get(lease.job_id).stage, self._settings), requeue=requeue)
        if self._stillborn >= PATIENCE:
            self._stillborn = 0
            for job in self._database.find(status=JobStatus.QUEUED, limit=1000):
                error = WorkerDiedError(
                    "The worker process does not start.", "Run 'drumscribe doctor', and see the log."
                )
                self._database.move(job.id, JobStatus.FAILED, **error_values(error))

    def _reap(self) -> None:
        """Take back jobs whose worker, kept by a runner that is no more, gives no sign of life."""
        now = time.monotonic()
        leases = {lease.job_id: lease for lease in self._database.leases() if lease.worker != self._worker}
        self._seen = {job_id: seen for job_id, seen in self._seen.items() if job_id in leases}
        for job_id, lease in leases.items():
            beat, since = self._seen.get(job_id, (-1, now))
            if beat != lease.beat:
                self._seen[job_id] = (lease.beat, now)
            elif now - since > self._settings.job_lease_s:
                tries = self._database.get(job_id).attempts
                error = WorkerDiedError(
                    f"The worker vanished {tries} times in the middle of this job.",
                    "Try again; finished stages are reused.",
                )
                self._end(lease, error, requeue=tries < self._settings.job_tries)

    def _end(self, lease: Lease, error: DrumScribeError, *, requeue: bool) -> None:
        try:
            if lease.status is JobStatus.CANCELLING:
                self._database.move(lease.job_id, JobStatus.CANCELLED, worker=lease.worker, message="Cancelled")
            elif requeue:
                message = "Waiting: the worker was restarted"
                self._database.move(lease.job_id, JobStatus.QUEUED, worker=lease.worker, message=message)
            else:
                self._database.move(lease.job_id, JobStatus.FAILED, worker=lease.worker, **error_values(error))
        except (JobConflictError, JobNotFoundError):
            log.debug("job %s moved on by itself", lease.job_id)


def _death(code: int, stage: str, settings: Settings) -> DrumScribeError:
    where = f" in stage {stage!r}" if stage else ""
    again = "Try again: the stages that were finished are reused."
    if code == TOO_LATE:
        return too_slow(stage, settings)
    if code == -signal.SIGKILL:
        return WorkerDiedError(
            f"The worker process was killed{where}, most likely because memory ran out.",
            f"{again} A shorter recording, or SEPARATOR=none, needs less memory.",
        )
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    return WorkerDiedError(f"The worker process ended unexpectedly{where} ({how}).", again)


def _plain(settings: Settings) -> bytes:
    """Settings as one line of JSON, secrets left out: the worker has no use for them."""
    return json.dumps(settings.model_dump(mode="json")).encode()
