"""Electronic drums: swept sines, filtered noise, banks of squares, two operators, and the grit of early samplers.

Every function draws one instrument and returns its ``stroke(force, rng)``, as in :mod:`training.modelled_drums`.
"""

from __future__ import annotations

import numpy as np

from training.modal import RATE, Signal, between, fall, gain, mix, noise, samples, unit
from training.modelled_drums import Stroke


def _time(n: int) -> Signal:
    return np.arange(n, dtype=np.float32) / np.float32(RATE)


def _sweep(n: int, start: float, end: float, settle_s: float) -> Signal:
    """Sine falling exponentially from one frequency to another."""
    t = np.arange(n) / RATE
    cycles = end * t + (start - end) * settle_s * (1 - np.exp(-t / settle_s))
    return np.sin(2 * np.pi * cycles).astype(np.float32)


def swept(rng: np.random.Generator, pitch: float, decay: float, *, reach: float, noisy_db: float) -> Stroke:
    """Kick or tom: a sine that falls to ``pitch`` hertz from up to ``reach`` times that, driven, with some noise."""
    start, settle = pitch * between(rng, 1.05, reach), between(rng, 0.005, 0.06)
    click_s, bright = between(rng, 0.001, 0.008), between(rng, 2500, 14000)
    drive, click_db = rng.uniform(0, 3) * (rng.random() < 0.5), rng.uniform(-30, 8)
    low, noise_s = between(rng, 150, 2500), decay * between(rng, 0.1, 1.2)
    grows = rng.uniform(0, 0.7)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        n, m = samples(min(1.8, 7 * decay)), samples(7 * click_s)
        tone = _sweep(n, pitch + (start - pitch) * (1 - grows * (1 - force)), pitch, settle) * fall(n, decay)
        if drive:
            tone = unit(np.tanh((1 + drive * force) * tone))
        hiss = noise(rng, n, low, max(2 * low, bright), 1) * fall(n, noise_s)
        click = noise(rng, m, 500, bright, 1) * fall(m, click_s)
        return mix((1, tone), (gain(noisy_db - 8 * (1 - force)), hiss), (gain(click_db - 10 * (1 - force)), click))

    return stroke


def snare(rng: np.random.Generator) -> Stroke:
    pitch, tone_s = between(rng, 140, 300), between(rng, 0.015, 0.08)
    ratio, bend = rng.uniform(1.4, 2.1), rng.uniform(1.0, 1.8)
    low, high, order = between(rng, 200, 3500), between(rng, 5000, 17000), rng.uniform(0.7, 2)
    noise_s, noise_db = between(rng, 0.015, 0.075), rng.uniform(-10, 9)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        n, m = samples(7 * tone_s), samples(7 * noise_s)
        tone = (
            _sweep(n, bend * pitch, pitch, 0.01) + 0.5 * _sweep(n, bend * ratio * pitch, ratio * pitch, 0.01)
        ) * fall(n, tone_s)
        hiss = noise(rng, m, low, high * (0.5 + 0.5 * force), order) * fall(m, noise_s * (0.7 + 0.3 * force))
        return mix((1, unit(tone)), (gain(noise_db - 6 * (1 - force)), unit(hiss)))

    return stroke


class Metal:
    """The source of a machine's hats and cymbals: six squares, noise, or a pair of modulated operators."""

    def __init__(self, rng: np.random.Generator):
        self.kind = str(rng.choice(["squares", "noise", "operators"]))
        self.hertz = np.sort(rng.uniform(200, 900, 6)) * between(rng, 0.7, 1.6)
        self.ratio, self.index = rng.uniform(1.2, 7), rng.uniform(2, 9)
        self.hiss = between(rng, 0.1, 1)
        self.low, self.order = between(rng, 4000, 10000), rng.uniform(1.5, 5)
        self.high = between(rng, 9000, 19000)

    def source(self, rng: np.random.Generator, n: int, low: float, high: float) -> Signal:
        """What sounds without end, between two corners, peak 1."""
        t, high = _time(n), max(high, 2.5 * low)
        if self.kind == "noise":
            return noise(rng, n, low, high, self.order)
        if self.kind == "operators":
            carrier = 3.1 * self.hertz[-1]
            x = np.sin(2 * np.pi * carrier * t + self.index * np.sin(2 * np.pi * carrier * self.ratio * t))
        else:
            phase = rng.uniform(0, 1, 6)
            x = sum(np.sign(np.sin(2 * np.pi * (f * t + p))) for f, p in zip(self.hertz, phase, strict=True))
        f = np.fft.rfftfreq(n, 1 / RATE) + 1
        shape = 1 / np.sqrt((1 + (low / f) ** (2 * self.order)) * (1 + (f / high) ** 4))
        tone = unit(np.fft.irfft(np.fft.rfft(x) * shape, n).astype(np.float32))
        return unit(tone + self.hiss * noise(rng, n, low, high, self.order))

    def hit(
        self,
        rng: np.random.Generator,
        decay: float,
        *,
        lower: float = 1.0,
        upper: float = 1.0,
        rise_s: float = 0.0,
        body_db: float = -60,
    ) -> Stroke:
        """A hat or cymbal: time constant in seconds, factors on the corners, rise, level of the body."""
        after, after_db = decay * rng.uniform(1.5, 4), rng.uniform(-30, -6)
        ping = between(rng, 400, 4500)

        def stroke(force: float, rng: np.random.Generator) -> Signal:
            n = samples(min(2.2, 6 * max(decay, 0.5 * after)))
            x = self.source(rng, n, self.low * lower * (0.75 + 0.25 * force), self.high * upper * (0.6 + 0.4 * force))
            x = x * (fall(n, decay, rise_s) + gain(after_db) * fall(n, after))
            body = self.source(rng, n, 0.6 * ping, 1.6 * ping) * fall(n, 0.8 * decay)
            return mix((1, x), (gain(body_db), body))

        return stroke


def cowbell(rng: np.random.Generator) -> Stroke:
    a, b, decay = between(rng, 450, 650), between(rng, 700, 950), between(rng, 0.02, 0.12)

    def stroke(force: float, rng: np.random.Generator) -> Signal:
        t = _time(samples(7 * decay))
        x = np.sign(np.sin(2 * np.pi * a * t)) + np.sign(np.sin(2 * np.pi * b * t))
        smooth = np.convolve(x, np.ones(9 - round(4 * force)) / 9, "same").astype(np.float32)
        return unit(smooth * (fall(len(t), decay) + fall(len(t), 0.006)))

    return stroke


def sampled(x: Signal, rate: float, bits: float) -> Signal:
    """As an early sampler kept it: held at a lower rate (hertz) and rounded to a number of bits."""
    held = x[(np.floor(np.arange(len(x)) * rate / RATE) * RATE / rate).astype(int)]
    steps = 2 ** (bits - 1)
    return np.asarray(np.round(held * steps) / steps, dtype=np.float32)
