"""Claims about what a stretch of time is made of: every hour that begins in it, once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bursar.agent.ledger.rollups import HOUR_NS
from bursar.agent.ledger.wholedays import parts


def hours(since_ns: int, until_ns: int) -> list[int]:
    """All hours that the parts come to, since the epoch."""
    told = parts(since_ns, until_ns)
    days = [hour for day in range(told["first_day"], told["last_day"]) for hour in range(24 * day, 24 * day + 24)]
    return [*range(told["since"], told["head"]), *days, *range(told["tail"], told["until"])]


def test_a_stretch_over_three_midnights_has_two_whole_days() -> None:
    """From 22:00 to 02:00 three days later: two hours, two days, two hours."""
    told = parts(22 * HOUR_NS, 74 * HOUR_NS)
    assert told == {"since": 22, "head": 24, "first_day": 1, "last_day": 3, "tail": 72, "until": 74}


@given(st.integers(0, 10**6), st.integers(0, 10**4), st.integers(0, HOUR_NS - 1), st.integers(0, HOUR_NS - 1))
def test_every_hour_that_begins_in_a_stretch_is_in_it_once(since: int, length: int, late: int, early: int) -> None:
    """In order, whatever instants it begins and ends with."""
    since_ns, until_ns = since * HOUR_NS + late, (since + length + 2) * HOUR_NS - early
    assert hours(since_ns, until_ns) == list(range(-(-since_ns // HOUR_NS), -(-until_ns // HOUR_NS)))
