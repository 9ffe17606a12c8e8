# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the image of the host: packages, and files that make it boot quickly and take what it is seeded with."""

PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "libpam-systemd", "kmod", "procps", "iproute2", "iptables", "openssl", "sudo"),
    *("openssh-server", "python3", "qemu-guest-agent"),
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils", "dnsmasq-base"),
)
LEFT_OUT = (
    *("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"),
    "/usr/bin/qemu-system-i386",  # libvirt would probe it too, some ten seconds at the first call
)

OPERATOR = "operator1"
"""A user who may use sudo without a password, and is in the group libvirt."""

# Not needed on a host that lives for minutes; each costs emulated time at the boot.
MASKED = (
    *(
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "dpkg-db-backup.timer",
        "e2scrub_all.timer",
        "e2scrub_reap.service",
    ),
    *("fstrim.timer", "logrotate.timer", "systemd-pstore.service", "systemd-random-seed.service"),
    *(
        "getty@tty1.service",
        "serial-getty@ttyS0.service",
        "systemd-timesyncd.service",
        "systemd-network-generator.service",
    ),
)
ENABLED = ("systemd-networkd.service", "lab-seed.service")

SEED_UNIT = """\
[Unit]
Description=Take the keys and guests of this host from its second disk
DefaultDependencies=no
BindsTo=dev-disk-by\\x2did-virtio\\x2dseed.device
After=dev-disk-by\\x2did-virtio\\x2dseed.device systemd-remount-fs.service
Before=sysinit.target ssh.service
ConditionPathExists=!/etc/lab-seeded

[Service]
Type=oneshot
ExecStart=tar -x --same-owner -C / -f /dev/disk/by-id/virtio-seed
ExecStart=touch /etc/lab-seeded

[Install]
WantedBy=sysinit.target
"""
NETWORK = """\
[Match]
Name=en* eth*
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
IPv6AcceptRA=no
LinkLocalAddressing=no
"""
SSHD = """\
HostKey /etc/ssh/host_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
"""
QEMU_CONF = """\
vnc_listen = "127.0.0.1"
security_driver = "none"
"""
FILES = {
    "etc/fstab": "/dev/nvme0n1 / ext4 defaults 0 1\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 v2host\n",
    "etc/systemd/system/lab-seed.service": SEED_UNIT,
    "etc/systemd/network/10-lab.network": NETWORK,
    "etc/ssh/sshd_config.d/lab.conf": SSHD,
    "etc/libvirt/qemu.conf": QEMU_CONF,
    "etc/modprobe.d/lab.conf": "blacklist floppy\nblacklist pcspkr\n",
}
SUDOERS = f"{OPERATOR} ALL=(ALL) NOPASSWD: ALL\n"

CUSTOMIZE = f"""\
set -e
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id
useradd -m -s /bin/bash -G libvirt,sudo {OPERATOR}
systemctl -q mask {" ".join(MASKED)}
systemctl -q enable {" ".join(ENABLED)}
systemctl -q disable systemd-networkd-wait-online.service || true
depmod "$1"
"""
