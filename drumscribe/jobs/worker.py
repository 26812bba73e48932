"""The worker process: ``python -m drumscribe.jobs.worker ID``, started and fed by the local runner.

Its standard input carries one line of settings, then a line whenever there may be work; when it ends, whoever
started the worker is gone, and the worker puts its job back into the queue and ends too.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time

from drumscribe.errors import StorageError
from drumscribe.runtime import give_way, prepare
from drumscribe.settings import Settings

IDLE_S = 2.0
"""How often an idle worker looks for jobs that others submitted."""
LAST_WORD_S = 15.0
"""How long a job may take to stop once the worker has to end."""
TOO_LATE = 75
"""Exit status of a worker that ended itself because a stage did not stop."""

log = logging.getLogger("drumscribe.jobs.worker")


def main(worker: str) -> None:
    """Do jobs until standard input ends."""
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    prepare(settings)
    give_way()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes our standard input
    wake, stop = threading.Event(), threading.Event()

    def end(*_: object) -> None:
        stop.set()
        wake.set()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_listen, args=(wake, stop), name="stdin", daemon=True).start()
    _serve(worker, settings, wake, stop)


def _serve(worker: str, settings: Settings, wake: threading.Event, stop: threading.Event) -> None:
    from drumscribe.jobs.db import Database
    from drumscribe.jobs.work import Workplace, perform
    from drumscribe.storage.cache import StageCache
    from drumscribe.storage.files import Store

    database = Database(settings)
    place = Workplace(worker, settings, database, Store(settings), give_up=lambda: os._exit(TOO_LATE), stop=stop)
    StageCache(settings).repair()  # whoever was here before may have been killed in the middle of a file
    while not stop.is_set():
        wake.clear()
        job = None
        try:
            job = database.claim(worker)
            if job is not None:
                log.info("job %s begins", job.id)
                start = time.monotonic()
                status = perform(job, place)
                log.info("job %s is %s after %.1f s", job.id, status or "gone", time.monotonic() - start)
                continue
        except StorageError as error:
            log.error("%s", error)
            if job is not None:  # and still looks held by us: dead, we are seen not to hold it
                os._exit(1)
        wake.wait(IDLE_S)
    database.close()


def _listen(wake: threading.Event, stop: threading.Event) -> None:
    while sys.stdin.buffer.readline():
        wake.set()
    stop.set()
    wake.set()
    time.sleep(LAST_WORD_S)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
