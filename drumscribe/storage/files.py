"""Where files live: uploads under their content hash, results in one folder a job, on disk or in a bucket.

    uploads/<sha256>.<ext>      what users gave, once per content
    jobs/<job id>/<name>        project.json, audio.flac, stem.flac, previews, exports
    parts/<upload>/<offset>     uploads that arrive in pieces (drumscribe.storage.parts)
    stages/<digest>             results of stages, where several machines share them (drumscribe.storage.shared_cache)

The root is ``DATA_DIR``, or ``STORAGE_URL`` (any fsspec address, e.g. ``s3://bucket/prefix``). Nothing that a user
typed becomes part of a path: keys are hashes, job ids, and names from the program. Writes are atomic: a reader sees
the old file or the new one, never half of either.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from drumscribe.errors import EmptyAudioError, StorageError, TooLargeError, UnreadableFileError
from drumscribe.settings import Settings
from drumscribe.storage.writing import atomic_path, storing, write_atomic

BLOCK = 2**20
STALE_S = 3600.0
"""Temporary files and folders that no job claims are left alone until they are this old."""
_JOB_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,5}")
_AMAZON = re.compile(r"(?<!\.vpce)\.amazonaws\.com(\.cn)?\Z")
"""Hosts that every browser reaches."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored upload: ``key`` to find it again, its SHA-256 and size in bytes."""

    key: str
    sha256: str
    size: int


