"""The REST API over the embedded runner, in one process, with its real database, store, and worker."""

from __future__ import annotations

import errno
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import media
import pytest
import services
import ui_songs
from fastapi.testclient import TestClient
from lxml import etree
from sqlalchemy.orm import Session

from drumscribe.api import files
from drumscribe.api.app import create_app
from drumscribe.jobs.db import Database, new_job
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.tables import JobRow
from drumscribe.options import Options
from drumscribe.settings import Settings
from drumscribe.song import recordings as media_store
from drumscribe.song.transcription import Transcription
from drumscribe.storage.files import Store

API = "/api/v1"


def make_settings(folder: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, data_dir=folder, separator="none", offline=True, pdf_backend="verovio", **values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(make_settings(folder, max_file_size_mb=1))) as client:
        yield client


def put(settings: Settings, owner: str, status: JobStatus, made: Transcription | None = None) -> str:
    """Write a job straight into the database, in any state: a queued one would be taken by the worker."""
    database = Database(settings)
    database.create()
    job = new_job(owner, "uploads/" + "0" * 64, title="Test beat", options=Options(), priority=0)
    if made is not None:
        media_store.save(Store(settings).folder(job.id), made.audio, made.stem)
        made.keep(Store(settings).folder(job.id))
    row = JobRow(id=job.id, owner=owner, source=job.source, title=job.title, options=job.options.model_dump())
    row.status, row.created_at, row.worker = str(status), job.created_at, "elsewhere"
    if status.finished:
        row.finished_at, row.progress, row.worker = job.created_at, 1.0, ""
    with Session(database.engine) as session, session.begin():
        session.add(row)
    database.close()
    return job.id


@pytest.fixture(scope="module")
def beat() -> Transcription:
    return ui_songs.song(4)


@pytest.fixture
def done(client: TestClient, folder: Path, beat: Transcription) -> str:
    """A finished job of the open API's one owner."""
    return put(make_settings(folder), "local", JobStatus.DONE, beat)


@pytest.fixture
def running(client: TestClient, folder: Path) -> str:
    return put(make_settings(folder), "local", JobStatus.RUNNING)


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = client.get(f"{API}/jobs/{job_id}").json()
        return job if job["status"] in ("done", "failed", "cancelled") else None

    return dict(services.wait_until(look, 600, 0.1, f"the end of job {job_id}"))


def is_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:drumscribe:problem:{code}"
    assert body["title"] and body["detail"]
    assert ("retry-after" in response.headers) == (status in (429, 503))
    return body


# submitting


def test_a_file_that_is_no_audio_fails_with_its_own_error(client: TestClient) -> None:
    answer = client.post(f"{API}/jobs", files={"file": ("song.wav", b"%PDF-1.4 not music" * 50)})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"{API}/jobs/{job['id']}"
    assert job["status"] == "queued"
    assert job["title"] == "song"
    assert "source" not in job
    job = ended(client, job["id"])
    assert job["status"] == "failed"
    assert job["error"]["code"] == "not_audio"
    for path in ("result", "download/musicxml"):
        problem = is_problem(client.get(f"{API}/jobs/{job['id']}/{path}"), 409, "job_conflict")
        assert job["error"]["what"] in problem["detail"]
    assert client.post(f"{API}/jobs/{job['id']}/retry").status_code == 202
    assert ended(client, job["id"])["status"] == "failed"
    assert client.delete(f"{API}/jobs/{job['id']}").status_code == 200
    is_problem(client.get(f"{API}/jobs/{job['id']}"), 404, "job_not_found")


def test_the_same_key_gives_the_same_job(client: TestClient) -> None:
    def post(key: str) -> str:
        answer = client.post(f"{API}/jobs", files={"file": ("x.wav", b"noise" * 9)}, headers={"Idempotency-Key": key})
        assert answer.status_code == 202
        return str(answer.json()["id"])

    first = post("a-1")
    assert post("a-1") == first
    assert post("a-2") != first


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "https://www.youtube.com/playlist?list=PL1"}, 422, "unsupported_link"),
        ({"url": "https://example.com/song.mp3"}, 422, "unsupported_link"),
        ({"url": "file:///etc/passwd"}, 422, "unsupported_link"),
        ({"url": "/etc/passwd"}, 422, "unsupported_link"),
        ({"url": "https://youtu.be/dQw4w9WgXcQ", "options": {"beats": {"bpm": 1}}}, 422, "invalid_request"),
        ({"url": "https://youtu.be/dQw4w9WgXcQ", "format": "bestaudio"}, 422, "invalid_request"),
        ({"url": "https://youtu.be/dQw4w9WgXcQ", "webhook_url": "https://example.com/"}, 422, "options"),
        ({}, 422, "invalid_request"),
        ([], 422, "invalid_request"),
    ],
)
def test_links_that_cannot_be_taken(client: TestClient, body: Any, status: int, code: str) -> None:
    is_problem(client.post(f"{API}/jobs", json=body), status, code)


