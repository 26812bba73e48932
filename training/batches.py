"""Training examples: a stem, an accompaniment, one record's worth of treatment, features, and targets.

What is linear in a band (equaliser, lost high end, a separator's mask, noise floors) is done on the mel magnitudes,
where it costs next to nothing; what is not (mixing, limiting) on the samples.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pedalboard
import soxr
from numpy.typing import NDArray

from drumscribe.hits.features import BANDS, FFT, FPS, HOP, TARGET_RMS, band_centres, compress, mel_magnitudes
from drumscribe.kit import LABELS
from training.backings import BackingInfo
from training.codecs import any_codec
from training.drums import Stem
from training.riffs import master, wall
from training.sounds import RATE, Split

FloatArray = NDArray[np.float32]
FRAMES = 640
SAMPLES = FRAMES * HOP
SIGMA = 0.75
"""Width in frames of the target around an onset: a Gaussian, so that three values give its centre back."""


@dataclass(slots=True)
class Example:
    """Magnitudes ``(frames, BANDS, windows)`` before compression, and notes (seconds, column, velocity)."""

    magnitudes: FloatArray
    notes: list[tuple[float, int, float]]
    share: FloatArray | None = None
    """Of the drums in each band's energy, ``(frames, BANDS)``, 0–1, where the mixer was asked for it."""


def _rms(x: FloatArray) -> float:
    return float(np.sqrt((x**2).mean())) + 1e-5


