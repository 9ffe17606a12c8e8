# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's daemon as seen from its host: which one it is, its log, and starting it anew. For when libvirt is silent.

Everything goes through the host's shell, so it works while the daemon hangs. Guests live on while it is away: they are
processes of their own. Functions block; they run in the host's shell lane.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import NotPermitted, OperationRefused, Unsupported
from vmconsole.links.address import try_parse
from vmconsole.operations.base import Confirmation, Outcome

if TYPE_CHECKING:
    from vmconsole.inventory.ids import HostId
    from vmconsole.links.base import Completed, Shell

LOOK_S = 15.0
RESTART_S = 75.0
LOG_S = 20.0
LOG_LINES = 1000
PATIENCE_S = 20
"""How long systemd may try it the gentle way."""

DAEMONS = {"qemu": "virtqemud", "lxc": "virtlxcd", "xen": "virtxend", "ch": "virtchd"}
"""Driver → its daemon where libvirt is modular (libvirt's daemons.html); else all drivers are in libvirtd."""

_WITH_SBIN = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin"
"""A user's path that sudo keeps may lack these; libvirtd does not start where it does not find dnsmasq."""
_LOOK = """
managed=none
if [ -d /run/systemd/system ]; then managed=systemd
elif [ -d /run/openrc ]; then managed=openrc; fi
found() {
    if [ $managed = none ] && [ -x "/etc/init.d/$1" ]; then managed=sysv; fi
    printf '%s\\n' "$1" "${2:-0}" "$managed" "$(id -u)" "$3"
    [ -z "$2" ] || tr '\\0' '\\n' < "/proc/$2/cmdline"
    exit 0
}
for name in NAMES; do
    for file in "/run/$name.pid" "/run/libvirt/$name.pid"; do
        pid=$(cat "$file" 2>/dev/null) || continue
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] || continue
        found "$name" "$pid" "$(sed 's/.*) \\(.\\).*/\\1/' "/proc/$pid/stat")"
    done
done
PATH=$PATH:/usr/sbin:/usr/local/sbin
if [ $managed = systemd ]; then
    for name in NAMES; do
        systemctl is-enabled -q "$name.socket" 2>/dev/null && found "$name" "" ""
        systemctl is-enabled -q "$name.service" 2>/dev/null && found "$name" "" ""
    done
fi
for name in NAMES; do command -v "$name" >/dev/null && found "$name" "" ""; done
exit 3
"""
_LOG = """
if [ -d /run/systemd/system ] && command -v journalctl >/dev/null; then
    echo "journalctl -u NAME -n LINES"
    exec SUDO journalctl -u NAME -n LINES --no-pager -o short-iso
fi
for file in /var/log/libvirt/NAME.log /var/log/libvirt/libvirtd.log /var/log/NAME.log; do
    [ -e "$file" ] && { echo "$file"; exec SUDO tail -n LINES "$file"; }
done
for file in /var/log/syslog /var/log/messages; do
    [ -e "$file" ] && { echo "$file, lines of NAME"; SUDO grep -a NAME "$file" | tail -n LINES; exit 0; }
done
exit 3
"""


@dataclass(frozen=True, slots=True)
class Daemon:
    """libvirt's daemon on a host, as it was found."""

    name: str
    """``libvirtd`` or ``virtqemud``…"""
    pid: int | None
    """None when it does not run."""
    state: str
    """Letter of proc(5): ``T`` is stopped, ``D`` waits for storage. Empty when it does not run."""
    managed_by: str
    """``systemd``, ``openrc``, ``sysv``, or ``none``: then it is started as it was started before."""
    words: tuple[str, ...]
    """Its own command line."""
    needs_sudo: bool = False

    @property
    def restart_line(self) -> str:
        """What is run on the host, as one line for sh."""
        line = self._gentle_line()
        return f"sudo -n sh -c {shlex.quote(line)}" if self.needs_sudo else line

    def _gentle_line(self) -> str:
        unit = f"{self.name}.service"
        if self.managed_by == "systemd":
            hard = f"systemctl kill --kill-who=main -s KILL {unit}; systemctl restart {unit}"
            return f"timeout {PATIENCE_S} systemctl restart {unit} || {{ {hard}; }}"
        start = {
            "openrc": f"rc-service {self.name} restart",
            "sysv": f"service {self.name} restart",
        }.get(self.managed_by, shlex.join(self._start_words()))
        return f"{self._end_line()}{_WITH_SBIN} {start}"

    def _start_words(self) -> tuple[str, ...]:
        words = self.words or (self.name,)
        return words if {"-d", "--daemon"} & set(words) else (*words, "-d")  # else it would stay in our shell

    def _end_line(self) -> str:
        """Wake it, ask it to end, wait five seconds, and kill it."""
        if self.pid is None:
            return ""
        wait = f"for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 {self.pid} 2>/dev/null || break; sleep 0.5; done"
        return f"kill -TERM {self.pid}; kill -CONT {self.pid}; {wait}; kill -KILL {self.pid} 2>/dev/null && sleep 0.5; "


