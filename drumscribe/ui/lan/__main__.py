"""Serve the studio to the local network: ``drumscribe serve --lan`` starts this."""

from __future__ import annotations

import sys

import click
import segno
import uvicorn
from starlette.middleware import Middleware
from streamlit import config
from streamlit.starlette import App

from drumscribe.errors import DrumScribeError, OptionsError
from drumscribe.settings import get_settings
from drumscribe.ui import lan
from drumscribe.ui.lan import addresses, certificate
from drumscribe.ui.lan.gate import CERTIFICATE, Gate, new_code

_TEXT = """
DrumScribe is open to the local network until you press Ctrl-C.

  on this computer     https://localhost:{port}
  on a tablet, phone   {link}
"""
_FIRST = """\
  The first time, the browser warns that it does not know the certificate: this computer made it. Choose to go on,
  or, once paired, install it from https://{host}:{port}{certificate}.
  A device stays paired; to forget all, delete {folder}.
  If none reaches this computer, its firewall may have to let port {port} through.
"""


def main(app: str, port: str) -> int:
    """Run until asked to stop. Returns the exit status."""
    settings = get_settings()
    folder = settings.data_dir / "lan"
    try:
        here = addresses.addresses()
        if not here:
            raise OptionsError("This computer is in no network.", "Join the Wi-Fi that the tablet is in.")
        found = certificate.ready(folder, addresses.names(), ["127.0.0.1", "::1", *here])
        code = new_code()
        gate = Middleware(Gate, code=code, folder=folder, authority=found.authority)
    except DrumScribeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    host = f"[{here[0]}]" if ":" in here[0] else here[0]
    link = f"https://{host}:{port}/?pair={code}"
    picture = segno.make(link, micro=False)
    lan.shared = lan.Shared(link, code, picture.svg_inline(scale=5, border=4, light="white"))
    studio = App(app, middleware=[gate])
    click.echo(_TEXT.format(port=port, link=link))
    picture.terminal(compact=True)
    click.echo(_FIRST.format(host=host, port=port, folder=folder.resolve(), certificate=CERTIFICATE))
    sys.stdout.flush()
    uvicorn.run(
        studio,
        host="0.0.0.0",  # noqa: S104 - meant, behind the gate
        port=int(port),
        ssl_certfile=found.chain,
        ssl_keyfile=found.key,
        ws_max_size=int(config.get_option("server.maxMessageSize")) * 10**6,
        ws_per_message_deflate=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # nobody stands in between, so nobody may say where a request came from
        timeout_graceful_shutdown=2,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
