"""Many users, everything breaking, and is each accepted song done exactly once? ``python -m benchmarks.soak``.

A deployment of real servers and workers (tests/services.py) takes songs of some users for as long as ``--minutes``
says, while one fault after another strikes: workers and API killed, Redis restarted empty, PostgreSQL stopped for 20 s,
the disk filled, the clock stepped. What ends by itself is started again, as Compose and Kubernetes do. Then it waits
for what was accepted, and prints a table: how often each fault struck, what became of the songs, how long the users
waited, and what requests were answered with.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
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

from benchmarks.clock import Clock
from benchmarks.faults import kill_pool

LEASE_S = 10
PATIENCE_S = 300.0
"""None has moved for so long although some are to end: they are without an end."""
ROOM_MB = 1500


class Soak:
    """The deployment, its users, and what happened."""

    def __init__(self, stack: services.Stack, folder: Path, data: Path, clock: Clock | None) -> None:
        self.stack, self.folder, self.data, self.clock = stack, folder, data, clock
        self.accepted: dict[str, tuple[str, float]] = {}
        """Job → its user and when it was accepted."""
        self.ended: dict[str, dict[str, Any]] = {}
        self.took: dict[str, float] = {}
        """Job → seconds from acceptance to its end."""
        self.answers: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.revived: Counter[str] = Counter()
        self._striking = threading.Lock()
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
            "kill -9 of the whole heavy worker": lambda: self._again(stack.heavy),
            "kill -9 of the whole default worker": lambda: self._again(stack.default),
            "kill -9 of the API": lambda: self._again(stack.api),
            "Redis restarted empty": self._redis,
            "PostgreSQL stopped for 20 s": lambda: self._again(stack.postgres, 20),
            "disk full for 10 s": self._disk,
        }
        if self.clock is not None:
            found["clock stepped by an hour and back"] = self._clock
        return found

    def _again(self, process: services.Process, pause_s: float = 1.0) -> None:
        with self._striking:
            process.kill()
            time.sleep(pause_s)
            process.start()

    def revive(self) -> None:
        """Start again what has ended by itself."""
        for process in (self.stack.default, self.stack.heavy, self.stack.api):
            with self._striking:
                if not process.alive():
                    self.revived[process.log.stem] += 1
                    process.start()

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
        for step in (3600, -3600, 0):
            self.clock.step(step)
            time.sleep(4)

    def job(self, job_id: str) -> dict[str, Any] | None:
        """The job, or ``None`` while the API does not answer."""
        try:
            answer = self.stack.client.get(f"/jobs/{job_id}", headers={"X-API-Key": self.accepted[job_id][0]})
        except httpx.HTTPError:
            return None
        return dict(answer.json()) if answer.status_code == 200 else None

    def run(self, minutes: float, users: int, every_s: float, pause_s: float) -> None:
        """Let it rain, and wait for what was accepted."""
        threads = [
            threading.Thread(target=self.user, args=(f"user{number}", every_s, random.Random(number)))
            for number in range(users)
        ]
        threads.append(threading.Thread(target=self.follow))
        for thread in threads:
            thread.start()
        end = time.monotonic() + 60 * minutes
        chance = random.Random(0)
        try:
            while time.monotonic() < end:
                for name, strike in chance.sample(sorted(self.faults().items()), len(self.faults())):
                    if time.monotonic() > end:
                        break
                    time.sleep(pause_s)
                    print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
                    strike()
                    self.struck[name] += 1
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def follow(self) -> None:
        """Note each accepted job's end, until all have ended after it is over.

        A busy machine may be slow, so patience ends when none has moved for long.
        """
        places: dict[str, tuple[Any, ...]] = {}
        last = time.monotonic()
        while not self.over.is_set() or (len(self.ended) < len(self.accepted) and time.monotonic() - last < PATIENCE_S):
            for job_id in [one for one in list(self.accepted) if one not in self.ended]:
                job = self.job(job_id)
                if job is None:
                    continue
                place = (job["attempts"], job["stage"], job["status"])
                if places.get(job_id) != place:
                    places[job_id], last = place, time.monotonic()
                if job["status"] in ("done", "failed", "cancelled"):
                    self.ended[job_id] = job
                    self.took[job_id] = time.monotonic() - self.accepted[job_id][1]
            self.revive()
            time.sleep(2)

    def endings(self) -> Counter[str]:
        """How often a worker's log says that a job was done, by job."""
        counted: Counter[str] = Counter()
        for process in (self.stack.default, self.stack.heavy):
            for line in process.log.read_text(errors="replace").splitlines():
                if '"step_ends"' in line and '"done"' in line:
                    counted[json.loads(line)["job_id"]] += 1
        return counted


def report(soak: Soak, took_s: float) -> bool:
    """Print the tables; whether each accepted job was done, once, with the same score."""
    print("| fault | times |\n|---|---|")
    for name, count in sorted(soak.struck.items()):
        print(f"| {name} | {count} |")
    ended = soak.ended
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
    for job_id, seconds in soak.took.items():
        waits.setdefault(soak.accepted[job_id][0], []).append(seconds)
    print(f"\n{len(soak.accepted)} songs accepted in {took_s / 60:.1f} min: {dict(states)}, {lost} without an end,")
    print(f"started again after an end of their own: {dict(soak.revived)}")
    print(f"{twice} ended twice, {len(scores)} different results; attempts {dict(sorted(attempts.items()))}")
    print(f"requests: {dict(soak.answers)}")
    print("seconds from acceptance to the end, median and most, by user:")
    print(", ".join(f"{user} {np.median(one):.0f}, {max(one):.0f}" for user, one in sorted(waits.items())))
    for job in ended.values():
        if job["status"] != "done":
            print(job["status"], job["error"], file=sys.stderr)
    for job_id in soak.accepted.keys() - ended.keys():
        print("without an end:", soak.job(job_id), file=sys.stderr)
    return states == {"done": len(soak.accepted)} and not twice and len(scores) == 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long songs come and faults strike")
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--every", type=float, default=12.0, metavar="S", help="between two songs of one user")
    parser.add_argument("--pause", type=float, default=15.0, metavar="S", help="between two faults")
    parser.add_argument("--logs", type=Path, help="a new folder, for the logs of a run that failed")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        data = folder / "disk"
        data.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MB}m", "tmpfs", data]
        if subprocess.run(mount, capture_output=True).returncode:
            print("the right to mount is needed, for a disk that can be filled", file=sys.stderr)
            return 2
        clock = Clock.made_in(folder)
        keys = ",".join(f"user{number}=user{number}" for number in range(wanted.users))
        settings = {
            "DATA_DIR": str(data), "JOB_LEASE_S": str(LEASE_S), "API_KEYS": keys, "API_JOBS_LIMIT": "",
            "API_RATE_LIMIT": "100000/minute", "STORAGE_RESERVE_GB": "0.05", "JOB_TRIES": "10",
        }  # fmt: skip
        try:
            with services.Stack(folder, bucket=False, **(clock.env if clock else {}), **settings) as stack:
                services.wait_until(lambda: services.children(stack.heavy), 180)
                soak = Soak(stack, folder, data, clock)
                began = time.monotonic()
                soak.run(wanted.minutes, wanted.users, wanted.every, wanted.pause)
                if report(soak, time.monotonic() - began):
                    return 0
                if wanted.logs:
                    shutil.copytree(folder, wanted.logs, ignore=shutil.ignore_patterns("disk", "redis"))
                return 1
        finally:
            subprocess.run(["umount", "-l", data], check=False)


if __name__ == "__main__":
    sys.exit(main())
