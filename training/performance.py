"""From a groove to what a drummer plays in a clip: roles swapped, fills, accents and percussion put in.

Human grooves hold few crashes and hardly a china, splash, cross-stick or bell. Swapping what plays a part keeps the
human timing and touch and balances the classes.
"""

from __future__ import annotations

import numpy as np

from training.sounds import PERCUSSION, Note

_HATS = {"closed_hihat": 0.42, "ride": 0.19, "open_hihat": 0.13, "ride_bell": 0.06, "crash": 0.09, "china": 0.03,
         "splash": 0.02, "floor_tom": 0.04}  # fmt: skip
_RIDES = {"ride": 0.6, "closed_hihat": 0.15, "ride_bell": 0.1, "crash": 0.09, "open_hihat": 0.06}
_ACCENTS = {"crash": 0.5, "splash": 0.2, "china": 0.2, "ride_bell": 0.1}
_TOMS = ("high_tom", "mid_tom", "floor_tom")
_RESTS: tuple[tuple[str, ...], ...] = ((), ("snare",), ("kick", "snare"), ("kick",))
_HAND_ON_HATS = ("closed_hihat", "open_hihat")
_HAND_ELSEWHERE = ("ride", "ride_bell", "crash", "china", "floor_tom")


def _draw(rng: np.random.Generator, table: dict[str, float]) -> str:
    names = list(table)
    weights = np.array([table[name] for name in names])
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]


def _swap(notes: list[Note], seconds: float, rng: np.random.Generator) -> list[Note]:
    """Replay parts on other drums, changing over every few seconds as songs do."""
    out: list[Note] = []
    start = 0.0
    while start < seconds:
        end = start + float(rng.uniform(3, 10))
        roles = {"closed_hihat": "closed_hihat", "ride": "ride"}
        if rng.random() < 0.6:
            roles = {"closed_hihat": _draw(rng, _HATS), "ride": _draw(rng, _RIDES)}
        if roles["closed_hihat"] not in _HAND_ON_HATS and rng.random() < 0.3:
            out += _foot([note[0] for note in notes if start <= note[0] < end and note[1] == "closed_hihat"], rng)
        rests = _RESTS[int(rng.choice(len(_RESTS), p=(0.68, 0.16, 0.1, 0.06)))]  # the hand on the hats, where these are
        busy = np.array([-9.0, *(note[0] for note in notes if note[1] in rests)])
        snare = float(rng.random())
        open_share = float(rng.choice([0, 0, 0.08, 0.3]))
        for time, label, velocity in notes:
            if not start <= time < end:
                continue
            new = roles.get(label, label)
            if label in _HAND_ON_HATS and float(np.abs(busy - time).min()) < 0.035:
                continue
            if label == "snare":
                if snare < 0.2 and velocity > 0.25:
                    new = "cross_stick"
                elif snare < 0.3:
                    new = _TOMS[int(rng.integers(3))]
            elif new == "closed_hihat" and rng.random() < open_share:
                new = "open_hihat"
            out.append((time, new, velocity))
        start = end
    return out


def _foot(strokes: list[float], rng: np.random.Generator) -> list[Note]:
    """The foot on the hats while the hand plays elsewhere: on each, every other, or every fourth of its strokes."""
    every = int(rng.choice([1, 2, 4], p=[0.2, 0.5, 0.3]))
    loud = float(rng.uniform(0.25, 0.8))
    return [(time + float(rng.normal(0, 0.008)), "pedal_hihat", float(np.clip(rng.normal(loud, 0.1), 0.1, 1)))
            for time in strokes[int(rng.integers(every)) :: every]]  # fmt: skip


