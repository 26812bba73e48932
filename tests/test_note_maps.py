"""E-kits and drum plug-ins: which note is which drum, read and written."""

from __future__ import annotations

import io
from pathlib import Path

import mido
import pytest
from click.testing import CliRunner
from ui_songs import song

from drumscribe.cli.commands import cli
from drumscribe.errors import OptionsError, ProjectError
from drumscribe.kit import BY_MIDI, DRUMS
from drumscribe.notation import note_maps, read_midi
from drumscribe.notation.midi_reader import struck_notes
from drumscribe.notation.names import drum_named
from drumscribe.notation.note_maps import GENERAL_MIDI, note_map
from drumscribe.options import Options
from drumscribe.settings import Settings, get_settings
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription

Event = tuple[float, mido.Message]


def midi(*events: Event, track: str = "") -> bytes:
    """Events at seconds, at 120 BPM."""
    made = mido.MidiTrack([mido.MetaMessage("track_name", name=track)])
    at = 0
    for time_s, message in sorted(events, key=lambda event: event[0]):
        tick = round(time_s * 960)
        made.append(message.copy(time=tick - at))
        at = tick
    out = io.BytesIO()
    mido.MidiFile(tracks=[made]).save(file=out)
    return out.getvalue()


def note(time_s: float, key: int, velocity: int = 90) -> Event:
    return time_s, mido.Message("note_on", channel=9, note=key, velocity=velocity)


def pedal(time_s: float, value: int) -> Event:
    return time_s, mido.Message("control_change", channel=9, control=4, value=value)


def drums(data: bytes, name: str = "") -> list[str]:
    return [hit.drum for hit in read_midi(data, note_map(name) if name else None).hits]


@pytest.mark.parametrize("name", note_maps.names())
def test_every_map_is_whole(name: str) -> None:
    found = note_map(name)
    assert found.title and found.source
    assert not set(found.notes) & set(found.other)
    assert set(found.lacks(DRUMS)) <= {"splash", "china", "cross_stick", "ride_bell"}
    assert found.key("snare") - found.key("kick") == 2  # all of them have C and D of some octave
    again = note_maps.named(note_maps.reaper_names(found), name="again")
    changed = {n for n, label in found.notes.items() if label in DRUMS and again.notes[n] != label}
    assert not changed


def test_general_midi_is_the_drum_tables() -> None:
    assert note_map(GENERAL_MIDI).notes == BY_MIDI | {39: "snare"}
    assert all(note_map(GENERAL_MIDI).key(label) == row.midi for label, row in DRUMS.items())


def test_hats_on_one_note_are_told_by_the_pedal() -> None:
    data = midi(
        pedal(0, 127), note(0.1, 46), pedal(0.5, 10), note(0.6, 46), pedal(1, 120), note(1.1, 46), note(1.2, 36)
    )
    assert drums(data) == ["closed_hihat", "open_hihat", "closed_hihat", "kick"]
    assert any("controller 4" in said for said in read_midi(data).notes)
    apart = midi(pedal(0, 127), note(0.1, 46), pedal(0.5, 10), note(0.6, 42))
    assert drums(apart) == ["open_hihat", "closed_hihat"]  # the module tells them itself
    unmoved = midi(pedal(0, 0), note(0.1, 42), note(0.6, 42))
    assert drums(unmoved) == ["closed_hihat", "closed_hihat"]


def test_a_kit_whose_hats_come_on_one_note_is_written_with_its_pedal() -> None:
    hats = ["closed_hihat", "open_hihat", "closed_hihat", "open_hihat"]
    made = Transcription.from_hits([(n / 2, drum, 90) for n, drum in enumerate(hats)], bpm=120)
    data = made.rescore(write={"note_map": "alesis-strata"}).render("midi")[0]
    sent = [message for message in mido.MidiFile(file=io.BytesIO(data)).tracks[1] if not message.is_meta]
    assert {message.note for message in sent if message.type == "note_on"} == {18}
    assert [message.value for message in sent if message.is_cc(4)] == [127, 0, 127, 0]
    assert drums(data) == hats


def test_a_kit_with_a_pedal_gets_its_place_before_each_stroke() -> None:
    """Its hats have notes of their own, but the module sounds them as open as its pedal stands."""
    hats = ["closed_hihat", "open_hihat", "pedal_hihat", "open_hihat"]
    made = Transcription.from_hits([(n / 2, drum, 90) for n, drum in enumerate(hats)], bpm=120)
    for kit, sent in (("roland-td", [127, 0, 127, 0]), (GENERAL_MIDI, [])):
        for kind in ("midi", "midi_quantised"):
            data = made.rescore(write={"note_map": kit}).render(kind)[0]
            track = mido.MidiFile(file=io.BytesIO(data)).tracks[1]
            assert [message.value for message in track if message.is_cc(4)] == sent
            assert drums(data) == hats


def test_an_unknown_note_is_told_and_guessed_where_makers_agree() -> None:
    played = read_midi(midi(note(0, 36), note(0.5, 58), note(1, 58), note(1.5, 56), note(2, 3)))
    assert [hit.drum for hit in played.hits] == ["kick", "floor_tom", "floor_tom"]
    assert played.unknown == ((3, 1), (56, 1), (58, 2))
    told = " ".join(played.notes)
    assert "Note 58 (2 times) is no drum of General MIDI: taken for floor tom, as Roland" in told
    assert "56, Cowbell, (once)" in told and "Note 3 (once)" in told
    assert drums(midi(note(0, 60), note(1, 36))) == ["kick"]  # a bongo: one plug-in alone has its open hat there


