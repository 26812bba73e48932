"""Webhooks from the end of a real job to a real receiver on loopback, checked with the code that the guide gives."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import services
import test_api
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from drumscribe.api.app import create_app
from drumscribe.jobs import outbox
from drumscribe.jobs.db import Database, new_job
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.outbound import SafePoster
from drumscribe.jobs.tables import WebhookRow
from drumscribe.options import Options

SECRET = "whsec"
GUIDE = Path(__file__).resolve().parents[1] / "docs" / "API.md"


class Receiver(ThreadingHTTPServer):
    """Answers with ``statuses`` in turn (the last one for ever) and keeps what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = [204]
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.host = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(({key.lower(): value for key, value in self.headers.items()}, body))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.shutdown()
    receiver.server_close()


@pytest.fixture
def client(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(outbox, "DELAYS_S", (0.1, 0.1))
    settings = test_api.make_settings(tmp_path, webhook_secret=SECRET, webhook_private_hosts=receiver.host)
    with TestClient(create_app(settings)) as client:
        yield client


def submit(client: TestClient, url: str) -> Any:
    files = {"file": ("no.wav", b"not audio at all" * 40)}
    return client.post(f"{test_api.API}/jobs", files=files, data={"webhook_url": url})


def outcome(client: TestClient, job_id: str) -> WebhookRow | None:
    database: Database = client.app.state.database
    with Session(database.engine) as session:
        return session.scalar(select(WebhookRow).where(WebhookRow.job_id == job_id))


def test_a_signed_message_comes_when_the_job_has_ended(client: TestClient, receiver: Receiver) -> None:
    job_id = submit(client, f"http://{receiver.host}/hook").json()["id"]
    services.wait_until(lambda: receiver.seen, 60)
    headers, body = receiver.seen[0]
    message = json.loads(body)
    assert message["type"] == "job.failed"
    assert message["data"] == client.get(f"{test_api.API}/jobs/{job_id}").json()
    [code] = [
        block for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "is_genuine" in block
    ]
    guide: dict[str, Any] = {}
    exec(code, guide)
    secret = client.get(f"{test_api.API}/webhook-secret").json()["secret"]
    assert guide["is_genuine"](secret, headers, body)
    assert not guide["is_genuine"](SECRET, headers, body)
    assert not guide["is_genuine"](secret, headers, body.replace(b"failed", b"done"))
    assert not guide["is_genuine"](secret, {**headers, "webhook-timestamp": "1"}, body)
    services.wait_until(lambda: (row := outcome(client, job_id)) and row.next_at is None)
    assert outcome(client, job_id).outcome == "sent: status 204"


def test_clients_cannot_sign_for_each_other(tmp_path: Path) -> None:
    keys = {"api_keys": "a=one,b=two", "webhook_secret": SECRET}
    with TestClient(create_app(test_api.make_settings(tmp_path, **keys))) as client:
        path = f"{test_api.API}/webhook-secret"
        one, two = (client.get(path, headers={"X-API-Key": key}).json()["secret"] for key in ("one", "two"))
        assert len({one, two, SECRET}) == 3
        test_api.is_problem(client.get(path), 401, "unauthorized")
    with TestClient(create_app(test_api.make_settings(tmp_path))) as client:
        test_api.is_problem(client.get(path), 422, "options")


def test_a_message_that_is_not_taken_comes_again(client: TestClient, receiver: Receiver) -> None:
    receiver.statuses = [500, 302, 200]
    job_id = submit(client, f"http://{receiver.host}/hook").json()["id"]
    services.wait_until(lambda: len(receiver.seen) == 3, 60)
    assert len({headers["webhook-id"] for headers, _ in receiver.seen}) == 1
    services.wait_until(lambda: outcome(client, job_id).outcome == "sent: status 200")


def test_it_is_given_up_in_the_end(client: TestClient, receiver: Receiver) -> None:
    receiver.statuses = [500]
    job_id = submit(client, f"http://{receiver.host}/hook").json()["id"]
    services.wait_until(lambda: (row := outcome(client, job_id)) and row.next_at is None, 60)
    assert outcome(client, job_id).outcome == "refused: status 500"
    assert len(receiver.seen) == 3


def test_a_job_that_is_tried_again_tells_again(client: TestClient, receiver: Receiver) -> None:
    job_id = submit(client, f"http://{receiver.host}/hook").json()["id"]
    services.wait_until(lambda: (row := outcome(client, job_id)) and row.next_at is None, 60)
    assert client.post(f"{test_api.API}/jobs/{job_id}/retry").status_code == 202
    services.wait_until(lambda: len(receiver.seen) == 2, 60)


def test_a_copy_that_comes_late_is_dropped(tmp_path: Path, receiver: Receiver) -> None:
    """Between who writes a message and who sends it is a queue, which may be slow, or deliver twice."""
    database = Database(test_api.make_settings(tmp_path))
    database.create()
    box = outbox.Outbox(database)
    job = database.insert(new_job("me", "uploads/x", title="", options=Options(), priority=0))
    box.register(job.id, f"http://{receiver.host}/hook")
    assert box.due() == []
    database.move(job.id, JobStatus.CANCELLED)
    [due] = box.due()
    assert box.due() == []  # claimed
    message = outbox.Message(job.id, due.claim, due.url, "{}", {})

    async def twice() -> list[str]:
        poster = SafePoster([receiver.host])
        return [await box.send(json_copy(message), poster) for _ in range(2)]

    assert asyncio.run(twice()) == ["sent", "dropped"]
    assert len(receiver.seen) == 1 and box.due() == []
    database.close()


def json_copy(message: outbox.Message) -> outbox.Message:
    """As it comes out of the queue."""
    return outbox.Message(**json.loads(json.dumps(asdict(message))))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://169.254.169.254/latest/", "http://localhost:6379/", "ftp://example.com/", "x"]
)
def test_private_addresses_are_refused_on_submission(client: TestClient, url: str) -> None:
    test_api.is_problem(submit(client, url), 422, "options")


def test_messages_of_deleted_jobs_are_forgotten(client: TestClient, receiver: Receiver) -> None:
    job_id = submit(client, f"http://{receiver.host}/hook").json()["id"]
    services.wait_until(lambda: (row := outcome(client, job_id)) and row.next_at is None, 60)
    client.delete(f"{test_api.API}/jobs/{job_id}")
    client.app.state.webhooks.outbox.prune()
    assert outcome(client, job_id) is None
