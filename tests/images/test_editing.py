# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing a guest's disk through a real appliance: one launched session for the module, Apply at its end.

The tests share the draft; the last ones look at all of it. Each works in a folder of its own.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, Opened, close, done, make_guest_tree, session_on
from vmconsole.images.messages import ChangeVerb, Conflict, EntryKind, ImageMode, Progressed, SessionState
from vmconsole.inventory.errors import ImageError, ImageInUse, ImageNoSpace
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmconsole.images.messages import ImageOverview

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("editing")


@pytest.fixture(scope="module")
def guest(place: Path) -> Iterator[Opened]:
    image = disks.ext4(make_guest_tree(place / "tree"), place / "guest.qcow2")
    shell = LocalShell()
    opened = session_on(image, shell, place / "work")
    opened.before = disks.fingerprint(image)  # type: ignore[attr-defined]  # remembered for the last tests
    opened.overview = done(opened.session.open(), deadline_s=LAUNCH_S)  # type: ignore[attr-defined]  # likewise
    yield opened
    close(opened)
    shell.close()


def test_the_overview_says_what_is_there(guest: Opened) -> None:
    overview: ImageOverview = guest.overview  # type: ignore[attr-defined]  # see the fixture
    assert overview.mode is ImageMode.DRAFT
    assert overview.mode_reason is None
    assert overview.os_name == "Test Linux 1 (proof)"
    assert overview.has_os_tree
    assert overview.virtual_size_bytes == 400 << 20
    (filesystem,) = overview.filesystems
    assert (filesystem.device, filesystem.type, filesystem.label) == ("/dev/sda", "ext4", "root")
    assert (filesystem.mounted_at, filesystem.is_writable, filesystem.problem) == ("/", True, "")
    assert guest.states()[:2] == [SessionState.OPENING, SessionState.READY]


def test_a_folder_tells_kind_owner_mode_times_and_link_targets(guest: Opened) -> None:
    entries = {e.name: e for e in done(guest.session.list_folder("/home/web")).entries}
    page = entries["page.html"]
    assert (page.kind, page.size_bytes, page.mode) == (EntryKind.FILE, 15, 0o640)
    assert (page.uid, page.gid, page.owner, page.group, page.links) == (1000, 1000, "web", "www", 2)
    assert page.modified_at is not None
    assert abs(page.modified_at - time.time()) < 3600
    assert entries["index.html"].kind is EntryKind.LINK
    assert entries["index.html"].link_target == "page.html"
    assert entries["escape"].link_target == "../../../../../../etc/shadow"
    kinds = {e.name: e.kind for e in done(guest.session.list_folder("/srv")).entries}
    assert kinds["pipe"] is EntryKind.PIPE


def test_hostile_names_are_addressed_also_those_that_are_not_utf8(guest: Opened) -> None:
    entries = {e.name: e for e in done(guest.session.list_folder("/odd")).entries}
    assert set(entries) == {"new\nline", "'quo\"te`", "-rf", "a b", "\udcff\udcfe", "caf\udce9.txt"}
    for name in entries:
        assert guest.read(f"/odd/{name}") == os.fsencode(name)
    done(
        guest.session.write_file(
            "/odd/\udcff\udcfe",
            b"\xff\xfe",
        )
    )
    done(guest.session.rename("/odd/caf\udce9.txt", "/odd/th\udce9.txt"))
    done(guest.session.make_folder("/odd/n\udce9w"))
    done(guest.session.rename("/odd/th\udce9.txt", "/odd/n\udce9w/caf\udce9.txt"))
    assert guest.names("/odd/n\udce9w") == ["caf\udce9.txt"]
    done(guest.session.rename("/odd/n\udce9w/caf\udce9.txt", "/odd/caf\udce9.txt"))
    done(guest.session.delete(["/odd/n\udce9w"]))
    with pytest.raises(ImageError, match=r"\\xe9"):
        guest.read("/odd/n\udce9w")


def test_a_folder_comes_in_parts_in_the_order_of_the_window(guest: Opened) -> None:
    parts: list[tuple[str, ...]] = []
    whole = done(guest.session.list_folder("/many", on_part=lambda f: parts.append(tuple(e.name for e in f.entries))))
    assert len(parts) > 5
    assert [name for part in parts for name in part] == sorted(e.name for e in whole.entries)


def test_ten_thousand_entries_come_quickly(guest: Opened) -> None:
    began_at = time.monotonic()
    folder = done(guest.session.list_folder("/many"))
    took_s = time.monotonic() - began_at
    assert len(folder.entries) == 10_000
    assert all(e.kind is EntryKind.FILE and e.size_bytes == 0 for e in folder.entries)
    assert took_s < 20, f"{took_s:.1f} s"


