"""Real servers on loopback for tests and benchmarks: Redis and PostgreSQL (Debian's binaries), an S3 server (moto).

Each is a context manager that can also be killed and started again on the same port with the same data.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_binary(name: str) -> str | None:
    """Path of a server's binary, also where Debian hides PostgreSQL's."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or next(map(str, versions), None)


MISSING = [name for name in ("redis-server", "initdb", "postgres") if find_binary(name) is None]
"""Binaries that are not installed."""


def wait_until(check: Callable[[], Any], timeout_s: float = 20, every_s: float = 0.05, what: str = "") -> Any:
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
                self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.cwd,
                env={**os.environ, "OMP_NUM_THREADS": "1", **self.env}, start_new_session=True,
            )  # fmt: skip
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
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

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
            [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec"], folder / "redis.log",
        )  # fmt: skip

    def start(self) -> Self:
        super().start()
        wait_until(self.ready, what="Redis")
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
        self.data = folder / "pg"
        self.url = f"postgresql+psycopg://drumscribe@127.0.0.1:{self.port}/postgres"
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self._as:
            # Its data must be reachable for that user, and pytest's folders are closed to others.
            shutil.chown(folder, "postgres", "postgres")
            for parent in folder.parents:
                if parent == Path("/") or parent.stat().st_mode & 0o001:
                    continue
                parent.chmod(parent.stat().st_mode | 0o001)
        options = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c",
                   "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]  # fmt: skip
        binary = find_binary("postgres") or "postgres"
        super().__init__([*self._as, binary, "-D", str(self.data), "-p", str(self.port), *options], folder.parent / "pg.log", cwd=folder)  # fmt: skip

    def start(self) -> Self:
        if not self.data.exists():
            initdb = find_binary("initdb") or "initdb"
            made = subprocess.run(
                [*self._as, initdb, "-D", str(self.data), "-U", "drumscribe", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"],
                capture_output=True, text=True, cwd=self.data.parent,
            )  # fmt: skip
            assert made.returncode == 0, made.stderr
        super().start()
        wait_until(self.ready, what="PostgreSQL")
        return self

    def ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(host="127.0.0.1", port=self.port, user="drumscribe", dbname="postgres", connect_timeout=2).close()
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
        super().__init__([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], folder / "s3.log")

    def start(self) -> Self:
        super().start()
        wait_until(self.ready, what="S3 server")
        import httpx

        made = httpx.put(f"{self.endpoint}/drumscribe", timeout=10)
        assert made.status_code == 200, made.text
        return self

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


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
