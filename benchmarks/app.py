"""How fast the studio answers in Chromium, and whether its memory grows.

    python benchmarks/app.py [--hits 3000] [--sessions 10] [--reruns 100] [--repeat 20] [--only hand,tempo,tab]

Prints a table of medians: wall-clock seconds in the browser, and the server's own CPU seconds for the same action
(what it would take on an idle core). Edits by hand and tempo are timed inside the page, from the press to the frame
that shows what came of it. Starts a server of its own with a song of its own.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import CHROMIUM, FLAGS, Server  # noqa: E402
from test_browser_a import TOKEN  # noqa: E402
from test_ui_pages import owner_of  # noqa: E402
from ui_songs import put, song  # noqa: E402

HITS_PER_BAR = 14.25
# What the page shows, as numbers that change with an edit: rows of the table, heads in the excerpt, points in plots.
ROWS = "Number(document.querySelector('[data-testid=stDataFrame] [role=grid]')?.getAttribute('aria-rowcount'))"
HEADS = (
    "[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelectorAll('.pages [data-hit]').length ?? 0)"
    ".reduce((a, b) => a + b, 0)"
)
POINTS = (
    "[...document.querySelectorAll('.js-plotly-plot')].flatMap(e => e._fullData).map(t => t.x?.length ?? 0)"
    ".reduce((a, b) => a + b, 0)"
)


class Clock:
    """Wall time in the browser and CPU time of the server, for one action after another."""

    def __init__(self, server: psutil.Process) -> None:
        self._server = server
        self.rows: dict[str, list[tuple[float, float]]] = {}

    def measure(self, name: str, action: Callable[[], float | None]) -> None:
        """Time an action, unless it comes back with the seconds that it took."""
        before, start = self._cpu(), time.perf_counter()
        told = action()
        wall = time.perf_counter() - start if told is None else told
        self.rows.setdefault(name, []).append((wall, self._cpu() - before))

    def _cpu(self) -> float:
        times = self._server.cpu_times()
        return times.user + times.system

    def table(self) -> str:
        lines = [f"{'action':44} {'wall s':>8} {'server CPU s':>13}"]
        for name, values in self.rows.items():
            wall, cpu = (statistics.median(part) for part in zip(*values, strict=True))
            lines.append(f"{name:44} {wall:8.2f} {cpu:13.2f}")
        return "\n".join(lines)


def heading(page: Page, text: str) -> None:
    page.get_by_role("heading", level=1).filter(has_text=text).wait_for()


def idle(page: Page) -> None:
    page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")


def settle(page: Page) -> None:
    """Wait until nothing changes any more: no action begins in the wake of the one before."""
    idle(page)
    page.wait_for_timeout(500)
    idle(page)


def hits_shown(page: Page) -> int:
    shown = re.search(r"([\d,]+) hits", page.locator('[aria-label="Open song"]').inner_text())
    return int(shown[1].replace(",", "")) if shown else -1


def edits(page: Page, url: str, job_id: str, clock: Clock, repeat: int) -> None:
    """From the key to where an edit must be seen: table and score side by side, the plot, the review queue."""
    page.goto(f"{url}/edit?song={job_id}")
    heading(page, "Edit")
    table = page.locator('[data-testid="stDataFrame"]')
    table.wait_for()
    page.locator(".pages [data-hit]").first.wait_for()
    settle(page)
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 30, box["y"] + 52)  # picks the first hit
    page.locator(".st-key-ds_bulk_delete button:enabled").first.wait_for()
    _back_and_forth(page, ".st-key-ds_bulk_delete button", clock, "table and score", f"[{ROWS}, {HEADS}]", repeat)

    page.goto(f"{url}/inspect?song={job_id}")
    heading(page, "Inspect")
    page.locator(".st-key-ds_step_on button").first.click()
    page.locator(".st-key-ds_inspect_card audio").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    settle(page)
    _back_and_forth(page, ".st-key-ds_inspect_delete button", clock, "plot", f"[{POINTS}]", repeat)

    page.goto(f"{url}/edit?song={job_id}")
    heading(page, "Edit")
    page.get_by_text("Review queue").first.click()
    page.get_by_text("to review").first.wait_for()
    settle(page)
    for _ in range(repeat):
        count = hits_shown(page)

        def act(count: int = count) -> None:
            page.keyboard.press("d")
            page.locator('[aria-label="Open song"]').get_by_text(f"{count - 1:,} hits", exact=True).wait_for()
            idle(page)

        clock.measure("edit in the review queue: next hit at rest", act)


def _back_and_forth(page: Page, button: str, clock: Clock, what: str, seen: str, repeat: int) -> None:
    """Delete the selected hit, then take that back and do it again: all three until every part of ``seen`` changes."""
    for number in range(repeat + 1):
        before = page.evaluate(f"() => {seen}")

        def act(number: int = number, before: Any = before) -> None:
            if number == 0:
                page.locator(button).first.click()
            else:
                page.keyboard.press("Control+z" if number % 2 else "Control+Shift+z")
            page.wait_for_function(f"was => {seen}.every((now, i) => !Number.isNaN(now) && now !== was[i])", arg=before)

        clock.measure(f"edit seen in {what}", act)
        settle(page)


# Timed in the page itself, from the press to the frame that shows what came of it: what the eye waits for.
PLAYER = """
const player = () => [...document.querySelectorAll('*')].map((e) => e.shadowRoot).find((one) => one?.querySelector('.player'));
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
"""  # noqa: E501
BY_HAND = f"""async (key) => {{ {PLAYER}
  const pages = player().querySelector('.pages');
  const start = performance.now();
  pages.dispatchEvent(new KeyboardEvent('keydown', {{ key, bubbles: true, composed: true, cancelable: true }}));
  const drawn = pages.querySelectorAll('.fresh').length;
  await frame();
  const seen = drawn ? (performance.now() - start) / 1000 : NaN;
  while (pages.querySelector('.fresh')) await frame();
  return [seen, (performance.now() - start) / 1000];
}}"""
TEMPO = f"""async (button) => {{ {PLAYER}
  const bar = () => document.querySelector('[aria-label="Open song"]')?.textContent;
  let root = player();
  const engraved = () => ((root?.host.isConnected ? root : (root = player()))?.querySelector('.page')?.url);
  const before = [bar(), engraved()];
  const start = performance.now();
  document.querySelector(button).click();
  while ([bar(), engraved()].some((now, i) => !now || now === before[i])) await frame();
  return (performance.now() - start) / 1000;
}}"""


def by_hand(page: Page, url: str, job_id: str, clock: Clock, repeat: int) -> None:
    """Another drum for the note selected in the score: seen, and engraved anew."""
    page.goto(f"{url}/score?song={job_id}")
    heading(page, "Score")
    page.locator(".pages [data-hit] .notehead").first.click()
    settle(page)
    for number in range(repeat):
        seen: list[float] = []

        def act(number: int = number, seen: list[float] = seen) -> float:
            seen += page.evaluate(BY_HAND, "tm"[number % 2])
            return seen[1]

        clock.measure("edit by hand in the score: engraved", act)
        clock.rows.setdefault("edit by hand in the score: seen", []).append((seen[0], 0.0))
        settle(page)


def tempo(page: Page, url: str, job_id: str, clock: Clock, repeat: int) -> None:
    """Another tempo for the song: until its score is there."""
    page.goto(f"{url}/score?song={job_id}")
    heading(page, "Score")
    page.locator(".pages [data-hit]").first.wait_for()
    settle(page)
    for number in range(repeat):
        button = f".st-key-score_tempo_{'Half' if number % 2 == 0 else 'Double'} button:enabled"
        page.locator(button).first.wait_for()

        def act(button: str = button) -> float:
            return float(page.evaluate(TEMPO, button))

        clock.measure("tempo halved or doubled: in the score", act)
        settle(page)


def tab_memory(page: Page, url: str, job_id: str) -> float:
    """What the tab's own objects and buffers take, in MiB, after every page was shown and some seconds were played."""
    page.goto(f"{url}/score?song={job_id}")
    heading(page, "Score")
    page.locator(".pages [data-hit]").first.wait_for()
    for link in ("Inspect", "Edit", "Practice", "Score"):
        page.get_by_role("link", name=link, exact=True).first.click()
        heading(page, link)
        settle(page)
    page.locator('[data-do="play"]').click()
    page.wait_for_timeout(5000)
    page.locator('[data-do="play"]').click()
    cdp = page.context.new_cdp_session(page)
    cdp.send("HeapProfiler.collectGarbage")
    pid = next(
        process["id"]
        for process in page.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        if process["type"] == "renderer" and psutil.Process(process["id"]).memory_info().rss > 80 * 2**20
    )
    return float(psutil.Process(pid).memory_full_info().uss / 2**20)


