"""``drumscribe remote`` against a real server: the same files as here, and what becomes of work that is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import services
import test_api
import ui_songs
import uvicorn
from click.testing import CliRunner, Result
from filelock import FileLock

from drumscribe import errors
from drumscribe.api.app import create_app
from drumscribe.cli import cli
from drumscribe.cli import remote as command
from drumscribe.cli.commands import transcribe
from drumscribe.cli.songs import EPILOG
from drumscribe.client import Client, models, steps
from drumscribe.client.wire import error_of
from drumscribe.notation.formats import DEFAULT_FORMATS
from drumscribe.settings import get_settings

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> FileLock:
    return FileLock(tmp_path_factory.mktemp("remote") / "worker.lock")


@pytest.fixture(scope="module")
def url(lock: FileLock) -> Iterator[str]:
    settings = test_api.make_settings(Path(lock.lock_file).parent, api_keys="a=one")
    port = services.free_port()
    running = uvicorn.Server(
        uvicorn.Config(create_app(settings), port=port, log_config=None, timeout_graceful_shutdown=2)
    )
    with lock:  # held by "another" runner: jobs wait until it lets go
        thread = threading.Thread(target=running.run)
        thread.start()
        services.wait_until(lambda: running.started, 60)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    for name, value in {"DATA_DIR": str(tmp_path / "data"), "DRUMSCRIBE_URL": url, "DRUMSCRIBE_KEY": "one"}.items():
        monkeypatch.setenv(name, value)
    handler = signal.getsignal(signal.SIGINT)

    def invoke(*arguments: object) -> Result:
        get_settings.cache_clear()
        return CliRunner().invoke(cli, ["remote", *map(str, arguments)])

    yield invoke
    signal.signal(signal.SIGINT, handler)
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, which a server needs no networks for."""
    return ui_songs.song(4).export(tmp_path_factory.mktemp("chart"), ("json",), name="Beat")["json"]


def test_ctrl_c_cancels_the_job(url: str, run: Run, chart: Path, lock: FileLock) -> None:
    stopped: list[str] = []

    def stop() -> None:
        with Client(url, "one") as server:
            stopped.append(services.wait_until(lambda: server.jobs("queued"), 60)[0].id)
        os.kill(os.getpid(), signal.SIGINT)

    from drumscribe.jobs import local

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local._Keeper, "_start", lambda _: None)  # it waits for a worker that does not come
        thread = threading.Thread(target=stop)
        thread.start()
        told = run(chart, chart)
        thread.join()
        assert told.exit_code == 130 and "cancelled" in told.stderr, told.output
    with Client(url, "one") as server:
        assert server.job(stopped[0]).status == "cancelled" and len(server.jobs()) == 1


def test_the_files_and_the_summary_are_those_of_transcribe(run: Run, chart: Path, tmp_path: Path) -> None:
    told = run(chart, "-o", tmp_path / "out", "--title", "Far away", "--finest", "16", "--json")
    assert told.exit_code == 0, told.output
    here = CliRunner().invoke(
        transcribe, [str(chart), "-o", str(tmp_path / "here"), "--title", "Far away", "--finest", "16", "--json"]
    )
    (far,), (near,) = json.loads(told.stdout), json.loads(here.stdout)
    assert far.keys() - near.keys() == {"job"} and near.keys() <= far.keys()
    same = ("bpm", "meter", "bars", "hits", "duration_s", "counted")
    assert {name: far[name] for name in same} == {name: near[name] for name in same}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {path.name for path in (tmp_path / "here").iterdir()} and len(names) == len(DEFAULT_FORMATS)
    assert b"Far away" in (tmp_path / "out" / "Beat.musicxml").read_bytes()
    shown = run(chart, "-o", "-", "--formats", "midi")
    assert shown.exit_code == 0 and shown.stdout_bytes.startswith(b"MThd")
    pages = run(chart, "-o", tmp_path / "svg", "--formats", "svg,csv")
    assert pages.exit_code == 0 and (tmp_path / "svg" / "Beat.svg").is_file() and "4/4" in pages.stdout


