"""Messages to submitters' addresses that wait to be sent: a table, which a restart does not empty.

Whoever writes them (:mod:`drumscribe.api.webhooks`) claims those whose time has come; whoever may reach out (a fetch
worker, or the API of a machine without a broker) sends what was claimed, and only while the claim holds, so a copy that
comes late is dropped. A message that is not taken is tried again, eight times within about a day.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from drumscribe.errors import NetworkError, OptionsError
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.outbound import SafePoster
from drumscribe.jobs.tables import JobRow, WebhookRow
from drumscribe.observability import logs, metrics

_log = logs.get(__name__)

DELAYS_S = (5, 30, 120, 600, 3600, 6 * 3600, 12 * 3600)
"""Pauses between tries."""
CLAIM_S = 60.0
"""A message that was claimed and not sent: another claims it after this."""


@dataclass(frozen=True, slots=True)
class Due:
    """A message whose time has come, claimed; ``claim`` is what :attr:`Message.claim` has to be."""

    job: Job
    url: str
    claim: float


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted, as it goes over the wire; JSON values only."""

    job_id: str
    claim: float
    url: str
    body: str
    headers: dict[str, str]


class Outbox:
    """The table. Raises StorageError from any method, when the database cannot be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, job_id: str, url: str) -> None:
        """Remember to tell ``url`` when the job has ended; the first address given for a job stays."""
        with self._database.session() as session:
            if session.get(WebhookRow, job_id) is None:
                session.add(WebhookRow(job_id=job_id, url=url, next_at=time.time()))

    def rearm(self, job_id: str) -> None:
        """Tell again: the job was put back into the queue."""
        with self._database.session() as session:
            change = update(WebhookRow).where(WebhookRow.job_id == job_id)
            session.execute(change.values(next_at=time.time(), tries=0, outcome=""))

    def prune(self) -> None:
        """Forget the messages of jobs that are no more."""
        with self._database.session() as session:
            session.execute(delete(WebhookRow).where(WebhookRow.job_id.not_in(select(JobRow.id))))

    def due(self, limit: int = 20) -> list[Due]:
        """Claim messages of jobs that have ended and whose time has come."""
        ended = [str(status) for status in JobStatus if status.finished]
        now = time.time()
        query = (
            select(WebhookRow.job_id, WebhookRow.next_at)
            .join(JobRow, JobRow.id == WebhookRow.job_id)
            .where(WebhookRow.next_at <= now, JobRow.status.in_(ended))
            .limit(limit)
        )
        found: list[Due] = []
        with self._database.session() as session:
            for job_id, next_at in session.execute(query).all():
                claimed = session.scalars(_claim(job_id, next_at, now + CLAIM_S)).one_or_none()
                row = session.get(JobRow, job_id)
                if claimed is not None and row is not None:
                    found.append(Due(row.job(), claimed.url, now + CLAIM_S))
        return found

    async def send(self, message: Message, poster: SafePoster) -> str:
        """Post a message and note what became of it: ``sent``, ``refused``, ``retry``, or ``dropped`` (no claim)."""
        again = time.time() + CLAIM_S
        tries = await asyncio.to_thread(self._begun, message, again)
        if not tries:
            return "dropped"
        try:
            status = await poster.post(message.url, message.body.encode(), message.headers)
        except OptionsError as error:
            outcome, detail = "refused", error.what  # its name leads into a private network by now
        except NetworkError as error:
            outcome, detail = "retry", error.what
        else:
            outcome = "sent" if 200 <= status < 300 else "refused" if status == 410 else "retry"
            detail = f"status {status}"
        if outcome == "retry" and tries > len(DELAYS_S):
            outcome = "refused"
        next_at = time.time() + DELAYS_S[tries - 1] if outcome == "retry" else None
        metrics.WEBHOOKS.labels(outcome).inc()
        _log.info("webhook", job_id=message.job_id, outcome=outcome, tries=tries, detail=detail)
        await asyncio.to_thread(self._noted, message, again, next_at=next_at, outcome=f"{outcome}: {detail}"[:200])
        return outcome

    def _begun(self, message: Message, again: float) -> int:
        """Which try this is; 0 if the claim is over."""
        with self._database.session() as session:
            change = _claim(message.job_id, message.claim, again, tries=WebhookRow.tries + 1)
            row = session.scalars(change).one_or_none()
            return 0 if row is None else row.tries

    def _noted(self, message: Message, held: float, **values: Any) -> None:
        change = update(WebhookRow).where(WebhookRow.job_id == message.job_id, WebhookRow.next_at == held)
        with self._database.session() as session:
            session.execute(change.values(**values))


def _claim(job_id: str, held: float | None, until: float, **values: Any) -> ReturningUpdate[Any]:
    """The UPDATE that takes a message's claim ``held`` over, until then."""
    mine = (WebhookRow.job_id == job_id) & (WebhookRow.next_at == held)
    return update(WebhookRow).where(mine).values(next_at=until, **values).returning(WebhookRow)
