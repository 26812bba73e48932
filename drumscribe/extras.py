"""The parts of DrumScribe that are installed only where they are wanted: ``pip install 'drumscribe[studio]'``.

The plain package is the pipeline, the command line and the Python API. What stands here is what ``pyproject.toml``
lists as optional; a part calls :func:`need` before it imports what may be missing.
"""

from __future__ import annotations

from importlib.util import find_spec

from drumscribe.errors import MissingExtraError

EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "studio": (("streamlit", "streamlit_webrtc", "plotly", "sqlalchemy", "alembic"), "The studio in the browser"),
    "separation": (("torch", "demucs"), "Taking the drums out of a mix"),
    "links": (("yt_dlp", "imageio_ffmpeg"), "Opening YouTube links"),
    "librosa": (("librosa",), "Finding beats with librosa"),
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
