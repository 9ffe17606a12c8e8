#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Tells what the kernel's files say of one guest's limits, one line each: «proof NUMBER TEXT», at the end «done».
# Arguments: the driver (qemu, lxc), the guest's UUID and name, then for each question
#   NUMBER|CONTROLLER|FILE ON CGROUP V1|FILE ON V2|BLOCK DEVICE or
#   NUMBER|tc|INTERFACE|class or filter
# where a file is a pattern below the guest's directory. It changes nothing. Plain sh and few processes: it is quick.
driver=$1 uuid=$2 name=$3
shift 3
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH

# ---- the guest's process, by libvirt's file; a number that was used again is found out by the UUID
is_guest() {
    pid=
    [ -r "$1" ] && { read -r pid <"$1" || :; }
    [ -n "$pid" ] && [ -r "/proc/$pid/cgroup" ] || return 1
    [ "$driver" = lxc ] || grep -qF -e "$uuid" "/proc/$pid/cmdline" 2>/dev/null
}
found=
for file in "/run/libvirt/$driver/$name.pid" "/run/libvirt/$driver"/*.pid; do
    is_guest "$file" && found=yes && break
    [ "$driver" = lxc ] && break
done
[ -n "$found" ] || exit 3

# ---- where each controller is mounted, and the guest's directory there
in_cpu='' in_cpuset='' in_memory='' in_blkio='' in_v2=''
put() { # CONTROLLER ROOT MOUNTED PATH
    path=${4%/emulator}
    path=${path%/libvirt}
    case $2 in /) ;; *) path=${path#"$2"} ;; esac
    path=$3$path
    case $1 in
    cpu) in_cpu=$path ;; cpuset) in_cpuset=$path ;; memory) in_memory=$path ;; blkio) in_blkio=$path ;;
    '') in_v2=$path ;;
    esac
}
groups=
while read -r line; do
    groups="$groups$line
"
done <"/proc/$pid/cgroup"
while read -r _ _ _ root mounted rest; do
    rest=${rest#*- }
    case $rest in cgroup*) ;; *) continue ;; esac
    kind=${rest%% *} options=${rest##* }
    while IFS=: read -r _ names group; do
        [ -n "$group" ] || continue
        if [ "$kind" = cgroup2 ]; then
            [ -z "$names" ] && put '' "$root" "$mounted" "$group"
            continue
        fi
        for one in cpu cpuset memory blkio; do
            case ",$names," in *",$one,"*) ;; *) continue ;; esac
            case ",$options," in *",$one,"*) put "$one" "$root" "$mounted" "$group" ;; esac
        done
    done <<END
$groups
END
done </proc/self/mountinfo

# ---- the answers
tell() { # NUMBER FILE BLOCK-DEVICE'S-NUMBER
    [ -r "$2" ] || return
    case $2 in
    *cpu.cfs_quota_us)
        read -r quota <"$2" && read -r period <"${2%quota_us}period_us" && echo "proof $1 $quota $period"
        return
        ;;
    esac
    said=
    while read -r first rest; do
        if [ -z "$3" ] || [ "$first" = "$3" ]; then
            echo "proof $1 $first${rest:+ $rest}"
            said=yes
            [ -n "$3" ] || break
        fi
    done <"$2"
    [ -n "$said" ] || echo "proof $1"
}
count() {
    number=0
    for one in "$2"/vcpu[0-9]*; do [ -d "$one" ] && number=$((number + 1)); done
    echo "proof $1 $number"
}
for item in "$@"; do
    IFS='|' read -r number what v1 v2 device <<END
$item
END
    case $what in
    tc)
        if [ "$v2" = class ]; then tc class show dev "$v1"; else tc filter show dev "$v1" parent ffff:; fi 2>/dev/null |
            while read -r line; do echo "proof $number $line"; done
        echo "proof $number"
        continue
        ;;
    cpu) at=$in_cpu ;; cpuset) at=$in_cpuset ;; memory) at=$in_memory ;; blkio) at=$in_blkio ;; *) continue ;;
    esac
    if [ -n "$at" ]; then pattern=$v1 places=$at; else pattern=$v2 places="$in_v2 $in_v2/libvirt"; fi
    block=
    if [ -n "$device" ]; then
        real=$(readlink -f -- "$device") || continue
        [ -r "/sys/class/block/${real##*/}/dev" ] && read -r block <"/sys/class/block/${real##*/}/dev"
        [ -n "$block" ] || continue
    fi
    IFS=' '
    for place in $places; do
        [ -d "$place" ] || continue
        if [ "$pattern" = vcpus ]; then
            [ -d "$place/emulator" ] && count "$number" "$place"
            continue
        fi
        for file in "$place"/$pattern; do tell "$number" "$file" "$block"; done
    done
    unset IFS
done
echo 'done'
