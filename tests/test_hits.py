"""The hit stage: features, peaks, decoding, and the packaged network."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.signal import resample_poly

from drumscribe import audio, hits
from drumscribe.anchor import anchor
from drumscribe.errors import BadWeightsError, Cancelled, DetectionError
from drumscribe.hits import decode, engines, features, loudness, network, repetition, speeds
from drumscribe.hits.card import ASIDE, DEFAULT, FOLDER, Averaged, Card, card_of, default_card
from drumscribe.hits.peaks import find_peaks
from drumscribe.kit import LABELS
from drumscribe.options import DetectOptions
from drumscribe.settings import Settings
from drumscribe.types import Activations, Hit, Stem

RATE = features.SAMPLE_RATE
FRAMES = 300
ASSETS = Path(hits.__file__).parents[1] / "assets"


def bumps(*hits_at: tuple[float, str, float], frames: int = FRAMES, velocity: float = 0.5) -> Activations:
    """Activations with Gaussian bumps at (seconds, label, height)."""
    onset = np.zeros((frames, len(LABELS)), dtype=np.float32)
    for time, label, height in hits_at:
        bump = height * np.exp(-0.5 * ((np.arange(frames) - 100 * time) / 0.75) ** 2)
        onset[:, LABELS.index(label)] = np.maximum(onset[:, LABELS.index(label)], bump)
    loud = np.full_like(onset, velocity)
    return Activations(onset, loud, np.zeros((frames, 0), np.float16), LABELS, 100.0, "a test's own")


# features


def test_features_of_a_block_are_those_of_the_whole() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    whole = features.log_mel(samples, 0, 100)
    assert whole.shape == (100, features.BANDS, 2)
    # not bit by bit: matrix products of other heights add up in another order on some processors
    np.testing.assert_allclose(features.log_mel(samples, 40, 20), whole[40:60], rtol=1e-5, atol=1e-5)


def test_beyond_the_ends_there_is_silence() -> None:
    samples = np.ones(RATE // 10, dtype=np.float32)
    assert not features.log_mel(samples, -50, 40).any()
    assert not features.log_mel(samples, 60, 40).any()


def test_a_tone_lands_in_its_band() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    loudest = features.log_mel(tone, 50, 1)[0, :, 0].argmax()
    assert abs(features.band_centres()[loudest] - 1000) < 60


@pytest.mark.parametrize("loudness", [1e-3, 0.1, 0.9])
def test_level_brings_any_loudness_to_one(loudness: float) -> None:
    samples = np.zeros(RATE, dtype=np.float32)
    samples[RATE // 2 :] = loudness * np.random.default_rng(2).normal(0, 1, RATE // 2)
    scaled = samples * features.level(samples)
    assert np.sqrt((scaled[RATE // 2 :] ** 2).mean()) == pytest.approx(features.TARGET_RMS, rel=0.02)


def test_silence_is_left_alone() -> None:
    assert features.level(np.zeros(1000, np.float32)) == 1.0
    assert features.level(np.zeros(10, np.float32)) == 1.0


# peaks


@given(st.floats(5, 90), st.floats(0.2, 0.95))
def test_a_bump_is_found_where_and_as_high_as_it_is(centre: float, height: float) -> None:
    curve = (height * np.exp(-0.5 * ((np.arange(100) - centre) / 0.75) ** 2)).astype(np.float32)[:, None]
    peaks = find_peaks(curve, 0.1)
    assert len(peaks) == 1
    assert peaks.position[0] == pytest.approx(centre, abs=0.02)
    assert peaks.height[0] == pytest.approx(height, abs=0.02)


def test_a_plateau_is_one_peak() -> None:
    curve = np.array([0, 0.2, 0.8, 0.8, 0.2, 0, 0], dtype=np.float32)[:, None]
    assert len(find_peaks(curve, 0.1)) == 1


def test_nothing_in_nothing_out() -> None:
    assert len(find_peaks(np.zeros((0, 3), np.float32), 0.1)) == 0
    assert len(find_peaks(np.zeros((50, 3), np.float32), 0.1)) == 0


# decoding


def test_hits_have_time_drum_confidence_velocity() -> None:
    (hit,) = hits.pick(bumps((1.234, "kick", 0.9), velocity=0.63), DetectOptions())
    assert (hit.drum, hit.velocity, hit.origin) == ("kick", 80, "model")
    assert hit.time_s == pytest.approx(1.234, abs=0.001)
    assert hit.confidence == pytest.approx(0.9, abs=0.01)


def test_picked_hits_are_candidates_with_the_same_ids() -> None:
    heard = bumps((0.5, "kick", 0.9), (1.0, "snare", 0.15), (1.5, "crash", 0.8))
    candidates = {hit.id: hit for hit in hits.candidates(heard)}
    picked = hits.pick(heard, DetectOptions())
    assert [hit.drum for hit in picked] == ["kick", "crash"]
    assert all(candidates[hit.id] == hit for hit in picked)
    assert len(candidates) == 3


@given(st.lists(st.tuples(st.floats(0.1, 2.8), st.sampled_from(LABELS), st.floats(0.05, 1)), max_size=12),
       st.floats(0, 1), st.floats(0, 1))  # fmt: skip
def test_more_sensitivity_never_raises_a_threshold(at: list[tuple[float, str, float]], a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    few = hits.display_thresholds(DetectOptions(sensitivity=low))
    many = hits.display_thresholds(DetectOptions(sensitivity=high))
    assert all(many[label] <= few[label] + 1e-9 for label in LABELS)
    heard = bumps(*at)
    for hit in hits.pick(heard, DetectOptions(sensitivity=low)):
        assert hit.confidence >= few[hit.drum] - 0.2  # the model of the activations has thresholds of its own


def test_sensitivity_one_half_is_the_learnt_threshold() -> None:
    card = default_card()
    shown = hits.display_thresholds(DetectOptions())
    assert shown == pytest.approx({label: card.threshold(label) for label in LABELS})
    assert hits.display_thresholds(DetectOptions(sensitivity=1)) == pytest.approx(dict.fromkeys(LABELS, decode.FLOOR))


def test_own_thresholds_go_first() -> None:
    heard = bumps((0.5, "kick", 0.9), (1.0, "snare", 0.3))
    options = DetectOptions(thresholds={"kick": 0.95, "snare": 0.25})
    assert [hit.drum for hit in hits.pick(heard, options)] == ["snare"]
    assert hits.display_thresholds(options)["kick"] == 0.95


def test_of_two_readings_of_one_sound_the_surer_stays() -> None:
    heard = bumps((1.0, "closed_hihat", 0.6), (1.005, "open_hihat", 0.8), (1.0, "kick", 0.7))
    assert sorted(hit.drum for hit in hits.pick(heard, DetectOptions())) == ["kick", "open_hihat"]


def test_rivals_apart_in_time_both_stay() -> None:
    heard = bumps((1.0, "closed_hihat", 0.6), (1.1, "open_hihat", 0.8))
    assert len(hits.pick(heard, DetectOptions())) == 2


def test_readings_of_one_sound_count_together() -> None:
    heard = bumps((1.0, "high_tom", 0.3), (1.01, "mid_tom", 0.25), (1.0, "floor_tom", 0.1), (2.0, "mid_tom", 0.3))
    assert [(hit.drum, round(hit.confidence, 2)) for hit in hits.pick(heard, DetectOptions())] == [("high_tom", 0.3)]
    strict = DetectOptions(thresholds={"high_tom": 0.6})
    assert not len(hits.pick(heard, strict))


def test_one_hand_keeps_time_on_ride_or_hats() -> None:
    heard = bumps((1.0, "ride", 0.8), (1.01, "closed_hihat", 0.6), (1.5, "ride", 0.5), (1.5, "open_hihat", 0.9),
                  (2.0, "ride", 0.8), (2.0, "pedal_hihat", 0.7), (2.1, "closed_hihat", 0.7))  # fmt: skip
    shown = [(round(hit.time_s, 1), hit.drum) for hit in hits.pick(heard, DetectOptions())]
    assert shown == [(1.0, "ride"), (1.5, "open_hihat"), (2.0, "pedal_hihat"), (2.0, "ride"), (2.1, "closed_hihat")]


def test_no_confidence_reaches_a_threshold_of_one() -> None:
    heard = bumps(*((1.0, drum, 0.999) for drum in LABELS))
    assert not len(hits.pick(heard, DetectOptions(thresholds=dict.fromkeys(LABELS, 1.0))))


@pytest.mark.parametrize(("surest", "frames", "options", "shown"), [
    (0.85, 2000, {}, 0), (0.95, 2000, {}, 5), (0.85, 900, {}, 5),
    (0.85, 2000, {"sensitivity": 0.6}, 5), (0.85, 2000, {"thresholds": {"snare": 0.5}}, 5),
])  # fmt: skip
def test_where_no_stroke_is_plain_no_drummer_plays(surest: float, frames: int, options: dict, shown: int) -> None:
    doubtful = [(time, "snare", 0.75) for time in (1.0, 2.5, 6.0, 8.0)]
    heard = replace(bumps(*doubtful, (4.0, "kick", surest), frames=frames), model=default_card().title)
    assert len(hits.pick(heard, DetectOptions(**options))) == shown
    assert len(hits.candidates(heard)) == 5


# loudness

STRUCK = (0.9, 0.15, 0.5, 0.7, 0.3, 0.6)


def struck(column: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Onset curves, velocities in another order, and the sound of strokes as loud as :data:`STRUCK`."""
    heard = bumps(*((0.2 + 0.4 * i, LABELS[column], 0.9) for i in range(len(STRUCK))))
    samples = np.zeros(FRAMES * features.HOP, dtype=np.float32)
    burst = np.random.default_rng(3).normal(0, 1, 2205).astype(np.float32) * np.exp(-np.arange(2205) / 500)
    for i, loud in enumerate(STRUCK):
        at = round((0.2 + 0.4 * i) * RATE)
        samples[at : at + len(burst)] += 0.3 * loud * burst
        heard.velocity[20 + 40 * i - 2 : 20 + 40 * i + 3] = 0.3 + 0.1 * i
    return heard.onset, heard.velocity, samples


