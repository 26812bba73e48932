"""Listening while somebody plays: the detector against what was played, the follower, the process, the take."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import av
import numpy as np
import pytest

from drumscribe.audio import synth
from drumscribe.errors import DetectionError
from drumscribe.live import Follower, LiveEngine, Take
from drumscribe.settings import Settings
from drumscribe.types import Hit, Hits, Meter

RATE = 44_100


def groove(bars: int, bpm: float = 110.0, start_s: float = 0.4) -> Hits:
    """Kick, snare, and hats in eighths."""
    beat = 60 / bpm
    rows = []
    for bar in range(bars):
        at = start_s + bar * 4 * beat
        rows += [(at + i * beat / 2, "closed_hihat", 90) for i in range(8)]
        rows += [
            (at, "kick", 110),
            (at + 2 * beat, "kick", 105),
            (at + beat, "snare", 110),
            (at + 3 * beat, "snare", 108),
        ]
    return Hits.of(Hit(i, time_s, drum, 1.0, velocity) for i, (time_s, drum, velocity) in enumerate(rows))


def found_share(played: Hits, heard: list[Hit], drum: str) -> float:
    """Share of the played strokes of ``drum`` that were told within 50 ms."""
    times = np.array([hit.time_s for hit in heard if hit.drum == drum])
    wanted = [hit.time_s for hit in played if hit.drum == drum]
    return sum(bool(len(times)) and float(np.abs(times - at).min()) < 0.05 for at in wanted) / len(wanted)


# --- following the beat -------------------------------------------------------------------------------------------


def test_bars_of_a_steady_drummer() -> None:
    played = groove(6, 120)
    follower = Follower(120, Meter(4, 4))
    assert follower.bars_done(10) == 0
    follower.hear(played)
    assert follower.bars_done(0.4 + 3.99 * 2) == 3 and follower.bars_done(0.4 + 4.01 * 2) == 4
    grid = follower.grid(1, 2)
    assert np.allclose(grid.times, 2.4 + 0.5 * np.arange(9), atol=0.01)
    assert list(grid.numbers) == [1, 2, 3, 4] * 2 + [1]


@pytest.mark.parametrize("ratio", [0.94, 0.97, 1.03, 1.06])
def test_a_wrong_tempo_is_mended(ratio: float) -> None:
    played = groove(16, 120)
    follower = Follower(120 * ratio, Meter(4, 4))
    follower.hear(played)
    assert abs(follower.bpm - 120) < 1.5
    at = 0.4 + 14 * 2.0
    grid = follower.grid(follower.bars_done(at + 0.05), 1)
    assert abs(float(grid.times[0]) - at) < 0.04


def test_a_drifting_tempo_is_followed() -> None:
    times, at, step = [], 0.5, 0.5
    for _ in range(96):
        times.append(at)
        step *= 0.998
        at += step
    follower = Follower(120, Meter(4, 4))
    follower.hear(Hit(i, t, "snare" if i % 2 else "kick", 1.0, 100) for i, t in enumerate(times))
    assert abs(follower.bpm - 60 / step) < 4


def test_offbeats_and_pauses_do_not_derail_it() -> None:
    played = [hit for hit in groove(12, 100) if not 8 < hit.time_s < 15]
    extra = [Hit(900 + i, hit.time_s + 0.19, "snare", 1.0, 60) for i, hit in enumerate(played[::3])]
    follower = Follower(100, Meter(4, 4))
    follower.hear(Hits.of([*played, *extra]))
    assert abs(follower.bpm - 100) < 2


@pytest.mark.parametrize("knock", [0.05, 0.2, 0.3])
def test_a_knock_before_the_first_stroke_does_not_move_the_beat(knock: float) -> None:
    follower = Follower(120, Meter(4, 4))
    follower.hear(Hits.of([Hit(900, knock, "closed_hihat", 1.0, 40), *groove(8, 120)]))
    beside = ((follower.grid(2, 2).times - 0.4) / 0.5 - np.arange(9) + 2) % 4 - 2
    assert float(np.abs(beside).max()) < 0.1


def test_the_beat_is_found_again_after_a_slip() -> None:
    played = groove(12, 120)
    late = [hit if hit.time_s < 8 else replace(hit, time_s=hit.time_s + 0.17) for hit in played]
    follower = Follower(120, Meter(4, 4))
    follower.hear(late)
    beside = ((follower.grid(8, 2).times - 0.57) / 0.5 + 0.5) % 1 - 0.5
    assert float(np.abs(beside).max()) < 0.1


def test_a_window_belongs_to_its_bars() -> None:
    follower = Follower(120, Meter(4, 4))
    played = groove(4, 120)
    follower.hear(played)
    hits, grid = follower.window(played, 1, 2)
    assert len(hits) == 24 and len(grid.meters) == 2
    assert hits[0].time_s >= grid.times[0]


# --- detecting ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run():
    from drumscribe.hits.engines import load
    from drumscribe.hits.network import chosen
    from drumscribe.live.detector import WINDOW

    path, title = chosen(Settings())
    return load(path, 1, WINDOW), title


@pytest.mark.slow
@pytest.mark.parametrize("block", [441, 882, 3001])
def test_strokes_are_guessed_at_once_and_decided_soon(run, block: int) -> None:
    from drumscribe.live import detector

    played = groove(2)
    sound = synth.render(played, 5.0).mean(axis=0)
    listener = detector.StreamDetector(run[0], model=run[1])
    heard: list[Hit] = []
    guessed: dict[float, float] = {}
    for at in range(0, len(sound), block):
        heard += listener.push(sound[at : at + block])
        now = (at + block) / RATE
        for hit in (*listener.early, *heard):
            guessed.setdefault(round(hit.time_s, 2), now)
    heard += listener.flush()
    assert [hit.time_s for hit in heard] == sorted(hit.time_s for hit in heard)
    assert len({hit.id for hit in heard}) == len(heard)
    for drum in ("kick", "snare", "closed_hihat"):
        assert found_share(played, heard, drum) > 0.8, drum
    waits = [guessed[at] - at for at in sorted(guessed)]
    # In sound, not in processor time: the window's half, the frames ahead, and one block.
    longest = (detector.FFT / 2 / RATE) + (detector.EARLY + detector.STEP + 1) / detector.FPS + block / RATE
    assert np.median(waits) <= longest + 0.01


@pytest.mark.slow
def test_silence_and_faint_noise_are_no_drums(run) -> None:
    from drumscribe.live.detector import StreamDetector

    listener = StreamDetector(run[0], model=run[1])
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 0.0005
    assert listener.push(np.zeros(RATE, np.float32)) == [] and listener.push(noise) == []
    assert listener.early == [] and listener.flush() == []


# --- the process and the take -------------------------------------------------------------------------------------


def frames(sound: np.ndarray, rate: int = 48_000):
    """As they come over WebRTC: 20 ms, 48 kHz, 16 bit, stereo."""
    import soxr

    wide = soxr.resample(sound.T, RATE, rate)
    whole = (wide.clip(-1, 1) * 32767).astype(np.int16)
    for at in range(0, len(whole), rate // 50):
        piece = np.ascontiguousarray(whole[at : at + rate // 50].reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="stereo")
        frame.sample_rate = rate
        frame.pts = at
        yield frame


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = LiveEngine(Settings(data_dir=tmp_path_factory.mktemp("live")))
    yield engine
    engine.close()


@pytest.mark.slow
@pytest.mark.service
def test_a_take_from_frames_to_bars_and_file(engine) -> None:
    import soundfile

    played = groove(3)
    take = Take(engine, bpm=108, meter=Meter(4, 4), longest_s=60)
    try:
        for frame in frames(synth.render(played, 7.5)):
            take.feed(frame)
        assert engine.wait_ready(240)
        deadline = time.monotonic() + 120
        while take.bars() < 2 and time.monotonic() < deadline:
            take.listen(0.2)
        score = take.score()
        assert score is not None and len(score.measures) >= 2
        drums = {head.drum for measure in score.measures for _, head in measure.heads()}
        assert {"kick", "snare", "closed_hihat"} <= drums
        path = take.finish()
        assert path is not None and take.delay_s is not None
        sound, rate = soundfile.read(path)
        assert rate == RATE and abs(len(sound) / rate - 7.5) < 0.1
        assert take.finish() == path  # may be called again
        frame = next(frames(np.zeros((2, 960), np.float32)))
        take.feed(frame)  # a straggler of the connection
    finally:
        take.discard()
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.service
def test_a_dead_listener_says_so_and_keeps_the_recording(tmp_path) -> None:
    engine = LiveEngine(Settings(data_dir=tmp_path, model_uri=str(tmp_path / "missing.keras")))
    take = Take(engine, bpm=100, meter=Meter(4, 4), longest_s=60)
    try:
        for frame in frames(synth.render(groove(1), 2.0)):
            take.feed(frame)
        deadline = time.monotonic() + 120
        while take.error is None and time.monotonic() < deadline:
            take.listen(0.2)
        assert isinstance(take.error, DetectionError) and take.error.what and take.error.todo
        assert take.finish() is not None
    finally:
        take.discard()
        engine.close()


@pytest.mark.slow
@pytest.mark.service
def test_too_short_a_take_is_none(engine) -> None:
    take = Take(engine, bpm=100, meter=Meter(4, 4), longest_s=60)
    try:
        for frame in frames(np.zeros((2, RATE // 2), np.float32)):
            take.feed(frame)
        assert take.finish() is None
    finally:
        take.discard()


@pytest.mark.slow
@pytest.mark.service
def test_a_take_stops_growing_at_its_limit(engine) -> None:
    take = Take(engine, bpm=100, meter=Meter(4, 4), longest_s=1.0)
    try:
        for frame in frames(np.zeros((2, 2 * RATE), np.float32)):
            take.feed(frame)
        assert take.full and take.duration_s == 1.0
    finally:
        take.discard()


# --- what is shown ------------------------------------------------------------------------------------------------


def test_lanes_show_where_and_what() -> None:
    from drumscribe.ui import lane_board

    sure = [Hit(0, 7.0, "kick", 1.0, 100), Hit(1, 1.0, "snare", 1.0, 100), Hit(2, 9.0, "splash", 1.0, 60)]
    html = lane_board.html(sure, [Hit(3, 9.9, "cross_stick", 0.6, 90)], 10.0, dark=False)
    marks = re.findall(r"<i style=\"left:([\d.]+)%.*?opacity:([\d.]+);animation-delay:-([\d.]+)s", html)
    assert len(marks) == 3  # the snare has left the window
    assert ("50.0", "1", "3.00") in marks and any(opacity == "0.5" for _, opacity, _ in marks)
    assert 'aria-label="Hits of the last 6 seconds: 1 bass drum, 1 splash cymbal"' in html
    lanes = re.findall(r'<div class="ds-lane"><b>(.*?)</b><div class="ds-track">(.*?)</div></div>', html)
    assert [name for name, inside in lanes if inside] == ["Crash cymbal", "Snare drum", "Bass drum"]


def test_every_drum_has_a_lane() -> None:
    from drumscribe.kit import LABELS
    from drumscribe.ui import lane_board

    assert {lane_board._LANE_OF[label] for label in LABELS} == set(lane_board.LANES)
