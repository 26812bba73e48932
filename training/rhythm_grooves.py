"""Drum parts made by rule, in what GMD and songs lack: other tempi, odd meters, triplets, Latin, changes of meter.

Each is drawn at random inside what players and copyists do in a style: its range of tempo and its pulse (a polka is
counted 100 to 132 in 2/4, a ballad in 12/8 by dotted quarters, a half-time shuffle with its backbeat on three), its
usual places of kick and snare, fills and crashes at the ends of phrases, a pickup here and there. No groove is written
out, so that none of those of ``benchmarks`` or ``tests`` is learnt by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pretty_midi
from numpy.random import Generator
from numpy.typing import NDArray

from drumscribe.kit import DRUMS

Floats = NDArray[np.float64]
Stroke = tuple[float, str, float]
"""Place in pulses from the bar line, drum, velocity."""
Bar = list[Stroke]
_GHOST, _SOFT, _USUAL, _LOUD = 28.0, 58.0, 82.0, 108.0


@dataclass
class Groove:
    """What is played again and again.

    Attributes:
        style: its name.
        bpm: pulses a minute.
        pulses: in a bar.
        bars: one to four bars in turn.
        parts: into how many parts its fills divide a pulse.
        swing: where the second half of a pulse falls.
        crash: what marks the beginning of a section, with a kick.
        more: sections in other meters, each with its number of bars; empty for a piece in one meter.
    """

    style: str
    bpm: float
    pulses: int
    bars: list[Bar]
    parts: tuple[int, ...] = (4, 4, 2)
    swing: float = 0.5
    crash: bool = True
    more: list[tuple[Groove, int]] = field(default_factory=list)


def _tempo(r: Generator, low: float, high: float) -> float:
    """Mostly in the middle of a range, and even in proportion."""
    return float(low * (high / low) ** r.beta(1.6, 1.6))


def _every(places: Iterable[float], drum: str, loud: float, weak: float | None = None) -> Bar:
    return [(float(p), drum, loud if weak is None or float(p).is_integer() else weak) for p in places]


def _hands(r: Generator, pulses: int, parts: int) -> Bar:
    """A hand that keeps time: hats or ride, all of a pulse's ``parts``, open here and there."""
    drum = str(r.choice(["closed_hihat", "closed_hihat", "closed_hihat", "ride", "open_hihat"]))
    weak = float(r.choice([_USUAL, _SOFT]))
    bar = _every(np.arange(pulses * parts) / parts, drum, _USUAL, weak)
    if drum == "closed_hihat" and r.random() < 0.3:
        at = int(r.integers(len(bar)))
        bar[at] = (bar[at][0], "open_hihat", _USUAL)
    if drum == "ride" and r.random() < 0.5:
        bar += _every(np.arange(1, pulses, 2), "pedal_hihat", _SOFT)
    return bar


def _kicks(r: Generator, pulses: int, parts: int, free: float, taken: tuple[float, ...] = ()) -> Bar:
    """On the first beat nearly always, elsewhere on beats, halves and other parts, ever less; seldom with the snare."""
    bar = []
    for k in range(pulses * parts):
        place = k / parts
        odds = 0.95 if k == 0 else 0.35 if k % parts == 0 else 0.3 if 2 * k % parts == 0 else 0.12
        if r.random() < (odds if k == 0 else odds * free) * (0.15 if place in taken else 1.0):
            bar.append((place, "kick", _USUAL))
    return bar


def _ghosts(r: Generator, pulses: int, parts: int, chance: float, taken: tuple[float, ...]) -> Bar:
    places = [k / parts for k in range(pulses * parts) if 2 * k % parts or r.random() < 0.2]
    return [(p, "snare", _GHOST) for p in places if p not in taken and r.random() < chance]


