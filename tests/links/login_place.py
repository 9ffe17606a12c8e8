# SPDX-License-Identifier: GPL-3.0-or-later
"""What the login tests need: an sshd with the ways of logging in that a test is about, a client's ssh, and a person.

The second sshd runs inside a host of the lab, at another port, with an /etc/shadow of its own that knows a password.
Debian's sshd answers keyboard-interactive through PAM only, so there it uses PAM, with rules of its own.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from typing import TYPE_CHECKING

from vmconsole.links.prompts import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.vmlab import LabHost
    from vmconsole.links.prompts import Prompt, Question

PASSWORD = "correct-horse-7f3a"
PASSPHRASE = "battery-staple-19c2"
SSHD = """\
HostKey {home}/host_key
Port {port}
AuthorizedKeysFile {keys}
PermitRootLogin yes
StrictModes no
UseDNS no
LoginGraceTime {grace_s}
PidFile {home}/pid
Subsystem sftp internal-sftp
PasswordAuthentication {password}
KbdInteractiveAuthentication {interactive}
UsePAM {interactive}
LogLevel VERBOSE
"""


class LoginPlace:
    """A second sshd in a lab host. Close it."""

    def __init__(
        self, host: LabHost, *, port: int = 2222,
        password: bool = False, interactive: bool = False, keys: tuple[str, ...] = (), grace_s: int = 120,
        more: str = "", krb5_config: str = "",
    ) -> None:  # fmt: skip
        """``more``: lines of sshd_config. ``krb5_config``: a file in the host."""
        self.host = host
        self.port = port
        self._home = f"/run/login-{port}"
        say = {True: "yes", False: "no"}
        host.exec("mkdir", "-p", self._home)
        config = SSHD.format(
            home=self._home, port=port, keys=f"{self._home}/keys", grace_s=grace_s,
            password=say[password], interactive=say[interactive],
        )  # fmt: skip
        self._write("sshd_config", config + more)
        self._write("keys", "".join(keys))
        self.new_host_key()
        hashed = _run("openssl", "passwd", "-6", PASSWORD).strip()
        self._write("shadow", f"root:{hashed}:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")
        self._write(
            "pam", "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
        )
        # In a mount namespace of its own: only this sshd sees the password.
        self._start = (
            f"mount --bind {self._home}/shadow /etc/shadow && mount --bind {self._home}/pam /etc/pam.d/sshd && "
            f"KRB5_CONFIG={krb5_config} exec /usr/sbin/sshd -f {self._home}/sshd_config"
        )
        self.start()

    def start(self) -> None:
        self.host.exec("unshare", "--mount", "--propagation", "private", "sh", "-c", self._start)

    def stop(self) -> None:
        self.host.exec("sh", "-c", self._end)

    @property
    def _end(self) -> str:
        """Waits until it has taken its pid file away, which could be that of the next one."""
        return f"kill $(cat {self._home}/pid) && while [ -e {self._home}/pid ]; do sleep 0.02; done"

    def new_host_key(self) -> str:
        """Another host key, as after a new installation; sshd uses it from its next start. Returns its fingerprint."""
        key = f"{self._home}/host_key"
        self.host.exec("sh", "-c", f"rm -f {key} {key}.pub; ssh-keygen -q -t ed25519 -N '' -f {key}")
        return self.fingerprint()

    def fingerprint(self) -> str:
        return self.host.exec("ssh-keygen", "-lf", f"{self._home}/host_key.pub").stdout.split()[1]

    def public_host_key(self) -> str:
        return " ".join(self.host.exec("cat", f"{self._home}/host_key.pub").stdout.split()[:2])

    def close(self) -> None:
        self.host.exec("sh", "-c", f"({self._end}) 2>/dev/null; rm -rf {self._home}", check=False)

    def _write(self, name: str, text: str) -> None:
        self.host.exec("sh", "-c", f"umask 077; cat > {self._home}/{name}", stdin=text)


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout


class Client:
    """An ssh of the user's: its configuration and known hosts, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.known_hosts = folder / "known_hosts"
        self.config = folder / "config"
        self.program = folder / "ssh"
        self.program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.config} "$@"\n')
        self.program.chmod(0o755)
        self.entries: list[str] = []
        self._write()

    def add(self, name: str, place: LoginPlace, *options: str, known: bool = True) -> str:
        """A Host entry; returns the URI."""
        self.entries.append(
            "\n  ".join([f"Host {name}", f"HostName {place.host.address}", f"Port {place.port}", *options])
        )
        if known:
            with self.known_hosts.open("a") as file:
                file.write(f"[{place.host.address}]:{place.port} {place.public_host_key()}\n")
        self._write()
        return self.uri(name)

    def uri(self, name: str) -> str:
        return f"qemu+ssh://root@{name}/system?command={self.program}"

    def _write(self) -> None:
        general = (
            f"Host *\n  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n  IdentityFile none\n"
        )
        self.config.write_text("\n".join([*self.entries, general]))


class Person:
    """A Prompter that answers on a thread of its own, as told."""

    def __init__(self, reply: Callable[[Prompt], str | Answer | None]) -> None:
        """``reply``: the answer, None to cancel. Raises KeyError to leave the question open."""
        self._reply = reply
        self.asked: list[Prompt] = []
        self.withdrawn: list[Prompt] = []
        self._questions: queue.Queue[Question | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> None:
        self.asked.append(question.prompt)
        self._questions.put(question)

    def withdraw(self, question: Question) -> None:
        self.withdrawn.append(question.prompt)

    def close(self) -> None:
        self._questions.put(None)
        self._thread.join(5)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            try:
                answer = self._reply(question.prompt)
            except KeyError:
                continue
            if answer is None:
                question.cancel()
            else:
                question.answer(answer if isinstance(answer, Answer) else Answer(answer))
