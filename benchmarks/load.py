"""Fifty users look after twenty songs: ``python -m benchmarks.load`` prints latencies, losses, and memory.

A deployment of real servers and workers (tests/services.py) on this machine gets twenty different recordings at once;
locust's users then ask for the status of random ones every second, and one in ten holds an event stream open, while
the heavy worker works. Every process's memory is sampled once a second.
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
from pathlib import Path

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


def memory(stack: object, peaks: dict[str, int], over: threading.Event) -> None:
    """Note the largest resident memory of each part, children included."""
    import psutil

    while not over.wait(1):
        for name in ("api", "default", "heavy"):
            try:
                parent = psutil.Process(getattr(stack, name).pid)
                used = sum(process.memory_info().rss for process in (parent, *parent.children(recursive=True)))
            except psutil.NoSuchProcess:
                continue
            peaks[name] = max(peaks.get(name, 0), used)


def main() -> None:
    import services
    import songs

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--bars", type=int, default=16, help="length of a song (2 s a bar)")
    parser.add_argument("--seconds", type=int, default=60, help="how long the users ask")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    wanted = parser.parse_args()

    with (
        tempfile.TemporaryDirectory(prefix="load-", ignore_cleanup_errors=True) as name,
        services.Stack(Path(name), bucket=False) as stack,
    ):
        services.wait_until(lambda: services.children(stack.heavy), 120)
        folder = Path(name)
        songs.song(folder / "song.wav", 4, max(1, wanted.bars // 4))
        data = (folder / "song.wav").read_bytes()
        jobs = []
        machine, ours, begun = busy_s(), workers_s(stack), time.monotonic()
        for number in range(wanted.jobs):
            # The same music, another content: nothing comes from the cache.
            size = len(data) - 44 + 2 * number
            other = data[:4] + (size + 36).to_bytes(4, "little") + data[8:40] + size.to_bytes(4, "little")
            (folder / "one.wav").write_bytes(other + data[44:] + bytes(2 * number))
            jobs.append(stack.submit(folder / "one.wav", f"{number}.wav"))
        submitting = time.monotonic() - begun
        peaks: dict[str, int] = {}
        over = threading.Event()
        threading.Thread(target=memory, args=(stack, peaks, over), daemon=True).start()
        report = folder / "locust"
        before = cpu_s(stack.api.pid)
        subprocess.run(
            [sys.executable, "-m", "locust", "-f", __file__, "--headless", "--host", f"http://127.0.0.1:{stack.port}",
             "--users", str(wanted.users), "--spawn-rate", str(wanted.users), "--run-time", f"{wanted.seconds}s",
             "--json-file", str(report), "--exit-code-on-error", "0", "--loglevel", "WARNING"],
            env={**os.environ, "DRUMSCRIBE_LOAD_JOBS": ",".join(jobs)}, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        api_cpu_s = cpu_s(stack.api.pid) - before
        ended = [stack.ended(job_id, 3600) for job_id in jobs]
        took = time.monotonic() - begun
        # What was left of the machine for the workers: other processes, the API and this benchmark took the rest.
        worked = workers_s(stack) - ours
        left = (os.cpu_count() or 1) - (busy_s() - machine - worked) / took
        inside = steps(stack)
        over.set()
        rows = {row["name"]: row for row in json.loads(report.with_suffix(".json").read_text())}
        times = {int(float(ms)): count for ms, count in rows["status"]["response_times"].items()}
        numbers = {
            "status requests": rows["status"]["num_requests"],
            "failed requests": sum(row["num_failures"] for row in rows.values()),
            "p50 ms": quantile(times, 0.5),
            "p95 ms": quantile(times, 0.95),
            "p99 ms": quantile(times, 0.99),
            "API processor ms per request": round(
                1e3 * api_cpu_s / sum(row["num_requests"] for row in rows.values()), 1
            ),
            "jobs done": sum(job["status"] == "done" for job in ended),
            "jobs lost": sum(job["status"] != "done" for job in ended),
            "all done after s": round(took, 1),
            "submitting them took s": round(submitting, 1),
            "load average": round(os.getloadavg()[0], 1),
            "cores left for the workers": round(left, 2),
            **{f"peak memory of {part}, MiB": peak >> 20 for part, peak in peaks.items()},
        }
        numbers |= {f"processor s of {step}": round(mean, 3) for step, mean in inside.items()}
        # Messages, acknowledgements, new children: what the workers took outside of steps, spread over these.
        outside = (worked - wanted.jobs * sum(inside.values())) / (wanted.jobs * len(inside))
        numbers["processor s around a step"] = round(outside, 3)
        stages = {key: [job["timings"].get(key, 0.0) for job in ended] for key in ("ingest", "detect", "beats")}
        numbers |= {f"mean s of {stage}": round(sum(times) / len(times), 2) for stage, times in stages.items()}
    print(f"| {wanted.users} users, {wanted.jobs} songs of {2 * wanted.bars} s | |\n|---|---|")
    for key, value in numbers.items():
        print(f"| {key} | {value} |")
    if wanted.json:
        wanted.json.write_text(json.dumps(numbers, indent=1))


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


def steps(stack: object) -> dict[str, float]:
    """Mean processor seconds of each step, from the workers' logs."""
    found: dict[str, list[float]] = {}
    for name in ("default", "heavy"):
        for text in getattr(stack, name).log.read_text().splitlines():
            line = json.loads(text) if text.startswith("{") else {}
            if line.get("event") == "step_ends":
                found.setdefault(line["step"], []).append(line["processor_s"])
    return {step: sum(times) / len(times) for step, times in found.items()}


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
