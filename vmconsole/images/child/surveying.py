# SPDX-License-Identifier: GPL-3.0-or-later
"""What two images are compared by: folders with all their attributes, and digests of contents. Child process."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.handle import CHUNK_BYTES, is_file, lstat_of
from vmconsole.images.child.listing import addressable_names, kind_of
from vmconsole.images.messages import EntryKind
from vmconsole.images.tool_values import Digest, Surveyed, SurveyedFolder

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Stat, Work


def survey(work: Work, folders: tuple[object, ...]) -> tuple[SurveyedFolder, ...]:
    """The entries of several folders, sorted by name. One that cannot be read says why."""
    return tuple(_survey(work, names.guest_path(folder)) for folder in folders)


def _survey(work: Work, folder: str) -> SurveyedFolder:
    work.check_cancelled()
    try:
        plain = sorted(addressable_names(work.handle, folder))
        stats = work.handle.lstatnslist(folder, plain) if plain else []
        links = [n for n, s in zip(plain, stats, strict=True) if kind_of(s) is EntryKind.LINK]
        targets = _targets(work, folder, links)
    except RuntimeError as error:
        work.check_cancelled()
        return SurveyedFolder(folder, (), problem=str(error))
    return SurveyedFolder(folder, tuple(_surveyed(n, s, targets.get(n, "")) for n, s in zip(plain, stats, strict=True)))


def _targets(work: Work, folder: str, links: list[str]) -> dict[str, str]:
    if not links:
        return {}
    try:
        return dict(zip(links, work.handle.readlinklist(folder, links), strict=True))
    except UnicodeDecodeError:
        return {}


def _surveyed(name: str, found: Stat, target: str) -> Surveyed:
    stamp = "{st_ino}.{st_mtime_sec}.{st_mtime_nsec}.{st_ctime_sec}.{st_ctime_nsec}".format_map(found)
    kind = kind_of(found)
    size = found["st_size"] if kind is not EntryKind.FOLDER else 0
    return Surveyed(name, kind, found["st_mode"] & 0o7777, found["st_uid"], found["st_gid"], size, target, stamp)


def digest_files(work: Work, paths: tuple[object, ...]) -> tuple[Digest, ...]:
    return tuple(Digest(str(path), _sha256(work, names.guest_path(path))) for path in paths)


def _sha256(work: Work, file: str) -> str:
    digest = hashlib.sha256()
    position = 0
    try:
        found = lstat_of(work.handle, file)
        if found is None or not is_file(found):
            return ""
        while position < found["st_size"]:
            work.check_cancelled()
            part = work.handle.pread(file, CHUNK_BYTES, position)
            if not part:
                break
            digest.update(part)
            position += len(part)
            work.move(f"Comparing {file}", position, found["st_size"])
    except RuntimeError:
        work.check_cancelled()
        return ""
    return digest.hexdigest()
