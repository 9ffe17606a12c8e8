# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a running guest, against an agent that runs the real programs on this machine's own files."""

from __future__ import annotations

import os
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import pytest

from tests.images.local_agent import LocalAgent
from vmconsole.images import live_guest, live_transfer
from vmconsole.images.live_session import LiveSession
from vmconsole.images.messages import Conflict, EntryKind, Progressed
from vmconsole.inventory.errors import LinkLost, OperationRefused, OutOfRange, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

ODD = "a b\n'\"$(x)`-é\udcff"


@pytest.fixture
def agent() -> LocalAgent:
    return LocalAgent()


@pytest.fixture
def session(agent: LocalAgent) -> Iterator[LiveSession]:
    said: list[Any] = []
    made = LiveSession(agent, on_event=said.append)
    yield made
    made.close()
    assert made.wait_closed(5.0)
    assert not agent.open, "a handle was left open in the guest"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "guest"
    found.mkdir()
    return found


def got(future: Future[Any]) -> Any:
    return future.result(30)


def test_a_folder_with_odd_names_is_listed_as_it_is(session: LiveSession, place: Path) -> None:
    (place / ODD).write_bytes(b"12345")
    (place / "-rf").mkdir()
    (place / "link").symlink_to("/nowhere\nat all")
    entries = {e.name: e for e in got(session.list_folder(str(place))).entries}
    assert set(entries) == {ODD, "-rf", "link"}
    assert (entries[ODD].kind, entries[ODD].size_bytes) == (EntryKind.FILE, 5)
    assert (entries["link"].kind, entries["link"].link_target) == (EntryKind.LINK, "/nowhere\nat all")
    assert entries[ODD].modified_at == pytest.approx((place / ODD).stat().st_mtime, abs=0.01)


def test_names_never_become_words_of_a_program(session: LiveSession, place: Path) -> None:
    folder = place / ODD
    got(session.make_folder(str(folder)))
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o777 == 0o755
    got(session.rename(str(folder), str(place / "-n")))
    assert os.listdir(place) == ["-n"]
    got(session.set_mode(str(place / "-n"), 0o700))
    assert (place / "-n").stat().st_mode & 0o777 == 0o700
    got(session.delete([str(place / "-n")]))
    assert os.listdir(place) == []


def test_saved_text_keeps_mode_owner_and_attributes(session: LiveSession, place: Path) -> None:
    file = place / "conf"
    file.write_text("old\n")
    os.chown(file, 12, 34)
    os.chmod(file, 0o4640)
    link = place / "link"
    link.symlink_to("conf")
    assert got(session.read_file(str(link), limit_bytes=1 << 20)).data == b"old\n"
    got(session.write_file(str(link), b"new\n"))
    assert link.is_symlink()
    assert file.read_text() == "new\n"
    stat = file.stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777) == (12, 34, 0o4640)
    got(session.write_file(str(link), b"newer\n"))
    assert file.read_text() == "newer\n"
    assert sorted(os.listdir(place)) == ["conf", "link"]


def test_what_changed_meanwhile_is_not_written_over(session: LiveSession, place: Path) -> None:
    file = place / "conf"
    file.write_text("old\n")
    got(session.read_file(str(file), limit_bytes=1 << 20))
    file.write_text("other\n")
    with pytest.raises(OperationRefused, match="changed in the guest"):
        got(session.write_file(str(file), b"mine\n"))
    assert file.read_text() == "other\n"
    assert os.listdir(place) == ["conf"]


@pytest.mark.parametrize("command", ["guest-file-write", "guest-file-flush", "guest-file-close"])
def test_a_save_that_is_cut_off_leaves_the_old_file(
    session: LiveSession, agent: LocalAgent, place: Path, command: str
) -> None:
    file = place / "conf"
    file.write_bytes(b"old" * 50_000)
    got(session.read_file(str(file), limit_bytes=1 << 20))
    seen: list[str] = []

    def fail(asked: str, _arguments: Mapping[str, object]) -> None:
        if asked == command:
            seen.append(asked)
            if len(seen) == 1:
                raise LinkLost("The link died.")

    agent.before = fail
    if command == "guest-file-close":  # that alone is not a failure: all was flushed, and the hash tells
        got(session.write_file(str(file), b"new"))
        agent.open.popitem()[1].close()
        assert file.read_bytes() == b"new"
    else:
        with pytest.raises(LinkLost):
            got(session.write_file(str(file), b"new"))
        assert file.read_bytes() == b"old" * 50_000
    assert os.listdir(place) == ["conf"]


def test_damaged_bytes_are_found_before_they_count(session: LiveSession, agent: LocalAgent, place: Path) -> None:
    file = place / "conf"
    file.write_text("old")

    def garble(command: str, arguments: Mapping[str, object]) -> None:
        if command == "guest-file-flush":
            agent.open[arguments["handle"]].write(b"!")  # type: ignore[index] # a number

    agent.before = garble
    with pytest.raises(OperationRefused, match="not what was sent"):
        got(session.write_file(str(file), b"new"))
    assert file.read_text() == "old"


def test_nothing_is_renamed_over(session: LiveSession, place: Path) -> None:
    for name in "ab":
        (place / name).write_text(name)
    with pytest.raises(OperationRefused, match="taken"):
        got(session.rename(str(place / "a"), str(place / "b")))
    assert (place / "b").read_text() == "b"


@pytest.mark.parametrize("path", ["/", "relative", "/a/../b", "/a//b", "/a/", "/a\0b"])
def test_only_plain_paths_are_deleted(session: LiveSession, agent: LocalAgent, path: str) -> None:
    with pytest.raises(OperationRefused):
        got(session.delete([path]))
    assert "guest-exec" not in agent.asked


