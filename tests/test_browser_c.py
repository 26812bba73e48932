"""Editing in the score and the lanes, and finding one's place again, in Chromium against the real server."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from browser import CHROMIUM, FLAGS, PATIENCE_MS, Server, at_rest, follow, serious
from test_ui_pages import TOKEN, UNHEARD, owner_of
from ui_songs import put, song

from drumscribe.jobs.local import LocalRunner
from drumscribe.ui.owner import COOKIE

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium"),
]
HEADINGS = {"": "Turn a recording", "inspect": "Inspect", "edit": "Edit", "score": "Score", "practice": "Practice"}
PLAIN = {"repeats": False, "simile": False}


def fault(said) -> bool:
    """Whether a line of the console tells of one.

    A missing resource is no fault of the script: a deep link makes Streamlit look for its server below it, first, and
    the sound of a run that was broken off may be gone when it is asked for.
    """
    return said.type == "error" and not said.text.startswith("Failed to load resource")


class Site:
    """A server, a browser, and finished songs."""

    def __init__(self, running: Server, browser) -> None:
        self.settings, self.address, self._browser = running.settings, running.url, browser

    def song(self, made=None) -> str:
        return put(self.settings, owner_of(TOKEN), made or song(8, separated=True).rescore(notate=PLAIN))

    def kept(self, job_id: str):
        runner = LocalRunner(self.settings)
        found = runner.result(job_id, owner=None)
        runner.close()
        return found

    def visit(self, path: str, **screen):
        context = self._browser.new_context(**({"viewport": {"width": 1360, "height": 1000}} | screen))
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies([{"name": COOKIE, "value": TOKEN, "url": self.address}])
        page = context.new_page()
        page.faults = []
        page.on("console", lambda said: page.faults.append(f"{said.text} {said.location}") if fault(said) else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(f"{self.address}/{path}")
        return page

    def wait_for_edits(self, page, job_id: str, count: int):
        """The song once so many edits are in its log and the browser knows."""
        for _ in range(600):
            found = self.kept(job_id)
            if len(found.history.edits) == count:
                return found
            page.wait_for_timeout(200)
        raise AssertionError([edit.label for edit in self.kept(job_id).history.edits])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("studio"))
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield Site(running, browser)
        browser.close()
    running.stop()


def head_of(page, hit):
    return page.locator(f'.pages [data-hit="{hit.id}"]:not(.gone) .notehead').first


def score(site, job_id: str, path: str = "score"):
    page = site.visit(f"{path}?song={job_id}")
    page.wait_for_selector(".pages [data-hit]")
    at_rest(page)
    return page


def written(found, bar: int, drum: str) -> list[float]:
    return [float(place.onset) for place in found.rhythm.placements if (place.bar, place.drum) == (bar, drum)]


PLAYER = """() => [...document.querySelectorAll('*')].map((e) => e.shadowRoot).filter(Boolean)
  .map((root) => root.querySelector('.player')).find(Boolean)"""
PLACE = f"() => ({PLAYER})()?.deck.currentTime ?? null"


def test_twenty_edits_in_five_seconds_are_all_kept_in_order(site) -> None:
    job_id = site.song()
    found = site.kept(job_id)
    page = score(site, job_id)
    snare = next(hit for hit in found.hits if hit.drum == "snare" and hit.time_s > 2.6)
    head_of(page, snare).click()
    keys = ["k", "t", "m", "l", "x", "c", "r", "b", "o", "p", "n", "z", "s", "t", "g", "a", "Alt+ArrowRight",
            "Alt+ArrowRight", "Alt+ArrowUp", "Delete"]  # fmt: skip
    began = time.monotonic()
    for number, key in enumerate(keys):
        page.keyboard.press(key)
        page.wait_for_timeout(max(0, 1000 * (began - time.monotonic()) + 240 * (1 + number)))
    page.wait_for_selector(f'.pages [data-hit="{snare.id}"]:not(.gone)', state="detached")
    kept = site.wait_for_edits(page, job_id, 20)
    labels = [edit.label for edit in kept.history.edits]
    assert [label.split()[0] for label in labels] == ["Make"] * 16 + ["Move"] * 2 + ["Make", "Delete"]
    names = ["bass drum", "high tom", "mid tom", "floor tom", "cross-stick", "crash cymbal", "ride cymbal", "ride bell"]
    assert [label.split(maxsplit=3)[3] for label in labels[:8]] == names
    assert snare.id not in kept.hits.by_id() and len(kept.hits) == len(found.hits) - 1
    for left in range(19, 17, -1):  # each of them is one undo
        at_rest(page)
        page.locator(".st-key-ds_undo button:enabled").first.click()
        site.wait_for_edits(page, job_id, left)
    assert page.faults == []


def test_notes_are_selected_added_copied_and_deleted_in_the_score(site) -> None:
    job_id = site.song()
    found = site.kept(job_id)
    page = score(site, job_id)
    bars = [[hit for hit in found.hits if bar.start_s - 0.02 <= hit.time_s < bar.end_s - 0.02]
            for bar in found.rhythm.bars]  # fmt: skip
    # a click between two notes adds a drum of that line, on the grid
    first, second = (head_of(page, next(hit for hit in bars[1] if hit.drum == drum)).bounding_box()
                     for drum in ("kick", "snare"))  # fmt: skip
    place = first["x"] + first["width"] / 2 + 0.5 * (second["x"] - first["x"]), first["y"] + first["height"] / 2
    page.mouse.click(*place)
    page.wait_for_selector(".pages .fresh.chosen")
    kept = site.wait_for_edits(page, job_id, 1)
    assert written(kept, 1, "kick") == sorted([*written(found, 1, "kick"), 0.5])
    page.wait_for_selector(".pages .fresh", state="detached")  # engraved
    new = kept.history.edits[0].added[0]
    page.wait_for_selector(f'.pages .chosen[data-hit="{new.id}"]')  # and still selected

    # the whole bar by keyboard, copied, and pasted over another one
    page.keyboard.press("Control+a")
    assert page.locator(".pages .chosen").count() == len(bars[1]) + 1
    page.keyboard.press("Control+c")
    head_of(page, next(hit for hit in bars[3] if hit.drum == "mid_tom")).click()
    page.keyboard.press("Control+v")
    kept = site.wait_for_edits(page, job_id, 2)
    assert kept.history.edits[1].label.startswith("Paste")
    assert written(kept, 3, "kick") == written(kept, 1, "kick")
    assert written(kept, 3, "mid_tom") == []

    # arrows and shift select more; Delete takes them away; undo waits in line behind it
    head_of(page, bars[5][0]).click()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    assert page.locator(".pages .chosen").count() > 3
    page.keyboard.press("Delete")
    page.keyboard.press("Control+z")
    page.wait_for_timeout(1000)
    kept = site.wait_for_edits(page, job_id, 2)
    assert len(kept.history.log) == 4
    assert page.locator(".sr").inner_text() != ""

    # a box drawn with the mouse
    at_rest(page)
    page.wait_for_timeout(1000)  # the pages as they are after the undo
    box = page.locator(".pages .measure .staff").nth(6).bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] - 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] + 2, steps=5)
    page.mouse.up()
    assert page.locator(".pages .chosen").count() > 3
    assert len(site.kept(job_id).history.edits) == 2  # and added nothing
    assert page.faults == []


def test_a_hit_is_dragged_in_the_lanes(site) -> None:
    job_id = site.song()
    found = site.kept(job_id)
    page = score(site, job_id, "edit")
    lanes = page.locator("canvas.lanes")
    box = lanes.bounding_box()
    hit = next(hit for hit in found.hits if hit.drum == "kick" and hit.time_s > 2)

    x = box["x"] + hit.time_s / found.song.duration_s * box["width"]
    labels = page.locator(".lane-label .long").all_inner_texts()
    assert len(labels) == 5
    y = box["y"] + 18 + 16 * labels.index("Bass drum") + 8
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 12, y, steps=4)
    page.mouse.up()
    kept = site.wait_for_edits(page, job_id, 1)
    moved = kept.hits.by_id()[hit.id].time_s - hit.time_s
    assert abs(moved - 12 / box["width"] * found.song.duration_s) < 0.03
    assert page.faults == []


def test_the_question_mark_shows_the_keys_and_a_bar_is_locked(site) -> None:
    job_id = site.song()
    page = score(site, job_id)
    page.locator("h1").first.click()
    page.keyboard.press("?")
    sheet = page.locator(".keys .sheet")
    sheet.wait_for()
    told = sheet.inner_text()
    assert "Space" in told and "ghost, accent, flam" in told and "S Snare drum" in told
    assert serious(page) == {}
    page.get_by_label("Notes sound when they are selected").uncheck()
    page.keyboard.press("Escape")
    sheet.wait_for(state="hidden")
    page.evaluate(f"() => {{ ({PLAYER})().deck.preview = () => (window.dsHeard = true, Promise.resolve()); }}")

    snare = next(hit for hit in site.kept(job_id).hits if hit.drum == "snare" and hit.time_s > 2.6)
    head_of(page, snare).click()
    page.get_by_role("button", name="Bar 2 is right").click()
    page.get_by_text("Bar 2 is right as you left it").wait_for()
    at_rest(page)
    assert not page.evaluate("window.dsHeard")
    page.keyboard.press("?")
    page.get_by_label("Notes sound when they are selected").check()
    page.keyboard.press("Escape")
    head_of(page, snare).click()
    page.wait_for_function("window.dsHeard")
    at_rest(page)
    assert serious(page) == {}
    assert site.kept(job_id).history.undo_label == "Bar 2 is right"
    assert page.faults == []


@pytest.fixture(scope="module")
def four_minutes(site) -> str:
    return site.song(song(135, bpm=135).rescore(beats={"bar_shift": 1}, notate=PLAIN))


@pytest.mark.parametrize("path", ["inspect", "edit", "score", "practice"])
def test_page_song_and_place_are_kept_in_a_song_of_real_length(site, four_minutes, path) -> None:
    """After reloads, back and forward, in another tab by a link, and by a bookmark."""
    job_id = four_minutes
    page = site.visit(f"{path}?song={job_id}")
    heading = page.get_by_role("heading", level=1)

    def here(name: str, page=page) -> None:
        page.get_by_role("heading", level=1).filter(has_text=HEADINGS[name]).wait_for()
        page.locator('[aria-label="Open song"]').wait_for()
        at_rest(page)
        assert page.get_by_text("Page not found").count() == 0
        playwright.expect(page).to_have_url(re.compile(rf"/{name}\\?.*song={job_id}"))
        if name == "score":
            assert page.get_by_role("slider", name="BPM").input_value() == "135"
            assert page.get_by_role("spinbutton", name="Bar shift").input_value() == "1"

    here(path)
    if path != "inspect":
        page.wait_for_function(f"() => ({PLACE})() !== null")
        page.locator("h1").first.click()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        before = page.evaluate(PLACE)
        assert before > 0.4
    for _ in range(3):
        page.reload()
        here(path)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name=HEADINGS[path], exact=True).first.click(modifiers=["Control"])
    bookmarked = page.context.new_page()
    bookmarked.goto(page.url)
    for tab in (opened.value, bookmarked):
        here(path, tab)
        if path != "inspect":
            tab.wait_for_function(f"() => ({PLACE})() !== null")
            assert tab.evaluate(PLACE) == pytest.approx(before, abs=0.02)
        tab.close()
    if path != "inspect":
        page.wait_for_function(f"() => ({PLACE})() !== null")
        assert page.evaluate(PLACE) == pytest.approx(before, abs=0.02)
    if path == "edit":  # the bars that it plays over and over are its own matter
        follow(page, "Practice")
        assert page.get_by_role("button", name="Loop").get_attribute("aria-pressed") == "false"
        page.go_back()
        here(path)
    follow(page, "Transcribe")
    page.go_back()
    here(path)
    page.go_forward()
    heading.filter(has_text=HEADINGS[""]).wait_for()
    kept = site.kept(job_id)
    assert kept.options.beats.bar_shift == 1 and kept.options.beats.bpm is None and not kept.history.log
    assert page.faults == []


def test_a_mixed_song_is_counted_otherwise_and_played_along_with(site) -> None:
    made = replace(song(8), warnings=(UNHEARD,))
    job_id = site.song(made)
    page = site.visit(f"?song={job_id}")
    page.get_by_text("could not be separated").wait_for()
    at_rest(page)
    page.get_by_text("Transcribe another recording").click()
    page.locator(".st-key-ds_files").get_by_text("Guitar Pro").wait_for()
    uploader = page.locator(".st-key-ds_files").inner_text()
    assert "Any size and length" in uploader and "Guitar Pro" in uploader and "•" not in uploader
    page.get_by_role("button", name="Never separate").click()
    page.get_by_text("could not be separated").wait_for(state="detached")

    follow(page, "Score")
    page.get_by_text("Count it otherwise").click()
    page.locator(".ds-count img").first.wait_for()
    other = made.grid.alternatives[0]
    at_rest(page)
    page.get_by_role("button", name=re.compile("^check Count at|^Count at")).first.click()
    page.locator('[aria-label="Open song"]').get_by_text(f"{other.bpm:.0f} BPM", exact=True).wait_for()
    at_rest(page)
    page.locator(".st-key-ds_undo button:enabled").first.click()
    page.locator('[aria-label="Open song"]').get_by_text(f"{made.grid.bpm:.0f} BPM", exact=True).wait_for()

    follow(page, "Practice")
    page.get_by_role("button", name="With drums and click").click()
    levels = {name: page.get_by_label(f"{name}, level in percent").input_value()
              for name in ("Original", "Synthesised", "Click")}  # fmt: skip
    assert levels == {"Original": "80", "Synthesised": "80", "Click": "60"}
    page.get_by_text("take them down").first.wait_for(state="attached")  # what separation would add
    assert page.faults == []
