"""A Demucs network small enough for tests, saved as Demucs saves its own."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

SOURCES = ["drums", "bass", "other", "vocals"]


def save(folder: Path, signature: str = "0a1b2c3d", *, seed: int = 0, sources: list[str] = SOURCES) -> Path:
    """Write a checkpoint as Demucs does, ``<signature>-<checksum>.th``."""
    import torch
    from demucs.htdemucs import HTDemucs
    from demucs.states import save_with_checksum

    torch.manual_seed(seed)
    model = HTDemucs(sources, channels=8, t_layers=1, t_heads=2, bottom_channels=16, segment=Fraction(1))
    args, kwargs = model._init_args_kwargs
    package = {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": model.state_dict(), "training_args": {}}
    folder.mkdir(parents=True, exist_ok=True)
    save_with_checksum(package, folder / f"{signature}.th")
    return next(folder.glob(f"{signature}-*.th"))
