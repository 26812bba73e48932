"""The client twice: for programs that wait, and for asyncio. What they do is in :mod:`drumscribe.client.steps`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from drumscribe._version import __version__
from drumscribe.client import steps
from drumscribe.client.models import Health, HitsPatch, JobStatus, JobView, Options, QuotaView, ResultView
from drumscribe.client.steps import Call, Pause, Steps
from drumscribe.client.wire import built, error_of
from drumscribe.errors import OptionsError

T = TypeVar("T")


class _Base:
    _http: Any

    def __init__(self, url: str, key: str = "", *, patience_s: float = 120.0, transport: Any = None) -> None:
        self._patience_s = patience_s
        base = url.rstrip("/").removesuffix("/api/v1") + "/api/v1"
        if httpx.URL(base).scheme not in ("http", "https"):
            raise OptionsError(f"{url!r} is not the address of a server.", "Write it like https://drums.example.org.")
        # As Authorization, which httpx keeps from other hosts when a download leads to a bucket.
        headers = {"User-Agent": f"drumscribe/{__version__}", **({"Authorization": f"Bearer {key}"} if key else {})}
        made = httpx.AsyncClient if isinstance(self, AsyncClient) else httpx.Client
        self._http = made(base_url=base, headers=headers, timeout=60, follow_redirects=True, transport=transport)

    def _get(self, cls: type[T], method: str, path: str, repeated: bool = True) -> Steps[T]:
        return steps.get(cls, Call(method, path, repeated), self._patience_s)


def _event(lines: list[str]) -> JobView | None:
    data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return built(JobView, "\n".join(data)) if data else None


class Client(_Base):
    """A client of the REST API that waits for each answer.

    Args:
        url: of the server; ``/api/v1`` is added where it is missing.
        key: API key; empty for a server on this machine that asks for none.
        patience_s: so long a request is tried again that the server refuses for now, or that gets lost.
        transport: of httpx, for tests.

    Every method raises errors of :mod:`drumscribe.errors`: NetworkError without an answer, OptionsError for what the
    server does not take (a wrong key too), QuotaError and OverloadedError when patience is at its end.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _run(self, plan: Steps[T]) -> T:
        answer: Any = None
        while True:
            try:
                step = plan.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                answer = None
                continue
            try:
                answer = self._http.request(step.method, step.path, **step.more)
            except httpx.TransportError as error:
                answer = error

    def events(self, job_id: str) -> Iterator[JobView]:
        """The job whenever it has changed, until it has ended; a stream that breaks off just ends."""
        try:
            with self._http.stream("GET", f"/jobs/{job_id}/events") as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise error_of(answer)
                lines: list[str] = []
                for line in answer.iter_lines():
                    lines.append(line)
                    if not line:
                        if job := _event(lines):
                            yield job
                        lines.clear()
        except httpx.TransportError as error:
            raise error_of(error) from error

    def submit(
        self,
        source: str | Path,
        options: Options | None = None,
        *,
        webhook_url: str = "",
        key: str = "",
        on_progress: Callable[[int, int], None] | None = None,
        resumable: bool | None = None,
    ) -> JobView:
        """Queue a file or a YouTube link.

        A file over 4 MiB (or ``resumable``) goes in pieces that survive a broken line; ``on_progress`` is told bytes
        sent and bytes in all. The same ``key`` gives the same job.
        """
        return self._run(
            steps.submit(source, options or {}, webhook_url, key, self._patience_s, on_progress, resumable)
        )

    def upload(
        self,
        path: Path,
        upload_id: str = "",
        *,
        on_progress: Callable[[int, int], None] | None = None,
        on_begin: Callable[[str], None] | None = None,
    ) -> str:
        """Send a file in pieces and return the upload's id, of which ``on_begin`` is told at once.

        With ``upload_id`` of an earlier call that was stopped, it goes on from there.
        """
        return self._run(steps.upload(path, upload_id, self._patience_s, on_progress, on_begin))

    def submit_upload(
        self, upload_id: str, options: Options | None = None, *, webhook_url: str = "", key: str = ""
    ) -> JobView:
        """Queue a whole upload; by default its id is the idempotency key."""
        return self._run(steps.submit_upload(upload_id, options or {}, webhook_url, key, self._patience_s))

    def discard(self, upload_id: str) -> None:
        """Give an upload up: what has arrived is removed."""
        self._run(steps.discard(upload_id, self._patience_s))

    def jobs(self, status: JobStatus | None = None, *, limit: int = 50, offset: int = 0) -> list[JobView]:
        """Your jobs, newest first."""
        return self._run(steps.jobs(status, limit, offset, self._patience_s))

    def job(self, job_id: str) -> JobView:
        """Where a job stands."""
        return self._run(self._get(JobView, "GET", f"/jobs/{job_id}"))

    def wait(
        self, job_id: str, *, on_progress: Callable[[JobView], None] | None = None, every_s: float = 1.0
    ) -> JobView:
        """Ask until the job has ended, and return it; :meth:`events` is a stream of the same.

        A failed job is returned as it is; its ``error`` says why.
        """
        return self._run(steps.wait(job_id, on_progress, every_s, self._patience_s))

    def result(self, job_id: str) -> ResultView:
        """What was heard."""
        return self._run(self._get(ResultView, "GET", f"/jobs/{job_id}/result"))

    def edit(self, job_id: str, patch: HitsPatch, *, revision: int | None = None) -> ResultView:
        """Correct hits or change cheap options. With ``revision``, only if nobody has edited since (else
        JobConflictError)."""
        return self._run(steps.edit(job_id, patch, revision, self._patience_s))

    def download(self, job_id: str, kind: str, target: str | Path | None = None, *, page: int = 1) -> bytes:
        """A file of the result (names in docs/FORMATS.md, or ``zip``), also written to ``target`` where that is given;
        ``page`` of an SVG."""
        return self._run(steps.download(job_id, kind, page, Path(target) if target else None, self._patience_s))

    def retry(self, job_id: str) -> JobView:
        """Queue a failed or cancelled job again."""
        return self._run(self._get(JobView, "POST", f"/jobs/{job_id}/retry", False))

    def cancel(self, job_id: str) -> JobView:
        """Ask a job to stop; one that has ended stays as it is."""
        return self._run(steps.cancel(job_id, self._patience_s))

    def delete(self, job_id: str) -> JobView:
        """Remove a job that has ended, with its files; one at work is asked to stop."""
        return self._run(self._get(JobView, "DELETE", f"/jobs/{job_id}", False))

    def webhook_secret(self) -> str:
        """The key that your webhooks are signed with."""
        return self._run(steps.webhook_secret(self._patience_s))

    def quota(self) -> QuotaView:
        """What is left of your quotas."""
        return self._run(self._get(QuotaView, "GET", "/quota"))

    def health(self) -> Health:
        """The state of every part of the server."""
        return self._run(steps.health())


