"""Structured logs: JSON lines for machines, aligned text on a terminal; no secret ever reaches either.

Lines of the standard library's loggers (uvicorn, Celery, SQLAlchemy) take the same way out. :func:`bind` puts
values, such as the job's id, on every line that follows in the same task or thread.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from drumscribe.settings import Settings

SECRET_NAMES = re.compile(r"secret|password|passwd|token|authorization|api[-_]?key|cookie|signature", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+")
_SIGNED = re.compile(r"(?i)([?&](?:x-amz-[\w-]+|awsaccesskeyid|signature|token|key|share)=)[^&\s\"']+")
_TOKEN = re.compile(r"\b(drumscribe_[0-9a-f]{12}_)[\w-]{43}")
HIDDEN = "***"


def redact(text: str) -> str:
    """Blank out credentials in URLs, tokens, and the signatures of presigned links.

    >>> redact("redis://:hunter2@cache:6379/0 down")
    'redis://***@cache:6379/0 down'
    """
    text = _TOKEN.sub(rf"\1{HIDDEN}", text)
    return _SIGNED.sub(rf"\1{HIDDEN}", _BEARER.sub(rf"\1 {HIDDEN}", _CREDENTIALS.sub(HIDDEN, text)))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: HIDDEN if SECRET_NAMES.search(str(key)) else _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: blank out values under secret names and credentials inside strings."""
    for key, value in event.items():
        if not key.startswith("_"):
            event[key] = HIDDEN if SECRET_NAMES.search(key) else _clean(value)
    return event


def _once(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: drop the second, coloured copy of its message that uvicorn sends along."""
    event.pop("color_message", None)
    return event


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.format_exc_info,  # a plain traceback: structlog's own shows local variables, secrets included
    hide_secrets,
]
# At import, so that also a process that never calls configure() goes through the standard library's handlers.
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def configure(settings: Settings) -> None:
    """Send every log line of this process to stderr in the form and from the level that ``settings`` name."""
    logging.basicConfig(handlers=[_handler(settings)], level=settings.log_level.upper(), force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("httpx", "httpcore", "botocore", "aiobotocore", "s3fs", "urllib3", "matplotlib", "absl"):
        logging.getLogger(name).setLevel(logging.WARNING)


def configure_own(settings: Settings) -> None:
    """The same for our own lines only, in a process whose others belong to somebody else: the studio's server."""
    own = logging.getLogger(__name__.partition(".")[0])
    if not (own.handlers or logging.getLogger().handlers):
        own.addHandler(_handler(settings))
        own.setLevel(settings.log_level.upper())


def _handler(settings: Settings) -> logging.Handler:
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    last: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if not as_json:
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _once, *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, hide_secrets, last],
        )
    )
    return handler


def get(name: str) -> Any:
    """A structlog logger."""
    return structlog.stdlib.get_logger(name)


@contextmanager
def bind(**values: Any) -> Iterator[None]:
    """Put ``values`` on every line logged inside."""
    with structlog.contextvars.bound_contextvars(**values):
        yield
