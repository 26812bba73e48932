"""``/api/v1/jobs``: submit, follow, fetch, edit, download, delete."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from drumscribe.api import files, results
from drumscribe.api.auth import Caller, Client, Gate
from drumscribe.api.problems import ProblemError
from drumscribe.api.schemas import HitsPatch, JobList, JobRequest, JobView, ResultView
from drumscribe.audio.sources import video_id
from drumscribe.errors import JobNotFoundError, OptionsError, QuotaError, StorageError, UploadNotFoundError
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.stored import JobRunner
from drumscribe.options import Options
from drumscribe.storage.parts import Parts
from drumscribe.storage.writing import storing

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

POLL_S = 0.5
"""How often an event stream looks for news."""
_JSON_LIMIT = 64 * 1024
STREAMS = 100
"""Event streams that one client may hold open at this process: each asks the database twice a second."""
_heavy = anyio.CapacityLimiter(2)
"""Rescoring and engraving compute: no more than this at once, so that status requests stay quick."""

JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As returned on submission.")]
Key = Annotated[
    str | None,
    Header(max_length=200, pattern="^[\x21-\x7e]+$", description="The same key returns the job first sent with it."),
]

DownloadKind = Annotated[
    str,
    Path(
        pattern=f"^({'|'.join(files.KINDS)})$",
        description="Of the file.",
        json_schema_extra={"enum": list(files.KINDS)},
    ),
]
_BINARY = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {**_BINARY, "description": "The recording, or a chart: its content tells."},
        "options": {"type": "string", "description": "Options as JSON.", "contentMediaType": "application/json"},
        "webhook_url": {"type": "string", "maxLength": 2048},
    },
}


async def runner_of(request: Request) -> JobRunner:
    """Dependency: the runner behind this application."""
    runner: JobRunner = request.app.state.runner
    return runner


Runner = Annotated[JobRunner, Depends(runner_of)]


@router.post(
    "",
    status_code=202,
    responses={202: {"headers": {"Location": {"schema": {"type": "string"}, "description": "The job."}}}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _FORM},
                "application/json": {"schema": {"$ref": "#/components/schemas/JobRequest"}},
            },
        }
    },
)
async def submit(
    request: Request, response: Response, caller: Caller, runner: Runner, idempotency_key: Key = None
) -> JobView:
    """Queue a song: a file as multipart form data, or as JSON a link or the id of an upload."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        wanted = await _job_request(request)
        job = await run_in_threadpool(_submit_by_name, request, runner, caller.name, wanted, idempotency_key)
    elif kind == "multipart/form-data":
        with storing("The upload"):  # large parts wait in a file, for which there may be no room
            async with request.form(max_files=1, max_fields=4, max_part_size=_JSON_LIMIT) as form:
                upload, webhook_url = form.get("file"), form.get("webhook_url") or None
                if not isinstance(upload, UploadFile):
                    raise ProblemError(422, "invalid_request", "The form has no file.", 'Send one named "file".')
                if isinstance(webhook_url, UploadFile):
                    raise ProblemError(422, "invalid_request", "webhook_url must be text.")
                job = await run_in_threadpool(
                    _submit, request, runner, caller.name, upload.file, upload.filename or "",
                    _form_options(form.get("options")), webhook_url, idempotency_key,
                )  # fmt: skip
    else:
        raise ProblemError(
            415, "media_type", "A job is submitted as multipart/form-data or application/json.", "Set Content-Type."
        )
    response.headers["Location"] = str(request.url_for("show", job_id=job.id).path)
    return JobView.of(job)


