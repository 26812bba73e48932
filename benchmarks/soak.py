"""Many users, everything breaking, and is each accepted song done exactly once? ``python -m benchmarks.soak``.

A deployment of real servers and workers (tests/services.py) takes songs of some users for as long as ``--minutes``
says, while one fault after another strikes: workers and API killed, Redis restarted empty, PostgreSQL stopped for 20 s,
the disk filled, the clock stepped (libfaketime). Then it waits for what was accepted, and prints a table: how often
each fault struck, what became of the songs, how long the users waited, and what requests were answered with.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx
import numpy as np
import services
import songs

from benchmarks.faults import kill_pool

LEASE_S = 10
PAUSE_S = 15.0
"""Between two faults."""
ROOM_MB = 1500


class Soak:
    """The deployment, its users, and what happened."""

    def __init__(self, stack: services.Stack, folder: Path, data: Path, clock: Path | None) -> None:
        self.stack, self.folder, self.data, self.clock = stack, folder, data, clock
        self.accepted: dict[str, tuple[str, float]] = {}
        """Job → its user and when it was accepted."""
        self.answers: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.over = threading.Event()
        self._song = songs.song(folder / "song.wav", 4).read_bytes()
        self._made = 0
        self._lock = threading.Lock()

    def user(self, name: str, every_s: float, chance: random.Random) -> None:
        """Submit songs until it is over; whatever is refused is tried again when the answer says."""
        with httpx.Client(base_url=self.stack.client.base_url, headers={"X-API-Key": name}, timeout=30) as client:
            while not self.over.is_set():
                with self._lock:
                    self._made += 1
                    number = self._made
                key = f"soak-{number}"
                wait = every_s * chance.uniform(0.5, 1.5)
                for _ in range(20):  # a lost answer is asked for again, with the same key
                    try:
                        files = {"file": ("song.wav", songs.another(self._song, number))}
                        answer = client.post("/jobs", files=files, headers={"Idempotency-Key": key})
                    except httpx.HTTPError as error:
                        self.answers[type(error).__name__] += 1
                        self.over.wait(1)
                        continue
                    self.answers[str(answer.status_code)] += 1
                    if answer.status_code == 202:
                        self.accepted.setdefault(answer.json()["id"], (name, time.monotonic()))
                        break
                    if answer.status_code not in (429, 503):
                        raise AssertionError(answer.text)
                    self.over.wait(min(10.0, float(answer.headers["Retry-After"])))
                self.over.wait(wait)

    def faults(self) -> dict[str, Callable[[], None]]:
        """Every fault by name; each returns once what it broke is back."""
        stack = self.stack
        found = {
            "kill -9 of the heavy worker's child": lambda: kill_pool(stack.heavy),
            "kill -9 of the default worker's children": lambda: kill_pool(stack.default),
            "kill -9 of the whole heavy worker": lambda: _again(stack.heavy),
            "kill -9 of the whole default worker": lambda: _again(stack.default),
            "kill -9 of the API": lambda: _again(stack.api),
            "Redis restarted empty": self._redis,
            "PostgreSQL stopped for 20 s": lambda: _again(stack.postgres, 20),
            "disk full for 10 s": self._disk,
        }
        if self.clock is not None:
            found["clock stepped by an hour and back"] = self._clock
        return found

    def _redis(self) -> None:
        self.stack.redis.kill()
        for path in (self.stack.folder / "redis").glob("appendonlydir/*"):
            path.unlink()
        self.stack.redis.start()

    def _disk(self) -> None:
        ballast = self.data / "ballast"
        with ballast.open("wb") as out, suppress(OSError):  # until there is no room, whoever else is writing
            while True:
                os.posix_fallocate(out.fileno(), out.tell(), 2**16)
                out.seek(2**16, os.SEEK_CUR)
        time.sleep(10)
        ballast.unlink()

    def _clock(self) -> None:
        assert self.clock is not None
        for step in ("+3600", "-3600", "+0"):
            self.clock.write_text(f"{step}\n")
            time.sleep(4)

    def job(self, job_id: str) -> dict[str, Any] | None:
        """The job, or ``None`` while the API does not answer."""
        try:
            answer = self.stack.client.get(f"/jobs/{job_id}", headers={"X-API-Key": self.accepted[job_id][0]})
        except httpx.HTTPError:
            return None
        return dict(answer.json()) if answer.status_code == 200 else None

    def run(self, minutes: float, users: int, every_s: float) -> None:
        """Let it rain."""
        threads = [
            threading.Thread(target=self.user, args=(f"user{number}", every_s, random.Random(number)))
            for number in range(users)
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 60 * minutes
        chance = random.Random(0)
        try:
            while time.monotonic() < end:
                for name, strike in chance.sample(sorted(self.faults().items()), len(self.faults())):
                    if time.monotonic() > end:
                        break
                    time.sleep(PAUSE_S)
                    print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
                    strike()
                    self.struck[name] += 1
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def settle(self, patience_s: float = 900) -> dict[str, dict[str, Any]]:
        """Every accepted job once it has ended, or as it is when patience ends."""
        found: dict[str, dict[str, Any]] = {}
        limit = time.monotonic() + patience_s
        while len(found) < len(self.accepted) and time.monotonic() < limit:
            for job_id in self.accepted.keys() - found.keys():
                job = self.job(job_id)
                if job is not None and job["status"] in ("done", "failed", "cancelled"):
                    found[job_id] = job
            time.sleep(1)
        return found

    def endings(self) -> Counter[str]:
        """How often a worker's log says that a job was done, by job."""
        counted: Counter[str] = Counter()
        for process in (self.stack.default, self.stack.heavy):
            for line in process.log.read_text(errors="replace").splitlines():
                if '"step_ends"' in line and '"done"' in line:
                    counted[json.loads(line)["job_id"]] += 1
        return counted


