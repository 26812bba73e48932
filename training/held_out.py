"""What commands share that learn from the recordings of :mod:`training.testset` and write into the model's card."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import soundfile

from drumscribe.storage.writing import write_atomic
from drumscribe.types import FloatArray

Note = tuple[float, str, float]
"""Seconds, drum, and velocity (0-1) of a stroke."""


def recordings(folder: Path) -> Iterator[tuple[FloatArray, list[Note], str]]:
    """Samples ``(n,)`` at 44.1 kHz, what was played, and whether it is ``drums`` alone or the ``mix``."""
    for reference in sorted((folder / "ref").glob("*.csv")):
        with reference.open() as file:
            rows = list(csv.DictReader(file))
        notes = [(float(row["time_s"]), row["drum"], int(row["velocity"]) / 127) for row in rows]
        for kind in ("drums", "mix"):
            samples, _ = soundfile.read(folder / kind / f"{reference.stem}.flac", dtype="float32")
            yield samples, notes, kind


def amend(card: Path, **parts: Any) -> None:
    """Write some parts of a card anew and keep the others."""
    write_atomic(card, json.dumps(json.loads(card.read_text()) | parts, indent=1) + "\n")
