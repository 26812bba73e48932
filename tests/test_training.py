"""Training: synthesis, targets, a few real steps on a made-up data folder, export."""

from __future__ import annotations

import csv
import itertools
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile
import torch

from drumscribe.hits.features import BANDS, FPS, HOP, compress, log_mel
from drumscribe.hits.peaks import find_peaks
from drumscribe.kit import LABELS
from training import batches, drums, material, package_kits, parts, performance, riffs, soundfont_kits, sounds
from training.blend import blended
from training.calibrate import Clip, best_threshold, calibration_error, learn, platt, report
from training.export import Calibration, disagreement, export, read_checkpoint
from training.network import HitNetwork, blurred, interpolated
from training.packaged import begin_from
from training.scores import Tally, tally
from training.voices import sing

RATE = sounds.RATE
PIECES = {
    "kick": 60, "snare": 190, "hihat_closed": 7000, "hihat_open": 7000, "crash": 4000, "ride": 5000, "tom_low": 90,
    "tambourine": 9000,
}  # fmt: skip


def one_shot(hertz: float, seconds: float = 0.2) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return (0.7 * np.sin(2 * np.pi * hertz * t) * np.exp(-t * 20)).astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of the shape that training reads: a kit and a groove a side, one impulse response."""
    root = tmp_path_factory.mktemp("data")
    rows, kits = [], []
    for kit, family in (("one", "one"), ("held", "colombo"), ("last", "sams_sonor")):
        kits.append({"kit": kit, "family": family, "kind": "acoustic"})
        for piece, hertz in PIECES.items():
            for rank in (1, 2):
                path = Path("kits") / kit / piece / f"v{rank:03d}_rr1.flac"
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(root / path, np.pad(one_shot(hertz), (441, 0)), RATE)
                rows.append(
                    {"path": str(path), "kit": kit, "instrument": piece, "velocity_rank": rank, "onset_ms": 10.0}
                )
    for name, table in (("kits.csv", kits), ("manifest.csv", rows)):
        with (root / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    midi = pretty_midi.PrettyMIDI()
    player = pretty_midi.Instrument(0, is_drum=True)
    for i in range(64):
        for pitch in (42, 36 if i % 4 == 0 else 38 if i % 4 == 2 else 42):
            player.notes.append(pretty_midi.Note(40 + i % 80, pitch, i * 0.25, i * 0.25 + 0.1))
    midi.instruments.append(player)
    (root / "grooves/gmd").mkdir(parents=True)
    for name in ("a.mid", "b.mid", "c.mid"):
        midi.write(str(root / "grooves/gmd" / name))
    (root / "grooves/gmd/info.csv").write_text("midi_filename,split\na.mid,train\nb.mid,validation\nc.mid,test\n")
    (root / "ir").mkdir()
    soundfile.write(root / "ir/room.flac", 0.5 * np.exp(-np.arange(4000) / 500), RATE)
    (root / "songs").mkdir()
    return root


def test_kits_are_grouped_under_drum_labels(data: Path) -> None:
    kits = {kit.name: kit for kit in material.read_kits(data)}
    assert set(kits["one"].drums) == {
        "kick",
        "snare",
        "closed_hihat",
        "open_hihat",
        "crash",
        "ride",
        "floor_tom",
        "percussion",
    }
    assert [len(layer) for layer in kits["one"].drums["kick"][0].layers] == [1, 1]
    assert (material.kit_split(kits["one"]), material.kit_split(kits["held"])) == ("train", "valid")


def test_every_hit_sounds_when_its_label_says(data: Path) -> None:
    kits = material.read_kits(data)[:1]
    notes = [(t, "kick", 0.9) for t in (0.5, 1.0, 1.5)]
    stem = drums.render(notes, 2.0, kits, [], np.random.default_rng(3))
    assert [LABELS[c] for _, c, _ in stem.notes] == ["kick"] * 3
    loud = np.abs(stem.samples.astype(np.float32)) > 0.02 * 32000
    for time, _, _ in stem.notes:
        at = int(time * RATE)
        assert not loud[at - 1000 : at - 60].any()
        assert loud[at : at + 900].any()


def test_rendering_follows_the_seed(data: Path) -> None:
    kits = material.read_kits(data)
    notes = [(0.1 * i, "snare", 0.5) for i in range(10)]
    a, b = (drums.render(notes, 1.5, kits, [], np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(a.samples, b.samples)


def test_percussion_is_heard_but_not_written(data: Path) -> None:
    stem = drums.render([(0.2, "percussion", 1.0)], 1.0, material.read_kits(data), [], np.random.default_rng(1))
    assert np.abs(stem.samples).max() > 1000
    assert stem.notes == []


@pytest.mark.parametrize("seed", range(8))
def test_performances_stay_inside_their_clip(seed: int) -> None:
    notes = [(i * 0.2, "closed_hihat" if i % 2 else "snare", 0.6) for i in range(60)]
    played = performance.perform(notes, 10.0, np.random.default_rng(seed), swaps=0.65)
    assert played == sorted(played)
    assert all(0 <= t < 10 and 0 < v <= 1 for t, _, v in played)
    assert {label for _, label, _ in played} <= {*LABELS, sounds.PERCUSSION}
    for label in LABELS:
        times = [t for t, name, _ in played if name == label]
        assert all(b - a > 0.02 for a, b in itertools.pairwise(times))


def test_natural_performances_keep_what_people_play() -> None:
    notes = [(i * 0.25, "closed_hihat" if i % 2 else "snare", 0.6) for i in range(40)]
    for seed in range(6):
        played = performance.perform(notes, 10.0, np.random.default_rng(seed), swaps=0.0)
        hats = [t for t, label, _ in played if label == "closed_hihat"]
        assert len(hats) >= 10
        assert "cross_stick" not in {label for _, label, _ in played}


def test_the_foot_is_on_the_hats_only_where_the_hand_is_not() -> None:
    notes = [(i * 0.125, "closed_hihat", 0.6) for i in range(80)]
    seen = 0
    for seed in range(60):
        played = performance.perform(notes, 10.0, np.random.default_rng(seed), swaps=1.0)
        hand = np.array([t for t, label, _ in played if label in ("closed_hihat", "open_hihat")])
        foot = [t for t, label, _ in played if label == "pedal_hihat"]
        seen += len(foot)
        # its timing is a person's, too
        assert all(np.abs(hand - t).min() > 0.08 for t in foot if len(hand))
    assert seen > 100


def test_the_foot_that_falls_together_with_the_hand_is_not_a_hit() -> None:
    midi = pretty_midi.PrettyMIDI()
    player = pretty_midi.Instrument(0, is_drum=True)
    for time, pitch in ((1.0, 42), (0.98, 44), (1.5, 44), (2.0, 46), (2.03, 44), (2.5, 36), (2.5, 44)):
        player.notes.append(pretty_midi.Note(80, pitch, time, time + 0.1))
    midi.instruments.append(player)
    foot = [time for time, label, _ in material.drum_notes(midi) if label == "pedal_hihat"]
    assert foot == pytest.approx([1.5, 2.5], abs=1e-3)


@pytest.mark.parametrize("seed", range(12))
def test_two_drums_make_a_new_one_that_begins_when_they_do(seed: int) -> None:
    onset = 300
    first, second = (np.pad(one_shot(hertz), (onset, 0)) for hertz in (180, 2500))
    new = drums._layered(first, second, onset, np.random.default_rng(seed))
    assert new.dtype == np.float32
    assert np.abs(new[:onset]).max() < 1e-3
    assert np.abs(new[onset : onset + 900]).max() > 0.1
    assert min(np.abs(new - first).max(), np.abs(new - second).max()) > 0.05


def test_hats_that_are_almost_closed_die_away_as_asked() -> None:
    noise = np.random.default_rng(2).normal(0, 0.3, RATE).astype(np.float16)
    ajar = drums._closing(sounds.Sounds([[(noise, 200)]]), 0.05).layers[0][0][0].astype(np.float32)
    assert np.abs(ajar[:200]).max() > 0.5
    early, late = (np.sqrt((ajar[at : at + 1000] ** 2).mean()) for at in (200, 200 + int(0.1 * RATE)))
    assert late / early == pytest.approx(np.exp(-2), rel=0.15)


def test_rooms_begin_with_the_direct_sound_and_die_away() -> None:
    for room in material.make_rooms(count=6):
        energy = np.cumsum(room.astype(np.float64) ** 2)
        assert int(np.argmax(np.abs(room))) == 0
        assert energy[-1] == pytest.approx(1, abs=1e-3)
        assert energy[len(room) // 2] > 0.8


def test_what_a_stroke_stirs_comes_late_and_softly() -> None:
    notes = [(0.5, "kick", 1.0), (0.8, "closed_hihat", 1.0)]
    for seed in range(8):
        noise = drums._rattle(notes, RATE, np.random.default_rng(seed))
        assert not noise[: RATE // 2].any()
        assert 0 < np.abs(noise).max() < 0.2
        assert int(np.argmax(np.abs(noise))) < 0.8 * RATE


def test_soundfonts_become_kits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    font = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
    if not shutil.which("fluidsynth"):
        pytest.skip("fluidsynth is not installed")
    assert soundfont_kits.presets(font)[0] == "Standard"
    assert b"Orchestra" in font.read_bytes()
    assert "Orchestra" not in soundfont_kits.presets(font).values()  # timpani where a kit has hats and cymbals
    (tmp_path / "one.sf2").write_bytes(font.read_bytes())
    monkeypatch.setattr(soundfont_kits, "ROOT", tmp_path)
    monkeypatch.setattr(soundfont_kits, "FONTS", {"tim": ("one.sf2", "missing.sf2")})
    kits = soundfont_kits.read_soundfont_kits()
    assert set(LABELS) <= set(kits[0].drums)
    assert kits[0].family == "tim"
    samples, onset = kits[0].drums["kick"][0].layers[0][0]
    assert 0 < onset <= 0.006 * RATE
    assert float(np.abs(samples).max()) == pytest.approx(1, abs=0.01)
    later = [sound for kit in kits[1:] for sound in kit.drums.get("ride_bell", [])]
    assert len(later) < len(kits) - 1  # presets share samples: each is kept once


def test_sounds_out_of_packages_become_kits(tmp_path: Path) -> None:
    assert package_kits.read_package_kits(tmp_path) == []
    waves = tmp_path / "usr/share/stk/rawwaves"
    waves.mkdir(parents=True)
    x = np.pad(one_shot(1000), (4410, 0))[::2]  # at 22,050 Hz, after 100 ms of silence
    (waves / "snardrum.raw").write_bytes((x * 32767).astype(">i2").tobytes())
    house = tmp_path / "npm/drumkit/src/assets"
    house.mkdir(parents=True)
    for name in ("snare.mp3", "snare2.mp3", "voice.mp3"):
        soundfile.write(house / name, np.tile(one_shot(200)[:, None], 2), RATE, format="MP3")
    first, second = package_kits.read_package_kits(tmp_path)
    assert [len(sounds) for sounds in first.drums.values()] == [2]
    assert list(second.drums) == ["snare"]
    samples, onset = second.drums["snare"][0].layers[0][0]
    assert 0 < onset <= 0.006 * RATE  # what came before the stroke is gone
    assert float(np.abs(samples).max()) == pytest.approx(1, abs=0.01)
    spectrum = np.abs(np.fft.rfft(samples[onset : onset + RATE // 10].astype(np.float32)))
    assert int(np.argmax(spectrum)) * 10 == pytest.approx(1000, abs=20)  # the pitch that was written


def test_no_kit_out_of_a_package_is_held_out() -> None:
    names = [source.kit for source in package_kits.SOURCES]
    assert len(set(names)) == len(names)
    for source in package_kits.SOURCES:
        assert material.kit_split(sounds.Kit(source.kit, source.family, source.kind)) == "train"
        assert set(source.drums) <= {*LABELS, sounds.PERCUSSION}
        assert source.package and source.licence


@pytest.mark.parametrize("seed", range(12))
def test_in_drawn_parts_the_foot_plays_where_the_hand_does_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    notes = [note for _ in range(10) for note in parts.draw_part(20.0, rng)]
    assert {label for _, label, _ in notes} <= set(LABELS)
    assert all(0 <= time < 20 and 0 < velocity <= 1 for time, _, velocity in notes)
    for _ in range(10):
        part = parts.draw_part(20.0, rng)
        assert part == sorted(part)
        feet = [time for time, label, _ in part if label == "pedal_hihat"]
        hand = {label for _, label, _ in part} & {"closed_hihat", "open_hihat"}
        if len(feet) > 6:
            assert not hand


def test_grooves_are_played_at_any_tempo() -> None:
    notes = [(0.5 * i, "snare", 0.6) for i in range(200)]
    played = [performance.excerpt(notes, 100.0, 20.0, np.random.default_rng(i)) for i in range(200)]
    gaps = [float(np.median(np.diff([time for time, _, _ in part]))) for part in played]
    assert 0.5 / 1.65 < min(gaps) < 0.5 / 1.4
    assert 0.5 / 0.75 < max(gaps) < 0.5 / 0.55
    assert np.median(gaps) == pytest.approx(0.5, rel=0.08)


def test_few_clips_keep_the_foot_and_only_where_the_hand_is_elsewhere() -> None:
    notes = [(0.25 * i, "closed_hihat", 0.6) for i in range(20)] + [(5 + 0.5 * i, "ride", 0.6) for i in range(10)]
    notes += [(0.5 * i + 0.12, "pedal_hihat", 0.3) for i in range(20)]
    kept = [
        [time for time, label, _ in performance.audible_feet(sorted(notes), np.random.default_rng(i), share=0.2)
         if label == "pedal_hihat"]
        for i in range(200)
    ]  # fmt: skip
    assert 20 < sum(bool(feet) for feet in kept) < 60
    assert all(min(feet) > 5 for feet in kept if feet)


@pytest.mark.parametrize("seed", range(6))
def test_riffs_and_masters_are_loud_and_finite(seed: int) -> None:
    rng = np.random.default_rng(seed)
    guitars = riffs.riff([0.4 * i for i in range(10)] if seed else [], 4.0, rng)
    assert len(guitars) == 4 * RATE and np.isfinite(guitars).all()
    assert np.sqrt((guitars**2).mean()) == pytest.approx(0.1, rel=0.05)
    thick = riffs.wall([guitars, guitars[::-1].copy()], rng)
    assert np.sqrt((thick**2).mean()) == pytest.approx(0.1, rel=0.05)
    kicks = np.zeros(RATE * 2, dtype=np.float32)
    kicks[::22050] = 1.0
    kicks += rng.normal(0, 0.05, len(kicks)).astype(np.float32)
    loud = riffs.master(kicks, rng)
    assert np.abs(loud).max() <= 1
    assert np.sqrt((loud**2).mean()) > 1.3 * np.sqrt((kicks**2).mean())  # peaks went, the rest came up


def test_the_slow_stack_does_not_see_on_which_frame_a_recording_begins() -> None:
    torch.manual_seed(0)
    net = HitNetwork().eval()
    rng = np.random.default_rng(0)
    x = torch.from_numpy(np.repeat(rng.random((1, 200, BANDS, 2)), 4, axis=1).astype(np.float32)) * 3

    def slow(features: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y = torch.relu(net.enter.weight.new_zeros(1) + features.mean((2, 3))[:, None]).expand(1, 112, -1)
            return interpolated(net.narrow(net.slow(net.widen(blurred(y)))))[0]

    still, moved = slow(x)[:, 301:401], slow(x[:, 1:])[:, 300:400]
    assert float((still - moved).std() / still.std()) < 0.05


def test_targets_are_read_back_by_the_peak_picker() -> None:
    notes = [(1.2345, 0, 0.8), (2.0, 3, 0.3), (2.031, 3, 0.9)]
    onset, velocity, known = batches.targets(notes, 400)
    peaks = find_peaks(onset, 0.5)
    found = sorted((float(p) / FPS, int(c)) for p, c in zip(peaks.position, peaks.column, strict=True))
    assert [c for _, c in found] == [0, 3, 3]
    assert [t for t, _ in found] == pytest.approx([1.2345, 2.0, 2.031], abs=0.002)
    assert velocity[123, 0] == pytest.approx(0.8)
    assert known.sum() <= 9


def test_training_hears_what_the_product_hears() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, batches.SAMPLES).astype(np.float32)
    padded = np.pad(samples, 1024)
    trained = compress(batches.mel_magnitudes(padded, batches.FRAMES))
    assert np.array_equal(trained, log_mel(samples, 0, batches.FRAMES))
    assert batches.SAMPLES == batches.FRAMES * HOP


def test_degradation_keeps_shape_and_stays_finite() -> None:
    clean = np.random.default_rng(0).random((64, BANDS, 2)).astype(np.float32)
    for seed in range(30):
        worse = batches.degrade(clean, np.random.default_rng(seed), separated=bool(seed % 2))
        assert worse.shape == clean.shape and worse.dtype == np.float32
        assert np.isfinite(worse).all() and worse.min() >= 0


def test_a_voice_sings_where_there_are_notes() -> None:
    voice = sing([(0.5, 1.5, 60)], 3.0, RATE, np.random.default_rng(1))
    assert len(voice) == 3 * RATE
    assert np.abs(voice[int(0.7 * RATE) : int(1.3 * RATE)]).max() > 0.2
    assert np.abs(voice[int(2.2 * RATE) :]).max() < 0.01


def test_songs_and_takes_of_a_style_share_a_side() -> None:
    sides = {material.hash_split(f"song{i}") for i in range(200)}
    assert sides == {"train", "valid", "test"}
    assert material.hash_split("x") == material.hash_split("x")


# counting and calibration


def test_counts() -> None:
    onset, _, _ = batches.targets([(1.0, 0, 1), (2.0, 0, 1), (3.0, 1, 1)], 400)
    total = tally(onset, [(1.01, 0), (2.5, 0), (3.0, 1)], np.full(len(LABELS), 0.5), fps=FPS)
    assert (total.right[:2].tolist(), total.found[:2].tolist(), total.there[:2].tolist()) == ([1, 1], [2, 1], [2, 1])
    assert (total + Tally.empty()).micro() == pytest.approx(4 / 6)


def test_platt_finds_the_log_odds_that_were_there() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 20000)
    right = rng.random(20000) < 1 / (1 + np.exp(-(1.7 * logit - 0.8)))
    scale, shift = platt(logit, right, (1.0, 0.0), 1.0)
    assert (scale, shift) == (pytest.approx(1.7, abs=0.1), pytest.approx(-0.8, abs=0.1))
    p = 1 / (1 + np.exp(-(scale * logit + shift)))
    assert calibration_error(p, right) < 0.01 < calibration_error(1 / (1 + np.exp(-logit)), right)


def test_the_threshold_parts_right_from_wrong() -> None:
    p = np.array([0.9, 0.8, 0.7, 0.3, 0.2])
    assert 0.3 < best_threshold(p, np.array([True, True, True, False, False]), 3) <= 0.7


def test_what_is_learnt_from_clips_fits_them() -> None:
    rng = np.random.default_rng(5)
    clips = [heard(rng, mix=bool(i % 2)) for i in range(12)]
    learnt = learn(clips)
    assert set(learnt.thresholds) == set(LABELS)
    assert len(set(learnt.thresholds.values())) == 1
    assert learnt.offsets_ms["kick"] == pytest.approx(4.0, abs=0.3)
    assert learnt.repetition[1] > 0
    unheard = [heard(rng, mix=bool(i % 2)) for i in range(12)]
    said = report(unheard, learnt)
    assert said["ece"] < 0.03
    assert abs(said["median_error_ms"]) < 0.3
    # velocities are heard half as far apart as they are: half the way back is a factor of the root of two
    assert learnt.velocity[0] == pytest.approx(2**0.5, abs=0.1)
    plain = report(unheard, replace(learnt, velocity=(1.0, 0.0)))
    assert said["ghosts"] > plain["ghosts"] + 0.2
    assert said["velocity_mae_127"] < plain["velocity_mae_127"]
    # a hit is right with the probability of its height's 1.5-fold logit less 1
    assert learnt.scale[0] == pytest.approx(1.5, abs=0.25)
    assert learnt.shift[0] == pytest.approx(-1.0, abs=0.3)


def heard(rng: np.random.Generator, *, mix: bool, frames: int = 2000) -> Clip:
    """Three drums with bumps of any height, 4 ms late, and as many of them right as the heights say."""
    logits = np.full((frames, len(LABELS)), -9.0, dtype=np.float32)
    velocity = np.zeros_like(logits)
    notes = []
    for column in range(3):
        for frame in np.arange(20, frames - 20, 12) + rng.integers(-2, 3, (frames - 40 + 11) // 12):
            logit = float(rng.normal(0, 2))
            time = frame / FPS + float(rng.normal(0, 0.001))
            height = 1 / (1 + np.exp(-logit))
            bump = height * np.exp(-0.5 * ((np.arange(frame - 4, frame + 5) - FPS * time) / 0.75) ** 2)
            logits[frame - 4 : frame + 5, column] = np.log(np.maximum(bump, 1e-4) / (1 - np.minimum(bump, 0.9999)))
            force = float(rng.normal(0, 1.2))
            velocity[frame - 1 : frame + 2, column] = 0.5 * force + 0.1
            if rng.random() < 1 / (1 + np.exp(-(1.5 * logit - 1))):
                notes.append((time - 0.004, column, float(1 / (1 + np.exp(-force)))))
    return Clip(logits, velocity, notes, mix)


# the commands, on the made-up data


def command(module: str, *args: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, args)], capture_output=True, text=True, check=False,
        env=os.environ | {"SOUNDFONTS": "/nowhere"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_stems_train_resume_export(data: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "rooms.pickle").write_bytes(pickle.dumps(material.make_rooms(count=4)))
    common = ("--data", data, "--work", work, "--every", "2", "--clips", "8")
    assert "validation F" in command("training.train", *common, "--steps", "2", "--first", "2", "--backings", "0")
    stem = pickle.loads((work / "stems/train/00000.pickle").read_bytes())
    assert len(stem.notes) > 10
    assert "validation F" in command("training.train", *common, "--steps", "4", "--resume", "--still")
    log = (work / "run/log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in log] == ["step", "2", "4"]
    said = command("training.export", "--work", work, "--out", tmp_path / "out", "--version", "test")
    assert "MB" in said
    assert (tmp_path / "out/hits.keras").stat().st_size < 8_000_000
    # what was exported is read back as it was, its calibration taken out again
    served = replace(Calibration.none(), scale=[1.5] * len(LABELS), shift=[4.0] * len(LABELS))
    export(read_checkpoint(work / "run/last.pt")[0], served, tmp_path / "out", "test", {})
    again = HitNetwork()
    begin_from(again, tmp_path / "out", work, clips=8)
    assert disagreement(again, tmp_path / "out/hits.keras", served) < 1e-4
    # and of a mean, all of the one is the one
    both = blended(read_checkpoint(work / "run/last.pt")[0], tmp_path / "out", work, 0.0, clips=8)
    assert disagreement(both, tmp_path / "out/hits.keras", served) < 1e-3
