"""Webhooks: a signed message to the submitter's address when a job has ended.

Signed as the Standard Webhooks specification has it: the headers ``webhook-id``, ``webhook-timestamp``, and
``webhook-signature`` (``v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body``). Each message is tried up to
eight times within about a day; the receiver knows repeats by their id. The list of what is to be sent is a table, so
that any API process may send, none sends twice at once, and a restart forgets nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from drumscribe.api.outbound import SafePoster
from drumscribe.api.schemas import JobView
from drumscribe.errors import DrumScribeError, OptionsError
from drumscribe.jobs.model import Job
from drumscribe.observability import logs, metrics
from drumscribe.settings import Settings
