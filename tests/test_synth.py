"""The synthesised drums and click: that each drum sounds, when it should, as loud as it should."""

from __future__ import annotations

from fractions import Fraction
from threading import Event

import numpy as np
import pytest

from drumscribe.audio import synth
from drumscribe.errors import Cancelled
from drumscribe.kit import LABELS
from drumscribe.types import Bar, FloatArray, Hit, Meter


def hit(time_s: float, drum: str, velocity: int = 100) -> Hit:
    return Hit(0, time_s, drum, 1.0, velocity)


def first_sound_s(sound: FloatArray) -> float:
    level = np.abs(sound).max(axis=0)
    return float(np.argmax(level > 0.1 * level.max())) / synth.SAMPLE_RATE


def centroid_hz(sound: FloatArray) -> float:
    power = np.abs(np.fft.rfft(sound.mean(axis=0))) ** 2
    return float((np.fft.rfftfreq(sound.shape[1], 1 / synth.SAMPLE_RATE) * power).sum() / power.sum())


@pytest.mark.parametrize("drum", LABELS)
def test_each_drum_sounds_at_its_time(drum: str) -> None:
    sound = synth.render([hit(0.5, drum)], 1.5)
    assert sound.shape == (2, round(1.5 * synth.SAMPLE_RATE)) and sound.dtype == np.float32
    assert not sound[:, : round(0.499 * synth.SAMPLE_RATE)].any()
    assert 0.5 <= first_sound_s(sound) < 0.505
    assert 0.02 < np.abs(sound).max() < 1


def test_drums_differ_in_sound() -> None:
    low, mid, high = (centroid_hz(synth.render([hit(0, d)], 0.5)) for d in ("kick", "snare", "closed_hihat"))
    assert low < 500 < mid < 5000 < high


def test_louder_strokes_are_louder() -> None:
    peaks = [np.abs(synth.render([hit(0, "snare", v)], 0.5)).max() for v in (20, 60, 100, 127)]
    assert peaks == sorted(peaks) and peaks[-1] > 3 * peaks[0]


def test_closing_the_hat_stops_the_open_one() -> None:
    ringing = synth.render([hit(0, "open_hihat")], 1.0)
    choked = synth.render([hit(0, "open_hihat"), hit(0.3, "pedal_hihat", 1)], 1.0)
    after = slice(round(0.6 * synth.SAMPLE_RATE), None)
    assert np.abs(choked[:, after]).max() < 0.1 * np.abs(ringing[:, after]).max()


def test_only_the_wanted_drums() -> None:
    both = [hit(0.1, "kick"), hit(0.6, "snare")]
    sound = synth.render(both, 1.0, drums={"snare"})
    assert 0.6 <= first_sound_s(sound) < 0.605
    assert not synth.render(both, 1.0, drums=()).any()


def test_hits_out_of_order_and_beyond_the_end() -> None:
    sound = synth.render([hit(5, "crash"), hit(0.4, "snare"), hit(0.1, "kick")], 1.0)
    assert sound.shape[1] == synth.SAMPLE_RATE and 0.1 <= first_sound_s(sound) < 0.105


def test_nothing_to_play_is_silence() -> None:
    assert not synth.render([], 0.5).any()
    assert synth.render([], 0).shape == (2, 0)


def test_cancel() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        synth.render([hit(0.1, "kick")], 1.0, cancel=stop)


def bar(index: int, meter: Meter, start_s: float, end_s: float) -> Bar:
    return Bar(index, index + 1, meter, meter.quarter_length, start_s, end_s, 120.0, ())


def test_click_on_each_pulse_with_a_bell_on_the_downbeat() -> None:
    meter = Meter(3, 4)
    sound = synth.click([bar(0, meter, 0.0, 1.5), bar(1, meter, 1.5, 3.0)], 3.0)
    for pulse in range(6):
        at = round(pulse * 0.5 * synth.SAMPLE_RATE)
        assert np.abs(sound[:, at : at + 400]).max() > 0.05
    bell, plain = sound[:, 1500:4000], sound[:, synth.SAMPLE_RATE // 2 + 1500 :][:, :2500]
    assert np.abs(bell).max() > np.abs(plain).max()


def test_pulses_of_compound_time_and_pickup() -> None:
    assert synth.pulse_times(bar(0, Meter(6, 8), 0, 2)) == [0, 1]
    pickup = Bar(0, 0, Meter(4, 4), Fraction(1), 0.0, 0.5, 120.0, ())
    assert synth.pulse_times(pickup) == [0.0]


def test_one_shots_hold_every_drum_and_layer() -> None:
    sound, shots = synth.one_shots()
    assert {(s.drum, s.velocity) for s in shots} == {(d, v) for d in LABELS for v in synth.VELOCITIES} | {
        ("click", 100),
        ("click_accent", 100),
    }
    for shot in shots:
        start, end = (round(t * synth.SAMPLE_RATE) for t in (shot.start_s, shot.start_s + shot.duration_s))
        piece = sound[:, start:end]
        assert np.abs(piece).max() > 0.01
        assert np.abs(piece[:, -8:]).max() < 0.01
