"""Every route and page of the studio against every trick: no sign-in, forged, expired, planted, and replayed ones,
foreign pages, redirects that lead elsewhere, other people's songs. The API's routes are in ``test_api_routes.py``.

The tables name each route and page; a new one fails the test until it stands in one of them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import studio
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value, decode_signed_value
from studio import Visitor
from ui_songs import put, put_state, song
from websockets.exceptions import ConnectionClosed, InvalidStatus

from drumscribe.jobs.db import Database
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.shares import Shares
from drumscribe.settings import Settings

pytestmark = pytest.mark.service

OPEN = {
    "/_stcore/health", "/_stcore/metrics", "/_stcore/host-config", "/_stcore/script-health-check",
    "/component/{path:path}", "/_stcore/bidi-components/{path:path}",
}  # fmt: skip
"""Nothing in them belongs to anybody."""
UNGUESSABLE = {"/media/{file_id:path}"}
"""Named by a digest of what they hold."""
SESSION = {"/_stcore/upload_file/{session_id}/{file_id}"}
"""For a live session, with the token against forged requests."""
SIGN_IN = {"/auth/login", "/auth/logout", "/oauth2callback"}
OFF = {"/_stcore/agent/interact", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp"}
"""Answer that they are switched off."""
STREAM = {"/_stcore/stream"}
"""The web socket, on which each page decides whom it serves."""
ROUTES = OPEN | UNGUESSABLE | SESSION | SIGN_IN | OFF | STREAM
SONG_PAGES = ("score", "practice", "inspect", "edit")
PAGES = ("", *SONG_PAGES, "live", "about", "account", "admin")
ELSEWHERE = "evil.example"
USER = "_streamlit_user"
PLANTED = "0f" * 16


@dataclass(frozen=True, slots=True)
class Served:
    """The studio, songs of Ann and of a browser, a link to a third, and her cookies."""

    address: str
    issuer: str
    anns: str
    browsers: str
    shared: str
    link: str
    cookies: dict[str, str]
    settings: Settings
    log: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("studio")
    settings = Settings(_env_file=None, data_dir=folder / "data")
    with studio.signing_in(folder, ADMINS="boss@example.org") as (address, issuer):
        ann = Visitor(address)
        ann.sign_in("ann")
        ann.page()  # makes the tables
        owner = studio.owner_of(issuer, "ann")
        songs = [put(settings, owner, song(1, title=title)) for title in ("Annes Lied", "Geteiltes Lied")]
        planted = "browser-" + hashlib.sha256(PLANTED.encode()).hexdigest()[:32]
        database = Database(settings)
        link = Shares(database).create(songs[1], owner=owner).token
        database.close()
        cookies = {cookie.name: str(cookie.value) for cookie in ann.http.cookies.jar}
        browsers = put(settings, planted, song(1, title="Fremdes Lied"))
        yield Served(address, issuer, songs[0], browsers, songs[1], link, cookies, settings, folder / "log")


def opens_nothing(seen: studio.Seen) -> bool:
    """Whether a page asks to sign in, and shows no song."""
    return set(seen.buttons) == {"ds_sign_in"} and "Lied" not in seen.text and "example.org" not in seen.text


def filled(path: str) -> str:
    names = {"file_id:path": "0" * 56 + ".ogg", "path:path": "x", "session_id": "0" * 32, "file_id": "1"}
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def test_the_tables_name_every_route_and_page() -> None:
    told = (
        "from streamlit.starlette import App\n"
        "print(*{route.path for route in App('app.py')._build_starlette_app().routes}, sep='\\n')"
    )
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, cwd=studio.ROOT, check=True)
    routes = {line for line in run.stdout.splitlines() if line.startswith("/")}
    assert routes == ROUTES
    assert {path.stem for path in (studio.ROOT / "pages").glob("*.py")} == {page or "transcribe" for page in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_opens_without_signing_in(served: Served, page: str) -> None:
    nobody = Visitor(served.address)
    assert opens_nothing(nobody.page(page, f"song={served.anns}"))
    if page in SONG_PAGES:
        assert opens_nothing(nobody.page(page, f"share={'x' * 43}&song={served.browsers}"))
    seen = nobody.page(page, f"share={served.link}&song={served.anns}")
    if page in SONG_PAGES[:3]:
        assert "Geteiltes Lied" in seen.text and "Annes Lied" not in seen.text and "ds_undo" not in seen.buttons
    else:
        assert opens_nothing(seen)


def test_another_persons_songs_are_on_no_page(served: Served) -> None:
    bob = Visitor(served.address)
    bob.sign_in("bob")
    bob.http.cookies.set("drumscribe_browser", PLANTED)
    for page, wanted in zip(PAGES, itertools.cycle((served.anns, served.browsers)), strict=False):
        seen = bob.page(page, f"song={wanted}")
        assert "Lied" not in seen.text and "ann@" not in seen.text and "ds_sign_out" in seen.buttons, page
        assert seen.page_missing == (page == "admin") and "admin_user" not in seen.text, page


def bad_cookies(served: Served, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Cookies that were never given to who sends them, by what is wrong with them."""
    good = served.cookies[USER]
    value = decode_signed_value(studio.COOKIE_SECRET, USER, good.encode())
    assert value is not None
    person: dict[str, Any] = json.loads(value)

    def signed(content: dict[str, Any], secret: str = studio.COOKIE_SECRET, name: str = USER) -> str:
        return create_signed_value(secret, name, json.dumps(content)).decode()

    assert signed(person) != "" and person["sub"] == "ann"
    with monkeypatch.context() as past:
        moment = time.time() - 40 * 86400
        past.setattr(time, "time", lambda: moment)
        expired = signed(person)
    return {
        "none": {},
        "words": {USER: json.dumps(person)},
        "unsigned": {USER: good.rpartition(".")[0]},
        "cut": {USER: good[:-1]},
        "another secret": {USER: signed(person, "y" * 40)},
        "another name": {USER: signed(person, name="_streamlit_user_tokens")},
        "another origin": {USER: signed(person | {"origin": f"https://{ELSEWHERE}"})},
        "expired": {USER: expired},
        "the tokens alone": {"_streamlit_user_tokens": served.cookies["_streamlit_user_tokens"]},
        "a browser's": {"drumscribe_browser": PLANTED},
    }


