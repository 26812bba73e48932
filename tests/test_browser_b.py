"""Score, Practice, and Live in Chromium against the real server: what is seen, heard, and kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser import CHROMIUM, FLAGS, PATIENCE_MS, Server, at_rest, follow, serious
from test_live import groove
from test_ui_pages import TOKEN, owner_of
from ui_songs import put, song

from drumscribe.audio import synth
from drumscribe.notation import note_maps
from drumscribe.settings import Settings
from drumscribe.ui.owner import COOKIE

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium"),
]

# Runs in the page: the deck of the mounted player.
DECK = """
const deck = [...document.querySelectorAll('*')].map((e) => e.shadowRoot).filter(Boolean)
  .map((root) => root.querySelector('.player')).find(Boolean).deck;
"""
# Plays and records what leaves the player, with the time at which the song began.
RECORD = (
    "async (wanted) => {"
    + DECK
    + """
  deck.pause();
  deck.prepare();
  await deck.context.resume();
  if (!deck.recorder) {
    const code = `registerProcessor('recorder', class extends AudioWorkletProcessor {
      process([[sound]]) { if (sound) this.port.postMessage([currentFrame, sound.slice()]); return true; } })`;
    await deck.context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
    deck.recorder = new AudioWorkletNode(deck.context, 'recorder');
    deck.limiter.connect(deck.recorder);
    deck.recorder.connect(deck.context.destination);
    deck.recorder.port.onmessage = (event) => deck.recorded?.push(event.data);
  }
  for (const fader of deck.faders) deck.setLevel(fader.id, wanted.levels[fader.id] ?? 0);
  deck.setLoop(wanted.loop ?? null);
  deck.playbackRate = wanted.speed ?? 1;
  deck.seek(wanted.from);
  await new Promise((done) => setTimeout(done, 400));
  deck.recorded = [];
  deck.play();
  while (!deck.pieces.length) await new Promise((done) => setTimeout(done, 5));
  const { when, start } = deck.pieces[0];
  const late = deck.late.delayTime.value;
  const until = deck.context.currentTime + wanted.seconds;
  while (deck.context.currentTime < until) await new Promise((done) => setTimeout(done, 50));
  deck.pause();
  const rate = deck.context.sampleRate;
  const first = deck.recorded[0][0];
  const sound = new Float32Array(deck.recorded.at(-1)[0] + 128 - first);
  for (const [frame, block] of deck.recorded) sound.set(block, frame - first);
  deck.recorded = null;
  return { rate, begins: (when + late) * rate - first, start, sound: Array.from(sound) };
}"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    data = tmp_path_factory.mktemp("site")
    settings = Settings(data_dir=data)
    played = song(8, separated=True).rescore(notate={"repeats": False, "simile": False})
    jobs = {"nameless": put(settings, owner_of("cd" * 16), song(1))}
    jobs["plain"] = put(settings, owner_of(TOKEN), played)
    running = Server(data)
    yield running.url, jobs, data
    running.stop()


