# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds what a lab guest boots: an initramfs of busybox, the guest agent and a handful of kernel modules."""

import re
import shutil
from pathlib import Path

from .processes import run

BUSYBOX = Path("/bin/busybox")
AGENT = Path("/usr/sbin/qemu-ga")
SCRIPTS = Path(__file__).parent.parent / "guest"
# virtio of every kind the lab plugs in, the power button, and SCSI disks for hot-plug
MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_balloon"),
    *("button", "evdev", "virtio_scsi", "sd_mod"),
)
DIRECTORIES = (
    *("bin", "sbin", "usr/bin", "lib64", "lib/x86_64-linux-gnu", "modules", "etc/acpi/PWRF", "root", "mnt"),
    *("proc", "sys", "dev", "run", "tmp", "var/run", "var/log"),  # busybox's acpid dies without /var/log
)
POWER_BUTTON = "#!/bin/sh\npoweroff\n"


def build_initrd(scratch: Path, target: Path, *, kernel_version: str) -> None:
    """Write the initramfs to `target`, not compressed: TCG unpacks slowly. `scratch` is an empty directory."""
    for name in DIRECTORIES:
        (scratch / name).mkdir(parents=True, exist_ok=True)
    _add_busybox(scratch)
    _add_agent(scratch)
    for position, module in enumerate(_module_files(kernel_version)):
        shutil.copy(module, scratch / "modules" / f"{position:02}-{module.name}")  # the name keeps the order of loading
    _add_configuration(scratch)
    names = sorted(str(path.relative_to(scratch)) for path in scratch.rglob("*"))
    run(["sh", "-c", 'cd "$1" && cpio -o -H newc --quiet > "$2"', "cpio", scratch, target], stdin="\n".join(names))


def _add_busybox(scratch: Path) -> None:
    shutil.copy(BUSYBOX, scratch / "bin" / "busybox")
    for applet in run([BUSYBOX, "--list"]).stdout.split():
        if applet != "busybox":
            (scratch / "bin" / applet).symlink_to("busybox")
    (scratch / "init").symlink_to("bin/busybox")


def _add_agent(scratch: Path) -> None:
    """The agent and the shared libraries it is linked with, at the places its loader looks in."""
    shutil.copy(AGENT, scratch / "sbin" / "qemu-ga")
    for library in re.findall(r"(/\S+)", run(["ldd", AGENT]).stdout):
        place = scratch / library.removeprefix("/usr").lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)


def _module_files(kernel_version: str) -> list[Path]:
    """The modules with all they depend on, in the order of loading."""
    files: dict[Path, None] = {}
    for module in MODULES:
        for line in run(["modprobe", "-S", kernel_version, "-D", module]).stdout.splitlines():
            word, path, *_ = line.split()
            if word == "insmod":  # else builtin
                files[Path(path)] = None
    return list(files)


def _add_configuration(scratch: Path) -> None:
    etc = scratch / "etc"
    for name in ("inittab", "rc", "dhcp", "profile"):
        shutil.copy(SCRIPTS / name, etc / name)
    shutil.copy(SCRIPTS / "load", scratch / "bin" / "load")
    shutil.copy("/etc/os-release", etc / "os-release")
    (etc / "passwd").write_text("root::0:0:root:/root:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\n")
    power = etc / "acpi" / "PWRF" / "00000080"
    power.write_text(POWER_BUTTON)
    power.chmod(0o755)
