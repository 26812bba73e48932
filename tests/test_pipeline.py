import pickle
import threading
from dataclasses import replace

import disks
import numpy as np
import pytest
import songs

from drumscribe import hits, rhythm
from drumscribe.audio import decoding, separation
from drumscribe.audio.decoding import decode
from drumscribe.errors import (
    BadWeightsError,
    Cancelled,
    NotAudioError,
    OptionsError,
    ProjectError,
    StorageError,
    UnreadableFileError,
)
from drumscribe.notation.formats import DEFAULT_FORMATS, WRITABLE
from drumscribe.options import Options
from drumscribe.pipeline import Run, transcribe
from drumscribe.settings import Settings
from drumscribe.song import edits, recordings
from drumscribe.song.stages import file_name
from drumscribe.song.transcription import Transcription
from drumscribe.storage.files import Store
from drumscribe.types import STAGES, Hits, Progress

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def settings(place):
    return Settings(data_dir=place / "data", separator="none", beat_tracker="madmom", offline=True)


@pytest.fixture(scope="module")
def song(place):
    return songs.song(place / "Four bars.wav")


@pytest.fixture(scope="module")
def first(song, settings):
    """The first run, with everything it reported."""
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        assert threading.current_thread() is threading.main_thread()
        reports.append(progress)

    return transcribe(song, settings=settings, on_progress=report), reports


@pytest.fixture(scope="module")
def result(first):
    return first[0]


def test_a_drum_loop_is_transcribed(result):
    assert result.song.title == "Four bars" and result.song.duration_s == pytest.approx(8.5, abs=0.01)
    assert result.grid.bpm == pytest.approx(120, abs=1)
    heard = {label: [hit.time_s for hit in result.hits if hit.drum == label] for label in ("kick", "snare")}
    for label in heard:
        wanted = [hit.time_s for hit in songs.beat() if hit.drum == label]
        found = sum(any(abs(time_s - other) < 0.05 for other in heard[label]) for time_s in wanted)
        assert found >= 0.75 * len(wanted), label
    assert len(result.rhythm.bars) >= 4 and len(result.score.measures) == len(result.rhythm.bars)


def test_progress_goes_through_the_stages_in_order(first):
    _, reports = first
    stages = list(dict.fromkeys(report.stage for report in reports))
    assert stages == [stage for stage in STAGES if stage != "export"]
    for stage in stages:
        fractions = [report.fraction for report in reports if report.stage == stage]
        assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_a_skipped_separation_is_said_plainly(result):
    assert result.heard.method == "none"
    assert any("not separated" in warning for warning in result.warnings)


def test_a_wish_for_no_separation_is_no_warning(song, settings):
    chosen = transcribe(song, Options().updated(separate={"separator": "none"}), settings=settings)
    assert chosen.warnings == ()


def strummed(seconds=12.0, rate=44_100):
    """A guitar's chord twice a second (K. Karplus and A. Strong, 1983)."""
    rng = np.random.default_rng(1)
    sound = np.zeros(round(seconds * rate), dtype=np.float32)
    for beat in np.arange(0.5, seconds - 1, 0.5):
        for string, pitch in enumerate((82.4, 123.5, 164.8, 207.7, 246.9, 329.6)):
            period, start = int(rate / pitch), int((beat + 0.008 * string) * rate)
            wave = rng.uniform(-1, 1, period)
            for at in range(start, min(start + rate, len(sound)), period):
                part = sound[at : at + period]
                part += 0.3 * wave[: len(part)]
                wave = 0.498 * (wave + np.roll(wave, 1))
    return sound / (2 * np.abs(sound).max())


def test_where_nobody_plays_drums_the_chart_is_empty_and_says_so(settings):
    guitar = decoding.from_samples(strummed(), 44_100)
    alone = transcribe(guitar, settings=settings)
    assert not alone.hits and any("No drums were found" in warning for warning in alone.warnings)
    assert len(alone.rescore(detect={"sensitivity": 0.6}).hits) > 10  # what is doubtful can be seen


