"""Where a recording's frames are counted from, so that it does not matter where the file begins.

A network that takes every 441st sample, and every fourth frame of these, hears other samples as soon as there is
silence in front of a song, and doubtful strokes come and go with it. A position that moves with the sound makes the
whole exact under shifts (A. Chaman and I. Dokmanić, *Truly shift-invariant convolutional neural networks*, CVPR 2021,
choose the strongest of a layer's phases; here it is the strongest attack of the recording).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drumscribe.mapped import Mono
from drumscribe.types import FloatArray

_WIDTH = 441  # samples, 10 ms
_BLOCK = 2**18
_AS_STRONG = 0.99  # copies of one stroke differ by rounding: of attacks as strong as this the first counts


def anchor(samples: FloatArray | Mono) -> int:
    """The sample at which the strongest attack lies: 10 ms from it hold most more energy than the 10 ms before it.

    Args:
        samples: ``(n,)`` mono at 44.1 kHz, read block by block.

    Returns:
        Its index, which is ``d`` more where there are ``d`` more samples of silence in front; 0 where all is silent.
    """
    starts = range(0, len(samples), _BLOCK)
    highest = [float(_rises(samples, start)[:_BLOCK].max()) for start in starts]
    strongest = max(highest, default=0.0)
    if strongest <= 0:
        return 0
    start = next(at for at, height in zip(starts, highest, strict=True) if height >= _AS_STRONG * strongest)
    rises = _rises(samples, start)
    first = int(np.flatnonzero(rises[:_BLOCK] >= _AS_STRONG * strongest)[0])
    return start + first + int(rises[first : first + _WIDTH].argmax())


def _rises(samples: FloatArray | Mono, start: int) -> NDArray[np.float64]:
    """How much energy rises at each sample of the block from ``start``, and at the first few of the next."""
    low, high = max(0, start - _WIDTH), start + _BLOCK + 2 * _WIDTH
    heard = samples[low:high]
    energy = np.zeros(1 + _BLOCK + 3 * _WIDTH)  # up to each sample from ``start - _WIDTH``; silence beyond the ends
    first = 1 + low - (start - _WIDTH)
    np.cumsum(np.square(heard), dtype=np.float64, out=energy[first : first + len(heard)])
    energy[first + len(heard) :] = energy[first + len(heard) - 1]
    return energy[2 * _WIDTH :] - 2 * energy[_WIDTH:-_WIDTH] + energy[: -2 * _WIDTH]
