# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of presets: the program's and one's own."""

import pytest

from vmconsole.inventory.errors import OperationRefused
from vmconsole.settings.presets import PresetFiles


def test_own_presets_are_kept_beside_the_programs(tmp_path):
    files = PresetFiles(tmp_path / "presets")
    assert len(files.texts()) == 4
    assert files.save("../Web / «slow»", "title = 'x'\n") == "web-slow"
    assert files.texts()[-1] == ("web-slow", "title = 'x'\n", True)
    files.save("small", "mine")
    assert ("small", "mine", True) in PresetFiles(tmp_path / "presets").texts()
    files.remove("small")
    assert not any(own for name, _, own in files.texts() if name == "small")


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "presets").write_text("a file in its place")
    with pytest.raises(OperationRefused, match="not saved"):
        PresetFiles(tmp_path / "presets").save("a", "b")