def test_a_stem_at_hand_is_heard_with_the_mix(song, settings, result):
    run = Run(settings, None, None)
    audio = run.ingest(song, "")
    half = audio.samples.shape[1] // 2
    silenced = np.concatenate([audio.samples[:, :half], 0 * audio.samples[:, half:]], axis=1)
    stem = replace(result.stem, method="demucs", model="half of it", samples=silenced)
    end = -half // 2 // 441  # frames that are silent in the stem
    wishes = ("auto", "both", "mix", "stem")
    heard = {
        wish: run.detect(audio, stem, Options().updated(detect={"source": wish})).onset[end:].max() for wish in wishes
    }
    assert heard["auto"] == heard["both"]
    assert heard["stem"] < 0.02 < heard["both"] < heard["mix"] == result.activations.onset[end:].max()
    evidence = run.beats(audio, Options())
    done = run.finish(audio, stem, result.activations, evidence, Options())
    assert (done.heard.source, done.provenance["hits_heard_in"]) == ("both", "both")


def test_no_stem_to_hear_is_said(song, settings):
    wish = Options().updated(separate={"separator": "none"}, detect={"source": "both"})
    done = transcribe(song, wish, settings=settings)
    assert done.heard.source == "mix"
    assert done.warnings == ("There is no separated stem, so hits were heard in the mix.",)


@pytest.fixture
def count(monkeypatch):
    """Count the calls of the costly stages; they still do their work."""
    calls: list[str] = []
    for module, name in ((hits, "activations"), (rhythm, "track")):
        original = getattr(module, name)

        def counted(*args, _original=original, _name=name, **more):
            calls.append(_name)
            return _original(*args, **more)

        monkeypatch.setattr(module, name, counted, raising=False)
    return calls


def test_the_same_song_again_is_taken_from_the_cache(first, song, settings, count, place):
    again = transcribe(song, settings=settings)
    assert count == [] and set(again.timings) <= {"separate"}
    assert again.render("musicxml") == first[0].render("musicxml")
    copy = place / "copy" / "Other name.wav"
    copy.parent.mkdir()
    copy.write_bytes(song.read_bytes())
    renamed = transcribe(copy, settings=settings)
    assert count == [] and renamed.song.title == "Other name"


def test_what_a_stage_depends_on_makes_it_run_again(first, song, settings, count):
    transcribe(song, Options().updated(detect={"sensitivity": 0.9}, quantise={"finest": 8}), settings=settings)
    assert count == []
    transcribe(song, Options().updated(beats={"tracker": "auto"}), settings=settings)
    assert count == ["track"]


def test_a_crash_does_not_repeat_the_stages_before_it(song, settings, place, count, monkeypatch):
    fresh = settings.model_copy(update={"data_dir": place / "crash"})
    with monkeypatch.context() as patch:
        patch.setattr(rhythm, "track", lambda *args, **more: 1 / 0, raising=False)
        with pytest.raises(ZeroDivisionError):
            transcribe(song, settings=fresh)
    assert count == ["activations"]
    transcribe(song, settings=fresh)
    assert count == ["activations", "track"]


@pytest.mark.parametrize("stage", ["ingest", "separate", "detect", "beats", "quantise", "notate"])
def test_cancel_works_in_every_stage(song, settings, place, stage):
    cancel = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.stage == stage:
            cancel.set()

    fresh = settings.model_copy(update={"data_dir": place / f"cancel-{stage}"})
    with pytest.raises(Cancelled):
        transcribe(song, settings=fresh, on_progress=watch, cancel=cancel)


def test_what_runs_side_by_side_ends_together(song, settings, place):
    (place / "none.tflite").write_bytes(b"no model")
    values = {"data_dir": place / "no model", "model_uri": str(place / "none.tflite")}
    with pytest.raises(BadWeightsError):
        transcribe(song, settings=settings.model_copy(update=values))
    assert not any(thread.name.startswith("beats") for thread in threading.enumerate())


def test_a_copy_under_another_name_is_called_as_the_user_called_it(song, settings, place):
    upload = place / ("ab" * 32 + ".wav")
    upload.write_bytes(song.read_bytes())
    assert transcribe(upload, settings=settings, name="Rosanna_(live).wav").song.title == "Rosanna (live)"


def test_audio_may_be_given(song, settings, result):
    audio = decode(song, settings=settings)
    assert transcribe(audio, settings=settings).hits == result.hits


def test_bad_sources_are_typed_errors(settings, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"%PDF-1.7 " * 1000)
    with pytest.raises(NotAudioError):
        transcribe(tmp_path / "a.wav", settings=settings)
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(UnreadableFileError):
            transcribe(path, settings=settings)


