"""Uploads in pieces, by the tus protocol: in a folder and in a bucket, and with a client that others wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import services
import test_api
import uvicorn
from fastapi.testclient import TestClient

from drumscribe.api import uploads
from drumscribe.api.app import create_app
from drumscribe.settings import Settings
from drumscribe.storage import parts
from drumscribe.storage.files import Store

API = test_api.API
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
SONG = b"RIFF" + bytes(range(256)) * 40


@pytest.fixture(scope="module", params=["folder", "bucket"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folder":
        yield test_api.make_settings(folder, max_file_size_mb=1, api_uploads=3)
        return
    with services.S3(folder / "s3") as s3, services.environment(s3.env_for_clients):
        yield test_api.make_settings(folder / "data", max_file_size_mb=1, api_uploads=3, storage_url=s3.url)


@pytest.fixture(scope="module")
def application(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def client(application: TestClient, settings: Settings) -> TestClient:
    for key in Store(settings).listing("parts"):
        Store(settings).remove(key)
    return application


def create(client: TestClient, length: int = len(SONG), name: str = "My song.wav", **headers: str) -> str:
    metadata = f"filename {base64.b64encode(name.encode()).decode()},filetype YXVkaW8vd2F2"
    answer = client.post(
        f"{API}/uploads", headers={**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata, **headers}
    )
    assert answer.status_code == 201, answer.text
    assert "GMT" in answer.headers["upload-expires"]
    return answer.headers["location"]


def send(client: TestClient, path: str, offset: int, piece: bytes, **headers: str) -> httpx.Response:
    return client.patch(path, content=piece, headers={**PIECE, "Upload-Offset": str(offset), **headers})


def offset_of(client: TestClient, path: str) -> int:
    answer = client.head(path, headers=TUS)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


def left(settings: Settings) -> list[str]:
    """What of uploads is in the store or on the way to it."""
    return [*Store(settings).listing("parts"), *map(str, (settings.data_dir / "incoming").glob("*"))]


def test_pieces_become_a_job_like_any_other(client: TestClient, settings: Settings) -> None:
    path = create(client)
    for start, end in ((0, 100), (100, 5000), (5000, len(SONG))):
        assert offset_of(client, path) == start
        digest = base64.b64encode(hashlib.sha256(SONG[start:end]).digest()).decode()
        answer = send(client, path, start, SONG[start:end], **{"Upload-Checksum": f"sha256 {digest}"})
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(end))
        assert answer.headers["tus-resumable"] == "1.0.0"
    upload = path.rpartition("/")[2]
    body = {"upload": upload, "options": {"notate": {"title": "Called"}}}
    for _ in range(2):  # the second time it is there already
        answer = client.post(f"{API}/jobs", json=body, headers={"Idempotency-Key": upload})
        assert answer.status_code == 202, answer.text
    job = answer.json()
    assert job["title"] == "My song"
    kept = client.app.state.database.get(job["id"])  # type: ignore[attr-defined]
    assert kept.source == f"uploads/{hashlib.sha256(SONG).hexdigest()}.wav"
    assert kept.options.notate.title == "Called"
    assert Store(settings).read(kept.source) == SONG
    assert left(settings) == []
    assert client.head(path, headers=TUS).status_code == 404
    test_api.is_problem(client.post(f"{API}/jobs", json=body), 404, "upload_not_found")


def test_what_does_not_fit_is_refused_and_not_kept(client: TestClient, settings: Settings) -> None:
    path = create(client)
    assert send(client, path, 0, SONG[:100]).status_code == 204
    test_api.is_problem(send(client, path, 0, SONG[:100]), 409, "job_conflict")
    test_api.is_problem(send(client, path, 200, SONG[:100]), 409, "job_conflict")
    test_api.is_problem(send(client, path, 100, SONG), 413, "too_large")
    test_api.is_problem(send(client, path, 100, SONG[:9], **{"Content-Type": "text/plain"}), 415, "media_type")
    wrong = {"Upload-Checksum": "sha1 " + base64.b64encode(bytes(20)).decode()}
    problem = test_api.is_problem(send(client, path, 100, SONG[100:200], **wrong), 460, "upload_checksum")
    assert problem["title"] == "Checksum Mismatch"
    for text in ("md5 AAAA", "sha256", "sha256 !", "sha1 é"):
        answer = send(client, path, 100, SONG[100:200], **{"Upload-Checksum": text.encode("latin-1")})  # type: ignore[arg-type]
        assert answer.status_code in (400, 460), text
    assert send(client, path, 100, b"").status_code == 204
    assert offset_of(client, path) == 100
    problem = test_api.is_problem(
        client.post(f"{API}/jobs", json={"upload": path.rpartition("/")[2]}), 409, "job_conflict"
    )
    assert "100 of 10244 bytes" in problem["detail"]
    assert client.delete(path, headers=TUS).status_code == 204
    test_api.is_problem(client.delete(path, headers=TUS), 404, "upload_not_found")
    assert left(settings) == []


def test_size_number_and_version_are_bounded(client: TestClient) -> None:
    def begin(**headers: str) -> httpx.Response:
        return client.post(f"{API}/uploads", headers={**TUS, "Upload-Length": "5", **headers})

    told = client.options(f"{API}/uploads").headers
    assert (told["tus-version"], told["tus-max-size"]) == ("1.0.0", str(2**20))
    assert set(told["tus-extension"].split(",")) == {"creation", "expiration", "checksum", "termination"}
    assert told["tus-checksum-algorithm"] == "sha256,sha1"
    test_api.is_problem(begin(**{"Upload-Length": str(2**20 + 1)}), 413, "too_large")
    test_api.is_problem(begin(**{"Upload-Length": "0"}), 422, "empty_audio")
    for length in ("-1", "x", "9" * 40, ""):
        test_api.is_problem(begin(**{"Upload-Length": length}), 422, "invalid_request")
    for metadata in ("a b c", "name !", "a YQ==,a YQ==", " , é", "n A"):
        answer = begin(**{"Upload-Metadata": metadata.encode("latin-1")})  # type: ignore[arg-type]
        test_api.is_problem(answer, 400, "bad_request")
    test_api.is_problem(begin(**{"Upload-Metadata": "a " + "A" * 5000}), 422, "invalid_request")
    for version in ({"Tus-Resumable": "0.2.2"}, {"Tus-Resumable": ""}):
        answer = begin(**version)
        test_api.is_problem(answer, 412, "tus_version")
        assert answer.headers["tus-version"] == "1.0.0"
    paths = [create(client) for _ in range(3)]
    test_api.is_problem(begin(), 429, "quota")
    override = client.post(paths[0], headers={**TUS, "X-HTTP-Method-Override": "DELETE"})
    assert override.status_code == 204
    assert begin().status_code == 201


def test_more_pieces_than_can_be_looked_after_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PIECES", 2)
    path = create(client)
    assert [send(client, path, at, SONG[at : at + 1]).status_code for at in range(2)] == [204, 204]
    test_api.is_problem(send(client, path, 2, SONG[2:3]), 413, "too_large")


def test_names_do_not_reach_the_file_system(client: TestClient, settings: Settings) -> None:
    path = create(client, length=20, name="../../é\x00\u202e.wav")
    assert send(client, path, 0, b"x" * 20).status_code == 204
    answer = client.post(f"{API}/jobs", json={"upload": path.rpartition("/")[2]})
    assert answer.status_code == 202, answer.text
    for file in settings.data_dir.rglob("*"):
        assert file.name == file.name.encode("ascii", "ignore").decode()


def test_what_is_abandoned_goes(client: TestClient, settings: Settings) -> None:
    old, new = create(client), create(client)
    assert send(client, old, 0, SONG[:100]).status_code == 204
    later = settings.model_copy(update={"upload_ttl_hours": 1e-9})
    assert parts.Parts(Store(settings)).sweep() == 0
    if not settings.storage_url:
        (folder,) = (settings.data_dir / "parts").glob(f"*{old.rpartition('/')[2]}")
        for file in (folder, *folder.iterdir()):
            os.utime(file, (1, 1))
        assert client.head(old, headers=TUS).status_code == 404  # before anybody has swept
        client.app.state.runner.clean()  # type: ignore[attr-defined]
        assert not folder.exists() and offset_of(client, new) == 0
    time.sleep(1.1)  # the bucket's clock has whole seconds
    assert parts.Parts(Store(later)).sweep() >= 1
    assert left(settings) == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A real server: a connection that breaks off is one only there."""
    app = create_app(test_api.make_settings(tmp_path_factory.mktemp("server"), api_keys="a=one", max_file_size_mb=4))
    port = services.free_port()
    running = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=running.run)
    thread.start()
    services.wait_until(lambda: running.started, 60)
    yield f"http://127.0.0.1:{port}{API}", app
    running.should_exit = True
    thread.join()


