"""The programs that people open our files with: what they play is what was written."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from pathlib import Path

import grooves
import pytest
from notation_clients import (
    Notes,
    assert_valid,
    compare,
    expected_notes,
    lilypond_midi,
    midi_notes,
    musescore_midi,
    random_rhythm,
    verovio_midi,
)

from drumscribe.kit import DRUMS
from drumscribe.notation import Score, notate, read_musicxml, to_lilypond, to_music21, to_musicxml
from drumscribe.notation.pdf import find_lilypond, find_musescore
from drumscribe.options import NotateOptions
from drumscribe.types import Meter

pytestmark = pytest.mark.slow
METERS = ("4/4", "3/4", "6/8", "12/8", "7/8", "5/4")
AS_WRITTEN = NotateOptions(simile=False, repeats=False)
GOLDEN = Path(__file__).parent / "golden"


@functools.lru_cache(maxsize=3)
def charts(options: NotateOptions) -> dict[str, Score]:
    """2,000+ random hits in six meters, and every groove."""
    found = {f"random-{meter.replace('/', '-')}": notate(random_rhythm(seed, Meter.parse(meter), 36), options)
             for seed, meter in enumerate(METERS)}  # fmt: skip
    assert sum(len(expected_notes(score)) for score in found.values()) > 2000
    return found | {name: notate(grooves.load(name), options) for name in grooves.GROOVES}


def ornaments(score: Score) -> list[tuple[float, float, int]]:
    """Spans (quarter notes) in which a player may add strokes on a key: before a grace's note, and during a roll."""
    spans, clock = [], 0.0
    for index in score.play_order():
        measure = score.measures[index]
        for event, head in measure.heads():
            at, key = clock + float(event.onset), DRUMS[head.drum].midi
            if head in event.graces:
                spans.append((at - 0.75, at, key))
            elif event.slashes:
                spans.append((at, at + float(event.duration), key))
        clock += float(measure.length)
    return spans


def assert_plays(name: str, score: Score, data: bytes) -> None:
    got, channels = midi_notes(data)
    missing, extra = compare(expected_notes(score), got)
    spans = ornaments(score)
    unexplained: Notes = [
        (time, key) for time, key in extra
        if not any(low - 0.01 <= time <= high + 0.05 and key == span_key for low, high, span_key in spans)
    ]  # fmt: skip
    assert (name, missing, unexplained, channels) == (name, [], [], {9})
    graces = sum(head in event.graces for i in score.play_order() for event, head in score.measures[i].heads())
    assert len(extra) >= graces


@pytest.mark.skipif(find_musescore() is None, reason="MuseScore is not installed (apt install musescore3)")
def test_musescore_plays_every_hit_and_no_other(tmp_path):
    found = charts(NotateOptions())
    played = musescore_midi({name: to_musicxml(score) for name, score in found.items()}, tmp_path)
    for name, score in found.items():
        assert_plays(name, score, played[name])


@pytest.mark.skipif(find_musescore() is None, reason="MuseScore is not installed (apt install musescore3)")
def test_a_chart_saved_by_musescore_comes_back(tmp_path):
    names = ("funk_ghosts", "shuffle", "six_eight_ballad", "bossa_nova", "meters_in_turn", "sextuplet_fill", "endings")
    found = {name: notate(grooves.load(name), NotateOptions()) for name in names}
    saved = musescore_midi({name: to_musicxml(score) for name, score in found.items()}, tmp_path, "musicxml")
    for name, score in found.items():
        back = read_musicxml(saved[name])
        assert compare(expected_notes(score), expected_notes(back), 1e-6) == ([], []), name
        ghosts = sum(head.ghost for measure in score.measures for _, head in measure.heads())
        assert sum(head.ghost for measure in back.measures for _, head in measure.heads()) == ghosts
        assert sum(len(e.graces) for m in back.measures for v in m.voices for e in v) == \
            sum(len(e.graces) for m in score.measures for v in m.voices for e in v)  # fmt: skip


def test_verovio_plays_every_hit_and_no_other():
    for name, score in charts(NotateOptions(simile=False)).items():  # it is silent in similes
        assert_plays(name, score, verovio_midi(to_musicxml(score)))


