"""What the client does, step by step, without doing it: each function yields requests and pauses and is sent the
answers. So the client that waits and the one of asyncio are the same."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from drumscribe.client.models import Health, HitsPatch, JobList, JobView, ResultView, WebhookSecret
from drumscribe.client.wire import built, error_of, retry_after
from drumscribe.errors import UnreadableFileError, UploadNotFoundError

T = TypeVar("T")
PIECE = 4 * 2**20
"""Bytes of a piece of an upload; a larger file goes in pieces."""
TRIES = 8
"""A piece that does not get through so often in a row is given up."""
ENDED = ("done", "failed", "cancelled")
_TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Call:
    """A request below ``/api/v1``; one that may be ``repeated`` does no harm if it arrives twice."""

    method: str
    path: str
    repeated: bool = True
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pause:
    """Seconds to wait."""

    seconds: float


Steps = Generator[Call | Pause, Any, T]


def ask(call: Call, patience_s: float) -> Steps[httpx.Response]:
    """The answer to a request. One refused for now (429, 503) is sent again when the server says, one that got lost
    after a pause, while that is within ``patience_s`` in all. Raises DrumScribeError."""
    spent, pause = 0.0, 0.5
    while True:
        answer: httpx.Response | httpx.TransportError = yield call
        if isinstance(answer, httpx.Response):
            if answer.status_code < 400:
                return answer
            wait = (retry_after(answer) or pause) if answer.status_code in (429, 503) else None
        else:
            wait = pause if call.repeated else None
        if wait is None or spent + wait > patience_s:
            raise error_of(answer)
        yield Pause(wait)
        spent, pause = spent + wait, min(2 * pause, 10.0)


def get(cls: type[T], call: Call, patience_s: float) -> Steps[T]:
    """An answer as a dataclass."""
    answer = yield from ask(call, patience_s)
    return built(cls, answer.content)


def submit(
    source: str | Path, options: Mapping[str, Any], webhook_url: str, key: str, patience_s: float,
    on_progress: Callable[[int, int], None] | None, resumable: bool | None,
) -> Steps[JobView]:  # fmt: skip
    """Queue a file or a link; a large file goes in pieces. Repeating it gives the same job."""
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    body: dict[str, Any] = {"options": dict(options)} | ({"webhook_url": webhook_url} if webhook_url else {})
    if isinstance(source, str) and "://" in source:
        more: dict[str, Any] = {"json": {"url": source, **body}, "headers": headers}
    else:
        path = Path(source)
        try:
            size = path.stat().st_size
            if resumable or (resumable is None and size > PIECE):
                upload_id = yield from upload(path, "", patience_s, on_progress, None)
                return (yield from submit_upload(upload_id, options, webhook_url, key, patience_s))
            else:
                form = {**body, "options": json.dumps(body["options"])}
                more = {"files": {"file": (path.name, path.read_bytes())}, "data": form, "headers": headers}
        except OSError as error:
            raise UnreadableFileError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    return (yield from get(JobView, Call("POST", "/jobs", more=more), patience_s))


def upload(
    path: Path, upload_id: str, patience_s: float, on_progress: Callable[[int, int], None] | None,
    on_begin: Callable[[str], None] | None,
) -> Steps[str]:  # fmt: skip
    """Send a file in pieces, each with its checksum; after a broken line, from where the server has it.

    Returns the upload's id, which ``on_begin`` is told at once: with it, a later call goes on with the same upload
    (and begins another where that has expired). Raises DrumScribeError, OSError.
    """
    size, offset = path.stat().st_size, 0
    if upload_id:
        try:
            offset = yield from _offset(upload_id, patience_s)
        except UploadNotFoundError:
            upload_id = ""
    if not upload_id:
        name = base64.b64encode(path.name.encode()).decode()
        head = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
        answer = yield from ask(Call("POST", "/uploads", more={"headers": head}), patience_s)
        upload_id = str(answer.headers["Location"]).rpartition("/")[2]
    if on_begin:
        on_begin(upload_id)
    failed = 0
    with path.open("rb") as file:
        while offset < size:
            if on_progress:
                on_progress(offset, size)
            file.seek(offset)
            piece = file.read(PIECE)
            digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
            head = {**_TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset),
                    "Upload-Checksum": f"sha256 {digest}"}  # fmt: skip
            sent = yield Call("PATCH", f"/uploads/{upload_id}", more={"content": piece, "headers": head})
            if isinstance(sent, httpx.Response) and sent.status_code == 204:
                offset, failed = int(sent.headers["Upload-Offset"]), 0
                continue
            failed += 1
            passing = not isinstance(sent, httpx.Response) or sent.status_code in (409, 429, 460, 500, 502, 503, 504)
            if failed >= TRIES or not passing:
                raise error_of(sent)
            told = retry_after(sent) if isinstance(sent, httpx.Response) else None
            yield Pause(told or min(0.25 * 2**failed, 10.0))
            offset = yield from _offset(upload_id, patience_s)
    if on_progress:
        on_progress(size, size)
    return upload_id


def _offset(upload_id: str, patience_s: float) -> Steps[int]:
    call = Call("HEAD", f"/uploads/{upload_id}", more={"headers": _TUS})
    answer = yield call
    if isinstance(answer, httpx.Response) and answer.status_code == 404:  # HEAD has no body to say it
        raise UploadNotFoundError("There is no such upload.", "It may have expired; begin again.")
    if not (isinstance(answer, httpx.Response) and answer.status_code == 200):
        answer = yield from ask(call, patience_s)
    return int(answer.headers["Upload-Offset"])


def discard(upload_id: str, patience_s: float) -> Steps[None]:
    """Give an upload up."""
    yield from ask(Call("DELETE", f"/uploads/{upload_id}", False, {"headers": _TUS}), patience_s)


def wait(
    job_id: str, on_progress: Callable[[JobView], None] | None, every_s: float, patience_s: float
) -> Steps[JobView]:
    """The job once it has ended, asked for at intervals."""
    last = None
    while True:
        job = yield from get(JobView, Call("GET", f"/jobs/{job_id}"), patience_s)
        if on_progress and job != last:
            on_progress(job)
        if job.status in ENDED:
            return job
        last = job
        yield Pause(every_s)


def download(job_id: str, kind: str, page: int, target: Path | None, patience_s: float) -> Steps[bytes]:
    """One file, which is also written where ``target`` is given."""
    call = Call("GET", f"/jobs/{job_id}/download/{kind}", more={"params": {"page": page}})
    answer = yield from ask(call, patience_s)
    if target is not None:
        half = target.with_name(f".{uuid.uuid4().hex}.part")  # a reader sees all of it or nothing
        try:
            half.write_bytes(answer.content)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)
    return answer.content


def submit_upload(
    upload_id: str, options: Mapping[str, Any], webhook_url: str, key: str, patience_s: float
) -> Steps[JobView]:
    """Queue a whole upload."""
    body = {"upload": upload_id, "options": dict(options)} | ({"webhook_url": webhook_url} if webhook_url else {})
    more = {"json": body, "headers": {"Idempotency-Key": key or upload_id}}
    return (yield from get(JobView, Call("POST", "/jobs", more=more), patience_s))


def jobs(status: str | None, limit: int, offset: int, patience_s: float) -> Steps[list[JobView]]:
    """A page of jobs."""
    wanted = {"limit": limit, "offset": offset, **({"status": status} if status else {})}
    return (yield from get(JobList, Call("GET", "/jobs", more={"params": wanted}), patience_s)).jobs


def edit(job_id: str, patch: HitsPatch, revision: int | None, patience_s: float) -> Steps[ResultView]:
    """Change a result; not repeated without a revision, because it might be done twice."""
    headers = {} if revision is None else {"If-Match": f'"{revision}"'}
    call = Call("PATCH", f"/jobs/{job_id}/hits", False, {"json": dict(patch), "headers": headers})
    return (yield from get(ResultView, call, patience_s))


def cancel(job_id: str, patience_s: float) -> Steps[JobView]:
    """Stop a job, if it has not ended: a finished one would be deleted by the same request."""
    job = yield from get(JobView, Call("GET", f"/jobs/{job_id}"), patience_s)
    if job.status in ENDED:
        return job
    return (yield from get(JobView, Call("DELETE", f"/jobs/{job_id}", False), patience_s))


def webhook_secret(patience_s: float) -> Steps[str]:
    """The signing key."""
    return (yield from get(WebhookSecret, Call("GET", "/webhook-secret"), patience_s)).secret


def health() -> Steps[Health]:
    """The state of the server; one that is degraded says so with 503, and with the same answer."""
    answer = yield Call("GET", "/health")
    if not isinstance(answer, httpx.Response) or answer.status_code not in (200, 503):
        raise error_of(answer)
    return built(Health, answer.content)
