# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

from vmconsole.quotas.document import page
from vmconsole.quotas.table import TABLE


def test_the_page_of_limits_is_what_the_table_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
    assert text == page(), "run: python -m vmconsole.quotas.document > docs/limits.md"
    assert all(row.meaning in text for row in TABLE)
