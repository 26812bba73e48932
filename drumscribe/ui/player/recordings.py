"""The recordings of a song as the player wants them: made once, kept with the song's files, read for each page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drumscribe.song.recordings import Absent, Part, Stored, parts
from drumscribe.song.transcription import Transcription
from drumscribe.types import FloatArray, OnFraction
from drumscribe.ui.envelope import Samples
from drumscribe.ui.player import media
from drumscribe.ui.sound import samples_of

_SHOWN: dict[str, tuple[Part, ...]] = {"demucs": ("drums", "accompaniment"), "none": ("mix",)}
"""What is sent. Where the drums were separated, stem and rest add up to the mix, which need not be sent as well."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording for the browser: ``part`` names it, ``audio`` is chained Ogg Opus, ``envelope`` its peaks."""

    part: Part
    audio: bytes
    envelope: bytes


@dataclass(frozen=True)
class _Difference:
    """Mix minus drums, slice by slice."""

    mix: Samples
    drums: Samples

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mix.shape[0], min(self.mix.shape[1], self.drums.shape[1])

    def __getitem__(self, key: tuple[slice, slice]) -> FloatArray:
        mix, drums = self.mix[key], self.drums[key]
        length = min(mix.shape[1], drums.shape[1])
        return np.asarray(mix[:, :length] - drums[:, :length], dtype=np.float32)


def available(found: Transcription) -> bool:
    """Whether the song has audio (a project file opened by itself has none)."""
    return not isinstance(found.media, Absent)


def recordings(found: Transcription, *, on_progress: OnFraction | None = None) -> tuple[Recording, ...]:
    """The song's recordings; encodes them the first time (about a second per two minutes of song).

    Raises:
        StorageError: the audio is gone, or cannot be written.
    """
    if not available(found):
        return ()
    wanted = _SHOWN[found.heard.method]
    folder = found.media.folder if isinstance(found.media, Stored) else None

    def kept(name: str, make: Callable[[], bytes]) -> bytes:
        if folder is None:
            return make()
        if not folder.exists(name):
            folder.write(name, make())
        return folder.read(name)

    made = []
    for index, part in enumerate(wanted):
        if on_progress is not None:
            on_progress(index / len(wanted), "Preparing the player")
        samples = _samples(found, part)
        rate = found.audio.sample_rate if folder is None else 44_100
        audio = kept(f"player.{part}.opus", lambda s=samples, r=rate: media.encode(s, r))  # type: ignore[misc]
        shape = kept(f"player.{part}.env", lambda s=samples: media.envelope(s).tobytes())  # type: ignore[misc]
        made.append(Recording(part, audio, shape))
    return tuple(made)


def _samples(found: Transcription, part: Part) -> Samples:
    if part == "mix":
        return samples_of(found)
    drums = samples_of(found, drums_only=True)
    return drums if part == "drums" else _Difference(samples_of(found), drums)


def is_ready(found: Transcription) -> bool:
    """Whether :func:`recordings` has only to read."""
    if not isinstance(found.media, Stored):
        return not available(found)
    names = [f"player.{part}.{kind}" for part in _SHOWN[found.heard.method] for kind in ("opus", "env")]
    return all(found.media.folder.exists(name) for name in names)


__all__ = ["Recording", "available", "is_ready", "parts", "recordings"]