def at_strokes(velocity: np.ndarray, column: int) -> np.ndarray:
    return velocity[[20 + 40 * i for i in range(len(STRUCK))], column]


BY_SOUND = [0.0] + [0.02] * (loudness.FEATURES - 1)


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_velocities_follow_the_sound_of_a_drums_own_strokes(gain: float) -> None:
    snare, ride = LABELS.index("snare"), LABELS.index("ride")
    onset, velocity, samples = struck(snare)
    weights = {snare: BY_SOUND, ride: [1.0] * loudness.FEATURES}
    revised = loudness.revise(velocity, onset, gain * samples, 0.0, weights)
    ranks = np.argsort(np.argsort(STRUCK))
    np.testing.assert_allclose(at_strokes(revised, snare), 0.3 + 0.1 * ranks, atol=1e-6)
    assert set((revised != velocity).nonzero()[1]) == {snare}


def test_silence_in_front_changes_no_velocity() -> None:
    onset, velocity, samples = struck(0)
    late = np.concatenate([np.zeros(5012, np.float32), samples])
    now, then = (loudness.revise(velocity, onset, heard, start_s, {0: BY_SOUND})
                 for heard, start_s in ((samples, 0.0), (late, 5012 / RATE)))  # fmt: skip
    np.testing.assert_array_equal(then, now)


