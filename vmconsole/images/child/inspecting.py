# SPDX-License-Identifier: GPL-3.0-or-later
"""libguestfs' full inspection of operating systems: several seconds. It unmounts everything; the tree is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.images.child.mounts import look
from vmconsole.images.messages import OsDetails

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.child.handle import Handle, Work


def inspect(work: Work) -> tuple[OsDetails, ...]:
    alone = _shown_alone(work)
    try:
        found = tuple(_details(work.handle, root) for root in work.handle.inspect_os())
    except RuntimeError as error:
        raise work.failed("The operating systems cannot be inspected.", error) from error
    look(work, alone)
    return found


def _shown_alone(work: Work) -> str:
    if work.contents is None or work.contents.has_os_tree:
        return ""
    return next((f.device for f in work.contents.filesystems if f.mounted_at == "/"), "")


def _details(handle: Handle, root: str) -> OsDetails:
    def ask(question: Callable[[str], object]) -> str:
        try:
            return str(question(root))
        except RuntimeError:
            return ""

    return OsDetails(
        root=root,
        product=ask(handle.inspect_get_product_name),
        kind=ask(handle.inspect_get_type),
        distro=ask(handle.inspect_get_distro),
        version=f"{ask(handle.inspect_get_major_version)}.{ask(handle.inspect_get_minor_version)}",
        hostname=ask(handle.inspect_get_hostname),
        architecture=ask(handle.inspect_get_arch),
        package_format=ask(handle.inspect_get_package_format),
    )
