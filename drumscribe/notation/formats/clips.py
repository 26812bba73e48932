"""MIDI clips, one a section of the song: to drag into Ableton Live or any DAW, each as long as its bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.notation.note_maps import NoteMap
    from drumscribe.settings import Settings
    from drumscribe.types import Bar, Hit


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return a zip archive of MIDI files on the grid, with the notes of the note map that is chosen for writing."""
    from drumscribe.notation.folders import packed
    from drumscribe.notation.note_maps import note_map
    from drumscribe.notation.tempo_map import TempoMap
    from drumscribe.types import Hit

    timing, keys = TempoMap.of(chart.grid), note_map(chart.options.write.note_map, settings)
    bars = chart.rhythm.bars
    notes = [
        (place.bar, timing.written(place, bars[place.bar]), Hit(place.hit_id, 0.0, place.drum, 1.0, place.velocity))
        for place in chart.rhythm.placements
    ]
    clips = {}
    for number, (first, after, name) in enumerate(_sections(chart), start=1):
        start = timing.tick(bars[first].start_s)
        length = round(timing.tick(bars[after - 1].end_s) - start)
        inside = [(max(0, round(tick - start)), hit) for bar, tick, hit in notes if first <= bar < after]
        clips[f"{number:02d} {name}.mid"] = _clip(inside, keys, length, bars[first], name)
    return [packed(chart.title, clips)]


def _sections(chart: Chart) -> list[tuple[int, int, str]]:
    """First bar, bar after the last, and name of each section; one of all bars where the score has no letters."""
    order = chart.score.play_order()
    letters = [(bar, chart.score.measures[at].rehearsal) for bar, at in enumerate(order)][: len(chart.rhythm.bars)]
    starts = [(bar, "".join(c for c in name if c.isalnum() or c in " -_")) for bar, name in letters if name]
    if not starts or starts[0][0] > 0:
        starts.insert(0, (0, "Intro" if starts else "Song"))
    ends = [bar for bar, _ in starts[1:]] + [len(chart.rhythm.bars)]
    return [(bar, end, name or "Part") for (bar, name), end in zip(starts, ends, strict=True) if end > bar]


def _clip(notes: list[tuple[int, Hit]], keys: NoteMap, length: int, bar: Bar, name: str) -> bytes:
    import io

    import mido

    from drumscribe.notation.midi import drum_track
    from drumscribe.notation.tempo_map import TICKS_PER_QUARTER

    track = drum_track(notes, keys, name=name, last=length)
    track.insert(1, mido.MetaMessage("time_signature", numerator=bar.meter.beats, denominator=bar.meter.unit))
    track.insert(2, mido.MetaMessage("set_tempo", tempo=round(60e6 / bar.quarter_bpm)))
    lasts = sum(message.time for message in track)
    track.append(mido.MetaMessage("end_of_track", time=max(0, length - lasts)))
    out = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_QUARTER, tracks=[track]).save(file=out)
    return out.getvalue()


FORMAT = Format(
    "clips",
    "MIDI clips per section",
    "One clip a rehearsal letter, as long as its bars, for Ableton Live and other DAWs",
    ".clips.zip",
    "application/zip",
    write,
    loses="ornaments as such; changes of tempo inside a section; when strokes were played",
)
