"""DrumScribe: recorded music in, drum sheet music out.

Names are imported when first used, so that ``import drumscribe`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from drumscribe._version import __version__

if TYPE_CHECKING:
    from drumscribe.errors import DrumScribeError
    from drumscribe.options import Options
    from drumscribe.pipeline import Song, Transcription, transcribe
    from drumscribe.settings import Settings, get_settings
    from drumscribe.types import Hit, Hits, Progress

_WHERE = {
    "transcribe": "drumscribe.pipeline",
    "Song": "drumscribe.pipeline",
    "Transcription": "drumscribe.pipeline",
    "Options": "drumscribe.options",
    "Settings": "drumscribe.settings",
    "get_settings": "drumscribe.settings",
    "Hit": "drumscribe.types",
    "Hits": "drumscribe.types",
    "Progress": "drumscribe.types",
    "DrumScribeError": "drumscribe.errors",
}

__all__ = [
    "DrumScribeError",
    "Hit",
    "Hits",
    "Options",
    "Progress",
    "Settings",
    "Song",
    "Transcription",
    "__version__",
    "get_settings",
    "transcribe",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'drumscribe' has no attribute {name!r}")
