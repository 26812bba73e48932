"""The studio in Chromium against the real server and the real pipeline."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest
from browser import CHROMIUM, FLAGS, PATIENCE_MS, Server, at_rest, follow, serious
from test_ui_pages import owner_of
from ui_songs import put, song

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium"),
]

TOKEN = "0f" * 16
PAGES = {"": "Turn a recording", "inspect": "Inspect", "edit": "Edit", "score": "Score", "practice": "Practice",
         "live": "Live", "about": "About", "account": "Account"}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("data"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def made():
    return song(8)


def user(chromium, server, token: str = "", **options):
    """A browser profile; with ``token``, one that has been here before."""
    context = chromium.new_context(viewport={"width": 1360, "height": 1000}, accept_downloads=True, **options)
    context.set_default_timeout(PATIENCE_MS)
    if token:
        context.add_cookies([{"name": "drumscribe_browser", "value": token, "url": server.url}])
    return context


def come(context, server, path: str = "", heading: str = ""):
    page = context.new_page()
    page.goto(f"{server.url}/{path}")
    page.get_by_role("heading", level=1).filter(has_text=heading or PAGES[path.split("?")[0]]).wait_for()
    at_rest(page)
    return page


def bar_of(page) -> str:
    return page.locator('[aria-label="Open song"]').inner_text().replace("\n", " ")


def wait_for_hits(page, count: int) -> None:
    page.locator('[aria-label="Open song"]').get_by_text(f"{count} hits", exact=True).wait_for()


def name_first_hit(page, drum: str) -> None:
    """Choose the drum of the table's first row by keyboard, as in a spreadsheet; the last key is left to press."""
    table = page.locator('[data-testid="stDataFrame"]')
    table.wait_for()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 90, box["y"] + 52)  # time of the first row
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.wait_for_timeout(500)
        page.keyboard.press(key)
    page.locator("#portal input").first.wait_for(state="attached")
    page.wait_for_timeout(500)
    page.keyboard.type(drum, delay=80)
    page.wait_for_timeout(1000)


def test_cold_deep_links_to_every_page(chromium, tmp_path):
    cold = Server(tmp_path)
    try:
        context = user(chromium, cold)
        for path, heading in PAGES.items():
            page = come(context, cold, path, heading)
            assert page.get_by_text("Page not found").count() == 0
            page.get_by_role("link", name="Transcribe").first.wait_for()
            page.close()
            if path == "inspect":  # the very first page of a fresh server is a deep link, too
                cold.stop()
                cold.start()
                context.close()
                context = user(chromium, cold)
                come(context, cold, "edit", "Edit").close()
        context.close()
    finally:
        cold.stop()


def test_from_the_example_to_the_corrected_file(chromium, server):
    context = user(chromium, server)
    page = come(context, server)
    page.get_by_role("button", name="Try the example").click()
    page.get_by_text("In progress").wait_for()
    page.locator("ol.ds-steps li[aria-current=step]").wait_for()
    page.reload()  # in the middle: the job goes on and is found again
    page.locator('[aria-label="Open song"]').wait_for(timeout=400_000)  # and opens by itself when it is ready
    before = int(re.search(r"([\d,]+) hits", bar_of(page))[1].replace(",", ""))
    assert before > 100

    # correct a hit in the table by keyboard, as a spreadsheet: the velocity of the first one, then its drum
    follow(page, "Edit")
    name_first_hit(page, "China")
    page.keyboard.press("Enter")
    page.locator(".st-key-ds_undo button:enabled").first.wait_for()

    # the score has it; BPM; download
    follow(page, "Score")
    slider = page.get_by_role("slider", name="BPM").first
    slider.wait_for()
    was = page.locator('[aria-label="Open song"]').inner_text()
    slider.focus()
    page.keyboard.press("End")  # the beat follows the recording: only another reading of it changes the tempo
    page.wait_for_function("was => document.querySelector('[aria-label=\"Open song\"]')?.innerText !== was", arg=was)
    at_rest(page)
    with page.expect_download() as download:
        page.locator('[data-testid="stDownloadButton"] button').filter(has_text="MusicXML").first.click()
    data = Path(download.value.path()).read_bytes()
    if data[:2] == b"PK":
        archive = zipfile.ZipFile(io.BytesIO(data))
        data = archive.read(next(name for name in archive.namelist() if name.endswith((".musicxml", ".xml"))))

    import music21

    read = music21.converter.parseData(data, format="musicxml")
    heads = {(note.displayStep, note.displayOctave) for note in read.recurse().getElementsByClass("Unpitched")}
    heads |= {
        (note.displayStep, note.displayOctave)
        for chord in read.recurse().getElementsByClass("PercussionChord")
        for note in chord.notes
        if hasattr(note, "displayStep")
    }
    assert ("C", 6) in heads  # the china cymbal: it was in no bar of the example
    context.close()


