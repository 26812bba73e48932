"""A song to play along with, as a sound file: the recording with or without its drums, drums of our own, a click."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from drumscribe.audio import synth
from drumscribe.errors import StorageError
from drumscribe.song.recordings import Part, part_of
from drumscribe.types import Bar, FloatArray

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

Container = Literal["WAV", "MP3", "FLAC"]
ENDINGS: dict[Container, tuple[str, str]] = {
    "WAV": (".wav", "audio/wav"), "MP3": (".mp3", "audio/mpeg"), "FLAC": (".flac", "audio/flac"),
}  # fmt: skip
"""Ending and MIME type of each kind of file."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is heard.

    Attributes:
        part: of the recording: the mix, the drums, what is left without them; ``None``: nothing of it.
        drums: drums that the synthesiser plays.
        click: a metronome.
        count_in: the clicks of one bar before the first bar.
    """

    part: Part | None = "mix"
    drums: Collection[str] = ()
    click: bool = False
    count_in: bool = False


def mixed(found: Transcription, wish: Wish) -> FloatArray:
    """The sound, ``(2, n)`` float32 at 44,100 Hz, no louder than full scale.

    Raises:
        ProjectError: the project holds no audio, or its drums were not separated.
        StorageError: the audio cannot be read.
    """
    length = round(found.song.duration_s * synth.SAMPLE_RATE)
    out = np.zeros((2, length), np.float32)
    if wish.part is not None:
        sound = part_of(found.audio, found.stem, wish.part)[:, :length]
        out[:, : sound.shape[1]] += sound  # mono goes to both sides
    if wish.drums:
        out += synth.render(found.hits, found.song.duration_s, drums=wish.drums)[:, :length]
    if wish.click:
        out += synth.click(found.rhythm.bars, found.song.duration_s)[:, :length]
    if wish.count_in and found.rhythm.bars:
        out = _counted_in(out, found.rhythm.bars[0])
    peak = float(np.abs(out).max(initial=0.0))
    return out / peak if peak > 1 else out


def _counted_in(sound: FloatArray, first: Bar) -> FloatArray:
    """Clicks of a bar as long as ``first`` before it; silence in front where the recording begins too late for that."""
    pulses = synth.pulse_times(first)
    step = pulses[1] - pulses[0] if len(pulses) > 1 else first.end_s - first.start_s
    whole = max(1, round(float(first.meter.quarter_length / first.meter.pulse)))
    early = max(0.0, whole * step - first.start_s)
    events = [
        (first.start_s + early - (whole - number) * step,
         synth.CLICK_KEY if number else synth.CLICK_KEY_ACCENT) for number in range(whole)
    ]  # fmt: skip
    pad = round(early * synth.SAMPLE_RATE)
    out = np.pad(sound, ((0, 0), (pad, 0)))
    return np.asarray(out + synth.clicks(events, out.shape[1] / synth.SAMPLE_RATE)[:, : out.shape[1]], np.float32)


def encoded(sound: FloatArray, container: Container) -> bytes:
    """A file of ``(2, n)`` samples at 44,100 Hz. Raises StorageError."""
    import soundfile

    out = io.BytesIO()
    try:
        soundfile.write(out, sound.T, synth.SAMPLE_RATE, format=container)
    except (soundfile.LibsndfileError, ValueError) as error:
        raise StorageError(f"The {container} file could not be made ({error}).", "Choose another format.") from error
    return out.getvalue()
