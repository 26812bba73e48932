"""Learn together what drums and tracker tell about speed, meter, and bar lines: ``bars`` and ``readings`` in
``drumscribe/rhythm/statistics.json``.

    python -m training.rhythm_material --data DATA_DIR --work FOLDER
    python -m training.rhythm_bars --work FOLDER [--check]

First the downbeat network, on pulses that are counted rightly; then the conditional logit over all readings of a piece
(:mod:`drumscribe.rhythm.readings`), by maximum likelihood, with the log-odds of networks that did not see the piece.
Each piece is learnt from with the hits that the hit network found in it, and twice with notes lost and mistaken as hits
are. Synthesised songs are clearer to a tracker than recordings, so that its evidence is weakened, blurred, or left out
in part of the samples. ``--check`` prints how pieces come out whose drummer or style was not learnt from.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np
import torch
from numpy.typing import NDArray

from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.rhythm.patterns import Strokes, downbeat_inputs, downbeat_logit
from drumscribe.rhythm.pulses import aligned, smoothed
from drumscribe.rhythm.readings import LAGS, METERS, Reading, extended, likes, read, rows_of, sides, split, tempo
from drumscribe.rhythm.statistics import Layer
from drumscribe.rhythm.tracking import MAX_BPM, MIN_BPM, decode
from drumscribe.types import FloatArray, Hit, Hits
from training.rhythm_material import Notes, Piece
from training.rhythm_stats import TARGET, mistaken

Floats = NDArray[np.float64]
_BELIEFS = {"4/4": 0.0, "3/4": -2.5, "2/4": -4.0, "5/4": -6.0, "7/4": -8.0}
"""How common meters are in nats, before anything is learnt; the material holds few but 4/4 and 3/4."""
_TRACKED = {
    False: {(1, 1): 0.68, (2, 1): 0.22, (1, 2): 0.04, (2, 2): 0.03, (3, 2): 0.03},
    True: {(1, 1): 0.36, (3, 2): 0.3, (3, 1): 0.24, (1, 2): 0.06, (2, 1): 0.02, (2, 2): 0.02},
}
"""How often a tracker follows other than the pulses, in parts of two and of three."""
_ODD = 0.1
"""Part of the pieces only read that is made odd."""
_FOLDS = 4
_HIDDEN, _CUES_HIDDEN = 24, 24
_DECAY, _LOOSE = 1.5e-4, 1e-4
"""How strongly weights are drawn to zero, and what is common among meters to :data:`_BELIEFS`."""


@dataclass
class Sample:
    """A piece as it may be heard, in all its readings.

    Attributes:
        piece: where it comes from.
        readings: all of them; their ``logit`` is filled in later.
        like: for each reading, ``(meters, 3)`` likeness of bars.
        heard: for each reading, ``(n, 2)`` of the tracker.
        right: index of the reading whose pulses are the written ones; -1 if there is none.
        labels: of the right reading, ``(n,)`` whether a bar begins at each pulse; -1 beyond the known ones.
    """

    piece: Piece
    readings: list[Reading]
    like: list[Floats]
    heard: list[Floats]
    right: int
    labels: NDArray[np.int64]


def samples(pieces: list[Piece], seed: int) -> list[Sample]:
    """Each piece as played, with a hit model's usual mistakes, and as the hit network heard it; once if only read."""
    made = []
    for piece in pieces:
        random = np.random.default_rng([seed, zlib.crc32(piece.name.encode())])
        if not len(piece.activations):
            played = _odd(piece, random) if random.random() < _ODD else piece
            made.append(_sample(played, _as_if_tracked(played, random), _mistaken(played, random), random, plain=True))
            continue
        beats = decode(BeatEvidence(piece.activations, 100.0, "madmom", np.zeros(0)), MIN_BPM, MAX_BPM)
        if len(beats) >= 4:
            made.append(_sample(piece, beats, _mistaken(piece, random), random, plain=True))
            made.append(_sample(piece, beats, _mistaken(piece, random), random, plain=False))
            heard = _hits(piece.found) if len(piece.found.times) > 24 else _mistaken(piece, random)
            made.append(_sample(piece, beats, heard, random, plain=random.random() < 0.5))
    return made


