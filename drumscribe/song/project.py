"""The project file: one versioned JSON document that reopens with everything in it but the audio.

Hits stand in it as plain rows, so that any program can read them; activations and what the beat tracker heard are
packed (zlib, base64), so that thresholds, tempo, and bars can be changed again without the recording. A file whose
``hits`` were changed by hand or by a program opens with those, as one more edit in the log.

Project files come from anywhere: sizes are bounded before anything is allocated, types are checked by msgspec
against the dataclasses, and nothing is ever unpickled.
"""

from __future__ import annotations

import base64
import math
import time
import weakref
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

from drumscribe.choices import Source
from drumscribe.errors import DrumScribeError, ProjectError
from drumscribe.options import Options
from drumscribe.song import edits
from drumscribe.storage.writing import write_atomic
from drumscribe.types import Activations, BeatGrid, Change, Hit, Hits, Stem

FORMAT = "drumscribe-project"
VERSION = 1
MAX_BYTES = 256 * 2**20
"""Largest project file that is read."""
MAX_ARRAY_BYTES = 128 * 2**20
"""Largest array that a project file may unpack to."""
MAX_HITS = 200_000
MAX_LOG = 200_000
PLAIN_ARRAY = 20_000
"""Vectors up to this length are written as plain numbers."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Song:
    """The recording, without its samples; fields as in :class:`~drumscribe.types.Audio`."""

    sha256: str
    duration_s: float
    title: str = ""
    artist: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the network listened to; the first fields as in :class:`~drumscribe.types.Stem`.

    Attributes:
        source: in what hits were heard: ``"mix"``, ``"stem"`` or ``"both"``; ``""`` where none were.
    """

    method: str = "none"
    model: str = ""
    note: str = ""
    source: str = ""


_ONCE = {"none": "mix", "demucs": "stem"}  # in what hits were heard before there was a choice


def heard_in(stem: Stem, wish: Source) -> Literal["mix", "stem", "both"]:
    """In what hits are heard, where this stem is at hand."""
    if stem.method == "none":
        return "mix"
    return "both" if wish == "auto" else wish


@dataclass(frozen=True, slots=True)
class Project:
    """Everything about one transcription except audio.

    Attributes:
        song: the recording.
        heard: stem or mix.
        options: choices in force.
        history: the model's hits and the log of edits.
        grid: beats and bars in force.
        activations: rounded by :func:`canonical`, so that they come back equal.
        evidence: a ``drumscribe.rhythm.BeatEvidence``, as JSON until :func:`parse` turns it into one.
        groups: for each bar the number of its group of like bars; ``()`` in older files.
        changes: what the reading made of strokes. Told to those who read the file; made anew when it is opened.
        warnings: sentences for the user.
        provenance: what made it: versions, models, stage digests, seconds per stage.
        created_at: seconds since the epoch, UTC.
    """

    song: Song
    heard: Heard
    options: Options
    history: edits.History
    grid: BeatGrid
    activations: Activations
    evidence: bytes
    groups: tuple[int, ...] = ()
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)

    def dumps(self) -> bytes:
        """The file's bytes (UTF-8 JSON, one line a section)."""
        document = _Document(
            song=self.song,
            heard=self.heard,
            options=self.options.model_dump(),
            warnings=self.warnings,
            hits=self.history.hits.items,
            base=self.history.base.items,
            log=self.history.log,
            grid=self.grid,
            groups=self.groups,
            changes=self.changes,
            activations=_pack_activations(self.activations),
            evidence=msgspec.Raw(self.evidence),
            provenance=self.provenance,
            created_at=self.created_at,
        )
        return msgspec.json.encode(document, enc_hook=_encode) + b"\n"

    def save(self, path: Path) -> None:
        """Write the file atomically. Raises StorageError."""
        write_atomic(path, self.dumps())


def canonical(activations: Activations) -> Activations:
    """Round activations to what a project file keeps (16 bits of onset, 8 of velocity).

    The pipeline applies it before anything is picked, so a reopened project picks the very same hits.
    """
    packed = _packed_anew(activations)
    found = _unpack_activations(packed)
    _keep(found, packed)
    return found


