# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts as files: PNG of what is seen, CSV of the values behind it. GUI thread; small files only."""

from __future__ import annotations

import csv
import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSaveFile

from vmconsole.inventory.errors import ConsoleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from vmconsole.ui.charts.card import ChartCard


def save_png(widget: QWidget, path: str) -> None:
    """What is on the screen, in the screen's resolution. Raises ConsoleError."""
    file = QSaveFile(path)
    if not file.open(QSaveFile.OpenModeFlag.WriteOnly):
        raise _cannot(path, file.errorString())
    if not widget.grab().save(file, "PNG") or not file.commit():
        raise _cannot(path, file.errorString())


def save_csv(cards: Sequence[ChartCard], path: str) -> None:
    """One row per moment: time, then each curve in its unit; empty where unknown. Raises ConsoleError."""
    columns: dict[str, dict[float, float]] = {}
    for card in cards:
        for key, series in card.series.items():
            name = f"{card.spec.key} {key} ({card.spec.unit.value})"
            columns[name] = dict(zip(series.times.tolist(), series.values.tolist(), strict=True))
    moments = sorted({moment for column in columns.values() for moment in column})
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["time", *columns])
            for moment in moments:
                rows.writerow([_clock(moment), *(_cell(column.get(moment)) for column in columns.values())])
    except OSError as error:
        raise _cannot(path, error.strerror or str(error)) from error


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().isoformat(timespec="milliseconds")


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"


def _cannot(path: str, said: str) -> ConsoleError:
    return ConsoleError(
        f"The chart could not be saved as {path}.", advice="Choose another place.", where=path, said=said
    )
