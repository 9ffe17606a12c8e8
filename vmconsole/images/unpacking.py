# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that QEMU does not know, made into files that it does: Android's sparse images and nandroid backups.

A nandroid backup is a folder, or a tar of one, with a file for each partition: images, raw or sparse, or archives of a
partition's files (TWRP's ``*.win``, also in parts, ClockworkMod's ``*.tar``), which become filesystems (``archives``).
So does a tar of anything else. Raw images of a folder are served in place; everything else becomes a file in a private
folder on this machine, which goes with ``close``. Blocks; the session's thread. What is read here is hostile: it is
read in order; what is written is bounded by the free space; names from inside are only shown.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
import shlex
import shutil
import tempfile
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import android_sparse, archives, lz4_frames, names
from vmconsole.images.facts import Packing
from vmconsole.images.hints import explained
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import Explanation, ImageDamaged, ImageNoSpace, ImageUnreadable
from vmconsole.links.ending import kill
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from vmconsole.images.facts import ImageFacts
    from vmconsole.links.base import Shell

MOST_IMAGES = 20
SPARE_BYTES = 64 * 1024 * 1024
"""Room that is left on this machine's disk."""
_CHUNK = 1024 * 1024
_INSTALL = "If it is an archive of files: install squashfs-tools 4.5 or newer here, with which it is shown."
_LIST_DEADLINE_S = 60.0
_HEAD_BYTES = 2048
_MARKS = ((1080, b"\x53\xef"), (1024, b"\x10\x20\xf5\xf2"), (1024, b"\xe2\xe1\xf5\xe0"), (0, b"hsqs"), (82, b"FAT32"))
"""Where ext, f2fs, erofs, squashfs and FAT say what they are; boot and recovery images say none of these."""
_PARTITION = re.compile(
    r"(^|/)(system\w*|vendor|product|odm|data|userdata|datadata|cache|efs|persist|preload|sd-ext|\.?android_secure)"
    r"(\.\w+)?\.(win\d*|tar(\.gz|\.md5)?|tgz)$"
)
"""As TWRP and ClockworkMod call them."""
_LIST = """\
cd -- {folder} || exit 66
for f in ./*; do
  [ -f "$f" ] && [ ! -L "$f" ] || continue
  printf '%s ' "$(head -c 2048 -- "$f" | od -An -v -tx1 | tr -d ' \\n')"; printf '%s\\0' "${{f#./}}"
done
"""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """``parts`` are opened each through its shell. ``close`` removes the copies."""

    parts: tuple[tuple[ImageSource, Shell], ...]
    reason: Explanation
    """Why they are to look only."""
    folder: Path
    shell: LocalShell

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.shell.close()


def unpack(
    shell: Shell,
    facts: ImageFacts,
    work_dir: Path,
    *,
    report: Callable[[str, int, int], None],
    is_cancelled: Callable[[], bool],
) -> Unpacked:
    """Make what is packed openable. Raises ImageError, or CancelledError; nothing is left then."""
    work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="unpacked-", dir=work_dir))
    work = _Unpacking(shell, facts, folder, report, is_cancelled)
    try:
        parts = work.all_parts()
    except BaseException:
        # Also a cancel must leave no copy behind.
        shutil.rmtree(folder, ignore_errors=True)
        work.local.close()
        raise
    return Unpacked(parts, _reason(facts, work), folder, work.local)


