"""The confined process that decodes one file: started by :mod:`drumscribe.audio.boxed`, never by hand.

    python -m drumscribe.audio.decoder JSON  <file  >lines of JSON

It loads all that it needs, gives up every right, and only then reads the first byte of the file.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import pkgutil
import sys
import wave
from typing import Any

import av
import numpy as np

from drumscribe import confinement
from drumscribe.audio import decoding
from drumscribe.audio.collector import EXPORT_AGAIN, Collector
from drumscribe.errors import DecoderDiedError, DrumScribeError, OptionsError
from drumscribe.settings import Settings


def main(asked: dict[str, Any]) -> None:
    """Confine this process, decode standard input, and tell how that went."""
    largest_mb = asked["longest_s"] * 44_100 * 2 * 4 / 2**20 + 1
    settings = Settings.model_construct(
        public=True, max_duration_s=asked["longest_s"], max_file_size_mb=asked["largest_mb"]
    )
    _load_all(settings)
    with os.fdopen(0, "rb") as file, os.fdopen(asked["samples"], "w+b") as samples:
        size = os.fstat(0).st_size
        found = confinement.confine(asked["cpu_s"], asked["memory_mb"], largest_mb, computes=True)
        try:
            if asked["require"] and (lacking := confinement.missing(found)):
                raise OptionsError(
                    f"REQUIRE_CONFINEMENT is set, but this system does not grant: {lacking}.",
                    "Install libseccomp (Linux), or unset REQUIRE_CONFINEMENT.",
                )
            audio = decoding.decode_open(
                file, size, asked["name"], settings, Collector(settings.longest_s, samples), _say_at
            )
        except DrumScribeError as error:
            _say({"error": error.to_dict()})
        except MemoryError:
            _say({"error": DecoderDiedError("The decoder ran out of memory on this file.", EXPORT_AGAIN).to_dict()})
        else:
            _say({"channels": len(audio.samples), "title": audio.title, "artist": audio.artist,
                  "origin": audio.origin, "warnings": audio.warnings})  # fmt: skip


def _load_all(settings: Settings) -> None:
    """Load what libraries load when it is first needed: then there is no way to do so any more."""
    for module in pkgutil.iter_modules(av.__path__, "av."):
        if module.name != "av.__main__":
            importlib.import_module(module.name)
    with io.BytesIO() as file:
        with wave.open(file, "wb") as written:
            written.setparams((2, 2, 48_000, 0, "NONE", ""))
            written.writeframes(bytes(range(256)) * 400)
        size = file.tell()
        file.seek(0)
        decoding.decode_open(file, size, "noise.wav", settings, Collector(10.0))


def _say_at(fraction: float, message: str) -> None:
    _say({"at": round(fraction, 3)})


def _say(told: dict[str, Any]) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    np.seterr(all="ignore")  # warnings would load modules
    main(json.loads(sys.argv[1]))
