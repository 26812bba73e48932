"""The typed values that travel between stages. Times are seconds, frequencies hertz, unless said.

    Audio → Stem → Activations → Hits → BeatGrid → Rhythm → notation.model.Score

All are frozen; arrays are treated as read-only.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from drumscribe.choices import Changed
from drumscribe.kit import DRUMS

FloatArray = NDArray[np.float32]

STAGES = ("ingest", "separate", "detect", "beats", "quantise", "notate", "export")
"""Stage names in order, as reported in progress, metrics, and cache keys."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a stage reports: ``fraction`` of that stage, 0–1, and a short message."""

    stage: str
    fraction: float
    message: str = ""


class CancelToken(Protocol):
    """Anything with ``is_set()``: a ``threading.Event``, a multiprocessing one, a database look-up."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


OnProgress = Callable[[Progress], None]
OnFraction = Callable[[float, str], None]
"""Inside one stage: fraction 0–1 and a message; the pipeline adds the stage's name."""


def part_of(on_progress: OnFraction | None, start: float, end: float) -> OnFraction | None:
    """Progress of a step that takes the stage from ``start`` to ``end`` (0–1)."""
    if on_progress is None:
        return None
    return lambda fraction, message: on_progress(start + (end - start) * fraction, message)


@dataclass(frozen=True, slots=True)
class Audio:
    """A decoded recording.

    Attributes:
        samples: ``(channels, n)`` float32, one or two channels, nominally within ±1, read-only; it may lie in a mapped
            file (see :mod:`drumscribe.mapped`).
        sample_rate: always :data:`drumscribe.audio.decoding.SAMPLE_RATE` (44,100) after ingest.
        sha256: hex digest of the decoded samples: the content key of every cache.
        title: from tags or the file name; may be empty.
        artist: from tags; may be empty.
        origin: what the user gave (file name or link), for display only.
        warnings: sentences about things mended on the way in (NaN samples, clipping, resampling).
    """

    samples: FloatArray
    sample_rate: int
    sha256: str
    title: str = ""
    artist: str = ""
    origin: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.sample_rate)

    def mono(self) -> FloatArray:
        """Mean of the channels, shape ``(n,)``."""
        mixed: FloatArray = self.samples.mean(axis=0, dtype=np.float32)
        return mixed


@dataclass(frozen=True, slots=True)
class Stem:
    """What the hit network listens to.

    Attributes:
        samples: ``(channels, n)`` float32 at ``sample_rate``; the mix itself where ``method`` is ``"none"``.
        accompaniment: mix minus drums where separated, else ``None``.
        method: ``"demucs"`` or ``"none"``.
        model: name of the Demucs model, or ``""``.
        note: plain sentence for the user when the wish (``SEPARATOR``, ``DEVICE``) could not be met, or ``""``.
        device: where the model ran (``"cpu"``, ``"cuda"``, ``"mps"``), or ``""``.
    """

    samples: FloatArray
    sample_rate: int
    method: Literal["demucs", "none"]
    model: str = ""
    note: str = ""
    accompaniment: FloatArray | None = None
    device: str = ""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Activations:
    """Frame-wise output of the hit network; kept so that thresholds can be applied late.

    Attributes:
        onset: ``(frames, drums)`` float32, 0–1: activation that a hit of the drum starts in the frame.
        velocity: ``(frames, drums)`` float32, 0–1: velocity of a hit if there is one (×127).
        embedding: ``(frames, dims)`` float16 of what the network heard, for finding hits that sound alike;
            may have zero columns.
        labels: the drum of each column.
        fps: frames per second (100).
        model: name and version of the network.
        start_s: time of the first frame; a little before 0, since frames are counted from a sound
            (:mod:`drumscribe.anchor`).
    """

    onset: FloatArray
    velocity: FloatArray
    embedding: NDArray[np.float16]
    labels: tuple[str, ...]
    fps: float
    model: str
    start_s: float = 0.0

    def frame_at(self, time_s: float) -> int:
        """Index of the frame nearest to a time; beyond the ends where the time is."""
        return round((time_s - self.start_s) * self.fps)


@dataclass(frozen=True, slots=True)
class Hit:
    """One stroke.

    Attributes:
        id: unique within a project and stable under edits; noteheads carry it.
        time_s: onset time.
        drum: label from :mod:`drumscribe.kit`.
        confidence: calibrated probability 0–1 that the hit is right; 1.0 for hits a user added or accepted.
        velocity: 1–127.
        origin: ``"model"``, or ``"user"`` for added or accepted ones.
    """

    id: int
    time_s: float
    drum: str
    confidence: float
    velocity: int
    origin: Literal["model", "user"] = "model"

    def __post_init__(self) -> None:
        if self.drum not in DRUMS:
            raise ValueError(f"unknown drum {self.drum!r}")
        if not (math.isfinite(self.time_s) and self.time_s >= 0):
            raise ValueError(f"time_s must be finite and not negative, got {self.time_s}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence must be 0-1, got {self.confidence}")
        if not 1 <= self.velocity <= 127:
            raise ValueError(f"velocity must be 1-127, got {self.velocity}")


