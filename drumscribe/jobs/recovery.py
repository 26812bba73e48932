"""Recovery: jobs whose worker died, messages that Redis lost, and removing what is past its time.

Runs in the main process of every worker. Each change is a guarded UPDATE, so any number of these may run at once.
Time is only ever measured on this process's monotonic clock: a wall clock that jumps changes nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from drumscribe.errors import DrumScribeError, JobConflictError, JobNotFoundError, WorkerDiedError
from drumscribe.jobs.celery_runner import CeleryRunner
from drumscribe.jobs.db import Database, Lease, error_values
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.queues import depths
from drumscribe.jobs.sending import UNSENT, feed, send
from drumscribe.observability import logs
from drumscribe.settings import Settings
from drumscribe.storage.shared_cache import expire

_log = logs.get(__name__)

CLEAN_S = 600.0
"""How often expired jobs and results are removed."""
LOST_S = 3600.0
"""A job that nobody holds for so long is sent again even while messages wait: a second message does no harm."""


def recover(settings: Settings, database: Database, lease: Lease) -> bool:
    """Take a job from a dead worker: begin it again, or park it with the reason after ``job_tries`` attempts.

    Returns:
        False if it has moved on by itself.

    Raises:
        StorageError: the database cannot be reached.
    """
    try:
        if lease.status is JobStatus.CANCELLING:
            database.move(lease.job_id, JobStatus.CANCELLED, worker=lease.worker, message="Cancelled")
            return True
        job = database.get(lease.job_id)
        if lease.worker and job.attempts >= settings.job_tries:
            error = WorkerDiedError(
                f"The worker died {job.attempts} times on this job, the last time in stage {job.stage!r}.",
                "It is not tried again by itself. A shorter recording, or SEPARATOR=none, needs less memory.",
            )
            database.move(lease.job_id, JobStatus.FAILED, worker=lease.worker, **error_values(error))
            _log.error("job_parked", job_id=job.id, attempts=job.attempts, stage=job.stage)
            return True
        message = "Waiting: the worker was restarted"
        job = database.move(lease.job_id, JobStatus.QUEUED, worker=lease.worker, message=message)
    except (JobConflictError, JobNotFoundError):
        return False
    _log.warning("job_recovered", job_id=job.id, attempts=job.attempts, worker=lease.worker)
    send(database, job)
    return True


def holder(pid: int) -> str:
    """How a process of this machine signs the jobs it holds: machine, number, and when it was born.

    A container that is started again has the name of the one before, and its processes have the same numbers.
    """
    return f"{_machine()}:{pid}:{_born(pid)}"


def near(worker: str) -> bool:
    """Whether a holder is, or was, a process of this machine."""
    return worker.count(":") == 2 and worker.partition(":")[0] == _machine()


def alive(worker: str) -> bool:
    """Whether a holder on this machine still runs."""
    pid, born = worker.split(":")[1:]
    return bool(born) and pid.isdigit() and born == _born(int(pid))


def _machine() -> str:
    return socket.gethostname().replace(":", "")[:40]


def _born(pid: int) -> str:
    """Clock ticks from the machine's start to that of a process, ``""`` where there is none (Linux, proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


class Recovery(threading.Thread):
    """The thread. ``clean`` says whether this one also removes what has expired."""

    def __init__(self, settings: Settings, *, clean: bool) -> None:
        super().__init__(name="recovery", daemon=True)
        self._settings = settings
        self._clean = clean
        self._every_s = min(5.0, settings.job_lease_s / 4)
        self._over = threading.Event()
        self._seen: dict[str, tuple[tuple[str, int], float]] = {}
        self._next_clean = time.monotonic() + 60

    def stop(self) -> None:
        """End the thread soon."""
        self._over.set()

    def run(self) -> None:
        """Look around until told to stop."""
        runner = CeleryRunner(self._settings)
        while not self._over.wait(self._every_s):
            try:
                self.once(runner)
            except DrumScribeError as error:
                _log.warning("recovery_waits", error=str(error))
        runner.close()

    def once(self, runner: CeleryRunner) -> None:
        """One round. Raises StorageError where database or broker is away."""
        database = runner.database
        now = time.monotonic()
        waiting = {lease.job_id: lease for lease in (*database.leases(), *database.waiting())}
        self._seen = {job_id: seen for job_id, seen in self._seen.items() if job_id in waiting}
        messages = depths(self._settings)
        lost_s = LOST_S if any(messages.values()) else 3 * self._settings.job_lease_s
        for job_id, lease in waiting.items():
            state, since = self._seen.setdefault(job_id, ((lease.worker, lease.beat), now))
            if state != (lease.worker, lease.beat):
                self._seen[job_id] = ((lease.worker, lease.beat), now)
                continue
            if lease.worker == UNSENT:
                continue
            if lease.worker and now - since > self._patience_s(lease.worker):
                recover(self._settings, database, lease)
            elif not lease.worker and now - since > lost_s:
                self._resend(database, lease)
            else:
                continue
            del self._seen[job_id]
        feed(self._settings, database, messages)
        if self._clean and now > self._next_clean:
            self._next_clean = now + CLEAN_S
            runner.clean()
            expire(self._settings)

    def _patience_s(self, worker: str) -> float:
        """How long a holder may be silent. One that we see alive is only starved: it is not taken for dead."""
        living = near(worker) and alive(worker)
        return 1.5 * self._settings.stage_timeout_s + 60 if living else self._settings.job_lease_s

    def _resend(self, database: Database, lease: Lease) -> None:
        """Nobody holds the job and no message waits in any queue: Redis lost it, or a worker that is only starting,
        or starved, has it in hand. So it is sent again within its attempt, where a second message does no harm."""
        _log.warning("message_lost", job_id=lease.job_id)
        if lease.status is JobStatus.CANCELLING:
            recover(self._settings, database, lease)
        else:
            send(database, database.get(lease.job_id))
