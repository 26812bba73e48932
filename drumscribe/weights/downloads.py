"""Large files from a server: progress, cancel, resume, checksum, and never a half file under the final name.

A download is written to ``<name>.part``; beside it ``<name>.part.json`` keeps the server's validator, so that the
next try asks for the rest only, and only if the file has not changed meanwhile (``Range`` with ``If-Range``, RFC 9110,
sections 13.1.5 and 14.2). A server that ignores the range simply starts over.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import filelock
import fsspec
import httpx

from drumscribe._version import __version__
from drumscribe.errors import Cancelled, ChecksumError, WeightsUnavailableError
from drumscribe.runtime import going_out
from drumscribe.storage.writing import storing, write_atomic
from drumscribe.types import CancelToken, OnFraction
from drumscribe.weights.deadline import within

_BLOCK = 1 << 18
_RETRY = "Try again later, or put the file there yourself: README.md says where, under Separation."
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"drumscribe/{__version__}"}
_PAUSES_S = (0.2, 1.0, 2.0)
_GRACE_S = 0.5  # lets the time-outs of the library, which say more, come first


def public_url(url: str) -> str:
    """The address without user name, password and query, which may hold secrets.

    >>> public_url("https://name:secret@models.example/v1/hits.keras?token=secret")
    'https://models.example/v1/hits.keras'
    """
    return re.sub(r"//[^/@]*@", "//", url).split("?")[0]


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    timeout_s: float = 5.0,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> str:
    """Fetch ``url`` (http, https, s3 or any other fsspec address) to ``target``; returns the SHA-256 of the file.

    Args:
        sha256: what the file must have, in hex; a prefix of at least eight digits will do; empty: anything.
        timeout_s: longest wait for a connection, and for the next byte.

    Raises:
        WeightsUnavailableError: the server is down, refuses, or breaks off; what came is kept for the next try.
        ChecksumError: a whole fresh download has another checksum; nothing is kept.
        StorageError: it cannot be written.
        Cancelled: ``cancel`` was set; what came is kept.
    """
    part = target.with_name(target.name + ".part")
    note = target.with_name(target.name + ".part.json")
    report = on_progress or (lambda fraction, message: None)
    going_out("weights", url)
    with storing(target.name):
        target.parent.mkdir(parents=True, exist_ok=True)
        resumed = part.is_file() and part.stat().st_size > 0
        if url.startswith(("http://", "https://")):
            _HttpDownload(url, part, note, bool(sha256), timeout_s, report, cancel).run()
        else:
            resumed = False
            _from_filesystem(url, part, report, cancel)
        digest = checksum(part)
        if sha256 and not digest.startswith(sha256.lower()):
            part.unlink()
            note.unlink(missing_ok=True)
            if resumed:  # the kept part may have been damaged, or of another version: once more from the start
                return download(url, target, sha256=sha256, timeout_s=timeout_s, on_progress=report, cancel=cancel)
            raise ChecksumError(
                f"{target.name} from {public_url(url)} has the SHA-256 {digest[:8]}…, not the expected {sha256[:8]}….",
                "The file was deleted. Check the address and the expected checksum.",
            )
        _make_final(part, target)
        note.unlink(missing_ok=True)
    return digest


def checksum(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def validator(url: str, timeout_s: float) -> str:
    """What identifies the present version behind ``url`` (ETag, or date and length), or "" if it cannot be told now."""
    going_out("weights", url)
    if not url.startswith(("http://", "https://")):
        lost = _filesystem_errors()
        try:
            filesystem, path = fsspec.core.url_to_fs(url)
            return str(filesystem.ukey(path))
        except lost:
            return ""
    try:
        response = within(
            timeout_s + _GRACE_S, lambda: httpx.head(url, headers=_HEADERS, timeout=timeout_s, follow_redirects=True)
        )
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        return ""
    return _tag(response.headers) if response.is_success else ""


@contextmanager
def one_at_a_time(path: Path, cancel: CancelToken | None) -> Iterator[None]:
    """Hold the lock file of ``path``, so that two processes do not fetch the same file at once."""
    with storing(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
        while True:
            try:
                lock.acquire(timeout=0.2)
                break
            except filelock.Timeout:
                _check(cancel)
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class _HttpDownload:
    """One file over HTTP; ``checked``: its checksum is known, so halves may be joined without a validator."""

    url: str
    part: Path
    note: Path
    checked: bool
    timeout_s: float
    report: OnFraction
    cancel: CancelToken | None

    def run(self) -> None:
        """Fill ``part``. Tries again only while each try brings something, so a dead server costs one time-out."""
        pauses = iter(_PAUSES_S)
        with httpx.Client(headers=_HEADERS, timeout=self.timeout_s, follow_redirects=True, max_redirects=5) as client:
            while True:
                before = _size(self.part)
                try:
                    return self._request(client)
                except httpx.HTTPStatusError as error:
                    what = f"{public_url(self.url)} answered with HTTP {error.response.status_code}."
                    raise WeightsUnavailableError(what, _RETRY) from error
                except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
                    pause = next(pauses, None)
                    if (have := _size(self.part)) <= before or pause is None:
                        what = f"broke off after {have / 2**20:.1f} MB" if have else "cannot be reached"
                        raise WeightsUnavailableError(f"{public_url(self.url)} {what}.", _RETRY) from error
                    _wait(pause, self.cancel)

    def _request(self, client: httpx.Client) -> None:
        have, tag = _size(self.part), _noted(self.note, self.url)
        headers = {}
        if have and (tag.startswith('"') or self.checked):
            headers["Range"] = f"bytes={have}-"
            if tag.startswith('"'):
                headers["If-Range"] = tag
        request = client.build_request("GET", self.url, headers=headers)
        with closing(within(self.timeout_s + _GRACE_S, lambda: client.send(request, stream=True))) as response:
            if response.status_code == 416 and have:  # nothing left, or the part is longer than the file
                self.part.unlink()
                return self._request(client)
            response.raise_for_status()
            start = have if response.status_code == 206 else 0
            if start and _range_start(response.headers) != start:
                raise httpx.RemoteProtocolError("another range than the one asked for")
            total = start + int(response.headers.get("Content-Length", 0))
            write_atomic(self.note, json.dumps({"url": self.url, "tag": _tag(response.headers)}))
            blocks = cast(
                "Generator[bytes, None, None]", response.iter_raw()
            )  # left open, it would fail at the interpreter's end
            with self.part.open("r+b" if start else "wb") as file, closing(blocks):
                file.seek(start)
                _copy(blocks, file, start, total, self.report, self.cancel)
        return None


def _from_filesystem(url: str, part: Path, report: OnFraction, cancel: CancelToken | None) -> None:
    lost = _filesystem_errors()
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        size = int(filesystem.size(path) or 0)
        with filesystem.open(path, "rb", block_size=4 * 2**20) as remote, part.open("wb") as file:
            _copy(iter(lambda: remote.read(_BLOCK), b""), file, 0, size, report, cancel)
    except lost as error:
        if isinstance(error, OSError) and error.filename == str(part):
            raise
        raise WeightsUnavailableError(f"{public_url(url)} cannot be read: {error}.", _RETRY) from error


def _filesystem_errors() -> tuple[type[Exception], ...]:
    """What fsspec raises: unknown scheme, missing driver, and S3's own errors, which are not OSErrors."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return (OSError, ValueError, ImportError)
    return (OSError, ValueError, ImportError, BotoCoreError, ClientError)


