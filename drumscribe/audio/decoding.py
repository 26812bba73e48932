"""Ingest: a file or an array becomes :class:`~drumscribe.types.Audio`, 44.1 kHz float32, one or two channels.

Decoding is PyAV's (FFmpeg), resampling soxr's, both block by block straight into the final array, so that memory is
the decoded audio and little else. Encoder delay and padding are removed where the container states them, so an onset
is where it was recorded. Everything that can be wrong with a recording is told apart here; see the error classes
below :class:`~drumscribe.errors.SourceError`.

>>> tone = np.sin(np.arange(48_000) / 20).astype(np.float32)
>>> audio = from_samples(tone, 48_000, title="Tone")
>>> audio.samples.shape, audio.sample_rate, round(audio.duration_s, 3)
((1, 44100), 44100, 1.0)
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drumscribe.audio.containers import movie_without_index, page_breaks_off, stated_duration
from drumscribe.errors import (
    Cancelled,
    EmptyAudioError,
    NotAudioError,
    SilentAudioError,
    TooLargeError,
    TooLongError,
    TruncatedAudioError,
    UnreadableFileError,
)
from drumscribe.settings import Settings, get_settings
from drumscribe.types import Audio, CancelToken, FloatArray, OnFraction

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

SAMPLE_RATE = 44100
"""Every stage works at this rate (Hz)."""

MIN_DURATION_S = 0.25
"""Shorter than this, nothing can be said about beats, and hardly about a single hit."""
SILENCE = 1e-4
"""Peak-to-peak amplitude (about -80 dB full scale) under which a recording counts as silent."""

FORMATS = "wav,w64,aiff,caf,flac,mp3,aac,mov,mp4,m4a,3gp,3g2,ogg,matroska,webm,asf,avi,wv"
"""FFmpeg demuxers that may read a file. None of them opens a second file or address, as playlists do."""
_GAP_S = (0.02, 10.0)  # time stamps are rounded below this, and restart rather than skip above
_EXPORT_AGAIN = "Export it again, for example as WAV, FLAC or MP3."
_FETCH_AGAIN = "Copy, download or export it again, and try with the whole file."


def decode(
    path: str | Path,
    *,
    settings: Settings | None = None,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> Audio:
    """Decode an audio file, or the first audio track of a video file.

    Args:
        path: a regular file in any of :data:`FORMATS`, any sample rate, any number of channels (more than two are
            mixed down to stereo).

    Returns:
        The whole recording; title and artist from its tags, else the title from the file name.

    Raises:
        UnreadableFileError: missing, not a regular file, or no permission.
        TooLargeError, TooLongError: over the limits of ``settings``; checked before decoding where possible.
        NotAudioError, TruncatedAudioError, EmptyAudioError, SilentAudioError: nothing usable in it.
        Cancelled: ``cancel`` was set.
    """
    settings = settings or get_settings()
    path = Path(path)
    with _open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise EmptyAudioError("The file is empty (0 bytes).", _FETCH_AGAIN)
        limit_mb = settings.max_file_size_mb
        if size > limit_mb * 2**20:
            raise TooLargeError(
                f"The file has {size / 2**20:.0f} MB; the limit is {limit_mb:g} MB.",
                "Compress it (MP3, M4A), cut it, or raise MAX_FILE_SIZE_MB.",
            )
        try:
            return _decode_open(file, size, path.name, settings, on_progress, cancel)
        except OSError as error:  # of the disk or the network share, not of the content
            raise UnreadableFileError(
                f"The file could not be read: {error.strerror or error}.", _FETCH_AGAIN
            ) from error


def from_samples(
    samples: ArrayLike,
    sample_rate: float,
    *,
    title: str = "",
    artist: str = "",
    origin: str = "",
    settings: Settings | None = None,
) -> Audio:
    """Take in samples from a microphone, a DAW, or another library.

    Args:
        samples: ``(n,)``, ``(channels, n)`` or ``(n, channels)`` (the longer axis is time); float within ±1, or
            integers over the whole range of their type.
        sample_rate: in Hz.

    Raises:
        NotAudioError: not an array of real numbers, or mostly NaN.
        TooLongError, EmptyAudioError, SilentAudioError: as in :func:`decode`.
    """
    settings = settings or get_settings()
    block = _as_float(np.asarray(samples))
    _check_rate(sample_rate)
    collector = _Collector(settings.max_duration_s, block.shape[1] / sample_rate)
    step = int(10 * sample_rate)
    for start in range(0, block.shape[1], step):
        collector.push(block[:, start : start + step], int(sample_rate))
    return collector.finish(title=clean_name(title), artist=clean_name(artist), origin=clean_name(origin))


def clean_name(text: str, limit: int = 200) -> str:
    """Make a tag or file name safe to show and to engrave: one line, no control characters, bounded.

    >>> clean_name("Take\\t5\\x00 ")
    'Take 5'
    """
    shown = text.encode("utf-8", "replace").decode("utf-8")
    spaced = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") else char for char in shown)
    return " ".join(unicodedata.normalize("NFC", spaced).split())[:limit].strip()


def _open_regular(path: Path) -> BinaryIO:
    """Open for reading without ever blocking: a named pipe must not hang a worker."""
    name = clean_name(path.name, 80) or "The file"
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise UnreadableFileError(f"“{name}” does not exist.", "Check the name and the folder.") from error
    except PermissionError as error:
        if path.is_dir():  # Windows says so of folders
            raise UnreadableFileError(f"“{name}” is a folder.", "Give the audio file in it.") from error
        raise UnreadableFileError(f"“{name}” may not be read.", "Give yourself permission to read it.") from error
    except (OSError, ValueError) as error:
        long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        what = f"The name “{name}…” is too long." if long else f"“{name}” cannot be opened."
        raise UnreadableFileError(what, "Check the name; a copy under a short, plain name may help.") from error
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise UnreadableFileError(f"“{name}” is a folder.", "Give the audio file in it.")
    raise UnreadableFileError(f"“{name}” is a pipe or a device, not a file.", "Save the recording to a file first.")


class _Bytes:
    """All that the decoder gets to see: bytes, without a name, and without a way to another file."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _decode_open(
    file: BinaryIO,
    size: int,
    name: str,
    settings: Settings,
    on_progress: OnFraction | None,
    cancel: CancelToken | None,
) -> Audio:
    import av

    try:
        container = av.open(
            _Bytes(file),
            "r",
            # Also on the safe side of the demuxers: no protocol at all may be opened from inside the file.
            options={"format_whitelist": FORMATS, "protocol_whitelist": "none"},
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError, OverflowError) as error:
        if movie_without_index(file, size):
            raise TruncatedAudioError("The file ends before its index: part of it is missing.", _FETCH_AGAIN) from error
        raise NotAudioError("The file is not audio in a format that can be read.", _EXPORT_AGAIN) from error
    with container:
        if not container.streams.audio:
            if movie_without_index(file, size):
                raise TruncatedAudioError("The file ends inside its index: most of it is missing.", _FETCH_AGAIN)
            raise NotAudioError("The file has no audio track.", "Choose a file with sound in it.")
        stream = container.streams.audio[0]
        stated = stated_duration(container, stream, file, size)
        if stated and stated > settings.max_duration_s:
            raise too_long(stated, settings)
        collector = _Collector(settings.max_duration_s, stated)
        _read(container, stream, collector, lambda: file.tell() / size, on_progress, cancel)
        tags = {key.lower(): value for source in (container, stream) for key, value in source.metadata.items()}
    _check_complete(collector, stated, file, size)
    return collector.finish(
        title=clean_name(tags.get("title", "")) or clean_name(Path(name).stem.replace("_", " ")),
        artist=clean_name(tags.get("artist", "") or tags.get("album_artist", "")),
        origin=clean_name(name),
    )