def test_requests_that_are_no_submission(client: TestClient) -> None:
    post = f"{API}/jobs"
    is_problem(client.post(post, content=b"x", headers={"Content-Type": "text/plain"}), 415, "media_type")
    is_problem(client.post(post), 415, "media_type")
    is_problem(client.post(post, content=b"{", headers={"Content-Type": "application/json"}), 422, "invalid_request")
    is_problem(client.post(post, data={"options": "{}"}, files={"other": b"x"}), 422, "invalid_request")
    is_problem(client.post(post, content=b"x", headers={"Content-Type": "multipart/form-data"}), 400, "bad_request")
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    is_problem(client.post(post, content=b"--x\r\nno header", headers=broken), 400, "bad_request")
    for text in ("{", "[]", '{"beats": {"bpm": -1}}', '{"nothing": {}}', "[" * 50_000):
        answer = client.post(post, files={"file": ("a.wav", b"x")}, data={"options": text})
        is_problem(answer, 422, "options")
    huge = b'{"url": "' + b"x" * 70_000 + b'"}'
    is_problem(client.post(post, content=huge, headers={"Content-Type": "application/json"}), 413, "too_large")
    is_problem(client.post(post, files={"file": ("a.wav", b"")}), 422, "empty_audio")
    is_problem(
        client.post(post, files={"file": ("a.wav", b"x")}, headers={"Idempotency-Key": "a b"}), 422, "invalid_request"
    )


def test_a_file_over_the_limit_is_refused_and_nothing_is_kept(client: TestClient, folder: Path) -> None:
    before = set((folder / "uploads").glob("*"))
    over = bytes(2**20 + 1)
    is_problem(client.post(f"{API}/jobs", files={"file": ("a.wav", over)}), 413, "too_large")
    is_problem(client.post(f"{API}/jobs", files={"file": ("a.wav", over * 3)}), 413, "too_large")
    chunks = (b"--x\r\nContent-Disposition: form-data; name=file; filename=a.wav\r\n\r\n", *[bytes(2**18)] * 16)
    endless = {"Content-Type": "multipart/form-data; boundary=x"}
    is_problem(client.post(f"{API}/jobs", content=iter(chunks), headers=endless), 413, "too_large")
    assert set((folder / "uploads").glob("*")) == before
    assert not list((folder / "incoming").glob("*"))


def test_an_upload_for_which_there_is_no_room_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", lambda **_: Full())
    problem = is_problem(client.post(f"{API}/jobs", files={"file": ("a.wav", b"x" * 99)}), 503, "storage")
    assert "disk is full" in problem["detail"]


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x.wav", "..\\..\\x.wav", "/abs.wav", "a\x00b.wav", "é" * 300 + ".wav", ".wav", "con"]
)
def test_file_names_do_not_reach_the_file_system(client: TestClient, folder: Path, name: str) -> None:
    answer = client.post(f"{API}/jobs", files={"file": (name, name.encode() * 20)})
    assert answer.status_code == 202, answer.text
    ended(client, answer.json()["id"])
    for path in folder.rglob("*"):
        assert path.name == path.name.encode("ascii", "ignore").decode()
    assert not (folder.parent / "x.wav").exists()


# following


