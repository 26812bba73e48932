"""Cymbals and hi-hats by modal synthesis: several hundred inharmonic modes that trade energy.

A plate has about as many modes in every hertz; a cymbal's are struck at the low end, and over tens of milliseconds a
hard stroke's energy passes to the higher ones, where it is lost sooner (Fletcher and Rossing, *The Physics of Musical
Instruments*, 1998, chapter 20; Rossing, "Acoustics of percussion instruments", 2000). Hats are two such plates that
touch: the closer, the sooner all is damped, and the more noise they make.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.modal import RATE, Floats, Signal, between, fall, gain, mix, noise, ring, samples, unit
from training.modelled_drums import Stroke

_KNOTS = np.log([150.0, 350.0, 800.0, 2000.0, 5000.0, 10000.0, 18000.0])
LONGEST_S = 2.2


@dataclass(frozen=True, slots=True)
class Alloy:
    """What the cymbals of a kit share: decibels an octave above 2 kHz, factor of decay, stick's hardness."""

    tilt: float
    ring: float
    tip: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Alloy:
        """One of many makers' alloys."""
        return cls(float(rng.normal(0, 1.5)), float(np.exp(rng.normal(0, 0.25))), float(np.exp(rng.normal(0, 0.3))))


class Plate:
    """The modes of one cymbal: drawn frequencies, and amplitudes about a curve of power in decibels a hertz at
    150, 350, 800, 2000, 5000, 10000, and 18000 Hz."""

    def __init__(self, rng: np.random.Generator, curve: tuple[float, ...], alloy: Alloy, *, modes: int, lowest: float):
        part = modes // 2
        low = np.exp(rng.uniform(np.log(lowest), np.log(6000), part))
        self.hertz: Floats = np.sort(np.concatenate([low, rng.uniform(lowest, 19000, modes - part)]))
        f = self.hertz
        density = part / (f * np.log(6000 / lowest)) * (f < 6000) + (modes - part) / (19000 - lowest)
        level = np.interp(np.log(f), _KNOTS, np.array(curve) + rng.normal(0, [5, 5, 4.5, 4.5, 4.5, 6, 7]))
        level = level + alloy.tilt * np.log2(f / 2000)
        self.weight: Floats = 10 ** (level / 20) / np.sqrt(density) * rng.rayleigh(1, modes)

    def ring(
        self,
        rng: np.random.Generator,
        force: float,
        decay_s: float,
        *,
        falling: float,
        dull: float,
        bloom_s: float = 0.0,
        longest_s: float = LONGEST_S,
    ) -> Signal:
        """Ringing, peak 1: time constant ``decay_s`` at 1 kHz falling as a power of frequency, soft strokes dull by
        ``dull`` powers, high modes building up over ``bloom_s``."""
        relative = self.hertz / 1000
        decay = decay_s * np.clip(relative, 1, None) ** -falling / (1 + (relative / 14) ** 3)
        weight = self.weight * relative ** (-dull * (1 - force)) * rng.uniform(0.6, 1.4, len(relative))
        rise = np.clip(bloom_s * np.clip(relative / 3, 0.05, 2), 1e-4, None) if bloom_s else None
        length = samples(min(longest_s, 7 * float(decay.max())))
        return unit(ring(self.hertz, weight, decay, rng.uniform(0, 2 * np.pi, len(decay)), length, rise))


def _stick(rng: np.random.Generator, corner: float, decay_s: float) -> Signal:
    n = samples(8 * decay_s)
    return noise(rng, n, corner, 16000, 1) * fall(n, decay_s)


def crash(rng: np.random.Generator, alloy: Alloy) -> Stroke:
    plate = Plate(rng, (-24, -18, -18, -18, -12, -19, -36), alloy, modes=360, lowest=between(rng, 130, 330))
    decay, falling = between(rng, 0.3, 0.95) * alloy.ring, rng.uniform(0.25, 0.65)
    bloom, dull = between(rng, 0.003, 0.04), rng.uniform(0.3, 1.0)
    stick_db, hum_db, hum = rng.uniform(-30, -8), rng.uniform(-10, 2), between(rng, 0.015, 0.08)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        wash = plate.ring(rng, force, decay, falling=falling, dull=dull, bloom_s=bloom * (1.4 - 0.4 * force))
        blow = plate.ring(rng, force, hum, falling=0.6, dull=0.8 + dull, longest_s=0.5)
        return mix((1, wash), (gain(hum_db), blow), (gain(stick_db - 6 * (1 - force)), _stick(rng, 2500, 0.002)))

    return stroke


