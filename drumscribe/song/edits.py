"""Edits on hits: pure functions that describe a change, and a log that keeps every one of them.

Each function looks at the hits and returns an :class:`Edit`: which hits go and which come. :func:`apply` makes the
new hits. :class:`History` is the log: it only grows (undo and redo are entries too), so a project file tells how
its hits came about, and the present hits can always be computed from the model's.

>>> from drumscribe.types import Hit, Hits
>>> history = History(Hits.of([Hit(0, 1.0, "kick", 0.9, 100), Hit(1, 1.5, "snare", 0.4, 90)]))
>>> history = history.do(relabel(history.hits, [1], "cross_stick"))
>>> [hit.drum for hit in history.hits], [hit.drum for hit in history.undo().hits]
(['kick', 'cross_stick'], ['kick', 'snare'])
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from drumscribe.errors import EditError
from drumscribe.kit import DRUMS
from drumscribe.types import Hit, Hits

MIN_GAP_S = 0.005
"""Two strokes on one drum closer than this are one: the newer edit takes the place of what was there."""
TABLE_RESOLUTION_S = 0.0005
"""Tables show milliseconds: a smaller difference is rounding, not an edit."""
Wishes = dict[str, dict[str, Any]]
"""Options by group and name."""
FIRST_USER_ID = 1_000_000_000
"""Ids of added hits start here, above any the model gives, so that picking anew never collides with them."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change: ``removed`` hits go, ``added`` come; a hit that changes is in both, with one id.

    Attributes:
        label: what it did, for the undo button, e.g. ``"Move 3 hits"``.
        removed: the hits as they were before.
        added: the hits as they are afterwards.
        before: options that it changed, as they were: group, name, plain value.
        after: the same as they are afterwards.
        refused: ids of the model's candidates that are no hits: they are neither asked about nor read into a chart.
    """

    label: str
    removed: tuple[Hit, ...] = ()
    added: tuple[Hit, ...] = ()
    before: Wishes = field(default_factory=dict)
    after: Wishes = field(default_factory=dict)
    refused: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self.removed != self.added or self.before != self.after or bool(self.refused)


def apply(hits: Hits, edit: Edit) -> Hits:
    """Return the hits after ``edit``. Raises EditError if a hit it removes is not there as it describes it."""
    by_id = hits.by_id()
    for old in edit.removed:
        if by_id.get(old.id) != old:
            raise _error(f"Hit {old.id} is no longer as it was when the edit was made")
        del by_id[old.id]
    for new in edit.added:
        if new.id in by_id:
            raise _error(f"There are two hits with the number {new.id}")
        by_id[new.id] = new
    return Hits.of(by_id.values())


def add(hits: Hits, time_s: float, drum: str, velocity: int = 90) -> Edit:
    """Add a stroke. Raises EditError if time, drum, or velocity is impossible."""
    new = _checked(id=free_id(hits), time_s=time_s, drum=drum, velocity=velocity)
    return changed(f"Add {DRUMS[drum].name.lower()}", hits, [], [new])


def delete(hits: Hits, ids: Iterable[int]) -> Edit:
    """Remove hits. Raises EditError for an unknown id."""
    old = _named(hits, ids)
    return changed(f"Delete {_count(old)}", hits, old, [])


def move(hits: Hits, ids: Iterable[int], by_s: float) -> Edit:
    """Shift hits in time by ``by_s`` seconds. Raises EditError if one would come before the start."""
    old = _named(hits, ids)
    return changed(f"Move {_count(old)}", hits, old, [_vouched(hit, time_s=hit.time_s + by_s) for hit in old])


def move_to(hits: Hits, hit_id: int, time_s: float) -> Edit:
    """Put one hit at ``time_s``. Raises EditError."""
    old = _named(hits, [hit_id])
    return changed("Move 1 hit", hits, old, [_vouched(old[0], time_s=time_s)])


def relabel(hits: Hits, ids: Iterable[int], drum: str) -> Edit:
    """Give hits to another drum. Raises EditError for an unknown id or drum."""
    old = _named(hits, ids)
    new = [hit if hit.drum == drum else _vouched(hit, drum=drum) for hit in old]
    return changed(f"Make {_count(old)} {_drum_name(drum)}", hits, old, new)


def correct(hits: Hits, ids: Iterable[int], drum: str | None) -> Edit:
    """Give hits to ``drum``, or remove them where it is ``None``. Raises EditError for an unknown id or drum."""
    return delete(hits, ids) if drum is None else relabel(hits, ids, drum)


def set_velocity(hits: Hits, ids: Iterable[int], velocity: int) -> Edit:
    """Set how hard hits are struck, 1-127; says nothing about whether they are right. Raises EditError."""
    old = _named(hits, ids)
    new = [_checked(hit, velocity=velocity) for hit in old]
    return changed(f"Set velocity of {_count(old)}", hits, old, new)


def scale_velocity(hits: Hits, ids: Iterable[int], factor: float) -> Edit:
    """Multiply velocities by ``factor``, kept within 1-127. Raises EditError for a factor that is not positive."""
    if not (math.isfinite(factor) and factor > 0):
        raise _error(f"Velocities cannot be multiplied by {factor}")
    old = _named(hits, ids)
    new = [replace(hit, velocity=min(127, max(1, round(hit.velocity * factor)))) for hit in old]
    return changed(f"Change velocity of {_count(old)}", hits, old, new)


def accept(hits: Hits, candidates: Iterable[Hit]) -> Edit:
    """Vouch for hits: candidates that the model rejected are added; hits that are there become certain."""
    here = hits.by_id()
    old, new = [], []
    for candidate in candidates:
        known = here.get(candidate.id)
        if known is not None:
            old.append(known)
        new.append(_vouched(candidate if known is None else known))
    return changed(f"Accept {_count(new)}", hits, old, new)


def refuse(candidates: Iterable[Hit]) -> Edit:
    """Say of candidates that the model rejected that they are no hits."""
    ids = tuple(candidate.id for candidate in candidates)
    return Edit(f"Leave out {'1 candidate' if len(ids) == 1 else f'{len(ids)} candidates'}", refused=ids)


def settle(hits: Hits, ids: Iterable[int], candidates: Iterable[Hit], label: str) -> Edit:
    """Vouch for hits and refuse candidates, as one edit: this is right as it is. Raises EditError for an unknown id."""
    return replace(accept(hits, _named(hits, ids)), label=label, refused=refuse(candidates).refused)


def replace_all(hits: Hits, new: Hits, label: str = "Replace hits") -> Edit:
    """The edit that turns ``hits`` into ``new`` (which must have ids of their own). Raises EditError."""
    before, after = hits.by_id(), new.by_id()
    if len(after) != len(new):
        raise _error("Two of the new hits have the same number")
    removed = [hit for hit in hits if after.get(hit.id) != hit]
    added = [hit for hit in new if before.get(hit.id) != hit]
    return Edit(label, tuple(removed), tuple(added))


def apply_table(hits: Hits, rows: Iterable[Mapping[str, Any]], *, shown: Iterable[Hit] | None = None) -> Edit:
    """The edit that an edited table stands for.

    Args:
        hits: all hits.
        rows: the table after editing: ``id`` (missing, ``None`` or NaN for a new row), ``time_s``, ``drum``,
            ``velocity``; other columns are ignored. Times within half a millisecond of the old one count as
            unchanged, because tables show rounded times.
        shown: the hits that were in the table, where it showed only some; hits outside it are left alone.

    Raises:
        EditError: a row that is not a hit (says which), an id that is not in the table, or the same id twice.
    """
    before = {hit.id: hit for hit in (hits if shown is None else shown)}
    kept: set[int] = set()
    old: list[Hit] = []
    new: list[Hit] = []
    next_id = free_id(hits)
    for number, row in enumerate(rows, start=1):
        time_s, drum, velocity = row.get("time_s"), row.get("drum"), row.get("velocity")
        if _missing(row.get("id")):
            if _missing(time_s) and _missing(drum):
                continue  # the empty row that tables offer for adding
            velocity = 90 if _missing(velocity) else velocity
            new.append(_checked(id=next_id, time_s=time_s, drum=drum, velocity=velocity, row=number))
            next_id += 1
            continue
        hit = before.get(_whole(row["id"], number))
        if hit is None or hit.id in kept:
            raise _error(f"Row {number} does not belong to this table or is there twice")
        kept.add(hit.id)
        edited = _checked(hit, time_s=time_s, drum=drum, velocity=velocity, row=number)
        moved = abs(edited.time_s - hit.time_s) > TABLE_RESOLUTION_S
        if moved or edited.drum != hit.drum:
            edited = _vouched(edited if moved else replace(edited, time_s=hit.time_s))
        elif edited.velocity != hit.velocity:
            edited = replace(hit, velocity=edited.velocity)
        else:
            continue
        old.append(hit)
        new.append(edited)
    old.extend(hit for hit in before.values() if hit.id not in kept)
    return changed(_table_label(len(old), len(new)), hits, old, new)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. ``undo`` and ``redo`` carry no edit of their own."""

    kind: Literal["do", "undo", "redo"]
    edit: Edit | None = None
    at: float = 0.0


