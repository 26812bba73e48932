"""The beat through a song: the dynamic Bayesian network of madmom, decoded with hardly any memory.

State space and probabilities are those of F. Krebs, S. Böck, G. Widmer, *An efficient state-space model for joint tempo
and meter tracking*, ISMIR 2015. There a state is a frame of a beat of some length, 5,600 in all, and a plain Viterbi
search keeps a pointer for each of them at each frame: 2 MB a second. But a tempo changes only where a beat begins, and
what is heard within a beat depends on nothing else, so that only the beginnings are searched: 82 at each frame. The
path is the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drumscribe.types import FloatArray

_STEADY = 100.0
"""How much a tempo is held (madmom's transition lambda)."""
_PARTS = 16
"""The first of so many parts of a beat is where it is heard (madmom's observation lambda)."""
_LEAST = 1e-30

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def follow(heard: FloatArray, fps: float, min_bpm: float, max_bpm: float) -> Floats:
    """Return the times of the beats in seconds, ``(n,)``.

    Args:
        heard: ``(frames,)`` probability of a beat.
        fps: frames per second.
        min_bpm: slowest tempo.
        max_bpm: fastest tempo.
    """
    intervals = np.arange(np.round(60.0 * fps / max_bpm), np.round(60.0 * fps / min_bpm) + 1).astype(np.int64)
    edges = -(-intervals // _PARTS)
    peaks = []
    for begin, kind in _beginnings(heard, intervals, edges):
        low, high = max(begin, 0), min(begin + int(edges[kind]), len(heard))
        if low < high:
            peaks.append(low + int(heard[low:high].argmax()))
    return np.array(peaks, dtype=np.float64) / fps


def _beginnings(heard: FloatArray, intervals: Ints, edges: Ints) -> list[tuple[int, int]]:
    """Frame at which each beat of the best path begins (the first perhaps before the song) and index of its length."""
    frames, count = len(heard), len(intervals)
    longest, block = int(intervals[-1]), int(intervals[0])
    beat = _sums(np.log(np.clip(heard.astype(np.float64), _LEAST, None)), longest)
    other = _sums(np.log(np.clip(1.0 - heard.astype(np.float64), _LEAST, None) / (_PARTS - 1)), longest)
    moves = _moves(intervals).T.copy()
    kinds = np.arange(count)
    before = np.zeros((frames, count), np.uint8 if count <= 256 else np.uint16)
    # scores of the beats that begin in the last `longest` frames, then of those in the `block` frames that follow: as
    # no beat is shorter than a block, none of the latter comes after another of them
    score = np.full((longest + block, count), -np.log(intervals.sum()))
    rows = np.arange(block)[:, None] + longest - intervals
    for first in range(0, frames, block):
        size = min(block, frames - first)
        begin = first + rows[:size]
        through = (score[rows[:size], kinds] + _heard(beat, other, begin, edges, intervals))[:, None] + moves
        best = through.argmax(axis=2)
        score[longest : longest + size] = np.take_along_axis(through, best[..., None], axis=2)[..., 0]
        before[first : first + size] = best
        score[:longest] = score[size : size + longest]
    row = np.arange(longest)[:, None]
    last = score[:longest] + _heard(beat, other, frames + row, edges, longest - row)
    last[row < longest - intervals] = -np.inf
    ago, kind = divmod(int(last.argmax()), count)
    path = [(frames - longest + ago, kind)]
    while path[-1][0] >= 0:
        kind = int(before[path[-1]])
        path.append((path[-1][0] - int(intervals[kind]), kind))
    return path[::-1]


def _heard(beat: Floats, other: Floats, begin: Ints, edges: Ints, length: Ints) -> Floats:
    """Log-likelihood of beats of ``length`` frames: its first part heard as a beat, the rest as none."""
    edge = begin + edges
    return np.asarray(beat[edge] - beat[begin] + other[begin + length] - other[edge])


def _sums(values: Floats, pad: int) -> Floats:
    """Sums up to each frame, from ``pad`` frames before the song to as many after it, where nothing is heard."""
    return np.pad(np.concatenate([[0.0], np.cumsum(values)]), pad, mode="edge")


def _moves(intervals: Ints) -> Floats:
    """Log-probability of a beat's length (columns) after another (rows)."""
    chance = np.exp(-_STEADY * np.abs(intervals / intervals[:, None] - 1.0))
    chance[chance <= np.spacing(1)] = 0.0
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(chance / chance.sum(axis=1, keepdims=True)), dtype=np.float64)