def splash(rng: np.random.Generator, alloy: Alloy) -> Stroke:
    plate = Plate(rng, (-20, -25, -17, -18, -10, -14, -28), alloy, modes=280, lowest=between(rng, 130, 400))
    decay, falling = between(rng, 0.22, 0.6) * alloy.ring, rng.uniform(0.15, 0.5)
    bloom, dull, stick_db = between(rng, 0.003, 0.02), rng.uniform(0.3, 1.0), rng.uniform(-24, -8)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        wash = plate.ring(rng, force, decay, falling=falling, dull=dull, bloom_s=bloom, longest_s=1.5)
        blow = plate.ring(rng, force, 0.02, falling=0.5, dull=0.5 + dull, longest_s=0.2)
        return mix((1, wash), (0.5, blow), (gain(stick_db - 6 * (1 - force)), _stick(rng, 2500, 0.002)))

    return stroke


def china(rng: np.random.Generator, alloy: Alloy) -> Stroke:
    plate = Plate(rng, (-14, -25, -14, -5, -9, -20, -40), alloy, modes=320, lowest=between(rng, 120, 350))
    decay, falling = between(rng, 0.22, 0.6) * alloy.ring, rng.uniform(0.2, 0.6)
    bloom, dull, stick_db = between(rng, 0.002, 0.02), rng.uniform(0.3, 0.9), rng.uniform(-26, -8)
    rate, depth = between(rng, 15, 90), rng.uniform(0.2, 0.8)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        wash = plate.ring(rng, force, decay, falling=falling, dull=dull, bloom_s=bloom, longest_s=1.9)
        trash = 1 + depth * force * noise(rng, len(wash), 2, rate, 1)
        blow = plate.ring(rng, force, 0.03, falling=0.5, dull=0.4 + dull, longest_s=0.3)
        return mix((1, wash * trash), (0.5, blow), (gain(stick_db - 6 * (1 - force)), _stick(rng, 2000, 0.002)))

    return stroke


def ride(rng: np.random.Generator, alloy: Alloy) -> Stroke:
    plate = Plate(rng, (-14, -4, -17, -24, -14, -8, -14), alloy, modes=340, lowest=between(rng, 170, 420))
    decay, falling = between(rng, 0.4, 1.2) * alloy.ring, rng.uniform(0.35, 0.9)
    ping = np.exp(rng.uniform(np.log(2500), np.log(12000), 20)) * alloy.tip
    ping_s, ping_db, wash_db = between(rng, 0.02, 0.15), rng.uniform(-8, 6), rng.uniform(-14, 0)
    stick_db, stick_s, dull = rng.uniform(-10, 6), between(rng, 0.0012, 0.005), rng.uniform(0.3, 1.0)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        wash = plate.ring(rng, force, decay, falling=falling, dull=dull, bloom_s=0.01 * (1.3 - force))
        weight = rng.rayleigh(1, len(ping)) * (ping / 5000) ** (-0.6 * (1 - force))
        tone = unit(ring(ping, weight, ping_s * (ping / 5000) ** -0.5, np.zeros(len(ping)), samples(6 * ping_s)))
        first = plate.ring(rng, force, ping_s, falling=0.3, dull=dull, longest_s=0.5)
        click = _stick(rng, 3500 * alloy.tip, stick_s)
        return mix(
            (gain(wash_db) * (0.6 + 0.4 * force), wash), (gain(ping_db), tone), (0.7 * gain(ping_db), first),
            (gain(stick_db - 5 * (1 - force)), click),
        )  # fmt: skip

    return stroke


def ride_bell(rng: np.random.Generator, alloy: Alloy) -> Stroke:
    count = int(rng.integers(8, 18))
    first = between(rng, 420, 1100)
    hertz = np.sort(np.append(first, first * np.exp(rng.uniform(np.log(1.3), np.log(14), count - 1))))
    weight = rng.rayleigh(1, count) * (hertz / 2500) ** rng.uniform(0.5, 1.5) / (1 + (hertz / 7000) ** 4)
    decay = between(rng, 0.2, 0.7) * alloy.ring * (hertz / 1500) ** -rng.uniform(0.2, 0.7)
    plate = Plate(rng, (-22, -10, -26, -20, -7, -8, -18), alloy, modes=240, lowest=between(rng, 200, 500))
    wash_db, stick_db, dull = rng.uniform(-14, -1), rng.uniform(-10, 5), rng.uniform(0.2, 0.8)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        n = samples(min(LONGEST_S, 7 * float(decay.max())))
        tone = weight * (hertz / first) ** (-dull * (1 - force)) * np.exp(rng.normal(0, 0.1, count))
        bell = unit(ring(hertz, tone, decay, np.zeros(count), n))
        wash = plate.ring(rng, force, 0.4 * alloy.ring, falling=0.9, dull=0.6, bloom_s=0.005)
        return mix((1, bell), (gain(wash_db), wash), (gain(stick_db - 5 * (1 - force)), _stick(rng, 3000, 0.002)))

    return stroke


