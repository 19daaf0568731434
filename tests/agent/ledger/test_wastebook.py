"""The waste book: what was paid for without need, one kind after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, unexplained, used

from bursar.agent.ledger import printbook
from bursar.agent.ledger.wastebook import Waste, Why, waste
from bursar.policies.fingerprint import Block, Fingerprint, Section
from bursar.policies.records import Record, Released, Sent, Settled
from bursar.policies.usage import Usage

ONE = Usage(input=1_000, output=100)
"""On Opus 5.5, at 4 and 20 USD a million, 0.006 USD."""
COST = 6_000_000
DAY = 86_400
END = 2 * DAY


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def found(db: Database) -> list[Waste]:
    return waste(db, 0, END * SECOND)


def of_call(call: str, records: list[Record]) -> list[Record]:
    """The same attempt as part of this call."""
    changed: list[Record] = []
    for record in records:
        match record:
            case Sent():
                changed.append(replace(record, call_id=call))
            case Settled():
                changed.append(replace(record, charge=replace(record.charge, call_id=call)))
            case _:
                changed.append(record)
    return changed


def printed(db: Database, name: str, prompt: int, at: int) -> None:
    put(db, used(name, ONE, at=at))
    block = Block(f"{prompt:016x}", Section.MESSAGES, 0, 0, "text", "user", 10, 10)
    printbook.keep(db, [Fingerprint(name, (block,))], 1)


def test_what_nobody_saw_the_answer_of(db: Database) -> None:
    """Bounds are summed up by day; an unknown cost is counted beside them."""
    put(
        db,
        unexplained("a", 7, at=10),
        unexplained("b", 5, at=20),
        unexplained("c", None, at=DAY),
        used("d", ONE, at=30),
    )
    assert found(db) == [
        Waste(Why.UNANSWERED, "desk", OPUS, 0, 1, 0, 0, 1),
        Waste(Why.UNANSWERED, "desk", OPUS, 1, 2, 12, 12, 0),
    ]


def test_a_timeout_cost_its_bound_at_most_and_likely_what_was_expected(db: Database) -> None:
    """Its charge is unknown; what was held for it is not."""
    (settled,) = unexplained("a", None, at=10)
    put(db, [Sent("a", "a", 10 * SECOND, "desk", OPUS, OPUS, bound_nano=100, expected_nano=7), settled])
    assert found(db) == [Waste(Why.UNANSWERED, "desk", OPUS, 1, 1, 100, 7, 0)]


def test_an_answer_that_was_asked_for_again(db: Database) -> None:
    """Of three attempts of one call the last brought what was wanted; a failed one cost nothing."""
    attempts = [of_call("call", used(name, ONE, at=at)) for name, at in (("a", 10), ("b", 20), ("c", 30))]
    failed: list[Record] = [Sent("d", "call", 40 * SECOND, "desk", OPUS, OPUS), Released("d")]
    put(db, *attempts, failed, used("other", ONE, at=50))
    assert found(db) == [Waste(Why.RETRIED, "desk", OPUS, 1, 2, 2 * COST, 2 * COST, 0)]


def test_a_batch_is_no_retry_and_another_model_is_none_either(db: Database) -> None:
    """What is put off may be tried again, but only what succeeds is billed; a cascade asks another model."""
    put(db, of_call("x", used("a", ONE, at=10, batch=True)), of_call("x", used("b", ONE, at=20, batch=True)))
    put(db, of_call("y", used("c", ONE, at=10)), of_call("y", used("d", ONE, at=20, model=SONNET)))
    assert found(db) == []


def test_a_prompt_that_comes_again_within_the_hour(db: Database) -> None:
    """The first counts as needed; an hour and a second later so does the next."""
    for name, prompt, at in (("a", 1, 0), ("b", 1, 3_600), ("c", 2, 3_600), ("d", 1, 7_201)):
        printed(db, name, prompt, at)
    assert found(db) == [Waste(Why.IDENTICAL, "desk", OPUS, 1, 1, COST, COST, 0)]


def test_more_than_twenty_in_ten_minutes_are_a_loop(db: Database) -> None:
    """Twenty-five in a row: one needed, nineteen identical, five in a loop."""
    for place in range(25):
        printed(db, f"a{place}", 1, place)
    assert found(db) == [
        Waste(Why.IDENTICAL, "desk", OPUS, 1, 19, 19 * COST, 19 * COST, 0),
        Waste(Why.LOOP, "desk", OPUS, 1, 5, 5 * COST, 5 * COST, 0),
    ]


def test_without_fingerprints_nobody_knows_what_is_identical(db: Database) -> None:
    """Nothing is guessed."""
    put(db, used("a", ONE, at=10), used("b", ONE, at=11))
    assert found(db) == []
