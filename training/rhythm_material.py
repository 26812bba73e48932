"""Recordings whose beats are known, as the beat tracker and the hit network hear them: material for
``training/rhythm.py``.

Excerpts of drum performances (GMD), of General MIDI songs, these whole or without everything but the drums, and of drum
parts made by rule (``training/rhythm_grooves.py``) are played by FluidSynth on a soundfont drawn at random and put in a
room under some noise. madmom's networks and the hit network listen, and what they hear is kept beside the notes, the
pulses, and the bar lines. An excerpt may begin anywhere in a bar.
"""

from __future__ import annotations

import csv
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from drumscribe.kit import BY_MIDI
from drumscribe.options import DetectOptions
from drumscribe.rhythm.readings import METERS
from drumscribe.types import FloatArray, Meter, Stem
from training.rhythm_grooves import made
from training.rhythm_stats import grooves, song_split

Floats = NDArray[np.float64]
RATE = 44_100
_FONTS = Path("/usr/share/sounds")
_KITS = (0, 0, 0, 8, 16, 16, 24, 25, 32, 40)
"""Programs of the drum channel: standard, room, power, electronic, TR-808, jazz, brushes."""
TD11 = {22: 42, 26: 46, 58: 43}
"""Keys of the kit of GMD → General MIDI."""
_WHOLE = 0.7
"""Part of the excerpts that begin where their source begins: most recordings are whole songs, but some are cuttings."""


@dataclass(frozen=True)
class Notes:
    """Drum notes in order of time.

    Attributes:
        times: ``(n,)`` seconds.
        drums: label of each.
        velocity: ``(n,)`` 1-127.
    """

    times: Floats
    drums: tuple[str, ...]
    velocity: Floats

    @classmethod
    def of(cls, notes: list[tuple[float, str, float]]) -> Notes:
        """From time, label, and velocity of each."""
        times, drums, velocity = zip(*notes, strict=True) if notes else ((), (), ())
        return cls(np.array(times, dtype=np.float64), drums, np.array(velocity, dtype=np.float64))


@dataclass(frozen=True)
class Piece:
    """What is known of an excerpt and what was heard of it.

    Attributes:
        name: file it comes from, and take.
        kind: ``"gmd"``, ``"songs"``, ``"song drums"`` or ``"made"``; ``"gmd read"`` and ``"songs read"`` were not
            played.
        whole: whether it begins where its source begins.
        activations: ``(frames, 2)`` of madmom's networks, 100 a second; ``(0, 1)`` where it was not played.
        played: the drums.
        found: what the hit network takes for the drums; nothing where it was not played.
        pulses: ``(m,)`` seconds of each pulse.
        starts: ``(m,)`` whether a bar begins there.
    """

    name: str
    kind: str
    whole: bool
    activations: FloatArray
    played: Notes
    found: Notes
    pulses: Floats
    starts: NDArray[np.bool_]

    @property
    def group(self) -> str:
        """What must not be divided between fitting and testing: a drummer's session, the takes of a style."""
        path = Path(self.name.split("#")[0])
        return str(path.parent) if self.kind.startswith(("gmd", "made")) else path.stem.rsplit("_", 1)[0]

    def save(self, path: Path) -> None:
        """Write all of it, at once or not at all."""
        part = path.with_suffix(".part.npz")
        arrays = {
            f"{kind}_{key}": np.asarray(getattr(notes, key))
            for kind, notes in (("played", self.played), ("found", self.found))
            for key in ("times", "drums", "velocity")
        }
        arrays |= {key: np.asarray(getattr(self, key)) for key in ("name", "kind", "whole", "pulses", "starts")}
        np.savez_compressed(part, allow_pickle=False, activations=self.activations.astype(np.float16), **arrays)
        part.rename(path)

    @classmethod
    def read(cls, path: Path) -> Piece:
        """What :meth:`save` wrote."""
        data = np.load(path)
        played, found = (
            Notes(data[f"{kind}_times"], tuple(data[f"{kind}_drums"].tolist()), data[f"{kind}_velocity"])
            for kind in ("played", "found")
        )
        return cls(
            str(data["name"]), str(data["kind"]), bool(data["whole"]), data["activations"].astype(np.float32),
            played, found, data["pulses"], data["starts"],
        )  # fmt: skip


Source = tuple[str, Path, tuple[int, int] | None]
"""Kind, file, and the meter where the file does not tell it."""


def sources(data: Path, split: str) -> Iterator[Source]:
    """Everything in a split."""
    for performance in grooves(data, split):
        yield "gmd", data / "grooves" / "gmd" / performance.name, performance.meters[0][1:]
    with (data / "songs" / "mma" / "mma_songs.csv").open() as file:
        bars = {row["file"]: int(row["bars"]) for row in csv.DictReader(file)}
    for path in sorted((data / "songs").rglob("*.mid")):
        if song_split(path) == split:
            yield "songs", path, _counted_meter(path, bars[path.name]) if path.name in bars else None