def test_a_drum_that_is_heard_three_times_keeps_its_velocities() -> None:
    onset, velocity, samples = struck(0)
    onset[120:] = 0
    np.testing.assert_array_equal(loudness.revise(velocity, onset, samples, 0.0, {0: BY_SOUND}), velocity)


# repetition


def groove(bars: int, *, but: dict[int, float]) -> np.ndarray:
    """Kick and snare in turn under eighths on the hats, two seconds a bar; bars ``but`` have another first kick."""
    at = []
    for bar in range(bars):
        start = 2.0 * bar + 0.1
        at += [(start, "kick", but.get(bar, 0.9)), (start + 1, "kick", 0.9)]
        at += [(start + beat, "snare", 0.9) for beat in (0.5, 1.5)]
        at += [(start + eighth / 4, "closed_hihat", 0.9) for eighth in range(8)]
    return bumps(*((t, d, h) for t, d, h in at if h), frames=200 * bars + 20).onset


WEIGHTS = (0.0, 0.7, 0.7, 0.0)


def test_a_weak_hit_that_is_plain_elsewhere_becomes_surer() -> None:
    onset = groove(8, but={4: 0.3})
    kick = LABELS.index("kick")
    revised = repetition.revise(onset, WEIGHTS)
    assert onset[810, kick] == pytest.approx(0.3, abs=0.01)
    assert revised[810, kick] > 0.6
    assert find_peaks(revised, 0.5).position == pytest.approx(find_peaks(groove(8, but={}), 0.5).position, abs=0.02)


