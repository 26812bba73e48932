"""A small HTTP server on the loopback for tests of downloads: it can redirect, break off, ignore ranges, or change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves ``files``; knobs are plain attributes.

    Attributes:
        files: path → content.
        redirects: path → address.
        requested: (path, Range header or "") of every GET so far.
        etag: sent with files if not empty.
        honours_ranges: answer Range with 206.
        break_after: bytes after which the connection is cut, once for each entry.
        status: answer everything with this status if not 0.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.requested: list[tuple[str, str]] = []
        self.etag = '"v1"'
        self.honours_ranges = True
        self.break_after: list[int] = []
        self.status = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requested]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        body = self.server.files.get(self.path)
        self.send_response(404 if body is None else 200)
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.end_headers()

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range", "")
        server.requested.append((self.path, wanted))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.end_headers()
            return
        if server.status or self.path not in server.files:
            self.send_error(server.status or 403)
            return
        body, start = server.files[self.path], 0
        if wanted and server.honours_ranges and self.headers.get("If-Range", server.etag) == server.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        end = start + server.break_after.pop(0) if server.break_after else len(body)
        self.wfile.write(body[start:end])
        if end < len(body):
            self.close_connection = True

    def log_message(self, *args: object) -> None: ...


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server for the duration of a with block."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
