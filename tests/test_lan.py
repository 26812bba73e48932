"""The studio on a tablet in the same network: certificate, pairing, the link; and sound through a TURN server."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import services
from test_ui_pages import TOKEN, owner_of
from ui_songs import put, song

from drumscribe.errors import OptionsError
from drumscribe.live import ice_servers
from drumscribe.settings import Settings
from drumscribe.ui import owner, unconnected
from drumscribe.ui.lan import addresses, certificate
from drumscribe.ui.lan.gate import BROWSER, CERTIFICATE, COOKIE, PLAIN, WRONG, Gate, new_code

NAMES, HERE = ["localhost", "studio", "studio.local"], ["127.0.0.1", "::1", "192.168.1.7"]


# the certificate


def test_the_certificate_is_made_once_and_anew_for_another_address(tmp_path: Path) -> None:
    made = certificate.ready(tmp_path / "lan", NAMES, HERE)
    files = {path: path.read_bytes() for path in (tmp_path / "lan").iterdir()}
    assert certificate.ready(tmp_path / "lan", NAMES, HERE) == made
    assert {path: path.read_bytes() for path in files} == files
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "lan" / "authority.key").stat().st_mode) == 0o600

    certificate.ready(tmp_path / "lan", NAMES, [*HERE, "10.0.0.9"])
    assert made.authority.read_bytes() == files[made.authority]  # what a tablet trusts already
    assert made.chain.read_bytes() != files[made.chain]

    certificate.ready(tmp_path / "lan", NAMES, [*HERE, "192.0.2.5"])  # which the authority could not vouch for
    assert made.authority.read_bytes() != files[made.authority]
    certificate.ready(tmp_path / "lan", NAMES, [*HERE, "192.0.2.5"])


@pytest.mark.parametrize("host", ["192.168.1.7", "192.0.2.5", "studio.local", "localhost"])
def test_who_trusts_the_authority_trusts_the_server(tmp_path: Path, host: str) -> None:
    made = certificate.ready(tmp_path, NAMES, [*HERE, "192.0.2.5"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)
    trusting = ssl.create_default_context(cafile=str(made.authority))

    def shake(name: str) -> None:
        server_in, server_out, client_in, client_out = (ssl.MemoryBIO() for _ in range(4))
        server = context.wrap_bio(server_in, server_out, server_side=True)
        client = trusting.wrap_bio(client_in, client_out, server_hostname=name)
        for _ in range(4):
            for end, out, other in ((client, client_out, server_in), (server, server_out, client_in)):
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                other.write(out.read())

    shake(host)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake("bank.example")


def test_addresses_and_names_are_those_that_others_use() -> None:
    assert "localhost" in addresses.names() and addresses.names()[-1].endswith(".local")
    assert not {"127.0.0.1", "::1", "0.0.0.0"} & set(addresses.addresses())


# the gate


async def _studio(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the studio"})


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    (tmp_path / "authority.pem").write_bytes(b"PEM")
    return Gate(_studio, code="K3WM-T7QX", folder=tmp_path / "lan", authority=tmp_path / "authority.pem")


def ask(gate: Gate, path: str, *, host: str = "192.168.1.7:8501", client: str = "192.168.1.9", **cookies: str) -> Any:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(gate, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url=f"https://{host}", cookies=cookies) as web:
            return await web.get(path)

    return asyncio.run(go())


def test_only_who_knows_the_code_gets_in(gate: Gate) -> None:
    assert (owner.COOKIE, owner.SECURE) == (PLAIN, BROWSER)
    for path in ("/", "/score", "/_stcore/health", "/media/x", CERTIFICATE, "/?pair=", "/?pair=K3WM-T7QY"):
        answer = ask(gate, path)
        assert answer.status_code in (401, 403) and "studio</p>" not in answer.text
        assert "Pairing code" in answer.text and "set-cookie" not in answer.headers
    paired = ask(gate, "/score?pair=k3wm%20t7qx")
    assert (paired.status_code, paired.headers["location"]) == (303, "/score")
    for one in paired.headers.get_list("set-cookie"):  # no other host can plant them
        assert one.startswith("__Host-") and "Secure" in one and "Path=/;" in one and "Domain" not in one
    cookies = dict(paired.cookies)
    assert ask(gate, "/score", **cookies).text == "the studio"
    assert ask(gate, CERTIFICATE, **cookies).content == b"PEM"
    assert ask(gate, "/", **cookies | {COOKIE: "0" * 64}).status_code == 401


def test_a_link_leads_nowhere_else(gate: Gate) -> None:
    assert ask(gate, "//evil.example/?pair=K3WM-T7QX").headers["location"] == "/"


def test_a_paired_device_is_the_user_of_this_computers_browser_and_stays_so(gate: Gate, tmp_path: Path) -> None:
    at_home = {"host": "localhost:8501", "client": "127.0.0.1"}
    for name, token in ((PLAIN, "b" * 32), (BROWSER, "a" * 32)):  # as it came over http, and as it comes over https
        assert ask(gate, "/", **at_home, **{name: token}).text == "the studio"  # no code asked
        cookies = dict(ask(gate, "/?pair=K3WM-T7QX").cookies)
        assert cookies[BROWSER] == token
    again = Gate(_studio, code=new_code(), folder=tmp_path / "lan", authority=tmp_path / "authority.pem")
    assert ask(again, "/", **cookies).text == "the studio"
    shutil.rmtree(tmp_path / "lan")
    forgetful = Gate(_studio, code=new_code(), folder=tmp_path / "lan", authority=tmp_path / "authority.pem")
    assert ask(forgetful, "/", **cookies).status_code == 401


def test_a_page_elsewhere_cannot_play_this_computer(gate: Gate) -> None:
    assert ask(gate, "/", host="evil.example", client="127.0.0.1").status_code == 401  # DNS rebinding


def test_codes_cannot_be_tried_for_long(gate: Gate) -> None:
    for _ in range(WRONG):
        assert ask(gate, "/?pair=AAAA-AAAA").status_code == 403
    late = ask(gate, "/?pair=K3WM-T7QX")
    assert (late.status_code, late.headers["retry-after"]) == (429, "60")


def test_connections_are_closed_without_a_pass(gate: Gate) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/_stcore/stream", "headers": [], "client": ("192.168.1.9", 1)}
    asyncio.run(gate(scope, None, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


# all of it


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not addresses.addresses(), reason="this machine is in no network")
def test_a_tablet_opens_the_link_and_has_the_songs_and_the_microphone(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or pytest.skip("no Chromium")
    put(
        Settings(data_dir=tmp_path / "data"), owner_of(TOKEN), song(4).rescore(None, notate={"title": "For the tablet"})
    )
    port = services.free_port()
    command = [sys.executable, "-m", "drumscribe", "serve", "--lan", "--port", str(port)]
    server = services.Process(command, tmp_path / "log", {"DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"})
    with server, playwright.sync_playwright() as driver:
        link = services.wait_until(lambda: re.search(r"https://\S+pair=\S+", server.tail()), 120, what=server.tail())[0]
        authority = ssl.create_default_context(cafile=str(tmp_path / "data" / "lan" / "authority.pem"))

        def answers() -> bool:
            try:
                return httpx.get(f"https://localhost:{port}/", verify=authority).status_code == 200
            except httpx.HTTPError:
                return False

        services.wait_until(answers, 120, 0.3, server.tail())
        httpx.get(f"https://localhost:{port}/", verify=authority, cookies={BROWSER: TOKEN})  # this computer's browser
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 768, "height": 1024})
        context.set_default_timeout(120_000)
        page = context.new_page()
        refused = page.goto(link.partition("?")[0])
        assert refused is not None and refused.status == 401
        page.get_by_label("Pairing code").fill(link.partition("pair=")[2])
        page.get_by_role("button", name="Open").click()
        page.get_by_text("Test beat").first.wait_for()
        assert {one["name"] for one in context.cookies()} >= {BROWSER, COOKIE}
        assert "pair=" not in page.url and page.evaluate("!!navigator.mediaDevices && isSecureContext")
        page.goto(link.partition("?")[0] + "about")
        page.get_by_role("heading", name="Open on a tablet").wait_for()
        page.get_by_text(link.partition("pair=")[2]).wait_for()
        browser.close()
        server.signal(2)  # Ctrl-C
        services.wait_until(lambda: not server.alive(), 30)


def test_lan_and_a_host_contradict(capfd: pytest.CaptureFixture[str]) -> None:
    from click.testing import CliRunner

    from drumscribe.cli.commands import cli

    ran = CliRunner().invoke(cli, ["serve", "--lan", "--host", "0.0.0.0"])
    assert ran.exit_code == 2 and "--host" in ran.output + capfd.readouterr().err


# servers between browser and server


def ice(**values: Any) -> list[dict[str, Any]]:
    return ice_servers(Settings(_env_file=None, **values), now=1_000_000)


def test_ice_servers() -> None:
    assert ice() == []
    assert ice(ice_servers=" stun:a:3478 , ") == [{"urls": "stun:a:3478"}]
    lasting = ice(ice_servers="stun:a,turns:b:5349?transport=tcp", ice_user="me", ice_secret="s3cret")
    assert lasting[1] == {"urls": "turns:b:5349?transport=tcp", "username": "me", "credential": "s3cret"}
    [brief] = ice(ice_servers="turn:b", ice_secret="s3cret")
    assert brief["username"] == "1043200:drumscribe" and "s3cret" not in str(brief)
    for wrong in ({"ice_servers": "http://a"}, {"ice_servers": "turn:b"}):
        with pytest.raises(OptionsError, match="ICE_"):
            ice(**wrong)


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[str]:
    binary = shutil.which("turnserver") or pytest.skip("coturn is not installed")
    port = services.free_port()
    command = [
        binary, "-n", "--no-cli", "--no-tls", "--no-dtls", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
        f"--listening-port={port}", "--use-auth-secret", "--static-auth-secret=s3cret", "--realm=drumscribe",
        "--allow-loopback-peers", "--cli-password=x", f"--pidfile={tmp_path}/pid", "--log-file=stdout",
    ]  # fmt: skip
    with services.Process(command, tmp_path / "log", cwd=tmp_path) as server:
        services.wait_until(lambda: services.listening(port), 60, what=server.tail())
        yield f"turn:127.0.0.1:{port}?transport=udp"


@pytest.mark.service
def test_sound_goes_through_a_turn_server_where_nothing_else_does(turn: str) -> None:
    from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
    from aiortc.mediastreams import AudioStreamTrack

    servers = ice_servers(Settings(_env_file=None, ice_servers=turn, ice_secret="s3cret"))
    configuration = RTCConfiguration([RTCIceServer(**server) for server in servers])

    def relayed(description: RTCSessionDescription) -> RTCSessionDescription:
        """As if router and container let nothing else through."""
        lines = description.sdp.splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith("a=candidate:") or " typ relay" in line]
        assert len(kept) < len(lines) and any(" typ relay" in line for line in kept)
        return RTCSessionDescription("".join(kept), description.type)

    async def first_frame() -> Any:
        browser, server = RTCPeerConnection(configuration), RTCPeerConnection(configuration)
        heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        server.on("track", lambda track: heard.done() or heard.set_result(track))
        try:
            browser.addTrack(AudioStreamTrack())
            await browser.setLocalDescription(await browser.createOffer())
            await server.setRemoteDescription(relayed(browser.localDescription))
            await server.setLocalDescription(await server.createAnswer())
            await browser.setRemoteDescription(relayed(server.localDescription))
            return await asyncio.wait_for((await heard).recv(), 30)
        finally:
            await asyncio.gather(browser.close(), server.close())

    assert asyncio.run(first_frame()).samples > 0


@pytest.mark.parametrize(
    ("url", "insecure"),
    [("http://192.168.1.7:8501/live", True), ("http://studio.local:8501/live", True), ("http://[fd00::1]:8501/", True),
     ("http://127.0.0.1:8501/live", False), ("http://[::1]/live", False), ("http://x.localhost/", False),
     ("https://192.168.1.7/live", False), (None, False)],
)  # fmt: skip
def test_where_browsers_keep_the_microphone(url: str | None, insecure: bool) -> None:
    assert unconnected.insecure(url) is insecure