_BACKBEATS: dict[int, list[tuple[float, ...]]] = {
    2: [(1,)], 3: [(1, 2), (1, 2), (2,), (1,)], 4: [(1, 3)], 5: [(1, 3), (2, 4), (1, 3, 4), (3,)],
    6: [(3,), (2, 5)], 7: [(2, 4), (2, 5), (2, 4, 6), (4,), (1, 3, 5)],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Beat:
    """How the common beat is played: a hand that keeps time, a backbeat, kicks and ghost notes.

    Attributes:
        hats: into how many parts the hand divides a pulse.
        fine: into how many parts kicks and ghost notes divide it.
        free: how readily a kick is played off its usual places.
        back: places of the backbeat, in pulses; ``None``: drawn from the usual ones of the meter.
        ghosts: the chance of a ghost note.
    """

    hats: int
    fine: int
    free: float = 1.0
    back: tuple[float, ...] | None = None
    ghosts: float = 0.0


def _beat(r: Generator, style: str, bpm: float, pulses: int, beat: Beat, **more: object) -> Groove:
    """One or two bars of ``beat``, drawn at random."""
    options = _BACKBEATS[pulses]
    back = beat.back or options[r.integers(len(options))]
    snare = "cross_stick" if bpm < 110 and r.random() < 0.15 else "snare"
    hand = _hands(r, pulses, beat.hats)
    bars = [
        hand + _every(list(back), snare, _LOUD) + _kicks(r, pulses, beat.fine, beat.free, back)
        + (_ghosts(r, pulses, beat.fine, beat.ghosts, back) if beat.ghosts else [])
        for _ in range(int(r.integers(1, 3)))
    ]  # fmt: skip
    return Groove(style, bpm, pulses, bars, **more)  # type: ignore[arg-type]


def rock(r: Generator, pulses: int = 4, bpm: float = 0.0) -> Groove:
    bpm = bpm or _tempo(r, 54, 190)
    parts = int(r.choice([2, 4] if bpm < 84 else [2] if bpm < 150 else [1, 2]))
    return _beat(r, "rock", bpm, pulses, Beat(parts, 4 if bpm < 120 and r.random() < 0.5 else 2))


def half_time(r: Generator) -> Groove:
    bpm = _tempo(r, 110, 170)
    return _beat(r, "half-time", bpm, 4, Beat(int(r.choice([1, 2])), 2, back=(2,), free=0.7))


def hip_hop(r: Generator) -> Groove:
    bpm = _tempo(r, 62, 100)
    groove = _beat(r, "hip-hop", bpm, 4, Beat(int(r.choice([2, 4, 4])), 4, free=1.3))
    if r.random() < 0.4:  # rolls in 32nds
        groove.bars[-1] += _every(float(r.integers(4)) + np.arange(8) / 8, "closed_hihat", _SOFT)
    return groove


def punk(r: Generator) -> Groove:
    bpm = _tempo(r, 155, 225)
    return _beat(r, "punk", bpm, 4, Beat(int(r.choice([1, 2, 2])), 2, free=0.8), parts=(2, 4))


def disco(r: Generator) -> Groove:
    bpm = _tempo(r, 100, 138)
    bar = _every([0, 1, 2, 3], "kick", _LOUD) + _every([0.5, 1.5, 2.5, 3.5], "open_hihat", _USUAL)
    if r.random() < 0.8:
        bar += _every([1, 3], "snare", _LOUD)
    if r.random() < 0.6:
        bar += _every([k / 4 for k in range(16) if k % 4 != 2], "closed_hihat", _SOFT)
    return Groove("disco", bpm, 4, [bar])


def funk(r: Generator) -> Groove:
    bpm = _tempo(r, 84, 122)
    back = [(1, 3), (1, 3), (1, 2.75), (1, 3.5)][r.integers(4)]
    return _beat(r, "funk", bpm, 4, Beat(int(r.choice([2, 4])), 4, back=back, free=1.5, ghosts=0.45))


def linear(r: Generator) -> Groove:
    """One drum at a time, in sixteenths."""
    bars = []
    for _ in range(int(r.integers(1, 3))):
        bar: Bar = []
        for k in range(16):
            drum = str(r.choice(["closed_hihat", "kick", "snare", ""], p=[0.42, 0.26, 0.22, 0.1]))
            if k in (4, 12) and r.random() < 0.8:
                bar.append((k / 4, "snare", _LOUD))
            elif k == 0 and r.random() < 0.75:
                bar.append((0.0, "kick", _LOUD))
            elif drum:
                bar.append((k / 4, drum, _GHOST if drum == "snare" else _USUAL))
        bars.append(bar)
    return Groove("linear", _tempo(r, 80, 122), 4, bars)


def metal(r: Generator) -> Groove:
    bpm = _tempo(r, 100, 210)
    back = [(1, 3), (1, 3), (2,)][r.integers(3)]
    parts = 4 if bpm < 180 and r.random() < 0.7 else 3 if r.random() < 0.3 else 2
    keep = r.random(4 * parts) < float(r.choice([1.0, 0.8]))
    keep[0] = True
    hand = str(r.choice(["crash", "china", "ride_bell", "open_hihat", "ride"]))
    bar = _every(np.arange(4 * parts)[keep] / parts, "kick", _USUAL) + _every(list(back), "snare", _LOUD)
    return Groove("metal", bpm, 4, [bar + _every(np.arange(4), hand, _LOUD)], parts=(parts,))


def shuffle(r: Generator) -> Groove:
    bpm, late = _tempo(r, 76, 170), float(r.uniform(0.62, 0.68))
    groove = _beat(r, "shuffle", bpm, 4, Beat(2, 2, free=0.9), parts=(3, 2, 6 if bpm < 100 else 3), swing=late)
    if r.random() < 0.3:  # the snare goes along
        groove.bars = [bar + _every([k + 0.5 for k in range(4)], "snare", _GHOST) for bar in groove.bars]
    return groove


def half_time_shuffle(r: Generator) -> Groove:
    """Backbeat on three, ghost notes in the middle of the triplets."""
    bars = []
    for _ in range(2):
        bar = [*_every([k / 3 for k in range(12) if k % 3 != 1], "closed_hihat", _USUAL, _SOFT), (2.0, "snare", _LOUD)]
        bar += [(k + 1 / 3, "snare", _GHOST) for k in range(4) if r.random() < 0.85]
        bar += [(k / 3, "kick", _USUAL) for k in range(12) if k == 0 or (k % 3 != 1 and k != 6 and r.random() < 0.25)]
        bars.append(bar)
    return Groove("half-time shuffle", _tempo(r, 74, 112), 4, bars, parts=(3, 6))


def jazz(r: Generator, pulses: int = 4) -> Groove:
    bpm = _tempo(r, 90, 260) if pulses == 4 else _tempo(r, 96, 210)
    late = float(np.clip(0.72 - 0.0005 * bpm + r.normal(0, 0.015), 0.56, 0.7))
    skips = [k for k in range(pulses) if (k % 2 if pulses == 4 else k == 1 or r.random() < 0.3)]
    bars = []
    for _ in range(2):
        bar = _every(np.arange(pulses), "ride", _USUAL) + [(k + 0.5, "ride", _SOFT) for k in skips]
        foot = [1, 3] if pulses == 4 else [[1], [1, 2], [1]][r.integers(3)]
        bar += _every(foot, "pedal_hihat", _SOFT)
        bar += [(0.0, "kick", _SOFT)] if pulses == 3 or r.random() < 0.3 else []
        bar += [(k / 2, str(r.choice(["snare", "snare", "kick"])), _GHOST + 15)
                for k in range(2 * pulses) if r.random() < (0.16 if k % 2 else 0.05)]  # fmt: skip
        if pulses == 4 and r.random() < 0.25:
            bar += _every([0, 1, 2, 3], "kick", _GHOST)
        bars.append(bar)
    return Groove("jazz" if pulses == 4 else "jazz waltz", bpm, pulses, bars, parts=(3, 2), swing=late, crash=False)


def waltz(r: Generator) -> Groove:
    bpm = _tempo(r, 78, 200)
    return _beat(r, "waltz", bpm, 3, Beat(int(r.choice([2, 1])) if bpm > 120 else 2, 2, free=0.35))


def compound(r: Generator, pulses: int) -> Groove:
    """By dotted quarters: two in 6/8, which comes again bar by bar, four in 12/8, where the halves of a bar differ."""
    style = {2: "six-eight", 3: "nine-eight", 4: "twelve-eight"}[pulses]
    bpm = _tempo(r, 40, 80) if pulses == 2 else _tempo(r, 46, 100)
    fine = 6 if bpm < 56 and r.random() < 0.3 else 3
    back = (2,) if pulses == 3 else None
    beat = Beat(3, fine, free=0.7, back=back, ghosts=0.2 if r.random() < 0.2 else 0.0)
    groove = _beat(r, style, bpm, pulses, beat, parts=(3, 3, 6))
    if pulses == 2:
        groove.bars = groove.bars[:1]
        if r.random() < 0.15:  # the second time with a hat or ghost note more; with other kicks it would be 12/8
            extra = (11 / 6, "closed_hihat", _SOFT) if r.random() < 0.6 else (4 / 3, "snare", _GHOST)
            groove.bars.append([*groove.bars[0], extra])
    elif pulses == 4 and r.random() < 0.9:
        groove.bars = [_uneven(r, bar) for bar in groove.bars]
    return groove


def _uneven(r: Generator, bar: Bar) -> Bar:
    """A bar of four pulses whose second half has other kicks than the first."""
    halves = [{round(place % 2, 3) for place, drum, _ in bar if drum == "kick" and (place >= 2) == late}
              for late in (False, True)]  # fmt: skip
    if halves[0] != halves[1]:
        return bar
    place = [5 / 3, 2 + 2 / 3, 11 / 3, 2 + 1 / 3][r.integers(4)]
    kept = [stroke for stroke in bar if stroke[1] != "kick" or abs(stroke[0] - place) > 0.01]
    return kept if len(kept) < len(bar) else [*bar, (place, "kick", _USUAL)]


def stabs(r: Generator) -> Groove:
    """A phrase of unison strokes with rests between them, and a fill here and there."""
    parts = int(r.choice([2, 2, 4]))
    bars: list[Bar] = []
    for index in range(int(r.choice([2, 4]))):
        odds = np.where(np.arange(4 * parts) % parts == 0, 0.2, 0.1)
        odds[0] = 1.0 if index == 0 else 0.5
        places = np.flatnonzero(r.random(4 * parts) < odds) / parts
        cymbal = str(r.choice(["crash", "crash", "china", "open_hihat"]))
        bar = _every(places, "kick", _LOUD) + _every(places, cymbal, _LOUD)
        if r.random() < 0.5:
            low = float(r.choice([2, 3, 3]))
            fill = low + np.flatnonzero(r.random(int((4 - low) * 4)) < 0.7) / 4
            bar = [stroke for stroke in bar if stroke[0] < low] + _every(fill, "snare", _USUAL)
        bars.append(bar)
    return Groove("stabs", _tempo(r, 70, 150), 4, bars, crash=False)


def bossa(r: Generator) -> Groove:
    clave = [[0, 1.5, 3], [1, 2.5]] if r.random() < 0.6 else [[0, 1.5, 3], [1, 2.5, 3.5]]
    if r.random() < 0.5:
        clave.reverse()
    feet = _every([0, 2], "kick", _USUAL) + _every([1.5, 3.5], "kick", _SOFT) + _every([1, 3], "pedal_hihat", _SOFT)
    hand = _every(np.arange(8) / 2, str(r.choice(["closed_hihat", "ride"])), _USUAL, _SOFT)
    stick = str(r.choice(["cross_stick", "cross_stick", "snare"]))
    return Groove("bossa", _tempo(r, 108, 164), 4, [feet + hand + _every(c, stick, _USUAL) for c in clave])


def samba(r: Generator) -> Groove:
    """Sixteenths over the surdo, foot on the off-beats, accents as a tamborim has them."""
    pulses = int(r.choice([2, 4, 4]))
    feet = [(k + d, "kick", _USUAL if d == 0 else _SOFT) for k in range(pulses) for d in (0.0, 0.75)]
    feet += _every(np.arange(pulses) + float(r.choice([0.5, 0.5, 0.0])), "pedal_hihat", _SOFT)
    skip = r.random(4) < (0.0, 0.5, 0.1, 0.2)
    time = str(r.choice(["ride", "ride", "closed_hihat"]))
    hand = [(k / 4, time, _USUAL if k % 4 in (0, 3) else _SOFT)
            for k in range(4 * pulses) if not skip[k % 4]]  # fmt: skip
    stick = str(r.choice(["cross_stick", "snare", "high_tom"]))
    bars = []
    for _ in range(2):
        bars.append(feet + hand + _every(np.flatnonzero(r.random(4 * pulses) < 0.4) / 4, stick, _USUAL))
    return Groove("samba", _tempo(r, 84, 128), pulses, bars, crash=bool(r.random() < 0.4))


def latin(r: Generator) -> Groove:
    """Bell, cross-stick on two, tom on four; cha-cha to mambo."""
    bpm = _tempo(r, 100, 200)
    bell = [0.0, 1, 2, 3] if bpm < 130 else [0, 1, 1.5, 2.5, 3, 3.5]
    bar = [*_every(bell, "ride_bell", _USUAL), (1.0, "cross_stick", _USUAL)]
    bar += _every([3, 3.5], "high_tom", _USUAL) + _every([1.5, 3] if r.random() < 0.6 else [0, 2], "kick", _USUAL)
    return Groove("latin", bpm, 4, [bar])


def reggae(r: Generator) -> Groove:
    bpm, late = _tempo(r, 60, 92), float(r.choice([0.5, 0.63]))
    bar = [*_every(np.arange(8) / 2, "closed_hihat", _USUAL, _SOFT), (2.0, "kick", _LOUD)]
    bar += [(2.0, "cross_stick" if r.random() < 0.6 else "snare", _LOUD)]
    if r.random() < 0.4:  # steppers
        bar += _every([0, 1, 3], "kick", _USUAL)
    return Groove("reggae", bpm, 4, [bar], parts=(4, 3), swing=late)


def train(r: Generator) -> Groove:
    accents: list[float] = [[0.5, 1.5, 2.5, 3.5], [1.0, 3.0], [0.5, 1, 1.5, 2.5, 3, 3.5]][r.integers(3)]
    bar = [(k / 4, "snare", _LOUD if k / 4 in accents else _GHOST + 8) for k in range(16)]
    bar += _every([0, 1, 2, 3] if r.random() < 0.6 else [0, 2], "kick", _USUAL)
    if r.random() < 0.5:
        bar += _every([0.5, 1.5, 2.5, 3.5], "pedal_hihat", _SOFT)
    return Groove("train", _tempo(r, 88, 132), 4, [bar])


def polka(r: Generator) -> Groove:
    """Bass drum on the beats, snare after them; marches with a roll of sixteenths."""
    bar = _every([0, 1], "kick", _USUAL) + _every([0.5, 1.5], "snare", _USUAL)
    if r.random() < 0.6:
        bar += _every([0.5, 1.5], "closed_hihat", _SOFT)
    other = list(bar)
    if r.random() < 0.5:
        other += _every([0.75, 1.75] if r.random() < 0.5 else [1.25, 1.75], "snare", _SOFT)
    return Groove("polka", _tempo(r, 96, 134), 2, [bar, other], crash=bool(r.random() < 0.6))


def march(r: Generator) -> Groove:
    bar = _every([0, 1], "kick", _USUAL) + [(k / 4, "snare", _LOUD if k in (2, 6) else _SOFT)
                                           for k in range(8) if r.random() < (0.9, 0.3, 0.9, 0.6)[k % 4]]  # fmt: skip
    return Groove("march", _tempo(r, 100, 126), 2, [bar])


def toms(r: Generator) -> Groove:
    bpm, parts = _tempo(r, 80, 150), int(r.choice([2, 2, 4]))
    accents = set(np.flatnonzero(r.random(4 * parts) < 0.35).tolist()) | {parts, 3 * parts}
    bar = [(k / parts, "floor_tom" if k not in accents else str(r.choice(["snare", "high_tom"])),
            _LOUD if k in accents else _SOFT) for k in range(4 * parts)]  # fmt: skip
    return Groove("toms", bpm, 4, [bar + _every([0, 1, 2, 3] if r.random() < 0.5 else [0, 2], "kick", _USUAL)])


def five(r: Generator) -> Groove:
    if r.random() < 0.4:  # Take five's kind: a ride in threes and twos
        groove = jazz(r, 3)
        ride = [0, 1, 1.5, 2, 3, 4] if r.random() < 0.5 else [0, 1, 1.5, 2, 2.5, 3, 4]
        bars = [_every(ride, "ride", _USUAL) + _every([1, 4], "pedal_hihat", _SOFT) + _every([0, 3], "kick", _SOFT)
                + [(k / 2, "snare", _GHOST + 15) for k in range(10) if r.random() < 0.15]
                for _ in range(2)]  # fmt: skip
        return Groove("five", _tempo(r, 100, 185), 5, bars, parts=(3, 2), swing=groove.swing, crash=False)
    return _beat(r, "five", _tempo(r, 84, 170), 5, Beat(int(r.choice([1, 2, 2])), 2))


def seven(r: Generator) -> Groove:
    """Seven quarters, or seven eighths, which then are the pulse."""
    if r.random() < 0.4:
        return _beat(r, "seven", _tempo(r, 96, 160), 7, Beat(int(r.choice([1, 2])), 2))
    return _beat(r, "seven", _tempo(r, 170, 290), 7, Beat(1, int(r.choice([1, 2]))), parts=(1, 2))


def changing(r: Generator) -> Groove:
    """Sections in several meters, the pulse held."""
    bpm = _tempo(r, 84, 150)
    groove = rock(r, 4, bpm)
    groove.style = "changing"
    for _ in range(int(r.integers(2, 6))):
        other = int(r.choice([3, 2, 5, 3]))
        groove.more.append((rock(r, other, bpm), 1 if other == 2 else int(r.choice([1, 2, 4, 8]))))
        groove.more.append((groove, int(r.choice([2, 4, 4, 8]))))
    return groove


STYLES: dict[Callable[[Generator], Groove], float] = {
    rock: 4.0, half_time: 1.0, hip_hop: 1.0, punk: 1.0, disco: 1.0, funk: 2.0, linear: 1.0, metal: 1.0, shuffle: 1.5,
    half_time_shuffle: 1.0, jazz: 1.5, lambda r: jazz(r, 3): 1.0, waltz: 1.5,
    lambda r: compound(r, 2): 1.5, lambda r: compound(r, 4): 1.5, lambda r: compound(r, 3): 0.2, bossa: 1.0, samba: 1.0,
    latin: 0.7, reggae: 0.7, train: 0.7, polka: 0.7, march: 0.3, toms: 0.7, five: 1.0, seven: 0.7, stabs: 0.7,
    changing: 3.0,
}  # fmt: skip
"""How often each is drawn."""


def _fill(r: Generator, groove: Groove) -> Bar:
    """Snare and toms, from somewhere in the bar to its end; what stood there is gone."""
    begin = groove.pulses - min(groove.pulses, int(r.choice([1, 1, 2, 4])))
    parts = int(r.choice(groove.parts))
    order = ["snare", "high_tom", "mid_tom", "floor_tom"]
    count = (groove.pulses - begin) * parts
    kept = [k for k in range(count) if r.random() < 0.88]
    way = np.sort(r.integers(0, 4, count)) if r.random() < 0.7 else np.zeros(count, int)
    old = groove.bars[int(r.integers(len(groove.bars)))]
    new = [(begin + k / parts, order[way[k]], _USUAL if k % parts else _LOUD) for k in kept]
    if r.random() < 0.4:
        new += [(float(k), "kick", _USUAL) for k in range(begin, groove.pulses)]
    return [stroke for stroke in old if stroke[0] < begin] + new


def _varied(r: Generator, bar: Bar, much: float) -> Bar:
    """A bar as played the next time: a kick or ghost more or less."""
    return [s for s in bar if s[0] == 0 or s[2] >= _LOUD or s[1] not in ("kick", "snare") or r.random() > much]


def part(r: Generator, seconds: float) -> tuple[Groove, list[Bar], list[int], bool]:
    """What is mostly played, all bars with their lengths in pulses, and whether the first is a pickup."""
    styles = list(STYLES)
    chances = np.array(list(STYLES.values()))
    main = styles[r.choice(len(styles), p=chances / chances.sum())](r)
    total = seconds * main.bpm / 60
    phrase, much = int(r.choice([4, 4, 8, 16])), float(r.choice([0.0, 0.05, 0.15]))
    sections = [(main, int(r.choice([4, 8]))), *main.more] if main.more else [(main, 10_000)]
    bars: list[Bar] = []
    lengths: list[int] = []
    pickup = bool(r.random() < 0.15)
    if pickup:
        length = int(r.integers(1, main.pulses))
        shift = main.pulses - length
        bars.append([(p - shift, drum, v) for p, drum, v in _fill(r, main) if p >= shift])
        lengths.append(length)
    while sum(lengths) < total:
        groove, count = sections[0]
        sections = sections[1:] + sections[:1]
        for index in range(count):
            if sum(lengths) >= total:
                break
            bar = _varied(r, groove.bars[index % len(groove.bars)], much)
            last = index == count - 1 or index % phrase == phrase - 1
            if last and r.random() < 0.75:
                bar = _fill(r, groove)
            if index % phrase == 0 and groove.crash and r.random() < 0.6:
                bar = [s for s in bar if s[0] or s[1] in ("kick", "snare")] + [(0.0, "crash", _LOUD)]
                bar += [] if any(s[:2] == (0.0, "kick") for s in bar) else [(0.0, "kick", _LOUD)]
            bars.append([(_swung(place, groove.swing), drum, v) for place, drum, v in bar])
            lengths.append(groove.pulses)
    return main, bars, lengths, pickup


def _swung(place: float, late: float) -> float:
    whole, rest = divmod(place, 1.0)
    return whole + late if rest == 0.5 else place


def made(r: Generator, seconds: float) -> tuple[str, pretty_midi.PrettyMIDI, Floats, NDArray[np.bool_]]:
    """Play a drum part, in half of the pieces with bass and chords: style, MIDI, pulses, and which begin a bar."""
    groove, bars, lengths, pickup = part(r, seconds)
    count = sum(lengths) + 1
    wander, loose = np.zeros(count), float(r.choice([0.0, 0.002, 0.004]))
    for k in range(1, count):
        wander[k] = 0.97 * wander[k - 1] + r.normal(0, loose)
    clock = np.concatenate([[0.0], np.cumsum(60.0 / groove.bpm * np.exp(wander[1:]))])
    starts = np.zeros(count, np.bool_)
    lines = np.concatenate([[0], np.cumsum(lengths)])
    starts[lines[int(pickup) :]] = True
    midi = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=120)
    kit = pretty_midi.Instrument(0, is_drum=True)
    spread, habit = float(r.uniform(0.003, 0.013)), {drum: r.normal(0, 0.005) for drum in DRUMS}
    for line, bar in zip(lines, bars, strict=False):
        for place, drum, velocity in bar:
            time = float(np.interp(line + place, np.arange(count), clock)) + habit[drum] + r.normal(0, spread)
            loud = int(np.clip(velocity + r.normal(0, 9), 6, 127))
            kit.notes.append(pretty_midi.Note(loud, DRUMS[drum].midi, max(0.0, time), max(0.0, time) + 0.1))
    midi.instruments.append(kit)
    if r.random() < 0.5:
        midi.instruments += _backing(r, clock, lines)
    return groove.style, midi, clock, starts


def _backing(r: Generator, clock: Floats, lines: NDArray[np.int64]) -> list[pretty_midi.Instrument]:
    """Bass on beats, mostly on the first, and chords that change with the bars."""
    bass = pretty_midi.Instrument(int(r.choice([32, 33, 34, 38])))
    chords = pretty_midi.Instrument(int(r.choice([0, 4, 16, 24, 27, 48, 89])))
    loop = r.integers(0, 12, 4)
    held = int(r.choice([1, 1, 2]))  # bars a chord is held
    busy, comp = float(r.uniform(0.2, 1.0)), float(r.uniform(0.0, 0.6))
    for b, (low, high) in enumerate(pairwise(lines)):
        root = int(loop[b // held % 4])
        for k in range(low, high):
            begin, end = float(clock[k]), float(clock[k + 1])
            if k == low or r.random() < busy:
                pitch = 33 + root + (0 if k == low else int(r.choice([0, 7, 12])))
                bass.notes.append(pretty_midi.Note(90, pitch, begin, end))
            if k == low or r.random() < comp:
                chords.notes += [pretty_midi.Note(70, 57 + root + step, begin, end) for step in (0, 3 + root % 2, 7)]
    return [bass, chords]
