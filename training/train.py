"""Train the hit network.

    python -m training.train --data DATA --work WORK [--steps N | --minutes M] [--seed 1] [--resume]

Starts the renderers of stems and accompaniments beside itself, trains, and leaves in ``WORK/run``: ``last.pt``
(weights, their moving average, optimiser, step: what ``--resume`` goes on from), ``best.pt``, and ``log.csv``.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as mp
from torch.nn import functional

from drumscribe.hits.card import DEFAULT, FOLDER, Card
from drumscribe.hits.features import FPS, compress
from drumscribe.kit import LABELS
from training import backings, stems
from training.batches import Mixer
from training.network import HitNetwork
from training.packaged import begin_from
from training.scores import Tally, tally

BATCH = 8
POSITIVE_WEIGHT = 2.0
LOSSES = ("onset", "sound", "velocity")
AVERAGE = 0.998
"""Decay of the moving average of the weights, which is what is evaluated and shipped."""


def _feed(out: Any, work: Path, seed: int) -> None:
    """Loader process: mixes examples from the pools and looks for new material every 100 batches."""
    os.setsid()  # a scheduling group of its own, where the kernel groups processes by session
    mixer, rng, count = Mixer(work, "train"), np.random.default_rng(seed), 0
    while True:
        if count % 100 == 0:
            mixer.refresh()
        features, *rest = mixer.batch(rng, BATCH)
        out.put((features.astype(np.float16), *rest))
        count += 1


def losses(
    heads: dict[str, torch.Tensor], onset: torch.Tensor, velocity: torch.Tensor, known: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Onset and sound cross-entropy summed over drums, velocity's mean square where there is a hit."""
    weight = 1 + (POSITIVE_WEIGHT - 1) * onset
    bce = functional.binary_cross_entropy_with_logits
    error = (torch.sigmoid(heads["velocity"]) - velocity) ** 2 * known
    return {
        "onset": bce(heads["onset"], onset, weight) * len(LABELS),
        "sound": 0.3 * bce(heads["sound"], onset, weight) * len(LABELS),
        "velocity": 1.0 * error.sum() / known.sum().clamp(min=1),
    }


