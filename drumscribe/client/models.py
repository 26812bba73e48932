"""What the API takes and gives. Written by ``scripts/build_client.py`` from the OpenAPI document."""

# fmt: off
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict

JobStatus = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]


class SeparateOptions(TypedDict, total=False):
    """Separation. ``auto``: Demucs where its weights can be had, else the mix; ``none``: the mix as it is."""

    separator: Literal["auto", "demucs", "none"] | None


class DetectOptions(TypedDict, total=False):
    """Listening, and peak picking."""

    sensitivity: float
    """0 shows only sure hits, 1 every candidate."""
    thresholds: dict[str, float]
    """Own confidence threshold per drum, 0-1."""
    speeds: list[int]
    """Speeds at which the recording is heard, in per cent; what is heard is averaged. [100]: once."""
    source: Literal["auto", "mix", "stem", "both"]
    """In what hits are heard. auto: in both, where there is a stem."""


class BeatOptions(TypedDict, total=False):
    """Beats, bars, tempo; ``None`` means: find it."""

    tracker: Literal["auto", "madmom", "librosa"] | None
    bpm: float | None
    """Pulses per minute, near which the tracker must stay."""
    meter: str | None
    """Time signature such as "4/4"; None finds it."""
    first_downbeat_s: float | None
    bar_shift: int
    """Move every bar line by this many pulses."""
    midi: Literal["auto", "file", "strokes"]
    """Beats of a MIDI file: its own, found from its strokes, or its own where they sit on them."""


class QuantiseOptions(TypedDict, total=False):
    """From times to note values."""

    finest: Literal[8, 12, 16, 24, 32]
    """Finest grid, as a division of the whole note."""
    triplets: bool
    quintuplets: bool
    strength: float
    """Of exported quantised MIDI: 0 as played, 1 on the grid."""
    swing: Literal["auto", "on", "off"]
    ornaments: bool
    rare_drums: Literal["common", "heard"]
    """Drums told unreliably (splash, china, bell): written as crash and ride, or as heard."""
    reading: Literal["heard", "balanced", "clean"] | float
    """As heard, as a chart, or 0-1 between: doubtful strokes are judged by what like bars have there."""
    as_heard: list[int]
    """Ids of hits that the reading leaves alone."""


class NotateOptions(TypedDict, total=False):
    """Style of the chart."""

    title: str
    artist: str
    voices: Literal[1, 2]
    simile: bool
    repeats: bool
    ghosts: bool
    accents: bool
    dynamics: bool
    simplify: Literal[0, 1, 2]
    """0 every detail, 1 no ghosts or ornaments, 2 the core groove."""
    sections: bool
    summary: bool
    legend: bool
    count_in: bool
    paper: Literal["a4", "letter"]
    noteheads: Literal["pas", "simple"]


class ReadOptions(TypedDict, total=False):
    """How a file of another program is read."""

    note_map: str
    """Of a MIDI file: which note is which drum. auto: found from its notes."""
    part: str
    """Of a score with several drum parts: the one to read; '': all."""


class WriteOptions(TypedDict, total=False):
    """How files for other programs are written."""

    note_map: str
    """Of MIDI files: which note a drum is written as."""


class Options(TypedDict, total=False):
    """All choices for one song."""

    separate: SeparateOptions
    detect: DetectOptions
    beats: BeatOptions
    quantise: QuantiseOptions
    notate: NotateOptions
    read: ReadOptions
    write: WriteOptions


class NewHit(TypedDict, total=False):
    """A hit to add."""

    time_s: float
    drum: Literal["kick", "snare", "cross_stick", "high_tom", "mid_tom", "floor_tom", "closed_hihat", "open_hihat", "pedal_hihat", "crash", "splash", "china", "ride", "ride_bell"]
    velocity: int


class HitChange(TypedDict, total=False):
    """Changes to one hit; what is left out stays."""

    id: int
    time_s: float | None
    drum: Literal["kick", "snare", "cross_stick", "high_tom", "mid_tom", "floor_tom", "closed_hihat", "open_hihat", "pedal_hihat", "crash", "splash", "china", "ride", "ride_bell"] | None
    velocity: int | None
    accept: bool
    """Vouch for it as it is: its confidence becomes 1."""


