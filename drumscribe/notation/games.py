"""Rhythm games: Clone Hero, YARG, and those that read Rock Band's charts. Four lanes with cymbals ("pro drums").

Lanes, modifiers, and note numbers after the community's documents of the formats (*GuitarGame_ChartFormats*, "Drums in
.chart" and "Drums in .mid"). The chart is on the grid of the score, under a tempo map that follows the recording.
"""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mido
import numpy as np

from drumscribe.errors import ProjectError
from drumscribe.notation.tempo_map import TICKS_PER_QUARTER, TempoMap
from drumscribe.notation.text import one_line
from drumscribe.types import BeatGrid, Hit, Hits, Meter

if TYPE_CHECKING:
    from drumscribe.notation.formats.base import Chart
    from drumscribe.notation.midi_reader import Seconds

KICK, RED, YELLOW, BLUE, GREEN = range(5)
LANES: dict[str, tuple[int, bool]] = {
    "kick": (KICK, False), "snare": (RED, False), "cross_stick": (RED, False), "high_tom": (YELLOW, False),
    "mid_tom": (BLUE, False), "floor_tom": (GREEN, False), "closed_hihat": (YELLOW, True), "open_hihat": (YELLOW, True),
    "ride": (BLUE, True), "ride_bell": (BLUE, True), "crash": (GREEN, True), "splash": (GREEN, True),
    "china": (GREEN, True),
}  # fmt: skip
"""Drum → lane, and whether it is a cymbal; the hi-hat's foot has none."""
DRUMS_OF: dict[tuple[int, bool], str] = {
    (KICK, False): "kick", (RED, False): "snare", (YELLOW, False): "high_tom", (BLUE, False): "mid_tom",
    (GREEN, False): "floor_tom", (YELLOW, True): "closed_hihat", (BLUE, True): "ride", (GREEN, True): "crash",
}  # fmt: skip
DOUBLE_KICK_S = 0.18
"""Kicks closer together are for two feet: every other one is marked as optional."""
GHOST, PLAIN, ACCENT = 36, 85, 120
"""Velocities of what a chart tells of loudness."""
MAX_LINES = 400_000
PART, DYNAMICS = "PART DRUMS", "ENABLE_CHART_DYNAMICS"
EXPERT, TOM = 96, 110
"""MIDI notes of Expert's kick and of the mark that makes yellow a tom."""
_ROLL, _FLAM = 126, 109
_GEM_TICKS = 60


@dataclass(frozen=True, slots=True)
class Gem:
    """One note of a chart.

    Attributes:
        tick: 480 to the quarter note.
        lane: 0 (kick) to 4 (green).
        cymbal: of a coloured lane.
        loud: -1 ghost, 0, 1 accent.
        double: a kick for the second foot.
        ornament: ``"flam"``, ``"drag"``, ``"roll"`` or ``""``.
        ends: tick at which a roll is over.
    """

    tick: int
    lane: int
    cymbal: bool = False
    loud: int = 0
    double: bool = False
    ornament: str = ""
    ends: int = 0


def tempo_map(grid: BeatGrid) -> TempoMap:
    """The tempo map of a chart, which begins with the recording: what lies before that is squeezed into its start."""
    times = grid.times.copy()
    early = int(np.searchsorted(times, 0.0, side="right"))
    if times[0] < 0 and early < len(times):
        times[: early + 1] = np.linspace(0.0, times[early], early + 1)
    return TempoMap.of(replace(grid, times=times))


def gems(chart: Chart, timing: TempoMap) -> list[Gem]:
    """The notes of a chart, in order; two drums on one lane at once are one note, or change to a free lane."""
    marks = _marks(chart)
    found: dict[int, dict[int, Gem]] = defaultdict(dict)
    for place in chart.rhythm.placements:
        if place.drum not in LANES:
            continue
        lane, cymbal = LANES[place.drum]
        bar = chart.rhythm.bars[place.bar]
        tick = round(timing.written(place, bar))
        there = found[tick]
        if lane in there and there[lane].cymbal != cymbal:  # a tom and a cymbal cannot share a colour
            free = [other for other in (BLUE, YELLOW, GREEN) if other not in there]
            if not free:
                continue
            if cymbal:
                lane = free[0]
            else:
                there[free[0]] = replace(there[lane], lane=free[0])
        ends = tick + round(float(place.roll_length) * TICKS_PER_QUARTER)
        loud = marks.get((place.bar, place.onset, place.drum), 0)
        there[lane] = Gem(tick, lane, cymbal, loud, False, place.ornament, ends)
    return list(_for_two_feet([gem for tick in sorted(found) for _, gem in sorted(found[tick].items())], timing))


