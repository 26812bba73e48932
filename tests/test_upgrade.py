"""From one deployment to the next: a backup into an empty one, and what 0.1.0 wrote."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import services
import test_api
import ui_songs

from drumscribe.errors import OptionsError
from drumscribe.jobs import backup, migrate
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.shares import Shares
from drumscribe.jobs.stored import JobRunner
from drumscribe.jobs.tokens import Tokens
from drumscribe.settings import Settings
from drumscribe.storage.files import Store

OLD = Path(__file__).parent / "fixtures"
OWNER = "browser-0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path, str]:
    """A deployment of SQLite and a folder, its backup, and its one finished job, which was edited."""
    folder = tmp_path_factory.mktemp("full")
    settings = test_api.make_settings(folder / "data")
    job_id = test_api.put(settings, "a", JobStatus.DONE, ui_songs.song(2))
    test_api.put(settings, "b", JobStatus.RUNNING)
    runner = JobRunner(settings)
    runner.save(job_id, runner.result(job_id, owner="a").rescore(None, notate={"title": "Edited"}), owner="a")
    stray = Store(settings).folder("f" * 32)
    stray.write("project.json", b"of no job")
    Tokens(runner.database).create("a", "Program", lasts_s=3600)
    Shares(runner.database).create(job_id, owner="a")
    runner.people.seen("a", "ann@example.org")
    runner.people.allow("a", 3)
    runner.people.block("b", True)
    runner.close()
    rows, files = backup.save(settings, folder / "all.tar")
    assert rows == 6 and files == len(list((settings.data_dir / "jobs" / job_id).iterdir()))
    return settings, folder / "all.tar", job_id


@pytest.fixture(params=["sqlite and a bucket", "postgresql and a folder"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param.startswith("sqlite"):
        yield test_api.make_settings(tmp_path, storage_url=f"memory://{tmp_path.name}")
        return
    if "postgres" in services.MISSING:
        pytest.skip("no PostgreSQL")
    with services.Postgres(tmp_path / "postgres") as server:
        yield test_api.make_settings(tmp_path / "data", database_url=server.url)


@pytest.mark.service
def test_a_backup_fills_an_empty_deployment_of_another_kind(full: tuple[Settings, Path, str], empty: Settings) -> None:
    before, archive, job_id = full
    assert backup.restore(empty, archive)[0] == 6
    old, new = JobRunner(before), JobRunner(empty)
    assert new.get(job_id, owner="a") == old.get(job_id, owner="a")
    there = new.result(job_id, owner="a")
    assert there.hits == old.result(job_id, owner="a").hits and there.score.title == "Edited"
    assert there.audio.samples.shape == old.result(job_id, owner="a").audio.samples.shape
    assert [job.status for job in new.list(owner="b")] == [JobStatus.QUEUED]
    assert not any("f" * 32 in key for key in Store(empty).everything())
    before_it, after_it = old.people, new.people
    assert {one.owner: one for one in after_it.all()} == {one.owner: one for one in before_it.all()}
    assert after_it.use() == {**before_it.use(), "b": replace(before_it.use()["b"], unfinished=1)}
    assert after_it.storage(new.store).keys() == {"a", "b"}
    assert Tokens(new.database).of("a") == Tokens(old.database).of("a") != []
    [link] = Shares(new.database).of("a")
    assert Shares(old.database).of("a") == [link] and Shares(new.database).opened(link.token) == new.get(
        job_id, owner="a"
    )
    assert Shares(new.database).revoke(link.token, owner="a") and Shares(new.database).opened(link.token) is None
    with pytest.raises(OptionsError, match="holds jobs"):
        backup.restore(empty, archive)
    for runner in (old, new):
        runner.close()


def test_what_is_no_whole_backup_is_refused(full: tuple[Settings, Path, str], tmp_path: Path) -> None:
    whole = full[1].read_bytes()
    for number, data in enumerate((b"", b"x" * 2000, whole[: len(whole) // 2], whole[:-10_240])):
        path = tmp_path / f"{number}.tar"
        path.write_bytes(data)
        with pytest.raises(OptionsError):
            backup.restore(test_api.make_settings(tmp_path / "data"), path)
    assert backup.main(["save"]) == 2


@pytest.fixture
def old(tmp_path: Path) -> Settings:
    """The data folder as 0.1.0 left it: its database (made by that version) with a finished and a failed job."""
    database = sqlite3.connect(tmp_path / "jobs.sqlite3")
    database.executescript((OLD / "jobs-0.1.0.sql").read_text())
    done = database.execute("SELECT id FROM jobs WHERE status = 'done'").fetchone()[0]
    database.close()
    folder = tmp_path / "jobs" / done
    folder.mkdir(parents=True)
    (folder / "project.json").write_bytes((OLD / "project-0.1.0.json").read_bytes())
    return Settings(_env_file=None, data_dir=tmp_path)


def rows(settings: Settings) -> list[dict[str, Any]]:
    database = sqlite3.connect(settings.data_dir / "jobs.sqlite3")
    database.row_factory = sqlite3.Row
    found = [dict(row) for row in database.execute("SELECT * FROM jobs ORDER BY id")]
    database.close()
    return found


def test_what_0_1_0_left_opens_and_goes_back_again(old: Settings) -> None:
    before = rows(old)
    database = Database(old)
    migrate.upgrade(database.engine)
    assert migrate.current(database.engine) == migrate.head()
    runner = JobRunner(old)
    failed, done = sorted(runner.list(owner=OWNER), key=lambda job: job.status is JobStatus.DONE)
    assert failed.error is not None and failed.error["code"] == "not_audio"
    song = runner.result(done.id, owner=OWNER)
    assert song.score.title == "Old groove" and len(song.rhythm.bars) == 5
    assert runner.save(done.id, song.undo(), owner=OWNER, revision=0).revision == 1
    assert database.move(failed.id, JobStatus.QUEUED).error is None
    assert database.claim("w") is not None
    token = Tokens(database).create(OWNER, "Program")[1]  # tables that 0.1.0 did not have
    assert (found := Tokens(database).holder(token)) is not None and found.owner == OWNER
    link = Shares(database).create(done.id, owner=OWNER)
    assert (job := Shares(database).opened(link.token)) is not None and job.title == done.title
    assert runner.people.allow(OWNER, 3).active_jobs == 3
    migrate.downgrade(database.engine, "0001")
    after = rows(old)
    assert [row.keys() for row in after] == [row.keys() for row in before]
    assert [row["id"] for row in after] == [row["id"] for row in before]
    runner.close()
    database.close()