@dataclass(frozen=True, slots=True)
class Hits:
    """Hits in order of time (then of drum label). Build with :meth:`of`, which sorts."""

    items: tuple[Hit, ...] = ()

    @classmethod
    def of(cls, hits: Iterable[Hit]) -> Hits:
        """Hits in any order, sorted."""
        return cls(tuple(sorted(hits, key=lambda hit: (hit.time_s, hit.drum, hit.id))))

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Hit:
        return self.items[index]

    def by_id(self) -> dict[int, Hit]:
        """Hits by their id."""
        return {hit.id: hit for hit in self.items}

    def between(self, start_s: float, end_s: float) -> tuple[Hit, ...]:
        """Hits with ``start_s <= time_s < end_s``."""
        low = bisect_left(self.items, start_s, key=lambda hit: hit.time_s)
        high = bisect_left(self.items, end_s, key=lambda hit: hit.time_s)
        return self.items[low:high]

    def next_id(self) -> int:
        """One more than the largest id; 0 where there is no hit."""
        return max((hit.id for hit in self.items), default=-1) + 1


@dataclass(frozen=True, slots=True)
class Meter:
    """A time signature, with the pulse that a beat tracker follows in it.

    >>> Meter.parse("6/8").pulses_per_bar, Meter.parse("7/8").pulses_per_bar, Meter(4, 4).quarter_length
    (2, 7, Fraction(4, 1))
    """

    beats: int = 4
    unit: int = 4

    def __post_init__(self) -> None:
        if not (1 <= self.beats <= 32 and self.unit in (2, 4, 8, 16)):
            raise ValueError(f"not a usable time signature: {self.beats}/{self.unit}")

    @classmethod
    def parse(cls, text: str) -> Meter:
        """Read ``"4/4"``. Raises ValueError if it is not a time signature."""
        beats, _, unit = text.strip().partition("/")
        return cls(int(beats), int(unit))

    @property
    def quarter_length(self) -> Fraction:
        """Length of a bar in quarter notes."""
        return Fraction(4 * self.beats, self.unit)

    @property
    def compound(self) -> bool:
        """Whether pulses are felt in threes (6/8, 9/8, 12/8)."""
        return self.unit >= 8 and self.beats > 3 and self.beats % 3 == 0

    @property
    def pulse(self) -> Fraction:
        """Length of one pulse in quarter notes: a dotted quarter in 6/8, an eighth in 7/8."""
        return Fraction(12 if self.compound else 4, self.unit)

    @property
    def pulses_per_bar(self) -> int:
        """Pulses in a full bar."""
        return int(self.quarter_length / self.pulse)

    def __str__(self) -> str:
        return f"{self.beats}/{self.unit}"


