"""The FastAPI application: what is mounted, in which order, and what lives as long as the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from drumscribe._version import __version__
from drumscribe.api import docs, jobs, problems, service, uploads
from drumscribe.api.auth import Gate
from drumscribe.api.middleware import LimitBody, Observe
from drumscribe.api.schemas import JobRequest, Problem
from drumscribe.api.watch import Watch
from drumscribe.api.webhooks import Webhooks
from drumscribe.jobs.db import Database
from drumscribe.jobs.outbox import Outbox
from drumscribe.jobs.runner import connect
from drumscribe.jobs.stored import JobRunner
from drumscribe.settings import Settings, get_settings

_MULTIPART_SLACK = 2**20
_DESCRIPTION = """Recorded music in, drum sheet music out.

Submit a song with `POST /api/v1/jobs`, follow it with `GET /api/v1/jobs/{id}` or its event stream, then fetch the
result or download the score. Errors are `application/problem+json` (RFC 9457) with a `code` and advice in `todo`."""


def create_app(settings: Settings | None = None, runner: JobRunner | None = None) -> FastAPI:
    """Build the application. Without ``runner`` it makes the one that ``settings`` call for, and closes it.

    Raises OptionsError for settings that do not make sense.
    """
    settings = (settings or get_settings()).model_copy(update={"public": True})
    gate = Gate(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runner = runner or connect(settings)
        database = Database(settings)
        app.state.database = database
        app.state.webhooks = Webhooks(settings, Outbox(database))
        watch = Watch(database, app.state.webhooks, count=not settings.redis_url)
        watch.start()
        try:
            yield
        finally:
            await watch.stop()
            await app.state.webhooks.close()
            database.close()
            if runner is None:
                app.state.runner.close()

    app = FastAPI(
        title="DrumScribe",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        root_path=settings.api_root_path,
        redirect_slashes=False,  # its redirects lead to whatever host the request names
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses={"default": {"model": Problem, "content": {problems.MEDIA_TYPE: {}}, "description": "Problem"}},
        # Ours is the one span of a request (drumscribe.api.middleware): FastAPI's would begin a trace of its own.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.settings = settings
    app.state.gate = gate
    app.state.streams = Counter[str]()
    problems.install(app)
    app.include_router(jobs.router)
    app.include_router(uploads.router)
    app.include_router(service.router)
    app.include_router(docs.router)
    app.add_middleware(uploads.Tus)
    app.add_middleware(LimitBody, limit=int(settings.max_file_size_mb * 2**20) + _MULTIPART_SLACK)
    app.add_middleware(Observe)
    origins = [origin.strip() for origin in settings.api_cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "X-API-Key",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "X-HTTP-Method-Override",
                *uploads.HEADERS,
            ],
            expose_headers=["ETag", "Location", "RateLimit", "Retry-After", *uploads.ANSWERS],
        )
    if gate.open:
        # A name that resolves to loopback must not let a web page talk to us as if it were ours (DNS rebinding).
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", "::1", "testserver"])
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; submitting takes two media types, which FastAPI cannot say by itself."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes,
            servers=[{"url": app.root_path}] if app.root_path else None,
        )  # fmt: skip
        _, extra = models_json_schema([(JobRequest, "validation")], ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in extra.get("$defs", {}).items():
            schemas.setdefault(name, schema)
        app.openapi_schema = document
    return app.openapi_schema
