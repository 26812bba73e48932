"""One door for every chart, and every chart the same chart whatever it was written into."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
import songs
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from ui_songs import song

import drumscribe
from benchmarks import fuzz
from drumscribe.cli.commands import cli
from drumscribe.errors import OptionsError, ProjectError
from drumscribe.notation import read_midi, read_musicxml, to_midi, to_rhythm
from drumscribe.notation.folders import packed
from drumscribe.notation.formats import FORMATS, READABLE, WRITABLE, by_ending, recognised
from drumscribe.notation.games import DRUMS_OF, LANES
from drumscribe.options import Options
from drumscribe.pipeline import transcribe
from drumscribe.settings import Settings, get_settings
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription

GOLDEN = Path(__file__).parent / "golden"
CHARTS = sorted(path.stem for path in GOLDEN.glob("*.musicxml"))
SAME = ("musicxml", "midi", "midi_quantised", "guitar_pro", "json", "song")
"""Formats that hold a chart whole."""


def strokes(one: Transcription) -> list[tuple[int, object, str, str]]:
    return [(place.bar, place.onset, place.drum, place.ornament) for place in one.rhythm.placements]


def seen(one: Transcription) -> list[tuple[object, ...]]:
    """What a reader of the score sees: bars, repeats, similes, note values, ghosts, accents, ornaments."""
    return [
        (measure.meter, measure.length, measure.repeat_start, measure.repeat_end, measure.ending, measure.simile,
         event.onset, event.duration, head.drum, head.ghost, event.accent, event.slashes, len(event.graces))
        for measure in one.score.measures for event, head in measure.heads()
    ]  # fmt: skip


@pytest.fixture(scope="module", params=CHARTS)
def chart(request: pytest.FixtureRequest) -> Transcription:
    path = GOLDEN / f"{request.param}.musicxml"
    found = imports.load(path)
    written = to_rhythm(read_musicxml(path.read_bytes())).placements
    assert strokes(found) == [(place.bar, place.onset, place.drum, place.ornament) for place in written]
    return found


@pytest.fixture(scope="module")
def heard() -> Transcription:
    """As from a recording: it begins after half a second."""
    return song(8)


@pytest.mark.parametrize("kind", SAME)
def test_a_chart_written_and_opened_is_the_same_chart(chart: Transcription, kind: str) -> None:
    again = imports.opened(chart.render(kind)[0], "x")
    assert strokes(again) == strokes(chart)
    assert [bar.length for bar in again.rhythm.bars] == [bar.length for bar in chart.rhythm.bars]
    assert seen(again) == seen(chart)
    assert again.score == chart.score or kind != "json"


@pytest.mark.parametrize("kind", SAME)
def test_triplets_and_sixteenths_of_a_swung_chart_stay_as_they_are(kind: str) -> None:
    """Only beats of two eighths are swung: so a listener hears it, and so it is played."""
    swung = [(beat + part, "closed_hihat", 80) for beat in range(16) for part in (0, 2 / 3) if beat not in (6, 9, 13)]
    triplets = [(beat + n / 3, "snare", 90) for beat in (6, 13) for n in range(3)]
    sixteenths = [(9 + n / 4, "snare", 90) for n in range(4)]
    rows = [(quarter / 2, drum, velocity) for quarter, drum, velocity in sorted([*swung, *triplets, *sixteenths])]
    one = drumscribe.Song.from_hits(rows, bpm=120).rescore(quantise={"swing": "on"})
    assert one.rhythm.swing and {onset.denominator for _, onset, _, _ in strokes(one)} == {1, 2, 3, 4}
    assert strokes(imports.opened(one.render(kind)[0], "x")) == strokes(one)


@pytest.mark.parametrize("kind", SAME)
def test_what_was_heard_comes_back_without_a_bar_more(heard: Transcription, kind: str) -> None:
    again = imports.opened(heard.render(kind)[0], "x")
    if kind == "midi":  # as played holds what the page leaves out as well: more than two hands can play
        assert set(strokes(again)) > set(strokes(heard))
    else:
        assert strokes(again) == strokes(heard)
    assert len(again.rhythm.bars) == len(heard.rhythm.bars)
    assert again.grid.times[0] == pytest.approx(
        heard.grid.times[0] if kind not in ("musicxml", "guitar_pro") else 0.0, abs=0.002
    )
    assert again.title == heard.title


def test_midi_plays_the_drums_that_the_page_shows(heard: Transcription) -> None:
    """A doubtful hi-hat foot is written as the hand's; so it must be played."""
    hat = next(hit for hit in heard.hits if hit.drum == "closed_hihat")
    hits = replace(heard.read, items=tuple(replace(h, drum="pedal_hihat") if h is hat else h for h in heard.read))
    data = to_midi(hits, heard.grid, rhythm=heard.rhythm, quantised=True)
    assert {hit.drum for hit in read_midi(data).hits} == {place.drum for place in heard.rhythm.placements}


