"""ASGI middleware around every request: its time, its size, its log lines."""

from __future__ import annotations

import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drumscribe.api import problems
from drumscribe.observability import logs, metrics, traces

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
JSON_LIMIT = 8 * 2**20
"""Bytes of a body that is no upload: it is read into memory (100,000 hits take about that)."""
UPLOADS = ("multipart/form-data", "application/offset+octet-stream")
"""Media types of what goes to disk as it comes."""


class Observe:
    """Times every request, puts method and path on its log lines, and sets the headers that all answers have."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        # Any word is a method to HTTP; each would leave its own counters behind.
        method = scope["method"] if scope["method"] in METHODS else "other"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
                route = getattr(scope.get("route"), "path", "other")
                taken = time.perf_counter() - begun
                metrics.HTTP_SECONDS.labels(method, route, str(message["status"])).observe(taken)
                traces.describe(f"{method} {route}", {"http.response.status_code": message["status"]})
            await send(message)

        with logs.bind(method=scope["method"], path=scope["path"]):
            if scope["method"] in ("GET", "HEAD", "OPTIONS"):  # thousands of polls would hide the few that do something
                await self.app(scope, receive, answer)
                return
            parent = {"traceparent": Headers(scope=scope).get("traceparent", "")}
            with traces.span(method, {"http.request.method": method}, parent=parent):
                await self.app(scope, receive, answer)


class LimitBody:
    """Refuses an upload over ``limit`` bytes, and any other body over :data:`JSON_LIMIT`: by its announced length at
    once, else when it gets there."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        upload = headers.get("content-type", "").strip().lower().startswith(UPLOADS)
        limit = self.limit if upload else min(self.limit, JSON_LIMIT)
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            what = f"The request is larger than {limit >> 20} MiB."
            todo = "Send less, or raise MAX_FILE_SIZE_MB." if upload else "Send it in parts."
            await problems.problem(413, "too_large", what, todo)(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        await self.app(scope, limited, send)
