"""How right the hits are: any folder of recordings with annotations, as tables.

    python -m benchmarks.accuracy --audio DIR --ref DIR [--vocab 5 7 8] [--sensitivity 0.5] [--json FILE] [--csv DIR]

Annotations are files named like the recordings (``_subclass``, ``_class``, ``_MIX``, ``_Drum`` at the end of a name are
dropped) with a time and a label a line (DrumScribe's labels or those of MDB Drums), and in CSV, velocities.
Matching is mir_eval's. Printed: F per class at 20, 30 and 50 ms, per track, timing errors, drums taken for one another,
reliability of the confidences, recall of ghost notes, speed. Separation is off: feed stems to measure stems.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import mir_eval
import numpy as np

import drumscribe.hits as hit_stage
from drumscribe.audio.decoding import decode
from drumscribe.options import SPEEDS, DetectOptions
from drumscribe.settings import get_settings
from drumscribe.types import Hit, Stem

MDB = {"KD": "kick", "SD": "snare", "SDB": "snare", "SDD": "snare", "SDF": "snare", "SDG": "snare", "SDNS": "snare",
       "SST": "cross_stick", "CHH": "closed_hihat", "PHH": "pedal_hihat", "OHH": "open_hihat", "HIT": "high_tom",
       "MHT": "mid_tom", "HFT": "floor_tom", "LFT": "floor_tom", "RDC": "ride", "RDB": "ride_bell", "CRC": "crash",
       "CHC": "china", "SPC": "splash"}  # fmt: skip
FINE = {"kick": "KD", "snare": "SD", "cross_stick": "SS", "high_tom": "TT", "mid_tom": "TT", "floor_tom": "TT",
        "closed_hihat": "CH", "pedal_hihat": "CH", "open_hihat": "OH", "crash": "CR", "splash": "CR", "china": "CR",
        "ride": "RD", "ride_bell": "RD"}  # fmt: skip
COARSER = {5: {"SS": "SD", "CH": "HH", "OH": "HH", "CR": "CY", "RD": "CY"}, 7: {"SS": "SD"}, 8: {}, 9: {}, 14: {}}
WINDOWS = (0.05, 0.03, 0.02)
ENDINGS = ("_subclass", "_class", "_MIX", "_Drum")
AUDIO = {".wav", ".flac", ".mp3", ".ogg", ".m4a"}


@dataclass(frozen=True)
class Truth:
    """One annotated hit."""

    time_s: float
    drum: str
    ghost: bool = False


@dataclass
class Track:
    """A recording's annotation and what was found in it."""

    name: str
    truth: list[Truth]
    shown: list[Hit]
    candidates: list[Hit]
    seconds: float
    took_s: float


@dataclass
class Counts:
    """Right, found, and annotated."""

    right: int = 0
    found: int = 0
    there: int = 0
    errors: list[float] = field(default_factory=list)

    @property
    def f(self) -> float:
        """F-measure."""
        return 2 * self.right / max(1, self.found + self.there)


def stem_name(path: Path) -> str:
    name = path.stem
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name


def read_truth(path: Path) -> list[Truth]:
    """Read an annotation; labels that are no drum of the kit (tambourine) are left out."""
    out = []
    for line in path.read_text().splitlines():
        parts = line.replace(",", " ").split()
        if len(parts) < 2 or parts[0] == "time_s":
            continue
        label = MDB.get(parts[1].upper(), parts[1])
        if label in FINE:
            ghost = parts[1].upper() == "SDG" or (len(parts) > 3 and label == "snare" and float(parts[3]) < 40)
            out.append(Truth(float(parts[0]), label, ghost))
    return sorted(out, key=lambda hit: hit.time_s)


def classes(vocab: int, drum: str) -> str:
    if vocab == 14:
        return drum
    if vocab == 9 and drum == "pedal_hihat":
        return "PH"  # what a page prints
    fine = FINE[drum]
    return COARSER[vocab].get(fine, fine)


def match(truth: list[float], found: list[float], window: float) -> list[tuple[int, int]]:
    if not truth or not found:
        return []
    return [(int(a), int(b)) for a, b in mir_eval.util.match_events(np.array(truth), np.array(found), window)]


