"""Running the hit network over a recording of any length in bounded memory.

Blocks of frames of one size overlap by the network's reach, so their seams change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drumscribe.anchor import anchor
from drumscribe.errors import Cancelled, DetectionError
from drumscribe.hits import loudness
from drumscribe.hits.card import ASIDE, FOLDER, card_of, default_card
from drumscribe.hits.engines import Run, load
from drumscribe.hits.features import FPS, HOP, SAMPLE_RATE, frame_count, level, log_mel
from drumscribe.hits.repetition import revise
from drumscribe.hits.speeds import Mean, at_original_times, length, peaks_at_original_times, recalibrated
from drumscribe.kit import LABELS
from drumscribe.mapped import Mono, blocks
from drumscribe.options import SPEEDS
from drumscribe.settings import Settings, get_settings
from drumscribe.types import Activations, CancelToken, FloatArray, OnFraction, Stem
from drumscribe.weights import registry

BLOCK = 2048
"""Frames of output per run of the network."""
CONTEXT = 268
"""Frames of input before and after them: at least the network's reach, and a multiple of its pooling."""
POOL = 4
"""Frames that the network pools: recordings that begin elsewhere among them are heard otherwise."""


@dataclass(frozen=True, slots=True)
class Listening:
    """How blocks are heard.

    Attributes:
        load: gives the network for :data:`BLOCK` frames and their context; asked for each speed, so that of several
            networks one is in memory.
        aside: likewise another one for speeds other than 100 %; ``None``: the same.
        on_progress: told the fraction done.
        cancel: looked at before every block.
    """

    load: Callable[[], Run]
    on_progress: OnFraction | None = None
    cancel: CancelToken | None = None
    aside: Callable[[], Run] | None = None

    def report(self, fraction: float) -> None:
        """Pass progress on. Raises Cancelled."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("Stopped while listening for hits.")
        if self.on_progress is not None:
            self.on_progress(fraction, "Listening for hits")


@dataclass(frozen=True, slots=True)
class Part:
    """Of all listening: the fraction that lies behind, and the fraction that one run is."""

    done: float = 0.0
    share: float = 1.0


def span(samples: int, speed: int = 100, origin: int = 0) -> tuple[int, int]:
    """Number of the first frame, counted from that on ``origin``, and how many frames there are at a speed."""
    before = -(-origin * 100 // (speed * HOP * POOL)) * POOL
    return -before, before + frame_count(length(samples - origin, speed))


def run_blocks(
    how: Listening,
    samples: FloatArray | Mono,
    speed: int = 100,
    *,
    gain: float = 1.0,
    part: Part | None = None,
    origin: int = 0,
) -> tuple[FloatArray, FloatArray, NDArray[np.float16]]:
    """Run the network over a mono recording; see :class:`~drumscribe.types.Activations` for the results.

    Args:
        how: network, progress.
        samples: ``(n,)`` at 44.1 kHz.
        speed: in per cent, at which it is played; the results are frames of what is played then.
        gain: factor on the samples.
        part: for the progress, where this is one run of several.
        origin: sample on which a frame is centred (:func:`span` tells which).

    Raises:
        Cancelled: when asked to.
    """
    part = part or Part()
    run = (how.load if how.aside is None or speed == 100 else how.aside)()
    first, frames = span(len(samples), speed, origin)
    starts = range(0, frames, BLOCK)
    onset = np.empty((frames, len(LABELS)), dtype=np.float32)
    velocity = np.empty_like(onset)
    embedding: NDArray[np.float16] | None = None

    def features(start: int) -> FloatArray:
        at = first + start - CONTEXT
        return log_mel(samples, at, BLOCK + 2 * CONTEXT, gain=gain, speed=speed, origin=origin)

    with ThreadPoolExecutor(1) as ahead:  # the next block's features are made while the network hears this one
        coming = ahead.submit(features, 0)
        for start in starts:
            how.report(part.done + part.share * start / frames)
            heard = coming.result()
            if start + BLOCK < frames:
                coming = ahead.submit(features, start + BLOCK)
            heads = run(heard)
            count = min(BLOCK, frames - start)
            inside = slice(CONTEXT, CONTEXT + count)
            onset[start : start + count] = heads[0][inside]
            velocity[start : start + count] = heads[1][inside]
            if embedding is None:
                embedding = np.empty((frames, heads[2].shape[-1]), dtype=np.float16)
            embedding[start : start + count] = heads[2][inside]
    how.report(part.done + part.share)
    assert embedding is not None  # there is always a frame
    return onset, velocity, embedding


def hear(
    how: Listening, sounds: Sequence[FloatArray | Mono], speeds: Sequence[int], origin: int = 0
) -> tuple[FloatArray, FloatArray, NDArray[np.float16]]:
    """As :func:`run_blocks`, at several speeds, and in several recordings of the same music, each at its own level.

    What is heard each time is averaged at the original times. The embedding is that of the last recording at the speed
    nearest to 100 %.
    """
    if len(sounds) == 1 and tuple(speeds) == (100,):
        return run_blocks(how, sounds[0], gain=level(sounds[0], origin), origin=origin)
    (first, frames), runs = span(len(sounds[0]), 100, origin), len(sounds) * len(speeds)
    onsets, velocities = Mean(), Mean()
    plainest = min(speeds, key=lambda speed: abs(speed - 100))
    levelled = [(samples, level(samples, origin)) for samples in sounds]
    for number, ((samples, gain), speed) in enumerate(product(levelled, speeds)):
        part = Part(number / runs, 1 / runs)
        onset, velocity, sound = run_blocks(how, samples, speed, gain=gain, part=part, origin=origin)
        firsts = (span(len(samples), speed, origin)[0], first)
        onsets.add(peaks_at_original_times(onset, speed, frames, firsts))
        velocities.add(at_original_times(velocity, speed, frames, firsts))
        if speed == plainest:
            embedding = at_original_times(sound, speed, frames, firsts)
        del onset, velocity, sound  # of an hour 55 MB, while the next run makes its own
    return onsets.probabilities(), velocities.probabilities(), embedding


def chosen(settings: Settings, *, cancel: CancelToken | None = None) -> tuple[Path, str]:
    """File and title of the model that ``settings`` choose, fetched if need be.

    Raises:
        WeightsUnavailableError, ChecksumError: the model cannot be had.
        Cancelled: when ``cancel`` is set.
    """
    path = registry.resolve("hits", settings, on_progress=None, cancel=cancel)
    return path, path.stem if settings.model_uri else default_card().title


def _loader(path: Path, settings: Settings) -> Callable[[], Run]:
    return partial(load, path, settings.threads, BLOCK + 2 * CONTEXT, path.stat().st_mtime_ns)


def _mono(samples: FloatArray) -> Mono:
    if not samples.shape[1] or not all(np.isfinite(block).all() for block in blocks(samples)):
        raise DetectionError("The stem is empty or holds values that are not numbers.",
                             "Load the recording with drumscribe.audio.decode, which checks it.")  # fmt: skip
    return Mono(samples)


def activations(
    stem: Stem,
    mix: FloatArray | None = None,
    *,
    speeds: Sequence[int] = SPEEDS,
    settings: Settings | None = None,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> Activations:
    """Listen to a stem.

    Args:
        stem: what :func:`drumscribe.audio.separation.separate` gave, 44.1 kHz.
        mix: the whole recording, ``(channels, n)`` at 44.1 kHz, to be heard as well; what is heard in both is averaged.
        speeds: in per cent, at which it is heard.
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
    sounds = [_mono(samples) for samples in (stem.samples, mix) if samples is not None]
    path, title = chosen(settings, cancel=cancel)
    how = Listening(_loader(path, settings), on_progress, cancel)
    if path.parent == FOLDER and set(speeds) != {100}:
        how = replace(how, aside=_loader(path.with_stem(ASIDE), settings))
    origin = anchor(sounds[-1])
    onset, velocity, embedding = hear(how, sounds, speeds, origin)
    card = card_of(title)
    if card.speeds is not None and len(speeds) > 1:
        onset = recalibrated(onset, *([by[label] for label in LABELS] for by in (card.speeds.scale, card.speeds.shift)))
    if card.repetition is not None:
        onset = revise(onset, card.repetition)
    start_s = (origin + span(len(sounds[0]), 100, origin)[0] * HOP) / SAMPLE_RATE
    if card.loudness:
        weights = {LABELS.index(label): own for label, own in card.loudness.items()}
        velocity = loudness.revise(velocity, onset, sounds[0], start_s, weights)
    return Activations(onset, velocity, embedding, LABELS, float(FPS), title, start_s)
