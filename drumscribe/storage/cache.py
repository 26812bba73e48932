"""The stage cache: results of costly stages on disk, found again by what went into them.

diskcache keeps the index (SQLite, least recently used first out, safe between processes); each result is one file of
its own in which arrays lie as they are, so that reading one back maps the file instead of copying it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import pickle
import sqlite3
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diskcache
import numpy as np
from diskcache.core import MODE_PICKLE

from drumscribe.errors import StorageError
from drumscribe.mapped import let_go
from drumscribe.settings import Settings
from drumscribe.storage.writing import storing

_MAGIC = b"DSstage1"
_ALIGN = 64
_BLOCK = 2**23


class StageCache:
    """Results by key. Safe between processes; an entry is there whole or not at all.

    Args:
        settings: ``cache_dir`` and ``cache_size_gb``.

    Raises:
        StorageError: the folder cannot be made or its index is broken.
    """

    def __init__(self, settings: Settings) -> None:
        folder = settings.cache_dir / "stages"
        with _indexing(folder), storing("The stage cache"):
            folder.mkdir(parents=True, exist_ok=True)
            self._cache = diskcache.Cache(
                str(folder),
                timeout=30,
                disk=_ArrayDisk,
                size_limit=int(settings.cache_size_gb * 2**30),
                eviction_policy="least-recently-used",
                cull_limit=2,  # entries are large: ten at a time, as is the default, would empty a small cache
            )
        self._folder = folder

    def get(self, key: str) -> Any | None:
        """The result stored under ``key``, or ``None``; arrays are private copies on write of the file."""
        with _indexing(self._folder):
            return self._cache.get(key)

    def put(self, key: str, value: Any) -> None:
        """Store a result. Raises StorageError if the disk is full."""
        with _indexing(self._folder), storing("The stage cache"):
            self._cache.set(key, value)

    def repair(self) -> None:
        """Remove files that a killed process left without an entry."""
        with _indexing(self._folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # diskcache warns about each thing that it mends
            self._cache.check(fix=True)

    def close(self) -> None:
        """Close the index."""
        self._cache.close()


def make_key(stage: str, **parts: Any) -> str:
    """A key from everything a stage's result depends on (JSON values, or anything with a stable ``str``)."""
    text = json.dumps({"stage": stage, **parts}, sort_keys=True, default=str)
    return f"{stage}:{hashlib.sha256(text.encode()).hexdigest()}"


@lru_cache
def version_of(*modules: str, libraries: tuple[str, ...] = ()) -> str:
    """The version of a stage: a digest of its source, packaged weights, and the libraries that compute it.

    Editing the stage, shipping other weights or upgrading a library makes earlier results unfindable by itself.
    """
    digest = hashlib.sha256()
    for name in modules:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(name)
        origin = Path(spec.origin)
        files = sorted(origin.parent.rglob("*")) if origin.name == "__init__.py" else [origin]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(file.relative_to(origin.parent).as_posix().encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    for library in libraries:
        try:
            digest.update(f"{library}=={metadata.version(library)}".encode())
        except metadata.PackageNotFoundError:
            digest.update(f"{library} absent".encode())
    return digest.hexdigest()[:16]


class _ArrayDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Writes a value as its pickle followed by the raw memory of its arrays (pickle protocol 5, out of band)."""

    def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> tuple[int, int, str | None, Any]:
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
        filename, full_path = self.filename(key, value)
        path = Path(full_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as out:
                out.write(_MAGIC + struct.pack(f"<{len(parts) + 1}Q", len(parts), *(part.nbytes for part in parts)))
                for part in parts:
                    out.write(b"\0" * (-out.tell() % _ALIGN))
                    for start in range(0, part.nbytes, _BLOCK):  # an array may lie in a mapped file: no copy in memory
                        block = part[start : start + _BLOCK]
                        out.write(block)
                        let_go(np.frombuffer(block, np.uint8))
                size = out.tell()
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return size, MODE_PICKLE, filename, None

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if filename is None:
            return super().fetch(mode, filename, value, read)
        path = Path(self._directory) / filename
        try:
            return _read(path)
        except _UNREADABLE as error:
            raise OSError(f"{path} is damaged or from another version") from error  # diskcache takes it for a miss


_UNREADABLE = (
    ValueError,
    struct.error,
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    TypeError,
    IndexError,
)
"""What reading a damaged file, or one of a class that has changed, may raise."""


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    if mapped[: len(_MAGIC)] != _MAGIC:
        raise ValueError("not a stage result")
    (count,) = struct.unpack_from("<Q", mapped, len(_MAGIC))
    sizes = struct.unpack_from(f"<{count}Q", mapped, len(_MAGIC) + 8)
    position = len(_MAGIC) + 8 * (count + 1)
    parts = []
    for size in sizes:
        position += -position % _ALIGN
        parts.append(mapped[position : position + size])
        position += size
    if position != len(mapped):
        raise ValueError("stage result of the wrong length")
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 - our own folder, as trusted as our code


@contextmanager
def _indexing(folder: Path) -> Iterator[None]:
    """Turn SQLite's errors into StorageError."""
    try:
        yield
    except (sqlite3.Error, diskcache.Timeout) as error:
        raise StorageError(
            f"The index of the stage cache does not work ({error or 'busy'}).",
            f"Free disk space; if that does not help, delete the folder {folder}.",
        ) from error
