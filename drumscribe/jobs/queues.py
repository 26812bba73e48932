"""The queues in Redis: what goes where, how urgent it is, and how much waits."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from drumscribe.errors import StorageError
from drumscribe.settings import Settings
from drumscribe.types import STAGES

FETCH, DEFAULT, HEAVY = "fetch", "default", "heavy"
"""``fetch`` alone reaches out of the deployment: for links, for weights, and to the addresses of webhooks."""
QUEUES = (FETCH, DEFAULT, HEAVY)
POST = "post"
"""The task that sends a webhook's message."""
STEPS: dict[str, str] = {
    "fetch": FETCH, "ingest": DEFAULT, "separate": HEAVY, "detect": HEAVY, "beats": HEAVY, "finish": DEFAULT,
}  # fmt: skip
"""The chain of a job, in order: step → queue. ``finish`` quantises, notates, and saves."""
PRIORITIES = tuple(range(10))
"""Celery's priorities over Redis; 0 is served first."""
SEPARATOR = ":"


def steps_of(source: str) -> dict[str, str]:
    """The chain of a job with that source: only a link has to be fetched.

    >>> "fetch" in steps_of("https://youtu.be/abcDEF12345"), "fetch" in steps_of("uploads/0a.wav")
    (True, False)
    """
    here = source.startswith("uploads/")
    return {step: queue for step, queue in STEPS.items() if not (here and queue == FETCH)}


def elsewhere(queue: str) -> frozenset[str]:
    """Stages that whoever serves ``queue`` only looks up: who fetches computes nothing, and nobody else fetches."""
    every = {*STEPS, *STAGES}
    if queue == FETCH:
        return frozenset(every - {"fetch"})
    heavy = {step for step, where in STEPS.items() if where == HEAVY}
    return frozenset({"fetch"} | (heavy if queue == DEFAULT else set()))


def names(queue: str) -> list[str]:
    """The Redis lists of a queue, most urgent first (kombu keeps one for each priority)."""
    return [queue if step == 0 else f"{queue}{SEPARATOR}{step}" for step in PRIORITIES]


def depths(settings: Settings) -> dict[str, int]:
    """Messages that wait, by queue. Raises StorageError where Redis cannot be reached."""
    with asking(settings) as client:
        pipe = client.pipeline(transaction=False)
        for queue in QUEUES:
            for name in names(queue):
                pipe.llen(name)
        found = iter(pipe.execute())
    return {queue: sum(next(found) for _ in PRIORITIES) for queue in QUEUES}


def named(settings: Settings) -> set[str]:
    """Ids of the jobs that waiting messages are about. Raises StorageError where Redis cannot be reached."""
    with asking(settings) as client:
        pipe = client.pipeline(transaction=False)
        for queue in QUEUES:
            for name in names(queue):
                pipe.lrange(name, 0, -1)
        messages = [json.loads(message) for found in pipe.execute() for message in found]
    bodies = [json.loads(base64.b64decode(message["body"])) for message in messages]  # [args, kwargs, options]
    return {arguments[0] for arguments, *_ in bodies if arguments}


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
