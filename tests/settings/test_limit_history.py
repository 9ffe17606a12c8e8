# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of limits survives a restart, damaged lines and a full disk."""

from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.limit_changes import LimitChange
from vmconsole.inventory.limits import CpuCap, LimitRef
from vmconsole.settings import limit_history
from vmconsole.settings.limit_history import LimitHistory

WEB, DB = GuestId(HostId("qemu+ssh://kvm1/system"), "u1"), GuestId(HostId("qemu+ssh://kvm1/system"), "u2")


HALF = CpuCap(100_000, 50_000)


def a_change(at, guest=WEB, after=HALF):
    return LimitChange(at, guest, "web «1»", "now", LimitRef("guest_cap"), CpuCap(), after)


def test_it_is_read_back_after_a_restart_guest_by_guest(tmp_path):
    mine = [
        a_change(1.0),
        a_change(2.0, after=None),
        LimitChange(3.0, WEB, "w", "next boot", LimitRef("vcpu_pin", "0"), None, "0-1"),
    ]
    LimitHistory(tmp_path / "limits").add([*mine, a_change(2.5, DB)])
    assert LimitHistory(tmp_path / "limits").of(WEB) == tuple(mine)
    assert len(LimitHistory(tmp_path / "limits").of(DB)) == 1


def test_damaged_lines_are_left_out(tmp_path):
    history = LimitHistory(tmp_path / "limits")
    history.add([a_change(1.0)])
    with (tmp_path / "limits").open("ab") as file:
        file.write(b'{"at": "x"}\n[]\n\xff\xfe\n{"at": 1')
    history.add([])
    assert history.of(WEB) == (a_change(1.0),)


def test_a_file_that_cannot_be_written_stops_nobody(tmp_path):
    history = LimitHistory(tmp_path / "nowhere" / "limits")
    history.add([a_change(1.0)])
    assert history.of(WEB) == ()


def test_it_does_not_grow_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(limit_history, "MOST_BYTES", 2000)
    history = LimitHistory(tmp_path / "limits")
    for number in range(50):
        history.add([a_change(float(number))])
    kept = history.of(WEB)
    assert kept[-1].at == 49.0
    assert (tmp_path / "limits").stat().st_size < 2500
