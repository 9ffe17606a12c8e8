# SPDX-License-Identifier: GPL-3.0-or-later
"""What a draft remembers of itself: its steps, and ``draft.json``, in which they survive. Values; any thread."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vmconsole.images.hints import explained
from vmconsole.images.messages import Change, ChangeVerb

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.images.messages import ImageSource

NAME = "draft.json"


@dataclass(frozen=True, slots=True)
class DraftDisk:
    """One image that the draft is of."""

    path: str
    identity: str
    size_bytes: int
    sample: str = ""
    """Of a device: ``device_sample``; empty for a file."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is undone at once."""

    layer: str
    """The file's name in each disk's folder."""
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """The state of a draft. The first ``position`` steps are in it; those behind were undone."""

    id: str = ""
    disks: tuple[DraftDisk, ...] = ()
    steps: tuple[Step, ...] = ()
    position: int = 0
    top: str = ""
    """The layer that is written now."""
    pending: tuple[Change, ...] = ()
    """Changes in ``top``."""
    used_names: int = field(default=0)

    @property
    def next_name(self) -> str:
        return f"layer-{self.used_names + 1}.qcow2"

    @property
    def done(self) -> tuple[Step, ...]:
        return self.steps[: self.position]

    @property
    def changes(self) -> tuple[Change, ...]:
        return (*(change for step in self.done for change in step.changes), *self.pending)

    @property
    def undone(self) -> tuple[Change, ...]:
        return tuple(change for step in self.steps[self.position :] for change in step.changes)

    @property
    def layers(self) -> tuple[str, ...]:
        """All files that are needed."""
        return (*(step.layer for step in self.steps), self.top)

    @property
    def lowest(self) -> tuple[str, ...]:
        """The layers that lie on the image itself."""
        first = (self.steps[0].layer,) if self.steps else ()
        return first if self.position else (*first, self.top)

    def with_change(self, change: Change) -> Kept:
        return replace(self, steps=self.done, pending=(*self.pending, change))

    def with_steps(self, steps: tuple[Step, ...], *, position: int) -> Kept:
        return replace(self, steps=steps, position=position)

    def sealed(self, top: str) -> Kept:
        """The pending changes as a step of their own; ``top`` is the layer above, if it is there already."""
        step = Step(self.top, self.pending)
        found = replace(self, steps=(*self.done, step), position=self.position + 1, pending=())
        return found.topped(top) if top else replace(found, top="")

    def topped(self, top: str) -> Kept:
        return replace(self, top=top, used_names=self.used_names + 1)

    def at(self, position: int) -> Kept:
        return replace(self, position=position)


def load(folder: Path) -> Kept:
    """Raises FileNotFoundError if there is none; OSError, ValueError, KeyError or TypeError if it is damaged."""
    return _read(json.loads((folder / NAME).read_text(encoding="utf-8")))


def load_with_source(folder: Path) -> tuple[Kept, dict[str, str]]:
    """The same, and what it says of where it belongs: ``where``, ``path``, ``guest``, ``format``, ``host``."""
    found = json.loads((folder / NAME).read_text(encoding="utf-8"))
    return _read(found), {key: str(found[key]) for key in ("where", "path", "guest", "format", "host")}


def _read(found: dict[str, Any]) -> Kept:
    steps = tuple(Step(str(s["layer"]), _changes(s["changes"])) for s in found["steps"])
    disks = tuple(
        DraftDisk(str(d["path"]), str(d["identity"]), int(d["size_bytes"]), str(d.get("sample", "")))
        for d in found["disks"]
    )
    names = [str(found["top"]), *(s.layer for s in steps)]
    if any("/" in name for name in names):
        raise ValueError("a layer is outside the draft's folder")
    return Kept(
        str(found["id"]), disks, steps, int(found["position"]), str(found["top"]), _changes(found["pending"]),
        int(found["used_names"]),
    )  # fmt: skip


def _changes(found: list[dict[str, Any]]) -> tuple[Change, ...]:
    return tuple(Change(**{**c, "verb": ChangeVerb(c["verb"])}) for c in found)


def save(folder: Path, kept: Kept, source: ImageSource) -> None:
    """Write it so that either the old or the new one is there, also after a crash. Raises ImageError."""

    def plain(changes: tuple[Change, ...]) -> list[dict[str, object]]:
        return [{**asdict(c), "verb": c.verb.value} for c in changes]

    text = {
        "id": kept.id,
        "where": source.where,
        "path": source.path,
        "guest": source.guest_name,
        "format": source.format_hint,
        "host": source.host_uri,
        "disks": [asdict(disk) for disk in kept.disks],
        "steps": [{"layer": s.layer, "changes": plain(s.changes)} for s in kept.steps],
        "position": kept.position,
        "top": kept.top,
        "pending": plain(kept.pending),
        "used_names": kept.used_names,
    }
    write_json(folder / NAME, text, what="The draft's list of changes cannot be kept.")


def write_json(path: Path, value: object, *, what: str) -> None:
    """Write a small file whole or not at all, and on the disk. Raises ImageError saying ``what``."""
    beside = path.with_name(f"{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise explained(what, str(error), where=str(path.parent)) from error
