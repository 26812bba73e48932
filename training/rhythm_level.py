"""How much the legibility of a reading weighs (``legible`` in ``drumscribe/rhythm/statistics.json``), in minutes.

    python -m training.rhythm_level --data DATA_DIR --work FOLDER [--any 640] [--read 250] [--out FILE]

Everything else stays as ``python -m training.rhythm`` fitted it. Material is only read: grooves at any tempo
(``rhythm_any_tempo.py``), parts made by rule, and excerpts of GMD's training split and of the songs, with the usual
mistakes of a tracker and of a hit model. A fifth is left out for the table at the end.
"""

from __future__ import annotations

import argparse
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drumscribe.rhythm.legibility import TERMS, in_meters
from drumscribe.rhythm.readings import METERS, chances
from drumscribe.rhythm.statistics import load
from training.rhythm_any_tempo import SAME_ALL_THROUGH, any_tempo
from training.rhythm_bars import logits_of, one_meter
from training.rhythm_material import excerpts, kept, parts, sources
from training.rhythm_samples import Sample, samples

Floats = NDArray[np.float64]
TARGET = Path(__file__).parents[1] / "drumscribe" / "rhythm" / "statistics.json"
_KINDS = {"any tempo": 10.0, "made read": 2.0, "gmd read": 1.0, "songs read": 1.0}
"""How much each kind of material weighs."""
_LOOSE = 2e-5
"""How strongly weights are drawn to zero."""


def rows_of(chosen: list[Sample]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each sample, padded: log-chances without legibility, its terms, and which choices are right."""
    model = replace(load().readings, legible=np.zeros(len(TERMS)))
    logits = logits_of(chosen, load().bars)
    most = max(len(sample.readings) for sample in chosen)
    base = np.full((len(chosen), most, len(METERS), 7), -1e9)
    reads, right = np.zeros((*base.shape, len(TERMS))), np.zeros(base.shape, bool)
    for s, sample in enumerate(chosen):
        for r, reading in enumerate(sample.readings):
            known = replace(reading, logit=logits[s][r])
            base[s, r] = np.maximum(chances(known, model, list(METERS), sample.like[r]), -1e9)
            reads[s, r] = in_meters(reading.legible, reading.snare, list(METERS))
        found = one_meter(sample)
        if found and sample.piece.name.split("/")[0] in SAME_ALL_THROUGH:
            right[s, sample.right, found[0]] = base[s, sample.right, found[0]] > -1e8
        elif found:
            right[s, sample.right, found[0], found[1]] = True
        elif sample.right >= 0:
            right[s, sample.right] = base[s, sample.right] > -1e8
    return torch.tensor(base), torch.tensor(reads), torch.tensor(right)


def fit(base: torch.Tensor, reads: torch.Tensor, right: torch.Tensor, weight: torch.Tensor) -> Floats:
    """Maximum likelihood, ``(11,)``."""
    legible = torch.zeros(len(TERMS), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([legible], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        scores = (base + reads @ legible).flatten(1)
        own = scores.masked_fill(~right.flatten(1), -1e9).logsumexp(1) - scores.logsumexp(1)
        loss = -(own.clamp(min=-30) * weight).sum() / weight.sum() + _LOOSE * legible.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return np.asarray(np.round(legible.detach().numpy(), 2), dtype=np.float64)


def report(chosen: list[Sample], scores: torch.Tensor, right: torch.Tensor, title: str) -> None:
    """How often the best choice is right, for each kind."""
    best = scores.flatten(1).argmax(1)
    for kind in _KINDS:
        mine = [i for i, sample in enumerate(chosen) if sample.piece.kind == kind and bool(right[i].any())]
        if not mine:
            continue
        shape = right.shape[1:]
        speed = meter = bars = 0
        for i in mine:
            r, m, f = (int(k) for k in np.unravel_index(int(best[i]), shape))
            speed += bool(right[i, r].any())
            meter += bool(right[i, r, m].any())
            bars += bool(right[i, r, m, f])
        n = len(mine)
        print(f"{title:8s} {kind:12s}{n:5d}  speed {speed / n:.3f}  and meter {meter / n:.3f}  and bars {bars / n:.3f}")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where the material is kept")
    parser.add_argument("--any", type=int, default=640, help="grooves at any tempo")
    parser.add_argument("--read", type=int, default=250, help="parts made by rule, and as many excerpts")
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tasks = parts(args.work, args.read, heard=False)
    tasks += excerpts(args.data, args.work, list(sources(args.data, "train")), heard=False)[: args.read]
    pieces = [any_tempo(number) for number in range(args.any)]
    pieces += [piece for task in tasks if (piece := kept(task)) is not None]
    chosen = samples(pieces, 0)
    print(f"{len(chosen)} pieces", flush=True)
    base, reads, right = rows_of(chosen)
    known = right.flatten(1).any(1)
    kinds = [sample.piece.kind for sample in chosen]
    weight = torch.tensor([_KINDS[kind] / kinds.count(kind) for kind in kinds]) * known
    # no session and no style is on both sides; of the grooves at any tempo each fifth draw is left out
    groups = [s.piece.name if s.piece.kind == "any tempo" else s.piece.group for s in chosen]
    held = torch.tensor([zlib.crc32(group.encode()) % 5 == 0 for group in groups])
    learnt = fit(base[~held], reads[~held], right[~held], weight[~held])
    own = [sample for sample, out in zip(chosen, held.tolist(), strict=True) if out]
    report(own, base[held], right[held], "before")
    report(own, base[held] + reads[held] @ torch.tensor(learnt), right[held], "after")
    learnt = fit(base, reads, right, weight)
    print({name: float(value) for name, value in zip(TERMS, learnt, strict=True)})
    numbers = json.loads(args.out.read_text())
    numbers["readings"]["legible"] = learnt.tolist()
    args.out.write_text(json.dumps(numbers) + "\n")
    print(f"wrote {args.out}", flush=True)


if __name__ == "__main__":
    main()
