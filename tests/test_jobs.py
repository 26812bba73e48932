"""The embedded runner with its real worker process: kills, cancels, restarts, owners, two users at once."""

import io
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import songs
import tiny_demucs
from test_confinement import MISBEHAVES
from ui_songs import song as made

from drumscribe.errors import (
    EmptyAudioError,
    JobConflictError,
    JobNotFoundError,
    NotAudioError,
    ProjectError,
    QuotaError,
    UnsupportedLinkError,
    WorkerDiedError,
)
from drumscribe.jobs.local import LocalRunner
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.options import Options
from drumscribe.settings import Settings
from drumscribe.song import edits
from drumscribe.song.transcription import Transcription
from drumscribe.storage.files import STALE_S

pytestmark = pytest.mark.slow
PATIENCE_S = 240.0


def wait(runner: LocalRunner, job: Job, *, until=lambda job: job.status.finished, every_s: float = 0.05) -> Job:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        present = runner.get(job.id, owner=job.owner)
        if until(present):
            return present
        time.sleep(every_s)
    raise AssertionError(f"the job is still {present}")


def beside(settings: Settings, place: Path, name: str, **changes) -> Settings:
    """Settings of another deployment that has the stage cache of the first: starting TensorFlow takes long."""
    with closing(sqlite3.connect(settings.cache_dir / "stages" / "cache.db")) as held:
        held.execute("SELECT count(*) FROM Cache")  # else SQLite's own files go when a child that ends lets go of them
        shutil.copytree(settings.cache_dir, place / name / "cache")
    return settings.model_copy(update={"data_dir": place / name, **changes})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def settings(place):
    return Settings(data_dir=place / "data", separator="none", offline=True, api_active_jobs=6)


@pytest.fixture(scope="module")
def song(place):
    return songs.song(place / "Loop.wav", bars=2)


@pytest.fixture(scope="module")
def runner(settings):
    runner = LocalRunner(settings)
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def done(runner, song):
    """A job that was followed from submission to its end, with every snapshot on the way."""
    job = runner.submit(song, owner="me")
    seen = [job]
    final = wait(runner, job, until=lambda job: seen.append(job) or job.status.finished, every_s=0.01)
    return final, seen


def test_a_song_goes_all_the_way(done, runner):
    final, seen = done
    assert final.status is JobStatus.DONE, final.error
    assert (final.title, final.owner, final.attempts, final.progress) == ("Loop", "me", 1, 1.0)
    assert final.duration_s == pytest.approx(4.5, abs=0.01)
    assert {"ingest", "detect", "beats", "export"} <= set(final.timings)
    assert any("not separated" in warning for warning in final.warnings)
    assert runner.people.get("me").today_s == pytest.approx(4.5, abs=0.01)
    stored = runner.people.storage(runner.store)
    assert runner.people.stored("me") == stored["me"] > 10_000
    assert seen[0].status is JobStatus.QUEUED
    progress = [job.progress for job in seen]
    assert progress == sorted(progress)
    assert any(job.eta_s for job in seen) and final.eta_s is None
    rates = runner.database.rates()
    assert rates["detect"] > 0 and rates["beats"] >= 0  # beats are found beside the hits, often in no time of their own


def test_the_result_reopens_with_its_audio(done, runner):
    final, _ = done
    result = runner.result(final.id, owner="me")
    assert len(result.hits) > 8 and result.audio.samples.shape[0] == 2
    assert result.preview("mix")[:4] == b"OggS"


def test_edits_are_saved_and_stale_ones_refused(done, runner):
    final, _ = done
    result = runner.result(final.id, owner="me")
    saved = runner.save(final.id, result.edit(edits.add(result.hits, 1.23, "crash")), owner="me", revision=0)
    assert saved.revision == 1
    assert any(hit.time_s == 1.23 for hit in runner.result(final.id, owner="me").hits)
    with pytest.raises(JobConflictError):
        runner.save(final.id, result, owner="me", revision=0)


def test_others_see_nothing_of_it(done, runner):
    final, _ = done
    assert runner.list(owner="you") == []
    for action in (runner.get, runner.cancel, runner.retry, runner.delete, runner.result):
        with pytest.raises(JobNotFoundError):
            action(final.id, owner="you")
    assert runner.get(final.id, owner=None).id == final.id


