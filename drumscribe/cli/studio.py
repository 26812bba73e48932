"""Where the studio's pages are, and who may open them, found out without Streamlit."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path


def app() -> Path | None:
    """The studio's ``app.py``: an installed package carries it, a checkout has it above. ``None``: it is missing."""
    package = Path(__file__).resolve().parents[1]
    return next((app for app in (package / "_studio" / "app.py", package.parent / "app.py") if app.is_file()), None)


def people_sign_in() -> bool:
    """Whether one of the files that Streamlit looks for has an ``[auth]`` part."""
    found = app()
    for folder in (Path.home(), Path.cwd(), *([found.parent] if found else [])):
        with suppress(OSError, ValueError):
            if "auth" in tomllib.loads((folder / ".streamlit" / "secrets.toml").read_text(encoding="utf-8")):
                return True
    return False
