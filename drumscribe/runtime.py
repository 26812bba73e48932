"""What a process needs before it imports the numeric libraries: thread limits, and caches inside the data folder.

All state lives under one folder, so that the rest of the file system may be read-only.
"""

from __future__ import annotations

import ctypes
import ipaddress
import logging
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from drumscribe.settings import Settings

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
            "TF_NUM_INTEROP_THREADS")  # fmt: skip
_CACHES = {
    "NUMBA_CACHE_DIR": "numba",
    "MPLCONFIGDIR": "matplotlib",
    "TORCH_HOME": "torch",
    "KERAS_HOME": "keras",
    "XDG_CACHE_HOME": "xdg",
}


NICE = 5
"""Computing gets a third of what a web process gets where both want the processor."""


def cores() -> int:
    """Cores that this process may use (fewer than the machine's in a container or under ``taskset``)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def going_out(purpose: str, url: str) -> None:
    """Note that this process connects to another host: of the address only the host, which is no secret and no title.

    Whatever leaves a deployment leaves such a line (``egress``), so its log can be held against the firewall's.
    """
    host = urlsplit(url).hostname or "?"
    logging.getLogger(__name__).info("egress", extra={"purpose": purpose, "host": host})


def prepare(settings: Settings) -> None:
    """Set the environment for this process and its children; what the user set already stays.

    Must run before numpy's first heavy import to have its full effect, so command line and workers call it first.
    """
    threads = str(settings.threads or cores())
    for variable in _THREADS:
        os.environ.setdefault(variable, threads)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's products are too small to be shared
    home = settings.data_dir.resolve() / "cache" / "libraries"
    for variable, name in _CACHES.items():
        os.environ.setdefault(variable, str(home / name))
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # Keras imports it, and it tells of its font cache
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # what Apple's GPU lacks runs on the processor
    os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "torch")


def give_way() -> None:
    """Let web processes on the same machine go first; the children of this process inherit it.

    Linux may share the processor among sessions first (autogroup) and only within each by ``nice``, so a worker that
    leads its session, as services and containers do, lowers the session too.
    """
    if sys.platform == "win32":
        return
    os.nice(max(0, NICE - os.nice(0)))
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # no autogroups here, or not ours to change
            Path("/proc/self/autogroup").write_text(str(NICE))


def give_back_memory() -> None:
    """Return to the system what was freed.

    The C library keeps it for the threads that freed it: after listening to a song, more than the song itself needs.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no such call, and keeps nothing
            ctypes.CDLL(None).malloc_trim(0)
