"""Drum one-shots that packages of Debian and npm carry along, under free licences; ``fetch_kits.sh`` fetches them.

Sounds that are already among the kits of ``kits.csv`` or of the soundfonts are not listed (compared by the normalised
cross-correlation of their first 200 ms); nor is what comes with a licence but without saying where its sounds are from.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal

from training.soundfont_kits import trimmed
from training.sounds import PERCUSSION, RATE, Kit, Sounds

_LONGEST_S = 3.0
_RAW = {"format": "RAW", "samplerate": 22050, "channels": 1, "subtype": "PCM_16", "endian": "BIG"}
"""How the Synthesis ToolKit keeps its waves."""


@dataclass(frozen=True, slots=True)
class Source:
    """One kit: files below ``folder`` (patterns of names) by drum label; each file is one instrument."""

    kit: str
    family: str
    kind: str
    package: str
    licence: str
    folder: str
    drums: dict[str, tuple[str, ...]]


SOURCES: tuple[Source, ...] = (
    Source(
        "deep_house", "dwsd_deep_house", "electronic", "npm @teropa/drumkit 1.1.0",
        "CC-BY (DWSD), CC0-1.0 (cymbal: Stomachache, toms: Karman Lyne), README.md", "npm/drumkit/src/assets",
        {"kick": ("kick.mp3",), "snare": ("snare*.mp3",), "closed_hihat": ("hatClosed*.mp3",),
         "open_hihat": ("hatOpen*.mp3",), "ride": ("ride.mp3",), "crash": ("crash.mp3",), "high_tom": ("tomHigh.mp3",),
         "mid_tom": ("tomMid.mp3",), "floor_tom": ("tomLow.mp3",)},
    ),
    Source(
        "sonicpi_more", "sonicpi_electro", "electronic", "npm supersonic-scsynth-samples 0.84.2",
        "CC0-1.0, LICENSE", "npm/supersonic-scsynth-samples/samples",
        {"kick": ("bd_ada.flac", "bd_boom.flac", "bd_chip.flac", "bd_jazz.flac", "bd_mehackit.flac", "bd_sone.flac",
                  "bd_zome.flac", "elec_hollow_kick.flac", "elec_soft_kick.flac"),
         "snare": ("elec_filt_snare.flac",),
         "closed_hihat": ("hat_gem.flac", "hat_gnu.flac", "hat_hier.flac", "hat_mess.flac", "hat_psych.flac",
                          "hat_sci.flac", "hat_star.flac", "hat_yosh.flac", "hat_zan.flac")},
    ),
    Source(
        "chuck_artists", "chuck_artists", "electronic", "Debian chuck-data 1.4.2.0-1", "GPL-2+, debian/copyright",
        "usr/share/doc/chuck-data/examples/book/digital-artists/audio",
        {"kick": ("kick_*.wav",), "snare": ("snare_*.wav",), "closed_hihat": ("hihat_01.wav", "hihat_02.wav"),
         "open_hihat": ("hihat_04.wav",), PERCUSSION: ("clap_01.wav", "cowbell_01.wav", "click_*.wav")},
    ),
    Source(
        "chuck", "chuck", "electronic", "Debian chuck-data 1.4.2.0-1", "GPL-2+, debian/copyright",
        "usr/share/doc/chuck-data/examples/data",
        {"kick": ("kick.wav",), "snare": ("snare*.wav",), "closed_hihat": ("hihat.wav",),
         "open_hihat": ("hihat-open.wav",)},
    ),
    Source(
        "stk", "stk", "acoustic", "Debian stk 4.6.2+dfsg-2", "STK licence (permissive), debian/copyright",
        "usr/share/stk/rawwaves",
        {"kick": ("bassdrum.raw",), "snare": ("snardrum.raw",), "closed_hihat": ("hihatcym.raw",),
         "ride": ("ridecymb.raw",), "crash": ("crashcym.raw",), "high_tom": ("tomhidrm.raw",),
         "mid_tom": ("tommiddr.raw",), "floor_tom": ("tomlowdr.raw",),
         PERCUSSION: ("cowbell1.raw", "tambourn.raw")},
    ),
    Source(
        "scratch", "scratch", "acoustic", "Debian scratch 1.4.0.6~dfsg1-6.1", "CC-BY-SA-3.0, debian/copyright",
        "usr/share/scratch/Media/Sounds/Percussion", {"crash": ("CymbalCrash.wav",)},
    ),
    Source(
        "circ_afrique", "circ_afrique", "percussion", "Debian hydrogen-drumkits 2017.09.19~dfsg-1",
        "CC-BY-SA-3.0 (Jim Harney), drumkit.xml", "usr/share/hydrogen/data/drumkits/circAfrique v4",
        {PERCUSSION: ("*.wav",)},
    ),
)  # fmt: skip


def read_package_kits(folder: Path) -> list[Kit]:
    """A :class:`Kit` for each of :data:`SOURCES` that is found below ``folder``; what is not there is left out."""
    kits = []
    for source in SOURCES:
        kit = Kit(source.kit, source.family, source.kind)
        for label, patterns in source.drums.items():
            paths = [path for pattern in patterns for path in sorted((folder / source.folder).glob(pattern))]
            takes = [trimmed(_read(path)) for path in paths]
            sounds = [Sounds([[take]]) for take in takes if take is not None]
            if sounds:
                kit.drums[label] = sounds
        if kit.drums:
            kits.append(kit)
    return kits


def _read(path: Path) -> NDArray[np.float32]:
    """The sound's beginning, mono at :data:`RATE`."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True, **(_RAW if path.suffix == ".raw" else {}))
    x = samples.mean(axis=1)[: int(_LONGEST_S * rate)]
    common = gcd(RATE, rate)
    return np.asarray(signal.resample_poly(x, RATE // common, rate // common), dtype=np.float32)
