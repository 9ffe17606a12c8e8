# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply: a draft is carried to the image's host, sealed as a journal there, committed, verified, and forgotten.

Until the seal the image is untouched and a failure leaves nothing behind. After it, the host finishes by itself, or the
next Apply does. Blocks; the session's thread, except ``cancel``. The steps on the host are in ``journal``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shlex
import subprocess
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from vmconsole.images import journal, qemu_walls
from vmconsole.images.device_use import check_free
from vmconsole.images.hints import explained
from vmconsole.inventory.errors import ConsoleError, ImageDamaged, ImageError, ImageInUse, ImageLinkLost, ImageNoSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vmconsole.images.facts import ImageFacts
    from vmconsole.links.base import Completed, Shell

    Ranges = tuple[tuple[int, int], ...]

log = logging.getLogger(__name__)
_CHUNK_BYTES = 1024 * 1024
_SHORT_S = 30.0
_LONG_S = 600.0
_POLL_S = 0.1
_AT_ONCE, _MOST_RANGES = 64, 4096
"""Ranges that one command on the host compares; past the second number it compares the whole image, once."""
_WHOLE_S = 6 * 3600.0
_SPARE_KIB = 16 * 1024
_CHANGED = "90"
"""The commit's own status for «the image is not what it was»."""
_DIFFERS = 1
"""qemu-img compare's status for it (qemu-img(1))."""
_NOT_OPENED = re.compile(r"^qemu-img: (Could not open|Failed to get)", re.MULTILINE)
"""qemu-img's words when it could not even begin, for example because a guest has the lock."""


def check_users(users: tuple[str, ...], where: str) -> None:
    """Raises ImageInUse if a guest uses the image."""
    if users:
        raise ImageInUse(
            f"The image is used by the running guest {', '.join(users)}.",
            cause="To write to a disk under a running guest destroys its filesystems.",
            advice="Shut the guest down, then Apply again. The draft is kept.",
            where=where,
        )


