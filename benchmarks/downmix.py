"""Do the two sides of a recording cancel? The same song inverted, one-sided, and with one side late; a table.

    python -m benchmarks.downmix [RECORDING ...] [--seconds 60]

Without recordings the grooves of :mod:`benchmarks.rendered` are played at 104 BPM. Printed: F (14 drums, 50 ms) between
the hits of the recording as it is and of each variant, and how many hits there are. The late side's hits may lie
anywhere between the two sides, so its times are compared after taking off the median difference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rendered import FONTS, GROOVES, RATE, f_measure, hear, pairs, play, strokes
from drumscribe.audio import decode, from_samples
from drumscribe.settings import get_settings

Samples = NDArray[np.float32]


def late(samples: Samples, milliseconds: float) -> Samples:
    """The right side later."""
    shift = round(milliseconds * RATE / 1000)
    return np.stack([np.pad(samples[0], (0, shift)), np.pad(samples[1], (shift, 0))])


VARIANTS: dict[str, Callable[[Samples], Samples]] = {
    "right side inverted": lambda x: x * np.array([[1], [-1]], np.float32),
    "left side only": lambda x: x * np.array([[1], [0]], np.float32),
    "right side only": lambda x: x * np.array([[0], [1]], np.float32),
    "right side inverted, 6 dB softer": lambda x: x * np.array([[1], [-0.5]], np.float32),
    **{f"right side {ms} ms late": lambda x, ms=ms: late(x, ms) for ms in (1, 2, 5, 10, 20)},  # type: ignore[misc]
}


def compared(plain: list[tuple[float, str]], other: list[tuple[float, str]]) -> float:
    """F between two hearings, the median difference of their times taken off."""
    times = np.array([t for t, _ in plain])
    moves = [times[np.argmin(np.abs(times - t))] - t for t, _ in other] if len(times) else []
    move = float(np.median(moves)) if len(moves) else 0.0
    return f_measure(plain, [(t + move, drum) for t, drum in other])


def main() -> None:
    parser = argparse.ArgumentParser(description="Hits of recordings whose sides cancel.")
    parser.add_argument("recordings", type=Path, nargs="*")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--font", type=Path, default=FONTS / "FluidR3_GM.sf2")
    args = parser.parse_args()
    settings = get_settings()
    songs: list[Samples] = []
    for path in args.recordings:
        samples = decode(path, settings=settings, on_progress=None, cancel=None).samples
        songs.append(np.broadcast_to(samples, (2, samples.shape[1]))[:, : int(args.seconds * RATE)])
    if not songs:
        songs = [play(strokes(groove, 104, 6), args.font) for groove in GROOVES]
    plain = [pairs(hear(song)) for song in songs]
    print(f"{len(songs)} recordings, {sum(map(len, plain))} hits as they are\n{'':34s}mean F  worst F   hits")
    for name, change in VARIANTS.items():
        heard = [pairs(hear(from_samples(change(song), RATE, settings=settings).samples)) for song in songs]
        scores = [compared(a, b) for a, b in zip(plain, heard, strict=True)]
        print(f"{name:34s}{np.mean(scores):6.3f} {min(scores):8.3f} {sum(map(len, heard)):6d}", flush=True)


if __name__ == "__main__":
    main()
