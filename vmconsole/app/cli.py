# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: what can be said, and what it means. No Qt, so that ``--help`` and ``--version`` answer at once."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole import __version__
from vmconsole.app.edit_target import HELP, EditTarget, edit_target

if TYPE_CHECKING:
    from collections.abc import Sequence

DEMO_LIMITS = {"hosts": (1, 1000), "domains": (0, 100_000), "seed": (0, 2**31)}


@dataclass(frozen=True, slots=True)
class Demo:
    """Scripted hosts instead of real ones."""

    hosts: int = 3
    domains: int = 30
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Options:
    connect: tuple[str, ...] = ()
    profile: Path | None = None
    demo: Demo | None = None
    screenshot: Path | None = None
    dump: Path | None = None
    after_s: float | None = None
    use_keyring: bool = False
    show: str = ""
    edit_image: EditTarget | None = None
    debug: bool = False
    self_test: bool = False
    bench: Path | None = None


def parse(argv: Sequence[str]) -> Options:
    """Options from the words after the program's name. Exits with 2 and a sentence on a wrong one, as argparse does."""
    given = _parser().parse_args(argv)
    after_s = given.after
    if after_s is None and (given.screenshot or given.dump):
        after_s = 10.0
    return Options(
        connect=tuple(given.connect),
        profile=given.profile,
        demo=given.demo,
        screenshot=given.screenshot,
        dump=given.dump,
        after_s=after_s,
        use_keyring=given.use_keyring,
        show=given.show,
        edit_image=given.edit_image,
        debug=given.debug,
        self_test=given.self_test,
        bench=given.bench_json,
    )


def demo_of(text: str) -> Demo:
    """``hosts=20,domains=2000,seed=7`` in any order, each part optional."""
    found: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in DEMO_LIMITS or not value.isdecimal():
            raise argparse.ArgumentTypeError(f"«{part}» is not like hosts=20, domains=2000 or seed=7")
        low, high = DEMO_LIMITS[key]
        if not low <= int(value) <= high:
            raise argparse.ArgumentTypeError(f"{key} must be between {low} and {high}")
        found[key] = int(value)
    return Demo(**found)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"«{text}» is not a number of seconds") from error
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError("seconds must be between 0 and 86400")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vmconsole",
        description="A desktop console for virtual machines on KVM: hosts over SSH, live cgroup charts, "
        "limits by mouse, and an editor for guests' disk images.",
        epilog="Without --connect or --demo it opens the connections remembered in the profile.",
    )
    add = parser.add_argument
    add("--connect", metavar="URI", action="append", default=[],
        help="a libvirt URI, such as qemu+ssh://root@kvm1/system; may be given more than once")  # fmt: skip
    add("--profile", metavar="DIR", type=Path,
        help="keep settings, history, caches and drafts below DIR instead of the user's own places")  # fmt: skip
    add("--demo", metavar="hosts=N,domains=N,seed=N", nargs="?", const=Demo(), type=demo_of,
        help="scripted hosts inside the program; needs no hypervisor")  # fmt: skip
    add("--edit-image", metavar="FILE|URI", type=edit_target, help=HELP)
    add("--show", metavar="GUEST", default="", help="select the guest of this name when it appears")
    add(
        "--after",
        metavar="SECONDS",
        type=_seconds,
        help="act (--screenshot, --dump, a summary) after so long, and exit",
    )
    add("--use-keyring", action="store_true",
        help="with --after: logins that the keyring remembers may be used. Nobody is ever asked then, and without "
        "this only keys and agents log in")  # fmt: skip
    add("--screenshot", metavar="FILE.png", type=Path, help="write a picture of the window")
    add("--dump", metavar="FILE.json", type=Path, help="write what the console knows of hosts and guests")
    add("--debug", action="store_true", help="log in detail, and watch for stalls of the window")
    add("--self-test", action="store_true", help="print versions and what works here, and exit")
    add("--bench-json", metavar="FILE", type=Path, help=argparse.SUPPRESS)  # for tests/bench
    add("--version", action="version", version=f"vmconsole {__version__}")
    return parser