def test_the_feet() -> None:
    data = midi(note(0, 36), note(1, 44), note(1.02, 46, 25), note(2, 46, 25), note(3, 44), note(3.01, 46, 100))
    assert drums(data) == ["kick", "pedal_hihat", "open_hihat", "pedal_hihat", "open_hihat"]
    assert any("(1) within 30 ms" in said for said in read_midi(data).notes)
    splash = read_midi(midi(note(0, 21), note(1, 36)), note_map("alesis-nitro"))
    assert [hit.drum for hit in splash.hits] == ["pedal_hihat", "kick"] and "splashes (1)" in splash.notes[-1]


def test_chokes_are_counted() -> None:
    touch = (0.5, mido.Message("polytouch", channel=9, note=49, value=127))
    assert "Chokes of cymbals (1)" in read_midi(midi(note(0, 49), touch)).notes[-1]
    assert "Chokes of cymbals (1)" in read_midi(midi(note(0, 36), note(1, 56)), note_map("superior-drummer")).notes[-1]


def test_a_tracks_name_tells_the_plug_in() -> None:
    data = midi(note(0, 36), note(1, 49), note(2, 77), track="Addictive Drums 2")
    assert drums(data) == ["kick", "closed_hihat", "crash"]
    assert "Addictive Drums 2" in read_midi(data).notes[0]
    assert drums(data, GENERAL_MIDI)[1] == "crash"
    events = [note(0, 24), note(1, 47), note(2, 77)]
    assert drums(midi(*events, track="GGD Matt Halpern")) == ["kick", "closed_hihat"]  # the last stops a china
    assert drums(midi(*events, track="P IV Matt Halpern")) == ["kick", "open_hihat", "closed_hihat"]


@pytest.mark.parametrize("name", note_maps.names())
def test_what_is_written_for_a_kit_comes_back(name: str) -> None:
    found = song(4)
    lost = note_map(name).lacks({hit.drum for hit in found.hits})
    data = found.rescore(write={"note_map": name}).render("midi_quantised")[0]
    again = imports.opened(data, "x")
    if not lost:
        assert [(p.bar, p.onset, p.drum) for p in again.rhythm.placements] == [
            (p.bar, p.onset, p.drum) for p in found.rhythm.placements
        ]
    chosen = imports.opened(data, "x", Options().updated(read={"note_map": name}))
    assert chosen.rhythm.placements == again.rhythm.placements


def test_learning_ones_own_kit(tmp_path: Path) -> None:
    keys = [60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71]
    taps = midi(*(note(n + repeat / 4, key) for n, key in enumerate(keys) for repeat in range(2)))
    found = note_maps.learned(struck_notes(taps), name="mine")
    assert found.notes[60] == "kick" and found.notes[71] == "ride_bell" and found.notes[36] == "kick"
    assert found.key("snare") == 61
    settings = Settings(data_dir=tmp_path)
    note_maps.saved(found, settings)
    assert note_map("mine", settings) == found and note_maps.names(settings)[-1] == "mine"
    for struck, order, says in (([1, 2], ("kick",), "2 pads"), ([1, 2, 1], ("kick", "snare", "ride"), "two drums")):
        with pytest.raises(ProjectError, match=says):
            note_maps.learned(struck, order, name="mine")
    for name in ("../x", GENERAL_MIDI, "a/b"):
        with pytest.raises(OptionsError):
            note_maps.saved(note_maps.learned([1], ["kick"], name=name), settings)
    with pytest.raises(OptionsError, match="no note map"):
        note_map("../../etc/passwd", settings)
    (tmp_path / "maps" / "bad.toml").write_text("title = 1")
    with pytest.raises(ProjectError, match=r"bad\.toml"):
        note_map("bad", settings)


def test_names_of_drums() -> None:
    for row in DRUMS.values():
        assert drum_named(row.name) == row.label
    for text, label in (
        ("HH Closed Tip", "closed_hihat"), ("Hat Semi-Open", "open_hihat"), ("Floortom 1", "floor_tom"), ("BD", "kick"),
        ("Racktom 1", "high_tom"), ("Snare Rimshot", "snare"), ("Hand Clap", None), ("Piano", None),
    ):  # fmt: skip
        assert drum_named(text) == label, text


def test_maps_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    get_settings.cache_clear()
    run = CliRunner().invoke
    try:
        assert "roland-td" in run(cli, ["maps"]).stdout
        assert "36 Bass drum" in run(cli, ["maps", "show", "hydrogen", "--reaper"]).stdout
        (tmp_path / "names.txt").write_text("// Reaper\n60 Kick\n61 Snare\n62 Cowbell\n")
        done = run(cli, ["maps", "learn", str(tmp_path / "names.txt"), "--name", "mine"])
        assert done.exit_code == 0 and "2 notes" in done.stdout, done.stderr
        (tmp_path / "take.mid").write_bytes(midi(note(0, 60), note(0.5, 61), note(1, 62), note(1.5, 61)))
        out = tmp_path / "take.csv"
        done = run(cli, ["convert", str(tmp_path / "take.mid"), str(out), "--note-map", "mine"])
        assert done.exit_code == 0 and "62, Cowbell," in done.stdout, done.stderr
        assert [line.split(",")[1] for line in out.read_text().splitlines()[1:]] == ["kick", "snare", "snare"]
        assert run(cli, ["convert", str(tmp_path / "take.mid"), str(out), "--note-map", "none"]).exit_code == 2
    finally:
        get_settings.cache_clear()
