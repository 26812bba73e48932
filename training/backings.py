"""Accompaniment: every song without its drums, played by fluidsynth with changing soundfonts, players and effects.

    python -m training.backings --data DATA --work WORK [--count 600] [--seed 1]

Each rendering is a 16-bit mono ``.npy`` in ``WORK/backings`` with a ``.json`` beside it that holds the song's split
and its drum notes on the same time line, so that drums can be played in time with it. Runs beside training:
what is already there is used at once.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pedalboard
import pretty_midi
import soundfile
import soxr
from numpy.typing import NDArray

from training.material import drum_notes, hash_split, song_paths
from training.soundfont_kits import ROOT
from training.sounds import RATE, Note, Split
from training.voices import sing

SOUNDFONTS = tuple(
    ROOT / name
    for name in ("sf2/FluidR3_GM.sf2", "sf2/TimGM6mb.sf2", "sf2/sf_GMbank.sf2", "sf3/MuseScore_General_Full.sf3")
)
LONGEST_S = 75.0
_LEADS = (*range(24, 32), *range(48, 55), *range(56, 68), 0, 4, 16, 18, 52, 53, 54, 65, 66, 73, 80, 81, 85)
_BASSES = tuple(range(32, 40))
_KIT_KEYS = frozenset({*range(35, 54), 55, 57, 59, 22, 26, 58})


@dataclass(slots=True)
class BackingInfo:
    """What is known of one rendering."""

    song: str
    split: Split
    notes: list[Note]
    """The song's own drum notes, on the rendering's time line."""

    @classmethod
    def read(cls, path: Path) -> BackingInfo:
        """Read the ``.json`` beside a rendering."""
        data = json.loads(path.read_text())
        return cls(data["song"], data["split"], [(t, label, v) for t, label, v in data["notes"]])


def _synthesise(midi: pretty_midi.PrettyMIDI, font: Path, seconds: float, folder: Path) -> NDArray[np.float32]:
    source, wave = folder / "part.mid", folder / "part.wav"
    midi.write(str(source))
    subprocess.run(
        ["fluidsynth", "-ni", "-q", "-g", "0.4", "-r", str(RATE), "-o", "synth.dynamic-sample-loading=1",
         "-o", "synth.polyphony=96", "-R", "0", "-C", "0", "-F", str(wave), str(font), str(source)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    samples, _ = soundfile.read(wave, dtype="float32", always_2d=True)
    x = samples.mean(axis=1)[: int(seconds * RATE)]
    return np.pad(x, (0, max(0, int(seconds * RATE) - len(x))))


def _excerpt(midi: pretty_midi.PrettyMIDI, start: float, seconds: float) -> pretty_midi.PrettyMIDI:
    """Cut to a span; the tempo map is dropped, times stay seconds."""
    out = pretty_midi.PrettyMIDI(resolution=960)
    for part in midi.instruments:
        kept = copy.copy(part)
        kept.control_changes = [copy.copy(c) for c in part.control_changes if c.time <= start + seconds]
        for change in kept.control_changes:
            change.time = max(0.0, change.time - start)
        kept.pitch_bends = []
        kept.notes = []
        for note in part.notes:
            if start <= note.start < start + seconds:
                moved = copy.copy(note)
                moved.start, moved.end = note.start - start, min(note.end - start, seconds)
                kept.notes.append(moved)
        if kept.notes:
            out.instruments.append(kept)
    return out


def _guitar(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Amplify as electric guitars are: drive, a cabinet's band, sometimes chorus."""
    board = pedalboard.Pedalboard([
        pedalboard.HighpassFilter(90), pedalboard.Distortion(float(rng.uniform(12, 38))),
        pedalboard.LowpassFilter(float(rng.uniform(3200, 7500))),
        pedalboard.LowpassFilter(float(rng.uniform(4500, 9000))),
    ])  # fmt: skip
    if rng.random() < 0.3:
        board.append(pedalboard.Chorus(rate_hz=float(rng.uniform(0.4, 2)), mix=float(rng.uniform(0.2, 0.5))))
    peak = max(1e-6, float(np.abs(x).max()))
    out: NDArray[np.float32] = board(x / peak, RATE)
    return out / max(1e-6, float(np.sqrt((out**2).mean()))) * max(1e-6, float(np.sqrt((x**2).mean())))


