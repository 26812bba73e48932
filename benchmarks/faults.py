"""What breaks, and what becomes of the song: ``python -m benchmarks.faults [NAME ...]`` prints a table.

Every row starts from a fresh recording on a deployment of real servers and workers (tests/services.py), breaks one
thing at one moment, and then asks: has the job ended as it should, is the score byte for byte that of an
undisturbed run, and is nothing left behind?
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx
import services
import songs
from tiny_demucs import save as tiny_demucs

from benchmarks.clock import Clock

LEASE_S = 20
FAULTS: dict[str, Callable[[Bench], dict[str, object]]] = {}
Fault = Callable[["Bench"], "dict[str, object]"]


def fault(name: str) -> Callable[[Fault], Fault]:
    def register(run: Fault) -> Fault:
        FAULTS[name] = run
        return run

    return register


class Bench:
    """A running deployment, and one recording after another for it."""

    def __init__(self, stack: services.Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self._made = 0
        self._references: dict[int, bytes] = {}

    def song(self, bars: int = 4, times: int = 1) -> Path:
        """Another recording of the same music."""
        self._made += 1
        path = songs.song(self.folder / "song.wav", bars, times)
        path.write_bytes(songs.another(path.read_bytes(), self._made))
        return path

    def submit(self, *, separate: bool = False, times: int = 1) -> str:
        wanted = {} if separate else {"separate": {"separator": "none"}}
        return self.stack.submit(self.song(times=times), "song.wav", **wanted)

    def at(self, job_id: str, stage: str) -> None:
        """Wait until a job is in a stage."""
        self.stack.until(job_id, lambda job: job["stage"] == stage and job["fraction"] < 1)

    def verdict(self, job_id: str, began: float, *, separate: bool = False, times: int = 1) -> dict[str, object]:
        job = self.stack.ended(job_id)
        took = round(time.monotonic() - began)
        row: dict[str, object] = {"end": job["status"], "attempts": job["attempts"], "s": took}
        if job["status"] == "done":
            expected = self.alone() if separate else self.reference(times)
            row["score"] = "same" if self.stack.download(job_id) == expected else "DIFFERENT"
        elif job["error"]:
            row["score"] = job["error"]["code"]
        return row

    def reference(self, times: int = 1) -> bytes:
        """The score of an undisturbed run; all recordings of one length have the same one."""
        if times not in self._references:
            job_id = self.submit(times=times)
            job = self.stack.ended(job_id)
            assert job["status"] == "done", (job, self.stack.logs())
            self._references[times] = self.stack.download(job_id)
        return self._references[times]

    def alone(self) -> bytes:
        """The score of the last recording by the command line, in a data folder of its own.

        With a random Demucs every recording has another score, so there is no common reference.
        """
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, **self.stack.env, "DATA_DIR": f"{folder}/data", "DATABASE_URL": "", "STORAGE_URL": ""}
            command = [sys.executable, "-m", "drumscribe", "transcribe", str(self.folder / "song.wav")]
            subprocess.run([*command, "-o", folder, "--formats", "musicxml"], env=env, check=True, capture_output=True)
            return (Path(folder) / "song.musicxml").read_bytes()


def kill_pool(process: services.Process) -> None:
    for pid in services.children(process):
        os.kill(pid, signal.SIGKILL)


def in_stage(stage: str, act: Callable[[services.Stack], None]) -> Fault:
    def run(bench: Bench) -> dict[str, object]:
        how = {"separate": stage == "separate", "times": 1 if stage == "separate" else 8}
        began, job_id = time.monotonic(), bench.submit(**how)
        bench.at(job_id, stage)
        act(bench.stack)
        return bench.verdict(job_id, began, **how)

    return run


for _stage in ("separate", "detect", "beats"):
    FAULTS[f"kill -9 of the heavy child in {_stage}"] = in_stage(_stage, lambda stack: kill_pool(stack.heavy))
FAULTS["kill -9 of the default child in ingest"] = in_stage("ingest", lambda stack: kill_pool(stack.default))
FAULTS["kill -9 of the default child in export"] = in_stage("export", lambda stack: kill_pool(stack.default))


@fault("kill -9 of the whole heavy worker in detect, restarted")
def _heavy_gone(bench: Bench) -> dict[str, object]:
    began, job_id = time.monotonic(), bench.submit()
    bench.at(job_id, "detect")
    bench.stack.heavy.kill()
    bench.stack.heavy.start()
    return bench.verdict(job_id, began)


@fault("kill -9 of the API during an upload, restarted")
def _api_gone(bench: Bench) -> dict[str, object]:
    stack, data = bench.stack, bench.song().read_bytes()
    halfway = threading.Event()

    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="song.wav"\r\n\r\n'
        yield data[: len(data) // 2]
        halfway.set()
        time.sleep(60)

    def upload() -> None:
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        with suppress(httpx.HTTPError):  # the connection breaks with the server, which is the point
            httpx.post(f"{stack.client.base_url}jobs", content=body(), headers=form, timeout=90)

    threading.Thread(target=upload, daemon=True).start()
    halfway.wait(30)
    before = len(stack.client.get("/jobs?limit=200").json()["jobs"])
    scratch = [stack.folder / "data" / name for name in ("incoming", "tmp")]
    here = sum(len(list(folder.glob("*"))) for folder in scratch)
    stack.api.kill()
    stack.api.start()
    services.wait_until(stack.live, 120)
    kept = len(stack.client.get("/jobs?limit=200").json()["jobs"]) - before
    parts = sum(len(list(folder.glob("*"))) for folder in scratch) - here
    began = time.monotonic()
    row = bench.verdict(bench.submit(), began)
    return {**row, "note": f"half upload: {kept} jobs, {parts} files kept"}


@fault("Redis killed and restarted in detect")
def _redis(bench: Bench) -> dict[str, object]:
    began, job_id = time.monotonic(), bench.submit()
    waiting = bench.submit()
    bench.at(job_id, "detect")
    time.sleep(1.1)  # the append-only file is written once a second
    bench.stack.redis.kill()
    time.sleep(3)
    bench.stack.redis.start()
    second = bench.verdict(waiting, began)
    return {**bench.verdict(job_id, began), "note": f"a job queued behind it: {second['end']}, {second['score']}"}


@fault("Redis loses everything (FLUSHALL) while two jobs wait")
def _flushed(bench: Bench) -> dict[str, object]:
    import redis

    began, job_id = time.monotonic(), bench.submit()
    waiting = bench.submit()
    redis.Redis.from_url(bench.stack.redis.url).flushall()
    second = bench.verdict(waiting, began)
    return {**bench.verdict(job_id, began), "note": f"the other: {second['end']}, {second['score']}"}


@fault("PostgreSQL killed and restarted in detect")
def _postgres(bench: Bench) -> dict[str, object]:
    began, job_id = time.monotonic(), bench.submit()
    bench.at(job_id, "detect")
    bench.stack.postgres.kill()
    code = bench.stack.client.get(f"/jobs/{job_id}").status_code
    time.sleep(5)
    bench.stack.postgres.start()
    services.wait_until(lambda: bench.stack.client.get(f"/jobs/{job_id}").status_code == 200, 60)
    return {**bench.verdict(job_id, began), "note": f"status requests meanwhile: {code}"}


@fault("storage away for a minute in detect")
def _storage(bench: Bench) -> dict[str, object]:
    assert bench.stack.s3 is not None
    began, job_id = time.monotonic(), bench.submit()
    bench.at(job_id, "detect")
    bench.stack.s3.signal(signal.SIGSTOP)
    time.sleep(60)
    bench.stack.s3.signal(signal.SIGCONT)
    return bench.verdict(job_id, began)


@fault("one message delivered twice")
def _twice(bench: Bench) -> dict[str, object]:
    began, job_id = time.monotonic(), bench.submit()
    code = (
        "import sys; from drumscribe.jobs import sending, tasks; "
        "sending.dispatch(tasks.context().database.get(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, job_id], env={**os.environ, **bench.stack.env}, check=True)
    return bench.verdict(job_id, began)


@fault("a job that kills its worker every time")
def _poison(bench: Bench) -> dict[str, object]:
    began, job_id = time.monotonic(), bench.submit()
    over = threading.Event()

    def assassin() -> None:
        while not over.is_set():
            try:
                if bench.stack.job(job_id)["stage"] == "detect":
                    kill_pool(bench.stack.heavy)
                    time.sleep(1)
            except (httpx.HTTPError, ProcessLookupError):
                continue
            over.wait(0.05)

    thread = threading.Thread(target=assassin, daemon=True)
    thread.start()
    try:
        row = bench.verdict(job_id, began)
    finally:
        over.set()
        thread.join()
    healthy = bench.verdict(bench.submit(), time.monotonic())
    return {**row, "note": f"the next job: {healthy['end']}, {healthy['score']}"}


@contextmanager
def deployment(folder: Path, **settings: str) -> Iterator[Bench]:
    model = folder / "tiny"
    tiny_demucs(model)
    with services.Stack(
        folder, JOB_LEASE_S=str(LEASE_S), SEPARATOR="demucs", DEMUCS_MODEL=str(model), **settings
    ) as stack:
        services.wait_until(lambda: services.children(stack.heavy), 120)
        yield Bench(stack, folder)


def disk_full(folder: Path) -> dict[str, object]:
    """The data folder on a small tmpfs that fills up while a song is worked on, and is then given room."""
    small = folder / "small"
    small.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", small], capture_output=True).returncode:
        return {"end": "not run", "note": "needs the right to mount"}
    try:
        with deployment(folder, DATA_DIR=str(small), STORAGE_RESERVE_GB="0") as bench:
            bench.reference()
            for pid in services.children(bench.stack.heavy):
                os.kill(pid, signal.SIGSTOP)
            began, job_id = time.monotonic(), bench.submit()
            services.wait_until(lambda: "next step" in bench.stack.job(job_id)["message"], 120)
            (small / "ballast").write_bytes(bytes(os.statvfs(small).f_bavail * os.statvfs(small).f_frsize))
            for pid in services.children(bench.stack.heavy):
                os.kill(pid, signal.SIGCONT)
            services.wait_until(lambda: "Trying again" in bench.stack.job(job_id)["message"], 120)
            refused = bench.stack.client.post("/jobs", files={"file": ("song.wav", bench.song().read_bytes())})
            problem = refused.json().get("code")
            (small / "ballast").unlink()
            row = bench.verdict(job_id, began)
            return {**row, "note": f"the song waited; upload while full: {refused.status_code} {problem}"}
    finally:
        subprocess.run(["umount", "-l", small], check=False)


def clock_jump(folder: Path) -> dict[str, object]:
    """The wall clock of workers and API jumps an hour ahead, then two back, while a song is worked on."""
    folder.mkdir(parents=True)
    clock = Clock.made_in(folder)
    if clock is None:
        return {"end": "not run", "note": "needs a C compiler"}
    with deployment(folder, **clock.env) as bench:
        bench.reference()
        began, job_id = time.monotonic(), bench.submit()
        bench.at(job_id, "detect")
        clock.step(3600)
        time.sleep(3)
        clock.step(-3600)
        return bench.verdict(job_id, began)


ALONE = {"disk full": disk_full, "the clock jumps": clock_jump}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of the faults to run (default: all)")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    wanted = parser.parse_args()

    def chosen(name: str) -> bool:
        return not wanted.names or any(part in name for part in wanted.names)

    rows: dict[str, dict[str, object]] = {}

    def show(name: str, row: dict[str, object]) -> None:
        rows[name] = row
        cells = (str(row.get(column, "")) for column in ("end", "score", "attempts", "s", "note"))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)

    print("| fault | end | score | attempts | seconds | |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        together = [name for name in FAULTS if chosen(name)]
        if together:
            with deployment(Path(folder) / "stack") as bench:
                for name in together:
                    try:
                        show(name, FAULTS[name](bench))
                    except AssertionError as error:
                        show(name, {"end": "LOST", "note": str(error)[:200]})
        for name, run in ALONE.items():
            if chosen(name):
                show(name, run(Path(folder) / name.replace(" ", "-")))
    if wanted.json:
        wanted.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
