# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of QEMU, the shell, the kernel and libguestfs turned into errors with a cause and advice. Any thread.

The texts are QEMU's (block/file-posix.c, block/qcow2.c, qemu-img.c) and strerror(3)'s in the C locale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vmconsole.inventory import errors
from vmconsole.inventory.errors import Explanation, ImageError


@dataclass(frozen=True, slots=True)
class Hint:
    pattern: re.Pattern[str]
    kind: type[ImageError]
    cause: str
    advice: str


def _hint(pattern: str, kind: type[ImageError], cause: str, advice: str) -> Hint:
    return Hint(re.compile(pattern, re.IGNORECASE), kind, cause, advice)


HINTS = (
    _hint(
        r'failed to get (shared )?"(write|consistent read|resize)" lock|is another process using the image',
        errors.ImageInUse,
        "A running guest, another console's draft or another program holds the image.",
        "Shut the guest down (or close the other program), then try again.",
    ),
    _hint(
        r"no space left on device|disk quota exceeded|not enough space|wrote only \d+ of \d+ bytes",
        errors.ImageNoSpace,
        "The disk or filesystem that is written to is full.",
        "Free some space there, then try again.",
    ),
    _hint(
        r"permission denied|operation not permitted",
        errors.ImageUnreadable,
        "The user that is logged in there may not do this.",
        "Connect as a user who may (often root), or change the permissions.",
    ),
    _hint(
        r"(qemu-nbd|qemu-img|qemu-io): (command )?not found|command not found: qemu",
        errors.ImageUnreadable,
        "QEMU's disk tools are not installed there.",
        "Install them: `apt install qemu-utils` (Debian, Ubuntu) or `dnf install qemu-img` (Fedora, RHEL).",
    ),
    _hint(
        r"read-only file system",
        errors.ImageError,
        "This filesystem is mounted read-only, because of an error in it or because it does not support writing.",
        "Look at the filesystem's note in the overview; it may need a check (fsck, chkdsk) in the guest.",
    ),
    _hint(
        r"image is not in \w+ format|invalid .*magic|unsupported qcow2 version|could not read (the )?(image|qcow2)"
        r"|corrupt|l1 table|refcount|header|is too small|truncated",
        errors.ImageDamaged,
        "The file is not a disk image of that format, or it is damaged.",
        "Check it with `qemu-img check`, and see whether the guest's definition names the right format.",
    ),
    _hint(
        r"input/output error|remounting filesystem read-only|aborting journal",
        errors.ImageDamaged,
        "The disk below could not be read or written.",
        "Look at the host's kernel log (`dmesg`) and its disks.",
    ),
    _hint(
        r"no such file or directory", errors.ImageUnreadable, "It is not there (any more).", "Look at the folder again."
    ),
    _hint(r"file exists", errors.ImageError, "Something of that name is there already.", "Choose another name."),
    _hint(r"is a directory", errors.ImageError, "It is a folder.", "Open the folder instead."),
    _hint(r"not a directory", errors.ImageError, "A part of the path is not a folder.", "Look at the folder above it."),
    _hint(r"directory not empty", errors.ImageError, "The folder is not empty.", "Delete what is in it first."),
    _hint(r"file name too long", errors.ImageError, "The name is too long for this filesystem.", "Shorten it."),
    _hint(
        r"appliance closed the connection|call launch before|guestfsd: error reading|unexpected end of file",
        errors.ImageLinkLost,
        "The appliance that reads the image has ended.",
        "Open the image again; the draft is kept.",
    ),
)


def explained(what: str, said: str, *, where: str = "", otherwise: type[ImageError] = ImageError) -> ImageError:
    """The error for the other side's words ``said``; ``otherwise`` is the kind when no pattern is known."""
    for hint in HINTS:
        if hint.pattern.search(said):
            return hint.kind(what, cause=hint.cause, advice=hint.advice, where=where, said=said.strip())
    return otherwise(what, where=where, said=said.strip())


def error_of(kind: str, explanation: Explanation) -> ImageError:
    """An error that came over the wire, made again. An unknown kind becomes a plain ImageError."""
    found = getattr(errors, kind, ImageError)
    made = found if isinstance(found, type) and issubclass(found, ImageError) else ImageError
    e = explanation
    return made(e.what, cause=e.cause, advice=e.advice, where=e.where, said=e.said)