def count(track: Track, vocab: int, window: float) -> dict[str, Counts]:
    """Counts per class of one track."""
    out: dict[str, Counts] = {}
    names = {classes(vocab, hit.drum) for hit in track.truth} | {classes(vocab, hit.drum) for hit in track.shown}
    for name in names:
        truth = sorted(hit.time_s for hit in track.truth if classes(vocab, hit.drum) == name)
        found = sorted(hit.time_s for hit in track.shown if classes(vocab, hit.drum) == name)
        pairs = match(truth, found, window)
        out[name] = Counts(len(pairs), len(found), len(truth), [found[b] - truth[a] for a, b in pairs])
    return out


def pooled(tracks: list[Track], vocab: int, window: float) -> dict[str, Counts]:
    total: dict[str, Counts] = {}
    for track in tracks:
        for name, counts in count(track, vocab, window).items():
            mine = total.setdefault(name, Counts())
            mine.right, mine.found, mine.there = (
                mine.right + counts.right,
                mine.found + counts.found,
                mine.there + counts.there,
            )
            mine.errors += counts.errors
    return total


def micro(counts: dict[str, Counts]) -> float:
    return 2 * sum(c.right for c in counts.values()) / max(1, sum(c.found + c.there for c in counts.values()))


def confusions(tracks: list[Track], window: float = 0.05) -> Counter[tuple[str, str]]:
    """Missed drum against a false one of another drum at the same time."""
    out: Counter[tuple[str, str]] = Counter()
    for track in tracks:
        missed: list[Truth] = []
        false: list[Hit] = []
        for name in {hit.drum for hit in track.truth} | {hit.drum for hit in track.shown}:
            truth = [hit for hit in track.truth if hit.drum == name]
            found = [hit for hit in track.shown if hit.drum == name]
            pairs = match([hit.time_s for hit in truth], [hit.time_s for hit in found], window)
            missed += [hit for i, hit in enumerate(truth) if i not in {a for a, _ in pairs}]
            false += [hit for i, hit in enumerate(found) if i not in {b for _, b in pairs}]
        for a, b in match([h.time_s for h in missed], [h.time_s for h in false], window):
            out[missed[a].drum, false[b].drum] += 1
    return out


def reliability(tracks: list[Track], vocab: int, bins: int = 10) -> tuple[float, list[tuple[float, float, int]]]:
    """Expected calibration error, and per bin: mean confidence, share that is right, count. Over all candidates."""
    rows: list[tuple[float, bool]] = []
    for track in tracks:
        for name in {classes(vocab, hit.drum) for hit in track.candidates}:
            mine = sorted((h for h in track.candidates if classes(vocab, h.drum) == name), key=lambda h: -h.confidence)
            free = [hit.time_s for hit in track.truth if classes(vocab, hit.drum) == name]
            for hit in mine:  # the surest choose first
                near = min(free, key=lambda t: abs(t - hit.time_s), default=None)
                right = near is not None and abs(near - hit.time_s) <= 0.05
                if right and near is not None:
                    free.remove(near)
                rows.append((hit.confidence, right))
    if not rows:
        return 0.0, []
    confidence, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    table = [(float(confidence[place == i].mean()), float(right[place == i].mean()), int((place == i).sum()))
             for i in range(bins) if (place == i).any()]  # fmt: skip
    return sum(n * abs(c - r) for c, r, n in table) / len(rows), table


def ghost_recall(tracks: list[Track]) -> tuple[int, int]:
    """Ghost notes found, and annotated."""
    found = there = 0
    for track in tracks:
        ghosts = [hit.time_s for hit in track.truth if hit.ghost]
        snares = [hit.time_s for hit in track.shown if FINE[hit.drum] == "SD"]
        there += len(ghosts)
        found += len(match(ghosts, snares, 0.05))
    return found, there


def measure(audio: Path, reference: Path, options: DetectOptions) -> Track:
    """Run the hit stage on one recording."""
    settings = get_settings()
    recording = decode(audio, settings=settings, on_progress=None, cancel=None)
    began = time.perf_counter()
    stem = Stem(recording.samples, recording.sample_rate, "none")
    heard = hit_stage.activations(stem, speeds=options.speeds, settings=settings)
    shown = list(hit_stage.pick(heard, options))
    took = time.perf_counter() - began
    return Track(
        stem_name(audio), read_truth(reference), shown, list(hit_stage.candidates(heard)), recording.duration_s, took
    )


