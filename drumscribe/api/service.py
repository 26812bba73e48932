"""``/api/v1/health`` and ``/api/v1/live`` for probes and people, ``/metrics`` for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerError

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text

from drumscribe._version import __version__
from drumscribe.api.auth import Caller
from drumscribe.api.problems import ProblemError, retry_after
from drumscribe.api.schemas import Component, Health, QuotaView, WebhookSecret
from drumscribe.errors import DrumScribeError
from drumscribe.jobs.db import Database, reaching
from drumscribe.observability import logs, metrics
from drumscribe.settings import Settings
from drumscribe.storage.files import Store

router = APIRouter(tags=["service"])
_log = logs.get(__name__)

CHECK_S = 3.0
"""A part that has not answered after this long counts as down."""
_KEEP_S = 5.0
"""Probes of many machines share an answer for this long."""
_looking = threading.Lock()
_checkers = ThreadPoolExecutor(8, thread_name_prefix="health")


@router.get("/api/v1/health", responses={503: {"model": Health, "description": "A part in use is down."}})
def health(request: Request, response: Response) -> Health:
    """The state of each part: database, broker, storage, models. 503 if one that is in use is down."""
    state = request.app.state
    known: tuple[float, Health] | None = getattr(state, "health", None)
    # One request looks and the others take the last answer: a part that hangs must not hold all threads.
    if (known is None or time.monotonic() - known[0] > _KEEP_S) and _looking.acquire(blocking=known is None):
        try:
            known = getattr(state, "health", None) or known
            if known is None or time.monotonic() - known[0] > _KEEP_S:
                known = (time.monotonic(), _look(state.settings, state.database))
                state.health = known
        finally:
            _looking.release()
    assert known is not None
    response.status_code = 200 if known[1].status == "up" else 503
    response.headers.update(retry_after(response.status_code, _KEEP_S))
    return known[1]


@router.get("/api/v1/live")
def live() -> dict[str, str]:
    """This process answers: the liveness probe, which does not fail because another part is down."""
    return {"status": "up"}


@router.get("/api/v1/webhook-secret")
def webhook_secret(request: Request, caller: Caller) -> WebhookSecret:
    """The key that the caller's own webhooks are signed with."""
    return WebhookSecret(secret=request.app.state.webhooks.secret_of(caller.name))


@router.get("/api/v1/quota")
def quota(request: Request, caller: Caller) -> QuotaView:
    """What is left of the caller's quotas: songs at once, minutes of music today, storage."""
    return QuotaView.of(request.app.state.runner.allowance(caller.name))


@router.get("/metrics", response_class=Response, include_in_schema=False)
def prometheus(request: Request, caller: Caller) -> Response:
    """Prometheus' text format. It asks for a key of the deployment (``authorization`` in prometheus.yml)."""
    if caller.personal:
        raise ProblemError(403, "forbidden", "Metrics are the operator's.", "Send a key of API_KEYS.")
    state = request.app.state
    depths = metrics.DepthCollector(lambda: _counts(state.database), lambda: _queues(state.settings, state.database))
    return Response(metrics.render(depths), media_type=CONTENT_TYPE_LATEST)


def _look(settings: Settings, database: Database) -> Health:
    checks: dict[str, Callable[[], str]] = {
        "database": lambda: _database(settings, database),
        "broker": lambda: _broker(settings),
        "storage": lambda: _storage(settings),
    }
    running = {name: _checkers.submit(_timed, check) for name, check in checks.items()}
    end = time.monotonic() + CHECK_S
    parts: dict[str, Component] = {}
    for name, future in running.items():
        try:
            parts[name] = future.result(max(0.0, end - time.monotonic()))
        except NoAnswerError:
            parts[name] = Component(status="down", detail=f"no answer within {CHECK_S:g} s")
    if not settings.redis_url:
        parts["broker"] = Component(status="off", detail="one embedded worker")
    up = all(part.status != "down" for part in parts.values())
    return Health(status="up" if up else "degraded", version=__version__, models=_models(settings), **parts)


def _timed(check: Callable[[], str]) -> Component:
    begun = time.perf_counter()
    try:
        detail = check()
    except DrumScribeError as error:
        return Component(status="down", detail=logs.redact(error.what))
    return Component(status="up", detail=detail, latency_ms=round(1000 * (time.perf_counter() - begun), 1))


def _database(settings: Settings, database: Database) -> str:
    with reaching(), database.engine.connect() as connection:
        connection.execute(text("SELECT count(*) FROM jobs WHERE id = ''"))
    return database.engine.dialect.name


def _broker(settings: Settings) -> str:
    if settings.redis_url:
        from drumscribe.jobs.queues import ping

        ping(settings)
        return "redis"
    return ""


def _storage(settings: Settings) -> str:
    return Store(settings).check()


def _models(settings: Settings) -> dict[str, Component]:
    """Each model and whether it lies ready; one that is fetched when first needed is off, not down."""
    from drumscribe.weights.registry import catalogue

    found: dict[str, Component] = {}
    for model in catalogue(settings):
        ready = model.state in ("packaged", "ready", "folder")
        needed = model.used and model.purpose == "hits"
        found[model.name] = Component(status="up" if ready else "down" if needed else "off", detail=model.state)
    return found


def _counts(database: Database) -> dict[str, int]:
    try:
        return {str(status): count for status, count in database.counts().items()}
    except DrumScribeError as error:
        _log.warning("metrics_without_database", error=str(error))
        return {}


def _queues(settings: Settings, database: Database) -> dict[str, int]:
    """Messages in Redis, and to the heavy queue the jobs that will be sent there in their turn: workers are scaled by
    what waits, wherever that is."""
    if not settings.redis_url:
        return {}
    from drumscribe.jobs.queues import HEAVY, depths
    from drumscribe.jobs.sending import UNSENT

    try:
        found = depths(settings)
        return found | {HEAVY: found[HEAVY] + database.marked(UNSENT)}
    except DrumScribeError as error:
        _log.warning("metrics_without_broker", error=str(error))
        return {}
