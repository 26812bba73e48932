"""A Celery worker with the numbers from the settings: ``python -m drumscribe.jobs.work_queue default``, ``heavy``, or
``fetch``; several of them where one process is to do the work of more than one kind.

``fetch`` alone reaches out: it takes the sound behind links, sends webhooks' messages, and gets the networks' weights
when it starts. ``default`` decodes, notates, and saves, four jobs at a time; ``heavy`` separates and listens, one at a
time, with its memory bounded and its process replaced now and then. Neither of these needs a way out, nor takes one.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from drumscribe import confinement, extras, observability
from drumscribe.errors import DrumScribeError
from drumscribe.jobs.queues import DEFAULT, FETCH, HEAVY, QUEUES
from drumscribe.runtime import give_way, prepare
from drumscribe.settings import Settings, get_settings

CONCURRENCY = {FETCH: 4, DEFAULT: 4, HEAVY: 1}
AGAIN_S = 3.0


def arguments(queues: Sequence[str], settings: Settings) -> list[str]:
    """What ``celery worker`` is started with."""
    concurrency = max(CONCURRENCY[queue] for queue in queues)
    found = [
        "worker", f"--queues={','.join(queues)}", f"--concurrency={concurrency}", f"--hostname={'-'.join(queues)}@%h",
        "--without-gossip", "--without-mingle", f"--loglevel={settings.log_level}",
    ]  # fmt: skip
    if HEAVY in queues and settings.worker_jobs_per_child:
        found.append(f"--max-tasks-per-child={settings.worker_jobs_per_child}")
    if settings.worker_memory_mb:
        # Replaced well before the hard limit, so that slow growth never kills a job.
        found.append(f"--max-memory-per-child={settings.worker_memory_mb * 1024 * 3 // 4}")
    return found


def main(*queues: str) -> int:
    """Work until asked to stop. Returns the exit status."""
    os.environ["PUBLIC"] = "true"
    if FETCH not in queues:
        os.environ["OFFLINE"] = "true"
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

    recovery = Recovery(settings, clean=DEFAULT in queues, queues=queues, deaf=lambda: _again(queues))
    name = f"worker-{queues[0]}"

    def started(**_: Any) -> None:
        recovery.start()
        if FETCH in queues:
            threading.Thread(target=_weights, args=(settings,), name="weights", daemon=True).start()
        if DEFAULT in queues:
            logs.get(__name__).info("decoders_confined", by=confinement.in_force())
        if settings.worker_metrics_port:
            metrics.serve(settings.worker_metrics_port)

    def forked(**_: Any) -> None:
        begun, used = time.perf_counter(), time.process_time()
        confinement.no_new_privileges()
        _limit_memory(settings)
        observability.start(settings, name)
        if HEAVY in queues:
            _warm(settings)
        took, used = round(time.perf_counter() - begun, 3), round(time.process_time() - used, 3)
        logs.get(__name__).info("child_ready", queue=queues[0], seconds=took, processor_s=used)

    def child_ended(pid: int | None = None, **_: Any) -> None:
        if folder and pid is not None:
            from prometheus_client import multiprocess

            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]

    signals.setup_logging.connect(lambda **_: observability.start(settings, name), weak=False)
    signals.worker_ready.connect(started, weak=False)
    signals.worker_process_init.connect(forked, weak=False)
    signals.worker_process_shutdown.connect(child_ended, weak=False)
    asked = threading.Event()

    def stopping(**_: Any) -> None:
        asked.set()
        recovery.stop()

    signals.worker_shutting_down.connect(stopping, weak=False)
    with suppress(SystemExit):
        app.worker_main(arguments(queues, settings))
    if not asked.is_set():
        _again(queues)
    return 0


def _again(queues: Sequence[str]) -> None:
    """Begin anew in the place of this process: Celery gives up on some broken connections to a restarted Redis, and
    may stop listening after others."""
    from billiard import active_children

    logging.getLogger(__name__).error("the worker is started again")
    time.sleep(AGAIN_S)
    for child in active_children():
        os.kill(child.pid, signal.SIGKILL)
    os.execv(sys.executable, [sys.executable, "-m", "drumscribe.jobs.work_queue", *queues])  # noqa: S606 - our own module


def _weights(settings: Settings) -> None:
    """Get the networks that the settings use, for those who may not."""
    from drumscribe.weights import registry

    for row in registry.catalogue(settings):
        if row.used and row.purpose != "beats":
            try:
                registry.resolve(row.name, settings)
                logging.getLogger(__name__).info("weights of %s are there", row.name)
            except DrumScribeError as error:
                logging.getLogger(__name__).warning("weights of %s are not there: %s", row.name, error)


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
    if len(sys.argv) < 2 or not set(sys.argv[1:]) <= set(QUEUES):
        print(f"usage: python -m drumscribe.jobs.work_queue {'|'.join(QUEUES)}...", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
