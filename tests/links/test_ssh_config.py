# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of ssh configurations, with the real ``ssh -G`` on files of our own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmconsole.inventory.errors import BadAddress, ConnectTimeout
from vmconsole.links.ssh_config import DEEPEST, ask_all, ask_ssh, host_names


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    written(
        tmp_path / "conf.d" / "site.conf",
        "Host db1 db2\n  ProxyJump bastion\nMatch originalhost db2\n  Port 2022\n  ProxyJump none\n",
    )
    return written(
        tmp_path / "config",
        f"""\
# Host commented
Include {tmp_path}/conf.d/*.conf
host=kvm1 KVM2 "kvm 3" !kvm4 kvm* ?
    HostName 10.0.0.1
    IdentityFile ~/.ssh/kvm
Match host 10.0.0.1,10.0.0.9 user root
    Compression yes
Host bastion
    User jump
    Port 2222
Match exec "test %n = kvm1"
    Port 2200
Host *
    User root
""",
    )


def test_names_of_host_lines_includes_and_matches_but_no_patterns(config: Path, tmp_path: Path) -> None:
    names = host_names(config, home=tmp_path)
    assert names == ("db1", "db2", "kvm1", "KVM2", "10.0.0.1", "10.0.0.9", "bastion")


def test_ssh_itself_says_what_match_wildcards_and_include_mean(config: Path) -> None:
    targets = {target.name: target for target in ask_all(("kvm1", "db1", "db2", "bastion"), config=config)}
    assert (targets["kvm1"].hostname, targets["kvm1"].port, targets["kvm1"].user) == ("10.0.0.1", 2200, "root")
    assert targets["kvm1"].identity_files == ("~/.ssh/kvm",)
    assert (targets["db1"].proxy_jump, targets["db1"].is_direct) == ("bastion", False)
    assert targets["db1"].route == "root@db1 through bastion"
    assert (targets["db2"].port, targets["db2"].proxy_jump) == (2022, "bastion"), "the first value counts, as in ssh"
    assert (targets["bastion"].user, targets["bastion"].route) == ("jump", "jump@bastion:2222")


def test_a_home_in_an_include_is_the_users(tmp_path: Path) -> None:
    home = tmp_path / "home"
    written(home / "more", "Host deeper\n")
    main = written(home / ".ssh" / "config", "Include ~/more beside\n")
    written(home / ".ssh" / "beside", "Host beside1\n")
    assert host_names(main, home=home) == ("deeper", "beside1")


def test_includes_in_a_circle_end(tmp_path: Path) -> None:
    first = written(tmp_path / "a", f"Host one\nInclude {tmp_path}/b\n")
    written(tmp_path / "b", f"Host two\nInclude {tmp_path}/a {tmp_path}/b\n")
    assert host_names(first, home=tmp_path) == ("one", "two")


def test_includes_end_where_ssh_ends_them(tmp_path: Path) -> None:
    for number in range(DEEPEST + 5):
        written(tmp_path / f"f{number}", f"Host h{number}\nInclude {tmp_path}/f{number + 1}\n")
    assert len(host_names(tmp_path / "f0", home=tmp_path)) == DEEPEST + 1


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    main = written(tmp_path / "config", f"Include {tmp_path}/*\nHost kvm1\n")
    began = time.monotonic()
    assert host_names(main, home=tmp_path) == ("kvm1",)
    assert host_names(tmp_path / "missing", home=tmp_path) == ()
    assert time.monotonic() - began < 2, "a pipe must not be waited for"


@pytest.mark.parametrize(
    "line", ["Host -oProxyCommand=id", "Host $(id)", "Host `id`", "Host a;b", 'Host "open', "Host ../../etc", "Host %h"]
)
def test_hostile_names_are_no_names(tmp_path: Path, line: str) -> None:
    assert host_names(written(tmp_path / "config", f"{line}\nHost fine\n"), home=tmp_path) == ("fine",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(content=st.binary(max_size=300))
def test_any_bytes_can_be_a_configuration(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config"
    file.write_bytes(content.replace(b"nclude", b"xclude"))
    assert all(not name.startswith("-") and name.isprintable() for name in host_names(file, home=tmp_path))


def test_an_option_that_ssh_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    broken = written(tmp_path / "config", "Host kvm1\n  NoSuchOption yes\n")
    with pytest.raises(BadAddress) as caught:
        ask_ssh("kvm1", config=broken)
    assert "nosuchoption" in caught.value.explanation.said.lower()
    assert list(ask_all(("kvm1",), config=broken)) == []


def test_a_match_that_hangs_is_given_up_with_all_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "started"
    hangs = written(tmp_path / "config", f'Match exec "echo $$ > {mark}; exec sleep 60"\n  Port 1\n')
    began = time.monotonic()
    with pytest.raises(ConnectTimeout):
        ask_ssh("kvm1", config=hangs, deadline_s=1.0)
    assert time.monotonic() - began < 5
    pid = int(mark.read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z", "the command lives on"


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(BadAddress, match="cannot be run"):
        ask_ssh("kvm1", program="/no/such/ssh")
