"""Learn what follows the network: calibration, repetition, threshold, and timing, on held-out kits, grooves, and songs.

    python -m training.calibrate --work WORK [--run run] [--clips 240]

Learns on the ``valid`` side, reports on the ``test`` side, and writes ``WORK/run/calibration.json`` for
:mod:`training.export`. Both sides are whole stems, drums alone and full mix in equal parts, mastered, without the
degradations that training adds. What a peak is worth depends on how often each drum is played, so it is learnt on
grooves as people play them (``training.stems --natural``) at the usual balance; scores are given on those and on
training's harder kind.

All drums have one threshold: where confidences are calibrated, that is the best for the micro F-measure (Z. Lipton et
al., *Optimal thresholding of classifiers to maximize F1 measure*, 2014). Thresholds of their own, learnt on a handful
of kits, cost up to .05 on other kits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import mir_eval
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from drumscribe.hits import repetition
from drumscribe.hits.features import FPS, compress
from drumscribe.hits.peaks import find_peaks
from drumscribe.kit import LABELS
from training.batches import Mixer
from training.export import Calibration, read_checkpoint
from training.network import HitNetwork
from training.sounds import Split
from training.stems import SECONDS

FLOOR = repetition.FLOOR
GHOST, ACCENT = 40, 105
"""Velocities under and over which a stroke counts as one, where they are counted."""
PRIOR = 1000.0
"""Weight, in peaks, of what holds for all drums together: a drum's own peaks come from a handful of kits."""
Array = NDArray[np.float64]
Curves = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clip:
    """What the network heard in a recording, log-odds ``(frames, drums)`` each, and what was played."""

    logits: Curves
    velocity: Curves
    notes: list[tuple[float, int, float]]
    mix: bool


@dataclass(slots=True)
class Evidence:
    """All peaks of a set of clips, and how many hits there were."""

    height: Array
    column: NDArray[np.int64]
    right: NDArray[np.bool_]
    error_ms: Array
    """Peak time minus true time where right, else NaN."""
    there: NDArray[np.int64]
    velocity: Array
    """Log-odds of the velocity heard (0–1)."""
    struck: Array
    """True velocity where right, else NaN."""
    mix: NDArray[np.bool_]
    there_mix: NDArray[np.int64]

    @property
    def logit(self) -> Array:
        """Log-odds of the heights."""
        height = np.clip(self.height, 1e-4, 1 - 1e-4)
        return np.asarray(np.log(height / (1 - height)))


def listen(
    net: HitNetwork, work: Path, split: Split, clips: int, seed: int = 5, *, natural: bool = False
) -> list[Clip]:
    """Run the network over clips of one side, every other one with accompaniment."""
    mixer = Mixer(work, split, natural=natural, frames=int(SECONDS * FPS))
    mixer.refresh()
    rng = np.random.default_rng(seed)
    out = []
    for index in range(clips):
        example = mixer.example(rng, mix=bool(index % 2), clean=True)
        with torch.no_grad():
            heads = net(torch.from_numpy(compress(example.magnitudes))[None])
        out.append(Clip(heads["onset"][0].numpy(), heads["velocity"][0].numpy(), example.notes, bool(index % 2)))
    return out


def match(clips: list[Clip], curves: Iterable[Curves]) -> Evidence:
    """Hold the peaks of each clip's onset curves, in the order of :func:`find_peaks`, against what was played."""
    height, columns, right, error, loud, true, mix = [], [], [], [], [], [], []
    there = np.zeros((2, len(LABELS)), dtype=np.int64)
    for clip, onset in zip(clips, curves, strict=True):
        peaks = find_peaks(onset, FLOOR)
        times = peaks.position / FPS
        late, struck = np.full(len(peaks), np.nan), np.full(len(peaks), np.nan)
        for column in range(len(LABELS)):
            mine = np.flatnonzero(peaks.column == column)
            truth = sorted((t, v) for t, c, v in clip.notes if c == column)
            there[int(clip.mix), column] += len(truth)
            free = list(range(len(truth)))
            # the surest peaks choose first, as they do when a threshold rises
            for low in (0.5, FLOOR):
                asked = mine[(peaks.height[mine] >= low) & np.isnan(late[mine])]
                pairs = mir_eval.util.match_events(np.array([truth[i][0] for i in free]), times[asked], 0.05)
                for a, b in pairs if len(asked) else ():
                    peak, (time, velocity) = asked[b], truth[free[a]]
                    late[peak], struck[peak] = 1000 * (times[peak] - time), velocity
                taken = {free[a] for a, _ in pairs}
                free = [i for i in free if i not in taken]
        for rows, values in ((height, peaks.height), (columns, peaks.column), (error, late), (true, struck),
                             (loud, clip.velocity[peaks.frame, peaks.column])):  # fmt: skip
            rows.append(values)
        right.append(~np.isnan(late))
        mix.append(np.full(len(peaks), clip.mix))
    joined = [np.concatenate(rows) for rows in (height, columns, right, error)]
    velocities = np.concatenate(loud).astype(np.float64), np.concatenate(true)
    return Evidence(*joined, there.sum(axis=0), *velocities, np.concatenate(mix), there[1])


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


