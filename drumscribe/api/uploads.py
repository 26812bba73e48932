"""``/api/v1/uploads``: a large file in pieces, by the tus protocol 1.0 (https://tus.io/protocols/resumable-upload).

Core with the extensions creation, expiration, checksum, and termination. A whole upload becomes a job by
``POST /api/v1/jobs`` with ``{"upload": ID}``, where options and limits are checked as for any other song.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from email.utils import formatdate
from hmac import compare_digest
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drumscribe.api.auth import Caller
from drumscribe.api.problems import ProblemError
from drumscribe.errors import TooLargeError
from drumscribe.jobs.stored import JobRunner
from drumscribe.storage.files import BLOCK
from drumscribe.storage.parts import Arriving, Parts
from drumscribe.storage.writing import storing

PATH = "/api/v1/uploads"
PIECE = "application/offset+octet-stream"
"""Media type of a piece."""
VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,checksum,termination"
ALGORITHMS = ("sha256", "sha1")
MISMATCH = 460
"""Status of a piece that is not what its checksum says, as the protocol has it."""
METADATA = 4096
"""Longest metadata in characters."""
HEADERS = ("Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset", "Upload-Checksum")
"""What requests carry."""
ANSWERS = ("Tus-Resumable", "Tus-Version", "Tus-Max-Size", "Tus-Extension", "Tus-Checksum-Algorithm", "Upload-Length",
           "Upload-Offset", "Upload-Metadata", "Upload-Expires")  # fmt: skip
_PAIR = re.compile(r"[\x21-\x2b\x2d-\x7e]+( [A-Za-z0-9+/]*={0,2})?")
_OVERRIDES = ("HEAD", "PATCH", "DELETE")


class Tus:
    """ASGI middleware: says the protocol's version in every answer, and takes ``X-HTTP-Method-Override`` for what some
    proxies do not let through."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].removeprefix(scope.get("root_path", "")).startswith(PATH):
            await self.app(scope, receive, send)
            return
        wanted = Headers(scope=scope).get("x-http-method-override", "")
        if scope["method"] == "POST" and wanted in _OVERRIDES:
            scope = {**scope, "method": wanted}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
            await send(message)

        await self.app(scope, receive, answer)


async def parts_of(request: Request) -> Parts:
    """Dependency: the uploads under way."""
    return Parts(request.app.state.runner.store)


async def spoken(_caller: Caller, tus_resumable: Annotated[str | None, Header(description="1.0.0")] = None) -> None:
    """Dependency: the caller speaks our version. Raises ProblemError (412)."""
    if tus_resumable != VERSION:
        raise ProblemError(
            412, "tus_version", f"This server speaks version {VERSION} of the tus protocol.",
            f"Send Tus-Resumable: {VERSION}.", headers={"Tus-Version": VERSION},
        )  # fmt: skip


router = APIRouter(prefix=PATH, tags=["uploads"])
Uploads = Annotated[Parts, Depends(parts_of)]
UploadId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As returned on creation.")]
Count = Annotated[int, Header(ge=0, lt=2**53)]
_speaking = [Depends(spoken)]


def _described(*names: str) -> dict[str, Any]:
    return {"headers": {name: {"schema": {"type": "string"}} for name in names}}


@router.options("", status_code=204, responses={204: _described(*ANSWERS[1:5])})
def ability(_caller: Caller, uploads: Uploads) -> Response:
    """What this server can do, in headers."""
    longest = uploads.store.settings.largest_mb * 2**20
    return Response(
        status_code=204,
        headers={
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            "Tus-Max-Size": str(int(longest)),
        },
    )


@router.post("", status_code=201, dependencies=_speaking, responses={201: _described("Location", "Upload-Expires")})
def create(
    request: Request, caller: Caller, uploads: Uploads, upload_length: Count,
    upload_metadata: Annotated[
        str, Header(max_length=METADATA, description="Names and base64 values; filename is the file's name.")
    ] = "",
) -> Response:  # fmt: skip
    """Begin an upload; send its pieces to the address in ``Location``."""
    name = _metadata(upload_metadata).get("filename", "")
    runner: JobRunner = request.app.state.runner
    runner.check_room(caller.name)  # before it is sent in vain
    made = uploads.create(caller.name, upload_length, upload_metadata, name)
    place = request.url_for("progress_of_upload", upload_id=made.id).path
    return Response(status_code=201, headers={"Location": str(place), **_state(made)})


