"""The examples of docs/API.md, run as they stand against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
import songs

ROOT = Path(__file__).resolve().parents[1]


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "API.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder, port = tmp_path_factory.mktemp("docs"), services.free_port()
    env = {
        "API_PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "SEPARATOR": "none",
        "BEAT_TRACKER": "madmom",
        "OFFLINE": "true",
        "PDF_BACKEND": "verovio",
    }
    process = services.Process([sys.executable, "-m", "drumscribe.api"], folder / "api.log", env)
    with process:
        services.wait_until(lambda: "Uvicorn running" in process.tail(), 120)
        song = songs.song(folder / "song.wav", 2)
        yield {"API": f"http://127.0.0.1:{port}/api/v1", "SONG": str(song)}


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_the_description_comes_from_this_server_alone(server: dict[str, str]) -> None:
    from playwright.sync_api import sync_playwright

    host = server["API"].removesuffix("/api/v1")
    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        answer = page.goto(f"{server['API']}/docs", timeout=120_000)
        assert answer is not None and "script-src 'self'" in answer.headers["content-security-policy"]
        page.get_by_text("/api/v1/jobs/{job_id}/hits", exact=False).first.wait_for(timeout=120_000)
        page.get_by_text("/api/v1/jobs/{job_id}/hits", exact=False).first.click()
        page.get_by_text("If_match", exact=False).or_(page.get_by_text("if-match", exact=False)).first.wait_for()
        browser.close()
    assert {url for url in asked if not url.startswith((host, "data:"))} == set()
    assert said == []  # the policy stopped nothing that the page needs


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_shell_example(server: dict[str, str], tmp_path: Path) -> None:
    [code] = examples("bash")
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        env={**os.environ, **server},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-2] == "end"
    assert re.fullmatch(r"\d+ BPM, \d+ hits, confidence 0\.\d+", ran.stdout.splitlines()[-1])
    assert b"My song" in (tmp_path / "score.musicxml").read_bytes()
    assert (tmp_path / "everything.zip").stat().st_size > 10_000


@pytest.mark.slow
def test_the_python_example(server: dict[str, str], tmp_path: Path) -> None:
    code = examples("python")[0]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **server},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout == "1 edits\n"
    assert b"<score-partwise" in (tmp_path / "score.musicxml").read_bytes()


@pytest.mark.slow
def test_the_clients_example(server: dict[str, str], tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", examples("python")[1]],
        env={**os.environ, **server, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.fullmatch(r"\d+ BPM, \d+ hits", ran.stdout.splitlines()[-1])
    assert b"<score-partwise" in (tmp_path / "client.musicxml").read_bytes()
