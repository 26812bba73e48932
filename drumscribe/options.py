"""What a user may choose for one song. Deployment-wide settings are in :mod:`drumscribe.settings`.

Each group belongs to one stage and is part of that stage's cache key, so a change reruns that stage and those after.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from drumscribe.choices import Finest, MidiBeats, Noteheads, Paper, Separator, Source, Swing, Tracker, Voices
from drumscribe.errors import OptionsError
from drumscribe.kit import DRUMS
from drumscribe.types import Meter


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeparateOptions(_Group):
    """Separation. ``auto``: Demucs where its weights can be had, else the mix; ``none``: the mix as it is."""

    separator: Separator | None = None  # None: the deployment's SEPARATOR


SPEEDS = (94, 100, 106)
"""At which a recording is heard, in per cent: see :mod:`drumscribe.hits.speeds`."""


class DetectOptions(_Group):
    """Listening, and peak picking."""

    sensitivity: float = Field(0.5, ge=0, le=1, description="0 shows only sure hits, 1 every candidate.")
    thresholds: dict[str, float] = Field(default_factory=dict, description="Own confidence threshold per drum, 0-1.")
    speeds: tuple[Annotated[int, Field(ge=80, le=125)], ...] = Field(
        SPEEDS,
        min_length=1,
        max_length=9,
        description="Speeds at which the recording is heard, in per cent; what is heard is averaged. [100]: once.",
    )

    source: Source = Field("auto", description="In what hits are heard. auto: in both, where there is a stem.")

    @field_validator("speeds")
    @classmethod
    def _different(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))

    @field_validator("thresholds")
    @classmethod
    def _known(cls, value: dict[str, float]) -> dict[str, float]:
        for label, threshold in value.items():
            if label not in DRUMS:
                raise ValueError(f"unknown drum {label!r}")
            if not 0 <= threshold <= 1:
                raise ValueError(f"threshold of {label} must be 0-1")
        return value


class BeatOptions(_Group):
    """Beats, bars, tempo; ``None`` means: find it."""

    tracker: Tracker | None = None  # None: the deployment's BEAT_TRACKER
    bpm: float | None = Field(None, ge=20, le=400, description="Pulses per minute, near which the tracker must stay.")
    meter: str | None = Field(None, description='Time signature such as "4/4"; None finds it.')
    first_downbeat_s: float | None = Field(None, ge=0)
    bar_shift: int = Field(0, ge=-16, le=16, description="Move every bar line by this many pulses.")
    midi: MidiBeats = Field(
        "auto", description="Beats of a MIDI file: its own, found from its strokes, or its own where they sit on them."
    )

    @field_validator("meter")
    @classmethod
    def _meter(cls, value: str | None) -> str | None:
        return None if value is None else str(Meter.parse(value))


READINGS = {"heard": 0.0, "balanced": 0.5, "clean": 1.0}
"""Names of places on the dial from what was heard to what a teacher would write."""


class QuantiseOptions(_Group):
    """From times to note values."""

    finest: Finest = Field(32, description="Finest grid, as a division of the whole note.")
    triplets: bool = True
    quintuplets: bool = False
    strength: float = Field(1.0, ge=0, le=1, description="Of exported quantised MIDI: 0 as played, 1 on the grid.")
    swing: Swing = "auto"
    ornaments: bool = True
    rare_drums: Literal["common", "heard"] = Field(
        "common", description="Drums told unreliably (splash, china, bell): written as crash and ride, or as heard."
    )
    reading: Literal["heard", "balanced", "clean"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "heard",
        description="As heard, as a chart, or 0-1 between: doubtful strokes are judged by what like bars have there.",
    )
    as_heard: tuple[int, ...] = Field((), max_length=100_000, description="Ids of hits that the reading leaves alone.")

    @property
    def amount(self) -> float:
        """The reading as a number, 0-1."""
        return READINGS[self.reading] if isinstance(self.reading, str) else self.reading


class NotateOptions(_Group):
    """Style of the chart."""

    title: str = Field("", max_length=300)
    artist: str = Field("", max_length=300)
    voices: Voices = 2
    simile: bool = True
    repeats: bool = True
    ghosts: bool = True
    accents: bool = True
    dynamics: bool = True
    simplify: Literal[0, 1, 2] = Field(0, description="0 every detail, 1 no ghosts or ornaments, 2 the core groove.")
    sections: bool = True
    summary: bool = False
    legend: bool = True
    count_in: bool = False
    paper: Paper = "a4"
    noteheads: Noteheads = "pas"


class ReadOptions(_Group):
    """How a file of another program is read."""

    note_map: str = Field(
        "auto", max_length=100, description="Of a MIDI file: which note is which drum. auto: found from its notes."
    )
    part: str = Field("", max_length=200, description="Of a score with several drum parts: the one to read; '': all.")


class WriteOptions(_Group):
    """How files for other programs are written."""

    note_map: str = Field("general-midi", max_length=100, description="Of MIDI files: which note a drum is written as.")


class Options(_Group):
    """All choices for one song."""

    separate: SeparateOptions = SeparateOptions()
    detect: DetectOptions = DetectOptions()
    beats: BeatOptions = BeatOptions()
    quantise: QuantiseOptions = QuantiseOptions()
    notate: NotateOptions = NotateOptions()
    read: ReadOptions = ReadOptions()
    write: WriteOptions = WriteOptions()

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Options:
        """Validate plain data. Raises OptionsError naming the first bad field."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise OptionsError(f"The option {where or 'set'} is not valid: {first['msg']}.",
                               "Correct it, or leave it out for the default.") from error  # fmt: skip

    def updated(self, **groups: dict[str, Any]) -> Options:
        """Return a copy with fields changed: ``options.updated(beats={"bpm": 120})``. Raises OptionsError."""
        data = self.model_dump()
        for group, changes in groups.items():
            data.setdefault(group, {}).update(changes)
        return self.parse(data)