def test_events_tell_every_change_and_end(client: TestClient) -> None:
    job = client.post(f"{API}/jobs", files={"file": ("song.wav", b"not audio either" * 80)}).json()
    with client.stream("GET", f"{API}/jobs/{job['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    assert [event["event"] for event in events[:-1]] == ["progress"] * (len(events) - 1)
    assert events[-1]["event"] == "end"
    assert json.loads(events[-1]["data"])["status"] == "failed"
    is_problem(client.get(f"{API}/jobs/{'0' * 32}/events"), 404, "job_not_found")


def test_jobs_are_listed_newest_first(client: TestClient, done: str) -> None:
    found = client.get(f"{API}/jobs", params={"limit": 2}).json()["jobs"]
    assert found[0]["id"] == done
    assert len(found) == 2
    assert all(job["status"] == "done" for job in client.get(f"{API}/jobs", params={"status": "done"}).json()["jobs"])
    is_problem(client.get(f"{API}/jobs", params={"limit": 0}), 422, "invalid_request")


def test_a_running_job_is_asked_to_stop(client: TestClient, running: str) -> None:
    answer = client.delete(f"{API}/jobs/{running}")
    assert answer.status_code == 202
    assert answer.json()["status"] == "cancelling"


# results


def test_the_result_says_what_was_heard(client: TestClient, done: str) -> None:
    answer = client.get(f"{API}/jobs/{done}/result")
    assert answer.headers["etag"] == '"0"'
    result = answer.json()
    assert result["bpm"] == pytest.approx(120, abs=0.5)
    assert result["meter"] == "4/4"
    assert len(result["downbeats"]) >= 4
    assert result["counted"].startswith("120 in 4/4, in ")
    assert all(other["name"].startswith(f"{other['bpm']:.0f} in ") for other in result["alternatives"])
    assert {"kick", "snare", "closed_hihat"} <= {hit["drum"] for hit in result["hits"]}
    assert 0 < result["confidence"] <= 1
    assert [hit["time_s"] for hit in result["hits"]] == sorted(hit["time_s"] for hit in result["hits"])


def test_edits_change_result_score_and_files(client: TestClient, done: str) -> None:
    url = f"{API}/jobs/{done}"
    before = client.get(f"{url}/result").json()
    score = client.get(f"{url}/download/musicxml").content
    snares = [hit for hit in before["hits"] if hit["drum"] == "snare"]
    patch = {
        "delete": [snares[0]["id"]],
        "update": [{"id": snares[1]["id"], "drum": "cross_stick"}, {"id": snares[2]["id"], "accept": True}],
        "add": [{"time_s": 1.0, "drum": "china", "velocity": 120}],
        "options": {"notate": {"title": "Edited"}},
    }
    answer = client.patch(f"{url}/hits", json=patch, headers={"If-Match": '"0"'})
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"1"'
    after = answer.json()
    assert after == client.get(f"{url}/result").json()
    by_id = {hit["id"]: hit for hit in after["hits"]}
    assert snares[0]["id"] not in by_id
    assert by_id[snares[1]["id"]]["drum"] == "cross_stick"
    assert by_id[snares[2]["id"]]["confidence"] == 1
    assert [hit["origin"] for hit in after["hits"] if hit["drum"] == "china"] == ["user"]
    changed = client.get(f"{url}/download/musicxml")
    assert changed.content != score
    assert b"Edited" in changed.content
    assert client.get(f"{API}/jobs/{done}").json()["revision"] == 1
    is_problem(client.patch(f"{url}/hits", json=patch, headers={"If-Match": '"0"'}), 412, "edited_meanwhile")


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"delete": [9_999_999]}, "edit"),
        ({"update": [{"id": 9_999_999, "drum": "kick"}]}, "edit"),
        ({"add": [{"time_s": -1, "drum": "kick"}]}, "invalid_request"),
        ({"add": [{"time_s": 1, "drum": "cowbell"}]}, "invalid_request"),
        ({"add": [{"time_s": 1, "drum": "kick", "velocity": 0}]}, "invalid_request"),
        ({"options": {"beats": {"bpm": 5}}}, "options"),
        ({"options": {"beats": {"tracker": "librosa"}}}, "options"),
        ({"options": {"separate": {"separator": "none"}}}, "invalid_request"),
        ({"hits": []}, "invalid_request"),
    ],
)
def test_edits_that_do_not_fit_change_nothing(client: TestClient, done: str, patch: Any, code: str) -> None:
    is_problem(client.patch(f"{API}/jobs/{done}/hits", json=patch), 422, code)
    assert client.get(f"{API}/jobs/{done}").json()["revision"] == 0


def test_naming_a_hit_twice_is_refused(client: TestClient, done: str) -> None:
    hit = client.get(f"{API}/jobs/{done}/result").json()["hits"][0]["id"]
    patch = {"delete": [hit], "update": [{"id": hit, "drum": "snare"}]}
    is_problem(client.patch(f"{API}/jobs/{done}/hits", json=patch), 422, "edit")


