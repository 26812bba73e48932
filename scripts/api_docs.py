"""Builds the reference of the public Python names as a small site: ``python scripts/api_docs.py site``."""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc

import drumscribe


def build(folder: Path) -> None:
    """Write the site: one page with the names of ``drumscribe.__all__``."""
    for name in drumscribe.__all__:  # they are imported on first use, and pdoc looks without using
        setattr(drumscribe, name, getattr(drumscribe, name))
    pdoc.render.configure(docformat="google", footer_text=f"DrumScribe {drumscribe.__version__}", search=True)
    pdoc.pdoc("drumscribe", output_directory=folder)


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "site"))