def test_a_project_file_reopens_with_its_edits_and_an_edited_chart_returns(chromium, server, made, tmp_path):
    from drumscribe.song.edits import add, delete

    kept = made.edit(delete(made.hits, [made.hits[0].id]))
    kept.export(tmp_path, ["json"], name="Kept")
    changed = kept.edit(add(kept.hits, kept.rhythm.bars[2].start_s, "china"))
    changed.export(tmp_path, ["musicxml"], name="Edited elsewhere")
    (tmp_path / "foreign.json").write_text('{"format": "something else", "version": 1}')
    context = user(chromium, server)
    page = come(context, server)
    upload = page.locator('[data-testid="stFileUploader"] input[type=file]')
    upload.set_input_files(tmp_path / "foreign.json")
    page.locator(".st-key-ds_start button:enabled", has_text="Open").click()
    page.get_by_text("This JSON file is not a DrumScribe project.").wait_for()
    page.reload()
    upload.wait_for(state="attached")
    at_rest(page)
    upload.set_input_files(tmp_path / "Kept.json")
    page.locator(".st-key-ds_start button:enabled", has_text="Open").click()
    wait_for_hits(page, len(kept.hits))

    follow(page, "Score")
    page.get_by_text("Bring an edited chart back").click()
    at_rest(page)
    upload.set_input_files(tmp_path / "Edited elsewhere.musicxml")
    wait_for_hits(page, len(kept.hits) + 1)
    page.get_by_text("The edited chart was taken in: 1 hit changed.").wait_for()
    for count in (len(kept.hits), len(made.hits)):  # the edits before it came along with the file
        at_rest(page)
        page.locator(".st-key-ds_undo button:enabled").first.click()
        wait_for_hits(page, count)
    context.close()


def test_two_users_do_not_see_each_other(chromium, server, made):
    mine = put(server.settings, owner_of(TOKEN), made)
    first = user(chromium, server, TOKEN)
    page = come(first, server, f"edit?song={mine}", "Edit")
    wait_for_hits(page, len(made.hits))
    second = user(chromium, server)
    other = come(second, server, f"edit?song={mine}", "Edit")
    other.get_by_text("not among this browser's projects").wait_for()
    assert other.locator('[aria-label="Open song"]').count() == 0
    shown = come(second, server)
    shown.get_by_text("Your songs will be listed here").wait_for()
    assert made.song.title not in shown.locator("body").inner_text()
    first.close()
    second.close()


