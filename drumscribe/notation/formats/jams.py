"""JAMS: annotations for research, the strokes as notes with General MIDI's keys, the beats with their places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drumscribe.notation.formats.base import MAX_BYTES, Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings

_NOTE_S = 0.05


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return a JAMS file with the annotations ``note_midi`` and ``beat``."""
    import json

    from drumscribe._version import __version__
    from drumscribe.kit import DRUMS

    grid = chart.grid
    end = max([float(grid.times[-1]), *(hit.time_s + _NOTE_S for hit in chart.hits)])
    notes = [
        {"time": hit.time_s, "duration": _NOTE_S, "value": DRUMS[hit.drum].midi, "confidence": hit.confidence}
        for hit in chart.hits
    ]
    beats = [
        {"time": float(time_s), "duration": 0.0, "value": int(number), "confidence": grid.confidence}
        for time_s, number in zip(grid.times, grid.numbers, strict=True) if time_s >= 0
    ]  # fmt: skip
    about = {
        "curator": {"name": "", "email": ""}, "annotator": {}, "version": "", "corpus": "", "data_source": "program",
        "annotation_tools": f"DrumScribe {__version__}", "annotation_rules": "", "validation": "",
    }  # fmt: skip
    velocities = {"velocities": [hit.velocity for hit in chart.hits]}
    whole = {"annotation_metadata": about, "time": 0, "duration": end}
    document = {
        "annotations": [
            {"namespace": "note_midi", "data": notes, "sandbox": velocities, **whole},
            {"namespace": "beat", "data": beats, "sandbox": {}, **whole},
        ],
        "file_metadata": {
            "title": chart.title,
            "artist": chart.artist,
            "release": "",
            "duration": end,
            "identifiers": {},
            "jams_version": "0.3.5",
        },
        "sandbox": {},
    }
    return [json.dumps(document, indent=1).encode()]


def read(data: bytes, options: ReadOptions) -> Found:
    """Read the strokes of a JAMS file, with its beats where they are counted. Raises ProjectError."""
    import json

    from drumscribe.errors import ProjectError
    from drumscribe.notation.named_rows import counted_grid
    from drumscribe.notation.pads import meanings
    from drumscribe.notation.played import even_grid
    from drumscribe.types import Hit, Hits

    if len(data) > MAX_BYTES:
        raise ProjectError("The JAMS file is larger than 32 MiB.", "Keep one song in it.")
    try:
        document = json.loads(data)
        told = {one["namespace"]: one for one in reversed(document["annotations"])}
        rows = told["note_midi"]["data"]
        velocities = (told["note_midi"].get("sandbox") or {}).get("velocities") or [80] * len(rows)
        labels, notes = meanings([int(row["value"]) for row in rows])
        known = [(row, loud) for row, loud in zip(rows, velocities, strict=True) if int(row["value"]) in labels]
        hits = Hits.of(
            Hit(number, float(row["time"]), labels[int(row["value"])], _sure(row.get("confidence")), int(loud), "user")
            for number, (row, loud) in enumerate(known)
        )
        grid = counted_grid(
            [(float(row["time"]), int(row["value"])) for row in told["beat"]["data"]] if "beat" in told else []
        )
        about = document.get("file_metadata") or {}
        title, artist = str(about.get("title") or ""), str(about.get("artist") or "")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ProjectError(
            f"The JAMS file has no notes that can be read ({type(error).__name__}).",
            "It needs an annotation note_midi.",
        ) from error
    return Found(hits, grid or even_grid(hits), "JAMS", title, artist, freely=grid is None, notes=notes)


def _sure(value: Any) -> float:
    return 1.0 if value is None else min(1.0, max(0.0, float(value)))


def is_it(head: bytes) -> bool:
    """Whether it is JSON that speaks of annotations."""
    return head.lstrip()[:1] == b"{" and (b'"annotations"' in head or b'"jams_version"' in head)


FORMAT = Format(
    "jams",
    "JAMS",
    "Annotations for research: strokes and beats",
    ".jams",
    "application/json",
    write,
    read,
    is_it,
    loses="note values",
    tested="jams 0.3",
)
