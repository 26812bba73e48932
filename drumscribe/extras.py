"""The parts of DrumScribe that are installed only where they are wanted: ``pip install 'drumscribe[studio]'``.

The plain package is the pipeline, the command line and the Python API. What stands here is what ``pyproject.toml``
lists as optional; a part calls :func:`need` before it imports what may be missing.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from importlib import metadata
from importlib.util import find_spec

from drumscribe.errors import MissingExtraError

EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "studio": (
        ("streamlit", "streamlit_webrtc", "plotly", "sqlalchemy", "alembic", "segno"),
        "The studio in the browser",
    ),
    "separation": (("torch", "demucs"), "Taking the drums out of a mix"),
    "links": (("yt_dlp", "imageio_ffmpeg"), "Opening YouTube links"),
    "librosa": (("librosa",), "Finding beats with librosa"),
    "research": (("pandas", "pretty_midi"), "Handing hits to pandas or pretty_midi"),
    "guitarpro": (("guitarpro",), "Guitar Pro files"),
    "music21": (("music21",), "Handing a score to music21"),
    "service": (("fastapi", "uvicorn", "celery", "redis", "s3fs", "opentelemetry"), "Serving many users"),
    "train": (("tensorflow", "keras"), "Running Keras models"),
}
"""For each extra, the modules that stand for it, and what it is for."""


def command(extra: str) -> str:
    """What to type to install an extra.

    >>> command("studio")
    "pip install 'drumscribe[studio]'"
    """
    return f"pip install 'drumscribe[{extra}]'"


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed; looks without importing them."""
    return [name for name in EXTRAS[extra][0] if find_spec(name) is None]


def need(extra: str, wanted_for: str = "") -> None:
    """Raises MissingExtraError where an extra is not installed, or not all of it."""
    if absent := missing(extra):
        what = wanted_for or EXTRAS[extra][1]
        verb = "is" if len(absent) == 1 else "are"
        raise MissingExtraError(
            f"{what} needs {', '.join(absent)}, which {verb} not installed.", f"Run: {command(extra)}"
        )


LINK_TOOLS = ("yt-dlp", "yt-dlp-ejs", "deno")
"""What has to be renewed together: yt-dlp, its solver of YouTube's scripts, and the program that runs it."""
YTDLP_OLD_DAYS = 45
"""YouTube changes every few weeks, and yt-dlp with it: from here on YouTube may well refuse it."""


def ytdlp_days(today: date | None = None) -> int | None:
    """Age in days (its version is a date); ``None`` where it is not installed."""
    try:
        year, month, day = (int(part) for part in metadata.version("yt-dlp").split(".")[:3])
    except metadata.PackageNotFoundError:
        return None
    return max(0, ((today or datetime.now(UTC).date()) - date(year, month, day)).days)


def ytdlp_command(python: str = sys.executable) -> str:
    """What to type to renew yt-dlp and its helpers in the environment of ``python``, and nothing else there.

    >>> ytdlp_command("python3")
    'python3 -m pip install --upgrade --no-deps yt-dlp yt-dlp-ejs deno'
    """
    python = f'"{python}"' if " " in python else python
    return f"{python} -m pip install --upgrade --no-deps {' '.join(LINK_TOOLS)}"


def ytdlp_advice(*, public: bool) -> str:
    """One sentence: its age, and how to renew it; on a ``public`` server without a path of that server."""
    who, python = ("whoever runs this server can renew it", "python") if public else ("renew it", sys.executable)
    return f"yt-dlp is {ytdlp_days()} days old here; {who} with `{ytdlp_command(python)}`."