def test_ten_hits_reviewed_by_keyboard_alone(chromium, server, made):
    job_id = put(server.settings, owner_of(TOKEN), made)
    context = user(chromium, server, TOKEN)
    page = come(context, server, f"edit?song={job_id}", "Edit")
    page.get_by_role("radio", name="Review queue").or_(page.get_by_role("button", name="Review queue")).first.focus()
    page.keyboard.press("Enter")
    counter = page.locator('[data-testid="stProgress"]').filter(has_text="to review")
    counter.wait_for()
    at_rest(page)
    for key in "aad1ashaaa3a".replace("h", ""):
        was = counter.inner_text()
        page.keyboard.press(key)
        page.wait_for_function(
            "was => { const bar = [...document.querySelectorAll('[data-testid=stProgress]')]"
            ".find(one => one.innerText.includes('to review')); return bar && bar.innerText !== was; }",
            arg=was,
        )
    from drumscribe.jobs.local import LocalRunner

    runner = LocalRunner(server.settings)
    kept = runner.result(job_id, owner=None)
    runner.close()
    assert len(kept.history.edits) == 10  # eleven keys, one of them skips
    page.keyboard.press("Control+z")
    page.locator(".st-key-ds_redo button:enabled").first.wait_for()
    context.close()


def test_a_click_in_the_plot_selects_the_hit(chromium, server, made):
    job_id = put(server.settings, owner_of(TOKEN), made)
    context = user(chromium, server, TOKEN)
    page = come(context, server, f"inspect?song={job_id}", "Inspect")
    point = page.locator(".js-plotly-plot .scatterlayer .points path.point").nth(3)
    point.wait_for(state="attached")
    at_rest(page)
    box = point.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator(".st-key-ds_inspect_card audio").wait_for()
    first = page.locator(".st-key-ds_inspect_card .ds-chips").inner_text()
    page.keyboard.press("Alt+n")
    page.wait_for_function(
        "was => document.querySelector('.st-key-ds_inspect_card .ds-chips')?.innerText !== was", arg=first
    )
    context.close()


def test_a_reload_shows_the_edit_that_was_just_made(chromium, server, made):
    job_id = put(server.settings, owner_of(TOKEN), made)
    context = user(chromium, server, TOKEN)
    page = come(context, server, f"edit?song={job_id}", "Edit")
    page.get_by_text("Review queue").first.click()
    page.get_by_text("to review").first.wait_for()
    at_rest(page)
    page.keyboard.press("d")
    wait_for_hits(page, len(made.hits) - 1)
    page.reload()
    wait_for_hits(page, len(made.hits) - 1)
    context.close()


def test_by_another_name_than_its_own_the_studio_of_one_computer_opens_nothing(chromium, server, made):
    job_id = put(server.settings, owner_of(TOKEN), made)
    context = user(chromium, server, TOKEN)
    page = context.new_page()
    for path in ("", f"score?song={job_id}", "account"):
        page.goto(f"{server.url.replace('127.0.0.1', 'drums.example')}/{path}")
        page.get_by_text("Nobody signs in here").wait_for()
        assert page.get_by_role("button", name="Transcribe").count() == 0
    context.close()


@pytest.mark.parametrize("path", ["", "inspect", "edit", "about"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_axe(chromium, server, made, path, scheme):
    job_id = put(server.settings, owner_of(TOKEN), made)
    context = user(chromium, server, TOKEN, color_scheme=scheme, reduced_motion="reduce")
    page = come(context, server, f"{path}?song={job_id}", PAGES[path])
    if path != "about":
        page.locator('[aria-label="Open song"]').wait_for()
    if path == "edit":
        page.locator(".pages [data-hit]").first.wait_for()
    at_rest(page)
    found = serious(page)
    context.close()
    assert not found


@pytest.mark.parametrize("path", ["", "inspect", "edit", "about", "account"])
def test_nothing_is_cut_off_on_a_phone(chromium, server, made, path):
    job_id = put(server.settings, owner_of(TOKEN), made)
    context = user(chromium, server, TOKEN)
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}/{path}?song={job_id}")
    page.get_by_role("heading", level=1).filter(has_text=PAGES[path]).wait_for()
    if path == "edit":
        page.locator(".pages [data-hit]").first.wait_for()
    at_rest(page)
    main = "document.querySelector('[data-testid=stMain]')"
    wide = page.evaluate(f"() => {main}.scrollWidth - {main}.clientWidth")
    context.close()
    assert wide <= 1
