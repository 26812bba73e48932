"""Learn what follows the network: calibration, thresholds, and timing, on held-out kits, grooves, and songs.

    python -m training.calibrate --work WORK [--run run] [--clips 240]

Learns on the ``valid`` side, reports on the ``test`` side, and writes ``WORK/run/calibration.json`` for
:mod:`training.export`. Both sides are drums alone and full mix in equal parts, mastered, without the degradations that
training adds. What a peak is worth depends on how often each drum is played, so it is learnt on grooves as people play
them (``training.stems --natural``) at the usual balance; scores are given on those and on training's harder kind.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import mir_eval
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from drumscribe.hits.features import FPS, compress
from drumscribe.hits.peaks import find_peaks
from drumscribe.kit import LABELS
from training.batches import Mixer
from training.export import Calibration, read_checkpoint
from training.material import Split
from training.network import HitNetwork

FLOOR = 0.02
PRIOR = 200.0
"""Weight, in peaks, of what holds for all drums together: a drum's own peaks come from a handful of kits."""
Array = NDArray[np.float64]


@dataclass(slots=True)
class Evidence:
    """All peaks of a set of clips, and how many hits there were."""

    logit: Array
    column: NDArray[np.int64]
    right: NDArray[np.bool_]
    error_ms: Array
    """Peak time minus true time where right, else NaN."""
    there: NDArray[np.int64]
    velocity_error: Array
    mix: NDArray[np.bool_]
    there_mix: NDArray[np.int64]


def gather(
    net: HitNetwork, work: Path, split: Split, clips: int, seed: int = 5, *, natural: bool = False
) -> Evidence:
    """Run the network over clips of one side and match its peaks with what was played."""
    mixer = Mixer(work, split, natural=natural)
    mixer.refresh()
    rng = np.random.default_rng(seed)
    rows: list[tuple[float, int, bool, float, float, bool]] = []
    there = np.zeros((2, len(LABELS)), dtype=np.int64)
    for clip in range(clips):
        mix = bool(clip % 2)
        example = mixer.example(rng, mix=mix, clean=True)
        with torch.no_grad():
            heads = net(torch.from_numpy(compress(example.magnitudes))[None])
        onset = torch.sigmoid(heads["onset"][0]).numpy()
        velocity = torch.sigmoid(heads["velocity"][0]).numpy()
        peaks = find_peaks(onset, FLOOR)
        height = np.clip(peaks.height, 1e-4, 1 - 1e-4)
        logit = np.log(height / (1 - height))
        for column in range(len(LABELS)):
            mine = np.flatnonzero(peaks.column == column)
            truth = sorted((t, v) for t, c, v in example.notes if c == column)
            there[int(mix), column] += len(truth)
            times = np.array([t for t, _ in truth])
            pairs: dict[int, int] = {}
            # the surest peaks choose first, as they do when a threshold rises
            for low in (0.5, FLOOR):
                free = [i for i in range(len(truth)) if i not in pairs.values()]
                asked = [i for i in mine if i not in pairs and peaks.height[i] >= low]
                if free and asked:
                    found = mir_eval.util.match_events(times[free], peaks.position[asked] / FPS, 0.05)
                    pairs |= {int(asked[b]): free[a] for a, b in found}
            for i in mine:
                partner = pairs.get(int(i))
                error = np.nan if partner is None else 1000 * (peaks.position[i] / FPS - times[partner])
                miss = np.nan if partner is None else float(velocity[peaks.frame[i], column] - truth[partner][1])
                rows.append((float(logit[i]), column, partner is not None, float(error), miss, mix))
    columns = list(zip(*rows, strict=True))
    return Evidence(np.array(columns[0]), np.array(columns[1]), np.array(columns[2]), np.array(columns[3]),
                    there.sum(axis=0), np.array(columns[4]), np.array(columns[5]), there[1])  # fmt: skip


def platt(logit: Array, right: NDArray[np.bool_], prior: tuple[float, float], weight: float) -> tuple[float, float]:
    """Logistic regression of ``right`` on ``logit``, drawn to ``prior`` with the weight of so many peaks."""

    def cost(ab: Array) -> float:
        z = ab[0] * logit + ab[1]
        fit = np.logaddexp(0, np.where(right, -z, z)).sum()
        return float(fit + weight * ((ab[0] - prior[0]) ** 2 + 0.25 * (ab[1] - prior[1]) ** 2))

    found = minimize(cost, np.array(prior), method="L-BFGS-B", bounds=[(0.2, 4), (-4, 4)])
    return float(found.x[0]), float(found.x[1])


