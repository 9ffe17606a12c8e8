# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nested guest runs: 80 bytes in the first sector of its disk, that wait for a key.

A Linux needs more than six minutes to boot by emulation in an emulation, with a CPU busy all that time. This is up in
seconds, idle, and busy when told: `c` spins the CPU, `d` reads the disk (32 KiB at a time), any other key ends it.
The file system on the disk leaves its first KiB free (ext4), so the disk is still what libguestfs can look into.
"""

from pathlib import Path

from tests.lab.vmlab.processes import run

KEYS = {"cpu": "KEY_C", "disk": "KEY_D"}
IDLE_KEY = "KEY_X"

# as --32, linked at 0x7c00; `mode` is 0x7c3e, `drive` 0x7c3f, `packet` 0x7c40
CODE = bytes.fromhex(
    "fa 31c0 8ed8 8ed0 bc007c fb"  # cli; ax, ds, ss = 0; sp = 0x7c00; sti
    "88163f7c"  #                    drive = dl, as the firmware has it
    "f4"  #                    idle: hlt: until the timer or the keyboard
    "b401 cd16 7407"  #        next: is there a key? no: again
    "30e4 cd16 a23e7c"  #            mode = the key
    "a03e7c 3c63 7406 3c64 7409 ebe5"  # again: 'c': spin; 'd': read; else: idle
    "b9ffff e2fe ebdf"  #      spin: 65535 rounds, then: next
    "b442 8a163f7c be407c cd13 ebd2"  # read: INT 13h, extended read of packet, then: next
    "00 00"  #                       mode, drive
    "1000 4000 0000 0010 0000000000000000"  # packet: 64 sectors from sector 0 to 1000:0000
)


def install(disk: Path, scratch: Path) -> None:
    """Write it to the first sector of a qcow2 image; `scratch` is a directory for a moment's file."""
    sector = scratch / "sector"
    sector.write_bytes(CODE.ljust(510, b"\0") + b"\x55\xaa")
    run(["qemu-io", "-f", "qcow2", "-c", f"write -q -s {sector} 0 512", disk])
    sector.unlink()