def show(tracks: list[Track], vocabularies: list[int]) -> dict[str, object]:
    """Print every table; return the main numbers."""
    numbers: dict[str, object] = {"tracks": len(tracks)}
    for vocab in vocabularies:
        by_window = {window: pooled(tracks, vocab, window) for window in WINDOWS}
        print(f"\n{vocab} classes    " + "".join(f"  F@{1000 * w:.0f}ms" for w in WINDOWS) + "      P      R   hits")
        for name in sorted(by_window[0.05], key=lambda n: -by_window[0.05][n].there):
            c = by_window[0.05][name]
            cells = "".join(f"{by_window[w].get(name, Counts()).f:8.3f}" for w in WINDOWS)
            print(f"  {name:13s}{cells} {c.right / max(1, c.found):7.3f}{c.right / max(1, c.there):7.3f} {c.there:6d}")
        print("  all (micro)  " + "".join(f"{micro(by_window[w]):8.3f}" for w in WINDOWS))
        numbers[f"micro_{vocab}"] = round(micro(by_window[0.05]), 4)
        numbers[f"per_class_{vocab}"] = {name: round(c.f, 3) for name, c in by_window[0.05].items()}
    fine = vocabularies[-1]
    print("\nper track (micro F at 50 ms)")
    for track in tracks:
        print(f"  {track.name[:40]:40s}" + "  ".join(f"{v}: {micro(count(track, v, 0.05)):.3f}" for v in vocabularies))
    errors = 1000 * np.array([e for c in pooled(tracks, fine, 0.05).values() for e in c.errors])
    if len(errors):
        print(f"\ntiming: median {np.median(errors):+.1f} ms, median absolute {np.median(np.abs(errors)):.1f} ms")
        for low in range(-50, 50, 10):
            share = float(((errors >= low) & (errors < low + 10)).mean())
            print(f"  {low:+4d} to {low + 10:+4d} ms {share:6.1%} " + "#" * round(60 * share))
        numbers["median_abs_ms"], numbers["median_ms"] = (
            round(float(np.median(np.abs(errors))), 2),
            round(float(np.median(errors)), 2),
        )
    print("\nannotated drum taken for another (of", sum(len(t.truth) for t in tracks), "hits)")
    for (true, said), n in confusions(tracks).most_common(12):
        print(f"  {true:13s} → {said:13s} {n}")
    error, table = reliability(tracks, fine)
    print(f"\nreliability of confidences: expected calibration error {error:.3f}")
    for confidence, right, n in table:
        print(f"  said {confidence:.2f}  was {right:.2f}  ({n}) " + "#" * round(40 * right))
    found, there = ghost_recall(tracks)
    if there:
        print(f"\nghost notes found: {found} of {there}")
        numbers["ghost_recall"] = round(found / there, 3)
    rate = sum(t.took_s for t in tracks) / max(1e-9, sum(t.seconds for t in tracks))
    print(f"\nreal-time factor of the hit stage, loading the network included: {rate:.4f}")
    return numbers | {"ece": round(error, 4), "real_time_factor": round(rate, 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Score the hit stage on annotated recordings.")
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--ref", type=Path, required=True)
    parser.add_argument("--vocab", type=int, nargs="+", default=[5, 7, 8], choices=sorted(COARSER))
    parser.add_argument("--sensitivity", type=float, default=0.5)
    parser.add_argument("--speeds", type=int, nargs="+", default=list(SPEEDS), help="in per cent; 100: heard once")
    parser.add_argument("--json", type=Path, help="write the main numbers here")
    parser.add_argument("--csv", type=Path, help="write each track's hits.csv into this folder")
    args = parser.parse_args()
    references = {stem_name(path): path for path in args.ref.iterdir() if path.suffix in (".txt", ".csv")}
    recordings = [
        path for path in sorted(args.audio.iterdir()) if path.suffix in AUDIO and stem_name(path) in references
    ]
    if not recordings:
        parser.error(f"no recording in {args.audio} has an annotation of the same name in {args.ref}")
    options = DetectOptions(sensitivity=args.sensitivity, speeds=tuple(args.speeds))
    tracks = [measure(path, references[stem_name(path)], options) for path in recordings]
    numbers = show(tracks, args.vocab)
    if args.json:
        args.json.write_text(json.dumps(numbers, indent=1) + "\n")
    if args.csv:
        args.csv.mkdir(parents=True, exist_ok=True)
        for track in tracks:
            with (args.csv / f"{track.name}.csv").open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["time_s", "drum", "confidence", "velocity"])
                rows.writerows([f"{h.time_s:.4f}", h.drum, f"{h.confidence:.3f}", h.velocity] for h in track.shown)


if __name__ == "__main__":
    main()
