"""Keys, limits, outbound requests, and logs: what protects the service, without any server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import logging
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import services
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from drumscribe import errors
from drumscribe.api import auth, problems
from drumscribe.errors import NetworkError, OptionsError
from drumscribe.jobs import outbound
from drumscribe.observability import logs
from drumscribe.settings import Settings


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)


# keys


def test_keys_are_known_by_their_digest_and_written_in_two_ways() -> None:
    digest = hashlib.sha256(b"two").hexdigest()
    gate = auth.Gate(settings(api_keys=f"school=one, app=sha256:{digest}"))
    assert gate.identify("one").name == "school"
    assert gate.identify("two").name == "app"
    for wrong in (None, "", "on", "one ", digest):
        with pytest.raises(problems.ProblemError) as caught:
            gate.identify(wrong)
        assert caught.value.status == 401


@pytest.mark.parametrize("text", ["nokey", "=x", "a=", "a=1,a=2", "a=sha256:zz", "a=sha256:abcd"])
def test_a_broken_key_list_stops_the_start(text: str) -> None:
    with pytest.raises(OptionsError):
        auth.parse_keys(text)


@given(st.text(max_size=60))
def test_key_lists_are_read_or_refused(text: str) -> None:
    try:
        keys = auth.parse_keys(text)
    except OptionsError:
        return
    assert all(len(digest) == 32 for digest in keys.values())


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.4", False), ("api", False)],
)
def test_without_keys_only_loopback_is_served(host: str, allowed: bool) -> None:
    if allowed:
        auth.check_exposure(settings(api_host=host))
    else:
        with pytest.raises(OptionsError, match="API_KEYS"):
            auth.check_exposure(settings(api_host=host))
        auth.check_exposure(settings(api_host=host, api_keys="a=b"))


def test_requests_and_jobs_are_counted_for_each_key() -> None:
    gate = auth.Gate(settings(api_keys="a=1,b=2", api_rate_limit="3/minute", api_jobs_limit="1/day"))
    response = Response()
    for left in (2, 1, 0):
        gate.count_request(auth.Client("a"), response)
        assert f";r={left};" in response.headers["RateLimit"]
    with pytest.raises(problems.ProblemError) as caught:
        gate.count_request(auth.Client("a"), response)
    assert caught.value.status == 429
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
    gate.count_request(auth.Client("b"), response)
    gate.count_job(auth.Client("a"))
    with pytest.raises(problems.ProblemError, match="job"):
        gate.count_job(auth.Client("a"))


def test_counting_goes_on_in_memory_while_redis_is_away() -> None:
    gate = auth.Gate(settings(api_keys="a=1", api_rate_limit="2/minute", redis_url="redis://127.0.0.1:1/0"))
    gate.count_request(auth.Client("a"), Response())
    gate.count_request(auth.Client("a"), Response())
    with pytest.raises(problems.ProblemError):
        gate.count_request(auth.Client("a"), Response())


@pytest.mark.service
@pytest.mark.skipif("redis-server" in services.MISSING, reason="redis-server is not installed")
def test_processes_count_together_in_redis(tmp_path: Path) -> None:
    with services.Redis(tmp_path) as redis:
        values = settings(api_keys="a=1", api_rate_limit="2/minute", api_jobs_limit="1/day", redis_url=redis.url)
        one, two = auth.Gate(values), auth.Gate(values)
        one.count_request(auth.Client("a"), Response())
        two.count_request(auth.Client("a"), Response())
        with pytest.raises(problems.ProblemError):
            one.count_request(auth.Client("a"), Response())
        one.count_job(auth.Client("a"))
        with pytest.raises(problems.ProblemError):
            two.count_job(auth.Client("a"))


@pytest.mark.parametrize("text", ["often", "10/never", "0x"])
def test_an_impossible_limit_stops_the_start(text: str) -> None:
    with pytest.raises(OptionsError, match="API_RATE_LIMIT"):
        auth.Gate(settings(api_rate_limit=text))


# problems


def test_every_error_of_the_tree_has_a_status() -> None:
    for cls in errors._walk(errors.DrumScribeError):
        assert 400 <= problems.status_of(cls("what", "todo")) <= 503


def test_a_problem_carries_code_and_advice() -> None:
    response = problems.from_error(errors.TooLongError("It lasts 20 min.", "Cut it."))
    body = json.loads(bytes(response.body))
    assert response.media_type == "application/problem+json"
    assert body == {
        "type": "urn:drumscribe:problem:too_long",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "It lasts 20 min. Cut it.",
        "code": "too_long",
        "todo": "Cut it.",
    }


# outbound requests


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "ff02::1",
        "192.0.2.1",
        "192.88.99.1",
        "::10.0.0.1",
        "::ffff:0:a00:1",
        "64:ff9b:1::a00:1",
        "fec0::1",
        "3fff::1",
        "5f00::1",
    ],
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not outbound.is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are(address: str) -> None:
    assert outbound.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http://user:pw@example.com/",
        "http://example.com:22/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://localhost/",
        "http://127.1/",
        "gopher://example.com",
        "http://[::ffff:169.254.169.254]/",
        "//example.com",
        "http://a b/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com:99999/",
        "http://127.0.0.1:80#@example.com/",
    ],
)
def test_webhooks_refuse_what_leads_elsewhere(url: str) -> None:
    def resolver(host: str, port: int) -> list[str]:
        return ["1.1.1.1"] if host == "example.com" else outbound.resolve(host, port)

    with pytest.raises((OptionsError, NetworkError)):
        outbound.SafePoster(resolver=resolver).check(url)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(OptionsError):
        outbound.SafePoster(resolver=lambda *_: ["1.1.1.1", "10.0.0.1"]).check("https://example.com/")


def test_a_name_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(outbound, "RESOLVE_S", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30))
    with pytest.raises(NetworkError, match="cannot be found"):
        outbound.SafePoster().check("https://slow.example/")
    answered.set()


class _Receiver(BaseHTTPRequestHandler):
    seen: ClassVar[list[SimpleNamespace]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(SimpleNamespace(path=self.path, headers=self.headers, body=body))
        self.send_response(302 if self.path == "/move" else 200)
        if self.path == "/move":
            self.send_header("Location", "http://127.0.0.1/inside")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_connection_goes_to_the_checked_address_under_the_given_name() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answers = [["127.0.0.1"]]

    async def go() -> tuple[int, int]:
        poster = outbound.SafePoster([f"hook.example:{port}"], resolver=lambda *_: answers[0])
        try:
            url = f"http://hook.example:{port}"
            return await poster.post(f"{url}/in?x=1", b"{}", {}), await poster.post(f"{url}/move", b"{}", {})
        finally:
            await poster.close()

    port = server.server_port
    try:
        assert asyncio.run(go()) == (200, 302)
    finally:
        server.shutdown()
        server.server_close()
    assert [seen.path for seen in _Receiver.seen] == ["/in?x=1", "/move"]  # the redirect was not followed
    assert _Receiver.seen[0].headers["Host"] == f"hook.example:{port}"


def test_tls_is_checked_against_the_name_not_the_address() -> None:
    """A TLS server on loopback sees the name in SNI although the connection goes to the address."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(120)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):  # no certificate: the handshake ends after the name was read
            context.wrap_socket(connection, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]

    async def go() -> None:
        poster = outbound.SafePoster([f"hook.example:{port}"], resolver=lambda *_: ["127.0.0.1"])
        with pytest.raises(NetworkError):
            await poster.post(f"https://hook.example:{port}/", b"{}", {})
        await poster.close()

    asyncio.run(go())
    thread.join()
    listener.close()
    assert names == ["hook.example"]


