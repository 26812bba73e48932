"""Real servers on loopback for tests and benchmarks: Redis and PostgreSQL (Debian's binaries), an S3 server (moto).

Each is a context manager that can also be killed and started again on the same port with the same data.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def find_binary(name: str) -> str | None:
    """Path of a server's binary, also where Debian hides PostgreSQL's."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or next(map(str, versions), None)


MISSING = [name for name in ("redis-server", "initdb", "postgres") if find_binary(name) is None]
"""Binaries that are not installed."""


def wait_until(check: Callable[[], Any], timeout_s: float = 120, every_s: float = 0.05, what: str = "") -> Any:
    """The first true value of ``check``; AssertionError if there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what or check}")
        time.sleep(every_s)


class Process:
    """A child process in its own group, with its output in a file."""

    def __init__(self, command: list[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        self.command, self.log, self.env, self.cwd = command, log, dict(env or {}), cwd
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                cwd=self.cwd,
                env={**os.environ, "OMP_NUM_THREADS": "1", **self.env},
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int, *, group: bool = False) -> None:
        if self.alive():
            (os.killpg if group else os.kill)(self.pid, number)

    def kill(self) -> None:
        """kill -9 of the process and all its children."""
        self.signal(signal.SIGKILL, group=True)
        if self.process is not None:
            self.process.wait()

    def stop(self, timeout_s: float = 15) -> None:
        """Ask it to end, then make it."""
        self.signal(signal.SIGTERM)
        try:
            if self.process is not None:
                self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pass
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()


class Redis(Process):
    """redis-server that keeps its messages over a restart (append-only file)."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        binary = find_binary("redis-server") or "redis-server"
        super().__init__(
            [
                binary,
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--dir",
                str(folder),
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
            ],
            folder / "redis.log",
        )

    def start(self) -> Self:
        super().start()
        wait_until(self.ready, 60, what="Redis")
        return self

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class Postgres(Process):
    """A throw-away cluster; as root it runs as the user postgres, because the server refuses root."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"postgresql+psycopg://drumscribe@127.0.0.1:{self.port}/postgres"
        # Not below pytest's folder: that is closed to other users, such as the one that the server runs as.
        self.home = Path(tempfile.mkdtemp(prefix="drumscribe-postgres-"))
        self.data = self.home / "data"
        self._as: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.home, "postgres", "postgres")
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        options = {
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.home),
        }
        command = [*self._as, find_binary("postgres") or "postgres", "-D", str(self.data), "-p", str(self.port)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        super().__init__(command, folder / "postgres.log", cwd=self.home)

    def start(self) -> Self:
        if not self.data.exists():
            command = [*self._as, find_binary("initdb") or "initdb", "-D", str(self.data), "-U", "drumscribe"]
            command += ["-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
            made = subprocess.run(command, capture_output=True, text=True, cwd=self.home)
            assert made.returncode == 0, made.stderr
        super().start()
        wait_until(self.ready, 60, what="PostgreSQL")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.remove()

    def remove(self) -> None:
        """Remove the cluster."""
        shutil.rmtree(self.home, ignore_errors=True)

    def ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(
                host="127.0.0.1", port=self.port, user="drumscribe", dbname="postgres", connect_timeout=2
            ).close()
        except psycopg.OperationalError:
            return False
        return True


class S3(Process):
    """moto's S3 server with one bucket, ``drumscribe``. It keeps objects in memory: freeze it, do not restart it."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.url = "s3://drumscribe/artifacts"
        self.env_for_clients = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        super().__init__(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], folder / "s3.log"
        )

    def start(self) -> Self:
        super().start()
        wait_until(self.ready, 90, what="S3 server")
        import httpx
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()  # clients of a server before would ask that one
        made = httpx.put(f"{self.endpoint}/drumscribe", timeout=60)
        assert made.status_code == 200, made.text
        return self

    def ready(self) -> bool:
        return listening(self.port)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the length of a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Collector:
    """An OpenTelemetry collector (OTLP over HTTP) that keeps every span it is sent."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        seen = self._seen = ExportTraceServiceRequest()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                seen.MergeFrom(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def spans(self) -> list[tuple[str, Any]]:
        """(service, span) of each."""
        return [
            (next(a.value.string_value for a in r.resource.attributes if a.key == "service.name"), span)
            for r in self._seen.resource_spans
            for scope in r.scope_spans
            for span in scope.spans
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Stack:
    """A whole deployment on loopback: Redis, PostgreSQL, a bucket, the API, and all kinds of workers in two processes.

    Args:
        folder: everything it writes.
        settings: environment of API and workers on top of what the servers need.
        bucket: keep files in S3; otherwise in a folder that all processes share.
    """

    def __init__(self, folder: Path, *, bucket: bool = True, **settings: str) -> None:
        import httpx

        self.folder = folder
        self.redis = Redis(folder / "redis")
        self.postgres = Postgres(folder / "postgres")
        self.s3 = S3(folder / "s3") if bucket else None
        self.port = free_port()
        self.env = {
            "REDIS_URL": self.redis.url,
            "DATABASE_URL": self.postgres.url,
            "DATA_DIR": str(folder / "data"),
            "SEPARATOR": "none",
            "BEAT_TRACKER": "madmom",
            "PDF_BACKEND": "verovio",
            "OFFLINE": "true",
            "API_PORT": str(self.port),
            "LOG_FORMAT": "json",
            "NUMBA_CACHE_DIR": str(Path(tempfile.gettempdir()) / "drumscribe-numba"),
            **({"STORAGE_URL": self.s3.url, **self.s3.env_for_clients} if self.s3 else {}),
            **settings,
        }
        self.default = self.python("drumscribe.jobs.work_queue", "default", "fetch")
        self.heavy = self.python("drumscribe.jobs.work_queue", "heavy")
        self.api = self.python("drumscribe.api")
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=60)

    def python(self, module: str, *arguments: str, **env: str) -> Process:
        """A Python process of this deployment, not yet started."""
        log = self.folder / f"{'-'.join((module.rpartition('.')[2], *arguments))}.log"
        return Process([sys.executable, "-m", module, *arguments], log, {**self.env, **env})

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self) -> None:
        """Start every part, one after the other."""
        self.redis.start()
        self.postgres.start()
        if self.s3:
            self.s3.start()
        migrate = self.python("drumscribe.jobs.migrate").start()
        assert migrate.process is not None and migrate.process.wait(60) == 0, migrate.tail()
        for process in (self.default, self.heavy, self.api):
            process.start()
        wait_until(self.live, 180, what="API")

    def __exit__(self, *_: object) -> None:
        self.client.close()
        for process in (self.api, self.heavy, self.default, self.s3, self.postgres, self.redis):
            if process is not None:
                process.stop(5)
        self.postgres.remove()

    def live(self) -> bool:
        import httpx

        try:
            return self.client.get("/live").status_code == 200
        except httpx.HTTPError:
            return False

    def submit(self, path: Path, name: str = "", **options: Any) -> str:
        """Post a file; returns the job's id."""
        answer = self.client.post(
            "/jobs", files={"file": (name or path.name, path.read_bytes())}, data={"options": json.dumps(options)}
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.client.get(f"/jobs/{job_id}").json())

    def until(self, job_id: str, check: Callable[[dict[str, Any]], bool], timeout_s: float = 600) -> dict[str, Any]:
        """Follow a job until ``check`` is true of it or it has ended."""

        def look() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if check(job) or job["status"] in ("done", "failed", "cancelled") else None

        return dict(wait_until(look, timeout_s, 0.05, f"job {job_id}: {self.job(job_id)}"))

    def ended(self, job_id: str, timeout_s: float = 600) -> dict[str, Any]:
        return self.until(job_id, lambda job: False, timeout_s)

    def download(self, job_id: str, kind: str = "musicxml") -> bytes:
        answer = self.client.get(f"/jobs/{job_id}/download/{kind}", follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return answer.content

    def logs(self) -> str:
        return "\n".join(f"== {process.log.name}\n{process.tail()}" for process in (self.api, self.default, self.heavy))


def children(process: Process) -> list[int]:
    """Process ids of a process's children: the pool of a Celery worker."""
    import psutil

    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
