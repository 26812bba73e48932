"""Drum parts that are drawn, not played by people: what the recorded grooves lack, at any tempo.

The Groove MIDI Dataset has no blast beats, hardly a double kick, few rides with the foot on two and four, and few
open hats on off-beats. Here each is written on a grid of a beat's twelfths, at a tempo of its own, and humanised.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.sounds import Note

Bar = list[tuple[float, str, float]]
"""Beat within the bar, drum, velocity."""
_LOUD_HANDS = {"crash": 0.28, "china": 0.12, "ride": 0.2, "ride_bell": 0.1, "open_hihat": 0.2, "closed_hihat": 0.1}
_WASHES = {"open_hihat": 0.5, "crash": 0.42, "china": 0.08}
_FEET: tuple[tuple[float, ...], ...] = ((0, 0.25, 0.5, 0.75), (0, 1 / 3, 2 / 3), (0, 0.5, 0.75), (0, 0.25, 0.5))
"""Where both feet kick within a beat: sixteenths, triplets, and gallops."""
_RIDES = {"ride": 0.8, "ride_bell": 0.08, "crash": 0.06, "floor_tom": 0.06}


def _draw(rng: np.random.Generator, table: dict[str, float]) -> str:
    weights = np.array(list(table.values()))
    return list(table)[int(rng.choice(len(table), p=weights / weights.sum()))]


def _beats(rng: np.random.Generator, low: float, high: float) -> float:
    """Seconds of a beat at a tempo between ``low`` and ``high`` BPM, drawn by its logarithm."""
    return 60 / float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _hand(rng: np.random.Generator, label: str, step: float, loud: float = 0.6) -> Bar:
    """A time-keeper every ``step`` beats, beats a little louder than what is between."""
    accent = float(rng.uniform(0, 0.25))
    return [(float(beat), label, loud + (accent if beat % 1 == 0 else 0)) for beat in np.arange(0, 4, step)]


def _kicks(rng: np.random.Generator, density: float, step: float = 0.5) -> Bar:
    """A kick on the first beat and on some of the rest of a grid; none with the back-beats."""
    return [(0.0, "kick", 0.85)] + [
        (float(beat), "kick", float(rng.uniform(0.6, 0.9)))
        for beat in np.arange(step, 4, step)
        if beat not in (1, 3) and rng.random() < density
    ]


def _backbeats(rng: np.random.Generator) -> Bar:
    label = "cross_stick" if rng.random() < 0.15 else "snare"
    return [(2.0, label, 0.85)] if rng.random() < 0.15 else [(1.0, label, 0.85), (3.0, label, 0.85)]


def _ghosts(rng: np.random.Generator, share: float) -> Bar:
    return [(float(beat), "snare", float(rng.uniform(0.1, 0.3))) for beat in np.arange(0.25, 4, 0.5)
            if rng.random() < share]  # fmt: skip


def _ride(rng: np.random.Generator) -> tuple[float, Bar]:
    """The hand on the ride, for two parts in five with the foot on the hats, on two and four or on every beat: jazz,
    ballads, Latin, rock.

    Where each ride had the foot under it, the network heard it under every ride with a snare on two and four.
    """
    beat_s = _beats(rng, 55, 230)
    label = _draw(rng, _RIDES)
    swing = float(rng.choice([0.6, 2 / 3, 0.75]))
    if rng.random() < 0.45:  # spang-a-lang
        hand = [(beat, label, 0.6) for beat in (0.0, 1.0, 1 + swing, 2.0, 3.0, 3 + swing)]
    else:
        step = float(rng.choice([0.5, 1.0])) if beat_s > 0.33 else 1.0
        hand = _hand(rng, label, step)
    loud = float(rng.uniform(0.3, 0.8))
    places = ((1, 3), (0, 1, 2, 3), (0, 2), (0.5, 1.5, 2.5, 3.5))[int(rng.choice(4, p=[0.62, 0.23, 0.08, 0.07]))]
    foot = [(float(beat), "pedal_hihat", loud) for beat in places] if rng.random() < 0.4 else []
    rest = _kicks(rng, float(rng.uniform(0, 0.4))) if rng.random() < 0.8 else []
    if rng.random() < 0.6:
        rest += _backbeats(rng)
    else:
        rest += [(float(beat), "snare", float(rng.uniform(0.15, 0.6))) for beat in (0.5, 1 + swing, 2.5, 3 + swing)
                 if rng.random() < 0.35]  # fmt: skip
    return beat_s, hand + foot + rest


def _double_kick(rng: np.random.Generator) -> tuple[float, Bar]:
    """Sixteenths, triplets or gallops of both feet."""
    beat_s = _beats(rng, 140, 225)
    within = _FEET[int(rng.choice(4, p=[0.5, 0.15, 0.2, 0.15]))]
    loud = float(rng.uniform(0.55, 0.9))
    feet = [(beat + part, "kick", loud) for beat in range(4) for part in within if part == 0 or rng.random() < 0.93]
    return beat_s, feet + _backbeats(rng) + _hand(rng, _draw(rng, _LOUD_HANDS), float(rng.choice([0.5, 1.0])), 0.7)


def _blast(rng: np.random.Generator) -> tuple[float, Bar]:
    """Snare and kick in turn or together, as fast as it goes."""
    beat_s = _beats(rng, 150, 250)
    step, loud = 0.5, float(rng.uniform(0.6, 0.9))
    together = rng.random() < 0.35
    kicks = [(float(beat), "kick", loud) for beat in np.arange(0, 4, step / 2 if rng.random() < 0.3 else step)]
    snares = [(float(beat) + (0 if together else step / 2), "snare", loud) for beat in np.arange(0, 4, step)]
    return beat_s, kicks + snares + _hand(rng, _draw(rng, _LOUD_HANDS), float(rng.choice([0.5, 1.0])), 0.65)


def _straight(rng: np.random.Generator) -> tuple[float, Bar]:
    """Rock, disco, funk and dance on the hats: closed or open, open ones on off-beats, some without hats."""
    beat_s = _beats(rng, 65, 190)
    kind = rng.random()
    step = float(rng.choice([0.25, 0.5, 1.0], p=[0.3, 0.55, 0.15])) if beat_s > 0.4 else 0.5
    if kind < 0.35:  # open on all or some off-beats
        share = float(rng.choice([1.0, 1.0, 0.4]))
        hand = [(beat, "open_hihat" if beat % 1 == 0.5 and rng.random() < share else label, v)
                for beat, label, v in _hand(rng, "closed_hihat", min(step, 0.5))]  # fmt: skip
        if rng.random() < 0.3:
            hand = [note for note in hand if note[1] == "open_hihat"]
    elif kind < 0.75:
        hand = _hand(rng, "closed_hihat", step, float(rng.uniform(0.3, 0.7)))
    elif kind < 0.88:
        hand = _hand(rng, _draw(rng, _WASHES), float(rng.choice([0.5, 1.0])) if beat_s > 0.3 else 1.0)
    elif kind < 0.95:
        toms = [("floor_tom",), ("floor_tom", "mid_tom"), ("high_tom", "floor_tom")][int(rng.integers(3))]
        hand = [(float(beat), str(rng.choice(toms)), 0.65) for beat in np.arange(0, 4, max(step, 0.5))]
    else:
        hand = []
    if rng.random() < 0.3:  # linear: the hand rests where foot and other hand play
        hand = [note for note in hand if note[0] % 1 != 0]
    kicks = [(float(b), "kick", 0.85) for b in range(4)] if rng.random() < 0.25 else _kicks(rng, rng.uniform(0.1, 0.5))
    return beat_s, hand + kicks + _backbeats(rng) + _ghosts(rng, float(rng.choice([0, 0, 0.3, 0.6])))


_KINDS: tuple[tuple[float, Callable[[np.random.Generator], tuple[float, Bar]]], ...] = (
    (0.36, _ride), (0.18, _double_kick), (0.1, _blast), (0.36, _straight),
)  # fmt: skip


def draw_part(seconds: float, rng: np.random.Generator) -> list[Note]:
    """A part of ``seconds``: one to three patterns of a kind at one tempo, bar after bar, with a person's timing.

    Returns:
        Notes in order of time.
    """
    kind = _KINDS[int(rng.choice(len(_KINDS), p=[share for share, _ in _KINDS]))][1]
    beat_s, bar = kind(rng)
    spread, touch = float(rng.choice([0, 0.004, 0.008, 0.012])), float(rng.uniform(0.02, 0.1))
    crashes = float(rng.choice([0, 0.1, 0.5]))
    notes: list[Note] = []
    start = -float(rng.uniform(0, 4)) * beat_s
    while start < seconds:
        if rng.random() < 0.12:
            bar = kind(rng)[1]
        played = [note for note in bar if rng.random() < 0.98]
        if rng.random() < crashes:
            played = [note for note in played if note[0] > 0 or note[1] in ("kick", "snare")] + [(0.0, "crash", 0.9)]
        for beat, label, velocity in played:
            time = start + beat * beat_s + float(rng.normal(0, spread))
            notes.append((time, label, float(np.clip(velocity + rng.normal(0, touch), 0.08, 1))))
        start += 4 * beat_s
    return sorted(note for note in notes if 0 <= note[0] < seconds)