def test_no_bad_cookie_signs_anybody_in(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong, cookies in bad_cookies(served, monkeypatch).items():
        visitor = Visitor(served.address)
        for name, value in cookies.items():
            visitor.http.cookies.set(name, value)
        wanted = served.browsers if "drumscribe_browser" in cookies else served.anns
        assert opens_nothing(visitor.page("score", f"song={wanted}")), wrong
    mine = Visitor(served.address)
    mine.http.cookies.set(USER, served.cookies[USER])
    assert "Annes Lied" in mine.page("score", f"song={served.anns}").text  # the same way, with what she was given
    assert opens_nothing(mine.page("score", f"song={served.anns}", xsrf="none"))
    lies = {"X-Streamlit-User": '{"email": "ann@example.org"}', "X-Forwarded-User": "ann", "Remote-User": "ann"}
    assert opens_nothing(Visitor(served.address).page("score", f"song={served.anns}", headers=lies))


def test_a_foreign_page_cannot_speak_for_who_has_signed_in(served: Served) -> None:
    ann = Visitor(served.address)
    ann.http.cookies.set(USER, served.cookies[USER])
    for origin in (f"https://{ELSEWHERE}", "null", f"http://127.0.0.1.{ELSEWHERE}"):
        with pytest.raises((ConnectionClosed, InvalidStatus)):
            ann.page("score", f"song={served.anns}", origin=origin)
    for path, method in itertools.product(sorted(ROUTES - STREAM), ("GET", "POST", "PUT", "DELETE")):
        answer = ann.http.request(
            method, filled(path), headers={"Origin": f"https://{ELSEWHERE}"}, files={"file": b"x"}
        )  # fmt: skip
        allowed = answer.headers.get("access-control-allow-origin", "")
        assert ELSEWHERE not in allowed
        assert allowed != "*" or "access-control-allow-credentials" not in answer.headers
        if method != "GET":
            assert answer.status_code >= 400, (method, path)
    for path in OFF - {"/_stcore/agent/openapi.json"}:
        assert "server.enableAgentApi" in ann.http.post(path, json={}).text


@pytest.mark.parametrize("path", [*sorted(ROUTES - STREAM), "/", "/score"])
def test_no_answer_leads_elsewhere(served: Served, path: str) -> None:
    visitor = Visitor(served.address)
    target, trick = filled(path), f"next=https://{ELSEWHERE}/&redirect_uri=//{ELSEWHERE}&url=https:{ELSEWHERE}"
    forms = [
        target, f"{target}/", f"{target}?{trick}", f"/{target}", f"//{ELSEWHERE}{target}", f"/{ELSEWHERE}/..{target}",
        f"/%5c{ELSEWHERE}{target}", f"{target}?provider=x&{trick}", f"{target}?error=x&state=x&code=x&{trick}",
    ]  # fmt: skip
    lies = [{}, {"X-Forwarded-Host": ELSEWHERE, "X-Forwarded-Proto": "https", "Host": ELSEWHERE}]
    for form, lie in itertools.product(
        forms if "script" not in path else forms[2:4], lies
    ):  # that one runs all of app.py
        request = visitor.http.build_request("GET", served.address, headers=lie)
        request.url = request.url.copy_with(raw_path=form.encode())
        answer = visitor.http.send(request, follow_redirects=False)
        there = answer.headers.get("location", "")
        assert ELSEWHERE not in urlsplit(there).netloc and not there.replace("\\", "/").startswith("//"), (form, lie)


def test_signing_in_asks_for_our_own_address_and_gives_a_new_cookie(served: Served) -> None:
    visitor = Visitor(served.address)
    visitor.http.cookies.set(USER, served.cookies[USER] + "x")  # planted before
    back = visitor.ask_to_sign_in("bob")
    assert back.startswith(f"{served.address}/oauth2callback?") and parse_qs(urlsplit(back).query)["state"]
    answer = visitor.http.get(back, follow_redirects=False)
    assert answer.headers["location"] == "/"
    lines = [line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{USER}=")]
    given = [line for line in lines if "Max-Age=0" not in line]  # the planted one is taken away first
    assert given and all("httponly" in line.lower() and "samesite=lax" in line.lower() for line in given)
    assert served.cookies[USER] not in str(given)
    for path in ("/auth/login", "/auth/login?provider=forged.token.x", "/oauth2callback", "/auth/logout"):
        assert visitor.http.get(path, follow_redirects=False).headers["location"] == "/"


def test_nobody_is_signed_in_as_somebody_else(served: Served) -> None:
    """An attacker's way back from the provider, opened by a victim, or opened twice, signs nobody in."""
    attacker, victim = Visitor(served.address), Visitor(served.address)
    back = attacker.ask_to_sign_in("mallory")
    victim.http.get(back)
    assert opens_nothing(victim.page())
    victim.ask_to_sign_in("victim")  # has begun to sign in: another state is kept
    victim.http.get(back)
    assert opens_nothing(victim.page())
    attacker.http.get(back)
    late = Visitor(served.address)
    for name, value in attacker.http.cookies.items():
        if name not in (USER, "_streamlit_user_tokens"):
            late.http.cookies.set(name, value, domain="127.0.0.1", path="/")
    late.http.get(back)  # again, with all that the first had before
    assert opens_nothing(late.page())


def test_a_session_goes_on_for_its_own_person_only(served: Served) -> None:
    ann = Visitor(served.address)
    ann.http.cookies.set(USER, served.cookies[USER])
    session = ann.page("score", f"song={served.anns}").session
    assert session
    bob = Visitor(served.address)
    assert opens_nothing(bob.page("score", f"song={served.anns}", session=session))
    bob.sign_in("bob")
    seen = bob.page("score", "", session=session)
    assert "Lied" not in seen.text and seen.session != session
    refused = bob.http.put(f"/_stcore/upload_file/{session}x/1", files={"file": b"x"})
    assert refused.status_code == 403  # without the token
    token = {"X-Xsrftoken": str(bob.http.cookies.get(studio.XSRF))}
    assert bob.http.put(f"/_stcore/upload_file/{session}x/1", files={"file": b"x"}, headers=token).status_code == 400


def test_an_admin_stops_a_job_and_the_log_says_who_and_no_titles(served: Served) -> None:
    job_id = put_state(served.settings, "school", JobStatus.RUNNING, title="Schullied")
    boss = Visitor(served.address)
    boss.sign_in("boss")
    seen = boss.page("admin", press=f"admin_cancel_{job_id}")
    assert "Lied" not in seen.text and "Schullied" not in seen.text and "ann@example.org" in seen.text
    log = served.log.read_text()
    [told] = [json.loads(line) for line in log.splitlines() if '"did": "cancel"' in line]
    assert (told["by"], told["whom"]) == (studio.owner_of(served.issuer, "boss"), "school")
    assert "Lied" not in log and "Schullied" not in log and served.link not in log
    database = Database(served.settings)
    assert database.get(job_id).status is not JobStatus.RUNNING
    database.close()


def test_after_signing_out_the_browser_opens_nothing(served: Served) -> None:
    bob = Visitor(served.address)
    bob.sign_in("bob")
    seen = bob.page(press="ds_sign_out")
    assert seen.redirect.endswith("/auth/logout")
    bob.http.get(seen.redirect)
    assert not bob.http.cookies.get(USER) and opens_nothing(bob.page())


def test_files_of_the_studio_itself_lead_nowhere_else(served: Served) -> None:
    for path in ("/static/../../app.py", "/media/../app.py", "/component/../../etc/passwd", "/%2e%2e/app.py", "/app.py",
                 "/.streamlit/secrets.toml", "/data/jobs.sqlite3"):  # fmt: skip
        request = httpx.Request("GET", served.address)
        request.url = request.url.copy_with(raw_path=path.encode())
        with httpx.Client() as client:
            text = client.send(request).text
        assert "cookie_secret" not in text and "st.navigation" not in text and "root:" not in text, path
