"""What the tests in Chromium share: where it is, how it is started, the studio's server, when a page is at rest."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from drumscribe.settings import Settings

ROOT = Path(__file__).parent.parent
CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--no-first-run", "--host-resolver-rules=MAP drums.example 127.0.0.1",
         "--autoplay-policy=no-user-gesture-required"]  # fmt: skip
PATIENCE_MS = 120_000

# Half a second in which the server has drawn nothing and nothing fades in: what is on the page is no more taken away
# and put there anew, and has its colours.
_AT_REST = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const busy = app?.dataset.testScriptState !== 'notRunning' || app.dataset.testConnectionState !== 'CONNECTED'
    || document.querySelector('[data-stale=true]')
    || document.getAnimations().some((one) => one instanceof CSSTransition);
  if (busy || window.dsQuietSince === undefined) window.dsQuietSince = performance.now();
  return !busy && performance.now() - window.dsQuietSince >= 500;
}"""


def at_rest(page) -> None:
    """Wait until the page has stood still for half a second: a key or a click before may go to what is drawn anew."""
    page.evaluate("delete window.dsQuietSince")
    page.wait_for_function(_AT_REST, polling=50)


def follow(page, link: str) -> None:
    """Go to another page of the studio by its link, once this one is at rest, and wait until that one is."""
    at_rest(page)
    page.get_by_role("link", name=link, exact=True).first.click()
    heading = "Turn a recording" if link == "Transcribe" else link
    page.get_by_role("heading", level=1).filter(has_text=heading).wait_for()
    at_rest(page)


def serious(page) -> dict[str, list[str]]:
    """What axe finds serious or critical on a page, with the first elements that it means."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return {
        one["id"]: [node["html"][:160] for node in one["nodes"]][:3]
        for one in found
        if one["impact"] in ("serious", "critical")
    }


class Server:
    """``streamlit run app.py`` on a free port, with a data folder of its own, no separation, and no network."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = Settings(data_dir=data_dir)
        own = {"DATA_DIR": str(data_dir), "SEPARATOR": "none", "OFFLINE": "true", "OMP_NUM_THREADS": "1"}
        self._environment = os.environ | own
        self.start()

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with (self.settings.data_dir / "studio.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}",
                 "--server.address=127.0.0.1"],
                cwd=ROOT, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        self.pid = self._process.pid
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2).read()
                return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError("the server did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(120)
