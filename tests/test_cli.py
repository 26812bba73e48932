import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import songs
from click.testing import CliRunner, Result

from drumscribe.cli import commands as command_line
from drumscribe.cli.commands import cli
from drumscribe.settings import get_settings

ROOT = Path(__file__).parent.parent
WHOLE_RUN = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def loop(place):
    return songs.song(place / "Loop.wav", bars=2)


@pytest.fixture
def run(place, monkeypatch):
    """Run the command line in this process, with one data folder for the whole module."""
    before = dict(os.environ)
    os.environ.update(DATA_DIR=str(place / "data"), SEPARATOR="none", OFFLINE="1", BEAT_TRACKER="madmom")
    get_settings.cache_clear()

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    yield invoke
    os.environ.clear()
    os.environ.update(before)
    get_settings.cache_clear()


def test_help_imports_little_and_documents_exit_statuses():
    program = [sys.executable, "-X", "importtime", "-m", "drumscribe", "--help"]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    for status in ("0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "130"):
        assert f"\n    {status}" in done.stdout
    imported = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert len(imported) < 400, "more than click needs"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["transcribe"], 2, "SONG"),
        (["transcribe", "none.wav"], 3, "none.wav"),
        (["transcribe", "https://example.com/x"], 3, "YouTube"),
        (["transcribe", "x.wav", "--formats", "docx"], 2, "docx"),
        (["transcribe", "x.wav", "--formats", ","], 2, "format"),
        (["transcribe", "x.wav", "--bpm", "-3"], 2, "bpm"),
        (["transcribe", "x.wav", "--meter", "4/5"], 2, "meter"),
        (["transcribe", "x.wav", "--separator", "magic"], 2, "magic"),
        (["rescore", "none.json"], 3, "none.json"),
        (["models", "fetch", "no-such-model"], 2, "no-such-model"),
        (["models", "fetch", "htdemucs"], 4, "htdemucs"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_errors_have_a_status_and_a_line_on_stderr_but_no_traceback(run, arguments, status, says):
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert says in result.stderr and result.stdout == ""
    assert "Traceback" not in result.output


def test_a_bad_setting_is_named(run, monkeypatch):
    monkeypatch.setenv("MAX_DURATION_S", "-1")
    get_settings.cache_clear()
    result = run("doctor")
    assert result.exit_code == 2 and "MAX_DURATION_S" in result.stderr


def test_debug_shows_the_traceback(run, capfd):
    result = run("transcribe", "none.wav", "--debug")
    assert result.exit_code == 3 and "Traceback" in result.stderr


def test_an_unexpected_error_is_one_line_and_status_1(run, monkeypatch):
    monkeypatch.setattr(command_line, "songs_in", lambda songs: 1 / 0)
    result = run("transcribe", "x.wav")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1 and "ZeroDivisionError" in result.stderr


def test_doctor_and_models_tell_what_there_is(run):
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").stdout)}
    assert checks["python"]["state"] == "ok" and checks["data folder"]["state"] == "ok"
    assert "verovio" in checks["pdf"]["found"]
    assert "python" in run("doctor").stdout
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json").stdout)}
    assert rows["hits"]["used"] and rows["htdemucs"]["state"] == "missing"
    assert "htdemucs" in run("models", "list").stdout
    verified = run("models", "verify", "hits")
    assert verified.exit_code == 0 and "hits" in verified.stdout
    assert run("models", "verify", "htdemucs").exit_code == 4


def test_example_is_a_song_that_can_be_copied(run, tmp_path):
    path = Path(run("example").stdout.strip())
    assert path.is_file() and path.suffix == ".ogg"
    copy = Path(run("example", "-o", tmp_path).stdout.strip())
    assert copy.parent == tmp_path and copy.read_bytes() == path.read_bytes()


def test_names_of_one_run_never_collide():
    taken: set[str] = set()
    names = [command_line.free_name(name, taken) for name in ("Song", "song", "Song", "song-2", "Other")]
    assert names == ["Song", "song-2", "Song-3", "song-2-2", "Other"]


@WHOLE_RUN
def test_transcribe_writes_the_files(run, loop, tmp_path):
    result = run("transcribe", loop, "-o", tmp_path / "out", "--title", "My loop")
    assert result.exit_code == 0, result.output
    names = {"Loop.musicxml", "Loop.pdf", "Loop.mid", "Loop.hits.csv", "Loop.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert (tmp_path / "out" / "Loop.hits.csv").read_text().splitlines()[0] == "time_s,drum,confidence,velocity"
    assert b"My loop" in (tmp_path / "out" / "Loop.musicxml").read_bytes()
    assert "hits" in result.stdout and "BPM" in result.stdout and str(tmp_path / "out" / "Loop.pdf") in result.stdout


@WHOLE_RUN
def test_several_songs_and_folders_with_one_bad_one(run, loop, place, tmp_path):
    folder = place / "album"
    folder.mkdir()
    for name in ("b.wav", "a.WAV"):
        (folder / name).write_bytes(loop.read_bytes())
    (folder / "cover.jpg").write_bytes(b"not a song")
    (folder / "c.mp3").write_bytes(b"not a song either")
    result = run("transcribe", folder, loop, loop, "-o", tmp_path, "--formats", "csv,midi", "--json")
    summary = json.loads(result.stdout)
    assert [Path(song["source"]).name for song in summary] == ["a.WAV", "b.wav", "c.mp3", "Loop.wav", "Loop.wav"]
    assert [song["ok"] for song in summary] == [True, True, False, True, True]
    assert summary[2]["errors"][0]["code"] == "not_audio" and result.exit_code == 3 and "c.mp3" in result.stderr
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{name}{end}" for name in ("a", "b", "Loop", "Loop-2") for end in (".hits.csv", ".mid")}
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run("transcribe", empty).exit_code == 3


@WHOLE_RUN
def test_a_format_that_cannot_be_made_does_not_lose_the_others(run, loop, tmp_path, monkeypatch):
    monkeypatch.setenv("PDF_BACKEND", "none")
    get_settings.cache_clear()
    result = run("transcribe", loop, "-o", tmp_path, "--formats", "pdf,csv")
    assert result.exit_code == 5 and "PDF" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Loop.hits.csv"]


@WHOLE_RUN
def test_quiet_says_nothing(run, loop, tmp_path):
    result = run("transcribe", loop, "-o", tmp_path, "--formats", "csv", "-q")
    assert (result.exit_code, result.output) == (0, "")


@WHOLE_RUN
def test_rescore_needs_only_the_project(run, loop, tmp_path):
    run("transcribe", loop, "-o", tmp_path, "--formats", "json,csv")
    result = run(
        "rescore", tmp_path / "Loop.json", "--bpm", "60", "--meter", "2/4", "--formats", "musicxml,json", "--json"
    )
    assert result.exit_code == 0, result.output
    (summary,) = json.loads(result.stdout)
    assert summary["bpm"] == pytest.approx(60, abs=1) and summary["meter"] == "2/4"
    assert (tmp_path / "Loop.musicxml").exists()
    again = run("rescore", tmp_path / "Loop.json", "-o", tmp_path / "again", "--formats", "musicxml")
    assert again.exit_code == 0
    assert (tmp_path / "again" / "Loop.musicxml").read_bytes() == (tmp_path / "Loop.musicxml").read_bytes()


def test_what_the_reading_changed_is_listed_filtered_and_taken_back(run, tmp_path):
    from ui_songs import song

    from drumscribe.song.transcription import Transcription

    made = song(8, doubts=True).rescore(quantise={"reading": "clean"})
    path = made.export(tmp_path, ("json",), name="Beat")["json"]
    listed = json.loads(run("changes", path, "--json").stdout)
    assert [row["hit_id"] for row in listed] == [change.hit_id for change in made.rhythm.changes] and len(listed) > 1
    kind = listed[0]["kind"]
    some = run("changes", path, "--kind", kind, "--drum", listed[0]["drum"] or listed[0]["heard"])
    assert kind in some.output and "not as heard" in some.output
    one = run("changes", path, "--hit", listed[0]["hit_id"], "--take-back")
    assert "1 stroke taken back." in one.output
    left = [row["hit_id"] for row in json.loads(run("changes", path, "--json").stdout)]
    assert listed[0]["hit_id"] not in left
    assert "taken back" in run("changes", path, "--take-back").output
    assert Transcription.load(path).rhythm.changes == ()
    assert run("changes", path).output == "0 strokes not as heard.\n"


def test_other_readings_are_listed_and_taken_by_number(run, tmp_path):
    from ui_songs import song

    made = song(8)
    made.export(tmp_path, ("json",), name="Beat")
    listed = run("rescore", tmp_path / "Beat.json", "--formats", "json")
    assert f"1 = {made.grid.alternatives[0].name}" in listed.output
    result = run("rescore", tmp_path / "Beat.json", "--alternative", "1", "--formats", "csv", "--json")
    assert result.exit_code == 0, result.output
    (summary,) = json.loads(result.stdout)
    assert summary["counted"].startswith(made.grid.alternatives[0].name.split(",")[0])
    assert made.grid.name in [other["name"] for other in summary["alternatives"]], "the way back is offered"
    assert run("rescore", tmp_path / "Beat.json", "--alternative", "9").exit_code == 2


@WHOLE_RUN
def test_a_folder_that_cannot_be_written_is_status_6(run, loop, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    result = run("transcribe", loop, "-o", tmp_path / "file" / "out")
    assert result.exit_code == 6 and result.stderr.startswith("Error: ")


@WHOLE_RUN
def test_on_a_terminal_there_are_bars_and_ctrl_c_stops(place, loop, tmp_path):
    """A real process on a pseudo-terminal, stopped in the stage of beats; native libraries print nothing there."""
    environment = {
        **os.environ,
        "DATA_DIR": str(place / "data"),
        "SEPARATOR": "none",
        "TERM": "xterm",
        "COLUMNS": "100",
    }
    fresh = songs.song(tmp_path / "Fresh.wav", bars=2, times=8)
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "drumscribe", "transcribe", str(fresh), "-o", str(tmp_path / "out")],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=follower, text=True,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    until = time.monotonic() + 240
    while b"detect" not in shown and time.monotonic() < until:
        shown += os.read(leader, 4096)
    child.send_signal(signal.SIGINT)
    try:
        while block := os.read(leader, 4096):
            shown += block
    except OSError:
        pass  # the terminal closes with the process
    os.close(leader)
    assert child.wait(240) == 130
    text = shown.decode()
    assert "ingest" in text and "100%" in text and "cancelled" in text
    assert "oneDNN" not in text and "Traceback" not in text
    assert not (tmp_path / "out").exists()


def test_an_edited_chart_returns_and_a_midi_file_becomes_a_score(run, place):
    from ui_songs import song as made

    from drumscribe.song.edits import add

    found = made(4)
    found.export(place, ["json", "midi"], name="Beat")
    changed = found.edit(add(found.hits, found.rhythm.bars[1].start_s, "china"))
    changed.export(place, ["musicxml"], name="Beat edited")
    done = run("rescore", place / "Beat.json", "--chart", place / "Beat edited.musicxml", "--formats", "csv", "-q")
    assert done.exit_code == 0, done.stderr
    assert (place / "Beat.hits.csv").read_text().count("china") == 1
    done = run("rescore", place / "Beat.json", "--formats", "pdf", "--engraver", "lilypond", "-q")
    assert done.exit_code == 0 and b"LilyPond" in (place / "Beat.pdf").read_bytes(), done.stderr
    done = run("rescore", place / "Beat.mid", "-o", place / "of midi", "--formats", "musicxml,json", "-q")
    assert done.exit_code == 0, done.stderr
    assert (place / "of midi" / "Beat.musicxml").read_bytes().count(b"<unpitched>") == len(found.hits)
    done = run("rescore", place / "Beat.json", "--chart", place / "Beat.json")
    assert (done.exit_code, "MusicXML" in done.stderr or "XML" in done.stderr) == (3, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(run, shell):
    told = run("completion", shell)
    assert told.exit_code == 0 and "_DRUMSCRIBE_COMPLETE" in told.stdout and "drumscribe" in told.stdout


def test_bash_completes_commands_and_options(tmp_path):
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    words = {"COMP_WORDS": "drumscribe tr", "COMP_CWORD": "1", "_DRUMSCRIBE_COMPLETE": "bash_complete"}
    program = "import sys; sys.argv = ['drumscribe']; from drumscribe.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **words}, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["plain,transcribe"]


def test_every_command_that_reports_speaks_json(run):
    assert Path(json.loads(run("example", "--json").stdout)["path"]).is_file()
    assert json.loads(run("models", "verify", "hits", "--json").stdout)[0]["model"] == "hits"
    assert "hits" in json.loads(run("models", "fetch", "hits", "--json").stdout)


def test_a_project_through_a_pipe(run, loop, tmp_path):
    assert run("transcribe", loop, "-o", tmp_path, "--formats", "json", "-q").exit_code == 0
    project = (tmp_path / "Loop.json").read_bytes()
    run_with = CliRunner().invoke
    done = run_with(cli, ["rescore", "-", "--formats", "midi"], input=project)
    assert done.exit_code == 0 and done.stdout_bytes.startswith(b"MThd")
    assert run_with(cli, ["rescore", "-"], input=project).exit_code == 2  # several formats
    heard = run_with(cli, ["transcribe", "-", "-o", "-", "--formats", "csv"], input=loop.read_bytes())
    assert heard.exit_code == 0 and heard.stdout.startswith("time_s,drum,confidence,velocity")
    assert run_with(cli, ["transcribe", "-", "-o", str(tmp_path)], input=b"").exit_code == 3


def test_two_dashes_end_the_options(run, loop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-q").mkdir()
    shutil.copy(loop, tmp_path / "-q" / "--json.wav")
    assert run("transcribe", "-o", "out", "--formats", "csv", "--", "-q").exit_code == 0
    assert (tmp_path / "out" / "--json.hits.csv").is_file()


def test_a_folder_may_have_settings_of_its_own(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drumscribe.toml").write_text('DEMUCS_OVERLAP = 0.25\nseparator = "demucs"\nbeat_tracker = "librosa"\n')
    get_settings.cache_clear()
    settings = get_settings()
    assert (settings.demucs_overlap, settings.separator, settings.beat_tracker) == (0.25, "none", "madmom")
    for text, says in (("DEMUCS_OVERLAP = 2", "DEMUCS_OVERLAP"), ("THREDS = 2", "THREDS"), ("a = ", "drumscribe.toml")):
        (tmp_path / "drumscribe.toml").write_text(text)
        get_settings.cache_clear()
        told = run("doctor")
        assert told.exit_code == 2 and says in told.stderr
