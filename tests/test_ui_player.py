"""The player's Python side: what the browser is sent, and the pages that mount it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as any_of
from streamlit.testing.v1 import AppTest
from test_ui_pages import TOKEN, owner_of, press, settings, texts, visit  # noqa: F401
from ui_songs import put, song

from drumscribe.notation import page_count, read_musicxml
from drumscribe.notation.model import PAPER_MM
from drumscribe.song import playalong
from drumscribe.song.transcription import Transcription
from drumscribe.ui import scoring
from drumscribe.ui.player import component, media, recordings

RATE = 44_100


@pytest.fixture(scope="module")
def separated():
    return song(8, separated=True)


@pytest.fixture(scope="module")
def mixed():
    return song(8)


def decode(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1)


# --- what is sent -------------------------------------------------------------------------------------------------


def test_pieces_decode_by_themselves_and_overlap() -> None:
    clicks = np.zeros((2, 40 * RATE), np.float32)
    at = [0.5, 7.25, 14.95, 15.05, 29.9, 30.02, 39.5]
    for time_s in at:
        clicks[:, round(time_s * RATE) :][:, :200] = np.hanning(200) * 0.8
    data = media.encode(clicks, RATE)
    spans = media.spans(data)
    assert [start for start, _, _ in spans] == [0.0, 14.88, 29.88]
    assert spans[0][1] == 0 and spans[-1][2] == len(data)
    found = set()
    for start, first, end in spans:
        sound = np.abs(decode(data[first:end])).max(axis=0)
        for time_s in at:
            place = round((time_s - start) * 48_000)
            if 0 <= place < len(sound) - 480:
                peak = place + int(np.argmax(sound[place : place + 480]))
                assert abs(peak / 48_000 + start - time_s - 100 / RATE) < 0.002  # the window's middle
                found.add(time_s)
    assert found == set(at)


@pytest.mark.parametrize(("channels", "seconds"), [(1, 0.0), (2, 0.001), (1, 3.0), (2, 15.0), (2, 15.01)])
def test_any_length_is_encoded(channels: int, seconds: float) -> None:
    data = media.encode(np.zeros((channels, round(seconds * RATE)), np.float32), RATE)
    spans = media.spans(data)
    assert len(spans) == max(1, int(np.ceil(seconds / media.SEGMENT_S)))
    assert spans[-1][2] == len(data)


def test_page_marks_inside_the_audio_are_no_pages() -> None:
    data = media.encode(np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32), RATE)
    assert len(media.spans(data)) == 1
    assert media.spans(b"") == [] and media.spans(b"not ogg") == []


@rules(max_examples=30, deadline=None)
@given(any_of.integers(0, 5000), any_of.integers(1, 2))
def test_envelope_holds_the_largest_of_each_bin(length: int, channels: int) -> None:
    samples = np.random.default_rng(length).uniform(-1, 1, (channels, length)).astype(np.float32)
    shape = media.envelope(samples)
    assert len(shape) == -(-length // media.BIN)
    for index, value in enumerate(shape):
        loudest = np.abs(samples[:, index * media.BIN : (index + 1) * media.BIN]).max()
        assert abs(value - 255 * loudest) <= 0.51


def test_the_kit_covers_every_sound() -> None:
    data, shots = component._kit()
    sound = decode(data)
    ends = [start + length for _, _, start, length in shots]
    assert max(ends) <= sound.shape[1] / 48_000 + 0.05
    assert len(data) < 1_000_000


def test_the_bundle_is_built_and_named_in_the_licences() -> None:
    script = component._script().decode()
    assert "export{" in script.replace(" ", "") and "signalsmith" in script
    licences = (Path(component.__file__).parents[2] / "assets" / "LICENSES.md").read_text()
    lock = json.loads((Path(__file__).parents[1] / "player" / "package-lock.json").read_text())["packages"]
    for name in ("wavesurfer.js", "signalsmith-stretch"):
        assert f"**{name}** {lock[f'node_modules/{name}']['version']}" in licences
    assert not any("resolved" in package for package in lock.values())


# --- recordings ---------------------------------------------------------------------------------------------------


def test_drums_and_rest_add_up_to_the_mix(separated) -> None:
    drums, rest = recordings.recordings(separated)
    assert (drums.part, rest.part) == ("drums", "accompaniment")
    (_, first, end) = media.spans(drums.audio)[0]
    (_, also_first, also_end) = media.spans(rest.audio)[0]
    total = decode(drums.audio[first:end]) + decode(rest.audio[also_first:also_end])
    mix = decode(
        media.encode(separated.audio.samples, RATE)[: media.spans(media.encode(separated.audio.samples, RATE))[0][2]]
    )
    length = min(total.shape[1], mix.shape[1])
    error = total[:, :length] - mix[:, :length]
    assert np.square(error).mean() < 0.05 * np.square(mix[:, :length]).mean()


def test_recordings_are_made_once_and_kept(settings, separated) -> None:  # noqa: F811
    from drumscribe.song.transcription import Transcription
    from drumscribe.storage.files import Store

    job = put(settings, "browser-x", separated)
    folder = Store(settings).folder(job)
    for made in folder.path("audio.flac").parent.glob("player.*"):
        made.unlink()
    found = Transcription.reopen(folder)
    assert recordings.available(found) and not recordings.is_ready(found)
    first = recordings.recordings(found)
    assert recordings.is_ready(found)
    again = recordings.recordings(Transcription.reopen(folder))
    assert [one.audio for one in first] == [one.audio for one in again]
    assert [len(one.envelope) for one in first] == [-(-separated.audio.samples.shape[1] // media.BIN)] * 2


# --- pages --------------------------------------------------------------------------------------------------------


def sent(app: AppTest) -> dict:
    """What the mounted player was given."""
    told = [one.proto for one in app.main if one.type == "bidi_component"] or [
        one.proto for one in app.get("bidi_component")
    ]
    data = json.loads(next(proto for proto in told if proto.component_name == "drumscribe_player").json)
    parts = {name: json.loads(text) for name, text in data["texts"].items()}
    return data | parts | parts["sound"]


@pytest.mark.parametrize("page", ["score", "practice"])
def test_pages_without_a_song(settings, page) -> None:  # noqa: F811
    assert "No song is open" in texts(visit(page))


def test_score_page_shows_the_chart_and_follows_its_controls(settings, separated) -> None:  # noqa: F811
    app = visit("score", song_id=put(settings, owner_of(TOKEN), separated))
    data = sent(app)
    assert len(data["pages"]) >= 1 and data["pages"][0].endswith(".svg")
    assert len(data["hits"]["time"]) == len(separated.hits) and data["parts"]["score"]
    assert [fader["id"] for fader in data["faders"]] == ["original", "drums", "accompaniment", "synth", "click"]
    assert app.slider(key="score_bpm").value == 120
    before = data["versions"]
    app.slider(key="score_bpm").set_value(60).run()
    after = sent(app)["versions"]
    assert before["bars"] != after["bars"] and before["pages"] != after["pages"] and before["sound"] == after["sound"]
    assert app.slider(key="score_bpm").value == 60
    press(app, "score_tempo_found")
    assert sent(app)["versions"]["bars"] == before["bars"]


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_the_score_is_printed_without_the_studio_around_it(settings, separated, paper) -> None:  # noqa: F811
    made = separated.rescore(None, notate={"paper": paper})
    app = visit("score", song_id=put(settings, owner_of(TOKEN), made))
    printer = "drumscribe_print"
    assert printer not in [one.proto.component_name for one in app.get("bidi_component")]
    press(app, "score_print")
    told = [one.proto for one in app.get("bidi_component") if one.proto.component_name == printer]
    data = json.loads(told[0].json)
    assert [page[:4] for page in data["pages"]] == ["<svg"] * page_count(made.score)
    assert tuple(data["paper"]) == PAPER_MM[paper] and data["title"] == made.title
    assert printer not in [one.proto.component_name for one in app.run().get("bidi_component")]


CONTROLS = [
    ("toggle", "score_repeats", False),
    ("toggle", "score_simile", False),
    ("selectbox", "score_meter", "3/4"),
    ("number_input", "score_shift", 1),
    ("selectbox", "score_voices", 1),
    ("selectbox", "score_simplify", 2),
    ("text_input", "score_title", "Another name"),
]


def test_each_control_changes_the_chart_and_is_kept(settings, separated) -> None:  # noqa: F811
    job = put(settings, owner_of(TOKEN), separated)
    app = visit("score", song_id=job)
    for kind, key, value in CONTROLS:
        before = sent(app)["versions"]["pages"]
        getattr(app, kind)(key=key).set_value(value).run()
        assert not app.exception
        assert sent(app)["versions"]["pages"] != before, key
    again = visit("score", song_id=job)
    assert [getattr(again, kind)(key=key).value for kind, key, _ in CONTROLS] == [value for *_, value in CONTROLS]


def test_the_pull_to_the_grid_is_the_quantised_midis_and_not_the_charts(settings, separated) -> None:  # noqa: F811
    job = put(settings, owner_of(TOKEN), separated)
    app = visit("score", song_id=job)
    before, full = sent(app)["versions"]["pages"], state_of(app).render("midi_quantised")
    app.slider(key="score_strength").set_value(40).run()
    assert not app.exception
    assert sent(app)["versions"]["pages"] == before
    assert state_of(app).options.quantise.strength == pytest.approx(0.4)
    assert state_of(app).render("midi_quantised") != full


def state_of(app: AppTest) -> Transcription:
    return app.session_state["ds_session"].transcription


def test_a_selected_hit_is_marked(settings, separated) -> None:  # noqa: F811
    app = visit("score", song_id=put(settings, owner_of(TOKEN), separated))
    assert sent(app)["selected"] is None
    app.session_state["ds_session"].selected = separated.hits[5].id
    app.run()
    assert sent(app)["selected"] == separated.hits[5].id


def test_practice_page_of_a_song_that_was_not_separated(settings, mixed) -> None:  # noqa: F811
    app = visit("practice", song_id=put(settings, owner_of(TOKEN), mixed))
    data = sent(app)
    assert [fader["id"] for fader in data["faders"]] == ["original", "synth", "click"]
    assert data["parts"] == {"timeline": True, "mixer": True, "score": True}
    assert "not separated" in texts(app) and "take them down" in texts(app)
    mixes = {mix["label"]: mix["levels"] for mix in data["mixes"]}
    assert set(mixes["With drums and click"]) == {"original", "synth", "click"}
    app.toggle(key="practice_score").set_value(False).run()
    assert not sent(app)["parts"]["score"]


def test_a_song_without_audio_still_plays(settings, separated, monkeypatch) -> None:  # noqa: F811
    from dataclasses import replace

    from drumscribe.song.recordings import Absent
    from drumscribe.ui import state

    app = visit("practice", song_id=put(settings, owner_of(TOKEN), separated))
    held = app.session_state["ds_session"]
    held.transcription = replace(state.runner().result(held.job.id, owner=None), media=Absent())
    app.run()
    assert not app.exception
    data = sent(app)
    assert data["tracks"] == [] and [(f["id"], f["level"]) for f in data["faders"]] == [("synth", 1.0), ("click", 0.0)]
    assert "without its recording" in texts(app)


def test_long_charts_are_engraved_page_in_view_first(settings) -> None:  # noqa: F811
    long = song(60).rescore(notate={"simile": False, "repeats": False})
    app = visit("score", song_id=put(settings, owner_of(TOKEN), long))
    pages = sent(app)["pages"]
    assert len(pages) > 1 and pages[0] is not None and pages[1:] == [None] * (len(pages) - 1)
    assert sent(app)["view"]["svg"].lstrip().startswith("<svg")  # it is not fetched: the score waits for nothing
    for view, shown in ((1, 1), (-1, 0), (99, len(pages) - 1)):  # as a browser says it
        app.session_state["ds_session"].views["player_score"] = view
        app.run()
        assert [page is not None for page in sent(app)["pages"]] == [number == shown for number in range(len(pages))]
        assert sent(app)["view"]["page"] == shown
    app.session_state["ds_session"].projected["score_rest"] = True
    app.run()
    assert None not in sent(app)["pages"] and sent(app)["view"] is None


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_everything_holds_every_format(separated) -> None:
    with zipfile.ZipFile(io.BytesIO(scoring.everything(separated, "beat"))) as archive:
        names = set(archive.namelist())
        assert {
            "beat.musicxml",
            "beat.mid",
            "beat.quantised.mid",
            "beat.hits.csv",
            "beat.json",
            "beat.tab.txt",
            "beat.ly",
        } <= names
        assert "beat.pdf" in names or "no PDF.txt" in names
        if "beat.pdf" in names:
            assert archive.read("beat.pdf").startswith(b"%PDF")
        heads = [h for m in read_musicxml(archive.read("beat.musicxml")).measures for h in m.heads()]
        assert heads


def heard(found, container="WAV", **wish):
    sound, rate = soundfile.read(
        io.BytesIO(playalong.encoded(playalong.mixed(found, playalong.Wish(**wish)), container))
    )
    assert rate == RATE
    return sound.T


def onset_s(sound) -> float:
    level = np.abs(sound).max(axis=0)
    return float(np.argmax(level > 0.1 * level.max()) / RATE)


def test_files_to_play_along_with(separated) -> None:
    snare = next(hit.time_s for hit in separated.hits if hit.drum == "snare")
    alone = heard(separated, part=None, drums=("snare",))
    assert abs(alone.shape[1] / RATE - separated.song.duration_s) < 0.01 and abs(onset_s(alone) - snare) < 0.006
    clicked = heard(separated, part=None, drums=("snare",), click=True)
    assert np.abs(clicked[:, : round(snare * RATE)]).max() > 0.01

    mix, without = heard(separated), heard(separated, part="accompaniment")
    assert np.abs(without).max() < 0.2 * np.abs(mix).max()  # the stem holds nine tenths of this song
    first = separated.rhythm.bars[0]
    bar_s = first.end_s - first.start_s
    counted = heard(separated, count_in=True)
    early = counted.shape[1] / RATE - separated.song.duration_s
    assert early == pytest.approx(bar_s - first.start_s, abs=0.01)  # a whole bar of clicks fits in front
    before = counted[:, : round(bar_s * RATE)]
    beats = [round(bar_s * RATE * beat / 4) for beat in range(4)]
    assert all(np.abs(before[:, at : at + 3000]).max() > 0.05 for at in beats)
    assert np.allclose(counted[:, round((early + 1.0) * RATE) :][:, :RATE], mix[:, RATE : 2 * RATE], atol=0.02)
    assert len(heard(separated, "MP3").T) and len(heard(separated, "FLAC").T)


def test_a_file_to_play_along_with_is_made_on_the_page(settings, separated) -> None:  # noqa: F811
    app = visit("practice", song_id=put(settings, owner_of(TOKEN), separated))
    app.radio(key="practice_part").set_value("The recording without drums").run()
    app.toggle(key="practice_count").set_value(True).run()
    app.button(key="practice_make").click().run()
    assert not app.exception
    assert [one.proto.label for one in app.get("download_button")] == ["Download (WAV)"]


def test_mixes_set_only_faders_that_are_there() -> None:
    from drumscribe.ui.player.song import _MIXES, _RECORDING_FADERS

    for method, mixes in _MIXES.items():
        ids = {fader.id for fader in _RECORDING_FADERS[method]} | {"synth", "click"}
        assert mixes and all(set(mix.levels) <= ids for mix in mixes)


def test_faders_feed_only_tracks_that_are_sent() -> None:
    from drumscribe.ui.player.song import _RECORDING_FADERS

    for method, faders in _RECORDING_FADERS.items():
        sent_parts = set(recordings._SHOWN[method])
        assert all(set(fader.feeds) <= sent_parts for fader in faders)