@pytest.fixture(scope="module")
def microphone(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("microphone") / "drums.wav"
    soundfile.write(path, synth.render(groove(8), 20.0).mean(axis=0), synth.SAMPLE_RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module", autouse=True)
def open_to_others():
    """One test comes from another computer, as it were, where nobody signs in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGN_IN", "none")
        yield


@pytest.fixture(scope="module")
def chromium(microphone):
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *FLAGS, "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}",
                "--host-resolver-rules=MAP tablet.test 127.0.0.1",
            ],
        )  # fmt: skip
        yield browser
        browser.close()


@pytest.fixture
def visit(site, chromium):
    contexts = []

    def go(path: str, *, width: int = 1280, height: int = 900, scheme: str = "light", token: str = TOKEN):
        address, jobs, data = site
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, permissions=["microphone"],
            accept_downloads=True,
        )  # fmt: skip
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        page = context.new_page()
        page.faults, page.data = [], data
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(f"{address}/{path.format(**jobs)}")
        return page

    yield go
    for context in contexts:
        for page in context.pages:
            assert page.faults == []
        context.close()


def ready(page) -> None:
    page.wait_for_selector(".player .transport")
    page.wait_for_selector(".pages [data-hit]")
    at_rest(page)


def onsets(told: dict, times: list[float], speed: float = 1.0) -> list[float]:
    """How late (seconds of sound) each of the song's ``times`` is heard in a recording."""
    sound, rate = np.abs(np.array(told["sound"])), told["rate"]
    late = []
    for time_s in times:
        at = int(told["begins"] + (time_s - told["start"]) / speed * rate)
        near = sound[max(0, at - round(0.05 * rate)) : at + round(0.06 * rate)]
        late.append(int(np.argmax(near > 0.4 * near.max())) / rate - min(0.05, at / rate))
    return late


def test_recording_drums_and_click_sound_together(visit) -> None:
    page = visit("practice?song={plain}")
    ready(page)
    snares = [1.0, 2.0, 3.0]  # the song's snare falls on beats 2 and 4, from 0.5 s at 120
    heard = {}
    for name in ("drums", "synth", "click"):
        told = page.evaluate(RECORD, {"levels": {name: 1}, "from": 0.6, "seconds": 3.2})
        heard[name] = onsets(told, snares)
    for name, late in heard.items():
        assert max(abs(one) for one in late) < 0.015, (name, late)
    assert max(abs(a - b) for a, b in zip(heard["drums"], heard["synth"], strict=True)) < 0.006


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.2])
def test_at_another_speed_the_pitch_stays_and_all_keep_together(visit, speed: float) -> None:
    page = visit("practice?song={plain}")
    ready(page)
    seconds = 2.4 / speed + 0.4
    told = {
        name: page.evaluate(RECORD, {"levels": {name: 1}, "from": 0.8, "seconds": seconds, "speed": speed})
        for name in ("drums", "synth")
    }
    for name, one in told.items():
        assert max(abs(late) for late in onsets(one, [1.0, 2.0, 3.0], speed)) < 0.03, name
    # The test song's snare is a decaying sine at 220 Hz, its kick one at 60 Hz.
    one = told["drums"]
    at = int(one["begins"] + (1.0 - one["start"]) / speed * one["rate"])
    body = np.array(one["sound"])[at : at + round(0.08 * one["rate"])]
    power = np.abs(np.fft.rfft(body * np.hanning(len(body)), 65536))
    band = np.fft.rfftfreq(65536, 1 / one["rate"])
    inside = (band > 120) & (band < 420)
    assert abs(band[inside][np.argmax(power[inside])] / 220 - 1) < 0.08


def test_a_loop_keeps_time_over_its_seam(visit) -> None:
    page = visit("practice?song={plain}")
    ready(page)
    told = page.evaluate(
        RECORD, {"levels": {"drums": 1}, "from": 2.5, "seconds": 7.0, "loop": {"start": 2.5, "end": 4.5}}
    )
    late = []
    for turn in range(3):  # the second bar's snares, each time round
        late += onsets(told, [2.5 + 2 * turn + 0.5, 2.5 + 2 * turn + 1.5])
    assert max(abs(one) for one in late) < 0.015
    silent = np.abs(np.array(told["sound"]))[int(told["begins"]) :]
    assert silent[: round(6.5 * told["rate"])].max() > 0.05


def test_muted_drums_are_silent(visit) -> None:
    page = visit("practice?song={plain}")
    ready(page)
    page.locator(".mute", has_text="Snare drum").click()
    told = page.evaluate(RECORD, {"levels": {"synth": 1}, "from": 0.6, "seconds": 2.0})
    loud = page.evaluate("() => {" + DECK + "return deck.muted_drums.has('snare')}")
    assert loud
    page.locator(".mute", has_text="Snare drum").click()
    again = page.evaluate(RECORD, {"levels": {"synth": 1}, "from": 0.6, "seconds": 2.0})

    def level(one: dict) -> float:
        at = int(one["begins"] + 0.4 * one["rate"])
        return float(np.abs(np.array(one["sound"])[at : at + round(0.03 * one["rate"])]).max())

    assert level(told) < 0.5 * level(again)