def _fill(seconds: float, rng: np.random.Generator) -> tuple[float, float, list[Note]]:
    """A run over snare and toms: start, end, notes."""
    start = float(rng.uniform(0, max(0.1, seconds - 2)))
    step = float(rng.uniform(0.075, 0.24))
    count = int(rng.integers(3, 13))
    order = (
        ["snare", *_TOMS] if rng.random() < 0.6 else [*_TOMS] if rng.random() < 0.5 else list(rng.permutation(_TOMS))
    )
    stay = int(rng.integers(1, 5))
    notes: list[Note] = []
    rising = float(rng.uniform(-0.2, 0.35))
    for i in range(count):
        velocity = 0.6 + rising * (i / count - 0.5) + float(rng.normal(0, 0.1))
        time = start + i * step + float(rng.normal(0, 0.006))
        notes.append((time, str(order[i // stay % len(order)]), float(np.clip(velocity, 0.15, 1))))
        if rng.random() < 0.15:
            notes.append((time + float(rng.normal(0, 0.004)), "kick", float(rng.uniform(0.5, 1))))
    end = start + count * step
    if rng.random() < 0.6:
        notes.append((end, _draw(rng, {"crash": 0.7, "china": 0.12, "splash": 0.12, "ride_bell": 0.06}), 0.9))
        notes.append((end + float(rng.normal(0, 0.004)), "kick", 0.85))
    return start, end, notes


def perform(notes: list[Note], seconds: float, rng: np.random.Generator, *, swaps: float) -> list[Note]:
    """Make a clip's performance from the notes of a groove that fall in ``0 … seconds``.

    Args:
        notes: of the groove.
        seconds: length of the clip.
        rng: source of every choice.
        swaps: how often roles are swapped and rare drums put in. 0 leaves what people play (for calibration: the
            share of each drum decides what a peak is worth), but for percussion.

    Returns:
        Notes in order of time, percussion among them; one drum is not struck twice within 20 ms.
    """
    out = _swap(notes, seconds, rng) if rng.random() < swaps else list(notes)
    for _ in range(int(rng.poisson(seconds / (14 if swaps else 40)))):
        start, end, fill = _fill(seconds, rng)
        out = [note for note in out if not start - 0.02 <= note[0] < end + 0.02 or note[1] in ("kick", "pedal_hihat")]
        out += fill
    for time, label, _ in list(out) if swaps else ():
        if (label == "kick" and rng.random() < 0.045) or (label == "snare" and rng.random() < 0.015):
            accent = _draw(rng, _ACCENTS)
            out.append((time + float(rng.normal(0, 0.005)), accent, float(rng.uniform(0.5, 1))))
    if rng.random() < (0.3 if swaps else 0.15):  # tambourine, shaker, claps: heard, not written
        step = float(rng.uniform(0.12, 0.6))
        out += [(t + float(rng.normal(0, 0.008)), PERCUSSION, float(rng.uniform(0.3, 1)))
                for t in np.arange(rng.uniform(0, step), seconds, step) if rng.random() < 0.85]  # fmt: skip
    wobble = float(rng.uniform(0.02, 0.12))
    out = [(t, label, float(np.clip(v + rng.normal(0, wobble), 0.04, 1))) for t, label, v in out if 0 <= t < seconds]
    last: dict[str, float] = {}
    kept = []
    for note in sorted(out):
        if note[0] - last.get(note[1], -1.0) > 0.02:
            kept.append(note)
            last[note[1]] = note[0]
    return kept


def audible_feet(notes: list[Note], rng: np.random.Generator, *, share: float) -> list[Note]:
    """Leave out the foot's strokes on the hats, but for some clips, and there where the hand keeps time elsewhere.

    E-kits report each tap of a resting foot, and the Groove MIDI Dataset has as many as closed hats; in annotated
    recordings one or two in seven hundred strokes on the hats are the foot's.

    Args:
        notes: of a clip.
        rng: source of the choice.
        share: of the clips that keep some.
    """
    keep = rng.random() < share
    hats, elsewhere = (
        np.array([-9.0, *(time for time, label, _ in notes if label in labels)])
        for labels in (_HAND_ON_HATS, _HAND_ELSEWHERE)
    )
    return [
        (time, label, velocity)
        for time, label, velocity in notes
        if label != "pedal_hihat"
        or (keep and float(np.abs(hats - time).min()) > 0.3 and float(np.abs(elsewhere - time).min()) < 0.6)
    ]


def excerpt(notes: list[Note], length: float, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Cut a random span out of a groove, played at .6 to 1.6 times its tempo (mostly .75 to 1.35); short grooves are
    repeated."""
    low, high = (0.75, 1.35) if rng.random() < 0.75 else (0.6, 1.6)
    speed = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    if length < seconds * speed:
        times = int(seconds * speed / max(length, 0.5)) + 1
        notes = [(t + i * length, label, v) for i in range(times) for t, label, v in notes]
        length *= times
    start = float(rng.uniform(0, max(0.0, length - seconds * speed)))
    return [((t - start) / speed, label, v) for t, label, v in notes if start <= t < start + seconds * speed]