def switches(page: Page, clock: Clock, repeat: int) -> None:
    for _ in range(repeat):
        for link, title in (("Inspect", "Inspect"), ("Edit", "Edit"), ("Score", "Score"), ("About", "About")):

            def act(link: str = link, title: str = title) -> None:
                page.get_by_role("link", name=link, exact=True).first.click()
                heading(page, title)

            clock.measure(f"page switch to {link}: heading", act)
            settle(page)


def memory(server: psutil.Process, browser: Any, url: str, job_id: str, sessions: int, reruns: int) -> list[float]:
    """Server memory in MiB after each tenth of ``reruns`` steps through the hits in each of ``sessions`` sessions."""
    pages = []
    for _ in range(sessions):
        context = browser.new_context()
        context.set_default_timeout(300_000)
        context.add_cookies([{"name": "drumscribe_browser", "value": TOKEN, "url": url}])
        page = context.new_page()
        page.goto(f"{url}/inspect?song={job_id}")
        heading(page, "Inspect")
        page.locator(".st-key-ds_step_on button").first.wait_for()
        pages.append(page)
    sizes = [server.memory_info().rss / 2**20]
    for number in range(reruns):
        for page in pages:
            page.locator(".st-key-ds_step_on button").first.click()
        for page in pages:
            idle(page)
        if (number + 1) % max(1, reruns // 10) == 0:
            sizes.append(server.memory_info().rss / 2**20)
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hits", type=int, default=3000)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--reruns", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--only", default="", help="parts to measure: first, hand, edits, tempo, pages, tab, server")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        made = song(round(arguments.hits / HITS_PER_BAR))
        running = Server(Path(folder))
        job_id = put(running.settings, owner_of(TOKEN), made)
        server, url = psutil.Process(running.pid), running.url
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            clock = Clock(server)
            context = browser.new_context()
            context.set_default_timeout(300_000)
            context.add_cookies([{"name": "drumscribe_browser", "value": TOKEN, "url": url}])
            warm = context.new_page()
            warm.goto(url)
            heading(warm, "Turn a recording")
            for _ in range(arguments.repeat if not arguments.only or "first" in arguments.only else 0):
                page = context.new_page()

                def first(page: Page = page) -> None:
                    page.goto(url)
                    page.get_by_role("button", name="Try the example").wait_for()

                clock.measure("first page usable, warm server", first)
                page.close()
            wanted = set(arguments.only.split(",")) - {""}
            for part, measured in (
                ("hand", lambda: by_hand(warm, url, job_id, clock, arguments.repeat)),
                ("tempo", lambda: tempo(warm, url, job_id, clock, arguments.repeat)),
                ("edits", lambda: edits(warm, url, job_id, clock, arguments.repeat)),
                ("pages", lambda: switches(warm, clock, arguments.repeat)),
            ):
                if not wanted or part in wanted:
                    measured()
            if not wanted or "tab" in wanted:
                print(f"memory of the tab: {tab_memory(warm, url, job_id):.0f} MiB")
            print(f"{len(made.hits)} hits, {made.song.duration_s:.0f} s; load average {os.getloadavg()[0]:.1f}")
            print(clock.table(), flush=True)
            warm.close()
            if wanted and "server" not in wanted:
                return
            sizes = memory(server, browser, url, job_id, arguments.sessions, arguments.reruns)
            print(f"server memory, {arguments.sessions} sessions, {arguments.reruns} reruns each (MiB):")
            print(" ".join(f"{size:.0f}" for size in sizes))
        finally:
            browser.close()
            running.stop()


if __name__ == "__main__":
    main()
