"""Claims about gaps: what keeping an entry alive costs, and when it is cheaper."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bursar.agent.advice.caching.chain import Call
from bursar.agent.advice.caching.gaps import Gaps, KeepAlive
from bursar.agent.advice.caching.promptcache import Prefix
from bursar.policies.prices import Rates

MINUTE = 60 * 10**9
UNIT = 1_000 * 1_000
"""A prefix of a thousand tokens, in thousandths: money is in pico-dollars of a token, times this."""
TENTH = Rates(input=40, cache_read=4, cache_write_5m=50, cache_write_1h=80, output=200)
FORTIETH = Rates(input=40, cache_read=1, cache_write_5m=50, cache_write_1h=80, output=200)


def gaps(minutes: Sequence[float], rates: Rates, *, begins: int = 0) -> Gaps:
    """Calls so many minutes after each other; the first one at zero."""
    prefix = Prefix(None, 1, 1_000)
    found, at_ns = Gaps(0, 512), 0
    for minute in (0, *minutes):
        at_ns += round(minute * MINUTE)
        found.see(Call(at_ns, at_ns + begins, 1_100, rates, 1_000, (prefix,), prefix), 0, "5m")
    return found


@pytest.mark.parametrize(
    ("ttl", "until_minutes", "cost", "pings"),
    [
        ("5m", 0, 50 + 4 + 50, 0),
        ("1h", 0, 80 + 4 + 4, 0),
        # A ping every 4.5 minutes: four of them bridge 20 minutes; before the first call, those of who came before it.
        ("5m", 18, (50 + 4 * 4) + 4 + (4 + 4 * 4), 8),
    ],
)
def test_what_a_place_costs(ttl: str, until_minutes: float, cost: int, pings: int) -> None:
    """Three calls, 2 and 20 minutes apart: written, read, and written or read; each ping is one more read."""
    found = gaps([2, 20], TENTH)
    assert found.cost(ttl, round(until_minutes * MINUTE)) == (cost * UNIT, pings * 1_000)


def test_an_hour_is_cheaper_than_pings_at_a_tenth() -> None:
    """Every 20 minutes, 30 times: one write of an hour and reads; four pings each time cost more than the premium."""
    assert gaps([20] * 30, TENTH).keep_alive() is None


def test_pings_pay_where_reading_costs_little() -> None:
    """
    Every 100 minutes, ten times, read at a fortieth: 11 writes at 50 without.

    A ping at 55 minutes keeps an entry of an hour until the next call: 80, ten reads, and a ping for each of 11 ends.
    """
    assert gaps([100] * 10, FORTIETH).keep_alive() == KeepAlive("1h", 55 * MINUTE, 11_000, (550 - 80 - 10 - 11) * UNIT)


def test_calls_that_start_while_another_writes_pay_too() -> None:
    """Five at once, answered after a minute: four of them write at 50 what they could have read at 4."""
    found = gaps([0.1] * 4, TENTH, begins=MINUTE)
    assert (found.parallel, found.parallel_calls) == ({0: 4 * 46 * UNIT}, 4_000)
    assert gaps([2] * 4, TENTH, begins=MINUTE).parallel == {}
