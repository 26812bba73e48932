"""Doing one job: run the pipeline, tell the database how it goes, keep the result. Used by every kind of worker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from drumscribe.errors import Cancelled, DrumScribeError, JobConflictError, JobNotFoundError, StageError, StorageError
from drumscribe.jobs.db import Database, error_values
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.people import People
from drumscribe.pipeline import Run
from drumscribe.settings import Settings
from drumscribe.song import recordings
from drumscribe.song.transcription import Transcription
from drumscribe.storage.files import Folder, Store
from drumscribe.types import STAGES, Progress

log = logging.getLogger(__name__)

T = TypeVar("T")

DATABASE_PATIENCE_S = 120.0
"""How long a worker waits for a database that is away."""
BEAT_S = 0.25
"""How often progress is written and a wish to cancel is seen."""
FIRST_RATES = {
    "ingest": 0.01,
    "separate": 0.6,
    "separate:none": 0.0,
    "detect": 0.05,
    "beats": 0.2,
    "quantise": 0.001,
    "notate": 0.001,
    "export": 0.03,
}
"""Seconds of work per second of recording on two cores, until this machine has measured its own."""


def patiently(ask: Callable[[], T]) -> T:
    """Ask the database again and again while it is away: nobody else would finish what this worker holds.

    Raises StorageError after :data:`DATABASE_PATIENCE_S`.
    """
    end = time.monotonic() + DATABASE_PATIENCE_S
    while True:
        try:
            return ask()
        except StorageError as error:
            if time.monotonic() > end:
                raise
            log.warning("the database is away: %s", error)
            time.sleep(1)


class ElsewhereError(Exception):
    """A stage (the argument) that is not for this worker would have to be computed."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a worker process works with.

    Attributes:
        worker: its name, under which it holds jobs.
        give_up: called when a stage exceeded ``stage_timeout_s`` and did not stop when asked to; must end the process.
        stop: set from outside when the worker must end: the job goes back into the queue.
    """

    worker: str
    settings: Settings
    database: Database
    store: Store
    give_up: Callable[[], None]
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of a job one worker does.

    Attributes:
        until: the stage after which to let go of the job for another worker; the cache keeps what was computed.
        elsewhere: stages that this worker only looks up; where one must be computed, the job is let go of.
        lacks: told the name of that stage.
        again: whether an error may pass by itself: then the job is let go of instead of failed.
    """

    until: str | None = None
    elsewhere: Collection[str] = ()
    lacks: Callable[[str], object] = lambda stage: None
    again: Callable[[DrumScribeError], bool] = lambda error: False


def perform(job: Job, place: Workplace, share: Share = Share()) -> JobStatus | None:
    """Do a job that the worker has claimed, to its end, whatever that is.

    Returns:
        The job's last state (running: it was let go of), or ``None`` if it was deleted or taken over meanwhile.

    Raises:
        StorageError: the database stayed away, and the job still looks held: this process should end.
    """
    worker, database = place.worker, place.database
    folder = place.store.folder(job.id)
    tracker = _Tracker(
        job.options.separate.separator or place.settings.separator,
        patiently(database.rates),
        seconds=dict(job.timings),
        elsewhere=share.elsewhere,
    )
    with _reporting(job.id, place, tracker) as cancel:
        ending, values = _attempt(job, place, share, tracker, cancel)
    if ending is JobStatus.RUNNING:
        columns = {**tracker.columns(), "timings": tracker.spent(), **values}
        if patiently(lambda: database.release(job.id, worker, **columns)):
            return ending
        if not patiently(lambda: database.cancelling(job.id)):
            return None
        ending, values = JobStatus.CANCELLED, {"message": "Cancelled"}
    if ending is not JobStatus.DONE and patiently(lambda: database.beat(job.id, worker)) is not None:
        _clear(folder)  # still ours, for as long as a lease: who took the job over may have put its result there
    columns = {**tracker.columns(), "timings": tracker.spent(), **values}
    if ending is JobStatus.DONE and tracker.duration_s:
        rates = tracker.rates_over(tracker.duration_s)
        patiently(lambda: database.learn(rates))
    try:
        done = patiently(lambda: database.move(job.id, ending, worker=worker, **columns))
    except JobNotFoundError:  # deleted meanwhile
        _clear(folder)
        return None
    except JobConflictError:  # taken over by another worker
        return None
    return done.status


