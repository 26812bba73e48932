"""Every route of the API against every trick: bad keys and tokens, other people's jobs, foreign pages, redirects that
lead elsewhere, messages that come back. The studio's routes are in ``test_studio_routes.py``.

The tables below name each route of the application; a new one fails the test until it stands in one of them.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import test_api
import ui_songs
from fastapi.testclient import TestClient

from drumscribe.api.app import create_app
from drumscribe.api.webhooks import sign
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.people import People
from drumscribe.jobs.tokens import Tokens
from drumscribe.storage.files import Store
from drumscribe.storage.parts import Parts

V1 = "/api/v1"
OPEN = {
    ("GET", f"{V1}/live"), ("GET", f"{V1}/health"), ("GET", f"{V1}/openapi.json"), ("GET", f"{V1}/docs"),
    ("GET", f"{V1}/docs/start.js"), ("GET", f"{V1}/docs/{{name}}"),
}  # fmt: skip
"""For everybody: nothing in them belongs to anybody."""
KEYED = {
    ("GET", f"{V1}/jobs"), ("POST", f"{V1}/jobs"), ("GET", f"{V1}/webhook-secret"), ("GET", f"{V1}/quota"),
    ("GET", "/metrics"),
    ("OPTIONS", f"{V1}/uploads"), ("POST", f"{V1}/uploads"),
}  # fmt: skip
"""For whoever has a key."""
OWNED = {
    ("GET", f"{V1}/jobs/{{job_id}}"), ("DELETE", f"{V1}/jobs/{{job_id}}"), ("GET", f"{V1}/jobs/{{job_id}}/events"),
    ("GET", f"{V1}/jobs/{{job_id}}/result"), ("PATCH", f"{V1}/jobs/{{job_id}}/hits"),
    ("GET", f"{V1}/jobs/{{job_id}}/download/{{kind}}"), ("POST", f"{V1}/jobs/{{job_id}}/retry"),
    ("HEAD", f"{V1}/uploads/{{upload_id}}"), ("PATCH", f"{V1}/uploads/{{upload_id}}"),
    ("DELETE", f"{V1}/uploads/{{upload_id}}"),
}  # fmt: skip
"""For the owner of the job or the upload."""
SAFE = ("GET", "HEAD", "OPTIONS")
BAD_KEYS: list[dict[str, Any]] = [
    {}, {"Authorization": "Bearer "}, {"Authorization": "Bearer two"}, {"Authorization": "Basic b25lOm9uZQ=="},
    {"Authorization": "bearer one one"}, {"Authorization": "one"}, {"X-API-Key": ""}, {"X-API-Key": "ONE"},
    {"X-API-Key": "one\u00a0".encode()}, {"X-API-Key": "o" * 10_000}, {"X-API-Key": "sha256:" + "0" * 64},
    {"Cookie": "X-API-Key=one; Authorization=one"}, {"X-Forwarded-User": "a"},
]  # fmt: skip
STRANGE_IDS = [
    "0" * 31,
    "G" * 32,
    "A" * 32,
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "0" * 32 + "%00",
    "*",
    "null",
    "1 OR 1=1",
]
ELSEWHERE = "evil.example"
OPERATORS = {("GET", "/metrics")}
"""For whoever has a key of the deployment, and no person."""


def filled(path: str, one: str = "0" * 32) -> str:
    """A path with the id of a job or an upload."""
    return path.format(job_id=one, upload_id=one, kind="json", name="swagger-ui.css")


def asked(client: TestClient, method: str, path: str, target: str, **headers: Any) -> httpx.Response:
    """The answer to a request of the form that the route expects; ``path`` is its pattern, ``target`` goes out."""
    if "/uploads" in path:
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Offset": "0", **headers}
    if "/uploads/" in path:
        headers["Content-Type"] = "application/offset+octet-stream"
        return client.request(method, target, headers=headers, content=b"x" if method == "PATCH" else None)
    return client.request(method, target, headers=headers, json={} if method in ("POST", "PATCH") else None)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, dict[str, str]]]:
    """An application with two keys, and a finished job and an upload of the first one's owner."""
    settings = test_api.make_settings(
        tmp_path_factory.mktemp("routes"), api_keys="a=one,b=zwei", api_rate_limit="100000/minute"
    )
    job_id = test_api.put(settings, "a", JobStatus.DONE, ui_songs.song(1))
    with TestClient(create_app(settings), follow_redirects=False) as client:
        upload = Parts(Store(settings)).create("a", 9).id
        yield client, {"job": job_id, "upload": upload}