def _for_two_feet(notes: Iterable[Gem], timing: TempoMap) -> Iterator[Gem]:
    last, double = -1.0, False
    for gem in notes:
        if gem.lane == KICK:
            at = float(np.interp(gem.tick, timing.ticks, timing.grid.times))
            double = last >= 0 and at - last < DOUBLE_KICK_S and not double
            last = at
            gem = replace(gem, double=double)
        yield gem


def _marks(chart: Chart) -> dict[tuple[int, object, str], int]:
    """Ghosts (-1) and accents (1) of the score, by bar as played, onset, and drum."""
    found: dict[tuple[int, object, str], int] = {}
    for bar, at in enumerate(chart.score.play_order()):
        for event, head in chart.score.measures[at].heads():
            if head.ghost or event.accent:
                found[bar, event.onset, head.drum] = -1 if head.ghost else 1
    return found


def sections(chart: Chart, timing: TempoMap) -> list[tuple[int, str]]:
    """Ticks and names of the parts of a song."""
    return [(round(timing.tick(start_s)), name) for start_s, name in letters(chart)]


def letters(chart: Chart) -> list[tuple[float, str]]:
    """The rehearsal letters of the score, with the seconds at which each is first played."""
    named: list[tuple[float, str]] = []
    known: set[int] = set()
    for bar, at in zip(chart.rhythm.bars, chart.score.play_order(), strict=False):
        letter = chart.score.measures[at].rehearsal
        if letter and at not in known:
            known.add(at)
            named.append((bar.start_s, letter.replace('"', "'").strip("[]")))
    return named


