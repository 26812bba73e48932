"""Blocks of samples of any rate and kind become one array at 44.1 kHz, checked at the end.

The samples of a file go to a temporary file, which is mapped: a recording of an hour takes no more memory than one of
a minute.

What is wrong with the sound itself (silence, too short, too long, not numbers) is told apart here; what is wrong with
the file, in ``decoding``.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from drumscribe.audio import sides
from drumscribe.errors import EmptyAudioError, NotAudioError, SilentAudioError, TooLongError
from drumscribe.mapped import blocks
from drumscribe.settings import Settings
from drumscribe.storage.writing import storing
from drumscribe.types import Audio, FloatArray

SAMPLE_RATE = 44100
"""Every stage works at this rate (Hz)."""

MIN_DURATION_S = 0.25
"""Shorter than this, nothing can be said about beats, and hardly about a single hit."""
SILENCE = 1e-4
"""Peak-to-peak amplitude (about -80 dB full scale) under which a recording counts as silent."""
LONG_S = 3600.0
"""From here on the user is told that it will take a while."""

EXPORT_AGAIN = "Export it again, for example as WAV, FLAC or MP3."


def as_float(samples: NDArray[Any], *, planar: bool = False) -> FloatArray:
    """``(channels, n)`` float32 of any real array; integers are scaled to ±1 (unsigned 8-bit is centred on 128)."""
    if samples.dtype.kind not in "iuf" or samples.ndim not in (1, 2):
        raise NotAudioError(
            f"An array of {samples.dtype} with {samples.ndim} dimensions is not audio.",
            "Give one or two channels of real numbers.",
        )
    if samples.ndim == 1:
        samples = samples[np.newaxis]
    if not planar and samples.shape[0] > samples.shape[1]:
        samples = samples.T
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return samples.astype(np.float32, copy=False)
    full = 2.0 ** (8 * samples.dtype.itemsize - 1)
    exact: NDArray[Any] = samples.astype(np.float64 if full > 2**23 else np.float32)
    exact -= full if samples.dtype.kind == "u" else 0.0
    exact /= full
    return exact.astype(np.float32, copy=False)


def check_rate(rate: float) -> None:
    """Raises NotAudioError for a rate in Hz that no recording has."""
    if not 1000 <= rate <= 768_000:
        raise NotAudioError(f"A sample rate of {rate:g} Hz is not usable.", "Export it at 44.1 or 48 kHz.")


class Collector:
    """Resamples blocks to 44.1 kHz and lays them one after the other, the channels interleaved.

    Args:
        limit_s: where a recording is refused as too long; may be infinite.
        place: where the samples lie: a file that is open for reading and writing, or a folder, in a file without a name
            that goes with the last array on it; by default in memory.

    Raises:
        StorageError: the folder cannot be written, or the disk is full (then also later).
    """

    def __init__(self, limit_s: float, place: Path | BinaryIO | None = None) -> None:
        self._limit = limit_s * SAMPLE_RATE
        with storing("The recording"):
            if isinstance(place, Path):
                place = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 - it goes with the last array on it
            self._file: Any = place or io.BytesIO()
        self._channels = 0
        self._length = 0
        self._resampler: Any = None
        self._rate = 0
        self._mended = 0
        self._rates: list[int] = []
        self._missing_s = 0.0
        self._warnings: list[str] = []

    @property
    def seconds(self) -> float:
        """How much has come."""
        return self._length / SAMPLE_RATE

    def push(self, block: FloatArray, rate: int) -> None:
        """Append ``(channels, n)`` samples at ``rate``; the first block decides the number of channels."""
        channels = self._channels = self._channels or min(2, block.shape[0])
        if block.shape[0] != channels:  # changes in the middle of some broadcasts
            block = block[:channels] if block.shape[0] > channels else np.repeat(block[:1], channels, axis=0)
        finite = np.isfinite(block)
        if not finite.all():
            self._mended += int(block.size - finite.sum())
            block = np.where(finite, block, np.float32(0))
        if rate != self._rate:
            self._flush()
            self._start(rate, channels)
        if self._resampler is not None:
            block = self._resampler.resample_chunk(np.ascontiguousarray(block.T)).T
        self._append(block)

    def warn(self, sentence: str) -> None:
        """Tell the user about something that was mended."""
        self._warnings.append(sentence)

    def push_silence(self, seconds: float) -> None:
        """Stand in for what could not be decoded; not at the very beginning."""
        self._missing_s += seconds
        self.push(np.zeros((self._channels, round(seconds * self._rate)), np.float32), self._rate)

    def _start(self, rate: int, channels: int) -> None:
        import soxr

        check_rate(rate)
        self._rate = rate
        self._rates.append(rate)
        self._resampler = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, channels, "float32")

    def _flush(self) -> None:
        if self._resampler is not None:
            self._append(self._resampler.resample_chunk(np.empty((0, self._channels), np.float32), last=True).T)
            self._resampler = None

    def _append(self, block: FloatArray) -> None:
        end = self._length + block.shape[1]
        if end > self._limit + 1:  # one sample of grace for rounding in the resampler
            raise _longer_than(self._limit / SAMPLE_RATE)
        with storing("The recording"):
            self._file.write(np.ascontiguousarray(block.T).data)
        self._length = end

    def _samples(self) -> FloatArray:
        """All that came, ``(channels, n)``, writable; what is written goes to the file."""
        with storing("The recording"):
            self._file.flush()
            memory = isinstance(self._file, io.BytesIO)
            data = self._file.getbuffer() if memory else mmap.mmap(self._file.fileno(), 0)
        return np.frombuffer(data, np.float32).reshape(-1, self._channels).T

    def finish(self, *, title: str, artist: str, origin: str) -> Audio:
        """Check what came and wrap it. Raises NotAudioError, EmptyAudioError or SilentAudioError."""
        self._flush()
        if self._length < MIN_DURATION_S * SAMPLE_RATE:
            raise EmptyAudioError(
                f"The recording lasts {self.seconds:.2f} s, too short to hold a rhythm.",
                "Give one of a few seconds or more.",
            )
        samples = self._samples()
        warnings = self._warnings
        if self.seconds > LONG_S:
            warnings.append(f"The recording lasts {_clock(self.seconds)}: separation and beats take a while.")
        if self._mended > samples.size / 2:
            raise NotAudioError("Most of the samples are not numbers (NaN).", EXPORT_AGAIN)
        if self._mended:
            warnings.append(f"{self._mended} samples were not numbers (NaN) and were replaced by silence.")
        if self._missing_s:
            warnings.append(f"{self._missing_s:.2f} s of the file are damaged or missing and were replaced by silence.")
        extremes = [(float(block.min()), float(block.max())) for block in blocks(samples, written=True)]
        low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
        if high - low < SILENCE:
            raise SilentAudioError("The recording is silent.", "Check the source and the recording level.")
        if (peak := max(high, -low)) > 8:  # far outside ±1: integers saved as floats
            for block in blocks(samples, written=True):
                block /= np.float32(peak)
            warnings.append("The level was far above full scale and was brought down.")
        if min(self._rates) < 22_050:
            warnings.append(
                f"The recording has a low sample rate ({min(self._rates)} Hz): cymbals and hi-hats may be missed."
            )
        if mended := sides.mend(samples):
            warnings.append(mended)
        samples.flags.writeable = False
        return Audio(samples, SAMPLE_RATE, digest(samples), title, artist, origin, tuple(warnings))


def digest(samples: FloatArray) -> str:
    """What identifies ``(channels, n)`` samples: SHA-256 in hex."""
    found = hashlib.sha256(f"{samples.shape[0]}x{samples.shape[1]}@{SAMPLE_RATE}".encode())
    for block in blocks(samples):
        found.update(block.T.data)
    return found.hexdigest()


def too_long(seconds: float, settings: Settings) -> TooLongError:
    """The error for a recording known to last ``seconds``."""
    limit = settings.longest_s
    return TooLongError(
        f"The recording lasts {_clock(seconds)}; the limit is {_clock(limit)}.",
        f"Cut it to {_clock(limit)}, or raise MAX_DURATION_S.",
    )


def _longer_than(limit_s: float) -> TooLongError:
    return TooLongError(
        f"The recording lasts longer than the limit of {_clock(limit_s)}.",
        f"Cut it to {_clock(limit_s)}, or raise MAX_DURATION_S.",
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} h" if minutes >= 60 else f"{minutes}:{rest:02d} min"
