"""Grooves at any tempo at which they are played, written as a drummer writes them: the number of beats a minute must
not tell the level, the backbeat must.

Each is a bar or two as text, one row a drum; its tempo is drawn evenly (by ratio) from a wide range. Those of
``benchmarks``, of the tests, and of evaluation sets are not among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from drumscribe.types import FloatArray
from training.rhythm_material import Notes, Piece

Stroke = tuple[float, str, float]
_ROWS = {
    "hh": ("closed_hihat", 80.0), "ho": ("open_hihat", 85.0), "hp": ("pedal_hihat", 70.0), "rd": ("ride", 82.0),
    "sn": ("snare", 108.0), "sg": ("snare", 30.0), "sx": ("cross_stick", 80.0), "bd": ("kick", 104.0),
    "t1": ("high_tom", 95.0), "t2": ("mid_tom", 95.0), "ft": ("floor_tom", 100.0), "cr": ("crash", 105.0),
}  # fmt: skip


@dataclass(frozen=True)
class Written:
    """Bars as text: ``row text|text``, one character a cell, ``x`` a stroke; and where its tempo lies."""

    rows: tuple[str, ...]
    slowest: float
    fastest: float
    pulses: int = 4


WRITTEN = {
    "rock eighths": Written(("hh x-x-x-x-x-x-x-x-", "bd x-----x-x-------", "sn ----x-------x---"), 58, 220),
    "rock two bars": Written(("hh x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-", "bd x-------x-------|x-x-----x-x-----",
                              "sn ----x-------x---|----x-------x---"), 58, 220),
    "rock quarters": Written(("hh x---x---x---x---", "bd x-------x-------", "sn ----x-------x---"), 90, 220),
    "sixteenths": Written(("hh xxxxxxxxxxxxxxxx", "bd x---------x-----", "sn ----x-------x---"), 58, 150),
    "sixteenths busy": Written(("hh xxxxxxxxxxxxxxxx", "bd x------xx-x-----", "sn ----x-------x---"), 58, 150),
    "funk": Written(("hh x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-", "bd x--x------x-----|x-----x----x----",
                     "sn ----x-------x---|----x-------x---"), 66, 140),
    "funk ghosts": Written(("hh x-x-x-x-x-x-x-x-", "bd x---------xx----", "sn ----x-------x---",
                            "sg -------x-x-----x"), 66, 140),
    "disco": Written(("hh xx-xxx-xxx-xxx-x", "ho --x---x---x---x-", "bd x---x---x---x---",
                      "sn ----x-------x---"), 88, 150),
    "house": Written(("ho --x---x---x---x-", "bd x---x---x---x---", "hh x---x---x---x---",
                      "sn ----x-------x---"), 70, 200),
    "half-time": Written(("hh x-x-x-x-x-x-x-x-", "bd x---------xx----", "sn --------x-------"), 96, 220),
    "half-time ride": Written(("rd x---x---x---x---", "bd x--x----------x-", "sn --------x-------"), 110, 220),
    "half-time kicks": Written(("hh x-x-x-x-x-x-x-x-", "bd x-xx--x-----x-xx", "sn --------x-------"), 96, 220),
    "double kick": Written(("hh ----x---x---x---", "cr x---------------", "bd xxxxxxxxxxxxxxxx",
                            "sn ----x-------x---"), 100, 220),
    "gallop": Written(("rd x---x---x---x---", "bd x-xxx-xxx-xxx-xx", "sn ----x-------x---"), 110, 220),
    "d-beat": Written(("rd x-x-x-x-x-x-x-x-", "bd x-x---x-x-x-----", "sn ----x-------x---"), 130, 225),
    "train": Written(("sg xxxx-xxxxxxx-xxx", "sn ----x-------x---", "bd x---x---x---x---"), 80, 150),
    "motown": Written(("hh x-x-x-x-x-x-x-x-", "sn x---x---x---x---", "bd x-----x-x-----x-"), 90, 200),
    "tom groove": Written(("ft x-x-x-x-x-x-x-x-", "bd x-----x-x-------", "sn ----x-------x---"), 62, 210),
    "tom sixteenths": Written(("ft xxxx-xxxxxxx-xxx", "bd x---------x-----", "sn ----x-------x---"), 62, 140),
    "linear": Written(("hh -x--x-x--x--x-x-", "bd x--x----x-x-----", "sn -----x-------x--",
                       "sg --x----x---x---x"), 66, 126),
    "bossa": Written(("hh x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-", "bd x-----x-x-----x-|x-----x-x-----x-",
                      "sx x-----x-----x---|----x-----x-----"), 96, 170),
    "reggae": Written(("hh x-x-x-x-x-x-x-x-", "bd --------x-------", "sx --------x-------"), 110, 180),
    "blast": Written(("hh x-x-x-x-x-x-x-x-", "bd x-x-x-x-x-x-x-x-", "sn x-x-x-x-x-x-x-x-"), 160, 250),
    "blast in turn": Written(("rd x---x---x---x---", "bd x---x---x---x---", "sn --x---x---x---x-"), 150, 250),
    "shuffle": Written(("rd x-xx-xx-xx-x", "bd x-----x-----", "sn ---x-----x---"), 76, 190),
    "half-time shuffle": Written(("hh x-xx-xx-xx-x", "bd x----x------", "sn ------x-----", "sg -x--x--x--x-"), 90, 180),
    "twelve-eight": Written(("hh xxxxxxxxxxxx", "bd x----xx-----", "sn ---x-----x---"), 44, 96),
    "swing": Written(("rd x--x-xx--x-x", "hp ---x-----x---"), 100, 230),
    "waltz": Written(("hh x-x-x-x-x-x-", "bd x-----------", "sn ----x---x---"), 80, 200, 3),
    "five": Written(("hh x-x-x-x-x-x-x-x-x-x-", "bd x-----x-----x-------", "sn --------x-------x---"), 88, 190, 5),
    "seven": Written(("hh x-x-x-x-x-x-x-", "bd x-----x-------", "sn ----x-----x---"), 150, 270, 7),
    "polka": Written(("hh --x---x-", "bd x---x---", "sn --x---x-"), 92, 134, 2),
}  # fmt: skip
SAME_ALL_THROUGH = ("blast", "blast in turn", "reggae")
"""Those whose bars may as well begin on another beat."""
_HANDS = ("closed_hihat", "ride", "open_hihat", "floor_tom")


def bars_of(written: Written) -> list[list[Stroke]]:
    """Strokes of each bar: place in pulses, drum, velocity."""
    bars: list[list[Stroke]] = []
    for row in written.rows:
        name, _, text = row.partition(" ")
        drum, velocity = _ROWS[name]
        for b, cells in enumerate(text.split("|")):
            while len(bars) <= b:
                bars.append([])
            bars[b] += [
                (k * written.pulses / len(cells), drum, velocity) for k, cell in enumerate(cells) if cell == "x"
            ]
    return bars


def _fill(random: Generator, pulses: int) -> list[Stroke]:
    parts, low = int(random.choice([2, 4])), int(random.integers(pulses))
    toms = ("snare", "high_tom", "mid_tom", "floor_tom")
    return [
        (k / parts, toms[min(3, (k - low * parts) // parts)], 100.0)
        for k in range(low * parts, pulses * parts) if random.random() < 0.9
    ]  # fmt: skip


def any_tempo(number: int) -> Piece:
    """One groove, with strokes left out and added, a fill now and then, crashes, and a tempo of its own; only read."""
    random = np.random.default_rng([number, 7])
    name = list(WRITTEN)[number % len(WRITTEN)]
    written = WRITTEN[name]
    bpm = written.slowest * (written.fastest / written.slowest) ** float(random.random())
    bars, count = bars_of(written), int(random.integers(5, 14))
    kicks = [k / 2 for k in range(1, 2 * written.pulses) if random.random() < 0.08]
    change = str(random.choice(_HANDS)) if random.random() < 0.3 else ""
    notes: list[Stroke] = []
    for b in range(count):
        bar = bars[b % len(bars)] + [(place, "kick", 95.0) for place in kicks]
        if b % 4 == 3 and random.random() < 0.5:
            fill = _fill(random, written.pulses)
            bar = [stroke for stroke in bar if stroke[0] < min(place for place, *_ in fill)] + fill if fill else bar
        if b % 4 == 0 and random.random() < 0.4:
            bar = [*bar, (0.0, "crash", 108.0)]
        for place, drum, velocity in bar:
            if random.random() < 0.97:
                hand = change if change and drum in _HANDS[:2] else drum
                notes.append((b * written.pulses + place, hand, float(np.clip(random.normal(velocity, 7), 8, 127))))
    period, lead = 60.0 / bpm, float(random.uniform(0.1, 1.5))
    spread = float(random.uniform(0.002, 0.01))
    played = sorted((max(0.0, lead + at * period + random.normal(0, spread)), d, v) for at, d, v in notes)
    pulses = lead + period * np.arange(count * written.pulses + 1)
    empty: FloatArray = np.zeros((0, 1), np.float32)
    starts = np.arange(len(pulses)) % written.pulses == 0
    return Piece(f"{name}/{number}", "any tempo", True, empty, Notes.of(played), Notes.of([]), pulses, starts)
