"""Whose turn it is, and how long the others wait.

Owners take turns (start-time fair queueing, Goyal, Vin and Cheng 1996, with each job counted as one): a job takes the
turn after its owner's last one, but none before the turn that was reached when it came, so whoever has been away has
saved up nothing. The earliest turn is next. Among jobs of one turn, and so among those of one owner, the order is that
of submission, where a larger file counts as submitted later (:data:`PRIORITY_S`): short songs go first, but none waits
for ever. Hence with N owners at full load an owner's k-th job begins before any other owner has begun k + 1 more than
that: nobody waits for more than N times the jobs of their own (``tests/test_fairness.py``).

``JobRow.turn`` is the turn reached when the job came, and from its start on the turn that it took.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import aliased

from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.tables import JobRow

PRIORITY_S = 30.0
"""A job waits as if it had come this much later for each step of ``priority``."""
_QUEUED = str(JobStatus.QUEUED)


def reached() -> Any:
    """The latest turn that was taken."""
    row = aliased(JobRow)
    return select(func.coalesce(func.max(row.turn), 0)).where(row.status != _QUEUED).scalar_subquery()


def turn_of(row: Any, mark: str) -> Any:
    """The turn that a waiting job would take now; those wait that are queued with ``mark`` in their ``worker``."""
    other = aliased(JobRow)
    served = (other.status != _QUEUED) | (other.worker != mark)
    last = select(func.max(other.turn)).where(other.owner == row.owner, served).correlate(row).scalar_subquery()
    after = func.coalesce(last, 0) + 1
    return case((after > row.turn, after), else_=row.turn)


def in_order(row: Any, mark: str) -> tuple[Any, ...]:
    """What waiting jobs are ordered by; the first is next."""
    return turn_of(row, mark), row.created_at + row.priority * PRIORITY_S, row.id


def positions(waiting: Iterable[Any], last: Mapping[str, int]) -> dict[str, int]:
    """How many of the ``waiting`` rows begin before each, by id; ``last`` is each owner's last turn."""
    taken = dict(last)
    heap = []
    for row in waiting:
        heap.append(
            (max(taken.get(row.owner, 0) + 1, row.turn), row.created_at + row.priority * PRIORITY_S, row.id, row)
        )
    heapq.heapify(heap)
    found: dict[str, int] = {}
    while heap:
        turn, order, job_id, row = heapq.heappop(heap)
        now = max(taken.get(row.owner, 0) + 1, row.turn)
        if now > turn:  # its owner has had turns since
            heapq.heappush(heap, (now, order, job_id, row))
            continue
        taken[row.owner] = now
        found[job_id] = len(found)
    return found


@dataclass(frozen=True, slots=True)
class Pace:
    """How quickly jobs are done, from the latest ones and from those at work.

    Attributes:
        job_s: seconds of work that a job took in the mean, or ``None`` before the first has ended.
        active: for each job at work its owner and the seconds left, where they are known.
    """

    job_s: float | None
    active: tuple[tuple[str, float | None], ...] = ()

    def wait_s(self, position: int) -> float | None:
        """Until the job at this place of the queue begins."""
        if self.job_s is None:
            return None
        left = sum(self.job_s / 2 if eta is None else eta for _, eta in self.active)
        return (left + position * self.job_s) / max(1, len(self.active))

    def next_end_s(self, owner: str | None = None) -> float | None:
        """Until one of the jobs at work (of ``owner``) is likely to have ended."""
        known = [eta for whose, eta in self.active if eta is not None and owner in (None, whose)]
        return min(known) if known else self.wait_s(0)
