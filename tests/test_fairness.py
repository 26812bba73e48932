"""Whose turn it is: no owner starves another, no short song a long one, and how long one waits is told."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
from hypothesis import given, settings
from hypothesis import strategies as st

from drumscribe.errors import OverloadedError, QuotaError
from drumscribe.jobs.db import Database, new_job
from drumscribe.jobs.fairness import Pace
from drumscribe.jobs.local import LocalRunner
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.options import Options
from drumscribe.settings import Settings


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(Settings(_env_file=None, data_dir=tmp_path))
    database.create()
    yield database
    database.close()


def queue(database: Database, owner: str, *, priority: int = 0) -> Job:
    return database.insert(new_job(owner, "uploads/x", title="", options=Options(), priority=priority))


def begun(database: Database, *, end: bool = True) -> Job | None:
    job = database.claim("w")
    if job is not None and end:
        database.move(job.id, JobStatus.DONE)
    return job


def test_a_flood_of_one_user_does_not_keep_another_waiting(database: Database) -> None:
    flood = [queue(database, "flood") for _ in range(30)]
    late = queue(database, "late", priority=9)  # a long song
    assert database.get(late.id).position == 1
    first, second = begun(database), begun(database)
    assert first is not None and second is not None
    assert (first.id, second.id) == (flood[0].id, late.id)


def test_a_job_at_work_is_a_turn_taken(database: Database) -> None:
    for owner in ("a", "a", "b"):
        queue(database, owner)
    assert [job.owner for _ in range(3) if (job := begun(database, end=False))] == ["a", "b", "a"]


def test_within_one_user_a_long_song_waits_for_some_short_ones_only(database: Database) -> None:
    long = queue(database, "a", priority=2)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET created_at = created_at - 61")
    for _ in range(5):
        queue(database, "a")
    assert database.get(long.id).position == 0


@settings(max_examples=15)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(1, 4), st.randoms(use_true_random=False))
def test_with_n_users_nobody_waits_more_than_n_times_their_share(
    loads: list[int], workers: int, chance: random.Random
) -> None:
    """Full load from the start, jobs of any size in any order, any number of workers that end them in any order."""
    database = Database(Settings(_env_file=None, database_url="sqlite://"))
    database.create()
    owners = [owner for owner, load in enumerate(loads) for _ in range(load)]
    chance.shuffle(owners)
    for owner in owners:
        queue(database, str(owner), priority=chance.randrange(10))
    held: list[Job] = []
    started: Counter[str] = Counter()
    for number in range(1, len(owners) + 1):
        if len(held) == workers:
            database.move(held.pop(chance.randrange(workers)).id, JobStatus.DONE)
        job = database.claim("w")
        assert job is not None
        held.append(job)
        started[job.owner] += 1
        # Jobs of a turn may end before those of another owner begin, so a turn more for each worker at most.
        assert number <= len(loads) * (started[job.owner] + workers)
    assert started == Counter(map(str, owners))
    database.close()


def test_the_expected_wait() -> None:
    assert Pace(None).wait_s(3) is None
    assert Pace(10.0).wait_s(3) == 30
    pace = Pace(10.0, (("a", 4.0), ("b", None)))
    assert (pace.wait_s(0), pace.wait_s(4)) == (4.5, 24.5)
    assert (pace.next_end_s("a"), pace.next_end_s("b"), pace.next_end_s()) == (4.0, 4.5, 4.0)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRunner]:
    monkeypatch.setattr(LocalRunner, "_queued", lambda self, job: None)  # nobody works: the queue stays as it is
    runner = LocalRunner(Settings(_env_file=None, data_dir=tmp_path, public=True, queue_limit=3, api_active_jobs=2))
    yield runner
    runner.close()


def test_what_could_not_be_done_is_refused_and_says_when_to_come_again(
    runner: LocalRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF" * 99)
    old = queue(runner.database, "before")
    runner.database.claim("w")
    runner.database.move(old.id, JobStatus.DONE, timings={"detect": 12.0})
    for _ in range(2):
        job = runner.submit(song, owner="a")
    assert runner.get(job.id, owner="a").wait_s == pytest.approx(12)
    with pytest.raises(QuotaError) as quota:
        runner.submit(song, owner="a")
    assert quota.value.retry_after_s is not None
    runner.submit(song, owner="b")
    with pytest.raises(OverloadedError) as full:
        runner.submit(song, owner="c")
    assert full.value.retry_after_s is not None
    for one in runner.list(owner=None, status=JobStatus.QUEUED):
        runner.cancel(one.id, owner=None)
    object.__setattr__(runner.settings, "storage_reserve_gb", 10.0**6)
    with pytest.raises(OverloadedError, match="room"):
        runner.submit(song, owner="c")
    object.__setattr__(runner.settings, "storage_reserve_gb", 0.0)
    object.__setattr__(runner.settings, "database_size_gb", 1.0)
    runner.check_room("c")
    monkeypatch.setattr(runner.database, "size_gb", lambda: 1.5)
    with pytest.raises(OverloadedError, match="room") as full:
        runner.check_room("c")
    assert full.value.retry_after_s


def test_music_a_day_and_storage_have_quotas_too(runner: LocalRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    people, settings = runner.people, runner.settings
    for name, value in {"api_active_jobs": 0, "api_day_minutes": 10, "api_storage_mb": 2}.items():
        object.__setattr__(settings, name, value)
    people.heard("a", 400)
    runner.check_room("a")
    people.heard("a", 200)
    with pytest.raises(QuotaError, match="10 minutes of music") as day:
        runner.check_room("a")
    assert day.value.retry_after_s is not None and 0 < day.value.retry_after_s <= 86_400
    left = runner.allowance("a")
    assert left.minutes.left == 0 and left.megabytes.left == 2 and left.songs.left is None
    assert (
        left.renews_at == pytest.approx(time.time() + day.value.retry_after_s, abs=5) and left.renews_at % 86_400 == 0
    )
    people.allow("a", None, day_minutes=11)
    runner.check_room("a")
    people.heard("a", 3600)
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    runner.check_room("a")  # another day
    assert people.get("a").today_s == 0 and people.get("nobody").today_s == 0
    for number in range(2):
        runner.database.insert(new_job("b", f"uploads/{number}", title="", options=Options(), priority=0), size=2**20)
        if number == 0:
            runner.check_room("b")
    with pytest.raises(QuotaError, match="take 2 MB"):
        runner.check_room("b")
    people.allow("b", None, storage_mb=0)
    runner.check_room("b")
    runner.check_room("c")


TURNS = """
import sys
from pathlib import Path
from drumscribe.jobs import queues, sending
from drumscribe.jobs.celery_runner import CeleryRunner
from drumscribe.settings import Settings
here = Settings(_env_file=None, data_dir=sys.argv[1], redis_url=sys.argv[2], queue_ahead=2)
runner = CeleryRunner(here)
song = Path(sys.argv[1], "song.wav")
song.write_bytes(b"RIFF" * 99)
jobs = [runner.submit(song, owner=owner) for owner in ("a", "a", "a", "a", "b")]
assert sum(queues.depths(here).values()) == 2
assert runner.database.marked(sending.UNSENT) == 3
with queues.asking(here) as client:
    client.flushall()
