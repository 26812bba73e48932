"""API tokens: made in the studio, sent to the API, the same person in both."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_api
import ui_songs
from fastapi.testclient import TestClient
from filelock import FileLock
from test_ui_pages import owner_of, press, settings, texts, visit  # noqa: F401 - settings is a fixture

from drumscribe.api.app import create_app
from drumscribe.errors import OptionsError, QuotaError
from drumscribe.jobs import migrate
from drumscribe.jobs import tokens as tokens_module
from drumscribe.jobs.db import Database, new_job
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.people import People
from drumscribe.jobs.tokens import Tokens
from drumscribe.observability.logs import redact
from drumscribe.options import Options
from drumscribe.settings import Settings

JOBS = "/api/v1/jobs"
PERSON = {"iss": "https://id.example.org", "sub": "7", "is_logged_in": True, "email": "ann@example.org"}
ANN = "person-" + hashlib.sha256(b"https://id.example.org\x007").hexdigest()[:32]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Tokens]:
    database = Database(Settings(_env_file=None, data_dir=tmp_path))
    database.create()
    yield Tokens(database)
    database.close()


def test_only_the_digest_is_kept_and_only_the_whole_token_opens(tokens: Tokens, tmp_path: Path) -> None:
    made, text = tokens.create("ann", "  My   program ")
    assert (made.name, made.owner, made.expired) == ("My program", "ann", False) and text.startswith("drumscribe_")
    assert (found := tokens.holder(text)) is not None and found.id == made.id
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("jobs.sqlite3*"))
    assert made.id.encode() in kept and text[-43:].encode() not in kept
    other = tokens.create("ann", "Other")[1]
    crossed = other[:-43] + text[-43:]  # the secret of one with the id of the other
    for wrong in ("", text[:-1], text + "x", text.upper(), text[:-1] + ("a" if text[-1] != "a" else "b"), crossed):
        assert tokens.holder(wrong) is None
    assert redact(f"failed: {text}") == f"failed: drumscribe_{made.id}_***"


def test_the_last_use_is_noted_but_not_each_time(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tokens.create("ann", "Program")[1]
    assert tokens.of("ann")[0].used_at is None
    tokens.holder(text)
    first = tokens.of("ann")[0].used_at
    tokens.holder(text)
    assert first is not None and tokens.of("ann")[0].used_at == first
    later = time.time() + 3600
    monkeypatch.setattr(tokens_module.time, "time", lambda: later)
    tokens.holder(text)
    assert tokens.of("ann")[0].used_at == later


def test_names_and_numbers_are_bounded_and_nobody_revokes_anothers(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OptionsError, match="no name"):
        tokens.create("ann", " \n ")
    made, text = tokens.create("ann", "x" * 500)
    assert len(made.name) == tokens_module.NAME
    assert not tokens.revoke(made.id, owner="bob") and tokens.holder(text)
    assert tokens.revoke(made.id, owner="ann") and not tokens.revoke(made.id, owner="ann")
    assert tokens.holder(text) is None and tokens.of("ann") == []
    monkeypatch.setattr(tokens_module, "LIMIT", 1)
    tokens.create("ann", "One")
    with pytest.raises(QuotaError):
        tokens.create("ann", "Two")
    tokens.create("bob", "One")


@pytest.mark.parametrize("keys", ["", "school=s3cret"])
def test_a_token_is_its_person_and_ends_at_once(tmp_path: Path, keys: str) -> None:
    """With keys, on a network; and without, on one's own machine, where no key is the API's own."""
    served = test_api.make_settings(tmp_path, api_keys=keys)
    job_id = test_api.put(served, ANN, JobStatus.DONE, ui_songs.song(1))
    with TestClient(create_app(served)) as client:
        tokens = Tokens(client.app.state.database)  # type: ignore[attr-defined]
        made, text = tokens.create(ANN, "Program")
        listed = client.get(JOBS, headers=bearer(text)).json()["jobs"]
        assert [job["id"] for job in listed] == [job_id]
        assert client.get(JOBS, headers={"X-API-Key": text}).json()["jobs"] == listed
        assert client.get(JOBS, headers=bearer("s3cret")).json()["jobs"] == []
        test_api.is_problem(client.get("/metrics", headers=bearer(text)), 403, "forbidden")
        foreign = client.post(f"{JOBS}/{job_id}/retry", headers={**bearer(text), "Origin": "https://evil.example"})
        assert foreign.status_code == (409 if keys else 403)

        reading = tokens.create(ANN, "Reader", reads_only=True)[1]
        assert client.get(f"{JOBS}/{job_id}/result", headers=bearer(reading)).status_code == 200
        for method, path in (("POST", JOBS), ("DELETE", f"{JOBS}/{job_id}"), ("PATCH", f"{JOBS}/{job_id}/hits")):
            answer = client.request(method, path, json={}, headers=bearer(reading))  # type: ignore[arg-type]
            test_api.is_problem(answer, 403, "reads_only")

        ended = tokens.create(ANN, "Ended", lasts_s=-1)[1]
        answer = client.get(JOBS, headers=bearer(ended))
        test_api.is_problem(answer, 401, "unauthorized")
        assert "expired" in answer.json()["detail"]
        tokens.revoke(made.id, owner=ANN)
        test_api.is_problem(client.get(JOBS, headers=bearer(text)), 401, "unauthorized")


@pytest.fixture
def nobody_works(settings: Settings) -> Iterator[None]:  # noqa: F811
    """Queued songs stay so: somebody else seems to keep the worker."""
    settings.data_dir.mkdir()
    with FileLock(settings.data_dir / "worker.lock"):
        yield


@pytest.mark.usefixtures("nobody_works")
def test_what_a_program_sends_is_among_the_persons_projects(settings: Settings) -> None:  # noqa: F811
    secrets = {"auth": {"client_id": "x"}}
    page = visit("account", user=PERSON, secrets=secrets)
    assert "ann@example" in texts(page).replace("\\", "") and ANN in str([one.value for one in page.code])
    page.text_input(key="account_name").set_value("My program")
    press(page, "account_make")
    (text,) = [one.value for one in page.code if one.value.startswith("drumscribe_")]
    with TestClient(create_app(settings)) as client:
        answer = client.post(JOBS, json={"url": "https://youtu.be/jNQXAC9IVRw"}, headers=bearer(text))
        assert answer.status_code == 202
    assert "jNQXAC9IVRw" in texts(visit(user=PERSON, secrets=secrets))
    assert "jNQXAC9IVRw" not in texts(visit(user=PERSON | {"sub": "8"}, secrets=secrets))
    assert "last used just now" in texts(page.run()) and "My program" in texts(page)
    press(page, "account_copied")
    assert not [one for one in page.code if text in one.value]
    token_id = text.split("_")[1]
    press(page, f"account_revoke_{token_id}")
    assert "You have no tokens yet" in texts(page) and Tokens(Database(settings)).holder(text) is None


def test_a_new_token_is_not_shown_again_after_another_page(settings: Settings) -> None:  # noqa: F811
    page = visit("account")  # on one's own machine
    assert owner_of("ab" * 16)
    page.text_input(key="account_name").set_value("Script")
    press(page, "account_make")
    assert any(one.value.startswith("drumscribe_") for one in page.code)
    page.query_params.clear()
    page.switch_page("pages/about.py").run()
    page.switch_page("pages/account.py").run()
    assert not page.code and "Script" in texts(page)
    assert Tokens(Database(settings)).of(owner_of("ab" * 16))[0].name == "Script"


def test_the_account_shows_what_is_left(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("API_DAY_MINUTES", "60")
    monkeypatch.setenv("API_STORAGE_MB", "10")
    monkeypatch.setenv("API_ACTIVE_JOBS", "0")
    from drumscribe import settings as settings_module

    settings_module.get_settings.cache_clear()
    database = Database(settings)
    migrate.upgrade(database.engine)
    People(database).heard(ANN, 15 * 60)
    database.insert(new_job(ANN, "uploads/0", title="x", options=Options(), priority=0), size=4 * 2**20)
    page = visit("account", user=PERSON, secrets={"auth": {"client_id": "x"}})
    shown = [bar.proto.text for bar in page.get("progress")]
    assert "15 of 60 minutes of music today: **45 left; all of them again in" in shown[0], shown
    assert shown[1].startswith("4 of 10 MB of uploads and scores: **6 left") and len(shown) == 2
    other = visit("account", user=PERSON | {"sub": "8"}, secrets={"auth": {"client_id": "x"}})
    assert not [bar for bar in other.get("progress") if "15 of" in bar.proto.text]


def test_where_nobody_signs_in_there_are_no_tokens(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("PUBLIC", "true")
    monkeypatch.setenv("SIGN_IN", "none")
    from drumscribe import settings as settings_module

    settings_module.get_settings.cache_clear()
    page = visit("account")
    assert "API_KEYS" in texts(page) and not page.text_input
    assert "API token" not in texts(visit("about"))


def test_the_table_comes_and_goes(tmp_path: Path) -> None:
    from drumscribe.jobs import migrate

    database = Database(Settings(_env_file=None, data_dir=tmp_path))
    database.create()  # as an embedded installation once did, without migrations
    migrate.upgrade(database.engine)
    assert migrate.current(database.engine) == migrate.head()
    Tokens(database).create("ann", "Program")
    migrate.downgrade(database.engine, "0003")
    names = {row[0] for row in sqlite3.connect(tmp_path / "jobs.sqlite3").execute("SELECT name FROM sqlite_master")}
    assert "tokens" not in names and "jobs" in names
    migrate.upgrade(database.engine)
    assert Tokens(database).of("ann") == []
    database.close()
