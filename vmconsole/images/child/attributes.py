# SPDX-License-Identifier: GPL-3.0-or-later
"""Mode, owner, extended attributes and ACLs of files. Child process. Sources: chmod(1), chown(2), xattr(7), acl(5)."""

from __future__ import annotations

import contextlib
import io
import stat
import tarfile
import tempfile
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.editing import own_like_folder, temporary_name
from vmconsole.images.child.handle import CHUNK_BYTES, is_file, is_folder, lstat_of
from vmconsole.images.child.listing import kind_of
from vmconsole.images.child.walking import Looked, stats_below
from vmconsole.images.messages import EntryKind
from vmconsole.images.tool_values import Account, Attributes, AttributesSet, NewAttributes, Xattr
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.child.handle import Handle, Stat, Work

_ACL_NAMES = ("system.posix_acl_access", "system.posix_acl_default")
_CAPABILITY = "security.capability"
_EXECUTE = 0o111
_SET_ID = 0o6000
_ACCOUNTS_MAX = 5000
_XATTR_BYTES_MAX = 64 * 1024
"""XATTR_SIZE_MAX of Linux (limits.h)."""


def read_attributes(work: Work, path: object) -> Attributes:
    file = names.guest_path(path)
    try:
        found = lstat_of(work.handle, file)
        if found is None:
            raise ImageError("It is not there (any more).", where=file)
        return _attributes(work, file, found)
    except RuntimeError as error:
        raise work.failed(f"The attributes of {file} cannot be read.", error) from error


def _attributes(work: Work, file: str, found: Stat) -> Attributes:
    kind = kind_of(found)
    users, groups = _accounts(work, "/etc/passwd"), _accounts(work, "/etc/group")
    xattrs = _xattrs(work.handle, file)
    has_acls = kind in {EntryKind.FILE, EntryKind.FOLDER}
    acls = {x.name for x in xattrs or () if x.name in _ACL_NAMES}
    uid, gid = found["st_uid"], found["st_gid"]
    return Attributes(
        path=file,
        kind=kind,
        mode=found["st_mode"] & 0o7777,
        uid=uid,
        gid=gid,
        owner=next((u.name for u in users if u.number == uid), str(uid)),
        group=next((g.name for g in groups if g.number == gid), str(gid)),
        size_bytes=found["st_size"],
        disk_bytes=found["st_blocks"] * 512,
        links=found["st_nlink"],
        inode=found["st_ino"],
        accessed_at=found["st_atime_sec"] + found["st_atime_nsec"] / 1e9,
        modified_at=found["st_mtime_sec"] + found["st_mtime_nsec"] / 1e9,
        changed_at=found["st_ctime_sec"] + found["st_ctime_nsec"] / 1e9,
        link_target=_link_target(work.handle, file) if kind is EntryKind.LINK else "",
        xattrs=tuple(x for x in xattrs or () if x.name not in _ACL_NAMES),
        access_acl=_acl(work.handle, file, "access") if has_acls and _ACL_NAMES[0] in acls else "",
        default_acl=_acl(work.handle, file, "default") if has_acls and _ACL_NAMES[1] in acls else "",
        can_have_xattrs=xattrs is not None,
        users=users,
        groups=groups,
    )


def _link_target(handle: Handle, file: str) -> str:
    try:
        return handle.readlinklist(names.parent(file), [names.base(file)])[0]
    except UnicodeDecodeError:
        return ""


def _accounts(work: Work, file: str) -> tuple[Account, ...]:
    """Names and numbers of the guest's own passwd(5) or group(5)."""
    if work.contents is None or not work.contents.has_os_tree:
        return ()
    try:
        text = work.handle.pread(file, CHUNK_BYTES, 0).decode("utf-8", errors="replace")
    except RuntimeError:
        return ()
    fields = (line.split(":") for line in text.splitlines())
    found = [Account(f[0], int(f[2])) for f in fields if len(f) >= 3 and f[0] and f[2].isascii() and f[2].isdecimal()]
    return tuple(found[:_ACCOUNTS_MAX])


def _xattrs(handle: Handle, file: str) -> tuple[Xattr, ...] | None:
    """All of them by name; None where the filesystem has none."""
    try:
        return tuple(sorted((Xattr(x["attrname"], x["attrval"]) for x in handle.lgetxattrs(file)), key=_name))
    except (RuntimeError, UnicodeDecodeError):
        return None