def test_every_kind_of_file_can_be_downloaded(client: TestClient, done: str) -> None:
    start = {
        "musicxml": b"<?xml",
        "pdf": b"%PDF-",
        "midi": b"MThd",
        "midi_quantised": b"MThd",
        "csv": b"time_s,drum",
        "json": b"{",
        "song": b"PK",
        "svg": b"<",
        "tab": b"",
        "lilypond": b"",
        "guitar_pro": b"\x18FICHIER GUITAR PRO",
        "clone_hero": b"PK",
        "notes_mid": b"PK",
        "clips": b"PK",
        "audacity": b"0.",
        "sonic_visualiser": b"0.",
        "jams": b"{",
        "mei": b"<?xml",
        "reaper": b"<REAPER_PROJECT",
        "stems": b"PK",
        "abc": b"X:1",
        "hydrogen": b"<?xml",
        "zip": b"PK",
    }
    assert set(start) == set(files.KINDS)
    for kind, magic in start.items():
        answer = client.get(f"{API}/jobs/{done}/download/{kind}")
        assert answer.status_code == 200, (kind, answer.text)
        assert answer.content.startswith(magic)
        assert answer.headers["content-type"].split(";")[0] == files.KINDS[kind][1]
        assert f"Test beat{files.KINDS[kind][0]}" in unquote(answer.headers["content-disposition"])
        assert answer.headers["content-disposition"].startswith("inline" if kind in ("pdf", "svg") else "attachment")
        assert client.get(f"{API}/jobs/{done}/download/{kind}").content == answer.content
    etree.fromstring(client.get(f"{API}/jobs/{done}/download/musicxml").content)
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"{API}/jobs/{done}/download/zip").content))
    assert archive.testzip() is None
    assert {"Test beat/Test beat.musicxml", "Test beat/Test beat.pdf", "Test beat/Test beat.json"} <= set(
        archive.namelist()
    )
    is_problem(client.get(f"{API}/jobs/{done}/download/exe"), 422, "invalid_request")
    is_problem(client.get(f"{API}/jobs/{done}/download/svg", params={"page": 99}), 409, "job_conflict")


def test_a_job_that_is_not_done_has_no_result(client: TestClient, running: str) -> None:
    for path in ("result", "download/pdf"):
        is_problem(client.get(f"{API}/jobs/{running}/{path}"), 409, "job_conflict")
    is_problem(client.patch(f"{API}/jobs/{running}/hits", json={}), 409, "job_conflict")
    is_problem(client.post(f"{API}/jobs/{running}/retry"), 409, "job_conflict")


# around


def test_one_client_does_not_see_the_jobs_of_another(folder: Path, beat: Transcription) -> None:
    settings = make_settings(folder, api_keys="a=one,b=two", api_rate_limit="1000/minute")
    theirs = put(settings, "a", JobStatus.DONE, beat)
    with TestClient(create_app(settings)) as client:
        url = f"{API}/jobs/{theirs}"
        is_problem(client.get(url), 401, "unauthorized")
        assert client.get(url, headers={"Authorization": "Bearer one"}).status_code == 200
        assert client.get(url, headers={"X-API-Key": "one"}).status_code == 200
        other = {"X-API-Key": "two"}
        for method, path in [
            ("GET", ""),
            ("GET", "/events"),
            ("GET", "/result"),
            ("GET", "/download/pdf"),
            ("DELETE", ""),
            ("POST", "/retry"),
        ]:
            is_problem(client.request(method, url + path, headers=other), 404, "job_not_found")
        is_problem(client.patch(f"{url}/hits", json={}, headers=other), 404, "job_not_found")
        assert client.get(f"{API}/jobs", headers=other).json() == {"jobs": []}
        is_problem(client.get("/metrics"), 401, "unauthorized")
        assert client.get(f"{API}/live").status_code == 200


