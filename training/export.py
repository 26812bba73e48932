"""Turn trained weights into the files that the product serves (``.keras``, and ``.tflite`` made of it) and their card.

    python -m training.export --work WORK [--run run] [--out drumscribe/hits/weights]

The network is rebuilt from Keras layers with normalisation folded into the convolutions and calibration folded into the
last layers; values are rounded to half precision and the archive is deflated. The file is loaded back and its outputs
are compared with torch's: more than 0.01 apart anywhere and nothing is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from drumscribe.hits.card import ASIDE, DEFAULT
from drumscribe.hits.engines import LIGHT, convert
from drumscribe.hits.features import BANDS, WINDOWS
from drumscribe.hits.repetition import Weights
from drumscribe.kit import LABELS
from training.network import BLUR, EARLY, LATE, POOL, SLOW, HitNetwork

Array = NDArray[np.float32]


@dataclass(slots=True)
class Calibration:
    """What :mod:`training.calibrate` learns.

    ``scale`` and ``shift`` per drum turn onset logits into log-odds that a peak is a hit (J. Platt, 1999);
    ``repetition`` are the weights of :mod:`drumscribe.hits.repetition`.
    """

    scale: list[float]
    shift: list[float]
    repetition: Weights
    thresholds: dict[str, float]
    offsets_ms: dict[str, float]
    scores: dict[str, Any]
    velocity: tuple[float, float] = (1.0, 0.0)
    """Scale and shift of velocity's log-odds."""

    @classmethod
    def none(cls) -> Calibration:
        """Leaves the network as it was trained."""
        return cls([1.0] * len(LABELS), [0.0] * len(LABELS), (0.0, 1.0, 0.0, 0.0), dict.fromkeys(LABELS, 0.4), {}, {})

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read what :mod:`training.calibrate` wrote."""
        return cls(**json.loads(path.read_text()))


def _numpy(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().numpy(), dtype=np.float32)


def _folded(conv: nn.Module, norm: Any) -> tuple[Array, Array]:
    """Weights (torch layout) and bias of a convolution with its normalisation folded in."""
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight: Any = conv.weight
    return _numpy(weight * gain.reshape(-1, *[1] * (weight.ndim - 1))), _numpy(norm.bias - norm.running_mean * gain)


def _half(values: Array) -> Array:
    return values.astype(np.float16).astype(np.float32)


def to_keras(net: HitNetwork, calibration: Calibration) -> Any:
    """Build the served model: features to ``onset`` and ``velocity`` (0–1) and ``embedding``."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    from keras import Model, layers

    weights: dict[str, list[Array]] = {}

    def conv1d(x: Any, conv: nn.Conv1d, name: str, norm: Any = None, activation: str | None = None) -> Any:
        kernel, bias = _folded(conv, norm) if norm is not None else (_numpy(conv.weight), _numpy(conv.bias))
        weights[name] = [kernel.transpose(2, 1, 0), bias]
        return layers.Conv1D(conv.out_channels, conv.kernel_size[0], padding="same", dilation_rate=conv.dilation[0],
                             activation=activation, name=name)(x)  # fmt: skip

    def residual(x: Any, block: Any, width: str) -> Any:
        y = conv1d(x, block.conv, f"{width}_conv", block.norm, "relu")
        return layers.Add(name=f"{width}_add")([x, conv1d(y, block.mix, f"{width}_mix")])

    net.eval()
    x = inputs = layers.Input((None, BANDS, len(WINDOWS)), name="features")
    bands: Any = net.bands
    x = layers.BatchNormalization(axis=2, epsilon=bands.eps, name="bands")(x)
    for i, pool in enumerate((3, 4)):
        conv, norm = getattr(net, f"front{i}"), getattr(net, f"front{i}_norm")
        kernel, bias = _folded(conv, norm)
        weights[f"front{i}"] = [kernel.transpose(2, 3, 1, 0), bias]
        x = layers.Conv2D(conv.out_channels, conv.kernel_size, padding="same", name=f"front{i}")(x)
        x = layers.MaxPooling2D((1, pool), name=f"front{i}_pool")(x)
        x = layers.Activation("relu", name=f"front{i}_relu")(x)
    x = layers.Reshape((-1, net.enter.in_channels), name="flatten")(x)
    x = conv1d(x, net.enter, "enter")
    for i in range(len(EARLY)):
        x = residual(x, net.early[i], f"early{i}")
    half = len(BLUR) // 2
    y = layers.ZeroPadding1D(half, name="margin")(x)
    y = layers.DepthwiseConv1D(len(BLUR), POOL, use_bias=False, name="down")(y)
    weights["down"] = [np.tile(np.array(BLUR, np.float32)[:, None, None], (1, net.enter.out_channels, 1))]
    y = conv1d(y, net.widen, "widen")
    for i in range(len(SLOW)):
        y = residual(y, net.slow[i], f"slow{i}")
    y = layers.UpSampling1D(POOL, name="up")(conv1d(y, net.narrow, "narrow"))
    y = layers.AveragePooling1D(POOL, 1, padding="same", name="between")(y)  # of neighbours: linear interpolation
    x = layers.Add(name="join")([x, y])
    for i in range(len(LATE)):
        x = residual(x, net.late[i], f"late{i}")
    x = layers.Activation("relu", name="trunk")(x)
    outputs = {
        "onset": conv1d(x, net.onset, "onset", activation="sigmoid"),
        "velocity": conv1d(x, net.velocity, "velocity", activation="sigmoid"),
        "embedding": conv1d(x, net.embedding, "embedding"),
    }
    for name, by in (("onset", (calibration.scale, calibration.shift)), ("velocity", calibration.velocity)):
        kernel, bias = weights[name]
        scale, shift = (np.asarray(part, np.float32) for part in by)
        weights[name] = [kernel * scale, bias * scale + shift]
    model = Model(inputs, outputs, name="drumscribe_hits")
    for name, values in weights.items():
        model.get_layer(name).set_weights([_half(value) for value in values])
    model.get_layer("bands").set_weights(
        [_numpy(part) for part in (bands.weight, bands.bias, bands.running_mean, bands.running_var)]
    )
    return model


