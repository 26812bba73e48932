"""What lossy coding changes: the hits of recordings as they are, and after AAC, WMA, Opus, MP3 and Vorbis; a table.

    python -m benchmarks.codecs [RECORDING ...] [--rates 128] [--seconds 60]

Without recordings the grooves of :mod:`benchmarks.rendered` are played at 104 BPM. Each codec's file is opened as the
product opens it. Printed: F at 50 ms between the two hearings (7 classes, 14 drums), after the median difference of
their times is taken off (codecs begin late), and strokes of the hi-hat foot.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.rendered import FONTS, GROOVES, RATE, f_measure, hear, pairs, play, strokes
from drumscribe.audio import decode
from drumscribe.settings import get_settings
from training.codecs import CODECS, encode

SUFFIX = {"aac": ".m4a", "mp3": ".mp3", "opus": ".opus", "wma": ".wma", "vorbis": ".ogg"}
Samples = NDArray[np.float32]


def opened(path: Path) -> Samples:
    """Two channels at 44.1 kHz, as the product reads a file."""
    samples = decode(path, settings=get_settings(), on_progress=None, cancel=None).samples
    return np.ascontiguousarray(np.broadcast_to(samples, (2, samples.shape[1])))


def coded(samples: Samples, name: str, kbit: int, folder: Path) -> Samples:
    """What the product hears of a coded file."""
    path = folder / f"song{SUFFIX[name]}"
    samples = samples / max(1.0, 1.02 * float(np.abs(samples).max()))
    if name == "vorbis":
        quality = float(np.interp(kbit, (48, 192), (1.0, 0.4)))
        soundfile.write(path, samples.T, RATE, format="OGG", subtype="VORBIS", compression_level=quality)
    else:
        rate = CODECS[name][2]
        encode(soxr.resample(samples.T, RATE, rate).T if rate != RATE else samples, name, kbit * 1000, str(path))
    return opened(path)


def aligned(plain: list[tuple[float, str]], other: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """``other`` with the median difference to the nearest stroke of ``plain`` taken off."""
    times = np.array([t for t, _ in plain])
    if not len(times) or not other:
        return other
    move = float(np.median([times[np.argmin(np.abs(times - t))] - t for t, _ in other]))
    return [(t + move, drum) for t, drum in other]


def main() -> None:
    parser = argparse.ArgumentParser(description="Hits through lossy codecs against lossless ones.")
    parser.add_argument("recordings", type=Path, nargs="*")
    parser.add_argument("--rates", type=int, nargs="+", default=[128], help="kbit/s")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--font", type=Path, default=FONTS / "FluidR3_GM.sf2")
    args = parser.parse_args()
    songs = [opened(path)[:, : int(args.seconds * RATE)] for path in args.recordings]
    if not songs:
        songs = [play(strokes(groove, 104, 6), args.font) for groove in GROOVES]
    plain = [pairs(hear(song)) for song in songs]
    feet = sum(drum == "pedal_hihat" for hits in plain for _, drum in hits)
    print(f"{len(songs)} recordings, {sum(map(len, plain))} hits, {feet} of the foot")
    print(f"{'codec':8s} kbit/s  F7 mean  worst  F14 mean  worst   feet")
    with tempfile.TemporaryDirectory() as folder:
        for name in SUFFIX:
            for kbit in args.rates:
                heard = [pairs(hear(coded(song, name, kbit, Path(folder)))) for song in songs]
                heard = [aligned(a, b) for a, b in zip(plain, heard, strict=True)]
                f7, f14 = ([f_measure(a, b, vocab) for a, b in zip(plain, heard, strict=True)] for vocab in (7, 14))
                feet = sum(drum == "pedal_hihat" for hits in heard for _, drum in hits)
                print(f"{name:8s} {kbit:6d} {np.mean(f7):8.3f} {min(f7):6.3f} {np.mean(f14):9.3f} {min(f14):6.3f} "
                      f"{feet:6d}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