def validate(net: HitNetwork, work: Path, split: str, clips: int = 32) -> dict[str, Tally]:
    """Counts per drum on fixed clips of held-out kits, grooves, and songs, at threshold 0.5."""
    mixer = Mixer(work, split)  # type: ignore[arg-type]
    mixer.refresh()
    net.eval()
    found: dict[str, Tally] = {}
    for name, mix in (("drums", False), ("mix", True)):
        rng = np.random.default_rng(77)
        total = Tally.empty()
        for _ in range(clips // 8):
            examples = [mixer.example(rng, mix=mix, clean=True) for _ in range(8)]
            features = torch.from_numpy(np.stack([compress(example.magnitudes) for example in examples]))
            with torch.no_grad():
                onset = torch.sigmoid(net(features)["onset"]).numpy()
            for curves, example in zip(onset, examples, strict=True):
                total += tally(curves, [(t, c) for t, c, _ in example.notes], np.full(len(LABELS), 0.5), fps=FPS)
        found[name] = total
    net.train()
    return found


def prepare(args: argparse.Namespace) -> None:
    """Render what training cannot begin without: some accompaniment, then stems of every side of the split."""
    common = ["--data", str(args.data), "--work", str(args.work), "--seed", str(args.seed)]
    if args.backings:
        print("preparing accompaniments", flush=True)
        backings.main([*common, "--count", str(min(args.backings, 40))])
    for split in ("train", "valid", "test"):
        have = len(list((args.work / "stems" / split).glob("*.pickle")))
        kinds = [[]] if have < args.first else []
        if split != "train" and not (args.work / "stems" / f"{split}_natural").exists():
            kinds.append(["--natural"])
        for kind in kinds:
            print("preparing stems:", split, *kind, flush=True)
            stems.main([*common, "--split", split, "--count", str(args.first), *kind])


def _renderers(args: argparse.Namespace) -> list[subprocess.Popen[bytes]]:
    """Start the processes that render material; they share this process's fate."""
    base = ["nice", "-n", "5", sys.executable, "-m"]
    common = ["--data", str(args.data), "--work", str(args.work), "--seed", str(args.seed)]
    with (args.work / "render.log").open("ab") as log:
        commands = [["training.stems", *common, "--pause", str(args.pause), "--swaps", str(args.swaps)]]
        if args.backings:
            commands.append(["training.backings", *common, "--count", str(args.backings)])
        return [
            subprocess.Popen([*base, *command], stdout=log, stderr=log, start_new_session=True) for command in commands
        ]


class Run:
    """The network, the moving average of its weights, the optimiser, and where they are kept."""

    def __init__(self, folder: Path, rate: float) -> None:
        self.folder = folder
        self.net, self.average = HitNetwork(), HitNetwork()
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(self.net.parameters(), rate, weight_decay=1e-2)
        self.step, self.best = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)

    def begin_packaged(self, work: Path) -> None:
        """Begin with the weights in the package."""
        begin_from(self.net, FOLDER, work)
        self.average.load_state_dict(self.net.state_dict())
        self.step = int(Card.read(FOLDER / f"{DEFAULT}.json").made["steps"])

    def resume(self) -> None:
        """Begin where the last run in the folder stopped."""
        state = torch.load(self.folder / "last.pt", weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def save(self) -> None:
        """Write what :meth:`resume` reads."""
        parts = {"net": self.net, "average": self.average, "optimiser": self.optimiser}
        state = {name: part.state_dict() for name, part in parts.items()} | {"step": self.step}
        torch.save(state, self.folder / "last.tmp")
        (self.folder / "last.tmp").replace(self.folder / "last.pt")

    def learn(self, batch: tuple[torch.Tensor, ...], rate: float) -> dict[str, float]:
        """One step; the losses."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        features, onset, velocity, known = batch
        with torch.autocast("cpu", dtype=torch.bfloat16):
            heads = self.net(features.float())
        parts = losses(heads, onset, velocity, known)
        self.optimiser.zero_grad()
        sum(parts.values()).backward()  # type: ignore[union-attr]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        keep = min(AVERAGE, self.step / (self.step + 20))
        with torch.no_grad():
            for mine, theirs in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
                if mine.is_floating_point():
                    mine.lerp_(theirs, 1 - keep)
                else:
                    mine.copy_(theirs)
        return {name: value.item() for name, value in parts.items()}

    def validate(self, args: argparse.Namespace, clock: float, running: dict[str, float]) -> None:
        """Score the averaged weights, add a line to ``log.csv``, and save."""
        counts = validate(self.average, args.work, "valid", args.clips)
        scores = {name: total.micro() for name, total in counts.items()}
        per_drum = counts["mix"].per_drum()
        row = [self.step, round(clock, 1), *(round(running[name], 4) for name in LOSSES)]
        row += [round(scores["drums"], 4), round(scores["mix"], 4), *(round(float(f), 3) for f in per_drum)]
        path = self.folder / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            rows = csv.writer(file)
            if new:
                rows.writerow(["step", "minutes", *LOSSES, "drums", "mix", *(f"mix_{label}" for label in LABELS)])
            rows.writerow(row)
        drums = " ".join(f"{label}={f:.2f}" for label, f in zip(LABELS, per_drum, strict=True))
        print(f"  validation F: drums {scores['drums']:.3f} mix {scores['mix']:.3f}  {drums}", flush=True)
        self.save()
        if sum(scores.values()) > self.best:
            self.best = sum(scores.values())
            torch.save({"average": self.average.state_dict(), "step": self.step}, self.folder / "best.pt")


def _next(feed: Any, loader: Any) -> tuple[torch.Tensor, ...]:
    """The next batch of the loader.

    Raises:
        RuntimeError: if the loader has ended.
    """
    while True:
        try:
            return tuple(torch.from_numpy(part) for part in feed.get(timeout=60))
        except queue.Empty:
            if not loader.is_alive():
                raise RuntimeError("the loader process ended; see the messages above") from None


def _train(run: Run, args: argparse.Namespace, feed: Any, loader: Any) -> None:
    """Steps until the time or their number is up; a warm-up of 300, then half a cosine."""
    first, began, waited = run.step, time.time(), 0.0
    running: dict[str, float] = {}
    while True:
        clock = (time.time() - began) / 60
        done = clock / args.minutes if args.minutes else (run.step - first) / max(1, args.steps - first)
        if done >= 1:
            break
        asked = time.time()
        batch = _next(feed, loader)
        waited += time.time() - asked
        warm = min(1.0, (run.step - first + 1) / 300)
        rate = args.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        for name, value in run.learn(batch, rate).items():
            running[name] = 0.98 * running.get(name, value) + 0.02 * value
        if run.step % 50 == 0:
            took = time.time() - began
            text = " ".join(f"{name} {value:.4f}" for name, value in running.items())
            pace = f"{took / (run.step - first):.2f} s/step waiting {waited / took:.0%}"
            print(f"step {run.step} {clock:.1f} min {pace} {text}", flush=True)
        if run.step % args.every == 0:
            run.validate(args, clock, running)
    run.save()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the hit network.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--run", default="run", help="folder below WORK for checkpoints and the log")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--minutes", type=float, default=0, help="end by the clock instead; the schedule follows it")
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backings", type=int, default=800, help="render up to so many accompaniments meanwhile")
    parser.add_argument("--first", type=int, default=100, help="stems of each side to render before beginning")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two new stems once the pool is full")
    parser.add_argument("--swaps", type=float, default=stems.SWAPS, help="share of new stems whose roles are swapped")
    parser.add_argument("--still", action="store_true", help="render nothing meanwhile: repeatable from the seed")
    parser.add_argument("--every", type=int, default=500, help="steps between validations")
    parser.add_argument("--clips", type=int, default=32, help="heard at a validation, with and without accompaniment")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--packaged", action="store_true", help="begin with the weights in the package")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the helpers end too
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # of the processes started below
    if not args.still:
        prepare(args)
    run = Run(args.work / args.run, args.rate)
    if args.resume:
        run.resume()
    elif args.packaged:
        run.begin_packaged(args.work)
    feed: Any = mp.get_context("spawn").Queue(6)
    loader = mp.get_context("spawn").Process(target=_feed, args=(feed, args.work, args.seed + run.step), daemon=True)
    renderers = [] if args.still else _renderers(args)
    loader.start()
    try:
        _train(run, args, feed, loader)
    finally:
        loader.terminate()
        for process in renderers:
            process.terminate()


if __name__ == "__main__":
    main()