def test_a_hit_that_is_nowhere_else_becomes_less_sure() -> None:
    onset = groove(8, but={})
    snare = LABELS.index("snare")
    onset[834:839, snare] = 0.5 * np.exp(-0.5 * ((np.arange(5) - 2) / 0.75) ** 2)  # between two eighths
    assert repetition.revise(onset, WEIGHTS)[836, snare] < 0.3


@given(st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_any_curves_can_be_revised(frames: int, seed: int) -> None:
    onset = np.random.default_rng(seed).random((frames, len(LABELS))).astype(np.float32) ** 4
    revised = repetition.revise(onset, WEIGHTS)
    assert revised.shape == onset.shape
    assert np.isfinite(revised).all()
    assert ((revised >= 0) & (revised <= 1)).all()


def test_curves_without_peaks_stay() -> None:
    flat = np.zeros((500, len(LABELS)), np.float32)
    assert repetition.revise(flat, WEIGHTS) is flat


def test_ghosts_and_accents_stay_within_midi() -> None:
    assert {hit.velocity for hit in hits.pick(bumps((1, "snare", 0.9), velocity=0), DetectOptions())} == {1}
    assert {hit.velocity for hit in hits.pick(bumps((1, "snare", 0.9), velocity=1), DetectOptions())} == {127}


def test_similar_finds_what_sounds_alike() -> None:
    embedding = np.zeros((FRAMES, 3), np.float16)
    for frame, sound in ((50, 0), (100, 1), (150, 0), (200, 2)):
        embedding[frame - 1 : frame + 2, sound] = 1
    blank = np.zeros((FRAMES, len(LABELS)), np.float32)
    heard = Activations(blank, blank, embedding, LABELS, 100.0, "a test's own")
    pool = [Hit(i, t, "snare", 0.9, 80) for i, t in enumerate((0.5, 1.0, 1.5, 2.0))]
    found = hits.similar(heard, pool[0], pool, 2)
    assert found[0][0].id == 2
    assert found[0][1] == pytest.approx(1, abs=0.01)
    assert len(found) == 2
    without = bumps((1, "snare", 0.9))
    assert hits.similar(without, pool[0], pool, 5) == []


# the card


def test_an_unknown_model_gets_plain_thresholds() -> None:
    assert card_of("somebody else's").threshold("kick") == pytest.approx(0.4)
    assert card_of(default_card().title) is default_card()


def test_the_card_is_of_the_weights_beside_it() -> None:
    import hashlib

    card = default_card()
    for suffix in (".keras", ".tflite"):
        assert hashlib.sha256((FOLDER / f"{DEFAULT}{suffix}").read_bytes()).hexdigest() == card.sha256[suffix]
    assert set(card.thresholds) == set(LABELS)
    assert card.made["commit"]
    assert pickle.loads(pickle.dumps(card)) == card


def test_a_card_with_other_drums_is_refused(tmp_path) -> None:
    path = tmp_path / "card.json"
    path.write_text('{"name": "x", "version": "1", "thresholds": {"gong": 0.5}, "offsets_ms": {}}')
    with pytest.raises(ValueError, match="gong"):
        Card.read(path)


# several speeds


@pytest.mark.parametrize("speed", [80, 94, 97, 100, 103, 106, 125])
def test_a_part_at_a_speed_is_that_of_the_whole(speed: int) -> None:
    samples = np.random.default_rng(2).normal(0, 0.1, 30_011).astype(np.float32)
    size = speeds.length(len(samples), speed)
    whole = speeds.excerpt(samples, 0, size, speed)
    if speed != 100:
        np.testing.assert_allclose(whole, resample_poly(samples, 100, speed)[:size], atol=1e-6)
    for at, count in ((0, 10), (1, 777), (4_321, 5_000), (size - 50, 50)):
        np.testing.assert_allclose(speeds.excerpt(samples, at, count, speed), whole[at : at + count], atol=1e-6)
    beyond = speeds.excerpt(samples, -500, size + 1_000, speed)
    np.testing.assert_allclose(beyond[500 : 500 + size], whole, atol=1e-6)
    assert not beyond[:400].any() and not beyond[-400:].any()


def test_a_tone_at_a_speed_is_higher_by_it() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE).astype(np.float32)
    played = speeds.excerpt(tone, 0, RATE, 125)
    assert np.abs(np.fft.rfft(played)).argmax() == 1250


