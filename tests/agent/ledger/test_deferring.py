"""Claims about the steps of a call that is put off: whole, with their money, and each only once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger.deferred import DAY, NOON, SECOND, TERMS, USD, found, made, opened, out, taken

from bursar.agent.ledger import attempts, audit, batchbook, deferralbook, deferring
from bursar.agent.ledger.deferralbook import Text
from bursar.agent.ledger.life import State as AttemptState
from bursar.policies.charge import Basis, Charge
from bursar.policies.deferral import State, Taken
from bursar.policies.usage import Usage


@pytest.fixture
def db() -> Iterator[Database]:
    with opened() as memory:
        yield memory
        assert audit.wrong(memory) == []


def settled(name: str, nano: int) -> Charge:
    return Charge(name, nano, Usage(input=1), Basis.USAGE, "m", "m", "digest", response_id=f"msg-{name}", at_ns=NOON)


def test_taken_whole(db: Database) -> None:
    """The row, the request, the hold, and the attempt as one that was sent."""
    acceptance = taken(db)
    assert acceptance.taken == Taken("d-a", accepted=True)
    assert acceptance.balances == {DAY}
    assert deferralbook.text_of(db, "d-a", "request") == Text(sealed=False, text=b"{}")
    attempt = attempts.load(db, "try-a")
    assert attempt is not None
    assert (attempt.state, attempt.action, attempt.holder) == (AttemptState.SENT, "batch", "deferrals")
    assert (attempt.bound_nano, attempt.labels, attempt.leased) == (USD, {"tenant": "acme"}, (DAY,))
    assert out(db) == USD


def test_refused_whole(db: Database) -> None:
    """Nothing of it is there, not even the attempt."""
    refused = taken(db, most=11 * USD).taken
    assert (refused.accepted, refused.reason, refused.balance) == (False, "spent", DAY)
    assert deferralbook.find(db, "d-a") is None
    assert attempts.load(db, "try-a") is None
    assert out(db) == 0


def test_without_a_hard_budget(db: Database) -> None:
    """Nothing is lent; the expectation still stands in the balance."""
    taken(db, hard=())
    assert out(db) == 0
    assert db.conn.execute("SELECT expected FROM holds WHERE balance = ?", [DAY]).fetchone() == (USD // 2,)


def test_a_charge_frees_the_rest(db: Database) -> None:
    """Of the dollar that was held 0.3 are spent; told again, nothing changes."""
    taken(db)
    for _ in range(2):
        deferring.free(db, deferring.settle(db, settled("try-a", 3 * USD // 10), "succeeded", "", TERMS))
        assert out(db) == 0
        assert db.conn.execute("SELECT spent_nano, calls FROM balances").fetchone() == (3 * USD // 10, 1)
    assert [charge.cost_nano_usd for charge in deferring.charges(db, ["try-a", "try-none"])] == [3 * USD // 10]


def test_more_than_was_held(db: Database) -> None:
    """A charge beyond the bound is spent; the next call is lent what it needs all the same."""
    taken(db)
    deferring.free(db, deferring.settle(db, settled("try-a", 3 * USD), "succeeded", "", TERMS))
    assert out(db) == 0
    taken(db, "b")
    assert out(db) == USD


def test_again(db: Database) -> None:
    """Under a new attempt with a hold of its own, counted as a failure where it was one."""
    taken(db)
    deferring.free(db, deferring.release(db, "try-a", "errored", "api_error", TERMS))
    assert deferring.again(db, found(db), TERMS, failed=True, flush_ns=NOON + 5).granted
    one = found(db)
    assert (one.state, one.attempt_id, one.attempts, one.failures) == (State.QUEUED, "try-a-r1", 2, 1)
    assert (one.flush_ns, one.batch) == (NOON + 5, None)
    assert deferring.again(db, one, TERMS, failed=False, flush_ns=NOON).granted
    assert (found(db).attempt_id, found(db).failures) == ("try-a-r2", 1)
    assert [row["attempt_id"] for row in batchbook.tries_of(db, "d-a")] == ["try-a", "try-a-r1", "try-a-r2"]


def test_no_money_for_another_attempt(db: Database) -> None:
    """The call stays as it is, for whoever asked to end it."""
    taken(db)
    taken(db, "b", most=9 * USD)
    lent = deferring.again(db, found(db), TERMS, failed=True, flush_ns=NOON)
    assert (lent.granted, lent.answer.reason) == (False, "held")
    assert found(db).attempt_id == "try-a"


def test_falling_back_out_of_the_queue(db: Database) -> None:
    """What was never sent is free first, so that ten dollars lend nine and then ten."""
    taken(db, most=9 * USD, sync_most=10 * USD)
    assert deferring.fall_back(db, found(db), TERMS).granted
    one = found(db)
    assert (one.state, one.fallback, one.fallback_sent) == (State.FALLEN_BACK, "try-a-f", False)
    assert out(db) == 10 * USD
    fallback = attempts.load(db, "try-a-f")
    assert fallback is not None
    assert fallback.decision["fallen_back"] is True


def test_falling_back_out_of_a_batch(db: Database) -> None:
    """The attempt in the batch may still cost something: both are held."""
    taken(db)
    deferralbook.change(db, "d-a", state=State.IN_PROGRESS, batch="b")
    assert deferring.fall_back(db, found(db), TERMS).granted
    assert out(db) == 3 * USD


def test_the_first_end_stays(db: Database) -> None:
    """A second answer changes nothing of the first."""
    taken(db)
    first, second = Text(sealed=False, text=b"1"), Text(sealed=False, text=b"2")
    assert deferring.end(db, found(db), State.SUCCEEDED, TERMS, answer=first).over == ("d-a",)
    assert deferring.end(db, found(db), State.ERRORED, TERMS, answer=second, why="late").over == ()
    assert (found(db).state, found(db).why, found(db).ended_ns) == (State.SUCCEEDED, "", NOON)
    assert deferralbook.text_of(db, "d-a", "answer") == first


@pytest.mark.parametrize(
    ("state", "held"),
    [(State.QUEUED, 0), (State.SUBMITTING, USD), (State.IN_PROGRESS, USD), (State.FALLEN_BACK, USD)],
)
def test_giving_up(db: Database, state: State, held: int) -> None:
    """What has not left is released; what may be answered is held until that is known."""
    taken(db)
    if state is State.FALLEN_BACK:
        deferralbook.change(db, "d-a", state=State.IN_PROGRESS)
        deferring.fall_back(db, found(db), TERMS)
    else:
        deferralbook.change(db, "d-a", state=state)
    step = deferring.give_up(db, found(db), State.CANCELLED, "nobody waits", TERMS)
    deferring.free(db, step.balances)
    assert (step.over, found(db).state, found(db).why) == (("d-a",), State.CANCELLED, "nobody waits")
    assert out(db) == held


def test_rejoining(db: Database) -> None:
    """By id in any state; by key while it has an answer or may have one."""
    taken(db, key="k")
    assert deferring.rejoined(db, "d-a", "other", "") == found(db)
    assert deferring.rejoined(db, "d-b", "digest", "k") == found(db)
    assert deferring.rejoined(db, "d-b", "digest", "") is None
    deferring.end(db, found(db), State.SUCCEEDED, TERMS, answer=Text(sealed=False, text=b"1"))
    assert deferring.rejoined(db, "d-b", "digest", "k") is not None
    db.conn.execute("DELETE FROM deferral_texts")
    assert deferring.rejoined(db, "d-b", "digest", "k") is None


def test_made_of_an_offer() -> None:
    """Bytes, not signs, are counted."""
    assert made(body="é").bytes == 2
    assert made().due_ns == NOON + 7_200 * SECOND
