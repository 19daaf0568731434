"""Past attempts: what the ledger knows of each beyond its usage."""

from __future__ import annotations

from dataclasses import replace

from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, put, unexplained, used

from bursar.agent.ledger import printbook
from bursar.agent.ledger.booking import book
from bursar.agent.ledger.pastattempts import PastAttempt, past_attempts
from bursar.policies.cascade import Stage
from bursar.policies.fingerprint import Block, Fingerprint, Section
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Usage

ONE = Usage(input=1_000, output=100)


def test_each_is_told_with_all_that_was_said_of_it() -> None:
    """A stream of a cascade with bounds, trimmed, with a fingerprint; and one of which nothing is known."""
    start, end = used("a", ONE, at=10)
    assert isinstance(start, Sent) and isinstance(end, Settled)
    stage = Stage("c", "cheap", OPUS, "")
    trimmed = {"changes": [{"parameter": "max_tokens", "before": 9, "after": 8}]}
    sent = replace(
        start, bound_nano=9, bound_tokens=8, labels={"team": "x"}, decision=trimmed, stage=stage, effort="low"
    )
    with fresh.ledger() as db:
        records: list[Record] = [sent, replace(end, final=False), end]
        book(db, records, holder="h", policy=None, now_ns=12 * SECOND)
        put(db, unexplained("b", None, at=20))
        block = Block(f"{1:016x}", Section.MESSAGES, 0, 0, "text", "user", 10, 10)
        printbook.keep(db, [Fingerprint("a", (block,), "talk")], 1)
        first, second = past_attempts(db, 0, 21 * SECOND)
        assert list(past_attempts(db, 11 * SECOND, 20 * SECOND)) == []
    assert first == PastAttempt(
        10 * SECOND, 12 * SECOND, "h", "desk", OPUS, '{"team":"x"}', "usage", 6_000_000, 9, 8,
        True, True, "go", True, (), "talk", "low", ONE,
    )  # fmt: skip
    assert first.counted
    assert (second.basis, second.cost_nano, second.bound_nano, second.counted) == ("unknown", None, None, False)
    assert (second.streamed, second.staged, second.fitted) == (False, False, False)
    assert (second.conversation, second.effort) == ("", "")
