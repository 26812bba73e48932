"""Import madmom 0.16.1 on Python 3.11 with numpy 2.

madmom's last release (2018) is older than both. Each name that it misses is put back for the time of the import only;
its own modules (no others) get a thin wrapper of numpy that still has the removed names.
"""

from __future__ import annotations

import collections
import collections.abc
import importlib.metadata
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

# `np.int` and its kin were removed in numpy 1.24; madmom uses them in bodies and in default arguments.
_REMOVED: dict[str, type] = {"int": int, "float": float, "bool": bool, "object": object}
_LOCK = threading.Lock()


class _NumpyView(types.ModuleType):
    """numpy as madmom knew it."""

    def __init__(self) -> None:
        super().__init__("numpy")
        self.__dict__.update(_REMOVED)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def asarray(values: Any, *args: Any, **options: Any) -> Any:
        """Rows of unequal length, ``[(path, log_probability), ...]`` in DBNDownBeatTracking, become objects."""
        try:
            return np.asarray(values, *args, **options)
        except ValueError:
            return np.asarray(values, dtype=object)

    @staticmethod
    def in1d(values: Any, among: Any, **options: Any) -> Any:
        """Removed in numpy 2.4."""
        return np.isin(values, among, **options)


@contextmanager
def _the_past() -> Iterator[None]:
    undo: list[tuple[Any, str]] = []
    # madmom.processors subclasses collections.MutableSequence, moved to collections.abc in Python 3.10.
    lost: list[tuple[Any, str, Any]] = [(collections, "MutableSequence", collections.abc.MutableSequence)]
    lost += [(np, name, kind) for name, kind in _REMOVED.items()]
    for owner, name, value in lost:
        if name not in vars(owner):
            setattr(owner, name, value)
            undo.append((owner, name))
    # madmom asks pkg_resources for its own version; setuptools 82 dropped that module.
    stand_in = "pkg_resources" not in sys.modules
    if stand_in:
        module: Any = types.ModuleType("pkg_resources")
        module.get_distribution = lambda name: types.SimpleNamespace(version=importlib.metadata.version(name))
        sys.modules["pkg_resources"] = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escape sequences in its docstrings
            yield
    finally:
        if stand_in:
            del sys.modules["pkg_resources"]
        for owner, name in undo:
            delattr(owner, name)


@lru_cache(maxsize=1)
def load() -> types.SimpleNamespace:
    """Import madmom and return its modules by their last name: ``downbeats``, ``signal``, ...

    Raises:
        ImportError: if madmom is not installed, or was built for another numpy.
    """
    with _LOCK:
        with _the_past():
            names = (
                "features.downbeats",
                "audio.signal",
                "audio.filters",
                "audio.spectrogram",
                "models",
                "ml.nn",
            )
            parts = {name.rsplit(".", 1)[-1]: import_module(f"madmom.{name}") for name in names}
        view = _NumpyView()
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == "madmom" and getattr(module, "np", None) is np:
                module.np = view  # type: ignore[attr-defined]
    return types.SimpleNamespace(**parts)


def installed() -> bool:
    """Whether madmom can be imported; the import itself is left for later."""
    try:
        importlib.metadata.version("madmom")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
