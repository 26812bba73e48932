"""Where frames are counted from: silence in front of a recording changes nothing of what is heard in it."""

from __future__ import annotations

import numpy as np
import pytest

from drumscribe import anchor as anchors
from drumscribe import hits
from drumscribe.anchor import anchor
from drumscribe.mapped import Mono
from drumscribe.options import DetectOptions
from drumscribe.rhythm import track
from drumscribe.settings import Settings
from drumscribe.types import Audio, Stem

RATE = 44_100


def strokes(*at: tuple[int, float], length: int = 3 * RATE) -> np.ndarray:
    """Decaying noise that begins at each sample, as loud as is said; the same noise each time."""
    burst = np.random.default_rng(1).normal(0, 0.3, RATE // 4) * np.exp(-np.arange(RATE // 4) / 2000)
    samples = np.random.default_rng(2).normal(0, 1e-4, length).astype(np.float32)
    for place, loud in at:
        part = samples[place : place + len(burst)]
        part += (loud * burst[: len(part)]).astype(np.float32)
    return samples


def test_it_lies_where_the_strongest_attack_begins() -> None:
    samples = strokes((7_000, 0.6), (50_000, 1.0), (90_000, 0.8))
    assert abs(anchor(samples) - 50_000) < 50


@pytest.mark.parametrize("silence", [1, 220, 6_042, 300_000])
def test_it_moves_with_the_sound(silence: int) -> None:
    samples = strokes((7_000, 0.6), (50_000, 1.0), (90_000, 0.8))
    later = np.concatenate([np.zeros(silence, np.float32), samples])
    assert anchor(later) == anchor(samples) + silence
    assert anchor(Mono(np.stack([later, later]))) == anchor(samples) + silence


def test_of_equal_attacks_the_first_counts() -> None:
    places = [10_000 + 9_000 * k for k in range(8)]
    assert abs(anchor(strokes(*((place, 1.0) for place in places))) - places[0]) < 50


@pytest.mark.parametrize("off", [-441, -220, 0, 220, 441])
def test_blocks_have_no_seams(monkeypatch: pytest.MonkeyPatch, off: int) -> None:
    monkeypatch.setattr(anchors, "_BLOCK", 20_000)
    samples = strokes((7_000, 0.6), (40_000 + off, 1.0))
    found = anchor(samples)
    monkeypatch.setattr(anchors, "_BLOCK", 2**18)
    assert found == anchor(samples)


def test_silence_has_none() -> None:
    assert anchor(np.zeros(1_000, np.float32)) == anchor(np.zeros(0, np.float32)) == 0
    assert anchor(np.ones(5, np.float32)) == 0  # it begins with all its energy


@pytest.mark.slow
def test_the_same_is_heard_after_silence() -> None:
    silence = 6_042  # 137 ms
    samples = strokes(*((11_000 * k + 5_000, 0.2 + 0.1 * (k % 4)) for k in range(24)), length=6 * RATE)
    later = np.concatenate([np.zeros(silence, np.float32), samples])
    found = []
    for sound in (samples, later):
        heard = hits.activations(Stem(sound[None], RATE, "none"), settings=Settings(_env_file=None))
        assert -0.04 < heard.start_s <= 0 < heard.start_s + len(heard.onset) / heard.fps - len(sound) / RATE + 0.01
        beats = track(Audio(sound[None], RATE, "test"), tracker="madmom")
        assert -0.01 < beats.start_s <= 0
        found.append((hits.candidates(heard), hits.pick(heard, DetectOptions()), beats.beats))
    (before, shown, beats_before), (after, shown_after, beats_after) = found
    moved = silence / RATE
    assert len(before) > 20
    for one, other in ((before, after), (shown.items, shown_after.items)):
        assert [hit.drum for hit in one] == [hit.drum for hit in other]
        assert np.abs([a.time_s + moved - b.time_s for a, b in zip(one, other, strict=True)]).max() < 1e-4
        assert np.abs([a.confidence - b.confidence for a, b in zip(one, other, strict=True)]).max() < 0.01
    assert len(beats_before) > 5
    np.testing.assert_allclose(beats_before[1:] + moved, beats_after[-len(beats_before) + 1 :], atol=1e-6)
