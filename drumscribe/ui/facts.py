"""What the pages know about the open song beyond its result, computed once and kept with the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drumscribe.audio.decoding import SAMPLE_RATE
from drumscribe.types import Hit
from drumscribe.ui import clips, envelope, sound, state, tables
from drumscribe.ui.envelope import Envelope, Samples

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription


def where(found: Transcription) -> dict[int, tables.Place]:
    """Places of all hits and rejected candidates."""
    return state.projected("places", lambda: tables.places([*found.hits, *rejected(found)], found.rhythm, found.grid))


def rejected(found: Transcription) -> list[Hit]:
    """Candidates that are neither hits nor deleted by the user, likeliest first."""
    return state.projected("rejected", lambda: sorted(found.rejected, key=lambda hit: -hit.confidence))


def selected(found: Transcription) -> Hit | None:
    """The selected hit or rejected candidate."""
    wanted = state.session().selected
    if wanted is None:
        return None
    return found.hits.by_id().get(wanted) or next((hit for hit in rejected(found) if hit.id == wanted), None)


def is_rejected(found: Transcription, hit: Hit) -> bool:
    """Whether ``hit`` is only a candidate."""
    return hit.id not in found.hits.by_id()


def samples(found: Transcription, *, drums_only: bool = False) -> Samples:
    """The recording, or its drum stem. Raises ProjectError, StorageError where it cannot be had."""
    separated = drums_only and found.heard.method != "none"
    return state.derived(("samples", separated), lambda: sound.samples_of(found, drums_only=separated))


def mix(found: Transcription) -> Envelope:
    """Waveform of the recording."""
    return state.derived("mix", lambda: Envelope.of(samples(found), SAMPLE_RATE))


def stem(found: Transcription) -> Envelope | None:
    """Waveform of the separated drums, or ``None`` where the mix itself was heard."""
    if found.heard.method == "none":
        return None
    return state.derived("stem", lambda: Envelope.of(samples(found, drums_only=True), SAMPLE_RATE))


def spectrogram(
    found: Transcription, start_s: float, end_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """Spectrogram of what the network heard."""
    heard = samples(found, drums_only=True)
    return state.latest(
        "spectrogram", (start_s, end_s), lambda: envelope.spectrogram(heard, SAMPLE_RATE, start_s, end_s)
    )


def excerpt(found: Transcription, start_s: float, end_s: float, *, drums_only: bool = False) -> bytes:
    """A WAV of part of the song."""
    return clips.wav(clips.cut(samples(found, drums_only=drums_only), SAMPLE_RATE, start_s, end_s), SAMPLE_RATE)


def sounds_alike(found: Transcription, hits: list[Hit]) -> bytes:
    """A WAV of several hits one after the other, from what the network listened to."""
    heard = samples(found, drums_only=True)
    return clips.wav(clips.montage(heard, SAMPLE_RATE, [hit.time_s for hit in hits]), SAMPLE_RATE)