class Hats:
    """One pair of hi-hats: the same two plates closed, open, and by foot."""

    def __init__(self, rng: np.random.Generator, alloy: Alloy):
        self.plate = Plate(rng, (-14, -5, -14, -18, -9, -7, -15), alloy, modes=320, lowest=between(rng, 220, 480))
        self.alloy = alloy
        self.low = between(rng, 2500, 6000)
        self.dull = float(rng.uniform(0.2, 0.9))
        self.falling = float(rng.uniform(0.15, 0.6))
        self.thump = between(rng, 90, 300)

    def _thump(self) -> Signal:
        """What stand and air make of a blow."""
        n = samples(0.12)
        return unit(np.sin(2 * np.pi * self.thump / RATE * np.arange(n)) * fall(n, 0.018))

    def _hit(
        self,
        rng: np.random.Generator,
        force: float,
        decay: float,
        falling: float,
        sizzle: float,
        stick: float,
        thump: float,
    ) -> Signal:
        wash = self.plate.ring(rng, force, decay, falling=falling, dull=self.dull, bloom_s=0.002, longest_s=2.0)
        contact = noise(rng, len(wash), self.low, 14000 * (0.6 + 0.4 * force), 1) * fall(len(wash), decay * 0.8, 0.001)
        return mix(
            (1, wash),
            (sizzle * (0.5 + 0.5 * force), unit(contact)),
            (stick * force, _stick(rng, 3000, 0.0015)),
            (thump, self._thump()),
        )

    def closed(self, rng: np.random.Generator, *, loose: bool = False) -> Stroke:
        """The stick on hats that the foot presses together, or not quite."""
        decay = between(rng, 0.04, 0.09) if loose else between(rng, 0.01, 0.045)
        tail, tail_db = decay * rng.uniform(2, 4), rng.uniform(-45, -18)
        sizzle, stick, thump = (gain(x) for x in rng.uniform([-18, -12, -34], [0, 3, -6]))

        def stroke(force: float, rng: np.random.Generator) -> Signal:
            hit = self._hit(rng, force, decay * (0.8 + 0.3 * force), 0.0, sizzle, stick, thump)
            after = self.plate.ring(rng, force, tail, falling=0.1, dull=self.dull, bloom_s=0.004, longest_s=0.7)
            return mix((1, hit), (gain(tail_db), after))

        return stroke

    def open(self, rng: np.random.Generator, *, half: bool = False) -> Stroke:
        """The stick on hats that ring freely, or sizzle against each other."""
        decay = (between(rng, 0.09, 0.22) if half else between(rng, 0.2, 0.6)) * self.alloy.ring
        noisy = 12 * half
        sizzle, stick, thump = (gain(x) for x in rng.uniform([noisy - 22, -16, -40], [noisy - 7, -2, -10]))
        return lambda force, rng: self._hit(rng, force, decay, self.falling, sizzle, stick, thump)

    def pedal(self, rng: np.random.Generator) -> Stroke:
        """The foot alone: the plates come together with a chick."""
        decay, rise = between(rng, 0.012, 0.04), between(rng, 0.002, 0.012)
        tail_db, noise_db = rng.uniform(-36, -14), rng.uniform(-10, 4)
        thump_db, clank_db, clank_s = rng.uniform(-16, 3), rng.uniform(-14, 2), between(rng, 0.012, 0.05)

        def stroke(force: float, rng: np.random.Generator) -> Signal:
            ringing = self.plate.ring(rng, force, decay, falling=0.0, dull=self.dull + 0.2, longest_s=0.4)
            n = len(ringing)
            chick = noise(rng, n, self.low * 0.8, 12000, 1) * fall(n, decay)
            after = self.plate.ring(rng, force, 5 * decay, falling=0.2, dull=self.dull, longest_s=0.6)
            low = (gain(thump_db), self._thump())
            m = samples(6 * clank_s)
            clank = (gain(clank_db), noise(rng, m, 220, 900, 1.5) * fall(m, clank_s))
            x = mix((1, ringing), (gain(noise_db), unit(chick)), (gain(tail_db), after), low, clank)
            return x * (1 - fall(len(x), rise))

        return stroke
