# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of an Apply, beside the image on its host: its names, its record, and the shell text that works on it.

A journal is a folder ``.vmconsole-apply-<hash of the image's path>`` (mode 0700). It holds the draft as a qcow2 overlay
on the image, and is complete once ``record.json`` is there: from then on the draft is safe on the host, and committing
it, also twice, leads to the same image. The commit runs detached from the link.

Whoever works on it holds ``lock`` (flock(1)) as long as any of his processes lives, so that others know, also those on
other hosts that share the storage. ``owner`` says whose journal it is while it is made. ``begun`` is there once the
image may have been written; ``beat`` is touched every second meanwhile, and ``after`` is what the image was when the
commit ended: so that one can tell whether anybody else wrote to the image since. Pure functions.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images import qemu_walls

if TYPE_CHECKING:
    from collections.abc import Iterable

_SLACK_S = 3
"""Beats come every second, and a busy machine may be late."""
_PATIENCE_POLLS = 50
_STALLED_S = 300
_PLACES = (("log", 16384), ("result.tmp", 8), ("after", 200))
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

_OURS = """\
ours() {
  [ -d "$1" ] && [ ! -L "$1" ] || return
  [ -O "$1" ] && return
  _t=$(mktemp -d "$1.XXXXXX") && _u=$(stat -c %u "$_t") && rmdir "$_t" && [ "$(stat -c %u "$1")" = "$_u" ]
}"""
"""Shell function: whether a journal was made by this user of the host. Another could make one for us to finish, in
/var/tmp and wherever else he may write. But a server may give all that we make to somebody else (exports(5),
all_squash)."""
_HELD = 'held() { [ -e "$1/lock" ] && ! { flock -n -s 8; } 8<"$1/lock"; }'
"""Shell function: whether somebody works on a journal."""
_HOLD = f"""\
command -v flock >/dev/null || {{ echo 'flock: not found' >&2; exit 69; }}
{_OURS}
hold() {{
  ours "$1" || {{ echo 'Permission denied: it is not ours' >&2; exit 77; }}
  exec 9>>"$1/lock"; n=0
  until flock -n 9; do [ $n -lt {_PATIENCE_POLLS} ] || return 1; n=$((n+1)); sleep 0.1; done
  [ "$1/lock" -ef /proc/self/fd/9 ]
}}"""
"""Shell function: work on a journal from now on, until the last process ends that has descriptor 9. What a killed
console left behind ends by itself when it has read all that was sent, so others are waited for a moment. They may have
removed it, and somebody made another."""
_BUSY = "{ echo 'another Apply is running' >&2; exit 75; }"

STATE_COMMAND = f"""\
{_HELD}
{_OURS}
ours "$j" || j=/dev/null
head -c 65536 "$j/record.json" 2>/dev/null | tr -d '\\n'; echo
head -c 20 "$j/result" 2>/dev/null | tr -d '\\0 \\n'; echo
if held "$j"; then echo running; else echo; fi
head -c 200 "$j/after" 2>/dev/null | tr -d '\\0\\n'; echo
echo "$(stat -L -c %Y -- "$r") $(stat -c %Y "$j/begun" 2>/dev/null) $(stat -c %Y "$j/beat" 2>/dev/null)"
"""
"""Of an image ``$r`` and its journal ``$j``: prints five lines for ``read_state``: the record, the result, «running»,
what the image was after the commit, and the seconds of the image's last change, of the commit's begin and of its last
beat. What there is not is empty."""


