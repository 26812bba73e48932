"""The registry of every network that the product uses: where its weights are, and how they get there.

    data/weights/demucs/<model>/    <signature>-<checksum>.th, <model>.yaml, manifest.json
    data/weights/hits/<address>/    the file behind MODEL_URI, manifest.json

``resolve`` is all that the stages call. A manifest beside the files says what was fetched; a file that an operator
put there by hand is checked once and then noted in it.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from drumscribe.errors import (
    BadWeightsError,
    ChecksumError,
    DrumScribeError,
    ModelError,
    OptionsError,
    StorageError,
    WeightsUnavailableError,
)
from drumscribe.settings import Settings, get_settings
from drumscribe.storage.writing import storing, write_atomic
from drumscribe.types import CancelToken, OnFraction
from drumscribe.weights import downloads

State = Literal["packaged", "ready", "missing", "damaged", "folder"]


@dataclass(frozen=True, slots=True)
class DemucsModel:
    """One official model. The checksum is the part of the file name that Demucs itself checks.

    Attributes:
        file: name on the server, ``<signature>-<first 8 hex digits of its SHA-256>.th``.
        note: what it is.
    """

    name: str
    file: str
    note: str

    @property
    def signature(self) -> str:
        """Demucs's own name for the file."""
        return self.file.partition("-")[0]

    @property
    def sha256(self) -> str:
        """The first eight hex digits."""
        return self.file.partition("-")[2].removesuffix(".th")


VERSION = "1"
"""Noted in each manifest; files that were fetched under another version are checked or fetched anew."""
DEMUCS = {
    row.name: row
    for row in (
        DemucsModel("htdemucs", "955717e8-8726e21a.th", "Hybrid Transformer Demucs, the default"),
        # Of the fine-tuned bag only the member that is used for drums: four times less to fetch and to compute.
        DemucsModel("htdemucs_ft", "f7e0c4bc-ba3fe64a.th", "Hybrid Transformer Demucs, fine-tuned for drums"),
        DemucsModel("htdemucs_6s", "5c90dfd2-34c22ccb.th", "Hybrid Transformer Demucs with guitar and piano"),
        DemucsModel("hdemucs_mmi", "75fc33f5-1941ce65.th", "Hybrid Demucs v3, retrained"),
    )
}
PACKAGED_HITS = Path(__file__).parents[1] / "hits" / "weights"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A row of ``drumscribe models``.

    Attributes:
        name: what ``resolve`` takes.
        purpose: ``"hits"``, ``"separation"`` or ``"beats"``.
        state: ``packaged`` and ``ready`` are usable; ``folder`` is a local model folder that somebody else keeps.
        path: file or folder, also where it would come to lie.
        size: bytes on disk.
        used: whether the present settings use it.
    """

    name: str
    purpose: str
    note: str
    licence: str
    source: str
    state: State
    path: Path
    size: int = 0
    used: bool = False


_failures: dict[str, tuple[float, DrumScribeError]] = {}
_seen: set[str] = set()


def resolve(
    model: str,
    settings: Settings | None = None,
    *,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
    patience_s: float = 0.0,
) -> Path:
    """The local file (``"hits"``) or folder (a Demucs model, or a folder with one) of a network, fetched if need be.

    Args:
        patience_s: if fetching failed less than so long ago in this process, fail again at once, without a new try.

    Raises:
        WeightsUnavailableError: not on disk, and it cannot be fetched now.
        ChecksumError: what was fetched is not what was promised.
        BadWeightsError: a local folder without a model in it.
        StorageError: what was fetched cannot be written.
        OptionsError: no such model.
    """
    settings = settings or get_settings()
    failed_at, failure = _failures.get(model, (float("-inf"), None))
    if failure is not None and time.monotonic() - failed_at < patience_s:
        raise failure
    try:
        if model == "hits":
            found = _hits(settings, on_progress, cancel)
        elif (folder := Path(model)).is_dir():
            found = _local_folder(folder)
        elif model in DEMUCS:
            found = _demucs(DEMUCS[model], settings, on_progress, cancel)
        else:
            raise OptionsError(
                f"DEMUCS_MODEL names neither a model nor a folder: {model!r}.", f"Use one of {', '.join(DEMUCS)}."
            )
    except (ModelError, StorageError) as error:
        _failures[model] = (time.monotonic(), error)
        raise
    _failures.pop(model, None)
    return found


def demucs_name(folder: Path) -> str:
    """The name under which Demucs finds the model in a folder: its one ``.yaml`` bag, else its one ``.th`` file.

    Raises:
        BadWeightsError: none, or more than one.
    """
    bags, files = sorted(folder.glob("*.yaml")), sorted(folder.glob("*.th"))
    if not files:
        raise BadWeightsError(f"There is no Demucs model in {folder}.", "Put its .th file (and .yaml file) there.")
    if len(bags) == 1:
        return bags[0].stem
    if not bags and len(files) == 1:
        return files[0].stem.partition("-")[0]
    raise BadWeightsError(
        f"There are {len(bags) or len(files)} models in {folder}.", "Give a folder with one model in it."
    )


def catalogue(settings: Settings | None = None) -> list[ModelInfo]:
    """Every model with its present state; reads no file's content and never the network."""
    settings = settings or get_settings()
    rows = [_hits_info(settings)]
    for row in DEMUCS.values():
        folder = _demucs_folder(row, settings)
        path = folder / row.file
        state: State = "ready" if _noted(folder, row.file, row.sha256) or path.is_file() else "missing"
        url = settings.demucs_url.rstrip("/") + "/" + row.file
        used = settings.separator != "none" and settings.demucs_model == row.name
        rows.append(ModelInfo(row.name, "separation", row.note, "MIT", url, state, folder, _bytes(path), used))
    if (local := Path(settings.demucs_model)).is_dir():
        size = sum(_bytes(path) for path in local.glob("*.th"))
        rows.append(ModelInfo(settings.demucs_model, "separation", "Local folder", "", "", "folder", local, size, True))
    if (spec := find_spec("madmom")) is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "models"
        state = "packaged" if folder.is_dir() else "missing"
        used = settings.beat_tracker != "librosa"
        licence = "CC BY-NC-SA 4.0"
        size = sum(_bytes(path) for path in folder.rglob("*.pkl"))
        rows.append(ModelInfo("madmom", "beats", "Beats and downbeats", licence, "", state, folder, size, used))
    return rows


