# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host itself says of a running guest's limits: its kernel's files and tc by one script over the link's shell
(``resources/limit_proofs.sh``), QEMU by the getters of libvirt that ask it. QEMU's monitor is not used: libvirt would
mark the guest as tampered with. Blocks; on a lane's thread.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ConnectTimeout, OperationRefused
from vmconsole.inventory.resources import resource
from vmconsole.quotas.rows import Call
from vmconsole.quotas.table import row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vmconsole.inventory.limits import LimitRef
    from vmconsole.links.base import Shell
    from vmconsole.links.libvirt_link import Connection

DEADLINE_S = 10.0
_ASKED_OF_QEMU = frozenset({Call.BLOCK_IO_TUNE, Call.IOTHREAD, Call.BALLOON})


def question(ref: LimitRef, number: int, taps: Mapping[str, str]) -> str:
    """One of the script's questions; empty where it has none for this limit. ``taps``: MAC → interface."""
    row = row_of(ref)
    if row.call is Call.INTERFACE:
        tap = taps.get(ref.target, "")
        return f"{number}|tc|{tap}|{'class' if row.parameter.startswith('in') else 'filter'}" if tap else ""
    if row.call is Call.VCPUS:
        return f"{number}|cpu|vcpus|vcpus|"
    controller, _, v1 = row.proof_v1.format(target=ref.target).partition("/")
    if controller not in {"cpu", "cpuset", "memory", "blkio"}:
        return ""
    v2 = row.proof_v2.format(target=ref.target).split()[0]
    return f"{number}|{controller}|{v1}|{v2}|{ref.target if ref.target.startswith('/') else ''}"


def from_shell(
    shell: Shell, refs: Sequence[LimitRef], *, driver: str, uuid: str, name: str, taps: Mapping[str, str]
) -> dict[LimitRef, str]:
    """ref → text of those that the host told. One command for all; nothing when it takes too long."""
    questions = [found for number, ref in enumerate(refs) if (found := question(ref, number, taps))]
    if not questions:
        return {}
    words = ["sh", "-s", "--", driver, uuid, name, *questions]
    try:
        done = shell.run(
            f"exec {shlex.join(words)}", deadline_s=DEADLINE_S, feed=resource("limit_proofs.sh").read_bytes()
        )
    except ConnectTimeout:
        return {}
    return answers(refs, done.out.decode(errors="replace"))


def answers(refs: Sequence[LimitRef], text: str) -> dict[LimitRef, str]:
    """The script's lines by limit; nothing where it did not come to its end."""
    lines = text.splitlines()
    if not lines or lines[-1] != "done":
        return {}
    found: dict[LimitRef, list[str]] = {}
    for line in lines[:-1]:
        kind, number, *rest = line.split(" ", 2)
        if kind == "proof" and number.isdigit() and int(number) < len(refs):
            found.setdefault(refs[int(number)], []).extend(rest)
    return {ref: "\n".join(said) for ref, said in found.items()}


def from_qemu(connection: Connection, uuid: str, refs: Iterable[LimitRef]) -> dict[LimitRef, str]:
    """What QEMU answers of disks, I/O threads and the balloon. A guest that is busy or gone answers nothing."""
    found: dict[LimitRef, str] = {}
    asked: dict[tuple[Call, str], Mapping[str, int | str]] = {}
    for ref in refs:
        row = row_of(ref)
        if row.call not in _ASKED_OF_QEMU:
            continue
        place = (row.call, ref.target if row.call is Call.BLOCK_IO_TUNE else "")
        if place not in asked:
            asked[place] = _ask(connection, uuid, *place)
        key = _key(ref)
        if key in asked[place]:
            found[ref] = str(asked[place][key])
    return found


def _ask(connection: Connection, uuid: str, call: Call, disk: str) -> Mapping[str, int | str]:
    try:
        if call is Call.BLOCK_IO_TUNE:
            return connection.block_io_tune(uuid, disk, stored=False)
        return connection.iothread_stats(uuid) if call is Call.IOTHREAD else connection.memory_stats(uuid)
    except OperationRefused:
        return {}


def _key(ref: LimitRef) -> str:
    row = row_of(ref)
    if row.call is Call.IOTHREAD:
        return f"iothread.{ref.target}.{row.parameter.replace('_', '-')}"
    return "actual" if row.call is Call.BALLOON else row.parameter