def _read(
    container: InputContainer,
    stream: av.AudioStream,
    collector: _Collector,
    position: Any,
    on_progress: OnFraction | None,
    cancel: CancelToken | None,
) -> None:
    """Push every decodable frame of ``stream``; where the time stamps leave a gap, silence, so that time holds."""
    import av

    due_s: float | None = None
    reported = -1.0
    packets = container.demux(stream)
    while True:
        if cancel is not None and cancel.is_set():
            raise Cancelled("Reading the recording was stopped.")
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the container breaks off; what was promised is checked afterwards
            break
        if packet is None:
            break
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            if due_s is not None and frame.time is not None and _GAP_S[0] < frame.time - due_s < _GAP_S[1]:
                collector.push_silence(frame.time - due_s)
            collector.push(_planes(frame), frame.rate)
            due_s = None if frame.time is None else frame.time + frame.samples / frame.rate
        fraction = min(1.0, position())
        if on_progress is not None and fraction - reported >= 0.01:
            reported = fraction
            on_progress(fraction, "Reading the recording")
    if on_progress is not None:
        on_progress(1.0, "Recording read")


def _planes(frame: av.AudioFrame) -> FloatArray:
    """One frame as ``(channels, n)`` float32; surround becomes stereo by FFmpeg's matrix, or mono by the mean."""
    import av

    channels = frame.layout.nb_channels
    known = not frame.layout.name.endswith("channels")  # else the order of the speakers is not stated
    if channels > 2 and known:
        converter = av.AudioResampler(format="fltp", layout="stereo")
        return np.concatenate([part.to_ndarray() for part in converter.resample(frame)], axis=1)
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, channels).T
    planes = _as_float(samples, planar=True)
    return planes.mean(axis=0, keepdims=True, dtype=np.float32) if channels > 2 else planes


def _as_float(samples: NDArray[Any], *, planar: bool = False) -> FloatArray:
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


def _check_rate(rate: float) -> None:
    if not 1000 <= rate <= 768_000:
        raise NotAudioError(f"A sample rate of {rate:g} Hz is not usable.", "Export it at 44.1 or 48 kHz.")


