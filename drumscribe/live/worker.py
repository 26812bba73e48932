"""The listening process: ``python -m drumscribe.live.worker``, fed by :class:`drumscribe.live.engine.LiveEngine`.

Standard input: the settings, then messages, each a line of JSON with the number of raw bytes that follow it.
Standard output: lines of JSON. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import IO, Any

import numpy as np

from drumscribe.errors import DrumScribeError
from drumscribe.options import DetectOptions
from drumscribe.runtime import prepare
from drumscribe.settings import Settings
from drumscribe.types import Hit


def main() -> None:
    """Serve until standard input ends."""
    # Libraries print where they like; only our messages may reach the real standard output.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    settings = Settings.model_validate(_next(sys.stdin.buffer)[0])
    prepare(settings)
    try:
        serve(settings, _Messages(sys.stdin.buffer), out)
    except DrumScribeError as error:
        out.write(json.dumps({"is": "failed", "what": error.what, "todo": error.todo}) + "\n")


def serve(settings: Settings, messages: _Messages, out: IO[str]) -> None:
    """Load the model, then answer messages."""
    from drumscribe.hits.engines import load
    from drumscribe.hits.network import chosen
    from drumscribe.live.detector import WINDOW, StreamDetector

    path, title = chosen(settings)
    run = load(path, settings.threads or 1, WINDOW)
    warm = StreamDetector(run, model=title)
    warm.push(np.random.default_rng(0).standard_normal(44_100).astype(np.float32) * 0.1)
    out.write(json.dumps({"is": "ready"}) + "\n")
    detectors: dict[int, StreamDetector] = {}
    while (message := messages.next()) is not None:
        told, payload = message
        number = told["stream"]
        if told["do"] == "open":
            detectors[number] = StreamDetector(run, DetectOptions.model_validate(told["options"]), model=title)
            continue
        detector = detectors.get(number)
        if detector is None:
            continue
        if told["do"] == "audio":
            hits, kind = detector.push(np.frombuffer(payload, "<f4")), "hits"
        else:
            hits, kind = detector.flush(), "closed"
            del detectors[number]
        answer = {"is": kind, "stream": number, "hits": _rows(hits), "early": _rows(detector.early)}
        out.write(json.dumps(answer | {"heard_s": detector.heard_s}) + "\n")


def _rows(hits: list[Hit]) -> list[tuple[int, float, str, float, int]]:
    return [(hit.id, hit.time_s, hit.drum, hit.confidence, hit.velocity) for hit in hits]


class _Messages:
    """Messages in order; sound of one stream that has piled up comes in one piece, so a slow machine catches up."""

    def __init__(self, source: IO[bytes]) -> None:
        self._queue: queue.Queue[Any] = queue.Queue()
        self._held: Any = None
        threading.Thread(target=self._read, args=(source,), name="stdin", daemon=True).start()

    def _read(self, source: IO[bytes]) -> None:
        message = None
        while (message := _next(source)) is not None:
            self._queue.put(message)
        self._queue.put(None)

    def next(self) -> Any:
        message = self._held if self._held is not None else self._queue.get()
        self._held = None
        while message is not None and message[0]["do"] == "audio" and not self._queue.empty():
            following = self._queue.get()
            if following is None or following[0] != message[0] | {"bytes": following[0]["bytes"]}:
                self._held = following
                if following is None:
                    self._queue.put(None)
                break
            message = (message[0], message[1] + following[1])
        return message


def _next(source: IO[bytes]) -> Any:
    line = source.readline()
    if not line:
        return None
    message = json.loads(line)
    return message, source.read(message["bytes"])


if __name__ == "__main__":
    main()
