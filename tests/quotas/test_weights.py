# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk weight that systemd squeezes for bfq."""

from hypothesis import given
from hypothesis import strategies as st

from vmconsole.quotas.weights import behind_systemd, for_systemd


def test_what_was_seen_on_a_host():
    assert [behind_systemd(weight) for weight in (1, 100, 300, 1000, 10_000)] == [1, 100, 118, 181, 1000]


@given(st.integers(1, 1000))
def test_every_weight_of_bfq_can_be_had(weight):
    assert 1 <= for_systemd(weight) <= 10_000
    assert behind_systemd(for_systemd(weight)) == weight
