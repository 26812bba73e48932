"""The raw material on disk: kits of one-shots, grooves, songs, impulse responses, and who is held out of training.

Everything is read once and cached below the work folder, so that a second start takes seconds.
"""

from __future__ import annotations

import csv
import hashlib
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import soundfile
from numpy.typing import NDArray

from drumscribe.kit import LABELS
from training.package_kits import read_package_kits
from training.soundfont_kits import read_soundfont_kits
from training.sounds import GM_DRUMS, INSTRUMENTS, PERCUSSION, RATE, Groove, Kit, Note, Sounds, Split

HELD_OUT: dict[str, Split] = {
    "colombo": "valid", "millo2": "valid", "webaudio_linn": "valid", "frankensnare_16": "valid", "rumpf": "valid",
    "sams_sonor": "test", "sonicpi_drum": "test", "webaudio_r8": "test", "frankensnare_22": "test",
}  # fmt: skip
"""Kit families that training never hears: thresholds are learnt on ``valid``, scores reported on ``test``."""

_HIDDEN_S = 0.045


def hash_split(name: str, *, valid: float = 0.06, test: float = 0.06) -> Split:
    """Split by a hash of the name: stable when files come and go."""
    x = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return "valid" if x < valid else "test" if x < valid + test else "train"


def _cached(path: Path, make: Callable[[], Any]) -> Any:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        value = make()
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(pickle.dumps(value, protocol=5))
        temporary.replace(path)
        return value
    return pickle.loads(path.read_bytes())


