# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's errors through the catalogue. The entries themselves are tested in tests/inventory/test_catalogue.py."""

from __future__ import annotations

from vmconsole.inventory import errors
from vmconsole.links.libvirt_errors import translate, translate_binding


def test_a_known_error_says_what_was_tried_where_and_what_libvirt_said() -> None:
    said = "Requested operation is not valid: network 'lan' is not active"
    error = translate(code=55, domain=19, message=said, tried="start web1", where="kvm1")
    explanation = error.explanation
    assert explanation.what == "Could not start web1. The virtual network lan is not running."
    assert explanation.said == said
    assert explanation.where == "kvm1"
    assert explanation.entry == "network-inactive"
    assert explanation.action == "start-network"
    assert explanation.names == (("network", "lan"),)


def test_sshs_words_inside_libvirts_are_understood() -> None:
    said = "Cannot recv data: ssh: connect to host kvm1 port 22: Connection refused: Connection reset by peer"
    error = translate(code=38, domain=7, message=said, where="kvm1")
    assert error.explanation.entry == "ssh-refused"
    assert error.explanation.what == "kvm1 refuses SSH connections."


def test_an_unknown_error_is_shown_in_libvirts_own_words() -> None:
    error = translate(code=4711, domain=99, message="the flux is out of phase", tried="start web1", where="kvm1")
    assert type(error) is errors.OperationRefused
    assert "the flux is out of phase" in error.explanation.what
    assert "4711" in error.explanation.what
    assert error.explanation.entry == errors.NOT_IN_CATALOGUE


def test_what_the_binding_refuses_before_libvirt_is_asked() -> None:
    unknown = translate_binding(KeyError('Attribute name "foo" could not be recognized'), tried="set foo")
    assert type(unknown) is errors.Unsupported
    assert unknown.explanation.what.startswith("Could not set foo. ")
    assert type(translate_binding(OverflowError("can't convert negative int to unsigned"))) is errors.OutOfRange
    assert type(translate_binding(TypeError("an integer is required"))) is errors.OutOfRange
