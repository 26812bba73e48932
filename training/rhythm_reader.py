"""The reader's weights (``drumscribe/rhythm/reader.json``), from what the hit networks make of synthesised songs.

    python -m training.rhythm_reader --data DATA --work WORK --kept FOLDER [--pieces 40 24] [--out FILE]

Performances of the Groove MIDI Dataset and General MIDI songs are played on kits that were held out from the networks'
training, the drums alone, with the song (or under accompaniment made by ``training.backings``), and under layers of
distorted guitars (``training.riffs``). The networks that ship listen.
Each candidate is a row, and what was played tells whether it is right. The weights are fitted to performances and songs
of the training split; the table at the end is of those of the validation split. All that is heard is kept in FOLDER.
"""

from __future__ import annotations

import argparse
import csv
import json
import pickle
import random
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile
import torch
from numpy.typing import NDArray

from drumscribe.kit import LABELS
from drumscribe.options import DetectOptions, Options
from drumscribe.rhythm import reader
from drumscribe.rhythm.likeness import gathered
from drumscribe.song.project import canonical
from drumscribe.song.stages import shown
from drumscribe.types import Activations, BeatGrid, Hit, Hits, Meter, Stem
from training.drums import render
from training.material import drum_notes, kit_split, load_kits, load_rooms
from training.performance import audible_feet
from training.rhythm_stats import song_split
from training.riffs import master, riff
from training.sounds import RATE, Note

Floats = NDArray[np.float64]
FloatArray = NDArray[np.float32]
TARGET = Path(__file__).parents[1] / "drumscribe" / "rhythm" / "reader.json"
UNDER = ("drums", "mix", "dense")
_FONTS = ("sf2/TimGM6mb.sf2", "sf3/MuseScore_General.sf3", "sf2/sf_GMbank.sf2")
_SECONDS, _LEAD_S = 48.0, 0.5
_ABOVE_DB = 2.0
"""How much louder the accompaniment is than the drums."""
_AUDIBLE = 0.12
"""Velocity (0-1) below which an e-kit reports what nobody hears."""
_FEWEST = 100
"""Strokes in an excerpt that is worth hearing."""
_OWN, _SHARED = 3.0, 0.5
"""How strongly a drum's weights are drawn to those of all, and these to hearing alone."""


@dataclass(frozen=True)
class Clip:
    """One performance as it was heard.

    Attributes:
        name: of the performance.
        under: one of :data:`UNDER`.
        grid: beats and bars as played to the click.
        truth: time and drum of each stroke.
        activations: of the hit network.
    """

    name: str
    under: str
    grid: BeatGrid
    truth: tuple[tuple[float, str], ...]
    activations: Activations

    def pool(self) -> tuple[Hits, list[Hit]]:
        """Hits as heard, and all that they might be."""
        from drumscribe import hits

        heard = shown(hits.pick(self.activations, DetectOptions()), Options())
        known = heard.by_id()
        spare = shown(Hits(tuple(hit for hit in hits.candidates(self.activations) if hit.id not in known)), Options())
        low, high = heard[0].time_s - 0.03, heard[-1].time_s + 0.03
        return heard, [*heard, *(hit for hit in spare if low <= hit.time_s <= high)]


def heard_clips(data: Path, work: Path, kept: Path, split: str, pieces: int) -> list[Clip]:
    """Play and hear pieces in 4/4 and one tempo, 48 s of each; kept in ``kept``."""
    kits = [kit for kit in load_kits(data, work) if kit_split(kit) == "valid"]
    rooms, music = load_rooms(work), sorted((work / "backings").glob("*.npy"))
    clips: list[Clip] = []
    kept.mkdir(parents=True, exist_ok=True)
    for number, (path, bpm) in enumerate(_sources(data, split)[:pieces]):
        file = kept / f"{split}_{number:03d}.pickle"
        if not file.exists():
            rng = np.random.default_rng((7, split == "train", number))
            midi = pretty_midi.PrettyMIDI(str(path))
            for part in midi.instruments:
                part.is_drum = part.is_drum or len(midi.instruments) == 1
            notes, others, grid = _excerpt(midi, bpm, rng)
            if len(notes) < _FEWEST:
                continue
            seconds = float(grid.times[-1]) + 1.5
            stem = render(notes, seconds, kits, rooms, rng)
            drums = stem.samples.astype(np.float32) / 32768
            other = _sound(others, rng) if others else np.load(music[int(rng.integers(len(music)))]).astype(np.float32)
            kicks = [time for time, column, _ in stem.notes if LABELS[column] == "kick"]
            mixes = {
                "drums": drums,
                "mix": drums + _beside(other, drums, _ABOVE_DB),
                "dense": master(drums + _beside(riff(kicks, seconds, rng), drums, float(rng.uniform(0, 6))), rng),
            }
            truth = tuple((time, LABELS[column]) for time, column, _ in stem.notes)
            made = [Clip(path.name, under, grid, truth, _heard(mixes[under])) for under in UNDER]
            file.with_suffix(".tmp").write_bytes(pickle.dumps(made))
            file.with_suffix(".tmp").replace(file)
        clips += pickle.loads(file.read_bytes())
        print(f"{split}: {number + 1} of {pieces} heard", flush=True)
    return clips