def test_a_receiver_that_never_answers_is_given_up() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    async def go() -> None:
        poster = outbound.SafePoster([f"h.example:{port}"], timeout_s=0.3, resolver=lambda *_: ["127.0.0.1"])
        with pytest.raises(NetworkError):
            await poster.post(f"http://h.example:{port}/", b"{}", {})
        await poster.close()

    asyncio.run(go())
    listener.close()


# logs


def test_no_secret_reaches_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    try:
        logs.configure(settings(log_format="json"))
        log = logs.get("test")
        with logs.bind(job_id="abc"):
            log.info("start", api_key="s3cret", url="redis://:s3cret@cache:6379/0", more={"password": "s3cret"})
            logging.getLogger("uvicorn").warning(
                "connect to %s failed", "postgresql://me:s3cret@db/x", extra={"color_message": "in \x1b[1mcolour"}
            )
            logging.getLogger("other").info("Authorization: Bearer s3cret.x")
            log.info("signed", url="https://b/k?X-Amz-Signature=s3cret&x=1")
            try:
                raise ValueError("amqp://u:s3cret@host")
            except ValueError:
                log.exception("failed")
    finally:
        logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 5
    assert "s3cret" not in out.getvalue()
    assert all(line["job_id"] == "abc" and line["level"] for line in lines)
    assert lines[3]["url"].endswith("&x=1")
    assert "color_message" not in lines[1]
