# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of an Apply, beside the image on its host: its names, its record, and the shell text that works on it.

A journal is a folder ``.vmconsole-apply-<hash of the image's path>`` (mode 0700). It holds the draft as a qcow2 overlay
on the image, and is complete once ``record.json`` is there: from then on the draft is safe on the host, and committing
it, also twice, leads to the same image. The commit runs detached from the link. ``beat`` is touched every second while
it runs, so that after a crash of the host one can tell whether anybody wrote to the image since. Pure functions.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images import qemu_walls

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEAT_SLACK_S = 3
_ENDING_POLLS = 50
_PLACES = (("log", 16384), ("result.tmp", 8), ("after", 200), ("pid.img", 64), ("pid", 64))
"""What a commit writes at its end has its place on the disk from the beginning."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of an Apply on the host."""

    draft_id: str
    changes: int
    image_format: str
    result: str = ""
    """Exit status of the commit as text; empty while it runs or when it was cut off."""
    is_running: bool = False
    image_was_written_since: bool = False
    """Somebody else wrote to the image after the commit stopped, or after the seal if none began."""
    identity: str = ""
    """What the image was when the journal was sealed."""
    disks: tuple[str, ...] = ()
    """All images of this Apply."""
    has_begun: bool = False
    """A commit was started: the image may have been written."""

    @property
    def is_spoilt(self) -> bool:
        """It must not be finished: half of it is under what somebody else wrote."""
        return self.image_was_written_since and not self.is_running and self.result != "0"


FOLDER_COMMAND = """\
j=.vmconsole-apply-$(printf %s "$r" | sha256sum | cut -c 1-16)
if [ -b "$r" ]; then j=/var/tmp/$j; else j=$(dirname -- "$r")/$j; fi; printf '%s\\n' "$j"
"""
"""Of an image ``$r`` (links followed): prints where its journal is, and puts it into ``$j``. Beside a file; in
/var/tmp for a device."""

_ALIVE = (
    'alive() { { read -r _p _t < "$1"; } 2>/dev/null && [ -n "$_t" ] && '
    '[ "$(cut -d " " -f 22 "/proc/$_p/stat" 2>/dev/null)" = "$_t" ]; }'
)
"""Shell function: whether the process that a file names still runs: its number and when it began (proc(5))."""
_ME = '"$$ $(cut -d " " -f 22 /proc/$$/stat)"'
"""Shell text: this process, as ``_ALIVE`` wants it."""

STATE_COMMAND = f"""\
{_ALIVE}
head -c 65536 "$j/record.json" 2>/dev/null | tr -d '\\n'; echo
head -c 20 "$j/result" 2>/dev/null | tr -d '\\0 \\n'; echo
if alive "$j/pid" || alive "$j/pid.img"; then echo running; else echo; fi
b=$(stat -c %Y "$j/beat" 2>/dev/null || echo 9999999999); m=$(stat -L -c %Y -- "$r")
if [ "$m" -gt $((b + {_BEAT_SLACK_S})) ]; then echo written; else echo; fi
if [ -e "$j/beat" ]; then echo begun; else echo; fi
"""
"""Of an image ``$r`` and its journal ``$j``: prints five lines for ``read_state``: the record, the result, «running»,
«written» if the image changed after the last beat, and «begun» if a commit was started; each may be empty."""