@pytest.fixture(scope="module")
def tokens(theirs: tuple[TestClient, str]) -> dict[str, str]:
    """Tokens by what is wrong with them; "good" is of the job's owner, "another's" of somebody else."""
    database = theirs[0].app.state.database  # type: ignore[attr-defined]
    table, made = Tokens(database), {}
    for name, owner, lasts_s in (
        ("good", "a", 3600.0), ("reading", "a", None), ("another's", "person-b", None), ("expired", "a", -1.0),
        ("revoked", "a", None), ("blocked", "person-c", None),
    ):  # fmt: skip
        token, made[name] = table.create(owner, name, lasts_s=lasts_s, reads_only=name == "reading")
        if name == "revoked":
            table.revoke(token.id, owner=owner)
    People(database).block("person-c", True)
    good, other = made["good"], made["another's"]
    made |= {"cut": good[:-1], "longer": good + "A", "crossed": good[:24] + other[24:], "swapped": good.swapcase()}
    return made


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[TestClient]:
    """An application without keys, on loopback."""
    with TestClient(create_app(test_api.make_settings(tmp_path)), follow_redirects=False) as client:
        yield client


def test_the_tables_name_every_route(theirs: tuple[TestClient, dict[str, str]]) -> None:
    document = theirs[0].get(f"{V1}/openapi.json").json()
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert routes <= OPEN | KEYED | OWNED
    hidden = (OPEN | KEYED | OWNED) - routes
    assert all(theirs[0].request(method, filled(path)).status_code != 404 for method, path in hidden - OWNED)
    mounted = {getattr(route, "path", "") for route in theirs[0].app.routes}  # type: ignore[attr-defined]
    assert {path for path in mounted if path} <= {path for _, path in OPEN | KEYED | OWNED}


def of_theirs(path: str, owned: dict[str, str]) -> str:
    """The id that a path asks for, of what belongs to the first one."""
    return owned["upload" if "upload_id" in path else "job"]


@pytest.mark.parametrize(("method", "path"), sorted(KEYED | OWNED))
def test_no_bad_key_opens_it(theirs: tuple[TestClient, dict[str, str]], method: str, path: str) -> None:
    client, owned = theirs
    target = filled(path, of_theirs(path, owned))
    for headers in BAD_KEYS:
        answer = asked(client, method, path, target, **headers)
        if method == "HEAD":  # says what it says without a body
            assert (answer.status_code, "upload-offset" in answer.headers) == (401, False)
        else:
            test_api.is_problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    for query in ("api_key=one", "access_token=one", "key=one"):
        assert asked(client, method, path, f"{target}?{query}").status_code == 401


@pytest.mark.parametrize(("method", "path"), sorted(OWNED))
def test_what_is_another_users_is_as_if_it_did_not_exist(
    theirs: tuple[TestClient, dict[str, str]], method: str, path: str
) -> None:
    client, owned = theirs
    key = {"X-API-Key": "zwei"}
    answers = [asked(client, method, path, filled(path, one), **key) for one in (of_theirs(path, owned), "0" * 32)]
    for answer in answers:
        if method == "HEAD":
            assert (answer.status_code, "upload-offset" in answer.headers) == (404, False)
        else:
            test_api.is_problem(answer, 404, "upload_not_found" if "upload_id" in path else "job_not_found")
    assert answers[0].text == answers[1].text
    for strange in STRANGE_IDS:
        answer = asked(client, method, path, filled(path, strange), **key)
        assert answer.status_code in (404, 405, 422), strange
    mine = {"X-API-Key": "one"}
    assert client.get(f"{V1}/jobs/{owned['job']}", headers=mine).json()["status"] == "done"
    assert asked(client, "HEAD", f"{V1}/uploads/", f"{V1}/uploads/{owned['upload']}", **mine).status_code == 200
    stolen = client.post(f"{V1}/jobs", headers=key, json={"upload": owned["upload"]})
    test_api.is_problem(stolen, 404, "upload_not_found")


@pytest.mark.parametrize(("method", "path"), sorted(OPEN | KEYED | OWNED))
def test_no_answer_leads_elsewhere(theirs: tuple[TestClient, dict[str, str]], method: str, path: str) -> None:
    client, owned = theirs
    target = filled(path, of_theirs(path, owned) if method == "GET" else "0" * 32)
    if path.endswith("events"):
        target = filled(path)
    forms = [target, f"{target}/", f"//{ELSEWHERE}{target}", f"{target}?next=https://{ELSEWHERE}/&url=//{ELSEWHERE}"]
    lies = [{}, {"Host": ELSEWHERE}, {"X-Forwarded-Host": ELSEWHERE, "X-Forwarded-Proto": "https"}]
    for form, lie in itertools.product(forms, lies):
        answer = asked(client, method, path, f"http://testserver{form}", **{"X-API-Key": "one", **lie})
        assert ELSEWHERE not in answer.headers.get("location", ""), (form, lie)


