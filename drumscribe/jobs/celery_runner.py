"""The runner of a deployment with ``REDIS_URL``: it queues, Celery's workers do."""

from __future__ import annotations

from drumscribe.errors import JobConflictError, StorageError
from drumscribe.jobs import migrate
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.sending import UNSENT, feed
from drumscribe.jobs.stored import JobRunner
from drumscribe.observability import logs, traces
from drumscribe.settings import Settings

_log = logs.get(__name__)


class CeleryRunner(JobRunner):
    """A :class:`~drumscribe.jobs.stored.JobRunner` over Redis, for any number of web and worker processes.

    Args:
        settings: ``redis_url``, ``database_url`` (migrated), ``storage_url``, and limits.

    Raises:
        StorageError: the database has no tables of this version.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        if self.database.engine.dialect.name == "sqlite":
            migrate.upgrade(self.database.engine)

    def _queued(self, job: Job) -> None:
        self.database.mark(job.id, UNSENT, trace=traces.carrier().get("traceparent", ""))
        try:
            feed(self.settings, self.database)
        except StorageError as error:  # the workers will, once the broker is back
            _log.warning("broker_away", job_id=job.id, error=str(error))

    def cancel(self, job_id: str, *, owner: str | None) -> Job:
        """See :meth:`JobRunner.cancel`."""
        job = super().cancel(job_id, owner=owner)
        if job.status is JobStatus.CANCELLING:
            try:  # between two steps nobody holds it, so nobody would notice
                return self.database.move(job_id, JobStatus.CANCELLED, worker="", message="Cancelled")
            except JobConflictError:
                return self.database.get(job_id, owner=owner)
        return job