def best_threshold(p: Array, right: NDArray[np.bool_], there: int) -> float:
    """Threshold of greatest F-measure."""
    grid = np.linspace(0.1, 0.8, 71)
    scores = [2 * right[p >= t].sum() / max(1, (p >= t).sum() + there) for t in grid]
    near = np.flatnonzero(np.array(scores) >= max(scores) - 0.002)
    return float(grid[near].mean())


def calibration_error(p: Array, right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error over equal-width bins (M. Naeini et al., 2015)."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    total = 0.0
    for i in range(bins):
        inside = place == i
        if inside.any():
            total += inside.mean() * abs(p[inside].mean() - right[inside].mean())
    return float(total)


def learn(evidence: Evidence) -> Calibration:
    """Calibration, thresholds, offsets from the ``valid`` side; rare drums lean on all drums together."""
    pooled = platt(evidence.logit, evidence.right, (1.0, 0.0), 1.0)
    scale, shift, thresholds, offsets = [], [], {}, {}
    everything = 1 / (1 + np.exp(-(pooled[0] * evidence.logit + pooled[1])))
    usual = best_threshold(everything, evidence.right, int(evidence.there.sum()))
    lag = float(np.nanmedian(evidence.error_ms))
    for column, label in enumerate(LABELS):
        mine = evidence.column == column
        a, b = platt(evidence.logit[mine], evidence.right[mine], pooled, PRIOR)
        scale.append(a)
        shift.append(b)
        p = 1 / (1 + np.exp(-(a * evidence.logit[mine] + b)))
        count = int(evidence.there[column])
        trust = count / (count + PRIOR)
        own = best_threshold(p, evidence.right[mine], count) if count else usual
        thresholds[label] = round(float(np.clip(trust * own + (1 - trust) * usual, 0.2, 0.65)), 3)
        errors = evidence.error_ms[mine & evidence.right]
        own_lag = float(np.median(errors)) if len(errors) else lag
        offsets[label] = round(trust * own_lag + (1 - trust) * lag, 2)
    return Calibration(scale, shift, thresholds, offsets, {})


def report(evidence: Evidence, calibration: Calibration) -> dict[str, object]:
    """Scores of one side under a calibration: F per drum in both conditions, timing, calibration error, velocity."""
    scale, shift = np.array(calibration.scale), np.array(calibration.shift)
    p = 1 / (1 + np.exp(-(scale[evidence.column] * evidence.logit + shift[evidence.column])))
    limits = np.array([calibration.thresholds[label] for label in LABELS])
    lags = np.array([calibration.offsets_ms[label] for label in LABELS])
    shown = p >= limits[evidence.column]
    good = shown & evidence.right
    out: dict[str, object] = {}
    for name, side, there in (
        ("drums", ~evidence.mix, evidence.there - evidence.there_mix),
        ("mix", evidence.mix, evidence.there_mix),
    ):
        drums = {}
        for column, label in enumerate(LABELS):
            mine = side & (evidence.column == column)
            total = int((shown & mine).sum() + there[column])
            if there[column]:
                drums[label] = round(2 * int((good & mine).sum()) / max(1, total), 3)
        out[name] = {"micro": round(2 * int((good & side).sum()) / int((shown & side).sum() + there.sum()), 3), **drums}
    error = evidence.error_ms - lags[evidence.column]
    candidates = p >= 0.05
    out["median_abs_error_ms"] = round(float(np.median(np.abs(error[good]))), 2)
    out["median_error_ms"] = round(float(np.median(error[good])), 2)
    out["ece"] = round(calibration_error(p[candidates], evidence.right[candidates]), 4)
    out["ece_shown"] = round(calibration_error(p[shown], evidence.right[shown]), 4)
    out["velocity_mae_127"] = round(float(np.nanmean(np.abs(evidence.velocity_error[good]))) * 127, 1)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibrate the hit network.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--run", default="run")
    parser.add_argument("--checkpoint", default="last.pt")
    parser.add_argument("--clips", type=int, default=240)
    args = parser.parse_args()
    torch.set_num_threads(1)
    net, step = read_checkpoint(args.work / args.run / args.checkpoint)
    calibration = learn(gather(net, args.work, "valid", args.clips, natural=True))
    calibration.scores = {
        "step": step,
        "held_out_test": report(gather(net, args.work, "test", args.clips, 6, natural=True), calibration),
        "held_out_test_hard": report(gather(net, args.work, "test", args.clips, 6), calibration),
    }
    path = args.work / args.run / "calibration.json"
    path.write_text(json.dumps(asdict(calibration), indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
