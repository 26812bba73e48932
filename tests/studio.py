"""The studio as a real server where people sign in, and a visitor without a browser: HTTP and the web socket."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import oidc
import services
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

ROOT = Path(__file__).parents[1]
COOKIE_SECRET = "x" * 40
XSRF = "_streamlit_xsrf"


def owner_of(issuer: str, name: str) -> str:
    """What the job runner knows a person as."""
    return "person-" + hashlib.sha256(f"{issuer}\0{name}".encode()).hexdigest()[:32]


@contextmanager
def signing_in(folder: Path, **env: str) -> Iterator[tuple[str, str]]:
    """Serve the studio with its data in ``folder/data``, and a provider; gives both addresses."""
    address = f"http://127.0.0.1:{services.free_port()}"
    home = folder / "home"
    (home / ".streamlit").mkdir(parents=True)
    command = [
        sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), f"--server.port={urlsplit(address).port}",
        "--server.address=127.0.0.1",
    ]  # fmt: skip
    env = {"DATA_DIR": str(folder / "data"), "HOME": str(home), "PYTHONPATH": str(ROOT), **env}
    with oidc.provider(f"{address}/oauth2callback") as issuer:
        (home / ".streamlit" / "secrets.toml").write_text(
            f'[auth]\nredirect_uri = "{address}/oauth2callback"\ncookie_secret = "{COOKIE_SECRET}"\n'
            f'client_id = "{oidc.CLIENT}"\nclient_secret = "{oidc.SECRET}"\n'
            f'server_metadata_url = "{issuer}/.well-known/openid-configuration"\n'
        )
        with services.Process(command, folder / "log", env) as app:

            def up() -> bool:
                try:
                    return httpx.get(f"{address}/_stcore/health").status_code == 200
                except httpx.HTTPError:
                    return False

            services.wait_until(up, 120, 0.3, app.tail())
            yield address, issuer


@dataclass
class Seen:
    """What a run of a page sent: words, buttons (key → id), where the browser was sent, and the session's id."""

    session: str = ""
    text: str = ""
    buttons: dict[str, str] = field(default_factory=dict)
    redirect: str = ""
    page_missing: bool = False


class Visitor:
    """A browser profile: cookies, and pages opened one by one."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = httpx.Client(base_url=address, timeout=60)
        self.http.get("/_stcore/host-config")
        self.http.get("/_stcore/health")  # gives the token against forged requests

    def page(
        self, path: str = "", query: str = "", *, press: str = "", origin: str = "", session: str = "",
        headers: Mapping[str, str] | None = None, xsrf: str | None = None,
    ) -> Seen:  # fmt: skip
        """Open a page, and with ``press`` the button of that key on it. ``session`` goes on with an earlier one."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
        more = {"Cookie": cookies, **(headers or {})}
        token = self.http.cookies.get(XSRF) if xsrf is None else xsrf
        protocols = ["streamlit", token or "none", *([session] if session else [])]
        with connect(
            self.address.replace("http", "ws") + "/_stcore/stream", subprotocols=protocols,  # type: ignore[arg-type]
            origin=origin or self.address, additional_headers=more, max_size=None,  # type: ignore[arg-type]
        ) as socket:  # fmt: skip
            seen = Seen()
            self._run(socket, seen, path, query, "")
            if press:
                self._run(socket, seen, path, query, seen.buttons[press])
            return seen

    def _run(self, socket: Any, seen: Seen, path: str, query: str, pressed: str) -> None:
        asked = BackMsg()
        asked.rerun_script.page_name, asked.rerun_script.query_string = path, query
        if pressed:
            asked.rerun_script.widget_states.widgets.add(id=pressed, trigger_value=True)
        socket.send(asked.SerializeToString())
        begun = False
        while True:
            told = ForwardMsg()
            told.ParseFromString(socket.recv(timeout=60))
            kind = told.WhichOneof("type")
            if kind == "new_session":
                begun, seen.session = True, told.new_session.initialize.session_id
                seen.text = ""
            elif kind == "page_not_found":
                seen.page_missing = True
            elif kind == "auth_redirect":
                seen.redirect = told.auth_redirect.url
                return
            elif kind == "delta":
                seen.text += f"{told.delta}\n"
                button = told.delta.new_element.button
                if button.id:
                    seen.buttons[button.id.rpartition("-")[2]] = button.id
            elif kind == "script_finished" and begun:
                if told.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    continue
                return

    def ask_to_sign_in(self, name: str) -> str:
        """As far as the provider, who believes the name; gives the address that leads back."""
        here = self.page(press="ds_sign_in").redirect
        there = self.http.get(here, follow_redirects=False).headers["location"]
        return httpx.post(there, data={"name": name}, follow_redirects=False).headers["location"]

    def sign_in(self, name: str) -> httpx.Response:
        """All the way."""
        return self.http.get(self.ask_to_sign_in(name), follow_redirects=False)
