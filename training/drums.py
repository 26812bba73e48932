"""Play a performance on a virtual kit: one-shots by velocity, choked hats, a room, a drum bus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pedalboard
from numpy.typing import NDArray
from scipy import signal

from drumscribe.kit import LABELS
from training.sounds import PERCUSSION, RATE, Kit, Note, Sounds

_LEVEL_DB = {
    "kick": 0, "snare": 0, "cross_stick": -4, "high_tom": -1, "mid_tom": -1, "floor_tom": 0, "closed_hihat": -7,
    "open_hihat": -6, "pedal_hihat": -12, "crash": -3, "splash": -4, "china": -3, "ride": -6, "ride_bell": -4,
    PERCUSSION: -8,
}  # fmt: skip
"""Usual peak level of each drum against the snare, about the medians of the kits whose takes kept their loudness;
every clip moves each by a few decibels."""
_SETS = {label: name for name, labels in {
    "toms": ("high_tom", "mid_tom", "floor_tom"), "hats": ("closed_hihat", "open_hihat", "pedal_hihat"),
    "rides": ("ride", "ride_bell"),
}.items() for label in labels}  # fmt: skip
"""Drums that come from one kit and are tuned together: a floor tom is what is lower than the other toms."""
_RINGING = {"open_hihat", "crash", "splash", "china", "ride", "ride_bell"}
_HATS = ("closed_hihat", "open_hihat", "pedal_hihat")
FloatArray = NDArray[np.float32]
_KINDS = {"acoustic": 1.0, "electronic": 0.2}


@dataclass(slots=True)
class Stem:
    """A rendered clip of drums: int16 samples and what was played (column of ``LABELS``, velocity 0–1)."""

    samples: NDArray[np.int16]
    notes: list[tuple[float, int, float]]
    song: str = ""
    """Backing that these drums belong to, and ``start`` its time at the clip's beginning."""
    start: float = 0.0
    guitars: NDArray[np.int16] | None = None
    """Guitars and bass that play with these drums, as long as they (:func:`training.riffs.riff`)."""


def _timbre(rng: np.random.Generator) -> pedalboard.Pedalboard:
    """A drum of another make: resonances raised and lowered, the ends tilted."""
    bands: list[pedalboard.Plugin] = [
        pedalboard.PeakFilter(float(np.exp(rng.uniform(np.log(60), np.log(12000)))), float(rng.normal(0, 5)),
                              float(rng.uniform(0.5, 2.5)))
        for _ in range(int(rng.integers(2, 5)))
    ]  # fmt: skip
    bands.append(pedalboard.LowShelfFilter(float(rng.uniform(80, 400)), float(rng.normal(0, 3))))
    bands.append(pedalboard.HighShelfFilter(float(rng.uniform(2500, 9000)), float(rng.normal(0, 4))))
    return pedalboard.Pedalboard(bands)


def _layered(first: FloatArray, second: FloatArray, onset: int, rng: np.random.Generator) -> FloatArray:
    """A new drum of two that begin together: both at once, the low end of one and the high of the other, or the attack
    of one and the tail of the other."""
    kind = rng.random()
    if kind < 0.35:
        share = float(rng.uniform(0.2, 0.8))
        return share * first + (1 - share) * second
    if kind < 0.75:
        split = signal.butter(2, np.exp(rng.uniform(np.log(200), np.log(7000))), fs=RATE, output="sos")
        low, other = signal.sosfilt(split, first), signal.sosfilt(split, second)
        return np.asarray(low + second - other, dtype=np.float32)
    after = (np.arange(len(first)) - onset) / RATE - rng.uniform(0.005, 0.04)
    fade = np.clip(after / rng.uniform(0.003, 0.03), 0, 1)
    return np.asarray(first * np.sqrt(1 - fade) + second * np.sqrt(fade), dtype=np.float32)


def _closing(sounds: Sounds, decay_s: float) -> Sounds:
    """Open hats damped to a sizzle of ``decay_s`` (to 1/e)."""

    def damped(x: NDArray[np.float16], onset: int) -> NDArray[np.float16]:
        x = x[: onset + int(7 * decay_s * RATE)]
        return (x * np.exp(-np.maximum(0, np.arange(len(x)) - onset) / (decay_s * RATE))).astype(np.float16)

    return Sounds([[(damped(x, onset), onset) for x, onset in layer[:4]] for layer in sounds.layers])


