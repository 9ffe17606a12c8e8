# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests of a host: their names, their XML, and the virsh script that gives a fresh host all it has."""

from pathlib import Path

DISK_DIRECTORY = "/var/lib/libvirt/images"
BOOT_DIRECTORY = "/var/lib/libvirt/boot"
DEFAULT_NETWORK = Path("/usr/share/libvirt/networks/default.xml")
OFF_MEMORY_MIB = 96
# What guest 1, 2, 3, … of a host is busy with from its start: charts need something to show.
LOADS = ("load.cpu=20 load.mem=24", "load.disk=256", "load.net=64")

GUEST_XML = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu placement='static' current='1'>2</vcpu>
  <iothreads>1</iothreads>
  <cputune><shares>1024</shares></cputune>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{boot}/vmlinuz</kernel>
    <initrd>{boot}/initrd</initrd>
    <cmdline>console=tty0 console=ttyS0 quiet nokaslr mitigations=off panic=5 lab.name={name} {load}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <clock offset='utc'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap' iothread='1'/>
      <source file='{disks}/{name}.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'><source network='default'/><model type='virtio'/><rom enabled='no'/></interface>
    <serial type='pty'/>
    <console type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <graphics type='vnc' autoport='yes' listen='127.0.0.1'/>
    <video><model type='vga' vram='16384'/></video>
    <memballoon model='virtio'><stats period='2'/></memballoon>
  </devices>
</domain>
"""


def guest_names(number: int, count: int) -> list[str]:
    """The running guests of host `number`: g11, g12, … (g1-10 from the tenth on, so that no two hosts share one)."""
    return [f"g{number}{i}" if i < 10 else f"g{number}-{i}" for i in range(1, count + 1)]


def off_guest_name(number: int) -> str:
    """The shut-off guest of host `number`, whose disk libguestfs can open."""
    return f"off{number}"


def guest_xml(name: str, *, memory_mib: int, load: str = "") -> str:
    """The definition of one guest; `load` is what it does from its start, as kernel parameters."""
    return GUEST_XML.format(name=name, memory_mib=memory_mib, load=load, boot=BOOT_DIRECTORY, disks=DISK_DIRECTORY)


def write_definitions(directory: Path, number: int, *, guests: int, memory_mib: int, load: bool) -> None:
    """One XML file per guest in `directory`, which the host sees as BOOT_DIRECTORY."""
    for index, name in enumerate(guest_names(number, guests)):
        busy = LOADS[index] if load and index < len(LOADS) else ""
        (directory / f"{name}.xml").write_text(guest_xml(name, memory_mib=memory_mib, load=busy))
    off = off_guest_name(number)
    (directory / f"{off}.xml").write_text(guest_xml(off, memory_mib=OFF_MEMORY_MIB))


def furnishing_script(number: int, *, guests: int) -> str:
    """virsh commands that give the fresh host `number` its pools, its network and its guests."""
    running = guest_names(number, guests)
    lines = []
    for pool, target in (("default", DISK_DIRECTORY), ("shared", "/mnt")):
        lines += [f"pool-define-as {pool} dir --target {target}", f"pool-autostart {pool}", f"pool-start {pool}"]
    lines += [f"net-define {DEFAULT_NETWORK}", "net-autostart default", "net-start default"]
    lines += [f"define {BOOT_DIRECTORY}/{name}.xml" for name in [*running, off_guest_name(number)]]
    lines += [f"start {name}" for name in running]
    return "\n".join(lines) + "\n"