def test_what_is_heard_at_a_speed_goes_back_to_its_time() -> None:
    for speed in (94, 106):
        frames = np.arange(round(FRAMES * 100 / speed))
        heard = np.exp(-0.5 * ((frames - 150.3 * 100 / speed) / 0.75) ** 2).astype(np.float32)[:, None]
        back = speeds.at_original_times(heard, speed, FRAMES)
        assert back.shape == (FRAMES, 1)
        assert find_peaks(back, 0.1).position[0] == pytest.approx(150.3, abs=0.2)


@pytest.mark.parametrize("place", [150.0, 150.3, 150.5, 150.8])
@pytest.mark.parametrize("speed", [94, 106])
def test_a_peak_between_frames_keeps_its_height(speed: int, place: float) -> None:
    frames = np.arange(round(FRAMES * 100 / speed))
    heard = 0.8 * np.exp(-0.5 * ((frames - place * 100 / speed) / 0.75) ** 2).astype(np.float32)[:, None]
    back = speeds.peaks_at_original_times(heard, speed, FRAMES)
    assert find_peaks(back, 0.1).height[0] == pytest.approx(0.8, abs=0.02)
    assert find_peaks(back, 0.1).position[0] == pytest.approx(place, abs=0.02)


def test_a_snare_has_to_be_surer_than_a_kick() -> None:
    heard = replace(bumps((1.0, "snare", 0.55), (2.0, "kick", 0.55), (2.6, "snare", 0.7)), model=default_card().title)
    assert [(hit.drum, round(hit.time_s)) for hit in hits.pick(heard, DetectOptions())] == [("kick", 2), ("snare", 3)]
    asked = DetectOptions(thresholds={"snare": 0.5})
    assert [hit.drum for hit in hits.pick(heard, asked)] == ["snare", "kick", "snare"]


def test_the_mean_is_of_log_odds() -> None:
    mean = speeds.Mean()
    for p in (0.9, 0.5, 0.1):
        mean.add(np.full((3, 2), p, np.float32))
    np.testing.assert_allclose(mean.probabilities(), 0.5, atol=1e-6)
    once = speeds.Mean()
    once.add(np.array([[0.25, 1.0]], np.float32))
    np.testing.assert_allclose(once.probabilities(), [[0.25, 0.9999]], atol=1e-6)


def test_what_was_learnt_about_the_mean_is_applied() -> None:
    curves = np.array([[0.2, 0.5], [0.8, 0.9]], np.float32)
    sure = speeds.recalibrated(curves, [1.0, 1.2], [0.0, 0.5])
    np.testing.assert_allclose(sure[:, 0], curves[:, 0], atol=1e-6)
    assert (sure[:, 1] > curves[:, 1]).all()