def _deflate(path: Path) -> None:
    """Pack the archive again with compression: values of half precision halve under it. Dates are fixed."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)
    temporary.replace(path)


def disagreement(net: HitNetwork, path: Path, calibration: Calibration) -> float:
    """Largest difference of onset probabilities between torch and the saved file on random features."""
    import keras

    rng = np.random.default_rng(0)
    features = (rng.random((1, 640, BANDS, len(WINDOWS))) * rng.random((1, 640, 1, 1)) * 6).astype(np.float32)
    with torch.no_grad():
        logits = net.eval()(torch.from_numpy(features))["onset"].numpy()
    expected = 1 / (1 + np.exp(-(logits * np.float32(calibration.scale) + np.float32(calibration.shift))))
    served = keras.models.load_model(path, compile=False).predict(features, verbose=0)["onset"]
    return float(np.abs(expected - served).max())


def export(
    net: HitNetwork, calibration: Calibration, folder: Path, version: str, made: dict[str, Any], name: str = DEFAULT
) -> Path:
    """Write ``NAME.keras``, ``NAME.tflite`` and ``NAME.json`` into ``folder``.

    Raises:
        RuntimeError: if the file does not compute what torch computes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.new.keras"
    to_keras(net, calibration).save(temporary)
    _deflate(temporary)
    apart = disagreement(net, temporary, calibration)
    if apart > 0.01:
        temporary.unlink()
        raise RuntimeError(f"The exported network differs from the trained one by {apart:.4f}.")
    convert(temporary, light := temporary.with_suffix(LIGHT))
    path = folder / f"{name}.keras"
    card = {
        "name": "drumscribe-hits", "version": version,
        "sha256": {file.suffix: hashlib.sha256(file.read_bytes()).hexdigest() for file in (temporary, light)},
        "labels": list(LABELS), "thresholds": calibration.thresholds, "offsets_ms": calibration.offsets_ms,
        "calibration": {"scale": calibration.scale, "shift": calibration.shift, "velocity": calibration.velocity},
        "repetition": calibration.repetition,
        "made": {**made, "scores": calibration.scores},
    }  # fmt: skip
    temporary.replace(path)
    light.replace(path.with_suffix(LIGHT))
    card_path = folder / f"{name}.json"
    card_path.with_suffix(".tmp").write_text(json.dumps(card, indent=1) + "\n")
    card_path.with_suffix(".tmp").replace(card_path)
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, at most {apart:.5f} from torch")
    return path


def read_checkpoint(path: Path) -> tuple[HitNetwork, int]:
    """The averaged weights of a checkpoint, and its step."""
    state = torch.load(path, weights_only=True)
    net = HitNetwork()
    net.load_state_dict(state["average"])
    return net.eval(), int(state["step"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Export the hit network.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--run", default="run")
    parser.add_argument("--checkpoint", default="last.pt")
    parser.add_argument("--version", default="0.1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default=DEFAULT, choices=[DEFAULT, ASIDE], help=f"{ASIDE}: for other speeds")
    parser.add_argument("--out", type=Path, default=Path("drumscribe/hits/weights"))
    args = parser.parse_args()
    net, step = read_checkpoint(args.work / args.run / args.checkpoint)
    learnt = args.work / args.run / "calibration.json"
    calibration = Calibration.read(learnt) if learnt.exists() else Calibration.none()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    made = {
        "script": "python -m training.train",
        "commit": commit.stdout.strip(),
        "seed": args.seed,
        "steps": step,
        "data": "one-shot kits, Groove MIDI Dataset, General MIDI songs with soundfonts; see training/README.md",
    }
    export(net, calibration, args.out, args.version, made, args.name)


if __name__ == "__main__":
    main()
