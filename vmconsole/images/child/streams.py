# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipe between a thread of ours and a call of libguestfs that reads or writes a file. Child process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.child.handle import Work

_PIPE_BYTES = 1 << 20


def stream_in(work: Work, write: Callable[[BinaryIO], None], take: Callable[[str], object]) -> None:
    """``take`` is given the name of a pipe to read, which ``write`` fills on a second thread. The first error of our
    side counts, then libguestfs'; Cancelled before both."""
    reading, writing = _pipe()
    # With the last reader gone, a writer that waits for room in the pipe ends with a broken pipe.
    problems, said = _beside(_fill, writing, write, take, reading)
    work.check_cancelled()
    local = next((p for p in problems if not isinstance(p, BrokenPipeError)), None)
    if local is not None:
        raise local
    if said is not None:
        raise said


def stream_out(work: Work, read: Callable[[BinaryIO], None], give: Callable[[str], object]) -> None:
    """The other way: ``give`` writes into the pipe, ``read`` takes from it on a second thread."""
    reading, writing = _pipe()
    # The last writer goes, so that the reader sees the end.
    problems, said = _beside(_drain, reading, read, give, writing)
    work.check_cancelled()
    # A stream that was cut short is a consequence: the appliance's own words come before those of its reader.
    local = next((p for p in problems if isinstance(p, OSError)), None)
    for problem in (local, said, *problems):
        if problem is not None:
            raise problem


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    with contextlib.suppress(OSError):  # more than this user may have: then it stays small
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing


def _beside(
    job: Callable[[int, Callable[[BinaryIO], None], list[Exception]], None],
    ours: int,
    carry: Callable[[BinaryIO], None],
    call: Callable[[str], object],
    theirs: int,
) -> tuple[list[Exception], RuntimeError | None]:
    """Do ``job`` with our end on a second thread while libguestfs' call has the other end, which is closed then.
    Returns what went wrong on our side, and what libguestfs said."""
    problems: list[Exception] = []
    thread = threading.Thread(target=job, args=(ours, carry, problems), name="stream")
    thread.start()
    said: RuntimeError | None = None
    try:
        call(f"/dev/fd/{theirs}")
    except RuntimeError as error:
        said = error
    finally:
        os.close(theirs)
        thread.join()
    return problems, said


def _fill(writing: int, write: Callable[[BinaryIO], None], problems: list[Exception]) -> None:
    try:
        with open(writing, "wb") as pipe:
            write(pipe)
    except Exception as error:  # noqa: BLE001 - whatever it is, the main thread must raise it instead of this one
        problems.append(error)


def _drain(reading: int, read: Callable[[BinaryIO], None], problems: list[Exception]) -> None:
    try:
        with open(reading, "rb") as pipe:
            read(pipe)
            # The padding after the end mark, or the appliance would be stopped by a broken pipe.
            while pipe.read(65536):
                pass
    except Exception as error:  # noqa: BLE001 - as above
        problems.append(error)