@pytest.mark.parametrize(("method", "path"), sorted(KEYED | OWNED))
def test_a_foreign_page_changes_nothing_and_reads_nothing(alone: TestClient, method: str, path: str) -> None:
    """Without keys a browser on this computer could be made to ask: from another site, or by another name."""
    for origin in (f"https://{ELSEWHERE}", "null", "http://localhost.evil.example", "http://testserver.evil.example"):
        answer = asked(alone, method, path, filled(path), Origin=origin)
        if method in SAFE:
            assert "access-control-allow-origin" not in answer.headers
        else:
            test_api.is_problem(answer, 403, "foreign_origin")
            hidden = asked(alone, "POST", path, filled(path), Origin=origin, **{"X-HTTP-Method-Override": "DELETE"})
            assert hidden.status_code in (403, 405)
    assert asked(alone, method, path, filled(path), Host=ELSEWHERE).status_code == 400


@pytest.mark.parametrize(("method", "path"), sorted(KEYED | OWNED))
def test_no_bad_token_opens_it(
    theirs: tuple[TestClient, dict[str, str]], tokens: dict[str, str], method: str, path: str
) -> None:
    client, owned = theirs
    tried = path.endswith(("retry", "uploads")) or method in ("DELETE", "PATCH")  # what a good one may do: elsewhere
    target = filled(path, "0" * 32 if tried else of_theirs(path, owned))
    expected = {"expired": 401, "revoked": 401, "cut": 401, "longer": 401, "crossed": 401, "swapped": 401,
                "blocked": 403, "reading": 403 if method not in SAFE else None}  # fmt: skip
    for name, status in expected.items():
        for headers in ({"Authorization": f"Bearer {tokens[name]}"}, {"X-API-Key": tokens[name]}):
            answer = asked(client, method, path, target, **headers)
            if status is None or method == "HEAD":
                assert answer.status_code == status or (status is None and answer.status_code != 401), (name, path)
            else:
                code = {401: "unauthorized", 403: "blocked" if name == "blocked" else "reads_only"}[status]
                test_api.is_problem(answer, status, code)
    good = asked(client, method, path, target, **{"X-API-Key": tokens["good"]})
    assert good.status_code not in (401, 403) or (method, path) in OPERATORS, good.text


@pytest.mark.parametrize(("method", "path"), sorted(OWNED))
def test_anothers_token_finds_no_job_of_mine(
    theirs: tuple[TestClient, dict[str, str]], tokens: dict[str, str], method: str, path: str
) -> None:
    client, owned = theirs
    answer = asked(client, method, path, filled(path, of_theirs(path, owned)), **{"X-API-Key": tokens["another's"]})
    if method == "HEAD":
        assert (answer.status_code, "upload-offset" in answer.headers) == (404, False)
    else:
        test_api.is_problem(answer, 404, "upload_not_found" if "upload_id" in path else "job_not_found")
    assert client.get(f"{V1}/jobs", headers={"X-API-Key": tokens["another's"]}).json() == {"jobs": []}
    mine = client.get(f"{V1}/jobs", headers={"X-API-Key": tokens["good"]}).json()["jobs"]
    assert [job["id"] for job in mine] == [owned["job"]]


@pytest.mark.parametrize(("method", "path"), sorted(OPEN | KEYED | OWNED))
def test_a_webhook_message_that_comes_back_does_nothing(
    theirs: tuple[TestClient, dict[str, str]], method: str, path: str
) -> None:
    """A message of ours, genuine and signed, sent to each route, twice: it is no key, and no job."""
    client, owned = theirs
    job_id, target = owned["job"], filled(path, of_theirs(path, owned))
    body = json.dumps({"type": "job.done", "data": {"id": job_id, "status": "done"}}).encode()
    stamp = str(int(time.time()))
    signed = {
        "Content-Type": "application/json", "webhook-id": f"{job_id}-1", "webhook-timestamp": stamp,
        "webhook-signature": sign("k" * 64, f"{job_id}-1", stamp, body),
    }  # fmt: skip
    for _ in range(2):
        answer = client.request("POST", target, headers=signed, content=body)
        assert answer.status_code in ((401,) if ("POST", path) in KEYED | OWNED else (405,)), answer.text
        if not path.endswith("retry"):
            keyed = client.request("POST", target, headers={**signed, "X-API-Key": "one"}, content=body)
            assert 400 <= keyed.status_code < 500, keyed.text
    everything = client.get(f"{V1}/jobs", headers={"X-API-Key": "one"}).json()["jobs"]
    assert [(job["id"], job["status"]) for job in everything] == [(job_id, "done")]