@pytest.mark.parametrize("path", ["/gone", "/etc/passwd", "/a/../b", "relative", "/nul\0", "/home/web/escape"])
def test_what_cannot_be_listed_says_why(guest: Opened, path: str) -> None:
    with pytest.raises(ImageError) as refused:
        done(guest.session.list_folder(path))
    assert refused.value.explanation.what


def test_reading_is_limited_and_follows_links_inside_the_guest_only(guest: Opened) -> None:
    content = done(guest.session.read_file("/big/data.bin", limit_bytes=1000))
    assert content.size_bytes == 5 << 20
    assert content.is_truncated
    assert content.data == (bytes(range(256)) * 4)[:1000]
    whole = done(guest.session.read_file("/big/data.bin", limit_bytes=1 << 30))
    assert whole.data == bytes(range(256)) * 4096 * 5
    assert guest.read("/home/web/absolute").startswith(b"root:x:0:0::")
    with pytest.raises(ImageError):
        guest.read("/home/web/escape")


@pytest.mark.parametrize("path", ["/srv/pipe", "/home", "/gone", "/dev/sda", "/dev/null"])
def test_what_is_no_file_is_not_read(guest: Opened, path: str) -> None:
    with pytest.raises(ImageError):
        guest.read(path)


def test_writing_keeps_mode_owner_and_other_names(guest: Opened) -> None:
    done(guest.session.write_file("/home/web/page.html", b"<h1>new</h1>\n"))
    entries = {e.name: e for e in done(guest.session.list_folder("/home/web")).entries}
    page = entries["page.html"]
    assert (page.size_bytes, page.mode, page.owner, page.group, page.links) == (13, 0o640, "web", "www", 2)
    assert guest.read("/home/web/twin.html") == b"<h1>new</h1>\n"
    done(guest.session.write_file("/etc/group", b"root:x:0:\nwww:x:1000:web\nnew:x:7:\n"))
    change = guest.session.changes()[-1]
    assert (change.verb, change.path) == (ChangeVerb.WRITTEN, "/etc/group")


def test_writing_through_a_link_writes_its_target(guest: Opened) -> None:
    done(guest.session.write_file("/home/web/absolute", b"root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n"))
    assert guest.session.changes()[-1].path == "/etc/passwd"
    entries = {e.name: e for e in done(guest.session.list_folder("/home/web")).entries}
    assert entries["absolute"].kind is EntryKind.LINK


def test_a_new_file_belongs_to_its_folders_owner(guest: Opened) -> None:
    data = os.urandom(5 << 20)
    done(guest.session.write_file("/home/web/new.bin", data))
    entries = {e.name: e for e in done(guest.session.list_folder("/home/web")).entries}
    assert (entries["new.bin"].mode, entries["new.bin"].owner) == (0o644, "web")
    assert done(guest.session.read_file("/home/web/new.bin", limit_bytes=1 << 30)).data == data
    assert guest.session.changes()[-1].verb is ChangeVerb.ADDED


@pytest.mark.parametrize("path", ["/dev/sda", "/dev/x", "/srv/pipe", "/gone/x", "/home", "/", "/etc/fstab/x"])
def test_what_cannot_be_written_is_refused_and_no_change(guest: Opened, path: str) -> None:
    before = guest.session.changes()
    with pytest.raises(ImageError):
        done(guest.session.write_file(path, b"x"))
    assert guest.session.changes() == before


def test_folders_are_made_renamed_and_deleted(guest: Opened) -> None:
    done(guest.session.make_folder("/srv/a\nb"))
    done(guest.session.make_folder("/srv/a\nb/-c"))
    for taken in ("/srv/a\nb", "/etc/fstab"):
        with pytest.raises(ImageError, match="already"):
            done(guest.session.make_folder(taken))
    done(guest.session.rename("/srv/a\nb", "/srv/d"))
    assert guest.names("/srv/d") == ["-c"]
    for old, new in (
        ("/srv/d", "/etc/fstab"),
        ("/gone", "/srv/x"),
        ("/srv/d", "/srv/d/e"),
        ("/", "/x"),
        ("/srv/d", "/"),
    ):
        with pytest.raises(ImageError):
            done(guest.session.rename(old, new))
    done(guest.session.delete(["/srv/d"]))
    assert "d" not in guest.names("/srv")
    for path in ("/", "/gone", "/dev"):
        with pytest.raises(ImageError):
            done(guest.session.delete([path]))


def test_a_link_is_deleted_and_not_what_it_points_to(guest: Opened) -> None:
    done(guest.session.delete(["/home/web/index.html"]))
    assert "index.html" not in guest.names("/home/web")
    assert "page.html" in guest.names("/home/web")


