# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `lab`."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .agent import guest_shell
from .errors import LabError
from .faults import CUTS, DAEMONS
from .lab import Lab, LabOptions
from .status import lab_status, status_lines

DESCRIPTION = """\
Real hypervisor hosts for tests, on this machine: kvm1, kvm2, … each with its own network, sshd, libvirtd, storage,
cgroups and running QEMU guests (no KVM needed). Needs root."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0 when it worked, 1 with a line of explanation on standard error when not."""
    options = _parser().parse_args(arguments)
    lab = Lab(options.dir, say=lambda line: print(line, file=sys.stderr, flush=True))
    command: Callable[[Lab, argparse.Namespace], int | None] = options.run
    try:
        return command(lab, options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted; `lab down` removes what there is", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description=DESCRIPTION)
    parser.add_argument(
        "--dir", type=Path, help="where the lab lives (default: $VMLAB_DIR, else /var/tmp/vmconsole-lab)"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    up = commands.add_parser("up", help="bring up N hosts (3)")
    up.add_argument("hosts", nargs="?", type=int, default=3, metavar="N")
    up.add_argument("--guests", type=int, default=3, help="running guests per host (3)")
    up.add_argument("--memory-mib", type=int, default=128, help="memory per guest (128)")
    up.add_argument("--no-load", action="store_true", help="guests idle from the start")
    up.add_argument("--name", help="prefix of cgroups and interfaces (default: made from the directory)")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end and remove everything")
    down.add_argument("--name", help="of a lab whose directory was lost")
    down.set_defaults(run=_down)
    status = commands.add_parser("status", help="what is up")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(run=_status)
    _add_host_commands(commands)
    return parser


def _add_host_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    def add(name: str, run: Callable[[Lab, argparse.Namespace], int | None], text: str) -> argparse.ArgumentParser:
        parser = commands.add_parser(name, help=text)
        parser.add_argument("host")
        parser.set_defaults(run=run)
        return parser

    add("uri", lambda lab, o: print(lab.host(o.host).uri), "the libvirt URI of a host")
    add("exec", _exec, "run a command in a host").add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    add("ssh", _ssh, "ssh to a host").add_argument("words", nargs=argparse.REMAINDER, metavar="…")
    guest = add("guest", _guest, "run a shell command in a guest, by its agent: lab guest kvm1 g11 load cpu 80")
    guest.add_argument("domain")
    guest.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    add("freeze", lambda lab, o: lab.host(o.host).freeze(), "hang libvirtd (SIGSTOP)")
    add("thaw", lambda lab, o: lab.host(o.host).thaw(), "let libvirtd go on")
    stop = add("stop", lambda lab, o: lab.host(o.host).stop(o.daemon), "kill a daemon; guests live on")
    stop.add_argument("daemon", nargs="?", choices=DAEMONS, default="libvirtd")
    start = add("start", lambda lab, o: lab.host(o.host).start(o.daemon), "start a dead daemon, or all of them")
    start.add_argument("daemon", nargs="?", choices=DAEMONS)
    cut = add("cut", lambda lab, o: lab.host(o.host).cut(o.how), "cut the network: silence, TCP resets, plug pulled")
    cut.add_argument("how", nargs="?", choices=CUTS, default="drop")
    add("mend", lambda lab, o: lab.host(o.host).mend(), "end the cut")
    add("crash", lambda lab, o: lab.host(o.host).crash(), "a power cut")
    add("boot", lambda lab, o: lab.host(o.host).boot(), "start a crashed host again, guests off")


def _up(lab: Lab, options: argparse.Namespace) -> None:
    began = time.monotonic()
    lab.up(LabOptions(options.hosts, options.guests, options.memory_mib, not options.no_load, options.name))
    print(f"{options.hosts} hosts up in {time.monotonic() - began:.1f} s; their guests are booting", file=sys.stderr)
    for host in lab.hosts:
        print(host.uri)


def _down(lab: Lab, options: argparse.Namespace) -> None:
    began = time.monotonic()
    lab.down(name=options.name)
    print(f"down in {time.monotonic() - began:.1f} s", file=sys.stderr)


def _status(lab: Lab, options: argparse.Namespace) -> int:
    status = lab_status(lab)
    print(json.dumps(status, indent=2) if options.json else "\n".join(status_lines(status)))
    return 0 if status["up"] else 3  # as `systemctl status` does


def _exec(lab: Lab, options: argparse.Namespace) -> None:
    words = lab.host(options.host).command(options.words or ["bash"])
    os.execvp(words[0], words)


def _ssh(lab: Lab, options: argparse.Namespace) -> None:
    program = str(lab.ssh_program)
    os.execv(program, [program, lab.host(options.host).name, *options.words])


def _guest(lab: Lab, options: argparse.Namespace) -> int:
    answer = guest_shell(lab.host(options.host), options.domain, " ".join(options.words))
    sys.stdout.write(answer.output)
    sys.stderr.write(answer.errors)
    return answer.status
