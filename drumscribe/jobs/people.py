"""What the deployment's admins know and decide of owners: names, quotas, who is blocked, what each one uses.

An owner needs no row: one without has no name, the quotas of the deployment, and is not blocked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.exc import IntegrityError

from drumscribe.errors import BlockedError
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.tables import JobRow, PersonRow
from drumscribe.settings import Settings
from drumscribe.storage.files import Store

_NAME = 200


@dataclass(frozen=True, slots=True)
class Person:
    """An owner of jobs.

    Attributes:
        owner: as the job runner knows it.
        name: the mail address, or what else the sign-in gave; may be empty.
        seen_at: of the last visit that began (seconds since the epoch), where people sign in.
        blocked: may neither sign in, nor use tokens, nor send songs.
        active_jobs: unfinished songs at once, instead of ``API_ACTIVE_JOBS``; 0: no limit; ``None``: as there.
        day_minutes: of music that is taken in a day (UTC), instead of ``API_DAY_MINUTES``.
        storage_mb: of uploads and results that are kept, instead of ``API_STORAGE_MB``.
        heard_s: seconds of music that were taken on the day ``heard_day`` (since the epoch).
    """

    owner: str
    name: str = ""
    seen_at: float | None = None
    blocked: bool = False
    active_jobs: int | None = None
    day_minutes: int | None = None
    storage_mb: int | None = None
    heard_s: float = 0.0
    heard_day: int = 0

    @property
    def today_s(self) -> float:
        """Seconds of music that were taken today."""
        return self.heard_s if self.heard_day == _today() else 0.0

    def check(self) -> None:
        """Raises BlockedError where this owner was turned away."""
        if self.blocked:
            raise BlockedError("This account was blocked here.", "Ask whoever runs this server.")


@dataclass(frozen=True, slots=True)
class Use:
    """What an owner has here now.

    Attributes:
        jobs, unfinished, failed: numbers of jobs.
        songs_s: length of the recordings.
        work_s: time between begin and end of the finished jobs.
        last_at: when the latest job was sent (seconds since the epoch).
    """

    jobs: int = 0
    unfinished: int = 0
    failed: int = 0
    songs_s: float = 0.0
    work_s: float = 0.0
    last_at: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One of an owner's quotas: what is used of it, and how much there may be; ``limit`` 0: no limit."""

    used: float
    limit: float

    @property
    def left(self) -> float | None:
        """What may still come; ``None`` where there is no limit."""
        return max(0.0, self.limit - self.used) if self.limit else None

    @property
    def full(self) -> bool:
        """Nothing more may come."""
        return self.left == 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an owner has here, and may have.

    Attributes:
        songs: unfinished ones at once.
        minutes: of music that is taken in a day (UTC).
        megabytes: MiB of uploads and results that are kept.
        renews_at: when the minutes begin anew (seconds since the epoch).
    """

    songs: Part
    minutes: Part
    megabytes: Part
    renews_at: float


class People:
    """The table of owners. Safe to share between threads.

    Raises:
        StorageError: from any method, when the database cannot be reached or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, owner: str) -> Person:
        """What is known of an owner."""
        with self._database.session() as session:
            row = session.get(PersonRow, owner)
            return Person(owner) if row is None else _person(row)

    def all(self) -> list[Person]:
        """Every owner of whom something is known."""
        with self._database.session() as session:
            return [_person(row) for row in session.scalars(select(PersonRow))]

    def seen(self, owner: str, name: str) -> Person:
        """Note a visit of somebody who has signed in."""
        return self._set(owner, name=name[:_NAME], seen_at=time.time())

    def block(self, owner: str, blocked: bool) -> Person:
        """Turn an owner away, or let one in again."""
        return self._set(owner, blocked=blocked)

    def allow(
        self, owner: str, active_jobs: int | None, *, day_minutes: int | None = None, storage_mb: int | None = None
    ) -> Person:
        """Give an owner quotas; ``None``: those of the deployment."""
        return self._set(owner, active_jobs=active_jobs, day_minutes=day_minutes, storage_mb=storage_mb)

    def heard(self, owner: str, seconds: float) -> None:
        """Count music that was taken in: it stays counted when its song is deleted."""
        same_day = case((PersonRow.heard_day == _today(), PersonRow.heard_s), else_=0.0)
        change = update(PersonRow).where(PersonRow.owner == owner)
        with self._database.session() as session:
            changed = session.scalars(
                change.values(heard_s=same_day + seconds, heard_day=_today()).returning(PersonRow.owner)
            ).all()
        if not changed:
            self._set(owner, heard_s=seconds, heard_day=_today())

    def stored(self, owner: str) -> int:
        """Bytes of an owner's uploads and results, as counted when each song was sent and done."""
        with self._database.session() as session:
            return session.scalar(select(func.coalesce(func.sum(JobRow.size), 0)).where(JobRow.owner == owner)) or 0

    def allowance(self, person: Person, unfinished: int, settings: Settings) -> Allowance:
        """What an owner with so many unfinished songs has, and may have."""

        def limit(own: int | None, usual: int) -> int:
            return usual if own is None else own

        return Allowance(
            Part(unfinished, limit(person.active_jobs, settings.api_active_jobs)),
            Part(person.today_s / 60, limit(person.day_minutes, settings.api_day_minutes)),
            Part(self.stored(person.owner) / 2**20, limit(person.storage_mb, settings.api_storage_mb)),
            86_400.0 * (_today() + 1),
        )

    def _set(self, owner: str, **values: Any) -> Person:
        for last in (False, True):
            try:
                with self._database.session() as session:
                    row = session.get(PersonRow, owner)
                    if row is None:
                        row = PersonRow(owner=owner, name="", blocked=False)
                        session.add(row)
                    for name, value in values.items():
                        setattr(row, name, value)
                    session.flush()
                    return _person(row)
            except IntegrityError:  # another process was first: then its row is there
                if last:
                    raise
        raise AssertionError

    def use(self) -> dict[str, Use]:
        """What each owner of a job has here."""
        running = JobRow.status.not_in([str(one) for one in JobStatus if one.finished])
        query = select(
            JobRow.owner,
            func.count(),
            func.sum(case((running, 1), else_=0)),
            func.sum(case((JobRow.status == str(JobStatus.FAILED), 1), else_=0)),
            func.coalesce(func.sum(JobRow.duration_s), 0.0),
            func.coalesce(func.sum(JobRow.finished_at - JobRow.started_at), 0.0),
            func.max(JobRow.created_at),
        ).group_by(JobRow.owner)
        with self._database.session() as session:
            return {owner: Use(*values) for owner, *values in session.execute(query)}

    def storage(self, store: Store) -> dict[str, int]:
        """Bytes of results and uploads by owner; an upload that two of them sent counts for both."""
        sizes = {key: size for kind in ("jobs", "uploads") for key, (size, _) in store.listing(kind).items()}
        found: dict[str, int] = {}
        with self._database.session() as session:
            rows = session.execute(select(JobRow.id, JobRow.owner, JobRow.source)).all()
        counted = set()
        for job_id, owner, source in rows:
            found[owner] = found.get(owner, 0) + sizes.get(f"jobs/{job_id}", 0)
            if (owner, source) not in counted:
                counted.add((owner, source))
                found[owner] += sizes.get(source, 0)
        return found


def _person(row: PersonRow) -> Person:
    return Person(**{one.name: getattr(row, one.name) for one in fields(Person)})


def _today() -> int:
    return int(time.time() // 86_400)