def _copy(
    blocks: Iterator[bytes], file: IO[bytes], done: int, total: int, report: OnFraction, cancel: CancelToken | None
) -> None:
    for block in blocks:
        _check(cancel)
        file.write(block)
        done += len(block)
        megabytes = f"{done / 2**20:.0f} of {total / 2**20:.0f} MB" if total else f"{done / 2**20:.0f} MB"
        report(min(1.0, done / total) if total else 0.0, f"Downloading weights: {megabytes}")


def _make_final(part: Path, target: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _noted(note: Path, url: str) -> str:
    try:
        data: Any = json.loads(note.read_text())
    except (OSError, ValueError):
        return ""
    return str(data.get("tag", "")) if isinstance(data, dict) and data.get("url") == url else ""


def _tag(headers: httpx.Headers) -> str:
    """A strong ETag as it is (it begins with a quotation mark); else what there is, good for comparison only."""
    return headers.get("ETag") or " ".join(
        headers[name] for name in ("Last-Modified", "Content-Length") if name in headers
    )


def _range_start(headers: httpx.Headers) -> int:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _check(cancel: CancelToken | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("The download was stopped.")


def _wait(seconds: float, cancel: CancelToken | None, now: Callable[[], float] = time.monotonic) -> None:
    until = now() + seconds
    while now() < until:
        _check(cancel)
        time.sleep(0.05)