def test_two_users_at_once_each_get_their_own(runner, place):
    theirs = {owner: songs.song(place / f"{owner}.wav", bars=bars) for owner, bars in (("ann", 1), ("bob", 3))}
    jobs = {owner: runner.submit(path, owner=owner) for owner, path in theirs.items()}
    for owner, job in jobs.items():
        final = wait(runner, job)
        assert final.status is JobStatus.DONE and final.title == owner
        assert [other.id for other in runner.list(owner=owner)] == [job.id]
        assert runner.result(job.id, owner=owner).song.duration_s == pytest.approx(
            0.5 + 2 * (1 if owner == "ann" else 3)
        )


def test_what_cannot_be_a_song_is_refused_at_once_or_fails_with_its_reason(runner):
    with pytest.raises(UnsupportedLinkError):
        runner.submit("https://example.com/song", owner="me")
    with pytest.raises(UnsupportedLinkError):
        runner.submit("/etc/passwd", owner="me")
    with pytest.raises(EmptyAudioError):
        runner.submit(io.BytesIO(b""), owner="me", name="a.wav")
    job = runner.submit(io.BytesIO(b"%PDF-1.7" * 1000), owner="me", name="../../report.pdf")
    final = wait(runner, job)
    assert final.status is JobStatus.FAILED and isinstance(final.exception(), NotAudioError)
    assert "/" not in final.title
    with pytest.raises(NotAudioError):
        runner.result(job.id, owner="me")


def test_the_same_idempotency_key_is_the_same_job(runner, song):
    first = runner.submit(song, owner="me", idempotency_key="k1")
    assert runner.submit(song, owner="me", idempotency_key="k1").id == first.id
    wait(runner, first)


def test_quota(settings, place, song):
    runner = LocalRunner(settings.model_copy(update={"data_dir": place / "quota", "api_active_jobs": 1}))
    try:
        runner._keeper.stop()  # nothing takes the jobs away
        runner.submit(song, owner="me")
        with pytest.raises(QuotaError):
            runner.submit(song, owner="me")
        assert runner.submit(song, owner="you").position == 1
    finally:
        runner.close()


@pytest.fixture(scope="module")
def long_song(place):
    return songs.song(place / "Long.wav", bars=2, times=8)


def test_kill_9_in_the_middle_of_each_stage(settings, place, long_song):
    """One job, killed once in every stage that lasts; each try goes on from the last finished stage."""
    data = place / "kill"
    tiny_demucs.save(place / "demucs")
    demucs = {"separator": "demucs", "demucs_model": str(place / "demucs")}
    runner = LocalRunner(settings.model_copy(update={"data_dir": data, **demucs}))
    stages = ("ingest", "separate", "detect", "export")  # beats are found beside the hits: theirs may be over at once
    try:
        job = runner.submit(long_song, owner="me")
        for number, stage in enumerate(stages):
            seen: set[str] = set()

            def reached(job: Job, stage: str = stage, seen: set[str] = seen) -> bool:
                seen.add(job.stage)
                return job.stage == stage or job.status.finished

            assert wait(runner, job, until=reached, every_s=0.001).stage == stage
            os.kill(runner.worker_pid, signal.SIGKILL)
            failed = wait(runner, job)
            assert failed.status is JobStatus.FAILED and isinstance(failed.exception(), WorkerDiedError)
            assert "killed" in failed.message and stage in failed.message and failed.error["todo"]
            assert not runner.store.folder(job.id).exists("project.json")
            with pytest.raises(WorkerDiedError):
                runner.result(job.id, owner="me")
            assert set(stages[number + 1 :]).isdisjoint(seen)
            runner.retry(job.id, owner="me")
        final = wait(runner, job)
        assert final.status is JobStatus.DONE, final.error
        assert {"ingest", "separate", "detect", "beats"}.isdisjoint(final.timings), "finished stages were not repeated"
        # an untrained Demucs leaves no drums to be heard: what counts is that its stem was used
        assert runner.result(job.id, owner="me").heard.method == "demucs"
        index = sqlite3.connect(data / "cache" / "stages" / "cache.db")
        known = {row[0] for row in index.execute("SELECT filename FROM Cache WHERE filename IS NOT NULL")}
        index.close()
        values = {path.relative_to(data / "cache" / "stages").as_posix() for path in data.rglob("*.val")}
        assert values == known, "no half result is left in the cache"
        assert list(data.rglob("*.part")) == []
    finally:
        runner.close()


