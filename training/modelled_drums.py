"""Acoustic drums by modal synthesis: kick, snare, toms, rim, and hand percussion.

Every function draws one instrument and returns how it is played: ``stroke(force, rng)``, force 0–1, gives a signal that
begins with the blow. Force shortens the contact, which lets more of the upper modes through, stretches the head, which
raises the pitch at first, and makes wires and sticks louder than the head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.modal import RATE, Membrane, Signal, bar, between, fall, gain, glide, mix, noise, ring, samples, unit

Stroke = Callable[[float, np.random.Generator], Signal]


@dataclass(frozen=True, slots=True)
class Build:
    """What the drums of a kit share, as factors about 1: pitch of the shells, ring, hardness of heads and sticks."""

    pitch: float
    ring: float
    hardness: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Build:
        """One of many kits."""
        return cls(*(float(x) for x in np.exp(rng.normal(0, [0.12, 0.35, 0.35]))))


def _soft(force: float, slope_db: float) -> float:
    """Amplitude of what weakens by ``slope_db`` from the hardest stroke to the softest, beyond the whole."""
    return gain(-slope_db * (1 - force))


def kick(rng: np.random.Generator, build: Build) -> Stroke:
    open_drum = rng.random() < 0.2
    decay = between(rng, 0.08, 0.22) if open_drum else between(rng, 0.02, 0.065) * build.ring
    head = Membrane(rng, between(rng, 44, 88) * build.pitch, decay, rng.uniform(0.5, 1.4))
    corner = between(rng, 50, 180) * build.hardness
    depth, settle = between(rng, 0.05, 0.9), between(rng, 0.006, 0.035)
    click_db, slope = rng.uniform(-20, 10), rng.uniform(4, 16)
    low, high, click_s = between(rng, 250, 1500), between(rng, 2000, 6500), between(rng, 0.002, 0.012)
    wood_db, wood = rng.uniform(-26, -6), bar(rng, 700, 5000, 7, between(rng, 0.003, 0.015), 0.4)
    shell_db, shell = rng.uniform(-32, -14), bar(rng, 110, 600, 6, between(rng, 0.01, 0.05))
    rise = between(rng, 0.001, 0.012)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        body = head.strike(rng, corner * (0.5 + force), samples(7 * decay))
        body = glide(body, depth * force**1.5, settle) * (1 - fall(len(body), rise))
        n = samples(7 * click_s)
        click = noise(rng, n, low, high * (0.5 + 0.5 * force), 2) * fall(n, click_s, 0.0003)
        hard = _soft(force, slope)
        return mix(
            (1, unit(body)), (gain(click_db) * hard, click), (gain(wood_db) * hard, wood), (gain(shell_db), shell)
        )

    return stroke


def snare(rng: np.random.Generator, build: Build, *, rimshot: bool = False, tuning: float | None = None) -> Stroke:
    pitch = tuning or between(rng, 130, 265) * build.pitch
    decay = between(rng, 0.018, 0.09) * build.ring
    head = Membrane(rng, pitch, decay, rng.uniform(0.2, 0.9))
    corner = between(rng, 350, 1800) * build.hardness * (2 if rimshot else 1)
    depth, settle = between(rng, 0.01, 0.12), between(rng, 0.008, 0.03)
    wires_db, wires_slope = rng.uniform(-22, 0), rng.uniform(-4, 6)
    low, high, order = between(rng, 350, 2200), between(rng, 2500, 7000), rng.uniform(1.1, 2.2)
    wires_s, late, chatter = between(rng, 0.025, 0.13), between(rng, 0.0005, 0.004), rng.uniform(0, 0.8)
    click_db, slope, click_s = rng.uniform(-28, 0), rng.uniform(4, 14), between(rng, 0.001, 0.005)
    rise = between(rng, 0.0004, 0.005)
    rim_db = rng.uniform(-10, 0) if rimshot else rng.uniform(-45, -18)
    rim = bar(rng, 400, 3500, 10, between(rng, 0.008, 0.04), 0.3)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        body = glide(head.strike(rng, corner * (0.4 + force), samples(7 * decay)), depth * force**1.5, settle)
        body = unit(body * (1 - fall(len(body), rise)))
        tail = wires_s * (0.75 + 0.25 * force) * np.exp(rng.normal(0, 0.06))
        n = samples(7 * tail)
        beat = 1 - chatter * np.sin(np.pi * pitch * np.arange(n, dtype=np.float32) / RATE) ** 2
        buzz = noise(rng, n, low, high * (0.6 + 0.4 * force), order) * fall(n, tail, late) * beat
        n = samples(8 * click_s)
        click = noise(rng, n, 800, 5000 * (0.5 + 0.5 * force), 1.5) * fall(n, click_s)
        hard = _soft(force, slope)
        return mix(
            (1, body), (gain(wires_db) * _soft(force, wires_slope), unit(buzz)),
            (gain(click_db) * hard, click), (gain(rim_db) * hard, rim),
        )  # fmt: skip

    return stroke


def tom(rng: np.random.Generator, build: Build, pitch: float, decay: float, *, heads: int = 2) -> Stroke:
    """A tom, or a hand drum: fundamental in hertz, its decay's time constant in seconds."""
    head = Membrane(rng, pitch, decay, rng.uniform(0.8, 2.0), heads=heads)
    corner = between(rng, 100, 420) * build.hardness
    depth, settle = between(rng, 0.01, 0.25), between(rng, 0.02, 0.12)
    click_db, slope, click_s = rng.uniform(-14, 8), rng.uniform(4, 14), between(rng, 0.003, 0.016)
    rise = between(rng, 0.0005, 0.008)
    low, high = between(rng, 350, 1600), between(rng, 2000, 6500)
    buzz_db, buzz_s = rng.uniform(-38, -10), decay * between(rng, 0.15, 1.2)
    slap_db, slap = rng.uniform(-22, -3), bar(rng, 2.2 * pitch, 12 * pitch, 8, between(rng, 0.008, 0.04), 0.6)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        body = head.strike(rng, corner * (0.4 + force), samples(min(2.4, 7 * decay)))
        body = glide(body, depth * force**1.5, settle)
        body = unit(body * (1 - fall(len(body), rise)))
        n, m = samples(7 * click_s), samples(5 * buzz_s)
        click = noise(rng, n, low, high * (0.5 + 0.5 * force), 1.5) * fall(n, click_s, 0.0002)
        buzz = noise(rng, m, 500, 3500, 1.5) * fall(m, buzz_s, 0.002)
        hard = _soft(force, slope)
        return mix((1, body), (gain(click_db) * hard, click), (gain(slap_db) * hard, slap), (gain(buzz_db), buzz))

    return stroke


