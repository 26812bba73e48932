"""Drum kits that were computed, not recorded: further training families, as many as wanted.

One-shot libraries are few, and a network learns their sounds by heart. Here the sizes, heads, alloys, sticks, rooms,
and machines of a kit are drawn, and every drum follows from them (:mod:`training.modelled_drums`,
:mod:`training.modelled_cymbals`, :mod:`training.modelled_machines`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from training import modelled_machines as machines
from training.material import PERCUSSION, Kit, Sounds
from training.modal import RATE, Signal, between, colour, convolved, reflections
from training.modelled_cymbals import Alloy, Hats, china, crash, ride, ride_bell, splash
from training.modelled_drums import Build, Stroke, clap, kick, shaker, snare, struck_bar, tambourine, tom

_WEIGHT = 0.35
_FORCES = (0.25, 0.6, 0.95)
_TAKES = 2
_LEAD = int(0.005 * RATE)
_LONGEST = 3 * RATE
_TOMS = {"high_tom": 1.0, "mid_tom": 0.75, "floor_tom": 0.55}


def _acoustic(rng: np.random.Generator) -> Iterator[tuple[str, Stroke]]:
    build, alloy = Build.draw(rng), Alloy.draw(rng)
    yield "kick", kick(rng, build)
    pitch = between(rng, 130, 265) * build.pitch
    yield "snare", snare(rng, build, tuning=pitch)
    yield "snare", snare(rng, build, tuning=pitch, rimshot=rng.random() < 0.6)
    highest, decay = between(rng, 120, 210) * build.pitch, between(rng, 0.08, 0.26) * build.ring
    for label, ratio in _TOMS.items():
        ratio = ratio * float(np.exp(rng.normal(0, 0.05)))
        yield label, tom(rng, build, highest * ratio, decay * ratio**-1.1)
    hats = Hats(rng, alloy)
    yield "closed_hihat", hats.closed(rng)
    yield "closed_hihat", hats.closed(rng, loose=rng.random() < 0.6)
    yield "open_hihat", hats.open(rng)
    yield "open_hihat", hats.open(rng, half=True)
    yield "pedal_hihat", hats.pedal(rng)
    yield "crash", crash(rng, alloy)
    yield "crash", crash(rng, alloy)
    for label, make in {"splash": splash, "china": china, "ride": ride, "ride_bell": ride_bell}.items():
        yield label, make(rng, alloy)
    for percussion in (clap, shaker, tambourine, struck_bar):
        yield PERCUSSION, percussion(rng, build)
    for _ in range(2):
        yield PERCUSSION, tom(rng, build, between(rng, 150, 480), between(rng, 0.02, 0.1), heads=1)


def _electronic(rng: np.random.Generator) -> Iterator[tuple[str, Stroke]]:
    build = Build.draw(rng)
    yield (
        "kick",
        machines.swept(rng, between(rng, 40, 80), between(rng, 0.03, 0.16), reach=9, noisy_db=rng.uniform(-45, 0)),
    )
    yield "snare", machines.snare(rng)
    yield "snare", clap(rng, build) if rng.random() < 0.15 else machines.snare(rng)
    highest, decay = between(rng, 140, 320), between(rng, 0.03, 0.13)
    noisy = rng.uniform(-36, 6)
    for label, ratio in _TOMS.items():
        yield label, machines.swept(rng, highest * ratio, decay * ratio**-0.5, reach=2.5, noisy_db=noisy)
    metal = machines.Metal(rng)
    short = between(rng, 0.006, 0.03)
    yield "closed_hihat", metal.hit(rng, short)
    yield "open_hihat", metal.hit(rng, between(rng, 0.045, 0.2))
    yield "pedal_hihat", metal.hit(rng, 0.8 * short, rise_s=between(rng, 0.0005, 0.004))
    other = machines.Metal(rng) if rng.random() < 0.5 else metal
    yield (
        "crash",
        other.hit(
            rng,
            between(rng, 0.15, 0.6),
            lower=rng.uniform(0.15, 0.5),
            upper=rng.uniform(0.35, 0.8),
            rise_s=between(rng, 5e-4, 0.02),
        ),
    )
    yield "splash", other.hit(rng, between(rng, 0.1, 0.25), lower=rng.uniform(0.5, 0.9), rise_s=0.003)
    yield (
        "china",
        other.hit(
            rng,
            between(rng, 0.12, 0.3),
            lower=rng.uniform(0.15, 0.45),
            upper=rng.uniform(0.4, 0.8),
            body_db=rng.uniform(-8, 3),
        ),
    )
    yield (
        "ride",
        other.hit(
            rng,
            between(rng, 0.15, 0.5),
            lower=rng.uniform(0.4, 0.9),
            upper=rng.uniform(0.6, 1),
            body_db=rng.uniform(-14, 0),
        ),
    )
    yield (
        "ride_bell",
        other.hit(
            rng,
            between(rng, 0.15, 0.4),
            lower=rng.uniform(0.3, 0.6),
            upper=rng.uniform(0.4, 0.8),
            body_db=rng.uniform(4, 16),
        ),
    )
    for percussion in (clap, shaker, tambourine):
        yield PERCUSSION, percussion(rng, build)
    yield PERCUSSION, machines.cowbell(rng)
    yield PERCUSSION, machines.swept(rng, between(rng, 170, 450), between(rng, 0.02, 0.08), reach=1.5, noisy_db=-40)


def _take(x: Signal) -> tuple[NDArray[np.float16], int]:
    """A stroke as training keeps it: 5 ms before its onset to its end, peak 1, at most 3 s."""
    x = x[:_LONGEST] / np.abs(x).max()
    onset = int(np.argmax(np.abs(x) > 0.01))
    x = np.concatenate([np.zeros(_LEAD, dtype=np.float32), x[onset:]])[:_LONGEST]
    x = x[: int(np.flatnonzero(np.abs(x) > 1e-3)[-1]) + 1]
    fade = min(len(x), 2000)
    x[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return (x / np.abs(x).max()).astype(np.float16), _LEAD


def _kit(number: int, rng: np.random.Generator) -> Kit:
    """One kit: its instruments, each through its microphone, the room, and the desk."""
    electronic = rng.random() < 1 / 3
    name = f"modelled_{number:02d}"
    kit = Kit(name, name, "electronic" if electronic else "acoustic", weight=_WEIGHT)
    overheads = colour(rng, 2.5)
    wet_db = rng.uniform(-40, -14) if electronic else rng.uniform(-24, 0)
    room_s = between(rng, 0.02, 0.15)
    drive = float(rng.uniform(0.3, 2.5)) * (rng.random() < 0.3)
    grit = (between(rng, 14000, 32000), float(rng.integers(8, 13))) if electronic and rng.random() < 0.4 else None
    for label, stroke in (_electronic if electronic else _acoustic)(rng):
        response = convolved(overheads, colour(rng, 2.0))
        response = convolved(response, reflections(rng, wet_db + float(rng.normal(0, 3)), room_s))
        layers = []
        for force in _FORCES:
            takes = []
            for _ in range(_TAKES):
                x = convolved(stroke(float(np.clip(force + rng.normal(0, 0.04), 0.05, 1)), rng), response)
                x = x / np.abs(x).max()
                if drive:
                    x = np.tanh(drive * force * x)
                if grit:
                    x = machines.sampled(x / np.abs(x).max(), *grit)
                takes.append(_take(x))
            layers.append(takes)
        kit.drums.setdefault(label, []).append(Sounds(layers))
    return kit


def make_modelled_kits(count: int = 60, seed: int = 1) -> list[Kit]:
    """Kits of drawn build, each a family of its own, two thirds of them acoustic.

    They have all drums but cross-sticks, and some percussion. With computed cross-sticks the network took more
    of the recorded ones for snares.
    Three layers of force, two takes each; kit ``n`` of a seed is the same whatever ``count`` is.
    """
    return [_kit(number, np.random.default_rng([seed, number])) for number in range(count)]