assert sending.feed(here, runner.database) == 2
held = {lease.job_id for lease in runner.database.waiting() if lease.worker == sending.UNSENT}
assert jobs[4].id not in held and len(held) == 1
runner.close()
"""


@pytest.mark.service
@pytest.mark.skipif("redis-server" in services.MISSING, reason="no Redis")
def test_over_redis_few_messages_wait_and_turns_are_taken(tmp_path: Path) -> None:
    # in a process of its own: Celery keeps the broker that it met first
    with services.Redis(tmp_path / "redis") as redis:
        command = [sys.executable, "-c", TURNS, str(tmp_path), redis.url]
        done = subprocess.run(command, env=os.environ | {"REDIS_URL": redis.url}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


HELD = """
import sys
from drumscribe.jobs import queues, sending
from drumscribe.jobs.celery_runner import CeleryRunner
from drumscribe.observability import traces
from drumscribe.settings import Settings
here = Settings(_env_file=None, data_dir=sys.argv[2], redis_url=sys.argv[3], queue_ahead=1)
traces.configure(Settings(_env_file=None, otlp_endpoint=sys.argv[1]), "api")
runner = CeleryRunner(here)
for name in ("one", "two"):
    with traces.span(f"request {name}"):
        with open(sys.argv[4], "rb") as song:
            runner.submit(song, owner=name, name=f"{name}.wav")
with queues.asking(here) as client:
    client.flushall()
with traces.span("somebody else's step"):
    assert sending.feed(here, runner.database) == 1
runner.close()
traces.flush()
"""


@pytest.mark.service
@pytest.mark.skipif("redis-server" in services.MISSING, reason="no Redis")
def test_a_job_that_waited_belongs_to_the_trace_of_its_own_request(tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF" * 99)
    with services.Redis(tmp_path / "redis") as redis, services.Collector() as collector:
        arguments = [collector.endpoint, str(tmp_path), redis.url, str(song)]
        command = [sys.executable, "-c", HELD, *arguments]
        ran = subprocess.run(command, env={**os.environ, "REDIS_URL": redis.url}, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        spans = [span for _, span in collector.spans()]
    requests = [span.trace_id for span in spans if span.name.startswith("request")]
    assert [span.trace_id for span in spans if span.name == "queue job"] == requests
