"""Links with which somebody else reads one song, and nothing else, until they are revoked.

A link holds 256 random bits. They are kept as they are, so that its maker can copy the link again: whoever reads the
database could read the song's row beside them, too.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import delete, select

from drumscribe.errors import JobConflictError, QuotaError
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.tables import JobRow, PersonRow, ShareRow

_FORM = re.compile(r"[\w-]{43}", re.ASCII)
LIMIT = 20
"""Links that one song may have."""


@dataclass(frozen=True, slots=True)
class Share:
    """A link. Times are seconds since the epoch.

    Attributes:
        token: what the link holds.
        job_id: the song that it opens.
        title: what the song is called now.
        created_at, expires_at: ``None`` where it does not end.
    """

    token: str
    job_id: str
    title: str
    created_at: float
    expires_at: float | None = None

    @property
    def expired(self) -> bool:
        """It opens nothing any more."""
        return self.expires_at is not None and self.expires_at <= time.time()


class Shares:
    """The table of links. Safe to share between threads.

    Raises:
        StorageError: from any method, when the database cannot be reached or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, job_id: str, *, owner: str, lasts_s: float | None = None) -> Share:
        """A new link to a finished song of ``owner``. Raises JobNotFoundError, JobConflictError, QuotaError."""
        job = self._database.get(job_id, owner=owner)
        if job.status is not JobStatus.DONE:
            raise JobConflictError(f"The job is {job.status}, so there is nothing to share.", "Wait until it is done.")
        if len(self.of(owner, job_id)) >= LIMIT:
            raise QuotaError(f"This song has {LIMIT} links already.", "Revoke those that nobody needs.")
        now = time.time()
        share = Share(
            secrets.token_urlsafe(32), job_id, job.title, now, None if lasts_s is None else now + lasts_s
        )  # fmt: skip
        with self._database.session() as session:
            session.add(
                ShareRow(token=share.token, job_id=job_id, created_at=now, expires_at=share.expires_at)
            )  # fmt: skip
        return share

    def of(self, owner: str, job_id: str | None = None) -> list[Share]:
        """The links to a person's songs, or to one of them, newest first, expired ones too."""
        query = select(ShareRow, JobRow.title).join(JobRow, JobRow.id == ShareRow.job_id).where(JobRow.owner == owner)
        if job_id is not None:
            query = query.where(ShareRow.job_id == job_id)
        with self._database.session() as session:
            rows = session.execute(query.order_by(ShareRow.created_at.desc()))
            return [Share(row.token, row.job_id, title, row.created_at, row.expires_at) for row, title in rows]

    def revoke(self, token: str, *, owner: str) -> bool:
        """End a link at once and for good. False where ``owner`` has none of that name."""
        mine = select(JobRow.id).where(JobRow.owner == owner)
        gone = delete(ShareRow).where(ShareRow.token == token, ShareRow.job_id.in_(mine)).returning(ShareRow.token)
        with self._database.session() as session:
            return session.scalar(gone) is not None

    def opened(self, token: str) -> Job | None:
        """The song behind a link, or ``None``: there is no such link, it was revoked or has expired, the song is gone,
        or its owner is blocked."""
        if not _FORM.fullmatch(token):
            return None
        blocked = select(PersonRow.owner).where(PersonRow.blocked)
        query = select(JobRow, ShareRow.expires_at).join(ShareRow, ShareRow.job_id == JobRow.id)
        query = query.where(JobRow.owner.not_in(blocked))
        with self._database.session() as session:
            row = session.execute(query.where(ShareRow.token == token)).one_or_none()
            if row is None or (row.expires_at is not None and row.expires_at <= time.time()):
                return None
            return row.JobRow.job()  # type: ignore[no-any-return]
