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

from filelock import FileLock, Timeout

from drumscribe.errors import (
    DrumScribeError,
    JobConflictError,
    JobNotFoundError,
    WorkerDiedError,
)
from drumscribe.jobs import migrate
from drumscribe.jobs.db import Database, Lease, error_values
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.stored import JobRunner
from drumscribe.jobs.work import too_slow
from drumscribe.jobs.worker import TOO_LATE
from drumscribe.settings import Settings
from drumscribe.storage.writing import storing

log = logging.getLogger(__name__)

WATCH_S = 0.25
"""How often the worker is looked after."""
CLEAN_S = 600.0
"""How often expired jobs are removed."""
PATIENCE = 3
"""After so many workers that died before they did anything, waiting jobs are failed."""


class LocalRunner(JobRunner):
    """A :class:`~drumscribe.jobs.stored.JobRunner` on this machine.

    Args:
        settings: ``data_dir`` (database, store, cache) and limits.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        migrate.upgrade(self.database.engine)
        self._keeper = _Keeper(settings, self.database, self.clean)
        self._keeper.start()

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, where this runner keeps it and it is running."""
        return self._keeper.pid

    def _queued(self, job: Job) -> None:
        self._keeper.wake()

    def close(self) -> None:
        """End the worker (its job goes back into the queue) and let go of the database."""
        self._keeper.stop()
        self.database.close()


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
            except Exception:  # without this thread no job would ever run again
                log.exception("looking after the worker failed")
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
                    f"The worker process ended {tries} times in the middle of this job.",
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
    if code == -getattr(signal, "SIGKILL", 9):
        return WorkerDiedError(
            f"The worker process was killed{where}, most likely because memory ran out.",
            f"{again} A shorter recording, or SEPARATOR=none, needs less memory.",
        )
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    return WorkerDiedError(f"The worker process ended unexpectedly{where} ({how}).", again)


def _plain(settings: Settings) -> bytes:
    """Settings as one line of JSON, secrets left out: the worker has no use for them."""
    return json.dumps(settings.model_dump(mode="json")).encode()