class _Unpacking:
    """One run of ``unpack``."""

    def __init__(
        self,
        shell: Shell,
        facts: ImageFacts,
        folder: Path,
        report: Callable[[str, int, int], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._shell, self._facts, self._folder = shell, facts, folder
        self._report, self._is_cancelled = report, is_cancelled
        self.local = LocalShell()
        self.left_out: list[str] = []
        self.has_archives = False
        self.skipped = 0
        """Things in archives that are not shown."""
        self._copies = 0
        self._written = 0

    def all_parts(self) -> tuple[tuple[ImageSource, Shell], ...]:
        found = tuple(self._parts())
        if not found:
            raise ImageUnreadable(
                "There is no image of a filesystem in it.",
                cause=_left_out_words(self.left_out) or "It has no files that look like one.",
                advice="" if archives.can_be_packed() else _INSTALL,
                where=self._facts.path,
            )
        return found

    def _parts(self) -> Iterator[tuple[ImageSource, Shell]]:
        match self._facts.packing:
            case Packing.SPARSE:
                yield self._streamed(self._facts.path, posixpath.basename(self._facts.path))
            case Packing.FOLDER:
                yield from self._of_folder()
            case Packing.LZ4:
                yield from self._of_lz4(self._facts.path, posixpath.basename(self._facts.path))
            case _:
                yield from self._of_archive(self._facts.path)

    def _of_archive(self, path: str) -> Iterator[tuple[ImageSource, Shell]]:
        """Images that are in a tar, or else, in a second reading, its files as a filesystem."""
        name = posixpath.basename(path)
        if archives.whole_name(name) != name:
            yield from self._of_parts(archives.whole_name(name), self._siblings(path))
            return
        found = 0
        if not name.endswith((".win", ".ab")):
            with self._cat(path) as stream:
                for part in self._of_tar(stream):
                    found += 1
                    yield part
        if not found:
            self.left_out.clear()
            yield from self._of_parts(name, [path])

    def _of_lz4(self, path: str, name: str) -> Iterator[tuple[ImageSource, Shell]]:
        """An image in LZ4, or else an archive: which of them shows when it is read."""
        inner = name.removesuffix(".lz4")
        with self._in_lz4(inner), self._cat(path) as packed:
            stream = archives.Joined(b"", lz4_frames.Unpacked(packed)).peeked(_HEAD_BYTES)
            if not archives.is_archive(stream.start, inner):
                yield self._copied(stream, inner), self.local
                return
        with self._in_lz4(inner), self._cat(path) as packed:
            found = tuple(self._of_tar(lz4_frames.Unpacked(packed)))
        if found:
            yield from found
            return
        self.left_out.clear()
        if not archives.can_be_packed():
            self.left_out.append(name)
            return
        with self._in_lz4(inner), self._cat(path) as packed, self._files_image() as made:
            self._add(made, lz4_frames.Unpacked(packed), inner)
            yield self._finished(made, inner), self.local

    @contextlib.contextmanager
    def _in_lz4(self, name: str) -> Iterator[None]:
        if not lz4_frames.can_be_read():
            raise ImageUnreadable(
                "The backup is packed with LZ4, which cannot be read here.",
                advice="Install liblz4 on this computer (`apt install liblz4-1`).",
                where=self._facts.path,
            )
        try:
            yield
        except lz4_frames.BadLz4 as error:
            raise self._in_archive(ImageDamaged("The LZ4 data is damaged.", said=str(error)), name) from error

    def _siblings(self, path: str) -> list[str]:
        """The parts of the archive of which this is the first, in order."""
        whole = archives.whole_name(path)
        pattern = shlex.quote(whole) + (".[a-z]" if archives.is_cut(path) else "[0-9][0-9][0-9]")
        done = self._shell.run(f"for f in {pattern}; do printf '%s\\0' \"$f\"; done", deadline_s=_LIST_DEADLINE_S)
        return [raw.decode(errors="surrogateescape") for raw in done.out.split(b"\0")[:-1]]

    def _of_parts(self, name: str, paths: list[str]) -> Iterator[tuple[ImageSource, Shell]]:
        """One filesystem of an archive of files, whole or in parts."""
        if not archives.can_be_packed():
            self.left_out.append(name)
            return
        together = [paths] if archives.is_cut(posixpath.basename(paths[0])) else [[path] for path in paths]
        with self._files_image() as made:
            for some in together:
                with self._cat(*some) as stream:
                    self._add(made, stream, name)
            yield self._finished(made, name), self.local

    @contextlib.contextmanager
    def _files_image(self) -> Iterator[archives.FilesImage]:
        made = archives.FilesImage(self._next_copy(), wrote=self._wrote)
        try:
            yield made
        finally:
            made.close()

    def _add(self, made: archives.FilesImage, stream: android_sparse.Stream, name: str) -> None:
        try:
            made.add(stream)
        except ImageDamaged as error:
            raise self._in_archive(error, name) from error
        except ImageUnreadable as error:
            found = error.explanation
            raise ImageUnreadable(found.what, advice=found.advice, where=self._facts.path) from error

    def _finished(self, made: archives.FilesImage, name: str) -> ImageSource:
        try:
            made.finish()
        except ImageDamaged as error:
            raise self._in_archive(error, name) from error
        self.has_archives = True
        self.skipped += made.skipped
        return ImageSource(str(made.image), "raw", is_read_only=True, target=_short(name))

    def _in_archive(self, error: ImageDamaged, name: str) -> ImageDamaged:
        found = error.explanation
        what = f"{found.what[:-1]}: «{names.shown_text(name)}»."
        return ImageDamaged(what, where=self._facts.path, said=found.said, advice="Copy it to the host again.")

    def _of_folder(self) -> Iterator[tuple[ImageSource, Shell]]:
        done = self._shell.run(_LIST.format(folder=shlex.quote(self._facts.path)), deadline_s=_LIST_DEADLINE_S)
        if done.status:
            raise explained("The folder cannot be read.", done.err.decode(errors="replace"), where=self._facts.path)
        parts: dict[str, list[str]] = {}
        for row in sorted(done.out.split(b"\0")[:-1], key=lambda r: r.split(b" ", 1)[1]):
            head, raw_name = row.split(b" ", 1)
            name = raw_name.decode(errors="surrogateescape")
            path = posixpath.join(self._facts.path, name)
            start = bytes.fromhex(head.decode())
            if start.startswith(android_sparse.MAGIC):
                yield self._streamed(path, name)
            elif start.startswith(lz4_frames.MAGIC) and name.endswith(".lz4"):
                yield from self._of_lz4(path, name)
            elif _is_filesystem(start):
                where = self._shell.where
                yield ImageSource(path, "raw", where=where, is_read_only=True, target=_short(name)), self._shell
            elif archives.is_archive(start, name) or (archives.is_cut(name) and archives.whole_name(name) in parts):
                parts.setdefault(archives.whole_name(name), []).append(path)
            else:
                self.left_out.append(name)
        for name, paths in parts.items():
            yield from self._of_parts(name, paths)

    def _of_tar(self, stream: android_sparse.Stream) -> Iterator[tuple[ImageSource, Shell]]:
        with contextlib.ExitStack() as stack:
            made: dict[str, archives.FilesImage] = {}
            try:
                with archives.read_archive(stream) as archive:
                    for member in archives.members_of(archive):
                        file = archive.extractfile(member) if member.isreg() else None
                        if file is None:
                            continue
                        head = file.read(_HEAD_BYTES)
                        if head.startswith(lz4_frames.MAGIC) and member.name.endswith(".img.lz4"):
                            yield self._member_in_lz4(archives.Joined(head, file), member.name), self.local
                            continue
                        if head.startswith(android_sparse.MAGIC) or _is_filesystem(head):
                            yield self._copied(archives.Joined(head, file), member.name), self.local
                        elif _is_whole_archive(head, member.name) and archives.can_be_packed():
                            name = archives.whole_name(member.name)
                            image = made.get(name) or made.setdefault(name, stack.enter_context(self._files_image()))
                            self._add(image, archives.Joined(head, file), name)
                        else:
                            self.left_out.append(member.name)
            except archives.DAMAGE as error:
                raise ImageDamaged("The archive is damaged.", where=self._facts.path, said=str(error)) from error
            for name, image in made.items():
                yield self._finished(image, name), self.local

    def _member_in_lz4(self, packed: android_sparse.Stream, name: str) -> ImageSource:
        with self._in_lz4(name):
            return self._copied(lz4_frames.Unpacked(packed), name)

    def _streamed(self, path: str, name: str) -> tuple[ImageSource, Shell]:
        with self._cat(path) as stream:
            return self._copied(stream, name), self.local

    def _next_copy(self) -> Path:
        if self._copies >= MOST_IMAGES:
            raise ImageUnreadable(f"There are more than {MOST_IMAGES} images in it.", where=self._facts.path)
        self._copies += 1
        return self._folder / f"{self._copies}.raw"

    def _copied(self, stream: android_sparse.Stream, name: str) -> ImageSource:
        copy = self._next_copy()
        head = archives.Joined(b"", stream).peeked(4)
        with copy.open("wb") as out:
            try:
                if head.start[:4] == android_sparse.MAGIC:
                    android_sparse.expand(head, out, wrote=self._wrote)
                else:
                    self._copy(head, out)
            except android_sparse.BadSparse as error:
                raise ImageDamaged(
                    f"The sparse image «{names.shown_text(name)}» is damaged: {error}.",
                    advice="Copy it to the host again.",
                    where=self._facts.path,
                ) from error
        return ImageSource(str(copy), "raw", is_read_only=True, target=_short(name))

    def _copy(self, stream: android_sparse.Stream, out: IO[bytes]) -> None:
        while part := stream.read(_CHUNK):
            self._wrote(len(part))
            if self._written > archives.MOST_BYTES:  # holes take no room
                most = f"There is more than {archives.MOST_BYTES >> 40} TiB in it."
                raise ImageUnreadable(most, advice="Unpack it where there is room.", where=self._facts.path)
            if part.count(0) == len(part):
                out.seek(len(part), 1)
            else:
                out.write(part)
        out.truncate(out.tell())

    def _wrote(self, count: int) -> None:
        if self._is_cancelled():
            raise CancelledError
        self._written += count
        free = shutil.disk_usage(self._folder).free
        if free < count + SPARE_BYTES:
            raise ImageNoSpace(
                "This computer has no room for the unpacked image.",
                advice="Free some space, or choose another place for drafts.",
                where=str(self._folder),
            )
        self._report("Unpacking", self._written, 0)

    @contextlib.contextmanager
    def _cat(self, *paths: str) -> Iterator[IO[bytes]]:
        process = self._shell.popen(f"exec cat -- {shlex.join(paths)}")
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            kill(process)


def _is_filesystem(head: bytes) -> bool:
    return any(head[at : at + len(mark)] == mark for at, mark in _MARKS)


def _is_whole_archive(head: bytes, name: str) -> bool:
    """Whether a file in an archive is a partition's archive: other archives may lie anywhere among files."""
    return _PARTITION.search(name) is not None and archives.is_archive(head, name) and not archives.is_cut(name)


def _short(name: str) -> str:
    """«system» of «backup/system.ext4.img»."""
    return names.shown_text(posixpath.basename(name)).split(".")[0]


def _left_out_words(left_out: list[str]) -> str:
    if not left_out:
        return ""
    shown = ", ".join(names.shown_text(name) for name in left_out[:8])
    more = f" and {len(left_out) - 8} more" if len(left_out) > 8 else ""
    return f"Left out, as they are neither images of filesystems nor archives: {shown}{more}."


def _reason(facts: ImageFacts, work: _Unpacking) -> Explanation:
    skipped = "Devices, pipes, and names that are there twice or lead out are not shown." if work.skipped else ""
    what, how = ("This is a packed image", "convert it first: `simg2img`")
    if work.has_archives:
        what, how = ("This is an archive of files, shown as a filesystem", "unpack it with tar")
    return Explanation(
        f"{what}, which can only be looked at.",
        cause=f"{_left_out_words(work.left_out)} {skipped}".strip(),
        advice=f"Copy out what you need. To edit, {how}.",
        where=facts.path,
    )
