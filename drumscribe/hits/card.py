"""What is known of a hit model besides its weights: names, thresholds, timing.

Written by training, read when decoding.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from drumscribe.hits.repetition import Weights
from drumscribe.kit import LABELS

FOLDER = Path(__file__).parent / "weights"
DEFAULT = "hits"
"""File name of the packaged model: ``hits.tflite``, ``hits.keras`` and ``hits.json``."""
ASIDE = "hits-aside"
"""File name of the network that hears a recording at other speeds than its own; trained further, at any tempo.

Two networks that err in different places, each heard in its turn, are right more often than either at all speeds.
"""
PLAIN_THRESHOLD = 0.4
"""Threshold where none was learnt: with calibrated confidences F is greatest near F / 2 (Z. Lipton et al., 2014)."""


@dataclass(frozen=True, slots=True)
class Averaged:
    """How log-odds that are averaged over several speeds become those of a hit (``training.speeds``).

    Attributes:
        heard: the speeds that it was learnt with, in per cent; others are taken to be like them.
        scale: of each drum's mean log-odds, which are surer than they look: what was heard three times is there.
        shift: added to them after that.
    """

    heard: tuple[int, ...]
    scale: dict[str, float]
    shift: dict[str, float]


@dataclass(frozen=True, slots=True)
class Card:
    """Data beside the weights.

    Attributes:
        name: of the model; :attr:`drumscribe.types.Activations.model` is ``"name version"``.
        version: changes with every training.
        sha256: of the weights files, by suffix.
        thresholds: confidence by drum from which a hit is shown at sensitivity 0.5.
        offsets_ms: by drum, how late the peaks are; subtracted.
        repetition: weights of :func:`drumscribe.hits.repetition.revise`; ``None`` leaves the curves as they are.
        made: how the weights were made: commit, data, seed, steps, scores.
        speeds: what is made of the mean where a recording is heard at several speeds; ``None`` leaves it as it is.
        loudness: by drum, weights of :func:`drumscribe.hits.loudness.revise`; the others keep the network's velocity.
    """

    name: str
    version: str
    sha256: dict[str, str] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    offsets_ms: dict[str, float] = field(default_factory=dict)
    repetition: Weights | None = None
    made: dict[str, Any] = field(default_factory=dict)
    speeds: Averaged | None = None
    loudness: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name and version, as in :attr:`drumscribe.types.Activations.model`."""
        return f"{self.name} {self.version}"

    def threshold(self, label: str) -> float:
        """Learnt threshold of a drum."""
        return self.thresholds.get(label, PLAIN_THRESHOLD)

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read a card. Raises OSError, ValueError, KeyError or TypeError for a file that is none."""
        data = json.loads(path.read_text(encoding="utf-8"))
        unknown = (set(data["thresholds"]) | set(data["offsets_ms"]) | set(data.get("loudness", ()))) - set(LABELS)
        if unknown:
            raise ValueError(f"unknown drums: {sorted(unknown)}")
        if data.get("speeds"):
            data["speeds"] = Averaged(**data["speeds"] | {"heard": tuple(data["speeds"]["heard"])})
        return cls(**{name: data[name] for name in cls.__slots__ if name in data})


@lru_cache(maxsize=1)
def default_card() -> Card:
    """The card of the packaged model."""
    return Card.read(FOLDER / f"{DEFAULT}.json")


def card_of(title: str) -> Card:
    """The card for :attr:`drumscribe.types.Activations.model`; a plain one for models that are not packaged."""
    packaged = default_card()
    return packaged if title in ("", packaged.title) else Card(title, "")
