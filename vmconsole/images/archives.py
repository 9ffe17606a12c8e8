# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of files (tar) made into one filesystem that can be looked into: a squashfs, by sqfstar(1).

What is read is hostile: it goes through Python's tarfile first and is written anew, so the program gets a plain
stream, each name once, no name that leads out, and no devices. Owners, modes, times and extended attributes stay.
Nothing of it is ever a file of this machine. A bomb is bounded by the count of names, by what is unpacked, and by the
free space. Blocks; the session's thread.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tarfile
import zlib
from typing import TYPE_CHECKING, Self, cast

from vmconsole.inventory.errors import ImageDamaged, ImageError, ImageUnreadable
from vmconsole.links.children import Child
from vmconsole.links.ending import kill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

    from vmconsole.images.android_sparse import Stream

MOST_NAMES = 1_000_000
MOST_BYTES = 1 << 40
HEAD_BYTES = 512
"""So much of a file tells whether it is an archive."""
_CHUNK = 1024 * 1024
DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, RecursionError)
"""What tarfile raises for what is no tar; the last, for headers of headers of headers."""
_UNPACK_IT = "Unpack it with tar where there is room."
_GZIP = b"\x1f\x8b"
_ADB = b"ANDROID BACKUP\n"
_ADB_HEAD_BYTES = 16
"""«5\\n1\\nnone\\n» and a little more: of AES-256, enough to be told."""
_INVALID, _TRUNCATED = tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError  # type: ignore[attr-defined]  # not in the stubs
_ANY_BYTES = "surrogateescape"
_MOST_HEADER_BYTES = 1 << 20
_LONG_HEADERS = {
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
}  # fmt: skip
"""Headers that tarfile reads into memory, however long they say that they are."""
_END_DEADLINE_S = 600.0
_SAID_BYTES = 4000
_MOST_NUMBER = 2**32 - 1
"""Squashfs keeps owners and times in 32 bits."""
_PACKED_NAME = re.compile(r"\.(tar(\.gz|\.md5)?|tgz|win\d*)(\.[a-z])?$", re.IGNORECASE)
_PART = re.compile(r"(?P<whole>.+\.win)\d{3}|(?P<first>.+\.tar(\.gz)?)\.[a-z]", re.DOTALL)
_ANDROIDS_LABEL = "RHT.security.selinux"
_LABEL = "SCHILY.xattr.security.selinux"
_XATTR = "SCHILY.xattr."


def is_archive(head: bytes, name: str) -> bool:
    """Whether a file that begins so is a tar, compressed or not (tar(5), «ustar»)."""
    if head.startswith(_GZIP) and _PACKED_NAME.search(name):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
        except zlib.error:
            return False
    return head[257:262] == b"ustar"


def whole_name(name: str) -> str:
    """What a part is a part of: «data.ext4.win» for «data.ext4.win001» (TWRP, each part is an archive), «data.tar» for
    «data.tar.b» (ClockworkMod, cut anywhere). Others are their own whole."""
    found = _PART.fullmatch(name)
    return name if found is None else found["whole"] or found["first"]


def is_cut(name: str) -> bool:
    """Whether it is a part that was cut anywhere, so that only all of them together are an archive."""
    found = _PART.fullmatch(name)
    return found is not None and found["first"] is not None


def can_be_packed() -> bool:
    return shutil.which("sqfstar") is not None


class Joined:
    """A stream of which the start was read already."""

    def __init__(self, start: bytes, rest: Stream) -> None:
        self.start, self._rest = start, rest
        self._left = start

    def peeked(self, count: int) -> Joined:
        """The same, with at least so many bytes in ``start``, unless it ends before."""
        while len(self.start) < count and (more := self._rest.read(count - len(self.start))):
            self.start += more
        self._left = self.start
        return self

    def read(self, count: int, /) -> bytes:
        if self._left:
            part, self._left = self._left[:count], self._left[count:]
            return part
        return self._rest.read(count)


class _Header(tarfile.TarInfo):
    """One whose further headers are bounded, and that never takes noise for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except (_INVALID, _TRUNCATED) as error:
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """The step of tarfile's that a class of headers is to change (its source, «choose the right processing»)."""
        if self.type in _LONG_HEADERS and self.size > _MOST_HEADER_BYTES:
            raise tarfile.ReadError("a header that is too long")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # private, so not in the stubs
        return found


def read_archive(stream: Stream) -> tarfile.TarFile:
    """A hostile tar, compressed or not, to be read once from its begin. Raises TarError."""
    return tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|*", errors=_ANY_BYTES, tarinfo=_Header)


def unzipped(stream: Stream) -> Stream:
    """What gzip packed, with its checksum looked at, unlike tarfile's own, or what ``adb backup`` did; others as they
    are. Raises ImageUnreadable for an encrypted backup."""
    whole = Joined(b"", stream).peeked(len(_ADB))
    if whole.start == _ADB:
        return _of_adb(Joined(b"", stream).peeked(_ADB_HEAD_BYTES), stream)
    if whole.start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=cast("IO[bytes]", whole), mode="rb")
    return whole


def _of_adb(head: Joined, stream: Stream) -> Stream:
    """Three lines of text after the first, version, compression and encryption, then a tar."""
    lines = head.start.split(b"\n", 3)
    if len(lines) < 4 or lines[1] not in {b"0", b"1"}:
        raise ImageDamaged("The Android backup begins with something else than a backup does.")
    if lines[2] != b"none":
        raise ImageUnreadable("The Android backup is encrypted.", advice="Make one without a password.")
    rest = Joined(lines[3], stream)
    return _Inflated(rest) if lines[1] == b"1" else rest


