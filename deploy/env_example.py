"""Writes ``.env.example`` from the one Settings class: ``python deploy/env_example.py``. A test holds them equal."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from drumscribe.settings import Settings

TARGET = Path(__file__).resolve().parents[1] / ".env.example"
_HEAD = """\
# Every setting of DrumScribe with its default. Copy to .env and take the # away from what you change.
# The environment goes before this file. A fresh machine needs none of them set.
"""
_COMPOSE = """
# For docker-compose.yml only: passwords it gives to the servers it starts. REDIS_URL and DATABASE_URL follow from them.
POSTGRES_PASSWORD=
REDIS_PASSWORD=
#GRAFANA_PASSWORD=
#METRICS_KEY_FILE=deploy/metrics.key
# true where people sign in by [auth], or TURN is used: the studio then reaches other hosts.
#STUDIO_REACHES_OUT=false

# For STORAGE_URL=s3://...: boto's own variables.
#AWS_ACCESS_KEY_ID=
#AWS_SECRET_ACCESS_KEY=
#AWS_DEFAULT_REGION=
#AWS_ENDPOINT_URL=http://minio:9000
"""


def text() -> str:
    """The whole file."""
    rows = [_HEAD]
    for name, field in Settings.model_fields.items():
        about = textwrap.wrap(field.description or "", 116)
        rows.append("".join(f"# {line}\n" for line in about) + f"#{name.upper()}={plain(field.default)}\n")
    return "\n".join(rows) + _COMPOSE


def plain(value: Any) -> str:
    """A default as it is written in an env file."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
