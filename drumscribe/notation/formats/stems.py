"""The strokes on the packaged kit, one WAV file a part of it: to mix below or instead of the recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return a zip archive of WAV files at 44.1 kHz: kick, snare, toms, hi-hat, cymbals, of those that are played."""
    from drumscribe.notation.folders import packed

    return [packed(chart.title, chart.drum_tracks())]


FORMAT = Format(
    "stems",
    "Sampled drums (WAV stems)",
    "The strokes on DrumScribe's kit: kick, snare, toms, hi-hat and cymbals as WAV files as long as the recording",
    ".stems.zip",
    "application/zip",
    write,
    loses="the chart, only how it sounds",
)