def test_a_full_disk_costs_the_cache_alone(song, result, settings, tmp_path):
    with disks.small_disk(tmp_path / "disk") as folder:
        given = settings.model_copy(update={"data_dir": folder})
        found = transcribe(song, settings=given)
        assert found.hits == result.hits and "The disk is full" in found.warnings[-1]
        with pytest.raises(StorageError, match="full"):  # where another worker waits for the result
            Run(given, None, None, relay=True).ingest(song, "")


def test_rescore_changes_what_was_asked_and_shares_the_rest(result):
    slower = result.rescore(beats={"bpm": 60})
    assert slower.grid.bpm == pytest.approx(60, abs=1) and slower.hits == result.hits
    assert slower.activations is result.activations and slower.evidence is result.evidence
    waltz = result.rescore(beats={"meter": "3/4"})
    assert str(waltz.grid.meters[1]) == "3/4"
    titled = result.rescore(notate={"title": "Etude"})
    assert b"Etude" in titled.render("musicxml")[0] and titled.rhythm is result.rhythm
    assert result.rescore(quantise={"finest": 8}).grid is result.grid
    with pytest.raises(OptionsError):
        result.rescore(separate={"separator": "demucs"})
    with pytest.raises(OptionsError):
        result.rescore(detect={"speeds": [100]})
    with pytest.raises(OptionsError):
        result.rescore(detect={"source": "stem"})
    with pytest.raises(OptionsError):
        result.rescore(beats={"bpm": -1})


def test_sensitivity_follows_late_and_keeps_edits(result):
    edited = result.edit(edits.add(result.hits, 3.33, "crash"))
    edited = edited.edit(edits.delete(edited.hits, [edited.hits[0].id]))
    sure, all_of_them = (edited.rescore(detect={"sensitivity": value}) for value in (0.0, 1.0))
    assert len(sure.hits) < len(all_of_them.hits)
    for one in (sure, all_of_them):
        assert any(hit.drum == "crash" and hit.time_s == 3.33 for hit in one.hits)
        assert edited.history.edits[-1].removed[0].id not in one.hits.by_id()
    assert all_of_them.rescore(detect={"sensitivity": 0.5}).hits == edited.hits


def test_edits_reach_the_score_and_can_be_undone(result):
    added = result.edit(edits.add(result.hits, 2.5, "china", 120))
    (placed,) = [place for place in added.rhythm.placements if place.drum == "china"]
    assert placed.hit_id == added.hits.between(2.49, 2.51)[-1].id or placed.hit_id in added.hits.by_id()
    assert added.undo().score == result.score and added.undo().redo().score == added.score
    none = result.rescore(hits=Hits())
    assert len(none.hits) == 0 and none.history.undo_label == "Replace hits"
    far = result.edit(edits.add(result.hits, 8.4, "crash"))
    assert any(place.drum == "crash" for place in far.rhythm.placements)


def test_bars_stay_where_they_are_while_notes_are_edited(result):
    edited = result.edit(edits.delete(result.hits, [hit.id for hit in result.hits if hit.drum == "kick"]))
    assert np.array_equal(edited.grid.times, result.grid.times)
    assert np.array_equal(edited.grid.numbers, result.grid.numbers)


def test_rejected_candidates_can_be_accepted(result):
    strict = result.rescore(detect={"sensitivity": 0.0})
    assert not {hit.id for hit in strict.rejected} & strict.hits.by_id().keys()
    one = max(strict.rejected, key=lambda hit: hit.confidence)
    accepted = strict.edit(edits.accept(strict.hits, [one]))
    assert accepted.hits.by_id()[one.id].confidence == 1.0
    assert one.id not in {hit.id for hit in accepted.rejected}


def test_every_format_is_written_under_its_name(result, tmp_path):
    written = result.export(tmp_path, [kind for kind in WRITABLE if kind != "pdf"], name="AC/DC")
    assert set(written) == set(WRITABLE) - {"pdf"}
    for kind, path in written.items():
        assert path.name in (f"AC DC{WRITABLE[kind].ending}", f"AC DC-1{WRITABLE[kind].ending}")
        assert path.stat().st_size > 0
    assert written["csv"].read_text().splitlines()[0] == "time_s,drum,confidence,velocity"
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OptionsError):
        result.export(tmp_path, ["midi", "docx"], name="other")
    assert sorted(tmp_path.iterdir()) == before


