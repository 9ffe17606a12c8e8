# SPDX-License-Identifier: GPL-3.0-or-later
"""The QEMU that is the host: started, found again and killed. Nothing of it outlives its directory.

It is found by its disk in its command line, so `down` needs no record of what was started: it works after a `kill -9`
of anything. The lock of the directory is held from before the start until the process shows that command line.
"""

import contextlib
import json
import socket
from pathlib import Path

from tests.lab.vmlab.errors import LabError
from tests.lab.vmlab.processes import ProcessId, run, wait_until

CPUS = 2
MEMORY_MIB = 2048
KERNEL_LINE = "root=/dev/nvme0n1 rw console=ttyS0 quiet mitigations=off nokaslr net.ifnames=0 systemd.show_status=0"
PRIORITY = -10


class Machine:
    """The virtual machine whose files are in `home`. It holds nothing open, so there is nothing to close."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.disk = home / "disk.qcow2"
        self.agent_socket = home / "agent.sock"
        self.monitor_socket = home / "monitor.sock"

    def process(self) -> ProcessId | None:
        """QEMU's process; None when the machine is off."""
        wanted = f"file={self.disk},".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0].endswith(b"qemu-system-x86_64") and any(word.startswith(wanted) for word in words):
                    return ProcessId.of(int(entry.name))
        return None

    def start(self, *, kernel: Path, name: str, uuid: str, port: int) -> None:
        """Switch on; returns when QEMU runs. LabError with its own words when it does not."""
        network = f"user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"
        append = f"{KERNEL_LINE} systemd.hostname={name} systemd.machine_id={uuid.replace('-', '')}"
        words = ["/usr/bin/qemu-system-x86_64", "-name", name, "-uuid", uuid, "-daemonize", "-display", "none"]
        words += ["-nodefaults", "-no-user-config", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem"]
        words += ["-m", str(MEMORY_MIB), "-smp", f"{CPUS},sockets={CPUS},cores=1", *_numa()]
        words += ["-kernel", str(kernel), "-append", append, "-serial", f"file:{self.home / 'serial.log'}"]
        words += ["-drive", f"file={self.disk},if=none,id=root,format=qcow2,cache=unsafe,discard=unmap"]
        words += ["-device", "nvme,drive=root,serial=root"]
        words += ["-drive", f"file={self.home / 'seed.tar'},if=none,id=seed,format=raw,readonly=on"]
        words += ["-device", "virtio-blk-pci,drive=seed,serial=seed", "-device", "virtio-rng-pci"]
        words += ["-netdev", network, "-device", "virtio-net-pci,netdev=net0,romfile="]
        words += [
            "-chardev",
            f"socket,id=agent,path={self.agent_socket},server=on,wait=off",
            "-device",
            "virtio-serial",
        ]
        words += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
        words += ["-qmp", f"unix:{self.monitor_socket},server=on,wait=off"]
        run(["nice", "-n", str(PRIORITY), *words], timeout_s=60, keep_lock=False)
        process = self.process()
        if process is None:
            raise LabError(f"QEMU ended at once; see {self.home / 'serial.log'}")
        _prefer(process)

    def kill(self) -> None:
        """Pull the plug; returns when no process is left (QEMU is two while it starts). No error when there is none."""

        def none_left() -> bool:
            process = self.process()
            if process is not None:
                process.kill()
            return process is None

        wait_until(none_left, timeout_s=10, what="QEMU would not die")

    def set_network(self, *, is_up: bool) -> None:
        """Plug the network cable in or out."""
        self._monitor("set_link", {"name": "net0", "up": is_up})

    def _monitor(self, command: str, arguments: dict[str, object]) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.monitor_socket))
            stream = connection.makefile("rw")
            stream.readline()  # the greeting
            for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
                if "error" in answer:
                    raise LabError(f"QEMU refuses {command}: {answer['error']}")


def _prefer(process: ProcessId) -> None:
    """A whole computer in one process: on a busy machine its clock goes on while it gets no time, and every deadline
    there breaks. The kernel shares out the CPUs by sessions first (sched(7), autogroup), so nice alone is not enough.
    """
    with contextlib.suppress(OSError):  # a kernel without it
        Path(f"/proc/{process.pid}/autogroup").write_text(str(PRIORITY))


def _numa() -> list[str]:
    """A node for each CPU with its share of memory, so that limits by node can be tried."""
    words = []
    for node in range(CPUS):
        words += ["-object", f"memory-backend-ram,id=m{node},size={MEMORY_MIB // CPUS}M"]
        words += ["-numa", f"node,nodeid={node},cpus={node},memdev=m{node}"]
    return words