class _Voice:
    """One drum of a virtual kit, tuned and damped for the clip."""

    def __init__(
        self, sounds: Sounds, under: Sounds | None, label: str, semitones: float, rng: np.random.Generator
    ) -> None:
        self.sounds, self.under, self.rng = sounds, under, rng
        self.seed = int(rng.integers(2**31))
        self.corner = float(rng.uniform(0.6, 0.95))
        self.tilt = 10 ** (rng.uniform(-5, 5, 2) / 20) if rng.random() < 0.5 else None
        self.pitch = float(2 ** (semitones / 12))
        ringing = label in _RINGING  # damped like a drum an open hat would be a closed one
        self.decay_s = float(rng.uniform(0.4, 1.5) if ringing else rng.uniform(0.06, 0.5)) * (rng.random() < 0.25)
        self.attack_db, self.attack_s = float(rng.normal(0, 3)), float(rng.uniform(0.006, 0.04))
        self.timbre = _timbre(rng) if rng.random() < 0.7 else None
        self.gain = float(10 ** ((_LEVEL_DB[label] + rng.normal(0, 4)) / 20))
        self.curve = float(rng.uniform(0.8, 1.7))
        self.damped = float(rng.uniform(0.2, 0.9)) if len(sounds.layers) < 3 else 0.0
        self.loose = float(rng.uniform(0, 0.25))
        self.ready: dict[tuple[int, int, int], tuple[FloatArray, FloatArray, int]] = {}

    def strike(self, velocity: float) -> tuple[FloatArray, int]:
        """Samples of one stroke and the index of its onset in them."""
        layers = self.sounds.layers
        place = velocity + float(self.rng.normal(0, 0.06))
        layer = int(np.clip(place * len(layers), 0, len(layers) - 1))
        take = int(self.rng.integers(min(len(layers[layer]), 4)))
        soft = int((1 - velocity) * 3) if self.damped else 0
        key = (layer, take, soft)
        if key not in self.ready:
            x, onset = self._take(layer, take)
            if abs(self.pitch - 1) > 0.01:
                x = np.interp(np.arange(0, len(x) - 1, self.pitch), np.arange(len(x)), x).astype(np.float32)
                onset = round(onset / self.pitch)
            if self.decay_s:
                tail = np.maximum(0, np.arange(len(x)) - onset - 0.03 * RATE) / RATE
                x *= np.exp(-tail / self.decay_s).astype(np.float32)
            if soft:  # one recorded level only: a soft stroke is duller than a loud one
                pole = (0.0, 0.45, 0.7)[min(soft, 2)] * self.damped
                x = signal.lfilter([1 - pole], [1, -pole], x).astype(np.float32)
            if self.tilt is not None:
                low = signal.lfilter([1 - self.corner], [1, -self.corner], x).astype(np.float32)
                x = self.tilt[0] * low + self.tilt[1] * (x - low)
            if self.timbre is not None:
                x = self.timbre(x, RATE)
            after = np.maximum(0, np.arange(len(x)) - onset) / RATE
            x = x * (1 + (10 ** (self.attack_db / 20) - 1) * np.exp(-after / self.attack_s))
            x = (x / max(1e-6, float(np.abs(x).max()))).astype(np.float32)
            high = (x - signal.lfilter([0.2], [1, -0.8], x)).astype(np.float32)
            self.ready[key] = (x, high, onset)
        x, high, onset = self.ready[key]
        # no two strokes of a hand fall on the same spot
        bright = float(np.clip(self.rng.normal(0, self.loose), -0.6, 0.6))
        return (x + bright * high) * (self.gain * (0.04 + 0.96 * velocity**self.curve)), onset

    def _take(self, layer: int, take: int) -> tuple[FloatArray, int]:
        """A recorded stroke, with another kit's of about the same force under it where there is one: a new drum."""
        layers = self.sounds.layers
        raw, onset = layers[layer][take]
        x = raw.astype(np.float32)
        if self.under is None:
            return x, onset
        others = self.under.layers
        second, at = others[(layer * len(others)) // len(layers)][0]
        first = max(onset, at)
        parts = np.zeros((2, first + max(len(x) - onset, len(second) - at)), dtype=np.float32)
        parts[0, first - onset : first - onset + len(x)] = x
        parts[1, first - at : first - at + len(second)] = second
        out = _layered(parts[0], parts[1], first, np.random.default_rng(self.seed))  # alike for every layer
        return out / max(1e-6, float(np.abs(out).max())), first


class VirtualKit:
    """A kit put together for one clip: mostly one kit's drums, some of others', all of one side of the split."""

    def __init__(self, kits: list[Kit], rng: np.random.Generator) -> None:
        self.kits, self.rng = kits, rng
        full = [kit for kit in kits if "kick" in kit.drums and "snare" in kit.drums]
        self.base = self._any(full, [_KINDS.get(kit.kind.split(" ")[0], 0.7) for kit in full])
        self.strangers = 1.0 if rng.random() < 0.25 else 0.2
        self.voices: dict[str, list[_Voice]] = {}
        self.owners: dict[str, Kit] = {}
        self.partners: dict[str, Kit | None] = {}
        self.tunings: dict[str, float] = {}

    def _any(self, kits: list[Kit], weights: list[float] | None = None) -> Kit:
        """One of ``kits`` by its weight; a family of n kits, which share sounds, counts as the root of n."""
        families = Counter(kit.family for kit in kits)
        share = np.array([families[kit.family] ** -0.5 for kit in kits]) * (weights or 1.0)
        return kits[int(self.rng.choice(len(kits), p=share / share.sum()))]

    def _owner(self, label: str) -> Kit | None:
        have = [kit for kit in self.kits if label in kit.drums]
        if not have:
            return None
        of_set = self.owners.get(_SETS.get(label, label))
        if of_set is not None and label in of_set.drums:
            return of_set
        if label in self.base.drums and self.rng.random() > self.strangers:
            return self.base
        return self._any(have)

    def _make(self, label: str) -> list[_Voice]:
        owner = self._owner(label)
        if owner is None:
            return []
        name = _SETS.get(label, label)
        self.owners.setdefault(name, owner)
        tuning = self.tunings.setdefault(name, float(np.clip(self.rng.normal(0, 2.2), -6, 6)))
        semitones = tuning + float(self.rng.normal(0, 0.3))
        sounds = owner.drums[label]
        count = 2 if label in ("crash", PERCUSSION) and len(sounds) > 1 else 1
        chosen = self.rng.permutation(len(sounds))[:count]
        return [_Voice(sounds[int(i)], self._under(label, owner), label, semitones, self.rng) for i in chosen]

    def _under(self, label: str, owner: Kit) -> Sounds | None:
        """Another kit's drum to make a new one of together with this, for three voices in five."""
        if label == "closed_hihat" and "open_hihat" in owner.drums and self.rng.random() < 0.2:  # not pressed tight
            return _closing(self._one_of(owner.drums["open_hihat"]), float(self.rng.uniform(0.02, 0.08)))
        name = _SETS.get(label, label)
        if name not in self.partners:
            have = [kit for kit in self.kits if label in kit.drums]
            self.partners[name] = self._any(have) if label != PERCUSSION and self.rng.random() < 0.6 else None
        partner = self.partners[name]
        return self._one_of(partner.drums[label]) if partner and label in partner.drums else None

    def _one_of(self, sounds: list[Sounds]) -> Sounds:
        return sounds[int(self.rng.integers(len(sounds)))]

    def voice(self, label: str) -> _Voice | None:
        """The drum that plays ``label``; ``None`` where no kit of this side has one."""
        if label not in self.voices:
            self.voices[label] = self._make(label)
        options = self.voices[label]
        return options[int(self.rng.integers(len(options)))] if options else None


_RINGING = ("crash", "china", "open_hihat")
_STIRS = {"kick": 0.7, "high_tom": 1.0, "mid_tom": 1.0, "floor_tom": 1.0, "snare": 0.4}


def _rattle(notes: list[Note], length: int, rng: np.random.Generator) -> FloatArray:
    """What strokes stir in the rest of a kit: the snare's wires buzz with kick and toms, hats and stands rattle.

    Noise of a colour of its own, a few milliseconds late and without an attack: heard on recordings, and not a hit.
    """
    ring = float(rng.uniform(0.03, 0.2))
    size = int(4 * ring * RATE)
    after = np.arange(size) / RATE
    shape = (1 - np.exp(-after / rng.uniform(0.003, 0.015))) * np.exp(-after / ring)
    low = float(np.exp(rng.uniform(np.log(700), np.log(5000))))
    high = float(min(20000.0, low * np.exp(rng.uniform(0.7, 2.5))))
    noise = signal.sosfilt(signal.butter(2, [low, high], "bandpass", fs=RATE, output="sos"), rng.normal(0, 1, 2 * size))
    noise = (noise / max(1e-6, float(np.abs(noise).max()))).astype(np.float32)
    loud = 10 ** (rng.uniform(-38, -16) / 20)
    out = np.zeros(length + size, dtype=np.float32)
    for time, label, velocity in notes:
        if label in _STIRS:
            at = round((time + float(rng.uniform(0.001, 0.012))) * RATE)
            first = int(rng.integers(size))
            gain = loud * _STIRS[label] * velocity * float(rng.uniform(0.6, 1.2))
            out[at : at + size] += (gain * shape * noise[first : first + size])[: len(out) - at]
    return out[:length]


def _wash(x: FloatArray, onset: int, seconds: float, floor: float) -> FloatArray:
    """A stroke on a cymbal that still rings: what is struck swells instead of speaking at once."""
    after = np.maximum(0, np.arange(len(x)) - onset) / RATE
    return (x * (1 - (1 - floor) * np.exp(-after / seconds))).astype(np.float32)


def render(
    notes: list[Note],
    seconds: float,
    kits: list[Kit],
    irs: list[FloatArray],
    rng: np.random.Generator,
) -> Stem:
    """Play notes on a fresh virtual kit in a room, through a drum bus."""
    kit = VirtualKit(kits, rng)
    length = int(seconds * RATE)
    dry = np.zeros(length + 4 * RATE, dtype=np.float32)
    hats = sorted(t for t, label, _ in notes if label in _HATS)
    washed = (float(np.exp(rng.uniform(*np.log((0.002, 0.03))))), float(rng.uniform(0.1, 0.7)))
    washes = rng.random() < 0.6
    last: dict[str, float] = {}
    played: list[tuple[float, int, float]] = []
    for time, label, velocity in notes:
        voice = kit.voice(label)
        if voice is None:
            continue
        x, onset = voice.strike(velocity)
        if washes and label in _RINGING and time - last.get(label, -9.0) < 1.2:
            x = _wash(x, onset, *washed)
        last[label] = time
        if label == "open_hihat":  # the next stroke on the hats ends the ringing
            following = np.searchsorted(hats, time + 0.01)
            if following < len(hats):
                ring = int((hats[int(following)] - time) * RATE) + onset
                if ring < len(x):
                    x = x[: ring + 400].copy()
                    x[-400:] *= np.linspace(1, 0, len(x[-400:]), dtype=np.float32)
        at = round(time * RATE) - onset
        x = x[max(0, -at) :]
        at = max(0, at)
        dry[at : at + len(x)] += x[: len(dry) - at]
        if label != PERCUSSION:
            played.append((time, LABELS.index(label), velocity))
    y = dry[:length]
    if rng.random() < 0.4:
        y = y + _rattle(notes, length, rng)
    if rng.random() < 0.65 and irs:
        ir = irs[int(rng.integers(len(irs)))][: int(rng.uniform(0.15, 2) * RATE)]
        wet = signal.oaconvolve(y, ir)[:length].astype(np.float32)
        rms = np.sqrt((wet**2).mean()) + 1e-9
        y = y + wet * float(np.sqrt((y**2).mean()) / rms * 10 ** (rng.uniform(-24, -3) / 20))
    effects: list[pedalboard.Plugin] = []
    y = y / max(1e-6, float(np.abs(y).max()))
    if rng.random() < 0.5:
        attack, release = float(rng.uniform(1, 30)), float(rng.uniform(50, 250))
        effects.append(pedalboard.Compressor(float(rng.uniform(-32, -12)), float(rng.uniform(2, 8)), attack, release))
    if rng.random() < 0.08:
        effects.append(pedalboard.MP3Compressor(float(rng.uniform(2, 8))))
    if effects:
        y = pedalboard.Pedalboard(effects)(y, RATE)
    if rng.random() < 0.25:
        drive = float(rng.uniform(1, 6))
        y = np.tanh(drive * y / max(1e-6, float(np.abs(y).max())))
    y = y / max(1e-6, float(np.abs(y).max()))
    return Stem((y * 32000).astype(np.int16), played)