def verify(model: str, settings: Settings | None = None) -> ModelInfo:
    """Read the model's files again and compare checksums; the row says ``damaged`` if one differs.

    Raises:
        OptionsError: no such model.
    """
    settings = settings or get_settings()
    from drumscribe.weights.downloads import checksum

    info = next((row for row in catalogue(settings) if row.name == model), None)
    if info is None:
        raise OptionsError(f"There is no model {model!r}.", "'drumscribe models list' shows them.")
    if info.state == "missing" or info.purpose == "beats":
        return info
    files = sorted(info.path.glob("*.th")) if info.path.is_dir() else [info.path]
    if info.path.parent == PACKAGED_HITS:
        files.append(info.path.with_stem(f"{info.path.stem}-aside"))
    for path in files:
        promised = _expected(path, model, settings)
        with storing(path.name):
            if promised and not checksum(path).startswith(promised):
                return replace(info, state="damaged")
    return info


def discard_damaged(model: str, settings: Settings | None = None) -> bool:
    """Remove a fetched model whose checksum is wrong, so that ``resolve`` fetches it anew; whether there was one."""
    settings = settings or get_settings()
    if model not in DEMUCS or verify(model, settings).state != "damaged":
        return False
    with storing(DEMUCS[model].file):
        (_demucs_folder(DEMUCS[model], settings) / DEMUCS[model].file).unlink(missing_ok=True)
    return True


def _expected(path: Path, model: str, settings: Settings) -> str:
    if path.suffix == ".th":
        return path.stem.partition("-")[2]
    if model == "hits" and settings.model_sha256:
        return settings.model_sha256.lower()
    if path.parent == PACKAGED_HITS:
        return str(json.loads(path.with_suffix(".json").read_text())["sha256"].get(path.suffix, ""))
    return str(_manifest(path.parent).get(path.name, {}).get("sha256", ""))


def packaged_hits(settings: Settings) -> Path:
    """The packaged hit model, as the file for the engine that ``HIT_ENGINE`` chooses."""
    light = settings.hit_engine == "litert" or (settings.hit_engine == "auto" and find_spec("ai_edge_litert"))
    return PACKAGED_HITS / ("hits.tflite" if light else "hits.keras")


def hit_engine(path: Path) -> str:
    """Name of the engine that runs a hit model's file."""
    return "LiteRT" if path.suffix == ".tflite" else "Keras on TensorFlow"


def _demucs_folder(row: DemucsModel, settings: Settings) -> Path:
    return settings.weights_dir / "demucs" / row.name


def _demucs(row: DemucsModel, settings: Settings, on_progress: OnFraction | None, cancel: CancelToken | None) -> Path:
    folder = _demucs_folder(row, settings)
    if not _noted(folder, row.file, row.sha256):
        url = settings.demucs_url.rstrip("/") + "/" + row.file
        _obtain(url, folder / row.file, row.sha256, settings, on_progress, cancel)
        for old in folder.glob("*.th"):  # Demucs refuses a folder with two files of one signature
            if old.name != row.file:
                old.unlink(missing_ok=True)
    bag = folder / f"{row.name}.yaml"
    if not bag.is_file():
        write_atomic(bag, f"models: ['{row.signature}']\n")
    return folder