@pytest.mark.parametrize("kind", ["midi", "midi_quantised"])
def test_the_parts_of_a_song_are_markers_in_midi(kind: str) -> None:
    """A sequencer shows them above its bars."""
    chart = imports.load(GOLDEN / "endings.musicxml")
    ticks, marked = 0, {}
    for message in mido.MidiFile(file=io.BytesIO(chart.render(kind)[0])).tracks[0]:
        ticks += message.time
        if message.type == "marker":
            marked[message.text] = ticks / 480 / 4
    assert marked == {"Start": 0, "A": 0, "B": 16, "C": 32}


@pytest.mark.parametrize(("pulses", "meters"), [(1, ["1/4", "4/4"]), (4, ["4/4"]), (38, ["2/4", "4/4"])])
def test_the_time_before_the_first_bar_is_cut_into_bars(pulses: int, meters: list[str]) -> None:
    """Of any length: a sequencer's bar lines must not end up inside those of the song."""
    found = song(4)
    grid = replace(found.grid, times=found.grid.times - found.grid.times[0] + pulses * 0.5)
    hits = replace(found.hits, items=tuple(replace(h, time_s=h.time_s + pulses * 0.5) for h in found.hits))
    data = to_midi(hits, grid)
    messages = mido.MidiFile(file=io.BytesIO(data)).tracks[0]
    assert [f"{m.numerator}/{m.denominator}" for m in messages if m.type == "time_signature"] == meters
    assert read_midi(data).grid.times[0] == pytest.approx(pulses * 0.5, abs=0.001)
    assert str(read_midi(data).grid.meters[0]) == "4/4"


def test_a_pickup_of_another_program_is_one() -> None:
    track = mido.MidiTrack(
        [
            mido.MetaMessage("time_signature", numerator=1, denominator=4),
            mido.Message("note_on", channel=9, note=38, velocity=90),
            mido.MetaMessage("time_signature", numerator=4, denominator=4, time=480),
            *(mido.Message("note_on", channel=9, note=36, velocity=90, time=480 * (n > 0)) for n in range(4)),
        ]
    )
    out = io.BytesIO()
    mido.MidiFile(tracks=[track]).save(file=out)
    grid = read_midi(out.getvalue()).grid
    assert (list(grid.numbers), [str(meter) for meter in grid.meters]) == ([4, 1, 2, 3, 4, 1], ["4/4", "4/4"])


def test_what_a_file_is_its_content_tells(heard: Transcription, tmp_path: Path) -> None:
    for kind, found in READABLE.items():
        if found.write is not None and not found.extra:
            path = tmp_path / "song.mp3"
            path.write_bytes(found.write(heard, Settings())[0])
            told = imports.recognised(path)
            assert told is not None and told.read == found.read, kind
    assert imports.recognised(songs.song(tmp_path / "loop.mid", bars=1)) is None
    assert imports.recognised(tmp_path) is None and imports.recognised(tmp_path / "none") is None
    assert recognised("\ufeff<?xml?><score-partwise>".encode("utf-16")) == FORMATS["musicxml"]