def dynamics(heard: Array, struck: Array) -> tuple[float, float]:
    """Scale and shift of velocity's log-odds.

    What is least wrong on average is drawn to the middle: soft strokes are heard too loud, loud ones too soft. Log-odds
    are spread half the way (geometrically) to where what is heard is spread as what was struck.
    """
    parts = np.linspace(0.02, 0.98, 49)
    true = np.clip(np.quantile(struck, parts), 0.01, 0.99)
    equal = float(np.polyfit(np.quantile(heard, parts), np.log(true / (1 - true)), 1)[0])
    scale = float(np.sqrt(np.clip(equal, 0.5, 4)))
    return round(scale, 3), round(float(np.log(true / (1 - true)).mean() - scale * np.quantile(heard, parts).mean()), 3)


def regress(features: Array, right: NDArray[np.bool_]) -> Array:
    """Weights of a logistic regression."""

    def cost(weights: Array) -> tuple[float, Array]:
        z = features @ weights
        slope = features.T @ (expit(z) - right) + 2 * weights
        return float(np.logaddexp(0, np.where(right, -z, z)).sum() + (weights**2).sum()), slope

    found = minimize(cost, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B")
    return np.asarray(found.x)


def learn(clips: list[Clip]) -> Calibration:
    """Everything, from the ``valid`` side; rare drums lean on all drums together."""
    heard = match(clips, (expit(clip.logits) for clip in clips))
    pooled = platt(heard.logit, heard.right, (1.0, 0.0), 1.0)
    own = [platt(heard.logit[mine], heard.right[mine], pooled, PRIOR)
           for mine in (heard.column == column for column in range(len(LABELS)))]  # fmt: skip
    out = Calibration([a for a, _ in own], [b for _, b in own], (0.0, 1.0, 0.0, 0.0), {}, {}, {})
    plain = [calibrated(clip, out) for clip in clips]
    features = np.concatenate([repetition.evidence(curves, find_peaks(curves, FLOOR)) for curves in plain])
    learnt = regress(features, match(clips, plain).right)
    out.repetition = tuple(round(float(weight), 4) for weight in learnt)  # type: ignore[assignment]
    final = match(clips, (repetition.revise(curves, out.repetition) for curves in plain))
    threshold = best_threshold(final.height, final.right, int(final.there.sum()))
    out.thresholds = dict.fromkeys(LABELS, round(threshold, 3))
    shown = final.right & (final.height >= threshold)
    if shown.sum() > 100:
        out.velocity = dynamics(final.velocity[shown], final.struck[shown])
    lag = float(np.nanmedian(final.error_ms))
    for column, label in enumerate(LABELS):
        errors = final.error_ms[(final.column == column) & final.right]
        trust = len(errors) / (len(errors) + PRIOR)
        out.offsets_ms[label] = round(trust * float(np.median(errors)) + (1 - trust) * lag if len(errors) else lag, 2)
    return out


def calibrated(clip: Clip, calibration: Calibration) -> Curves:
    """Onset curves as the exported network gives them."""
    return expit(np.float32(calibration.scale) * clip.logits + np.float32(calibration.shift))


def report(clips: list[Clip], calibration: Calibration) -> dict[str, object]:
    """Scores of one side under a calibration: F per drum in both conditions, timing, calibration error, velocity."""
    evidence = match(
        clips, (repetition.revise(calibrated(clip, calibration), calibration.repetition) for clip in clips)
    )
    p = evidence.height
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
    scale, move = calibration.velocity
    heard, struck = expit(scale * evidence.velocity[good] + move) * 127, evidence.struck[good] * 127
    out["velocity_mae_127"] = round(float(np.abs(heard - struck).mean()), 1)
    for name, mine, true in (("ghosts", heard < GHOST, struck < GHOST), ("accents", heard > ACCENT, struck > ACCENT)):
        out[name] = round(2 * int((mine & true).sum()) / max(1, int(mine.sum() + true.sum())), 3)
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
    calibration = learn(listen(net, args.work, "valid", args.clips, natural=True))
    calibration.scores = {
        "step": step,
        "held_out_test": report(listen(net, args.work, "test", args.clips, 6, natural=True), calibration),
        "held_out_test_hard": report(listen(net, args.work, "test", args.clips, 6), calibration),
    }
    path = args.work / args.run / "calibration.json"
    path.write_text(json.dumps(asdict(calibration), indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