def _heard(sound: FloatArray) -> Activations:
    from drumscribe import hits

    return canonical(hits.activations(Stem((sound / np.abs(sound).max())[None], RATE, "none")))


def _beside(other: FloatArray, drums: FloatArray, above_db: float) -> FloatArray:
    """Accompaniment as long as the drums, and so much louder."""
    other = np.resize(other, len(drums))
    loud = np.sqrt((drums**2).mean() / max(float((other**2).mean()), 1e-9))
    return np.asarray(other * (10 ** (above_db / 20) * loud), dtype=np.float32)


def _sources(data: Path, split: str) -> list[tuple[Path, float]]:
    """Performances and songs in turn, with their tempo."""
    gmd = data / "grooves" / "gmd"
    played = [
        (gmd / row["midi_filename"], float(row["bpm"])) for row in csv.DictReader((gmd / "info.csv").open())
        if row["split"] == split and row["beat_type"] == "beat" and row["time_signature"] == "4-4"
        and float(row["duration"]) > 40
    ]  # fmt: skip
    random.Random(5).shuffle(played)
    written = []
    for path in sorted((data / "songs").rglob("*.mid")):
        if (song_split(path) == "train") != (split == "train"):
            continue
        midi = pretty_midi.PrettyMIDI(str(path))
        tempi = {round(float(tempo), 1) for tempo in midi.get_tempo_changes()[1]}
        signs = {(sign.numerator, sign.denominator) for sign in midi.time_signature_changes}
        drums = sum(len(part.notes) for part in midi.instruments if part.is_drum)
        if len(tempi) == 1 and signs <= {(4, 4)} and drums > 400 and midi.get_end_time() > 50:
            written.append((path, tempi.pop()))
    random.Random(7).shuffle(written)
    return [source for pair in zip(played, written, strict=False) for source in pair]


