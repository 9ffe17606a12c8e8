# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop under libvirt's client: what is due is called, once, with the right words, and freed afterwards."""

from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from vmconsole.links.poll_loop import HANGUP, READABLE, WRITABLE, PollLoop

if TYPE_CHECKING:
    from collections.abc import Iterator


class Running:
    """A loop on a thread of its own."""

    def __init__(self) -> None:
        self.freed: list[object] = []
        self.seen: list[tuple[object, ...]] = []
        self.threads: set[str] = set()
        self.loop = PollLoop(free=self.freed.append)
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._thread.start()

    def see(self, *what: object) -> None:
        self.threads.add(threading.current_thread().name)
        self.seen.append(what)

    def _run(self) -> None:
        while not self._ended:
            self.loop.run_once()

    def close(self) -> None:
        self._ended = True
        self.loop.wake()
        self._thread.join(5)
        assert not self._thread.is_alive()
        self.loop.close()


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue  # the test closed it


def test_a_handle_is_told_what_happened_in_the_loops_thread(running: Running, pipe: tuple[int, int]) -> None:
    number = running.loop.add_handle(pipe[0], READABLE, lambda *what: (running.see(*what), os.read(pipe[0], 9)), "its")
    os.write(pipe[1], b"x")
    wait_until(lambda: running.seen == [(number, pipe[0], READABLE, "its")])
    assert running.threads == {"loop"}
    running.loop.remove_handle(number)
    wait_until(lambda: running.freed == ["its"])
    os.write(pipe[1], b"x")
    running.loop.add_timer(20, lambda *_: running.see("later"), None)
    wait_until(lambda: ("later",) in running.seen)
    assert len([one for one in running.seen if one[0] == number]) == 1


def test_an_end_is_told_to_who_waits_for_something_else(running: Running, pipe: tuple[int, int]) -> None:
    def once(*what: object) -> None:
        running.loop.update_handle(int(str(what[0])), 0)
        running.see(*what)

    number = running.loop.add_handle(pipe[0], READABLE, once, None)
    os.close(pipe[1])
    wait_until(lambda: bool(running.seen))
    assert running.seen[0][0] == number
    assert int(str(running.seen[0][2])) & HANGUP


def test_two_watch_one_descriptor(running: Running, pipe: tuple[int, int]) -> None:
    """libvirt may do so; each is told of what it asked for."""

    def once(*what: object) -> None:
        running.see(*what)
        running.loop.update_handle(int(str(what[0])), 0)

    reads = running.loop.add_handle(pipe[1], READABLE, once, "r")
    writes = running.loop.add_handle(pipe[1], WRITABLE, once, "w")
    wait_until(lambda: bool(running.seen))
    assert running.seen == [(writes, pipe[1], WRITABLE, "w")]
    assert reads != writes


def test_timers_run_again_and_again_stop_and_start(running: Running) -> None:
    number = running.loop.add_timer(-1, lambda *what: running.see(*what), "t")
    running.loop.update_timer(number, 5)
    wait_until(lambda: len(running.seen) >= 3)
    running.loop.update_timer(number, -1)
    running.loop.add_timer(30, lambda *_: running.see("mark"), None)
    wait_until(lambda: ("mark",) in running.seen)
    count = len([one for one in running.seen if one == (number, "t")])
    wait_until(lambda: len([one for one in running.seen if one == ("mark",)]) > 2)
    assert len([one for one in running.seen if one == (number, "t")]) == count
    assert running.loop.remove_timer(number) == 0
    assert running.loop.remove_timer(number) == -1
    wait_until(lambda: running.freed == ["t"])


class Connected:
    """As a connection that only the garbage collector can free: its end talks to the loop."""

    def __init__(self, running: Running, number: int) -> None:
        self._running, self._number, self._me = running, number, self

    def __del__(self) -> None:
        loop = self._running.loop
        loop.update_handle(self._number, 0)
        loop.remove_timer(loop.add_timer(-1, lambda *_: None, "late"))


def test_what_the_garbage_collector_ends_in_the_loops_thread_does_not_stop_it(
    running: Running, pipe: tuple[int, int]
) -> None:
    """It runs whenever something is made, so also in the middle of the loop's own work."""
    number = running.loop.add_handle(pipe[0], READABLE, lambda *_: None, None)
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(3):  # timers in turn: what one leaves is found at some step before the next
            running.loop.add_timer(1, lambda *_: running.see(Connected(running, number) and "tick"), None)
        wait_until(lambda: len(running.seen) > 15)
        wait_until(lambda: len(running.freed) > 5)
    finally:
        gc.set_threshold(*before)


def test_a_handle_that_is_gone_is_not_called_nor_one_that_came_meanwhile(running: Running) -> None:
    """Descriptors are used again: what happened to the old one is nothing to the new."""
    ends = os.pipe()
    holds, went_on = threading.Event(), threading.Event()
    running.loop.add_timer(1, lambda number, _: (running.loop.remove_timer(number), holds.set(), went_on.wait(5)), None)
    wait_until(holds.is_set)
    old = running.loop.add_handle(ends[0], READABLE, lambda *_: running.see("old"), "old")
    os.write(ends[1], b"x")
    assert running.loop.remove_handle(old) == 0
    assert running.loop.remove_handle(old) == -1
    went_on.set()
    wait_until(lambda: running.freed == [None, "old"])
    assert running.seen == []
    for fd in ends:
        os.close(fd)
