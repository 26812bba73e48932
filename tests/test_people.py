"""Signing in with a real OpenID Connect provider: whose the projects are, on any device."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import httpx
import oidc
import pytest
import services
from click.testing import CliRunner
from ui_songs import put, song

from drumscribe.cli.commands import cli
from drumscribe.settings import Settings

ROOT = Path(__file__).parents[1]


def owner_of(issuer: str, name: str) -> str:
    return "person-" + hashlib.sha256(f"{issuer}\0{name}".encode()).hexdigest()[:32]


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
    port = services.free_port()
    address = f"http://127.0.0.1:{port}"
    home = tmp_path / "home"
    (home / ".streamlit").mkdir(parents=True)
    command = [
        sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), f"--server.port={port}",
        "--server.address=127.0.0.1",
    ]  # fmt: skip
    env = {"DATA_DIR": str(tmp_path / "data"), "HOME": str(home), "PYTHONPATH": str(ROOT), "ADMINS": "ann@example.org"}
    with oidc.provider(f"{address}/oauth2callback") as issuer, services.Process(command, tmp_path / "log", env) as app:
        (home / ".streamlit" / "secrets.toml").write_text(
            f'[auth]\nredirect_uri = "{address}/oauth2callback"\ncookie_secret = "{"x" * 40}"\n'
            f'client_id = "{oidc.CLIENT}"\nclient_secret = "{oidc.SECRET}"\n'
            f'server_metadata_url = "{issuer}/.well-known/openid-configuration"\n'
        )
        job_id = put(Settings(data_dir=tmp_path / "data"), owner_of(issuer, "ann"), song(2))

        def up() -> bool:
            try:
                return httpx.get(f"{address}/_stcore/health").status_code == 200
            except httpx.HTTPError:
                return False

        services.wait_until(up, 120, 0.3, app.tail())
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