def _take(path: Path, onset_ms: float, longest_s: float = 3.0) -> tuple[NDArray[np.float16], int] | None:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    x = samples.mean(axis=1)[: int(longest_s * rate)]
    peak = float(np.abs(x).max(initial=0))
    if peak < 1e-4 or rate != RATE:
        return None
    onset = int(onset_ms * RATE / 1000)
    start = max(0, onset - int(0.005 * RATE))
    x = x[start:] / peak
    audible = np.flatnonzero(np.abs(x) > 1e-3)
    x = x[: int(audible[-1]) + 1].copy()
    fade = min(len(x), 2000)
    x[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return x.astype(np.float16), onset - start


def read_kits(data: Path) -> list[Kit]:
    """Decode every one-shot listed in ``manifest.csv``; instruments grouped under drum labels."""
    with (data / "kits.csv").open(newline="") as file:
        kits = {row["kit"]: Kit(row["kit"], row["family"], row["kind"]) for row in csv.DictReader(file)}
    found: dict[tuple[str, str], dict[int, list[tuple[NDArray[np.float16], int]]]] = {}
    with (data / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            take = _take(data / row["path"], float(row["onset_ms"] or 0))
            if take is not None:
                layers = found.setdefault((row["kit"], row["instrument"]), {})
                layers.setdefault(int(row["velocity_rank"]), []).append(take)
    for (kit, instrument), layers in found.items():
        label = INSTRUMENTS.get(instrument.rstrip("0123456789"), "")
        sounds = Sounds([layers[rank] for rank in sorted(layers)])
        kits[kit].drums.setdefault(label or PERCUSSION, []).append(sounds)
    return list(kits.values())


def load_kits(data: Path, work: Path) -> list[Kit]:
    """Kits, decoded once into ``work/kits.pickle``; those of soundfonts, played once into ``soundfont_kits.pickle``;
    those out of packages in ``package_kits.pickle`` (read below ``PACKAGE_KITS`` in the environment, else
    ``work/packages``)."""
    kits: list[Kit] = _cached(work / "kits.pickle", lambda: read_kits(data))
    kits += _cached(work / "soundfont_kits.pickle", read_soundfont_kits)
    packages, cache = Path(os.environ.get("PACKAGE_KITS", work / "packages")), work / "package_kits.pickle"
    if packages.is_dir() or cache.exists():  # what was not fetched yet may come
        kits += _cached(cache, lambda: read_package_kits(packages))
    return kits


def kit_split(kit: Kit) -> Split:
    """Which side of the split a kit's family is on."""
    return HELD_OUT.get(kit.family, "train")


def drum_notes(midi: pretty_midi.PrettyMIDI) -> list[Note]:
    """The drum-kit notes of a MIDI file in order of time.

    Without the foot's strokes that fall together with the hand's on the hats: pedals report a closing that the stroke
    hides.
    """
    notes = [
        (note.start, GM_DRUMS[note.pitch], note.velocity / 127)
        for instrument in midi.instruments
        if instrument.is_drum
        for note in instrument.notes
        if note.pitch in GM_DRUMS
    ]
    hand = np.array([-9.0, *(time for time, label, _ in notes if label in ("closed_hihat", "open_hihat"))])
    return sorted(note for note in notes if note[1] != "pedal_hihat" or float(np.abs(hand - note[0]).min()) > _HIDDEN_S)


def read_grooves(data: Path) -> list[Groove]:
    """The Groove MIDI Dataset with its own split."""
    grooves = []
    with (data / "grooves/gmd/info.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            path = data / "grooves/gmd" / row["midi_filename"]
            if not path.exists():
                continue
            midi = pretty_midi.PrettyMIDI(str(path))
            notes = drum_notes(midi)
            if len(notes) > 8:
                split: Split = {"train": "train", "validation": "valid"}.get(row["split"], "test")  # type: ignore[assignment]
                grooves.append(Groove(row["midi_filename"], split, notes, midi.get_end_time()))
    return grooves


def load_grooves(data: Path, work: Path) -> list[Groove]:
    """Grooves, parsed once into ``work/grooves.pickle``."""
    grooves: list[Groove] = _cached(work / "grooves.pickle", lambda: read_grooves(data))
    return grooves


def load_irs(data: Path, longest_s: float = 2.0) -> list[NDArray[np.float32]]:
    """Impulse responses: mono, unit energy, aligned so that the direct sound comes first."""
    responses = []
    for path in sorted((data / "ir").rglob("*.flac")):
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
        responses.append(_aligned(samples.mean(axis=1))[: int(longest_s * RATE)])
    return responses


def _aligned(x: NDArray[np.float32]) -> NDArray[np.float32]:
    x = x[int(np.argmax(np.abs(x))) :]
    return np.asarray(x / np.sqrt((x**2).sum()), dtype=np.float32)


def make_rooms(count: int = 250, seed: int = 1) -> list[NDArray[np.float32]]:
    """Responses of box-shaped rooms, 20 to 500 cubic metres, from dead to bright, by the image-source method.

    The reflections of a real drum room's first tenths of a second, which plates and halls lack; as :func:`load_irs`.
    """
    import pyroomacoustics

    rng, rooms = np.random.default_rng(seed), []
    for _ in range(count):
        size = rng.uniform([2.8, 2.5, 2.2], [12.0, 9.0, 5.0])
        absorbed = np.clip(rng.uniform(0.05, 0.6) + np.linspace(0, rng.uniform(-0.1, 0.4), 7), 0.03, 0.95)
        walls = {"coeffs": list(absorbed), "center_freqs": [125, 250, 500, 1000, 2000, 4000, 8000]}
        room = pyroomacoustics.ShoeBox(
            size, fs=RATE, materials=pyroomacoustics.Material(walls), max_order=12, air_absorption=True
        )
        room.add_source(size * rng.uniform([0.2, 0.2, 0.1], [0.8, 0.8, 0.4]))
        room.add_microphone(size * rng.uniform([0.1, 0.1, 0.15], [0.9, 0.9, 0.8]))
        room.compute_rir()
        rooms.append(_aligned(room.rir[0][0].astype(np.float32)))
    return rooms


def load_rooms(work: Path) -> list[NDArray[np.float32]]:
    """Rooms, computed once into ``work/rooms.pickle``."""
    rooms: list[NDArray[np.float32]] = _cached(work / "rooms.pickle", make_rooms)
    return rooms


def song_paths(data: Path) -> list[Path]:
    """Every song's MIDI file in a stable order."""
    return sorted((data / "songs").rglob("*.mid"))


def labels_present(notes: list[Note]) -> Iterator[str]:
    """Drum labels used, in table order."""
    used = {label for _, label, _ in notes}
    return (label for label in LABELS if label in used)