def clap(rng: np.random.Generator, build: Build) -> Stroke:
    centre, count, spread = between(rng, 800, 2200), int(rng.integers(2, 7)), between(rng, 0.004, 0.014)
    short, long = between(rng, 0.002, 0.007), between(rng, 0.02, 0.09)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        times = np.sort(np.append(0, rng.uniform(0, spread * count, count - 1)))
        n = samples(times[-1] + 6 * long)
        shape = fall(n, long) * rng.uniform(0.1, 0.5)
        for at in times:
            first = int(at * RATE)
            shape[first:] += fall(n - first, short)
        return noise(rng, n, centre * 0.7, centre * (1.2 + 1.2 * force), 2) * shape

    return stroke


def shaker(rng: np.random.Generator, build: Build) -> Stroke:
    low, high = between(rng, 1500, 6000), between(rng, 7000, 16000)
    rise, decay = between(rng, 0.004, 0.03), between(rng, 0.012, 0.05)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        n = samples(7 * (rise + decay))
        grains = (rng.random(n) < 0.02 + 0.1 * force) * rng.exponential(1, n)
        rough = np.convolve(grains, fall(64, 0.0004), "same").astype(np.float32)
        return noise(rng, n, low, high * (0.6 + 0.4 * force), 2) * (0.3 + rough) * fall(n, decay, rise)

    return stroke


def tambourine(rng: np.random.Generator, build: Build) -> Stroke:
    hertz, decay = np.sort(rng.uniform(between(rng, 2500, 5500), 15000, 40)), between(rng, 0.02, 0.12)
    hits, spread, skin_db = int(rng.integers(2, 9)), between(rng, 0.004, 0.03), rng.uniform(-30, -4)
    skin = Membrane(rng, between(rng, 200, 450), 0.02, 0.6, heads=1)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        n = samples(7 * decay + spread)
        weight = rng.rayleigh(1, 40) * (hertz / 6000) ** -(1.2 - force)
        jingle = ring(hertz, weight, decay * (hertz / 6000) ** -0.4, rng.uniform(0, 6.28, 40), n)
        out = jingle + noise(rng, n, 5000, 14000, 2) * fall(n, decay / 2) * float(np.abs(jingle).max()) * 0.4
        whole = out.copy()
        for at in rng.uniform(0, spread, hits):
            whole[int(at * RATE) :] += rng.uniform(0.3, 1) * out[: n - int(at * RATE)]
        return mix((1, unit(whole)), (gain(skin_db), skin.strike(rng, 1500, samples(0.12))))

    return stroke


def struck_bar(rng: np.random.Generator, build: Build) -> Stroke:
    """Cowbell, block, or claves: two strong partials and a few above them."""
    metal = rng.random() < 0.5
    first = between(rng, 450, 950) if metal else between(rng, 700, 2600)
    hertz = first * np.array([1, rng.uniform(1.35, 1.6), *rng.uniform(2, 7, 6)])
    weight = np.array([rng.uniform(0.4, 1), rng.uniform(0.3, 1), *rng.uniform(0.02, 0.3, 6)])
    decay = (between(rng, 0.03, 0.15) if metal else between(rng, 0.006, 0.03)) * (hertz / first) ** -0.6

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        n, m = samples(7 * float(decay[0])), samples(0.01)
        tone = ring(hertz, weight * (hertz / first) ** -(1.5 - 1.5 * force), decay, np.zeros(8), n)
        return mix((1, unit(tone)), (0.3 * force, noise(rng, m, 2000, 12000, 1) * fall(m, 0.001)))

    return stroke