@pytest.mark.skipif(os.name != "posix", reason="decoders have no process of their own here")
def test_a_decoder_that_aborts_or_eats_memory_costs_its_own_job_alone(done, settings, place, song, monkeypatch):
    (place / "wrong").mkdir()
    (place / "wrong" / "sitecustomize.py").write_text(MISBEHAVES)
    monkeypatch.syspath_prepend(place / "wrong")
    limits = {"public": True, "decode_memory_mb": 300}
    runner = LocalRunner(beside(settings, place, "served", **limits))
    try:
        marks = {"ABORT": "signal 6", "EATS": "ran out of memory"}
        bad = {
            mark: runner.submit(io.BytesIO(b"ID3\x04" + mark.encode() + bytes(4000)), owner=mark, name="crafted.mp3")
            for mark in marks
        }
        good = runner.submit(song, owner="b")
        pids = set()
        for mark, says in marks.items():
            ended = wait(runner, bad[mark])
            assert ended.status is JobStatus.FAILED and ended.error["code"] == "decoder_died"
            assert says in ended.error["what"]
            pids.add(runner.worker_pid)
        assert wait(runner, good).status is JobStatus.DONE
        assert pids == {runner.worker_pid}
    finally:
        runner.close()


def test_a_decoder_that_hangs_costs_its_own_job_alone(settings, place, monkeypatch):
    (place / "hangs").mkdir()
    (place / "hangs" / "sitecustomize.py").write_text(MISBEHAVES)
    monkeypatch.syspath_prepend(place / "hangs")
    runner = LocalRunner(
        settings.model_copy(update={"data_dir": place / "hangs", "public": True, "decode_timeout_s": 4})
    )
    try:
        bad = runner.submit(io.BytesIO(b"ID3\x04SLEEP" + bytes(4000)), owner="a", name="crafted.mp3")
        good = runner.submit(made(1).export(place / "hangs", ("json",))["json"], owner="b")  # needs no decoder
        ended = wait(runner, bad)
        assert ended.status is JobStatus.FAILED and ended.error["code"] == "decoder_died"
        assert "not come to an end within 4 s" in ended.error["what"]
        worker = psutil.Process(runner.worker_pid)
        assert wait(runner, good).status is JobStatus.DONE
        assert worker.is_running() and not worker.children(recursive=True)
    finally:
        runner.close()


def test_cancel_waiting_and_running(runner, place, long_song):
    running = runner.submit(long_song, owner="me")
    waiting = runner.submit(songs.song(place / "Waiting.wav", bars=1), owner="me", priority=100)
    assert runner.cancel(waiting.id, owner="me").status is JobStatus.CANCELLED
    wait(runner, running, until=lambda job: job.status is not JobStatus.QUEUED)
    assert runner.cancel(running.id, owner="me").status in (JobStatus.CANCELLING, JobStatus.CANCELLED)
    assert wait(runner, running).status is JobStatus.CANCELLED
    assert runner.cancel(running.id, owner="me").status is JobStatus.CANCELLED
    with pytest.raises(JobConflictError):
        runner.result(running.id, owner="me")
    runner.retry(waiting.id, owner="me")
    assert wait(runner, waiting).status is JobStatus.DONE
    with pytest.raises(JobConflictError):
        runner.retry(waiting.id, owner="me")


def test_delete_removes_everything(runner, place):
    path = songs.song(place / "Gone.wav", bars=1, times=2)
    one, two = runner.submit(path, owner="me"), runner.submit(path, owner="you")
    for job in (one, two):
        wait(runner, job)
    runner.delete(one.id, owner="me")
    assert runner.store.exists(two.source), "somebody else's job needs the upload"
    runner.delete(two.id, owner="you")
    assert not runner.store.exists(two.source)
    for job in (one, two):
        assert not runner.store.folder(job.id).exists("project.json")
        with pytest.raises(JobNotFoundError):
            runner.get(job.id, owner=None)


