"""Prometheus metrics, one table of them. Names follow Prometheus' conventions: base units, ``_total`` counters.

A process that forks (a Celery worker, several uvicorn workers) sets ``PROMETHEUS_MULTIPROC_DIR``; :func:`registry`
then adds up what its children wrote there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)
from prometheus_client.core import REGISTRY, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from drumscribe.types import STAGES

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280)

STAGE_SECONDS = Histogram("drumscribe_stage_seconds", "Time a stage took.", ["stage"], buckets=_SECONDS)
STAGE_CACHED = Counter("drumscribe_stage_cached_total", "Stages whose result was in the cache.", ["stage"])
STAGE_RUN = Counter("drumscribe_stage_run_total", "Stages that were computed.", ["stage"])
JOBS_FINISHED = Counter("drumscribe_jobs_finished_total", "Jobs that ended.", ["status"])
JOB_FAILURES = Counter("drumscribe_job_failures_total", "Failed jobs by error code.", ["code"])
JOB_SECONDS = Histogram("drumscribe_job_seconds", "Time from submission to the end of a job.", buckets=_SECONDS)
JOB_WAIT_SECONDS = Histogram(
    "drumscribe_job_wait_seconds",
    "Time from submission to the begin of a job, by kind of user: person, browser, key.",
    ["user"],
    buckets=_SECONDS,
)
REAL_TIME_FACTOR = Histogram(
    "drumscribe_real_time_factor",
    "Computing time of a job over the length of its recording.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 4),
)
WORKER_RETRIES = Counter("drumscribe_stage_retries_total", "Stages tried again, by reason.", ["stage", "reason"])
PEAK_MEMORY = Gauge(
    "drumscribe_worker_peak_memory_bytes", "Peak resident memory of a worker.", ["pool"], multiprocess_mode="livemax"
)
WEBHOOKS = Counter("drumscribe_webhooks_total", "Webhook deliveries by outcome.", ["outcome"])
HTTP_SECONDS = Histogram(
    "drumscribe_http_seconds",
    "Time to answer a request (event streams: to their first byte).",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


def stage_done(stage: str, seconds: float, *, cached: bool) -> None:
    """Count one stage of one job."""
    if cached:
        STAGE_CACHED.labels(stage).inc()
    else:
        STAGE_RUN.labels(stage).inc()
        STAGE_SECONDS.labels(stage).observe(seconds)


class Ended(Protocol):
    """What is counted of a job; see :class:`drumscribe.jobs.model.Job`."""

    @property
    def owner(self) -> str:
        """Whose it is; the name begins with the kind of user."""

    @property
    def status(self) -> str:
        """``"done"`` or another end."""

    @property
    def error(self) -> dict[str, str] | None:
        """What went wrong, with its ``code``."""

    @property
    def created_at(self) -> float:
        """Seconds since the epoch."""

    @property
    def started_at(self) -> float | None:
        """Seconds since the epoch."""

    @property
    def finished_at(self) -> float | None:
        """Seconds since the epoch."""

    @property
    def duration_s(self) -> float | None:
        """Length of the recording."""

    @property
    def timings(self) -> Mapping[str, float]:
        """Seconds by stage."""


def job_done(job: Ended) -> None:
    """Count a job that has just ended."""
    JOBS_FINISHED.labels(str(job.status)).inc()
    if job.error is not None:
        JOB_FAILURES.labels(job.error["code"]).inc()
    if job.finished_at is not None:
        JOB_SECONDS.observe(max(0.0, job.finished_at - job.created_at))
    if job.started_at is not None:
        kind = job.owner.partition("-")[0]
        user = kind if kind in ("person", "browser") else "key"
        JOB_WAIT_SECONDS.labels(user).observe(max(0.0, job.started_at - job.created_at))
    if job.status == "done" and job.duration_s:
        REAL_TIME_FACTOR.observe(sum(job.timings.values()) / job.duration_s)


def stages_of(job: Ended) -> None:
    """Count the stages of a job that ran elsewhere, from its timings (absent: taken from the cache)."""
    if job.status == "done":
        for stage in STAGES:
            stage_done(stage, job.timings.get(stage, 0.0), cached=stage not in job.timings)


def peak_memory(pool: str) -> int:
    """Note and return this process's peak resident memory in bytes; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    PEAK_MEMORY.labels(pool).set(peak)
    return peak


class DepthCollector:
    """Asks at the moment of the scrape: jobs by status from the database, messages by queue from the broker."""

    def __init__(self, by_status: Callable[[], Mapping[str, int]], by_queue: Callable[[], Mapping[str, int]]) -> None:
        self._by_status = by_status
        self._by_queue = by_queue

    def collect(self) -> Iterable[Metric]:
        """Called by the registry for each scrape."""
        jobs = GaugeMetricFamily("drumscribe_jobs", "Jobs by status.", labels=["status"])
        for status, count in self._by_status().items():
            jobs.add_metric([status], count)
        yield jobs
        queues = GaugeMetricFamily("drumscribe_queue_depth", "Messages waiting in a queue.", labels=["queue"])
        for queue, count in self._by_queue().items():
            queues.add_metric([queue], count)
        yield queues


def registry() -> CollectorRegistry:
    """A registry to render or serve: this process's own metrics, or those of all its children."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    merged = CollectorRegistry()
    multiprocess.MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
    return merged


def render(extra: DepthCollector | None = None) -> bytes:
    """Everything in the text exposition format, with the depths of the queues where given."""
    text = generate_latest(registry())
    if extra is not None:
        once = CollectorRegistry()
        once.register(extra)
        text += generate_latest(once)
    return text


def serve(port: int) -> None:
    """Serve the metrics of a worker over HTTP from a thread."""
    start_http_server(port, registry=registry())
