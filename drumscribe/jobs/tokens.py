"""API tokens: with one a program works as the person who made it, on the songs that the studio shows that person.

A token is ``drumscribe_<id>_<secret>``: the prefix is for people and for scanners that look for leaked secrets, the id
finds the row. Of the secret (256 random bits) only the SHA-256 of the whole token is kept, so a stolen database opens
nothing; a slow hash would add nothing where there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update

from drumscribe.errors import OptionsError, QuotaError
from drumscribe.jobs.db import Database
from drumscribe.jobs.tables import TokenRow

_FORM = re.compile(r"drumscribe_([0-9a-f]{12})_[\w-]{43}", re.ASCII)
LIMIT = 50
"""Tokens that one person may have."""
NAME = 100
"""Letters of a token's name."""
_USED_S = 60.0
"""The time of the last use is as exact as this, so that not every request writes."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. Times are seconds since the epoch.

    Attributes:
        id: 12 hex digits, part of the token.
        owner: as the job runner knows it.
        name: what its maker called it.
        reads_only: it changes nothing.
        created_at, expires_at, used_at: ``None`` where it never ends, and where it was never used.
    """

    id: str
    owner: str
    name: str
    reads_only: bool
    created_at: float
    expires_at: float | None = None
    used_at: float | None = None

    @property
    def expired(self) -> bool:
        """It opens nothing any more."""
        return self.expires_at is not None and self.expires_at <= time.time()


def is_token(text: str) -> bool:
    """Whether this has the form of a token, rather than of a key of the deployment.

    >>> is_token("drumscribe_0123456789ab_" + "x" * 43), is_token("s3cret")
    (True, False)
    """
    return _FORM.fullmatch(text) is not None


class Tokens:
    """The table of tokens. Safe to share between threads.

    Raises:
        StorageError: from any method, when the database cannot be reached or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, owner: str, name: str, *, reads_only: bool = False, lasts_s: float | None = None
    ) -> tuple[Token, str]:
        """A new token: what is known of it, and itself, which can be had only now.

        Raises:
            OptionsError: it has no name.
            QuotaError: there are :data:`LIMIT` already.
        """
        name = " ".join(name.split())[:NAME]
        if not name:
            raise OptionsError("The token has no name.", "Name it after the program that will use it.")
        token_id, now = secrets.token_hex(6), time.time()
        text = f"drumscribe_{token_id}_{secrets.token_urlsafe(32)}"
        row = TokenRow(
            id=token_id, owner=owner, name=name, digest=_digest(text), reads_only=reads_only, created_at=now,
            expires_at=None if lasts_s is None else now + lasts_s,
        )  # fmt: skip
        with self._database.session() as session:
            mine = session.scalar(select(func.count()).select_from(TokenRow).where(TokenRow.owner == owner)) or 0
            if mine >= LIMIT:
                raise QuotaError(f"You have {mine} tokens already.", "Revoke those that nothing uses.")
            session.add(row)
            session.flush()
            return _token(row), text

    def of(self, owner: str) -> list[Token]:
        """A person's tokens, newest first, expired ones too."""
        query = select(TokenRow).where(TokenRow.owner == owner).order_by(TokenRow.created_at.desc())
        with self._database.session() as session:
            return [_token(row) for row in session.scalars(query)]

    def revoke(self, token_id: str, *, owner: str) -> bool:
        """End a token at once and for good. False where ``owner`` has none of that id."""
        gone = delete(TokenRow).where(TokenRow.id == token_id, TokenRow.owner == owner)
        with self._database.session() as session:
            return session.scalar(gone.returning(TokenRow.id)) is not None

    def holder(self, text: str) -> Token | None:
        """The token that ``text`` is, also an expired one, or ``None``. Notes the use of one that holds."""
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        with self._database.session() as session:
            row = session.get(TokenRow, match[1])
            if row is None or not hmac.compare_digest(row.digest, _digest(text)):
                return None
            found, now = _token(row), time.time()
            if not found.expired and now - (found.used_at or 0) > _USED_S:
                session.execute(update(TokenRow).where(TokenRow.id == row.id).values(used_at=now))
            return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _token(row: TokenRow) -> Token:
    return Token(row.id, row.owner, row.name, row.reads_only, row.created_at, row.expires_at, row.used_at)