def test_one_door_in_python(heard: Transcription, tmp_path: Path) -> None:
    path = tmp_path / "take"
    path.write_bytes(heard.render("midi_quantised")[0])
    stages = []
    found = transcribe(path, Options().updated(notate={"title": "Mine"}), on_progress=lambda p: stages.append(p.stage))
    assert (strokes(found), found.title) == (strokes(heard), "Mine")
    assert set(stages) == {"notate"}
    path.write_bytes(heard.rescore(quantise={"swing": "on"}).render("json")[0])
    kept = transcribe(path, Options().updated(notate={"voices": 1}, separate={"separator": "none"}))
    assert (kept.options.quantise.swing, kept.options.notate.voices) == ("on", 1)


@pytest.mark.parametrize("separated", [False, True])
def test_a_song_with_its_audio_opens_for_somebody_else(tmp_path: Path, separated: bool) -> None:
    from drumscribe.jobs.migrate import upgrade
    from drumscribe.jobs.stored import JobRunner

    mine = song(2, separated=separated)
    data = mine.rescore(notate={"artist": "Us"}).render("song")[0]
    (tmp_path / "take").write_bytes(data)
    told = transcribe(tmp_path / "take")
    assert strokes(told) == strokes(mine) and told.artist == "Us" and told.heard == mine.heard
    runner = JobRunner(Settings(data_dir=tmp_path, offline=True))
    upgrade(runner.database.engine)
    job = runner.adopt(imports.opened(data, "x"), owner="you")
    theirs = runner.result(job.id, owner="you")
    assert (theirs.hits, theirs.history, job.artist) == (mine.hits, mine.history, "Us")
    for here, there in ((mine.audio.samples, theirs.audio.samples), (mine.stem.samples, theirs.stem.samples)):
        assert here.shape == there.shape and np.sqrt(np.mean((here - there) ** 2)) < 0.05 * np.sqrt(np.mean(here**2))
    assert strokes(theirs.rescore(beats={"bpm": 60.0})) != strokes(mine)  # all is there that a change of tempo needs
    runner.close()


def test_a_song_without_audio_and_a_damaged_one() -> None:
    chart = imports.load(GOLDEN / "shuffle.musicxml")
    silent = imports.opened(chart.render("song")[0], "x")
    assert strokes(silent) == strokes(chart) and silent.sound() == b""
    made = song(1, separated=True)
    data = made.render("song")[0]
    lame = packed("x", {"project.json": made.saved(), "mix.ogg": made.sound()})
    noise = packed("x", {"project.json": made.saved(), "mix.ogg": b"OggS" + bytes(99)})
    short = replace(made.song, duration_s=0.1)
    longer = packed("x", {"project.json": replace(made, song=short).saved(), "mix.ogg": made.sound()})
    for bad in (data[:-30], lame, noise, longer):
        with pytest.raises(ProjectError):
            imports.opened(bad, "x")


@pytest.mark.parametrize("kind", ["midi_quantised", "song"])
def test_a_worker_opens_a_chart(heard: Transcription, tmp_path: Path, kind: str) -> None:
    from drumscribe.jobs.db import Database, new_job
    from drumscribe.jobs.model import JobStatus
    from drumscribe.jobs.work import Share, Workplace, perform
    from drumscribe.storage.files import Store

    settings = Settings(data_dir=tmp_path, offline=True)
    place = Workplace("me", settings, Database(settings), Store(settings), lambda: None)
    place.database.create()
    upload = place.store.put_upload(io.BytesIO(heard.render(kind)[0]), "song.wav")
    job = place.database.insert(new_job("me", upload.key, title="", options=Options(), priority=0), name="song.wav")
    taken = place.database.claim("me")
    assert taken is not None and perform(taken, place, Share(until="ingest")) is JobStatus.DONE
    ended = place.database.get(job.id)
    assert (ended.title, ended.progress) == (heard.title, 1.0)
    kept = Transcription.reopen(place.store.folder(job.id))
    assert strokes(kept) == strokes(heard) and bool(kept.sound()) == (kind == "song")
    place.database.close()


def test_what_is_no_chart_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="neither a project nor a chart"):
        imports.opened(b"RIFF", "loop.wav")
    with pytest.raises(ProjectError, match="cannot be read"):
        imports.load(tmp_path / "none.mid")
    with pytest.raises(OptionsError):
        song(1).render("exe")


