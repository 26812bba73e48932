"""The client against the API itself: same fields, same routes, same errors, and through a real server."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import services
import test_api
import ui_songs
import uvicorn

from drumscribe import errors
from drumscribe.api import files, uploads
from drumscribe.api.app import create_app
from drumscribe.client import AsyncClient, Client, models, steps, wire
from drumscribe.jobs.model import JobStatus
from drumscribe.settings import Settings
from drumscribe.storage.files import Store
from scripts import build_client

SONG = b"RIFF" + bytes(range(256)) * 40
NOT_COVERED = {("GET", "/live"), ("OPTIONS", "/uploads")}
"""Probes of machines."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Settings]]:
    settings = test_api.make_settings(tmp_path_factory.mktemp("client"), api_keys="a=one", webhook_secret="s")
    port = services.free_port()
    running = uvicorn.Server(
        uvicorn.Config(create_app(settings), port=port, log_config=None, timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=running.run)
    thread.start()
    services.wait_until(lambda: running.started, 60)
    yield f"http://127.0.0.1:{port}", settings
    running.should_exit = True
    thread.join()


@pytest.fixture
def client(server: tuple[str, Settings]) -> Iterator[Client]:
    with Client(server[0], "one", patience_s=5) as client:
        yield client


@pytest.fixture
def done(server: tuple[str, Settings]) -> str:
    return test_api.put(server[1], "a", JobStatus.DONE, ui_songs.song(2))


def scripted(*answers: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A line that does what is told, one request after the other."""
    left, seen = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    return httpx.MockTransport(answer), seen


# the same as the API


def test_models_are_those_of_the_api() -> None:
    written = build_client.TARGET.read_text(encoding="utf-8")
    assert written == build_client.text(build_client.document()), "run: python scripts/build_client.py"


def test_every_route_has_a_method_and_every_method_a_route() -> None:
    """Paths are read from the client's source, so a route that comes, goes, or moves is found."""
    prefix = "/api/v1"
    document = build_client.document()["paths"]
    routes = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path.removeprefix(prefix)))
        for path, methods in document.items() for method in methods
    }  # fmt: skip
    called = {("GET", "/jobs/{}/events")}
    for module in (steps, inspect.getmodule(Client)):
        for node in ast.walk(ast.parse(inspect.getsource(module))):  # type: ignore[arg-type]
            texts = [ast.unparse(one) for one in getattr(node, "args", [])] if isinstance(node, ast.Call) else []
            for method, path in pairwise(texts):
                if re.fullmatch(r"'[A-Z]+'", method):
                    called.add((method.strip("'"), re.sub(r"\{\w+\}", "{}", path.removeprefix("f").strip("'"))))
    assert called == routes - NOT_COVERED


def test_both_clients_have_the_same_methods() -> None:
    def public(cls: type) -> dict[str, str]:
        found = {name: inspect.signature(one) for name, one in vars(cls).items() if name[0] != "_"}
        return {name: re.sub(r" -> .*", "", str(signature)) for name, signature in found.items()}

    assert public(Client) == public(AsyncClient)


def test_every_code_of_the_tree_comes_back_as_itself() -> None:
    for cls in errors._walk(errors.DrumScribeError):
        body = {"code": cls.code, "detail": "What. Do.", "todo": "Do."}
        error = wire.error_of(httpx.Response(400, json=body))
        assert type(error) is cls and (error.what, error.todo) == ("What.", "Do.")
    for code in wire._BY_CODE:
        assert errors.from_dict({"code": code}).code == "error", "the tree has it itself"


# what it does


@pytest.mark.parametrize("resumable", [False, True])
def test_a_song_is_sent_followed_and_removed(
    client: Client, server: tuple[str, Settings], tmp_path: Path, resumable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "PIECE", 4000)
    song = tmp_path / "Grüße.wav"
    song.write_bytes(SONG + bytes([resumable]))
    sent: list[tuple[int, int]] = []
    job = client.submit(
        song,
        {"notate": {"title": "T"}},
        key=f"k{resumable}",
        resumable=resumable,
        on_progress=lambda *at: sent.append(at),
    )
    again = client.submit(song, key=f"k{resumable}", resumable=resumable)
    assert again.id == job.id and job.title == "Grüße"
    size = song.stat().st_size
    assert sent == ([(0, size), (4000, size), (8000, size), (size, size)] if resumable else [])
    seen: list[models.JobView] = []
    ended = client.wait(job.id, on_progress=seen.append, every_s=0.05)
    assert ended.status == "failed" and seen[-1] == ended and ended.error is not None
    assert list(client.events(job.id)) == [ended]
    with pytest.raises(errors.JobConflictError):
        client.result(job.id)
    assert client.retry(job.id).id == job.id
    client.cancel(job.id)
    ended = client.wait(job.id, every_s=0.05)
    assert client.cancel(job.id) == ended, "one that has ended is not deleted"
    assert client.delete(job.id).id == job.id
    with pytest.raises(errors.JobNotFoundError):
        client.job(job.id)
    assert Store(server[1]).listing("parts") == {}


