# SPDX-License-Identifier: GPL-3.0-or-later
"""``--self-test``: what is installed here and what really works, one line each. Needs no display."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from vmconsole import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROBE_S = 20.0


def run() -> int:
    """Print the report; 0 when everything that the console cannot do without is there, else 1."""
    good = True
    for name, needed, probe in PROBES:
        try:
            found = probe()
        except Exception as error:  # noqa: BLE001  # whatever a broken installation raises is the finding
            found, good = f"NOT WORKING: {type(error).__name__}: {error}", good and not needed
        sys.stdout.write(f"{name:<12} {found}\n")
    return 0 if good else 1


def _first_line(argv: Sequence[str]) -> str:
    program = shutil.which(argv[0])
    if program is None:
        raise FileNotFoundError(f"{argv[0]} is not installed")
    done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, timeout=PROBE_S, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0]


def _qt() -> str:
    import PySide6
    from PySide6.QtCore import qVersion

    return f"Qt {qVersion()}, PySide6 {PySide6.__version__}"


def _libvirt() -> str:
    from vmconsole.links import libvirt_link

    return libvirt_link.library_version()


def _guestfs() -> str:
    return _first_line([sys.executable, "-m", "vmconsole.images.worker", "--version"])


def _kvm() -> str:
    from vmconsole.images.kvm import acceleration

    found = acceleration(None)
    return (
        "works"
        if found.works
        else f"does not work here; images are opened without it, slower ({_last_line(found.said)})"
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def _keyring() -> str:
    from vmconsole.settings import secrets

    return secrets.backend_name()


PROBES: tuple[tuple[str, bool, Callable[[], str]], ...] = (
    ("vmconsole", True, lambda: __version__),
    ("python", True, lambda: f"{platform.python_version()} ({sys.executable})"),
    ("qt", True, _qt),
    ("libvirt", True, _libvirt),
    ("ssh", True, lambda: _first_line(["ssh", "-V"])),
    ("guestfs", False, _guestfs),
    ("qemu-img", False, lambda: _first_line(["qemu-img", "--version"])),
    ("qemu-nbd", False, lambda: _first_line(["qemu-nbd", "--version"])),
    ("kvm", False, _kvm),
    ("keyring", False, _keyring),
)
"""Name, whether the console cannot do without it, and how to find out."""