def test_deleting_a_running_job_stops_it(runner, long_song):
    job = runner.submit(long_song, owner="me", options=Options().updated(beats={"tracker": "librosa"}))
    wait(runner, job, until=lambda job: job.status is JobStatus.RUNNING)
    runner.delete(job.id, owner="me")
    end = time.monotonic() + PATIENCE_S
    while runner.database.leases() or runner.store.listing("jobs").get(f"jobs/{job.id}"):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_jobs_survive_the_web_process(done, settings, place, song):
    """The next runner over the same data takes over what the last one left, whether it closed or died."""
    mine = beside(settings, place, "restart", job_lease_s=1.0)
    first = LocalRunner(mine)
    job = first.submit(song, owner="me")
    wait(first, job, until=lambda job: job.status is JobStatus.RUNNING)
    first.close()
    second = LocalRunner(mine)
    try:
        assert wait(second, job).status is JobStatus.DONE
        orphan = second.submit(song, owner="me")
        second._keeper.stop()
        with pytest.raises(JobConflictError):
            second.result(orphan.id, owner="me")
        assert second.database.claim("a worker that is no more").id == orphan.id
    finally:
        second.close()
    third = LocalRunner(mine)
    try:
        assert wait(third, orphan).status is JobStatus.DONE
    finally:
        third.close()


def test_one_worker_for_all_runners_of_a_machine(done, settings, place, song):
    mine = beside(settings, place, "shared")
    first, second = LocalRunner(mine), LocalRunner(mine)
    try:
        jobs = [first.submit(song, owner="me"), second.submit(song, owner="me")]
        for job in jobs:
            assert wait(second, job).status is JobStatus.DONE
        assert [first.worker_pid, second.worker_pid].count(None) == 1
    finally:
        first.close()
        second.close()


def test_a_stage_that_takes_too_long_is_stopped(settings, place, long_song):
    runner = LocalRunner(settings.model_copy(update={"data_dir": place / "slow", "stage_timeout_s": 0.05}))
    try:
        final = wait(runner, runner.submit(long_song, owner="me"))
        assert final.status is JobStatus.FAILED and "took longer" in final.message
    finally:
        runner.close()


def test_clean_up_spares_what_is_young_or_running(done, settings, place, song):
    mine = beside(settings, place, "clean", artifact_ttl_hours=1.0)
    runner = LocalRunner(mine)
    try:
        old, young = (wait(runner, runner.submit(song, owner="me")) for _ in range(2))
        runner._keeper.stop()
        running = runner.submit(song, owner="me")
        assert runner.database.claim("w").id == running.id
        with runner.database.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE jobs SET finished_at = {time.time() - 3700} WHERE id = '{old.id}'")
        aged = time.time() - STALE_S - 60
        for path in mine.data_dir.rglob("*"):
            os.utime(path, (aged, aged))
        assert runner.clean() == 1
        assert {job.id for job in runner.list(owner="me")} == {young.id, running.id}
        assert runner.store.exists(running.source) and not runner.store.folder(old.id).exists("project.json")
        assert len(runner.result(young.id, owner="me").hits) > 8
        runner.settings = mine.model_copy(update={"storage_size_gb": 1e-6})
        assert runner.clean() == 1, "over the quota the oldest finished job goes, a running one stays"
        assert [job.id for job in runner.list(owner="me")] == [running.id]
    finally:
        runner.close()


def test_a_project_from_elsewhere_becomes_a_finished_job(tmp_path):
    given = Transcription.of_project(made(4).project())
    runner = LocalRunner(Settings(data_dir=tmp_path))
    try:
        job = runner.adopt(given, owner="me")
        assert (job.status, job.title, job.duration_s) == (JobStatus.DONE, "Test beat", given.song.duration_s)
        again = runner.result(job.id, owner="me")
        assert (again.hits, again.history.log, again.options, again.score) == (
            given.hits, given.history.log, given.options, given.score)  # fmt: skip
        with pytest.raises(ProjectError, match="no audio"):
            _ = again.audio
        assert runner.save(job.id, again.rescore(None, beats={"bar_shift": 1}), owner="me").revision == 1
        with pytest.raises(JobNotFoundError):
            runner.get(job.id, owner="somebody else")
    finally:
        runner.close()
