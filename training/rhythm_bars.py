"""Learn together what drums and tracker tell about speed, meter, and bar lines.

First the downbeat network, on pulses that are counted rightly; then the conditional logit over all readings of a piece
(:mod:`drumscribe.rhythm.readings`), by maximum likelihood, with the log-odds of networks that did not see the piece.
``training/rhythm.py`` runs it.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from drumscribe.rhythm.patterns import downbeat_inputs, downbeat_logit
from drumscribe.rhythm.readings import LAGS, METERS, sides
from drumscribe.rhythm.statistics import Layer
from training.rhythm_material import Piece
from training.rhythm_samples import Sample

Floats = NDArray[np.float64]
_BELIEFS = {"4/4": 0.0, "3/4": -2.5, "2/4": -4.0, "5/4": -6.0, "7/4": -8.0}
"""How common meters are in nats, before anything is learnt; the material holds few but 4/4 and 3/4."""
FOLDS = 4
_HIDDEN, _CUES_HIDDEN = 24, 24
_DECAY, _LOOSE = 1.5e-4, 1e-4
"""How strongly weights are drawn to zero, and what is common among meters to :data:`_BELIEFS`."""


def folds(pieces: list[Piece]) -> NDArray[np.int64]:
    """Fold of each piece: a drummer's session, or the takes of a style, lie in one."""
    return np.array([zlib.crc32(piece.group.encode()) % FOLDS for piece in pieces])


