# SPDX-License-Identifier: GPL-3.0-or-later
"""VMDK images name other files as their parts, by text inside them that anybody may have written. Pure functions.

So the text is judged before QEMU reads it: parts must be plain names of files beside the image. Sources: VMware's
«Virtual Disk Format 5.0»; QEMU's block/vmdk.c, which follows the names of a descriptor file, and of a sparse file
whose capacity is zero, but of no other.
"""

from __future__ import annotations

import posixpath
from typing import Any

_DESCRIPTOR_BYTES = 1024 * 1024

# In a part's line the name is the last quoted word: RW 4192256 FLAT "name-flat.vmdk" 0
_NAMES = r"""sed -n 's/^[[:space:]]*R[WD].*"\(.*\)".*$/\1/p; s/^[[:space:]]*NOACCESS.*"\(.*\)".*$/\1/p'"""
CHECK_COMMAND = (
    "if [ \"$(head -c 21 -- \"$p\" | tr -d '\\0')\" = '# Disk DescriptorFile' ]; then",
    '  d=$(dirname -- "$(readlink -f -- "$p")")',
    f"  head -c {_DESCRIPTOR_BYTES} -- \"$p\" | tr -d '\\r\\0' | {_NAMES} | while IFS= read -r n; do",
    '    case $n in */*|*:*|"") echo "it keeps its data in another place: $n" >&2; exit 65 ;; esac',
    '    if [ -L "$d/$n" ] || [ ! -f "$d/$n" ]; then echo "$d/$n: No such file or directory" >&2; exit 66; fi',
    "  done || exit",
    "fi",
    # A sparse file (KDMV) without a capacity, eight bytes from the twelfth, is a descriptor in disguise.
    "v=$(head -c 20 -- \"$p\" | od -An -v -tx1 | tr -d ' \\n')",
    "case $v in 4b444d56????????????????0000000000000000)",
    "  echo 'it keeps its data in another place' >&2; exit 65 ;; esac",
)
"""Shell lines: of an image ``$p``, end with words on stderr if QEMU must not read it."""


def parts_elsewhere(details: dict[str, Any], path: str) -> str:
    """The first part, of those that QEMU told of, that is not in the image's own folder; empty if all are."""
    folder = posixpath.dirname(path)
    for extent in details.get("extents") or ():
        name = posixpath.normpath(posixpath.join(folder, str(extent.get("filename") or "")))
        if posixpath.dirname(name) != folder:
            return name
    return ""