def targets(notes: list[tuple[float, int, float]], frames: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Onset targets (a Gaussian bump a hit), velocities, and where velocities count; each ``(frames, drums)``."""
    onset = np.zeros((frames, len(LABELS)), dtype=np.float32)
    velocity = np.zeros_like(onset)
    known = np.zeros_like(onset)
    for time, column, strength in notes:
        centre = time * FPS
        nearest = round(centre)
        for frame in range(max(0, nearest - 2), min(frames, nearest + 3)):
            onset[frame, column] = max(onset[frame, column], np.exp(-0.5 * ((frame - centre) / SIGMA) ** 2))
            if abs(frame - nearest) <= 1:
                velocity[frame, column], known[frame, column] = strength, 1.0
    return onset, velocity, known


def _curve(rng: np.random.Generator, spread_db: float, points: int = 7) -> FloatArray:
    """A smooth random gain over the bands."""
    knots = np.sort(rng.uniform(np.log(27), np.log(16000), points))
    gains = rng.normal(0, spread_db, points)
    return (10 ** (np.interp(np.log(band_centres()), knots, gains) / 20)).astype(np.float32)


def degrade(magnitudes: FloatArray, rng: np.random.Generator, *, separated: bool) -> FloatArray:
    """Treat mel magnitudes as recording, coding, and separation treat a signal."""
    out = magnitudes
    gain = np.ones(BANDS, dtype=np.float32)
    if rng.random() < 0.7:
        gain *= _curve(rng, float(rng.uniform(1, 5)))
    if rng.random() < 0.15:  # lossy coding and old tapes have no high end
        gain *= 1 / (1 + (band_centres() / rng.uniform(5000, 15000)) ** 12)
    if rng.random() < 0.06:
        gain *= 1 / (1 + (rng.uniform(40, 150) / band_centres()) ** 4)
    out = out * gain[:, None]
    if separated:
        time = np.linspace(0, 1, len(out))
        knots = np.sort(rng.uniform(0, 1, 24))
        mask = np.stack([np.interp(time, knots, rng.uniform(rng.uniform(0.1, 0.9), 1, 24)) for _ in range(8)], axis=1)
        bands = np.linspace(0, 7, BANDS)
        low = np.minimum(bands.astype(int), 6)
        out = (
            out * (mask[:, low] * (1 - (bands - low)) + mask[:, low + 1] * (bands - low)).astype(np.float32)[..., None]
        )
    if rng.random() < 0.35:
        floor = TARGET_RMS * 10 ** (rng.uniform(-70, -28) / 20) * np.sqrt(FFT) * _curve(rng, 6)
        noise = rng.rayleigh(1, (len(out), BANDS)).astype(np.float32) * floor
        out = np.sqrt(out**2 + noise[..., None] ** 2)
    if rng.random() < 0.3:
        first = int(rng.integers(BANDS - 14))
        out = out.copy()
        out[:, first : first + int(rng.integers(4, 14))] = 0
    return out.astype(np.float32)


def _tone(rng: np.random.Generator) -> pedalboard.Pedalboard:
    """The other instruments' equaliser."""
    return pedalboard.Pedalboard([
        pedalboard.LowShelfFilter(float(rng.uniform(80, 400)), float(rng.normal(0, 5))),
        pedalboard.PeakFilter(float(np.exp(rng.uniform(np.log(150), np.log(6000)))), float(rng.normal(0, 5)),
                              float(rng.uniform(0.4, 1.5))),
        pedalboard.HighShelfFilter(float(rng.uniform(2500, 8000)), float(rng.normal(0, 6))),
    ])  # fmt: skip


class Mixer:
    """Draws examples from the pools of stems and accompaniments below a work folder."""

    def __init__(
        self, work: Path, split: Split, *, natural: bool = False, frames: int = FRAMES, shares: bool = False
    ) -> None:
        self.work, self.split, self.shares = work, split, shares
        self.frames, self.samples = frames, frames * HOP
        self.natural = natural
        self.folder = work / "stems" / (f"{split}_natural" if natural else split)
        self.infos: dict[str, BackingInfo] = {}
        self.backings: list[str] = []
        self.stems: list[Path] = []

    def refresh(self) -> None:
        """Look again at what the other processes have rendered."""
        for path in (self.work / "backings").glob("*.npy"):
            if not path.name.startswith(".") and path.stem not in self.infos:
                self.infos[path.stem] = BackingInfo.read(path.with_suffix(".json"))
        self.backings = sorted(name for name, info in self.infos.items() if info.split == self.split)
        self.stems = sorted(self.folder.glob("*.pickle"))

    def _backing(self, rng: np.random.Generator, size: int, name: str = "", start: float | None = None) -> FloatArray:
        name = name or self.backings[int(rng.integers(len(self.backings)))]
        path = self.work / "backings" / f"{name}.npy"
        header = np.load(path, mmap_mode="r")
        at = int(rng.integers(max(1, len(header) - size))) if start is None else int(start * RATE)
        x = np.zeros(size, dtype=np.float32)
        # one read instead of a page fault every 2,048 samples
        part = np.fromfile(path, np.int16, size, offset=header.offset + 2 * at)
        x[: len(part)] = part.astype(np.float32) / 32000
        return x

    def _other(self, rng: np.random.Generator, size: int) -> FloatArray:
        """An accompaniment in another key and tempo, which belongs to no drum part."""
        x = self._backing(rng, size)
        speed = float(np.exp(rng.uniform(-0.2, 0.2)))
        return np.interp(np.arange(size) * speed % (size - 1), np.arange(size), x).astype(np.float32)

    def _accompaniment(self, rng: np.random.Generator, stem: Stem, at: int, size: int) -> FloatArray:
        """What plays with ``size`` samples of a stem from ``at``: its own song in time, or another; for a third of the
        clips with distorted guitars over it or in its place."""
        aligned = bool(stem.song) and rng.random() < 0.8
        y = self._backing(rng, size, stem.song, stem.start + at / RATE) if aligned else self._other(rng, size)
        if rng.random() < 0.2:
            y = y + self._other(rng, size) * float(rng.uniform(0.3, 1))
        guitars = None
        if stem.guitars is not None and rng.random() < (0.35 if self.natural else 0.7):
            guitars = stem.guitars[at : at + size].astype(np.float32) / 32000
        elif rng.random() < (0.05 if self.natural else 0.12):
            guitars = wall([self._other(rng, size) for _ in range(int(rng.integers(1, 4)))], rng)
        if guitars is not None:
            rest = float(rng.choice([0, 1, 1])) * y * (0.1 / _rms(y))
            y = rest * float(10 ** (rng.uniform(-14, 4) / 20)) + guitars
        if rng.random() < 0.6:  # mixed by somebody else
            y = _tone(rng)(y, RATE)
        if rng.random() < 0.2:
            y = np.tanh(y * float(rng.uniform(1, 6)) / (np.abs(y).max() + 1e-5))
        return y

    def example(self, rng: np.random.Generator, *, mix: bool | None = None, clean: bool = False) -> Example:
        """One example.

        Args:
            rng: source of every choice.
            mix: with accompaniment or without; ``None`` draws (58 % with).
            clean: neither played faster or slower nor degraded (for measuring).
        """
        stem: Stem = pickle.loads(self.stems[int(rng.integers(len(self.stems)))].read_bytes())
        # drums and all faster or slower, pitch and tempo together
        speed = 1.0 if clean or rng.random() < 0.35 else float(np.exp(rng.uniform(*np.log((0.9, 1.1)))))
        size = round(self.samples * speed)
        at = int(rng.integers(max(1, len(stem.samples) - size)))
        x = stem.samples[at : at + size].astype(np.float32) / 32000
        start = at / RATE
        notes = [(t - start, c, v) for t, c, v in stem.notes if start <= t < start + size / RATE]
        kind = rng.random()
        separated, share = False, np.ones((self.frames, BANDS), np.float32) if self.shares else None
        if mix is None:
            mix = kind < 0.58
            separated = kind > 0.85
        if mix and self.backings:
            y = self._accompaniment(rng, stem, at, size)
            if rng.random() < 0.07 and not clean:
                x, notes = x * 0, []
            # drums from 12 dB under to 9 dB over the rest
            low, high = (-6, 6) if self.natural else (-9, 12)
            y *= max(_rms(x), 0.03) / _rms(y) * 10 ** (rng.uniform(low, high) / 20)
            share = self._share(x, y)
            x = x + y
        elif separated and self.backings and not clean:
            y = self._backing(rng, size)
            x = x + y * _rms(x) / _rms(y) * 10 ** (rng.uniform(-32, -10) / 20)
        mastering = rng.random()
        if mastering < 0.3:  # soft clipping after a boost
            drive = float(rng.uniform(0.5, 4))
            x = np.tanh(x / max(1e-4, float(np.abs(x).max())) * drive)
        elif mastering < 0.6:
            x = master(x, rng)
        if speed != 1:
            x = soxr.resample(x, RATE * speed, RATE, "MQ")
            x = np.pad(x[: self.samples], (0, max(0, self.samples - len(x))))
            notes = [(t / speed, c, v) for t, c, v in notes]
        if rng.random() < 0.08 and not clean and _rms(x) > 1e-3:
            x = any_codec(x, rng)
        x = x * (TARGET_RMS / _rms(x) * 10 ** (rng.uniform(-9, 7) / 20))
        if not notes and _rms(x) < 1e-3:
            x = x * 0
        magnitudes = mel_magnitudes(np.pad(x, FFT // 2), self.frames)
        return Example(magnitudes if clean else degrade(magnitudes, rng, separated=separated), notes, share)

    def _share(self, drums: FloatArray, rest: FloatArray) -> FloatArray | None:
        if not self.shares:
            return None
        mine, theirs = (mel_magnitudes(np.pad(x, FFT // 2), self.frames)[..., 0] ** 2 for x in (drums, rest))
        return (mine / (mine + theirs + 1e-9)).astype(np.float32)

    def batch(self, rng: np.random.Generator, size: int) -> tuple[FloatArray, ...]:
        """Features, onset targets, velocities, velocity mask, stacked."""
        examples = [self.example(rng) for _ in range(size)]
        features = np.stack([compress(example.magnitudes) for example in examples])
        columns = [targets(example.notes, self.frames) for example in examples]
        return (features, *(np.stack(part) for part in zip(*columns, strict=True)))
