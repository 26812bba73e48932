"""The commands of the images, run as the containers run them, but for Docker itself: user 1001 without capabilities
and with nothing in its environment, everything read-only except /tmp and the data folder, on real servers.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import services
import songs

ROOT = services.ROOT
DOCKERFILE = (ROOT / "Dockerfile").read_text()
# Arguments: the data folder; folders that only their owner may enter; what must be reached inside them; the command.
BOX = """
set -eu
data=$1 shut=$2 needed=$3; shift 3
mount --make-rprivate /
mount --bind "$data" /mnt
mount -t tmpfs -o mode=755 tmpfs /media
for path in $needed; do mkdir -p "/media$path" && mount --bind "$path" "/media$path"; done
mount -t tmpfs -o size=256m,mode=1777 tmpfs /tmp
for path in $shut; do mkdir -p "$path" && mount -t tmpfs -o mode=755 tmpfs "$path"; done
for path in $needed; do mkdir -p "$path" && mount --bind "/media$path" "$path" && mount -o remount,bind,ro "$path"; done
mount -o remount,bind,ro /
exec setpriv --reuid=1001 --regid=1001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
NEEDED = [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT]


def shut(path: Path) -> Path | None:
    """The outermost folder on the way to ``path`` that only its owner may enter, or ``/tmp``, which is laid anew."""
    way = [*reversed(path.parents), path]
    return next((each for each in way if each == Path("/tmp") or not each.stat().st_mode & 0o001), None)


def may_unshare() -> bool:
    if os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.service,
    pytest.mark.slow,
    pytest.mark.skipif(not may_unshare(), reason="needs the right to make a mount namespace"),
    pytest.mark.skipif(any(shut(path) == path for path in NEEDED), reason="only its owner may enter this folder"),
    pytest.mark.skipif(bool(services.MISSING), reason=f"not installed: {services.MISSING}"),
]


def command_of(target: str) -> list[str]:
    """ENTRYPOINT and CMD of an image, without the health check's."""
    stage = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    [text] = [part for part in stage if part.splitlines()[0].endswith(f" AS {target}")]
    lines = re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", text, re.MULTILINE)
    return [word for line in lines for word in json.loads(line)]


def in_box(data: Path, command: list[str], env: dict[str, str], log: Path) -> services.Process:
    hidden = {str(path): str(folder) for path in NEEDED if (folder := shut(path))}
    shut_ones, needed = (" ".join(sorted(set(paths) - {"/tmp"})) for paths in (hidden.values(), hidden))
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    fixed = dict(re.findall(r"^(?:ENV|   ) (PYTHON\w+|LOG_FORMAT|MALLOC_ARENA_MAX)=(\S+)", DOCKERFILE, re.MULTILINE))
    # The data folder is /data in the image; here it is bound to an empty folder that every machine has.
    whole = {"PATH": path, "HOME": "/mnt", "DATA_DIR": "/mnt", **fixed, **env}
    pairs = [f"{name}={value}" for name, value in whole.items()]
    box = ["unshare", "-m", "bash", "-c", BOX, "box", str(data), shut_ones, needed, "env", "-i", *pairs, *command]
    return services.Process(box, log)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("box")
    data = folder / "data"
    data.mkdir()
    os.chown(data, 1001, 1001)
    ports = {name: str(services.free_port()) for name in ("api", "app", "default", "heavy")}
    with ExitStack() as stack:
        redis = stack.enter_context(services.Redis(folder / "redis"))
        postgres = stack.enter_context(services.Postgres(folder / "postgres"))
        env = {
            "REDIS_URL": redis.url, "DATABASE_URL": postgres.url, "API_KEYS": "me=key", "OFFLINE": "true",
            "SEPARATOR": "none", "PDF_BACKEND": "verovio", "API_HOST": "0.0.0.0", "API_PORT": ports["api"],
            "SIGN_IN": "none",
        }  # fmt: skip
        migrate = in_box(data, ["python", "-m", "drumscribe.jobs.migrate"], env, folder / "migrate.log").start()
        assert migrate.process is not None and migrate.process.wait(120) == 0, migrate.tail()
        app = [*command_of("app")[:-1], ports["app"]]
        boxes = {"app": (app, {}), "api": (command_of("api"), {})}
        for queue in ("default", "heavy"):
            metrics = {"WORKER_METRICS_PORT": ports[queue], "PROMETHEUS_MULTIPROC_DIR": "/tmp/prometheus"}
            boxes[queue] = ([*command_of("worker")[:-1], queue], metrics)
        started = {
            name: stack.enter_context(in_box(data, command, {**env, **more}, folder / f"{name}.log"))
            for name, (command, more) in boxes.items()
        }
        health = {"app": "/_stcore/health", "api": "/api/v1/live", "default": "/metrics", "heavy": "/metrics"}
        for name, path in health.items():
            probe = [sys.executable, "-m", "drumscribe.api.probe", f"http://127.0.0.1:{ports[name]}{path}"]

            def up(probe: list[str] = probe) -> bool:
                return subprocess.run(probe, cwd=ROOT, capture_output=True).returncode == 0

            services.wait_until(up, 240, 1, what=f"{name}: {started[name].tail()}")
        yield {**ports, "data": str(data)}


def test_the_image_commands_are_the_modules_own() -> None:
    assert command_of("api") == ["python", "-m", "drumscribe.api"]
    assert command_of("worker") == ["python", "-m", "drumscribe.jobs.work_queue", "default"]
    assert command_of("app")[:2] == ["drumscribe", "serve"]


def test_a_song_goes_through_boxes_that_may_write_nothing_but_data(deployment: dict[str, str], tmp_path: Path) -> None:
    base, key = f"http://127.0.0.1:{deployment['api']}/api/v1", {"X-API-Key": "key"}
    song = songs.song(tmp_path / "song.wav", 2)
    answer = httpx.post(f"{base}/jobs", files={"file": ("song.wav", song.read_bytes())}, headers=key, timeout=60)
    assert answer.status_code == 202, answer.text

    def ended() -> dict[str, str] | None:
        job = httpx.get(f"{base}/jobs/{answer.json()['id']}", headers=key, timeout=60).json()
        return job if job["status"] in ("done", "failed") else None

    job = services.wait_until(ended, 600, 0.5)
    assert job["status"] == "done", job["error"]
    for kind in ("musicxml", "pdf", "zip"):
        url = f"{base}/jobs/{job['id']}/download/{kind}"
        assert len(httpx.get(url, headers=key, timeout=120).content) > 500
    owners = {path.stat().st_uid for path in Path(deployment["data"]).rglob("*")}
    assert owners == {1001}
