#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Tells what a host has that guests' limits are measured against, one fact a line: «disk PATH BYTES SCHEDULER»,
# «controller NAME» (cgroup v1's names), «lockable BYTES» where libvirt's daemon may not let QEMU lock more, «lacks WHAT» for parts of the traffic shaper that its kernel has not,
# «systemd yes» or «no», «done».
# It changes nothing. Plain sh; any tool may be missing.
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

for dir in /sys/block/*; do
    name=${dir#/sys/block/} size=0 schedulers=
    path=/dev/$(printf '%s' "$name" | tr '!' /)
    case $name in ram* | zram* | sr* | fd*) continue ;; esac
    read -r size 2>/dev/null <"$dir/size"
    [ "${size:-0}" -gt 0 ] || continue
    [ -b "$path" ] || continue
    [ -r "$dir/queue/scheduler" ] && read -r schedulers <"$dir/queue/scheduler"
    used=${schedulers#*[}
    [ "$used" = "$schedulers" ] || schedulers=${used%%]*}
    printf 'disk %s %s %s\n' "$path" "$((size * 512))" "$schedulers"
done

# A controller is mounted as v1, or it belongs to the one tree of v2. Names as in v1: there «io» is «blkio».
while read -r _ mounted kind options _; do
    case $kind in
    cgroup)
        for name in $(printf '%s' "$options" | tr , ' '); do
            case $name in cpu | cpuset | memory | blkio | devices | freezer | cpuacct) echo "controller $name" ;; esac
        done
        ;;
    cgroup2)
        if [ -r "$mounted/cgroup.controllers" ]; then
            read -r names <"$mounted/cgroup.controllers"
            for name in $names; do
                [ "$name" = io ] && name=blkio
                echo "controller $name"
            done
        fi
        ;;
    esac
done </proc/mounts

# With a hard limit libvirt lets QEMU lock as much memory; without CAP_SYS_RESOURCE (bit 24) it cannot raise its own.
for file in /run/libvirtd.pid /run/virtqemud.pid; do
    pid=
    [ -r "$file" ] && { read -r pid <"$file" || :; }
    [ -n "$pid" ] || continue
    [ -r "/proc/$pid/status" ] || continue
    may=
    while read -r name value; do
        case $name in CapEff:) [ $((0x${value#????????} >> 24 & 1)) -eq 1 ] && may=yes ;; esac
    done <"/proc/$pid/status"
    [ -z "$may" ] || continue
    while read -r _ what _ _ most _; do
        case $what in locked) [ "$most" = unlimited ] || echo "lockable $most" ;; esac
    done <"/proc/$pid/limits"
done

# libvirt shapes with htb and sfq, and polices what comes in. Where the modules of this kernel are not installed, its
# symbols tell what is built in.
if modprobe -n -q sch_htb 2>/dev/null; then
    for module in sch_sfq sch_ingress cls_u32 act_police; do
        modprobe -n -q "$module" 2>/dev/null || echo "lacks ${module#*_}"
    done
elif [ -r /proc/kallsyms ]; then
    there=$(grep -oE ' (htb_enqueue|sfq_enqueue|ingress_init|u32_classify|tcf_police_act)$' /proc/kallsyms)
    if [ -n "$there" ]; then
        for word in htb:htb_enqueue sfq:sfq_enqueue ingress:ingress_init u32:u32_classify police:tcf_police_act; do
            case $there in *"${word#*:}"*) ;; *) echo "lacks ${word%%:*}" ;; esac
        done
    fi
fi
# On a host with systemd libvirt asks that for a guest's weights, instead of writing the kernel's files (sd_booted(3)).
if [ -d /run/systemd/system ]; then echo 'systemd yes'; else echo 'systemd no'; fi
echo 'done'
