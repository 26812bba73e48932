"""MIDI clips, one a section of the song: to drag into Ableton Live or any DAW, each as long as its bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings

_NOTE_TICKS = 60


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return a zip archive of MIDI files on the grid, with the notes of the note map that is chosen for writing."""
    from drumscribe.notation.folders import packed
    from drumscribe.notation.note_maps import note_map
    from drumscribe.notation.tempo_map import TempoMap

    timing, keys = TempoMap.of(chart.grid), note_map(chart.options.write.note_map, settings)
    bars = chart.rhythm.bars
    notes: list[tuple[int, float, int, int]] = []  # bar, tick, key, velocity
    for place in chart.rhythm.placements:
        notes.append((place.bar, timing.written(place, bars[place.bar]), keys.key(place.drum), place.velocity))
    clips = {}
    for number, (first, after, name) in enumerate(_sections(chart), start=1):
        start = timing.tick(bars[first].start_s)
        length = round(timing.tick(bars[after - 1].end_s) - start)
        inside = [(max(0, round(tick - start)), key, loud) for bar, tick, key, loud in notes if first <= bar < after]
        clips[f"{number:02d} {name}.mid"] = _clip(inside, length, bars[first], name)
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


def _clip(notes: list[tuple[int, int, int]], length: int, bar: Any, name: str) -> bytes:
    import io

    import mido

    from drumscribe.notation.midi import DRUM_CHANNEL
    from drumscribe.notation.tempo_map import TICKS_PER_QUARTER

    events = [(tick, 1, key, loud) for tick, key, loud in notes]
    events += [(min(length, tick + _NOTE_TICKS), 0, key, 0) for tick, key, _ in notes]
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name.encode("latin-1", "replace").decode("latin-1"))])
    track.append(mido.MetaMessage("time_signature", numerator=bar.meter.beats, denominator=bar.meter.unit))
    track.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / bar.quarter_bpm)))
    at = 0
    for tick, on, key, loud in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, channel=DRUM_CHANNEL, note=key, velocity=loud, time=tick - at))
        at = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, length - at)))
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
