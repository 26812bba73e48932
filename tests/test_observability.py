"""Traces arrive at a collector as one tree, and metrics of forked workers add up. Each in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import services

from drumscribe.jobs.model import Job, JobStatus
from drumscribe.observability import metrics

API = """
import sys
from drumscribe.observability import traces
from drumscribe.settings import Settings
traces.configure(Settings(_env_file=None, otlp_endpoint=sys.argv[1]), "api")
with traces.span("POST /api/v1/jobs"):
    print(traces.carrier()["traceparent"])
traces.flush()
"""
WORKER = """
import sys
from drumscribe.observability import traces
from drumscribe.settings import Settings
traces.configure(Settings(_env_file=None, otlp_endpoint=sys.argv[1]), "worker-heavy")
with traces.span("step detect", {"job.id": "x", "job.attempt": 1}, parent={"traceparent": sys.argv[2]}):
    with traces.span("inside"):
        pass
traces.flush()
"""
REQUEST = """
import sys
from fastapi.testclient import TestClient
from drumscribe.api.app import create_app
from drumscribe.observability import traces
from drumscribe.settings import Settings
settings = Settings(_env_file=None, data_dir=sys.argv[2], otlp_endpoint=sys.argv[1])
traces.configure(settings, "api")
with TestClient(create_app(settings)) as client:
    assert client.post("/api/v1/jobs", json={"url": "https://example.com/"}).status_code == 422
    assert client.get("/api/v1/jobs").status_code == 200
traces.flush()
"""
FORKED = """
import os, sys
from drumscribe.observability import metrics
for _ in range(3):
    if os.fork() == 0:
        metrics.stage_done("detect", 2.0, cached=False)
        metrics.stage_done("beats", 0.0, cached=True)
        metrics.peak_memory("heavy")
        os._exit(0)
for _ in range(3):
    os.wait()
print(metrics.render().decode())
"""


def python(code: str, *arguments: str, **env: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], env={**os.environ, **env}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_one_trace_goes_through_the_queue() -> None:
    with services.Collector() as collector:
        parent = python(API, collector.endpoint)
        python(WORKER, collector.endpoint, parent)
        found = collector.spans()
    spans = {span.name: span for _, span in found}
    assert len({span.trace_id for span in spans.values()}) == 1
    assert spans["step detect"].parent_span_id == spans["POST /api/v1/jobs"].span_id
    assert spans["inside"].parent_span_id == spans["step detect"].span_id
    assert {service for service, _ in found} == {"drumscribe-api", "drumscribe-worker-heavy"}


def test_a_request_is_one_span_and_a_poll_is_none(tmp_path: Path) -> None:
    with services.Collector() as collector:
        python(REQUEST, collector.endpoint, str(tmp_path))
        assert [span.name for _, span in collector.spans()] == ["POST /api/v1/jobs"]


def test_without_a_collector_nothing_of_the_sdk_is_loaded() -> None:
    code = (
        "import sys; from drumscribe.observability import traces; from drumscribe.settings import Settings;"
        "traces.configure(Settings(_env_file=None), 'api')\nwith traces.span('x'): pass\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    assert python(code) == "[]"


def test_metrics_of_children_add_up(tmp_path: Path) -> None:
    text = python(FORKED, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert 'drumscribe_stage_seconds_sum{stage="detect"} 6.0' in text
    assert 'drumscribe_stage_run_total{stage="detect"} 3.0' in text
    assert 'drumscribe_stage_cached_total{stage="beats"} 3.0' in text
    assert 'drumscribe_worker_peak_memory_bytes{pool="heavy"}' in text


def test_a_finished_job_is_counted() -> None:
    def value(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, labels) or 0.0

    before = value("drumscribe_jobs_finished_total", status="done"), value("drumscribe_real_time_factor_sum")
    waits = {user: value("drumscribe_job_wait_seconds_sum", user=user) for user in ("person", "browser", "key")}
    job = Job(
        id="0" * 32, owner="me", source="x", status=JobStatus.DONE, created_at=100.0, started_at=107.0,
        finished_at=130.0, duration_s=60.0, timings={"ingest": 1.0, "detect": 5.0},
    )  # fmt: skip
    for owner in ("person-" + "0" * 32, "browser-" + "0" * 32):
        metrics.job_done(replace(job, owner=owner, status=JobStatus.CANCELLED, started_at=102.0))
    metrics.job_done(job)
    metrics.stages_of(job)
    waited = {user: value("drumscribe_job_wait_seconds_sum", user=user) - sum_ for user, sum_ in waits.items()}
    assert waited == {"person": 2.0, "browser": 2.0, "key": 7.0}
    assert value("drumscribe_jobs_finished_total", status="done") == before[0] + 1
    assert value("drumscribe_real_time_factor_sum") - before[1] == pytest.approx(0.1)
    assert value("drumscribe_stage_cached_total", stage="beats") >= 1
