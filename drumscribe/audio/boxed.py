"""Decoding in a process of its own, which may do nothing but that: whoever feeds a decoder something crafted gets no
further (see :mod:`drumscribe.confinement`).

The child (:mod:`drumscribe.audio.decoder`) is handed two open files, one to read and one to write samples to, and has
neither the settings' secrets nor a way to any other file. What it says is taken as no more than a claim: lines of JSON,
which have to be a :class:`Told`.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from contextlib import suppress
from typing import BinaryIO

import msgspec

from drumscribe.audio.collector import EXPORT_AGAIN
from drumscribe.errors import Cancelled, DecoderDiedError, from_dict
from drumscribe.settings import Settings
from drumscribe.types import CancelToken, OnFraction

LOOK_S = 0.1
"""How often a wish to cancel is looked for."""
_STILL_S = 1.0
"""Longer between two looks, this process stood still, and so did the child: a machine that sleeps is nobody's fault."""
_MOST_TOLD = 2**20
_END_S = 10.0
"""From a child's last word to its end."""


class Told(msgspec.Struct):
    """What the child says: how far it is (``at``, 0-1), or what went wrong, or what the recording is."""

    at: float | None = None
    error: dict[str, str] | None = None
    channels: int = 0
    title: str = ""
    artist: str = ""
    origin: str = ""
    warnings: tuple[str, ...] = ()


def wanted(settings: Settings) -> bool:
    """Whether strangers' files are decoded here, on a system where this works."""
    return settings.public and os.name == "posix"


def run(
    file: BinaryIO,
    samples: BinaryIO,
    name: str,
    settings: Settings,
    on_progress: OnFraction | None,
    cancel: CancelToken | None,
) -> Told:
    """Decode ``file`` into ``samples`` (float32, channels interleaved, 44.1 kHz).

    Returns:
        What the child says of the recording.

    Raises:
        SourceError: as in :func:`drumscribe.audio.decoding.decode`; DecoderDiedError where it crashed, or took more
            than ``decode_timeout_s`` or ``decode_memory_mb``.
        OptionsError: ``require_confinement`` is set, and cannot be fulfilled.
        StorageError: no room for the samples.
        Cancelled: ``cancel`` was set.
    """
    asked = {
        "name": name, "samples": samples.fileno(), "longest_s": settings.longest_s, "largest_mb": settings.largest_mb,
        "cpu_s": settings.decode_timeout_s, "memory_mb": settings.decode_memory_mb,
        "require": settings.require_confinement,
    }  # fmt: skip
    env = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OPENBLAS_NUM_THREADS": "1",  # it needs none, and they would all count as memory
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "drumscribe.audio.decoder", json.dumps(asked)],
        stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, pass_fds=[samples.fileno()],
    )  # fmt: skip
    try:
        told = _listen(process, settings, on_progress, cancel)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if told is None:
        raise _died(process.returncode, settings)
    if told.error is not None:
        raise from_dict({name: text[:500] for name, text in told.error.items()})
    return told


def _listen(
    process: subprocess.Popen[bytes], settings: Settings, on_progress: OnFraction | None, cancel: CancelToken | None
) -> Told | None:
    """The child's last word, or ``None`` if it ended, or had to be ended, without one."""
    assert process.stdout is not None
    last, spent, heard, line = time.monotonic(), 0.0, 0, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while spent < settings.decode_timeout_s and heard < _MOST_TOLD:
            now = time.monotonic()
            spent, last = spent + min(now - last, _STILL_S), now
            if cancel is not None and cancel.is_set():
                raise Cancelled("Reading the recording was stopped.")
            if not selector.select(LOOK_S):
                continue
            block = os.read(process.stdout.fileno(), 2**16)
            if not block:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_END_S)
                return None
            heard += len(block)
            *lines, line = (line + block).split(b"\n")
            for one in lines:
                told = _parsed(one)
                if told.at is None:
                    return told
                if on_progress is not None:
                    on_progress(min(1.0, max(0.0, told.at)), "Reading the recording")
    raise DecoderDiedError(
        f"The decoder did not come to an end within {settings.decode_timeout_s:g} s and was stopped.", EXPORT_AGAIN
    )


def _parsed(line: bytes) -> Told:
    try:
        return msgspec.json.decode(line, type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecoderDiedError("The decoder said nothing that makes sense.", EXPORT_AGAIN) from error


def _died(code: int, settings: Settings) -> DecoderDiedError:
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    return DecoderDiedError(
        f"The decoder crashed on this file ({how}), or wanted more than {settings.decode_memory_mb} MB.", EXPORT_AGAIN
    )