def loads(data: bytes) -> Project:
    """Read a project file. Raises ProjectError if it is not one, is damaged, too large, or from a newer version."""
    if len(data) > MAX_BYTES:
        raise ProjectError(
            f"The project file is larger than {MAX_BYTES >> 20} MiB.", "Check that it is a DrumScribe project."
        )
    header = parse(data, _Header)
    if header.format != FORMAT:
        raise ProjectError("This JSON file is not a DrumScribe project.", "Choose a .json file that DrumScribe wrote.")
    if header.version > VERSION:
        raise ProjectError(
            f"The project was saved by a newer DrumScribe (file version {header.version}, this one reads {VERSION}).",
            "Update DrumScribe.",
        )
    document = parse(data, _Document)
    heard = document.heard
    if not heard.source and document.activations.model:
        heard = replace(heard, source=_ONCE.get(heard.method, "mix"))
    try:
        history = edits.replay(Hits.of(document.base), document.log)
        history = history.do(edits.replace_all(history.hits, Hits.of(document.hits), "Edit outside DrumScribe"))
        activations = _unpack_activations(document.activations)
        _keep(activations, document.activations)
        return Project(
            song=document.song,
            heard=heard,
            options=Options.parse(_dated(document.options, heard.method)),
            history=history,
            grid=_checked_grid(document.grid),
            activations=activations,
            evidence=bytes(document.evidence),
            groups=document.groups,
            changes=document.changes,
            warnings=document.warnings,
            provenance=document.provenance,
            created_at=document.created_at,
        )
    except ProjectError:
        raise
    except (DrumScribeError, ValueError) as error:
        raise _damaged(str(error)) from error


def _dated(options: dict[str, Any], method: str) -> dict[str, Any]:
    """Options with what held before they had a name: songs were heard once, and in the stem where there was one."""
    before = {"speeds": [100], "source": _ONCE.get(method, "auto")}
    return {**options, "detect": before | options.get("detect", {})}


