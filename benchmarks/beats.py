"""Beats and bar lines: F-measure (mir_eval, ±70 ms) and cost, ours against madmom's own downbeat tracker and librosa's.

    python -m benchmarks.beats --data DATA_DIR --work FOLDER [--limit 40] [--split test]
    python -m benchmarks.beats --mdb MDB_DIR

The first renders drum performances of GMD (drums only) and General MIDI songs (everything) with FluidSynth, whose beats
are known, and keeps audio and activations in FOLDER. The second takes recordings with annotated beats: a folder with
``drum_only``, ``mix``, ``beats``, ``subclass``. Hits are the true ones here: what a hit model makes of it is measured
elsewhere.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
import pretty_midi
import soundfile
from numpy.typing import NDArray

from drumscribe.kit import BY_MIDI
from drumscribe.options import BeatOptions
from drumscribe.rhythm import BeatEvidence, _madmom, beat_grid, track
from drumscribe.types import Audio, Hit, Hits
from training.rhythm_material import RATE, TD11
from training.rhythm_material import rendered as fluidsynth
from training.rhythm_stats import grooves, song_split

Floats = NDArray[np.float64]
FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
_LONGEST_S = 60.0
_MDB = {
    "KD": "kick", "SD": "snare", "SS": "cross_stick", "CH": "closed_hihat", "PH": "pedal_hihat", "OH": "open_hihat",
    "HI": "high_tom", "MH": "mid_tom", "HF": "floor_tom", "LF": "floor_tom", "RD": "ride", "CR": "crash",
    "SP": "splash",
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A recording whose beats are known."""

    name: str
    kind: str
    audio: Path
    hits: Hits
    beats: Floats
    downbeats: Floats


def rendered(data: Path, work: Path, split: str, limit: int) -> Iterator[Piece]:
    """GMD performances and songs of a split, rendered once into ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    for kind, paths in (("gmd", _gmd(data, split)), ("songs", _songs(data, split))):
        for path in paths[:: max(1, len(paths) // limit)]:
            midi = pretty_midi.PrettyMIDI(str(path))
            hits = _hits(midi, all_channels=kind == "gmd")
            beats, downbeats = midi.get_beats(), midi.get_downbeats()
            compound = [sign for sign in midi.time_signature_changes if sign.denominator == 8]
            if len(hits) < 20 or compound or len(downbeats) < 4:
                continue
            target = work / f"{kind}_{path.parent.parent.name}_{path.stem}.wav"
            if not target.exists():
                soundfile.write(target, fluidsynth(_playable(midi, kind), FONT, _LONGEST_S), RATE)
            end = soundfile.info(target).duration
            hits = Hits.of(hit for hit in hits if hit.time_s < end)
            if len(hits):
                last = hits[-1].time_s + 0.1
                yield Piece(target.stem, kind, target, hits, beats[beats < last], downbeats[downbeats < last])


def _gmd(data: Path, split: str) -> list[Path]:
    return [data / "grooves" / "gmd" / performance.name for performance in grooves(data, split)]


def _songs(data: Path, split: str) -> list[Path]:
    return [path for path in sorted((data / "songs").rglob("*.mid")) if song_split(path) == split]


def _playable(midi: pretty_midi.PrettyMIDI, kind: str) -> pretty_midi.PrettyMIDI:
    """GMD is one track without a channel of its own for drums; TD-11 keys become General MIDI's. What would not be
    listened to is left out."""
    for instrument in midi.instruments:
        instrument.notes = [note for note in instrument.notes if note.start < _LONGEST_S]
        instrument.is_drum = instrument.is_drum or kind == "gmd"
        for note in instrument.notes if kind == "gmd" else ():
            note.pitch = TD11.get(note.pitch, note.pitch)
    return midi


def _hits(midi: pretty_midi.PrettyMIDI, *, all_channels: bool) -> Hits:
    found = []
    for instrument in midi.instruments:
        if instrument.is_drum or all_channels:
            for note in instrument.notes:
                label = BY_MIDI.get(note.pitch, "floor_tom" if note.pitch == 58 else None)
                if label and note.velocity > 0:
                    found.append((note.start, label, note.velocity))
    return Hits.of(Hit(i, t, label, 1.0, v) for i, (t, label, v) in enumerate(sorted(found)))


def recorded(folder: Path) -> Iterator[Piece]:
    """MDB Drums as laid out in ``folder``."""
    for kind in ("drum_only", "mix"):
        for audio in sorted((folder / kind).glob("*.flac")):
            table = np.loadtxt(folder / "beats" / f"{audio.stem}_MIX.beats")
            lines = (folder / "subclass" / f"{audio.stem}_subclass.txt").read_text().split("\n")
            rows = [line.split() for line in lines if line.strip()]
            known = [(float(t), _MDB.get(label[:2] if label != "SST" else "SS")) for t, label in rows]
            hits = Hits.of(Hit(i, t, label, 1.0, 90) for i, (t, label) in enumerate(known) if label)
            yield Piece(audio.stem, kind, audio, hits, table[:, 0], table[table[:, 1] == 1, 0])


def evidence_of(piece: Piece, work: Path | None) -> tuple[BeatEvidence, float]:
    """Track a piece, or take what was kept. Returns the evidence and the real-time factor (0 where kept)."""
    samples, rate = soundfile.read(piece.audio, dtype="float32", always_2d=True)
    kept = work / f"{piece.kind}_{piece.name}.npz" if work else None
    if kept is not None and kept.exists():
        data = np.load(kept)
        return BeatEvidence(data["activations"], 100.0, "madmom", data["beats"]), 0.0
    audio = Audio(np.ascontiguousarray(samples.T), rate, f"{zlib.crc32(samples.tobytes()):08x}")
    start = time.perf_counter()
    evidence = track(audio, tracker="madmom")
    factor = (time.perf_counter() - start) / audio.duration_s
    if kept is not None:
        np.savez_compressed(kept, activations=evidence.activations, beats=evidence.beats)
    return evidence, factor


def madmom_downbeats(evidence: BeatEvidence) -> tuple[Floats, Floats]:
    """madmom's own reading of the activations, with bars of three and four beats."""
    _madmom.load()
    from madmom.features.downbeats import DBNDownBeatTrackingProcessor

    tracker = DBNDownBeatTrackingProcessor(beats_per_bar=[3, 4], fps=100)
    found = np.asarray(tracker(evidence.activations), dtype=np.float64).reshape(-1, 2)
    return found[:, 0], found[found[:, 1] == 1, 0]


