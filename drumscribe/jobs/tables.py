"""The tables of the job database; migrations compare with their metadata."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import JSON, BigInteger, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from drumscribe.jobs.model import Job, JobStatus
from drumscribe.options import Options


class Base(DeclarativeBase):
    """Declarative base; its metadata is what migrations compare with."""


class JobRow(Base):
    """One job; see :class:`~drumscribe.jobs.model.Job`. ``worker`` and ``beat`` are the lease of a running one,
    ``turn`` is explained in :mod:`drumscribe.jobs.fairness`, ``trace`` is the W3C traceparent of its submission,
    ``size`` the bytes of its upload and results."""

    __tablename__ = "jobs"
    __table_args__ = (UniqueConstraint("owner", "idempotency_key"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    source: Mapped[str] = mapped_column(String(2000))
    name: Mapped[str] = mapped_column(String(300), default="")
    title: Mapped[str] = mapped_column(String(300), default="")
    artist: Mapped[str] = mapped_column(String(300), default="", server_default="")
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16), index=True)
    stage: Mapped[str] = mapped_column(String(16), default="")
    fraction: Mapped[float] = mapped_column(default=0.0)
    progress: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column(String(500), default="")
    eta_s: Mapped[float | None]
    error: Mapped[dict[str, str] | None] = mapped_column(JSON)
    warnings: Mapped[list[str]] = mapped_column(JSON, default=list)
    attempts: Mapped[int] = mapped_column(default=0)
    priority: Mapped[int] = mapped_column(default=0)
    turn: Mapped[int] = mapped_column(default=0, server_default="0", index=True)
    trace: Mapped[str] = mapped_column(String(64), default="", server_default="")
    created_at: Mapped[float] = mapped_column(index=True)
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    duration_s: Mapped[float | None]
    timings: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)
    revision: Mapped[int] = mapped_column(default=0)
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    worker: Mapped[str] = mapped_column(String(64), default="")
    beat: Mapped[int] = mapped_column(default=0)

    def job(self, position: int = 0) -> Job:
        """The snapshot that others see."""
        return Job(
            **{name: getattr(self, name) for name in _PLAIN},
            options=Options.parse(self.options),
            status=JobStatus(self.status),
            position=position,
            warnings=tuple(self.warnings),
            timings=dict(self.timings),
        )


_PLAIN = {field.name for field in fields(Job)} - {"options", "status", "position", "wait_s", "warnings", "timings"}
"""Fields of a job that its row holds as they are."""


class RateRow(Base):
    """Seconds of work per second of recording, by stage: a running mean of what was measured here."""

    __tablename__ = "rates"

    stage: Mapped[str] = mapped_column(String(40), primary_key=True)
    rate: Mapped[float]


class WebhookRow(Base):
    """One message to the submitter of a job. ``next_at`` is when to try; NULL once it was taken or given up."""

    __tablename__ = "webhooks"

    job_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    url: Mapped[str] = mapped_column(String(2048))
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[float | None] = mapped_column(index=True)
    outcome: Mapped[str] = mapped_column(String(200), default="")


class TokenRow(Base):
    """One API token; see :mod:`drumscribe.jobs.tokens`. ``digest`` is the SHA-256 of the whole token in hex."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    name: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64))
    reads_only: Mapped[bool]
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    used_at: Mapped[float | None]


class ShareRow(Base):
    """One link to a song for somebody else; see :mod:`drumscribe.jobs.shares`."""

    __tablename__ = "shares"

    token: Mapped[str] = mapped_column(String(43), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(32), index=True)
    created_at: Mapped[float]
    expires_at: Mapped[float | None]


class PersonRow(Base):
    """What is known and decided of one owner; see :mod:`drumscribe.jobs.people`."""

    __tablename__ = "people"

    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    seen_at: Mapped[float | None]
    blocked: Mapped[bool]
    active_jobs: Mapped[int | None]
    day_minutes: Mapped[int | None]
    storage_mb: Mapped[int | None]
    heard_s: Mapped[float] = mapped_column(default=0.0, server_default="0")
    heard_day: Mapped[int] = mapped_column(default=0, server_default="0")
