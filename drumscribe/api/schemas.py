"""The shapes of requests and answers, as OpenAPI shows them. Times are seconds, timestamps RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from drumscribe.choices import Changed
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.people import Allowance, Part
from drumscribe.kit import LABELS
from drumscribe.options import Options

_MAX_HITS = 100_000


class Problem(BaseModel):
    """RFC 9457 problem details, with the error tree's code and advice."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    todo: str


class JobRequest(BaseModel):
    """A song by link, or one that was uploaded in pieces."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["upload"]}]}
    )

    url: str = Field("", max_length=2048, description="Link to one YouTube video.")
    upload: str = Field("", pattern="^([0-9a-f]{32})?$", description="Id of a whole upload.")
    options: Options = Field(default_factory=Options)
    webhook_url: str | None = Field(None, max_length=2048, description="Told when the job has ended.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.url) == bool(self.upload):
            raise ValueError("name either url or upload")
        return self


class JobView(BaseModel):
    """Where a job stands."""

    id: str
    title: str
    status: JobStatus
    stage: str = Field(description="Stage at work; empty before the first.")
    fraction: float = Field(ge=0, le=1, description="Of that stage.")
    progress: float = Field(ge=0, le=1, description="Of the whole job.")
    message: str
    eta_s: float | None = Field(description="Seconds left, once known.")
    position: int = Field(description="Jobs before it in the queue.")
    wait_s: float | None = Field(description="Seconds until it is expected to begin; null once it has, or unknown.")
    error: dict[str, str] | None = Field(description="code, what, todo of a failed job.")
    warnings: list[str]
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None = Field(description="Length of the recording, once known.")
    timings: dict[str, float] = Field(description="Seconds per stage; a stage from the cache is absent.")
    revision: int = Field(description="Grows with every edit of the result; see ETag and If-Match.")

    @classmethod
    def of(cls, job: Job) -> JobView:
        """What the owner of ``job`` may see of it: all but the source's place in the store."""
        return cls(
            **{
                name: getattr(job, name)
                for name in cls.model_fields
                if name not in ("created_at", "started_at", "finished_at", "warnings")
            },
            warnings=list(job.warnings),
            created_at=datetime.fromtimestamp(job.created_at, UTC),
            started_at=_stamp(job.started_at),
            finished_at=_stamp(job.finished_at),
        )


class JobList(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobView]


class HitView(BaseModel):
    """One stroke; see the drum table for labels."""

    id: int
    time_s: float
    drum: str
    confidence: float
    velocity: int
    origin: Literal["model", "user"]


class TempoView(BaseModel):
    """Another reading of the tempo."""

    bpm: float
    factor: float
    confidence: float


class AlternativeView(BaseModel):
    """Another way to count the song; PATCH tempo, meter, and first downbeat as options of ``beats`` to choose it."""

    name: str = Field(description='Such as "96 in 4/4, in eighths".')
    bpm: float
    meter: str
    first_downbeat_s: float
    confidence: float


class ChangeView(BaseModel):
    """What the reading made of one stroke; named in ``quantise.as_heard`` it is left as heard."""

    kind: Changed
    hit_id: int
    time_s: float
    drum: str = Field(description="As written; empty where it was removed.")
    heard: str = Field(description="As heard; empty where it was no hit.")
    heard_chance: float = Field(description="By sound alone, 0-1.")
    chance: float = Field(description="All that speaks for it joined, 0-1.")