def _odd(piece: Piece, random: np.random.Generator) -> Piece:
    """A piece in 4/4 without one beat of each bar, or with one twice: hardly anything odd is in the material."""
    starts = np.flatnonzero(piece.starts)
    bars = [int(start) for start, after in pairwise(starts) if after - start == 4]
    if len(bars) < 4 or len(bars) < len(starts) - 1:
        return piece
    order = [(0, 1, 3), (0, 1, 3), (0, 1, 2), (0, 2, 3), (0, 1, 2, 3, 3), (0, 1, 2, 3, 1)][random.integers(6)]
    period = float(np.median(np.diff(piece.pulses)))
    notes = piece.played
    place = np.interp(notes.times, piece.pulses, np.arange(len(piece.pulses))) + 0.12  # a stroke may be early
    times, drums, velocity = [], [], []
    for pulse, old in enumerate(bar + beat for bar in bars for beat in order):
        for i in np.flatnonzero(np.floor(place) == old):
            times.append((pulse + place[i] - 0.12 - old) * period + 1.0)
            drums.append(notes.drums[i])
            velocity.append(notes.velocity[i])
    if len(times) < 24:
        return piece
    by_time = np.argsort(times, kind="stable")
    count = len(bars) * len(order)
    return replace(
        piece, played=Notes.of([(times[i], drums[i], velocity[i]) for i in by_time]),
        pulses=1.0 + period * np.arange(count, dtype=np.float64),
        starts=np.arange(count) % len(order) == 0,
    )  # fmt: skip


def _as_if_tracked(piece: Piece, random: np.random.Generator) -> Floats:
    """Beats as a tracker would give them: at another speed, or on the off-beat, about as often as madmom's."""
    table = _TRACKED[_ternary(piece)]
    count = list(table)[random.choice(len(table), p=list(table.values()))]
    if not MIN_BPM < tempo(piece.pulses) * count[0] / count[1] < MAX_BPM:
        inside = [each for each in table if MIN_BPM < tempo(piece.pulses) * each[0] / each[1] < MAX_BPM]
        count = inside[0] if inside else (1, 1)
    rows = split(piece.pulses, count)
    beats = rows[random.integers(len(rows))]
    return np.asarray(np.round(np.sort(beats + random.normal(0, 0.006, len(beats))), 2), dtype=np.float64)


def _ternary(piece: Piece) -> bool:
    """Whether pulses are mostly divided by three."""
    phase = np.interp(piece.played.times, piece.pulses, np.arange(len(piece.pulses))) % 1.0
    third = ((np.abs(phase - 1 / 3) < 0.06) | (np.abs(phase - 2 / 3) < 0.06)).sum()
    return bool(third > 0.6 * ((phase > 0.12) & (phase < 0.88)).sum())


def _sample(piece: Piece, beats: Floats, hits: Hits, random: np.random.Generator, *, plain: bool) -> Sample:
    activations = piece.activations if plain else _weakened(piece.activations, random)
    evidence = BeatEvidence(activations, 100.0, "madmom", beats)
    if not plain and random.random() < 0.25:
        evidence = BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", beats)
    strokes = Strokes.of(hits)
    blank = Layer(np.zeros((239, 1)), np.zeros(1), np.zeros(1), np.zeros(()))
    rows = rows_of(aligned(smoothed(beats), hits))
    readings = [read(extended(times, hits), count, evidence, strokes, blank) for count, times in rows]
    like = [likes(reading, list(METERS)) for reading in readings]
    heard = [evidence.on_pulses(reading.times) for reading in readings]
    fits = [_agreement(piece.pulses, reading.times) for reading in readings]
    right = int(np.argmax(fits)) if max(fits) > 0.85 else -1
    labels = np.zeros(0, np.int64)
    if right >= 0:
        times = readings[right].times
        nearest = np.abs(times[:, None] - piece.pulses[None]).argmin(axis=1)
        off = np.abs(piece.pulses[nearest] - times)
        labels = np.where(off < 0.09, piece.starts[nearest].astype(np.int64), -1)
    small = [replace(each, table=each.table.astype(np.float32), parts=np.zeros((0, 0))) for each in readings]
    return Sample(piece, small, like, heard, right, labels)


def _mistaken(piece: Piece, random: np.random.Generator) -> Hits:
    notes = piece.played
    drums, velocity, keep = mistaken(notes.drums, notes.velocity, random)
    times = notes.times + random.normal(0, 0.004, len(notes.times))
    return _hits(Notes.of(sorted((float(times[i]), drums[i], float(velocity[i])) for i in np.flatnonzero(keep))))


def _hits(notes: Notes) -> Hits:
    found = zip(notes.times, notes.drums, notes.velocity, strict=True)
    return Hits.of(Hit(i, max(0.0, float(t)), drum, 1.0, int(v)) for i, (t, drum, v) in enumerate(found))


def _weakened(activations: FloatArray, random: np.random.Generator) -> FloatArray:
    """As a less clear recording would be heard: downbeats confused with beats, all of it weaker."""
    mixed = float(random.beta(1, 3)) * 0.6
    beat, down = activations.T
    total = (beat + down) ** float(random.uniform(1.0, 1.4))
    share = down / np.maximum(beat + down, 1e-6)
    # the share of downbeats wanders over a second or so, and is drawn to what is usual
    wander = np.interp(np.arange(len(share)), np.arange(0, len(share) + 50, 50),
                       random.normal(0, 0.8, len(range(0, len(share) + 50, 50))))  # fmt: skip
    logit = np.log(share + 0.01) - np.log(1.01 - share) + wander
    share = (1 - mixed) / (1 + np.exp(-logit)) + mixed * 0.3
    return np.stack([total * (1 - share), total * share], axis=1).astype(np.float32)


