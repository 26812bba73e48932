"""A Celery worker with the numbers from the settings: ``python -m drumscribe.jobs.work_queue default`` (or ``heavy``).

``default`` fetches, notates, and saves, four jobs at a time; ``heavy`` separates and listens, one at a time, with
its memory bounded and its process replaced now and then.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from drumscribe import extras, observability
from drumscribe.errors import DrumScribeError
from drumscribe.jobs.queues import DEFAULT, HEAVY
from drumscribe.runtime import give_way, prepare
from drumscribe.settings import Settings, get_settings

CONCURRENCY = {DEFAULT: 4, HEAVY: 1}
AGAIN_S = 3.0


def arguments(queue: str, settings: Settings) -> list[str]:
    """What ``celery worker`` is started with."""
    found = [
        "worker", f"--queues={queue}", f"--concurrency={CONCURRENCY[queue]}", f"--hostname={queue}@%h",
        "--without-gossip", "--without-mingle", f"--loglevel={settings.log_level}",
    ]  # fmt: skip
    if queue == HEAVY and settings.worker_jobs_per_child:
        found.append(f"--max-tasks-per-child={settings.worker_jobs_per_child}")
    if settings.worker_memory_mb:
        # Replaced well before the hard limit, so that slow growth never kills a job.
        found.append(f"--max-memory-per-child={settings.worker_memory_mb * 1024 * 3 // 4}")
    return found


def main(queue: str) -> int:
    """Work until asked to stop. Returns the exit status."""
    os.environ["PUBLIC"] = "true"
    settings = get_settings()
    if not settings.redis_url:
        print("A Celery worker needs REDIS_URL.", file=sys.stderr)
        return 2
    try:
        extras.need("service", "A Celery worker")
    except DrumScribeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    prepare(settings)
    give_way()
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)

    from celery import signals

    from drumscribe.jobs.celery_app import app
    from drumscribe.jobs.recovery import Recovery
    from drumscribe.observability import logs, metrics

    recovery = Recovery(settings, clean=queue == DEFAULT)

    def started(**_: Any) -> None:
        recovery.start()
        if settings.worker_metrics_port:
            metrics.serve(settings.worker_metrics_port)

    def forked(**_: Any) -> None:
        begun, used = time.perf_counter(), time.process_time()
        _limit_memory(settings)
        observability.start(settings, f"worker-{queue}")
        if queue == HEAVY:
            _warm(settings)
        took, used = round(time.perf_counter() - begun, 3), round(time.process_time() - used, 3)
        logs.get(__name__).info("child_ready", queue=queue, seconds=took, processor_s=used)

    def child_ended(pid: int | None = None, **_: Any) -> None:
        if folder and pid is not None:
            from prometheus_client import multiprocess

            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]

    signals.setup_logging.connect(lambda **_: observability.start(settings, f"worker-{queue}"), weak=False)
    signals.worker_ready.connect(started, weak=False)
    signals.worker_process_init.connect(forked, weak=False)
    signals.worker_process_shutdown.connect(child_ended, weak=False)
    asked = threading.Event()

    def stopping(**_: Any) -> None:
        asked.set()
        recovery.stop()

    signals.worker_shutting_down.connect(stopping, weak=False)
    with suppress(SystemExit):
        app.worker_main(arguments(queue, settings))
    if not asked.is_set():
        _again(queue)
    return 0


def _again(queue: str) -> None:
    """Begin anew in the place of this process: Celery gives up on some broken connections to a restarted Redis."""
    logging.getLogger(__name__).error("the worker ended by itself and is started again")
    time.sleep(AGAIN_S)
    os.execv(sys.executable, [sys.executable, "-m", "drumscribe.jobs.work_queue", queue])  # noqa: S606 - our own module


def _warm(settings: Settings) -> None:
    """Load libraries and networks, which takes seconds, before there is a job that waits, and whose heartbeat that
    would hold up: by listening to a second of noise."""
    import numpy as np

    from drumscribe import hits, rhythm
    from drumscribe.audio.decoding import SAMPLE_RATE
    from drumscribe.types import Audio, Stem

    if settings.separator != "none":
        import torch  # noqa: F401
    noise = np.random.default_rng(0).normal(0, 0.01, (1, SAMPLE_RATE)).astype(np.float32)
    try:
        hits.activations(Stem(noise, SAMPLE_RATE, "none"), settings=settings)
        rhythm.track(Audio(noise, SAMPLE_RATE, sha256=""), tracker=settings.beat_tracker)
    except DrumScribeError as error:  # the jobs will say so too
        logging.getLogger(__name__).error("%s", error)


def _limit_memory(settings: Settings) -> None:
    """Let an allocation fail with an error that names the reason, before the kernel kills without one."""
    if settings.worker_memory_mb and sys.platform == "linux":  # elsewhere the limit does not hold or does not exist
        import resource

        limit = settings.worker_memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        logging.getLogger(__name__).info("memory limit %s MiB", settings.worker_memory_mb)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CONCURRENCY:
        print("usage: python -m drumscribe.jobs.work_queue default|heavy", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