@pytest.mark.skipif(find_lilypond() is None, reason="LilyPond is not installed (pip install lilypond)")
def test_lilypond_plays_every_hit_and_no_other(tmp_path):
    found = charts(NotateOptions())
    played = lilypond_midi({name: to_lilypond(score, midi=True) for name, score in found.items()}, tmp_path)
    for name, score in found.items():
        assert_plays(name, score, played[name])


def test_music21_reads_every_position():
    from music21 import converter

    for name, score in charts(AS_WRITTEN).items():
        document = to_musicxml(score)
        assert_valid(document)
        for stream in (converter.parseData(document, format="musicxml"), to_music21(score)):
            found = []
            for measure in stream.parts[0].getElementsByClass("Measure"):
                for note in measure.recurse().notes:
                    if not note.duration.isGrace:
                        heads = getattr(note, "notes", [note])
                        at = float(measure.offset + note.getOffsetInHierarchy(measure))
                        found += [(at, head.displayStep, head.displayOctave) for head in heads]
            expected, clock = [], 0.0
            for measure in score.measures:
                for event, head in measure.heads():
                    if head not in event.graces:
                        row = DRUMS[head.drum]
                        expected.append((clock + float(event.onset), row.step, row.octave))
                clock += float(measure.length)
            found.sort()
            expected.sort()
            assert len(found) == len(expected), name
            assert all(abs(a[0] - b[0]) < 0.01 and a[1:] == b[1:] for a, b in zip(found, expected, strict=True)), name


def test_music21_writes_endings_out_as_they_are_played():
    from music21 import converter

    score = notate(grooves.load("endings"), NotateOptions())
    assert any(measure.ending for measure in score.measures)
    played = [
        sorted((float(event.onset), DRUMS[head.drum].step) for event, head in score.measures[i].heads()
               if head not in event.graces) for i in score.play_order()
    ]  # fmt: skip
    for stream in (converter.parseData(to_musicxml(score), format="musicxml"), to_music21(score)):
        found = [
            sorted((float(note.getOffsetInHierarchy(bar)), head.displayStep) for note in bar.recurse().notes
                   if not note.duration.isGrace for head in getattr(note, "notes", [note]))
            for bar in stream.expandRepeats().parts[0].getElementsByClass("Measure")
        ]  # fmt: skip
        assert found == played


# --- OpenSheetMusicDisplay -------------------------------------------------------------------------------------------

_SCRIPT = Path(__file__).parents[1] / "node_modules/opensheetmusicdisplay/build/opensheetmusicdisplay.min.js"
OSMD = Path(os.environ.get("OSMD_JS", _SCRIPT))
_PAGE = """<!doctype html><meta charset="utf-8"><div id="page" style="width:1000px"></div>
<script src="osmd.js"></script>
<script>
async function show(name) {
  const page = document.getElementById("page");
  page.innerHTML = "";
  const osmd = new opensheetmusicdisplay.OpenSheetMusicDisplay(page, {autoResize: false, drawTitle: true});
  await osmd.load(await (await fetch(name)).text());
  osmd.render();
  return page.querySelectorAll(".vf-notehead").length;
}
</script>"""


@pytest.mark.browser
@pytest.mark.skipif(not OSMD.exists(), reason="no OpenSheetMusicDisplay (scripts/test_tools.sh)")
def test_opensheetmusicdisplay_renders_every_groove(tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    (tmp_path / "index.html").write_text(_PAGE)
    (tmp_path / "osmd.js").write_bytes(OSMD.read_bytes())
    for path in GOLDEN.glob("*.musicxml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    problems: list[str] = []
    try:
        with sync_api.sync_playwright() as play:
            browser = play.chromium.launch(executable_path=_chromium())
            page = browser.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            for name in sorted(grooves.GROOVES):
                drawn = page.evaluate(f"show('{name}.musicxml')")
                score = read_musicxml((GOLDEN / f"{name}.musicxml").read_bytes())
                heads = sum(1 for measure in score.measures for _ in measure.heads())
                assert drawn >= heads, name  # rests count, too
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
    assert [problem for problem in problems if "favicon" not in problem and "404" not in problem] == []


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


def _chromium() -> str | None:
    return next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
