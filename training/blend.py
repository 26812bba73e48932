"""Average trained weights with the packaged ones that their training began with.

    python -m training.blend --work WORK [--run run] [--to blend] [--share 0.5]

What is learnt in a short run on new material is partly bought with what was known before; the mean of both sets of
weights keeps most of both (M. Wortsman et al., *Robust fine-tuning of zero-shot models*, 2022). Convolutions are
averaged with their normalisation folded in, then the normalisations are measured anew. Writes ``WORK/TO/last.pt``,
which :mod:`training.calibrate` and :mod:`training.export` take with ``--run TO``; it holds no optimiser to resume from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drumscribe.hits.card import DEFAULT, FOLDER
from training.export import Calibration, read_checkpoint, to_keras
from training.network import HitNetwork
from training.packaged import begin_from


def _uncalibrated(name: str, weights: list[Any], calibration: dict[str, Any]) -> list[Any]:
    """A layer's weights as they were before calibration was folded in."""
    if name not in ("onset", "velocity"):
        return weights
    by = (calibration["scale"], calibration["shift"]) if name == "onset" else calibration.get("velocity", (1, 0))
    scale, shift = (np.asarray(part, np.float32) for part in by)
    return [weights[0] / scale, (weights[1] - shift) / scale]


def blended(net: HitNetwork, folder: Path, work: Path, share: float, clips: int = 48) -> HitNetwork:
    """The mean of ``net`` (of weight ``share``) and the served weights in ``folder``.

    Args:
        net: trained from the weights in ``folder``.
        folder: holds ``hits.keras`` and ``hits.json``.
        work: with rendered material, on which the normalisations are measured.
        share: 0–1.
        clips: how many to measure on.
    """
    import keras

    mean = to_keras(net, Calibration.none())
    served = keras.models.load_model(folder / f"{DEFAULT}.keras", compile=False)
    calibration = json.loads((folder / f"{DEFAULT}.json").read_text())["calibration"]
    for layer in mean.layers:
        mine = layer.get_weights()
        if not mine or layer.name == "down":  # the low-pass is fixed
            continue
        theirs = _uncalibrated(layer.name, served.get_layer(layer.name).get_weights(), calibration)
        layer.set_weights([share * a + (1 - share) * b for a, b in zip(mine, theirs, strict=True)])
    plain = {"scale": [1.0] * net.onset.out_channels, "shift": [0.0] * net.onset.out_channels}
    out = HitNetwork()
    with tempfile.TemporaryDirectory() as name:
        mean.save(Path(name) / f"{DEFAULT}.keras")
        (Path(name) / f"{DEFAULT}.json").write_text(json.dumps({"calibration": plain}))
        begin_from(out, Path(name), work, clips)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description="Average trained weights with the packaged ones.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--run", default="run")
    parser.add_argument("--to", default="blend", help="folder below WORK for the mean")
    parser.add_argument("--share", type=float, default=0.5, help="of the trained weights")
    args = parser.parse_args()
    net, step = read_checkpoint(args.work / args.run / "last.pt")
    mean = blended(net, FOLDER, args.work, args.share)
    (args.work / args.to).mkdir(parents=True, exist_ok=True)
    torch.save({"average": mean.state_dict(), "step": step}, args.work / args.to / "last.pt")


if __name__ == "__main__":
    main()
