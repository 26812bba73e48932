"""The reader's weights (``drumscribe/rhythm/reader.json``), from what the hit network makes of synthesised songs.

    python -m training.rhythm_reader --data DATA_DIR --work FOLDER --backings FOLDER [--pieces 22] [--out FILE]

Performances of GMD's validation split and General MIDI songs outside the training split (the network learnt from that,
and errs less there than it will) are played by soundfonts: the drums alone, and with the song, or under accompaniment
made by ``training.backings``. The network that ships listens.
Each candidate is a row, and what was played tells whether it is right. The table at the end is cross-validated: no
performance judges itself. All that is heard is kept in FOLDER.
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

from drumscribe.kit import BY_MIDI
from drumscribe.options import DetectOptions, Options
from drumscribe.rhythm import reader
from drumscribe.rhythm.likeness import gathered
from drumscribe.song.project import canonical
from drumscribe.song.stages import shown
from drumscribe.types import Activations, BeatGrid, Hit, Hits, Meter, Stem
from training.rhythm_stats import song_split

Floats = NDArray[np.float64]
TARGET = Path(__file__).parents[1] / "drumscribe" / "rhythm" / "reader.json"
RATE = 44_100
_FONTS = ("sf2/TimGM6mb.sf2", "sf3/MuseScore_General.sf3", "sf2/sf_GMbank.sf2")
_KITS = (0, 8, 16, 24, 40)
_TD11 = {22: 42, 26: 46, 58: 43}
_LEAD_S = 0.5
_ABOVE_DB = 2.0
"""How much louder the accompaniment is than the drums."""
FOLDS = 4
_OWN, _SHARED = 3.0, 0.5
"""How strongly a drum's weights are drawn to those of all, and these to hearing alone."""


