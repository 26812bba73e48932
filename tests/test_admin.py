"""The Admin page: for whom it is there, what it shows, and what is decided on it."""

from __future__ import annotations

import pytest
import test_api
from fastapi.testclient import TestClient
from test_sharing import SECRETS, keys
from test_tokens import ANN, PERSON, bearer, nobody_works  # noqa: F401 - a fixture
from test_ui_pages import press, settings, texts, visit  # noqa: F401 - settings is a fixture
from ui_songs import put, put_state, song

from drumscribe.api.app import create_app
from drumscribe.errors import BlockedError, QuotaError
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.people import Person, Use
from drumscribe.jobs.shares import Shares
from drumscribe.jobs.tokens import Tokens
from drumscribe.settings import Settings
from drumscribe.ui import admin, people, state

BOSS = {"iss": "https://id.example.org", "sub": "1", "is_logged_in": True, "email": "Boss@example.org",
        "email_verified": True}  # fmt: skip


@pytest.fixture
def admins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMINS", " boss@example.org, x@example.org")


@pytest.fixture
def served(admins: None, settings: Settings, nobody_works: None) -> Settings:  # noqa: F811
    admin._storage.clear()
    return settings


def come(user, page: str = "admin"):
    return visit(page, secrets=SECRETS, user=user)


def test_an_address_counts_only_where_it_was_verified_and_an_account_always(admins, settings, monkeypatch) -> None:  # noqa: F811
    for user, there in (
        (BOSS, True),
        (BOSS | {"email_verified": False}, False),
        (BOSS | {"email_verified": "true"}, False),
        ({name: value for name, value in BOSS.items() if name != "email_verified"}, False),
        (PERSON | {"email_verified": True}, False),
        ({"is_logged_in": False}, False),
    ):
        first = visit(secrets=SECRETS, user=user)
        pages = {one["page_name"] for one in first._registered_pages.values()}
        assert ("Admin" in pages or "admin" in str(first._registered_pages)) is there, user
    monkeypatch.setenv("ADMINS", ANN)
    from drumscribe import settings as settings_module

    settings_module.get_settings.cache_clear()
    assert "Queue" in texts(come(PERSON))
    monkeypatch.setenv("ADMINS", "")
    settings_module.get_settings.cache_clear()
    assert "admin" not in str(visit(secrets=SECRETS, user=BOSS)._registered_pages)


def test_without_sign_in_there_is_no_admin(admins, settings) -> None:  # noqa: F811
    assert "admin" not in str(visit(user=BOSS)._registered_pages)


def test_users_with_what_is_theirs(served) -> None:
    put(served, ANN, song(1, title="Secret song"))
    put_state(served, "school", JobStatus.RUNNING, title="Other secret")
    waiting = put_state(served, ANN, JobStatus.QUEUED, title="Third secret")
    error = {"code": "silent_audio", "what": "“Fourth secret.wav” is silent.", "todo": ""}
    put_state(served, "school", JobStatus.FAILED, title="Fourth secret", error=error)
    visit(secrets=SECRETS, user=PERSON)  # Ann's visit gives her name
    page = come(BOSS)
    rows = page.dataframe[0].value.set_index("User")
    assert set(rows.index) == {"ann@example.org", "Boss@example.org", "school"}
    ann = rows.loc["ann@example.org"]
    assert (ann["Songs"], ann["Unfinished"], ann["Account"]) == (2, 1, ANN)
    assert ann["Storage, MB"] > 0 and ann["Last visit"] == "just now"
    failed = page.dataframe[1].value.iloc[0]
    assert (failed["User"], failed["Error"]) == ("school", "silent_audio")
    shown = texts(page) + page.dataframe[0].value.to_string() + page.dataframe[1].value.to_string()
    assert "secret" not in shown.lower() and "next in line" in shown and waiting[:8] in shown
    press(page, f"admin_cancel_{waiting}")
    assert state.runner().get(waiting, owner=ANN).status is JobStatus.CANCELLED


def test_a_quota_of_ones_own(served) -> None:
    visit(secrets=SECRETS, user=PERSON)
    page = come(BOSS)
    page.selectbox(key="admin_user").set_value(ANN).run()
    page.number_input(key=f"admin_active_jobs_{ANN}").set_value(1)
    page.number_input(key=f"admin_day_minutes_{ANN}").set_value(30)
    press(page, "admin_set_quota")
    runner = state.runner()
    person = runner.people.get(ANN)
    assert (person.active_jobs, person.day_minutes, person.storage_mb) == (1, 30, None)
    waiting = put_state(served, ANN, JobStatus.QUEUED)
    with pytest.raises(QuotaError):
        runner.check_room(ANN)
    others = put_state(served, "school", JobStatus.QUEUED)
    press(page.run(), "admin_stop")
    assert runner.get(waiting, owner=ANN).status is JobStatus.CANCELLED
    assert runner.get(others, owner="school").status is JobStatus.QUEUED
    put_state(served, ANN, JobStatus.QUEUED)
    runner.check_room("school")
    runner.people.allow(ANN, 0)
    runner.check_room(ANN)
    assert "1 (own)" in set(page.dataframe[0].value["May have unfinished"])


def test_who_is_blocked_is_out_everywhere(served) -> None:
    job_id = put(served, ANN, song(1))
    ann = visit(secrets=SECRETS, user=PERSON)
    runner = state.runner()
    token, link = Tokens(runner.database).create(ANN, "Program")[1], Shares(runner.database).create(job_id, owner=ANN)
    page = come(BOSS)
    page.selectbox(key="admin_user").set_value(ANN).run()
    press(page, "admin_block")
    assert "This account was blocked" in texts(ann.run()).replace("\\", "") and "Test beat" not in texts(ann)
    assert "This account was blocked" in texts(visit("about", secrets=SECRETS, user=PERSON)).replace("\\", "")
    assert Shares(runner.database).opened(link.token) is None
    with pytest.raises(BlockedError):
        runner.check_room(ANN)
    with TestClient(create_app(served)) as client:
        test_api.is_problem(client.get("/api/v1/jobs", headers=bearer(token)), 403, "blocked")
    press(page, "admin_unblock")
    assert "Test beat" in texts(ann.run()) and Shares(runner.database).opened(link.token)
    (me,) = [one.owner for one in runner.people.all() if one.name == "Boss@example.org"]
    page.selectbox(key="admin_user").set_value(me).run()
    assert "admin_block" not in keys(page)  # nobody locks themselves out


def test_what_an_admin_does_needs_one_at_that_moment(served, monkeypatch) -> None:
    visit(secrets=SECRETS, user=PERSON)
    job_id = put_state(served, ANN, JobStatus.QUEUED)
    monkeypatch.setattr(people, "admin", lambda: False)
    monkeypatch.setattr(admin.st, "session_state", {f"admin_{name}_{ANN}": 0 for name in admin.QUOTAS})
    admin._cancel(job_id)
    admin._block(ANN, True)
    admin._allow(ANN)
    assert state.runner().get(job_id, owner=ANN).status is JobStatus.QUEUED
    assert state.runner().people.get(ANN) == Person(ANN, "ann@example.org", state.runner().people.get(ANN).seen_at)


def test_two_processes_may_meet_somebody_at_once(served) -> None:
    visit(secrets=SECRETS, user=PERSON)
    known = state.runner().people
    known.seen("new", "N" * 500)
    assert known.block("new", True) == Person("new", "N" * 200, known.get("new").seen_at, True, None)
    assert known.use().get("new", Use()) == Use()
