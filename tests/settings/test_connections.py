# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections survive a restart, the old list of texts, damage and a full disk."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING

import pytest

from vmconsole.settings.connections import Connections, SavedConnection
from vmconsole.settings.profile import Profile

if TYPE_CHECKING:
    from pathlib import Path

PROD = SavedConnection("qemu+ssh://kvm1/system", "Big one", "#d0342c", "production", connect_at_start=False)
PLAIN = SavedConnection("qemu:///system")


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    Profile(tmp_path).connections.put(PROD, PLAIN)
    again = Profile(tmp_path).connections
    assert again.all == (PROD, PLAIN)
    assert again.find(PROD.uri) == PROD
    assert again.file.stat().st_mode & 0o077 == 0
    again.remove(PROD.uri, "unknown")
    assert Profile(tmp_path).connections.all == (PLAIN,)


def test_the_list_of_the_first_versions_is_taken_over_once(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"connections": ["qemu:///system", "lxc:///system"], "colours": "dark"}')
    profile = Profile(tmp_path)
    assert [saved.uri for saved in profile.connections.all] == ["qemu:///system", "lxc:///system"]
    assert all(saved.connect_at_start for saved in profile.connections.all), "they were all connected before"
    assert (profile.texts("connections"), profile.get("colours")) == ((), "dark")
    profile.connections.remove("lxc:///system")
    assert [saved.uri for saved in Profile(tmp_path).connections.all] == ["qemu:///system"]


def test_the_old_list_stays_when_the_new_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.json").write_text('{"connections": ["qemu:///system"]}')

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    profile = Profile(tmp_path)
    assert [saved.uri for saved in profile.connections.all] == ["qemu:///system"]
    assert profile.texts("connections") == ("qemu:///system",)


@pytest.mark.parametrize("content", ["{", "[]", '{"connections": {}}', "\x00\xff", "null", "[" * 100_000])
def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "connections.json").write_text(content, encoding="latin-1")
    assert Profile(tmp_path).connections.all == ()
    assert (tmp_path / "connections.damaged").read_text(encoding="latin-1") == content
    assert "put aside" in caplog.text


def test_one_record_that_makes_no_sense_costs_no_other(tmp_path: Path) -> None:
    records = [
        {"uri": "a://1", "name": 7, "colour": "red; x", "group": "g", "connect_at_start": "no", "newer": 1},
        {"name": "no uri"}, "text", None, {"uri": " "}, {"uri": "b://2", "colour": "#AABBCC"},
    ]  # fmt: skip
    (tmp_path / "connections.json").write_text(json.dumps({"version": 9, "connections": records}))
    assert Profile(tmp_path).connections.all == (
        SavedConnection("a://1", group="g"),
        SavedConnection("b://2", colour="#AABBCC"),
    )


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = Profile(tmp_path)
    profile.connections.put(PLAIN)
    monkeypatch.setattr(json, "dump", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    profile.connections.put(PROD)
    monkeypatch.undo()
    assert Connections(tmp_path).all == (PLAIN,)
    assert [path.name for path in tmp_path.glob(".connections-*")] == []


def test_one_is_replaced_in_its_place(tmp_path: Path) -> None:
    connections = Profile(tmp_path).connections
    last = SavedConnection("lxc:///")
    connections.put(PROD, PLAIN, last)
    new = SavedConnection("qemu+ssh://kvm9/system", "Big one")
    connections.replace(PROD.uri, new)
    assert Profile(tmp_path).connections.all == (new, PLAIN, last)
    connections.replace(new.uri, last)
    assert connections.all == (last, PLAIN)
    connections.replace("unknown", PROD)
    assert connections.all == (last, PLAIN, PROD)
    assert [saved.group for saved in connections.all] == ["", "", "production"]
    assert connections.groups == ("production",)