@dataclass(frozen=True, slots=True)
class DaemonLog:
    """The end of the daemon's log."""

    source: str
    """The file, or the command that showed it."""
    text: str


def find_daemon(shell: Shell, host: HostId) -> Daemon:
    """Which daemon serves this host's connection, running or not. Raises Unsupported where there is none."""
    done = shell.run(_LOOK.replace("NAMES", " ".join(_names(host))), deadline_s=LOOK_S)
    if done.status == 3:
        raise Unsupported(
            "No daemon of libvirt's was found there.",
            cause=f"Neither {' nor '.join(_names(host))} runs or is installed.", where=shell.where,
        )  # fmt: skip
    _require(done, "find libvirt's daemon", shell)
    name, pid, managed_by, user, state, *words = done.out.decode(errors="replace").splitlines()
    return Daemon(name, int(pid) or None, state, managed_by, tuple(words), needs_sudo=user != "0")


def read_log(shell: Shell, host: HostId) -> DaemonLog:
    """The last lines of the daemon's log, from the journal or from its file."""
    daemon = find_daemon(shell, host)
    script = _LOG.replace("NAME", daemon.name).replace("LINES", str(LOG_LINES))
    done = shell.run(script.replace("SUDO ", "sudo -n " if daemon.needs_sudo else ""), deadline_s=LOG_S)
    if done.status == 3:
        raise Unsupported(
            f"No log of {daemon.name} was found there.",
            cause="There is no systemd journal, and nothing in /var/log/libvirt.",
            advice="Set log_outputs in /etc/libvirt/libvirtd.conf.", where=shell.where,
        )  # fmt: skip
    _require(done, f"read the log of {daemon.name}", shell)
    source, _, text = done.out.decode(errors="replace").partition("\n")
    return DaemonLog(source, "".join(c for c in text if c.isprintable() or c in "\n\t"))


@dataclass(frozen=True, slots=True)
class RestartDaemon:
    """End libvirt's daemon, by force where it does not listen, and start it the way the host has it."""

    host: HostId
    host_name: str
    daemon: Daemon

    @staticmethod
    def possible(host: HostId) -> str:
        """Empty, or why not."""
        uri = try_parse(host)
        is_own = uri is not None and uri.path == "/session"
        return "A user's own daemon starts by itself when it is needed." if is_own else ""

    @property
    def title(self) -> str:
        return f"{'Restart' if self.daemon.pid else 'Start'} {self.daemon.name} on {self.host_name}"

    @property
    def deadline_s(self) -> float:
        return RESTART_S

    @property
    def confirmation(self) -> Confirmation | None:
        return Confirmation(
            key="restart_daemon",
            question=f"{self.title}?",
            loses="The guests run on. What other programs have under way with this daemon is cut off.\n\n"
            f"This is run on the host:\n{self.daemon.restart_line}",
        )

    def virsh(self) -> str:
        uri = try_parse(self.host)
        if uri is None or not uri.uses_ssh:
            return self.daemon.restart_line
        return shlex.join(["ssh", *uri.ssh_options(), uri.host, self.daemon.restart_line])

    def run_on(self, shell: Shell) -> Outcome:
        """Blocks; runs in the host's shell lane. Says which process it is now, as found afterwards."""
        done = shell.run(self.daemon.restart_line, deadline_s=RESTART_S - LOOK_S - 5)
        now = find_daemon(shell, self.host)
        if now.pid is not None and now.pid != self.daemon.pid:  # by our line, or by a supervisor that was quicker
            return Outcome(note=f"{now.name} runs again, as process {now.pid}")
        _require(done, f"restart {self.daemon.name}", shell)
        if now.pid is None and now.managed_by == "systemd":
            return Outcome(note=f"{now.name} starts when it is asked for")  # by its socket
        raise OperationRefused(
            f"{now.name} " + ("did not start." if now.pid is None else "could not be ended, even by force."),
            cause="" if now.pid is None else "It is stuck in the kernel, most likely on storage that is away.",
            advice="Look at its log.", where=shell.where, said=_said(done), action="show-log",
        )  # fmt: skip


def _names(host: HostId) -> tuple[str, ...]:
    uri = try_parse(host)
    modular = None if uri is None else DAEMONS.get(uri.driver)
    return ("libvirtd",) if modular is None else ("libvirtd", modular)


def _said(done: Completed) -> str:
    return (done.err + done.out).decode(errors="replace").strip()[-4000:]


def _require(done: Completed, tried: str, shell: Shell) -> None:
    if done.status == 0:
        return
    said = _said(done)
    if "sudo:" in said:
        raise NotPermitted(
            f"Could not {tried}: that needs root on the host.",
            advice="Connect as root, or allow it with sudo without a password.", where=shell.where, said=said,
        )  # fmt: skip
    raise OperationRefused(
        f"Could not {tried}.", advice="Look at its log.", where=shell.where, said=said, action="show-log"
    )
