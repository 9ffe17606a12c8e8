# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether KVM really works on this machine. Blocks for a tenth of a second; any thread.

That /dev/kvm opens, and even that QEMU says KVM is enabled, proves nothing (nested or restricted KVM fails later, with
an abort): only a QEMU that made a virtual CPU with ``accel=kvm`` does. The answer is kept until the machine or QEMU
changes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vmconsole.links.children import run

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_QMP = b'{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n'
_DEADLINE_S = 5.0
SLOW_NOTE = (
    "KVM does not work on this computer, so images are read by an emulated machine: expect 15 to 60 s to open one."
)


@dataclass(frozen=True, slots=True)
class Acceleration:
    works: bool
    said: str = ""
    """QEMU's words when it does not."""

    @property
    def note(self) -> str:
        """Empty, or a sentence for the user."""
        return "" if self.works else SLOW_NOTE


def acceleration(cache_file: Path | None, *, device: Path = Path("/dev/kvm")) -> Acceleration:
    """The truth about KVM here, from ``cache_file`` if it was found out since this boot with this QEMU."""
    if not os.access(device, os.R_OK | os.W_OK):
        return Acceleration(works=False, said=f"{device} cannot be opened")
    program = _qemu()
    if program is None:
        return Acceleration(works=False, said="no QEMU for this computer's processor was found")
    key = _key(program)
    known = _read(cache_file, key)
    if known is None:
        known = probe(program)
        _write(cache_file, key, known)
    return known


def remember_failure(cache_file: Path | None, said: str) -> Acceleration:
    """KVM passed the probe and failed with the appliance: until the machine or QEMU changes, it is not tried again."""
    failed, program = Acceleration(works=False, said=said), _qemu()
    if program is not None:
        _write(cache_file, _key(program), failed)
    return failed


def probe(program: str) -> Acceleration:
    """Start QEMU with one virtual CPU and KVM as the only choice, and let it quit."""
    command = [
        program, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "accel=kvm,graphics=off",
        "-cpu", "max", "-m", "64", "-S", "-qmp", "stdio",
    ]  # fmt: skip
    try:
        done = run(command, deadline_s=_DEADLINE_S, feed=_QMP)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Acceleration(works=False, said=str(error))
    return Acceleration(works=done.status == 0, said=done.err.decode(errors="replace").strip()[-500:])


def _qemu() -> str | None:
    machine = os.uname().machine
    names = (f"qemu-system-{machine}", "qemu-kvm", "/usr/libexec/qemu-kvm")
    return next((found for name in names if (found := shutil.which(name))), None)


def _key(program: str) -> str:
    found = os.stat(program)
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{boot} {program} {found.st_size} {found.st_mtime_ns}"


def _read(cache_file: Path | None, key: str) -> Acceleration | None:
    if cache_file is None:
        return None
    try:
        kept = json.loads(cache_file.read_text(encoding="utf-8"))
        return Acceleration(bool(kept["works"]), str(kept["said"])) if kept["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(cache_file: Path | None, key: str, known: Acceleration) -> None:
    if cache_file is None:
        return
    try:
        cache_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        cache_file.write_text(json.dumps({"key": key, "works": known.works, "said": known.said}), encoding="utf-8")
    except OSError:
        # Not kept: the next one asks again, which costs a tenth of a second.
        return
