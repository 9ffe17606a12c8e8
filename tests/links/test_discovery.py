# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that the computer knows: each source with its real program or file format, and a look that hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.links.discovery import (
    Discovery,
    Found,
    Places,
    Source,
    alias_hosts,
    local_daemons,
    ssh_hosts,
    virt_manager_hosts,
)
from vmconsole.links.libvirt_aliases import read_aliases
from vmconsole.links.virt_manager import text_list

SCHEMA = """<?xml version="1.0" encoding="UTF-8"?>
<schemalist>
  <schema id="org.virt-manager.virt-manager.connections" path="/org/virt-manager/virt-manager/connections/">
    <key type="as" name="uris"><default>[]</default></key>
    <key type="as" name="autoconnect"><default>[]</default></key>
  </schema>
</schemalist>
"""
KEYS = """[org/virt-manager/virt-manager/connections]
uris=['qemu:///system', 'qemu+ssh://root@kvm7/system', 'nonsense', 'xen+ssh://old/']
autoconnect=['qemu+ssh://root@kvm7/system']
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A home, a run directory and an environment in which nothing is known."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "cfg"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "GSETTINGS_BACKEND": "keyfile",
    }
    empty = tmp_path / "ssh_config"
    empty.write_text("", encoding="utf-8")
    return Places(
        home=tmp_path, ssh_config=empty, environment=environment, system_libvirt=tmp_path / "etc" / "libvirt.conf",
        run_dir=tmp_path / "libvirt",
    )  # fmt: skip


def listening(path: Path) -> closing[socket.socket]:
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a test's folder can be too long for a socket
    try:
        opened.bind(path.name)
    finally:
        os.chdir(here)
    opened.listen()
    return closing(opened)


# ---- ssh


def test_hosts_of_the_ssh_configuration_become_addresses(places: Places) -> None:
    assert places.ssh_config is not None
    places.ssh_config.write_text("Host kvm1 *.lab\n  User admin\n  Port 2222\n  HostName 10.0.0.1\n")
    assert list(ssh_hosts(places)) == [
        Found("qemu+ssh://kvm1/system", "kvm1", Source.SSH, "admin@10.0.0.1:2222"),
    ]


# ---- virt-manager


def test_virt_managers_connections_through_its_own_settings(places: Places, tmp_path: Path) -> None:
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    (schemas / "org.virt-manager.gschema.xml").write_text(SCHEMA)
    subprocess.run(["glib-compile-schemas", "--strict", str(schemas)], check=True, timeout=30)
    environment = places.environment | {"GSETTINGS_SCHEMA_DIR": str(schemas)}
    with_schema = Places(home=places.home, environment=environment)
    for key, value in (
        ("uris", "['qemu:///system', 'qemu+ssh://root@kvm7/system']"),
        ("autoconnect", "['qemu:///system']"),
    ):
        command = ["gsettings", "set", "org.virt-manager.virt-manager.connections", key, value]
        subprocess.run(command, check=True, env=environment, timeout=30)
    keyfile = places.config_home / "glib-2.0" / "settings" / "keyfile"
    keyfile.rename(keyfile.with_name("moved"))
    assert list(virt_manager_hosts(with_schema)) == [], "the file is what gsettings reads here"
    keyfile.with_name("moved").rename(keyfile)
    assert [(found.uri, found.connect_at_start) for found in virt_manager_hosts(with_schema)] == [
        ("qemu:///system", True),
        ("qemu+ssh://root@kvm7/system", False),
    ]


def test_without_the_schema_the_keyfile_is_read(places: Places) -> None:
    keyfile = places.config_home / "glib-2.0" / "settings" / "keyfile"
    keyfile.parent.mkdir(parents=True)
    keyfile.write_text(KEYS)
    assert [(found.uri, found.connect_at_start) for found in virt_manager_hosts(places)] == [
        ("qemu:///system", False),
        ("qemu+ssh://root@kvm7/system", True),
        ("xen+ssh://old/", False),
    ]


def test_where_virt_manager_was_never_used_nothing_is_found_and_nothing_is_said(
    places: Places, capfd: pytest.CaptureFixture[str]
) -> None:
    assert list(virt_manager_hosts(places)) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("['a', \"b'c\"]\n", ("a", "b'c")),
        ("@as []\n", ()),
        ("", ()),
        ("['a', 7]", ("a",)),
        ("{'a': 1}", ()),
        ("[" * 5000, ()),
        ("__import__('os').system('true')", ()),
    ],
)
def test_lists_of_texts_are_read_and_nothing_else(value: str, texts: tuple[str, ...]) -> None:
    assert text_list(value) == texts


# ---- libvirt's aliases


def test_aliases_of_the_user_go_before_those_of_the_system(places: Places) -> None:
    own = places.config_home / "libvirt" / "libvirt.conf"
    own.parent.mkdir(parents=True)
    own.write_text(
        "# uri_aliases = [ 'no=qemu:///no' ]\n"
        'uri_default = "qemu:///system"\n'
        "uri_aliases = [\n  \"hail=qemu+ssh://root@hail/system\", # why\n  'sleet=qemu+ssh://root@sleet/system',\n"
        '  "bad=nonsense", "no equals",\n]\n'
    )
    places.system_libvirt.parent.mkdir()
    places.system_libvirt.write_text('uri_aliases=["hail=qemu:///session","snow=lxc:///system"]')
    assert [(found.name, found.uri) for found in alias_hosts(places)] == [
        ("hail", "qemu+ssh://root@hail/system"),
        ("sleet", "qemu+ssh://root@sleet/system"),
        ("snow", "lxc:///system"),
    ]


@given(text=st.text(alphabet="uri_aliases=[]\"'#\n,ab\\ ", max_size=80))
def test_any_text_can_be_read_for_aliases(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "aliases.conf"
    file.write_text(text)
    assert isinstance(read_aliases(file), tuple)


# ---- this computer's daemons


def test_no_daemon_no_offer(places: Places) -> None:
    nobody = Places(environment=places.environment | {"PATH": ""}, run_dir=places.run_dir)
    assert [found.uri for found in local_daemons(nobody) if "session" not in found.uri] == []


@pytest.mark.parametrize("name", ["libvirt-sock", "virtqemud-sock"])
def test_monolithic_and_modular_daemons_are_found_by_their_sockets(places: Places, name: str) -> None:
    with listening(places.run_dir / name), listening(places.run_dir / "virtlxcd-sock"):
        found = {one.uri: one for one in local_daemons(places)}
    assert {"qemu:///system", "lxc:///system"} <= found.keys()
    assert name in found["qemu:///system"].detail


def test_a_session_daemon_that_runs_is_told_from_one_that_can_be_started(places: Places) -> None:
    assert places.session_run_dir is not None
    before = {one.uri: one.detail for one in local_daemons(places)}
    with listening(places.session_run_dir / "virtqemud-sock"):
        now = {one.uri: one.detail for one in local_daemons(places)}
    assert "running" not in before.get("qemu:///session", "")
    assert "running" in now["qemu:///session"]


# ---- all at once


class Heard:
    def __init__(self) -> None:
        self.found: list[Found] = []
        self.late: list[tuple[Source, ...]] = []
        self.ended = threading.Event()

    def end(self, late: tuple[Source, ...]) -> None:
        self.late.append(late)
        self.ended.set()


def test_all_looks_end_and_leave_no_thread(places: Places) -> None:
    assert places.ssh_config is not None
    places.ssh_config.write_text("Host kvm1\n")
    heard = Heard()
    discovery = Discovery(places, found=heard.found.append, ended=heard.end)
    discovery.start()
    assert heard.ended.wait(20)
    assert heard.late == [()]
    assert "qemu+ssh://kvm1/system" in {found.uri for found in heard.found}
    assert discovery.join(timeout_s=2)


def test_a_look_that_hangs_delays_only_itself(places: Places) -> None:
    assert places.ssh_config is not None
    places.ssh_config.write_text('Host kvm1\nMatch exec "sleep 2"\n')
    heard = Heard()
    discovery = Discovery(places, found=heard.found.append, ended=heard.end, deadline_s=0.8)
    began = time.monotonic()
    with listening(places.run_dir / "libvirt-sock"):
        discovery.start()
        assert heard.ended.wait(10)
    assert time.monotonic() - began < 2
    assert heard.late == [(Source.SSH,)]
    assert "qemu:///system" in {found.uri for found in heard.found}
    told = len(heard.found)
    assert discovery.join(timeout_s=10)
    assert len(heard.found) == told, "nothing is told after the end"


def test_after_close_nothing_is_told(places: Places) -> None:
    assert places.ssh_config is not None
    places.ssh_config.write_text('Host kvm1\nMatch exec "sleep 1"\n')
    heard = Heard()
    discovery = Discovery(places, found=heard.found.append, ended=heard.end)
    discovery.start()
    discovery.close()
    told = len(heard.found)
    assert discovery.join(timeout_s=10)
    assert (len(heard.found), heard.late) == (told, [])
