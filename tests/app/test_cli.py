# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line says what it means, and refuses the rest in words."""

from __future__ import annotations

import pytest

from vmconsole.app import cli


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
