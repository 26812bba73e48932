"""Fifty users look after twenty songs: ``python -m benchmarks.load`` prints latencies, losses, and memory.

A deployment of real servers and workers (tests/services.py) on this machine gets twenty different recordings at once;
locust's users then ask for the status of random ones every second, and one in ten holds an event stream open, until
the last song is done. Memory and processor time of every process are sampled twice a second; what each step cost is
read from the workers' logs. ``--json`` keeps the numbers for benchmarks/capacity.py.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

if os.environ.get("DRUMSCRIBE_LOAD_JOBS"):  # run by locust, in a process of its own
    from locust import HttpUser, between, task

    JOBS = os.environ["DRUMSCRIBE_LOAD_JOBS"].split(",")

    class Poller(HttpUser):
        """Asks how a song is getting on, about once a second."""

        weight = 9
        wait_time = between(0.5, 1.5)

        @task
        def status(self) -> None:
            self.client.get(f"/api/v1/jobs/{random.choice(JOBS)}", name="status")

    class Listener(HttpUser):
        """Holds an event stream for a while."""

        weight = 1
        wait_time = between(0.5, 1.5)

        @task
        def events(self) -> None:
            with self.client.get(
                f"/api/v1/jobs/{random.choice(JOBS)}/events", name="events", stream=True, catch_response=True
            ) as answer:
                until = time.monotonic() + 10
                for _ in answer.iter_lines():
                    if time.monotonic() > until:
                        break


class Sampler(threading.Thread):
    """Twice a second: what the workers and the whole machine have used so far, and each part's memory at its peak."""

    def __init__(self, stack: Any) -> None:
        super().__init__(daemon=True)
        self._stack, self._over = stack, threading.Event()
        self.rows: list[tuple[float, float, float]] = []
        self.peaks: dict[str, int] = {}

    def run(self) -> None:
        import psutil

        while True:
            self.rows.append((time.time(), busy_s(), workers_s(self._stack)))
            for name in ("api", "default", "heavy"):
                parent = psutil.Process(getattr(self._stack, name).pid)
                used = 0
                for process in (parent, *parent.children(recursive=True)):
                    try:
                        used += process.memory_info().rss
                    except psutil.NoSuchProcess:  # a child that was replaced just now
                        continue
                self.peaks[name] = max(self.peaks.get(name, 0), used)
            if self._over.wait(0.5):
                return

    def stop(self) -> None:
        self._over.set()
        self.join()

    def between(self, begun: float, ended: float) -> tuple[float, float]:
        """Processor seconds of the whole machine, and of the workers, between two moments."""
        times, busy, workers = (np.array(column) for column in zip(*self.rows, strict=True))
        first, second = (float(np.diff(np.interp([begun, ended], times, column))[0]) for column in (busy, workers))
        return first, second