@router.head(
    "/{upload_id}", dependencies=_speaking, responses={200: _described("Upload-Offset", "Upload-Length", *ANSWERS[7:])}
)
def progress_of_upload(upload_id: UploadId, caller: Caller, uploads: Uploads) -> Response:
    """How far it has come, in headers: go on from ``Upload-Offset``."""
    now = uploads.find(caller.name, upload_id)
    told = {"Upload-Metadata": now.metadata} if now.metadata else {}
    return Response(headers={**_state(now), "Upload-Length": str(now.length), **told})


@router.patch(
    "/{upload_id}",
    status_code=204,
    dependencies=_speaking,
    responses={204: _described("Upload-Offset", "Upload-Expires")},
    openapi_extra={"requestBody": {"content": {PIECE: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def append(
    request: Request, upload_id: UploadId, caller: Caller, uploads: Uploads, upload_offset: Count,
    upload_checksum: Annotated[
        str | None, Header(max_length=200, description="sha256 (or sha1) and the piece's digest in base64.")
    ] = None,
) -> Response:  # fmt: skip
    """Send the next piece. Of one that breaks off, what has arrived is kept, unless it has a checksum."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PIECE:
        raise ProblemError(415, "media_type", f"A piece of an upload is {PIECE}.", "Set Content-Type.")
    digest, expected = _checksum(upload_checksum)
    now = await run_in_threadpool(uploads.find, caller.name, upload_id)
    runner: JobRunner = request.app.state.runner
    await run_in_threadpool(runner.check_disk)
    piece = uploads.store.settings.data_dir / "incoming" / f"{secrets.token_hex(8)}.part"
    try:
        whole = await _received(request, piece, max(0, now.length - upload_offset), digest)
        if digest is not None and not (whole and compare_digest(digest.digest(), expected)):
            raise ProblemError(
                MISMATCH, "upload_checksum", "The piece is not what its checksum says.", "Send it again."
            )
        now = await run_in_threadpool(uploads.append, caller.name, upload_id, upload_offset, piece)
    finally:
        piece.unlink(missing_ok=True)
    return Response(status_code=204, headers=_state(now))


@router.delete("/{upload_id}", status_code=204, dependencies=_speaking)
def terminate(upload_id: UploadId, caller: Caller, uploads: Uploads) -> Response:
    """Give it up: what has arrived is removed."""
    uploads.remove(caller.name, upload_id)
    return Response(status_code=204)


def _state(now: Arriving) -> dict[str, str]:
    return {"Upload-Offset": str(now.offset), "Upload-Expires": formatdate(now.expires_at, usegmt=True)}


def _metadata(text: str) -> dict[str, str]:
    """Values by name. Raises ProblemError for what is not as the protocol writes it."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition(" ")
        try:
            if not _PAIR.fullmatch(pair) or name in found:
                raise ValueError(pair)
            found[name] = base64.b64decode(value, validate=True).decode("utf-8", "replace")
        except ValueError as error:  # binascii.Error is one of them
            raise ProblemError(
                400, "bad_request", "Upload-Metadata cannot be read.", "Write: name base64,name base64; each name once."
            ) from error
    return found


def _checksum(text: str | None) -> tuple[Any, bytes]:
    """A digest to be filled, and what it should come to; ``(None, b"")`` where none was given."""
    if text is None:
        return None, b""
    algorithm, _, value = text.strip().partition(" ")
    try:
        if algorithm not in ALGORITHMS:
            raise ValueError(algorithm)
        return hashlib.new(algorithm, usedforsecurity=False), base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ProblemError(
            400, "bad_request", "Upload-Checksum cannot be read.",
            f"Write an algorithm ({' or '.join(ALGORITHMS)}) and the digest in base64.",
        ) from error  # fmt: skip


async def _received(request: Request, piece: FilePath, room: int, digest: Any) -> bool:
    """Write the request's body to ``piece``, of ``room`` bytes at most. Returns whether all of it came.

    Raises TooLargeError, StorageError.
    """

    def write(block: bytes) -> None:
        if digest is not None:
            digest.update(block)
        with storing("The upload"), piece.open("ab") as out:
            out.write(block)

    with storing("The upload"):
        piece.parent.mkdir(parents=True, exist_ok=True)
        piece.touch()
    size, block, whole = 0, bytearray(), True
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > room:
                raise TooLargeError("The piece is longer than what is missing of the upload.", "Send what is missing.")
            block += chunk
            if len(block) >= BLOCK:
                await run_in_threadpool(write, bytes(block))
                block.clear()
    except ClientDisconnect:
        whole = False
    await run_in_threadpool(write, bytes(block))
    return whole