def _counted_meter(path: Path, bars: int) -> tuple[int, int]:
    """Meter of a song whose number of bars is known better than its time signature: its quarters are its pulses."""
    midi = pretty_midi.PrettyMIDI(str(path))
    quarters = midi.time_to_tick(max(note.start for part in midi.instruments for note in part.notes)) / midi.resolution
    return int(np.ceil(quarters / bars - 0.02)), 4


def pulses_of(midi: pretty_midi.PrettyMIDI, meter: tuple[int, int] | None) -> tuple[Floats, NDArray[np.bool_]] | None:
    """Seconds of all pulses and whether a bar begins; ``None`` where the file does not tell, or counts in no pulse."""
    end = midi.get_end_time()
    signs = [(0.0, *meter)] if meter else [
        (sign.time, sign.numerator, sign.denominator) for sign in midi.time_signature_changes
    ]  # fmt: skip
    if not signs or signs[0][0] > 0.01:
        return None
    pulses: list[float] = []
    starts: list[bool] = []
    for (begin, beats, unit), until in zip(signs, [sign[0] for sign in signs[1:]] + [end + 4.0], strict=True):
        if unit not in (2, 4, 8) or not 2 <= Meter(beats, unit).pulses_per_bar <= 7:
            return None
        measure = Meter(beats, unit)
        low, high = midi.time_to_tick(begin), midi.time_to_tick(until)
        step = float(measure.pulse) * midi.resolution
        for k in range(int(np.ceil((high - low) / step - 0.01))):
            pulses.append(midi.tick_to_time(round(low + k * step)))
            starts.append(k % measure.pulses_per_bar == 0)
    return np.array(pulses), np.array(starts)


def piece(
    kind: str, path: Path, meter: tuple[int, int] | None, random: np.random.Generator, name: str, *, heard: bool = True
) -> Piece | None:
    """Play and hear one excerpt (or only read it); ``None`` where it holds too few drums or its bars are not known."""
    midi = pretty_midi.PrettyMIDI(str(path))
    laid = pulses_of(midi, meter)
    if laid is None:
        return None
    for part in midi.instruments:
        part.is_drum = part.is_drum or kind.startswith("gmd")
    if not kind.startswith("songs"):
        midi.instruments = [part for part in midi.instruments if part.is_drum]
    seconds = float(random.uniform(25, 50))
    whole = random.random() < _WHOLE
    start = 0.0 if whole else float(random.uniform(0, max(0.0, midi.get_end_time() - seconds)))
    return excerpt(name, kind, midi, laid, (start, seconds), random, whole=whole, heard=heard)


def made_piece(number: int, *, heard: bool = True) -> Piece | None:
    """Play and hear one drum part made by rule (or only write it)."""
    random = np.random.default_rng([number, 5 if heard else 6])
    seconds = float(random.uniform(22, 45))
    style, midi, pulses, starts = made(random, seconds)
    whole = random.random() < 0.8
    start = 0.0 if whole else float(random.uniform(0, 0.3 * seconds))
    name, kind = f"{style}/{number}", "made" if heard else "made read"
    return excerpt(name, kind, midi, (pulses, starts), (start, seconds), random, whole=whole, heard=heard)


def excerpt(
    name: str, kind: str, midi: pretty_midi.PrettyMIDI, laid: tuple[Floats, NDArray[np.bool_]],
    span: tuple[float, float], random: np.random.Generator, *, whole: bool, heard: bool = True,
) -> Piece | None:  # fmt: skip
    """Play and hear what lies in a span (start and length in seconds); ``None`` where it holds too few drums."""
    start, seconds = span
    lead = float(random.uniform(0.1, 1.5))
    cut = _cut(midi, start, start + seconds, lead, kind, random)
    notes = sorted(
        (note.start, label, float(note.velocity))
        for part in cut.instruments if part.is_drum for note in part.notes if (label := BY_MIDI.get(note.pitch))
    )  # fmt: skip
    if len(notes) < 24:
        return None
    activations, found = np.zeros((0, 1), np.float32), Notes.of([])
    if heard:
        activations, found = _listened(_room(_played(cut, random), random))
    inside = (laid[0] > start - 0.05) & (laid[0] < start + seconds + 0.05)
    return Piece(
        name, kind, whole, activations, Notes.of(notes), found, laid[0][inside] - start + lead, laid[1][inside]
    )


def _listened(samples: FloatArray) -> tuple[FloatArray, Notes]:
    """What madmom's networks hear, and the hits that the hit network finds."""
    from drumscribe.hits import activations, pick
    from drumscribe.rhythm import networks

    hits = pick(activations(Stem(samples[None], RATE, "none")), DetectOptions())
    return networks.activations(samples[None]), Notes.of([(hit.time_s, hit.drum, float(hit.velocity)) for hit in hits])


def _cut(
    midi: pretty_midi.PrettyMIDI, start: float, end: float, lead: float, kind: str, random: np.random.Generator
) -> pretty_midi.PrettyMIDI:
    """Notes that begin from ``start`` to ``end``, ``lead`` seconds after silence; drums on any kit."""
    cut = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=120)
    for part in midi.instruments:
        other = part.is_drum and (kind.startswith("gmd") or random.random() < 0.6)
        program = int(random.choice(_KITS)) if other else part.program
        new = pretty_midi.Instrument(program, part.is_drum)
        for note in part.notes:
            if start - 0.03 <= note.start < end:
                pitch = TD11.get(note.pitch, note.pitch) if kind.startswith("gmd") else note.pitch
                begin = max(0.0, note.start - start + lead)
                new.notes.append(pretty_midi.Note(note.velocity, pitch, begin, note.end - start + lead))
        cut.instruments.append(new)
    return cut