def _local_folder(folder: Path) -> Path:
    demucs_name(folder)
    return folder


def _hits(settings: Settings, on_progress: OnFraction | None, cancel: CancelToken | None) -> Path:
    uri = settings.model_uri
    if not uri:
        if not (path := packaged_hits(settings)).is_file():
            raise WeightsUnavailableError("The packaged hit model is missing.", "Install DrumScribe again.")
        return path
    if "://" not in uri:
        return _local_file(Path(uri), settings.model_sha256.lower())
    target = _cached(uri, settings)
    expected = settings.model_sha256.lower()
    noted = _noted(target.parent, target.name, expected)
    if noted and (expected or not _changed(uri, target, settings)):
        return target
    try:
        _obtain(uri, target, expected, settings, on_progress, cancel, fresh=bool(noted))
    except WeightsUnavailableError:
        if not noted:
            raise  # else the copy from before is still a good model
    return target


def _cached(uri: str, settings: Settings) -> Path:
    key = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return settings.weights_dir / "hits" / key / (Path(uri.split("?")[0]).name or "model.keras")


def _changed(uri: str, target: Path, settings: Settings) -> bool:
    """Whether the server has another version now; asked once in a process, and not when offline."""
    from drumscribe.weights.downloads import validator

    if settings.offline or uri in _seen:
        return False
    _seen.add(uri)
    now = validator(uri, settings.network_timeout_s)
    return bool(now) and now != _manifest(target.parent).get(target.name, {}).get("tag")


def _local_file(path: Path, expected: str) -> Path:
    from drumscribe.weights.downloads import checksum

    if not path.is_file():
        raise WeightsUnavailableError(f"MODEL_URI names a file that does not exist: {path}.", "Correct MODEL_URI.")
    with storing(path.name):
        if expected and not checksum(path).startswith(expected):
            raise ChecksumError(f"{path} has another checksum than MODEL_SHA256.", "Correct the file or MODEL_SHA256.")
    return path


def _obtain(
    url: str,
    target: Path,
    expected: str,
    settings: Settings,
    on_progress: OnFraction | None,
    cancel: CancelToken | None,
    *,
    fresh: bool = False,
) -> None:
    """Make ``target`` be there and noted in the manifest: a file put there by hand, or a download."""
    with downloads.one_at_a_time(target, cancel):
        if _noted(target.parent, target.name, expected) and not fresh:
            return  # another process was faster
        with storing(target.name):
            digest = downloads.checksum(target) if expected and target.is_file() else ""
        if not (digest and digest.startswith(expected)):
            if settings.offline:
                raise WeightsUnavailableError(
                    f"{target.name} is not on disk, and this installation is set to stay offline.",
                    f"Put it into {target.parent} (a fetch worker does so when it starts), or unset OFFLINE.",
                )
            digest = downloads.download(
                url,
                target,
                sha256=expected,
                timeout_s=settings.network_timeout_s,
                on_progress=on_progress,
                cancel=cancel,
            )
        tag = "" if expected else downloads.validator(url, settings.network_timeout_s)
        _seen.add(url)
        entry = {
            "sha256": digest,
            "size": _bytes(target),
            "version": VERSION,
            "url": downloads.public_url(url),
            "tag": tag,
        }
        files = {**_manifest(target.parent), target.name: entry}
        write_atomic(target.parent / "manifest.json", json.dumps(files, indent=1))


def _manifest(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        data = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) and all(isinstance(row, dict) for row in data.values()) else {}


def _noted(folder: Path, name: str, expected: str) -> bool:
    """Whether the file is as the manifest says and as expected now (size compared; content was, when it came)."""
    entry = _manifest(folder).get(name, {})
    return (
        bool(entry)
        and entry.get("version") == VERSION
        and str(entry.get("sha256", "")).startswith(expected)
        and (folder / name).is_file()
        and entry.get("size") == _bytes(folder / name)
    )


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _hits_info(settings: Settings) -> ModelInfo:
    uri = settings.model_uri
    if not uri:
        path, state, licence = packaged_hits(settings), "packaged", "MIT"
    else:
        path, state, licence = (_cached(uri, settings) if "://" in uri else Path(uri)), "ready", ""
    found: State = ("packaged" if state == "packaged" else "ready") if path.is_file() else "missing"
    note, source = f"Drum hits, on {hit_engine(path)}", downloads.public_url(uri)
    return ModelInfo("hits", "hits", note, licence, source, found, path, _bytes(path), True)
