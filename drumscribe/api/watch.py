"""What the API does between requests: write webhooks, and count the jobs that an embedded worker has ended."""

from __future__ import annotations

import asyncio
import time

from drumscribe.api.webhooks import Webhooks
from drumscribe.errors import StorageError
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import JobStatus
from drumscribe.observability import logs, metrics

_log = logs.get(__name__)

EVERY_S = 1.0
_PRUNE_S = 3600.0


class Watch:
    """A background task for the life of the application.

    Args:
        count: whether this process counts ended jobs; Celery's workers count their own.
    """

    def __init__(self, database: Database, webhooks: Webhooks, *, count: bool) -> None:
        self._database = database
        self._webhooks = webhooks
        self._count = count
        self._seen = time.time()
        self._pruned = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="watch")

    async def stop(self) -> None:
        """End; a message that is being sent is sent again by the next process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.once()
            except StorageError as error:
                _log.warning("watch_waits", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """One round. Raises StorageError."""
        if self._count:
            await asyncio.to_thread(self._count_ended)
        due = await asyncio.to_thread(self._webhooks.outbox.due)
        await asyncio.gather(*(self._webhooks.send(self._webhooks.written(one)) for one in due))
        if time.monotonic() - self._pruned > _PRUNE_S:
            self._pruned = time.monotonic()
            await asyncio.to_thread(self._webhooks.outbox.prune)

    def _count_ended(self) -> None:
        latest = self._seen
        for status in (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED):
            for job in self._database.find(status=status, limit=100):
                if job.finished_at is not None and job.finished_at > self._seen:
                    latest = max(latest, job.finished_at)
                    metrics.job_done(job)
                    metrics.stages_of(job)
        self._seen = latest