class Store:
    """Files of this deployment. Cheap to make, safe to share between threads and to pickle.

    Args:
        settings: ``data_dir`` and ``storage_url`` say where; ``max_file_size_mb`` bounds uploads of a public one.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.remote = bool(settings.storage_url)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.settings,)

    @cached_property
    def _remote(self) -> tuple[Any, str]:
        return _connected(self.settings.storage_url)

    @cached_property
    def _public(self) -> Any:
        """The file system that signs addresses for browsers."""
        public = self.settings.storage_public_url.rstrip("/")
        return _connected(self.settings.storage_url, endpoint_url=public)[0] if public else self._remote[0]

    def put_upload(self, source: Path | BinaryIO, name: str = "") -> Upload:
        """Take in a file or an open stream, in blocks, and keep it under its content's hash.

        ``name`` only lends its extension. Raises TooLargeError, EmptyAudioError, UnreadableFileError, StorageError.
        """
        suffix = Path(name or (source.name if isinstance(source, Path) else "")).suffix.lower()
        suffix = suffix if _EXTENSION.fullmatch(suffix) else ""
        incoming = self.settings.data_dir / "incoming" / f"{secrets.token_hex(8)}.part"
        with storing("The upload"):
            incoming.parent.mkdir(parents=True, exist_ok=True)
        try:
            digest, size = self._receive(source, incoming)
            key = f"uploads/{digest}{suffix}"
            with storing("The upload"):
                if self.remote:
                    filesystem, root = self._remote
                    filesystem.put_file(str(incoming), f"{root}/{key}")
                else:
                    target = self.settings.data_dir / key
                    target.parent.mkdir(parents=True, exist_ok=True)
                    incoming.replace(target)
            return Upload(key, digest, size)
        finally:
            incoming.unlink(missing_ok=True)

    def _receive(self, source: Path | BinaryIO, target: Path) -> tuple[str, int]:
        limit = self.settings.largest_mb * 2**20
        digest, size = hashlib.sha256(), 0
        with _opened(source) as stream, storing("The upload"), target.open("wb") as out:
            while block := stream.read(BLOCK):
                size += len(block)
                if size > limit:
                    raise TooLargeError(
                        f"The file is larger than {self.settings.max_file_size_mb:g} MB.",
                        "Give a shorter or compressed file, or raise MAX_FILE_SIZE_MB.",
                    )
                digest.update(block)
                out.write(block)
        if size == 0:
            raise EmptyAudioError("The file is empty (zero bytes).", "Check that it was saved or uploaded completely.")
        return digest.hexdigest(), size

    @contextmanager
    def fetched(self, key: str) -> Iterator[Path]:
        """Give the file of ``key`` as a local path for the time of the ``with`` block. Raises StorageError."""
        if not self.remote:
            path = self._path(key)
            if not path.is_file():
                raise StorageError("The uploaded file is no longer there.", "Give it again.")
            yield path
            return
        # Under its own name, which stage keys hold, and kept for a while: the next step of the job wants it too.
        local = self.settings.cache_dir / "uploads" / PurePosixPath(_safe(key)).name
        with storing("The uploaded file"):
            if local.is_file():
                os.utime(local)
            else:
                filesystem, root = self._remote
                with atomic_path(local) as temporary:
                    filesystem.get_file(f"{root}/{key}", str(temporary))
        yield local

    def folder(self, job_id: str) -> Folder:
        """The folder of one job."""
        if not _JOB_ID.fullmatch(job_id):
            raise StorageError("That is not the number of a job.", "Use the number that submitting it returned.")
        return Folder(self, job_id)

    def read(self, key: str) -> bytes:
        """Raises StorageError if it is not there."""
        with storing(PurePosixPath(key).name):
            if self.remote:
                filesystem, root = self._remote
                return bytes(filesystem.cat_file(f"{root}/{_safe(key)}"))
            return self._path(key).read_bytes()

    def write(self, key: str, data: bytes | Path) -> None:
        """Store bytes, or a local file that may be moved away. Raises StorageError."""
        if self.remote:
            filesystem, root = self._remote
            with storing(PurePosixPath(key).name):
                if isinstance(data, Path):
                    filesystem.put_file(str(data), f"{root}/{_safe(key)}")
                else:
                    filesystem.pipe_file(f"{root}/{_safe(key)}", data)
            return
        path = self._path(key)
        if isinstance(data, bytes):
            write_atomic(path, data)
            return
        with atomic_path(path) as temporary:
            shutil.move(data, temporary)

    def exists(self, key: str) -> bool:
        """Whether there is a file of that key."""
        with storing(PurePosixPath(key).name):
            if self.remote:
                filesystem, root = self._remote
                return bool(filesystem.exists(f"{root}/{_safe(key)}"))
            return self._path(key).is_file()

    def remove(self, key: str) -> None:
        """Remove a file or a job's folder; one that is not there is no error. Raises StorageError."""
        with storing(PurePosixPath(key).name):
            if self.remote:
                filesystem, root = self._remote
                if filesystem.exists(f"{root}/{_safe(key)}"):
                    filesystem.rm(f"{root}/{_safe(key)}", recursive=True)
                return
            path = self._path(key)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def url(self, key: str, disposition: str, media_type: str, *, expires_s: int = 600) -> str | None:
        """A presigned address that answers with these headers, else ``None``: serve the bytes yourself.

        There is one for a bucket at Amazon, and for any other that browsers reach by ``storage_public_url``.
        """
        if not (self.remote and self.settings.storage_url.startswith("s3://")):
            return None
        _, root = self._remote
        shown = {"ResponseContentDisposition": disposition, "ResponseContentType": media_type}
        with storing(PurePosixPath(key).name):
            url = str(self._public.sign(f"{root}/{_safe(key)}", expiration=expires_s, **shown))
        host = urlsplit(url).hostname or ""
        return url if self.settings.storage_public_url or _AMAZON.search(host) else None

    def check(self) -> str:
        """Ask the storage for a sign of life, cheaply, and return its kind. Raises StorageError."""
        with storing("The storage"):
            if not self.remote:
                write_atomic(self.settings.data_dir / "uploads" / f".health-{secrets.token_hex(4)}.part", b"ok")
                return "folder"
            filesystem, root = self._remote
            if self.settings.storage_url.startswith("s3://"):
                filesystem.call_s3("head_bucket", Bucket=root.partition("/")[0])
            else:
                filesystem.exists(root)
            return "bucket"

    def listing(self, kind: str) -> dict[str, tuple[int, float]]:
        """Entries of ``"jobs"``, ``"uploads"``, ``"parts"``: key → (bytes, newest modification, s since the epoch)."""
        found: dict[str, tuple[int, float]] = {}
        with storing(kind):
            for path, size, modified in self._walk(kind):
                parts = path.split("/")
                key = f"{kind}/{parts[0]}"
                total, newest = found.get(key, (0, 0.0))
                found[key] = (total + size, max(newest, modified))
        return found

    def pieces(self, folder: str) -> dict[str, tuple[int, float]]:
        """Files in one entry of ``"parts"``: name → (bytes, modification, seconds since the epoch)."""
        with storing("The upload"):
            return {path: (size, modified) for path, size, modified in self._walk(_safe(folder))}

    def everything(self) -> list[str]:
        """The keys of every upload and every file of a job. Raises StorageError."""
        with storing("The store"):
            found = [f"{kind}/{path}" for kind in ("uploads", "jobs") for path, size, _ in self._walk(kind) if size]
        return sorted(key for key in found if _known(key))

    @contextmanager
    def opened(self, key: str) -> Iterator[BinaryIO | None]:
        """The file's content, or ``None`` where it has gone meanwhile. Raises StorageError."""
        with storing(PurePosixPath(key).name), ExitStack() as stack:
            try:
                if self.remote:
                    filesystem, root = self._remote
                    content = stack.enter_context(filesystem.open(f"{root}/{_safe(key)}", "rb"))
                else:
                    content = stack.enter_context(self._path(key).open("rb"))
            except FileNotFoundError:
                content = None
            yield content

    def sweep(self, *, jobs: Collection[str], uploads: Collection[str]) -> int:
        """Remove job folders and uploads that are not named, and left-over temporary files; all only once stale.

        Args:
            jobs: ids of every job that exists.
            uploads: keys of every upload that some job refers to.

        Returns:
            How many entries were removed.
        """
        keep = {f"jobs/{job_id}" for job_id in jobs} | set(uploads)
        stale = time.time() - STALE_S
        doomed = [
            key
            for kind in ("jobs", "uploads")
            for key, (_, modified) in self.listing(kind).items()
            if key not in keep and modified < stale
        ]
        for key in doomed:
            self.remove(key)
        removed = len(doomed)
        for pattern in ("incoming/*", "jobs/*/.*.part", "uploads/.*.part", "cache/uploads/*", "cache/uploads/.*.part",
                        "cache/folders/*/*"):  # fmt: skip
            for path in self.settings.data_dir.glob(pattern):
                with storing(path.name):
                    if path.is_file() and path.stat().st_mtime < stale:
                        path.unlink(missing_ok=True)
                        removed += 1
        return removed

    def _walk(self, kind: str) -> Iterator[tuple[str, int, float]]:
        if self.remote:
            filesystem, root = self._remote
            base = f"{root}/{kind}"
            if filesystem.exists(base):
                for path, info in filesystem.find(base, detail=True).items():
                    modified = info.get("LastModified") or info.get("created") or 0.0
                    stamp = modified.timestamp() if hasattr(modified, "timestamp") else float(modified)
                    yield path.removeprefix(base).lstrip("/"), int(info["size"] or 0), stamp
            return
        top = self.settings.data_dir / kind
        for path in top.rglob("*"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # removed meanwhile by another process
            yield path.relative_to(top).as_posix(), 0 if path.is_dir() else status.st_size, status.st_mtime

    def _path(self, key: str) -> Path:
        return self.settings.data_dir / _safe(key)


@dataclass(frozen=True)
class Folder:
    """One job's files. Where the store is a bucket, files asked for by path are kept under ``cache/folders``."""

    store: Store
    job_id: str

    def key(self, name: str) -> str:
        """The store key of a file of this job."""
        return f"jobs/{self.job_id}/{name}"

    def read(self, name: str) -> bytes:
        """Raises StorageError if it is not there."""
        return self.store.read(self.key(name))

    def write(self, name: str, data: bytes | Path) -> None:
        """Raises StorageError."""
        self.store.write(self.key(name), data)

    def exists(self, name: str) -> bool:
        """Whether the job has a file of that name."""
        return self.store.exists(self.key(name))

    def path(self, name: str) -> Path:
        """A local path to read from. Raises StorageError."""
        data_dir = self.store.settings.data_dir
        if not self.store.remote:
            return data_dir / _safe(self.key(name))
        local = self.store.settings.cache_dir / "folders" / self.job_id / name
        if not local.is_file():
            write_atomic(local, self.read(name))
        else:
            with storing(name):
                os.utime(local)
        return local

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Give a temporary local path to write to; at the end it becomes the file of that name. Raises StorageError."""
        if not self.store.remote:
            with atomic_path(self.path(name)) as temporary:
                yield temporary
            return
        local = self.store.settings.data_dir / "incoming" / f"{secrets.token_hex(8)}.part"
        with storing(name):
            try:
                local.parent.mkdir(parents=True, exist_ok=True)
                yield local
                self.write(name, local)
            finally:
                local.unlink(missing_ok=True)

    def size(self) -> int:
        """Bytes of the job's files. Raises StorageError."""
        store, here = self.store, f"jobs/{self.job_id}"
        with storing("The job"):
            if store.remote:
                filesystem, root = store._remote
                return int(filesystem.du(f"{root}/{here}"))
            return sum(path.stat().st_size for path in (store.settings.data_dir / here).rglob("*") if path.is_file())

    def copy(self, to: Folder) -> None:
        """Copy the job's files into the folder of another job. Raises StorageError."""
        store, here, there = self.store, f"jobs/{self.job_id}", f"jobs/{to.job_id}"
        with storing("The copy"):
            if store.remote:
                filesystem, root = store._remote
                for path in filesystem.find(f"{root}/{here}"):
                    filesystem.cp_file(path, f"{root}/{there}/{PurePosixPath(path).name}")
                return
            top = store.settings.data_dir
            shutil.copytree(top / here, top / there, ignore=shutil.ignore_patterns("*.part"))

    def remove(self) -> None:
        """Remove the job's files. Raises StorageError."""
        self.store.remove(f"jobs/{self.job_id}")
        shutil.rmtree(self.store.settings.cache_dir / "folders" / self.job_id, ignore_errors=True)


def _connected(url: str, **more: str) -> tuple[Any, str]:
    """The fsspec file system of ``url``, and the root in it."""
    import fsspec

    if url.startswith("s3://"):  # most servers other than Amazon's, and its newer regions, know only version 4
        found = fsspec.core.url_to_fs(url, config_kwargs={"signature_version": "s3v4"}, **more)
    else:
        found = fsspec.core.url_to_fs(url)
    return found[0], found[1].rstrip("/")


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(source, Path):
        yield source
        return
    if not source.is_file():  # a FIFO or device would block or never end
        what = "is not there" if not source.exists() else "is not a file"
        raise UnreadableFileError(f"{source.name} {what}.", "Check the path.")
    try:
        stream = source.open("rb")
    except OSError as error:
        raise UnreadableFileError(
            f"{source.name} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    with stream:
        yield stream


def _safe(key: str) -> str:
    """``key`` itself if it is one this module makes. Raises StorageError."""
    if not _known(key):
        raise StorageError("That is not a key of the store.", "Use the key that storing the file returned.")
    return key


def _known(key: str) -> bool:
    parts = key.split("/")
    kind = parts[0] in ("jobs", "uploads", "parts", "stages") and 2 <= len(parts) <= 3
    return kind and all(map(_NAME.fullmatch, parts))
