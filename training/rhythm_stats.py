"""Learn from played and written drums what the rhythm stage believes: ``drumscribe/rhythm/statistics.json``.

    python -m training.rhythm_stats --data DATA_DIR

Timing comes from the Groove MIDI Dataset (human performances to a click; its training split only), bar patterns and
the choice of the pulse from the same and from songs in General MIDI. The file holds a few thousand numbers and how they
were made.
"""

from __future__ import annotations

import argparse
import csv
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

from drumscribe.kit import BY_MIDI, DRUMS
from drumscribe.rhythm.patterns import features, in_context, pulse_cues

Floats = NDArray[np.float64]
TARGET = Path(__file__).parents[1] / "drumscribe" / "rhythm" / "statistics.json"
_TD11 = {58: "floor_tom"}
"""Keys of the kit that GMD was played on, where General MIDI has another instrument."""


@dataclass(frozen=True)
class Performance:
    """Drums against the written beat.

    Attributes:
        name: path inside the data folder.
        quarter: ``(n,)`` time of each note in quarter notes of the click.
        drum: label of each note.
        velocity: of each note.
        bpm: tempo of the click.
        meters: ``[(quarter, beats, unit)]`` time signatures in turn.
    """

    name: str
    quarter: Floats
    drum: tuple[str, ...]
    velocity: NDArray[np.int64]
    bpm: float
    meters: tuple[tuple[float, int, int], ...]


def read_midi(path: Path, name: str, *, all_channels: bool) -> Performance | None:
    """Read the drums of a MIDI file; ``None`` if it has none or is broken."""
    try:
        midi = mido.MidiFile(path, clip=True)
    except (OSError, ValueError, EOFError, KeyError, IndexError):
        return None
    clock, notes, tempos, meters = 0, [], [], []
    for message in mido.merge_tracks(midi.tracks):
        clock += message.time
        quarter = clock / midi.ticks_per_beat
        if message.type == "set_tempo":
            tempos.append(mido.tempo2bpm(message.tempo))
        elif message.type == "time_signature":
            meters.append((quarter, message.numerator, message.denominator))
        elif message.type == "note_on" and message.velocity > 0 and (all_channels or message.channel == 9):
            label = BY_MIDI.get(message.note, _TD11.get(message.note))
            if label in DRUMS:
                notes.append((quarter, label, message.velocity))
    if not notes:
        return None
    notes.sort()
    times, drums, velocities = zip(*notes, strict=True)
    bpm = float(np.median(tempos)) if tempos else 120.0
    return Performance(name, np.array(times), drums, np.array(velocities), bpm, tuple(meters) or ((0.0, 4, 4),))


def grooves(data: Path, split: str) -> Iterator[Performance]:
    """Performances of a split of GMD that are grooves, not single fills."""
    root = data / "grooves" / "gmd"
    for row in csv.DictReader((root / "info.csv").open()):
        if row["split"] == split and row["beat_type"] == "beat":
            found = read_midi(root / row["midi_filename"], row["midi_filename"], all_channels=True)
            beats, unit = map(int, row["time_signature"].split("-"))
            if found is not None and len(found.quarter) >= 30:
                yield Performance(found.name, found.quarter, found.drum, found.velocity, float(row["bpm"]),
                                  ((0.0, beats, unit),))  # fmt: skip


def song_split(path: Path) -> str:
    """Split of a song, the same for all takes of one style (``bossa_0``, ``bossa_1``): a sixth is for testing."""
    return "test" if zlib.crc32(path.stem.rsplit("_", 1)[0].encode()) % 6 == 0 else "train"


def lateness(performance: Performance) -> Floats | None:
    """Seconds from the nearest sixteenth to each note; ``None`` where the playing is not in sixteenths."""
    quarter, beat_s = performance.quarter, 60.0 / performance.bpm
    binary = (quarter - np.round(quarter * 4) / 4) * beat_s
    ternary = (quarter - np.round(quarter * 3) / 3) * beat_s
    spread = [float(np.sqrt(np.mean(np.minimum(np.abs(off), 0.05) ** 2))) for off in (binary, ternary)]
    return binary if spread[0] < 0.8 * spread[1] else None


