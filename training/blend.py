"""Blend a run with the packaged weights that it began with (``--packaged``).

    python -m training.blend --work WORK [--run run] [--share 0.25]

Writes ``WORK/run/blend.pt``, for :mod:`training.calibrate` and :mod:`training.export` with ``--checkpoint blend.pt``.
Networks on one way of training lie in one basin, and the mean of two of them does better on material that neither
heard than either (M. Wortsman et al., *Robust fine-tuning of zero-shot models*, 2022). Run it before the export
replaces the packaged weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from drumscribe.hits.card import FOLDER
from training.export import read_checkpoint
from training.network import HitNetwork
from training.packaged import begin_from


def blend(net: HitNetwork, other: HitNetwork, share: float) -> None:
    """Move the weights and statistics of ``net`` towards those of ``other`` by ``share`` (0–1)."""
    with torch.no_grad():
        for mine, theirs in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, share)


def main() -> None:
    parser = argparse.ArgumentParser(description="Blend a run with the packaged weights.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--run", default="run")
    parser.add_argument("--share", type=float, default=0.25, help="of the packaged weights")
    args = parser.parse_args()
    folder = args.work / args.run
    net, step = read_checkpoint(folder / "last.pt")
    packaged = HitNetwork()
    begin_from(packaged, FOLDER, args.work)
    blend(net, packaged, args.share)
    torch.save({"average": net.state_dict(), "step": step}, folder / "blend.tmp")
    (folder / "blend.tmp").replace(folder / "blend.pt")


if __name__ == "__main__":
    main()