def test_a_card_may_say_how_sure_the_mean_is(tmp_path) -> None:
    data = json.loads((FOLDER / f"{DEFAULT}.json").read_text())
    each = dict.fromkeys(LABELS, 1.0)
    path = tmp_path / "card.json"
    path.write_text(json.dumps(data | {"speeds": {"heard": [94, 106], "scale": each, "shift": each}}))
    assert Card.read(path).speeds == Averaged((94, 106), each, each)


def test_speeds_that_cannot_be() -> None:
    assert DetectOptions(speeds=(106, 94, 106)).speeds == (94, 106)
    for wrong in ((), (50,), (94, 200), range(90, 100)):
        with pytest.raises(ValidationError):
            DetectOptions(speeds=wrong)


# the network


def test_decoding_needs_no_tensorflow() -> None:
    code = """
import sys
import drumscribe.hits as hits
from drumscribe.options import DetectOptions
hits.display_thresholds(DetectOptions())
assert not {"tensorflow", "keras", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def click_track(seconds: float = 6.0) -> np.ndarray:
    """Something like a drum loop: decaying low tones on the beat, noise between."""
    rng = np.random.default_rng(7)
    samples = np.zeros(int(seconds * RATE), dtype=np.float32)
    t = np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-t * 30)))) * np.exp(-t * 12)
    snare = rng.normal(0, 0.35, len(t)) * np.exp(-t * 22) + 0.4 * np.sin(2 * np.pi * 190 * t) * np.exp(-t * 25)
    for i, start in enumerate(np.arange(0.5, seconds - 0.5, 0.5)):
        at = int(start * RATE)
        samples[at : at + len(t)] += (kick if i % 2 == 0 else snare).astype(np.float32)
    return samples


@pytest.mark.slow
class TestNetwork:
    def test_finds_the_strokes_of_a_plain_beat(self) -> None:
        samples = click_track()
        heard = hits.activations(Stem(samples[None], RATE, "none"), settings=Settings(_env_file=None))
        assert heard.onset.shape == heard.velocity.shape == (len(heard.embedding), len(LABELS))
        assert heard.start_s <= 0
        assert heard.frame_at(6.0) in (len(heard.onset) - 1, len(heard.onset))
        assert heard.embedding.shape[1] <= 32
        assert 0 <= heard.onset.min() <= heard.onset.max() <= 1
        picked = hits.pick(heard, DetectOptions())
        kicks = [hit.time_s for hit in picked if hit.drum == "kick"]
        for beat in np.arange(0.5, 5.5, 1.0):
            assert min(abs(beat - time) for time in kicks) < 0.02

    def test_block_seams_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        frames = network.BLOCK + 2 * network.CONTEXT
        how = network.Listening(partial(engines.load, FOLDER / f"{DEFAULT}.tflite", 0, frames))
        samples = np.tile(click_track(), 6)  # 36 s: two blocks
        cut = network.run_blocks(how, samples)
        moved = network.run_blocks(how, np.concatenate([np.zeros(512 * 441, np.float32), samples]))
        assert np.abs(cut[0] - moved[0][512:]).max() < 1e-4
        assert np.abs(cut[1] - moved[1][512:]).max() < 1e-3

    @pytest.mark.parametrize("speed", [94, 106])
    def test_blocks_of_another_speed_have_no_seams_either(self, monkeypatch: pytest.MonkeyPatch, speed: int) -> None:
        samples = np.tile(click_track(), 4)
        heard = []
        for block in (network.BLOCK, 1000):
            monkeypatch.setattr(network, "BLOCK", block)
            how = network.Listening(partial(engines.load, FOLDER / f"{DEFAULT}.tflite", 0, block + 2 * network.CONTEXT))
            heard.append(network.run_blocks(how, samples, speed))
        assert len(heard[0][0]) == features.frame_count(speeds.length(len(samples), speed))
        assert np.abs(heard[0][0] - heard[1][0]).max() < 1e-4
        assert np.abs(heard[0][1] - heard[1][1]).max() < 1e-3

    def test_several_speeds_hear_the_strokes_where_they_are(self) -> None:
        stem, settings = Stem(click_track()[None], RATE, "none"), Settings(_env_file=None)
        once, thrice = (hits.activations(stem, speeds=each, settings=settings) for each in ((100,), (94, 100, 106)))
        assert once.onset.shape == thrice.onset.shape
        assert once.embedding.shape == thrice.embedding.shape
        assert once.model == thrice.model == default_card().title
        times = [
            [hit.time_s for hit in hits.pick(heard, DetectOptions()) if hit.drum == "kick"] for heard in (once, thrice)
        ]
        assert np.abs(np.subtract(*times)).max() < 0.005

    def test_another_network_hears_the_other_speeds(self) -> None:
        samples, frames = click_track(), network.BLOCK + 2 * network.CONTEXT
        one, other = (partial(engines.load, FOLDER / f"{name}.tflite", 1, frames) for name in (DEFAULT, ASIDE))
        origin = anchor(samples)
        both = network.hear(network.Listening(one, aside=other), [samples], (94, 100), origin)
        gain, mean = features.level(samples, origin), speeds.Mean()
        firsts = {speed: network.span(len(samples), speed, origin)[0] for speed in (94, 100)}
        for load, speed in ((other, 94), (one, 100)):
            onset = network.run_blocks(network.Listening(load), samples, speed, gain=gain, origin=origin)[0]
            own = (firsts[speed], firsts[100])
            mean.add(speeds.peaks_at_original_times(onset, speed, len(both[0]), own))
        np.testing.assert_allclose(both[0], mean.probabilities(), atol=1e-6)
        heard = hits.activations(Stem(samples[None], RATE, "none"), speeds=(94, 100), settings=Settings(_env_file=None))
        card = default_card()
        calibrated = speeds.recalibrated(
            both[0], *([by[label] for label in LABELS] for by in (card.speeds.scale, card.speeds.shift))
        )
        np.testing.assert_allclose(heard.onset, repetition.revise(calibrated, card.repetition), atol=1e-4)
        aside = Card.read(FOLDER / f"{ASIDE}.json")
        for suffix, promised in aside.sha256.items():
            assert hashlib.sha256((FOLDER / f"{ASIDE}{suffix}").read_bytes()).hexdigest() == promised

    def test_stem_and_mix_are_heard_together(self) -> None:
        drums = click_track()
        tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(len(drums)) / RATE).astype(np.float32)
        tone[: 3 * RATE] = 0  # frames are counted from the first stroke of either
        stem, mix = Stem(drums[None], RATE, "demucs"), (drums + tone)[None]
        settings = Settings(_env_file=None)
        alone = [hits.activations(each, speeds=(100,), settings=settings) for each in (stem, Stem(mix, RATE, "none"))]
        both = hits.activations(stem, mix, speeds=(100,), settings=settings)
        assert both.onset.shape == alone[0].onset.shape
        np.testing.assert_array_equal(both.embedding, alone[1].embedding)
        plain = [column for column, label in enumerate(LABELS) if label not in default_card().loudness]
        odds = [speeds.log_odds(each.velocity[:, plain]) for each in (*alone, both)]
        np.testing.assert_allclose((odds[0] + odds[1]) / 2, odds[2], atol=1e-3)

    def test_both_engines_hear_the_same(self, tmp_path) -> None:
        sound = audio.decode(ASSETS / "example.ogg").samples.mean(axis=0, dtype=np.float32)[: 30 * RATE]
        light = tmp_path / "converted.tflite"
        engines.convert(FOLDER / f"{DEFAULT}.keras", light)
        frames = network.BLOCK + 2 * network.CONTEXT
        heard = [
            network.run_blocks(
                network.Listening(partial(engines.load, path, 2, frames)), sound, gain=features.level(sound)
            )
            for path in (FOLDER / f"{DEFAULT}.keras", FOLDER / f"{DEFAULT}.tflite", light)
        ]
        assert (heard[0][0] > 0.5).sum() > 50
        for other in heard[1:]:
            assert np.abs(heard[0][0] - other[0]).max() < 1e-5
            assert np.abs(heard[0][1] - other[1]).max() < 1e-5
            assert np.abs(heard[0][2].astype(float) - other[2]).max() < 0.02  # kept in half precision

    def test_the_light_engine_serves_threads_side_by_side(self) -> None:
        run = engines.load(FOLDER / f"{DEFAULT}.tflite", 1, 288)
        windows = np.random.default_rng(3).random((6, 288, features.BANDS, 2), dtype=np.float32)
        alone = [run(window)[0] for window in windows]
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda window: run(window)[0], windows))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_transcription_needs_no_tensorflow(self, tmp_path) -> None:
        code = """