def load(path: Path) -> Project:
    """Read a project file from disk. Raises ProjectError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ProjectError(f"{path.name} is larger than {MAX_BYTES >> 20} MiB.", "Check that it is a project.")
        return loads(path.read_bytes())
    except OSError as error:
        raise ProjectError(f"{path.name} cannot be read: {error.strerror}.", "Check the path and try again.") from error


def dump(value: Any) -> bytes:
    """JSON of a dataclass that may hold numpy arrays; :func:`parse` is the inverse."""
    return msgspec.json.encode(value, enc_hook=_encode)


def parse(data: bytes, kind: type[T]) -> T:
    """Read JSON as a dataclass, arrays included, checking every type and size. Raises ProjectError."""
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_decode)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _damaged(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Packed:
    """An array: ``base64(zlib(bytes))`` with the bytes of equal significance side by side (they compress better)."""

    dtype: str
    shape: tuple[int, ...]
    zlib: str


@dataclass(frozen=True, slots=True)
class _PackedActivations:
    """Onset in 1/65535, velocity in 1/255."""

    onset: _Packed
    velocity: _Packed
    embedding: _Packed
    labels: tuple[str, ...]
    fps: float
    model: str
    start_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Header:
    format: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    format: str = FORMAT
    version: int = VERSION
    created_at: float
    song: Song
    heard: Heard
    options: dict[str, Any]
    warnings: tuple[str, ...]
    hits: tuple[Hit, ...]
    base: tuple[Hit, ...]
    log: tuple[edits.Entry, ...]
    grid: BeatGrid
    provenance: dict[str, str]
    activations: _PackedActivations
    evidence: msgspec.Raw
    groups: tuple[int, ...] = ()
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        if max(len(self.hits), len(self.base)) > MAX_HITS or len(self.log) > MAX_LOG:
            raise ValueError("more hits or edits than any song has")
        for hits in (self.hits, self.base):
            if len({hit.id for hit in hits}) != len(hits):
                raise ValueError("two hits have the same id")


_DTYPES = {"<f8", "<f4", "<f2", "<i8", "<i4", "<u2", "|u1", "|b1"}


def _pack(array: NDArray[Any]) -> _Packed:
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    planes = array.reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize).T
    return _Packed(array.dtype.str, array.shape, base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode())


def _unpack(packed: _Packed) -> NDArray[Any]:
    """Raises ValueError before allocating anything that the shape does not account for."""
    if packed.dtype not in _DTYPES or len(packed.shape) > 4 or any(not 0 <= n < 2**31 for n in packed.shape):
        raise ValueError("array of an unknown kind")
    dtype = np.dtype(packed.dtype)
    size = math.prod(packed.shape) * dtype.itemsize
    if size > MAX_ARRAY_BYTES:
        raise ValueError("array too large")
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(base64.b64decode(packed.zlib, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(f"array data is broken ({error})") from error
    if len(raw) != size:
        raise ValueError("array data does not fit its shape")
    planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype).reshape(packed.shape)


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        plain = value.ndim == 1 and len(value) <= PLAIN_ARRAY and value.dtype.kind in "fi"
        if plain and np.isfinite(value).all():
            return value.tolist()
        return _pack(value)
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"cannot write a {type(value).__name__} into a project file")


def _decode(kind: Any, value: Any) -> Any:
    if get_origin(kind) is np.ndarray:
        wanted = get_args(get_args(kind)[1])[0]
        if isinstance(value, list):
            if len(value) > PLAIN_ARRAY:
                raise ValueError("list of numbers too long")
            array = np.array(value, dtype=np.float64)
        else:
            array = _unpack(msgspec.convert(value, _Packed))
        return array if wanted is Any else array.astype(wanted)
    raise ValueError(f"cannot read a {kind}")


_packed: dict[int, _PackedActivations] = {}


def _pack_activations(activations: Activations) -> _PackedActivations:
    """As a project file holds them; kept as long as they live, because every edit saves the whole project."""
    found = _packed.get(id(activations))
    return found if found is not None else _keep(activations, _packed_anew(activations))


def _keep(activations: Activations, packed: _PackedActivations) -> _PackedActivations:
    _packed[id(activations)] = packed
    weakref.finalize(activations, _packed.pop, id(activations), None).atexit = False
    return packed


def _packed_anew(activations: Activations) -> _PackedActivations:
    onset = np.rint(np.clip(activations.onset, 0, 1) * 65535).astype(np.uint16)
    velocity = np.rint(np.clip(activations.velocity, 0, 1) * 255).astype(np.uint8)
    return _PackedActivations(
        _pack(onset),
        _pack(velocity),
        _pack(activations.embedding.astype(np.float16, copy=False)),
        activations.labels,
        activations.fps,
        activations.model,
        activations.start_s,
    )


def _unpack_activations(packed: _PackedActivations) -> Activations:
    from drumscribe.kit import DRUMS

    onset, velocity, embedding = (_unpack(part) for part in (packed.onset, packed.velocity, packed.embedding))
    frames = onset.shape[0] if onset.ndim == 2 else -1
    if (
        onset.dtype != np.uint16
        or velocity.dtype != np.uint8
        or embedding.dtype != np.float16
        or onset.shape != (frames, len(packed.labels))
        or velocity.shape != onset.shape
        or embedding.ndim != 2
        or len(embedding) != frames
        or not set(packed.labels) <= set(DRUMS)
        or len(set(packed.labels)) != len(packed.labels)
        or not 1 <= packed.fps <= 1000
        or not -1 <= packed.start_s <= 1
    ):
        raise ValueError("the activations do not fit together")
    return Activations(
        onset=onset.astype(np.float32) / np.float32(65535),
        velocity=velocity.astype(np.float32) / np.float32(255),
        embedding=embedding,
        labels=packed.labels,
        fps=packed.fps,
        model=packed.model,
        start_s=packed.start_s,
    )


def _checked_grid(grid: BeatGrid) -> BeatGrid:
    times, numbers = grid.times, grid.numbers
    if len(times) < 2 or len(times) != len(numbers) or not (np.diff(times) > 0).all():
        raise ValueError("the beat grid does not fit together")
    if not np.isfinite(times).all() or (numbers < 1).any() or not 0 < grid.bpm < 10_000:
        raise ValueError("the beat grid has impossible values")
    bars = int((numbers == 1).sum()) - int(numbers[-1] == 1) + int(numbers[0] != 1)
    if len(grid.meters) != bars:
        raise ValueError(f"the beat grid has {len(grid.meters)} meters for {bars} bars")
    return replace(grid, meters=tuple(grid.meters))


def _damaged(detail: str) -> ProjectError:
    detail = detail.strip().rstrip(".")[:300] or "unreadable"
    return ProjectError(
        f"The project file is damaged or not a DrumScribe project ({detail}).", "Open another copy of it."
    )
