"""OpenTelemetry: one trace from the request through the queue to each stage.

The context travels with a Celery message as W3C ``traceparent`` headers. Without ``OTLP_ENDPOINT`` no SDK is
loaded and every call here is the API's no-op.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace

from drumscribe._version import __version__
from drumscribe.settings import Settings

_tracer = trace.get_tracer("drumscribe", __version__)


def configure(settings: Settings, service: str) -> None:
    """Export this process's spans to ``OTLP_ENDPOINT`` (HTTP, protobuf); nothing to do where it is empty."""
    if not settings.otlp_endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"drumscribe-{service}", "service.version": __version__})
    )
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def carrier() -> dict[str, str]:
    """The current context as headers, to be sent along with a message."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, str | int | float | bool] | None = None,
    *,
    parent: Mapping[str, str] | None = None,
) -> Iterator[trace.Span]:
    """A span named ``name``, under ``parent`` (headers of :func:`carrier`) or else the current one."""
    context = propagate.extract(parent) if parent else None
    with _tracer.start_as_current_span(name, context=context, attributes=attributes) as current:
        yield current


def describe(name: str, attributes: Mapping[str, str | int | float | bool]) -> None:
    """Name the current span by what is known only later; nothing to do where there is none."""
    current = trace.get_current_span()
    if current.is_recording():
        current.update_name(name)
        current.set_attributes(attributes)


def flush() -> None:
    """Send what is buffered now: a worker's child may be replaced at any time."""
    provider = trace.get_tracer_provider()
    force_flush = getattr(provider, "force_flush", None)
    if force_flush is not None:
        force_flush(2000)