@dataclass(frozen=True, slots=True)
class TempoCandidate:
    """A tempo the user may choose instead: ``factor`` 0.5, 1, 2, ... of the tracked pulse."""

    bpm: float
    factor: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to count the song: level, meter, and bar lines together.

    Choosing it means the options ``beats={"bpm": bpm, "meter": str(meter), "first_downbeat_s": first_downbeat_s}``.

    Attributes:
        bpm: pulses of the meter a minute.
        meter: of all bars.
        first_downbeat_s: a bar begins here.
        confidence: chance of it, 0-1; that of the chosen reading and of all alternatives together is at most 1.
        division: note values that most of it is then written in, such as ``"eighths"``.
    """

    bpm: float
    meter: Meter
    first_downbeat_s: float
    confidence: float
    division: str = ""

    @property
    def name(self) -> str:
        """What a drummer would call it."""
        return counted(self.bpm, self.meter, self.division)


def counted(bpm: float, meter: Meter | None, division: str) -> str:
    """Name of a way to count.

    >>> counted(95.7, Meter(4, 4), "eighths")
    '96 in 4/4, in eighths'
    """
    return f"{bpm:.0f} in {meter or Meter()}" + (f", in {division}" if division else "")


@dataclass(frozen=True, slots=True)
class BeatGrid:
    """Where the pulses of the bars fall in time.

    Attributes:
        times: ``(n,)`` float64, strictly increasing pulse times, covering the music from the first bar line at or
            before the first hit to the one after the last (extrapolated where the tracker was silent; may begin
            below zero).
        numbers: ``(n,)`` int, position of the pulse in its bar from 1; 1 is a downbeat. A grid begins on a downbeat
            unless the piece has a pickup.
        meters: ``(bars,)`` the meter of each bar in turn; a pickup counts as a bar of its own.
        bpm: tempo of the pulse by least squares over the beat times (pulses per minute).
        candidates: half/double/other readings, best first, including the chosen one.
        tracker: ``"madmom"``, ``"librosa"``, ``"strokes"`` (found from the strokes alone), or ``"user"``.
        confidence: 0–1 that the downbeats are right.
        alternatives: the readings next to the chosen one, the likeliest first; none where the strokes are too few.
        division: note values that most of it is written in, such as ``"eighths"``; ``""`` where not known.
    """

    times: NDArray[np.float64]
    numbers: NDArray[np.int64]
    meters: tuple[Meter, ...]
    bpm: float
    tracker: str
    candidates: tuple[TempoCandidate, ...] = ()
    confidence: float = 0.0
    alternatives: tuple[Alternative, ...] = ()
    division: str = ""

    @property
    def name(self) -> str:
        """What a drummer would call this way to count."""
        return counted(self.bpm, self.meter, self.division)

    @property
    def meter(self) -> Meter | None:
        """The meter of most bars, ``None`` where there are none."""
        return Counter(self.meters).most_common(1)[0][0] if self.meters else None

    def time_at(self, pulse: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Time of a (fractional) pulse index; linear between pulses, and beyond the ends at their rate."""
        index = np.asarray(pulse, dtype=np.float64)
        low = np.clip(np.floor(index).astype(int), 0, len(self.times) - 2)
        step = self.times[low + 1] - self.times[low]
        return np.asarray(self.times[low] + (index - low) * step, dtype=np.float64)

    def pulse_at(self, time_s: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Inverse of :meth:`time_at`."""
        time = np.asarray(time_s, dtype=np.float64)
        low = np.clip(np.searchsorted(self.times, time, side="right") - 1, 0, len(self.times) - 2)
        step = self.times[low + 1] - self.times[low]
        return np.asarray(low + (time - self.times[low]) / step, dtype=np.float64)


Ornament = Literal["", "flam", "drag", "roll"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the grid after quantisation.

    Attributes:
        index: 0-based; the pickup, where there is one, is bar 0 with ``number`` 0.
        number: as printed.
        meter: time signature.
        length: quarter notes; shorter than the meter's for a pickup.
        start_s: time of the bar line.
        end_s: time of the next bar line.
        quarter_bpm: quarter notes per minute, local.
        subdivisions: for each pulse of the bar, into how many equal parts it was divided (1, 2, 3, 4, 5, 6, 8).
        swing: the bar's eighths are swung (written straight).
    """

    index: int
    number: int
    meter: Meter
    length: Fraction
    start_s: float
    end_s: float
    quarter_bpm: float
    subdivisions: tuple[int, ...]
    swing: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one hit stands in the score.

    Attributes:
        hit_id: the hit; grace notes of a flam or drag are in ``grace_ids`` of their main stroke and have no
            placement of their own.
        bar: bar index.
        onset: quarter notes from the bar line, as written (swung eighths are at 1/2).
        drum: the hit's; a doubtful hi-hat foot may be written as the hand's.
        velocity, confidence: copied from the hit.
        deviation_s: played minus grid time (positive: late).
        ornament: ``""``, ``"flam"``, ``"drag"``, or ``"roll"``.
        grace_ids: hits that were taken into the ornament.
        roll_length: written length of a roll in quarter notes (0 otherwise).
    """

    hit_id: int
    bar: int
    onset: Fraction
    drum: str
    velocity: int
    confidence: float
    deviation_s: float
    ornament: Ornament = ""
    grace_ids: tuple[int, ...] = ()
    roll_length: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Change:
    """What the reading (:mod:`drumscribe.rhythm.reader`) made of one stroke.

    Attributes:
        kind: ``"added"``, ``"removed"``, or ``"renamed"``.
        hit_id: the hit, or the candidate that was added; named in ``quantise.as_heard`` it is left as heard.
        time_s: when it was heard.
        drum: as written; ``""`` where it was removed.
        heard: as heard; ``""`` where it was no hit.
        heard_chance: its confidence by sound alone, 0-1.
        chance: that it was played (as ``drum``; where removed: as ``heard``), all that speaks for it joined, 0-1.
    """

    kind: Changed
    hit_id: int
    time_s: float
    drum: str
    heard: str
    heard_chance: float
    chance: float


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Quantised hits: everything that notation needs. ``placements`` are ordered by bar, onset, drum."""

    bars: tuple[Bar, ...]
    placements: tuple[Placement, ...]
    bpm: float
    swing: bool = False
    dropped: tuple[int, ...] = field(default=())
    """Ids of hits that fell on the same drum and grid place as a stronger one, or that no drummer plays there."""
    changes: tuple[Change, ...] = ()
    """What the reading made of what was heard."""
    groups: tuple[int, ...] = ()
    """For each bar the number of its group of like bars; -1 where it is empty."""
    note: str = ""
    """Why it is written as heard where a reading was asked for, or nothing."""
