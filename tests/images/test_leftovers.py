# SPDX-License-Identifier: GPL-3.0-or-later
"""What killed programs leave: temporary folders go at the next start, drafts are offered."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.images import disks
from vmconsole.images import leftovers, way_back
from vmconsole.images.draft import Draft
from vmconsole.images.facts import look_at
from vmconsole.images.kept_drafts import kept_drafts, remove
from vmconsole.images.messages import ChangeVerb, ImageSource

if TYPE_CHECKING:
    import pytest

    from vmconsole.links.ssh import LocalShell

MAKER = """
import os, signal
from vmconsole.images.leftovers import make_folder
folder = make_folder()
(folder / "nbd").symlink_to("/run/user/0/vmconsole.gone/s")
print(folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_folders_of_killed_programs_go_and_those_of_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", MAKER], capture_output=True, text=True, check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    dead = Path(done.stdout.strip())
    assert dead.parent == tmp_path, done.stderr
    ours = leftovers.make_folder()
    (tmp_path / "vmconsole-12345678").symlink_to("/etc")
    nameless = tmp_path / "vmconsole-abcdefgh"
    nameless.mkdir()
    again = tmp_path / "vmconsole-ijklmnop"  # the number of a process that is there, but began at another time
    again.mkdir()
    (again / "owner").write_text(f"{os.getpid()} 1 x")
    assert set(leftovers.clean()) == {str(dead), str(again)}
    assert ours.exists()
    assert nameless.exists(), "a folder that was only just made was removed"
    os.utime(nameless, (1, 1))
    assert leftovers.clean() == (str(nameless),)
    assert Path("/etc/passwd").exists()


def test_kept_drafts_are_listed_unless_somebody_has_them(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    source = ImageSource(str(image), "qcow2", where="kvm1", guest_name="web1", host_uri="qemu+ssh://kvm1/system")
    draft = Draft(work, source)
    draft.begin(look_at(shell, source), tmp_path / "socket")
    draft.add(ChangeVerb.WRITTEN, "/etc/fstab")
    assert kept_drafts(work) == (), "a draft that is open was offered"
    draft.close()
    (kept,) = kept_drafts(work)
    assert kept.changes == ("/etc/fstab changed",)
    assert kept.source == source
    assert kept.bytes > 0
    again = Draft(work, source)
    assert not remove(kept), "a draft that is open was removed"
    again.close()
    assert remove(kept)
    assert kept_drafts(work) == ()
    assert os.listdir(work) == []


def test_a_damaged_list_is_left_alone(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    source = ImageSource(str(image), "qcow2")
    draft = Draft(work, source)
    draft.begin(look_at(shell, source), tmp_path / "socket")
    draft.add(ChangeVerb.MADE, "/d")
    draft.close()
    (draft.folder / "draft.json").write_text("{")
    assert kept_drafts(work) == ()
    assert (draft.folder / "disk0/layer-1.qcow2").exists()


def test_only_a_whole_way_back_is_one(image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "back"
    folder.mkdir()
    source = ImageSource(str(image), "qcow2")
    disks.qcow2(way_back.file_for(folder, "one"))
    way_back.begin(folder, source, draft_id="one", changes=("a",), digest="d", is_taking_back=False)
    assert way_back.load(folder) is None, "an Apply that is under way can be taken back"
    assert way_back.complete(folder, "other", "now") is None
    done = way_back.complete(folder, "one", "now")
    assert done is not None
    assert way_back.load(folder) == done
    assert way_back.complete(folder, "one", "later") == done, "completing twice changes it"
    disks.qcow2(way_back.file_for(folder, "two"))
    way_back.begin(folder, source, draft_id="two", changes=("b",), digest="d", is_taking_back=False)
    way_back.drop_pending(folder)
    assert way_back.load(folder) == done
    way_back.remove(folder)
    assert os.listdir(folder) == []
