# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line says what it means, and refuses the rest in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vmconsole.app import cli
from vmconsole.app.edit_target import EditTarget

if TYPE_CHECKING:
    from pathlib import Path


def test_hosts_may_be_given_more_than_once() -> None:
    options = cli.parse(["--connect", "qemu+ssh://root@kvm1/system", "--connect", "test:///default"])
    assert options.connect == ("qemu+ssh://root@kvm1/system", "test:///default")
    assert options.demo is None
    assert options.after_s is None


def test_demo_parts_come_in_any_order_and_have_defaults() -> None:
    assert cli.parse(["--demo"]).demo == cli.Demo()
    assert cli.parse(["--demo", "seed=7,hosts=20"]).demo == cli.Demo(hosts=20, seed=7)


@pytest.mark.parametrize("text", ["hosts=0", "hosts=x", "guests=3", "hosts", "hosts=-1", "domains=100001"])
def test_a_wrong_demo_is_refused_with_a_sentence(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.parse(["--demo", text])
    assert left.value.code == 2
    assert "--demo" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "soon", "1e9"])
def test_a_wrong_time_is_refused(text: str) -> None:
    with pytest.raises(SystemExit):
        cli.parse([f"--after={text}"])


def test_a_screenshot_without_a_time_is_taken_after_ten_seconds() -> None:
    assert cli.parse(["--screenshot", "a.png"]).after_s == 10.0
    assert cli.parse(["--screenshot", "a.png", "--after", "3"]).after_s == 3.0


def test_version_and_help_answer(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("--version", "--help"):
        with pytest.raises(SystemExit) as left:
            cli.parse([word])
        assert left.value.code == 0
    assert "vmconsole" in capsys.readouterr().out


def test_an_image_is_named_as_a_file_a_path_on_a_host_or_a_guests_disk(tmp_path: Path) -> None:
    file = tmp_path / "a disk.qcow2"
    file.touch()

    def target(text: str) -> EditTarget | None:
        return cli.parse(["--edit-image", text]).edit_image

    assert target(str(file)) == EditTarget(path=str(file))
    assert target("ssh://root@kvm1:2222/srv/a%20b.raw") == EditTarget(
        "qemu+ssh://root@kvm1:2222/system", "/srv/a b.raw"
    )
    assert target("qemu+ssh://kvm1/system#web1/vdb") == EditTarget("qemu+ssh://kvm1/system", guest="web1", disk="vdb")
    assert target("qemu:///system#web1") == EditTarget("qemu:///system", guest="web1")
    assert target("qemu+ssh://kvm1/system#/srv/x") == EditTarget("qemu+ssh://kvm1/system", path="/srv/x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/nowhere/x.qcow2", "No such file"),
        ("/tmp", "neither a file"),
        ("qemu+ssh://kvm1/system", "which disk"),
        ("qemu+ssh://kvm1/system#", "which disk"),
        ("qemu+ssh://kvm1/system#web1/", "not like GUEST"),
        ("ssh://kvm1", "not like ssh://"),
        ("what://kvm1#a", "no libvirt driver"),
        ("qemu+tls://kvm1/system#a", "through SSH"),
        ("test:///default#test", "through SSH"),
    ],
)
def test_a_wrong_image_is_refused_with_a_sentence(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.parse(["--edit-image", text])
    assert left.value.code == 2
    assert said in capsys.readouterr().err
