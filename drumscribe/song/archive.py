"""Songs with their audio in one file, which :mod:`drumscribe.notation.formats.song` writes.

An archive comes from anywhere: sizes are bounded by what its project says before anything is decoded.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from drumscribe.errors import ProjectError
from drumscribe.notation.folders import BAD_ZIP, inside
from drumscribe.song import project
from drumscribe.song.recordings import InMemory
from drumscribe.types import Audio, Stem

if TYPE_CHECKING:
    from drumscribe.song.project import Song
    from drumscribe.song.transcription import Transcription
    from drumscribe.types import FloatArray

_SPARE_S = 1.0


def opened(data: bytes) -> Transcription:
    """The song of an archive, with its audio where that is inside. Raises ProjectError."""
    from drumscribe.song.transcription import Transcription

    found = project.loads(inside(data, "project.json", project.MAX_BYTES))
    song, heard = found.song, found.heard
    if "mix.ogg" not in _names(data):
        return Transcription.of_project(found)
    mix, rate = _decoded(data, "mix.ogg", song)
    audio = Audio(mix, rate, song.sha256, song.title, song.artist, song.origin)
    if heard.method == "none":
        return Transcription.of_project(found, InMemory(audio, Stem(mix, rate, "none", heard.model, heard.note)))
    drums, its_rate = _decoded(data, "drums.ogg", song)
    if (its_rate, drums.shape) != (rate, mix.shape):
        raise _damaged("the drums do not fit the recording")
    return Transcription.of_project(found, InMemory(audio, Stem(drums, rate, "demucs", heard.model, heard.note)))


def _names(data: bytes) -> set[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name.rpartition("/")[2].lower() for name in archive.namelist()}
    except BAD_ZIP as error:
        raise _damaged("it is no whole zip archive") from error


def _decoded(data: bytes, name: str, song: Song) -> tuple[FloatArray, int]:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(inside(data, name, project.MAX_BYTES))) as file:
            if (
                file.channels > 2
                or file.samplerate > 192_000
                or file.frames > file.samplerate * (song.duration_s + _SPARE_S)
            ):
                raise _damaged(f"{name} is not the recording of this song")
            samples = file.read(dtype="float32", always_2d=True)
            return np.ascontiguousarray(samples.T), int(file.samplerate)
    except (soundfile.LibsndfileError, ValueError, TypeError) as error:
        raise _damaged(f"{name} cannot be read") from error


def _damaged(what: str) -> ProjectError:
    return ProjectError(f"The song's file is damaged: {what}.", "Ask for it again.")
