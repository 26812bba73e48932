"""What the pages know about the open song beyond its result, computed once and kept with the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.types import Hit
from drumscribe.ui import clips, review, state, tables
from drumscribe.ui.envelope import Envelope

if TYPE_CHECKING:
    from drumscribe.pipeline import Transcription

CONTEXT_S = {"Just the hit": (0.1, 0.35), "A little around": (0.7, 0.9), "A bar or so": (1.6, 1.8)}
"""How much is heard before and after a hit."""


def where(found: Transcription) -> dict[int, tables.Place]:
    """Places of all hits and rejected candidates."""
    return state.projected("places", lambda: tables.places([*found.hits, *candidates(found)], found.rhythm, found.grid))


def candidates(found: Transcription) -> tuple[Hit, ...]:
    """Everything that the network thought possible."""
    from drumscribe import hits

    return state.derived("candidates", lambda: hits.candidates(found.activations))


def rejected(found: Transcription) -> list[Hit]:
    """Candidates that are no hits, likeliest first."""

    def find() -> list[Hit]:
        kept = {hit.id for hit in found.hits}
        gone = [hit for change in found.history.edits for hit in change.removed if hit.id not in kept]
        return review.rejected(candidates(found), found.hits, gone)

    return state.projected("rejected", find)


def selected(found: Transcription) -> Hit | None:
    """The selected hit or rejected candidate."""
    wanted = state.session().selected
    if wanted is None:
        return None
    hit = found.hits.by_id().get(wanted)
    return hit or next((one for one in candidates(found) if one.id == wanted), None)


def is_rejected(found: Transcription, hit: Hit) -> bool:
    """Whether ``hit`` is only a candidate."""
    return hit.id not in found.hits.by_id()


def mix(found: Transcription) -> Envelope:
    """Waveform of the recording."""
    return state.derived("mix", lambda: Envelope.of(found.audio.samples, found.audio.sample_rate))


def stem(found: Transcription) -> Envelope | None:
    """Waveform of the separated drums, or ``None`` where the mix itself was heard."""
    if found.stem.method == "none":
        return None
    return state.derived("stem", lambda: Envelope.of(found.stem.samples, found.stem.sample_rate))


def sound(found: Transcription, start_s: float, end_s: float, *, drums_only: bool = False) -> bytes:
    """A WAV of part of the song."""
    heard = found.stem if drums_only else found.audio
    return clips.wav(clips.cut(heard.samples, heard.sample_rate, start_s, end_s), heard.sample_rate)


def sounds_alike(found: Transcription, hits: list[Hit]) -> bytes:
    """A WAV of several hits one after the other, from what the network listened to."""
    heard = found.stem
    piece = clips.montage(heard.samples, heard.sample_rate, [hit.time_s for hit in hits])
    return clips.wav(piece, heard.sample_rate)