@dataclass(frozen=True)
class Clip:
    """One performance as it was heard.

    Attributes:
        name: of the performance.
        under: ``"drums"`` or ``"mix"``.
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


def heard_clips(data: Path, work: Path, backings: Path, pieces: int) -> list[Clip]:
    """Play and hear pieces in 4/4 and one tempo, 15 s of each; kept in ``work``."""
    from drumscribe import hits

    music = sorted(backings.glob("*.npy"))
    clips: list[Clip] = []
    work.mkdir(parents=True, exist_ok=True)
    for number, (path, bpm) in enumerate(_sources(data)[:pieces]):
        kept = work / f"reader_{number:03d}.pickle"
        if not kept.exists():
            midi = pretty_midi.PrettyMIDI(str(path))
            for part in midi.instruments:
                part.is_drum = part.is_drum or len(midi.instruments) == 1
            drums, whole, truth, grid = _played(midi, bpm, number)
            if len(midi.instruments) == 1:
                other = np.resize(np.load(music[number % len(music)]).astype(np.float32), len(drums))
                other *= 10 ** (_ABOVE_DB / 20) * np.sqrt((drums**2).mean() / max(float((other**2).mean()), 1e-9))
                whole = drums + other
            made = [
                Clip(path.name, under, grid, truth,
                     canonical(hits.activations(Stem((sound / np.abs(sound).max())[None], RATE, "none"))))
                for under, sound in (("drums", drums), ("mix", whole))
            ]  # fmt: skip
            kept.write_bytes(pickle.dumps(made))
        clips += pickle.loads(kept.read_bytes())
        print(f"{number + 1} of {pieces} heard", flush=True)
    return clips


def _sources(data: Path) -> list[tuple[Path, float]]:
    """Performances and songs in turn, with their tempo."""
    gmd = data / "grooves" / "gmd"
    played = [
        (gmd / row["midi_filename"], float(row["bpm"])) for row in csv.DictReader((gmd / "info.csv").open())
        if row["split"] == "validation" and row["beat_type"] == "beat" and row["time_signature"] == "4-4"
        and float(row["duration"]) > 26
    ]  # fmt: skip
    random.Random(5).shuffle(played)
    written = []
    for path in sorted((data / "songs").rglob("*.mid")):
        if song_split(path) == "train":
            continue
        midi = pretty_midi.PrettyMIDI(str(path))
        tempi = {round(float(tempo), 1) for tempo in midi.get_tempo_changes()[1]}
        signs = {(sign.numerator, sign.denominator) for sign in midi.time_signature_changes}
        drums = sum(len(part.notes) for part in midi.instruments if part.is_drum)
        if len(tempi) == 1 and signs <= {(4, 4)} and drums > 400 and midi.get_end_time() > 30:
            written.append((path, tempi.pop()))
    random.Random(7).shuffle(written)
    return [source for pair in zip(played, written, strict=False) for source in pair]


def _played(
    midi: pretty_midi.PrettyMIDI, bpm: float, number: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[tuple[float, str], ...], BeatGrid]:
    """Sound of the drums, sound of all, strokes, and grid of some bars."""
    bar = 240 / bpm
    count = int(15 // bar)
    start = 4 * bar if midi.get_end_time() > bar * (count + 4) else 0.0
    kit = _KITS[number % len(_KITS)]
    truth, parts = [], []
    for part in midi.instruments:
        new = pretty_midi.Instrument(kit if part.is_drum else part.program, is_drum=part.is_drum)
        for note in part.notes:
            key = _TD11.get(note.pitch, note.pitch) if part.is_drum else note.pitch
            if start - 0.03 <= note.start < start + count * bar - 0.03 and (not part.is_drum or key in BY_MIDI):
                at = max(0.0, note.start - start + _LEAD_S)
                new.notes.append(pretty_midi.Note(note.velocity, key, at, at + min(note.end - note.start, 4.0)))
                truth += [(at, BY_MIDI[key])] if part.is_drum else []
        parts.append(new)
    length = int((count * bar + 1.5) * RATE)
    font = Path("/usr/share/sounds") / _FONTS[number % len(_FONTS)]
    drums, whole = (_sound(some, font)[:length] for some in ([part for part in parts if part.is_drum], parts))
    pulses = np.arange(count * 4 + 1)
    grid = BeatGrid((_LEAD_S + 60 / bpm * pulses).astype(np.float64), pulses % 4 + 1, (Meter(),) * count, bpm, "user")
    return drums, np.pad(whole, (0, len(drums)))[: len(drums)], tuple(sorted(truth)), grid


def _sound(parts: list[pretty_midi.Instrument], font: Path) -> NDArray[np.float32]:
    midi = pretty_midi.PrettyMIDI(resolution=960)
    midi.instruments = parts
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


def report(clips: list[Clip], judges: list[Floats]) -> None:
    """Bars and strokes right at places of the dial; ``judges`` holds for each clip weights that did not see it."""
    for under in ("drums", "mix"):
        for amount in (0.0, 0.25, 0.5, 0.75, 1.0):
            total, changes = np.zeros(5), 0
            for clip, weights in zip(clips, judges, strict=True):
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
    parser.add_argument("--work", type=Path, required=True, help="where what was heard is kept")
    parser.add_argument("--backings", type=Path, required=True, help="accompaniment made by training.backings")
    parser.add_argument("--pieces", type=int, default=22)
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = heard_clips(args.data, args.work, args.backings, args.pieces)
    data = [rows_of(clip) for clip in clips]
    names = sorted({clip.name for clip in clips})
    fold = [names.index(clip.name) % FOLDS for clip in clips]
    without = [fit([rows for rows, own in zip(data, fold, strict=True) if own != k]) for k in range(FOLDS)]
    report(clips, [without[k] for k in fold])
    numbers = {"made": {"by": "python -m training.rhythm_reader", "clips": len(clips)}, "weights": fit(data).tolist()}
    args.out.write_text(json.dumps(numbers) + "\n")
    print(f"wrote {args.out}", flush=True)


if __name__ == "__main__":
    main()
