"""The model check holds on the shipped code, and sees what is wrong with protocols that do not hold."""

from __future__ import annotations

import json

import pytest
from tests.soak import modelcheck
from tests.soak.variants import VARIANTS, Variant

SCHEDULES = 12
MOST = 80


def test_no_rule_breaks() -> None:
    """In a dozen schedules of crashes, losses, doubles, late messages, pauses and clock steps; the soak has 20,000."""
    found = modelcheck.run_all(range(SCHEDULES))
    assert found.broken == {}
    assert found.seen["sent"] > 100
    for what in ("killed", "left", "cancelled", "trimmed", "message doubled", "message slow", "refused spent"):
        assert found.seen[what], f"no schedule had one: {what}"


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_checker_sees_what_does_not_hold(variant: Variant) -> None:
    """Each broken variant of the protocol is caught within a few dozen schedules."""
    assert modelcheck.caught_after(variant, MOST)


def test_a_seed_is_a_schedule() -> None:
    """The same seed does the same again, to the last message; and so does what was kept of it."""
    first, again = modelcheck.run_all([7]), modelcheck.plain(range(7, 8))
    assert first == modelcheck.found_of(json.loads(json.dumps(again)))
