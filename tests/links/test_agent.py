# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked of a guest's agent: the list, and nothing beside it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.inventory.agent_programs import PROGRAMS, exec_arguments, is_allowed
from vmconsole.inventory.errors import OperationRefused, Unsupported
from vmconsole.links.agent import agent_answer, agent_request

REFUSED = (
    ("guest-shutdown", {}),
    ("guest-set-user-password", {"username": "root", "password": "x", "crypted": False}),
    ("guest-ssh-add-authorized-keys", {"username": "root", "keys": []}),
    ("guest-fsfreeze-freeze", {}),
    ("guest-file-open", {"path": "/etc/shadow", "mode": "w"}),
    ("guest-file-open", {"path": "/etc/shadow"}),
    ("guest-exec", {"path": "/bin/sh", "arg": ["-c", "id"], "capture-output": True}),
    ("guest-exec", {"path": "sh", "arg": ["-c", "id"], "input-data": "", "capture-output": True}),
    ("guest-exec", {"path": "xargs", "arg": ["-0", "sh", "-c"], "input-data": "", "capture-output": True}),
    ("guest-exec", {**exec_arguments("list", [b"/x"]), "arg": [*PROGRAMS["list"], "-delete"]}),
    ("guest-exec", {**exec_arguments("list", [b"/x"]), "arg": [*PROGRAMS["list"][:4]]}),
    ("guest-exec", {**exec_arguments("delete", [b"/x"]), "env": ["LD_PRELOAD=/x"]}),
    ("guest-ping", {"more": 1}),
)


@pytest.mark.parametrize(("command", "arguments"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_not_on_the_list_does_not_pass(command: str, arguments: dict[str, object]) -> None:
    with pytest.raises(Unsupported, match="not on the list"):
        agent_request(command, arguments, where="kvm1")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_of_the_list_passes(program: str) -> None:
    assert is_allowed("guest-exec", exec_arguments(program, [b"/tmp/x"], mode=0o4755, owner="0:1000"))


@given(st.sampled_from(sorted(PROGRAMS)), st.data())
def test_a_program_with_one_other_word_does_not_pass(program: str, data: st.DataObject) -> None:
    asked = exec_arguments(program, [b"/tmp/x"], mode=0o644, owner="0:0")
    words = asked["arg"]
    assert isinstance(words, list)
    place = data.draw(st.integers(0, len(words) - 1))
    other = data.draw(st.text(max_size=8).filter(lambda text: text != words[place]))
    changed = [*words[:place], other, *words[place + 1 :]]
    fits = any(is_allowed("guest-exec", {**asked, "arg": changed}) for _ in (0,))
    hole = PROGRAMS[program][place] in {"{mode}", "{owner}"}
    assert not fits or hole


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"\0" not in name), max_size=4))
def test_names_go_as_bytes_and_never_as_words(names: list[bytes]) -> None:
    asked = exec_arguments("delete", names)
    assert asked["arg"] == list(PROGRAMS["delete"])
    assert base64.b64decode(str(asked["input-data"])) == b"".join(name + b"\0" for name in names)


@pytest.mark.parametrize("said", ["", "null", "[]", "{}", '{"error": {"desc": "x"}}', "\x00"])
def test_an_answer_that_is_none_is_told(said: str) -> None:
    with pytest.raises(OperationRefused, match="could not be read"):
        agent_answer(said, command="guest-ping", where="kvm1")
