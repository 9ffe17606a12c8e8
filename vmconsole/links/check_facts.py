# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's script told, and what follows from it in general: its daemons, and how software is installed there."""

from __future__ import annotations

from vmconsole.links.check_steps import Cure

_INSTALLERS = (
    (("debian", "ubuntu"), "debian", "sudo apt install {}"),
    (("suse", "opensuse", "sles"), "suse", "sudo zypper install {}"),
    (("fedora", "rhel", "centos"), "fedora", "sudo dnf install {}"),
    (("arch",), "arch", "sudo pacman -S {}"),
)


class HostFound:
    """The facts so far. Reading one that was not told gives an empty text."""

    def __init__(self, *, name: str, is_session: bool, is_local: bool) -> None:
        """``name``: what the host is called until it tells its own."""
        self._facts = {"host": name}
        self.spaces: list[str] = []
        """«SIZE_KIB FREE_KIB FOLDER» for each place."""
        self.is_session = is_session
        self.is_local = is_local

    def __getitem__(self, fact: str) -> str:
        return self._facts.get(fact, "")

    def take(self, name: str, value: str) -> None:
        if name == "space":
            self.spaces.append(value)
        elif value or name not in self._facts:
            self._facts[name] = value

    @property
    def daemons(self) -> tuple[str, str]:
        """The monolithic one, and the modular one of this driver."""
        return "libvirtd", self["modular"]

    @property
    def daemon(self) -> str:
        """The one that this host uses."""
        name = self["socket"].rpartition("/")[2].removesuffix("-sock")
        if name == self["modular"]:
            return name
        return "libvirtd" if self["has_libvirtd"] or name == "libvirt" else self["modular"]

    @property
    def is_asleep(self) -> bool:
        """Whether no daemon runs: connecting to its socket starts it, if anything does."""
        return not any(self[f"running_{name}"] for name in self.daemons)

    @property
    def qemu_version(self) -> str:
        return self["qemu_version"].split(" (")[0].replace("QEMU emulator version", "QEMU") or self["qemu"]

    def start_daemon(self) -> tuple[Cure, ...]:
        if not self["systemd"]:
            return (Cure(self["host"], f"sudo {self.daemon} --daemon"),)
        return (
            Cure(self["host"], f"sudo systemctl enable --now {self.daemon}.socket"),
            Cure(self["host"], f"sudo journalctl -u {self.daemon} -n 50"),
        )

    def restart_daemon(self) -> tuple[Cure, ...]:
        """Guests live on under a restart."""
        if not self["systemd"]:
            return (Cure(self["host"], f"sudo pkill -CONT -x {self.daemon}"),)
        return (Cure(self["host"], f"sudo systemctl restart {self.daemon}"),)

    def install(self, *, debian: str, fedora: str, arch: str, suse: str = "") -> tuple[Cure, ...]:
        """The command of the host's own kind of system; none where it is not known."""
        family = set(self["family"].split())
        packages = {"debian": debian, "fedora": fedora, "arch": arch, "suse": suse or fedora}
        for names, kind, command in _INSTALLERS:
            if family & set(names):
                return (Cure(self["host"], command.format(packages[kind])),)
        return ()