def read_state(lines: list[str], identity: str) -> Record | None:
    """The record in the output of ``STATE_COMMAND``; None if there is no complete journal. ``identity`` is what the
    image is now."""
    try:
        kept = json.loads(lines[0])
        sealed_on, seconds = str(kept["identity"]), tuple(map(int, lines[4].split()))
        return Record(
            draft_id=str(kept["draft_id"]),
            changes=int(kept["changes"]),
            image_format=str(kept["image_format"]),
            result=lines[1],
            is_running=lines[2] == "running" and not lines[1],
            image_was_written_since=_was_written_since(identity, sealed_on, lines[3], seconds),
            identity=sealed_on,
            disks=tuple(map(str, kept["disks"])),
            has_begun=len(seconds) > 1,
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _was_written_since(identity: str, sealed_on: str, after: str, seconds: tuple[int, ...]) -> bool:
    """Whether somebody else wrote to the image, or put another in its place. ``seconds`` is the last line's."""
    if len(seconds) < 3 or identity == sealed_on:
        return identity != sealed_on
    if ":" in identity.split()[0]:
        # Of a device nobody can tell after a restart, nor if the commit had no end; half of an Apply must be finished.
        return bool(after) and identity != after and identity.split()[1] == after.split()[1]
    if after:
        return identity != after
    written_at, begun_at, beat_at = seconds
    # A backup that was restored is another file, or one that is older than the commit.
    is_same_file = identity.split()[1] == sealed_on.split()[1]
    return not is_same_file or not begun_at - _SLACK_S <= written_at <= beat_at + _SLACK_S


def record_text(record: Record) -> bytes:
    kept = {
        "draft_id": record.draft_id, "changes": record.changes, "image_format": record.image_format,
        "identity": record.identity, "disks": record.disks,
    }  # fmt: skip
    return json.dumps(kept).encode()


def begin_command(folder: str, owner: str) -> str:
    """Make an empty journal folder. Fails if a complete one is there, or one that is worked on."""
    f = shlex.quote(folder)
    return "\n".join(
        [
            f"umask 077; export LC_ALL=C; {_HOLD}",
            f"if [ -e {f} ] || [ -L {f} ]; then",
            f"  hold {f} || {_BUSY}",
            f"  if [ -e {f}/record.json ]; then echo 'an unfinished Apply is there' >&2; exit 73; fi",
            f"  rm -rf -- {f}",
            "fi",
            f"mkdir -m 700 -- {f} || exit 1",
            f": > {f}/lock && echo {shlex.quote(owner)} > {f}/owner || {{ rm -rf -- {f}; exit 1; }}",
        ]
    )  # fmt: skip


def _as_owner(folder: str, owner: str) -> str:
    """Shell text: go to the journal that ``begin_command`` made, and work on it; it may be another's by now."""
    ours = f'[ "$(cat owner)" = {shlex.quote(owner)} ]'
    f = shlex.quote(folder)
    return f"export LC_ALL=C; {_HOLD}\n[ -e {f} ] && hold {f} && cd {f} && {ours} || {_BUSY}"


def carry_command(folder: str, owner: str) -> str:
    """Takes the draft on stdin; prints its SHA-256 once it is on the disk. It ends if 8 MiB do not come within
    ``_STALLED_S``: a host may not hear for hours that a link is dead, and the next Apply would wait for this one."""
    part = f"timeout {_STALLED_S} head -c 8388608 >> draft.part || exit"
    return "\n".join(
        [
            f"umask 077; {_as_owner(folder, owner)}",
            'command -v timeout >/dev/null || timeout() { shift; "$@"; }',
            ": > draft.part; n=0",
            f"while {part}; s=$(stat -c %s draft.part); [ $s -gt $n ]; do n=$s; done",
            "{ sync draft.part 2>/dev/null || sync; } && sha256sum < draft.part",
        ]
    )


def seal_command(folder: str, path: str, image_format: str, owner: str, *, record_bytes: int) -> str:
    """Check the carried draft, put it on the image, and take the record from stdin: then the journal is complete."""
    return "\n".join(
        [
            f"umask 077; {_as_owner(folder, owner)}",
            f"set -e; {qemu_walls.WORK_LIMITS}",
            f"qemu-img rebase -u -f qcow2 -F {shlex.quote(image_format)} -b {shlex.quote(path)} draft.part",
            "qemu-img check -q -f qcow2 draft.part",
            "mv draft.part draft.qcow2; cat > record.tmp",
            # A link that dies ends the input, too.
            f'[ "$(stat -c %s record.tmp)" = {record_bytes} ] || {{ echo "the record is cut off" >&2; exit 74; }}',
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
    script = "\n".join(
        [
            f"export LC_ALL=C TZ=UTC; {_HELD}",
            "end() { printf '%-4s\\n' \"$1\" 1<> result.tmp; sync result.tmp || sync; mv result.tmp result; exit; }",
            f"now=$({identity_command(path)}); expected={shlex.quote(expected_identity)}",
            "[ -z \"$expected\" ] || [ \"$now\" = \"$expected\" ] || { echo \"changed: $now\" 1<> log; end 90; }",
            # It must not hold the lock itself, and lives as long as anybody does.
            "( while held .; do touch beat; sleep 1; done ) 9>&- & beater=$!",
            f"( {qemu_walls.MEMORY_LIMITS}; exec qemu-img commit -p -d -f qcow2 draft.qcow2 ) 1<> log 2>&1; status=$?",
            f"sync {p} 2>/dev/null || sync",
            f"{{ {identity_command(path)}; }} 1<> after; touch beat; kill $beater; end $status",
        ]
    )  # fmt: skip
    # head(1) says in words when the disk is full.
    places = " && ".join(f"head -c {size} /dev/zero > {name}" for name, size in _PLACES)
    return "\n".join(
        [
            f"export LC_ALL=C; {_HOLD}",
            f"hold {f} || {{ echo 'the image is being written now' >&2; exit 75; }}; cd {f} || exit 1",
            # Whoever removed it had the lock until now.
            "[ -e record.json ] || { echo 'the journal is gone' >&2; exit 74; }",
            f"rm -f result; {places} && : > beat && {{ [ -e begun ] || : > begun; }} || exit 1",
            f"setsid sh -c {shlex.quote(script)} </dev/null >/dev/null 2>&1 &",
        ]
    )


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
        f"{_HELD}\nif held {f}; then echo running; elif [ -e {f}/result ]; then cat {f}/result; "
        f"else echo dead; fi; tr -d '\\0' < {f}/log 2>/dev/null | tail -c 2000"
    )  # fmt: skip


def check_command(path: str, image_format: str) -> str:
    """Check the image's own tables; as with comparing, a guest may have it."""
    if image_format == "raw":
        return "true"
    # What leaks (3) is wasted room, which also a crash of a guest leaves.
    check = f"qemu-img check -U -q -f {shlex.quote(image_format)} -- {shlex.quote(path)}"
    return f"{qemu_walls.MEMORY_LIMITS}; export LC_ALL=C; {check}; s=$?; [ $s = 3 ] || exit $s"


def after_command(folder: str) -> str:
    """Prints what the image was right after the commit."""
    return f"tr -d '\\0' < {shlex.quote(folder)}/after"


def clean_command(folder: str) -> str:
    """Remove the journal. First what makes it one, so that half a journal is none."""
    f = shlex.quote(folder)
    return f"rm -f -- {f}/record.json && rm -rf -- {f}"


def discard_command(folder: str, owner: str = "") -> str:
    """Remove the journal unless somebody works on it; with ``owner``, only if it is his."""
    f = shlex.quote(folder)
    return "\n".join(
        [
            f"export LC_ALL=C; [ -d {f} ] || exit 0; {_HOLD}",
            f"hold {f} || {{ echo 'the image is being written now' >&2; exit 75; }}",
            f'[ -z {shlex.quote(owner)} ] || [ "$(cat {f}/owner)" = {shlex.quote(owner)} ] || exit 0',
            clean_command(folder),
        ]
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
    that for zeros. A guest that has the lock by now does not hinder it.
    """

    def piece(file: str, driver: str, start: int, length: int) -> str:
        name = file.replace(",", ",,")
        protocol = "host_device" if file.startswith("/dev/") else "file"
        inner = f"file.driver={driver},file.file.driver={protocol},file.file.filename={name}"
        return shlex.quote(f"driver=raw,offset={start},size={length},{inner}")

    draft, begin = f"{folder}/draft.qcow2", f"{qemu_walls.MEMORY_LIMITS}; export LC_ALL=C; "
    if ranges is None:
        formats = f"-f qcow2 -F {shlex.quote(image_format)}"
        return f"{begin}qemu-img compare -U -q {formats} -- {shlex.quote(draft)} {shlex.quote(path)}"
    return begin + " && ".join(
        f"qemu-img compare -U -q --image-opts {piece(draft, 'qcow2', *one)} {piece(path, image_format, *one)}"
        for one in ranges
    )