def _attempt(
    job: Job, place: Workplace, share: Share, tracker: _Tracker, cancel: threading.Event
) -> tuple[JobStatus, dict[str, Any]]:
    """Run the pipeline. Return the state that it ends in and the columns that go with it."""
    try:
        place.store.folder(job.id).remove()  # what a killed worker may have left half done
        values = _transcribed(job, place, share.until, tracker, cancel)
        if values is None:
            return JobStatus.RUNNING, {"message": "Waiting for the next step", "fraction": 1.0}
        return JobStatus.DONE, {**values, "message": "Done", "progress": 1.0}
    except ElsewhereError as error:
        share.lacks(str(error))
        return JobStatus.RUNNING, {"message": "Waiting for the next step"}
    except Cancelled:
        if tracker.late:
            return JobStatus.FAILED, error_values(too_slow(tracker.stage, place.settings))
        if place.stop.is_set() and not place.database.cancelling(job.id):
            return JobStatus.QUEUED, {"message": "Waiting: the worker was restarted"}
        return JobStatus.CANCELLED, {"message": "Cancelled"}
    except DrumScribeError as error:
        if share.again(error):
            return JobStatus.RUNNING, {"message": f"Trying again soon: {error.what}"[:500]}
        return JobStatus.FAILED, error_values(error)
    except MemoryError:
        return JobStatus.FAILED, error_values(_no_memory(tracker.stage))
    except Exception as error:  # whatever a library threw ends one job, not the worker
        log.exception("job %s failed in stage %s", job.id, tracker.stage)
        return JobStatus.FAILED, error_values(_unexpected(tracker.stage, error))


def _clear(folder: Folder) -> None:
    """Remove the files of a job that has no result; what cannot be removed now goes with the job."""
    try:
        folder.remove()
    except StorageError as error:
        log.warning("files of job %s stay for now: %s", folder.job_id, error)


def too_slow(stage: str, settings: Settings) -> StageError:
    """The error of a stage that took longer than ``stage_timeout_s``."""
    return StageError(
        f"Stage {stage!r} took longer than {settings.stage_timeout_s / 60:.0f} min and was stopped.",
        "Try again, cut the recording, or raise STAGE_TIMEOUT_S.",
    )


def _transcribed(
    job: Job, place: Workplace, until: str | None, tracker: _Tracker, cancel: threading.Event
) -> dict[str, Any] | None:
    """Columns of the finished job, or ``None`` once the stage ``until`` is done."""
    store = place.store
    run = Run(place.settings, tracker.update, cancel, relay=until is not None or bool(tracker.elsewhere))
    name = place.database.name_of(job.id)
    with store.fetched(job.source) if job.source.startswith("uploads/") else nullcontext(job.source) as source:
        if isinstance(source, Path) and (chart := run.chart(source, job.options, name)) is not None:
            return _kept(chart, store.folder(job.id), tracker, source.stat().st_size)
        audio = run.ingest(source, name)
        sent = source.stat().st_size if isinstance(source, Path) else 0
    if job.duration_s is None:
        patiently(lambda: People(place.database).heard(job.owner, audio.duration_s))
    tracker.duration_s, tracker.title = audio.duration_s, job.options.notate.title or audio.title or job.title
    tracker.artist = job.options.notate.artist or audio.artist
    if until in ("fetch", "ingest"):
        return None
    stem = run.separate(audio, job.options)
    if until == "separate":
        return None
    if until is None and not tracker.elsewhere:
        activations, evidence = run.listen(audio, stem, job.options)
    else:
        activations = run.detect(audio, stem, job.options)
        if until == "detect":
            return None
        evidence = run.beats(audio, job.options)
        if until == "beats":
            return None
    result = run.finish(audio, stem, activations, evidence, job.options)
    folder = store.folder(job.id)
    report = partial(run.report, "export")
    report(0.0, "Saving the audio")
    recordings.save(folder, audio, stem, on_progress=report, cancel=cancel)
    result.keep(folder)  # last: a folder with a project is complete
    report(1.0, "Saved")
    return {"warnings": list(result.warnings), "size": sent + folder.size()}


def _kept(chart: Transcription, folder: Folder, tracker: _Tracker, sent: int) -> dict[str, Any]:
    """Keep the song of a chart: there is nothing to listen to."""
    tracker.duration_s, tracker.title, tracker.artist = chart.song.duration_s, chart.title, chart.artist
    recordings.bring(folder, chart.media)
    chart.keep(folder)
    return {"warnings": list(chart.warnings), "size": sent + folder.size()}


