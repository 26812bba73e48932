"""Sending jobs to the workers: the chain of steps of a job as Celery messages.

A message that was sent has its place in Redis for good, so only a few wait there at a time (``queue_ahead``); the other
jobs wait in the database, where whose turn it is can still change (:mod:`drumscribe.jobs.fairness`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from celery import chain
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from drumscribe.errors import StorageError
from drumscribe.jobs.celery_app import app
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.outbox import CLAIM_S, Message
from drumscribe.jobs.queues import DEFAULT, FETCH, HEAVY, POST, PRIORITIES, depths, steps_of
from drumscribe.observability import logs, traces
from drumscribe.settings import Settings

_log = logs.get(__name__)

LAST_STEPS = ("detect", "beats", "finish")
"""Urgent, so that songs which were begun are ended before others begin, instead of all of them side by side."""
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
            priority=PRIORITIES[0] if step in LAST_STEPS else priority,
        )
        for step, queue in steps_of(job.source).items()
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


def post(message: Message) -> None:
    """Hand a message to who may reach out; it is urgent, and void once its claim is over. Raises StorageError."""
    try:
        app.send_task(
            f"drumscribe.{POST}",
            kwargs=asdict(message),
            queue=FETCH,
            priority=PRIORITIES[0],
            expires=CLAIM_S,
            retry=False,
        )
    except (BrokerError, RedisError, OSError) as error:
        raise StorageError("The queue (Redis) cannot be reached.", "Check REDIS_URL and that Redis runs.") from error


def feed(settings: Settings, database: Database, messages: Mapping[str, int] | None = None) -> int:
    """Send jobs that wait, in fair order, until enough messages do; called whenever one was taken from a queue.

    Links and uploads each have room of their own: a slow video site holds up nobody who sent a file.

    ``messages`` is how many wait in each queue, where that is known already. Returns how many were sent. Raises
    StorageError where database or broker is away.
    """
    messages = depths(settings) if messages is None else messages
    sent = 0
    for uploads, waiting in ((False, messages[FETCH]), (True, messages[DEFAULT] + messages[HEAVY])):
        for _ in range(settings.queue_ahead - waiting):
            job = database.next_unsent(UNSENT, uploads=uploads)
            if job is None or not send(database, job):
                break
            sent += 1
    return sent
