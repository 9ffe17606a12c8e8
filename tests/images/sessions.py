# SPDX-License-Identifier: GPL-3.0-or-later
"""A session with what it announced, and the guest disks it opens."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tests.images import disks
from vmconsole.images.leftovers import socket_folders
from vmconsole.images.messages import ImageSource, SessionEvent, SessionState, StateChanged
from vmconsole.images.session import ImageSession

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from vmconsole.links.base import Shell

T = TypeVar("T")
LAUNCH_S = 280.0
SOON_S = 120.0


@dataclass
class Opened:
    """A session, its image on this machine, and all it announced."""

    image: Path
    session: ImageSession
    events: list[SessionEvent] = field(default_factory=list)
    users: tuple[str, ...] = ()

    def states(self) -> list[SessionState]:
        found: list[SessionState] = []
        for event in self.events:
            if isinstance(event, StateChanged) and (not found or found[-1] is not event.state):
                found.append(event.state)
        return found

    def names(self, folder: str) -> list[str]:
        return sorted(e.name for e in done(self.session.list_folder(folder)).entries)

    def read(self, path: str) -> bytes:
        return done(self.session.read_file(path, limit_bytes=1 << 20)).data


def done(future: Future[T], *, deadline_s: float = SOON_S) -> T:
    return future.result(timeout=deadline_s)


def session_on(image: Path, shell: Shell, work_dir: Path, source: ImageSource | None = None) -> Opened:
    opened = Opened(image, None)  # type: ignore[arg-type]  # filled on the next line, which needs it
    opened.session = ImageSession(
        source or ImageSource(str(image), "qcow2"),
        shell,
        work_dir=work_dir,
        image_users=lambda: opened.users,
        on_event=opened.events.append,
    )
    return opened


def close(opened: Opened) -> None:
    """Close, and see that nothing is left."""
    pids = opened.session.pids
    image = opened.session._image
    folders = [image.client._folder, *socket_folders(pids[0])] if image is not None and pids else []
    opened.session.close()
    assert opened.session.wait_closed(20), "the session's thread did not end"
    assert not [pid for pid in pids if disks.alive(pid)], "a process was left"
    assert not [folder for folder in folders if os.path.exists(folder)], "temporary files were left"
    assert not [line for line in disks.command_lines(str(opened.image)) if "qemu" in line], "the image is still held"


def make_guest_tree(folder: Path) -> Path:
    """A small Linux guest with everything that is awkward."""
    for name in ("etc", "home/web", "srv", "big", "odd", "many"):
        (folder / name).mkdir(parents=True)
    (folder / "etc/os-release").write_text('NAME="Test"\nPRETTY_NAME="Test Linux 1 (proof)"\n')
    (folder / "etc/fstab").write_text("LABEL=root / ext4 defaults 0 1\n/dev/vda9 /gone ext4 defaults\n")
    (folder / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\nwww:x:1000:web\n")
    (folder / "home/web/page.html").write_text("<h1>hello</h1>\n")
    os.chmod(folder / "home/web/page.html", 0o640)
    os.link(folder / "home/web/page.html", folder / "home/web/twin.html")
    os.symlink("page.html", folder / "home/web/index.html")
    os.symlink("/etc/passwd", folder / "home/web/absolute")
    os.symlink("../../../../../../etc/shadow", folder / "home/web/escape")
    for path in (folder / "home/web", *(folder / "home/web").iterdir()):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    (folder / "big/data.bin").write_bytes(bytes(range(256)) * 4096 * 5)
    os.mkfifo(folder / "srv/pipe")
    for name in (b"new\nline", b"'quo\"te`", b"-rf", b"a b", b"\xff\xfe", b"caf\xe9.txt"):
        (folder / "odd" / os.fsdecode(name)).write_bytes(name)
    for number in range(10_000):
        (folder / f"many/file{number:05}").touch()
    return folder
