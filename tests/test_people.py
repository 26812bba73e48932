"""Signing in with a real OpenID Connect provider: whose the projects are, on any device."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import studio
from click.testing import CliRunner
from test_ui_pages import settings, texts, visit  # noqa: F401 - settings is a fixture
from ui_songs import put, song

from drumscribe.cli.commands import cli
from drumscribe.settings import Settings, get_settings
from drumscribe.ui import lan, people


def still(page) -> None:
    """Wait until the page has been drawn to its end."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(300)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def shared(page, song: str) -> str:
    """A link to the song, made on its page."""
    page.goto(song)
    page.get_by_role("button", name="Share").wait_for()
    still(page)
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    return page.locator("code").filter(has_text="share=").inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_projects_belong_to_the_person_on_any_device(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or pytest.skip("no Chromium")
    with studio.signing_in(tmp_path, ADMINS="ann@example.org") as (address, issuer):
        job_id = put(Settings(data_dir=tmp_path / "data"), studio.owner_of(issuer, "ann"), song(2))
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

            def device(name: str):
                context = browser.new_context()
                context.set_default_timeout(120_000)
                page = context.new_page()
                page.goto(f"{address}/score?song={job_id}")  # a link that somebody passed on
                page.get_by_role("button", name="Sign in").click()
                page.get_by_label("Name").fill(name)
                page.get_by_role("button", name="I am").click()
                page.get_by_role("link", name=f"{name}@example.org").wait_for()
                page.goto(address)
                page.get_by_text("Turn a recording").wait_for()
                return page

            for _ in range(2):  # two devices of one person
                page = device("ann")
                page.get_by_text("Test beat").first.wait_for()
            page.get_by_role("link", name="Admin").click()
            page.get_by_role("heading", name="Users").wait_for()
            link = shared(page, f"{address}/score?song={job_id}")
            guest = browser.new_context().new_page()  # of no account
            guest.set_default_timeout(120_000)
            guest.goto(link)
            guest.get_by_text("Shared with you to read").wait_for()
            guest.locator("[data-testid=stMain] svg [id^=hit-]").first.wait_for(state="attached")
            assert guest.get_by_role("button", name="Undo").count() == 0
            still(guest)
            guest.get_by_role("link", name="Practice").first.click()
            guest.get_by_role("heading", name="Practice").wait_for()
            still(guest)
            assert guest.url == link.replace("score", "practice")
            page.get_by_role("button", name="Revoke").click()
            still(page)
            guest.reload()
            guest.get_by_text("This link opens nothing").wait_for()
            assert guest.get_by_text("Test beat").count() == 0
            page.get_by_role("button", name="Sign out").click()
            page.get_by_role("button", name="Sign in").wait_for()
            assert page.get_by_text("Test beat").count() == 0
            other = device("bob")
            other.goto(f"{address}/score?song={job_id}")
            other.get_by_text("not among").first.wait_for()
            assert other.get_by_text("Test beat").count() == 0
            other.goto(f"{address}/admin")  # for others there is no such page, with or without a link to it
            other.get_by_text("Page not found").wait_for()
            assert other.get_by_role("heading", name="Users").count() == 0
            browser.close()


def test_on_a_network_somebody_must_sign_in_or_nobody_be_asked_to_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    ran = CliRunner().invoke(cli, ["serve", "--host", "0.0.0.0"])
    assert ran.exit_code == 2 and "SIGN_IN=none" in ran.output
    started: list[list[str]] = []

    def execv(_program: str, command: list[str]) -> None:
        started.append(command)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setenv("PUBLIC", "false")
    monkeypatch.setenv("SIGN_IN", "none")
    get_settings.cache_clear()
    ran = CliRunner().invoke(cli, ["serve", "--host", "0.0.0.0"])
    assert "everybody who reaches 0.0.0.0" in ran.output and "[auth]" not in ran.output
    assert started and os.environ["PUBLIC"] == "true"  # with the limits of what is served
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text('[auth]\nclient_id = "x"\n')
    assert "[auth] is not used" in CliRunner().invoke(cli, ["serve", "--host", "0.0.0.0"]).output
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("headers", "address", "here"),
    [
        ({"Host": "localhost:8501"}, None, True),
        ({"Host": "127.0.0.1:8501"}, "127.0.0.1", True),
        ({"Host": "[::1]:8501"}, "::1", True),
        ({"Host": "drums.localhost"}, None, True),
        ({"Host": "192.168.1.7:8501"}, "192.168.1.9", False),
        ({"Host": "localhost:8501"}, "192.168.1.9", False),  # who asks may write there what they like
        ({"Host": "evil.example:8501"}, None, False),  # a name that was made to lead here
        ({"Host": "localhost.evil.example"}, None, False),
        ({"Host": "127.0.0.1:8501", "X-Forwarded-For": "127.0.0.1"}, None, False),
        ({"Host": "127.0.0.1:8501", "Forwarded": "for=192.0.2.1"}, None, False),
        ({"Host": "127.0.0.1:8501", "X-Real-Ip": "192.0.2.1"}, None, False),
    ],
)
def test_who_sits_at_this_computer(headers: dict[str, str], address: str | None, here: bool) -> None:
    assert people.from_here(headers, address) is here


def test_from_outside_nobody_comes_in_unless_that_is_meant(settings, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr(people, "from_here", lambda _headers, _address: False)
    for name, value, told in (("SIGN_IN", "auto", True), ("SIGN_IN", "none", False)):
        monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        page = visit()
        assert ("Nobody signs in here" in texts(page)) is told and bool(page.button) is not told
    monkeypatch.setenv("SIGN_IN", "auto")
    get_settings.cache_clear()
    asked = visit(secrets={"auth": {"client_id": "x"}}, user={"is_logged_in": False})
    assert [one.key for one in asked.button] == ["ds_sign_in"]
    more = {"client_kwargs": {"scope": "openid"}, "google": {"client_id": "x"}, "microsoft": {"client_id": "y"}}
    asked = visit(secrets={"auth": more}, user={"is_logged_in": False})
    assert [one.label for one in asked.button] == ["Sign in with Google", "Sign in with Microsoft"]
    monkeypatch.setattr(lan, "shared", lan.Shared("https://192.168.1.7:8501/?pair=x", "x", "<svg></svg>"))
    assert "Nobody signs in here" not in texts(visit())  # its gate has let them in
