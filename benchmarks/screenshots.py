"""Pictures of every page in every state, from the real server with the example song.

    python benchmarks/screenshots.py [--out docs/images] [--all] [--data FOLDER]

Without ``--all`` only those that the documentation shows are written. ``--data`` keeps the server's folder for the next
time: the example is then known, so there is no picture of it being transcribed.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from browser import CHROMIUM, FLAGS, Server  # noqa: E402
from live import strokes  # noqa: E402
from test_browser_a import PAGES, TOKEN  # noqa: E402
from test_ui_pages import owner_of  # noqa: E402
from ui_songs import put_state  # noqa: E402

from drumscribe.jobs.model import JobStatus  # noqa: E402

SHOWN = {"transcribe", "transcribe-busy", "inspect", "edit", "review", "score", "practice", "inspect-dark",
         "edit-phone", "score-phone", "practice-stand-tablet"}  # fmt: skip
SIZES = {"": (1360, 900), "dark": (1360, 900), "phone": (390, 844), "tablet": (1024, 768)}
PATIENCE_MS = 900_000


class Camera:
    """Takes a picture of a page, whole or as much as the screen shows, and keeps it small."""

    def __init__(self, out: Path, everything: bool) -> None:
        self._out, self._everything = out, everything
        out.mkdir(parents=True, exist_ok=True)

    def shoot(self, page: Page, name: str, *, whole: bool = True) -> None:
        if not self._everything and name not in SHOWN:
            return
        size = page.viewport_size or {"width": 1360, "height": 900}
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        if whole:
            page.set_viewport_size({"width": size["width"], "height": min(2600, max(size["height"], height + 10))})
            page.wait_for_timeout(1500)
        picture = Image.open(io.BytesIO(page.screenshot()))
        page.set_viewport_size(size)
        picture.convert("RGB").save(self._out / f"{name}.png", optimize=True)
        print(f"{name}: {picture.size[0]} × {picture.size[1]}", flush=True)


def visit(context: Any, server: Server, path: str, heading: str) -> Page:
    page: Page = context.new_page()
    page.goto(f"{server.url}/{path}")
    page.get_by_role("heading", level=1).filter(has_text=heading).wait_for()
    settle(page)
    return page


def settle(page: Page) -> None:
    page.wait_for_timeout(2000)
    page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")
    page.wait_for_timeout(2000)


def play(page: Page) -> None:
    """Drum into the browser's microphone until there are bars to see."""
    page.frame_locator("iframe[title*='webrtc']").get_by_role("button", name="Start").click()
    page.wait_for_selector("text=/told \\d{1,3} ms after/")  # it has caught up with its own start
    page.get_by_text(re.compile(r"^Bar \d+$")).first.wait_for()
    page.wait_for_timeout(5000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    camera = Camera(arguments.out, arguments.all)
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        known = arguments.data is not None and (arguments.data / "jobs.sqlite3").exists()
        server = Server(arguments.data or Path(folder))
        strokes(Path(folder) / "strokes.wav", 110)
        fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={folder}/strokes.wav"]  # fmt: skip
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *fake])

        def profile(look: str, token: str) -> Any:
            width, height = SIZES[look]
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if look == "dark" else "light",
                permissions=["microphone"], is_mobile=look == "phone", has_touch=look in ("phone", "tablet"),
            )  # fmt: skip
            context.set_default_timeout(PATIENCE_MS)
            context.add_cookies([{"name": "drumscribe_browser", "value": token, "url": server.url}])
            return context

        try:
            empty = profile("", "e" * 32)
            for path, heading in PAGES.items():
                camera.shoot(visit(empty, server, path, heading), f"{path or 'transcribe'}-empty")
            mine = profile("", TOKEN)
            page = visit(mine, server, "", PAGES[""])
            camera.shoot(page, "transcribe")
            page.get_by_role("button", name="Try the example").click()
            if not known:
                page.get_by_text("Finding hits ·").wait_for()
                camera.shoot(page, "transcribe-busy")
            page.locator('[aria-label="Open song"]').wait_for()
            settle(page)
            camera.shoot(page, "transcribe-done")
            song = page.url.partition("song=")[2]
            error = {"what": "notes.pdf is not audio.", "todo": "Give a WAV, FLAC, MP3, M4A or OGG file."}
            failed = put_state(server.settings, owner_of(TOKEN), JobStatus.FAILED, title="notes.pdf", error=error)
            camera.shoot(visit(mine, server, f"edit?song={failed}", "Edit"), "edit-error")
            camera.shoot(visit(mine, server, f"?song={song}", PAGES[""]), "transcribe-error")
            for look in SIZES:
                context = mine if not look else profile(look, TOKEN)
                for path, heading in PAGES.items():
                    name = (path or "transcribe") + (f"-{look}" if look else "")
                    if name == "transcribe":
                        continue
                    page = visit(context, server, f"{path}?song={song}", heading)
                    camera.shoot(page, name, whole=look not in ("phone", "tablet"))
                    if path == "practice" and look == "tablet":
                        page.get_by_role("button", name="Music stand").click()
                        settle(page)
                        camera.shoot(page, "practice-stand-tablet", whole=False)
                    if path == "edit":
                        for mode, word in (("review", "Review queue"), ("candidates", "Candidates")):
                            page.get_by_text(word, exact=True).first.click()
                            settle(page)
                            camera.shoot(page, mode + (f"-{look}" if look else ""))
                    if path == "inspect":
                        page.locator(".st-key-ds_step_on button").click()
                        settle(page)
                        camera.shoot(page, "inspect-selected" + (f"-{look}" if look else ""))
                    if path == "live" and arguments.all:
                        play(page)
                        camera.shoot(page, "live-playing" + (f"-{look}" if look else ""))
                    page.close()
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
