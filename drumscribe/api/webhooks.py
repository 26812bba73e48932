"""Webhooks: a signed message to the submitter's address when a job has ended.

Signed as the Standard Webhooks specification has it: the headers ``webhook-id``, ``webhook-timestamp``, and
``webhook-signature`` (``v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body``). Each client has a key of its own,
made from the deployment's secret: who can check a signature can also make one. A message that is not taken is tried
again, eight times within about a day; the receiver knows repeats by their id. What is to be sent is a table: any API
process may send, none sends what another is sending, and a restart forgets nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from drumscribe.api.outbound import SafePoster
from drumscribe.api.schemas import JobView
from drumscribe.errors import NetworkError, OptionsError
from drumscribe.jobs.db import Database
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.tables import JobRow, WebhookRow
from drumscribe.observability import logs, metrics
from drumscribe.settings import Settings

_log = logs.get(__name__)

DELAYS_S = (5, 30, 120, 600, 3600, 6 * 3600, 12 * 3600)
"""Pauses between tries."""
_CLAIM_S = 60
"""A sender that claimed a message and died: another takes it after this."""


@dataclass(frozen=True, slots=True)
class Due:
    """A message claimed for sending."""

    job: Job
    url: str
    tries: int


class Webhooks:
    """The table of messages and the sending of them.

    Args:
        settings: ``webhook_secret`` signs; empty switches webhooks off.
        database: where the table is.
        poster: what may be reached, and how.
    """

    def __init__(self, settings: Settings, database: Database, poster: SafePoster) -> None:
        self._secret = settings.webhook_secret.get_secret_value()
        self._database = database
        self._poster = poster

    def secret_of(self, owner: str) -> str:
        """The key that signs messages to ``owner``. Raises OptionsError where webhooks are switched off."""
        if not self._secret:
            raise OptionsError("Webhooks are switched off here.", "Leave webhook_url out, or set WEBHOOK_SECRET.")
        return hmac.new(self._secret.encode(), owner.encode(), hashlib.sha256).hexdigest()

    def check(self, owner: str, url: str) -> None:
        """Refuse an address that will not be posted to. Raises OptionsError, NetworkError (its name has no address)."""
        self.secret_of(owner)
        self._poster.check(url)

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
        """Claim messages of jobs that have ended and whose time has come. Raises StorageError."""
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
                claimed = session.scalars(
                    update(WebhookRow)
                    .where(WebhookRow.job_id == job_id, WebhookRow.next_at == next_at)
                    .values(next_at=now + _CLAIM_S, tries=WebhookRow.tries + 1)
                    .returning(WebhookRow)
                ).one_or_none()
                row = session.get(JobRow, job_id)
                if claimed is not None and row is not None:
                    found.append(Due(row.job(), claimed.url, claimed.tries))
        return found

    async def send(self, due: Due) -> str:
        """Post one message. Returns what became of it: ``sent``, ``refused``, or ``retry``."""
        body = json.dumps(
            {"type": f"job.{due.job.status}", "data": JobView.of(due.job).model_dump(mode="json")}
        ).encode()
        message_id = f"{due.job.id}-{due.job.attempts}"
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "DrumScribe",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": sign(self.secret_of(due.job.owner), message_id, stamp, body),
        }
        try:
            status = await self._poster.post(due.url, body, headers)
        except OptionsError as error:
            outcome, detail = "refused", error.what  # its name leads into a private network by now
        except NetworkError as error:
            outcome, detail = "retry", error.what
        else:
            outcome = "sent" if 200 <= status < 300 else "refused" if status == 410 else "retry"
            detail = f"status {status}"
        if outcome == "retry" and due.tries > len(DELAYS_S):
            outcome = "refused"
        metrics.WEBHOOKS.labels(outcome).inc()
        _log.info("webhook", job_id=due.job.id, outcome=outcome, tries=due.tries, detail=detail)
        return f"{outcome}: {detail}"

    def note(self, due: Due, outcome: str) -> None:
        """Write down what became of a message. Raises StorageError."""
        again = outcome.startswith("retry")
        next_at = time.time() + DELAYS_S[due.tries - 1] if again else None
        with self._database.session() as session:
            session.execute(
                update(WebhookRow).where(WebhookRow.job_id == due.job.id).values(next_at=next_at, outcome=outcome[:200])
            )


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The ``webhook-signature`` of a message (Standard Webhooks, symmetric).

    >>> sign("k", "msg_1", "0", b"{}")
    'v1,Njn2n2R8r1XaysCTEE1eXdI9VcRNXbEqgQinX8jPvAg='
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
