"""Drum kits out of General MIDI soundfonts: every drum of every kit preset, played softly, firmly, and loudly.

One-shot libraries hold few splashes, chinas, ride bells, and middle toms; each General MIDI kit has them all. Presets
of a font share samples, so a sound that an earlier preset had is left out, and a font is one family of the split.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile
from numpy.typing import NDArray

from training.sounds import GM_DRUMS, PERCUSSION, RATE, Kit, Sounds

FONTS: dict[str, tuple[str, ...]] = {
    # MuseScore General grew out of Fluid R3: one family
    "fluid_gm": ("sf2/FluidR3_GM.sf2", "sf3/MuseScore_General_Full.sf3"),
    # these two share more than a third of their samples
    "timgm": ("sf2/TimGM6mb.sf2", "sf2/sf_GMbank.sf2"),
    "opl3": ("sf2/OPL-3_FM_128M.sf2",),
}
"""Files below :data:`ROOT` by family; what is not installed is left out."""
ROOT = Path(os.environ.get("SOUNDFONTS", "/usr/share/sounds"))
_ELECTRONIC = ("electronic", "808", "909", "dance", "techno", "synth", "opl", "house", "power tek")
_PERCUSSION = (39, 54, 56, 58, 60, 61, 62, 63, 64, 69, 70, 75, 82)
_SETS = 48
"""From this program on (GS and GM 2: orchestra 48, effects 56) the keys are not those of a drum kit."""
_VELOCITIES = (40, 85, 125)
_SPACING_S = 2.6


def presets(font: Path) -> dict[int, str]:
    """Drum kits (bank 128) of a soundfont: program number and name, from the font's ``phdr`` records.

    Without orchestra, effect, and marching sets (:data:`_SETS`): timpani lie on the keys of hats, toms, and cymbals.
    """
    data = font.read_bytes()
    at = data.rfind(b"phdr")
    size = struct.unpack_from("<I", data, at + 4)[0]
    found = {}
    for start in range(at + 8, at + 8 + size - 38, 38):
        name, program, bank = struct.unpack_from("<20sHH", data, start)
        if bank == 128 and program < _SETS:
            found[program] = name.split(b"\0")[0].decode("latin-1").strip()
    return dict(sorted(found.items()))


def _play(font: Path, program: int, keys: list[int]) -> NDArray[np.float32]:
    """Every key at every velocity, one after the other, ``(keys * velocities, samples)``, dry."""
    midi = pretty_midi.PrettyMIDI(resolution=960)
    player = pretty_midi.Instrument(program, is_drum=True)
    for i, key in enumerate(keys):
        for j, velocity in enumerate(_VELOCITIES):
            start = (i * len(_VELOCITIES) + j) * _SPACING_S
            player.notes.append(pretty_midi.Note(velocity, key, start + 0.1, start + 0.9 * _SPACING_S))
    midi.instruments.append(player)
    with tempfile.TemporaryDirectory() as folder:
        source, wave = Path(folder) / "kit.mid", Path(folder) / "kit.wav"
        midi.write(str(source))
        subprocess.run(
            ["fluidsynth", "-ni", "-q", "-g", "0.5", "-r", str(RATE), "-o", "synth.dynamic-sample-loading=1",
             "-R", "0", "-C", "0", "-F", str(wave), str(font), str(source)],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        samples, _ = soundfile.read(wave, dtype="float32", always_2d=True)
    length = int(_SPACING_S * RATE)
    count = len(keys) * len(_VELOCITIES)
    x = np.pad(samples.mean(axis=1), (0, max(0, count * length - len(samples))))[: count * length]
    return np.ascontiguousarray(x.reshape(count, length))


def trimmed(x: NDArray[np.float32]) -> tuple[NDArray[np.float16], int] | None:
    """One stroke from 5 ms before its onset (10 % of its peak) to its end, peak 1; ``None`` for silence."""
    peak = float(np.abs(x).max())
    if peak < 1e-4:
        return None
    onset = int(np.argmax(np.abs(x) > 0.1 * peak))
    start = max(0, onset - int(0.005 * RATE))
    x = x[start:] / peak
    x = x[: int(np.flatnonzero(np.abs(x) > 1e-3)[-1]) + 1].copy()
    fade = min(len(x), 2000)
    x[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return x.astype(np.float16), onset - start


def read_soundfont_kits() -> list[Kit]:
    """A :class:`Kit` for each drum preset of the fonts that are installed, without what was heard before."""
    kits = []
    for family, files in FONTS.items():
        seen: set[bytes] = set()
        for font in (ROOT / name for name in files):
            for program, title in presets(font).items() if font.exists() else ():
                electronic = any(word in f"{font.stem} {title}".lower() for word in _ELECTRONIC)
                kit = Kit(f"{font.stem}_{program}", family, "electronic" if electronic else "acoustic (GM)")
                keys = [*GM_DRUMS, *_PERCUSSION]
                strokes = _play(font, program, keys)
                for i, key in enumerate(keys):
                    takes = [trimmed(x) for x in strokes[i * len(_VELOCITIES) : (i + 1) * len(_VELOCITIES)]]
                    layers = [[take] for take in takes if take is not None]
                    mark = b"".join(np.round(take[0][:4000:8], 1).tobytes() for layer in layers for take in layer)
                    if layers and mark not in seen:
                        seen.add(mark)
                        kit.drums.setdefault(GM_DRUMS.get(key, PERCUSSION), []).append(Sounds(layers))
                if kit.drums:
                    kits.append(kit)
    return kits
