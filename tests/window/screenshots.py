# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the README's pictures from the lab: ``.venv/bin/python -m tests.window.screenshots`` (root, two minutes)."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.display import open_display
from tests.lab.vmlab import Lab, LabOptions
from tests.window.console import Console

if TYPE_CHECKING:
    from tests.display import Display

SIZE = (1280, 800)
PLACE = Path(__file__).resolve().parent.parent.parent / "resources" / "screenshots"
HISTORY_S = 75.0
OPEN_S = 240.0


def main() -> int:
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vmc-shots-") as folder, Lab(Path(folder) / "lab") as lab:
        lab.up(LabOptions(hosts=3, guests=3, load=True))
        for host in lab.hosts:
            for guest in host.guests:
                host.wait_for_agent(guest)
        lab.hosts[0].load(lab.hosts[0].guests[0], "cpu", 70)
        with open_display(*SIZE) as display:
            overview(display, lab, Path(folder))
            image_editor(display, lab, Path(folder))
    return 0


def take(display: Display, name: str) -> None:
    display.run("import", "-window", "root", str(PLACE / f"{name}.png"))
    sys.stdout.write(f"{PLACE / name}.png\n")


def connect(lab: Lab) -> list[str]:
    return [word for host in lab.hosts for word in ("--connect", host.uri)]


def maximise(display: Display) -> None:
    window = display.run("xdotool", "getactivewindow").strip()
    display.run("xdotool", "windowmove", window, "0", "0", "windowsize", window, *map(str, SIZE))


def overview(display: Display, lab: Lab, folder: Path) -> None:
    host = lab.hosts[0]
    with Console(display, folder / "overview", "--show", host.guests[0], *connect(lab)) as console:
        maximise(display)
        time.sleep(HISTORY_S)
        console.until("set_value", role="spin button", name="CPU limit in cores", value=0.4)
        console.until("press", role="push button", name="Apply")
        time.sleep(HISTORY_S / 3)
        take(display, "overview")


def image_editor(display: Display, lab: Lab, folder: Path) -> None:
    host = lab.hosts[0]
    with Console(display, folder / "editor", "--show", host.off_guest, *connect(lab)) as console:
        maximise(display)
        console.until("select", role="page tab", name="Disks")
        console.until("press", role="push button", name="Open Image")
        console.until("find", role="", name="etc", deadline_s=OPEN_S)
        maximise(display)
        time.sleep(2)
        take(display, "image-editor")


if __name__ == "__main__":
    sys.exit(main())
