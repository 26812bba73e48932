"""The closed loop: known scores, played like a person, written down again, compared bar by bar.

    python -m benchmarks.quantise [--data DATA_DIR] [--takes 3] [--only shuffle] [--audio]

Timing is drawn from performances of the Groove MIDI Dataset (its test and validation splits, where ``--data`` has it)
or from the shipped statistics; tempo drifts. The grid is the true one as a tracker would give it (frames of 10 ms).
With ``--audio`` the score is played on the packaged kit and tracked; its bars are found from what was played, and then
from the hits that the network hears too. A note is right in its bar, place, and drum; a bar, when all its notes are
right and nothing else stands in it. The last row takes 12/8 (6/8, 9/8) and 4/4 (2/4, 3/4) in triplets for one: which
of the two a copyist writes is a matter of taste.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.scores import SCORES
from drumscribe.options import BeatOptions, DetectOptions, QuantiseOptions
from drumscribe.rhythm import beat_grid, quantise, track
from drumscribe.rhythm.statistics import load
from drumscribe.types import Audio, BeatGrid, Hit, Hits, Rhythm, Stem
from tests.grooves import grid_of, parse

Note = tuple[Fraction, str]
Bars = list[Counter[Note]]


@dataclass(frozen=True)
class Player:
    """Somebody's timing against a click.

    Attributes:
        drift: ``(n,)`` what all drums share, in seconds, each quarter of a quarter note; repeats.
        late: for each drum what its strokes have beside that, drawn with replacement.
    """

    drift: NDArray[np.float64]
    late: dict[str, NDArray[np.float64]]

    def draw(self, drum: str, quarter: float, random: np.random.Generator) -> float:
        """Lateness of one stroke, in seconds."""
        pool = self.late.get(drum)
        shared = self.drift[int(quarter * 4) % len(self.drift)]
        return float(shared + random.choice(self.late["any"] if pool is None else pool))


def players(data: Path | None) -> list[Player]:
    """Timing of the people in GMD whom the statistics were not learnt from, or of statistical ones."""
    if data is None:
        random = np.random.default_rng(1)
        table = load().timing
        return [
            Player(
                np.convolve(random.normal(0, 0.02, 256), np.ones(8) / 8, mode="same"),
                {drum: random.normal(random.normal(0, row.habit_s), row.spread_s, 400) for drum, row in table.items()},
            )
            for _ in range(24)
        ]
    from training.rhythm_stats import drift, grooves, lateness

    found = []
    for split in ("validation", "test"):
        for performance in grooves(data, split):
            late = lateness(performance)
            if late is None:
                continue
            late = late - np.median(late)
            clean = np.abs(late) < 0.4 * 15.0 / performance.bpm  # beyond: flams, and notes that are not sixteenths
            quarter, late = performance.quarter[clean], late[clean]
            drums = np.array(performance.drum)[clean]
            shared = drift(quarter, late)
            lattice = np.arange(int(quarter[-1] * 4)) / 4
            pools = {drum: (late - shared)[drums == drum] for drum in set(drums)}
            pools = {drum: pool for drum, pool in pools.items() if len(pool) >= 8} | {"any": late - shared}
            found.append(Player(np.interp(lattice, quarter, shared), pools))
    return found


def perform(score: Rhythm, player: Player, random: np.random.Generator) -> tuple[Hits, BeatGrid]:
    """Play ``score``: the hits, and the true grid with a tempo that drifts."""
    grid = grid_of(score)
    wander = np.cumsum(random.normal(0, 0.003, len(grid.times) - 1))
    steps = np.diff(grid.times) * np.exp(wander - wander.mean())
    grid = replace(grid, times=1.0 + np.concatenate([[0.0], np.cumsum(steps)]))
    starts = np.flatnonzero(grid.numbers == 1)
    if grid.numbers[0] != 1:
        starts = np.concatenate([[0], starts])
    swing = float(np.clip(0.69 - 0.0004 * score.bpm + random.normal(0, 0.01), 0.58, 0.7))
    hits = []
    for place in score.placements:
        bar = score.bars[place.bar]
        pulses = float(place.onset / bar.meter.pulse)
        whole, part = divmod(pulses, 1.0)
        quarter = float(score.bars[0].meter.pulse) * (starts[place.bar] + pulses)
        if bar.swing and (part * 4) % 1 == 0:
            part = part * 2 * swing if part <= 0.5 else swing + (part - 0.5) * 2 * (1 - swing)
        time = float(grid.time_at(starts[place.bar] + whole + part)) + player.draw(place.drum, quarter, random)
        velocity = int(np.clip(place.velocity + random.normal(0, 8), 5, 127))
        hits.append(Hit(place.hit_id, max(0.0, time), place.drum, 1.0, velocity))
        for i, grace in enumerate(place.grace_ids):
            before = (len(place.grace_ids) - i) * random.uniform(0.024, 0.036)
            hits.append(Hit(grace, max(0.0, time - before), place.drum, 1.0, max(5, int(0.5 * velocity))))
    return Hits.of(hits), grid


def tracked(grid: BeatGrid, random: np.random.Generator) -> BeatGrid:
    """The grid as a tracker gives it: beats a few milliseconds off, on frames of 10 ms."""
    return replace(grid, times=np.round(grid.times + random.normal(0, 0.005, len(grid.times)), 2))


def bars_of(rhythm: Rhythm, *, by_pulse: bool = False) -> Bars:
    """Notes of each bar, with their place in quarter notes, or in pulses where these are dotted quarters."""
    bars: Bars = [Counter() for _ in rhythm.bars]
    for place in rhythm.placements:
        meter = rhythm.bars[place.bar].meter
        bars[place.bar][place.onset / (meter.pulse if by_pulse and meter.compound else 1), place.drum] += 1
    return bars


def ours(hits: Hits, grid: BeatGrid) -> Rhythm:
    return quantise(hits, grid, QuantiseOptions(finest=32))


def nearest(hits: Hits, grid: BeatGrid) -> Bars:
    """Baseline: the nearest sixteenth of the grid."""
    return _snapped(hits, grid, lambda quarter: Fraction(round(quarter * 4), 4))


def music21_quantise(hits: Hits, grid: BeatGrid) -> Bars:
    """Baseline: ``music21.stream.Stream.quantize`` with its sixteenths and eighth triplets, over the whole song."""
    from music21 import note, stream

    part = stream.Stream()
    quarters, _, _ = _quarters(hits, grid)
    for i, quarter in enumerate(quarters):
        element = note.Unpitched()
        element.id = str(i)
        part.insert(float(quarter) + 4.0, element)  # early first notes lie before the grid
    part.quantize((4, 3), processOffsets=True, processDurations=False, inPlace=True)
    offsets = {int(element.id): Fraction(element.offset).limit_denominator(48) for element in part.notes}
    order = iter(range(len(quarters)))
    return _snapped(hits, grid, lambda quarter: offsets[next(order)] - 4)


def _quarters(hits: Hits, grid: BeatGrid) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Quarter notes from the grid's start to each hit, and to each pulse."""
    starts = [i for i, number in enumerate(grid.numbers) if number == 1 or i == 0]
    bar = np.cumsum([1 if i in set(starts) else 0 for i in range(len(grid.times) - 1)]) - 1
    lengths = np.array([float(grid.meters[b].pulse) for b in bar])
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    pulse = grid.pulse_at(np.array([hit.time_s for hit in hits]))
    return np.interp(pulse, np.arange(len(at)), at), at, starts


