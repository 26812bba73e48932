"""The process that listens: started when first needed, shared by everybody who plays, ended when nobody does."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import sys
import threading
import time
from collections import deque

from drumscribe.errors import DetectionError
from drumscribe.options import DetectOptions
from drumscribe.settings import Settings
from drumscribe.types import FloatArray, Hit

IDLE_S = 120.0
"""The process ends when nobody has played for so long; it holds some 700 MB."""


class LiveStream:
    """One player's connection: samples in, hits out. Made by :meth:`LiveEngine.open`; safe between threads."""

    def __init__(self, engine: LiveEngine, number: int) -> None:
        self._engine, self._number = engine, number
        self._changed = threading.Condition()
        self._hits: deque[Hit] = deque()
        self._arrived: deque[tuple[float, float]] = deque(maxlen=3000)  # (samples in seconds so far, clock)
        self._pushed = 0
        self._news = False
        self.heard_s = 0.0
        self.error: DetectionError | None = None
        self.closed = False
        self.early: list[Hit] = []
        """Guesses about strokes that are not decided yet."""
        self._guessed_s = -1.0
        self.delays_s: deque[float] = deque(maxlen=40)

    def push(self, samples: FloatArray) -> None:
        """Send ``(n,)`` mono float32 samples at 44.1 kHz; returns at once. Does nothing once closed or failed."""
        if self.closed or self.error:
            return
        self._pushed += len(samples)
        self._arrived.append((self._pushed / 44_100, time.monotonic()))
        self._engine.send({"do": "audio", "stream": self._number}, samples.astype("<f4").tobytes())

    def take(self, timeout_s: float = 0.0) -> list[Hit]:
        """Decided hits since the last call; waits up to ``timeout_s`` for news. Raises DetectionError."""
        with self._changed:
            if not self._news and not self.error and not self.closed:
                self._changed.wait(timeout_s)
            self._news = False
            if self.error and not self._hits:
                raise self.error
            found = list(self._hits)
            self._hits.clear()
        return found

    def close(self) -> None:
        """Say that nothing more comes; the last hits still arrive until :attr:`closed`."""
        if not self.closed:
            self._engine.send({"do": "close", "stream": self._number})

    def _receive(self, hits: list[Hit], early: list[Hit], heard_s: float, *, last: bool) -> None:
        now = time.monotonic()
        with self._changed:
            for hit in (*hits, *early):
                if hit.time_s > self._guessed_s + 0.02:  # told for the first time
                    self._guessed_s = hit.time_s
                    arrival = next((clock for end_s, clock in self._arrived if end_s >= hit.time_s), now)
                    self.delays_s.append(now - arrival)
            self._news = self._news or bool(hits) or [h.time_s for h in early] != [h.time_s for h in self.early]
            self._hits.extend(hits)
            self.early = early
            self.heard_s = heard_s
            self.closed = self.closed or last
            if self._news or last:
                self._changed.notify_all()

    def _fail(self, error: DetectionError) -> None:
        with self._changed:
            self.error = error
            self.closed = True
            self._changed.notify_all()


class LiveEngine:
    """Owns the worker process. One per server is enough; safe between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._streams: dict[int, LiveStream] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._outbox: queue.SimpleQueue[bytes | None] | None = None
        self._ready = threading.Event()
        self._idle: threading.Timer | None = None

    def start(self) -> None:
        """Start the process, if it is not running; the model takes some seconds to load."""
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            if self._process is not None and self._process.poll() is None:
                self._rest()
                return
            self._ready.clear()
            process = subprocess.Popen(
                [sys.executable, "-m", "drumscribe.live.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._process, self._outbox = process, queue.SimpleQueue()
            threading.Thread(target=_write, args=(process, self._outbox), name="live-writer", daemon=True).start()
            self.send(json.loads(self._settings.model_dump_json()))
            threading.Thread(target=self._read, args=(process,), name="live-reader", daemon=True).start()
            self._rest()

    def wait_ready(self, timeout_s: float) -> bool:
        """Whether the model is loaded, waiting for it up to ``timeout_s``."""
        return self._ready.wait(timeout_s)

    def open(self, options: DetectOptions | None = None) -> LiveStream:
        """A new connection; starts the process if need be. What is pushed before the model is ready waits for it."""
        with self._lock:
            self.start()
            stream = LiveStream(self, next(self._numbers))
            self._streams[stream._number] = stream
            given = (options or DetectOptions.model_validate({})).model_dump()
            self.send({"do": "open", "stream": stream._number, "options": given})
            return stream

    def send(self, message: dict[str, object], payload: bytes = b"") -> None:
        """Queue one message to the process; never blocks, since sound comes in on the connection's own thread."""
        with self._lock:
            if self._outbox is not None:
                self._outbox.put(json.dumps(message | {"bytes": len(payload)}).encode() + b"\n" + payload)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            process, self._process = self._process, None
            outbox, self._outbox = self._outbox, None
        if process is not None and outbox is not None:
            outbox.put(None)
            process.terminate()  # it holds nothing that could be lost, and may be busy loading
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _rest(self) -> None:
        self._idle = threading.Timer(IDLE_S, self._tire)
        self._idle.daemon = True
        self._idle.start()

    def _tire(self) -> None:
        with self._lock:
            if self._streams:
                return
        self.close()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        failure = DetectionError("The live listener stopped.", "Press Start again; the take so far can still be kept.")
        for line in process.stdout:
            message = json.loads(line)
            if message["is"] == "ready":
                self._ready.set()
            elif message["is"] == "failed":
                failure = DetectionError(message["what"], message["todo"])
            else:
                stream = self._streams.get(message["stream"])
                if stream is not None:
                    hits, early = ([Hit(*row) for row in message[name]] for name in ("hits", "early"))
                    stream._receive(hits, early, message["heard_s"], last=message["is"] == "closed")
                if message["is"] == "closed":
                    self._forget(message["stream"])
        process.wait()
        self._ready.clear()
        with self._lock:
            left, self._streams = self._streams, {}
        for stream in left.values():
            stream._fail(failure)

    def _forget(self, number: int) -> None:
        with self._lock:
            self._streams.pop(number, None)
            if not self._streams and self._process is not None:
                if self._idle is not None:
                    self._idle.cancel()
                self._rest()


def _write(process: subprocess.Popen[bytes], outbox: queue.SimpleQueue[bytes | None]) -> None:
    assert process.stdin is not None
    try:
        while (message := outbox.get()) is not None:
            process.stdin.write(message)
            process.stdin.flush()
        process.stdin.close()
    except BrokenPipeError:
        return  # the reader sees the end of the process and tells the streams