@dataclass
class _Tracker:
    """Where the job stands, for the database, and how long everything took."""

    separator: str
    rates: dict[str, float]
    elsewhere: Collection[str] = ()
    stage: str = ""
    fraction: float = 0.0
    message: str = ""
    duration_s: float | None = None
    title: str = ""
    artist: str = ""
    late: bool = False
    progress: float = 0.0
    began: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    news: threading.Event = field(default_factory=threading.Event)

    def update(self, progress: Progress) -> None:
        """Take a report from the pipeline. Raises ElsewhereError from a stage that begins to compute."""
        # Separation has begun once it says what it does: where there is no model, it hands the mix through in silence.
        begins = progress.fraction < 1 and (bool(progress.message) or progress.stage != "separate")
        if begins and progress.stage in self.elsewhere:
            raise ElsewhereError(progress.stage)
        if progress.stage == "fetch":  # a part of taking the recording in, to those who watch
            progress = replace(progress, stage="ingest")
        if progress.stage != self.stage:
            self._clock_out()
            if progress.fraction == 1.0 and progress.stage not in self.seconds:
                self.known.add(progress.stage)  # its first word is that it is done: it came from the cache
            self.stage, self.began, self.message = progress.stage, time.monotonic(), ""
            self.news.set()
        self.fraction, self.message = progress.fraction, progress.message or self.message

    def in_stage_s(self) -> float:
        return time.monotonic() - self.began

    def columns(self) -> dict[str, Any]:
        """What to write into the job's row."""
        eta = self._eta()
        if eta is not None:
            total = eta + sum(self.seconds.values()) + self.in_stage_s()
            self.progress = max(self.progress, min(0.99, 1 - eta / total if total > 0 else 0.0))
        known = {"duration_s": self.duration_s, "title": self.title[:300], "artist": self.artist[:300]}
        return {
            "stage": self.stage,
            "fraction": self.fraction,
            "message": self.message[:500],
            "progress": self.progress,
            "eta_s": eta,
            **({} if self.duration_s is None else known),
        }

    def spent(self) -> dict[str, float]:
        """Seconds per stage that was computed."""
        self._clock_out()
        return {stage: round(seconds, 3) for stage, seconds in self.seconds.items() if stage not in self.known}

    def rates_over(self, duration_s: float) -> dict[str, float]:
        """Measured rates, by the names under which :meth:`_rate` looks for them."""
        length = max(duration_s, 20.0)  # start-up costs would make short clips look slow per second
        return {self._name(stage): seconds / length for stage, seconds in self.spent().items()}

    def _clock_out(self) -> None:
        if self.stage:
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + self.in_stage_s()
            self.began = time.monotonic()

    def _name(self, stage: str) -> str:
        return f"separate:{self.separator}" if stage == "separate" else stage

    def _rate(self, stage: str) -> float:
        name = self._name(stage)
        return self.rates.get(name, FIRST_RATES.get(name, FIRST_RATES[stage]))

    def _eta(self) -> float | None:
        if self.duration_s is None or not self.stage:
            return None
        index = STAGES.index(self.stage)
        later = sum(self._rate(stage) * self.duration_s for stage in STAGES[index + 1 :])
        expected = self._rate(self.stage) * self.duration_s
        elapsed, fraction = self.in_stage_s(), self.fraction  # which the pipeline's thread changes
        if fraction >= 1:
            return later
        if fraction > 0.05:
            expected = elapsed / fraction
        return later + max(expected - elapsed, expected * (1 - fraction) * 0.5, 0.0)


@contextmanager
def _reporting(job_id: str, place: Workplace, tracker: _Tracker) -> Iterator[threading.Event]:
    """Beat in a thread of its own while the block runs; the event given is set when the job should stop."""
    cancel, over = threading.Event(), threading.Event()
    limit_s = place.settings.stage_timeout_s

    def beat() -> None:
        while not over.is_set():
            tracker.news.wait(BEAT_S)  # a new stage is told at once
            tracker.news.clear()
            if tracker.in_stage_s() > limit_s:
                if tracker.late and tracker.in_stage_s() > 1.5 * limit_s:
                    place.give_up()
                tracker.late = True
                cancel.set()
            try:
                status = place.database.beat(job_id, place.worker, **tracker.columns())
            except StorageError as error:
                log.warning("job %s: no sign of life written: %s", job_id, error)
                continue
            except Exception:  # without this thread the job could not be stopped
                log.exception("job %s: no sign of life written", job_id)
                continue
            if status is not JobStatus.RUNNING or place.stop.is_set():
                cancel.set()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield cancel
    finally:
        over.set()
        tracker.news.set()
        thread.join()


def _no_memory(stage: str) -> StageError:
    return StageError(f"Memory ran out in stage {stage!r}.", "Cut the recording, or set SEPARATOR=none.")


def _unexpected(stage: str, error: Exception) -> StageError:
    return StageError(
        f"Stage {stage or 'start'!r} failed unexpectedly ({type(error).__name__}: {str(error)[:200]}).",
        "Try again; if it happens again, report it with the log.",
    )
