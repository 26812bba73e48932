"""The distributed runner: rules of a chain on any database, then a whole deployment of real servers and workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import services
import songs
from s3fs import S3FileSystem

from drumscribe.jobs import migrate, queues, recovery, sending
from drumscribe.jobs.celery_runner import CeleryRunner
from drumscribe.jobs.db import Database, Lease, new_job
from drumscribe.jobs.local import LocalRunner
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.runner import connect as connect_runner
from drumscribe.options import Options
from drumscribe.settings import Settings
from drumscribe.storage.shared_cache import SharedCache, connect

EMPTY = dict.fromkeys(queues.QUEUES, 0)

# rules, on SQLite and without a broker


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", offline=True)


@pytest.fixture
def runner(settings: Settings) -> Iterator[CeleryRunner]:
    runner = CeleryRunner(settings)
    yield runner
    runner.close()


def queued(database: Database) -> Job:
    return database.insert(new_job("me", "uploads/" + "0" * 64, title="x", options=Options(), priority=0))


def test_a_step_is_taken_once_and_only_in_its_attempt(runner: CeleryRunner) -> None:
    database, job = runner.database, queued(runner.database)
    assert database.take(job.id, "a", 2) is None
    taken = database.take(job.id, "a", 1)
    assert taken is not None and taken.status is JobStatus.RUNNING and taken.attempts == 1
    assert database.take(job.id, "b", 1) is None
    assert not database.release(job.id, "b")
    assert database.release(job.id, "a", stage="ingest", timings={"ingest": 1.0})
    assert database.take(job.id, "b", 2) is None
    taken = database.take(job.id, "b", 1)
    assert taken is not None and taken.timings == {"ingest": 1.0}
    database.move(job.id, JobStatus.DONE, worker="b")
    assert database.take(job.id, "a", 1) is None
    assert database.take(job.id, "a", 2) is None


def test_a_job_is_kept_while_the_broker_is_away(runner: CeleryRunner, tmp_path: Path) -> None:
    path = songs.song(tmp_path / "song.wav", 1)
    job = runner.submit(path, owner="me")
    assert job.status is JobStatus.QUEUED
    assert [lease.worker for lease in runner.database.waiting()] == [sending.UNSENT]


def test_a_dead_workers_job_begins_again_and_is_parked_in_the_end(runner: CeleryRunner, settings: Settings) -> None:
    database, job = runner.database, queued(runner.database)
    for attempt in range(1, settings.job_tries + 1):
        taken = database.take(job.id, "gone:1", attempt)
        assert taken is not None
        database.beat(job.id, "gone:1", stage="separate")
        lease = database.leases()[0]
        assert recovery.recover(settings, database, lease)
        assert not recovery.recover(settings, database, lease)  # somebody else was faster
    parked = database.get(job.id)
    assert parked.status is JobStatus.FAILED
    assert parked.error is not None and parked.error["code"] == "worker_died"
    assert "3 times" in parked.error["what"] and "separate" in parked.error["what"]


def test_a_starved_worker_is_not_a_dead_one(
    runner: CeleryRunner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "depths", lambda _: {**EMPTY, queues.HEAVY: 1})
    short = settings.model_copy(update={"job_lease_s": 0.01})
    with subprocess.Popen(["sleep", "3600"]) as process:
        job = queued(runner.database)
        assert runner.database.take(job.id, recovery.holder(process.pid), 1) is not None
        watch = recovery.Recovery(short, clean=False)
        for _ in range(9):
            watch.once(runner)
        assert runner.database.get(job.id).status is JobStatus.RUNNING  # silent, but there
        process.kill()
    watch.once(runner)
    assert runner.database.get(job.id).status is JobStatus.QUEUED


def test_a_process_under_a_dead_ones_number_is_another(
    runner: CeleryRunner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that is started again has the same name, and its workers the same process ids."""
    monkeypatch.setattr(recovery, "depths", lambda _: {**EMPTY, queues.HEAVY: 1})
    me = recovery.holder(os.getpid())
    before = f"{me.rpartition(':')[0]}:1"
    assert recovery.near(me) and recovery.near(before) and recovery.alive(me) and not recovery.alive(before)
    assert not recovery.near("other:1:1") and not recovery.near("gone:1") and not recovery.near("")
    job = queued(runner.database)
    assert runner.database.take(job.id, before, 1) is not None
    watch = recovery.Recovery(settings.model_copy(update={"job_lease_s": 0.01}), clean=False)
    for _ in range(5):  # the state is seen, then four quarters of the lease pass
        watch.once(runner)
    assert runner.database.get(job.id).status is JobStatus.QUEUED


