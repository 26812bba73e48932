"""Recovery: jobs whose worker died, messages that Redis lost, and removing what is past its time.

Runs in the main process of every worker. Each change is a guarded UPDATE, so any number of these may run at once.
Time is only ever counted in rounds of this thread: a clock that jumps, or a machine that stood still, changes nothing.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from celery.worker import state

from drumscribe.errors import DrumScribeError, JobConflictError, JobNotFoundError, WorkerDiedError
from drumscribe.jobs.celery_runner import CeleryRunner
from drumscribe.jobs.db import Database, Lease, error_values
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.queues import depths, named
from drumscribe.jobs.sending import UNSENT, feed, send
from drumscribe.observability import logs
from drumscribe.settings import Settings
from drumscribe.storage.shared_cache import expire

_log = logs.get(__name__)

CLEAN_S = 600.0
"""How often expired jobs and results are removed."""
LOST_LEASES = 3
"""A job that nobody holds, and no message that waits is about, is sent again after so many leases."""
DEAF_LEASES = 20
"""A worker that holds no job, and takes none although messages wait for it, is started again after so many."""


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
    """Clock ticks from the machine's start to that of a process, ``""`` where there is none."""
    return "".join(_stat(pid)[19:20])


def _stat(pid: int) -> list[str]:
    """State, parent, and the rest that Linux tells of a process (proc(5)); empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class Recovery(threading.Thread):
    """The thread.

    Args:
        clean: whether this one also removes what has expired.
        queues: what this worker takes messages from.
        deaf: called when it takes none although there are some; must start the worker again.
    """

    def __init__(
        self, settings: Settings, *, clean: bool, queues: Sequence[str] = (), deaf: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(name="recovery", daemon=True)
        self._settings = settings
        self._clean = clean
        self._queues, self._deaf = queues, deaf
        self._every_s = min(5.0, settings.job_lease_s / 4)
        self._over = threading.Event()
        self._seen: dict[str, tuple[Lease, int]] = {}
        self._taken, self._unheard = 0, 0
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
            except Exception:  # noqa: BLE001 - without this thread no job of a dead worker would ever end
                _log.exception("recovery_failed")
        runner.close()

    def once(self, runner: CeleryRunner) -> None:
        """One round. Raises StorageError where database or broker is away."""
        database = runner.database
        messages = depths(self._settings)
        leases = {lease.job_id: lease for lease in (*database.leases(), *database.waiting())}
        before = self._seen
        self._seen = {job_id: (lease, _rounds(lease, before.get(job_id))) for job_id, lease in leases.items()}
        free = []
        for lease, rounds in list(self._seen.values()):
            if lease.worker == UNSENT:
                continue
            if not lease.worker and rounds >= self._rounds(LOST_LEASES * self._settings.job_lease_s):
                free.append(lease)
            elif lease.worker and rounds >= self._rounds(self._patience_s(lease.worker)):
                del self._seen[lease.job_id]
                recover(self._settings, database, lease)
        if free:
            self._resend(database, free)
        feed(self._settings, database, messages)
        self._listen(leases.values(), messages)
        if self._clean and time.monotonic() > self._next_clean:
            self._next_clean = time.monotonic() + CLEAN_S
            runner.clean()
            expire(self._settings)

    def _rounds(self, seconds: float) -> int:
        return math.ceil(seconds / self._every_s)

    def _patience_s(self, worker: str) -> float:
        """How long a holder may be silent. One that we see alive is only starved: it is not taken for dead."""
        living = near(worker) and alive(worker)
        return 1.5 * self._settings.stage_timeout_s + 60 if living else self._settings.job_lease_s

    def _resend(self, database: Database, free: Sequence[Lease]) -> None:
        """Send jobs again, within their attempt, that nobody holds and no waiting message is about: Redis lost it, or
        whoever was to send it died, or a worker that is only starting, or starved, has it in hand. In that case a
        second message does no harm. Of all who notice, one sends."""
        waiting = named(self._settings)
        for lease in free:
            if lease.job_id in waiting or not database.noticed(lease):
                continue
            _log.warning("message_lost", job_id=lease.job_id)
            if lease.status is JobStatus.CANCELLING:
                recover(self._settings, database, lease)
            else:
                send(database, database.get(lease.job_id))

    def _listen(self, leases: Collection[Lease], messages: Mapping[str, int]) -> None:
        """Start this worker again if it has become deaf, as Celery may be after its connection to Redis broke."""
        taken = sum(state.total_count.values())
        idle = taken == self._taken and not any(_mine(lease.worker) for lease in leases)
        self._taken = taken
        self._unheard = self._unheard + 1 if idle and any(messages[queue] for queue in self._queues) else 0
        if self._unheard >= self._rounds(DEAF_LEASES * self._settings.job_lease_s):
            self._unheard = 0
            _log.error("worker_deaf", messages=dict(messages))
            self._deaf()


def _rounds(lease: Lease, seen: tuple[Lease, int] | None) -> int:
    """For how many rounds nobody has touched a job."""
    return seen[1] + 1 if seen is not None and seen[0] == lease else 0


def _mine(worker: str) -> bool:
    """Whether a holder is a child of this process."""
    return near(worker) and alive(worker) and _stat(int(worker.split(":")[1]))[1:2] == [str(os.getpid())]
