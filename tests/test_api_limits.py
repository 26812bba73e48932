"""What one client can make the API hold: streams, counters, memory, threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
import test_api
from fastapi.testclient import TestClient

from drumscribe.api import jobs, middleware, service
from drumscribe.api.app import create_app
from drumscribe.jobs.model import JobStatus


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(test_api.make_settings(tmp_path))) as client:
        yield client


def test_a_stream_ends_with_its_job_and_no_client_holds_too_many(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = test_api.put(client.app.state.settings, "local", JobStatus.RUNNING)
    streams = client.app.state.streams
    monkeypatch.setattr(jobs, "STREAMS", 1)
    seen: list[str] = []

    def listen() -> None:
        seen.append(client.get(f"{test_api.API}/jobs/{running}/events").text)

    listener = threading.Thread(target=listen)
    listener.start()
    services.wait_until(lambda: streams["local"] == 1)
    test_api.is_problem(client.get(f"{test_api.API}/jobs/{running}/events"), 429, "quota")
    client.app.state.database.delete(running)
    listener.join()
    assert seen and "event: progress" in seen[0] and "event: end" not in seen[0]
    assert streams["local"] == 0


def test_strange_methods_leave_no_counters(client: TestClient) -> None:
    for number in range(3):
        client.request(f"BREW{number}", f"{test_api.API}/jobs")
    text = client.get("/metrics").text
    assert "BREW" not in text and 'method="other"' in text


def test_only_uploads_may_be_as_large_as_a_song(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "JSON_LIMIT", 1000)
    with TestClient(create_app(test_api.make_settings(tmp_path))) as client:
        path = f"{test_api.API}/jobs/{'0' * 32}/hits"
        test_api.is_problem(client.patch(path, json={"delete": list(range(999))}), 413, "too_large")
        test_api.is_problem(client.patch(path, json={"delete": [1]}), 404, "job_not_found")
        assert client.post(f"{test_api.API}/jobs", files={"file": ("a.wav", b"noise" * 999)}).status_code == 202
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "4995", "Upload-Offset": "0"}
        place = client.post(f"{test_api.API}/uploads", headers=tus).headers["location"]
        for kind, status in (("application/json", 413), ("application/offset+octet-stream", 204)):
            answer = client.patch(place, content=b"noise" * 999, headers={**tus, "Content-Type": kind})
            assert answer.status_code == status


def test_while_a_part_hangs_only_one_request_waits_for_its_state(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = [], threading.Event()
    assert client.get(f"{test_api.API}/health").status_code == 200
    state = client.app.state
    monkeypatch.setattr(service, "_look", lambda *_: asked.append(1) or (answers.wait(600) and state.health[1]))
    state.health = (-1e9, state.health[1])
    first = threading.Thread(target=client.get, args=(f"{test_api.API}/health",))
    first.start()
    try:
        services.wait_until(lambda: asked)
        assert [client.get(f"{test_api.API}/health").status_code for _ in range(3)] == [200] * 3
    finally:
        answers.set()
        first.join()
    assert len(asked) == 1


def test_one_client_can_fill_only_so_much_with_uploads(tmp_path: Path) -> None:
    """Number times size; each key for itself, and a piece that is sent again takes no room twice."""
    values = test_api.make_settings(tmp_path, api_keys="a=one,b=two", api_uploads=2, max_file_size_mb=0.01)
    tus = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    with TestClient(create_app(values)) as client:
        for key in ("one", "two"):
            headers = {**tus, "X-API-Key": key}
            for _ in range(2):
                begun = client.post(f"{test_api.API}/uploads", headers={**headers, "Upload-Length": "10000"})
                for _ in range(3):
                    client.patch(begun.headers["location"], content=bytes(9999), headers=headers)
            refused = client.post(f"{test_api.API}/uploads", headers={**headers, "Upload-Length": "1"})
            test_api.is_problem(refused, 429, "quota")
            assert int(refused.headers["retry-after"]) > 80_000
        kept = sum(file.stat().st_size for file in (tmp_path / "parts").rglob("0*"))
        assert kept == 4 * 9999 and not list((tmp_path / "incoming").iterdir())
