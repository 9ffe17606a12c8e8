# SPDX-License-Identifier: GPL-3.0-or-later
"""The editing tools through a real appliance: one launched session for the module, checked at its end by guestfish.

Each test works on files of its own; the last one looks at the applied image from outside.
"""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.hives import empty_hive
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images.messages import ChangeVerb
from vmconsole.images.tool_requests import FindBytes, MeasureFolders, Search, Task
from vmconsole.images.tool_values import (
    ConfigEdit,
    ConfigVerb,
    FoundAt,
    Hit,
    NewAttributes,
    RegistryEdit,
    RegistryValue,
    RegistryVerb,
    SearchIn,
    Size,
    Xattr,
)
from vmconsole.inventory.errors import ImageError
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(600)]

HOSTS = b"# kept comment\n127.0.0.1\tlocalhost   # spaces kept\n\n\n10.0.0.7  web1 web1.lan\n"
HIVE = "/Windows/System32/config/SOFTWARE"
ODD_HIVE = "/Windows/System32/config/ODD"
LATIN = b"# gr\xfcn\nkernel.domainname = m\xfcller\nvm.swappiness = 10\n"


def make_tree(folder: Path) -> Path:
    for name in ("etc", "srv/www/deep", "srv/plain", "Windows/System32/config", "big"):
        (folder / name).mkdir(parents=True)
    (folder / "etc/os-release").write_text('PRETTY_NAME="Test Linux 1"\n')
    (folder / "etc/fstab").write_text("LABEL=root / ext4 defaults 0 1\n")
    (folder / "etc/hosts").write_bytes(HOSTS)
    (folder / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\nwww-data:x:33:web\n")
    for number in range(40):
        (folder / f"srv/www/page{number}.html").write_text(f"<p>page {number}</p>\n")
    (folder / "srv/www/deep/Needle.TXT").write_text("first\nsecond\nhere is the NEEDLE in it\n")
    (folder / "srv/www/deep/windows.ini").write_bytes("[a]\r\nneedle=1\r\n".encode("utf-16-le"))
    (folder / "srv/www/run.sh").write_text("#!/bin/sh\n")
    (folder / "srv/www/run.sh").chmod(0o4755)
    (folder / "srv/www/link").symlink_to("/etc/hosts")
    (folder / "srv/plain/note").write_text("note\n")
    with (folder / "big/data").open("wb") as file:
        file.seek(20 << 20)
        file.write(b"\x00\xde\xad\xbe\xef\x00" + bytes(100))
    empty_hive(folder / HIVE[1:])
    empty_hive(folder / "Windows/System32/config/DIRTY", is_clean=False)
    hidden_names(empty_hive(folder / ODD_HIVE[1:]))
    (folder / "etc/sysctl.conf").write_bytes(LATIN)
    return folder


def hidden_names(hive: Path) -> None:
    """A key and a value whose names have a NUL, as malware makes them: Windows' own editor cannot open those."""
    made = "\n".join(
        ["cd \\", "add Run", "add Run_hidden", "cd Run_hidden", "setval 1", "evil_x", "string:here", "cd \\", "cd Run",
         "setval 1", "good", "string:there", "commit", ""]
    )  # fmt: skip
    subprocess.run(["hivexsh", "-w", hive], input=made.encode(), capture_output=True, check=True)
    data = hive.read_bytes()
    assert data.count(b"Run_hidden") == data.count(b"evil_x") == 1
    hive.write_bytes(data.replace(b"Run_hidden", b"Run\0hidden").replace(b"evil_x", b"evil\0x"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


@pytest.fixture(scope="module")
def guest(place: Path) -> Iterator[Opened]:
    image = disks.ext4(make_tree(place / "tree"), place / "guest.qcow2", size="100M")
    shell = LocalShell()
    opened = session_on(image, shell, place / "work")
    done(opened.session.open(), deadline_s=LAUNCH_S)
    yield opened
    close(opened)
    shell.close()


def run_task(guest: Opened, task: Task) -> tuple[list[object], int]:
    """All items of a task, and in how many steps they came."""
    tools, found, steps = guest.session.tools, [], 0
    number = done(tools.begin(task))
    while True:
        page = done(tools.step(number))
        found.extend(page.items)
        steps += 1
        if page.is_over:
            return found, steps


def paths(hits: list[object]) -> list[str]:
    return sorted(h.path for h in hits if isinstance(h, Hit))


# -- attributes ----------------------------------------------------------------------------------------------------


def test_attributes_are_read_with_the_guests_own_names(guest: Opened) -> None:
    found = done(guest.session.tools.attributes("/srv/www/run.sh"))
    assert (found.mode, found.owner, found.group, found.size_bytes) == (0o4755, "root", "root", 10)
    assert [(a.name, a.number) for a in found.users] == [("root", 0), ("web", 33)]
    assert [(a.name, a.number) for a in found.groups] == [("root", 0), ("www-data", 33)]
    assert found.can_have_xattrs
    assert done(guest.session.tools.attributes("/srv/www/link")).link_target == "/etc/hosts"
    sparse = done(guest.session.tools.attributes("/big/data"))
    assert sparse.disk_bytes < 1 << 20 < sparse.size_bytes


def test_mode_and_owner_of_a_whole_folder(guest: Opened) -> None:
    """Set-user-ID survives a change of the owner, execute bits stay where they were, links are not followed."""
    tools = guest.session.tools
    new = NewAttributes(0o750, 0o777, uid=33, gid=33, is_recursive=True, execute_only_where_some=True)
    changed = done(tools.set_attributes(["/srv/www"], new)).files
    assert changed == 46
    assert _mode(guest, "/srv/www") == (0o750, "web", "www-data")
    assert _mode(guest, "/srv/www/deep") == (0o750, "web", "www-data")
    assert _mode(guest, "/srv/www/page3.html") == (0o640, "web", "www-data")
    assert _mode(guest, "/srv/www/run.sh") == (0o4750, "web", "www-data")
    assert _mode(guest, "/etc/hosts") == (0o644, "root", "root"), "the link was followed"
    assert done(tools.attributes("/srv/www/link")).owner == "web"
    change = guest.session.changes()[-1]
    assert (change.verb, change.path) == (ChangeVerb.ATTRIBUTES, "/srv/www")
    assert "owner 33" in change.detail
    again = done(tools.set_attributes(["/srv/www"], new)).files
    assert again == 0, "what is so already is not touched"
    for uid, owner in ((0, "root"), (33, "web")):  # the kernel takes set-user-ID away with the owner
        assert done(tools.set_attributes(["/srv/www/run.sh"], NewAttributes(uid=uid))).files == 1
        assert _mode(guest, "/srv/www/run.sh") == (0o4750, owner, "www-data")


def _mode(guest: Opened, path: str) -> tuple[int, str, str]:
    found = done(guest.session.tools.attributes(path))
    return found.mode, found.owner, found.group


def test_xattrs_labels_and_acls(guest: Opened) -> None:
    tools, path = guest.session.tools, "/srv/plain/note"
    odd = b"\xff\x00binary\x80"
    label = b"system_u:object_r:httpd_sys_content_t:s0\0"
    done(tools.set_xattrs(path, [Xattr("user.comment", "grün".encode()), Xattr("user.odd", odd)]))
    done(tools.set_xattrs(path, [Xattr("security.selinux", label)], remove=["user.comment"]))
    done(tools.set_acl(path, "user::rw-\nuser:33:rw-   # web\ngroup::r--\nmask::rw-\nother::---\n"))
    found = done(tools.attributes(path))
    assert {x.name: x.value for x in found.xattrs} == {"user.odd": odd, "security.selinux": label}
    assert found.selinux_label == "system_u:object_r:httpd_sys_content_t:s0"
    assert "user:33:rw-" in found.access_acl.splitlines()
    assert found.mode == 0o660
    with pytest.raises(ImageError, match="not a valid ACL"):
        done(tools.set_acl(path, "user:nonsense"))
    done(tools.set_acl("/srv/plain", "u::rwx,g::r-x,o::---", is_default=True))
    assert "other::---" in done(tools.attributes("/srv/plain")).default_acl
    with pytest.raises(ImageError, match="cannot be the name"):
        done(tools.set_xattrs(path, [Xattr("comment", b"")]))


def test_new_files_and_links(guest: Opened) -> None:
    tools = guest.session.tools
    done(tools.make_file("/srv/plain/new"))
    done(tools.make_link("/srv/plain/soft", "../nowhere ok"))
    done(tools.make_link("/srv/plain/hard", "/srv/plain/note", is_hard=True))
    assert done(tools.attributes("/srv/plain/soft")).link_target == "../nowhere ok"
    assert done(tools.attributes("/srv/plain/note")).links == 2
    for refused in (
        tools.make_file("/srv/plain/note"),
        tools.make_link("/srv/plain/x", "/srv/www", is_hard=True),
        tools.make_link("/srv/plain/x", ""),
    ):
        with pytest.raises(ImageError):
            done(refused)
    assert "x" not in guest.names("/srv/plain")


# -- search --------------------------------------------------------------------------------------------------------


def test_search_by_name_and_by_content(guest: Opened) -> None:
    by_part, _ = run_task(guest, Search("/", "needle", SearchIn.NAMES))
    assert paths(by_part) == ["/srv/www/deep/Needle.TXT"]
    by_case, _ = run_task(guest, Search("/", "needle", SearchIn.NAMES, is_case_kept=True))
    assert by_case == []
    by_glob, _ = run_task(guest, Search("/srv", "page1?.html", SearchIn.NAMES))
    assert len(by_glob) == 10
    text, _ = run_task(guest, Search("/", "needle", SearchIn.CONTENT))
    assert paths(text) == ["/srv/www/deep/Needle.TXT", "/srv/www/deep/windows.ini"]
    hit = next(h for h in text if isinstance(h, Hit) and h.path.endswith("TXT"))
    assert (hit.line_number, hit.line, hit.offset) == (3, "here is the NEEDLE in it", 25)
    filtered, _ = run_task(guest, Search("/", "needle", SearchIn.CONTENT, name_pattern="*.ini"))
    assert paths(filtered) == ["/srv/www/deep/windows.ini"]
    with pytest.raises(ImageError):
        run_task(guest, Search("/nowhere", "x", SearchIn.NAMES))


def test_other_requests_get_their_turn_and_a_search_can_be_dropped(guest: Opened) -> None:
    tools = guest.session.tools
    number = done(tools.begin(Search("/", "zzz", SearchIn.CONTENT)))
    page = done(tools.step(number))
    assert guest.read("/srv/plain/note") == b"note\n"
    done(tools.drop(number))
    assert page.looked_at > 0
    with pytest.raises(ImageError, match="is over"):
        done(tools.step(number))


def test_sizes_and_windows_into_a_big_file(guest: Opened) -> None:
    (size, *_), _ = run_task(guest, MeasureFolders(("/big",)))
    assert isinstance(size, Size)
    assert (size.files, size.folders) == (1, 1)
    assert size.size_bytes == (20 << 20) + 106
    assert size.disk_bytes < 1 << 20
    window = done(guest.session.tools.read_window("/big/data", 20 << 20, 6))
    assert (window.data, window.size_bytes) == (b"\x00\xde\xad\xbe\xef\x00", (20 << 20) + 106)
    found, _ = run_task(guest, FindBytes("/big/data", b"\xde\xad\xbe\xef", 100))
    assert found == [FoundAt((20 << 20) + 1)]
    assert run_task(guest, FindBytes("/big/data", b"\xde\xad\xbe\xef", (20 << 20) + 2))[0] == []
    assert done(guest.session.tools.read_window("/big/data", 1 << 40, 6)).data == b""


# -- configuration files -------------------------------------------------------------------------------------------


def test_a_configuration_tree_keeps_comments_and_changes_one_value(guest: Opened) -> None:
    tools = guest.session.tools
    tree = done(tools.read_config("/etc/hosts"))
    assert tree.lens == "Hosts.lns"
    assert [(n.path, n.value) for n in tree.nodes] == [
        ("#comment", "kept comment"), ("1", None), ("1/ipaddr", "127.0.0.1"), ("1/canonical", "localhost"),
        ("1/#comment", "spaces kept"), ("2", None), ("2/ipaddr", "10.0.0.7"), ("2/canonical", "web1"),
        ("2/alias", "web1.lan"),
    ]  # fmt: skip
    edits = [ConfigEdit(ConfigVerb.SET, "2/ipaddr", value="10.0.0.8"), ConfigEdit(ConfigVerb.ADD, "2", "alias", "www")]
    tree = done(tools.edit_config("/etc/hosts", "", edits))
    assert ("2/alias[2]", "www") in [(n.path, n.value) for n in tree.nodes]
    assert guest.read("/etc/hosts") == HOSTS.replace(b"10.0.0.7", b"10.0.0.8").replace(b"web1.lan", b"web1.lan www")
    done(tools.edit_config("/etc/hosts", "", [ConfigEdit(ConfigVerb.DELETE, "2/alias[2]")]))
    assert guest.read("/etc/hosts") == HOSTS.replace(b"10.0.0.7", b"10.0.0.8")
    assert done(tools.attributes("/etc/hosts")).mode == 0o644
    assert ".augnew" not in "".join(guest.names("/etc"))


def test_a_value_that_does_not_fit_and_a_file_that_does_not_read_are_said(guest: Opened) -> None:
    tools = guest.session.tools
    before, changes = guest.read("/etc/hosts"), guest.session.changes()
    with pytest.raises(ImageError, match="does not fit"):
        done(tools.edit_config("/etc/hosts", "", [ConfigEdit(ConfigVerb.SET, "1/ipaddr", value="a b # c")]))
    with pytest.raises(ImageError, match="not there any more"):
        done(tools.edit_config("/etc/hosts", "", [ConfigEdit(ConfigVerb.SET, "9/ipaddr", value="1.2.3.4")]))
    with pytest.raises(ImageError, match="does not read as Fstab"):
        done(tools.read_config("/srv/www/page1.html", lens="Fstab.lns"))
    with pytest.raises(ImageError, match="what kind"):
        done(tools.read_config("/srv/plain/note"))
    assert guest.read("/etc/hosts") == before
    assert guest.session.changes() == changes
    assert "hosts.augnew" not in guest.names("/etc")


def test_a_configuration_that_is_not_utf_8(guest: Opened) -> None:
    tools = guest.session.tools
    tree = done(tools.read_config("/etc/sysctl.conf"))
    assert [(n.label, n.value) for n in tree.nodes] == [
        ("#comment", "gr\udcfcn"), ("kernel.domainname", "m\udcfcller"), ("vm.swappiness", "10"),
    ]  # fmt: skip
    edit = ConfigEdit(ConfigVerb.SET, tree.nodes[1].path, value="m\udcfcller.de")
    assert done(tools.edit_config("/etc/sysctl.conf", "", [edit])).nodes[1].value == "m\udcfcller.de"
    assert guest.read("/etc/sysctl.conf") == LATIN.replace(b"m\xfcller", b"m\xfcller.de")


# -- the registry --------------------------------------------------------------------------------------------------


def test_a_hive_is_browsed_and_changed(guest: Opened) -> None:
    tools = guest.session.tools
    key = ("Vendor", "Ünï")
    values = [
        RegistryValue("", 1, "the default\0".encode("utf-16-le")),
        RegistryValue("count", 4, b"\x2a\0\0\0"),
        RegistryValue("big", 11, b"\x01\0\0\0\0\0\0\x80"),
        RegistryValue("list", 7, "a\0b\0\0".encode("utf-16-le")),
        RegistryValue("raw", 3, bytes(range(256))),
    ]
    add = RegistryVerb.ADD_KEY
    edits = [RegistryEdit(add, key[:1]), RegistryEdit(add, key)]
    edits += [RegistryEdit(RegistryVerb.SET_VALUE, key, v) for v in values]
    done(tools.edit_hive(HIVE, edits))
    root = done(tools.read_key(HIVE, ()))
    assert root.subkeys == ("Vendor",)
    assert int(root.modified_at) == 132_000_000_000_000_000 // 10**7 - 11_644_473_600
    assert done(tools.read_key(HIVE, key[:1])).subkeys == ("Ünï",)
    assert set(done(tools.read_key(HIVE, key)).values) == set(values)
    done(tools.edit_hive(HIVE, [RegistryEdit(add, ("gone",))]))
    done(tools.edit_hive(HIVE, [RegistryEdit(RegistryVerb.DELETE_KEY, ("gone",))]))
    assert done(tools.read_key(HIVE, ())).subkeys == ("Vendor",)
    with pytest.raises(ImageError, match="there already"):
        done(tools.edit_hive(HIVE, [RegistryEdit(RegistryVerb.SET_VALUE, key, values[1]), RegistryEdit(add, key)]))
    assert "SOFTWARE" in guest.names("/Windows/System32/config")
    assert len(guest.names("/Windows/System32/config")) == 3, "a copy was left"


def test_a_hive_of_a_windows_that_was_not_shut_down_is_only_read(guest: Opened) -> None:
    tools, dirty = guest.session.tools, HIVE.replace("SOFTWARE", "DIRTY")
    assert done(tools.read_key(dirty, ())).is_dirty
    with pytest.raises(ImageError, match="not shut down"):
        done(tools.edit_hive(dirty, [RegistryEdit(RegistryVerb.ADD_KEY, ("a",))]))
    with pytest.raises(ImageError, match="not a registry hive"):
        done(tools.read_key("/etc/hosts", ()))


def test_names_that_hide_behind_a_nul_are_seen_and_not_cut(guest: Opened) -> None:
    tools = guest.session.tools
    assert set(done(tools.read_key(ODD_HIVE, ())).subkeys) == {"Run", "Run\0hidden"}
    (value,) = done(tools.read_key(ODD_HIVE, ("Run\0hidden",))).values
    assert (value.name, value.data) == ("evil\0x", "here\0".encode("utf-16-le"))
    assert [v.name for v in done(tools.read_key(ODD_HIVE, ("Run",))).values] == ["good"]
    setting = RegistryEdit(RegistryVerb.SET_VALUE, ("Run\0hidden",), RegistryValue("new", 4, bytes(4)))
    with pytest.raises(ImageError, match="cannot be changed") as refused:
        done(tools.edit_hive(ODD_HIVE, [setting]))
    assert "evil\\x00x" in refused.value.explanation.cause
    assert [v.name for v in done(tools.read_key(ODD_HIVE, ("Run\0hidden",))).values] == ["evil\0x"]
    done(tools.edit_hive(ODD_HIVE, [RegistryEdit(RegistryVerb.DELETE_KEY, ("Run\0hidden",))]))
    assert done(tools.read_key(ODD_HIVE, ())).subkeys == ("Run",), "the other one went"


# -- bringing things back ------------------------------------------------------------------------------------------


def test_a_file_or_folder_comes_back_with_all_it_has(guest: Opened, place: Path) -> None:
    tools = guest.session.tools
    for path in ("/srv/plain/note", "/srv/www"):
        packed = done(tools.pack(path, place / "packed.tar"))
        before = done(tools.attributes(path))
        done(guest.session.delete([path]))
        done(tools.unpack(packed, path))
        after = done(tools.attributes(path))
        for what in ("mode", "uid", "gid", "xattrs", "access_acl"):
            assert getattr(after, what) == getattr(before, what), (path, what)
        assert int(after.modified_at) == int(before.modified_at)
    assert guest.read("/srv/plain/note") == b"note\n"
    assert _mode(guest, "/srv/www/run.sh") == (0o4750, "web", "www-data")
    done(tools.unpack(packed, "/srv/www"))  # over what is there
    assert len(guest.names("/srv")) == 2, "something was left"
    exchange = guest.session._image.client.folder  # type: ignore[union-attr]  # it is open
    assert not [name for name in os.listdir(exchange) if name.endswith(".tar")]


def test_an_independent_guestfish_sees_the_same(guest: Opened, place: Path) -> None:
    done(guest.session.apply(), deadline_s=LAUNCH_S)
    hive = place / "hive"
    out = disks.guestfish(
        guest.image, "stat /srv/www/run.sh", "lgetxattrs /srv/plain/note", "acl-get-file /srv/plain/note access",
        "cat /etc/hosts", "readlink /srv/plain/soft", f"download {HIVE} {hive}",
    )  # fmt: skip
    assert f"mode: {stat.S_IFREG | 0o4750}" in out
    assert "uid: 33" in out
    assert "security.selinux" in out
    assert "user:33:rw-" in out
    assert HOSTS.replace(b"10.0.0.7", b"10.0.0.8").decode() in out
    assert "../nowhere ok" in out
    shown = subprocess.run(
        ["hivexsh", hive], input="cd \\Vendor\\Ünï\nlsval\n".encode(), capture_output=True, check=True
    ).stdout.decode()
    assert "dword:0000002a" in shown
    assert "the default" in shown