def test_a_pipe_is_not_opened_for_it_would_hang_the_agent(session: LiveSession, agent: LocalAgent, place: Path) -> None:
    os.mkfifo(place / "pipe")
    with pytest.raises(OperationRefused, match="no regular file"):
        got(session.read_file(str(place / "pipe"), limit_bytes=10))
    assert "guest-file-open" not in agent.asked


def test_files_and_folders_go_in_and_out_whole(session: LiveSession, place: Path, tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "sub").mkdir(parents=True)
    data = os.urandom(150_000)
    (source / "sub" / "big").write_bytes(data)
    (source / "empty").write_bytes(b"")
    (source / "out").symlink_to("/etc/passwd")
    result = got(session.import_paths([source], str(place), conflict=Conflict.REFUSE))
    assert (result.files, result.bytes, len(result.skipped)) == (2, 150_000, 1)
    assert (place / "tree" / "sub" / "big").read_bytes() == data
    again = got(session.import_paths([source / "empty"], str(place / "tree"), conflict=Conflict.KEEP_BOTH))
    assert again.paths == (str(place / "tree" / "empty (2)"),)
    with pytest.raises(OperationRefused):
        got(session.import_paths([source], str(place), conflict=Conflict.REFUSE))
    back = tmp_path / "back"
    back.mkdir()
    (place / "tree" / "evil").symlink_to("/etc/passwd")
    result = got(session.export_paths([str(place / "tree")], back))
    assert (back / "tree" / "sub" / "big").read_bytes() == data
    assert (result.files, len(result.skipped)) == (3, 1)
    assert not (back / "tree" / "evil").exists()


def test_sizes_are_bounded_with_a_word(
    session: LiveSession, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (live_guest, live_transfer):
        monkeypatch.setattr(module, "FILE_BYTES_MAX", 100_000)
    (place / "big").write_bytes(bytes(100_001))
    with pytest.raises(OutOfRange, match="through the agent"):
        got(session.export_paths([str(place / "big")], tmp_path))
    assert not (tmp_path / "big").exists()
    with pytest.raises(OutOfRange, match="through the agent"):
        got(session.import_paths([place / "big"], str(place), conflict=Conflict.KEEP_BOTH))
    monkeypatch.setattr(live_guest, "FOLDER_BYTES_MAX", 10)
    with pytest.raises(OutOfRange, match="too many names"):
        got(session.list_folder(str(place)))


def test_without_programs_files_are_reached_by_their_path(place: Path) -> None:
    agent = LocalAgent(off=frozenset({"guest-exec"}))
    session = LiveSession(agent, on_event=lambda _event: None)
    (place / "conf").write_text("old\n")
    try:
        assert not got(session.begin()).runs
        with pytest.raises(Unsupported, match="may not run programs"):
            got(session.list_folder(str(place)))
        assert got(session.read_file(str(place / "conf"), limit_bytes=99)).data == b"old\n"
        got(session.write_file(str(place / "conf"), b"longer\n"))
        assert (place / "conf").read_text() == "longer\n"
        with pytest.raises(Unsupported, match="shorten"):
            got(session.write_file(str(place / "conf"), b"x"))
        assert (place / "conf").read_text() == "longer\n"
    finally:
        session.close()


def test_cancel_ends_a_transfer_and_nothing_is_left(
    session: LiveSession, agent: LocalAgent, place: Path, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(1 << 20))
    reached = threading.Event()

    def stop(command: str, _arguments: Mapping[str, object]) -> None:
        if command == "guest-file-write":
            session.cancel()
            reached.set()

    agent.before = stop
    with pytest.raises(CancelledError):
        got(session.import_paths([big], str(place), conflict=Conflict.REFUSE))
    assert reached.is_set()
    assert os.listdir(place) == []
    assert agent.asked.count("guest-file-write") == 1
    agent.before = lambda _command, _arguments: None
    assert got(session.list_folder(str(place))).entries == ()
    assert got(session.read_file(str(big), limit_bytes=10)).data == bytes(10)


def test_progress_is_told_and_all_is_done_on_one_thread(agent: LocalAgent, place: Path) -> None:
    told: list[Any] = []
    session = LiveSession(agent, on_event=told.append)
    (place / "big").write_bytes(bytes(300_000))
    got(session.read_file(str(place / "big"), limit_bytes=1 << 20))
    session.close()
    assert session.wait_closed(5)
    assert isinstance(told[-1], Progressed)
    assert told[-1].position == told[-1].total == 300_000
    assert agent.threads == {"live folders"}


def test_what_this_machine_cannot_do_is_told(session: LiveSession, place: Path, tmp_path: Path) -> None:
    (place / "a").write_text("a")
    with pytest.raises(OperationRefused, match="could not be written"):
        got(session.export_paths([str(place / "a")], tmp_path / "nowhere"))
    with pytest.raises(OperationRefused, match="could not be read"):
        got(session.import_paths([tmp_path / "nothing"], str(place), conflict=Conflict.REFUSE))


def test_messages_can_be_shown_whatever_the_name(session: LiveSession, place: Path) -> None:
    for wanted in (session.read_file(str(place / ODD), limit_bytes=9), session.list_folder(str(place / ODD))):
        with pytest.raises(OperationRefused) as caught:
            got(wanted)
        assert caught.value.explanation.text().encode("utf-8")
        assert "\n" not in caught.value.explanation.where