def test_what_came_before_the_line_broke_is_kept_unless_it_was_to_be_checked(server: tuple[str, Any]) -> None:
    url, _ = server
    key = {"X-API-Key": "one"}
    with httpx.Client(headers={**TUS, **key}) as client:
        for checksum, kept in (("", 3_000_000 // 2**20 * 2**20), (f"sha256 {'A' * 43}=", 0)):
            made = client.post(f"{url}/uploads", headers={"Upload-Length": "4000000"})
            path = made.headers["location"]
            head = {**PIECE, **key, "Upload-Offset": "0", "Content-Length": "4000000", "Host": "x"}
            head |= {"Upload-Checksum": checksum} if checksum else {}
            with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as line:
                lines = [f"PATCH {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
                line.sendall("\r\n".join(lines).encode() + bytes(3_000_000))

            def looked(path: str = path, least: int = 0) -> int:
                at = int(client.head(url.removesuffix(API) + path).headers["upload-offset"])
                return at if at >= least else 0

            if kept:
                at = services.wait_until(partial(looked, least=kept), 60)
                answer = client.patch(
                    url.removesuffix(API) + path, content=bytes(4_000_000 - at),
                    headers={**PIECE, "Upload-Offset": str(at)},
                )  # fmt: skip
                assert (answer.status_code, looked()) == (204, 4_000_000)
            else:
                time.sleep(0.5)
                assert looked() == 0


def test_a_client_that_others_wrote_uploads_and_resumes(server: tuple[str, Any], tmp_path: Path) -> None:
    from tusclient import client as tus
    from tusclient.storage.filestorage import FileStorage

    url, app = server
    file = tmp_path / "Loop.wav"
    file.write_bytes(SONG * 30)
    storage = FileStorage(str(tmp_path / "urls.json"))
    known = {"store_url": True, "url_storage": storage, "metadata": {"filename": "Loop.wav"}, "upload_checksum": True}
    theirs = tus.TusClient(f"{url}/uploads", headers={"X-API-Key": "one"})
    first = theirs.uploader(str(file), chunk_size=100_000, **known)
    first.upload_chunk()
    second = tus.TusClient(f"{url}/uploads", headers={"X-API-Key": "one"}).uploader(
        str(file), chunk_size=100_000, **known
    )
    assert second.url == first.url and second.offset == 100_000
    second.upload()
    assert second.offset == file.stat().st_size
    upload = second.url.rpartition("/")[2]
    answer = httpx.post(f"{url}/jobs", json={"upload": upload}, headers={"X-API-Key": "one"})
    assert answer.status_code == 202 and answer.json()["title"] == "Loop"
    assert Store(app.state.settings).read(app.state.database.get(answer.json()["id"]).source) == SONG * 30


def test_a_page_of_an_allowed_site_may_upload(tmp_path: Path) -> None:
    site = {"Origin": "https://studio.example"}
    with TestClient(create_app(test_api.make_settings(tmp_path, api_cors_origins=site["Origin"]))) as client:
        ask = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": ",".join(uploads.HEADERS)}
        allowed = client.options(f"{API}/uploads/{'0' * 32}", headers={**site, **ask})
        assert allowed.status_code == 200, allowed.text
        made = client.post(f"{API}/uploads", headers={**site, **TUS, "Upload-Length": "5"})
        assert {"Location", "Upload-Offset"} <= set(made.headers["access-control-expose-headers"].split(", "))


def test_an_upload_needs_room(tmp_path: Path) -> None:
    full = test_api.make_settings(tmp_path, storage_reserve_gb=1e9)
    with TestClient(create_app(full)) as client:
        made = client.post(f"{API}/uploads", headers={**TUS, "Upload-Length": "5"})
        test_api.is_problem(made, 503, "overloaded")
        assert json.loads(made.text)["todo"]
