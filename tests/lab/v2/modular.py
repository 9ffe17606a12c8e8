# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the host libvirt's modular names: virtqemud with its sockets and its unit, and no libvirtd.

Debian packages no modular daemons yet, so the program behind the name is libvirtd: one daemon serves all drivers. The
sockets, units, pid file and process name are those of the real virtqemud, and these are what a console looks at. Names
of the sockets' descriptors are libvirtd's, since the program asks systemd for them.
"""

SERVICE = """\
[Unit]
Description=Virtualization qemu daemon
Requires=virtqemud.socket virtqemud-ro.socket virtlogd.socket
[Service]
Type=notify
ExecStart=/usr/sbin/virtqemud --pid-file /run/virtqemud.pid --timeout 120
KillMode=process
Restart=on-failure
[Install]
WantedBy=multi-user.target
Also=virtqemud.socket virtqemud-ro.socket virtqemud-admin.socket
"""
SOCKET = """\
[Unit]
Description=Libvirt qemu socket
[Socket]
ListenStream=/run/libvirt/virtqemud{kind}-sock
FileDescriptorName=libvirtd{kind}.socket
Service=virtqemud.service
SocketMode={mode}
RemoveOnStop=yes
[Install]
WantedBy=sockets.target
"""
KINDS = {"": "0666", "-ro": "0666", "-admin": "0600"}
OLD = "libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket"
NEW = "virtqemud.service virtqemud.socket virtqemud-ro.socket virtqemud-admin.socket"
FOLDER = "/etc/systemd/system"


def enabling_script() -> str:
    """For sh on the host. The guests run on."""
    files = {f"virtqemud{kind}.socket": _socket(kind, mode) for kind, mode in KINDS.items()}
    files["virtqemud.service"] = SERVICE
    lines = ["set -e", f"systemctl -q mask --now {OLD}"]
    lines += ["rm -f /run/libvirt/libvirt-sock* /run/libvirt/libvirt-admin-sock /run/libvirtd.pid"]
    lines += ["mv /usr/sbin/libvirtd /usr/sbin/virtqemud"]
    lines += [f"cat > {FOLDER}/{name} <<'END'\n{text}END" for name, text in files.items()]
    return "\n".join([*lines, "systemctl daemon-reload", f"systemctl -q enable --now {NEW.partition(' ')[2]}"]) + "\n"


def disabling_script() -> str:
    """Back to libvirtd."""
    lines = ["set -e", f"systemctl -q disable --now {NEW}", f"rm -f {FOLDER}/virtqemud*"]
    lines += ["mv /usr/sbin/virtqemud /usr/sbin/libvirtd", f"systemctl -q unmask {OLD}", "systemctl daemon-reload"]
    return "\n".join([*lines, f"systemctl start {OLD.partition(' ')[2]}", "systemctl start libvirtd"]) + "\n"


def _socket(kind: str, mode: str) -> str:
    return SOCKET.format(kind=kind, mode=mode)