class _Collector:
    """Resamples blocks to 44.1 kHz into one array sized by what the header states (else by the limit).

    Memory that is reserved and not written costs nothing, so the array is generous and never copied.
    """

    def __init__(self, limit_s: float, stated_s: float | None) -> None:
        self._limit = int(limit_s * SAMPLE_RATE)
        expected = self._limit if stated_s is None else min(self._limit, int((stated_s + 1) * SAMPLE_RATE))
        self._capacity = expected + 1
        self._buffer: FloatArray = np.empty((0, 0), np.float32)
        self._length = 0
        self._resampler: Any = None
        self._rate = 0
        self._mended = 0
        self._rates: list[int] = []
        self._missing_s = 0.0

    @property
    def seconds(self) -> float:
        return self._length / SAMPLE_RATE

    def push(self, block: FloatArray, rate: int) -> None:
        """Append ``(channels, n)`` samples at ``rate``; the first block decides the number of channels."""
        if not self._buffer.size:
            self._buffer = np.empty((min(2, block.shape[0]), self._capacity), np.float32)
        channels = self._buffer.shape[0]
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

    def push_silence(self, seconds: float) -> None:
        """Stand in for what could not be decoded; not at the very beginning."""
        self._missing_s += seconds
        self.push(np.zeros((self._buffer.shape[0], round(seconds * self._rate)), np.float32), self._rate)

    def _start(self, rate: int, channels: int) -> None:
        import soxr

        _check_rate(rate)
        self._rate = rate
        self._rates.append(rate)
        self._resampler = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, channels, "float32")

    def _flush(self) -> None:
        if self._resampler is not None:
            self._append(self._resampler.resample_chunk(np.empty((0, self._buffer.shape[0]), np.float32), last=True).T)
            self._resampler = None

    def _append(self, block: FloatArray) -> None:
        end = self._length + block.shape[1]
        if end > self._limit + 1:  # one sample of grace for rounding in the resampler
            raise _longer_than(self._limit / SAMPLE_RATE)
        if end > self._buffer.shape[1]:  # the header stated too little
            grown = np.empty((self._buffer.shape[0], self._limit + 1), np.float32)
            grown[:, : self._length] = self._buffer[:, : self._length]
            self._buffer = grown
        self._buffer[:, self._length : end] = block
        self._length = end

    def finish(self, *, title: str, artist: str, origin: str) -> Audio:
        """Check what came and wrap it. Raises NotAudioError, EmptyAudioError or SilentAudioError."""
        self._flush()
        samples = _packed(self._buffer, self._length)
        if samples.shape[-1] < MIN_DURATION_S * SAMPLE_RATE:
            raise EmptyAudioError(
                f"The recording lasts {self.seconds:.2f} s, too short to hold a rhythm.",
                "Give one of a few seconds or more.",
            )
        warnings = []
        if self._mended > samples.size / 2:
            raise NotAudioError("Most of the samples are not numbers (NaN).", _EXPORT_AGAIN)
        if self._mended:
            warnings.append(f"{self._mended} samples were not numbers (NaN) and were replaced by silence.")
        if self._missing_s:
            warnings.append(f"{self._missing_s:.2f} s of the file are damaged or missing and were replaced by silence.")
        low, high = float(samples.min()), float(samples.max())
        if high - low < SILENCE:
            raise SilentAudioError("The recording is silent.", "Check the source and the recording level.")
        if (peak := max(high, -low)) > 8:  # far outside ±1: integers saved as floats
            samples /= np.float32(peak)
            warnings.append("The level was far above full scale and was brought down.")
        if min(self._rates) < 22_050:
            warnings.append(
                f"The recording has a low sample rate ({min(self._rates)} Hz): cymbals and hi-hats may be missed."
            )
        digest = hashlib.sha256(f"{samples.shape[0]}x{samples.shape[1]}@{SAMPLE_RATE}".encode())
        digest.update(samples.data)
        samples.flags.writeable = False
        return Audio(samples, SAMPLE_RATE, digest.hexdigest(), title, artist, origin, tuple(warnings))


def _packed(buffer: FloatArray, length: int) -> FloatArray:
    """The first ``length`` columns as a contiguous array within the same memory (rows move down, block by block)."""
    channels, capacity = buffer.shape
    flat = buffer.reshape(-1)
    for channel in range(1, channels):
        for start in range(0, length, 1 << 16):
            count = min(1 << 16, length - start)
            source = channel * capacity + start
            flat[channel * length + start : channel * length + start + count] = flat[source : source + count]
    return flat[: channels * length].reshape(channels, length)


def _check_complete(collector: _Collector, stated: float | None, file: BinaryIO, size: int) -> None:
    """Raise TruncatedAudioError if less came than the header states (0.25 s or 1 % of slack), or a page is cut."""
    file.seek(0)
    is_ogg = file.read(4) == b"OggS"
    if is_ogg and page_breaks_off(file, size):
        raise TruncatedAudioError("The file ends in the middle: part of it is missing.", _FETCH_AGAIN)
    if stated is not None and not is_ogg and stated - collector.seconds > max(0.25, 0.01 * stated):
        raise TruncatedAudioError(
            f"Only {collector.seconds:.1f} s of the {stated:.1f} s that the file should last can be read.", _FETCH_AGAIN
        )


def too_long(seconds: float, settings: Settings) -> TooLongError:
    """The error for a recording known to last ``seconds``."""
    limit = settings.max_duration_s
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
