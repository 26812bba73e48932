"""From data to ``drumscribe/rhythm/statistics.json``: all that the rhythm stage has learnt, in one command.

    python -m training.rhythm --data DATA_DIR --work FOLDER [--heard 800] [--made 800] [--read 3000] [--out FILE]

1. *Timing* of each drum, from GMD (``rhythm_stats.py``).
2. *Material*: excerpts played by FluidSynth and heard by madmom's networks and the hit network, or only read
   (``rhythm_material.py``, ``rhythm_grooves.py``). Kept in FOLDER, so that a run goes on where one stopped, and a later
   one with greater numbers adds what is missing.
3. *Fit* of the downbeat network and the readings (``rhythm_bars.py``), four times without a quarter, then with all;
   what a change of meter costs from the quarters left out (``rhythm_changes.py``).
4. *Held-out table*: every quarter of the material as the other three judge it; no drummer's session and no style is in
   two of them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drumscribe.rhythm.statistics import Layer, ReadingModel
from training.rhythm_bars import FOLDS, choices, fit_network, fit_readings, folds, logits_of, scores
from training.rhythm_changes import prices
from training.rhythm_material import Piece, Task, excerpts, kept, parts, sources
from training.rhythm_samples import Sample, samples
from training.rhythm_stats import timing

Floats = NDArray[np.float64]
TARGET = Path(__file__).parents[1] / "drumscribe" / "rhythm" / "statistics.json"


def in_turn(first: list[Task], second: list[Task]) -> Iterator[Task]:
    """Both lists, mixed, so that what there is when a run stops is a fair sample."""
    for pair in zip_longest(first, second):
        yield from (task for task in pair if task is not None)


def gathered(tasks: list[Task], title: str) -> list[Piece]:
    """All pieces of some tasks, made where they are not there yet; tells how far it is every ten seconds."""
    start = told = time.monotonic()
    missing = sum(not (target.exists() or target.with_suffix(".none").exists()) for target, _ in tasks)
    pieces, done = [], 0
    for index, task in enumerate(tasks):
        done += not (task[0].exists() or task[0].with_suffix(".none").exists())
        piece = kept(task)
        pieces += [piece] if piece is not None else []
        now = time.monotonic()
        if now - told > 10 or index == len(tasks) - 1:
            left = (now - start) / max(done, 1) * (missing - done) / 60
            print(f"{title}: {index + 1} of {len(tasks)}, {left:.0f} min left", flush=True)
            told = now
    return pieces


def model_of(fitted: dict[str, torch.Tensor], change: float, changes: float) -> ReadingModel:
    """The weights as the product reads them."""
    return ReadingModel.of(numbers_of(fitted, change, changes))


def numbers_of(fitted: dict[str, torch.Tensor], change: float, changes: float) -> dict[str, Any]:
    """The weights as they are written."""
    rounded = {name: np.round(part.numpy().astype(np.float64), 3).tolist() for name, part in fitted.items()}
    return {
        "weight": round(float(torch.exp(fitted["weight"])), 3), "like": rounded["like"], "rest": rounded["rest"],
        "begins": rounded["begins"], "change": change, "changes": changes,
        "cues": {name: rounded[name] for name in ("first", "first_bias", "second", "second_bias")},
    }  # fmt: skip


def report(chosen: list[Sample], logits: list[list[Floats]], fitted: list[dict[str, torch.Tensor]]) -> None:
    """How often the best reading is right, for each kind, and how sure it is where right and where wrong.

    ``fitted`` holds for each sample the weights that judge it.
    """
    rows: dict[str, list[tuple[bool, bool, bool, float, float]]] = {}
    for weights in {id(each): each for each in fitted}.values():
        mine = [i for i, each in enumerate(fitted) if each is weights]
        data = choices([chosen[i] for i in mine], [logits[i] for i in mine])
        chance = torch.softmax(scores(data, weights).flatten(1), 1)
        own = chance.mul(data.right.flatten(1)).sum(1)
        for k, i in enumerate(mine):
            if not data.right[k].any():
                continue
            reading, meter, first = np.unravel_index(int(chance[k].argmax()), data.right.shape[1:])
            right = data.right[k]
            rows.setdefault(chosen[i].piece.kind, []).append((
                bool(right[reading].any()), bool(right[reading, meter].any()), bool(right[reading, meter, first]),
                float(chance[k].max()), -float(np.log(float(own[k]) + 1e-9)),
            ))  # fmt: skip
    held_out = len({id(each) for each in fitted}) > 1
    print("as judged by what was learnt from the others:" if held_out else "as judged by what was learnt from them:")
    for kind, table in sorted(rows.items()):
        speed, meter, bars, sure, nats = np.array(table, dtype=np.float64).T
        print(f"{kind:12s}{len(table):5d}  speed {speed.mean():.3f}  and meter {meter.mean():.3f}  and bars "
              f"{bars.mean():.3f}  nats {nats.mean():.3f}  sure {sure[bars > 0].mean() if bars.any() else 0:.2f} where "
              f"right, {sure[bars == 0].mean() if (bars == 0).any() else 0:.2f} where wrong", flush=True)  # fmt: skip


def fit(pieces: list[Piece], earlier: dict[str, Any] | None, *, check: bool) -> dict[str, Any]:
    """Learn ``bars`` and ``readings``.

    Args:
        pieces: all of the material.
        earlier: a downbeat network to be taken as it is, which may have seen the pieces.
        check: leave out quarters of the material in turn, and print how they come out.
    """
    made = samples(pieces, 0)
    fold = folds([sample.piece for sample in made])
    quarters = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    logits: list[list[Floats]] = [[] for _ in made]
    if earlier:
        logits = logits_of(made, Layer.of(earlier))
    for k, (rest, own) in enumerate([] if earlier else quarters):
        network = fit_network([made[i] for i in rest])
        for i in own:
            logits[i] = logits_of([made[i]], network)[0]
        print(f"downbeat network {k + 1} of {FOLDS + 1}", flush=True)
    everything = fit_readings(choices(made, logits))
    judges = [everything for _ in made]
    for k, (rest, own) in enumerate(quarters if check else []):
        fitted = fit_readings(choices([made[i] for i in rest], [logits[i] for i in rest]))
        for i in own:
            judges[i] = fitted
        print(f"readings {k + 1} of {FOLDS}", flush=True)
    known = [i for i, each in enumerate(made) if each.right >= 0 and (i == 0 or each.piece is not made[i - 1].piece)]
    found = prices(
        [made[i] for i in known],
        [logits[i][made[i].right] for i in known],
        [model_of(judges[i], 0.0, 0.0) for i in known],
    )
    shown = [*found[:3], next(price for price in found if np.isinf(price.changes))]
    for price in shown:
        print(f"bars in another meter at {price.change}, all together {price.changes} a pulse: bar lines F "
              f"{price.steady:.3f} in one meter, {price.changing:.3f} with changes", flush=True)  # fmt: skip
    report(made, logits, judges)
    numbers = numbers_of(everything, found[0].change, min(found[0].changes, 1000.0))
    return {"bars": earlier or network_of(fit_network(made), len(pieces)), "readings": numbers}


def network_of(layer: Layer, count: int) -> dict[str, Any]:
    """The downbeat network as it is written, with how it was made."""
    source = f"{count} excerpts: GMD and General MIDI songs (training splits), parts made by rule"
    numbers = {name: getattr(layer, name).tolist() for name in ("first", "first_bias", "second", "second_bias")}
    return {"made": f"python -m training.rhythm: {source}", **numbers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with grooves/gmd and songs")
    parser.add_argument("--work", type=Path, required=True, help="where the material is kept")
    parser.add_argument("--heard", type=int, default=800, help="excerpts of GMD and songs that are played and heard")
    parser.add_argument("--made", type=int, default=800, help="parts made by rule that are played and heard")
    parser.add_argument("--read", type=int, default=3000, help="parts made by rule that are only read")
    parser.add_argument("--network", type=Path, help="take the downbeat network from this file, as it is")
    parser.add_argument("--no-check", action="store_true", help="do without the held-out table: a third of the time")
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    torch.set_num_threads(1)
    learnt: dict[str, Any] = {
        "made": {
            "by": "python -m training.rhythm",
            "from": "Groove MIDI Dataset 1.0.0, training split (CC BY 4.0); General MIDI songs; parts made by rule",
        },
        "timing": timing(args.data),
    }
    print(f"timing of {len(learnt['timing'])} drums", flush=True)
    found = list(sources(args.data, "train"))
    played = excerpts(args.data, args.work, found, heard=True)[: args.heard]
    pieces = gathered(list(in_turn(played, parts(args.work, args.made, heard=True))), "heard")
    read = excerpts(args.data, args.work, found, heard=False) + parts(args.work, args.read, heard=False)
    pieces += gathered(read, "read")
    earlier = json.loads(args.network.read_text())["bars"] if args.network else None
    learnt |= fit(pieces, earlier, check=not args.no_check)
    args.out.write_text(json.dumps(learnt) + "\n")
    print(f"wrote {args.out}", flush=True)


if __name__ == "__main__":
    main()
