# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error that vmconsole shows, as one tree by what the caller can do.

    ConsoleError
    ├── LinkError                 the host cannot be talked to
    │   ├── BadAddress            the URI is wrong; trying again will not help
    │   ├── ConnectTimeout        nobody answered in time
    │   ├── AuthenticationFailed  ssh refused the login
    │   ├── HostKeyUnknown        first contact; the key must be accepted by the user
    │   ├── HostKeyChanged        the key differs from the known one; never accepted silently
    │   ├── DaemonMissing         SSH works, libvirt is not there or not running
    │   ├── HostNotAnswering      it answered before and does not now
    │   └── LinkLost              the link closed under a call; a change in flight has an unknown outcome
    ├── OperationRefused          the host answered: no
    │   ├── NoSuchDomain
    │   ├── DomainBusy
    │   ├── NotPermitted
    │   ├── Unsupported
    │   └── OutOfRange
    ├── BadDescription            domain XML that cannot be read or is refused
    └── ImageError                a disk image
        ├── ImageInUse
        ├── ImageNoSpace
        ├── ImageDamaged
        ├── ImageUnreadable
        └── ImageLinkLost

Each carries what was tried, where, what the other side said word for word, the likely cause, and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

NOT_IN_CATALOGUE = "not-in-catalogue"
"""The ``Explanation.entry`` of an error of another program that no entry is known for."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A failure in words for a person. ``what`` and ``advice`` are full sentences in plain English."""

    what: str
    """What went wrong, in one sentence."""
    cause: str = ""
    """The likely cause, or empty when it is not known."""
    advice: str = ""
    """What to do next; a command to type is put in backquotes."""
    where: str = ""
    """The host, file or guest that it concerns."""
    said: str = ""
    """The other side's own words, untouched."""
    entry: str = ""
    """Id of the catalogue's entry (``resources/errors``), NOT_IN_CATALOGUE, or empty for what needs no entry."""
    action: str = ""
    """What the console could do about it: an id of ``inventory.catalogue.ACTIONS``, or empty."""
    names: tuple[tuple[str, str], ...] = ()
    """What the entry's pattern found in the words, for example ``(("network", "default"),)``."""

    def summary(self) -> str:
        """One line for a table row or a status bar."""
        return f"{self.what} {self.advice}".strip()

    def text(self) -> str:
        """All of it, for a dialog, a bug report or a log."""
        parts = (self.what, self.cause, self.advice, f"At: {self.where}" if self.where else "")
        return "\n".join([*(p for p in parts if p), *([f"Original words: {self.said}"] if self.said else [])])


class ConsoleError(Exception):
    """Base of the tree. ``str(error)`` is its one-line summary; ``error.explanation`` holds the parts."""

    def __init__(
        self, what: str, *, cause: str = "", advice: str = "", where: str = "", said: str = "",
        entry: str = "", action: str = "", names: tuple[tuple[str, str], ...] = (),
    ) -> None:  # fmt: skip
        self.explanation = Explanation(
            what=what, cause=cause, advice=advice, where=where, said=said, entry=entry, action=action, names=names
        )
        super().__init__(self.explanation.summary())

    def add_advice(self, more: str) -> None:
        """What else is to be done, found out after the error was made."""
        self.explanation = replace(self.explanation, advice=f"{self.explanation.advice} {more}".strip())


class LinkError(ConsoleError):
    """The host cannot be talked to."""


class BadAddress(LinkError):
    """The URI or host name is wrong: trying again will not help."""


class ConnectTimeout(LinkError):
    """Nobody answered in time."""


class AuthenticationFailed(LinkError):
    """ssh (or libvirt) refused the login."""


class HostKeyUnknown(LinkError):
    """The host's key was never seen before."""


class HostKeyChanged(LinkError):
    """The host's key differs from the known one."""


class DaemonMissing(LinkError):
    """The host is reached, but no libvirt daemon answers there."""


class HostNotAnswering(LinkError):
    """The host or its libvirtd answered before and does not now."""


class LinkLost(LinkError):
    """The link closed under a call. A change in flight has an unknown outcome: reconnect and look."""


class OperationRefused(ConsoleError):
    """The host answered and refused."""


class NoSuchDomain(OperationRefused):
    """The guest is gone, most likely removed by someone else."""


class DomainBusy(OperationRefused):
    """The guest is in the wrong state for this, or another job holds it."""


class NotPermitted(OperationRefused):
    """The user may not do this (read-only connection, polkit, file permissions)."""


class Unsupported(OperationRefused):
    """This driver, host or QEMU cannot do it."""


class OutOfRange(OperationRefused):
    """A value outside what the host accepts."""


class BadDescription(ConsoleError):
    """Domain XML that cannot be read, or that libvirt refuses."""


class ImageError(ConsoleError):
    """Something about a disk image."""


class ImageInUse(ImageError):
    """A running guest or another program holds the image."""


class ImageNoSpace(ImageError):
    """A disk is full: the image's, its host's, or this machine's."""


class ImageDamaged(ImageError):
    """Not an image, or one that cannot be read."""


class ImageUnreadable(ImageError):
    """Missing, or the user may not read it."""


class ImageLinkLost(ImageError):
    """The link to a remote image broke; what was not applied is kept in the draft."""
