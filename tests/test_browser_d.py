"""The studio on a phone and on a music stand, in Chromium."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from browser import at_rest, serious
from test_browser_c import HEADINGS, PLAIN, pytestmark, site  # noqa: F401
from ui_songs import song

PHONE = {
    "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36",
}  # fmt: skip
TABLET = {"viewport": {"width": 1024, "height": 768}, "has_touch": True}
UPRIGHT = {"viewport": {"width": 768, "height": 1024}, "has_touch": True}
BARS = 40
BARS_A_LINE = "[...root.querySelectorAll('.system')].map(line => line.querySelectorAll('.measure').length)"
TOP = "root.querySelector('.pages').scrollTop"
BESIDE = """Math.abs((([note, cursor]) => cursor.left - note.left - note.width / 2)(
    ['.notehead', '.cursor'].map(name => root.querySelector('.pages ' + name).getBoundingClientRect())))"""


@pytest.fixture(scope="module")
def long(site):  # noqa: F811
    return site.song(song(BARS).rescore(notate=PLAIN))


def root_of(page, what: str):
    """What JavaScript says, with ``root`` the player's."""
    return page.evaluate(
        "() => { const root = [...document.querySelectorAll('*')].map((e) => e.shadowRoot).filter(Boolean)"
        f".find((one) => one.querySelector('.player')); return {what}; }}"
    )


def lines_of(page, most: int) -> list[int]:
    """Bars on each line of the score, once every page has come and no line has more than ``most``."""
    for _ in range(300):
        lines = root_of(page, BARS_A_LINE)
        if lines and sum(lines) == BARS and max(lines) <= most:
            return lines
        page.wait_for_timeout(100)
    raise AssertionError(root_of(page, BARS_A_LINE))


