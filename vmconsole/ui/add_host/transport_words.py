# SPDX-License-Identifier: GPL-3.0-or-later
"""What a way to a host means, said while it is chosen: what it needs, what goes without, whether it is safe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

if TYPE_CHECKING:
    from vmconsole.links.uri import ConnectionUri

translate = QCoreApplication.translate


@dataclass(frozen=True, slots=True)
class TransportWords:
    text: str
    is_warning: bool = False


NOTHING = TransportWords("")


def words_for(uri: ConnectionUri) -> TransportWords:
    """Empty for what needs no word: ssh, and the daemon of this computer."""
    no_shell = translate(
        "Transports", "There is no shell on this way: no figures from control groups, and images are not opened."
    )
    if uri.transport == "tcp":
        what = translate(
            "Transports",
            "Not encrypted: whoever is on the network between can read everything, and change it. "
            "Use qemu+ssh:// or qemu+tls:// unless nobody else is on that network.",
        )
        return TransportWords(f"{what} {no_shell}", is_warning=True)
    if uri.transport == "tls":
        what = translate(
            "Transports",
            "Encrypted by certificates of libvirt: yours lie in ~/.pki/libvirt or /etc/pki/libvirt, and the host "
            "listens at port 16514.",
        )
        return TransportWords(f"{what} {no_shell}")
    if uri.transport in {"libssh", "libssh2"}:
        what = translate(
            "Transports",
            "ssh by a library of libvirt, not by your ssh program: your ssh configuration and jump hosts do not count, "
            "and nobody is asked for a password here. Choose SSH unless you must not.",
        )
        return TransportWords(f"{what} {no_shell}")
    if uri.transport == "ext":
        what = translate(
            "Transports", "Through a program of yours, which must talk to libvirt's socket by its input and output."
        )
        return TransportWords(f"{what} {no_shell}")
    return NOTHING
