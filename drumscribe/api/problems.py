"""Errors on the wire: RFC 9457 ``application/problem+json``, made from the one error tree.

Every problem has ``type``, ``title``, ``status``, ``detail`` and the tree's ``code`` and ``todo``.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from drumscribe import errors
from drumscribe.observability import logs

_log = logs.get(__name__)

MEDIA_TYPE = "application/problem+json"
_OWN_PHRASES = {460: "Checksum Mismatch"}
"""Of statuses that only the tus protocol has."""
RETRY_S = 5
"""When to try again where nobody knows better."""

STATUS: dict[type[errors.DrumScribeError], int] = {
    errors.SourceError: 422,
    errors.TooLargeError: 413,
    errors.NetworkError: 502,
    errors.ModelError: 503,
    errors.StageError: 422,
    errors.PdfBackendError: 503,
    errors.ProjectError: 422,
    errors.EditError: 422,
    errors.OptionsError: 422,
    errors.StorageError: 503,
    errors.JobError: 409,
    errors.JobNotFoundError: 404,
    errors.JobConflictError: 409,
    errors.QuotaError: 429,
    errors.BlockedError: 403,
    errors.OverloadedError: 503,
    errors.WorkerDiedError: 503,
    errors.Cancelled: 409,
    errors.DrumScribeError: 500,
}
"""HTTP status of each branch of the tree; a class that is not named has its parent's."""


class ProblemError(Exception):
    """A refusal that belongs to HTTP alone (no key, wrong media type), hence not in the error tree."""

    def __init__(
        self, status: int, code: str, what: str, todo: str = "", *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(what)
        self.status = status
        self.body = {"code": code, "what": what, "todo": todo, **more}
        self.headers = headers or {}


def status_of(error: errors.DrumScribeError) -> int:
    """HTTP status for an error of the tree.

    >>> status_of(errors.TooLargeError("")), status_of(errors.SilentAudioError(""))
    (413, 422)
    """
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def problem(
    status: int, code: str, what: str, todo: str = "", *, headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """The response for one problem; ``more`` are extension members. One that may pass says when to try again."""
    body = {
        "type": f"urn:drumscribe:problem:{code}",
        "title": _OWN_PHRASES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": f"{what} {todo}".strip(),
        "code": code,
        "todo": todo,
        **more,
    }
    return JSONResponse(body, status, {**retry_after(status), **(headers or {})}, MEDIA_TYPE)


def retry_after(status: int, seconds: float | None = None) -> dict[str, str]:
    """The header of an answer that may be another soon."""
    if status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return {}
    return {"Retry-After": str(max(1, math.ceil(RETRY_S if seconds is None else seconds)))}


def from_error(error: errors.DrumScribeError) -> JSONResponse:
    """The response for an error of the tree."""
    status = status_of(error)
    headers = retry_after(status, getattr(error, "retry_after_s", None))
    return problem(status, error.code, error.what, error.todo, headers=headers)


_HTTP_TODO = {
    400: "Correct the request; /api/v1/docs shows its form.",
    404: "Check the path against /api/v1/docs.",
    405: "Use a method that the Allow header names.",
    413: "Send less; MAX_FILE_SIZE_MB sets the limit.",
}


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as problem+json; unexpected ones are logged and shown without details."""

    @app.exception_handler(errors.DrumScribeError)
    async def _known(_request: Request, error: errors.DrumScribeError) -> JSONResponse:
        return from_error(error)

    @app.exception_handler(ProblemError)
    async def _refused(_request: Request, error: ProblemError) -> JSONResponse:
        return problem(error.status, headers=error.headers, **error.body)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        code = "too_large" if error.status_code == 413 else phrase.lower().replace(" ", "_")
        what = str(error.detail).rstrip(".") if error.detail else phrase
        todo = _HTTP_TODO.get(error.status_code, "")
        return problem(error.status_code, code, f"{what}.", todo, headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            {"field": ".".join(str(part) for part in item["loc"]), "message": str(item["msg"])}
            for item in error.errors()
        ]
        first = fields[0] if fields else {"field": "request", "message": "is not valid"}
        return problem(
            422,
            "invalid_request",
            f"{first['field']}: {first['message']}.",
            "Correct the request; /api/v1/docs shows its form.",
            errors=fields,
        )

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        _log.error("unexpected_error", method=request.method, path=request.url.path, exc_info=error)
        return problem(500, "internal", "Something went wrong inside DrumScribe.", "Try again; the log has details.")