def test_pdf_is_written(result, tmp_path):
    assert result.export(tmp_path, ["pdf"])["pdf"].read_bytes().startswith(b"%PDF")


def test_a_project_file_reopens_with_everything(result, tmp_path):
    edited = result.edit(edits.add(result.hits, 3.33, "crash")).rescore(beats={"bpm": 118})
    path = edited.export(tmp_path, ["json"])["json"]
    again = Transcription.load(path)
    for name in ("song", "heard", "options", "history", "rhythm", "score", "warnings", "provenance"):
        assert getattr(again, name) == getattr(edited, name), name
    assert again.render("json") == edited.render("json")
    assert again.rescore(detect={"sensitivity": 0.9}).hits == edited.rescore(detect={"sensitivity": 0.9}).hits
    assert np.array_equal(again.rescore(beats={"bpm": 60}).grid.times, edited.rescore(beats={"bpm": 60}).grid.times)
    assert again.undo().hits == result.hits
    with pytest.raises(ProjectError, match="no audio"):
        again.audio  # noqa: B018


def test_a_jobs_folder_reopens_with_its_audio(result, settings, tmp_path):
    folder = Store(settings.model_copy(update={"data_dir": tmp_path})).folder("ab" * 16)
    recordings.save(folder, result.audio, result.stem)
    result.keep(folder)
    again = pickle.loads(pickle.dumps(Transcription.reopen(folder)))
    assert again.score == result.score
    assert np.abs(again.audio.samples - result.audio.samples).max() < 1e-4
    assert again.audio.sha256 == result.audio.sha256 and again.stem.method == "none"
    assert again.preview("mix")[:4] == b"OggS"
    with pytest.raises(ProjectError, match="not separated"):
        again.preview("drums")
    heard_again = again.rescore(beats={"tracker": "auto"})  # the one cheap change that needs the audio
    assert heard_again.evidence is not again.evidence and len(heard_again.rhythm.bars) >= 4
    assert len(pickle.dumps(again)) < 4e6


def test_separated_parts_are_kept(result, settings, tmp_path):
    audio = result.audio
    stem = replace(
        result.stem, method="demucs", model="htdemucs", samples=audio.samples * 0.5, accompaniment=audio.samples * 0.5
    )
    folder = Store(settings.model_copy(update={"data_dir": tmp_path})).folder("cd" * 16)
    recordings.save(folder, audio, stem)
    stored = recordings.Stored(folder, result.song, recordings.Heard("demucs", "htdemucs"))
    assert np.abs(stored.stem.samples - stem.samples).max() < 1e-4
    assert np.abs(stored.stem.accompaniment - stem.accompaniment).max() < 1e-3
    for part in recordings.parts(stored.heard):
        assert stored.preview(part)[:4] == b"OggS"


def test_transcriptions_travel_between_processes(result):
    again = pickle.loads(pickle.dumps(result))
    assert again.score == result.score and np.array_equal(again.audio.samples, result.audio.samples)


def test_a_separation_that_could_not_be_had_is_tried_again(song, settings, place, monkeypatch):
    fresh = settings.model_copy(update={"separator": "auto", "data_dir": place / "auto"})
    unlucky = transcribe(song, settings=fresh)
    assert unlucky.heard.method == "none" and unlucky.heard.note in unlucky.warnings
    asked = []
    original = separation.separate
    monkeypatch.setattr(separation, "separate", lambda *a, **k: asked.append(1) or original(*a, **k))
    transcribe(song, settings=fresh)
    assert asked == [1]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Song", "Song"), ("a/b\\c:d", "a b c d"), ("..", "score"), ("", "score"), ("con", "con_"),
        (" .hidden. ", "hidden"), ("x\x00\n y", "x y"), ("日本語", "日本語"),
    ],
)  # fmt: skip
def test_file_names(text, name):
    assert file_name(text) == name


def test_long_file_names_are_cut_between_characters():
    assert len(file_name("ü" * 500).encode()) <= 120


def test_default_formats_are_those_of_the_command_line():
    assert DEFAULT_FORMATS == ("musicxml", "pdf", "midi", "csv", "json")
