"""What a change of meter costs, learnt from pieces with and without one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm.bars import Chain, chains
from drumscribe.rhythm.readings import METERS
from drumscribe.rhythm.statistics import ReadingModel
from training.rhythm_bars import one_meter
from training.rhythm_samples import Sample

Floats = NDArray[np.float64]
COSTS = (1.0, 2.0, 4.0, 6.0, 8.0)
GAINS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.45, np.inf)
"""What is tried for a bar, and for all of a song as a mean over its pulses, in the log-odds of bar lines; with the
last, no meter is changed."""
_CHANGING = 0.1
"""Part of the songs that change their meter."""


@dataclass(frozen=True)
class Price:
    """What changes of meter may cost, and what comes of it.

    Attributes:
        change: cost of each bar in another meter than the song's.
        changes: what all of them together must gain beyond that, as a mean over the pulses.
        steady: mean F-measure of bar lines in pieces in one meter.
        changing: the same in pieces in several.
    """

    change: float
    changes: float
    steady: float
    changing: float

    @property
    def worth(self) -> float:
        """Mean F-measure with as many changing pieces as there are among songs."""
        return (1 - _CHANGING) * self.steady + _CHANGING * self.changing


def bar_lines(sample: Sample, chain: Chain) -> float:
    """F-measure of bar lines over the pulses as written."""
    reading = sample.readings[sample.right]
    found = np.zeros(len(reading.times), bool)
    found[[start for start, _ in chain]] = True
    inside = (sample.labels >= 0) & reading.played
    written = sample.labels == 1
    both = int((found & written & inside).sum())
    return 2 * both / max(1, int((found & inside).sum() + (written & inside).sum()))


def prices(chosen: list[Sample], logits: list[Floats], models: list[ReadingModel]) -> list[Price]:
    """All prices, the best one first.

    Args:
        chosen: pieces whose pulses are known.
        logits: of the right reading, from a network that did not see the piece.
        models: that did not see the piece.
    """
    values: dict[tuple[float, float], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for sample, logit, model in zip(chosen, logits, models, strict=True):
        reading = replace(sample.readings[sample.right], logit=logit)
        for cost in COSTS:
            steady, gained, changing = chains(reading, replace(model, change=cost), list(METERS))
            own = bar_lines(sample, steady), bar_lines(sample, changing)
            for gain in GAINS:
                values[cost, gain][one_meter(sample) is None].append(own[gained > gain])
    found = [Price(*price, *(float(np.mean(rows or [0.0])) for rows in each)) for price, each in values.items()]
    return sorted(found, key=lambda price: -price.worth)
