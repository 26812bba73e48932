"""A link to one song: what it opens and for whom, what it does not, and how it ends."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_tokens import ANN, PERSON
from test_ui_pages import TOKEN, owner_of, press, settings, texts, visit  # noqa: F401 - settings is a fixture
from ui_songs import put, put_state, song

from drumscribe import settings as settings_module
from drumscribe.errors import JobConflictError, JobNotFoundError, QuotaError
from drumscribe.jobs import shares as shares_module
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.shares import Shares
from drumscribe.observability.logs import redact
from drumscribe.settings import Settings
from drumscribe.ui import scoring, sharing, state

ME, THEM = owner_of(TOKEN), owner_of("cd" * 16)
SECRETS = {"auth": {"client_id": "x"}}


@pytest.fixture(scope="module")
def made():
    return song(4, separated=True)


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC", "true")
    monkeypatch.setenv("SIGN_IN", "none")


@pytest.fixture
def served(public: None, settings: Settings) -> Settings:  # noqa: F811
    """A studio that others reach, where nobody signs in."""
    return settings


@pytest.fixture
def shares(tmp_path: Path) -> Iterator[Shares]:
    database = Database(Settings(_env_file=None, data_dir=tmp_path))
    database.create()
    yield Shares(database)
    database.close()


def come(token: str, page: str = "score", *, browser: str = "cd" * 16, song_id: str = "", **more):
    """Somebody's browser at the link."""
    app = visit(token=browser, **more)
    app.session_state[state._KEY] = state.Session()  # as a browser that loads the page
    app.query_params.clear()
    app.query_params["share"] = token
    if song_id:
        app.query_params["song"] = song_id
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception[0].message
    return app


def keys(app) -> set[str]:
    kinds = ("button", "toggle", "selectbox", "slider", "text_input", "number_input", "file_uploader")
    return {one.key for kind in kinds for one in app.get(kind) if one.key}


def test_links_are_long_and_belong_to_the_songs_owner(shares: Shares, tmp_path: Path, monkeypatch) -> None:
    where = Settings(_env_file=None, data_dir=tmp_path)
    error = {"code": "stage", "what": "x", "todo": "y"}
    done, failed = (put_state(where, "me", status, error=error) for status in (JobStatus.DONE, JobStatus.FAILED))
    link = shares.create(done, owner="me")
    assert re.fullmatch(r"[\w-]{43}", link.token) and shares.create(done, owner="me").token != link.token
    assert shares.opened(link.token).id == done and redact(f"/score?share={link.token}") == "/score?share=***"
    for wrong in ("", link.token[:-1], link.token.swapcase(), "%", "*" * 43):
        assert shares.opened(wrong) is None
    with pytest.raises(JobConflictError):
        shares.create(failed, owner="me")
    with pytest.raises(JobNotFoundError):
        shares.create(done, owner="you")
    assert shares.of("you") == [] and not shares.revoke(link.token, owner="you") and shares.opened(link.token)
    assert shares.revoke(link.token, owner="me") and not shares.revoke(link.token, owner="me")
    assert shares.opened(link.token) is None
    late = shares.create(done, owner="me", lasts_s=60)
    moment = time.time() + 61
    monkeypatch.setattr(shares_module.time, "time", lambda: moment)
    assert shares.opened(late.token) is None and shares.of("me", done)[0].expired
    monkeypatch.setattr(shares_module, "LIMIT", 2)
    with pytest.raises(QuotaError):
        shares.create(done, owner="me")
    shares._database.delete(done)
    assert shares.of("me") == []


def test_the_owner_makes_a_link_and_revokes_it(served: Settings, made) -> None:
    job_id = put(served, ME, made)
    page = visit("score", song_id=job_id)
    page.context["url"] = "https://drums.example.org/score"
    press(page, "ds_share_make")
    (link,) = [one.value for one in page.code]
    assert re.fullmatch(r"https://drums\.example\.org/score\?share=[\w-]{43}", link)
    token = link.partition("=")[2]
    guest = come(token)
    assert "Test beat" in texts(guest) and "Shared with you to read" in texts(guest)
    assert guest.query_params == {"share": token}
    guest.query_params.clear()  # as a tab does
    guest.switch_page("pages/practice.py").run()
    assert "Test beat" in texts(guest) and guest.title[0].value == "Practice" and guest.query_params == {"share": token}
    press(page, f"ds_unshare_{token[:12]}")
    assert not page.code
    assert "This link opens nothing" in texts(guest.run()) and "Test beat" not in texts(guest)
    assert "share" not in guest.query_params