def _agreement(truth: Floats, found: Floats) -> float:
    found = found[(found > truth[0] - 0.07) & (found < truth[-1] + 0.07)]
    return float(mir_eval.beat.f_measure(truth, found)) if len(found) else 0.0


def folds(pieces: list[Piece]) -> NDArray[np.int64]:
    """Fold of each piece: a drummer's session, or the takes of a style, lie in one."""
    return np.array([zlib.crc32(piece.group.encode()) % _FOLDS for piece in pieces])


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
    cues: torch.Tensor  # (samples, readings, 50)
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
                begins[s, r, m, int(reading.played.argmax()) % meter.pulses_per_bar] = 1.0
        found = _chain(sample)
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


def _chain(sample: Sample) -> tuple[int, int] | None:
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


def report(data: Choices, chosen: list[Sample], parts: dict[str, torch.Tensor], title: str) -> None:
    """How often the best reading is right, for each kind, and how sure it is where right and where wrong."""
    log = scores(data, parts).flatten(1)
    chance = torch.softmax(log, 1)
    best = chance.argmax(1)
    right = data.right.flatten(1).gather(1, best[:, None])[:, 0].numpy()
    per = 35
    speed = (best // per).numpy() == np.array([sample.right for sample in chosen])
    meter = data.right.any(dim=3).flatten(1).gather(1, (best // 7)[:, None])[:, 0].numpy()
    known = data.right.flatten(1).any(1).numpy()
    sure = chance.max(1).values.numpy()
    for kind in sorted({sample.piece.kind for sample in chosen}):
        mine = known & np.array([sample.piece.kind == kind for sample in chosen])
        print(f"{title:22s}{kind:12s}{mine.sum():5d} known of {sum(s.piece.kind == kind for s in chosen)}: "
              f"speed {speed[mine].mean():.3f}, and meter {meter[mine].mean():.3f}, and bars {right[mine].mean():.3f}; "
              f"sure {sure[mine & right].mean():.2f} where right, {sure[mine & ~right].mean():.2f} where wrong; "
              f"nats {-np.log(chance.mul(data.right.flatten(1)).sum(1).numpy()[mine] + 1e-9).mean():.3f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="only print what other folds make of each fold")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pieces = [Piece.read(path) for path in sorted(args.work.glob("train_*.npz")) if ".part" not in path.name]
    made = samples(pieces, 0)
    fold = folds([sample.piece for sample in made])
    logits: list[list[Floats]] = [[] for _ in made]
    for k in range(_FOLDS):
        model = fit_network([s for s, f in zip(made, fold, strict=True) if f != k])
        for i in np.flatnonzero(fold == k):
            logits[i] = logits_of([made[i]], model)[0]
    if args.check:
        for k in range(_FOLDS):
            rest, own = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            parts = fit_readings(choices([made[i] for i in rest], [logits[i] for i in rest]))
            data = choices([made[i] for i in own], [logits[i] for i in own])
            report(data, [made[i] for i in own], parts, f"fold {k}")
    parts = fit_readings(choices(made, logits))
    report(choices(made, logits), made, parts, "all, logit not held out")
    plain = [i for i, sample in enumerate(made) if i == 0 or sample.piece is not made[i - 1].piece]
    report(choices([made[i] for i in plain], [logits[i] for i in plain]), [made[i] for i in plain], parts, "clear")
    print({name: np.round(part.numpy(), 2).tolist() for name, part in parts.items()})
    if args.check:
        return
    model = fit_network(made)
    learnt = json.loads(TARGET.read_text())
    learnt["bars"] = {
        "made": f"python -m training.rhythm_bars: {len(pieces)} excerpts: GMD and General MIDI songs (training "
        "splits), parts made by rule",
        "first": model.first.tolist(), "first_bias": model.first_bias.tolist(), "second": model.second.tolist(),
        "second_bias": float(model.second_bias),
    }  # fmt: skip
    rounded = {name: np.round(part.numpy().astype(np.float64), 3).tolist() for name, part in parts.items()}
    learnt["readings"] = {
        "weight": round(float(torch.exp(parts["weight"])), 3), "like": rounded["like"], "rest": rounded["rest"],
        "begins": rounded["begins"],
        "cues": {name: rounded[name] for name in ("first", "first_bias", "second", "second_bias")},
    }  # fmt: skip
    TARGET.write_text(json.dumps(learnt) + "\n")


if __name__ == "__main__":
    main()
