"""Writing a file whole or not at all, and the errors of disks and buckets in words."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drumscribe.errors import StorageError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; it becomes ``path`` at the end, or is removed on any error.

    Raises StorageError in the place of an OSError.
    """
    temporary = path.parent / f".{secrets.token_hex(6)}.part"
    with storing(path.name):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a whole file so that no reader ever sees half of it. Raises StorageError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Turn the errors of writing or reading ``what`` (disk or bucket) into StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"The disk is full; {what} was not written.", "Free some space and try again."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(
                f"There is no permission to use {error.filename or what}.", "Choose another folder or set DATA_DIR."
            ) from error
        if isinstance(error, FileNotFoundError):
            raise StorageError(f"{what} is not in the store.", "It may have expired; run the job again.") from error
        detail = error.strerror or str(error)
        raise StorageError(
            f"{what} could not be stored or read: {detail}.", "Check disk and storage settings."
        ) from error
