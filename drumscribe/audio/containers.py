"""What a container says about its own length, where FFmpeg does not tell a statement from an estimate.

Needed to call a file truncated only if it is. All functions leave the decoder's position as it was, or are called
when it no longer matters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

_STATES_LENGTH = {"wav", "w64", "aiff", "caf", "flac", "mov", "matroska"}


def stated_duration(container: InputContainer, stream: av.AudioStream, file: BinaryIO, size: int) -> float | None:
    """Seconds that the file's own header states, or None where FFmpeg could only estimate them from the bit rate."""
    formats = set(container.format.name.split(","))
    if "wav" in formats and (seconds := _wav_duration(file, size)) is not None:
        return seconds
    if not (formats & _STATES_LENGTH or "ogg" in formats or ("mp3" in formats and _has_frame_count(file))):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    alone = len(container.streams) == 1  # else it may be the length of the picture
    return container.duration / 1e6 if alone and container.duration is not None else None


def _wav_duration(file: BinaryIO, size: int) -> float | None:
    """Seconds by a RIFF file's data chunk, which FFmpeg silently cuts to what is there; None if it was left open."""
    at, position, byte_rate = file.tell(), 12, 0
    try:
        while position + 8 <= size:
            file.seek(position)
            header = file.read(24)
            length = int.from_bytes(header[4:8], "little")
            if header[:4] == b"fmt ":
                byte_rate = int.from_bytes(header[16:20], "little")
            elif header[:4] == b"data":  # programs that write to a pipe put 0 or about 2 or 4 GB there
                return length / byte_rate if byte_rate and 0 < length < 0x7FFF0000 else None
            position += 8 + length + length % 2
        return None
    finally:
        file.seek(at)


def _has_frame_count(file: BinaryIO) -> bool:
    """Whether an MP3 file begins with a Xing, Info or VBRI header, which states its number of frames."""
    at = file.tell()
    try:
        file.seek(0)
        head = file.read(10)
        start = 0
        if head[:3] == b"ID3" and len(head) == 10:  # its length is four times seven bits
            start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        file.seek(start)
        return re.search(b"Xing|Info|VBRI", file.read(4096)) is not None
    finally:
        file.seek(at)


def movie_without_index(file: BinaryIO, size: int) -> bool:
    """Whether an MP4/M4A file breaks off before its ``moov`` box, the usual fate of an interrupted recording."""
    file.seek(4)
    if file.read(4) != b"ftyp":
        return False
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if header[4:8] == b"moov":
            return at + length > size
        if length < 8:
            return False
        at += length
    return True


def page_breaks_off(file: BinaryIO, size: int) -> bool:
    """Whether an Ogg file ends inside a page (RFC 3533, section 6); pages are 64 KiB at most."""
    file.seek(max(0, size - 65_536))
    tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27:
        return page >= 0
    table = tail[page + 27 : page + 27 + tail[page + 26]]
    return len(table) < tail[page + 26] or page + 27 + len(table) + sum(table) > len(tail)
