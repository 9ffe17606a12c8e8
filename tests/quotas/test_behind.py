# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked of QEMU behind libvirt's back, and nothing else."""

import pytest

from tests.operations.fakes import FakeVerbs, a_guest
from vmconsole.domainxml.reading import DomainDescription
from vmconsole.inventory.errors import OperationRefused, OutOfRange
from vmconsole.links.qmp import qmp_answer
from vmconsole.operations.behind import ChangeBehind
from vmconsole.quotas.behind import ACTS, SAFE, command_of

XML = """<domain><name>a</name><on_reboot>destroy</on_reboot><devices><watchdog model='i6300esb' action='pause'/>
<interface type='bridge'><mac address='52:54:00:AA:00:01'/><link state='down'/><alias name='net0'/></interface>
<interface type='bridge'><mac address='52:54:00:aa:00:02'/></interface></devices></domain>"""


def test_what_libvirt_says_is_where_undo_goes_back_to():
    found = DomainDescription(XML)
    assert found.known_behind() == {
        ("on_reboot", ""): "shutdown", ("watchdog_action", ""): "pause", ("nic_link", "52:54:00:aa:00:01"): "down",
    }  # fmt: skip
    assert found.device("52:54:00:aa:00:01") == "net0"
    assert found.device("52:54:00:aa:00:03") == found.device("") == ""


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.key)
def test_every_act_is_one_safe_command(act):
    commands = {command_of(act, choice, "net0")[0] for choice in act.choices}
    assert len(commands) == 1
    assert commands <= SAFE
    assert act.meaning.endswith(".")


def test_no_command_that_could_hurt_is_safe():
    harmful = (
        "quit",
        "object-add",
        "object-del",
        "device_add",
        "device_del",
        "blockdev-add",
        "migrate",
        "stop",
        "netdev_del",
    )
    assert not SAFE & set(harmful)


def test_a_refusal_of_qemu_s_is_one_though_libvirt_calls_it_a_success():
    assert qmp_answer('{"return": {}}', command="set_link", where="kvm1") == {}
    refusal = '{"error": {"class": "DeviceNotFound", "desc": "Device x not found"}}'
    with pytest.raises(OperationRefused) as told:
        qmp_answer(refusal, command="set_link", where="kvm1")
    assert "Device x not found" in told.value.explanation.said
    with pytest.raises(OperationRefused):
        qmp_answer("no json", command="set_link", where="kvm1")


def test_a_change_can_be_undone_and_an_unknown_value_is_refused():
    guest = a_guest()
    verbs = FakeVerbs(guest)
    done = ChangeBehind(guest.id, "web1", "on_reboot", "", "shutdown", before="reset").run(verbs)
    assert "until the next boot" in done.note
    assert done.deltas[0].guest.taints
    done.undo.run(verbs)
    assert verbs.calls[-2][-1] == "reset"
    with pytest.raises(OutOfRange, match="fly"):
        ChangeBehind(guest.id, "web1", "on_reboot", "", "fly", before="reset").run(verbs)