import sys
from pathlib import Path
from drumscribe import Options, transcribe
from drumscribe.settings import Settings
folder, song = Path(sys.argv[1]), sys.argv[2]
settings = Settings(_env_file=None, data_dir=folder, offline=True)
done = transcribe(song, Options().updated(separate={"separator": "none"}), settings=settings)
done.export(folder, ["musicxml", "midi", "csv", "json"], settings=settings)
assert len(done.hits) > 50
assert not {"tensorflow", "keras", "torch"} & set(sys.modules)
"""
        song = str(ASSETS / "example.ogg")
        subprocess.run([sys.executable, "-c", code, str(tmp_path), song], check=True)

    def test_progress_and_cancel(self) -> None:
        seen: list[float] = []

        class Stopped:
            def is_set(self) -> bool:
                return len(seen) > 1

        stem = Stem(np.tile(click_track(), 12)[None], RATE, "none")
        with pytest.raises(Cancelled):
            hits.activations(
                stem, settings=Settings(_env_file=None), on_progress=lambda f, _: seen.append(f), cancel=Stopped()
            )
        assert seen == sorted(seen)
        assert seen[0] == 0

    def test_one_sample_is_enough(self) -> None:
        heard = hits.activations(Stem(np.zeros((1, 1), np.float32), RATE, "none"), settings=Settings(_env_file=None))
        assert heard.onset.shape == (1, len(LABELS))

    @pytest.mark.parametrize("suffix", [".keras", ".tflite"])
    def test_a_model_of_ones_own(self, tmp_path, suffix: str) -> None:
        own = tmp_path / f"own{suffix}"
        own.write_bytes((FOLDER / f"{DEFAULT}{suffix}").read_bytes())
        stem = Stem(click_track(2.0)[None], RATE, "none")
        theirs = hits.activations(stem, speeds=(100,), settings=Settings(_env_file=None))
        mine = hits.activations(stem, speeds=(100,), settings=Settings(_env_file=None, model_uri=str(own)))
        revised = repetition.revise(mine.onset, default_card().repetition)
        np.testing.assert_allclose(revised, theirs.onset, atol=1e-5)
        assert (mine.model, theirs.model) == ("own", default_card().title)
        own.write_bytes(b"replaced while the process lives")
        with pytest.raises(BadWeightsError):
            hits.activations(stem, settings=Settings(_env_file=None, model_uri=str(own)))

    @pytest.mark.parametrize("suffix", [".keras", ".tflite"])
    def test_a_file_that_is_no_model(self, tmp_path, suffix: str) -> None:
        path = tmp_path / f"model{suffix}"
        path.write_bytes(b"PK not really")
        with pytest.raises(BadWeightsError, match=rf"model\{suffix}"):
            engines.load(path, 0, 640)

    def test_a_model_of_another_kind(self, tmp_path) -> None:
        import keras

        path = tmp_path / "other.keras"
        keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(2)]).save(path)
        with pytest.raises(BadWeightsError, match="not a hit model"):
            engines.load(path, 0, 640)
        with pytest.raises(BadWeightsError, match="not a hit model"):
            engines.convert(path, tmp_path / "other.tflite")
        assert not (tmp_path / "other.tflite").exists()


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (np.zeros((1, 100), np.float32), 48000),
        (np.zeros((1, 0), np.float32), RATE),
        (np.full((1, 100), np.nan, np.float32), RATE),
    ],
)
def test_a_stem_that_cannot_be_listened_to(samples: np.ndarray, rate: int) -> None:
    with pytest.raises(DetectionError):
        hits.activations(Stem(samples, rate, "none"), settings=Settings(_env_file=None))