class ResultView(BaseModel):
    """What was heard."""

    id: str
    revision: int
    title: str
    artist: str
    duration_s: float
    bpm: float = Field(description="Pulses per minute, by least squares over the beats.")
    bpm_candidates: list[TempoView]
    counted: str = Field(description='How it is counted, such as "96 in 4/4, in eighths".')
    alternatives: list[AlternativeView] = Field(description="Other levels, meters, and bar lines, likeliest first.")
    meter: str = Field(description="Time signature of the most bars.")
    downbeat_confidence: float = Field(description="That the bar lines stand right, 0-1.")
    tracker: str
    beats: list[float] = Field(description="Times of the pulses.")
    downbeats: list[float] = Field(description="Times of the bar lines.")
    swing: bool
    hits: list[HitView]
    changes: list[ChangeView] = Field(description="Strokes that the score has otherwise than they were heard.")
    groups: list[int] = Field(description="For each bar the number of its group of like bars; -1: empty.")
    reading_note: str = Field(description="Why it is written as heard where a reading was asked for, or empty.")
    confidence: float = Field(description="Mean over the hits, 0-1.")
    separated: bool
    warnings: list[str]
    options: Options


def _known_drum(label: str) -> str:
    if label not in LABELS:
        raise ValueError(f"unknown drum {label!r}")
    return label


DrumLabel = Annotated[str, AfterValidator(_known_drum), Field(json_schema_extra={"enum": list(LABELS)})]
HitId = Annotated[StrictInt, Field(ge=0, lt=2**53)]
Time = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Velocity = Annotated[StrictInt, Field(ge=1, le=127)]


class NewHit(BaseModel):
    """A hit to add."""

    model_config = ConfigDict(extra="forbid")

    time_s: Time
    drum: DrumLabel
    velocity: Velocity = 90


class HitChange(BaseModel):
    """Changes to one hit; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    id: HitId
    time_s: Time | None = None
    drum: DrumLabel | None = None
    velocity: Velocity | None = None
    accept: StrictBool = Field(False, description="Vouch for it as it is: its confidence becomes 1.")


class HitsPatch(BaseModel):
    """Edits in one step: deletions first, then changes, then additions; then the score is made anew."""

    model_config = ConfigDict(extra="forbid")

    delete: list[HitId] = Field(default_factory=list, max_length=_MAX_HITS)
    update: list[HitChange] = Field(default_factory=list, max_length=_MAX_HITS)
    add: list[NewHit] = Field(default_factory=list, max_length=_MAX_HITS)
    options: dict[Literal["detect", "beats", "quantise", "notate"], dict[str, Any]] = Field(
        default_factory=dict, description='Changed options by group, e.g. {"beats": {"bpm": 120}}.'
    )


class QuotaPart(BaseModel):
    """What is used of one quota, and what is left."""

    used: float
    limit: float | None = Field(description="Null: there is none.")
    left: float | None
    renews_at: datetime | None = Field(description="When it begins anew; null: only as songs end, or are deleted.")

    @classmethod
    def of(cls, part: Part, renews_at: float | None = None) -> Self:
        """As it is shown, to two decimals."""
        left = None if part.left is None else round(part.left, 2)
        return cls(used=round(part.used, 2), limit=part.limit or None, left=left, renews_at=_stamp(renews_at))


class QuotaView(BaseModel):
    """What the caller may still send and keep."""

    songs: QuotaPart = Field(description="Unfinished ones at once.")
    minutes: QuotaPart = Field(description="Of music in a day (UTC).")
    megabytes: QuotaPart = Field(description="MiB of uploads and results that are kept.")

    @classmethod
    def of(cls, allowance: Allowance) -> Self:
        """The view of an owner's quotas."""
        renews_at = allowance.renews_at if allowance.minutes.limit else None
        return cls(
            songs=QuotaPart.of(allowance.songs),
            minutes=QuotaPart.of(allowance.minutes, renews_at),
            megabytes=QuotaPart.of(allowance.megabytes),
        )


class WebhookSecret(BaseModel):
    """The caller's signing key."""

    secret: str


class Component(BaseModel):
    """State of one part the service stands on."""

    status: Literal["up", "down", "off"]
    detail: str = ""
    latency_ms: float | None = None


class Health(BaseModel):
    """Up if every part that is in use is up."""

    status: Literal["up", "degraded"]
    version: str
    database: Component
    broker: Component
    storage: Component
    models: dict[str, Component]


def _stamp(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
