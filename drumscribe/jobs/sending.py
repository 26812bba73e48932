"""Sending jobs to the workers: the chain of steps of a job as Celery messages.

A message that was sent has its place in Redis for good, so only a few wait there at a time (``queue_ahead``); the other
jobs wait in the database, where whose turn it is can still change (:mod:`drumscribe.jobs.fairness`).
"""

from __future__ import annotations

from celery import chain
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from drumscribe.jobs.celery_app import app
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.queues import PRIORITIES, STEPS, depths
from drumscribe.observability import logs, traces
from drumscribe.settings import Settings

_log = logs.get(__name__)

UNSENT = "unsent"
"""In a queued row's ``worker``: its message was not sent yet."""


def priority_of(job: Job) -> int:
    """Celery's priority: short songs before long ones, by size before the length is known."""
    step = job.priority if job.duration_s is None else int(job.duration_s // 120)
    return max(PRIORITIES[0], min(PRIORITIES[-1], step))


def dispatch(job: Job, trace: str = "") -> None:
    """Send a job's chain: of its next attempt if it is queued, else again of the present one.

    ``trace`` is the traceparent of its submission: whoever sends it may be at work for somebody else.

    Raises kombu's and redis' connection errors.
    """
    priority, attempt = priority_of(job), job.attempts + (job.status is JobStatus.QUEUED)
    parent = {"traceparent": trace} if trace else None
    with traces.span("queue job", {"job.id": job.id, "job.attempt": attempt}, parent=parent):
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
        dispatch(job, database.trace_of(job.id))
    except (BrokerError, RedisError, OSError) as error:
        _log.warning("broker_away", job_id=job.id, error=str(error))
        database.mark(job.id, UNSENT)
        return False
    return True


def feed(settings: Settings, database: Database, messages: int | None = None) -> int:
    """Send jobs that wait, in fair order, until enough messages do; called whenever one was taken from a queue.

    ``messages`` is how many wait, where that is known already. Returns how many were sent. Raises StorageError where
    database or broker is away.
    """
    room = settings.queue_ahead - (sum(depths(settings).values()) if messages is None else messages)
    sent = 0
    while sent < room and (job := database.next_unsent(UNSENT)) is not None and send(database, job):
        sent += 1
    return sent
