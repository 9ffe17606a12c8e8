# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings survive a restart, a damaged file and a full disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.settings.profile import Profile

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    Profile(tmp_path).put("columns", ["test:///default"])
    again = Profile(tmp_path)
    assert again.texts("columns") == ("test:///default",)
    again.put("columns", None)
    assert Profile(tmp_path).values == {}


def test_everything_lies_below_the_profile_and_is_private(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "p")
    profile.put("a", 1)
    for path in (profile.cache_dir, profile.drafts_dir, profile.state_dir, profile.settings_file):
        assert path.is_relative_to(tmp_path / "p")
    assert profile.drafts_dir.stat().st_mode & 0o077 == 0
    assert profile.settings_file.stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_put_aside_and_defaults_serve(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{not json")
    profile = Profile(tmp_path)
    assert profile.flag("anything", default=True) is True
    assert (tmp_path / "settings.damaged").read_text() == "{not json"


def test_values_of_the_wrong_kind_give_the_default(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"flag": "yes", "list": [1, "a"]}')
    profile = Profile(tmp_path)
    assert profile.flag("flag") is False
    assert profile.texts("list") == ("a",)


def test_a_disk_that_cannot_be_written_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = Profile(tmp_path)

    def full(**_: object) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vmconsole.settings.profile.tempfile.mkstemp", full)
    profile.put("a", 1)
    assert profile.get("a") == 1
