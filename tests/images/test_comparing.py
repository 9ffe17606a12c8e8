# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing the snapshots of one disk, and bringing a file back from one, through real appliances.

Two sessions on one image at the same time: a snapshot, to look only, and the draft.
"""

from __future__ import annotations

import dataclasses
import queue
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images.comparing import Compared, Comparison, Difference, Verdict, may_differ_in_content, what_differs
from vmconsole.images.messages import EntryKind, ImageMode, ImageSource
from vmconsole.images.tool_values import Surveyed
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = Surveyed("a", EntryKind.FILE, 0o644, 0, 0, 10, "", "1.2.3")


def test_what_differs_is_told_from_attributes() -> None:
    change = dataclasses.replace
    assert what_differs(FILE, FILE) == ()
    assert what_differs(FILE, change(FILE, mode=0o600, uid=5)) == ("mode", "owner")
    assert what_differs(FILE, change(FILE, kind=EntryKind.FOLDER, mode=0)) == ("kind",)
    link = change(FILE, kind=EntryKind.LINK, link_target="/a")
    assert what_differs(link, change(link, link_target="/b", mode=0o700)) == ("link",)
    assert not may_differ_in_content(FILE, FILE)
    assert may_differ_in_content(FILE, change(FILE, stamp="1.2.4"))
    assert may_differ_in_content(FILE, change(FILE, size_bytes=11))


def compare(
    first: Opened, second: Opened, *, paths: tuple[str, ...] = ("/",)
) -> tuple[dict[str, Difference], Compared]:
    found: list[Difference] = []
    ended: queue.SimpleQueue[Compared] = queue.SimpleQueue()
    comparison = Comparison(
        first.session.tools, second.session.tools, on_found=found.extend, on_progress=lambda *_: None,
        on_end=ended.put, paths=paths,
    )  # fmt: skip
    comparison.start()
    compared = ended.get(timeout=120)
    comparison.close()
    return {d.path: d for d in found}, compared


@pytest.fixture(scope="module")
def shell() -> Iterator[LocalShell]:
    shell = LocalShell()
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, shell: LocalShell) -> Iterator[tuple[Opened, Opened]]:
    """A session on the snapshot «before», and one on the draft of the disk, which was changed since."""
    place = tmp_path_factory.mktemp("comparing")
    tree = place / "tree"
    for name in ("etc", "srv/same", "srv/gone"):
        (tree / name).mkdir(parents=True)
    (tree / "etc/fstab").write_text("LABEL=root / ext4 defaults 0 1\n")
    (tree / "srv/text").write_text("one\ntwo\nthree\n")
    (tree / "srv/mode").write_text("same\n")
    (tree / "srv/gone/file").write_text("precious\n")
    (tree / "srv/gone/file").chmod(0o640)
    for number in range(300):
        (tree / f"srv/same/{number}").write_text(str(number))
    image = disks.ext4(tree, place / "guest.qcow2", size="64M")
    disks.run("qemu-img", "snapshot", "-c", "before", image)
    now = session_on(image, shell, place / "work")
    overview = done(now.session.open(), deadline_s=LAUNCH_S)
    assert [s.name for s in overview.snapshots] == ["before"]
    source = ImageSource(str(image), "qcow2", is_read_only=True, snapshot=overview.snapshots[0].id)
    before = session_on(image, shell, place / "work", source)
    assert done(before.session.open(), deadline_s=LAUNCH_S).mode is ImageMode.LOOK_ONLY
    yield before, now
    before.session.close()
    assert before.session.wait_closed(20)
    close(now)  # sees that nobody holds the image any more


@pytest.mark.slow  # two appliances; the default run does the same by hand in ``ui_images/test_tools_on_image``
@pytest.mark.appliance
@pytest.mark.timeout(600)
def test_a_snapshot_and_the_draft_are_compared_and_a_folder_is_brought_back(
    pair: tuple[Opened, Opened], tmp_path: Path
) -> None:
    before, now = pair
    found, compared = compare(before, now)
    assert (found, compared.is_whole) == ({}, True)
    assert compared.looked_at > 300

    done(now.session.write_file("/srv/text", b"one\n2\nthree\n"))
    done(now.session.write_file("/srv/mode", b"same\n"))  # the same bytes in another inode
    done(now.session.write_file("/srv/new", b"new\n"))
    done(now.session.delete(["/srv/gone"]))
    found, compared = compare(before, now)
    assert {path: d.verdict for path, d in found.items()} == {
        "/srv/text": Verdict.CHANGED, "/srv/new": Verdict.ADDED, "/srv/gone": Verdict.REMOVED,
    }  # fmt: skip
    assert found["/srv/text"].what == ("content",)
    assert found["/srv/text"].first_sha256 != found["/srv/text"].second_sha256 != ""
    assert found["/srv/gone"].is_folder

    packed = done(before.session.tools.pack("/srv/gone", tmp_path / "back.tar"))
    done(now.session.tools.unpack(packed, "/srv/gone"))
    assert now.read("/srv/gone/file") == b"precious\n"
    assert done(now.session.tools.attributes("/srv/gone/file")).mode == 0o640
    found, _ = compare(before, now)
    assert set(found) == {"/srv/text", "/srv/new"}

    done(now.session.make_folder("/srv/deep"))
    done(now.session.make_folder("/srv/deep/er"))
    done(now.session.write_file("/srv/deep/er/file", b"x"))
    found, compared = compare(before, now, paths=("/srv/text",))
    assert (set(found), compared.looked_at) == ({"/srv/text"}, 1)
    found, compared = compare(before, now, paths=("/srv/deep/er/file", "/srv/new"))
    assert {path: d.verdict for path, d in found.items()} == {"/srv/deep": Verdict.ADDED, "/srv/new": Verdict.ADDED}
    assert compared.left_out == ()
    found, compared = compare(before, now, paths=("/etc",))
    assert (found, compared.is_whole) == ({}, True)
