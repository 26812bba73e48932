"""How tightly drums are played, from the Groove MIDI Dataset (human performances to a click; its training split only):
the timing in ``drumscribe/rhythm/statistics.json``. Readers of performances and songs for what else is learnt.
"""

from __future__ import annotations

import csv
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from drumscribe.kit import BY_MIDI, DRUMS

Floats = NDArray[np.float64]
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


_MISTAKEN = {"open_hihat": "closed_hihat", "closed_hihat": "open_hihat", "ride": "closed_hihat", "crash": "ride",
             "cross_stick": "snare", "high_tom": "snare", "mid_tom": "floor_tom"}  # fmt: skip


def mistaken(
    drums: tuple[str, ...], velocity: Floats, random: np.random.Generator
) -> tuple[list[str], Floats, NDArray[np.bool_]]:
    """Notes as a hit model may hear them: drums, velocities, and which are kept. Some are missed (soft ones more)."""
    velocity = np.clip(velocity + random.normal(0, 12, len(velocity)), 1, 127)
    keep = random.random(len(velocity)) > np.where(velocity < 45, 0.3, 0.04)
    wrong = random.random(len(velocity)) < 0.05
    return [_MISTAKEN.get(drum, drum) if w else drum for drum, w in zip(drums, wrong, strict=True)], velocity, keep