@pytest.mark.parametrize("name", sharing.PAGES)
def test_a_guest_reads_three_pages_and_changes_nothing(served: Settings, made, name: str) -> None:
    job_id = put(served, ME, made)
    token = Shares(state.runner().database).create(job_id, owner=ME).token
    guest = come(token, name)
    assert "Test beat" in texts(guest) and guest.title[0].value == name.capitalize()
    allowed = {
        "score": {"score_print", "score_make_pdf"},
        "practice": {"practice_score", "practice_part", "practice_click", "practice_count", "practice_make"},
        "inspect": {one for one in keys(guest) if re.match("ds_(window|step|inspect_(context|alone))", one)},
    }[name]  # fmt: skip
    assert keys(guest) <= allowed
    files = {one.key for one in guest.get("download_button")}
    assert not files & {"score_file_json", "score_file_song"} and ("score_file_musicxml" in files) == (name == "score")
    if name == "inspect":  # what is selected is shown and heard, not corrected
        press(guest, "ds_step_on")
        assert "velocity" in texts(guest) and not {
            one for one in keys(guest) if re.search("accept|delete|relabel", one)
        }
    before = state.runner().get(job_id, owner=ME)
    with pytest.MonkeyPatch.context() as patch:  # a message that a changed browser makes up
        patch.setattr(state, "session", lambda: guest.session_state[state._KEY])
        assert not state.change(beats={"bpm": 90})
        state.undo()
        state.recount(1)
    assert state.runner().get(job_id, owner=ME) == before


def test_a_guest_reaches_nothing_else(served: Settings, made) -> None:
    shared, other = put(served, ME, made), put(served, ME, song(1, title="Secret song"))
    mine = put(served, THEM, song(1, title="My own song"))
    token = Shares(state.runner().database).create(shared, owner=ME).token
    guest = come(token, song_id=other)
    assert "Test beat" in texts(guest) and "Secret" not in texts(guest)
    for page in ("edit", "transcribe", "account"):
        guest = come(token, page)
        assert "Test beat" not in texts(guest) and "Secret" not in texts(guest) and "share" not in guest.query_params
    for path in ("", other):
        guest = come(token)
        guest.query_params.clear()
        guest.query_params["song"] = path or shared
        assert "not among" in texts(guest.run()) and "Secret" not in texts(guest)
    guest.query_params["song"] = mine
    assert "My own song" in texts(guest.run()) and "Shared with you" not in texts(guest)
    assert "ds_undo" in keys(guest)


def test_a_guest_sees_the_song_as_it_is_now_and_its_owner_may_go_on_to_edit(served: Settings, made) -> None:
    job_id = put(served, ME, made)
    token = Shares(state.runner().database).create(job_id, owner=ME).token
    guest = come(token)
    found = state.runner().result(job_id, owner=ME)
    state.runner().save(job_id, found.rescore(None, notate={"title": "New title"}), owner=ME)
    assert "New title" in texts(guest.run())
    mine = come(token, browser=TOKEN)
    press(mine, "ds_shared_edit")
    assert "ds_undo" in keys(mine) and mine.query_params["song"] == job_id and "share" not in mine.query_params
    state.runner().delete(job_id, owner=ME)
    assert "This link opens nothing" in texts(guest.run())


def test_a_download_button_of_an_open_page_ends_with_the_link(served: Settings, made, monkeypatch) -> None:
    job_id = put(served, ME, made)
    visit()
    shares = Shares(state.runner().database)
    link = shares.create(job_id, owner=ME)
    guest = come(link.token)
    monkeypatch.setattr(state, "session", lambda: guest.session_state[state._KEY])
    make = scoring._maker(made, "csv")
    assert make().startswith(b"time_s")
    shares.revoke(link.token, owner=ME)
    with pytest.raises(JobNotFoundError, match="opens nothing"):
        make()


def test_where_people_sign_in_a_guest_need_not(settings: Settings, made) -> None:  # noqa: F811
    job_id = put(settings, ANN, made)
    nobody = visit(secrets=SECRETS, user={"is_logged_in": False})  # makes the tables, and asks to sign in
    assert [one.key for one in nobody.button] == ["ds_sign_in"]
    token = Shares(state.runner().database).create(job_id, owner=ANN).token
    guest = come(token, secrets=SECRETS, user={"is_logged_in": False})
    assert "Test beat" in texts(guest) and "ds_sign_out" not in keys(guest)
    guest.query_params.clear()
    guest.switch_page("pages/transcribe.py").run()
    assert "ds_sign_in" in keys(guest) and "Test beat" not in texts(guest)
    bob = come(token, secrets=SECRETS, user=PERSON | {"sub": "8"})
    assert "Test beat" in texts(bob) and "ds_sign_out" in keys(bob) and "ds_undo" not in keys(bob)
    ann = visit("account", secrets=SECRETS, user=PERSON)
    assert "Test beat" in texts(ann)
    press(ann, f"ds_unshare_{token[:12]}")
    assert "You have shared no song" in texts(ann)
    gone = come(token, secrets=SECRETS, user={"is_logged_in": False})
    assert "This link opens nothing" in texts(gone) and "ds_sign_in" in keys(gone)


def test_on_ones_own_machine_it_says_what_a_link_would_take(settings: Settings, made) -> None:  # noqa: F811
    page = visit("score", song_id=put(settings, ME, made))
    assert "A link would lead nowhere" in texts(page) and "ds_share_make" not in keys(page)
    assert "Shared songs" not in texts(visit("account"))
    assert settings_module.get_settings().public is False