def test_the_list_of_hits_comes_back(heard: Transcription) -> None:
    again = imports.opened(heard.render("csv")[0], "x.csv")
    rows = [sorted((round(hit.time_s, 4), hit.drum, hit.velocity) for hit in one.hits) for one in (again, heard)]
    assert rows[0] == rows[1]
    assert again.grid.bpm == pytest.approx(heard.grid.bpm, rel=0.02)  # found from the strokes
    assert len(imports.opened(b"time_s,drum\n0.5,kick\n1.0,snare\n", "x").hits) == 2
    for late in (b"time_s,drum\n999999999,kick\n", b"999999999.0\t1.0\tkick\n"):
        with pytest.raises(ProjectError, match="4 hours"):
            imports.opened(late, "x")
    for bad in ("x,kick", "1,gong", "inf,kick", "-1,kick"):
        with pytest.raises(ProjectError, match="Line 2"):
            imports.opened(f"time_s,drum\n{bad}\n".encode(), "x")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OFFLINE", "1")
    get_settings.cache_clear()
    yield lambda *words, **more: CliRunner().invoke(cli, [str(word) for word in words], **more)
    get_settings.cache_clear()


def test_convert_from_chart_to_chart(run, heard: Transcription, tmp_path: Path) -> None:
    midi = tmp_path / "Beat"
    midi.write_bytes(heard.render("midi_quantised")[0])
    done = run("convert", midi, tmp_path / "Beat.musicxml")
    assert done.exit_code == 0, done.stderr
    assert "MusicXML does not hold" in done.stdout
    assert strokes(imports.load(tmp_path / "Beat.musicxml")) == strokes(heard)
    done = run("convert", "-", "-", "--to", "csv", input=midi.read_bytes())
    assert done.exit_code == 0 and done.stdout.startswith("time_s,drum")
    for words, status, says in (
        ((midi, midi, "--to", "midi"), 2, "same file"),
        ((midi, tmp_path / "Beat.what"), 2, "--to"),
        ((midi, tmp_path / "Beat.gp"), 2, "Guitar Pro 6 to 8 (.gp) is read, but not written"),
        ((songs.song(tmp_path / "Loop.wav", bars=1), tmp_path / "a.mid"), 3, "drumscribe transcribe"),
        ((tmp_path / "none.mid", tmp_path / "a.mid"), 3, "cannot be read"),
    ):
        done = run("convert", *words)
        assert done.exit_code == status and says in done.stderr, done.stderr
    assert not (tmp_path / "a.mid").exists()


def test_a_chart_is_never_written_over(run, heard: Transcription, tmp_path: Path) -> None:
    path = tmp_path / "Beat.mid"
    path.write_bytes(heard.render("midi")[0])
    before = path.read_bytes()
    for command in ("transcribe", "rescore"):
        done = run(command, path, "-o", tmp_path, "--formats", "midi", "-q")
        assert done.exit_code == 0, done.stderr
        assert path.read_bytes() == before
        (tmp_path / "Beat (DrumScribe).mid").unlink()


def test_convert_loads_no_network() -> None:
    heavy = ("tensorflow", "ai_edge_litert", "torch", "librosa", "madmom", "streamlit", "verovio", "sqlalchemy")
    program = (
        "import sys; from drumscribe.cli.commands import cli\n"
        f"cli(['convert', {str(GOLDEN / 'shuffle.musicxml')!r}, '-', '--to', 'midi'], standalone_mode=False)"
    )
    told = f"print(set(sys.modules) & set({heavy!r}), file=sys.stderr)"
    check = f"import sys\ntry:\n    exec({program!r})\nexcept SystemExit: pass\n{told}"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, cwd=GOLDEN.parent.parent)
    assert done.stdout.startswith(b"MThd")
    assert done.stderr.decode().strip().splitlines()[-1] == "set()"


