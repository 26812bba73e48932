"""The two queues in Redis: what goes where, how urgent it is, and how much waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from drumscribe.errors import StorageError
from drumscribe.settings import Settings

DEFAULT, HEAVY = "default", "heavy"
STEPS: dict[str, str] = {"ingest": DEFAULT, "separate": HEAVY, "detect": HEAVY, "beats": HEAVY, "finish": DEFAULT}
"""The chain of a job, in order: step → queue. ``finish`` quantises, notates, and saves."""
PRIORITIES = tuple(range(10))
"""Celery's priorities over Redis; 0 is served first."""
SEPARATOR = ":"


def names(queue: str) -> list[str]:
    """The Redis lists of a queue, most urgent first (kombu keeps one for each priority)."""
    return [queue if step == 0 else f"{queue}{SEPARATOR}{step}" for step in PRIORITIES]


def depths(settings: Settings) -> dict[str, int]:
    """Messages that wait, by queue. Raises StorageError where Redis cannot be reached."""
    with asking(settings) as client:
        pipe = client.pipeline(transaction=False)
        for queue in (DEFAULT, HEAVY):
            for name in names(queue):
                pipe.llen(name)
        found = pipe.execute()
    middle = len(PRIORITIES)
    return {DEFAULT: sum(found[:middle]), HEAVY: sum(found[middle:])}


def ping(settings: Settings) -> None:
    """Raises StorageError where Redis does not answer."""
    with asking(settings) as client:
        client.ping()


@contextmanager
def asking(settings: Settings) -> Iterator[Any]:
    """A connection to the broker. Its errors become StorageError."""
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        yield client
    except redis.RedisError as error:
        raise StorageError("The queue (Redis) cannot be reached.", "Check REDIS_URL and that Redis runs.") from error
    finally:
        client.close()