def render(path: Path, name: str, rng: np.random.Generator) -> tuple[NDArray[np.int16], BackingInfo] | None:
    """Play one song without its drums; ``None`` where it has too little to play."""
    midi = pretty_midi.PrettyMIDI(str(path))
    length = midi.get_end_time()
    if length < 12 or not any(not part.is_drum for part in midi.instruments):
        return None
    seconds = min(length, LONGEST_S)
    midi = _excerpt(midi, float(rng.uniform(0, max(0.0, length - seconds))), seconds)
    notes = drum_notes(midi)
    pitched, melody = [], []
    transpose = int(rng.integers(-4, 5))
    for part in midi.instruments:
        if part.is_drum:
            # tambourine, claps, congas and the like stay: they are in records and are not to be written down
            part.notes = [note for note in part.notes if note.pitch not in _KIT_KEYS]
            continue
        bass = part.program in _BASSES
        if rng.random() < 0.6:
            part.program = int(rng.choice(_BASSES if bass else _LEADS))
        for note in part.notes:
            note.pitch = int(np.clip(note.pitch + transpose, 0, 127))
            note.velocity = int(np.clip(note.velocity * rng.uniform(0.8, 1.15) * (1.15 if bass else 1), 1, 127))
        pitched.append(part)
    if not pitched:
        return None
    melody = max(pitched, key=lambda part: float(np.mean([note.pitch for note in part.notes])))
    others = [part for part in pitched if part.program not in _BASSES]
    driven = others[int(rng.integers(len(others)))] if others and rng.random() < 0.45 else None
    if rng.random() < 0.12:  # sparse arrangements: some players rest
        pitched = [part for part in pitched if rng.random() < 0.6] or pitched[:1]
    font = SOUNDFONTS[int(rng.integers(len(SOUNDFONTS)))]
    with tempfile.TemporaryDirectory() as folder:
        plain = pretty_midi.PrettyMIDI(resolution=960)
        plain.instruments = [p for p in midi.instruments if p is not driven and p.notes and (p.is_drum or p in pitched)]
        mix = np.zeros(int(seconds * RATE), dtype=np.float32)
        if plain.instruments:
            mix += _synthesise(plain, font, seconds, Path(folder))
        if driven is not None:
            driven.program = int(rng.integers(24, 31))
            alone = pretty_midi.PrettyMIDI(resolution=960)
            alone.instruments = [driven]
            guitar = _guitar(_synthesise(alone, font, seconds, Path(folder)), rng)
            mix += guitar * float(rng.uniform(0.5, 2.0))
    if rng.random() < 0.45:
        lift = -12 * round((float(np.mean([n.pitch for n in melody.notes])) - rng.uniform(52, 68)) / 12)
        tune = sorted((note.start, note.end, note.pitch + lift) for note in melody.notes)
        line = [
            (a, min(b, following[0]), p)
            for (a, b, p), following in zip(tune, [*tune[1:], (seconds, 0, 0)], strict=True)
        ]
        voice = sing(line, seconds, RATE, rng)
        rms = np.sqrt((voice**2).mean()) + 1e-6
        mix += voice * float(np.sqrt((mix**2).mean()) / rms * rng.uniform(0.4, 1.5))
    effects: list[pedalboard.Plugin] = []
    if rng.random() < 0.5:
        effects.append(pedalboard.Compressor(float(rng.uniform(-30, -14)), float(rng.uniform(2, 6)), 5, 120))
    if rng.random() < 0.5:
        wet = float(rng.uniform(0.05, 0.35))
        effects.append(pedalboard.Reverb(room_size=float(rng.uniform(0.1, 0.8)), wet_level=wet, dry_level=1 - wet))
    if rng.random() < 0.1:
        effects.append(pedalboard.MP3Compressor(float(rng.uniform(3, 8))))
    mix = pedalboard.Pedalboard(effects)(mix / max(1e-6, float(np.abs(mix).max())), RATE)
    peak = float(np.abs(mix).max())
    if peak < 1e-3:
        return None
    return (mix / peak * 32000).astype(np.int16), BackingInfo(name, hash_split(name.rstrip("0123456789_")), notes)


def prepare_recordings(data: Path, folder: Path) -> None:
    """Cut the drumless recordings in ``data/backing`` into renderings of their own (training only)."""
    for path in sorted((data / "backing").glob("*.ogg")):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        x = samples.mean(axis=1)
        if rate != RATE:
            x = soxr.resample(x, rate, RATE)
        for part, start in enumerate(range(0, len(x) - 15 * RATE, int(LONGEST_S * RATE))):
            y = x[start : start + int(LONGEST_S * RATE)]
            _write(folder, f"rec_{path.stem[:12]}_{part}", (y / np.abs(y).max() * 32000).astype(np.int16),
                   BackingInfo(path.stem, "train", []))  # fmt: skip


def _write(folder: Path, name: str, samples: NDArray[np.int16], info: BackingInfo) -> None:
    (folder / f"{name}.json").write_text(json.dumps(asdict(info)))
    temporary = folder / f".{name}.tmp.npy"
    np.save(temporary, samples)
    temporary.replace(folder / f"{name}.npy")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Render accompaniment for training.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    folder = args.work / "backings"
    folder.mkdir(parents=True, exist_ok=True)
    prepare_recordings(args.data, folder)
    paths = song_paths(args.data)
    rng = np.random.default_rng(args.seed)
    # the styles of one accompaniment program are two thirds of the songs: take them in turn with all others
    styles = [path for path in paths if path.parent.name == "mma" or "mma" in path.parts]
    others = [path for path in paths if path not in set(styles)]
    turns = [[group[i] for i in rng.permutation(len(group))] for group in (others, styles) if group]
    for index in range(args.count if turns else 0):
        turn = turns[index % len(turns)]
        path = turn[index // len(turns) % len(turn)]
        name = f"{index:04d}"
        if (folder / f"{name}.npy").exists():
            continue
        try:
            made = render(path, f"{path.parent.name}/{path.stem}", np.random.default_rng((args.seed, index)))
        except (subprocess.SubprocessError, OSError, ValueError, KeyError, IndexError, EOFError) as error:
            print(f"{path.name}: {error}", flush=True)
            continue
        if made is not None:
            _write(folder, name, *made)
            print(name, made[1].song, made[1].split, len(made[1].notes), flush=True)


if __name__ == "__main__":
    main()
