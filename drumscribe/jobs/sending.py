"""Sending jobs to the workers: the chain of steps of a job as Celery messages."""

from __future__ import annotations

from celery import chain
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from drumscribe.jobs.celery_app import app
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.queues import PRIORITIES, STEPS
from drumscribe.observability import logs, traces

_log = logs.get(__name__)

UNSENT = "unsent"
"""In a queued row's ``worker``: its message could not be sent."""


def priority_of(job: Job) -> int:
    """Celery's priority: short songs before long ones, by size before the length is known."""
    step = job.priority if job.duration_s is None else int(job.duration_s // 120)
    return max(PRIORITIES[0], min(PRIORITIES[-1], step))


def dispatch(job: Job) -> None:
    """Send a job's chain: of its next attempt if it is queued, else again of the present one.

    Raises kombu's and redis' connection errors.
    """
    priority, attempt = priority_of(job), job.attempts + (job.status is JobStatus.QUEUED)
    with traces.span("queue job", {"job.id": job.id, "job.attempt": attempt}):
        headers = traces.carrier()  # all steps belong to one trace, also where a worker sends them anew
    steps = [
        app.signature(
            f"drumscribe.{step}",
            args=(job.id, attempt),
            kwargs={"trace": headers},
            immutable=True,
            queue=queue,
            priority=priority,
        )
        for step, queue in STEPS.items()
    ]
    chain(*steps).apply_async(priority=priority, retry=False)


def send(database: Database, job: Job) -> bool:
    """Send a job's chain; where the broker is away, remember that it must be sent. Raises StorageError."""
    try:
        dispatch(job)
    except (BrokerError, RedisError, OSError) as error:
        _log.warning("broker_away", job_id=job.id, error=str(error))
        database.mark(job.id, UNSENT)
        return False
    return True
