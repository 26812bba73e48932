"""The parts of the kit as sound files of their own, for somebody who mixes them below or instead of a recording."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from drumscribe.audio import synth
from drumscribe.errors import NotationError
from drumscribe.kit import DRUMS, Family
from drumscribe.types import FloatArray, Hits

FAMILIES: dict[str, Family] = {"kick": "kick", "snare": "snare", "toms": "tom", "hihat": "hihat", "cymbals": "cymbal"}
"""File → part of the kit."""
LONGEST_S = 30 * 60.0
"""A longer song would fill the memory."""


def drum_tracks(hits: Hits, duration_s: float) -> Iterator[tuple[str, bytes]]:
    """Play hits on the packaged kit, each part of it into a file of its own.

    Together they are the whole kit: all have one level, at which none is louder than full scale.

    Args:
        hits: at the times at which they sound.
        duration_s: of the recording; each file is as long.

    Yields:
        Name and bytes of a WAV file (44.1 kHz, stereo, 16 bit) for each part that is played.

    Raises:
        NotationError: ``duration_s`` is more than :data:`LONGEST_S`.
    """
    import soundfile

    if duration_s > LONGEST_S:
        raise NotationError(
            f"The song lasts more than {LONGEST_S / 60:.0f} minutes.", "Make the files of a part of it."
        )
    parts = {
        name: drums for name, family in FAMILIES.items()
        if (drums := {hit.drum for hit in hits if DRUMS[hit.drum].family == family})
    }  # fmt: skip

    def sound(drums: set[str]) -> FloatArray:
        return synth.render(hits, duration_s, drums=drums)

    peak = max((float(np.abs(sound(drums)).max(initial=0.0)) for drums in parts.values()), default=1.0)
    for name, drums in parts.items():
        out = io.BytesIO()
        soundfile.write(out, sound(drums).T / np.float32(max(1.0, peak)), synth.SAMPLE_RATE, format="WAV")
        yield f"{name}.wav", out.getvalue()
