# SPDX-License-Identifier: GPL-3.0-or-later
"""The console of the kill tests, as a process: ``python -m tests.images.kill_party FOLDER URI RUN_DIR [two]``.

For each line on stdin it forks a child that edits and applies, so that no time goes into starting Python. The child
tells on stdout how far it is: «pid N», «step WORDS», «end WORDS».
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from tests.images.stand_in import Place
from vmconsole.inventory.errors import ConsoleError
from vmconsole.links.ssh import LocalShell, SshMaster, SshShell
from vmconsole.links.uri import parse_uri


def say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


def play(place: Place, uri: str, run_dir: Path) -> None:
    """Open, edit, apply; as a console would."""
    master = None
    if uri:
        master = SshMaster(parse_uri(uri), run_dir=run_dir, on_exit=lambda _error: None)
        master.open(deadline_s=30)
        shell: LocalShell | SshShell = SshShell(master)
    else:
        shell = LocalShell()
    work, give = place.draft_work(shell, step=lambda words: say(f"step {words}"))
    image = place.open(shell)
    give(image)
    place.edit(image)
    say("step Asking")
    try:
        work.apply(keeps_way_back=True)
        say("end applied")
    except ConsoleError as error:
        say(f"end {type(error).__name__}: {error.explanation.what} {error.explanation.said!r}")
    shell.close()
    if master is not None:
        master.close()


def main() -> None:
    place = Place(Path(sys.argv[1]), has_second_disk=len(sys.argv) > 4)
    uri, run_dir = sys.argv[2], Path(sys.argv[3])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.setsid()
            say(f"pid {os.getpid()}")
            try:
                play(place, uri if line.strip() == "ssh" else "", run_dir)
            except BaseException:  # noqa: BLE001 - the test must see whatever it was
                say("end broken: " + repr(traceback.format_exc()))
            os._exit(0)
        os.waitpid(child, 0)
        say("gone")


if __name__ == "__main__":
    main()
