"""Ingest: a file or an array becomes :class:`~drumscribe.types.Audio`, 44.1 kHz float32, one or two channels.

Decoding is PyAV's (FFmpeg), resampling soxr's, both block by block into a temporary file, which is mapped, so that
memory does not grow with the recording. Encoder delay and padding are removed where the container states them, so an
onset is where it was recorded. Everything that can be wrong with a recording is told apart here; see the error classes
below :class:`~drumscribe.errors.SourceError`.

>>> tone = np.sin(np.arange(48_000) / 20).astype(np.float32)
>>> audio = from_samples(tone, 48_000, title="Tone")
>>> audio.samples.shape, audio.sample_rate, round(audio.duration_s, 3)
((1, 44100), 44100, 1.0)
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import stat
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from drumscribe.audio import boxed
from drumscribe.audio.collector import EXPORT_AGAIN, Collector, as_float, check_rate, digest, too_long
from drumscribe.audio.collector import SAMPLE_RATE as SAMPLE_RATE
from drumscribe.audio.containers import movie_without_index, page_breaks_off, stated_duration
from drumscribe.errors import (
    Cancelled,
    DecoderDiedError,
    EmptyAudioError,
    NotAudioError,
    TooLargeError,
    TruncatedAudioError,
    UnreadableFileError,
)
from drumscribe.settings import Settings, get_settings
from drumscribe.storage.writing import storing
from drumscribe.types import Audio, CancelToken, FloatArray, OnFraction

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

FORMATS = "wav,w64,aiff,caf,flac,mp3,aac,mov,mp4,m4a,3gp,3g2,ogg,matroska,webm,asf,avi,wv"
"""FFmpeg demuxers that may read a file. None of them opens a second file or address, as playlists do."""
_GAP_S = (0.02, 10.0)  # time stamps are rounded below this, and restart rather than skip above
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

    What is served (``settings.public``) is decoded by a confined process of its own (:mod:`drumscribe.audio.boxed`).

    Raises:
        UnreadableFileError: missing, not a regular file, or no permission.
        TooLargeError, TooLongError: over the limits of ``settings``; checked before decoding where possible.
        NotAudioError, TruncatedAudioError, EmptyAudioError, SilentAudioError: nothing usable in it.
        DecoderDiedError: what is served made the decoder crash, hang, or ask for too much memory.
        StorageError: no room for the samples.
        Cancelled: ``cancel`` was set.
    """
    settings = settings or get_settings()
    path = Path(path)
    with _open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise EmptyAudioError("The file is empty (0 bytes).", _FETCH_AGAIN)
        limit_mb = settings.largest_mb
        if size > limit_mb * 2**20:
            raise TooLargeError(
                f"The file has {size / 2**20:.0f} MB; the limit is {limit_mb:g} MB.",
                "Compress it (MP3, M4A), cut it, or raise MAX_FILE_SIZE_MB.",
            )
        try:
            if boxed.wanted(settings):
                return _boxed(file, path.name, settings, on_progress, cancel)
            collector = Collector(settings.longest_s, _roomiest(settings))
            return decode_open(file, size, path.name, settings, collector, on_progress, cancel)
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
    block = as_float(np.asarray(samples))
    check_rate(sample_rate)
    collector = Collector(settings.longest_s)
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


def title_of(name: str) -> str:
    """The title that a file name stands for, where no tag says more.

    >>> title_of("Escape_from_chaosland.mp3"), title_of("My song.v2.wav")
    ('Escape from chaosland', 'My song.v2')
    """
    return clean_name(Path(name).stem.replace("_", " "))


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


def _roomiest(settings: Settings) -> Path:
    """Of the data folder and that for temporary files (in memory, on some systems), the one with more space."""
    places = [place for place in (settings.data_dir, Path(tempfile.gettempdir())) if place.is_dir()]
    return max(places, key=lambda place: shutil.disk_usage(place).free)


def _boxed(
    file: BinaryIO, name: str, settings: Settings, on_progress: OnFraction | None, cancel: CancelToken | None
) -> Audio:
    """Have a confined process decode. What it says about itself is cleaned, what identifies the audio is worked out."""
    with storing("The recording"), tempfile.TemporaryFile(dir=_roomiest(settings)) as place:
        told = boxed.run(file, place, name, settings, on_progress, cancel)
        size, channels = os.fstat(place.fileno()).st_size, told.channels
        if channels not in (1, 2) or not size or size % (4 * channels):
            raise DecoderDiedError("The decoder gave no whole recording.", EXPORT_AGAIN)
        data = mmap.mmap(place.fileno(), 0, access=mmap.ACCESS_READ)
    samples = np.frombuffer(data, np.float32).reshape(-1, channels).T
    title, artist, origin = map(clean_name, (told.title, told.artist, told.origin))
    warnings = tuple(clean_name(one, 500) for one in told.warnings)
    return Audio(samples, SAMPLE_RATE, digest(samples), title, artist, origin, warnings)


def decode_open(
    file: BinaryIO,
    size: int,
    name: str,
    settings: Settings,
    collector: Collector,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> Audio:
    """What :func:`decode` does with a file of ``size`` bytes that is open, in this process. Raises as that does."""
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
        raise NotAudioError("The file is not audio in a format that can be read.", EXPORT_AGAIN) from error
    with container:
        if not container.streams.audio:
            if movie_without_index(file, size):
                raise TruncatedAudioError("The file ends inside its index: most of it is missing.", _FETCH_AGAIN)
            raise NotAudioError("The file has no audio track.", "Choose a file with sound in it.")
        stream = container.streams.audio[0]
        stated = stated_duration(container, stream, file, size)
        is_wav = "wav" in container.format.name.split(",")
        if stated and stated > settings.longest_s:
            raise too_long(stated, settings)
        _read(container, stream, collector, lambda: file.tell() / size, on_progress, cancel)
        tags = {key.lower(): value for source in (container, stream) for key, value in source.metadata.items()}
        _check_complete(collector, stated, file, size, mend=is_wav)
    return collector.finish(
        title=clean_name(tags.get("title", "")) or title_of(name),
        artist=clean_name(tags.get("artist", "") or tags.get("album_artist", "")),
        origin=clean_name(name),
    )


def _read(
    container: InputContainer,
    stream: av.AudioStream,
    collector: Collector,
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
    planes = as_float(samples, planar=True)
    return planes.mean(axis=0, keepdims=True, dtype=np.float32) if channels > 2 else planes


def _check_complete(collector: Collector, stated: float | None, file: BinaryIO, size: int, *, mend: bool) -> None:
    """Raise TruncatedAudioError if less came than the header states (0.25 s or 1 % of slack), or a page is cut.

    Args:
        mend: warn instead, where each sample stands for itself, so that what is there is good to its end.
    """
    file.seek(0)
    is_ogg = file.read(4) == b"OggS"
    if is_ogg and page_breaks_off(file, size):
        raise TruncatedAudioError("The file ends in the middle: part of it is missing.", _FETCH_AGAIN)
    if stated is not None and not is_ogg and stated - collector.seconds > max(0.25, 0.01 * stated):
        if mend:
            collector.warn(
                f"The file's header promises {stated:.1f} s; the {collector.seconds:.1f} s that are there were taken."
            )
            return
        raise TruncatedAudioError(
            f"Only {collector.seconds:.1f} s of the {stated:.1f} s that the file should last can be read.", _FETCH_AGAIN
        )
