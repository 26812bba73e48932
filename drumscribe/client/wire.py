"""Between HTTP and Python: answers as dataclasses, refusals as errors of the tree."""

from __future__ import annotations

import json
import typing
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar

import httpx

from drumscribe.errors import (
    DrumScribeError,
    JobConflictError,
    JobNotFoundError,
    NetworkError,
    OptionsError,
    OverloadedError,
    QuotaError,
    StorageError,
    TooLargeError,
    from_dict,
)

T = TypeVar("T")
_BY_CODE: dict[str, type[DrumScribeError]] = {
    "unauthorized": OptionsError, "foreign_origin": OptionsError, "invalid_request": OptionsError,
    "bad_request": OptionsError, "media_type": OptionsError, "tus_version": OptionsError,
    "not_found": JobNotFoundError, "edited_meanwhile": JobConflictError, "rate_limit": QuotaError,
    "upload_checksum": NetworkError,
}  # fmt: skip
"""Codes that only HTTP has, and what they are in the tree."""
_BY_STATUS: dict[int, type[DrumScribeError]] = {
    401: OptionsError, 404: JobNotFoundError, 409: JobConflictError, 413: TooLargeError, 429: QuotaError,
    460: NetworkError, 502: NetworkError, 503: OverloadedError, 504: NetworkError, 507: StorageError,
}  # fmt: skip
"""For answers of a proxy, which say nothing else."""


def error_of(answer: httpx.Response | httpx.TransportError) -> DrumScribeError:
    """What a refusal, or no answer at all, is in the tree."""
    if not isinstance(answer, httpx.Response):
        what = f"The server gives no answer ({type(answer).__name__})."
        return NetworkError(what, "Check its address, and that it runs.")
    try:
        problem = dict(answer.json())
    except (ValueError, TypeError):
        problem = {}
    code, todo = str(problem.get("code", "")), str(problem.get("todo", ""))
    what = str(problem.get("detail", "")).removesuffix(todo).strip() or f"The server answers {answer.status_code}."
    error = from_dict({"code": code, "what": what, "todo": todo})
    if type(error) is DrumScribeError:
        error = _BY_CODE.get(code, _BY_STATUS.get(answer.status_code, DrumScribeError))(what, todo)
    if isinstance(error, QuotaError | OverloadedError):
        error.retry_after_s = retry_after(answer)
    return error


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds of the header, where it has some."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def built(cls: type[T], content: bytes | str) -> T:
    """A dataclass from JSON; fields that a newer server adds are left out. Raises NetworkError."""
    try:
        return typing.cast("T", _value(cls, json.loads(content)))
    except (KeyError, TypeError, ValueError) as error:
        raise NetworkError(
            "The server's answer cannot be read.", "Check its address; it may be an older version."
        ) from error


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _value(kind: Any, data: Any) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, UnionType):
        if data is None and NoneType in inner:
            return None
        wanted = [one for one in inner if one is not NoneType]
        return _value(wanted[0], data) if len(wanted) == 1 else data
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{one.name: _value(hints[one.name], data[one.name]) for one in fields(kind)})
    if origin is list:
        return [_value(inner[0], one) for one in data]
    if origin is dict:
        return {name: _value(inner[1], one) for name, one in data.items()}
    return datetime.fromisoformat(data) if kind is datetime else data