@dataclass(frozen=True)
class History:
    """The model's hits and everything that was done to them since.

    Attributes:
        base: hits as picked by the model.
        log: entries in order; it is only ever appended to.
    """

    base: Hits
    log: tuple[Entry, ...] = ()

    @cached_property
    def _stacks(self) -> tuple[tuple[Edit, ...], tuple[Edit, ...]]:
        """Edits in force, and edits taken back that redo can bring again (last one first)."""
        done: list[Edit] = []
        undone: list[Edit] = []
        for entry in self.log:
            if entry.kind == "do":
                if entry.edit is None:
                    raise _error("The edit log has an empty entry")
                done.append(entry.edit)
                undone.clear()
                continue
            origin, target = (done, undone) if entry.kind == "undo" else (undone, done)
            if not origin:
                raise _error(f"The edit log says {entry.kind} where there is nothing to {entry.kind}")
            target.append(origin.pop())
        return tuple(done), tuple(reversed(undone))

    @cached_property
    def hits(self) -> Hits:
        """The hits as they are now."""
        by_id = self.base.by_id()
        for edit in self._stacks[0]:
            for old in edit.removed:
                by_id.pop(old.id, None)
            by_id.update((new.id, new) for new in edit.added)
        return Hits.of(by_id.values())

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits in force, oldest first."""
        return self._stacks[0]

    @property
    def undo_label(self) -> str | None:
        """What :meth:`undo` would take back, or ``None``."""
        return self._stacks[0][-1].label if self._stacks[0] else None

    @property
    def redo_label(self) -> str | None:
        """What :meth:`redo` would bring again, or ``None``."""
        return self._stacks[1][0].label if self._stacks[1] else None

    def do(self, edit: Edit, *, at: float = 0.0) -> History:
        """Append an edit (one without effect leaves the history as it is). Raises EditError if it does not fit."""
        if not edit:
            return self
        hits = apply(self.hits, edit)
        return self._appended(Entry("do", edit, at), hits)

    def undo(self, *, at: float = 0.0) -> History:
        """Take the last edit back. Raises EditError if there is none."""
        if self.undo_label is None:
            raise _error("There is nothing to undo")
        return self._appended(Entry("undo", at=at))

    def redo(self, *, at: float = 0.0) -> History:
        """Bring the last edit taken back again. Raises EditError if there is none."""
        if self.redo_label is None:
            raise _error("There is nothing to redo")
        return self._appended(Entry("redo", at=at))

    def rebase(self, base: Hits) -> History:
        """The same edits over newly picked hits (another sensitivity).

        What the user touched stays as the user left it: deleted hits stay away and changed ones stay, whether or not
        the model still picks them; all others are the new ones.
        """
        return History(base, self.log)

    def _appended(self, entry: Entry, hits: Hits | None = None) -> History:
        history = History(self.base, (*self.log, entry))
        if hits is not None:
            history.__dict__["hits"] = hits  # known already: spare a replay
        return history


def replay(base: Hits, log: Iterable[Entry]) -> History:
    """Rebuild a history from its parts and check it. Raises EditError if the log contradicts itself."""
    history = History(base, tuple(log))
    _ = history.hits
    return history


def changed(label: str, hits: Hits, old: list[Hit], new: list[Hit]) -> Edit:
    """The edit under which ``old`` hits go and ``new`` ones come, in place of others on their drum within MIN_GAP_S."""
    going = {hit.id: hit for hit in old}
    for hit in new:
        for other in hits.between(hit.time_s - MIN_GAP_S, hit.time_s + MIN_GAP_S):
            if other.drum == hit.drum and other.id != hit.id:
                going.setdefault(other.id, other)
    coming: dict[int, Hit] = {}
    taken: dict[str, list[float]] = {}
    for hit in new:
        if all(abs(hit.time_s - time_s) >= MIN_GAP_S for time_s in taken.get(hit.drum, ())):
            coming[hit.id] = hit
            taken.setdefault(hit.drum, []).append(hit.time_s)
    unchanged = {key for key, hit in coming.items() if going.get(key) == hit}
    return Edit(
        label,
        tuple(hit for key, hit in going.items() if key not in unchanged),
        tuple(hit for key, hit in coming.items() if key not in unchanged),
    )


def _named(hits: Hits, ids: Iterable[int]) -> list[Hit]:
    by_id = hits.by_id()
    wanted = dict.fromkeys(ids)
    for wish in wanted:
        if wish not in by_id:
            raise _error(f"There is no hit with the number {wish}")
    return [by_id[wish] for wish in wanted]


def _checked(hit: Hit | None = None, *, row: int | None = None, **changes: Any) -> Hit:
    """A hit with ``changes``, every value converted and checked."""
    where = "" if row is None else f"Row {row}: "
    if "time_s" in changes:
        changes["time_s"] = _number(changes["time_s"], f"{where}the time")
        if changes["time_s"] < 0:
            raise _error(f"{where}the time {changes['time_s']:g} s is before the start of the recording")
    if "velocity" in changes:
        changes["velocity"] = round(_number(changes["velocity"], f"{where}the velocity"))
        if not 1 <= changes["velocity"] <= 127:
            raise _error(f"{where}the velocity {changes['velocity']} is not within 1-127")
    if "drum" in changes:
        _drum_name(changes["drum"], where)
    if hit is None:
        return Hit(**changes, confidence=1.0, origin="user")
    return replace(hit, **changes)


def _vouched(hit: Hit, **changes: Any) -> Hit:
    """The hit as the user says it is: certain from now on."""
    return _checked(replace(hit, confidence=1.0, origin="user"), **changes)


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _error(f"{name} is not a number: {value!r}") from None
    if not math.isfinite(number):
        raise _error(f"{name} is missing or not finite")
    return number


def _whole(value: Any, row: int) -> int:
    number = _number(value, f"Row {row}: the hit's number")
    if number != int(number):
        raise _error(f"Row {row}: {value!r} is not the number of a hit")
    return int(number)


def _missing(value: Any) -> bool:
    # ``pandas.NA`` cannot be compared, not even with itself; None, NaN and "" stand for an empty cell too.
    return value is None or type(value).__name__ == "NAType" or value == "" or value != value


def _drum_name(label: Any, where: str = "") -> str:
    if not isinstance(label, str) or label not in DRUMS:
        raise _error(f"{where}{label!r} is not a drum of the kit")
    return DRUMS[label].name.lower()


def free_id(hits: Hits) -> int:
    """The number of the next hit that a user adds."""
    return max(FIRST_USER_ID, hits.next_id())


def _count(hits: list[Hit]) -> str:
    return "1 hit" if len(hits) == 1 else f"{len(hits)} hits"


def _table_label(removed: int, added: int) -> str:
    if removed and not added:
        return f"Delete {removed} hit{'s' * (removed != 1)}"
    if added and not removed:
        return f"Add {added} hit{'s' * (added != 1)}"
    return "Edit table"


def _error(what: str) -> EditError:
    what = what[0].upper() + what[1:]
    return EditError(f"{what}.", "Nothing was changed; correct the edit and try again.")