def test_limits_of_a_key(folder: Path) -> None:
    settings = make_settings(folder, api_keys="c=one", api_rate_limit="8/minute", api_jobs_limit="2/day")
    with TestClient(create_app(settings), headers={"X-API-Key": "one"}) as client:
        for number in range(2):
            answer = client.post(f"{API}/jobs", files={"file": ("x.wav", b"%d" % number * 30)})
            assert answer.status_code == 202
            assert answer.headers["ratelimit"].startswith(f'"requests";r={7 - number};t=')
        is_problem(client.post(f"{API}/jobs", files={"file": ("x.wav", b"3")}), 429, "quota")
        for _ in range(5):
            client.get(f"{API}/jobs")
        answer = client.get(f"{API}/jobs")
        is_problem(answer, 429, "rate_limit")
        assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_foreign_pages_cannot_use_an_open_api(client: TestClient) -> None:
    foreign = {"Origin": "https://evil.example"}
    is_problem(client.post(f"{API}/jobs", json={"url": "x"}, headers=foreign), 403, "foreign_origin")
    is_problem(client.delete(f"{API}/jobs/{'0' * 32}", headers=foreign), 403, "foreign_origin")
    assert client.get(f"{API}/live", headers={"Host": "evil.example"}).status_code == 400
    preflight = {**foreign, "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options(f"{API}/jobs", headers=preflight).headers


def test_health_names_each_part(client: TestClient) -> None:
    answer = client.get(f"{API}/health")
    assert answer.status_code == 200
    health = answer.json()
    assert health["status"] == "up"
    assert (health["database"]["status"], health["database"]["detail"]) == ("up", "sqlite")
    assert health["broker"]["status"] == "off"
    assert (health["storage"]["status"], health["storage"]["detail"]) == ("up", "folder")
    assert "htdemucs" in health["models"]


def test_health_is_down_without_a_database(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    with TestClient(create_app(settings)) as client:
        assert client.get(f"{API}/health").status_code == 200
        client.app.state.health = None
        (tmp_path / "other" / "jobs.sqlite3").mkdir(parents=True)  # cannot be opened as a file
        client.app.state.database = Database(make_settings(tmp_path / "other"))
        answer = client.get(f"{API}/health")
        assert answer.status_code == 503
        assert answer.json()["database"]["status"] == "down"
        assert client.get(f"{API}/live").status_code == 200
        assert client.get("/metrics").status_code == 200


def test_metrics_count_what_happened(client: TestClient, done: str) -> None:
    client.get(f"{API}/jobs/{done}")
    text = client.get("/metrics").text
    assert 'drumscribe_http_seconds_count{method="GET",route="/api/v1/jobs/{job_id}",status="200"}' in text
    assert 'drumscribe_jobs{status="done"}' in text
    answer = client.post(f"{API}/jobs", files={"file": ("song.wav", b"%PDF-1.4 not music" * 50)})
    assert ended(client, answer.json()["id"])["status"] == "failed"
    services.wait_until(lambda: 'drumscribe_job_failures_total{code="not_audio"}' in client.get("/metrics").text)


def test_unknown_paths_and_methods_are_problems_too(client: TestClient) -> None:
    is_problem(client.get(f"{API}/nothing"), 404, "not_found")
    answer = client.put(f"{API}/jobs")
    is_problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]
    is_problem(client.get(f"{API}/jobs/..%2f..%2fetc"), 404, "not_found")
    is_problem(client.get(f"{API}/jobs/xyz"), 422, "invalid_request")


def test_an_unexpected_error_shows_no_details(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(make_settings(folder))
    with TestClient(app, raise_server_exceptions=False) as client:

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("password=s3cret")

        monkeypatch.setattr(app.state.runner, "list", broken)
        body = is_problem(client.get(f"{API}/jobs"), 500, "internal")
        assert "s3cret" not in json.dumps(body)


def test_the_document_describes_both_ways_to_submit(client: TestClient) -> None:
    document = client.get(f"{API}/openapi.json").json()
    content = document["paths"][f"{API}/jobs"]["post"]["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/json"}
    schemas = document["components"]["schemas"]
    references = [text.split('"')[0] for text in json.dumps(document).split('"#/components/schemas/')[1:]]
    assert references and set(references) <= set(schemas)
    assert "Options" in schemas


@pytest.mark.slow
def test_a_song_goes_in_and_a_score_comes_out(folder: Path) -> None:
    song = io.BytesIO()
    path = media.encode(folder / "clicks.wav", media.clicks(8.0))
    song.write(path.read_bytes())
    with TestClient(create_app(make_settings(folder))) as client:
        answer = client.post(
            f"{API}/jobs",
            files={"file": ("My Song.wav", song.getvalue())},
            data={"options": json.dumps({"beats": {"tracker": "madmom", "bpm": 120, "meter": "4/4"}})},
        )
        job = ended(client, answer.json()["id"])
        assert job["status"] == "done", job["error"]
        assert job["title"] == "My Song"
        assert job["duration_s"] == pytest.approx(8.0, abs=0.1)
        assert set(job["timings"]) >= {"ingest", "detect", "beats"}
        score = client.get(f"{API}/jobs/{job['id']}/download/musicxml").content
        assert b"My Song" in score