def _again(process: services.Process, pause_s: float = 1.0) -> None:
    process.kill()
    time.sleep(pause_s)
    process.start()


def report(soak: Soak, ended: dict[str, dict[str, Any]], took_s: float) -> bool:
    """Print the tables; whether each accepted job was done, once, with the same score."""
    print("| fault | times |\n|---|---|")
    for name, count in sorted(soak.struck.items()):
        print(f"| {name} | {count} |")
    states = Counter(job["status"] for job in ended.values())
    lost = len(soak.accepted) - len(ended)
    twice = sum(count > 1 for count in soak.endings().values())
    scores = set()
    for job_id, job in ended.items():
        if job["status"] == "done":
            key = {"X-API-Key": soak.accepted[job_id][0]}
            answer = soak.stack.client.get(f"/jobs/{job_id}/download/csv", headers=key, follow_redirects=True)
            scores.add(answer.text if answer.status_code == 200 else answer.status_code)
    attempts = Counter(job["attempts"] for job in ended.values())
    waits: dict[str, list[float]] = {}
    for job_id, (user, _) in soak.accepted.items():
        job = ended.get(job_id)
        if job and job["finished_at"]:
            begun, over = (np.datetime64(job[name].removesuffix("Z")) for name in ("created_at", "finished_at"))
            waits.setdefault(user, []).append(float((over - begun) / np.timedelta64(1, "s")))
    print(f"\n{len(soak.accepted)} songs accepted in {took_s / 60:.1f} min: {dict(states)}, {lost} without an end,")
    print(f"{twice} ended twice, {len(scores)} different results; attempts {dict(sorted(attempts.items()))}")
    print(f"requests: {dict(soak.answers)}")
    print("seconds from acceptance to the end, median and most, by user:")
    print(", ".join(f"{user} {np.median(one):.0f}, {max(one):.0f}" for user, one in sorted(waits.items())))
    for job in ended.values():
        if job["status"] != "done":
            print(job["status"], job["error"], file=sys.stderr)
    return states == {"done": len(soak.accepted)} and not twice and len(scores) == 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long songs come and faults strike")
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--every", type=float, default=12.0, metavar="S", help="between two songs of one user")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        data = folder / "disk"
        data.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MB}m", "tmpfs", data]
        if subprocess.run(mount, capture_output=True).returncode:
            print("the right to mount is needed, for a disk that can be filled", file=sys.stderr)
            return 2
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        clock = folder / "clock"
        clock.write_text("+0\n")
        fake = {} if library is None else {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        keys = ",".join(f"user{number}=user{number}" for number in range(wanted.users))
        settings = {
            "DATA_DIR": str(data), "JOB_LEASE_S": str(LEASE_S), "API_KEYS": keys, "API_JOBS_LIMIT": "",
            "API_RATE_LIMIT": "100000/minute", "STORAGE_RESERVE_GB": "0.05", "JOB_TRIES": "10",
        }  # fmt: skip
        try:
            with services.Stack(folder, bucket=False, **fake, **settings) as stack:
                services.wait_until(lambda: services.children(stack.heavy), 180)
                soak = Soak(stack, folder, data, None if library is None else clock)
                began = time.monotonic()
                soak.run(wanted.minutes, wanted.users, wanted.every)
                return 0 if report(soak, soak.settle(), time.monotonic() - began) else 1
        finally:
            subprocess.run(["umount", "-l", data], check=False)


if __name__ == "__main__":
    sys.exit(main())
