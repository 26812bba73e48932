"""Who gets in from the local network: this computer itself, and devices that once named the pairing code.

A paired device becomes the same user as the browser on this computer (see :mod:`drumscribe.ui.owner`), so that the
songs transcribed here are open there.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from drumscribe.runtime import loopback
from drumscribe.storage.writing import atomic_path, storing

COOKIE = "__Host-drumscribe_paired"
PLAIN = "drumscribe_browser"
BROWSER = f"__Host-{PLAIN}"
"""The cookie of :mod:`drumscribe.ui.owner` over HTTPS, which this module hands on without Streamlit."""
CERTIFICATE = "/lan/certificate"
_TOKEN = re.compile(r"[0-9a-f]{32}")
_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_YEAR_S = 365 * 24 * 3600
WRONG = 20
"""So many wrong codes a minute are answered; then nobody can try for a while."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>DrumScribe</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1.1rem system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem; }}
input, button {{ font: inherit; padding: 0.6rem; margin: 0.3rem 0; width: 100%; box-sizing: border-box; }}</style>
<h1>DrumScribe</h1><p>{text}</p>
<form><label>Pairing code <input name="pair" autocomplete="off" autocapitalize="characters" required autofocus></label>
<button>Open</button></form></html>"""


def new_code() -> str:
    """A code that is easy to read and to type, such as ``"K3WM-T7QX"``."""
    drawn = "".join(secrets.choice(_LETTERS) for _ in range(8))
    return f"{drawn[:4]}-{drawn[4:]}"


class Gate:
    """ASGI middleware around the studio.

    Args:
        code: the pairing code of this run.
        folder: where the secret behind the cookies and the common user are kept: devices stay paired.
        authority: the certificate that a paired device may fetch, in PEM.
    """

    def __init__(self, app: Any, *, code: str, folder: Path, authority: Path) -> None:
        self.app = app
        self._code = _plain(code)
        self._folder = folder
        self._authority = authority
        self._pass = hashlib.sha256(f"paired {_kept(folder / 'secret')}".encode()).hexdigest()
        self._wrong: deque[float] = deque(maxlen=WRONG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in ("http", "websocket") or self._here(scope) or self._paired(scope):
            if scope["type"] == "http" and scope["path"] == CERTIFICATE:
                await _answer(send, 200, self._authority.read_bytes(), type_="application/x-x509-ca-cert")
                return
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._knock(scope, send)

    def _here(self, scope: Scope) -> bool:
        """Whether this computer's own browser asks, by a name that no page elsewhere can make lead here."""
        host = re.sub(r":\d+\Z", "", _header(scope, b"host")).strip("[]")
        if not (scope.get("client") and loopback(scope["client"][0]) and loopback(host)):
            return False
        cookies = _cookies(scope)
        token = cookies.get(BROWSER) or cookies.get(PLAIN, "")
        if _TOKEN.fullmatch(token) and token != _kept(self._folder / "owner", new=False):
            _keep(self._folder / "owner", token)
        return True

    def _paired(self, scope: Scope) -> bool:
        return hmac.compare_digest(_cookies(scope).get(COOKIE, "").encode(), self._pass.encode())

    async def _knock(self, scope: Scope, send: Send) -> None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("pair", [""])[0]
        now = time.monotonic()
        if len(self._wrong) == WRONG and now - self._wrong[0] < 60:
            text = "Too many wrong codes were tried. Wait a minute."
            await _answer(send, 429, _page(text), [(b"retry-after", b"60")])
        elif not given:
            await _answer(
                send, 401, _page("The computer that shares DrumScribe shows a link, a QR code, and the code:")
            )
        elif not hmac.compare_digest(_plain(given).encode(), self._code.encode()):
            self._wrong.append(now)
            await _answer(send, 403, _page("That is not the code. It changes each time that DrumScribe is started."))
        else:
            user = _kept(self._folder / "owner")
            cookies = [
                f"{COOKIE}={self._pass}; Path=/; Max-Age={_YEAR_S}; Secure; HttpOnly; SameSite=Lax",
                f"{BROWSER}={user}; Path=/; Max-Age={_YEAR_S}; Secure; SameSite=Strict",
            ]
            path = scope["path"] if re.fullmatch(r"/[\w-]*", scope["path"]) else "/"
            headers = [(b"set-cookie", one.encode()) for one in cookies]
            await _answer(send, 303, b"", [(b"location", path.encode()), *headers])


def _plain(code: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", code.upper())


def _page(text: str) -> bytes:
    return _PAGE.format(text=html.escape(text)).encode()


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _cookies(scope: Scope) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(_header(scope, b"cookie")).items()}
    except CookieError:
        return {}


def _kept(path: Path, *, new: bool = True) -> str:
    """The token in a file; a new one where there is none, or ``""``."""
    with storing("The pairing folder"):
        token = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    if not _TOKEN.fullmatch(token) and new:
        token = secrets.token_hex(16)
        _keep(path, token)
    return token


def _keep(path: Path, token: str) -> None:
    with atomic_path(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(token, encoding="ascii")


async def _answer(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None, type_: str = ""
) -> None:
    about = [
        (b"content-type", (type_ or "text/html; charset=utf-8").encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*about, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