def test_keyboard_plays_steps_loops_and_changes_speed(visit) -> None:
    page = visit("practice?song={plain}")
    ready(page)
    where = page.locator(".where")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    playwright.expect(where).to_contain_text("Bar 2, beat 1")
    page.keyboard.press("ArrowLeft")
    playwright.expect(where).to_contain_text("Bar 1, beat 1")
    page.keyboard.press("l")
    playwright.expect(page.get_by_role("button", name="Loop")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Loop to bar").fill("3")
    page.get_by_label("Loop to bar").press("Enter")
    assert page.evaluate(
        "() => {" + DECK + "return [deck.loop.start, deck.loop.end].map((t) => Math.round(t * 10))}"
    ) == [5, 65]
    page.locator("h1").first.click()
    for _ in range(4):
        page.keyboard.press("-")
    playwright.expect(page.locator(".speed output")).to_have_text("80 %")
    page.keyboard.press("Space")
    playwright.expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    page.wait_for_function("() => {" + DECK + "return deck.currentTime > 1.0}")
    page.keyboard.press("Space")
    playwright.expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press(".")
    page.keyboard.press(".")
    playwright.expect(page.locator(".sr")).to_contain_text("percent sure")


def test_the_cursor_runs_and_heads_light_up(visit) -> None:
    page = visit("score?song={plain}")
    ready(page)
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_selector(".pages .playing")
    place = "() => {" + DECK.replace(".deck;", ";") + "return deck.querySelector('.cursor').style.transform}"
    page.wait_for_function(f"before => ({place})() !== before", arg=page.evaluate(place))
    page.get_by_role("button", name="Pause", exact=True).click()


def test_a_clicked_head_is_the_selected_hit_on_the_next_page(visit) -> None:
    page = visit("score?song={plain}")
    ready(page)
    head = page.locator(".pages [data-hit]").nth(11)
    wanted = head.get_attribute("data-hit")
    head.locator(".notehead").first.click()
    page.wait_for_selector(f'.pages .chosen[data-hit="{wanted}"]')
    follow(page, "Practice")
    page.wait_for_selector(f'.pages .chosen[data-hit="{wanted}"]')
    at = page.evaluate("() => {" + DECK + "return deck.currentTime}")
    hits = {str(hit.id): hit.time_s for hit in song(8, separated=True).hits}
    assert abs(at - hits[wanted]) < 0.01  # the position came along


def test_controls_change_the_chart_while_it_plays(visit) -> None:
    page = visit("score?song={plain}")
    ready(page)
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_selector(".pages .playing")
    marks = page.locator(".pages .measure").count()
    page.get_by_role("button", name="Double").click()
    page.wait_for_function(
        f"() => {{{DECK.replace('.deck;', ';')} return deck.querySelectorAll('.pages .measure').length > {marks + 4}}}"
    )
    assert not page.evaluate("() => {" + DECK + "return deck.paused}")
    at_rest(page)
    page.get_by_role("button", name="As found").click()
    page.wait_for_function(
        f"() => {{{DECK.replace('.deck;', ';')} return deck.querySelectorAll('.pages .measure').length === {marks}}}"
    )


def test_files_come_down(visit, tmp_path) -> None:
    from drumscribe.notation import read_musicxml

    page = visit("score?song={plain}")
    ready(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="MusicXML").click()
    chart = read_musicxml(Path(waiting.value.path()).read_bytes())
    assert sum(1 for measure in chart.measures for _ in measure.heads()) > 50
    page.get_by_role("button", name="Make PDF").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download PDF").click()
    assert Path(waiting.value.path()).read_bytes().startswith(b"%PDF")
    assert waiting.value.suggested_filename == "Test beat.pdf"


def test_a_song_is_renamed_by_the_keyboard(visit) -> None:
    page = visit("?song={nameless}", token="cd" * 16)
    page.get_by_role("button", name="More").wait_for()
    at_rest(page)
    page.get_by_role("button", name="More").click()
    page.get_by_label("Title", exact=True).fill("Nightfall")
    page.keyboard.press("Tab")
    at_rest(page)
    page.get_by_label("Artist", exact=True).fill("Us")
    page.keyboard.press("Enter")
    page.locator(".ds-song", has_text="Us – Nightfall").wait_for()


def test_the_score_goes_to_the_printer_by_the_keyboard(visit) -> None:
    page = visit("score?song={plain}")
    ready(page)
    page.get_by_role("button", name="Print Shortcut").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#ds-print", state="attached")
    page.wait_for_function("document.getElementById('ds-print').contentDocument.title === 'Test beat'")
    sheet = page.frame_locator("#ds-print")
    assert sheet.locator("body > svg").count() == 1 and sheet.locator("button").count() == 0
    assert "210mm" in sheet.locator("style").first.text_content()


def test_microphone_to_lanes_to_project(visit) -> None:
    page = visit("live")
    page.wait_for_selector(".ds-lanes")
    frame = page.frame_locator("iframe[title*='webrtc']")
    frame.get_by_role("button", name="Start").click()
    page.wait_for_function("() => document.querySelectorAll('.ds-track i').length > 3")
    page.wait_for_selector("text=/told \\d+ ms after/")
    page.get_by_text(re.compile(r"^Bar \d+$")).first.wait_for()
    frame.get_by_role("button", name="Stop").click()
    page.wait_for_url("**/score?song=*")
    page.wait_for_selector(".pages [data-hit]", timeout=240_000)
    assert page.get_by_text("Live take").first.is_visible()


KIT = """() => {
  const input = { onmidimessage: null };
  navigator.requestMIDIAccess = async () => ({ inputs: new Map([["kit", input]]), onstatechange: null });
  window.strike = (note, velocity = 90) =>
    input.onmidimessage?.({ data: [0x99, note, velocity], timeStamp: performance.now() });
}"""


def test_an_e_kit_is_learned_from_its_pads(visit) -> None:
    """The instrument is made up, because machines that run tests have none; the rest is the browser's."""
    page = visit("live")
    page.wait_for_selector(".ds-lanes")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.get_by_role("button", name="Teach my e-kit's notes").click()
    begin, says = page.get_by_role("button", name="Strike the pads now"), page.locator(".pads .says")
    page.evaluate("() => { navigator.requestMIDIAccess = async () => ({ inputs: new Map() }); }")
    begin.click()
    playwright.expect(says).to_contain_text("No MIDI instrument")
    page.evaluate(KIT)
    begin.click()
    playwright.expect(says).to_have_text("Strike: Bass drum (1 of 12)")
    for note in (60, 60, 61):  # the same pad twice is one pad
        page.evaluate(f"strike({note})")
    page.evaluate("strike(70, 5)")  # shaken by its neighbour
    playwright.expect(says).to_contain_text("(3 of 12)")
    page.evaluate("strike(60)")
    playwright.expect(says).to_contain_text("That pad was Bass drum")
    page.get_by_role("button", name="My kit has not got it").click()
    page.get_by_role("button", name="Back").click()
    playwright.expect(says).to_contain_text("Cross-stick (3 of 12)")
    page.get_by_role("button", name="My kit has not got it").click()
    for note in range(62, 71):
        page.evaluate(f"strike({note})")
    page.get_by_text("my-kit was learned").wait_for()
    learned = note_maps.note_map("my-kit", Settings(data_dir=page.data))
    assert (learned.notes[60], learned.notes[61], learned.notes[70]) == ("kick", "snare", "ride_bell")
    assert "cross_stick" not in [label for note, label in learned.notes.items() if 60 <= note <= 70]


def test_without_a_connection_live_offers_the_recorder(visit) -> None:
    page = visit("about")
    page.add_init_script(
        "const Connection = RTCPeerConnection;"  # as behind a router that lets nothing through
        "RTCPeerConnection = function (wanted) { return new Connection({ ...wanted, iceTransportPolicy: 'relay' }); };"
    )
    page.goto(page.url.replace("/about", "/live"))
    page.wait_for_selector(".ds-lanes")
    page.frame_locator("iframe[title*='webrtc']").get_by_role("button", name="Start").click()
    page.get_by_text("No connection came about within 10 s").wait_for()
    page.get_by_text("Record your playing").first.wait_for()


def test_an_insecure_page_says_how_to_get_the_microphone(visit) -> None:
    page = visit("about")
    page.goto(page.url.replace("127.0.0.1", "tablet.test").replace("/about", "/live"))
    page.get_by_text("drumscribe serve --lan").first.wait_for()
    assert page.evaluate("navigator.mediaDevices === undefined")
    assert page.locator("iframe[title*='webrtc']").count() == 0
    page.get_by_text("Record with this device's own recorder").wait_for()


@pytest.mark.parametrize("path", ["score?song={plain}", "practice?song={plain}", "live"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_fit_and_pass_axe(visit, path: str, width: int, scheme: str) -> None:
    page = visit(path, width=width, scheme=scheme)
    page.wait_for_selector(".ds-lanes" if path == "live" else ".pages [data-hit]")
    page.wait_for_timeout(1500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == {}
