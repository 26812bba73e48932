"""Grooves that a drum teacher would recognise, as text, and a reader of such text into :class:`Rhythm`.

One row a drum, one character a cell, ``|`` between bars. A bar of one word is divided evenly; a bar of as many
words as it has pulses gives each pulse its own division (``"x-x- xxx x x"``: 4, 3, 1, 1).

    -  nothing       x o  a stroke        X O  an accent
    g  ghost note    f F  flam (accented) d    drag         r  roll to the next stroke or the end of the pulse
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from drumscribe.kit import DRUMS
from drumscribe.notation import Score, notate
from drumscribe.options import NotateOptions
from drumscribe.types import Bar, BeatGrid, Hit, Hits, Meter, Ornament, Placement, Rhythm

PLAIN = NotateOptions(simile=False, repeats=False, sections=False)
_BY_ABBREVIATION = {row.abbreviation: row.label for row in DRUMS.values()}
_VELOCITY = {"x": 80, "o": 80, "X": 120, "O": 120, "g": 30, "f": 80, "F": 120, "d": 80, "r": 70}
_ORNAMENT: dict[str, Ornament] = {"f": "flam", "F": "flam", "d": "drag", "r": "roll"}


@dataclass(frozen=True)
class Groove:
    """Text of a groove, how often it is played, and what stands around it."""

    rows: str
    meter: str = "4/4"
    bpm: float = 100  # quarter notes a minute
    times: int = 1
    swing: bool = False
    pickup: str = ""  # rows of a pickup bar, in pulses
    then: tuple[Groove, ...] = ()


def _cells(text: str, meter: Meter, length: Fraction) -> list[tuple[Fraction, str, Fraction]]:
    """(onset, symbol, end of its pulse) of every stroke in one bar of one row."""
    words = text.split()
    if not words:
        return []
    pulses = int(length / meter.pulse)
    if len(words) == 1:
        spans = [(Fraction(0), length, words[0])]
    elif len(words) == pulses:
        spans = [(i * meter.pulse, meter.pulse, word) for i, word in enumerate(words)]
    else:
        raise ValueError(f"{text!r}: {len(words)} words for {pulses} pulses")
    found = []
    for start, span, word in spans:
        for i, symbol in enumerate(word):
            if symbol != "-":
                onset = start + span * i / len(word)
                end = (onset // meter.pulse + 1) * meter.pulse
                found.append((onset, symbol, min(end, length)))
    return found


def _bars(rows: str) -> list[dict[str, str]]:
    """Text of each row in each bar."""
    bars: list[dict[str, str]] = []
    for line in rows.strip().splitlines():
        key, _, rest = line.strip().partition(" ")
        for i, text in enumerate(rest.strip().strip("|").split("|")):
            while len(bars) <= i:
                bars.append({})
            bars[i][_BY_ABBREVIATION[key]] = text
    return bars


def parse(groove: Groove) -> Rhythm:
    """Read a groove. Hits are numbered in order; ornaments take their own grace hits."""
    bars: list[Bar] = []
    placements: list[Placement] = []
    clock, next_id = 0.0, 0

    def add(text: dict[str, str], meter: Meter, length: Fraction, number: int, part: Groove) -> None:
        nonlocal clock, next_id
        seconds = float(length) * 60 / part.bpm
        found = []
        division = [1] * int(length / meter.pulse)
        for label, row in text.items():
            cells = _cells(row, meter, length)
            for i, (onset, symbol, end) in enumerate(cells):
                following = cells[i + 1][0] if i + 1 < len(cells) else length
                found.append((onset, label, symbol, min(end, following) - onset))
                pulse = int(onset // meter.pulse)
                part_of = (onset - pulse * meter.pulse) / meter.pulse
                division[pulse] = lcm(division[pulse], part_of.denominator)
        index = len(bars)
        for onset, label, symbol, to_end in sorted(found, key=lambda cell: (cell[0], cell[1])):
            ornament = _ORNAMENT.get(symbol, "")
            graces = {"": 0, "flam": 1, "drag": 2, "roll": 3}[ornament]
            placements.append(Placement(
                hit_id=next_id, bar=index, onset=onset, drum=label, velocity=_VELOCITY[symbol], confidence=0.9,
                deviation_s=0.0, ornament=ornament, grace_ids=tuple(range(next_id + 1, next_id + 1 + graces)),
                roll_length=to_end if ornament == "roll" else Fraction(0)))  # fmt: skip
            next_id += 1 + graces
        bars.append(Bar(index, number, meter, length, clock, clock + seconds, part.bpm, tuple(division), part.swing))
        clock += seconds

    number = 1
    for part in (groove, *groove.then):
        meter = Meter.parse(part.meter)
        if part.pickup:
            text = _bars(part.pickup)[0]
            pulses = max(len(row.split()) for row in text.values())
            add(text, meter, pulses * meter.pulse, 0, part)
        for _ in range(part.times):
            for text in _bars(part.rows):
                add(text, meter, meter.quarter_length, number, part)
                number += 1
    first = Meter.parse(groove.meter)
    return Rhythm(tuple(bars), tuple(placements), groove.bpm / float(first.pulse), groove.swing)


def hits_of(rhythm: Rhythm, jitter_s: float = 0.0, seed: int = 0) -> Hits:
    """The hits that would quantise to ``rhythm``; grace notes 30 ms apart before (a roll: after) their stroke."""
    random = np.random.default_rng(seed)
    hits = []
    for place in rhythm.placements:
        bar = rhythm.bars[place.bar]
        time = bar.start_s + float(place.onset / bar.length) * (bar.end_s - bar.start_s)
        time = max(0.0, time + (random.normal(0, jitter_s) if jitter_s else 0.0))
        hits.append(Hit(place.hit_id, time, place.drum, place.confidence, place.velocity))
        for i, grace in enumerate(place.grace_ids):
            step = 0.06 * (i + 1) if place.ornament == "roll" else -0.03 * (len(place.grace_ids) - i)
            hits.append(Hit(grace, max(0.0, time + step), place.drum, place.confidence, max(1, place.velocity // 2)))
    return Hits.of(hits)


def grid_of(rhythm: Rhythm) -> BeatGrid:
    """The grid on which ``rhythm`` was written."""
    times, numbers = [], []
    for bar in rhythm.bars:
        pulses = int(bar.length / bar.meter.pulse)
        for i in range(pulses):
            times.append(bar.start_s + (bar.end_s - bar.start_s) * i / pulses)
            numbers.append(i + 1 + bar.meter.pulses_per_bar - pulses)
    times.append(rhythm.bars[-1].end_s)
    numbers.append(1)
    return BeatGrid(np.array(times), np.array(numbers), tuple(bar.meter for bar in rhythm.bars), rhythm.bpm, "user")


_BEAT = "HH x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-------o-o-----"
_RIDE = "RD x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-o---o-o-------"
_FILL = "SD oooooooo--------\nHT --------oooo----\nFT ------------oooo\nBD o---o---o---o---"
_FLAMS = "SD f---f---o-o-o-o-\nHO --------------x-\nBD o---o---o---o---"
_CRASHES = "CC x---x---x---x---\nBD o---o---o---o---"


GROOVES: dict[str, Groove] = {
    "rock_eighths": Groove("""
        CC x---------------|----------------|----------------|----------------
        HH --x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x---
        HO ----------------|----------------|----------------|--------------x-
        SD ----O-------O---|----O-------O---|----O-------O---|----O-------O---
        BD o-------o-o-----|o-------o-o-----|o-------o-o-----|o-------o-o-----
        """, bpm=112),
    "four_on_the_floor": Groove("""
        HO --x---x---x---x-
        SD ----o-------o---
        BD o---o---o---o---
        """, bpm=124, times=8),
    "money_beat_fill": Groove("""
        CC x---------------|----------------|----------------|----------------
        HH --x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x---------
        SD ----o-------o---|----o-------o---|----o-------o---|----o---oo------
        HT ----------------|----------------|----------------|----------oo----
        MT ----------------|----------------|----------------|------------oo--
        FT ----------------|----------------|----------------|--------------oo
        BD o-------o-------|o-------o-------|o-------o-------|o-----o---------
        """, bpm=96),
    "funk_ghosts": Groove("""
        HH x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-
        SD ----O--g-g--O--g|----O--g-g--Og--
        BD o-o-------o-----|o-o----o--o-----
        """, bpm=92, times=2),
    "sixteenth_hats": Groove("""
        HH xxxx-xxxxxxx-xxx
        SD ----O-------O---
        BD o-----o-o-------
        """, bpm=84, times=2),
    "disco": Groove("""
        HH x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x---
        HO ----------------|--------------x-
        SD ----o-------o---|----o-------o---
        BD o---o---o---o---|o---o---o---o---
        """, bpm=120, times=2),
    "shuffle": Groove("""
        HH x-x x-x x-x x-x
        SD --- O-- --- O--
        BD o-- --o o-- ---
        """, bpm=110, times=2),
    "swing_ride": Groove("""
        RD x---x-x-x---x-x-|x---x-x-x---x-x-
        SD ----------g-----|------g-------g-
        HF ----x-------x---|----x-------x---
        BD o---------------|o---------------
        """, bpm=150, swing=True, times=2),
    "half_time_shuffle": Groove("""
        HH x-x x-x x-x x-x
        SD -g- -g- Og- -g-
        BD o-- --- --- --o
        """, bpm=88, times=2),
    "blues_twelve_eight": Groove("""
        RD x-x-x-x-x-x-x-x-x-x-x-x-
        SD ------O-----------O-----
        BD o---------o-o-----------
        """, meter="12/8", bpm=90, times=2),
    "six_eight_ballad": Groove("""
        HH x-x-x-x-x-x-|x-x-x-x-x-xx
        SD ------o-----|------F-----
        BD o---------o-|o-----------
        """, meter="6/8", bpm=84),
    "jazz_waltz": Groove("""
        RD x---x-x---x-|x---x-x---x-
        HF ----x-------|----x-------
        SD ----------g-|------g-----
        BD o-----------|o-----------
        """, meter="3/4", bpm=140, swing=True),
    "bossa_nova": Groove("""
        RD x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-
        CS o-----o-----o---|----o-----o-----
        HF ----x-------x---|----x-------x---
        BD o-----oo-----oo-|o-----oo-----oo-
        """, bpm=132),
    "samba": Groove("""
        RD x-xxx-xxx-xxx-xx
        CS o--o--o---o-o---
        HF --x---x---x---x-
        BD o--oo--oo--oo--o
        """, bpm=100),
    "reggae_one_drop": Groove("""
        HH x-xx x-xx x-xx x-xx
        CS ---- ---- o--- ----
        BD ---- ---- o--- ----
        """, bpm=76, times=2),
    "train_beat": Groove("""
        SD gOggOggOgOggOgOg
        BD o---o---o---o---
        HF --x---x---x---x-
        """, bpm=108),
    "linear_funk": Groove("""
        HH x-x--x-x--x-x---
        SD ---gO------gO-g-
        BD -o----o-oo---o-o
        """, bpm=98),
    "seven_eight": Groove("""
        HH x-x-x-x-x-x-x-|x-x-x-x-x-x-x-
        SD ----o-----o---|----o-----o---
        BD o-----o-------|o-----o-----oo
        """, meter="7/8", bpm=130),
    "five_four": Groove("""
        RD x---x-x---x-x---x---
        HF ----x-------x---x---
        SD ------o---------o---
        BD o-------o-----------
        """, meter="5/4", bpm=150),
    "metal_double_kick": Groove("""
        CH x---x---x---x---|x---x---x---x---
        SD ----o-------o---|----o-------o---
        BD oooooooooooooooo|oooooooooooooooo
        """, bpm=168),
    "sextuplet_fill": Groove("""
        CC x--- ---- ---- ----|------ ------ ------ ------
        HH --x- x-x- x-x- x-x-|------ ------ ------ ------
        SD ---- o--- ---- o---|oooooo ------ oo---- oo----
        HT ---- ---- ---- ----|------ oooooo --oo-- ------
        FT ---- ---- ---- ----|------ ------ ----oo --oo--
        BD o--- ---- o--- ----|------ ------ ------ ----oo
        """, bpm=80),
    "pickup_and_rolls": Groove("""
        CC x---------------|----------------|X---------------
        SD ----f---r-------|X---f---d---r---|----------------
        FT ------o-----f-o-|----------------|----------------
        BD x-------x-------|x---x---x---x---|X---------------
        """, bpm=72, pickup="SD --oo\nHT o---"),
    "street_beat_flams": Groove("""
        SD o-ooo-oof-o-f-o-|f-ooo-oof-f-f---
        BD o-------o-------|o-------o---o---
        """, bpm=116, times=4, then=(Groove("SD f---oooof---oooo\nBD x---x---x---x---", bpm=116, times=8),)),
    "meters_in_turn": Groove("""
        HH x-x-x-x-x-x-x-x-
        SD ----o-------o---
        BD o-------o-------
        """, bpm=120, then=(
            Groove("HH x-x-x-x-x-x-\nSD ----o---o---\nBD o-----------", meter="3/4", bpm=120),
            Groove("HH x-x-x-x-x-x-x-\nSD ----o-----o---\nBD o-----o-------", meter="7/8", bpm=120),
            Groove("HH x-x-x-x-x-x-\nSD ------o-----\nBD o---------o-", meter="6/8", bpm=90),
            Groove("HH x-x-x-x-\nSD ----o---\nBD o-------", meter="2/4", bpm=120),
        )),
    "endings": Groove(_BEAT, times=7, then=(
        Groove(_FILL), Groove(_BEAT, times=7), Groove(_FLAMS),
        *(Groove(_RIDE, times=3), Groove(_FILL)) * 3, Groove(_RIDE, times=3), Groove(_CRASHES),
        *(Groove(_BEAT, times=6), Groove(_FILL), Groove(_CRASHES)),
        *(Groove(_BEAT, times=6), Groove(_CRASHES), Groove(_FLAMS)),
    )),
    "ballad_with_rests": Groove("""
        CC x---------------|----------------|----------------|----------------|x---------------
        RB ----------------|----------------|----------------|----------------|----x---x---x---
        SP ----------------|----------------|----------------|----------------|--------------x-
        BD o---------------|----------------|----------------|----------------|o-------o-------
        SD ----------------|----------------|----------------|----------------|----o-------o---
        """, bpm=66),
}  # fmt: skip
"""Each is engraved in ``tests/golden`` and played through every client."""


def load(name: str) -> Rhythm:
    return parse(GROOVES[name])


def repeated(rows: str, times: int, *then: Groove) -> Groove:
    return Groove(rows, times=times, then=then)


ROCK = "HH x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-------o-o-----"
RIDE = "RD x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-o---o-o-------"


def kick_rows(i: int) -> str:
    """Hats in eighths and a kick that each number plays otherwise."""
    kick = "".join("o" if (i * 7 + k * 5) % 11 < 4 else "-" for k in range(16))
    return f"HH x-x-x-x-x-x-x-x-\nBD {kick}"


def by_drum(hit: Hit) -> tuple[object, ...]:
    return (hit.drum, hit.time_s, hit.velocity)


def score_of(groove: Groove | str, options: NotateOptions = PLAIN) -> Score:
    """A groove, or one of :func:`load`, as a score; by default bar for bar."""
    rhythm = load(groove) if isinstance(groove, str) else parse(groove)
    return notate(rhythm, options, title="A title")