def test_a_phone_has_a_score_of_its_width_and_all_it_needs_at_the_thumb(site, long) -> None:  # noqa: F811
    page = site.visit(f"score?song={long}", **PHONE)
    page.wait_for_selector(".pages [data-hit]")
    assert set(lines_of(page, 2)) <= {1, 2}
    at_rest(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert root_of(page, "(p => p.scrollWidth - p.clientWidth)(root.querySelector('.pages'))") == 0
    bar = page.locator(".transport").bounding_box()
    tabs = page.locator(".st-key-ds_tabs").bounding_box()
    assert bar["y"] > 600 and tabs["y"] + tabs["height"] == pytest.approx(844, abs=2)
    assert bar["y"] + bar["height"] <= tabs["y"] + 2  # neither covers the other
    for name in ("practice", "score", "edit", "inspect"):
        page.locator(".st-key-ds_tabs").get_by_role("link", name=name.capitalize()).tap()
        page.get_by_role("heading", level=1).filter(has_text=HEADINGS[name]).wait_for()
    assert f"song={long}" in page.url
    assert page.faults == []


def test_in_a_narrow_window_the_cursor_stands_at_its_note(site, long) -> None:  # noqa: F811
    page = site.visit(f"score?song={long}")
    page.wait_for_selector(".pages [data-hit]")
    at_rest(page)
    page.get_by_role("link", name="About", exact=True).first.click()
    page.get_by_role("heading", level=1).filter(has_text="About").wait_for()
    at_rest(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".st-key-ds_tabs").get_by_role("link", name="Score").click()
    page.wait_for_selector(".pages [data-hit]")
    assert set(lines_of(page, 2)) <= {1, 2}
    at_rest(page)
    assert root_of(page, BESIDE) < 4  # pixels from the cursor to the first note's middle, where the song stands
    assert page.faults == []


def test_the_score_is_engraved_anew_when_the_tablet_is_turned(site, long) -> None:  # noqa: F811
    page = site.visit(f"practice?song={long}", **TABLET)
    page.wait_for_selector(".pages [data-hit]")
    wide = lines_of(page, 5)
    page.set_viewport_size({"width": 480, "height": 900})
    narrow = lines_of(page, 3)
    assert max(narrow) < max(wide)
    assert root_of(page, "(p => p.scrollWidth - p.clientWidth)(root.querySelector('.pages'))") == 0
    page.set_viewport_size({"width": 1024, "height": 768})
    for _ in range(300):
        if root_of(page, BARS_A_LINE) == wide:
            break
        page.wait_for_timeout(100)
    assert root_of(page, BARS_A_LINE) == wide
    assert page.faults == []


def test_a_music_stand_turns_pages_by_pedal_tap_and_swipe_and_stays_awake(site, long) -> None:  # noqa: F811
    page = site.visit(f"practice?song={long}", **TABLET)
    page.wait_for_selector(".pages [data-hit]")
    at_rest(page)
    page.evaluate(
        "() => { window.asked = []; const ask = navigator.wakeLock.request.bind(navigator.wakeLock);"
        " navigator.wakeLock.request = (kind) => { window.asked.push(kind); return ask(kind); }; }"
    )
    page.get_by_role("button", name="Music stand").tap()
    page.locator(".player.stand").wait_for()
    page.wait_for_timeout(500)
    at_rest(page)
    lines = lines_of(page, 5)
    page.wait_for_timeout(800)
    frame = page.locator(".player").bounding_box()
    assert (frame["width"], frame["height"]) == (1024, 768)
    assert page.evaluate("window.asked") == ["screen"]
    assert serious(page) == {}

    tops = [root_of(page, TOP)]
    for _ in range(2):
        page.keyboard.press("PageDown")
        tops.append(root_of(page, TOP))
    assert tops[0] < tops[1] <= tops[2] and tops[1] > 200
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("PageUp")
    assert root_of(page, TOP) < tops[1]
    page.keyboard.press("PageUp")
    assert root_of(page, TOP) == 0

    view = page.locator(".pages").bounding_box()
    middle = view["y"] + view["height"] / 2
    page.touchscreen.tap(view["x"] + view["width"] - 60, middle)
    assert root_of(page, TOP) == tops[1]
    page.touchscreen.tap(view["x"] + 60, middle)
    assert root_of(page, TOP) == 0
    page.mouse.move(view["x"] + 600, middle)  # a swipe to the left
    page.mouse.down()
    page.mouse.move(view["x"] + 400, middle + 10, steps=4)
    page.mouse.up()
    assert root_of(page, TOP) == tops[1]
    assert site.kept(long).history.log == ()  # nothing was edited

    for _ in range(4):
        page.get_by_role("button", name="Larger notes").tap()
    for _ in range(300):
        if len(root_of(page, BARS_A_LINE)) > len(lines):
            break
        page.wait_for_timeout(100)
    assert len(root_of(page, BARS_A_LINE)) > len(lines)
    page.keyboard.press("Escape")
    page.locator(".player:not(.stand)").wait_for()
    assert page.faults == []


def test_the_music_stand_follows_the_recording(site, long) -> None:  # noqa: F811
    page = site.visit(f"practice?song={long}", **TABLET)
    page.wait_for_selector(".pages [data-hit]")
    at_rest(page)
    page.keyboard.press("v")
    page.locator(".player.stand").wait_for()
    page.wait_for_timeout(500)
    at_rest(page)
    lines_of(page, 5)
    page.get_by_role("button", name="Play").tap()
    page.wait_for_function(
        "() => [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('.pages')?.scrollTop ?? 0)"
        ".some((top) => top > 100)"
    )
    assert re.search(r"Bar \d+", page.locator(".where").inner_text())
    page.get_by_role("button", name="Pause").tap()
    page.get_by_role("button", name="Close the music stand").tap()
    page.locator(".player:not(.stand)").wait_for()
    assert page.faults == []


def test_a_loop_gets_faster_with_each_round_and_the_click_subdivides(site, long) -> None:  # noqa: F811
    page = site.visit(f"practice?song={long}")
    page.wait_for_selector(".pages [data-hit]")
    at_rest(page)
    assert not page.locator('[data-do="ramp"]').is_visible()  # it is for loops
    page.keyboard.press("l")
    page.locator('[data-do="ramp"]').click()
    speed = page.locator(".speed output")
    assert speed.inner_text() == "60 %"
    page.get_by_role("button", name="Play").click()
    for percent in ("65 %", "70 %"):
        page.wait_for_function("wanted => [...document.querySelectorAll('*')].some("
                               "(e) => e.shadowRoot?.querySelector('.speed output')?.textContent === wanted)",
                               arg=percent)  # fmt: skip
    page.get_by_role("button", name="Pause").click()

    before = root_of(page, "root.querySelector('.player').deck.pulses.length")
    page.get_by_label("Clicks a beat").select_option("triplets")
    deck = "root.querySelector('.player').deck"
    assert root_of(page, f"{deck}.pulses.length") == 3 * before
    assert root_of(page, f"{deck}.pulses.filter((one) => one.loud).length") == before
    assert page.get_by_label("Click, level in percent").input_value() == "60"
    page.reload()
    page.wait_for_selector(".pages [data-hit]")
    at_rest(page)
    assert page.get_by_label("Clicks a beat").input_value() == "3"
    assert page.locator('[data-do="ramp"]').get_attribute("aria-pressed") == "true"
    assert page.faults == []


@pytest.mark.parametrize(("name", "screen"), [("phone", PHONE), ("tablet-upright", UPRIGHT), ("tablet", TABLET)])
def test_pictures_for_the_report(site, long, tmp_path, name, screen) -> None:  # noqa: F811
    folder = Path(os.environ.get("REPORT_DIR") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    for path in ("score", "practice"):
        page = site.visit(f"{path}?song={long}", **screen)
        page.wait_for_selector(".pages [data-hit]")
        at_rest(page)
        page.screenshot(path=folder / f"{path}-{name}.png")
        assert page.faults == []
    page.keyboard.press("v")
    page.locator(".player.stand").wait_for()
    page.wait_for_timeout(1000)
    at_rest(page)
    lines_of(page, 5)
    page.screenshot(path=folder / f"stand-{name}.png")
    assert page.faults == []
