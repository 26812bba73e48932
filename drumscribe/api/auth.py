"""Who asks, and how much they may ask: API keys, people's tokens, rate limits, and quotas.

A key of ``API_KEYS`` belongs to a program of the deployment; with a token (:mod:`drumscribe.jobs.tokens`) a program is
the person who made it in the studio. Without ``API_KEYS`` the API is open, without limits, and may listen on loopback
only (see :func:`check_exposure`); a token names its person there, too.
Counters live in Redis where there is one, so that all API processes share them, else in memory.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItem, parse_many
from limits.errors import StorageError as LimitsStorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from drumscribe.api.problems import ProblemError
from drumscribe.errors import OptionsError
from drumscribe.jobs.db import Database
from drumscribe.jobs.people import People
from drumscribe.jobs.tokens import Tokens, is_token
from drumscribe.observability import logs
from drumscribe.runtime import loopback
from drumscribe.settings import Settings

_log = logs.get(__name__)

OPEN = "local"
"""Owner of everything while no keys are configured."""
_READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Client:
    """The caller: ``name`` owns the jobs it submits; ``personal``, where it came with a person's token."""

    name: str
    personal: bool = False


def parse_keys(text: str) -> dict[str, bytes]:
    """Read ``name=key`` pairs into SHA-256 digests by name. Raises OptionsError.

    >>> sorted(parse_keys("school=s3cret, app=sha256:" + "ab" * 32))
    ['app', 'school']
    """
    keys: dict[str, bytes] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, found, key = pair.partition("=")
        if not (found and name.strip() and key.strip()) or name.strip() in keys:
            raise OptionsError("API_KEYS cannot be read.", "Write it as name=key,name=key, with each name once.")
        key = key.strip()
        try:
            digest = bytes.fromhex(key[7:]) if key.startswith("sha256:") else hashlib.sha256(key.encode()).digest()
        except ValueError:
            digest = b""
        if len(digest) != 32:
            raise OptionsError(
                f"The key of {name.strip()} in API_KEYS is not a SHA-256 checksum.", "Write sha256: and 64 hex digits."
            )
        keys[name.strip()] = digest
    return keys


def check_exposure(settings: Settings) -> None:
    """Refuse to be open to a network without keys. Raises OptionsError."""
    if settings.api_keys.get_secret_value():
        return
    if not loopback(settings.api_host):
        raise OptionsError(
            f"Without API_KEYS the API would be open to everyone who reaches {settings.api_host}.",
            "Set API_KEYS, or listen on 127.0.0.1.",
        )