class HitsPatch(TypedDict, total=False):
    """Edits in one step: deletions first, then changes, then additions; then the score is made anew."""

    delete: list[int]
    update: list[HitChange]
    add: list[NewHit]
    options: dict[str, dict[str, Any]]
    """Changed options by group, e.g. {"beats": {"bpm": 120}}."""


@dataclass(frozen=True, slots=True)
class TempoView:
    """Another reading of the tempo."""

    bpm: float
    factor: float
    confidence: float


@dataclass(frozen=True, slots=True)
class AlternativeView:
    """Another way to count the song; PATCH tempo, meter, and first downbeat as options of ``beats`` to choose it."""

    name: str
    """Such as "96 in 4/4, in eighths"."""
    bpm: float
    meter: str
    first_downbeat_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class HitView:
    """One stroke; see the drum table for labels."""

    id: int
    time_s: float
    drum: str
    confidence: float
    velocity: int
    origin: Literal["model", "user"]


@dataclass(frozen=True, slots=True)
class ChangeView:
    """What the reading made of one stroke; named in ``quantise.as_heard`` it is left as heard."""

    kind: Literal["added", "removed", "renamed"]
    hit_id: int
    time_s: float
    drum: str
    """As written; empty where it was removed."""
    heard: str
    """As heard; empty where it was no hit."""
    heard_chance: float
    """By sound alone, 0-1."""
    chance: float
    """All that speaks for it joined, 0-1."""


@dataclass(frozen=True, slots=True)
class JobView:
    """Where a job stands."""

    id: str
    title: str
    status: JobStatus
    stage: str
    """Stage at work; empty before the first."""
    fraction: float
    """Of that stage."""
    progress: float
    """Of the whole job."""
    message: str
    eta_s: float | None
    """Seconds left, once known."""
    position: int
    """Jobs before it in the queue."""
    wait_s: float | None
    """Seconds until it is expected to begin; null once it has, or unknown."""
    error: dict[str, str] | None
    """code, what, todo of a failed job."""
    warnings: list[str]
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    """Length of the recording, once known."""
    timings: dict[str, float]
    """Seconds per stage; a stage from the cache is absent."""
    revision: int
    """Grows with every edit of the result; see ETag and If-Match."""


@dataclass(frozen=True, slots=True)
class JobList:
    """A page of jobs, newest first."""

    jobs: list[JobView]


@dataclass(frozen=True, slots=True)
class ResultView:
    """What was heard."""

    id: str
    revision: int
    title: str
    artist: str
    duration_s: float
    bpm: float
    """Pulses per minute, by least squares over the beats."""
    bpm_candidates: list[TempoView]
    counted: str
    """How it is counted, such as "96 in 4/4, in eighths"."""
    alternatives: list[AlternativeView]
    """Other levels, meters, and bar lines, likeliest first."""
    meter: str
    """Time signature of the most bars."""
    downbeat_confidence: float
    """That the bar lines stand right, 0-1."""
    tracker: str
    beats: list[float]
    """Times of the pulses."""
    downbeats: list[float]
    """Times of the bar lines."""
    swing: bool
    hits: list[HitView]
    changes: list[ChangeView]
    """Strokes that the score has otherwise than they were heard."""
    groups: list[int]
    """For each bar the number of its group of like bars; -1: empty."""
    reading_note: str
    """Why it is written as heard where a reading was asked for, or empty."""
    confidence: float
    """Mean over the hits, 0-1."""
    separated: bool
    warnings: list[str]
    options: Options


@dataclass(frozen=True, slots=True)
class Component:
    """State of one part the service stands on."""

    status: Literal["up", "down", "off"]
    detail: str
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """Up if every part that is in use is up."""

    status: Literal["up", "degraded"]
    version: str
    database: Component
    broker: Component
    storage: Component
    models: dict[str, Component]


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """The caller's signing key."""

    secret: str


@dataclass(frozen=True, slots=True)
class QuotaPart:
    """What is used of one quota, and what is left."""

    used: float
    limit: float | None
    """Null: there is none."""
    left: float | None
    renews_at: datetime | None
    """When it begins anew; null: only as songs end, or are deleted."""


@dataclass(frozen=True, slots=True)
class QuotaView:
    """What the caller may still send and keep."""

    songs: QuotaPart
    """Unfinished ones at once."""
    minutes: QuotaPart
    """Of music in a day (UTC)."""
    megabytes: QuotaPart
    """MiB of uploads and results that are kept."""