def _played(midi: pretty_midi.PrettyMIDI, random: np.random.Generator) -> FloatArray:
    """Sound of ``midi`` on a soundfont drawn at random, mono."""
    names = ("sf2/FluidR3_GM.sf2", "sf2/TimGM6mb.sf2", "sf2/sf_GMbank.sf2", "sf3/MuseScore_General.sf3")
    fonts = [_FONTS / name for name in names if (_FONTS / name).exists()]
    reverb = str(random.integers(2))
    font = fonts[random.integers(len(fonts))]
    return rendered(midi, font, midi.get_end_time() + 1.0, "-R", reverb, "-C", "0")


def rendered(midi: pretty_midi.PrettyMIDI, font: Path, longest_s: float, *options: str) -> FloatArray:
    """Sound of ``midi``, or its first seconds, as FluidSynth plays it on ``font``: mono at :data:`RATE`."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.mid", Path(folder) / "a.wav"
        midi.write(str(source))
        subprocess.run(
            ["fluidsynth", "-ni", "-q", "-g", "0.4", "-r", str(RATE), *options,
             "-o", "synth.dynamic-sample-loading=1", "-F", str(target), str(font), str(source)],
            check=True, capture_output=True,
        )  # fmt: skip
        samples, _ = soundfile.read(target, dtype="float32", frames=int(longest_s * RATE), always_2d=True)
    return np.asarray(samples.mean(axis=1), dtype=np.float32)


def _room(samples: FloatArray, random: np.random.Generator) -> FloatArray:
    """Room, tone, hum of the recording: a decaying noise as impulse response, a tilted spectrum, noise below."""
    if random.random() < 0.5:
        length = int(random.uniform(0.1, 0.9) * RATE)
        tail = random.normal(0, 1, length) * np.exp(-5.0 * np.arange(length) / length)
        tail *= random.uniform(0.05, 0.5) / np.linalg.norm(tail)
        tail[0] += 1.0
        samples = fftconvolve(samples, tail)[: len(samples)]
    if random.random() < 0.5:
        tilt = float(random.uniform(-0.5, 0.6))  # positive: the highs go
        samples = lfilter([1.0 - abs(tilt)] if tilt > 0 else [1.0, tilt], [1.0, -tilt] if tilt > 0 else [1.0], samples)
    samples = samples / max(float(np.abs(samples).max()), 1e-6) * random.uniform(0.2, 0.98)
    if random.random() < 0.6:
        noise = lfilter([1.0], [1.0, -random.uniform(0, 0.98)], random.normal(0, 1, len(samples)))
        level = np.sqrt(np.mean(samples**2)) * 10 ** (-random.uniform(12, 50) / 20)
        samples = samples + noise * level / np.sqrt(np.mean(noise**2))
    return np.clip(samples, -1, 1).astype(np.float32)


Task = tuple[Path, Callable[[], Piece | None]]
"""Where a piece is kept, and what makes it."""


def excerpts(data: Path, work: Path, found: list[Source], *, heard: bool) -> list[Task]:
    """Excerpts of the training split, in an order that makes any beginning of it a fair sample."""
    known = {meter.pulses_per_bar for meter in METERS}
    plan = [
        (kind, path, meter) for kind, path, meter in found
        if meter is None or Meter(*meter).pulses_per_bar in known
    ]  # fmt: skip
    if heard:
        plan += [("song drums", path, meter) for kind, path, meter in plan if kind == "songs" and _hash(path.name) % 2]
    else:
        plan = [(f"{kind} read", path, meter) for kind, path, meter in plan]
    plan.sort(key=lambda item: _hash(item[0] + str(item[1].relative_to(data))))
    tasks: list[Task] = []
    for kind, path, meter in plan:
        name = f"{path.relative_to(data)}#{kind}"
        add = partial(piece, kind, path, meter, np.random.default_rng(_hash(name)), name, heard=heard)
        tasks.append((work / f"train_{_hash(name):08x}.npz", add))
    return tasks


def parts(work: Path, count: int, *, heard: bool) -> list[Task]:
    """Parts made by rule."""
    kind = "made" if heard else "read"
    return [(work / f"train_{kind}{n:05d}.npz", partial(made_piece, n, heard=heard)) for n in range(count)]


def kept(task: Task) -> Piece | None:
    """The piece of a task, made where it is not there; ``None`` where it holds too little."""
    target, make = task
    if target.with_suffix(".none").exists():
        return None
    if target.exists():
        return Piece.read(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = make()
    if new is None:
        target.with_suffix(".none").touch()
    else:
        new.save(target)
    return new


@cache
def _hash(text: str) -> int:
    return zlib.crc32(text.encode())