def test_results_are_read_edited_and_downloaded(client: Client, done: str, tmp_path: Path) -> None:
    result = client.result(done)
    assert result.bpm == pytest.approx(120, abs=0.5) and result.hits[0].origin == "model"
    edited = client.edit(done, {"delete": [result.hits[0].id]}, revision=result.revision)
    assert len(edited.hits) == len(result.hits) - 1
    with pytest.raises(errors.JobConflictError):
        client.edit(done, {"delete": [result.hits[1].id]}, revision=result.revision)
    with pytest.raises(errors.OptionsError):
        client.edit(done, {"add": [{"time_s": 1.0, "drum": "cowbell"}]})  # type: ignore[typeddict-item]
    for kind in files.KINDS:
        target = tmp_path / f"score-{kind}"
        assert client.download(done, kind, target) == target.read_bytes()
    assert [job.id for job in client.jobs("done", limit=1)] == [done]
    assert len(client.webhook_secret()) > 20 and client.health().status == "up"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"score-{kind}" for kind in files.KINDS)


def test_asyncio_does_the_same(server: tuple[str, Settings], done: str, tmp_path: Path) -> None:
    async def all_of_it() -> None:
        song = tmp_path / "a.wav"
        song.write_bytes(SONG + b"async")
        async with AsyncClient(server[0], "one") as client:
            job = await client.submit(song, resumable=True)
            ended = await client.wait(job.id, every_s=0.05)
            assert ended.status == "failed" and [one async for one in client.events(job.id)] == [ended]
            assert (await client.download(done, "midi")).startswith(b"MThd")
            with pytest.raises(errors.JobNotFoundError):
                await client.job("0" * 32)

    asyncio.run(all_of_it())


def test_an_upload_that_was_stopped_goes_on_later(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "PIECE", 1000)
    song = tmp_path / "song.wav"
    song.write_bytes(SONG)
    begun: list[str] = []

    def stop(sent: int, _size: int) -> None:
        if sent >= 3000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.upload(song, on_progress=stop, on_begin=begun.append)
    went_on: list[int] = []
    assert client.upload(song, begun[0], on_progress=lambda sent, _: went_on.append(sent)) == begun[0]
    assert went_on[0] == 3000 and went_on[-1] == len(SONG)
    client.discard(begun[0])
    assert client.upload(song, begun[0]) != begun[0], "one that is gone is begun anew"
    with pytest.raises(errors.UploadNotFoundError):
        client.discard(begun[0])


def test_a_broken_line_costs_a_piece_and_a_wrong_key_nothing_more(tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"x" * 10)
    at = [{"headers": {"Upload-Offset": str(offset)}} for offset in (4, 10)]
    line, seen = scripted(
        httpx.Response(201, headers={"Location": "/api/v1/uploads/" + "a" * 32}),
        httpx.ReadError("broken"), httpx.ConnectError("away"), httpx.Response(200, **at[0]),
        httpx.Response(204, **at[1]),
    )  # fmt: skip
    assert Client("http://x", transport=line).upload(song) == "a" * 32
    assert [request.method for request in seen] == ["POST", "PATCH", "HEAD", "HEAD", "PATCH"]
    assert seen[-1].content == b"x" * 6 and seen[-1].headers["content-type"] == uploads.PIECE
    line, seen = scripted(httpx.Response(401, json={"code": "unauthorized", "detail": "No.", "todo": ""}))
    with pytest.raises(errors.OptionsError, match="No"):
        Client("http://x", "wrong", transport=line).submit(song)
    assert len(seen) == 1 and seen[0].headers["authorization"] == "Bearer wrong"


def test_the_server_says_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)

    def busy(seconds: int) -> httpx.Response:
        body = {"code": "overloaded", "detail": "Full.", "todo": ""}
        return httpx.Response(503, json=body, headers={"Retry-After": str(seconds)})

    line, seen = scripted(busy(7), busy(9), httpx.Response(200, json={"jobs": []}))
    assert Client("http://x", transport=line).jobs() == [] and slept == [7, 9]
    line, seen = scripted(busy(7), busy(3600))
    with pytest.raises(errors.OverloadedError) as caught:
        Client("http://x", transport=line).jobs()
    assert caught.value.retry_after_s == 3600 and len(seen) == 2
    line, seen = scripted(httpx.ConnectError("lost"))
    with pytest.raises(errors.NetworkError):
        Client("http://x", transport=line).retry("0" * 32)
    assert len(seen) == 1, "what might be done twice is not repeated"


@pytest.mark.parametrize("answer", [{"text": "<html>"}, {"json": []}, {"json": {"jobs": [{"id": 1}]}}])
def test_what_is_no_drumscribe_is_said(answer: dict[str, Any]) -> None:
    with pytest.raises(errors.NetworkError):
        Client("http://x", transport=scripted(httpx.Response(200, **answer))[0]).jobs()
    with pytest.raises(errors.OptionsError):
        Client("ftp://x")
