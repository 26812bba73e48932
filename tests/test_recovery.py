"""Ways in which a job could stay without an end, one after another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import services
from sqlalchemy.exc import InvalidRequestError

from drumscribe.errors import Cancelled, StorageError
from drumscribe.jobs import recovery, tasks, work
from drumscribe.jobs.celery_runner import CeleryRunner
from drumscribe.jobs.db import new_job, reaching
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.options import Options
from drumscribe.settings import Settings
from drumscribe.types import Progress

no_redis = pytest.mark.skipif("redis-server" in services.MISSING, reason="no Redis")


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[CeleryRunner]:
    runner = CeleryRunner(Settings(_env_file=None, data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", offline=True))
    yield runner
    runner.close()


@pytest.fixture
def place(runner: CeleryRunner) -> work.Workplace:
    return work.Workplace("a", runner.settings, runner.database, runner.store, give_up=lambda: None)


def taken(runner: CeleryRunner, worker: str = "a") -> Job:
    job = runner.database.insert(new_job("me", "uploads/0", title="x", options=Options(), priority=0))
    found = runner.database.take(job.id, worker, 1)
    assert found is not None
    return found


LOST = """
import sys
from collections import Counter
from drumscribe.jobs import queues, recovery, sending
from drumscribe.jobs.celery_runner import CeleryRunner
from drumscribe.jobs.db import new_job
from drumscribe.options import Options
from drumscribe.settings import Settings

here = Settings(_env_file=None, data_dir=sys.argv[1], redis_url=sys.argv[2], job_lease_s=0.01)
runner = CeleryRunner(here)
database = runner.database
sent, lost, between = [
    database.insert(new_job("me", "uploads/0", title="x", options=Options(), priority=0)) for _ in range(3)
]
sending.send(database, sent)  # waits, and goes on waiting
database.take(between.id, "other:1:1", 1)
database.release(between.id, "other:1:1")
deaf = []
first = recovery.Recovery(here, clean=False, queues=("heavy",), deaf=lambda: deaf.append("heavy"))
second = recovery.Recovery(here, clean=False, queues=("default",), deaf=lambda: deaf.append("default"))
for _ in range(90):
    first.once(runner)
    second.once(runner)
with queues.asking(here) as client:
    waiting = [message for name in queues.names("default") for message in client.lrange(name, 0, -1)]