def drift(quarter: Floats, late: Floats, width: float = 1.0) -> Floats:
    """What all drums share: lateness smoothed over ``width`` quarter notes, at each note."""
    near = np.exp(-0.5 * ((quarter[:, None] - quarter[None, :]) / width) ** 2) * (np.abs(late) < 0.06)
    return np.asarray(near @ late / (near.sum(axis=1) + 0.5))


def timing(data: Path) -> dict[str, dict[str, float]]:
    """Per drum: spread around the player's habit after the shared drift is taken out, and how habits differ."""
    spreads: dict[str, list[tuple[float, int]]] = defaultdict(list)
    habits: dict[str, list[float]] = defaultdict(list)
    for performance in grooves(data, "train"):
        late = lateness(performance)
        if late is None:
            continue
        rest = late - drift(performance.quarter, late)
        for drum in set(performance.drum):
            mine = rest[np.array([label == drum for label in performance.drum])]
            if len(mine) >= 8:
                habits[drum].append(float(np.median(mine)))
                spreads[drum].append((1.4826 * float(np.median(np.abs(mine - np.median(mine)))), len(mine)))
    table = {}
    for drum in [*sorted(spreads), "any"]:
        own = [drum] if drum != "any" else list(spreads)
        values, counts = np.array([pair for name in own for pair in spreads[name]]).T
        table[drum] = {
            # the middle between a typical player and the loosest: long tails are modelled by the outlier term
            "spread_ms": round(1000 * float(np.sqrt(np.average(np.minimum(values, 0.025) ** 2, weights=counts))), 1),
            "habit_ms": round(1000 * float(np.std([habit for name in own for habit in habits[name]])), 1),
            "performances": len(values),
        }
    return table


def songs(data: Path, split: str) -> Iterator[Performance]:
    """Drum tracks of the songs of a split."""
    for path in sorted((data / "songs").rglob("*.mid")):
        if song_split(path) == split:
            found = read_midi(path, path.stem, all_channels=False)
            if found is not None and len(found.quarter) >= 30:
                yield found


def pulses(performance: Performance) -> tuple[Floats, NDArray[np.int64]] | None:
    """Place of each note in pulses, and for each pulse whether a bar begins there (1, 0; -1 not known).

    ``None`` for pieces whose pulse changes its length, or whose meter is not made of quarters or dotted quarters.
    """
    lengths = {1.5 if unit == 8 and beats % 3 == 0 else 4.0 / unit for _, beats, unit in performance.meters}
    if lengths not in ({1.0}, {1.5}):
        return None
    length = lengths.pop()
    place = performance.quarter / length
    count = int(place[-1]) + 2
    starts = np.zeros(count, np.int64)
    changes = [*performance.meters, (count * length, 4, 4)]
    for (quarter, beats, unit), (until, _, _) in pairwise(changes):
        bar = beats * 4.0 / unit / length
        at = quarter / length + bar * np.arange(int(np.ceil((until - quarter) / length / bar - 1e-6)))
        if len(at) and (np.abs(at - np.round(at)).max() > 0.01 or bar < 1.5):
            return None
        at = np.round(at).astype(int)
        starts[at[at < count]] = 1
    return place, starts


