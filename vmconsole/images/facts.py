# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host says of an image before it is opened: format, size, identity, backing chain, an unfinished Apply.

Blocks; runs on the session's thread. A backing file is named by data inside the image, so each one is judged before
QEMU may open it: the image may have been brought here by anybody.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import posixpath
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmconsole.images import journal, lz4_frames, qemu_walls, vmdk
from vmconsole.images.hints import explained
from vmconsole.images.messages import ImageSnapshot
from vmconsole.inventory.errors import ImageDamaged, ImageUnreadable

if TYPE_CHECKING:
    from vmconsole.images.messages import ImageSource
    from vmconsole.links.base import Shell

EDITABLE_FORMATS = frozenset({"qcow2", "raw"})
LOOKABLE_FORMATS = EDITABLE_FORMATS | {"vdi", "vpc", "vhdx", "qed", "parallels", "vmdk"}
_LUKS = "4c554b53babe"
"""Begins a disk that is encrypted as a whole (cryptsetup's on-disk format): it is served raw, and unlocked in the
appliance. QEMU would take it for a format of its own."""
_DATA_APART = "514649fb???????[3-9a-f]" + "?" * 143 + "[4567cdef]"
"""The first 80 bytes of a qcow2 image with its data in another file: bit 2 of the incompatible features, which begin at
the 72nd byte from version 3 on (QEMU's docs/interop/qcow2.txt)."""
_TAR_NAME = re.compile(r"\.(tar\.gz(\.a)?|tgz|win\d*)$")
"""A compressed tar is told by its name; TWRP's are called so."""
_MAX_CHAIN = 20
_DEADLINE_S = 60.0
_FIXED_LINES = 10


class Packing(enum.Enum):
    """How images are packed that QEMU does not know (Android's)."""

    NONE = ""
    LZ4 = "lz4"
    """An image or a tar in LZ4 frames."""
    SPARSE = "sparse"
    """An Android sparse image."""
    TAR = "tar"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    path: str
    """With links followed: the file that is locked and written."""
    format: str
    virtual_size_bytes: int
    identity: str
    """One line by which a change is seen: size, inode and time of the last change in nanoseconds."""
    is_block_device: bool
    backing_path: str = ""
    """The file it is based on, as its header names it; empty if none."""
    backing_format: str = ""
    oddity: str = ""
    """Why QEMU must not open it (encrypted, parts in other files); empty if it may."""
    snapshots: tuple[ImageSnapshot, ...] = ()
    """States kept inside it (qcow2), oldest first."""
    packing: Packing = Packing.NONE
    """What must be unpacked before QEMU can open it."""
    journal_folder: str = ""
    """Where an Apply keeps its journal."""
    unfinished: journal.Record | None = None
    """An Apply that was cut off."""
    cluster_bytes: int = 0
    """What the image grows by at once (qcow2: 64 KiB, up to 2 MiB); 0 where that is the file system's matter."""
    may_grow_bytes: int = 0
    """What it may take on its host beyond what it takes now; the disk's whole size if it has snapshots."""
    below: tuple[str, ...] = ()
    """What QEMU reads beside the image itself: its backing files, by the names that it uses, and for VMDK the folder
    in which the parts lie."""


def look_at(shell: Shell, source: ImageSource) -> ImageFacts:
    """The facts about an image and its chain. Raises ImageError, in words, for what must not be opened."""
    _check_format(source.format_hint or "raw", source.path)
    facts = _facts(shell, source.path, source.format_hint)
    if facts.packing is not Packing.NONE and source.format_hint in {"", "raw"}:
        return facts
    _check_format(facts.format, facts.path)
    return dataclasses.replace(facts, below=_checked_chain(shell, source, facts))


def _check_format(image_format: str, path: str) -> None:
    if image_format not in LOOKABLE_FORMATS:
        raise ImageUnreadable(
            f"Images of the format «{image_format}» are not opened here.",
            advice="Convert it first: `qemu-img convert -O qcow2`.",
            where=path,
        )


def _checked_chain(shell: Shell, source: ImageSource, top: ImageFacts) -> tuple[str, ...]:
    """What lies below the image, all of it judged."""
    folders = tuple(source.backing_folders) + (() if top.is_block_device else (posixpath.dirname(top.path),))
    current, name, below = top, top.path, list[str]()
    for _ in range(_MAX_CHAIN):
        if current.oddity:
            raise ImageUnreadable("This image is not opened here.", cause=current.oddity, where=current.path)
        if current.format == "vmdk":
            below.append(posixpath.dirname(name))
        if not current.backing_path:
            return tuple(below)
        name = current.backing_path
        below.append(name)
        current = _backing(shell, current, folders)
    raise ImageUnreadable(f"The image has more than {_MAX_CHAIN} backing files.", where=top.path)