def _snapped(hits: Hits, grid: BeatGrid, snap: Callable[[float], Fraction]) -> Bars:
    quarters, at, starts = _quarters(hits, grid)
    lines = [Fraction(float(at[i])).limit_denominator(8) for i in starts]
    bars: Bars = [Counter() for _ in range(len(grid.meters))]
    for hit, quarter in zip(hits, quarters, strict=True):
        place = max(snap(float(quarter)), Fraction(0))
        bar = min(int(np.searchsorted([float(line) for line in lines], float(place), side="right")) - 1, len(bars) - 1)
        bars[bar][place - lines[bar], hit.drum] += 1
    return bars


def compare(truth: Bars, found: Bars) -> tuple[int, int, int, int, int]:
    """Notes, right notes, notes written, bars, exact bars; bars are paired in order from the first."""
    notes = right = exact = 0
    for index, bar in enumerate(truth):
        other = found[index] if index < len(found) else Counter()
        notes += bar.total()
        right += (bar & other).total()
        exact += bar == other
    return notes, right, sum(bar.total() for bar in found), len(truth), exact


def through_audio(hits: Hits, end_s: float) -> tuple[Rhythm, Rhythm]:
    """What comes out of a recording of ``hits``: with the true hits, and with those that the network hears."""
    from drumscribe.audio.synth import render
    from drumscribe.hits import activations, pick
    from drumscribe.settings import get_settings

    audio = Audio(render(hits, end_s), 44_100, "closed loop")
    evidence = track(audio)
    stem = Stem(audio.samples, audio.sample_rate, "none")
    heard = pick(activations(stem, settings=get_settings()), DetectOptions())
    first, second = (ours(each, beat_grid(evidence, each, BeatOptions(), end_s)) for each in (hits, heard))
    return first, second