def local_tree(folder: Path) -> Path:
    (folder / "site/sub").mkdir(parents=True)
    (folder / "site/run.sh").write_text("#!/bin/sh\n")
    (folder / "site/run.sh").chmod(0o755)
    os.utime(folder / "site/run.sh", (1e9, 1e9))
    (folder / "site/sub/-rf \n").write_text("odd")
    (folder / "site/sub" / os.fsdecode(b"caf\xe9")).write_text("latin")
    os.symlink("/etc/passwd", folder / "site/link")
    os.mkfifo(folder / "site/pipe")
    return folder / "site"


def test_a_tree_is_imported_with_modes_and_times(guest: Opened, tmp_path: Path) -> None:
    site = local_tree(tmp_path)
    result = done(guest.session.import_paths([site], "/home/web"))
    assert result.paths == ("/home/web/site",)
    assert (result.files, result.bytes) == (4, 18)
    assert len(result.skipped) == 1
    assert "pipe" in result.skipped[0]
    entries = {e.name: e for e in done(guest.session.list_folder("/home/web/site")).entries}
    assert set(entries) == {"sub", "run.sh", "link"}
    assert (entries["run.sh"].mode, entries["run.sh"].owner, entries["run.sh"].modified_at) == (0o755, "web", 1e9)
    assert entries["link"].link_target == "/etc/passwd"
    assert guest.names("/home/web/site/sub") == ["-rf \n", "caf\udce9"]
    assert not [name for name in guest.names("/home/web") if name.startswith(".vmconsole")]


