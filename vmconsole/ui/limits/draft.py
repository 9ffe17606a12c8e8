# SPDX-License-Identifier: GPL-3.0-or-later
"""What is about to become of a guest's limits: typed in, checked, not yet applied. GUI thread.

The page's tree, its detail panel and its list of changes all show this one draft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import LimitRef, Limits, Value, is_none
from vmconsole.inventory.tasks import TaskState
from vmconsole.operations.limits import ChangeLimits
from vmconsole.quotas.capacity import limits_with, over_commit_problems
from vmconsole.quotas.plan import differences
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.rows import Place
from vmconsole.quotas.rules import problems
from vmconsole.quotas.situation import Situation, unavailable
from vmconsole.quotas.table import row_of
from vmconsole.quotas.typed import typed

if TYPE_CHECKING:
    from vmconsole.inventory.tasks import Task
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context


PROMISES = frozenset({"memory_balloon", "vcpu_count"})
"""Limits that take from what the host has for all."""


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One line of the list of changes."""

    place: Place
    ref: LimitRef
    before: Value
    after: Value
    problems: tuple[Problem, ...] = ()


class LimitsDraft(QObject):
    """``changed``: look again. ``ended`` carries the Task that applied it, or failed to."""

    changed = Signal()
    ended = Signal(object)

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._task: int | None = None
        self._edits: dict[tuple[Place, LimitRef], Value] = {}
        self._wrong: dict[tuple[Place, LimitRef], str] = {}
        self.situation: Situation | None = None
        context.bridge.store_changed.connect(self._on_store_changed)

    # -- what is shown ---------------------------------------------------------------------------------------------

    def set_situation(self, situation: Situation | None) -> None:
        """The guest as it is now. Another guest drops what was typed; the same one keeps it."""
        is_other = _guest(situation) != _guest(self.situation)
        if not is_other and situation == self.situation:
            return
        self.situation = situation
        if is_other:
            self._edits.clear()
            self._wrong.clear()
            self._task = None
        self.changed.emit()

    @property
    def is_waiting(self) -> bool:
        """Whether the host has yet to answer."""
        return self._task is not None

    def there(self, place: Place) -> Limits | None:
        """What the host has; None where there is no such definition."""
        return self.situation.limits(place) if self.situation is not None else None

    def value(self, place: Place, ref: LimitRef) -> Value:
        """What is typed, else what the host has."""
        if (place, ref) in self._edits:
            return self._edits[place, ref]
        limits = self.there(place)
        return None if limits is None else limits[ref]

    def is_edited(self, place: Place, ref: LimitRef) -> bool:
        return (place, ref) in self._edits

    def differs(self, ref: LimitRef) -> bool:
        """Whether the next boot would hold another value than the running guest does."""
        if self.there(Place.LIVE) is None or self.there(Place.STORED) is None:
            return False
        row = row_of(ref)
        if not (row.live and row.stored):
            return False
        now, then = self.value(Place.LIVE, ref), self.value(Place.STORED, ref)
        return now != then and not (is_none(now) and is_none(then)) and not _is_default(ref, now, then, self.situation)

    def why_not(self, place: Place, ref: LimitRef) -> str:
        """Why it cannot be changed there; empty where it can."""
        return unavailable(row_of(ref), self.situation, place) if self.situation is not None else "-"

    def planned(self) -> tuple[PlannedChange, ...]:
        """The list of changes, with what the rules say of each."""
        found: list[PlannedChange] = []
        for place in Place:
            wanted, limits = self._wanted(place), self.there(place)
            told = problems(self.situation, place, wanted) if self.situation is not None and wanted else ()
            if place is Place.LIVE and wanted:
                told = (*told, *self._over_commits(wanted))
            for ref, value in wanted.items():
                mine = tuple(problem for problem in told if problem.ref == ref)
                found.append(PlannedChange(place, ref, limits[ref] if limits else None, value, mine))
            others = tuple(problem for problem in told if problem.ref not in wanted)
            if others and found:
                last = found[-1]
                found[-1] = PlannedChange(last.place, last.ref, last.before, last.after, last.problems + others)
        return tuple(found)

    def _over_commits(self, wanted: dict[LimitRef, Value]) -> tuple[Problem, ...]:
        """What the host would have promised twice by it."""
        ref = next((ref for ref in wanted if ref.key in PROMISES), None)
        if self.situation is None or ref is None:
            return ()
        host, guest = self.situation.host, self.situation.guest
        guests = self._context.store.guests_of(host.id).values()
        return over_commit_problems(host, guests, limits_with(guest, wanted), ref)

    def wrong(self, place: Place, ref: LimitRef) -> str:
        """What was wrong with the text typed last; empty when it was understood."""
        return self._wrong.get((place, ref), "")

    def operation(self) -> ChangeLimits | None:
        """What Apply would do; None when there is nothing to do, or a rule forbids it."""
        changes = self.planned()
        if self.situation is None or not changes or any(p.is_fatal for c in changes for p in c.problems):
            return None
        return ChangeLimits(self.situation, live=self._wanted(Place.LIVE), stored=self._wanted(Place.STORED))

    def preview(self) -> str:
        """The same as virsh lines, whether or not a rule forbids it."""
        if self.situation is None:
            return ""
        return ChangeLimits(self.situation, live=self._wanted(Place.LIVE), stored=self._wanted(Place.STORED)).virsh()

    def _wanted(self, place: Place) -> dict[LimitRef, Value]:
        mine = {ref: value for (where, ref), value in self._edits.items() if where is place}
        limits = self.there(place)
        return differences(limits, mine) if limits is not None else mine

    # -- what is typed ---------------------------------------------------------------------------------------------

    def type_text(self, place: Place, ref: LimitRef, text: str) -> bool:
        """Take what a person typed. False, with ``wrong`` set, when it is not understood; nothing changes then."""
        if self.situation is None:
            return False
        try:
            value = typed(row_of(ref), text, self.situation)
        except OutOfRange as error:
            self._wrong[place, ref] = str(error)
            self.changed.emit()
            return False
        self.edit(place, ref, value)
        return True

    def edit(self, place: Place, ref: LimitRef, value: Value) -> None:
        limits = self.there(place)
        self._wrong.pop((place, ref), None)
        if limits is None:
            return
        if limits[ref] == Limits({ref: value})[ref]:
            self._edits.pop((place, ref), None)
        else:
            self._edits[place, ref] = value
        self.changed.emit()

    def level(self, ref: LimitRef, place: Place) -> None:
        """Give ``place`` the value of the other one."""
        other = Place.STORED if place is Place.LIVE else Place.LIVE
        if not self.why_not(place, ref):
            self.edit(place, ref, self.value(other, ref))

    def level_all(self, place: Place) -> None:
        if self.situation is not None:
            for _, ref in self.situation.refs():
                if self.differs(ref):
                    self.level(ref, place)

    def take(self, values: dict[LimitRef, Value], places: tuple[Place, ...]) -> None:
        """Many at once: a preset, or what was copied from another guest. What cannot be set there is left out."""
        for place in places:
            for ref, value in values.items():
                if self.situation is not None and not self.why_not(place, ref):
                    self.edit(place, ref, value)

    def forget(self, place: Place, ref: LimitRef) -> None:
        self._wrong.pop((place, ref), None)
        self._edits.pop((place, ref), None)
        self.changed.emit()

    def revert(self) -> None:
        self._edits.clear()
        self._wrong.clear()
        self.changed.emit()

    # -- what is done ----------------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Ask the host for it; what is typed stays until it is done."""
        operation = self.operation()
        if operation is not None and self._task is None:
            self._task = next(iter(self._context.runner.run([operation])), None)
            self.changed.emit()

    def _on_store_changed(self, changes: ChangeSet) -> None:
        if self._task is None or self._task not in changes.tasks:
            return
        task: Task | None = self._context.store.tasks.get(self._task)
        if task is None or not task.state.is_over:
            return
        self._task = None
        if task.state is TaskState.DONE:
            self._edits.clear()
        self.ended.emit(task)
        self.changed.emit()


def _guest(situation: Situation | None) -> object:
    return situation.guest.id if situation is not None else None


def _is_default(ref: LimitRef, now: Value, then: Value, situation: Situation | None) -> bool:
    """A weight that was never set is stored as nothing and runs as the default."""
    found = row_of(ref).range_on(situation.layout) if situation is not None else None
    return found is not None and found.default is not None and {now, then} == {None, found.default}
