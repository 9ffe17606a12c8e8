# SPDX-License-Identifier: GPL-3.0-or-later
"""Which module of the child does which request of the editing tools. Child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.images import tool_requests as asks
from vmconsole.images.child import attributes, config_tree, packing, registry, surveying, windowing
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Work
    from vmconsole.images.child.searching import Tasks


def done(work: Work, tasks: Tasks, request: asks.ToolRequest) -> object:
    """Do a request on an open image."""
    match request:
        case asks.Begin(task):
            return tasks.begin(work, task)
        case asks.Step(number):
            return tasks.step(work, number)
        case asks.Drop(number):
            tasks.drop(number)
        case asks.Pack(path):
            return packing.pack(work, path)
        case asks.Unpack(path, local, room):
            return packing.unpack(work, path, local, room)
        case asks.ReadConfig() | asks.EditConfig() | asks.ReadKey() | asks.EditHive():
            return _settings(work, request)
        case asks.ReadWindow() | asks.Survey() | asks.DigestFiles():
            return _contents(work, request)
        case _:
            return _attributes(work, request)
    return None


def _contents(work: Work, request: asks.ReadWindow | asks.Survey | asks.DigestFiles) -> object:
    match request:
        case asks.ReadWindow(path, offset, count):
            return windowing.read_window(work, path, offset, count)
        case asks.Survey(folders):
            return surveying.survey(work, folders)
        case asks.DigestFiles(paths):
            return surveying.digest_files(work, paths)


def _settings(work: Work, request: asks.ReadConfig | asks.EditConfig | asks.ReadKey | asks.EditHive) -> object:
    match request:
        case asks.ReadConfig(path, lens):
            return config_tree.read_config(work, path, lens)
        case asks.EditConfig(path, lens, config_edits):
            return config_tree.edit_config(work, path, lens, config_edits)
        case asks.ReadKey(hive, key):
            return registry.read_key(work, hive, key)
        case asks.EditHive(hive, edits):
            registry.edit_hive(work, hive, edits)
            return None


def _attributes(work: Work, request: asks.ToolRequest) -> object:
    match request:
        case asks.ReadAttributes(path):
            return attributes.read_attributes(work, path)
        case asks.SetAttributes(paths, new):
            return attributes.set_attributes(work, paths, new)
        case asks.SetXattrs(path, new_xattrs, remove):
            attributes.set_xattrs(work, path, new_xattrs, remove)
        case asks.SetAcl(path, text, is_default):
            attributes.set_acl(work, path, text, is_default=is_default)
        case asks.MakeFile(path):
            attributes.make_file(work, path)
        case asks.MakeLink(path, target, is_hard):
            attributes.make_link(work, path, target, is_hard=is_hard)
        case _:
            raise ImageError(f"The appliance cannot do «{type(request).__name__}».")
    return None