def read_state(lines: list[str], identity: str) -> Record | None:
    """The record in the output of ``STATE_COMMAND``; None if there is no complete journal. ``identity`` is what the
    image is now."""
    try:
        kept = json.loads(lines[0])
        sealed_on, has_begun = str(kept["identity"]), lines[4] == "begun"
        was_changed = not has_begun and sealed_on != identity
        return Record(
            draft_id=str(kept["draft_id"]),
            changes=int(kept["changes"]),
            image_format=str(kept["image_format"]),
            result=lines[1],
            is_running=lines[2] == "running" and not lines[1],
            image_was_written_since=lines[3] == "written" or was_changed,
            identity=sealed_on,
            disks=tuple(map(str, kept["disks"])),
            has_begun=has_begun,
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def record_text(record: Record) -> bytes:
    kept = {
        "draft_id": record.draft_id, "changes": record.changes, "image_format": record.image_format,
        "identity": record.identity, "disks": record.disks,
    }  # fmt: skip
    return json.dumps(kept).encode()


def _is_worked_on(folder: str) -> str:
    """Shell text: whether a process works on the journal. Needs ``_ALIVE`` before it."""
    return f"{{ alive {shlex.quote(folder)}/pid || alive {shlex.quote(folder)}/pid.img; }}"


def begin_command(folder: str) -> str:
    """Make an empty journal folder. Fails if a complete one is there, or one that is being written now."""
    f = shlex.quote(folder)
    return "\n".join(
        [
            f"umask 077; export LC_ALL=C; {_ALIVE}",
            f"if [ -e {f}/record.json ]; then echo 'an unfinished Apply is there' >&2; exit 73; fi",
            f"if [ -e {f} ]; then",
            f"  if [ -L {f} ] || [ ! -O {f} ]; then echo 'Permission denied: it is not ours' >&2; exit 77; fi",
            # What a killed console left behind ends by itself when it has read all that was sent.
            f"  n=0; while {_is_worked_on(folder)} && [ $n -lt {_ENDING_POLLS} ]; do sleep 0.1; n=$((n+1)); done",
            f"  if {_is_worked_on(folder)}; then echo 'another Apply is running' >&2; exit 75; fi",
            f"  rm -rf -- {f}",
            "fi",
            f"mkdir -m 700 -- {f}",
        ]
    )  # fmt: skip


def carry_command(folder: str) -> str:
    """Takes the draft on stdin; prints its SHA-256 once it is on the disk."""
    f, part = shlex.quote(folder), shlex.quote(folder + "/draft.part")
    flush = f"{{ sync {part} 2>/dev/null || sync; }}"
    return f"export LC_ALL=C; echo {_ME} > {f}/pid && cat > {part} && {flush} && sha256sum < {part}"


def seal_command(folder: str, path: str, image_format: str) -> str:
    """Check the carried draft, put it on the image, and take the record from stdin: then the journal is complete."""
    f = shlex.quote(folder)
    return "\n".join(
        [
            f"set -e; umask 077; export LC_ALL=C; {qemu_walls.WORK_LIMITS}; cd {f}",
            f"qemu-img rebase -u -f qcow2 -F {shlex.quote(image_format)} -b {shlex.quote(path)} draft.part",
            "qemu-img check -q -f qcow2 draft.part",
            "mv draft.part draft.qcow2; cat > record.tmp",
            "sync draft.qcow2 record.tmp 2>/dev/null || sync",
            "mv record.tmp record.json; sync . 2>/dev/null || sync",
        ]
    )


def commit_command(folder: str, path: str, image_format: str, *, expected_identity: str) -> str:
    """Start the commit, free of the link. ``expected_identity`` is what ``identity_command`` printed, or empty for an
    Apply that is being finished (then the image has changed by its own doing).

    The files that it writes at its end have their place on the disk from the beginning: the disk may be full by then.
    """
    f, p = shlex.quote(folder), shlex.quote(path)
    check = "true" if image_format == "raw" else f"qemu-img check -q -f {shlex.quote(image_format)} -- {p}"
    # Who discards the journal makes «stop» and then looks for us; we say that we are there and then look for «stop».
    commit = f"{{ {qemu_walls.MEMORY_LIMITS}; exec qemu-img commit -p -d -f qcow2 draft.qcow2; }}"
    image_tool = f"printf '%-60s\\n' {_ME} 1<> pid.img && [ ! -e stop ] && {commit}"
    script = "\n".join(
        [
            f"export LC_ALL=C TZ=UTC; cd {f} || exit 1; {_ALIVE}",
            f"echo {_ME} > pid",
            "end() { printf '%-4s\\n' \"$1\" 1<> result.tmp; sync result.tmp || sync; mv result.tmp result; exit; }",
            f"now=$({identity_command(path)}); expected={shlex.quote(expected_identity)}",
            "[ -z \"$expected\" ] || [ \"$now\" = \"$expected\" ] || { echo \"changed: $now\" 1<> log; end 90; }",
            "( while alive pid || alive pid.img; do touch beat; sleep 1; done ) & beater=$!",
            f"sh -c {shlex.quote(image_tool)} 1<> log 2>&1; status=$?",
            f"if [ $status = 0 ]; then {check} >> log 2>&1; status=$?; [ $status = 3 ] && status=0; fi",
            f"sync {p} 2>/dev/null || sync",
            f"{{ {identity_command(path)}; }} 1<> after; touch beat; kill $beater; end $status",
        ]
    )  # fmt: skip
    start = f"setsid sh -c {shlex.quote(script)} </dev/null >/dev/null 2>&1 &"
    wait = f"n=0; while [ ! -s {f}/pid ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done; [ -s {f}/pid ]"
    # head(1) says in words when the disk is full.
    places = " && ".join(f"head -c {size} /dev/zero > {f}/{name}" for name, size in _PLACES)
    room = f"rm -f {f}/result {f}/stop; {places} && : > {f}/beat && : > {f}/pid"
    return f"export LC_ALL=C; {room} || exit 1\n{start}\n{wait}"


def identity_command(path: str) -> str:
    """Prints one line by which a change of the image is seen. A device has no time of its last change: it is told by
    how many sectors were written since the system started (the kernel's iostats.rst); a restart is a change, too. The
    zone is always the same: stat(1) prints local time."""
    p = shlex.quote(path)
    device = (
        f"_n=$(stat -L -c '0x%t 0x%T' -- {p}); _n=$((${{_n% *}})):$((${{_n#* }})); "
        "read -r _boot < /proc/sys/kernel/random/boot_id; "
        'read -r _ _ _ _ _ _ _written _ < "/sys/dev/block/$_n/stat"; echo "$_n $_boot $_written"'
    )
    return f"if [ -b {p} ]; then {device}; else TZ=UTC stat -L -c '%s %i %y' -- {p}; fi"


def poll_command(folder: str) -> str:
    """Prints the result, or «running», or «dead», and then the end of the commit's log."""
    f = shlex.quote(folder)
    return (
        f"{_ALIVE}\nif {_is_worked_on(folder)}; then echo running; elif [ -e {f}/result ]; then cat {f}/result; "
        f"else echo dead; fi; tr -d '\\0' < {f}/log 2>/dev/null | tail -c 2000"
    )  # fmt: skip


def after_command(folder: str) -> str:
    """Prints what the image was right after the commit."""
    return f"tr -d '\\0' < {shlex.quote(folder)}/after"


def clean_command(folder: str) -> str:
    """Remove the journal. First what makes it one, so that half a journal is none."""
    f = shlex.quote(folder)
    return f"rm -f -- {f}/record.json && rm -rf -- {f}"


def discard_command(folder: str) -> str:
    """Remove the journal unless somebody works on it; a commit that is only starting does not begin then."""
    f = shlex.quote(folder)
    running = "echo 'the image is being written now' >&2; exit 75"
    return (
        f"{_ALIVE}\n[ -d {f} ] || exit 0; : > {f}/stop\n"
        f"if {_is_worked_on(folder)}; then rm -f {f}/stop; {running}; fi\n{clean_command(folder)}"
    )


def ranges_of(extents: list[dict[str, object]]) -> tuple[tuple[int, int], ...]:
    """(offset, length) of what the draft holds, from ``qemu-img map --output=json``."""
    found: list[tuple[int, int]] = []
    for extent in extents:
        start, length = int(str(extent["start"])), int(str(extent["length"]))
        if extent["depth"] == 0:
            if found and sum(found[-1]) == start:
                found[-1] = (found[-1][0], found[-1][1] + length)
            else:
                found.append((start, length))
    return tuple(found)


def compare_command(folder: str, path: str, image_format: str, ranges: Iterable[tuple[int, int]] | None = None) -> str:
    """Compare ranges of the journal's draft with the same ranges of the image, or all of it; 1 is «they differ»
    (qemu-img(1)). A range must hold nothing that only the image has: through a window on an overlay, QEMU 7.2 takes
    that for zeros.
    """

    def piece(file: str, driver: str, start: int, length: int) -> str:
        name = file.replace(",", ",,")
        protocol = "host_device" if file.startswith("/dev/") else "file"
        inner = f"file.driver={driver},file.file.driver={protocol},file.file.filename={name}"
        return shlex.quote(f"driver=raw,offset={start},size={length},{inner}")

    draft, begin = f"{folder}/draft.qcow2", f"{qemu_walls.MEMORY_LIMITS}; export LC_ALL=C; "
    if ranges is None:
        formats = f"-f qcow2 -F {shlex.quote(image_format)}"
        return f"{begin}qemu-img compare -q {formats} -- {shlex.quote(draft)} {shlex.quote(path)}"
    return begin + " && ".join(
        f"qemu-img compare -q --image-opts {piece(draft, 'qcow2', *one)} {piece(path, image_format, *one)}"
        for one in ranges
    )