def test_taken_names_are_refused_replaced_kept_or_skipped(guest: Opened, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("d/a.txt", "d/b.txt"):
        (tmp_path / name).write_text("first")
    done(guest.session.import_paths([tmp_path / "d"], "/srv"))
    (tmp_path / "d/b.txt").unlink()
    (tmp_path / "d/a.txt").write_text("second")
    (tmp_path / "d/sub").mkdir()
    (tmp_path / "d/sub/c.txt").write_text("third")
    with pytest.raises(ImageError, match="already"):
        done(guest.session.import_paths([tmp_path / "d"], "/srv", conflict=Conflict.REFUSE))
    skipped = done(guest.session.import_paths([tmp_path / "d"], "/srv", conflict=Conflict.SKIP))
    assert (skipped.paths, len(skipped.skipped)) == ((), 1)
    assert guest.read("/srv/d/a.txt") == b"first"
    both = done(guest.session.import_paths([tmp_path / "d"], "/srv", conflict=Conflict.KEEP_BOTH))
    assert both.paths == ("/srv/d (2)",)
    done(guest.session.import_paths([tmp_path / "d"], "/srv", conflict=Conflict.REPLACE))
    assert guest.names("/srv/d") == ["a.txt", "b.txt", "sub"]
    assert guest.read("/srv/d/a.txt") == b"second"
    assert guest.read("/srv/d/b.txt") == b"first"
    assert guest.read("/srv/d/sub/c.txt") == b"third"


def test_a_file_does_not_replace_a_folder(guest: Opened, tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("x")
    with pytest.raises(ImageError, match="folder"):
        done(guest.session.import_paths([tmp_path / "odd"], "/", conflict=Conflict.REPLACE))
    assert not [name for name in guest.names("/") if name.startswith(".vmconsole")]


def test_an_import_that_does_not_fit_leaves_nothing(guest: Opened, tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 600 << 20)  # a hole would be kept as one, and fit
    (tmp_path / "small").write_text("x")
    with pytest.raises(ImageNoSpace, match="600 MiB"):
        done(guest.session.import_paths([tmp_path / "small", tmp_path / "huge"], "/srv"))
    assert not {"huge", "small"} & set(guest.names("/srv"))
    assert not [name for name in guest.names("/srv") if name.startswith(".vmconsole")]


def test_a_guest_that_becomes_full_keeps_the_old_file(guest: Opened, tmp_path: Path) -> None:
    """Many empty files fit by their bytes, but the filesystem has no inodes left for them."""
    (tmp_path / "empty").mkdir()
    for number in range(11_000):
        (tmp_path / f"empty/{number}").touch()
    with pytest.raises(ImageNoSpace) as refused:
        done(guest.session.import_paths([tmp_path / "empty"], "/srv"))
    assert "No space left" in refused.value.explanation.said
    assert "empty" not in guest.names("/srv")
    assert not [name for name in guest.names("/srv") if name.startswith(".vmconsole")]
    done(guest.session.write_file("/srv/after", b"x"))


def test_missing_and_unreadable_local_files_are_named(guest: Opened, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as refused:
        done(guest.session.import_paths([tmp_path / "gone"], "/srv"))
    assert "gone" in refused.value.explanation.where


def test_a_cancelled_import_leaves_nothing_and_the_session_goes_on(guest: Opened, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(100 << 20))
    changes = guest.session.changes()
    guest.events.clear()
    future = guest.session.import_paths([tmp_path / "large"], "/srv")
    disks.until(lambda: any(isinstance(e, Progressed) and e.position > 0 for e in guest.events), what="it moves")
    guest.session.cancel()
    with pytest.raises(CancelledError):
        done(future)
    assert not [name for name in guest.names("/srv") if name.startswith((".vmconsole", "large"))]
    assert guest.session.changes() == changes
    assert guest.session.state is SessionState.READY


def test_files_and_folders_are_exported_and_nothing_leads_out(guest: Opened, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "start.html").symlink_to("page.html")
    done(guest.session.import_paths([tmp_path / "start.html"], "/home/web"))
    (tmp_path / "start.html").unlink()
    result = done(guest.session.export_paths(["/home/web", "/big/data.bin", "/odd"], tmp_path))
    assert [os.path.basename(p) for p in result.paths] == ["web (2)", "data.bin", "odd"]
    web = tmp_path / "web (2)"
    assert (web / "page.html").read_bytes() == b"<h1>new</h1>\n"
    assert (web / "page.html").stat().st_mode & 0o7777 == 0o640
    assert [p.name for p in web.rglob("*") if p.is_symlink()] == ["start.html"]
    assert os.readlink(web / "start.html") == "page.html"
    assert (web / "twin.html").samefile(web / "page.html")
    assert {"absolute", "escape"} <= {line.split(":")[0].rpartition("/")[2] for line in result.skipped}
    assert (tmp_path / "data.bin").read_bytes() == bytes(range(256)) * 4096 * 5
    names = {os.fsencode(p.name) for p in (tmp_path / "odd").iterdir()}
    assert names == {b"new\nline", b"'quo\"te`", b"-rf", b"a b", b"\xff\xfe", b"caf\xe9.txt"}
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_cancelled_or_failed_export_leaves_nothing(guest: Opened, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        done(guest.session.export_paths(["/big/data.bin", "/gone"], tmp_path))
    with pytest.raises(ImageError):
        done(guest.session.export_paths(["/big"], tmp_path / "not there"))
    assert os.listdir(tmp_path) == []


def test_one_filesystem_can_be_shown_alone_and_inspection_puts_the_tree_back(guest: Opened) -> None:
    alone = done(guest.session.show_filesystem("/dev/sda"))
    assert not alone.has_os_tree
    assert "etc" in guest.names("/")
    with pytest.raises(ImageError, match="no such filesystem"):
        done(guest.session.show_filesystem("/dev/sdb"))
    back = done(guest.session.show_filesystem(None))
    assert back.has_os_tree
    done(guest.session.inspect(), deadline_s=LAUNCH_S)
    assert "etc" in guest.names("/")


def test_requests_in_a_row_are_dropped_by_cancel(guest: Opened) -> None:
    futures = [guest.session.list_folder("/many") for _ in range(5)]
    guest.session.cancel()
    ends = [future.exception(timeout=60) if not future.cancelled() else CancelledError() for future in futures]
    assert sum(isinstance(end, CancelledError) for end in ends) >= 4
    assert "etc" in guest.names("/")


def test_apply_is_refused_while_a_guest_uses_the_image(guest: Opened) -> None:
    guest.users = ("web1",)
    with pytest.raises(ImageInUse, match="web1"):
        done(guest.session.apply())
    guest.users = ()
    assert guest.session.state is SessionState.READY
    assert guest.session.changes()


def test_nothing_was_written_and_then_everything_is(guest: Opened) -> None:
    """The last one: Apply, and an independent guestfish as the witness."""
    assert disks.fingerprint(guest.image) == guest.before  # type: ignore[attr-defined]  # see the fixture
    count = len(guest.session.changes())
    applied = done(guest.session.apply(), deadline_s=LAUNCH_S)
    assert applied.changes == count
    assert guest.session.state is SessionState.APPLIED
    assert guest.session.changes() == ()
    assert guest.session.pids == ()
    assert disks.fingerprint(guest.image) != guest.before  # type: ignore[attr-defined]  # see the fixture
    disks.run("qemu-img", "check", guest.image)
    seen = disks.guestfish(
        guest.image, "cat /home/web/page.html", "ls /srv", "stat /home/web/site/run.sh", "cat /etc/group",
        "ls /home/web",
    )  # fmt: skip
    assert "<h1>new</h1>" in seen
    assert "new:x:7:" in seen
    assert "d (2)" in seen
    assert "mtime: 1000000000" in seen
    assert "index.html" not in seen
    assert not [p for p in os.listdir(guest.image.parent) if p.startswith(".")]
    with pytest.raises(ImageError, match="not open"):
        done(guest.session.list_folder("/"))
