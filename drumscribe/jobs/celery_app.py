"""The Celery application: three queues over Redis, one task a step, settings in one place.

    celery -A drumscribe.jobs.celery_app worker -Q fetch -c 4
    celery -A drumscribe.jobs.celery_app worker -Q default -c 4
    celery -A drumscribe.jobs.celery_app worker -Q heavy -c 1 --max-tasks-per-child 20 --max-memory-per-child 4500000

``python -m drumscribe.jobs.work_queue fetch|default|heavy`` runs these with the numbers from the settings.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from drumscribe.jobs.queues import DEFAULT, PRIORITIES, SEPARATOR
from drumscribe.settings import Settings, get_settings


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings, with the reason for each that is not its default."""
    return {
        "broker_url": settings.redis_url,
        # Jobs are rows in the database: nothing asks Celery for results.
        "task_ignore_result": True,
        "result_backend": None,
        # A message is done when its step is done, not when it was taken: a killed worker loses nothing.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # One message in hand at a time, so that urgent ones are not stuck behind those a busy worker holds.
        "worker_prefetch_multiplier": 1,
        "broker_transport_options": {
            # After this Redis gives a message to another worker. Steps that take longer are safe: a second delivery
            # finds the job held and is dropped.
            "visibility_timeout": int(settings.stage_timeout_s * 2),
            "priority_steps": list(PRIORITIES),
            "sep": SEPARATOR,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        "task_default_queue": DEFAULT,
        "task_default_priority": PRIORITIES[len(PRIORITIES) // 2],
        # A chain's later steps have priorities of their own (see sending.dispatch).
        "task_inherit_parent_priority": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        # The heartbeat stops a slow stage in good order; this is for one that does not listen.
        "task_time_limit": settings.stage_timeout_s * 1.5 + 60,
        # A new heavy child imports the networks' libraries before it takes a message.
        "worker_proc_alive_timeout": 600,
        # A step that ends while Redis is away keeps the next step's message until Redis is back (about two minutes).
        "task_publish_retry_policy": {
            "max_retries": 120,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 1.0,
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": False,
        "enable_utc": True,
    }


app = Celery("drumscribe", include=["drumscribe.jobs.tasks"])
app.conf.update(configuration(get_settings()))
