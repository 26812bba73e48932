"""The steps of a job as Celery tasks, chained: (fetch →) ingest → separate → detect → beats → finish.

Every step may be delivered twice, late, or to a second worker after the first was killed, and nothing goes wrong:
a message names the attempt it belongs to, a step is done only by whoever takes the job's row for it, and what was
computed lies in the stage cache. So a repeated step is a look-up, and a message of an earlier attempt is dropped.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import lru_cache
from typing import Any

from celery import Task
from celery.exceptions import TaskPredicate

from drumscribe.errors import DrumScribeError, JobConflictError, JobNotFoundError, NetworkError, StorageError
from drumscribe.jobs.celery_app import app
from drumscribe.jobs.db import Database, error_values
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.outbound import SafePoster
from drumscribe.jobs.outbox import Message, Outbox
from drumscribe.jobs.queues import POST, STEPS, elsewhere
from drumscribe.jobs.recovery import alive, holder, near, recover
from drumscribe.jobs.sending import feed
from drumscribe.jobs.work import Share, Workplace, patiently, perform
from drumscribe.jobs.worker import TOO_LATE
from drumscribe.observability import logs, metrics, traces
from drumscribe.settings import get_settings
from drumscribe.storage.files import Store
from drumscribe.types import STAGES

_log = logs.get(__name__)

_ORDER = tuple(STEPS)
RETRIES = 5
"""How often a step is tried again after an error that may pass by itself."""
MOVES = RETRIES + 4
"""How often, with those, before a step stops looking for a worker that has, or may compute, what it lacks."""


@lru_cache(maxsize=1)
def context() -> Workplace:
    """What this process keeps between steps; made anew after a fork (see work_queue).

    Its ``stop`` is never set: Celery lets a running step end; what is killed all the same is recovered.
    """
    settings = get_settings()
    return Workplace(
        holder(os.getpid()), settings, Database(settings), Store(settings), give_up=lambda: os._exit(TOO_LATE)
    )


def _step(task: Task, step: str, job_id: str, attempt: int, trace: dict[str, str] | None) -> None:
    here = context()
    with (
        logs.bind(job_id=job_id, step=step, attempt=attempt, worker=here.worker),
        traces.span(f"step {step}", {"job.id": job_id, "job.attempt": attempt}, parent=trace),
    ):
        job = patiently(lambda: here.database.take(job_id, here.worker, attempt))
        _feed(here)
        if job is None:
            if not _recovered(here, job_id):
                _log.info("step_dropped", reason="the job is elsewhere, has ended, or is in another attempt")
            task.request.chain = None
            return
        _log.info("step_begins")
        begun, used = time.perf_counter(), time.process_time()
        try:
            status = _perform(task, step, job, here)
        except StorageError as error:
            # We could not write that we let go of the job: dead, we are seen not to hold it any longer.
            _log.error("worker_ends", error=str(error))
            os._exit(TOO_LATE)
        except TaskPredicate:  # what Celery's retry is made of
            raise
        except Exception:  # noqa: BLE001 - alive, we would be taken for one who still works on it
            _log.exception("worker_ends")
            os._exit(TOO_LATE)
        finally:
            peak = metrics.peak_memory(STEPS[step])
            traces.flush()
        try:
            _count(here, job, status)
        except StorageError as error:  # the step is done all the same, and the next one must follow
            _log.warning("step_not_counted", error=str(error))
        took, used = round(time.perf_counter() - begun, 3), round(time.process_time() - used, 3)
        _log.info("step_ends", status=str(status), seconds=took, processor_s=used, peak_mb=peak >> 20)
        if status is not JobStatus.RUNNING:
            task.request.chain = None  # ended, deleted, or taken over: the steps after it are not sent


def _feed(here: Workplace) -> None:
    """This message has left its queue, so another job may have its turn."""
    try:
        feed(here.settings, here.database)
    except StorageError as error:  # the main process tries again every few seconds
        _log.warning("queue_not_fed", error=str(error))


def _perform(task: Task, step: str, job: Job, here: Workplace) -> JobStatus | None:
    passing: list[DrumScribeError] = []

    def again(error: DrumScribeError) -> bool:
        if isinstance(error, NetworkError | StorageError) and task.request.retries < RETRIES:
            passing.append(error)
        return bool(passing)

    lacking: list[str] = []
    share = Share(
        until=None if step == "finish" else step,
        elsewhere=elsewhere(task.request.delivery_info["routing_key"]),
        lacks=lacking.append,
        again=again,
    )
    status = perform(job, here, share)
    if status is JobStatus.RUNNING and lacking and _ORDER.index(lacking[0]) <= _ORDER.index(step):
        # Other weights or another version since, so the result has another name in the cache now; or a link's message
        # from a version that did not fetch apart.
        if task.request.retries >= MOVES:
            return _given_up(here, job.id, lacking[0])
        metrics.WORKER_RETRIES.labels(step, "elsewhere").inc()
        _log.warning("step_elsewhere", reason="an earlier result is not in the cache", lacking=lacking[0])
        raise task.retry(queue=STEPS[lacking[0]], countdown=0, max_retries=MOVES)
    if status is JobStatus.RUNNING and passing:
        metrics.WORKER_RETRIES.labels(step, passing[0].code).inc()
        delay = min(60, 2 ** (task.request.retries + 1))
        _log.warning("step_again", error=str(passing[0]), in_s=delay)
        raise task.retry(exc=passing[0], countdown=delay, max_retries=RETRIES + 1)
    return status


def _given_up(here: Workplace, job_id: str, lacking: str) -> JobStatus | None:
    """Fail a job that was let go of, whose results are gone from the cache whenever the next step looks for them."""
    error = StorageError(
        f"The result of stage {lacking!r} was not kept until the next step.", "Raise CACHE_SIZE_GB of the workers."
    )
    try:
        return patiently(lambda: here.database.move(job_id, JobStatus.FAILED, worker="", **error_values(error))).status
    except (JobConflictError, JobNotFoundError):
        return None


def _recovered(here: Workplace, job_id: str) -> bool:
    """Put the job back into the queue if its holder was a process of this machine that is no more.

    This is how the job of a killed child begins again at once: Celery gives its message to the next child.
    """
    for lease in here.database.leases():
        if lease.job_id == job_id and near(lease.worker):
            dead = lease.worker == here.worker or not alive(lease.worker)
            return dead and recover(here.settings, here.database, lease)
    return False


def _count(here: Workplace, before: Job, status: JobStatus | None) -> None:
    """Metrics of one step: its stages, and of the job if this was its end."""
    if status is None:
        return
    after = here.database.get(before.id)
    for stage, seconds in after.timings.items():
        if stage not in before.timings:
            metrics.stage_done(stage, seconds, cached=False)
    if status.finished:
        metrics.job_done(after)
    if status is JobStatus.DONE:
        for stage in STAGES:
            if stage not in after.timings:
                metrics.stage_done(stage, 0.0, cached=True)


def _register(step: str) -> None:
    def run(task: Task, job_id: str, attempt: int, trace: dict[str, str] | None = None) -> None:
        _step(task, step, job_id, attempt, trace)

    app.task(run, bind=True, name=f"drumscribe.{step}")


for _name in STEPS:
    _register(_name)


def _post(**values: Any) -> None:
    """Send a webhook's message (the fields of :class:`drumscribe.jobs.outbox.Message`)."""
    here = context()

    async def send() -> None:
        poster = SafePoster.of(here.settings)
        try:
            await Outbox(here.database).send(Message(**values), poster)
        finally:
            await poster.close()

    asyncio.run(send())


app.task(_post, name=f"drumscribe.{POST}")