def recordings(folder: Path, jobs: int, bars: list[int]) -> Iterator[Path]:
    """``jobs`` different recordings of these lengths in turn."""
    import songs

    whole = {count: songs.song(folder / f"{count}.wav", 4, max(1, count // 4)).read_bytes() for count in bars}
    for number in range(jobs):
        path = folder / f"{number}.song.wav"
        path.write_bytes(songs.another(whole[bars[number % len(bars)]], number))
        yield path


def main() -> None:
    import services

    from benchmarks import worker_logs
    from drumscribe.settings import Settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--bars", type=int, nargs="+", default=[16], help="lengths of the songs in turn (2 s a bar)")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    wanted = parser.parse_args()

    with (
        tempfile.TemporaryDirectory(prefix="load-", ignore_cleanup_errors=True) as name,
        services.Stack(Path(name), bucket=False, THREADS="1", API_ACTIVE_JOBS="0") as stack,
    ):
        folder = Path(name)
        logs = {queue: getattr(stack, queue).log for queue in ("default", "heavy")}
        services.wait_until(lambda: len(worker_logs.read(logs)) == 5, 180, what="children of both pools")
        paths = list(recordings(folder, wanted.jobs, wanted.bars))
        sampler = Sampler(stack)
        sampler.start()
        begun = time.time()
        jobs = [stack.submit(path, path.name) for path in paths]
        submitting = time.time() - begun
        report, before = folder / "locust.json", cpu_s(stack.api.pid)
        users = subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", __file__, "--headless", "--host", f"http://127.0.0.1:{stack.port}",
             "--users", str(wanted.users), "--spawn-rate", str(wanted.users),
             "--json-file", str(report.with_suffix("")), "--exit-code-on-error", "0", "--loglevel", "WARNING"],
            env={**os.environ, "DRUMSCRIBE_LOAD_JOBS": ",".join(jobs)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        ended = [stack.ended(job_id, 3600) for job_id in jobs]
        api_cpu_s = cpu_s(stack.api.pid) - before
        users.send_signal(signal.SIGTERM)
        users.wait(60)
        sampler.stop()
        done_at = max(datetime.fromisoformat(job["finished_at"]).timestamp() for job in ended)
        everything = worker_logs.read(logs)
        spans = [span for span in everything if span.ended > begun]
        starts = [span.processor_s for span in everything if (span.queue, span.step) == ("heavy", "start")]
        rows = {row["name"]: row for row in json.loads(report.read_text())}

    times = {int(float(ms)): count for ms, count in rows["status"]["response_times"].items()}
    took = done_at - begun
    machine, worked = sampler.between(begun, done_at)
    numbers: dict[str, Any] = {
        "status requests": rows["status"]["num_requests"],
        "failed requests": sum(row["num_failures"] for row in rows.values()),
        "p50 ms": quantile(times, 0.5),
        "p95 ms": quantile(times, 0.95),
        "p99 ms": quantile(times, 0.99),
        "API processor ms per request": round(1e3 * api_cpu_s / sum(row["num_requests"] for row in rows.values()), 1),
        "jobs done": sum(job["status"] == "done" for job in ended),
        "jobs lost": sum(job["status"] != "done" for job in ended),
        "all done after s": round(took, 1),
        "submitting them took s": round(submitting, 1),
        "load average": round(os.getloadavg()[0], 1),
        # What was left of the machine for the workers: other processes, the API and this benchmark took the rest.
        "cores left for the workers": round((os.cpu_count() or 1) - (machine - worked) / took, 2),
        **{f"peak memory of {part}, MiB": peak >> 20 for part, peak in sampler.peaks.items()},
        "processor s of all workers": round(worked, 1),
        "processor s around a step": round(worker_logs.around(spans, worked), 3),
        "processor s of a heavy child's start": round(float(np.mean(starts)), 2),
        **worker_logs.summary(spans),
    }
    lengths = ", ".join(str(2 * count) for count in wanted.bars)
    print(f"| {wanted.users} users, {wanted.jobs} songs of {lengths} s | |\n|---|---|")
    for key, value in numbers.items():
        print(f"| {key} | {value} |")
    if wanted.json:
        durations = {job["id"]: job["duration_s"] for job in ended}
        numbers |= {"songs s": [round(durations[job_id], 2) for job_id in jobs]}
        numbers |= {"costs": worker_logs.fit(spans, durations)}
        numbers |= {"stages of a heavy child": Settings(_env_file=None).worker_jobs_per_child}
        wanted.json.write_text(json.dumps(numbers, indent=1))
        wanted.json.with_suffix(".spans.json").write_text(json.dumps([vars(span) for span in spans]))


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far: what a request costs, however busy the machine is with other things."""
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def busy_s() -> float:
    """Processor seconds that all processes of the machine have taken so far."""
    import psutil

    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def workers_s(stack: object) -> float:
    """Processor seconds of both pools so far, of children that have ended too."""
    import psutil

    found = 0.0
    for name in ("default", "heavy"):
        parent = psutil.Process(getattr(stack, name).pid)
        times = parent.cpu_times()
        found += times.children_user + times.children_system
        found += sum(cpu_s(child.pid) for child in (parent, *parent.children(recursive=True)))
    return found


def quantile(times: dict[int, int], share: float) -> int:
    """The quantile of a histogram value → count."""
    wanted, seen = share * sum(times.values()), 0
    for value in sorted(times):
        seen += times[value]
        if seen >= wanted:
            return value
    return 0


if __name__ == "__main__":
    main()
