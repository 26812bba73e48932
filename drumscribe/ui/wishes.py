"""What a user wants for every song to come, kept for this browser in the data folder until it is chosen otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drumscribe.settings import get_settings
from drumscribe.storage.writing import storing, write_atomic
from drumscribe.ui.owner import owner


def wish(name: str, default: str) -> str:
    """The wish called ``name``; ``default`` where there is none (or it cannot be read)."""
    found = _read().get(name, default)
    return found if isinstance(found, str) else default


def keep(name: str, value: str) -> None:
    """Keep a wish for good. Raises StorageError."""
    wishes = _read() | {name: value}
    with storing("The choice"):
        write_atomic(_path(), json.dumps(wishes))


def _path() -> Path:
    return get_settings().data_dir / "wishes" / f"{owner()}.json"


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_path().read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