def _backing(shell: Shell, image: ImageFacts, folders: tuple[str, ...]) -> ImageFacts:
    path = image.backing_path
    if not path.startswith("/"):
        raise ImageUnreadable(
            "The image is based on something that is not a plain file, so it is not opened.",
            cause=f"Its header names «{path}» as backing file. That is data inside the image, and could be anything.",
            advice="If you trust it, flatten it on the host: `qemu-img convert`.",
            where=image.path,
        )
    if not image.backing_format:
        raise ImageUnreadable(
            "The image does not say which format its backing file has, so it is not opened.",
            cause="To guess would let a guest that writes to a raw backing file choose what the host opens.",
            advice=f"Say it once on the host: `qemu-img rebase -u -b {path} -F qcow2 {image.path}` (or `-F raw`).",
            where=image.path,
        )
    _check_format(image.backing_format, f"{image.path}: {path}")
    _check_place(posixpath.normpath(path), folders, image)
    backing = _facts(shell, path, image.backing_format, within=folders)
    _check_place(backing.path, folders, image)
    if backing.is_block_device:
        raise ImageUnreadable("The image is based on a block device, and is not opened.", where=f"{image.path}: {path}")
    return backing


def _check_place(path: str, folders: tuple[str, ...], image: ImageFacts) -> None:
    if not any(path.startswith(folder.rstrip("/") + "/") for folder in folders):
        raise ImageUnreadable(
            "The image is based on a file in another place, so it is not opened.",
            cause=f"Its header names «{path}» as backing file, which is outside the image's own folder and pools.",
            advice="If you trust it, make its folder a storage pool, or move the backing file beside the image.",
            where=image.path,
        )


def _facts(shell: Shell, path: str, image_format: str, *, within: tuple[str, ...] = ()) -> ImageFacts:
    if not path.startswith("/") or any(ord(c) < 32 for c in path):
        raise ImageUnreadable("The path of an image must be absolute and without control characters.", where=path)
    command = look_command(path, image_format, is_local=shell.is_local, within=within)
    done = shell.run(command, deadline_s=_DEADLINE_S)
    if done.status:
        said = done.err.decode(errors="replace")
        raise explained("The image cannot be opened.", said, where=_where(shell, path), otherwise=ImageDamaged)
    try:
        return _parsed(done.out.decode(errors="surrogateescape"))
    except (ValueError, KeyError, TypeError) as error:
        raise ImageDamaged("The host's words on the image are not understood.", where=path, said=repr(error)) from error


def _where(shell: Shell, path: str) -> str:
    return path if shell.is_local else f"{shell.where}: {path}"


def look_command(path: str, image_format: str, *, is_local: bool = False, within: tuple[str, ...] = ()) -> str:
    """Shell text that prints ``_FIXED_LINES`` lines about the image, then QEMU's JSON.

    ``within`` is for a backing file: the folders in which it must truly be, or it is not opened. QEMU will open it by
    this name, and take names in it relative to that; the top image is opened by its true name.
    """
    quoted = shlex.quote(path)
    known = shlex.quote(image_format)
    return "\n".join(
        [
            "export LC_ALL=C TZ=UTC",
            f"p={quoted}; [ -e \"$p\" ] || {{ echo \"$p: No such file or directory\" >&2; exit 66; }}",
            "if [ -d \"$p\" ]; then printf '%s\\nfolder\\n' \"$(readlink -f -- \"$p\")\"; exit; fi",
            "[ -f \"$p\" ] || [ -b \"$p\" ] || { echo \"$p: is neither a file nor a disk\" >&2; exit 65; }",
            "[ -r \"$p\" ] || { echo \"$p: Permission denied\" >&2; exit 77; }",
            f"r=$(readlink -f -- \"$p\"); o={'$p' if within else '$r'}",
            *(_within_command(within) if within else ()),
            "m() { dd if=\"$p\" bs=1 skip=$1 count=$2 2>/dev/null | od -An -v -tx1 | tr -d ' \\n'; }",
            f"h=$(m 0 80); f={known}; [ -n \"$f\" ] || case $h in {_LUKS}*) f=raw ;; esac",
            *vmdk.CHECK_COMMAND,
            f"if [ -z \"$f\" ] || [ \"$f\" = qcow2 ]; then case $h in {_DATA_APART})",
            "  echo 'qcow2: it keeps its data in another file' >&2; exit 65 ;; esac; fi",
            "command -v qemu-nbd >/dev/null || { echo 'qemu-nbd: not found' >&2; exit 69; }",
            "printf '%s\\n' \"$r\"",
            "if [ -b \"$p\" ]; then echo block; else echo file; fi",
            journal.identity_command(path),
            "echo \"${h%\"${h#????????}\"} $(m 257 5)\"",
            journal.FOLDER_COMMAND,
            journal.STATE_COMMAND,
            qemu_walls.begin(is_local=is_local),
            qemu_walls.LOOK,
            "look \"$o\" \"$f\" \"$@\"",
        ]
    )  # fmt: skip


