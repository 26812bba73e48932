import itertools
import threading
import time

import pytest

from drumscribe.errors import JobConflictError, JobNotFoundError, StorageError, TooLongError
from drumscribe.jobs.db import Database, error_values, new_job
from drumscribe.jobs.fairness import PRIORITY_S
from drumscribe.jobs.model import TRANSITIONS, Job, JobStatus, sources_of
from drumscribe.jobs.tables import JobRow
from drumscribe.options import Options
from drumscribe.settings import Settings


@pytest.fixture
def database(tmp_path):
    database = Database(Settings(data_dir=tmp_path))
    database.create()
    yield database
    database.close()


def queued(database: Database, owner: str = "me", priority: int = 0, **more) -> Job:
    job = new_job(owner, "uploads/x", title="Song", options=Options(), priority=priority)
    return database.insert(job, name="Song.mp3", **more)


def in_state(database: Database, status: JobStatus) -> Job:
    """A job brought to ``status`` by allowed steps only."""
    job = queued(database)
    path = {
        JobStatus.QUEUED: [],
        JobStatus.RUNNING: [JobStatus.RUNNING],
        JobStatus.CANCELLING: [JobStatus.RUNNING, JobStatus.CANCELLING],
        JobStatus.DONE: [JobStatus.RUNNING, JobStatus.DONE],
        JobStatus.FAILED: [JobStatus.RUNNING, JobStatus.FAILED],
        JobStatus.CANCELLED: [JobStatus.CANCELLED],
    }[status]
    for step in path:
        job = database.move(job.id, step)
    return job


def test_a_job_comes_back_as_it_went_in(database):
    options = Options().updated(beats={"bpm": 90}, separate={"separator": "none"})
    job = database.insert(new_job("me", "https://youtu.be/x", title="T" * 400, options=options, priority=3))
    again = database.get(job.id, owner="me")
    assert again == job and again.options == options and len(again.title) == 300
    assert (again.status, again.attempts, again.error, again.revision) == (JobStatus.QUEUED, 0, None, 0)


def test_owners_do_not_see_each_other(database):
    mine, yours = queued(database, "me"), queued(database, "you")
    assert [job.id for job in database.find(owner="me")] == [mine.id]
    assert database.get(yours.id).owner == "you"
    for action in (
        lambda: database.get(yours.id, owner="me"),
        lambda: database.move(yours.id, JobStatus.CANCELLED, owner="me"),
        lambda: database.save(yours.id, owner="me", revision=None),
        lambda: database.get("0" * 32),
        lambda: database.delete("0" * 32),
    ):
        with pytest.raises(JobNotFoundError):
            action()
    assert database.counts(owner="me")[JobStatus.QUEUED] == 1


def test_only_the_arrows_of_the_table_are_taken(database):
    for origin, target in itertools.product(JobStatus, JobStatus):
        job = in_state(database, origin)
        if target in TRANSITIONS[origin]:
            assert database.move(job.id, target).status is target
            assert origin in sources_of(target)
        else:
            with pytest.raises(JobConflictError):
                database.move(job.id, target)
            assert database.get(job.id).status is origin


def test_every_job_can_end_and_ended_ones_stay(database):
    for status in JobStatus:
        if not status.finished:
            assert any(target.finished for target in TRANSITIONS[status])


def test_one_job_is_claimed_once(database):
    jobs = [queued(database) for _ in range(20)]
    claimed: list[str] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        while (job := database.claim(name)) is not None:
            with lock:
                claimed.append(job.id)

    threads = [threading.Thread(target=work, args=(f"w{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(job.id for job in jobs)


def test_short_ones_first_but_nobody_waits_for_ever(database):
    long, short = queued(database, priority=2), queued(database, priority=0)
    assert (database.get(long.id).position, database.get(short.id).position) == (1, 0)
    assert database.claim("w").id == short.id
    with database.engine.begin() as connection:
        connection.execute(JobRow.__table__.update().values(created_at=time.time() - 3 * PRIORITY_S))
    late = queued(database, priority=0)
    assert database.claim("w").id == long.id
    assert database.claim("w").id == late.id
    assert database.claim("w") is None


def test_the_lease_belongs_to_one_worker(database):
    job = queued(database)
    assert database.beat(job.id, "w1") is None
    database.claim("w1")
    assert database.beat(job.id, "w1", stage="beats", fraction=0.5) is JobStatus.RUNNING
    assert database.beat(job.id, "w2", stage="detect") is None
    assert database.get(job.id).stage == "beats"
    (lease,) = database.leases()
    assert (lease.job_id, lease.worker) == (job.id, "w1")
    database.beat(job.id, "w1")
    assert database.leases()[0].beat == lease.beat + 1
    with pytest.raises(JobConflictError):
        database.move(job.id, JobStatus.DONE, worker="w2")
    database.move(job.id, JobStatus.CANCELLING)
    assert database.beat(job.id, "w1") is JobStatus.CANCELLING and database.cancelling(job.id)
    database.move(job.id, JobStatus.CANCELLED, worker="w1")
    assert database.leases() == [] and database.beat(job.id, "w1") is None


def test_a_retry_starts_clean(database):
    job = queued(database)
    database.claim("w")
    failed = database.move(job.id, JobStatus.FAILED, **error_values(TooLongError("Too long.", "Cut it.")))
    assert isinstance(failed.exception(), TooLongError) and failed.finished_at is not None
    again = database.move(job.id, JobStatus.QUEUED)
    assert (again.error, again.stage, again.finished_at) == (None, "", None)
    assert database.claim("w").attempts == 2


def test_idempotency_keys_are_per_owner(database):
    first = queued(database, idempotency_key="k")
    assert queued(database, idempotency_key="k").id == first.id
    assert queued(database, "you", idempotency_key="k").id != first.id
    assert queued(database).id != queued(database).id


def test_edits_are_counted_and_stale_ones_refused(database):
    job = in_state(database, JobStatus.DONE)
    assert database.save(job.id, owner="me", revision=0).revision == 1
    with pytest.raises(JobConflictError, match="meanwhile"):
        database.save(job.id, owner="me", revision=0)
    assert database.save(job.id, owner="me", revision=None).revision == 2
    with pytest.raises(JobConflictError, match="queued"):
        database.save(queued(database).id, owner="me", revision=None)


def test_rates_follow_what_is_measured(database):
    assert database.rates() == {}
    database.learn({"beats": 0.3, "detect": 0.1})
    database.learn({"beats": 0.6})
    assert database.rates() == pytest.approx({"beats": 0.4, "detect": 0.1})


def test_ended_jobs_by_age(database):
    old, running = in_state(database, JobStatus.DONE), in_state(database, JobStatus.RUNNING)
    assert database.finished_before(time.time() + 1) == [old.id]
    assert database.finished_before(time.time() - 60) == []
    assert set(database.sources()) == {old.id, running.id}


def test_a_database_that_cannot_be_used_is_a_typed_error(tmp_path):
    (tmp_path / "jobs.sqlite3").mkdir()
    with pytest.raises(StorageError, match="database"):
        Database(Settings(data_dir=tmp_path)).create()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        Database(Settings(data_dir=tmp_path / "file"))


def test_words_for_the_time_left():
    job = Job(id="0" * 32, owner="me", source="x", status=JobStatus.RUNNING)
    assert job.eta_text == ""
    assert Job(id="", owner="", source="", eta_s=41.0).eta_text == "about 45 s left"
    assert Job(id="", owner="", source="", eta_s=0.4).eta_text == "about 5 s left"
    assert Job(id="", owner="", source="", eta_s=119.0).eta_text == "about 2 min left"