class _Inflated:
    """What zlib packed; never more at once than was asked for."""

    def __init__(self, packed: Stream) -> None:
        self._packed, self._zlib, self._left = packed, zlib.decompressobj(), b""

    def read(self, count: int, /) -> bytes:
        while not self._zlib.eof:
            data = self._left or self._packed.read(_CHUNK)
            found = self._zlib.decompress(data, count)
            self._left = self._zlib.unconsumed_tail
            if found:
                return found
            if not data:
                raise EOFError("it is cut off")
        return b""


def members_of(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """One after the other, and none is kept."""
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # as above
        yield member


class FilesImage:
    """A squashfs in the making. ``add`` for each archive, then ``finish``; ``close`` in any case."""

    def __init__(self, image: Path, *, wrote: Callable[[int], None]) -> None:
        """``wrote`` is told of each piece, and may raise to end it."""
        self.image, self._wrote = image, wrote
        self._words = image.with_suffix(".said")
        with self._words.open("wb") as said:
            command = ["sqfstar", "-quiet", "-no-progress", "-comp", "lz4", str(image)]
            self._process = Child(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
        assert self._process.stdin is not None
        self._kinds: dict[str, bytes] = {}
        self._bytes = self._untold = 0
        self.skipped = 0
        """Devices, pipes, second files of one name, names that lead out."""

    def add(self, stream: Stream) -> None:
        """Take all that is in an archive. Raises ImageDamaged, or what ``wrote`` raises."""
        try:
            plain = unzipped(stream)
            with read_archive(plain) as archive:
                for member in members_of(archive):
                    self._take(archive, member)
            while rest := plain.read(_CHUNK):
                self._wrote(len(rest))  # the checksum comes last
        except BrokenPipeError as error:
            raise self._failed() from error
        except DAMAGE as error:
            raise ImageDamaged("The archive is damaged.", said=str(error)) from error

    def finish(self) -> None:
        """Wait for the image. Raises ImageDamaged."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(bytes(2 * tarfile.BLOCKSIZE))
            self._process.stdin.close()
            self._process.wait(timeout=_END_DEADLINE_S)
        except (BrokenPipeError, subprocess.TimeoutExpired) as error:
            raise self._failed() from error
        if self._process.returncode:
            raise self._failed()

    def close(self) -> None:
        kill(self._process)
        self._words.unlink(missing_ok=True)

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = [p for p in member.name.split("/") if p not in {"", "."}]
        name = "/".join(parts)
        if not parts or not self._is_wanted(member, name, parts):
            return
        if len(self._kinds) >= MOST_NAMES:
            raise ImageUnreadable(f"There are more than {MOST_NAMES} files in the archive.", advice=_UNPACK_IT)
        if self._bytes + member.size > MOST_BYTES:
            raise ImageUnreadable(f"There is more than {MOST_BYTES >> 40} TiB in the archive.", advice=_UNPACK_IT)
        self._kinds[name] = member.type
        self._put(_plain(member, name).tobuf(tarfile.PAX_FORMAT, "utf-8", _ANY_BYTES))
        if member.isreg():
            source = archive.extractfile(member)
            assert source is not None
            self._put_content(source, member.size)

    def _put_content(self, source: IO[bytes], size: int) -> None:
        left = size
        while left:
            part = source.read(min(left, _CHUNK))
            if not part:
                raise EOFError("a file in it is cut off")
            left -= len(part)
            self._put(part)
        self._put(bytes(-size % tarfile.BLOCKSIZE))

    def _put(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._bytes += len(data)
        self._untold += len(data)
        if self._untold >= _CHUNK:
            self._wrote(self._untold)
            self._untold = 0

    def _is_wanted(self, member: tarfile.TarInfo, name: str, parts: list[str]) -> bool:
        if member.type not in tarfile.SUPPORTED_TYPES:
            return False  # attributes in a form of Android's own
        if name in self._kinds:
            self.skipped += not (member.isdir() and self._kinds[name] == tarfile.DIRTYPE)
            return False
        above = ("/".join(parts[:n]) for n in range(1, len(parts)))
        is_fine = ".." not in parts and all(self._kinds.get(a, tarfile.DIRTYPE) == tarfile.DIRTYPE for a in above)
        if member.islnk():
            member.linkname = "/".join(p for p in member.linkname.split("/") if p not in {"", "."})
            is_fine = is_fine and self._kinds.get(member.linkname) in tarfile.REGULAR_TYPES
        if not (is_fine and (member.isreg() or member.isdir() or member.issym() or member.islnk())):
            self.skipped += 1
            return False
        return True

    def _failed(self) -> ImageError:
        kill(self._process)
        said = self._words.read_bytes()[-_SAID_BYTES:].decode(errors="replace").strip()
        return ImageDamaged("The archive could not be made into a filesystem.", said=said)


def _plain(member: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    """A header of our own, with what is kept."""
    made = tarfile.TarInfo(name)
    made.type = tarfile.REGTYPE if member.isreg() else member.type
    made.size = member.size if member.isreg() else 0
    made.mode = member.mode & 0o7777
    made.uid, made.gid = (min(max(number, 0), _MOST_NUMBER) for number in (member.uid, member.gid))
    made.mtime = min(max(int(member.mtime), 0), _MOST_NUMBER)
    made.linkname = member.linkname if member.issym() or member.islnk() else ""
    made.pax_headers = {key: value for key, value in member.pax_headers.items() if key.startswith(_XATTR)}
    label = member.pax_headers.get(_ANDROIDS_LABEL)
    if label and _LABEL not in made.pax_headers:
        made.pax_headers[_LABEL] = label
    return made
