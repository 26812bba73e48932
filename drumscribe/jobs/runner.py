"""The runner that the settings call for: the embedded one (one worker process, SQLite), or Celery's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drumscribe.jobs.stored import JobRunner
    from drumscribe.settings import Settings


def connect(settings: Settings | None = None) -> JobRunner:
    """One per process is enough; it is safe to share between threads. Celery's where ``REDIS_URL`` is set."""
    from drumscribe.settings import get_settings

    settings = settings or get_settings()
    if settings.redis_url:
        from drumscribe.jobs.celery_runner import CeleryRunner

        return CeleryRunner(settings)
    from drumscribe.jobs.local import LocalRunner

    return LocalRunner(settings)
