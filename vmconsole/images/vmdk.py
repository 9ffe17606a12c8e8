# SPDX-License-Identifier: GPL-3.0-or-later
"""VMDK images name other files as their parts, by text inside them that anybody may have written. Pure functions.

So the text is judged before QEMU reads it: parts must be plain names of files beside the image. Sources: VMware's
«Virtual Disk Format 5.0»; QEMU's block/vmdk.c, which follows the names of a descriptor file, and of a sparse file
whose capacity is zero, but of no other. QEMU reads a part's line with sscanf(3), to which a line break is a space and
what follows the name does not matter, and it needs no heading to take a text for a descriptor: so whatever begins like
a part's line must be one to the letter, and every file that is no sparse one is judged if QEMU could take it for VMDK.
"""

from __future__ import annotations

import posixpath
from typing import Any

_DESCRIPTOR_BYTES = 1024 * 1024

_PART = r"(RW|RDONLY|NOACCESS) +[0-9]+ +[A-Z]+"
_JUDGE = rf"""/^ *(RW|RDONLY|NOACCESS)( |$)/!d
s/^ *{_PART} +"([^"]*)"( +[0-9]+)? *$/n\2/; t
s/^ *{_PART} *$/z/; t
s/.*/x/"""
"""Of a descriptor's lines: n and the name of a part, z for a part without a file, x for what is not understood."""
CHECK_COMMAND = (
    # A sparse file (KDMV, and COWD of old) is no descriptor.
    "v=$(head -c 20 -- \"$p\" | od -An -v -tx1 | tr -d ' \\n')",
    'case $v in 4b444d56*|434f5744*) d= ;; *) d=$(dirname -- "$o") ;; esac',
    # What QEMU finds out by itself begins with «version=», behind comments and empty lines.
    'if [ -n "$d" ] && [ -z "$f" ]; then',
    "  t=$(head -c 2048 -- \"$p\" | tr '\\0\\r\\v\\f\\t' '     ' | sed '/^#/d; /^ *$/d' | head -n 1)",
    "  case $t in version=*) ;; *) d= ;; esac",
    'elif [ "$f" != vmdk ]; then d=; fi',
    'if [ -n "$d" ]; then',
    f"  head -c {_DESCRIPTOR_BYTES} -- \"$p\" | tr '\\0\\r\\v\\f\\t' '     ' | sed -E '{_JUDGE}' |",
    '  while IFS= read -r n || [ -n "$n" ]; do',
    "    case $n in z) continue ;;",
    '      x|n|n*/*|n*:*) echo "it keeps its data in another place: ${n#?}" >&2; exit 65 ;; esac',
    '    n=$d/${n#n}; if [ -L "$n" ] || [ ! -f "$n" ]; then echo "$n: No such file or directory" >&2; exit 66; fi',
    "  done || exit",
    "fi",
    # A sparse file without a capacity, eight bytes from the twelfth, is a descriptor in disguise.
    'if [ -z "$f" ] || [ "$f" = vmdk ]; then case $v in 4b444d56????????????????0000000000000000)',
    "  echo 'it keeps its data in another place' >&2; exit 65 ;; esac; fi",
)  # fmt: skip
"""Shell lines: of an image ``$p``, which QEMU opens as ``$o``, of the format ``$f`` (empty: QEMU finds out), end with
words on stderr if QEMU must not read it."""


def parts_elsewhere(details: dict[str, Any], path: str) -> str:
    """The first part, of those that QEMU told of, that is not in the image's own folder; empty if all are."""
    folder = posixpath.dirname(path)
    for extent in details.get("extents") or ():
        name = posixpath.normpath(posixpath.join(folder, str(extent.get("filename") or "")))
        if posixpath.dirname(name) != folder:
            return name
    return ""
