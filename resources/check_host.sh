#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Looks at a libvirt host and tells what is there, as lines «fact NAME VALUE» and, after each part, «done PART».
# It changes nothing. Plain sh; any tool may be missing, and whatever can hang has a time limit.
# Arguments: the driver (qemu, lxc, xen…), «system» or «session», and a socket's path or nothing.
driver=$1 scope=$2 given=$3
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH

has() { command -v "$1" >/dev/null 2>&1; }
fact() { printf 'fact %s %s\n' "$1" "$(printf '%s' "$2" | tr '\n\t\r' '   ' | cut -c 1-600)"; }
part_done() { printf 'done %s\n' "$1"; }
limited() {
    seconds=$1
    shift
    if has timeout; then timeout "$seconds" "$@"; else "$@"; fi
}
first_of() {
    for word in "$@"; do
        if has "$word"; then
            printf '%s' "$word"
            return
        fi
    done
}

# ---- login
fact user "$(id -un)"
fact uid "$(id -u)"
fact groups "$(id -Gn)"
fact host "$(uname -n)"
fact kernel "$(uname -r)"
fact machine "$(uname -m)"
if [ -r /etc/os-release ]; then
    # shellcheck disable=SC1091  # a file of the host
    fact distribution "$(. /etc/os-release && printf '%s' "$PRETTY_NAME")"
    # shellcheck disable=SC1091  # same
    fact family "$(. /etc/os-release && printf '%s' "$ID $ID_LIKE")"
fi
has systemctl && [ -d /run/systemd/system ] && fact systemd yes
part_done login

# ---- libvirt's socket
case $driver in
qemu) modular=virtqemud ;;
lxc) modular=virtlxcd ;;
xen) modular=virtxend ;;
ch) modular=virtchd ;;
bhyve) modular=virtbhyved ;;
vbox) modular=virtvboxd ;;
vz) modular=virtvzd ;;
*) modular=libvirtd ;;
esac
folder=/run/libvirt
[ "$scope" = session ] && folder=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/libvirt
fact modular "$modular"
listens() {
    while read -r _ _ _ flags _ _ _ path; do
        [ "$flags" = 00010000 ] && case $path in "$1" | */"${1#/*/}") return 0 ;; esac
    done </proc/net/unix
    return 1
}
chosen=
for path in ${given:+"$given"} "$folder/$modular-sock" "$folder/libvirt-sock" /var"$folder"/libvirt-sock; do
    [ -n "$given" ] && [ "$path" != "$given" ] && continue
    [ -S "$path" ] || continue
    [ -n "$chosen" ] || chosen=$path
    if listens "$path"; then
        chosen=$path
        fact listening yes
        break
    fi
done
fact socket "$chosen"
fact folder "$folder"
for name in libvirtd "$modular"; do
    has "$name" && fact "has_$name" yes
done
for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    case $line in
    *"(libvirtd) "* | *"($modular) "*)
        name=${line#*\(}
        state=${line##*\) }
        fact "running_${name%%\)*}" "${state%% *}"
        ;;
    esac
done
fact helper "$(first_of virt-ssh-helper nc netcat socat)"
part_done socket

# ---- permissions
if [ -n "$chosen" ]; then
    # shellcheck disable=SC2012  # one known path; find -printf is not everywhere
    fact socket_mode "$(ls -ldn "$chosen" 2>/dev/null | cut -d ' ' -f 1)"
    if [ -r "$chosen" ] && [ -w "$chosen" ]; then fact may_connect yes; fi
fi
for name in libvirt libvirtd; do
    grep -q "^$name:" /etc/group 2>/dev/null && fact libvirt_group "$name"
done
part_done permissions

# ---- control groups
v1=
while read -r _ mountpoint type options _; do
    case $type in
    cgroup2)
        fact v2 "$mountpoint"
        [ -r "$mountpoint/cgroup.controllers" ] && fact v2_controllers "$(cat "$mountpoint/cgroup.controllers")"
        ;;
    cgroup) v1="$v1,$options" ;;
    esac
done </proc/self/mounts
fact v1_options "$v1"
part_done cgroups

# ---- KVM
fact cpu_flag "$(grep -o -w -m 1 -E 'vmx|svm' /proc/cpuinfo 2>/dev/null | head -n 1)"
[ -e /dev/kvm ] && fact kvm_device yes
if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then fact kvm_open yes; fi
machine=$(uname -m)
board=
case $machine in
aarch64) board=virt, ;;
esac
qemu=$(first_of "qemu-system-$machine" qemu-kvm /usr/libexec/qemu-kvm qemu-system-ppc64 qemu-system-i386)
fact qemu "$qemu"
if [ -n "$qemu" ]; then
    fact qemu_version "$(limited 5 "$qemu" --version 2>/dev/null | head -n 1)"
    if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
        # shellcheck disable=SC3045  # where ulimit cannot do it, a core may be left, as after any crash
        said=$(ulimit -c 0 2>/dev/null; printf '{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n' |
            limited 6 "$qemu" -nodefaults -no-user-config -display none -machine "${board}accel=kvm,graphics=off" \
                -cpu max -m 64 -S -qmp stdio 2>&1 >/dev/null)
        fact kvm_status $?
        fact kvm_said "$said"
    fi
fi
part_done kvm

# ---- python3 and perl
for python in python3 /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python; do
    has "$python" || continue
    version=$(limited 5 "$python" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    fact python "$version"
    break
done
has perl && fact perl "$(limited 5 perl -e 'printf "%vd", $^V' 2>/dev/null)"
part_done python

# ---- image tools
has qemu-nbd && fact qemu_nbd "$(limited 5 qemu-nbd --version 2>/dev/null | head -n 1)"
part_done qemu_nbd
has qemu-img && fact qemu_img "$(limited 5 qemu-img --version 2>/dev/null | head -n 1)"
part_done qemu_img

# ---- disk space: of the storage pools that can be seen, of the usual place, and of /
space() {
    [ -d "$1" ] || return
    line=$(limited 5 df -Pk "$1" 2>/dev/null | tail -n 1)
    # shellcheck disable=SC2086  # split on purpose: device, size, used, available, per cent, mount point
    set -- "$1" $line
    [ $# -ge 7 ] && fact space "$3 $5 $1"
}
if [ "$scope" = session ]; then
    space "$HOME/.local/share/libvirt/images"
    space "$HOME"
    pools=${XDG_CONFIG_HOME:-$HOME/.config}/libvirt/storage
else
    space /var/lib/libvirt/images
    space /
    pools=/etc/libvirt/storage
fi
cat "$pools"/*.xml 2>/dev/null | sed -n 's:.*<path>\(.*\)</path>.*:\1:p' | head -n 20 | while read -r pool; do
    [ "$pool" = /var/lib/libvirt/images ] || space "$pool"
done
part_done space