def test_a_cancelled_job_of_a_dead_worker_is_cancelled(runner: CeleryRunner, settings: Settings) -> None:
    database, job = runner.database, queued(runner.database)
    database.take(job.id, "gone:1", 1)
    assert runner.cancel(job.id, owner="me").status is JobStatus.CANCELLING
    assert recovery.recover(settings, database, Lease(job.id, "gone:1", 1, JobStatus.CANCELLING))
    assert database.get(job.id).status is JobStatus.CANCELLED


def test_between_two_steps_a_job_is_cancelled_at_once(runner: CeleryRunner) -> None:
    database, job = runner.database, queued(runner.database)
    database.take(job.id, "a", 1)
    database.release(job.id, "a")
    assert runner.cancel(job.id, owner="me").status is JobStatus.CANCELLED
    assert database.take(job.id, "b", 1) is None


def test_short_songs_go_first() -> None:
    from drumscribe.jobs.sending import priority_of

    def job(**values: float) -> Job:
        return Job(id="0" * 32, owner="me", source="x", **values)

    assert priority_of(job(priority=1)) < priority_of(job(priority=4))
    assert priority_of(job(duration_s=30)) < priority_of(job(duration_s=300)) < priority_of(job(duration_s=900))
    assert priority_of(job(priority=99)) == queues.PRIORITIES[-1]


