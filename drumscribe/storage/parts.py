"""Files that arrive in pieces, each piece a file of its own: it is there whole or not at all, on disk or in a bucket,
and every process of the service sees the same.

    parts/<owner>.<id>/about.json    how long the file will be, and what it is called
    parts/<owner>.<id>/<offset>      bytes from that place on

So nothing is ever appended to and nothing is locked: two requests for the same place write the same file, and how far
an upload has come is how far its pieces reach without a gap.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from drumscribe.errors import (
    EmptyAudioError,
    JobConflictError,
    QuotaError,
    StorageError,
    TooLargeError,
    UploadNotFoundError,
)
from drumscribe.storage.files import Store

PIECES = 1000
"""An upload may arrive in so many: each is a file to be found and opened."""
_ID = re.compile(r"[0-9a-f]{32}")
_OFFSET = re.compile(r"[0-9]{15}")


@dataclass(frozen=True, slots=True)
class Arriving:
    """An upload under way.

    Attributes:
        id: 32 hex digits.
        length: bytes of the whole file.
        metadata: what its client sent to be kept with it.
        name: the file's name as its user knows it; never part of a path.
        offset: bytes that are here.
        expires_at: when it is given up unless more arrives, seconds since the epoch.
        offsets: where each piece begins, in order.
    """

    id: str
    length: int
    metadata: str
    name: str
    offset: int
    expires_at: float
    offsets: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """All of it is here."""
        return self.offset == self.length


class Parts:
    """The uploads under way in a store; ``upload_ttl_hours`` and ``api_uploads`` of its settings bound them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._life_s = 3600 * store.settings.upload_ttl_hours

    def create(self, owner: str, length: int, metadata: str = "", name: str = "") -> Arriving:
        """Begin an upload of ``length`` bytes. Raises EmptyAudioError, TooLargeError, QuotaError, StorageError."""
        settings = self.store.settings
        if length <= 0:
            raise EmptyAudioError("The file is empty (zero bytes).", "Check that it was saved completely.")
        if length > settings.largest_mb * 2**20:
            raise TooLargeError(
                f"The file is larger than {settings.max_file_size_mb:g} MB.",
                "Give a shorter or compressed file, or raise MAX_FILE_SIZE_MB.",
            )
        mine = [stamp for key, (_, stamp) in self.store.listing("parts").items() if key.startswith(_folder(owner, ""))]
        still = [stamp + self._life_s for stamp in mine if stamp + self._life_s > time.time()]
        if len(still) >= settings.api_uploads:
            full = QuotaError(f"{len(still)} uploads of yours are unfinished.", "Finish one, or delete some.")
            full.retry_after_s = min(still) - time.time()
            raise full
        upload_id = secrets.token_hex(16)
        about = {"length": length, "metadata": metadata, "name": name}
        self.store.write(f"{_folder(owner, upload_id)}/about.json", json.dumps(about).encode())
        return Arriving(upload_id, length, metadata, name, 0, time.time() + self._life_s)

    def find(self, owner: str, upload_id: str) -> Arriving:
        """How far an upload of ``owner`` has come. Raises UploadNotFoundError, StorageError."""
        folder = _folder(owner, upload_id)
        found = self.store.pieces(folder) if _ID.fullmatch(upload_id) else {}
        if "about.json" not in found or (newest := max(stamp for _, stamp in found.values())) + self._life_s < (
            time.time()
        ):
            raise _gone()
        try:
            about = json.loads(self.store.read(f"{folder}/about.json"))
        except StorageError as error:
            if self.store.exists(f"{folder}/about.json"):
                raise
            raise _gone() from error  # removed between the two looks
        sizes = {int(name): size for name, (size, _) in found.items() if _OFFSET.fullmatch(name)}
        offset, offsets = 0, []
        while size := sizes.get(offset):
            offsets.append(offset)
            offset += size
        return Arriving(
            upload_id, about["length"], about["metadata"], about["name"], offset, newest + self._life_s, tuple(offsets)
        )

    def append(self, owner: str, upload_id: str, offset: int, piece: Path) -> Arriving:
        """Take in the file ``piece``, which may be moved away, as the bytes from ``offset`` on.

        Raises UploadNotFoundError; JobConflictError where another place is next; TooLargeError for too many bytes or
        pieces; StorageError.
        """
        now = self.find(owner, upload_id)
        if offset != now.offset:
            raise JobConflictError(f"The upload goes on at byte {now.offset}.", "Ask for its offset (HEAD) and go on.")
        size = piece.stat().st_size
        if offset + size > now.length:
            raise TooLargeError(f"That is more than the {now.length} bytes that were announced.", "Begin again.")
        if len(now.offsets) >= PIECES:
            raise TooLargeError(f"The upload came in more than {PIECES} pieces.", "Begin again, with larger ones.")
        if size:
            self.store.write(f"{_folder(owner, upload_id)}/{offset:015d}", piece)
        return self.find(owner, upload_id)

    @contextmanager
    def content(self, owner: str, upload_id: str) -> Iterator[tuple[BinaryIO, Arriving]]:
        """A whole upload as one stream. Raises UploadNotFoundError, JobConflictError while it is not whole."""
        now = self.find(owner, upload_id)
        if not now.whole:
            raise JobConflictError(
                f"{now.offset} of {now.length} bytes have arrived.", "Send the rest of the upload first."
            )
        with io.BufferedReader(_Joined(self.store, _folder(owner, upload_id), now.offsets)) as stream:
            yield stream, now

    def remove(self, owner: str, upload_id: str) -> None:
        """Remove an upload with all that has arrived. Raises UploadNotFoundError, StorageError."""
        self.find(owner, upload_id)
        self.store.remove(_folder(owner, upload_id))

    def sweep(self) -> int:
        """Remove what has expired; returns how many. Raises StorageError."""
        old = time.time() - self._life_s
        expired = [key for key, (_, stamp) in self.store.listing("parts").items() if stamp < old]
        for key in expired:
            self.store.remove(key)
        return len(expired)


class _Joined(io.RawIOBase):
    """Reads pieces one after the other; one is open at a time."""

    def __init__(self, store: Store, folder: str, offsets: tuple[int, ...]) -> None:
        self._store, self._folder, self._left = store, folder, list(offsets)
        self._open = ExitStack()
        self._piece: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        while True:
            if self._piece is None:
                if not self._left:
                    return 0
                key = f"{self._folder}/{self._left.pop(0):015d}"
                self._piece = self._open.enter_context(self._store.opened(key))
                if self._piece is None:
                    raise _gone()
            if block := self._piece.read(len(target)):
                target[: len(block)] = block
                return len(block)
            self._open.close()
            self._piece = None

    def close(self) -> None:
        self._open.close()
        super().close()


def _folder(owner: str, upload_id: str) -> str:
    """The owner's name is in the key: nobody else's request leads there, and one listing counts what is theirs."""
    return f"parts/{hashlib.sha256(owner.encode()).hexdigest()[:16]}.{upload_id}"


def _gone() -> UploadNotFoundError:
    return UploadNotFoundError("There is no such upload.", "It may have expired; begin again.")