def _within_command(folders: tuple[str, ...]) -> tuple[str, ...]:
    places = "|".join(shlex.quote(folder.rstrip("/") + "/") + "*" for folder in folders)
    return (f"case $r in {places}) ;; *) printf '%s\\nelsewhere\\n' \"$r\"; exit ;; esac",)


def _parsed(out: str) -> ImageFacts:
    lines = out.split("\n", _FIXED_LINES)
    path, kind = lines[:2]
    if kind == "elsewhere":
        return ImageFacts(path, kind, 0, "", is_block_device=False)
    if kind == "folder":
        return ImageFacts(path, "folder", 0, "", is_block_device=False, packing=Packing.FOLDER)
    identity, magic, folder = lines[2:5]
    info = json.loads(lines[_FIXED_LINES] if len(lines) > _FIXED_LINES else "")
    return ImageFacts(
        path=path,
        format=str(info["format"]),
        virtual_size_bytes=int(info["virtual-size"]),
        identity=identity,
        is_block_device=kind == "block",
        backing_path=str(info.get("full-backing-filename") or info.get("backing-filename") or ""),
        backing_format=str(info.get("backing-filename-format") or ""),
        oddity=_oddity(info, path),
        snapshots=tuple(_snapshot(s) for s in info.get("snapshots") or ()),
        packing=_packing(magic, path),
        journal_folder=folder,
        unfinished=journal.read_state(lines[5:_FIXED_LINES], identity),
        cluster_bytes=int(info.get("cluster-size") or 0),
        may_grow_bytes=_may_grow(info),
    )


def _may_grow(info: dict[str, Any]) -> int:
    """Blocks that a snapshot holds are written to another place."""
    size_bytes = int(info["virtual-size"])
    return size_bytes if info.get("snapshots") else max(size_bytes - int(info.get("actual-size") or 0), 0)


def _packing(magic: str, path: str) -> Packing:
    """Of the first four bytes and the five at 257. Sources: Android's sparse_format.h; tar(5), «ustar»."""
    if magic.startswith("3aff26ed"):
        return Packing.SPARSE
    if magic.startswith(lz4_frames.MAGIC.hex()) and path.endswith(".lz4"):
        return Packing.LZ4
    is_tar = magic.endswith("7573746172") or (magic.startswith("1f8b") and _TAR_NAME.search(path) is not None)
    is_backup = magic.startswith("414e4452") and path.endswith(".ab")  # «ANDR» of «ANDROID BACKUP»
    return Packing.TAR if is_tar or is_backup else Packing.NONE


def _snapshot(found: dict[str, Any]) -> ImageSnapshot:
    return ImageSnapshot(
        str(found["id"]), str(found["name"]), float(found["date-sec"]), int(found.get("vm-state-size") or 0)
    )


def _oddity(info: dict[str, Any], path: str) -> str:
    details = (info.get("format-specific") or {}).get("data") or {}
    if info.get("encrypted") or details.get("encrypt"):
        return "It is encrypted."
    if details.get("data-file"):
        return f"It keeps its data in another file, «{details['data-file']}»."
    apart = vmdk.parts_elsewhere(details, path) if info["format"] == "vmdk" else ""
    if apart:
        return f"It keeps its data in a file in another place, «{apart}»."
    if details.get("corrupt"):
        return "It is marked as corrupt. Repair it on the host: `qemu-img check -r all`, after making a copy."
    return ""


def overlays_command(path: str, *, is_local: bool = False) -> str:
    """Prints QEMU's JSON of every qcow2 file in the image's folder: one of them may be based on the image."""
    return "\n".join(
        [
            f"cd {shlex.quote(posixpath.dirname(path))} || exit 0",
            qemu_walls.begin(is_local=is_local),
            qemu_walls.LOOK,
            'for n in ./*; do [ -f "$n" ] && [ "$(head -c 3 -- "$n" 2>/dev/null)" = QFI ] && '
            'look "$PWD/${n#./}" qcow2 "$@" 2>/dev/null; done; exit 0',
        ]
    )


def overlays_of(out: str, path: str, folder: str) -> tuple[str, ...]:
    """Names of the images that are based on ``path``, from the output of ``overlays_command``."""
    decoder = json.JSONDecoder()
    found, position = [], 0
    while (position := out.find("{", position)) != -1:
        info, position = decoder.raw_decode(out, position)
        backing = str(info.get("full-backing-filename") or "")
        if backing and posixpath.normpath(posixpath.join(folder, backing)) == path:
            found.append(posixpath.basename(str(info["filename"])))
    return tuple(found)
