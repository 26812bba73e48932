"""Running the hit network over a recording of any length in bounded memory.

Blocks of frames of one size overlap by the network's reach, so their seams change nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from drumscribe.errors import Cancelled, DetectionError
from drumscribe.hits.card import card_of, default_card
from drumscribe.hits.engines import Run, load
from drumscribe.hits.features import FPS, HOP, SAMPLE_RATE, frame_count, level, log_mel
from drumscribe.hits.repetition import revise
from drumscribe.kit import LABELS
from drumscribe.runtime import cores
from drumscribe.settings import Settings, get_settings
from drumscribe.types import Activations, CancelToken, FloatArray, OnFraction, Stem
from drumscribe.weights import registry

BLOCK = 2048
"""Frames of output per run of the network."""
CONTEXT = 268
"""Frames of input before and after them: at least the network's reach, and a multiple of its pooling."""


def run_blocks(
    run: Run,
    samples: FloatArray,
    *,
    gain: float = 1.0,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> tuple[FloatArray, FloatArray, NDArray[np.float16]]:
    """Run the network over a mono recording; see :class:`~drumscribe.types.Activations` for the results.

    Raises:
        Cancelled: when ``cancel`` is set.
    """
    frames = frame_count(len(samples))
    onset = np.empty((frames, len(LABELS)), dtype=np.float32)
    velocity = np.empty_like(onset)
    embedding: NDArray[np.float16] | None = None
    for start in range(0, frames, BLOCK):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Stopped while listening for hits.")
        if on_progress is not None:
            on_progress(start / frames, "Listening for hits")
        low = max(0, (start - CONTEXT) * HOP - HOP * 4)
        high = (start + BLOCK + CONTEXT) * HOP + HOP * 4
        part = samples[low:high] * np.float32(gain)
        features = log_mel(part, start - CONTEXT - low // HOP, BLOCK + 2 * CONTEXT)
        count = min(BLOCK, frames - start)
        inside = slice(CONTEXT, CONTEXT + count)
        heads = run(features)
        onset[start : start + count] = heads[0][inside]
        velocity[start : start + count] = heads[1][inside]
        if embedding is None:
            embedding = np.empty((frames, heads[2].shape[-1]), dtype=np.float16)
        embedding[start : start + count] = heads[2][inside]
    if on_progress is not None:
        on_progress(1.0, "Listening for hits")
    assert embedding is not None  # there is always a frame
    return onset, velocity, embedding


def chosen(settings: Settings, *, cancel: CancelToken | None = None) -> tuple[Path, str]:
    """File and title of the model that ``settings`` choose, fetched if need be.

    Raises:
        WeightsUnavailableError, ChecksumError: the model cannot be had.
        Cancelled: when ``cancel`` is set.
    """
    path = registry.resolve("hits", settings, on_progress=None, cancel=cancel)
    return path, path.stem if settings.model_uri else default_card().title


def activations(
    stem: Stem,
    *,
    settings: Settings | None = None,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> Activations:
    """Listen to a stem.

    Args:
        stem: what :func:`drumscribe.audio.separation.separate` gave, 44.1 kHz.
        settings: ``model_uri`` chooses the model, ``threads`` how many cores.
        on_progress: told the fraction done.
        cancel: looked at before every block (20 s of music).

    Returns:
        Activations at 100 frames a second whose values are calibrated: of peaks of height 0.8, four in five are hits.

    Raises:
        BadWeightsError, WeightsUnavailableError, ChecksumError: the model cannot be had.
        DetectionError: the stem is empty, of another rate, or holds values that are not numbers.
        Cancelled: when ``cancel`` is set.
    """
    settings = settings or get_settings()
    if stem.sample_rate != SAMPLE_RATE:
        raise DetectionError(f"The hit model listens at {SAMPLE_RATE} Hz, not {stem.sample_rate} Hz.",
                             "Load the recording with drumscribe.audio.decode, which resamples it.")  # fmt: skip
    one = len(stem.samples) == 1  # then without a copy
    mono = np.ascontiguousarray(stem.samples[0] if one else stem.samples.mean(axis=0, dtype=np.float32))
    if not len(mono) or not np.isfinite(mono).all():
        raise DetectionError("The stem is empty or holds values that are not numbers.",
                             "Load the recording with drumscribe.audio.decode, which checks it.")  # fmt: skip
    path, title = chosen(settings, cancel=cancel)
    run = load(path, settings.threads, BLOCK + 2 * CONTEXT, path.stat().st_mtime_ns)
    with fft.set_workers(settings.threads or cores()):
        onset, velocity, embedding = run_blocks(run, mono, gain=level(mono), on_progress=on_progress, cancel=cancel)
    weights = card_of(title).repetition
    if weights is not None:
        onset = revise(onset, weights)
    return Activations(onset, velocity, embedding, LABELS, float(FPS), title)
