"""Begin training where the packaged weights are, also where the checkpoint that they came from is gone.

The inverse of :func:`training.export.to_keras`: convolutions there hold their normalisation, so here each normalisation
is given the statistics of what now enters it, and a scale and shift that undo them. The network computes the same, and
its batch statistics are those of the material.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from drumscribe.hits.card import DEFAULT
from drumscribe.hits.features import compress
from training.batches import Mixer
from training.network import HitNetwork

_FRONT = ("front0", "front1")
_PLAIN = ("enter", "widen", "narrow", "embedding")
_STACKS = ("early", "slow", "late")


def _set(layer: Any, kernel: Any, bias: Any = None) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))


def begin_from(net: HitNetwork, folder: Path, work: Path, clips: int = 48) -> None:
    """Set ``net`` to the served weights in ``folder``.

    Args:
        net: to be changed. The ``sound`` head is not served and stays as it is.
        folder: holds ``hits.keras`` and ``hits.json``.
        work: with rendered material, on which the normalisations are measured.
        clips: how many to measure on.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "torch")
    import keras

    model = keras.models.load_model(folder / f"{DEFAULT}.keras", compile=False)
    calibration = json.loads((folder / f"{DEFAULT}.json").read_text())["calibration"]

    def values(name: str) -> list[Any]:
        return [np.asarray(value, np.float32) for value in model.get_layer(name).get_weights()]

    inner: list[tuple[nn.Module, Any]] = []
    for name in _FRONT:
        kernel, bias = values(name)
        _set(getattr(net, name), kernel.transpose(3, 2, 0, 1))
        inner.append((getattr(net, f"{name}_norm"), bias))
    for name in _PLAIN:
        kernel, bias = values(name)
        _set(getattr(net, name), kernel.transpose(2, 1, 0), bias)
    for stack in _STACKS:
        for i, block in enumerate(getattr(net, stack)):
            kernel, bias = values(f"{stack}{i}_conv")
            _set(block.conv, kernel.transpose(2, 1, 0))
            inner.append((block.norm, bias))
            kernel, bias = values(f"{stack}{i}_mix")
            _set(block.mix, kernel.transpose(2, 1, 0), bias)
    calibrated = {
        "onset": (calibration["scale"], calibration["shift"]),
        "velocity": calibration.get("velocity", (1, 0)),
    }
    for name, by in calibrated.items():
        kernel, bias = values(name)
        scale, shift = (np.array(part, np.float32) for part in by)
        _set(getattr(net, name), (kernel / scale).transpose(2, 1, 0), (bias - shift) / scale)
    with torch.no_grad():
        parts = (net.bands.weight, net.bands.bias, net.bands.running_mean, net.bands.running_var)
        for mine, theirs in zip(parts, values("bands"), strict=True):
            mine.copy_(torch.from_numpy(theirs))  # type: ignore[union-attr]
    _settle(net, inner, work, clips)


def _settle(net: HitNetwork, inner: list[tuple[Any, Any]], work: Path, clips: int) -> None:
    """Give each normalisation the statistics of its input, and the scale and shift that change nothing."""
    with torch.no_grad():
        for norm, bias in inner:
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.weight.fill_(1.0)
            norm.bias.copy_(torch.from_numpy(bias))
    mixer, rng = Mixer(work, "train"), np.random.default_rng(0)
    mixer.refresh()
    moments: dict[Any, list[torch.Tensor]] = {norm: [] for norm, _ in inner}

    def measure(norm: Any, inputs: tuple[torch.Tensor]) -> None:
        x = inputs[0].transpose(0, 1).flatten(1)
        moments[norm].append(torch.stack([x.mean(1), (x**2).mean(1)]))

    hooks = [norm.register_forward_pre_hook(measure) for norm, _ in inner]
    net.eval()
    with torch.no_grad():
        for _ in range(clips // 8):
            examples = [mixer.example(rng) for _ in range(8)]
            net(torch.from_numpy(np.stack([compress(example.magnitudes) for example in examples])))
        for norm, _ in inner:
            mean, square = torch.stack(moments[norm]).mean(0)
            spread = square - mean**2
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(spread)
            norm.weight.copy_(torch.sqrt(spread + norm.eps))
            norm.bias.add_(mean)
    for hook in hooks:
        hook.remove()
    net.train()
