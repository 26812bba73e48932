"""Recordings: where they come from, how they are decoded, the drums separated from the mix, drums played from hits."""

from drumscribe.audio.decoding import SAMPLE_RATE, clean_name, decode, from_samples
from drumscribe.types import Audio

__all__ = ["SAMPLE_RATE", "Audio", "clean_name", "decode", "from_samples"]
