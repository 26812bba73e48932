"""Deployment settings: one frozen object, read from the environment and ``.env``; each name is the variable's.

Choices that belong to one song are in :mod:`drumscribe.options`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every deployment setting with its default; a fresh machine needs none of them set."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    # limits
    max_file_size_mb: float = Field(50, gt=0, description="Largest upload or download, in MiB.")
    max_duration_s: float = Field(900, gt=0, description="Longest recording, in seconds.")

    # state
    data_dir: Path = Field(Path("data"), description="The one folder for all state: cache, jobs, weights, database.")
    cache_size_gb: float = Field(5, gt=0, description="Upper bound of the stage cache.")
    artifact_ttl_hours: float = Field(168, gt=0, description="Finished jobs and their files are removed after this.")

    # models
    separator: Literal["auto", "demucs", "none"] = Field("auto", description="Default separation.")
    demucs_model: str = Field("htdemucs", description="Demucs model name, or a folder with its .th and .yaml files.")
    demucs_url: str = Field(
        "https://dl.fbaipublicfiles.com/demucs/hybrid_transformer/",
        description="Where Demucs weights are fetched from.",
    )
    demucs_overlap: float = Field(0.1, ge=0, lt=1, description="Overlap of Demucs segments; more is slower, smoother.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where Demucs runs.")
    model_uri: str = Field("", description="Hit model: empty for the packaged one, or a path, http(s) or s3 URL.")
    model_sha256: str = Field("", description="Expected checksum of the file behind MODEL_URI; empty: not checked.")
    offline: bool = Field(False, description="Never use the network; what is not on disk is not available.")
    network_timeout_s: float = Field(5, gt=0, description="Time to connect before a server counts as down.")
    beat_tracker: Literal["auto", "madmom", "librosa"] = Field(
        "auto", description="madmom's models are licensed for non-commercial use only; librosa has no such limit."
    )
    pdf_backend: Literal["auto", "lilypond", "verovio", "musescore", "none"] = Field("auto", description="PDF engine.")
    threads: int = Field(0, ge=0, description="Threads of the numeric libraries; 0: as many as cores.")

    @property
    def cache_dir(self) -> Path:
        return self.data_dir / "cache"

    @property
    def weights_dir(self) -> Path:
        return self.data_dir / "weights"

    @property
    def jobs_dir(self) -> Path:
        return self.data_dir / "jobs"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The process's settings, read once. Raises pydantic.ValidationError for an impossible value."""
    return Settings()