@router.get("")
def listing(
    caller: Caller,
    runner: Runner,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> JobList:
    """The caller's jobs, newest first."""
    found = runner.list(owner=caller.name, status=status, limit=limit, offset=offset)
    return JobList(jobs=[JobView.of(job) for job in found])


@router.get("/{job_id}")
def show(job_id: JobId, caller: Caller, runner: Runner) -> JobView:
    """Status, stage, progress, and the time left."""
    return JobView.of(runner.get(job_id, owner=caller.name))


def known_job(request: Request, job_id: JobId, caller: Caller, runner: Runner) -> Job:
    """Dependency: the job, so that a stream for one that does not exist is refused before it begins."""
    if request.app.state.streams[caller.name] >= STREAMS:
        raise QuotaError(f"You hold {STREAMS} event streams open already.", "Close some, or ask for the status.")
    return runner.get(job_id, owner=caller.name)


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def events(
    request: Request, job: Annotated[Job, Depends(known_job)], caller: Caller, runner: Runner
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: ``progress`` with the whole job whenever it changed, ``end`` when nothing more will come."""
    last: JobView | None = None
    streams: Counter[str] = request.app.state.streams
    streams[caller.name] += 1
    try:
        while True:
            now = JobView.of(job)
            if now != last:
                yield ServerSentEvent(data=now, event="end" if job.status.finished else "progress", retry=2000)
                last = now
            if job.status.finished:
                return
            await asyncio.sleep(POLL_S)
            try:
                job = await run_in_threadpool(runner.get, job.id, owner=caller.name)
            except (JobNotFoundError, StorageError):  # deleted, or no database: whoever asks again is told
                return
    finally:
        streams[caller.name] -= 1


@router.get("/{job_id}/result")
async def result(job_id: JobId, caller: Caller, runner: Runner, response: Response) -> ResultView:
    """Hits, beats, tempo, and how sure all that is."""
    job, transcription = await anyio.to_thread.run_sync(files.opened, runner, job_id, caller.name, limiter=_heavy)
    response.headers["ETag"] = f'"{job.revision}"'
    return results.view(job, transcription)


@router.patch("/{job_id}/hits")
async def patch_hits(
    job_id: JobId,
    patch: HitsPatch,
    caller: Caller,
    runner: Runner,
    response: Response,
    if_match: Annotated[str | None, Header(max_length=64, description="ETag of the result that was edited.")] = None,
) -> ResultView:
    """Correct hits or change cheap options; the score is made anew and everything is saved."""
    found = await anyio.to_thread.run_sync(_edit, runner, job_id, caller.name, patch, if_match, limiter=_heavy)
    response.headers["ETag"] = f'"{found.revision}"'
    return found


@router.get(
    "/{job_id}/download/{kind}",
    response_class=Response,
    responses={
        200: {"content": {media: {"schema": _BINARY} for _, media in files.KINDS.values()}},
        307: {"description": "Where the file is (in a bucket that browsers reach)."},
    },
)
async def download(
    request: Request,
    job_id: JobId,
    kind: DownloadKind,
    caller: Caller,
    runner: Runner,
    page: Annotated[int, Query(ge=1, le=1000, description="Of the SVG.")] = 1,
) -> Response:
    """One file of the result, with the edits made so far; ``zip`` holds them all."""
    settings = request.app.state.settings
    found = await anyio.to_thread.run_sync(
        files.export, settings, runner, job_id, caller.name, kind, page, limiter=_heavy
    )
    if found.path is None:
        return RedirectResponse(str(found.url), 307)
    shown = {"Content-Disposition": found.disposition, "Content-Security-Policy": "sandbox"}
    return FileResponse(found.path, media_type=found.media_type, headers=shown)


@router.post("/{job_id}/retry", status_code=202)
def retry(request: Request, job_id: JobId, caller: Caller, runner: Runner) -> JobView:
    """Queue a failed or cancelled job again; finished stages are not repeated."""
    job = runner.retry(job_id, owner=caller.name)
    request.app.state.webhooks.outbox.rearm(job_id)
    return JobView.of(job)


@router.delete("/{job_id}", status_code=200)
def delete(job_id: JobId, caller: Caller, runner: Runner, response: Response) -> JobView:
    """Cancel a queued or running job (202), or delete a finished one with all its files (200)."""
    job = runner.get(job_id, owner=caller.name)
    if job.status.finished:
        runner.delete(job_id, owner=caller.name)
        return JobView.of(job)
    response.status_code = 202
    return JobView.of(runner.cancel(job_id, owner=caller.name))


async def _job_request(request: Request) -> JobRequest:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _JSON_LIMIT:
            raise ProblemError(413, "too_large", "The JSON is longer than 64 KiB.", "Leave out what is not needed.")
    try:
        return JobRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        raise _invalid(error) from error


def _form_options(text: Any) -> Options:
    if text is None or text == "":
        return Options()
    if not isinstance(text, str):
        raise ProblemError(422, "invalid_request", "options must be text.", "Send one field that holds JSON.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionsError("The options are not JSON.", "Correct them; /api/v1/docs shows their form.") from error
    if not isinstance(data, dict):
        raise OptionsError("The options are not a JSON object.", "Correct them; /api/v1/docs shows their form.")
    return Options.parse(data)


def _invalid(error: ValidationError) -> ProblemError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return ProblemError(
        422, "invalid_request", f"{where}: {first['msg']}.", "Correct the request; /api/v1/docs shows its form.",
        errors=[{"field": where, "message": first["msg"]}],
    )  # fmt: skip


def _submit_by_name(request: Request, runner: JobRunner, owner: str, wanted: JobRequest, key: str | None) -> Job:
    options, webhook_url = wanted.options, wanted.webhook_url
    if wanted.url:
        video_id(wanted.url)  # refuses anything else at once, instead of in the worker
        return _submit(request, runner, owner, wanted.url, "", options, webhook_url, key)
    parts = Parts(runner.store)
    job: Job | None = request.app.state.database.known(owner, key)
    if job is None:
        with parts.content(owner, wanted.upload) as (stream, upload):
            job = _submit(request, runner, owner, stream, upload.name, options, webhook_url, key)
    with suppress(StorageError, UploadNotFoundError):  # the job has it; what is left here expires
        parts.remove(owner, wanted.upload)
    return job


def _submit(
    request: Request, runner: JobRunner, owner: str, source: Any, name: str, options: Options,
    webhook_url: str | None, key: str | None,
) -> Job:  # fmt: skip
    state = request.app.state
    gate: Gate = state.gate
    if webhook_url:
        state.webhooks.check(owner, webhook_url)
    if state.database.known(owner, key) is None:  # sending the same again must succeed where the first did
        runner.check_room(owner)  # first: what is refused does not count
        gate.count_job(Client(owner))
    job = runner.submit(source, options, owner=owner, name=name, idempotency_key=key)
    if webhook_url:
        state.webhooks.outbox.register(job.id, webhook_url)
    return job


def _edit(runner: JobRunner, job_id: str, owner: str, patch: HitsPatch, if_match: str | None) -> ResultView:
    job, transcription = files.opened(runner, job_id, owner)
    if if_match is not None and if_match != "*" and f'"{job.revision}"' not in re.findall(r'"[^"]*"', if_match):
        raise ProblemError(412, "edited_meanwhile", "The result was changed meanwhile.", "Fetch it and edit again.")
    for step in results.steps(transcription.hits, patch):
        transcription = transcription.edit(step)
    if "tracker" in patch.options.get("beats", {}):
        raise OptionsError("A finished job keeps its beat tracker.", "Submit the song again with another one.")
    if patch.options:
        groups: dict[str, dict[str, Any]] = dict(patch.options.items())  # a plain dict for mypy's sake
        transcription = transcription.rescore(None, **groups)
    job = runner.save(job_id, transcription, owner=owner, revision=job.revision)
    return results.view(job, transcription)
