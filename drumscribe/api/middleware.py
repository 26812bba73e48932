"""ASGI middleware around every request: its time, its size, its log lines."""

from __future__ import annotations

import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drumscribe.api import problems
from drumscribe.observability import logs, metrics, traces


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

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
                route = getattr(scope.get("route"), "path", "other")
                taken = time.perf_counter() - begun
                metrics.HTTP_SECONDS.labels(scope["method"], route, str(message["status"])).observe(taken)
                traces.describe(f"{scope['method']} {route}", {"http.response.status_code": message["status"]})
            await send(message)

        with logs.bind(method=scope["method"], path=scope["path"]):
            if scope["method"] in ("GET", "HEAD", "OPTIONS"):  # thousands of polls would hide the few that do something
                await self.app(scope, receive, answer)
                return
            parent = {"traceparent": Headers(scope=scope).get("traceparent", "")}
            with traces.span(scope["method"], {"http.request.method": scope["method"]}, parent=parent):
                await self.app(scope, receive, answer)


class LimitBody:
    """Refuses a request body over ``limit`` bytes: by its announced length at once, else when it gets there."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self.limit:
            what, todo = f"The request is larger than {self.limit >> 20} MiB.", "Send less, or raise MAX_FILE_SIZE_MB."
            await problems.problem(413, "too_large", what, todo)(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        await self.app(scope, limited, send)
