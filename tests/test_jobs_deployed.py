"""What only shows on a whole deployment (Redis, PostgreSQL, bucket, API, both workers): messages in the hand of a
starved worker, weights that change meanwhile, webhooks, idempotency, and the life of what is kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import services
import songs
import test_api_webhooks as hooks
from s3fs import S3FileSystem

from drumscribe.hits.card import DEFAULT, FOLDER
from drumscribe.jobs import recovery
from drumscribe.jobs.celery_runner import CeleryRunner
from drumscribe.settings import Settings
from drumscribe.storage.files import Store

LEASE_S = 2.0

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def receiver() -> Iterator[hooks.Receiver]:
    receiver = hooks.Receiver()
    yield receiver
    receiver.shutdown()
    receiver.server_close()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hit model as a file of the deployment's own, which may be replaced."""
    folder = tmp_path_factory.mktemp("weights")
    for file in FOLDER.glob(f"{DEFAULT}.*"):
        shutil.copy(file, folder)
    return folder / f"{DEFAULT}.keras"


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, receiver: hooks.Receiver, weights: Path
) -> Iterator[services.Stack]:
    if services.MISSING:
        pytest.skip(f"not installed: {', '.join(services.MISSING)}")
    with services.Stack(
        tmp_path_factory.mktemp("deployed"),
        JOB_LEASE_S=str(LEASE_S),
        MODEL_URI=str(weights),
        WEBHOOK_SECRET=hooks.SECRET,
        WEBHOOK_PRIVATE_HOSTS=receiver.host,
    ) as stack:
        S3FileSystem.clear_instance_cache()  # an earlier server's address is kept with its file system
        yield stack


@contextmanager
def frozen(process: services.Process) -> Iterator[None]:
    """Stop all processes of a pool, as an overloaded machine would, and let them go on."""
    pids = services.children(process)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def events(process: services.Process) -> Counter[str]:
    lines = process.log.read_text().splitlines()
    return Counter(json.loads(line)["event"] for line in lines if line.startswith("{"))


def in_hand(stack: services.Stack, step: str) -> bool:
    """Whether a worker has taken the message of a step."""
    with redis.Redis.from_url(stack.redis.url) as client:
        return any(f"drumscribe.{step}".encode() in message for message in client.hvals("unacked"))


def waits_for(stack: services.Stack, job_id: str, stage: str) -> None:
    """Until nobody holds the job after a stage."""
    services.wait_until(
        lambda: (job := stack.job(job_id))["stage"] == stage and job["message"] == "Waiting for the next step", 120
    )


def settings_of(stack: services.Stack, **more: Any) -> Settings:
    with services.environment(stack.env):
        return Settings(_env_file=None, **more)


def test_a_message_in_the_hand_of_a_starved_worker_costs_no_attempt(stack: services.Stack, tmp_path: Path) -> None:
    services.wait_until(lambda: events(stack.heavy)["child_ready"], 180)
    with frozen(stack.heavy):
        job_id = stack.submit(songs.song(tmp_path / "song.wav", 2))
        waits_for(stack, job_id, "ingest")
        workers = (stack.default, stack.heavy)
        services.wait_until(lambda: sum(events(worker)["message_lost"] for worker in workers), 60)
    job = stack.ended(job_id)
    assert (job["status"], job["attempts"]) == ("done", 1), (job, stack.logs())


def test_results_that_new_weights_made_unfindable_are_computed_by_the_heavy_worker(
    stack: services.Stack, weights: Path, tmp_path: Path
) -> None:
    with frozen(stack.heavy):
        job_id = stack.submit(songs.song(tmp_path / "song.wav", 3))
        services.wait_until(lambda: in_hand(stack, "separate"), 120)
        default = ExitStack()
        default.enter_context(frozen(stack.default))
    with default:
        waits_for(stack, job_id, "beats")
        os.utime(weights)  # another model under the same name
    job = stack.ended(job_id)
    assert (job["status"], job["attempts"]) == ("done", 1), (job, stack.logs())
    assert events(stack.default)["step_elsewhere"] == 1
    assert "finish" in [
        json.loads(line).get("step") for line in stack.heavy.log.read_text().splitlines() if line.startswith("{")
    ]
    for pid in services.children(stack.default):
        assert "tensorflow" not in Path(f"/proc/{pid}/maps").read_text()
    assert b"<note" in stack.download(job_id)