def bars(data: Path, seed: int = 0) -> dict[str, object]:
    """Fit the downbeat network on grooves and songs of the training splits, with hits lost, added, and mistaken."""
    from sklearn.neural_network import MLPClassifier

    random = np.random.default_rng(seed)
    inputs, targets = [], []
    for performance in [*grooves(data, "train"), *songs(data, "train")]:
        laid = pulses(performance)
        if laid is None:
            continue
        place, starts = laid
        for _ in range(2):
            drums, velocity, keep = _heard(performance, random)
            table = features(place[keep], [drums[i] for i in np.flatnonzero(keep)], velocity[keep], len(starts))
            low = random.integers(0, 8)  # pieces need not begin with their first bar
            high = min(len(starts), low + 64)  # long songs do not outweigh others
            inputs.append(in_context(table[low:high]))
            targets.append(starts[low:high])
    x, y = np.concatenate(inputs), np.concatenate(targets)
    sounding = x.any(axis=1)
    network = MLPClassifier((16,), alpha=3e-3, batch_size=256, learning_rate_init=2e-3, max_iter=25, random_state=seed)
    network.fit(x[sounding], y[sounding])
    print(f"downbeats from drums: {len(y)} pulses, training accuracy {network.score(x[sounding], y[sounding]):.3f}")
    (first, second), (first_bias, second_bias) = network.coefs_, network.intercepts_
    return {
        "first": np.round(first, 3).tolist(), "first_bias": np.round(first_bias, 3).tolist(),
        "second": np.round(second[:, 0], 3).tolist(), "second_bias": round(float(second_bias[0]), 3),
    }  # fmt: skip


_MISTAKEN = {"open_hihat": "closed_hihat", "closed_hihat": "open_hihat", "ride": "closed_hihat", "crash": "ride",
             "cross_stick": "snare", "high_tom": "snare", "mid_tom": "floor_tom"}  # fmt: skip


def _heard(performance: Performance, random: np.random.Generator) -> tuple[list[str], Floats, NDArray[np.bool_]]:
    """The notes as a hit model may hear them: some missed (soft ones more), some taken for another drum."""
    velocity = np.clip(performance.velocity + random.normal(0, 12, len(performance.velocity)), 1, 127)
    keep = random.random(len(velocity)) > np.where(velocity < 45, 0.3, 0.04)
    mistaken = random.random(len(velocity)) < 0.05
    drums = [_MISTAKEN.get(drum, drum) if wrong else drum
             for drum, wrong in zip(performance.drum, mistaken, strict=True)]  # fmt: skip
    return drums, velocity, keep


def pulse(data: Path) -> list[float]:
    """Weights that tell the written pulse from half and double speed: a conditional logit over the three."""
    cues = []
    for performance in [*grooves(data, "train"), *songs(data, "train")]:
        laid = pulses(performance)
        if laid is not None:
            place, velocity = laid[0], performance.velocity.astype(np.float64)
            bpm = performance.bpm * place[-1] / performance.quarter[-1]
            cues.append([pulse_cues(place * f, performance.drum, velocity, bpm * f) for f in (1.0, 0.5, 2.0)])
    return fit_pulse(np.array(cues))


def fit_pulse(cues: Floats) -> list[float]:
    """Fit ``cues`` of shape ``(pieces, 3, 10)``, the right reading first."""

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = cues @ weights
        chances = softmax(scores, axis=1)
        slope = ((chances[:, :, None] * cues).sum(axis=1) - cues[:, 0]).mean(axis=0)
        return float(-np.log(chances[:, 0] + 1e-12).mean() + 1e-3 * weights @ weights), slope + 2e-3 * weights

    return [round(float(w), 3) for w in minimize(loss, np.zeros(cues.shape[2]), jac=True).x]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with grooves/gmd and songs")
    parser.add_argument("--part", choices=["timing", "bars", "pulse"], help="learn this again and keep the rest")
    args = parser.parse_args()
    learnt = json.loads(TARGET.read_text()) if args.part else {}
    source = "Groove MIDI Dataset 1.0.0, training split (CC BY 4.0), and drum tracks of General MIDI songs"
    learnt["made"] = {"by": "python -m training.rhythm_stats", "from": source}
    for part, learn in (("timing", timing), ("bars", bars), ("pulse", pulse)):
        if args.part in (None, part):
            learnt[part] = learn(args.data)
    TARGET.write_text(json.dumps(learnt) + "\n")


if __name__ == "__main__":
    main()
