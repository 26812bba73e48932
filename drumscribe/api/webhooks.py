"""Webhooks: a signed message to the submitter's address when a job has ended.

Signed as the Standard Webhooks specification has it: the headers ``webhook-id``, ``webhook-timestamp``, and
``webhook-signature`` (``v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body``). Each client has a key of its own,
made from the deployment's secret: who can check a signature can also make one. The receiver knows repeats by their id.
Any API process may write messages, none writes what another is writing (:mod:`drumscribe.jobs.outbox`); where there are
workers, the one that may reach out sends them, and this process need not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from contextlib import nullcontext, suppress

from drumscribe.api.schemas import JobView
from drumscribe.errors import NetworkError, OptionsError
from drumscribe.jobs.outbound import SafePoster
from drumscribe.jobs.outbox import Due, Message, Outbox
from drumscribe.settings import Settings


class Webhooks:
    """Writing messages, and seeing to it that they are sent.

    Args:
        settings: ``webhook_secret`` signs; empty switches webhooks off. With ``redis_url`` a fetch worker sends.
        outbox: where they wait.
    """

    def __init__(self, settings: Settings, outbox: Outbox) -> None:
        self._secret = settings.webhook_secret.get_secret_value()
        self._handed_on = bool(settings.redis_url)
        self._poster = SafePoster.of(settings)
        self.outbox = outbox

    def secret_of(self, owner: str) -> str:
        """The key that signs messages to ``owner``. Raises OptionsError where webhooks are switched off."""
        if not self._secret:
            raise OptionsError("Webhooks are switched off here.", "Leave webhook_url out, or set WEBHOOK_SECRET.")
        return hmac.new(self._secret.encode(), owner.encode(), hashlib.sha256).hexdigest()

    def check(self, owner: str, url: str) -> None:
        """Refuse an address that will not be posted to.

        Raises OptionsError; NetworkError if its name has no address. Where another process sends, this one may be in a
        network that knows no names of the internet: then that one finds out.
        """
        self.secret_of(owner)
        with suppress(NetworkError) if self._handed_on else nullcontext():
            self._poster.check(url)

    def written(self, due: Due) -> Message:
        """The signed message about an ended job."""
        body = json.dumps({"type": f"job.{due.job.status}", "data": JobView.of(due.job).model_dump(mode="json")})
        message_id = f"{due.job.id}-{due.job.attempts}"
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "DrumScribe",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": sign(self.secret_of(due.job.owner), message_id, stamp, body.encode()),
        }
        return Message(due.job.id, due.claim, due.url, body, headers)

    async def send(self, message: Message) -> None:
        """Send a message, or hand it to who may. Raises StorageError."""
        if self._handed_on:
            from drumscribe.jobs.sending import post

            post(message)
        else:
            await self.outbox.send(message, self._poster)

    async def close(self) -> None:
        """Close connections."""
        await self._poster.close()


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The ``webhook-signature`` of a message (Standard Webhooks, symmetric).

    >>> sign("k", "msg_1", "0", b"{}")
    'v1,Njn2n2R8r1XaysCTEE1eXdI9VcRNXbEqgQinX8jPvAg='
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
