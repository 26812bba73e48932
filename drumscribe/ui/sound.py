"""Parts of a recording read from its file when they are wanted, so that an open song costs no memory.

A :class:`Recording` looks like an array of shape ``(channels, n)`` to anything that takes slices of samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from drumscribe.errors import StorageError
from drumscribe.types import FloatArray
from drumscribe.ui.envelope import Samples

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription


class Recording:
    """An audio file as an array that is read slice by slice.

    Args:
        path: anything libsndfile seeks in (FLAC, WAV).

    Raises:
        StorageError: the file is missing or damaged (also later, from slicing).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            info = soundfile.info(path)
        except (soundfile.LibsndfileError, OSError) as error:
            raise _unreadable(path) from error
        self.shape: tuple[int, int] = (int(info.channels), int(info.frames))
        self.sample_rate = int(info.samplerate)

    def __getitem__(self, key: tuple[slice, slice]) -> FloatArray:
        channels, columns = key
        first, last, step = columns.indices(self.shape[1])
        try:
            read, _ = soundfile.read(self._path, max(0, last - first), start=first, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, OSError) as error:
            raise _unreadable(self._path) from error
        wanted: FloatArray = np.asarray(read, dtype=np.float32).T[channels, ::step]
        return wanted


def samples_of(found: Transcription, *, drums_only: bool = False) -> Samples:
    """The recording (or its drum stem, where separated). Raises ProjectError where the project has no audio."""
    from drumscribe.song.recordings import Stored

    separated = drums_only and found.heard.method != "none"
    if isinstance(found.media, Stored):
        return Recording(found.media.folder.path("stem.flac" if separated else "audio.flac"))
    return found.stem.samples if separated else found.audio.samples


def _unreadable(path: Path) -> StorageError:
    return StorageError(f"{path.name} of this song cannot be read.", "Transcribe the recording again.")