counted = Counter(job.id for job in (sent, lost, between) for message in waiting if job.id.encode() in message)
assert counted == {sent.id: 1, lost.id: 1, between.id: 1}, counted
assert queues.named(here) == set(counted)
assert deaf == ["default"], deaf
runner.close()
"""


@pytest.mark.service
@no_redis
def test_a_lost_message_is_sent_again_once_although_others_wait(tmp_path: Path) -> None:
    # in a process of its own: Celery keeps the broker that it met first
    with services.Redis(tmp_path / "redis") as redis:
        command = [sys.executable, "-c", LOST, str(tmp_path), redis.url]
        done = subprocess.run(command, env=os.environ | {"REDIS_URL": redis.url}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.service
@no_redis
def test_a_worker_that_has_become_deaf_is_started_again(runner: CeleryRunner, tmp_path: Path) -> None:
    with services.Redis(tmp_path / "redis") as redis:
        env = os.environ | {"REDIS_URL": redis.url, "DATA_DIR": str(tmp_path), "JOB_LEASE_S": "0.2", "OFFLINE": "true"}
        command = [sys.executable, "-m", "drumscribe.jobs.work_queue", "default"]
        with services.Process(command, tmp_path / "log", env) as worker:
            services.wait_until(lambda: "ready." in worker.log.read_text(), 60)
            command = [sys.executable, "-m", "celery", "-A", "drumscribe.jobs.celery_app", "control"]
            subprocess.run([*command, "-t", "5", "cancel_consumer", "default"], env=env, capture_output=True)
            assert "Canceling queue" in worker.log.read_text(), worker.tail()
            job = runner.database.insert(new_job("me", "uploads/0", title="x", options=Options(), priority=0))
            services.wait_until(lambda: runner.get(job.id, owner="me").attempts, 60)
            assert "worker_deaf" in worker.log.read_text()
            pool = services.children(worker)
    services.wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pool), 10)


def test_whatever_a_round_meets_the_next_one_comes(runner: CeleryRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = threading.Semaphore(0)

    def depths(settings: Settings) -> dict[str, int]:
        rounds.release()
        raise ValueError("a kind of answer that nobody thought of")

    monkeypatch.setattr(recovery, "depths", depths)
    watch = recovery.Recovery(runner.settings.model_copy(update={"job_lease_s": 0.01}), clean=False)
    watch.start()
    assert all(rounds.acquire(timeout=10) for _ in range(3))
    watch.stop()
    watch.join(10)


def test_whatever_goes_wrong_with_the_database_is_a_storage_error() -> None:
    for error in (InvalidRequestError("This connection is closed"), InvalidRequestError("")):
        with pytest.raises(StorageError), reaching():
            raise error


def test_a_worker_that_was_overtaken_leaves_the_others_result_alone(
    runner: CeleryRunner, place: work.Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = taken(runner)

    def overtaken(*_: object) -> None:
        runner.database.move(job.id, JobStatus.QUEUED, worker="a")  # silent for too long
        assert runner.database.take(job.id, "b", 2) is not None
        runner.store.folder(job.id).write("project.json", b"{}")
        runner.database.move(job.id, JobStatus.DONE, worker="b")
        raise Cancelled("Stopped.", "")

    monkeypatch.setattr(work, "_transcribed", overtaken)
    assert work.perform(job, place) is None
    assert runner.get(job.id, owner="me").status is JobStatus.DONE
    assert runner.store.folder(job.id).exists("project.json")


def test_an_end_that_cannot_be_written_ends_the_worker(
    runner: CeleryRunner, place: work.Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alive, it would be taken for one who still works on the job."""
    job = runner.database.insert(new_job("me", "uploads/0", title="x", options=Options(), priority=0))

    def perform(*_: object) -> None:
        raise ValueError("something nobody thought of")

    def ends(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(tasks, "context", lambda: place)
    monkeypatch.setattr(tasks, "perform", perform)
    monkeypatch.setattr(tasks, "_feed", lambda here: None)
    monkeypatch.setattr(os, "_exit", ends)
    with pytest.raises(SystemExit):
        tasks._step(_task(0), "ingest", job.id, 1, None)


def test_a_result_that_is_never_kept_fails_the_job_in_the_end(
    runner: CeleryRunner, place: work.Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = taken(runner)

    def perform(job: Job, place: work.Workplace, share: work.Share) -> JobStatus:
        share.lacks("fetch")
        runner.database.release(job.id, "a")
        return JobStatus.RUNNING

    monkeypatch.setattr(tasks, "perform", perform)
    assert tasks._perform(_task(tasks.MOVES), "ingest", job, place) is JobStatus.FAILED
    error = runner.get(job.id, owner="me").error
    assert error is not None and "CACHE_SIZE_GB" in error["todo"]


def _task(retries: int) -> Any:
    return SimpleNamespace(request=SimpleNamespace(retries=retries, delivery_info={"routing_key": "default"}))


def test_the_heartbeat_survives_a_report_that_makes_no_sense(
    runner: CeleryRunner, place: work.Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = taken(runner)
    beats = runner.database.leases()[0].beat
    monkeypatch.setattr(work, "BEAT_S", 0.01)
    tracker = work._Tracker("none", {}, duration_s=10.0)
    tracker.update(Progress("no such stage", 0.5))
    with work._reporting(job.id, place, tracker):
        threading.Event().wait(0.1)
        tracker.update(Progress("beats", 0.5))
        services.wait_until(lambda: runner.database.leases()[0].beat > beats, 10)
