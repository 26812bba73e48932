"""Deployment settings: one frozen object, read from the environment, ``.env``, and ``drumscribe.toml``.

Each name is the variable's; in the TOML file it may be written small.

Choices that belong to one song are in :mod:`drumscribe.options`.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from drumscribe.choices import PdfBackend, Separator, Tracker
from drumscribe.errors import OptionsError

CONFIG = Path("drumscribe.toml")
"""Settings of a folder, under the names of the environment variables."""


class Settings(BaseSettings):
    """Every deployment setting with its default; a fresh machine needs none of them set."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before ``.env``, that before ``drumscribe.toml``. Raises OptionsError for a bad file."""
        return init_settings, env_settings, dotenv_settings, _Toml(settings_cls)

    # the studio
    sign_in: Literal["auto", "none"] = Field(
        "auto",
        description="auto: people sign in where Streamlit's secrets.toml has [auth]; without it the studio listens on "
        "this machine only. none: on a trusted network everybody may use it, each browser for itself.",
    )

    admins: str = Field(
        "",
        description="Who has the Admin page, comma separated: mail addresses that the sign-in has verified, or account "
        "names (person-...) as the Account page shows them.",
    )

    # limits
    public: bool = Field(
        False,
        description="Serves others than whoever sits here, so the two limits below hold. The API, its workers, and "
        "'drumscribe serve' on an address that others reach switch it on by themselves.",
    )
    max_file_size_mb: float = Field(50, gt=0, description="Largest upload or download, in MiB, of what is served.")
    max_duration_s: float = Field(900, gt=0, description="Longest recording, in seconds, of what is served.")

    # strangers' files: a process of its own decodes each
    decode_timeout_s: float = Field(
        300,
        gt=0,
        description="Longest time for decoding a file of what is served, by the clock and of the processor.",
    )
    decode_memory_mb: int = Field(1000, gt=0, description="Memory for decoding one file of what is served, in MiB.")
    require_confinement: bool = Field(
        False,
        description="Refuse to decode strangers' files and to run engravers where the system does not let them be "
        "confined ('drumscribe doctor' says by what).",
    )

    # state
    data_dir: Path = Field(Path("data"), description="The one folder for all state: cache, jobs, weights, database.")
    cache_size_gb: float = Field(5, gt=0, description="Upper bound of the stage cache.")
    storage_size_gb: float = Field(20, gt=0, description="Upper bound of all jobs' files; the oldest jobs go first.")
    storage_reserve_gb: float = Field(
        1, ge=0, description="With less free disk than this, a served installation takes no new songs."
    )
    database_size_gb: float = Field(
        0, ge=0, description="With a job database (PostgreSQL) this large no new songs are taken; 0: it has room."
    )
    artifact_ttl_hours: float = Field(168, gt=0, description="Finished jobs and their files are removed after this.")

    # models
    separator: Separator = Field("auto", description="Default separation.")
    demucs_model: str = Field("htdemucs", description="Demucs model name, or a folder with its .th and .yaml files.")
    demucs_url: str = Field(
        "https://dl.fbaipublicfiles.com/demucs/hybrid_transformer/",
        description="Where Demucs weights are fetched from.",
    )
    demucs_overlap: float = Field(0.1, ge=0, lt=1, description="Overlap of Demucs segments; more is slower, smoother.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where Demucs runs: auto takes a GPU (NVIDIA's by CUDA, Apple's by MPS) where there is one."
    )
    model_uri: str = Field("", description="Hit model: empty for the packaged one, or a path, http(s) or s3 URL.")
    hit_engine: Literal["auto", "litert", "keras"] = Field(
        "auto", description="What runs the packaged hit model: LiteRT where it is installed, or Keras on TensorFlow."
    )
    model_sha256: str = Field("", description="Expected checksum of the file behind MODEL_URI; empty: not checked.")
    offline: bool = Field(False, description="Never use the network; what is not on disk is not available.")
    network_timeout_s: float = Field(5, gt=0, description="Time to connect before a server counts as down.")
    beat_tracker: Tracker = Field(
        "auto", description="madmom's models are licensed for non-commercial use only; librosa has no such limit."
    )
    pdf_backend: PdfBackend = Field("auto", description="PDF engine: auto is verovio, quick; lilypond is the finest.")
    youtube_cookies: str = Field(
        "", repr=False, description="A cookies.txt (Netscape's form) of a browser that is signed in to YouTube."
    )
    youtube_cookies_from_browser: str = Field(
        "", repr=False, description="On one's own machine: take them from this browser, firefox or chrome:PROFILE."
    )
    youtube_proxy: SecretStr = Field(
        SecretStr(""), description="Proxy for YouTube alone: http://, socks5h://, with name and password if need be."
    )
    threads: int = Field(0, ge=0, description="Threads of the numeric libraries; 0: as many as cores.")

    # service: where state lives (empty: one worker process, SQLite, and a folder, all on this machine)
    redis_url: str = Field("", repr=False, description="Celery broker, redis://host:6379/0; empty: one local worker.")
    database_url: str = Field("", repr=False, description="SQLAlchemy URL of the job database; empty: SQLite file.")
    storage_url: str = Field("", repr=False, description="fsspec URL of artifacts, s3://bucket/prefix; empty: folder.")
    storage_backend: Literal["", "local", "s3"] = Field(
        "", description="The same in other words: local, or s3 with STORAGE_BUCKET and STORAGE_PREFIX."
    )
    storage_bucket: str = Field("", description="The bucket of STORAGE_BACKEND=s3.")
    storage_prefix: str = Field("", description="Folder inside STORAGE_BUCKET.")
    storage_public_url: str = Field(
        "",
        description="Address at which browsers reach the bucket's server, https://s3.example.org. Where it is empty "
        "and AWS_ENDPOINT_URL names a server of one's own, the API passes files on.",
    )
    job_tries: int = Field(3, ge=1, description="A job whose worker died this often is parked as failed.")
    queue_limit: int = Field(2000, ge=0, description="Songs that may wait in all, of what is served; 0: no limit.")
    queue_ahead: int = Field(
        4, ge=1, description="Messages that wait in Redis at most; the other songs wait in the database, in fair order."
    )
    stage_timeout_s: float = Field(1800, gt=0, description="Longest time for one stage before it is stopped.")
    job_lease_s: float = Field(30, gt=0, description="A running job without sign of life for this long is taken over.")
    worker_memory_mb: int = Field(6000, ge=0, description="A heavy worker above this is replaced; 0: never.")
    worker_jobs_per_child: int = Field(300, ge=0, description="A heavy worker is replaced after so many stages.")
    worker_metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus port of a Celery worker; 0: none.")

    # the Live page: servers that help the sound through routers and out of containers
    ice_servers: str = Field("", description="stun:host:port and turn:host:port?transport=udp, comma separated.")
    ice_user: str = Field("", description="Name at the TURN server; empty: ICE_SECRET is its static-auth-secret.")
    ice_secret: SecretStr = Field(SecretStr(""), description="Password, or shared secret, of the TURN server.")

    # service: REST API
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port the API listens on.")
    api_keys: SecretStr = Field(
        SecretStr(""),
        description="name=key pairs, comma separated; a key may be written sha256:HEX. Empty: open, on loopback only.",
    )
    api_rate_limit: str = Field("600/minute", description="Requests for each key, in the notation of limits.")
    api_jobs_limit: str = Field("100/day", description="Jobs submitted for each key; empty: no limit.")
    api_active_jobs: int = Field(20, ge=0, description="Queued and running jobs for each key; 0: no limit.")
    api_day_minutes: int = Field(0, ge=0, description="Minutes of music taken in a day (UTC) for each; 0: no limit.")
    api_storage_mb: int = Field(
        0,
        ge=0,
        description="Uploads and results that each may keep, in MiB, before no more are taken; 0: no limit.",
    )
    api_uploads: int = Field(10, ge=1, description="Unfinished uploads in pieces for each key.")
    upload_ttl_hours: float = Field(
        24, gt=0, description="An unfinished upload of which nothing arrived for so long is removed."
    )
    api_cors_origins: str = Field("", description="Web origins allowed to call the API, comma separated.")
    api_root_path: str = Field("", description="Path prefix that a reverse proxy strips, such as /drumscribe.")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Makes clients' webhook keys; empty: no webhooks.")
    webhook_private_hosts: str = Field("", description="Private hosts that webhooks may reach all the same.")

    # the command 'remote', where the server is another computer
    drumscribe_url: str = Field("", description="Server that 'drumscribe remote' sends songs to.")
    drumscribe_key: SecretStr = Field(SecretStr(""), description="API key for it.")

    # service: what it says about itself
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else JSON.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    otlp_endpoint: str = Field("", description="OpenTelemetry collector, http://host:4318; empty: no traces.")

    @model_validator(mode="before")
    @classmethod
    def _one_place(cls, values: Any) -> Any:
        """Make STORAGE_URL of STORAGE_BACKEND, bucket, and prefix. Raises OptionsError if they contradict it."""
        backend, bucket, prefix, url = (
            str(values.get(f"storage_{name}") or "") for name in ("backend", "bucket", "prefix", "url")
        )
        named = f"s3://{bucket.strip('/')}/{prefix.strip('/')}".rstrip("/") if bucket else ""
        if backend == "s3" and not (bucket or url.startswith("s3://")):
            raise OptionsError("STORAGE_BACKEND=s3 needs a bucket.", "Set STORAGE_BUCKET, or STORAGE_URL=s3://bucket.")
        if backend == "local" and (bucket or url):
            raise OptionsError(
                f"STORAGE_BACKEND=local, but {'STORAGE_BUCKET' if bucket else 'STORAGE_URL'} names another place.",
                "Take one of the two away.",
            )
        if named and url and named != url.rstrip("/"):
            raise OptionsError("STORAGE_BUCKET and STORAGE_URL name two places.", "Take one of the two away.")
        return values | {"storage_url": named or url}

    @property
    def largest_mb(self) -> float:
        """Largest file in MiB; infinite on one's own machine."""
        return self.max_file_size_mb if self.public else float("inf")

    @property
    def longest_s(self) -> float:
        """Longest recording in seconds; infinite on one's own machine."""
        return self.max_duration_s if self.public else float("inf")

    @property
    def cache_dir(self) -> Path:
        """Stage outputs."""
        return self.data_dir / "cache"

    @property
    def weights_dir(self) -> Path:
        """Fetched weights."""
        return self.data_dir / "weights"


class _Toml(PydanticBaseSettingsSource):
    """The file :data:`CONFIG` of the working folder, where there is one."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the whole file is read at once."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """The values by the names of the fields."""
        try:
            values = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise OptionsError(f"{CONFIG} cannot be read: {error}.", "Correct it, or take it away.") from error
        named = {name.lower(): value for name, value in values.items()}
        if unknown := [name for name in values if name.lower() not in self.settings_cls.model_fields]:
            raise OptionsError(
                f"{CONFIG} names {unknown[0]}, which is no setting.", "See .env.example for their names."
            )
        return named


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The process's settings, read once. Raises pydantic.ValidationError for an impossible value."""
    return Settings()