class Apply:
    """One Apply of one draft, or the end of an earlier one."""

    def __init__(self, shell: Shell, facts: ImageFacts, *, report: Callable[[str, int, int], None]) -> None:
        self._shell, self._facts = shell, facts
        self._report = report
        self._cancelled = threading.Event()
        self._carrier: subprocess.Popen[bytes] | None = None
        self.has_begun = False
        """Whether the image may have been written."""
        self._owner = ""
        """Whose journal it is, once it was begun here."""
        self._journal_bytes = 0

    @property
    def _where(self) -> str:
        return self._facts.path if self._shell.is_local else f"{self._shell.where}: {self._facts.path}"

    def cancel(self) -> None:
        """Stop, as long as the draft is only being carried. Any thread."""
        self._cancelled.set()
        carrier = self._carrier
        if carrier is not None:
            carrier.kill()

    def check_free(self) -> None:
        """Raises ImageInUse if the image is a device that its host itself uses now."""
        check_free(self._shell, self._facts)

    def check_unchanged(self) -> None:
        """Raises ImageError if the image is not what it was when it was opened."""
        now = self._run(journal.identity_command(self._facts.path), "The image cannot be looked at.").out
        if _line(now) != self._facts.identity:
            raise self._changed(f"then: {self._facts.identity}; now: {_line(now)}")

    def _changed(self, said: str) -> ImageError:
        return ImageError(
            "The image was changed by somebody else since it was opened, so the draft does not fit it any more.",
            cause="The draft was not applied; the image is as it was left by them.",
            advice="Export what you need from the draft, discard it, and open the image again.",
            where=self._where,
            said=said,
        )

    def check_space(self, overlay_bytes: int, grows_bytes: int = 0) -> None:
        """Raises ImageNoSpace unless the host has room for the journal, and for what the image may grow by: as much,
        and not less than ``grows_bytes``."""
        journals = _parent(self._facts.journal_folder)
        images = _parent(self._facts.path)
        command = f"LC_ALL=C df -P -k -- {shlex.quote(journals)} {shlex.quote(images)} | tail -n 2"
        rows = [r.split() for r in self._run(command, "The host's free space is not known.").out.decode().splitlines()]
        needed_kib = overlay_bytes // 1024 + _SPARE_KIB
        grows_kib = max(overlay_bytes, grows_bytes) // 1024
        needs = [needed_kib, 0 if self._facts.is_block_device else grows_kib]
        if rows[0][0] == rows[1][0]:
            needs = [sum(needs), sum(needs)]
        for row, need in zip(rows, needs, strict=True):
            if int(row[3]) < need:
                raise ImageNoSpace(
                    f"The host needs {need >> 10} MiB free in {row[5]} for this, and has {int(row[3]) >> 10} MiB.",
                    cause="The draft is carried there whole, and the image may grow by as much or more.",
                    advice="Free some space there, then Apply again. The draft is kept.",
                    where=self._where,
                )

    def carry(self, overlay: Path, record: journal.Record) -> None:
        """Bring the draft to the host and seal it there. After a failure or ``cancel`` the host is as before."""
        facts, text = self._facts, journal.record_text(record)
        begin = journal.begin_command(facts.journal_folder, record.draft_id)
        self._run(begin, "The draft cannot be carried to the host.")
        self._owner = record.draft_id
        try:
            self._send(overlay)
            seal = journal.seal_command(
                facts.journal_folder, facts.path, facts.format, record.draft_id, record_bytes=len(text)
            )
            self._run(seal, "The carried draft cannot be used on the host.", feed=text)
        except BaseException:
            # Also a cancel must leave nothing there. If the link is gone, the next Apply clears it away.
            self.discard_quietly()
            raise

    def _send(self, overlay: Path) -> None:
        total, sent, digest = overlay.stat().st_size, 0, hashlib.sha256()
        carrier = self._carrier = self._shell.popen(journal.carry_command(self._facts.journal_folder, self._owner))
        assert carrier.stdin is not None
        try:
            with overlay.open("rb") as file:
                while (part := file.read(_CHUNK_BYTES)) and not self._cancelled.is_set():
                    carrier.stdin.write(part)
                    digest.update(part)
                    sent += len(part)
                    self._report("Carrying the draft to the host", sent, total)
            out, said = carrier.communicate(timeout=_LONG_S)
        except (BrokenPipeError, subprocess.TimeoutExpired) as error:
            carrier.kill()
            out, said = carrier.communicate()
            said = said or str(error).encode()
        finally:
            self._carrier = None
        if self._cancelled.is_set():
            raise CancelledError
        if carrier.returncode or out.split()[:1] != [digest.hexdigest().encode()]:
            words = said.decode(errors="replace")
            raise explained("The draft did not arrive on the host.", words, where=self._where, otherwise=ImageLinkLost)

    def commit(self, *, expects_unchanged: bool, keeps_journal: bool = False) -> None:
        """Write the sealed journal into the image, and verify. ``clean`` clears the journal away.

        If nothing could be written, the journal goes; not with ``keeps_journal``: another disk of the same Apply is
        written already, and this one must follow.
        """
        facts = self._facts
        self.has_begun = True
        expected = facts.identity if expects_unchanged else ""
        command = journal.commit_command(facts.journal_folder, facts.path, facts.format, expected_identity=expected)
        started = self._shell.run(command, deadline_s=_SHORT_S)
        may_go = expects_unchanged and not keeps_journal
        if started.status:
            self._give_up("not started", started.err.decode(errors="replace"), is_first=may_go)
        self.await_end(is_first=may_go)

    def await_end(self, *, is_first: bool = False) -> None:
        """Wait for a commit that runs on the host; then verify. ``is_first``: the image was whole when it began."""
        self.has_begun = True
        result, log = self._polled()
        if result != "0":
            self._give_up(result, log, is_first=is_first)
        self._verify()

    def identity_after(self) -> str:
        """What the image was right after the commit."""
        out = self._run(journal.after_command(self._facts.journal_folder), "The journal cannot be read.").out
        return _line(out)

    def clean(self) -> None:
        """Clear the journal away: all is done."""
        self._run(journal.clean_command(self._facts.journal_folder), "The journal cannot be removed from the host.")

    def _polled(self) -> tuple[str, str]:
        while True:
            out = self._run(
                journal.poll_command(self._facts.journal_folder), "The host does not say how far it is."
            ).out
            state, _, log = out.decode(errors="replace").partition("\n")
            if state != "running":
                return state.strip(), log
            done = re.findall(r"\(([\d.]+)/100%\)", log)
            total = self._size_of_journal()
            self._report("Writing the image", int(total * float(done[-1]) / 100) if done else 0, total)
            time.sleep(_POLL_S)

    def _size_of_journal(self) -> int:
        """Bytes that are written, nearly: so that a rate and the time left can be told."""
        if not self._journal_bytes:
            draft = shlex.quote(f"{self._facts.journal_folder}/draft.qcow2")
            out = self._run(f"stat -c %s -- {draft} 2>/dev/null || echo 0", "The journal cannot be read.").out
            self._journal_bytes = int(out)
        return self._journal_bytes

    def _give_up(self, result: str, log: str, *, is_first: bool) -> None:
        """Raise for a failed commit. If it surely had not written yet, the journal goes and only the draft stays."""
        said = re.sub(r"\s*\([\d.]+/100%\)\s*", "", log).strip()
        if is_first and self._is_untouched(result, said) and self._discarded():
            self.has_begun = False
            if result == _CHANGED:
                raise self._changed(said)
            raise explained("The draft was not applied; the image is as it was.", said, where=self._where)
        problem = explained("The draft was applied only in part.", said, where=self._where).explanation
        raise ImageDamaged(
            problem.what,
            cause=problem.cause,
            advice="Do not start the guest. Open the image again and choose Apply: the host's journal finishes it.",
            where=self._where,
            said=said or f"the commit ended with «{result}»",
        )

    def _is_untouched(self, result: str, said: str) -> bool:
        if result == _CHANGED or _NOT_OPENED.search(said):
            return True
        if self._facts.is_block_device:
            return False  # a device does not tell when it was written
        now = self._run(journal.identity_command(self._facts.path), "The image cannot be looked at.").out
        return _line(now) == self._facts.identity

    def _discarded(self) -> bool:
        command = journal.discard_command(self._facts.journal_folder, self._owner)
        return self._shell.run(command, deadline_s=_SHORT_S).status == 0

    def _verify(self) -> None:
        """Compare what the draft holds with what the image now has there, and check the image itself.

        It was written whole, and flushed. What somebody else wrote to it since (a guest that was started at once, or
        after the link died) is no damage, and then nothing can be told any more.
        """
        found = self._difference()
        if found is None:
            return
        if self._is_others_by_now():
            log.warning("%s was written by somebody else before it could be verified: %s", self._where, found[1])
            return
        raise explained(*found, where=self._where)

    def _is_others_by_now(self) -> bool:
        now = self._run(journal.identity_command(self._facts.path), "The image cannot be looked at.").out
        return _line(now) != self.identity_after()

    def _difference(self) -> tuple[str, str] | None:
        """What is wrong, and what QEMU says of it; None if all is well."""
        facts = self._facts
        draft = shlex.quote(f"{facts.journal_folder}/draft.qcow2")
        extents = json.loads(
            self._run(
                f"{qemu_walls.WORK_LIMITS}; qemu-img map -U --output=json -f qcow2 -- {draft}",
                "The journal cannot be read.",
            ).out
        )
        done, ranges = 0, journal.ranges_of(extents)
        total = sum(length for _, length in ranges)
        for some, deadline_s in _parts(ranges):
            self._report("Verifying", done, total)
            done += sum(length for _, length in some or ())
            command = journal.compare_command(facts.journal_folder, facts.path, facts.format, some)
            compared = self._shell.run(command, deadline_s=deadline_s)
            if compared.status == _DIFFERS:
                return "The image does not have what was written to it.", _words(compared)
            if compared.status:
                return "What was written to the image could not be read again.", _words(compared)
        checked = self._shell.run(journal.check_command(facts.path, facts.format), deadline_s=_WHOLE_S)
        return ("The image's own tables are wrong after the Apply.", _words(checked)) if checked.status else None

    def discard_journal(self) -> None:
        """Remove an unfinished Apply from the host, by the user's wish."""
        self._run(journal.discard_command(self._facts.journal_folder), "The journal cannot be removed from the host.")

    def discard_quietly(self) -> bool:
        """Remove what this Apply carried. False if that could not be done: the link is gone, or somebody works on
        it."""
        if not self._owner:
            return True
        try:
            return self._discarded()
        except (ConsoleError, OSError):
            return False

    def _run(self, command: str, what: str, *, feed: bytes = b"", deadline_s: float = _LONG_S) -> Completed:
        done = self._shell.run(command, deadline_s=deadline_s, feed=feed)
        if done.status:
            raise explained(what, _words(done), where=self._where)
        return done


def _parts(ranges: Ranges) -> Iterator[tuple[Ranges | None, float]]:
    """What is compared by one command, and how long that may take. None is the whole image."""
    if len(ranges) > _MOST_RANGES:
        yield None, _WHOLE_S
        return
    for first in range(0, len(ranges), _AT_ONCE):
        yield ranges[first : first + _AT_ONCE], _LONG_S


def _words(done: Completed) -> str:
    return (done.err or done.out).decode(errors="replace")


def _line(out: bytes) -> str:
    return out.decode(errors="surrogateescape").strip("\n")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
