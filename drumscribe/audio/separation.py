"""The drums out of a mix: Demucs where it can be had, else the mix as it is.

Hybrid Transformer Demucs (S. Rouard, F. Massa, A. Défossez, *Hybrid Transformers for Music Source Separation*, 2023)
is run segment by segment, as ``demucs.apply.apply_model`` does with its split, except that only the drums are kept:
that holds four stems and a second copy of the mix at once, here memory is the mix, the drums, and one segment.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from drumscribe import extras
from drumscribe.audio.decoding import SAMPLE_RATE
from drumscribe.errors import (
    BadWeightsError,
    Cancelled,
    DrumScribeError,
    MissingExtraError,
    ModelError,
    OptionsError,
    SeparationError,
    StorageError,
)
from drumscribe.options import SeparateOptions
from drumscribe.settings import Settings, get_settings
from drumscribe.types import Audio, CancelToken, FloatArray, OnFraction, Stem, part_of
from drumscribe.weights import registry

UNSEPARATED = "Transcribed from the whole mix, because the drums could not be separated first."
"""How a note begins that tells why there is no drum stem."""
_ADDRESS = re.compile(r"\w+://\S+")
PATIENCE_S = 60.0
"""With ``auto``, weights that could not be fetched are not tried again for so long, so that no song waits for it."""


def separate(
    audio: Audio,
    options: SeparateOptions | None = None,
    *,
    settings: Settings | None = None,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> Stem:
    """Return what the hit network shall listen to.

    Args:
        options: ``separator`` says ``"demucs"``, ``"none"`` (the mix; right for a recording of drums alone), or
            ``"auto"`` (Demucs if its weights are on disk or can be fetched, else the mix); ``None`` leaves it to
            the deployment.

    Returns:
        The drums, ``(channels, n)`` like the input, and the accompaniment (mix minus drums); or the mix, with a
        ``note`` if Demucs was wanted and could not be had.

    Raises:
        WeightsUnavailableError, ChecksumError, BadWeightsError: ``"demucs"`` was asked for, and there is no model.
        MissingExtraError: ``"demucs"`` was asked for, and Demucs or PyTorch is not installed.
        OptionsError: ``DEVICE`` names a GPU that is not here.
        SeparationError: the model ran and failed, or has no drums.
        Cancelled: ``cancel`` was set.
    """
    settings = settings or get_settings()
    wish = (options.separator if options is not None else None) or settings.separator
    if wish == "none":
        return Stem(audio.samples, audio.sample_rate, "none")
    name, note = settings.demucs_model, ""
    try:
        model = _obtain(name, settings, wish, part_of(on_progress, 0.0, 0.1), cancel)
    except (ModelError, StorageError, MissingExtraError) as error:
        if wish == "demucs":
            raise
        return Stem(audio.samples, audio.sample_rate, "none", note=_why(error))
    try:
        drums = model.drums(audio, settings, part_of(on_progress, 0.1, 1.0), cancel)
    except _OutOfMemory:
        note = f"The memory of the GPU ({model.device}) was too small, so the drums were separated on the processor."
        del model
        model = _obtain(name, settings.model_copy(update={"device": "cpu"}), wish, None, cancel)
        drums = model.drums(audio, settings, part_of(on_progress, 0.1, 1.0), cancel)
    shown = name if name in registry.DEMUCS else Path(name).name
    return Stem(
        drums,
        audio.sample_rate,
        "demucs",
        shown,
        note,
        audio.samples - drums,
        model.device.partition(":")[0],
    )


def _obtain(
    name: str, settings: Settings, wish: str, on_progress: OnFraction | None, cancel: CancelToken | None
) -> _Separator:
    extras.need("separation")
    patience_s = PATIENCE_S if wish == "auto" else 0.0
    folder = registry.resolve(name, settings, on_progress=on_progress, cancel=cancel, patience_s=patience_s)
    if on_progress is not None:
        on_progress(1.0, "Loading the separation model")
    try:
        return _load(folder, folder.stat().st_mtime_ns, _device(settings))
    except BadWeightsError:
        if not registry.discard_damaged(name, settings):
            raise
    folder = registry.resolve(name, settings, on_progress=on_progress, cancel=cancel)
    return _load(folder, folder.stat().st_mtime_ns, _device(settings))


def _why(error: DrumScribeError) -> str:
    reason = _ADDRESS.sub("the server of the separation model", error.what)
    return f"{UNSEPARATED} {reason[:1].upper()}{reason[1:]}"


def _device(settings: Settings) -> str:
    import torch

    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if settings.device == "auto":
        return next(device for device, there in here.items() if there)
    if not here[settings.device]:
        raise OptionsError(f"DEVICE={settings.device}: PyTorch finds no such GPU here.", "Set DEVICE=auto.")
    return settings.device


class _OutOfMemory(Exception):
    """The GPU's memory was too small for one segment."""


