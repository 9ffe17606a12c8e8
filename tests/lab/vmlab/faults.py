# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with real hosts, made on purpose: hung and dead daemons, dead networks. All can be mended."""

from typing import Literal, get_args

from . import network
from .errors import LabError
from .inside import Inside, in_host_groups
from .network import Wiring
from .processes import run, wait_until

Daemon = Literal["libvirtd", "sshd", "virtlogd"]
Cut = Literal["drop", "reject", "down"]
DaemonState = Literal["running", "frozen", "stopped"]
DAEMONS: tuple[Daemon, ...] = get_args(Daemon)
CUTS: tuple[Cut, ...] = get_args(Cut)

CHAIN = "LAB-CUT"
VERDICTS = {"drop": ["-j", "DROP"], "reject": ["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"]}
START: dict[Daemon, str] = {  # order matters: libvirtd looks for virtlogd when a guest starts
    "sshd": "/usr/sbin/sshd -f /etc/ssh/sshd_config",
    "virtlogd": "/usr/sbin/virtlogd -d",
    "libvirtd": "/usr/sbin/libvirtd -d",
}
# Letter of the process state, see proc(5); nothing when the pid file is stale: the pid may be another program's by now.
STATE_SCRIPT = """
for daemon in sshd virtlogd libvirtd; do
  pid=$(cat /run/$daemon.pid 2>/dev/null) && [ "$(cat /proc/$pid/comm 2>/dev/null)" = $daemon ] || pid=
  echo $daemon $([ -n "$pid" ] && sed 's/.*) \\(.\\).*/\\1/' /proc/$pid/stat)
done
"""


def daemon_states(host: Inside) -> dict[Daemon, DaemonState]:
    """Whether each daemon runs, hangs (SIGSTOP) or is dead."""
    states: dict[Daemon, DaemonState] = {}
    lines = dict(line.partition(" ")[::2] for line in host.exec("sh", "-c", STATE_SCRIPT).stdout.splitlines())
    for daemon in DAEMONS:
        letter = lines.get(daemon, "")
        states[daemon] = "frozen" if letter == "T" else "stopped" if letter in ("", "Z", "X") else "running"
    return states


def signal_daemon(host: Inside, daemon: Daemon, signal: str) -> None:
    """Send `signal` (STOP, CONT, KILL) to a daemon; LabError when it does not run."""
    if daemon_states(host)[daemon] == "stopped":
        raise LabError(f"{daemon} does not run on {host.name}")
    host.exec("sh", "-c", f'kill -{signal} "$(cat /run/{daemon}.pid)"')


def stop_daemon(host: Inside, daemon: Daemon) -> None:
    """Kill one daemon; guests live on. No error when it is dead already."""
    if daemon_states(host)[daemon] != "stopped":
        signal_daemon(host, daemon, "KILL")
    wait_until(
        lambda: daemon_states(host)[daemon] == "stopped", timeout_s=10, what=f"{daemon} on {host.name} would not die"
    )


def start_daemons(host: Inside, daemons: tuple[Daemon, ...] = DAEMONS) -> None:
    """Start those of `daemons` that are dead, in the host's own groups; return when they serve."""
    states = daemon_states(host)
    for daemon, command in START.items():
        if daemon in daemons and states[daemon] == "stopped":
            run(in_host_groups(host, command.split()), timeout_s=30, keep_lock=False)
    wait_until(
        lambda: all(daemon_states(host)[daemon] != "stopped" for daemon in daemons),
        timeout_s=10,
        what=f"daemons on {host.name} would not start",
    )


def cut(host: Inside, wiring: Wiring, how: Cut) -> None:
    """Cut the host's network: packets vanish (drop), TCP is reset (reject), or the plug is out (down)."""
    mend(host, wiring)
    if how == "down":
        network.set_carrier(wiring, host.number, "down")
    else:
        _iptables(host, "-N", CHAIN)
        _iptables(host, "-A", CHAIN, *VERDICTS[how])
        _iptables(host, "-I", "INPUT", "-i", "eth0", "-j", CHAIN)
        if how == "drop":
            _iptables(host, "-I", "OUTPUT", "-o", "eth0", "-j", CHAIN)
    host.cut_file.write_text(how)


def mend(host: Inside, wiring: Wiring) -> None:
    """End any cut."""
    network.set_carrier(wiring, host.number, "up")
    for rule in (["-D", "INPUT", "-i"], ["-D", "OUTPUT", "-o"]):
        _iptables(host, *rule, "eth0", "-j", CHAIN, check=False)
    for step in ("-F", "-X"):
        _iptables(host, step, CHAIN, check=False)
    host.cut_file.unlink(missing_ok=True)


def current_cut(host: Inside) -> str | None:
    """The kind of cut the host suffers now, or None."""
    return host.cut_file.read_text() if host.cut_file.exists() else None


def _iptables(host: Inside, *words: str, check: bool = True) -> None:
    host.exec("iptables", "--wait", "5", *words, check=check)
