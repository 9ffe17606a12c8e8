# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `build` and `host`."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.lab.vmlab.errors import LabError

from .host import V2Host
from .image import RELEASES, cache_directory, host_image

DESCRIPTION = """\
A real hypervisor host with systemd and cgroup2 alone, for slow tests: a Debian in a virtual machine, by emulation, with
a guest in it. Needs root; the first time it builds an image from this machine's Debian mirror."""


def build(arguments: Sequence[str]) -> int:
    """Make the image and print where it is."""
    parser = argparse.ArgumentParser(prog="build", description="Make the host's image, if the cache has none yet.")
    parser.add_argument("release", nargs="?", choices=RELEASES, default=RELEASES[0])
    options = parser.parse_args(arguments)
    return _guarded(lambda: print(host_image(options.release, cache_directory(), say=_say).disk))


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0 when it worked, 1 with a line of explanation on standard error when not."""
    options = _parser().parse_args(arguments)
    host = V2Host(options.dir, say=_say)
    return _guarded(lambda: options.run(host, options))


def _guarded(work: Callable[[], int | None]) -> int:
    try:
        return work() or 0
    except LabError as error:
        print(f"host: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("host: interrupted; `host down` removes what there is", file=sys.stderr)
    return 1


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="host", description=DESCRIPTION)
    parser.add_argument("--dir", type=Path, help="where it lives (default: $VMLAB_V2_DIR, /var/tmp/vmconsole-lab-v2)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[V2Host, argparse.Namespace], int | None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        return command

    up = add("up", _up, "boot it, start its guest, print its URI")
    up.add_argument("release", nargs="?", choices=RELEASES, default=RELEASES[0])
    add("down", lambda host, _: host.down(), "end and remove everything")
    add("uri", lambda host, _: print(host.uri), "the libvirt URI")
    add("exec", _exec, "run a command as root, past the network").add_argument(
        "words", nargs=argparse.REMAINDER, metavar="CMD"
    )
    add("ssh", _ssh, "go the way a client goes").add_argument("words", nargs=argparse.REMAINDER, metavar="…")
    add("freeze", lambda host, _: host.freeze(), "hang libvirtd (SIGSTOP)")
    add("thaw", lambda host, _: host.thaw(), "let libvirtd go on")
    add("cut", lambda host, _: host.cut(), "pull the network plug")
    add("mend", lambda host, _: host.mend(), "put it back")
    add("crash", lambda host, _: host.crash(), "a power cut")
    add("boot", lambda host, _: host.boot(), "start a crashed host again, guests off")
    return parser


def _up(host: V2Host, options: argparse.Namespace) -> None:
    began = time.monotonic()
    host.up(options.release)
    print(f"up in {time.monotonic() - began:.1f} s", file=sys.stderr)
    print(host.uri)


def _exec(host: V2Host, options: argparse.Namespace) -> int:
    done = host.exec("sh", "-c", shlex.join(options.words), check=False, timeout_s=3600)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def _ssh(host: V2Host, options: argparse.Namespace) -> None:
    program = str(host.ssh_program)
    os.execv(program, [program, host.name, *options.words])
