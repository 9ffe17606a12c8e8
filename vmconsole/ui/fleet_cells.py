# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of the tree's cells, made once per change of figures or facts and kept until the next. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.inventory.ids import GroupId, GuestId, HostId
from vmconsole.metrics.figures import FIGURE_COUNT
from vmconsole.ui import columns, words
from vmconsole.ui.columns import COLUMNS, CPU, MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vmconsole.inventory.facts import Host
    from vmconsole.store.changes import ChangeSet
    from vmconsole.store.store import Store
    from vmconsole.ui.formats import Formats

translate = QCoreApplication.translate
Texts = tuple[str, ...]
Row = HostId | GuestId | GroupId
AWAY = {HostState.NOT_ANSWERING, HostState.FAILED}


@dataclass(frozen=True, slots=True)
class RowTexts:
    texts: Texts
    """One per column."""
    is_faded: bool
    """The row is greyed: its host is not there, or the guest is off."""


class FleetCells:
    """What the cells of a row say: a host's, a guest's, or a group's heading."""

    def __init__(self, store: Store, formats: Formats) -> None:
        self._store = store
        self._formats = formats
        self._kept: dict[HostId, dict[str, RowTexts]] = {}
        """Host → uuid, or empty for the host's own row."""

    def forget(self, changes: ChangeSet) -> None:
        """Drop what is no longer right."""
        for host in changes.ticked | changes.hosts_changed | changes.hosts_removed | changes.hosts_added:
            self._kept.pop(host, None)
        for guest in changes.guests_changed | changes.guests_removed | changes.guests_added:
            of_host = self._kept.get(guest.host)
            if of_host is not None:
                of_host.pop(guest.uuid, None)
                of_host.pop("", None)

    def of(self, wanted: Row) -> Texts:
        """One text per column."""
        if isinstance(wanted, GroupId):
            return (words.group_name(wanted), *[""] * (len(COLUMNS) - 1))
        return self._of(wanted).texts

    def is_faded(self, wanted: Row) -> bool:
        return not isinstance(wanted, GroupId) and self._of(wanted).is_faded

    def mark(self, wanted: Row) -> str:
        """The colour that the user gave a host, for its row; empty for none, and for other rows."""
        host = None if isinstance(wanted, (GuestId, GroupId)) else self._store.hosts.get(wanted)
        return "" if host is None else host.look.colour

    def _of(self, wanted: HostId | GuestId) -> RowTexts:
        host, uuid = (wanted.host, wanted.uuid) if isinstance(wanted, GuestId) else (wanted, "")
        kept = self._kept.get(host)
        if kept is None:
            kept = self._kept[host] = {}
        found = kept.get(uuid)
        if found is None:
            texts = self._guest(wanted) if isinstance(wanted, GuestId) else self._host(wanted)
            found = kept[uuid] = RowTexts(texts, self._is_faded(host, wanted))
        return found

    def _is_faded(self, host: HostId, wanted: HostId | GuestId) -> bool:
        facts = self._store.hosts.get(host)
        if facts is None or facts.state is not HostState.CONNECTED:
            return True
        guest = self._store.guest(wanted) if isinstance(wanted, GuestId) else None
        return guest is not None and not guest.state.has_process

    def spoken(self, wanted: Row, column: int) -> str:
        """A figure for a screen reader, with its unit."""
        if column < CPU or not isinstance(wanted, GuestId):
            return self.of(wanted)[column]
        return columns.spoken_of(column, columns.value_of(column, self._row(wanted)), self._formats)

    def remark(self, wanted: Row, *, with_state: bool = False) -> str:
        """The small words behind a name: why it is not as usual. ``with_state`` says the usual as well."""
        if isinstance(wanted, GroupId):
            return self._group_remark(wanted)
        if isinstance(wanted, GuestId):
            return self._guest_remark(wanted, with_state=with_state)
        host = self._store.hosts.get(wanted)
        if host is None:
            return ""
        if host.state is not HostState.CONNECTED:
            return words.host_state(host, self._formats)
        running, known = self._counts(wanted)
        told = translate("Fleet", "{running} of {known} running").format(running=running, known=known)
        return f"{words.host_state(host, self._formats)}, {told}" if with_state else told

    def _members(self, group: GroupId) -> list[Host]:
        return [host for host in self._store.hosts.values() if host.look.group == group.name]

    def _group_remark(self, group: GroupId) -> str:
        hosts = self._members(group)
        told = words.counted(len(hosts), one=translate("Fleet", "one host"), many=translate("Fleet", "{n} hosts"))
        counts = [self._counts(host.id) for host in hosts]
        running, known = sum(count[0] for count in counts), sum(count[1] for count in counts)
        told += translate("Fleet", ", {running} of {known} guests running").format(running=running, known=known)
        away = sum(host.state in AWAY for host in hosts)
        return told + (translate("Fleet", ", {n} away").format(n=away) if away else "")

    def _guest_remark(self, wanted: GuestId, *, with_state: bool) -> str:
        guest, host = self._store.guest(wanted), self._store.hosts.get(wanted.host)
        if guest is None or host is None:
            return ""
        usual = guest.state in {GuestState.RUNNING, GuestState.SHUT_OFF}
        age = words.figures_age_s(host, self._store.figures(host.id).last_at, self._formats)
        is_old = age is not None and guest.state.has_process
        parts = [words.guest_state(guest.state)] if with_state or not (usual or is_old) else []
        if age is not None and is_old:
            parts.append(translate("Fleet", "{age} ago").format(age=self._formats.age(age)))
        return ", ".join(parts)

    def colour(self, wanted: Row) -> str:
        """Which of the theme's colours the remark has."""
        if isinstance(wanted, GroupId):
            return "warning" if any(host.state in AWAY for host in self._members(wanted)) else "quiet"
        if isinstance(wanted, GuestId):
            guest = self._store.guest(wanted)
            return "problem" if guest is not None and guest.state is GuestState.CRASHED else "quiet"
        host = self._store.hosts.get(wanted)
        if host is None:
            return "quiet"
        return {HostState.NOT_ANSWERING: "warning", HostState.FAILED: "problem"}.get(host.state, "quiet")

    # -- making ------------------------------------------------------------------------------------------------

    def _row(self, wanted: GuestId) -> Sequence[float] | None:
        row = self._store.figures(wanted.host).row(wanted.uuid)
        values: Sequence[float] | None = None if row is None else row.tolist()
        return values

    def _guest(self, wanted: GuestId) -> Texts:
        guest = self._store.guest(wanted)
        if guest is None:
            return ("",) * len(COLUMNS)
        return (guest.name, words.guest_state(guest.state), *self._figure_texts(self._row(wanted)))

    def _figure_texts(self, row: Sequence[float] | None) -> Iterable[str]:
        return [
            columns.text_of(column, columns.value_of(column, row), self._formats) for column in range(CPU, len(COLUMNS))
        ]

    def _host(self, wanted: HostId) -> Texts:
        host = self._store.hosts.get(wanted)
        if host is None:
            return ("",) * len(COLUMNS)
        return (host.name, words.host_state_word(host.state), *self.together([host]))

    def together(self, hosts: Sequence[Host]) -> Sequence[str]:
        """What all guests of some hosts use, a text for each column of figures; of what the hosts have, if known."""
        import numpy as np  # late: the first window is painted before numpy is needed

        table = np.array([self._sum(host.id) for host in hosts]).reshape(len(hosts), FIGURE_COUNT)
        sums = np.where(np.isnan(table).all(axis=0), np.nan, np.nansum(table, axis=0)).tolist()
        texts = list(self._figure_texts(sums))
        cpus = [host.cpus for host in hosts if host.cpus is not None]
        sizes = [host.memory_bytes for host in hosts if host.memory_bytes is not None]
        if hosts and len(cpus) == len(hosts):
            texts[0] = f"{texts[0]} / {sum(cpus)}"
        if hosts and len(sizes) == len(hosts):
            texts[MEMORY - CPU] = self._formats.size_of(columns.value_of(MEMORY, sums), sum(sizes))
        return texts

    def _sum(self, wanted: HostId) -> Sequence[float]:
        """All guests' figures together; NaN where nobody's is known."""
        import numpy as np  # late: the first window is painted before numpy is needed

        figures = self._store.figures(wanted)
        uuids = [uuid for uuid in self._store.guests_of(wanted) if figures.has(uuid)]
        rows = figures.rows(uuids)
        known = ~np.isnan(rows)
        sums = np.where(known, rows, 0.0).sum(axis=0, dtype=np.float64)
        total: Sequence[float] = np.where(known.any(axis=0), sums, np.nan).tolist()
        return total

    def _counts(self, wanted: HostId) -> tuple[int, int]:
        guests = self._store.guests_of(wanted)
        return sum(guest.state is GuestState.RUNNING for guest in guests.values()), len(guests)
