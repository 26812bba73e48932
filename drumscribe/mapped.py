"""Recordings that lie in a mapped file: arrays like any other, of which memory holds only the block that is read.

A mapped file's pages count as memory once they were read. Who walks through a recording lets go of what lies behind;
what is wanted again is mapped again. For arrays that lie in memory the same functions do nothing of that.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from drumscribe.types import FloatArray

BLOCK = 2**20
"""Samples in a block."""


def let_go(array: NDArray[Any], *, written: bool = False) -> None:
    """Give the memory of an array in a mapped file back.

    Args:
        written: what was written goes to the file, so an array that may be written to can go as well.
    """
    mapping: Any = array
    while mapping is not None and not isinstance(mapping, mmap.mmap):
        mapping = mapping.obj if isinstance(mapping, memoryview) else getattr(mapping, "base", None)
    if mapping is None or not hasattr(mapping, "madvise") or (array.flags.writeable and not written):
        return
    low, high = (place - np.frombuffer(mapping, np.uint8).ctypes.data for place in byte_bounds(array))
    low, high = -(-low // mmap.PAGESIZE) * mmap.PAGESIZE, high // mmap.PAGESIZE * mmap.PAGESIZE
    if high > low:
        mapping.madvise(mmap.MADV_DONTNEED, low, high - low)


def blocks(samples: FloatArray, *, written: bool = False) -> Iterator[FloatArray]:
    """``(channels, n)`` samples block by block, each let go of when the next one is asked for (see :func:`let_go`)."""
    for start in range(0, samples.shape[1], BLOCK):
        block = samples[:, start : start + BLOCK]
        yield block
        let_go(block, written=written)


class Mono:
    """The mean of the channels of ``(channels, n)`` samples, made slice by slice: looks like an array ``(n,)``.

    >>> Mono(np.array([[0, 1, 2], [2, 3, 4]], np.float32))[1:]
    array([2., 3.], dtype=float32)
    """

    def __init__(self, samples: FloatArray) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return int(self._samples.shape[1])

    def __getitem__(self, part: slice) -> FloatArray:
        read = self._samples[:, part]
        mixed: FloatArray = read.mean(axis=0, dtype=np.float32)
        let_go(read)
        return mixed

    def let_go(self) -> None:
        """Give all memory back: around each short part that is read, the system maps 64 kB."""
        let_go(self._samples)