class AsyncClient(_Base):
    """The same as :class:`Client`, for asyncio: each method is awaited, :meth:`events` with ``async for``."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _run(self, plan: Steps[T]) -> T:
        answer: Any = None
        while True:
            try:
                step = plan.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                answer = None
                continue
            try:
                answer = await self._http.request(step.method, step.path, **step.more)
            except httpx.TransportError as error:
                answer = error

    async def events(self, job_id: str) -> AsyncIterator[JobView]:
        """The job whenever it has changed, until it has ended; a stream that breaks off just ends."""
        try:
            async with self._http.stream("GET", f"/jobs/{job_id}/events") as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise error_of(answer)
                lines: list[str] = []
                async for line in answer.aiter_lines():
                    lines.append(line)
                    if not line:
                        if job := _event(lines):
                            yield job
                        lines.clear()
        except httpx.TransportError as error:
            raise error_of(error) from error

    async def submit(
        self,
        source: str | Path,
        options: Options | None = None,
        *,
        webhook_url: str = "",
        key: str = "",
        on_progress: Callable[[int, int], None] | None = None,
        resumable: bool | None = None,
    ) -> JobView:
        """See :meth:`Client.submit`."""
        return await self._run(
            steps.submit(source, options or {}, webhook_url, key, self._patience_s, on_progress, resumable)
        )

    async def upload(
        self,
        path: Path,
        upload_id: str = "",
        *,
        on_progress: Callable[[int, int], None] | None = None,
        on_begin: Callable[[str], None] | None = None,
    ) -> str:
        """See :meth:`Client.upload`."""
        return await self._run(steps.upload(path, upload_id, self._patience_s, on_progress, on_begin))

    async def submit_upload(
        self, upload_id: str, options: Options | None = None, *, webhook_url: str = "", key: str = ""
    ) -> JobView:
        """See :meth:`Client.submit_upload`."""
        return await self._run(steps.submit_upload(upload_id, options or {}, webhook_url, key, self._patience_s))

    async def discard(self, upload_id: str) -> None:
        """See :meth:`Client.discard`."""
        await self._run(steps.discard(upload_id, self._patience_s))

    async def jobs(self, status: JobStatus | None = None, *, limit: int = 50, offset: int = 0) -> list[JobView]:
        """See :meth:`Client.jobs`."""
        return await self._run(steps.jobs(status, limit, offset, self._patience_s))

    async def job(self, job_id: str) -> JobView:
        """See :meth:`Client.job`."""
        return await self._run(self._get(JobView, "GET", f"/jobs/{job_id}"))

    async def wait(
        self, job_id: str, *, on_progress: Callable[[JobView], None] | None = None, every_s: float = 1.0
    ) -> JobView:
        """See :meth:`Client.wait`."""
        return await self._run(steps.wait(job_id, on_progress, every_s, self._patience_s))

    async def result(self, job_id: str) -> ResultView:
        """See :meth:`Client.result`."""
        return await self._run(self._get(ResultView, "GET", f"/jobs/{job_id}/result"))

    async def edit(self, job_id: str, patch: HitsPatch, *, revision: int | None = None) -> ResultView:
        """See :meth:`Client.edit`."""
        return await self._run(steps.edit(job_id, patch, revision, self._patience_s))

    async def download(self, job_id: str, kind: str, target: str | Path | None = None, *, page: int = 1) -> bytes:
        """See :meth:`Client.download`."""
        return await self._run(steps.download(job_id, kind, page, Path(target) if target else None, self._patience_s))

    async def retry(self, job_id: str) -> JobView:
        """See :meth:`Client.retry`."""
        return await self._run(self._get(JobView, "POST", f"/jobs/{job_id}/retry", False))

    async def cancel(self, job_id: str) -> JobView:
        """See :meth:`Client.cancel`."""
        return await self._run(steps.cancel(job_id, self._patience_s))

    async def delete(self, job_id: str) -> JobView:
        """See :meth:`Client.delete`."""
        return await self._run(self._get(JobView, "DELETE", f"/jobs/{job_id}", False))

    async def webhook_secret(self) -> str:
        """See :meth:`Client.webhook_secret`."""
        return await self._run(steps.webhook_secret(self._patience_s))

    async def quota(self) -> QuotaView:
        """See :meth:`Client.quota`."""
        return await self._run(self._get(QuotaView, "GET", "/quota"))

    async def health(self) -> Health:
        """See :meth:`Client.health`."""
        return await self._run(steps.health())
