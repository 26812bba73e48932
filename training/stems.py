"""Drum stems in a pool on disk, rendered all the time by a process of its own.

    python -m training.stems --data DATA --work WORK [--pool 1600] [--seed 1] [--split train] [--count N]

A stem is rendered once and heard several times, each time with another accompaniment, level, speed, and degradation;
when the pool is full the oldest is replaced. About half of the stems play the drum part of a rendered song, in time
with it. Of the others a quarter are drawn parts (:mod:`training.parts`), the rest grooves, each at a tempo of its own:
in the recorded grooves the tempo tells which drummer plays, and with it what his foot does on the hats.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import pickle
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drumscribe.kit import LABELS
from training import drums
from training.backings import BackingInfo
from training.material import kit_split, load_grooves, load_irs, load_kits, load_rooms
from training.parts import draw_part
from training.performance import audible_feet, excerpt, perform
from training.riffs import riff
from training.sounds import Groove, Kit, Split

SECONDS = 20.0
SWAPS = 0.65
"""Share of the stems whose roles are swapped: see :func:`~training.performance.perform`."""
_SONGS, _DRAWN, _GUITARS = 0.45, 0.25, 0.33
"""Share of the stems that play a song's part; of the others, share of those whose part is drawn; of all, share of those
that have distorted guitars at hand."""


class StemMaker:
    """Makes stems of one side of the split."""

    def __init__(self, data: Path, work: Path, split: Split, *, swaps: float = SWAPS, families: float = 1.0) -> None:
        self.swaps = swaps
        self.split, self.backings = split, work / "backings"
        kits = [kit for kit in load_kits(data, work) if kit_split(kit) == split]
        known = sorted({kit.family for kit in kits}, key=lambda family: hashlib.sha256(family.encode()).digest())
        heard = known[: math.ceil(families * len(known))]
        self.kits: list[Kit] = [kit for kit in kits if kit.family in heard]
        self.grooves: list[Groove] = [groove for groove in load_grooves(data, work) if groove.split == split]
        self.irs: list[NDArray[np.float32]] = load_irs(data) + load_rooms(work)
        self.infos: dict[str, BackingInfo] = {}

    def songs(self) -> list[str]:
        """Renderings of this side that have a drum part."""
        for path in self.backings.glob("*.npy"):
            if not path.name.startswith(".") and path.stem not in self.infos:
                self.infos[path.stem] = BackingInfo.read(path.with_suffix(".json"))
        return sorted(name for name, info in self.infos.items() if info.split == self.split and len(info.notes) > 60)

    def make(self, rng: np.random.Generator) -> drums.Stem:
        """One stem of :data:`SECONDS`."""
        stem = self._drums(rng)
        if rng.random() < _GUITARS:
            kicks = [time for time, column, _ in stem.notes if LABELS[column] == "kick"]
            stem.guitars = (np.clip(riff(kicks, SECONDS, rng), -1, 1) * 32000).astype(np.int16)
        return stem

    def _drums(self, rng: np.random.Generator) -> drums.Stem:
        songs = self.songs()
        if songs and rng.random() < _SONGS:
            name = songs[int(rng.integers(len(songs)))]
            notes = self.infos[name].notes
            start = float(rng.uniform(notes[0][0], max(notes[0][0], notes[-1][0] - SECONDS)))
            part = [(t - start, label, v) for t, label, v in notes if start <= t < start + SECONDS]
            part = audible_feet(part, rng, share=0.4)
            stem = drums.render(perform(part, SECONDS, rng, swaps=self.swaps), SECONDS, self.kits, self.irs, rng)
            stem.song, stem.start = name, start
            return stem
        swaps = self.swaps
        if swaps and rng.random() < _DRAWN:
            part, swaps = draw_part(SECONDS, rng), 0.0
        else:
            groove = self.grooves[int(rng.integers(len(self.grooves)))]
            part = audible_feet(excerpt(groove.notes, groove.seconds, SECONDS, rng), rng, share=0.15)
        return drums.render(perform(part, SECONDS, rng, swaps=swaps), SECONDS, self.kits, self.irs, rng)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Render drum stems for training.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pool", type=int, default=1600)
    parser.add_argument("--count", type=int, default=0, help="stop after so many; 0: go on")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two stems once the pool is full")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=["train", "valid", "test"], default="train")
    parser.add_argument("--natural", action="store_true", help="drums as people play them, into SPLIT_natural")
    parser.add_argument("--swaps", type=float, default=SWAPS, help="share of the others whose roles are swapped")
    parser.add_argument("--families", type=float, default=1.0, help="part of the families of kits (learning curves)")
    args = parser.parse_args(argv)
    folder = args.work / "stems" / (f"{args.split}_natural" if args.natural else args.split)
    folder.mkdir(parents=True, exist_ok=True)
    maker = StemMaker(args.data, args.work, args.split, swaps=0.0 if args.natural else args.swaps,
                      families=args.families)  # fmt: skip
    began, index = time.process_time(), 0
    while not args.count or index < args.count:
        stem = maker.make(np.random.default_rng((args.seed, index)))
        path = folder / f"{index % args.pool:05d}.pickle"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(pickle.dumps(stem, protocol=5))
        temporary.replace(path)
        index += 1
        if index > args.pool:
            time.sleep(args.pause)
        if index % 200 == 0:
            rate = index * SECONDS / (time.process_time() - began)
            print(f"{index} stems, {rate:.0f} times real time per core", flush=True)


if __name__ == "__main__":
    main()
