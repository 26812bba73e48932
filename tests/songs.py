"""Songs for tests that run the pipeline: played by the packaged kit, so the network hears real drums."""

from __future__ import annotations

from pathlib import Path

import media
import numpy as np

from drumscribe.audio.synth import render
from drumscribe.types import Hit

BEAT_S = 0.5


def beat(bars: int = 4) -> list[Hit]:
    """Kick on 1 and 3, snare on 2 and 4, closed hi-hat in eighths, at 120 BPM, beginning at 0.5 s."""
    hits = []
    for pulse in range(4 * bars):
        time_s = 0.5 + pulse * BEAT_S
        hits.append(("kick" if pulse % 2 == 0 else "snare", time_s, 100))
        hits += [("closed_hihat", time_s, 90), ("closed_hihat", time_s + BEAT_S / 2, 70)]
    return [Hit(index, time_s, drum, 1.0, velocity) for index, (drum, time_s, velocity) in enumerate(hits)]


def song(path: Path, bars: int = 4, times: int = 1) -> Path:
    """Write ``bars`` bars of :func:`beat` as 16-bit WAV, ``times`` over."""
    samples = render(beat(bars), 0.5 + bars * 4 * BEAT_S)
    path.write_bytes(media.wav_bytes(np.tile(samples, times)))
    return path


def another(whole: bytes, number: int) -> bytes:
    """The WAV file ``whole`` with ``number`` ticks of silence at its end: another recording of the same music.

    A tick is a frame of the stereo samples: half of one would be dropped, and two songs be one to the cache.
    """
    data = whole[44:] + bytes(4 * number)
    sizes = [size.to_bytes(4, "little") for size in (len(data) + 36, len(data))]
    return whole[:4] + sizes[0] + whole[8:40] + sizes[1] + data
