"""Claims about figures that cannot be true: said by name, before anything of them is booked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.agent.ledger.booked import used

from bursar.agent.ledger.soundness import check, is_sound
from bursar.policies.records import Decided, RecordError, Released, Sent, Settled
from bursar.policies.usage import Usage

SENT, SETTLED = used("a", Usage(input=1), at=1_795_262_400)
MOST = 2**63 - 1


def test_what_can_be_is_passed() -> None:
    """Up to the most that a column holds; a release has no figures."""
    assert isinstance(SENT, Sent)
    for record in (SENT, SETTLED, replace(SENT, bound_nano=MOST), Decided("c", 0, "r", "m", "block", "spent")):
        check(record)
    check(Released("a", "http 429"))


@pytest.mark.parametrize("value", [-1, MOST + 1, 1.5, "1"])
@pytest.mark.parametrize("name", ["at_ns", "bound_nano", "expected_nano", "bound_tokens", "expected_tokens"])
def test_a_figure_of_what_was_sent_that_cannot_be_is_named(name: str, value: Any) -> None:
    """Below nothing, above everything, in parts, or a text."""
    assert isinstance(SENT, Sent)
    with pytest.raises(RecordError, match=f"`{name}` must be a whole number"):
        check(replace(SENT, **{name: value}))


def test_a_charge_that_cannot_be_is_left_out_of_many() -> None:
    """Its cost, what its sender says, and each of its tokens are looked at."""
    assert isinstance(SETTLED, Settled)
    charge = SETTLED.charge
    assert is_sound(charge)
    assert is_sound(replace(charge, cost_nano_usd=None))
    assert not is_sound(replace(charge, cost_nano_usd=-1))
    assert not is_sound(replace(charge, told_nano_usd=MOST + 1))
    assert not is_sound(replace(charge, usage=Usage(cache_read=-5)))
