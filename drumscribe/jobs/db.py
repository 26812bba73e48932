"""The job table: SQLite in the data folder (write-ahead log), or whatever ``DATABASE_URL`` says, e.g. PostgreSQL.

Every change of state is one guarded UPDATE, so two workers never hold one job and no arrow outside
:data:`~drumscribe.jobs.model.TRANSITIONS` is ever taken, whoever else writes at the same time.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, bindparam, create_engine, delete, event, func, make_url, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from drumscribe.errors import DrumScribeError, JobConflictError, JobNotFoundError, StorageError
from drumscribe.jobs.fairness import Pace, in_order, positions, reached, turn_of
from drumscribe.jobs.model import Job, JobStatus, sources_of
from drumscribe.jobs.tables import Base, JobRow, RateRow, ShareRow
from drumscribe.options import Options
from drumscribe.settings import Settings
from drumscribe.storage.writing import storing

LATEST = 20
"""So many of the latest jobs say how long one takes."""
_PACE_KEPT_S = 5.0
_PLACES_KEPT_S = 0.25


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that a worker holds, and the worker's latest sign of life (a counter: clocks may jump)."""

    job_id: str
    worker: str
    beat: int
    status: JobStatus


class Database:
    """Jobs and rates. Safe to share between threads.

    Raises:
        StorageError: from any method, when the database cannot be reached or written.
    """

    def __init__(self, settings: Settings) -> None:
        self.engine = _engine(settings)
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._places: tuple[float, dict[str, int]] = (-1.0, {})
        self._pace: tuple[float, Pace] | None = None

    def create(self) -> None:
        """Make the tables that are missing."""
        with reaching():
            Base.metadata.create_all(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def insert(self, job: Job, *, name: str = "", idempotency_key: str | None = None, size: int = 0) -> Job:
        """Add a job with ``size`` bytes, or return the one that has its owner's ``idempotency_key`` already."""
        fields = ("id", "owner", "source", "title", "artist", "priority", "created_at", "progress", "duration_s",
                  "finished_at")  # fmt: skip
        values = {field: getattr(job, field) for field in fields}
        row = JobRow(
            **values,
            name=name,
            options=job.options.model_dump(),
            status=str(job.status),
            message="Waiting" if job.status is JobStatus.QUEUED else "",
            idempotency_key=idempotency_key,
            size=size,
            turn=reached(),
        )
        try:
            with self.session() as session:
                session.add(row)
        except IntegrityError:
            known = self.known(job.owner, idempotency_key)
            if known is None:
                raise
            return known
        return self.get(job.id)

    def known(self, owner: str, idempotency_key: str | None) -> Job | None:
        """The job that ``owner`` submitted under that key, if any."""
        if idempotency_key is None:
            return None
        query = select(JobRow).where(JobRow.owner == owner, JobRow.idempotency_key == idempotency_key)
        with self.session() as session:
            row = session.scalars(query).one_or_none()
            return None if row is None else row.job()

    def get(self, job_id: str, *, owner: str | None = None) -> Job:
        """Raises JobNotFoundError, also where the job is somebody else's."""
        # What pollers ask all the time: one statement, no transaction around it, no ORM object.
        with reaching(), self._reading.connect() as connection:
            row = connection.execute(_ONE, {"wanted": job_id}).one_or_none()
        if row is None or owner not in (None, row.owner):
            raise _not_found()
        before = self._position(job_id) if row.status == JobStatus.QUEUED else 0
        return JobRow.job(row, before)  # type: ignore[arg-type]  # a row has the same attributes

    def name_of(self, job_id: str) -> str:
        """The file name that the user gave."""
        with self.session() as session:
            return session.scalar(select(JobRow.name).where(JobRow.id == job_id)) or ""

    def find(
        self, *, owner: str | None = None, status: JobStatus | None = None, limit: int = 50, offset: int = 0
    ) -> list[Job]:
        """Newest first."""
        query = select(JobRow).order_by(JobRow.created_at.desc()).limit(limit).offset(offset)
        if owner is not None:
            query = query.where(JobRow.owner == owner)
        if status is not None:
            query = query.where(JobRow.status == status)
        with self.session() as session:
            return [row.job() for row in session.scalars(query)]

    def counts(self, *, owner: str | None = None) -> dict[JobStatus, int]:
        """How many jobs there are in each state."""
        query = select(JobRow.status, func.count()).group_by(JobRow.status)
        if owner is not None:
            query = query.where(JobRow.owner == owner)
        with self.session() as session:
            found = {JobStatus(status): count for status, count in session.execute(query)}
        return {status: found.get(status, 0) for status in JobStatus}

    def move(
        self, job_id: str, to: JobStatus, *, owner: str | None = None, worker: str | None = None, **values: Any
    ) -> Job:
        """Take one arrow of the state machine.

        Args:
            worker: only if this worker still holds the job.
            values: other columns to set with it.

        Raises:
            JobNotFoundError: no such job, or not ``owner``'s.
            JobConflictError: there is no arrow from its present state, or another worker holds it.
        """
        now = time.time()
        if to.finished:
            values = {"finished_at": now, "worker": "", **values, "eta_s": None}
        if to is JobStatus.QUEUED:
            clean = {"stage": "", "fraction": 0.0, "eta_s": None, "error": None, "timings": {}, "finished_at": None}
            clean["turn"] = reached()
            values = {"worker": "", **clean, **values}
        change = update(JobRow).where(JobRow.id == job_id, JobRow.status.in_([str(one) for one in sources_of(to)]))
        if owner is not None:
            change = change.where(JobRow.owner == owner)
        if worker is not None:
            change = change.where(JobRow.worker == worker)
        with self.session() as session:
            moved = session.scalars(change.values(status=str(to), **values).returning(JobRow)).one_or_none()
            if moved is not None:
                return moved.job()
        present = self.get(job_id, owner=owner)
        raise JobConflictError(f"The job is {present.status}; it cannot become {to}.", "Look at its present status.")

    def claim(self, worker: str) -> Job | None:
        """Take the next queued job for ``worker``, or ``None`` where there is none."""
        waiting = self._first("")
        return self._taken(
            (JobRow.id == waiting) & (JobRow.status == JobStatus.QUEUED), worker,
            attempts=JobRow.attempts + 1, started_at=time.time(), message="Starting", turn=turn_of(JobRow, ""),
        )  # fmt: skip

    def next_unsent(self, mark: str, *, uploads: bool) -> Job | None:
        """The queued job with that ``mark`` (see :meth:`mark`) whose turn it is, with the mark taken off.

        ``uploads`` says whether its recording is in the store already, or still behind a link.
        """
        mine = (JobRow.status == JobStatus.QUEUED) & (JobRow.worker == mark)
        values = {"worker": "", "turn": turn_of(JobRow, mark)}
        kind = JobRow.source.startswith("uploads/")
        first = self._first(mark, kind if uploads else ~kind)
        change = update(JobRow).where(JobRow.id == first, mine).values(**values)
        with self.session() as session:
            row = session.scalars(change.returning(JobRow)).one_or_none()
            return None if row is None else row.job()

    def _first(self, mark: str, *which: ColumnElement[bool]) -> Any:
        """The id of the waiting job whose turn it is, as a subquery; those wait that are queued with ``mark``."""
        query = select(JobRow.id).where(JobRow.status == JobStatus.QUEUED, JobRow.worker == mark, *which)
        query = query.order_by(*in_order(JobRow, mark)).limit(1)
        if self.engine.dialect.name == "postgresql":
            query = query.with_for_update(skip_locked=True)
        return query.scalar_subquery()

    def marked(self, mark: str) -> int:
        """How many queued jobs have that mark."""
        query = select(func.count()).where(JobRow.status == JobStatus.QUEUED, JobRow.worker == mark)
        with self.session() as session:
            return session.scalar(query) or 0

    def take(self, job_id: str, worker: str, attempt: int) -> Job | None:
        """Take a certain job for one step of a chain, or ``None`` if this is not the time for it.

        A queued job is taken for its next attempt only; a running one in the same attempt, and when nobody holds it.
        """
        begins = (JobRow.status == JobStatus.QUEUED) & (JobRow.attempts == attempt - 1)
        goes_on = (JobRow.status == JobStatus.RUNNING) & (JobRow.attempts == attempt) & (JobRow.worker == "")
        started_at = func.coalesce(JobRow.started_at, time.time())
        return self._taken((JobRow.id == job_id) & (begins | goes_on), worker, attempts=attempt, started_at=started_at)

    def _taken(self, which: ColumnElement[bool], worker: str, **values: Any) -> Job | None:
        """Give the one job ``which`` to ``worker``; ``None`` where there is none."""
        values |= {"status": str(JobStatus.RUNNING), "worker": worker, "beat": JobRow.beat + 1, "error": None}
        with self.session() as session:
            row = session.scalars(update(JobRow).where(which).values(**values).returning(JobRow)).one_or_none()
            return None if row is None else row.job()

    def release(self, job_id: str, worker: str, **values: Any) -> bool:
        """Let go of a running job between two steps. False if ``worker`` no longer holds it, or it is to stop."""
        change = update(JobRow).where(JobRow.id == job_id, JobRow.worker == worker, JobRow.status == JobStatus.RUNNING)
        with self.session() as session:
            return session.scalar(change.values(worker="", **values).returning(JobRow.id)) is not None

    def beat(self, job_id: str, worker: str, **progress: Any) -> JobStatus | None:
        """Write progress as a sign of life. Return the job's state, or ``None`` if the worker no longer holds it."""
        change = (
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.worker == worker)
            .values(beat=JobRow.beat + 1, **progress)
            .returning(JobRow.status)
        )
        with self.session() as session:
            status = session.scalar(change)
            return None if status is None else JobStatus(status)

    def cancelling(self, job_id: str) -> bool:
        """Whether somebody asked the job to stop."""
        with self.session() as session:
            return session.scalar(select(JobRow.status).where(JobRow.id == job_id)) == JobStatus.CANCELLING

    def leases(self) -> list[Lease]:
        """Every job that a worker holds."""
        return self._leases(JobRow.status.in_([str(one) for one in JobStatus if one.active]))

    def waiting(self) -> list[Lease]:
        """Every queued job, in the form of :meth:`leases`; ``worker`` holds what :meth:`mark` left there."""
        return self._leases(JobRow.status == JobStatus.QUEUED)

    def _leases(self, which: ColumnElement[bool]) -> list[Lease]:
        with self.session() as session:
            rows = session.scalars(select(JobRow).where(which))
            return [Lease(row.id, row.worker, row.beat, JobStatus(row.status)) for row in rows]

    def noticed(self, lease: Lease) -> bool:
        """Count a beat of a job that nobody holds. False if anything has happened to it since ``lease`` was read."""
        same = (JobRow.id == lease.job_id) & (JobRow.worker == "") & (JobRow.beat == lease.beat)
        change = update(JobRow).where(same, JobRow.status == str(lease.status)).values(beat=JobRow.beat + 1)
        with self.session() as session:
            return session.scalar(change.returning(JobRow.id)) is not None

    def mark(self, job_id: str, mark: str, **values: Any) -> None:
        """Leave a note at a queued job, for whoever brings it to a worker, and set other columns with it."""
        change = update(JobRow).where(JobRow.id == job_id, JobRow.status == JobStatus.QUEUED)
        with self.session() as session:
            session.execute(change.values(worker=mark, **values))

    def trace_of(self, job_id: str) -> str:
        """The traceparent of the request that a job came with, or ``""``."""
        with self.session() as session:
            return session.scalar(select(JobRow.trace).where(JobRow.id == job_id)) or ""

    def save(self, job_id: str, *, owner: str | None, revision: int | None, **values: Any) -> Job:
        """Count one saved edit of a finished job, and set other columns with it.

        Raises JobNotFoundError, JobConflictError.
        """
        change = update(JobRow).where(JobRow.id == job_id, JobRow.status == JobStatus.DONE)
        if owner is not None:
            change = change.where(JobRow.owner == owner)
        if revision is not None:
            change = change.where(JobRow.revision == revision)
        with self.session() as session:
            change = change.values(revision=JobRow.revision + 1, **values)
            row = session.scalars(change.returning(JobRow)).one_or_none()
            if row is not None:
                return row.job()
        present = self.get(job_id, owner=owner)
        if present.status is not JobStatus.DONE:
            raise JobConflictError(
                f"The job is {present.status}, so there is no result to edit.", "Wait until it is done."
            )
        raise JobConflictError("Somebody else saved this score meanwhile.", "Load it again and repeat your change.")

    def delete(self, job_id: str) -> None:
        """Forget a job, and the links to it. Raises JobNotFoundError."""
        with self.session() as session:
            if session.scalar(delete(JobRow).where(JobRow.id == job_id).returning(JobRow.id)) is None:
                raise _not_found()
            session.execute(delete(ShareRow).where(ShareRow.job_id == job_id))

    def sources(self) -> dict[str, str]:
        """Job id → source, of every job: what the store must keep."""
        with self.session() as session:
            return {row.id: row.source for row in session.execute(select(JobRow.id, JobRow.source))}

    def finished_before(self, moment: float) -> list[str]:
        """Ids of jobs that ended before ``moment`` (seconds since the epoch), oldest first."""
        ended = [str(one) for one in JobStatus if one.finished]
        query = select(JobRow.id).where(JobRow.status.in_(ended), JobRow.finished_at < moment)
        with self.session() as session:
            return list(session.scalars(query.order_by(JobRow.finished_at)))

    def _position(self, job_id: str) -> int:
        """A queued job's place; many who ask at once share an answer."""
        now = time.monotonic()
        if now - self._places[0] > _PLACES_KEPT_S or job_id not in self._places[1]:
            table = JobRow.__table__.c
            columns = (table.id, table.owner, table.turn, table.created_at, table.priority)
            waiting = select(*columns).where(table.status == JobStatus.QUEUED)
            last = select(table.owner, func.max(table.turn)).where(table.status != JobStatus.QUEUED)
            with reaching(), self._reading.connect() as connection:
                taken = {row.owner: row.max_1 for row in connection.execute(last.group_by(table.owner))}
                self._places = now, positions(connection.execute(waiting).all(), taken)
        return self._places[1].get(job_id, 0)

    def pace(self) -> Pace:
        """How quickly jobs are done here; asked anew every few seconds."""
        now = time.monotonic()
        if self._pace is None or now - self._pace[0] > _PACE_KEPT_S:
            done = select(JobRow.timings).where(JobRow.status == JobStatus.DONE, JobRow.started_at.is_not(None))
            at_work = select(JobRow.owner, JobRow.eta_s).where(JobRow.status == JobStatus.RUNNING)
            with self.session() as session:
                latest = session.scalars(done.order_by(JobRow.finished_at.desc()).limit(LATEST))
                took = [sum(timings.values()) for timings in latest]
                active = tuple((row.owner, row.eta_s) for row in session.execute(at_work))
            self._pace = now, Pace(sum(took) / len(took) if took else None, active)
        return self._pace[1]

    def size_gb(self) -> float:
        """Size of the database in GiB, where it is not a file of ours (which counts as disk)."""
        if self.engine.dialect.name != "postgresql":
            return 0.0
        with self.session() as session:
            size: int = session.scalars(select(func.pg_database_size(func.current_database()))).one()
            return size / 2**30

    def rates(self) -> dict[str, float]:
        """Seconds of work per second of recording, by stage."""
        with self.session() as session:
            return {row.stage: row.rate for row in session.scalars(select(RateRow))}

    def learn(self, measured: dict[str, float]) -> None:
        """Let newly measured rates count a third."""
        with self.session() as session:
            for stage, rate in measured.items():
                row = session.get(RateRow, stage)
                if row is None:
                    session.add(RateRow(stage=stage, rate=rate))
                else:
                    row.rate += (rate - row.rate) / 3

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction."""
        with reaching(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session


def new_job(owner: str, source: str, *, title: str, options: Options, priority: int) -> Job:
    """A job that was not yet inserted, with an id nobody can guess."""
    return Job(id=uuid.uuid4().hex, owner=owner, source=source, title=title[:300], options=options, priority=priority)


def error_values(error: DrumScribeError) -> dict[str, Any]:
    """Columns of a job that failed with ``error``."""
    return {"error": error.to_dict(), "message": error.what[:500]}


_NOTICED = {
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}  # fmt: skip
"""Parameters of libpq."""
_ONE = select(JobRow.__table__).where(JobRow.__table__.c.id == bindparam("wanted"))


def _engine(settings: Settings) -> Engine:
    if settings.database_url:
        url = make_url(settings.database_url)
        # A server that vanished without a word (its machine, or the network) is noticed in half a minute, not in hours.
        named = _NOTICED if url.get_backend_name() == "postgresql" else {}
        missing = {name: value for name, value in named.items() if name not in url.query}
        return create_engine(url, pool_pre_ping=True, connect_args=missing)
    with storing("The job database"):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = settings.data_dir.resolve() / "jobs.sqlite3"
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    return engine


@contextmanager
def reaching() -> Iterator[None]:
    """Turn the errors of a database that cannot be reached or written into StorageError."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:  # its pool has errors of its own, such as that of a server just starting
        lines = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
        detail = lines[0][:200]
        raise StorageError(
            f"The job database cannot be used ({detail}).", "Check free disk space and DATABASE_URL, then try again."
        ) from error


def _not_found() -> JobNotFoundError:
    return JobNotFoundError("There is no such job.", "It may have expired or been deleted; submit the song again.")
