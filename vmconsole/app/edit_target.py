# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``--edit-image`` names: a file here, a file on a host, or a guest's disk. No Qt; decides before any window.

FILE                                     a file or block device on this computer
ssh://[user@]host[:port]/path            a file on a host, reached through SSH
qemu+ssh://user@host/system#/path        the same, with any libvirt URI that gives a shell
qemu+ssh://user@host/system#guest/vda    a disk of a guest; #guest alone is its first disk
qemu:///system#guest/vda                 the same on this computer
"""

from __future__ import annotations

import argparse
import os
import stat
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from vmconsole.inventory.errors import BadAddress
from vmconsole.links.uri import parse_uri

HELP = (
    "open only the image editor on a disk: FILE on this computer, ssh://[user@]host[:port]/path, or a libvirt URI with "
    "a guest's disk or a path behind «#»: qemu+ssh://root@kvm1/system#web1/vda, …#web1 (its first disk), …#/path"
)


@dataclass(frozen=True, slots=True)
class EditTarget:
    """Either ``path``, or ``guest`` with ``disk`` (empty: the first)."""

    uri: str = ""
    """The host's connection; empty for this computer without libvirt."""
    path: str = ""
    guest: str = ""
    disk: str = ""


def edit_target(text: str) -> EditTarget:
    """Raises argparse.ArgumentTypeError with a sentence for what cannot be right."""
    if "://" in text:
        return _on_host(text)
    return EditTarget(path=_local_file(text))


def _on_host(text: str) -> EditTarget:
    uri, mark, place = text.partition("#")
    if uri.startswith("ssh://"):
        split = urlsplit(uri)
        if mark or not split.path.strip("/"):
            raise argparse.ArgumentTypeError(f"«{text}» is not like ssh://root@kvm1/var/lib/libvirt/images/web1.qcow2")
        parameters = f"?{split.query}" if split.query else ""
        return _checked(EditTarget(f"qemu+ssh://{split.netloc}/system{parameters}", path=unquote(split.path)))
    place = unquote(place)
    if not place:
        raise argparse.ArgumentTypeError(
            f"«{text}» does not say which disk: put #GUEST, #GUEST/vda or #/path behind it (quote the # in a shell)"
        )
    if place.startswith("/"):
        return _checked(EditTarget(uri, path=place))
    guest, _, disk = place.rpartition("/") if "/" in place else (place, "", "")
    if not guest or ("/" in place and not disk):
        raise argparse.ArgumentTypeError(f"«{place}» is not like GUEST or GUEST/vda")
    return _checked(EditTarget(uri, guest=guest, disk=disk))


def _checked(target: EditTarget) -> EditTarget:
    try:
        address = parse_uri(target.uri)
    except BadAddress as error:
        raise argparse.ArgumentTypeError(error.explanation.summary()) from error
    if not address.uses_ssh and not address.is_local_daemon:
        raise argparse.ArgumentTypeError(f"images are opened through SSH, or on this computer, not over «{target.uri}»")
    return target


def _local_file(text: str) -> str:
    path = os.path.abspath(os.path.expanduser(text))
    try:
        kind = os.stat(path).st_mode
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from error
    if not stat.S_ISREG(kind) and not stat.S_ISBLK(kind):
        raise argparse.ArgumentTypeError(f"{text}: neither a file nor a block device")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"{text}: you may not read it")
    return path