def test_what_was_begun_is_ended_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else many songs would be at work side by side, and all of them end late."""
    given: dict[str, int] = {}

    def chained(*steps: Any) -> Any:
        given.update({step.task.partition(".")[2]: step.options["priority"] for step in steps})
        return SimpleNamespace(apply_async=lambda **_: None)

    monkeypatch.setattr(sending, "chain", chained)
    sending.dispatch(Job(id="0" * 32, owner="me", source="uploads/0", duration_s=600))
    assert given == {"ingest": 5, "separate": 5, "detect": 0, "beats": 0, "finish": 0}


def test_the_chain_covers_every_costly_stage_and_ends_on_the_default_queue() -> None:
    assert list(queues.STEPS) == ["fetch", "ingest", "separate", "detect", "beats", "finish"]
    assert list(queues.steps_of("uploads/0a.wav")) == list(queues.STEPS)[1:]
    assert [step for step, queue in queues.STEPS.items() if queue == queues.FETCH] == ["fetch"]
    assert (queues.STEPS["separate"], queues.STEPS["detect"]) == (queues.HEAVY, queues.HEAVY)
    assert (queues.STEPS["ingest"], queues.STEPS["finish"]) == (queues.DEFAULT, queues.DEFAULT)


def test_links_that_wait_hold_up_no_upload(runner: CeleryRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(sending, "dispatch", lambda job, trace="": sent.append(job.source))
    for number in range(3):
        for source in (f"https://youtu.be/abcDEF1234{number}", f"uploads/{number}"):
            job = runner.database.insert(new_job("me", source, title="x", options=Options(), priority=0))
            runner.database.mark(job.id, sending.UNSENT)
    few = runner.settings.model_copy(update={"queue_ahead": 2})
    assert sending.feed(few, runner.database, {**EMPTY, queues.FETCH: 2}) == 2
    assert sent == ["uploads/0", "uploads/1"]
    assert sending.feed(few, runner.database, {**EMPTY, queues.HEAVY: 1, queues.FETCH: 1}) == 2
    assert sent[2:] == ["https://youtu.be/abcDEF12340", "uploads/2"]


def test_migrations_make_exactly_the_models(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from drumscribe.jobs.tables import Base

    database = Database(Settings(_env_file=None, data_dir=tmp_path))
    migrate.upgrade(database.engine)
    migrate.upgrade(database.engine)
    assert migrate.current(database.engine) == migrate.head()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_an_embedded_database_becomes_a_migrated_one(tmp_path: Path) -> None:
    database = Database(Settings(_env_file=None, data_dir=tmp_path))
    database.create()
    job = queued(database)
    migrate.upgrade(database.engine)
    assert migrate.current(database.engine) == migrate.head()
    assert database.get(job.id).title == "x"


# a whole deployment


@pytest.fixture(scope="module")
def collector() -> Iterator[services.Collector]:
    with services.Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, collector: services.Collector) -> Iterator[services.Stack]:
    if services.MISSING:
        pytest.skip(f"not installed: {', '.join(services.MISSING)}")
    folder = tmp_path_factory.mktemp("stack")
    with services.Stack(folder, JOB_LEASE_S="15", OTLP_ENDPOINT=collector.endpoint) as stack:
        yield stack


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return songs.song(tmp_path_factory.mktemp("song") / "Four bars.wav")


@pytest.mark.service
@pytest.mark.slow
class TestDeployment:
    def test_every_part_is_up(self, stack: services.Stack) -> None:
        health = services.wait_until(lambda: h if (h := stack.client.get("/health").json())["status"] == "up" else None)
        assert health["database"]["detail"] == "postgresql"
        assert health["broker"]["detail"] == "redis"
        assert health["storage"]["detail"] == "bucket"

    def test_the_schema_in_postgresql_is_the_models(self, stack: services.Stack) -> None:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        from drumscribe.jobs.tables import Base

        database = Database(Settings(_env_file=None, database_url=stack.postgres.url))
        with database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
            given = connection.connection.driver_connection.info.get_parameters()  # a vanished server is noticed
            assert (given["tcp_user_timeout"], given["keepalives_idle"]) == ("30000", "10")
        assert 0.001 < database.size_gb() < 1
        database.close()

    def test_the_same_song_gives_the_same_bytes_everywhere(
        self, stack: services.Stack, song: Path, tmp_path: Path
    ) -> None:
        job_id = stack.submit(song)
        env = {
            **os.environ,
            "DATA_DIR": str(tmp_path / "cli"),
            "SEPARATOR": "none",
            "BEAT_TRACKER": "madmom",
            "OFFLINE": "true",
            "NUMBA_CACHE_DIR": stack.env["NUMBA_CACHE_DIR"],
        }
        command = [
            sys.executable,
            "-m",
            "drumscribe",
            "transcribe",
            str(song),
            "-o",
            str(tmp_path / "out"),
            "--formats",
            "musicxml",
        ]
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
        assert ran.returncode == 0, ran.stderr
        by_cli = (tmp_path / "out" / "Four bars.musicxml").read_bytes()

        settings = Settings(
            _env_file=None, data_dir=tmp_path / "cli", separator="none", beat_tracker="madmom", offline=True
        )
        runner = LocalRunner(settings)  # what the app uses
        try:
            local = runner.submit(song, owner="app")
            ended = services.wait_until(
                lambda: j if (j := runner.get(local.id, owner="app")).status.finished else None, 600
            )
            assert ended.status is JobStatus.DONE, ended.error
            by_app = runner.result(local.id, owner="app").render("musicxml")[0]
        finally:
            runner.close()

        job = stack.ended(job_id)
        assert job["status"] == "done", (job["error"], stack.logs())
        assert job["attempts"] == 1, stack.logs()
        by_api = stack.download(job_id)

        with services.environment(stack.env):  # the app with REDIS_URL: its runner is Celery's
            S3FileSystem.clear_instance_cache()
            shared = connect_runner(Settings(_env_file=None))
            try:
                assert isinstance(shared, CeleryRunner)
                queued_by_app = shared.submit(song, owner="app")
                ended = services.wait_until(
                    lambda: j if (j := shared.get(queued_by_app.id, owner="app")).status.finished else None, 600
                )
                assert ended.status is JobStatus.DONE, ended.error
                by_app_and_workers = shared.result(ended.id, owner="app").render("musicxml")[0]
            finally:
                shared.close()
        assert b"<note" in by_cli
        assert by_cli == by_app == by_api == by_app_and_workers

    def test_what_is_finished_is_not_repeated(self, stack: services.Stack, song: Path) -> None:
        job = stack.ended(stack.submit(song, "Other name.wav"))
        assert job["status"] == "done", job["error"]
        assert job["title"] == "Other name"
        assert not {"ingest", "detect", "beats"} & set(job["timings"])

    def test_files_come_from_the_bucket(self, stack: services.Stack, song: Path) -> None:
        job = stack.ended(stack.submit(song))
        answer = stack.client.get(f"/jobs/{job['id']}/download/midi")
        assert answer.status_code == 200 and answer.content.startswith(b"MThd")  # browsers may not reach this bucket

    def test_a_bad_file_fails_on_the_first_step(self, stack: services.Stack, tmp_path: Path) -> None:
        (tmp_path / "no.wav").write_bytes(b"not audio" * 99)
        job = stack.ended(stack.submit(tmp_path / "no.wav"))
        assert (job["status"], job["error"]["code"]) == ("failed", "not_audio")

    def test_a_killed_heavy_worker_loses_nothing(self, stack: services.Stack, tmp_path: Path) -> None:
        job_id = stack.submit(songs.song(tmp_path / "long.wav", 4, times=6))
        stack.until(job_id, lambda job: job["stage"] in ("detect", "beats") and job["fraction"] < 1)
        for pid in services.children(stack.heavy):
            os.kill(pid, signal.SIGKILL)
        job = stack.ended(job_id)
        assert job["status"] == "done", (job, stack.logs())
        assert job["attempts"] == 2

    def test_a_message_delivered_twice_changes_nothing(self, stack: services.Stack, tmp_path: Path) -> None:
        job_id = stack.submit(songs.song(tmp_path / "twice.wav", 2))
        code = (
            "import sys; from drumscribe.jobs import sending, tasks; "
            "sending.dispatch(tasks.context().database.get(sys.argv[1]))"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, job_id], env={**os.environ, **stack.env}, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        job = stack.ended(job_id)
        assert (job["status"], job["attempts"]) == ("done", 1), job
        services.wait_until(lambda: not any(queues.depths(Settings(redis_url=stack.redis.url)).values()))
        assert stack.job(job_id) == job

    def test_cancel_reaches_a_running_step(self, stack: services.Stack, tmp_path: Path) -> None:
        job_id = stack.submit(songs.song(tmp_path / "cancel.wav", 4, times=12))
        stack.until(job_id, lambda job: job["stage"] in ("detect", "beats") and 0 < job["fraction"] < 1)
        assert stack.client.delete(f"/jobs/{job_id}").json()["status"] in ("cancelling", "cancelled")
        assert stack.ended(job_id, 30)["status"] == "cancelled"

    def test_one_trace_from_the_request_to_each_step(
        self, stack: services.Stack, collector: services.Collector, tmp_path: Path
    ) -> None:
        job_id = stack.submit(songs.song(tmp_path / "trace.wav", 3))
        assert stack.ended(job_id)["status"] == "done"
        steps = queues.steps_of("uploads/")

        def of_the_job() -> dict[str, tuple[str, Any]] | None:
            found = collector.spans()
            traces = {span.trace_id for _, span in found for a in span.attributes if a.value.string_value == job_id}
            named = {span.name: (service, span) for service, span in found if span.trace_id in traces}
            return named if {f"step {step}" for step in steps} | {"POST /api/v1/jobs"} <= set(named) else None

        spans = services.wait_until(of_the_job, 60, 0.5)
        request, queue = spans["POST /api/v1/jobs"][1], spans["queue job"][1]
        assert queue.parent_span_id == request.span_id and not request.parent_span_id
        for step, where in steps.items():
            service, span = spans[f"step {step}"]
            assert service == f"drumscribe-worker-{where}"
            assert (span.trace_id, span.parent_span_id) == (request.trace_id, queue.span_id)

    def test_log_lines_are_json_with_the_jobs_id_and_without_what_it_is_called(
        self, stack: services.Stack, tmp_path: Path
    ) -> None:
        assert stack.ended(stack.submit(songs.song(tmp_path / "Secret title.wav", 2)))["title"] == "Secret title"
        sent = stack.client.post("/jobs", json={"url": "https://youtu.be/SecretLink1"}).json()
        assert stack.ended(sent["id"])["status"] == "failed"
        told = "".join(path.read_text(errors="replace") for path in stack.folder.glob("*.log"))
        assert sent["id"] in told and "Secret" not in told
        lines = [json.loads(line) for line in stack.default.log.read_text().splitlines() if line.startswith("{")]
        begun = [line for line in lines if line["event"] == "step_begins"]
        assert begun and all(len(line["job_id"]) == 32 for line in begun)


@pytest.mark.service
def test_the_bucket_serves_a_worker_that_has_nothing(tmp_path: Path) -> None:
    if services.MISSING:
        pytest.skip(f"not installed: {', '.join(services.MISSING)}")
    with services.S3(tmp_path / "s3") as s3, services.environment(s3.env_for_clients):
        S3FileSystem.clear_instance_cache()  # an earlier server's address is kept with its file system
        one, two = (Settings(_env_file=None, data_dir=tmp_path / name, storage_url=s3.url) for name in "ab")
        connect(one).put("stage:key", {"x": [1, 2]})
        found = connect(two)
        assert isinstance(found, SharedCache)
        assert found.get("stage:key") == {"x": [1, 2]}
        assert found.get("stage:other") is None