def aligned(truth: Bars, found: Bars) -> Bars:
    """``found`` with bars dropped or added before it, as suits ``truth`` best: a song may begin with an empty bar."""
    shifted = [[Counter() for _ in range(-k)] + found[max(k, 0) :] for k in range(-2, 3)]
    return max(shifted, key=lambda bars: compare(truth, bars)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with grooves/gmd")
    parser.add_argument("--takes", type=int, default=3)
    parser.add_argument("--only", default="", help="scores whose name holds this")
    parser.add_argument("--show", action="store_true", help="print the bars that came out wrong")
    parser.add_argument("--audio", action="store_true", help="through sound, beat tracking, and the hit network")
    args = parser.parse_args()
    people = players(args.data)
    methods = ["DrumScribe", "nearest 16th", "music21"] + ["tracked", "tracked, heard"] * args.audio
    totals = {name: np.zeros(5, int) for name in methods}
    alike = {name: np.zeros(5, int) for name in methods[3:]}
    print(f"{len(people)} players; notes right / bars exact, %\n{'score':28s}" + "".join(f"{m:>18s}" for m in methods))
    for index, (name, groove) in enumerate(SCORES.items()):
        if args.only not in name:
            continue
        score = parse(groove)
        truth = bars_of(score)
        sums = {method: np.zeros(5, int) for method in methods}
        for take in range(args.takes):
            random = np.random.default_rng([index, take])
            hits, exact = perform(score, people[random.integers(len(people))], random)
            grid = tracked(exact, random)
            found = {"DrumScribe": bars_of(ours(hits, grid)), "nearest 16th": nearest(hits, grid),
                     "music21": music21_quantise(hits, grid)}  # fmt: skip
            if args.audio:
                written = through_audio(hits, float(exact.times[-1]) + 1.0)
                for method, rhythm in zip(alike, written, strict=True):
                    found[method] = aligned(truth, bars_of(rhythm))
                    sides = bars_of(score, by_pulse=True), bars_of(rhythm, by_pulse=True)
                    alike[method] += compare(sides[0], aligned(*sides))
            for method in methods:
                sums[method] += compare(truth, found[method])
            if args.show:
                show(truth, found[methods[-1] if args.audio else methods[0]])
        for method in methods:
            totals[method] += sums[method]
        print(f"{name:28s}" + "".join(f"{_percent(sums[m]):>18s}" for m in methods), flush=True)
    print(f"{'all':28s}" + "".join(f"{_percent(totals[m]):>18s}" for m in methods))
    if alike:
        print(f"{'12/8 as 4/4 in triplets':82s}" + "".join(f"{_percent(alike[m]):>18s}" for m in alike))


def show(truth: Bars, found: Bars) -> None:
    for index, bar in enumerate(truth):
        other = found[index] if index < len(found) else Counter()
        if bar != other:
            text = [" ".join(f"{drum}@{onset}" for onset, drum in sorted(side)) for side in (bar - other, other - bar)]
            print(f"    bar {index}: wanted {text[0]}; wrote {text[1]}")


def _percent(counts: NDArray[np.int64]) -> str:
    notes, right, _, bars, exact = counts
    return f"{100 * right / max(notes, 1):.1f} / {100 * exact / max(bars, 1):.1f}"


if __name__ == "__main__":
    main()
