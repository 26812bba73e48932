"""Plot a run's losses and validation scores.

python -m training.curves --work WORK [--run run] --out docs/training-curves.png
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot

from drumscribe.kit import DRUMS, LABELS


def main() -> None:
    parser = argparse.ArgumentParser(description="Plot learning curves.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--run", nargs="+", default=["run"])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    figure, (losses, scores, drums) = pyplot.subplots(1, 3, figsize=(15, 4.2), constrained_layout=True)
    for index, run in enumerate(args.run):
        with (args.work / run / "log.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        steps = [int(row["step"]) for row in rows]
        style = ("-", "--", ":")[index % 3]
        named = f"{run}: " if len(args.run) > 1 else ""
        for name in ("onset", "sound", "velocity"):
            losses.plot(steps, [float(row[name]) for row in rows], style, label=f"{named}{name}")
        for name in ("drums", "mix"):
            scores.plot(steps, [float(row[name]) for row in rows], style, label=f"{named}{name}")
        if index == 0:
            for label in LABELS:
                drums.plot(steps, [float(row[f"mix_{label}"]) for row in rows], color=DRUMS[label].colour, label=label)
    losses.set(title="training losses", xlabel="step", yscale="log")
    scores.set(title="validation micro F, 14 drums, threshold 0.5", xlabel="step", ylim=(0.3, 1))
    drums.set(title="validation F in the mix by drum", xlabel="step", ylim=(0, 1))
    for axis in (losses, scores, drums):
        axis.grid(alpha=0.3)
    for axis in (losses, scores):
        axis.legend(fontsize=7)
    drums.legend(fontsize=7, bbox_to_anchor=(1.02, 1), loc="upper left")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=110)


if __name__ == "__main__":
    main()