def _name(xattr: Xattr) -> str:
    return xattr.name


def _acl(handle: Handle, file: str, kind: str) -> str:
    try:
        return handle.acl_get_file(file, kind).strip()
    except RuntimeError:
        return ""


def set_attributes(work: Work, paths: tuple[object, ...], new: NewAttributes) -> AttributesSet:
    looked = Looked()
    changed = 0
    for path in [work.writable(path) for path in paths]:
        try:
            for file, found in _affected(work, path, new, looked):
                work.check_cancelled()
                changed += _set_one(work.handle, file, found, new)
                work.move(f"Changing {file}", looked.count, 0)
        except RuntimeError as error:
            raise work.failed(f"The attributes of {path} cannot be changed.", error) from error
    return AttributesSet(changed)


def _affected(work: Work, path: str, new: NewAttributes, looked: Looked) -> Iterator[tuple[str, Stat]]:
    found = lstat_of(work.handle, path)
    if found is None:
        raise ImageError("It is not there (any more).", where=path)
    if new.is_recursive and is_folder(found):
        # What is inside comes first: a folder may lose the very bits that are being looked through.
        yield from stats_below(work, path, looked)
    yield path, found


def _set_one(handle: Handle, file: str, found: Stat, new: NewAttributes) -> bool:
    """Change one thing; False if it is so already. The mode of a symbolic link is never changed (chmod follows it)."""
    is_owner_new = _chown(handle, file, found, new)
    mode = found["st_mode"] & 0o7777
    wanted = new_mode(mode, new, is_folder=is_folder(found))
    if stat.S_ISLNK(found["st_mode"]):
        return is_owner_new
    # To change the owner takes set-user-ID and set-group-ID away (chown(2)); they are put back.
    if wanted != mode or (is_owner_new and mode & _SET_ID):
        handle.chmod(wanted, file)
    return is_owner_new or wanted != mode


def new_mode(mode: int, new: NewAttributes, *, is_folder: bool) -> int:
    """The permission bits that a thing of this mode gets."""
    wanted = (mode & ~new.mode_mask) | (new.mode & new.mode_mask)
    if new.execute_only_where_some and not is_folder and not mode & _EXECUTE:
        wanted &= ~_EXECUTE
    return wanted


def _chown(handle: Handle, file: str, found: Stat, new: NewAttributes) -> bool:
    uid = found["st_uid"] if new.uid is None else new.uid
    gid = found["st_gid"] if new.gid is None else new.gid
    if (uid, gid) == (found["st_uid"], found["st_gid"]):
        return False
    # The kernel takes file capabilities away with the owner, as it does set-user-ID.
    able = is_file(found) and found["st_mode"] & _EXECUTE
    kept = [x for x in (_xattrs(handle, file) or ()) if x.name == _CAPABILITY] if able else []
    handle.lchown(uid, gid, file)
    for xattr in kept:
        put_xattr(handle, file, xattr)
    return True


def set_xattrs(work: Work, path: object, new: tuple[Xattr, ...], remove: tuple[str, ...]) -> None:
    file = work.writable(path)
    for xattr in new:
        _check_xattr(xattr)
    try:
        if lstat_of(work.handle, file) is None:
            raise ImageError("It is not there (any more).", where=file)
        there = {x.name for x in _xattrs(work.handle, file) or ()}
        for name in remove:
            if name in there:
                work.handle.lremovexattr(names.checked_text(name), file)
        for xattr in new:
            put_xattr(work.handle, file, xattr)
    except RuntimeError as error:
        raise work.failed(f"The extended attributes of {file} cannot be changed.", error) from error


def _check_xattr(xattr: Xattr) -> None:
    prefix, dot, rest = names.checked_text(xattr.name).partition(".")
    if prefix not in {"user", "security", "trusted", "system"} or not dot or not rest:
        raise ImageError(
            f"«{xattr.name}» cannot be the name of an extended attribute.",
            advice="It begins with «user.», «security.» or «trusted.», for example «user.comment».",
        )
    if xattr.name in _ACL_NAMES:
        raise ImageError("ACLs are changed as text, not as an attribute.", where=xattr.name)
    if len(xattr.value) > _XATTR_BYTES_MAX:
        raise ImageError(f"The value of an extended attribute has {_XATTR_BYTES_MAX} bytes at most.")


