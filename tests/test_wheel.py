"""The wheel, installed away from the repository: the command line, the packaged files, and the whole studio."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("setuptools") is None, reason="setuptools, which builds the wheel, is not installed"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in ("drumscribe", "pages", ".streamlit", "app.py", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    quiet = {"cwd": source, "check": True, "capture_output": True, "text": True, "timeout": 300}
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), "."], **quiet)  # type: ignore[call-overload]
    (wheel,) = place.glob("drumscribe-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(place / "site"), str(wheel)], **quiet)  # type: ignore[call-overload]
    return place / "site"


def environment(installed: Path, place: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(installed), "DATA_DIR": str(place / "data"), "OFFLINE": "1"}


def test_the_packaged_files_are_there(installed: Path, tmp_path: Path) -> None:
    for name in (
        "py.typed", "assets/example.ogg", "assets/kit.flac", "assets/kit.json", "hits/weights/hits.keras",
        "ui/player/bundle/player.js", "jobs/migrations/script.py.mako", "_studio/app.py", "_studio/pages/score.py",
        "_studio/.streamlit/config.toml",
    ):  # fmt: skip
        if (ROOT / "drumscribe" / name).is_file() or name.startswith("_studio"):
            assert (installed / "drumscribe" / name).is_file(), name
    told = subprocess.run(
        [sys.executable, "-P", "-m", "drumscribe", "example"],
        cwd=tmp_path, env=environment(installed, tmp_path), capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    assert Path(told).is_relative_to(installed) and Path(told).is_file()


@pytest.fixture
def studio(installed: Path, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "drumscribe", "serve", "--port", str(port)],
            cwd=tmp_path, env=environment(installed, tmp_path), stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while True:
            try:
                with urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                    assert answer.read() == b"ok"
                break
            except (URLError, ConnectionError, TimeoutError):
                assert server.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.3)
        yield address
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.service
def test_the_studio_is_served_from_the_wheel(studio: str, tmp_path: Path) -> None:
    """The script health check, which the packaged configuration switches on, runs app.py and its first page."""
    with urlopen(f"{studio}/_stcore/script-health-check", timeout=120) as answer:
        assert (answer.status, answer.read()) == (200, b"ok")
    with urlopen(f"{studio}/score", timeout=30) as answer:
        assert b"<title>" in answer.read()
    assert not (tmp_path / "log").read_text().count("Traceback")
