"""Audio of a transcription: in memory right after the work, or in a folder from which it is read when first used.

audio.flac      the recording (16 bit)
stem.flac       the drums, where they were separated
mix.ogg, drums.ogg, accompaniment.ogg       what a browser plays
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from drumscribe.errors import Cancelled, ProjectError, StorageError
from drumscribe.mapped import let_go
from drumscribe.song.project import Heard, Song
from drumscribe.storage.files import Folder
from drumscribe.types import Audio, CancelToken, FloatArray, OnFraction, Stem

Part = Literal["mix", "drums", "accompaniment"]
"""What can be listened to alone; all three only where the drums were separated."""
_BLOCK = 2**18  # samples; libsndfile's Vorbis encoder overflows its stack on very large writes


class Media(Protocol):
    """Where a transcription's audio comes from."""

    @property
    def audio(self) -> Audio:
        """The recording."""

    @property
    def stem(self) -> Stem:
        """The drums, or the mix where they were not separated."""

    def preview(self, part: Part) -> bytes:
        """Ogg Vorbis of one part. Raises ProjectError where there is no such part."""


@dataclass(frozen=True)
class InMemory:
    """Audio as the stages left it."""

    audio: Audio
    stem: Stem

    def preview(self, part: Part) -> bytes:
        """Encode one part."""
        out = io.BytesIO()
        _encode(out, part_of(self.audio, self.stem, part), self.audio.sample_rate, "OGG", "VORBIS")
        return out.getvalue()


@dataclass(frozen=True)
class Stored:
    """Audio in a job's folder; pickles without the samples."""

    folder: Folder
    song: Song
    heard: Heard

    @cached_property
    def audio(self) -> Audio:
        """The recording. Raises StorageError if the file is gone."""
        samples, rate = _decode(self.folder, "audio.flac")
        song = self.song
        return Audio(samples, rate, song.sha256, song.title, song.artist, song.origin)

    @cached_property
    def stem(self) -> Stem:
        """The drums. Raises StorageError if the file is gone."""
        heard = self.heard
        if heard.method == "none":
            return Stem(self.audio.samples, self.audio.sample_rate, "none", heard.model, heard.note)
        samples, rate = _decode(self.folder, "stem.flac")
        rest = _minus(self.audio.samples, samples)
        return Stem(samples, rate, "demucs", heard.model, heard.note, rest)

    def preview(self, part: Part) -> bytes:
        """Read one part, encoding it the first time."""
        name = f"{part}.ogg"
        if not self.folder.exists(name):
            self.folder.write(name, InMemory(self.audio, self.stem).preview(part))
        return self.folder.read(name)

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "song": self.song, "heard": self.heard}


@dataclass(frozen=True)
class Absent:
    """A project file opened by itself: everything but listening and tracking beats anew works."""

    @property
    def audio(self) -> Audio:
        """Raises ProjectError."""
        raise _absent()

    @property
    def stem(self) -> Stem:
        """Raises ProjectError."""
        raise _absent()

    def preview(self, part: Part) -> bytes:
        """Raises ProjectError."""
        raise _absent()


def parts(heard: Heard) -> tuple[Part, ...]:
    """What can be listened to."""
    return ("mix", "drums", "accompaniment") if heard.method == "demucs" else ("mix",)


def part_of(audio: Audio, stem: Stem, part: Part) -> FloatArray:
    """Samples of one part, ``(channels, n)``. Raises ProjectError where the drums were not separated."""
    if part == "mix":
        return audio.samples
    if stem.method == "none":
        raise ProjectError("The drums were not separated from this recording.", "Listen to the mix.")
    if part == "drums":
        return stem.samples
    return _minus(audio.samples, stem.samples) if stem.accompaniment is None else stem.accompaniment


def save(
    folder: Folder,
    audio: Audio,
    stem: Stem,
    *,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Write the audio files of a job. Raises StorageError, Cancelled."""
    wanted: list[tuple[str, FloatArray, str, str]] = [("audio.flac", audio.samples, "FLAC", "PCM_16")]
    if stem.method == "demucs":
        wanted.append(("stem.flac", stem.samples, "FLAC", "PCM_16"))
    heard = Heard(stem.method, stem.model, stem.note)
    wanted += [(f"{part}.ogg", part_of(audio, stem, part), "OGG", "VORBIS") for part in parts(heard)]
    for done, (name, samples, container, codec) in enumerate(wanted):
        if on_progress is not None:
            on_progress(done / len(wanted), "Saving the audio")
        with folder.writing(name) as path, path.open("wb") as out:
            _encode(out, samples, audio.sample_rate, container, codec, cancel=cancel)


def bring(folder: Folder, media: Media) -> None:
    """Write the audio that came with a project, if any, into the folder of its new job. Raises StorageError."""
    if isinstance(media, InMemory):
        save(folder, media.audio, media.stem)


def _encode(
    out: io.BufferedIOBase,
    samples: FloatArray,
    rate: int,
    container: str,
    codec: str,
    *,
    cancel: CancelToken | None = None,
) -> None:
    import soundfile

    try:
        with soundfile.SoundFile(out, "w", rate, samples.shape[0], codec, format=container) as file:
            for start in range(0, samples.shape[1], _BLOCK):
                if cancel is not None and cancel.is_set():
                    raise Cancelled("Cancelled.")
                block = samples[:, start : start + _BLOCK]
                file.write(np.clip(block.T, -1, 1))
                let_go(block)
    except (soundfile.LibsndfileError, AssertionError) as error:  # the second: it wrote less than it was given
        why = str(error) or "only a part was written"
        raise StorageError(f"The audio could not be saved ({why}).", "Check that the disk is not full.") from error


def _decode(folder: Folder, name: str) -> tuple[FloatArray, int]:
    import soundfile

    try:
        samples, rate = soundfile.read(folder.path(name), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise StorageError(f"{name} of this job cannot be read ({error}).", "Run the job again.") from error
    return np.ascontiguousarray(samples.T), int(rate)


def _minus(mix: FloatArray, drums: FloatArray) -> FloatArray:
    length = min(mix.shape[1], drums.shape[1])
    difference: FloatArray = mix[:, :length] - drums[:, :length]
    return difference


def _absent() -> ProjectError:
    return ProjectError("The project file holds no audio.", "Transcribe the recording again to hear it.")
