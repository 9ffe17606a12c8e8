# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages survive the pipe, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.images import messages, requests, wire
from vmconsole.inventory.errors import Explanation

NAME = st.text(st.characters(exclude_categories=())) | st.just("a\nb\udcff\0'\"")

MESSAGES = [
    requests.Ask(1, requests.Launch("/o", force_tcg=True, cache_dir="")),
    requests.Ask(2, requests.Look(is_look_only=False)),
    requests.Ask(3, requests.Write("/etc/a\nb", bytes(range(256)))),
    requests.Ask(4, requests.Import(("/a\udcff",), "/x", messages.Conflict.KEEP_BOTH, 7)),
    requests.Done(5, messages.Folder("/", (messages.Entry("a", messages.EntryKind.LINK, link_target="\n"),))),
    requests.Done(6, None),
    requests.Refused(7, "ImageNoSpace", Explanation("Full.", advice="Free some.")),
    requests.Done(8, requests.Contents((messages.Device("/dev/sda", 1),), (), "os", has_os_tree=True)),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_comes_back_as_it_was(message: object) -> None:
    line = wire.encode(message)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert wire.decode(line) == message


@given(NAME, st.binary())
def test_any_name_and_content_survive(name: str, data: bytes) -> None:
    message = requests.Ask(1, requests.Write(name, data))
    assert wire.decode(wire.encode(message)) == message


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b'{"$":"Popen"}', b'{"$":"Ask"}', b'{"$b":"%"}', b'{"a":1}', b'{"$":"EntryKind","=":"x"}', b"\xff"],
)
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(wire.BadMessage):
        wire.decode(line)


def test_strange_values_do_not_travel() -> None:
    with pytest.raises(TypeError):
        wire.encode(requests.Done(1, object()))