class _Separator:
    """A loaded model (or bag of models) reduced to what is needed for one stem."""

    def __init__(self, members: list[tuple[Any, float]], drums: int, device: str) -> None:
        self.members = members
        self.index = drums
        self.device = device

    def drums(
        self, audio: Audio, settings: Settings, on_progress: OnFraction | None, cancel: CancelToken | None
    ) -> FloatArray:
        """The drums of ``audio``, with as many channels."""
        import torch

        if settings.threads:
            torch.set_num_threads(settings.threads)
        # Demucs was trained on mixes of unit variance; the same scale for all segments, or levels would jump.
        mono = audio.mono()
        mean, std = float(mono.mean()), float(mono.std()) + 1e-8
        del mono
        try:
            with torch.inference_mode():
                out = self._run(audio.samples, mean, std, settings.demucs_overlap, on_progress, cancel)
        except (RuntimeError, ValueError, MemoryError) as error:
            if self.device != "cpu" and "out of memory" in str(error).lower():
                for member, _ in self.members:
                    member.cpu()
                _load.cache_clear()
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                raise _OutOfMemory from error
            raise SeparationError(
                f"Demucs failed: {error}.", "Try again with SEPARATOR=none, or DEVICE=cpu if it ran out of memory."
            ) from error
        out.flags.writeable = False
        return out

    def _run(
        self,
        mix: FloatArray,
        mean: float,
        std: float,
        overlap: float,
        on_progress: OnFraction | None,
        cancel: CancelToken | None,
    ) -> FloatArray:
        """Overlap-add of segments under triangular windows, as in ``demucs.apply``."""
        import torch
        from demucs.apply import apply_model

        jobs = [(model, share, start) for model, share in self.members for start in _starts(model, mix, overlap)]
        out: FloatArray = np.zeros(mix.shape, np.float32)
        norm = np.zeros(mix.shape[1], np.float32)
        done = 0

        def watch(state: dict[str, Any]) -> None:
            if cancel is not None and cancel.is_set():
                raise Cancelled("Separating the drums was stopped.")
            if on_progress is not None and state["state"] == "end":
                on_progress((done + 1) / len(jobs), "Separating the drums from the mix")

        for model, share, start in jobs:
            segment = (mix[:, start : start + _size(model)] - mean) / std
            with _interruptible(model, cancel):
                stems = apply_model(
                    model,
                    torch.from_numpy(np.repeat(segment, 2 // len(mix), axis=0))[None],
                    shifts=0,
                    split=False,
                    segment=float(model.segment),
                    device=self.device,
                    callback=watch,
                )
            drums = stems[0, self.index].float().cpu().numpy()
            if len(mix) == 1:
                drums = drums.mean(axis=0, keepdims=True)
            window = share * _triangle(drums.shape[1])
            out[:, start : start + drums.shape[1]] += drums * std * window
            norm[start : start + drums.shape[1]] += window
            done += 1
        out /= norm
        if not np.isfinite(out).all():
            raise SeparationError("The result of Demucs holds values that are not numbers.", "Fetch its weights again.")
        return out


def _size(model: Any) -> int:
    return int(model.samplerate * model.segment)


def _starts(model: Any, mix: FloatArray, overlap: float) -> list[int]:
    """First samples of the segments; the last one ends with the mix, so that it has a full context too."""
    last = max(0, mix.shape[1] - _size(model))
    stride = int((1 - overlap) * _size(model))
    return [*range(0, last, stride), last]


def _triangle(length: int) -> FloatArray:
    rise = np.arange(1, length + 1, dtype=np.float32)
    window: FloatArray = np.minimum(rise, rise[::-1])
    window /= (length + 1) / 2
    return window


@contextmanager
def _interruptible(model: Any, cancel: CancelToken | None) -> Iterator[None]:
    """Look at ``cancel`` before each layer: one segment takes seconds on a slow machine."""

    def look(*_: object) -> None:
        if cancel is not None and cancel.is_set():
            raise Cancelled("Separating the drums was stopped.")

    hooks = [] if cancel is None else [module.register_forward_pre_hook(look) for module in model.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@lru_cache(maxsize=1)
def _load(folder: Path, changed_ns: int, device: str) -> _Separator:
    """Read a model folder and keep the last one; a worker separates many songs with the same model.

    Demucs files are pickles, which can run code when read, so only folders of the operator and files with the
    promised checksum come here.
    """
    import yaml
    from demucs.apply import BagOfModels
    from demucs.pretrained import get_model

    name = registry.demucs_name(folder)
    try:
        model = get_model(name, repo=folder)
    except (
        OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, ImportError, AssertionError, EOFError,
        pickle.UnpicklingError, yaml.YAMLError, SystemExit,  # the last is how Demucs says that a package is missing
    ) as error:  # fmt: skip
        raise BadWeightsError(
            f"The separation model {name} cannot be loaded: {error}.", "Fetch it again, or correct DEMUCS_MODEL."
        ) from error
    if "drums" not in model.sources or model.samplerate != SAMPLE_RATE or model.audio_channels != 2:
        raise BadWeightsError(
            f"The separation model {name} does not split stereo at 44.1 kHz into drums and the rest.",
            f"Use one of {', '.join(registry.DEMUCS)}.",
        )
    drums = model.sources.index("drums")
    bag = isinstance(model, BagOfModels)
    members = zip(model.models, model.weights, strict=True) if bag else [(model, [1.0] * len(model.sources))]
    used = [(member.to(device).eval(), float(shares[drums])) for member, shares in members if shares[drums]]
    return _Separator(used, drums, device)
