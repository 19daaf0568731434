"""Claims about keeping and finding attempts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import attempts
from bursar.agent.ledger.life import Attempt, State
from bursar.policies.cascade import Stage
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.usage import Usage

STAGE = Stage("k1", "strong", "opus", "not_accepted")
CHARGE = Charge(
    attempt_id="a1",
    cost_nano_usd=123,
    usage=Usage(1, 2, 3, 4, 5, 6, 7, 8),
    basis=Basis.SPAN,
    model="opus",
    requested_model="opus-latest",
    route="support",
    call_id="c1",
    labels={"tenant": "acme"},
    price_id="opus@2026-11-01",
    request_id="req_1",
    response_id="msg_1",
    at_ns=1_000,
    lines=(Line("input", 1, 123_000, 123, "opus", "opus@2026-11-01"),),
    missing=("cache split",),
    modifiers=("batch",),
    action="downgrade",
    reason="step",
    stage=STAGE,
    duration_ns=1_200,
    first_token_ns=300,
    stop_reason="end_turn",
)
ATTEMPT = Attempt(
    attempt_id="a1",
    holder="h1",
    state=State.SETTLED,
    call_id="c1",
    at_ns=1_000,
    route="support",
    model="opus",
    requested_model="opus-latest",
    labels={"tenant": "acme"},
    sent=True,
    bound_nano=500,
    expected_nano=100,
    balances=("b|w|", "c|w|x=1"),
    leased=("b|w|",),
    action="downgrade",
    reason="step",
    decision={"most": 500},
    charge=CHARGE,
    floor_nano=10,
    request_id="req_1",
    response_id="msg_1",
    source="span",
    settled_ns=2_000,
    own_final=True,
    stage=STAGE,
    own_cost_nano=130,
    lease_charged_nano=130,
)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


RELEASED = Attempt("a4", state=State.RELEASED, failure="http 429")


@pytest.mark.parametrize("attempt", [ATTEMPT, Attempt("a2"), Attempt("a3", balances=(), duplicate_of="a1"), RELEASED])
def test_an_attempt_comes_back_as_it_was_kept(db: Database, attempt: Attempt) -> None:
    """Every field, the charge's included."""
    attempts.save(db, attempt)
    assert attempts.load(db, attempt.attempt_id) == attempt


def test_keeping_again_replaces(db: Database) -> None:
    """One row an attempt, the newest."""
    attempts.save(db, replace(ATTEMPT, state=State.SENT, charge=None))
    attempts.save(db, ATTEMPT)
    assert attempts.of_call(db, "c1") == [ATTEMPT]


def test_attempts_are_found_by_what_others_know_them_by(db: Database) -> None:
    """The message id names one attempt; a request id may be shared by a batch; calls and owners have several."""
    other = Attempt("a0", holder="h1", state=State.SENT, call_id="c1", at_ns=2_000, request_id="req_1")
    twin = Attempt("a9", holder="h1", state=State.SENT, duplicate_of="a1")
    for attempt in (ATTEMPT, other, twin):
        attempts.save(db, attempt)
    assert attempts.with_response(db, "msg_1") == ATTEMPT
    assert attempts.with_response(db, "msg_2") is None
    assert {found.attempt_id for found in attempts.with_request(db, "req_1")} == {"a0", "a1"}
    assert [found.attempt_id for found in attempts.of_call(db, "c1")] == ["a1", "a0"]
    assert attempts.open_of(db, "h1") == [other]
    assert attempts.duplicates_of(db, "a1") == [twin]
    assert attempts.load(db, "nobody") is None