class Gate:
    """Checks keys and counts requests and jobs for one application."""

    def __init__(self, settings: Settings) -> None:
        self._keys = parse_keys(settings.api_keys.get_secret_value())
        self._origins = frozenset(filter(None, (part.strip() for part in settings.api_cors_origins.split(","))))
        self._requests = _limits("API_RATE_LIMIT", settings.api_rate_limit)
        self._jobs = _limits("API_JOBS_LIMIT", settings.api_jobs_limit)
        self._memory = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = self._memory
        if settings.redis_url:
            storage = storage_from_string(
                settings.redis_url, wrap_exceptions=True, socket_timeout=1, socket_connect_timeout=1
            )
            self._shared = SlidingWindowCounterRateLimiter(storage)

    @property
    def open(self) -> bool:
        """No keys are configured: everybody is the same client, without limits."""
        return not self._keys

    @property
    def shared(self) -> bool:
        """Counting needs the network."""
        return not self.open and self._shared is not self._memory

    def identify(self, key: str | None) -> Client:
        """The client behind ``key``. Raises ProblemError (401)."""
        if not self._keys:
            return Client(OPEN)
        digest = hashlib.sha256((key or "").encode()).digest()
        # Every key is compared, so that the time taken says nothing about which one was nearly right.
        names = [name for name, expected in self._keys.items() if hmac.compare_digest(digest, expected)]
        if not names:
            raise _unauthorized("The API key is not known." if key else "This API needs a key.")
        return Client(names[0])

    def count_request(self, client: Client, response: Response) -> None:
        """Count one request and say in its headers what is left. Raises ProblemError (429)."""
        if not self._keys:
            return
        left, reset = self._count(self._requests, "request", client)
        if left is not None:
            response.headers["RateLimit"] = f'"requests";r={left};t={reset}'

    def count_job(self, client: Client) -> None:
        """Count one submitted job. Raises ProblemError (429)."""
        if self._keys:
            self._count(self._jobs, "job", client)

    def check_origin(self, request: Request) -> None:
        """While open, take no changes from foreign web pages: a browser sends them with its user's loopback access.

        Raises ProblemError (403).
        """
        origin = request.headers.get("origin")
        if self._keys or not origin or request.method in _READING or origin in self._origins:
            return
        if origin.partition("://")[2] != request.headers.get("host"):
            raise ProblemError(
                403,
                "foreign_origin",
                "This API takes no requests from other web sites.",
                "Add the site to API_CORS_ORIGINS if it is yours.",
            )

    def _count(self, items: list[RateLimitItem], kind: str, client: Client) -> tuple[int | None, int]:
        least: int | None = None
        reset = 0
        for item in items:
            allowed, remaining, reset_at = self._hit(item, kind, client.name)
            wait = max(1, math.ceil(reset_at - time.time()))
            if not allowed:
                raise ProblemError(
                    429,
                    "rate_limit" if kind == "request" else "quota",
                    f"More than {item.amount} {kind}s in {item.get_expiry()} s.",
                    f"Wait {wait} s and try again.",
                    headers={"Retry-After": str(wait)},
                )
            if least is None or remaining < least:
                least, reset = remaining, wait
        return least, reset

    def _hit(self, item: RateLimitItem, kind: str, name: str) -> tuple[bool, int, float]:
        for limiter in (self._shared, self._memory):
            try:
                allowed = limiter.hit(item, kind, name)
                stats = limiter.get_window_stats(item, kind, name)
            except LimitsStorageError as error:
                # Better each process counting for itself than nobody being served while Redis is away.
                _log.warning("rate_limit_storage_down", error=str(error))
                continue
            return allowed, stats.remaining, stats.reset_time
        return True, item.amount, time.time()


def person_of(database: Database, text: str, method: str) -> Client:
    """The person behind a token. Raises ProblemError (401; 403: not with this one), BlockedError, StorageError."""
    token = Tokens(database).holder(text)
    if token is None:
        raise _unauthorized("The API token is not known, or was revoked.")
    if token.expired:
        raise _unauthorized("The API token has expired.")
    if token.reads_only and method not in _READING:
        raise ProblemError(403, "reads_only", "This token only reads.", "Make one on the Account page that may change.")
    People(database).get(token.owner).check()
    return Client(token.owner, personal=True)


def _unauthorized(what: str) -> ProblemError:
    todo = "Send a key or a token as Authorization: Bearer KEY or as X-API-Key."
    return ProblemError(401, "unauthorized", what, todo, headers={"WWW-Authenticate": "Bearer"})


def _limits(setting: str, text: str) -> list[RateLimitItem]:
    try:
        return parse_many(text) if text.strip() else []
    except ValueError as error:
        raise OptionsError(f"{setting} is not a rate limit: {text!r}.", 'Write it like "100/minute".') from error


_bearer = HTTPBearer(auto_error=False, description="API key or token")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="API key or token")


async def client_of(
    request: Request,
    response: Response,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    header: Annotated[str | None, Depends(_header)],
) -> Client:
    """Dependency: the caller, identified and counted."""
    gate: Gate = request.app.state.gate
    gate.check_origin(request)
    key = bearer.credentials if bearer else header
    if key and is_token(key):  # its row is in the database, which must not hold up the others
        client = await run_in_threadpool(person_of, request.app.state.database, key, request.method)
    else:
        client = gate.identify(key)
    if gate.shared:  # counting asks Redis, which must not hold up the others
        await run_in_threadpool(gate.count_request, client, response)
    else:
        gate.count_request(client, response)
    return client


Caller = Annotated[Client, Depends(client_of)]