def rows() -> list[str]:
    """The table of ``docs/FORMATS.md``."""
    found = ["| name | format | in | out | does not hold | tested with |", "|---|---|---|---|---|---|"]
    for name, one in FORMATS.items():
        endings = ", ".join(f"`{ending}`" for ending in (one.ending, *one.endings, *one.only_read))
        title = f"{one.title} ({endings})" + (f", needs `drumscribe[{one.extra}]`" if one.extra else "")
        ways = ["yes" if way else "" for way in (name in READABLE, one.write)]
        found.append(
            f"| `{name}` | {title} | {ways[0]} | {ways[1]} | {one.loses} | {one.tested} |".replace("|  ", "| ")
        )
    return found


def test_the_document_has_the_table() -> None:
    assert "\n".join(rows()) in (GOLDEN.parent.parent / "docs" / "FORMATS.md").read_text()


def test_the_table_is_sound() -> None:
    assert all(name == found.name and found.title and found.about for name, found in FORMATS.items())
    assert all(found.is_it for found in READABLE.values())
    for name, found in WRITABLE.items():
        told = by_ending(f"Song{found.ending}")
        assert told is not None and told.ending == found.ending, name


_SOUND = (
    "kick", "snare", "cross_stick", "high_tom", "mid_tom", "floor_tom", "closed_hihat", "open_hihat", "pedal_hihat",
    "crash", "ride", "ride_bell", "china", "splash",
)  # fmt: skip
_CELLS = st.lists(
    st.tuples(st.integers(0, 31), st.sampled_from(_SOUND), st.integers(1, 127)),
    min_size=1, max_size=40, unique_by=lambda cell: cell[:2],
)  # fmt: skip


@given(cells=_CELLS, bpm=st.sampled_from([63, 97, 120, 188]))
@examples(12)
def test_hits_go_through_every_format(cells: list[tuple[int, str, int]], bpm: int) -> None:
    """Hits → format → hits: nothing is lost that the format can hold."""
    one = drumscribe.Song.from_hits([(cell * 15 / bpm, drum, velocity) for cell, drum, velocity in cells], bpm=bpm)
    exact = sorted((round(hit.time_s, 4), hit.drum, hit.velocity) for hit in one.hits)
    for kind in ("csv", "json", "midi"):
        again = imports.opened(one.render(kind)[0], "x")
        got = sorted((hit.time_s, hit.drum, hit.velocity) for hit in again.hits)
        assert [row[1:] for row in got] == [row[1:] for row in sorted(exact)], kind
        assert [row[0] for row in got] == pytest.approx([row[0] for row in exact], abs=0.002), kind
    for kind in ("jams", "sonic_visualiser", "audacity"):
        told = imports.opened(one.render(kind)[0], "x")
        known = [(round(hit.time_s, 3), hit.drum, hit.velocity if kind != "audacity" else 0) for hit in told.hits]
        shown = one.hits if kind == "jams" else one.shown
        loud = [(round(hit.time_s, 3), hit.drum, hit.velocity if kind != "audacity" else 0) for hit in shown]
        assert sorted(known) == sorted(loud), kind
    for kind in SAME[2:] + SAME[:1]:
        assert strokes(imports.opened(one.render(kind)[0], "x")) == strokes(one), kind
    crashed = {(bar, onset, "crash" if drum == "china" else drum) for bar, onset, drum, _ in strokes(one)}
    assert {row[:3] for row in strokes(imports.opened(one.render("hydrogen")[0], "x"))} == crashed
    lanes = {(p.bar, p.onset, DRUMS_OF[LANES[p.drum]]) for p in one.rhythm.placements if p.drum in LANES}
    for kind in ("clone_hero", "notes_mid") if lanes else ():
        again = imports.opened(one.render(kind)[0], "x")
        assert len(again.hits) <= len(one.hits) and {hit.drum for hit in again.hits} <= set(DRUMS_OF.values())


def test_damaged_files_open_or_are_refused() -> None:
    """The same as ``python -m benchmarks.fuzz``, which tries 10,000 of each."""
    for outcome in fuzz.outcomes(25, [], seed=1):
        assert not outcome.wrong, outcome
        assert outcome.refused, outcome.name