def _excerpt(
    midi: pretty_midi.PrettyMIDI, bpm: float, rng: np.random.Generator
) -> tuple[list[Note], list[pretty_midi.Instrument], BeatGrid]:
    """Strokes, the other parts, and the grid of some bars."""
    bar = 240 / bpm
    count = int(_SECONDS // bar)
    start = 4 * bar if midi.get_end_time() > bar * (count + 4) else 0.0
    low, high = start - 0.03, start + count * bar - 0.03
    notes: list[Note] = []
    for at, drum, velocity in audible_feet(drum_notes(midi), rng, share=0.3):
        twice = any(other == drum and at - start + _LEAD_S - time < 0.02 for time, other, _ in notes[-6:])
        if low <= at < high and velocity >= _AUDIBLE and not twice:
            notes.append((max(0.0, at - start + _LEAD_S), drum, velocity))
    others = []
    for part in midi.instruments:
        if not part.is_drum:
            new = pretty_midi.Instrument(part.program)
            for note in part.notes:
                if low <= note.start < high:
                    at = max(0.0, note.start - start + _LEAD_S)
                    new.notes.append(
                        pretty_midi.Note(note.velocity, note.pitch, at, at + min(note.get_duration(), 4.0))
                    )
            others += [new] if new.notes else []
    pulses = np.arange(count * 4 + 1)
    grid = BeatGrid((_LEAD_S + 60 / bpm * pulses).astype(np.float64), pulses % 4 + 1, (Meter(),) * count, bpm, "user")
    return notes, others, grid


def _sound(parts: list[pretty_midi.Instrument], rng: np.random.Generator) -> FloatArray:
    midi = pretty_midi.PrettyMIDI(resolution=960)
    midi.instruments = parts
    font = Path("/usr/share/sounds") / _FONTS[int(rng.integers(len(_FONTS)))]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.mid", Path(folder) / "a.wav"
        midi.write(str(source))
        command = ["fluidsynth", "-ni", "-q", "-g", "0.5", "-r", str(RATE), "-F", str(target), str(font), str(source)]
        subprocess.run(command, check=True, capture_output=True)
        samples, _ = soundfile.read(target, dtype="float32", always_2d=True)
    return np.asarray(samples.mean(axis=1), dtype=np.float32)


def rows_of(clip: Clip) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Features, kind of drum, and truth of every candidate: of several at one stroke the surest is it."""
    _, pool = clip.pool()
    rows = reader.features(pool, gathered(pool, clip.grid))
    kinds = np.array([reader.kind_of(hit.drum) for hit in pool])
    right = np.zeros(len(pool))
    for at, drum in clip.truth:
        near = [
            k for k, hit in enumerate(pool)
            if abs(hit.time_s - at) < 0.05 and reader.kind_of(hit.drum) == reader.kind_of(drum) and not right[k]
        ]  # fmt: skip
        if near:
            right[max(near, key=lambda k: pool[k].confidence)] = 1.0
    return rows, kinds, right


def fit(data: Sequence[tuple[Floats, NDArray[np.int64], Floats]]) -> Floats:
    """Maximum likelihood, ``(8, 7)``: what all drums share, and what is each one's own."""
    rows, kinds, right = (torch.tensor(np.concatenate(part)) for part in zip(*data, strict=True))
    alone = torch.zeros(rows.shape[1], dtype=torch.float64)
    alone[1] = 1.0  # by sound alone
    shared = alone.clone().requires_grad_(True)
    own = torch.zeros((len(reader.KINDS), rows.shape[1]), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([shared, own], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        score = (rows * (shared + own)[kinds]).sum(1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(score, right, reduction="sum")
        loss = loss + _OWN * own.square().sum() + _SHARED * (shared - alone).square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return np.asarray(np.round((shared + own).detach().numpy(), 2), dtype=np.float64)


def bars_right(clip: Clip, hits: Hits) -> tuple[int, int, int, int, int]:
    """Bars without a stroke missing or extra, bars, strokes right, strokes there, strokes written (by kind of drum)."""
    found: dict[str, list[set[tuple[int, int]]]] = {}
    bars = len(clip.grid.meters)
    for name, strokes in (("there", clip.truth), ("written", tuple((hit.time_s, hit.drum) for hit in hits))):
        found[name] = [set() for _ in range(bars)]
        for at, drum in strokes:
            tick = round(float(clip.grid.pulse_at(at)) * 8)
            if 0 <= tick // 32 < bars:
                found[name][tick // 32].add((tick, reader.kind_of(drum)))
    right = both = 0
    for there, written in zip(found["there"], found["written"], strict=True):
        pairs = _paired(there, written)
        both += pairs
        right += pairs == len(there) == len(written)
    return right, bars, both, sum(map(len, found["there"])), sum(map(len, found["written"]))


def _paired(there: set[tuple[int, int]], written: set[tuple[int, int]]) -> int:
    left = set(written)
    pairs = 0
    for tick, kind in sorted(there):
        near = next((other for other in ((tick, kind), (tick - 1, kind), (tick + 1, kind)) if other in left), None)
        if near:
            left.remove(near)
            pairs += 1
    return pairs


def report(clips: list[Clip], weights: Floats) -> None:
    """Bars and strokes right at places of the dial."""
    for under in UNDER:
        for amount in (0.0, 0.25, 0.5, 0.75, 1.0):
            total, changes = np.zeros(5), 0
            for clip in clips:
                if clip.under == under:
                    heard, pool = clip.pool()
                    read = reader.read_hits(heard, pool[len(heard) :], clip.grid, amount, weights=weights)
                    total += bars_right(clip, read.hits)
                    changes += len(read.changes)
            right, bars, both, there, written = total
            f1 = 2 * both / (there + written)
            told = f"{under:6s} {amount:.2f}  bars right {right / bars:.3f} of {bars:.0f}  F {f1:.4f}"
            print(f"{told}  changes {changes}", flush=True)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="kits, rooms, and accompaniment of the hit network")
    parser.add_argument("--kept", type=Path, required=True, help="where what was heard is kept")
    parser.add_argument("--pieces", type=int, nargs=2, default=(40, 24), help="of the training and validation split")
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    torch.set_num_threads(1)
    learn, judge = (
        heard_clips(args.data, args.work, args.kept, split, pieces)
        for split, pieces in zip(("train", "validation"), args.pieces, strict=True)
    )
    weights = fit([rows_of(clip) for clip in learn])
    report(judge, weights)
    numbers = {"made": {"by": "python -m training.rhythm_reader", "clips": len(learn)}, "weights": weights.tolist()}
    args.out.write_text(json.dumps(numbers) + "\n")
    print(f"wrote {args.out}", flush=True)


if __name__ == "__main__":
    main()