def test_an_upload_that_was_stopped_goes_on(
    run: Run, chart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "PIECE", chart.stat().st_size // 5)
    shown: list[float] = []
    runs = [1]
    before = command._Work._show

    def show(self: command._Work, stage: str, fraction: float, message: str) -> None:
        if stage == "upload":
            shown.append(fraction)
            if len(shown) == 4 and len(runs) == 1:
                self._cancel.set()
        before(self, stage, fraction, message)

    monkeypatch.setattr(command._Work, "_show", show)
    told = run(chart, "-o", tmp_path, "--formats", "csv")
    assert told.exit_code == 130 and "to go on from there" in told.stderr
    assert len(list((tmp_path / "data" / "remote").iterdir())) == 1
    del shown[:3]
    runs.append(2)
    assert run(chart, "-o", tmp_path, "--formats", "csv", "-q").exit_code == 0
    assert shown[1] == shown[0] and (tmp_path / "Beat.hits.csv").is_file()
    assert list((tmp_path / "data" / "remote").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--key", "wrong"], 2, "key is not known"),
        (["--url", "http://127.0.0.1:1"], 3, "no answer"),
        (["--url", "drums.example"], 2, "not the address"),
        (["--url", ""], 2, ""),
        (["--engraver", "lilypond"], 2, "its own engine"),
        (["--formats", "docx"], 2, "docx"),
        (["--bpm", "1"], 2, "bpm"),
    ],
)
def test_what_cannot_be_has_a_status_and_a_line(
    run: Run, chart: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, says: str
) -> None:
    if arguments == ["--url", ""]:
        monkeypatch.delenv("DRUMSCRIBE_URL")
    told = run(chart, *arguments)
    assert told.exit_code == status and says in told.stderr and "Traceback" not in told.output, told.output


def test_a_song_that_is_none_fails_with_the_servers_words_and_the_next_is_done(
    run: Run, chart: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_bytes(b"no music at all" * 20)
    told = run(tmp_path / "text.wav", tmp_path / "none.wav", chart, "-o", tmp_path / "o", "--formats", "csv", "--json")
    rows = json.loads(told.stdout)
    assert [row["ok"] for row in rows] == [False, False, True] and told.exit_code == 3
    assert rows[0]["errors"][0]["code"] == "not_audio" and rows[1]["errors"][0]["code"] == "unreadable_file"


def test_a_script_tells_a_quota_from_a_server_that_is_full() -> None:
    """Also where a proxy answers, which knows no codes."""
    for status, exit_code in ((429, 8), (503, 9)):
        for body in ({}, {"code": {429: "rate_limit", 503: "overloaded"}[status], "detail": "No."}):
            refused = error_of(httpx.Response(status, json=body, headers={"Retry-After": "7"}))
            assert refused.exit_code == exit_code and refused.retry_after_s == 7
    told = dict(re.findall(r"^  (\d+)  +(.+)$", EPILOG, re.MULTILINE))
    statuses = {cls.exit_code for cls in vars(errors).values() if isinstance(cls, type) and hasattr(cls, "exit_code")}
    assert {str(status) for status in statuses} <= told.keys()


def test_it_says_what_is_left_of_the_quotas(url: str, run: Run) -> None:
    assert "Missing argument" in run().stderr
    told = run("--quota")
    assert told.exit_code == 0 and re.fullmatch(r"Left on the server: \d+ of 20 songs at once\.\n", told.stdout)
    left = json.loads(run("--quota", "--json").stdout)
    assert left["songs"]["limit"] == 20 and left["minutes"] == {
        "used": 0,
        "limit": None,
        "left": None,
        "renews_at": None,
    }
    with Client(url, "one") as server:
        quota = server.quota()
        assert quota.songs.left == 20 - quota.songs.used and quota.megabytes.limit is None
    part = models.QuotaPart(10.0, 60.0, 50.0, datetime(2026, 5, 1, tzinfo=UTC))
    assert "50 of 60 minutes of music today (anew at 2026-05-01 00:00 UTC)" in command._left(
        models.QuotaView(quota.songs, part, quota.megabytes)
    )


def test_remote_takes_what_transcribe_takes() -> None:
    mine, theirs = ({option.name for option in one.params} for one in (command.remote, transcribe))
    assert mine - theirs == {"url", "key", "quota"} and theirs - mine == {"browser"}