def score(truth: Floats, found: Floats) -> float:
    """F-measure within ±70 ms over the whole piece (nothing trimmed)."""
    if not len(truth) or not len(found):
        return 0.0
    return float(mir_eval.beat.f_measure(truth, found[(found > truth[0] - 0.07) & (found < truth[-1] + 0.07)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--mdb", type=Path)
    parser.add_argument("--split", default="test", choices=["train", "validation", "test"])
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--each", action="store_true", help="print every piece")
    args = parser.parse_args()
    pieces = recorded(args.mdb) if args.mdb else rendered(args.data, args.work, args.split, args.limit)
    results: dict[str, list[list[float]]] = defaultdict(list)
    factors = []
    for piece in pieces:
        evidence, factor = evidence_of(piece, args.work)
        factors += [factor] if factor else []
        theirs = madmom_downbeats(evidence)
        start = time.perf_counter()
        grid = beat_grid(evidence, piece.hits, BeatOptions(), float(piece.beats[-1]))
        elapsed = time.perf_counter() - start
        blind = beat_grid(evidence, Hits(), BeatOptions(), float(piece.beats[-1]))
        rows = [theirs, *((g.times, g.times[g.numbers == 1]) for g in (blind, grid))]
        values = [
            score(truth, found)
            for pair in rows
            for truth, found in zip((piece.beats, piece.downbeats), pair, strict=True)
        ]
        results[piece.kind].append([*values, grid.confidence, elapsed])
        if args.each:
            print(f"{piece.name[:40]:40s}" + "".join(f"{value:8.3f}" for value in values), f"{grid.confidence:.2f}",
                  sorted({str(meter) for meter in grid.meters}), f"{grid.bpm:.1f}")  # fmt: skip
    head = ("madmom", "", "no hits", "", "DrumScribe", "")
    print(f"{'':14s}" + "".join(f"{name:>10s}" for name in head))
    print(f"{'pieces':14s}" + "".join(f"{name:>10s}" for name in ("beat", "downbeat") * 3) + "   grid ms")
    for kind, table in results.items():
        mean = np.mean(table, axis=0)
        values = "".join(f"{value:10.3f}" for value in mean[:6])
        print(f"{f'{kind} ({len(table)})':14s}{values}{1000 * mean[7]:10.1f}")
        right = np.array([row[5] > 0.5 for row in table])
        sure = np.array([row[6] for row in table])
        print(f"{'':14s}confidence where right {sure[right].mean() if right.any() else 0:.2f}, "
              f"where wrong {sure[~right].mean() if (~right).any() else 0:.2f}")  # fmt: skip
    if factors:
        print(f"real-time factor of tracking {np.mean(factors):.3f}")


if __name__ == "__main__":
    main()