def test_a_step_that_ends_while_the_database_is_away_keeps_the_job(stack: services.Stack, tmp_path: Path) -> None:
    """The worker could not let go of the job, lived on, and so was taken for one that still works on it."""
    job_id = stack.submit(songs.song(tmp_path / "song.wav", 4, times=12))
    stack.until(job_id, lambda job: job["stage"] == "beats" and job["fraction"] < 1)
    stack.postgres.kill()
    try:
        services.wait_until(lambda: "the database is away" in stack.heavy.log.read_text(), 120)
    finally:
        stack.postgres.start()
    job = stack.ended(job_id, 180)
    assert (job["status"], job["attempts"]) == ("done", 1), (job, stack.logs())


def test_a_step_that_ends_while_the_broker_is_away_sends_the_next_one_later(
    stack: services.Stack, tmp_path: Path
) -> None:
    lost = sum(events(worker)["message_lost"] for worker in (stack.default, stack.heavy))
    job_id = stack.submit(songs.song(tmp_path / "song.wav", 4, times=13))
    stack.until(job_id, lambda job: job["stage"] == "beats" and job["fraction"] < 1)
    time.sleep(1.1)  # the append-only file is written once a second
    stack.redis.kill()
    try:
        services.wait_until(lambda: "Retrying refused callback publish" in stack.heavy.log.read_text(), 120)
        time.sleep(3)  # longer than Celery tries by itself
    finally:
        stack.redis.start()
    job = stack.ended(job_id, 180)
    assert (job["status"], job["attempts"]) == ("done", 1), (job, stack.logs())
    assert sum(events(worker)["message_lost"] for worker in (stack.default, stack.heavy)) == lost


def test_the_same_key_is_one_job_whoever_is_first(stack: services.Stack, tmp_path: Path) -> None:
    data = songs.song(tmp_path / "song.wav", 4).read_bytes()

    def submit(_: int) -> str:
        answer = stack.client.post("/jobs", files={"file": ("Twin.wav", data)}, headers={"Idempotency-Key": "monday"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(submit, range(6)))
    assert len(ids) == 1
    job = stack.ended(ids.pop())
    assert (job["status"], job["attempts"]) == ("done", 1), (job, stack.logs())
    assert submit(7) == job["id"]
    assert [one["title"] for one in stack.client.get("/jobs").json()["jobs"]].count("Twin") == 1


def test_a_webhook_tells_of_the_end_once_and_genuinely(
    stack: services.Stack, receiver: hooks.Receiver, tmp_path: Path
) -> None:
    receiver.statuses = [503, 204]
    answer = stack.client.post(
        "/jobs",
        files={"file": ("song.wav", songs.song(tmp_path / "song.wav", 2).read_bytes())},
        data={"webhook_url": f"http://{receiver.host}/hook"},
    )
    job_id = answer.json()["id"]
    services.wait_until(lambda: len(receiver.seen) == 2, 180, what="the message, and again as it was not taken")
    [code] = [
        one for one in re.findall(r"```python\n(.*?)```", hooks.GUIDE.read_text(), re.DOTALL) if "is_genuine" in one
    ]
    guide: dict[str, Any] = {}
    exec(code, guide)
    secret = stack.client.get("/webhook-secret").json()["secret"]
    for headers, body in receiver.seen:
        assert guide["is_genuine"](secret, headers, body)
        assert json.loads(body) == {"type": "job.done", "data": stack.job(job_id)}
    assert len({headers["webhook-id"] for headers, _ in receiver.seen}) == 1
    time.sleep(3)
    assert len(receiver.seen) == 2


def test_what_has_outlived_its_time_goes_and_nothing_else(stack: services.Stack, tmp_path: Path) -> None:
    ended = stack.submit(songs.song(tmp_path / "old.wav", 2))
    assert stack.ended(ended)["status"] == "done"
    with frozen(stack.heavy), services.environment(stack.env):
        running = stack.submit(songs.song(tmp_path / "new.wav", 5))
        waits_for(stack, running, "ingest")
        settings = settings_of(stack, artifact_ttl_hours=1e-9)
        store, runner = Store(settings), CeleryRunner(settings)
        kept = {runner.get(job_id, owner=None).source for job_id in (ended, running)}
        assert kept <= store.listing("uploads").keys()
        removed = runner.clean()  # what the default worker does every ten minutes
        source = runner.get(running, owner=None).source
        recovery.expire(settings)
        assert removed >= 1
        assert stack.client.get(f"/jobs/{ended}").status_code == 404
        assert f"jobs/{ended}" not in store.listing("jobs")
        assert source in store.listing("uploads") and not kept - {source} & store.listing("uploads").keys()
        assert not store.listing("stages")
        runner.close()
    job = stack.ended(running)
    assert (job["status"], job["attempts"]) == ("done", 1), (job, stack.logs())
    assert b"<note" in stack.download(running)
