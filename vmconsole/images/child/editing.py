# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing, making, renaming and deleting single things. Child process. Each is flushed to the draft by the worker."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.handle import CHUNK_BYTES, lstat_of
from vmconsole.images.child.listing import regular_file
from vmconsole.images.requests import Written
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle, Stat, Work

_ORDINARY_MODE = 0o644


def write_file(work: Work, path: object, data: bytes) -> Written:
    """Write whole, through a file beside it that then takes its place: a full disk or a crash leaves the old
    content."""
    file = names.ordinary_path(path)
    try:
        found = lstat_of(work.handle, file)
        if found is not None:
            file = work.handle.realpath(file)
        work.writable(file)
        if found is None:
            _write_new(work, file, data)
        else:
            _write_over(work, file, data, regular_file(work, file))
    except RuntimeError as error:
        raise work.failed(f"The file {file} cannot be written.", error) from error
    return Written(file, is_new=found is None)


def _write_new(work: Work, file: str, data: bytes) -> None:
    beside = temporary_name(file)
    with _removed_on_failure(work.handle, beside):
        _write(work, beside, data)
        work.handle.chmod(_ORDINARY_MODE, beside)
        own_like_folder(work.handle, beside, work.handle.statns(names.parent(file)))
        work.handle.rename(beside, file)


def _write_over(work: Work, file: str, data: bytes, found: Stat) -> None:
    if found["st_nlink"] > 1:
        # A file with other names (hard links) is written in place: a new file would part it from them.
        _write(work, file, data)
        return
    beside = temporary_name(file)
    with _removed_on_failure(work.handle, beside):
        _write(work, beside, data)
        work.handle.copy_attributes(file, beside, all=True)
        work.handle.rename(beside, file)


def _write(work: Work, file: str, data: bytes) -> None:
    work.handle.write(file, data[:CHUNK_BYTES])
    for position in range(CHUNK_BYTES, len(data), CHUNK_BYTES):
        work.check_cancelled()
        work.handle.write_append(file, data[position : position + CHUNK_BYTES])
        work.move("Writing", position, len(data))


def temporary_name(file: str) -> str:
    """A name beside ``file`` that nobody has."""
    return names.join(names.parent(file), f".vmconsole-{secrets.token_hex(6)}")


@contextlib.contextmanager
def _removed_on_failure(handle: Handle, file: str):  # type: ignore[no-untyped-def]  # a generator: its type is noise
    try:
        yield
    except BaseException:
        # Also a cancel must leave nothing behind; the first error is the one that counts.
        with contextlib.suppress(RuntimeError):
            handle.rm_f(file)
        raise


def own_like_folder(handle: Handle, path: str, folder: Stat) -> None:
    """Give ``path`` the owner of its folder, where the filesystem knows owners."""
    # FAT and exFAT refuse chown; all their files have one owner anyway.
    with contextlib.suppress(RuntimeError):
        handle.lchown(folder["st_uid"], folder["st_gid"], path)


def make_folder(work: Work, path: object) -> None:
    folder = work.writable(path)
    try:
        _refuse_taken(work.handle, folder)
        work.handle.mkdir_mode(folder, 0o755)
        own_like_folder(work.handle, folder, work.handle.statns(names.parent(folder)))
    except RuntimeError as error:
        raise work.failed(f"The folder {folder} cannot be made.", error) from error


def rename(work: Work, path: object, new_path: object) -> None:
    old, new = work.removable(path), work.writable(new_path)
    if new.startswith(old + "/"):
        raise ImageError("A folder cannot be moved into itself.", where=new)
    try:
        if lstat_of(work.handle, old) is None:
            raise ImageError("It is not there (any more).", where=old)
        _refuse_taken(work.handle, new)
        move(work.handle, old, new)
    except RuntimeError as error:
        raise work.failed(f"{old} cannot be renamed to {new}.", error) from error


def move(handle: Handle, old: str, new: str) -> None:
    """rename(2), or a copy where the two are on different filesystems."""
    try:
        handle.rename(old, new)
    except RuntimeError as error:
        if "cross-device" not in str(error).lower():
            raise
        handle.mv(old, new)


def _refuse_taken(handle: Handle, path: str) -> None:
    if lstat_of(handle, path) is not None:
        raise ImageError("Something of that name is there already.", where=path, advice="Choose another name.")


def delete(work: Work, paths: tuple[object, ...]) -> None:
    checked = [work.removable(path) for path in paths]
    for number, path in enumerate(checked):
        work.check_cancelled()
        work.move("Deleting", number, len(checked))
        try:
            if lstat_of(work.handle, path) is None:
                raise ImageError("It is not there (any more).", where=path)
            work.handle.rm_rf(path)
        except RuntimeError as error:
            raise work.failed(f"{path} cannot be deleted.", error) from error