def ini(chart: Chart, duration_s: float) -> bytes:
    """The ``song.ini`` beside a chart."""
    rows = {
        "name": one_line(chart.title) or "Untitled", "artist": one_line(chart.artist) or "Unknown Artist",
        "charter": "DrumScribe", "pro_drums": "True", "diff_drums": "3", "delay": "0",
        "song_length": str(math.ceil(duration_s * 1000) + 1),  # the chart's end lies inside: games leave it out else
    }  # fmt: skip
    return ("[song]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items())).encode()


def to_chart(chart: Chart, music: str) -> bytes:
    """The text of ``notes.chart``; ``music`` names the audio beside it."""
    timing = tempo_map(chart.grid)
    title, artist = (one_line(text).replace('"', "'") for text in (chart.title, chart.artist))
    out = ["[Song]", "{", f'  Name = "{title}"', f'  Artist = "{artist}"', '  Charter = "DrumScribe"']
    stream = [f'  MusicStream = "{music}"'] if music else []
    out += [f"  Resolution = {TICKS_PER_QUARTER}", "  Offset = 0", *stream, "}"]
    sync = [(tick, 0, f"TS {meter.beats} {meter.unit.bit_length() - 1}") for tick, meter in timing.meters()]
    sync += [(tick, 1, f"B {round(60e9 / tempo)}") for tick, tempo in timing.tempos()]
    out += ["[SyncTrack]", "{", *(f"  {tick} = {text}" for tick, _, text in sorted(sync)), "}"]
    named = sections(chart, timing)
    out += ["[Events]", "{", *(f'  {tick} = E "section {name}"' for tick, name in named), "}", "[ExpertDrums]", "{"]
    for gem in gems(chart, timing):
        out.append(f"  {gem.tick} = N {32 if gem.double else gem.lane} 0")
        if gem.lane != KICK and gem.loud:
            out.append(f"  {gem.tick} = N {(33 if gem.loud > 0 else 39) + gem.lane} 0")
        if gem.cymbal:
            out.append(f"  {gem.tick} = N {64 + gem.lane} 0")
        if gem.ornament == "roll" and gem.lane != KICK:
            out.append(f"  {gem.tick} = S 65 {max(1, gem.ends - gem.tick)}")
    return ("\r\n".join([*out, "}"]) + "\r\n").encode()


@dataclass(frozen=True, slots=True)
class ReadChart:
    """What a ``.chart`` holds."""

    hits: Hits
    grid: BeatGrid
    title: str
    artist: str
    notes: tuple[str, ...]


def read_chart(data: bytes) -> ReadChart:
    """Read the hardest drum track of a ``.chart``. Raises ProjectError."""
    from drumscribe.notation.midi_reader import Seconds, laid_bars

    parts = _sections(data.decode("utf-8-sig", "replace"))
    levels = [f"{level}Drums" for level in ("Expert", "Hard", "Medium", "Easy")]
    track = next((parts[level] for level in levels if level in parts), None)
    if track is None:
        raise ProjectError("There is no drum track in this chart.", "It needs a section such as [ExpertDrums].")
    told = {key: " ".join(value).strip('"') for key, value in parts.get("Song", [])}
    try:
        resolution = int(told.get("Resolution", "192"))
        sync = [(int(tick), value) for tick, value in parts.get("SyncTrack", [])]
        tempos = [(tick, round(60e9 / int(value[1]))) for tick, value in sync if value[0] == "B"]
        meters = [
            (tick, Meter(int(value[1]), 2 ** int(value[2]) if len(value) > 2 else 4)) for tick, value in sync
            if value[0] == "TS"
        ]  # fmt: skip
        numbers: dict[int, set[int]] = defaultdict(set)
        for tick, value in track:
            if value[0] == "N":
                numbers[int(tick)].add(int(value[1]))
        if not 0 < resolution <= 0x7FFF or not numbers or min(numbers) < 0:
            raise ValueError("no notes")
        seconds = Seconds(resolution, tempos)
        grid = laid_bars(seconds, meters, 0, max(numbers))
        pro = any(number in (66, 67, 68) for there in numbers.values() for number in there)
        struck = [
            (tick, number % 32, pro and 64 + number in there, (33 + number in there) - (39 + number in there))
            for tick, there in sorted(numbers.items()) for number in sorted(there) if number <= 5 or number == 32
        ]  # fmt: skip
        hits, notes = _drums(struck, seconds, pro=pro)
    except (ValueError, IndexError, ZeroDivisionError, OverflowError) as error:
        raise ProjectError(f"The chart cannot be read ({error}).", "Save it again in the chart editor.") from error
    return ReadChart(hits, grid, told.get("Name", ""), told.get("Artist", ""), notes)


def _sections(text: str) -> dict[str, list[tuple[str, list[str]]]]:
    if text.count("\n") > MAX_LINES:
        raise ProjectError("The chart is too long.", "Save only the drum track.")
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for name, body in re.findall(r"\[(\w+)\]\s*\{([^}]*)\}", text):
        rows = (line.partition("=") for line in body.splitlines() if "=" in line)
        found[name] = [(key.strip(), words) for key, _, value in rows if (words := value.split())]
    return found


def _drums(
    struck: Sequence[tuple[int, int, bool, int]], seconds: Seconds, *, pro: bool
) -> tuple[Hits, tuple[str, ...]]:
    """Hits of notes (tick, lane, whether a cymbal, loudness): with cymbals told, in five lanes, or in four without."""
    five = not pro and any(lane == 5 for _, lane, _, _ in struck)
    without = {KICK: "kick", RED: "snare", YELLOW: "closed_hihat", BLUE: "mid_tom", GREEN: "crash", 5: "floor_tom"}
    notes: tuple[str, ...] = ()
    if not pro:
        kind = "five lanes" if five else "four lanes without cymbals"
        notes = (f"The chart has {kind}: yellow is read as hi-hat, blue as tom, the next as crash.",)
    found = []
    for number, (tick, lane, cymbal, loud) in enumerate(struck):
        drum = DRUMS_OF.get((lane, cymbal), "floor_tom") if pro else without[lane]
        velocity = ACCENT if loud > 0 else GHOST if loud < 0 else PLAIN
        found.append(Hit(number, seconds.at(tick), drum, 1.0, velocity, "user"))
    return Hits.of(found), notes


def to_notes_mid(chart: Chart) -> bytes:
    """The bytes of ``notes.mid``."""
    timing = tempo_map(chart.grid)
    head = [(0, _name(one_line(chart.title)))]
    head += [
        (tick, mido.MetaMessage("time_signature", numerator=meter.beats, denominator=meter.unit))
        for tick, meter in timing.meters()
    ]
    head += [(tick, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in timing.tempos()]
    events = [(0, _name("EVENTS"))]
    events += [(tick, _text(f"[section {name}]")) for tick, name in sections(chart, timing)]
    notes = gems(chart, timing)
    end = max([int(timing.ticks[-1]), *(gem.tick + _GEM_TICKS for gem in notes)])
    events.append((end, _text("[end]")))
    drums = [(0, _name(PART)), (0, _text("[mix 3 drums0]")), (0, _text(f"[{DYNAMICS}]")), *_keys(notes)]
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER)
    for part in (head, events, drums):
        track, at = mido.MidiTrack(), 0
        for tick, message in sorted(part, key=lambda event: event[0]):
            track.append(message.copy(time=tick - at))
            at = tick
        file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _name(text: str) -> mido.MetaMessage:
    return mido.MetaMessage("track_name", name=text.encode("latin-1", "replace").decode("latin-1"))


def _text(text: str) -> mido.MetaMessage:
    return mido.MetaMessage("text", text=text.encode("latin-1", "replace").decode("latin-1"))


def _keys(notes: Sequence[Gem]) -> list[tuple[int, mido.Message]]:
    """Notes and markers of Expert; cymbals are the rule here, and toms are marked."""
    spans: list[tuple[int, int, int, int]] = []  # key, from, to, velocity
    for gem in notes:
        velocity = {-1: 1, 0: 100, 1: 127}[gem.loud if gem.lane != KICK else 0]
        end = gem.tick + _GEM_TICKS
        spans.append((EXPERT - 1 if gem.double else EXPERT + gem.lane, gem.tick, end, velocity))
        if gem.lane >= YELLOW and not gem.cymbal:
            spans.append((TOM + gem.lane - YELLOW, gem.tick, end, 100))
        if gem.ornament == "roll" and gem.lane != KICK:
            spans.append((_ROLL, gem.tick, max(end, gem.ends), 100))
        elif gem.ornament in ("flam", "drag"):
            spans.append((_FLAM, gem.tick, end, 100))
    events: list[tuple[int, mido.Message]] = []
    following: dict[int, int] = {}
    for key, start, last, velocity in sorted(spans, key=lambda span: (-span[1], span[0])):
        if following.get(key) == start:
            continue  # two marks of one kind at once are one
        events.append((start, mido.Message("note_on", note=key, velocity=velocity)))
        events.append((min(last, following.get(key, last)), mido.Message("note_off", note=key, velocity=0)))
        following[key] = start
    return sorted(events, key=lambda event: (event[0], event[1].type == "note_on"))


def read_notes_mid(file: mido.MidiFile) -> ReadChart:
    """Read the hardest level of the track ``PART DRUMS``. Raises ProjectError."""
    from drumscribe.notation.midi_reader import laid_bars, tempos_and_meters

    spans, dynamics = _spans(next(track for track in file.tracks if track.name == PART))
    levels = range(EXPERT, EXPERT - 48, -12)
    level = next((low for low in levels if any(low <= key <= low + 5 for key, *_ in spans)), None)
    if level is None:
        raise ProjectError(f"The track {PART} has no notes.", "Chart at least one level.")
    toms = {lane: [span for span in spans if span[0] == TOM + lane - YELLOW] for lane in (YELLOW, BLUE, GREEN)}
    marked = any(toms.values())
    pro = marked or not any(key == level + 5 for key, *_ in spans)  # here cymbals are the rule, without a word
    struck = []
    for key, start, _, velocity in spans:
        lane = KICK if level == EXPERT and key == EXPERT - 1 else key - level
        if not 0 <= lane <= 5:
            continue
        tom = any(first <= start < max(last, first + 1) for _, first, last, _ in toms.get(lane, ()))
        loud = (velocity == 127) - (velocity == 1) if dynamics else 0
        struck.append((start, lane, pro and lane >= YELLOW and not tom, loud))
    seconds, meters = tempos_and_meters(file)
    hits, notes = _drums(struck, seconds, pro=pro)
    if pro and not marked and any(lane >= YELLOW for _, lane, _, _ in struck):
        notes = ("The chart marks no toms: all its yellow, blue, and green notes are read as cymbals.",)
    return ReadChart(hits, laid_bars(seconds, meters, 0, max(tick for tick, *_ in struck)), "", "", notes)


def _spans(track: mido.MidiTrack) -> tuple[list[tuple[int, int, int, int]], bool]:
    """Notes as (key, first tick, last tick, velocity), in order; and whether velocities mean anything."""
    sounding: dict[int, tuple[int, int]] = {}
    found: list[tuple[int, int, int, int]] = []
    tick, dynamics = 0, False
    for message in track:
        tick += message.time
        if message.type == "text":
            dynamics = dynamics or DYNAMICS in message.text
        elif message.type in ("note_on", "note_off"):
            if message.note in sounding:
                first, velocity = sounding.pop(message.note)
                found.append((message.note, first, tick, velocity))
            if message.type == "note_on" and message.velocity:
                sounding[message.note] = (tick, message.velocity)
    found += [(key, first, tick, velocity) for key, (first, velocity) in sounding.items()]
    return sorted(found, key=lambda span: (span[1], span[0])), dynamics
