"""Write held-out material as files, so that any system can be measured on it.

    python -m training.testset --data DATA --work WORK --out DIR [--count 24] [--split test] [--natural]

Makes ``DIR/drums`` and ``DIR/mix`` (FLAC) and ``DIR/ref`` (CSV: time_s, drum, confidence, velocity): kits, grooves and
songs that training never heard. ``python -m benchmarks.accuracy --audio DIR/mix --ref DIR/ref`` scores them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile

from drumscribe.kit import LABELS
from training.sounds import RATE
from training.stems import SECONDS, SWAPS, StemMaker


def main() -> None:
    parser = argparse.ArgumentParser(description="Write held-out recordings with annotations.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--split", choices=["valid", "test"], default="test")
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--natural", action="store_true", help="drums as people play them, no roles swapped")
    args = parser.parse_args()
    for name in ("drums", "mix", "ref"):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    maker = StemMaker(args.data, args.work, args.split, swaps=0.0 if args.natural else SWAPS)
    for index in range(args.count):
        rng = np.random.default_rng((args.seed, index))
        stem = maker.make(rng)
        if not stem.notes:  # a rest of the song
            continue
        songs = maker.songs()
        name = stem.song or songs[int(rng.integers(len(songs)))]
        drums = stem.samples.astype(np.float32) / 32768
        source = np.load(args.work / "backings" / f"{name}.npy", mmap_mode="r")
        first = int(stem.start * RATE) if stem.song else int(rng.integers(max(1, len(source) - len(drums))))
        part = source[first : first + int(SECONDS * RATE)].astype(np.float32)
        backing = np.zeros_like(drums)
        backing[: len(part)] = part
        if stem.guitars is not None and not args.natural:
            backing = backing / max(1.0, float(np.abs(backing).max())) + stem.guitars.astype(np.float32) / 32000
        # as loud as the drums, give or take 4 dB
        backing *= np.sqrt((drums**2).mean() / max(1e-9, float((backing**2).mean()))) * 10 ** (rng.uniform(-4, 4) / 20)
        mix = drums + backing
        title = f"{args.split}_{index:03d}"
        soundfile.write(args.out / "drums" / f"{title}.flac", drums, RATE)
        soundfile.write(args.out / "mix" / f"{title}.flac", mix / max(1.0, float(np.abs(mix).max())), RATE)
        rows = [f"{t:.5f},{LABELS[c]},1.0,{max(1, round(127 * v))}" for t, c, v in sorted(stem.notes)]
        (args.out / "ref" / f"{title}.csv").write_text("\n".join(["time_s,drum,confidence,velocity", *rows]) + "\n")


if __name__ == "__main__":
    main()
