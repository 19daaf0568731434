"""Past calls: what counted, in the order of time, and nothing else."""

from __future__ import annotations

from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, used

from bursar.agent.ledger.pastcalls import Past, count, past_calls
from bursar.policies.records import Released, Sent
from bursar.policies.usage import Usage

ONE = Usage(input=1_000, output=100)


def test_calls_come_in_the_order_of_time_with_what_they_used() -> None:
    """Of a stretch up to, and without, its end; one that cost nothing is not there."""
    with fresh.ledger() as db:
        put(db, used("late", ONE, at=30, model=SONNET, requested=OPUS), used("early", ONE, at=10, batch=True))
        put(db, used("too-late", ONE, at=40))
        put(db, [Sent("gone", "gone", 20 * SECOND, "desk", OPUS, OPUS), Released("gone")])
        # Opus 5.5: 4 and 20 USD a million, in a batch half of it; Sonnet 5.5: 2 and 10.
        assert list(past_calls(db, 0, 40 * SECOND)) == [
            Past(10 * SECOND, "desk", OPUS, OPUS, {}, 3_000_000, ONE, ("batch",)),
            Past(30 * SECOND, "desk", SONNET, OPUS, {}, 3_000_000, ONE, ()),
        ]
        assert count(db, 0, 40 * SECOND) == 2