def fit_network(chosen: list[Sample], epochs: int = 14, seed: int = 0) -> Layer:
    """Downbeat network from the right readings; each kind of material weighs the same."""
    torch.manual_seed(seed)
    rows, targets, weights = [], [], []
    kinds: dict[str, int] = defaultdict(int)
    for sample in chosen:
        kinds[sample.piece.kind] += int((sample.labels >= 0).sum())
    for sample in chosen:
        if sample.right < 0:
            continue
        known = sample.labels >= 0
        table = sample.readings[sample.right].table
        rows.append(downbeat_inputs(table, sample.heard[sample.right])[known])
        targets.append(sample.labels[known])
        weights.append(np.full(known.sum(), 1.0 / kinds[sample.piece.kind]))
    x = torch.tensor(np.concatenate(rows), dtype=torch.float32)
    y = torch.tensor(np.concatenate(targets), dtype=torch.float32)
    w = torch.tensor(np.concatenate(weights), dtype=torch.float32)
    w /= w.mean()
    network = torch.nn.Sequential(torch.nn.Linear(x.shape[1], _HIDDEN), torch.nn.ReLU(), torch.nn.Linear(_HIDDEN, 1))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.15)
    batch = 512
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
    done = 0
    while done < steps:
        order = torch.randperm(len(x))
        for k in range(len(x) // batch):
            index = order[k * batch : (k + 1) * batch]
            inputs = x[index]
            # drums that are missing from part of the pieces' pulses keep the network from leaning on any one
            inputs = inputs * (torch.rand_like(inputs) > 0.1)
            logit = network(inputs)[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, y[index], weight=w[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            done += 1
    first, second = network[0], network[2]
    return Layer(
        np.round(first.weight.detach().numpy().T.astype(np.float64), 3),
        np.round(first.bias.detach().numpy().astype(np.float64), 3),
        np.round(second.weight.detach().numpy()[0].astype(np.float64), 3),
        np.round(second.bias.detach().numpy()[0].astype(np.float64), 3),
    )


@dataclass
class Choices:
    """All readings, meters and first beats of many samples, padded: ``(samples, readings, meters, 7)`` and parts."""

    bars: torch.Tensor  # mean log-odds of the bar lines
    rest: torch.Tensor  # (samples, readings)
    like: torch.Tensor  # (samples, readings, meters, 3)
    begins: torch.Tensor  # whether the first stroke is the first beat of a bar
    cues: torch.Tensor  # (samples, readings, 56)
    weight: torch.Tensor  # (samples,)
    there: torch.Tensor  # bool
    right: torch.Tensor  # bool


def choices(chosen: list[Sample], logits: list[list[Floats]]) -> Choices:
    """Lay out what :func:`drumscribe.rhythm.readings.chances` adds up."""
    most = max(len(sample.readings) for sample in chosen)
    shape = (len(chosen), most, len(METERS), 7)
    bars, there, right, begins = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape)
    like, rest = np.zeros((*shape[:3], len(LAGS))), np.zeros(shape[:2])
    cues = np.zeros((*shape[:2], len(chosen[0].readings[0].cues)))
    for s, sample in enumerate(chosen):
        for r, reading in enumerate(sample.readings):
            rest[s, r], bars[s, r] = sides(replace(reading, logit=logits[s][r]), list(METERS))
            like[s, r], cues[s, r] = sample.like[r], reading.cues
            for m, meter in enumerate(METERS):
                there[s, r, m, : meter.pulses_per_bar] = True
                if reading.begin >= 0:
                    begins[s, r, m, reading.begin % meter.pulses_per_bar] = 1.0
        found = one_meter(sample)
        if found:
            right[s, sample.right, found[0], found[1]] = True
        elif sample.right >= 0:  # bars of several lengths: the speed is all that is known
            right[s, sample.right] = there[s, sample.right]
    kinds: dict[str, int] = defaultdict(int)
    for sample in chosen:
        kinds[sample.piece.kind] += 1
    # parts made by rule count double, as they hold what else is rare; what no tracker heard counts half
    rare = np.array([2.0 if sample.piece.kind.startswith("made") else 1.0 for sample in chosen])
    heard = np.array([1.0 if len(sample.piece.activations) else 0.5 for sample in chosen])
    weight = rare * heard / np.array([kinds[sample.piece.kind] for sample in chosen]) * right.any(axis=(1, 2, 3))
    arrays = (bars, rest, like, begins, cues, weight / weight.sum())
    numbers = [torch.tensor(array, dtype=torch.float32) for array in arrays]
    masks = [torch.tensor(there), torch.tensor(right)]
    return Choices(*numbers, *masks)


def one_meter(sample: Sample) -> tuple[int, int] | None:
    """Meter and first beat of a sample, if they are the same throughout."""
    if sample.right < 0:
        return None
    starts = np.flatnonzero(sample.labels == 1)
    if len(starts) < 4:
        return None
    steps = np.diff(starts)
    length = int(np.median(steps))
    if (steps != length).mean() > 0.05 or length not in [meter.pulses_per_bar for meter in METERS]:
        return None
    meter = [meter.pulses_per_bar for meter in METERS].index(length)
    return meter, int(np.bincount(starts % length, minlength=length).argmax())


def scores(data: Choices, parts: dict[str, torch.Tensor], *, dropout: float = 0.0) -> torch.Tensor:
    """Log-chances up to a constant, as :func:`drumscribe.rhythm.readings.chances` gives them."""
    total = torch.exp(parts["weight"]) * (data.bars + (data.like @ parts["like"])[..., None])
    hidden = torch.relu(data.cues @ parts["first"] + parts["first_bias"])
    common = torch.nn.functional.dropout(hidden, dropout) @ parts["second"] + parts["second_bias"]
    total = total + common[..., None] + parts["begins"] * data.begins + parts["rest"] * data.rest[:, :, None, None]
    return total.masked_fill(~data.there, -1e9)


def fit_readings(data: Choices, seed: int = 0, steps: int = 400) -> dict[str, torch.Tensor]:
    """Maximum likelihood with weak beliefs."""
    torch.manual_seed(seed)
    beliefs = torch.tensor(list(_BELIEFS.values()))
    inputs = data.cues.shape[-1]
    parts = {
        "weight": torch.ones(()), "like": torch.tensor([1.0, 0.3, 0.3]), "rest": torch.ones(()),
        "begins": torch.ones(()), "first": torch.randn(inputs, _CUES_HIDDEN) * 0.1,
        "first_bias": torch.full((_CUES_HIDDEN,), 0.1), "second": torch.randn(_CUES_HIDDEN, len(METERS)) * 0.1,
        "second_bias": beliefs.clone(),
    }  # fmt: skip
    for part in parts.values():
        part.requires_grad_(True)
    optimiser = torch.optim.Adam(list(parts.values()), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        log = scores(data, parts, dropout=0.1).flatten(1)
        log = log - log.logsumexp(1, keepdim=True)
        own = log.masked_fill(~data.right.flatten(1), -1e9).logsumexp(1)
        value = -(own.clamp(min=-50) * data.weight).sum()
        value = value + _DECAY * (parts["first"].square().sum() + parts["second"].square().sum())
        value = value + _LOOSE * (parts["second_bias"] - beliefs).square().sum()
        value.backward()
        optimiser.step()
        schedule.step()
    return {name: part.detach() for name, part in parts.items()}


def logits_of(chosen: list[Sample], model: Layer) -> list[list[Floats]]:
    return [
        [downbeat_logit(reading.table, heard, model) for reading, heard in zip(s.readings, s.heard, strict=True)]
        for s in chosen
    ]