def put_xattr(handle: Handle, file: str, xattr: Xattr) -> None:
    """Set one attribute to any bytes. libguestfs takes its value as text; other bytes travel in a tar archive."""
    value = xattr.value.removesuffix(b"\0")
    with contextlib.suppress(UnicodeDecodeError):
        text = value.decode("utf-8")
        if "\0" not in text:
            # A NUL at the end is a SELinux label's habit: the length counts it, and the text is NUL-terminated anyway.
            handle.lsetxattr(xattr.name, text, len(xattr.value), file)
            return
    _put_binary_xattr(handle, file, xattr)


def _put_binary_xattr(handle: Handle, file: str, xattr: Xattr) -> None:
    """By way of an empty file that has the attribute, from which it is copied."""
    if stat.S_ISLNK(handle.lstatns(file)["st_mode"]):
        raise ImageError("A symbolic link takes only text as an attribute here.", where=file)
    beside = temporary_name(file)
    info = tarfile.TarInfo(names.base(beside))
    info.pax_headers = {f"SCHILY.xattr.{xattr.name}": xattr.value.decode("utf-8", "surrogateescape")}
    with tempfile.NamedTemporaryFile(prefix="vmconsole-xattr-", suffix=".tar") as archive:
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(info, io.BytesIO())
        archive.flush()
        try:
            handle.tar_in(archive.name, names.parent(file), xattrs=True)
            handle.copy_attributes(beside, file, xattributes=True)
        finally:
            with contextlib.suppress(RuntimeError):
                handle.rm_f(beside)


def set_acl(work: Work, path: object, text: str, *, is_default: bool) -> None:
    file = work.writable(path)
    acl = ",".join(line.partition("#")[0].strip() for line in names.checked_text(text).splitlines() if line.strip())
    acl = ",".join(part for part in acl.split(",") if part)
    try:
        found = lstat_of(work.handle, file)
        if found is None or not (is_folder(found) or (is_file(found) and not is_default)):
            raise ImageError("Only files and folders have ACLs, and only folders a default one.", where=file)
        if acl:
            work.handle.acl_set_file(file, "default" if is_default else "access", acl)
        elif is_default:
            work.handle.acl_delete_def_file(file)
        elif any(x.name == _ACL_NAMES[0] for x in _xattrs(work.handle, file) or ()):
            work.handle.lremovexattr(_ACL_NAMES[0], file)
    except RuntimeError as error:
        if "Invalid argument" in str(error) or "acl_from_text" in str(error):
            raise ImageError(
                "This is not a valid ACL.",
                advice="One entry a line, «user:web:rw-»; the lines user::, group::, other:: and, with names, mask:: "
                "are needed. Names must be in the appliance or be numbers.",
                where=file,
                said=str(error),
            ) from error
        raise work.failed(f"The ACL of {file} cannot be changed.", error) from error


def make_file(work: Work, path: object) -> None:
    file = work.writable(path)
    try:
        refuse_taken(work.handle, file)
        work.handle.write(file, b"")
        work.handle.chmod(0o644, file)
        own_like_folder(work.handle, file, work.handle.statns(names.parent(file)))
    except RuntimeError as error:
        raise work.failed(f"The file {file} cannot be made.", error) from error


def make_link(work: Work, path: object, target: str, *, is_hard: bool) -> None:
    link = work.writable(path)
    text = work.writable(target) if is_hard else names.checked_text(target)
    if not text:
        raise ImageError("A link points to something: its target cannot be empty.", where=link)
    try:
        refuse_taken(work.handle, link)
        if is_hard:
            found = lstat_of(work.handle, text)
            if found is None or is_folder(found):
                raise ImageError("A hard link is another name of a file: folders cannot have one.", where=text)
            work.handle.ln(text, link)
        else:
            work.handle.ln_s(text, link)
            own_like_folder(work.handle, link, work.handle.statns(names.parent(link)))
    except RuntimeError as error:
        raise work.failed(f"The link {link} cannot be made.", error) from error


def refuse_taken(handle: Handle, path: str) -> None:
    if lstat_of(handle, path) is not None:
        raise ImageError("Something of that name is there already.", where=path, advice="Choose another name.")
