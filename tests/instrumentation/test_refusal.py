"""Refusal: every number of the error comes from the decision that refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from bursar.instrumentation.errand import Errand
from bursar.instrumentation.refusal import refusal
from bursar.policies.amounts import Limit
from bursar.policies.decision import Candidate, Decision, Facts, Reason
from bursar.policies.engine import decide, refused
from bursar.policies.errors import BudgetExceeded, RefusalReason
from bursar.policies.policy import Budget, Mode, Step, StepAction
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing
from bursar.policies.windows import window_at

WINDOW = window_at("day", datetime(2026, 11, 22, 12, tzinfo=UTC), UTC)
BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))
BUDGET = Budget("day", Limit("usd", 1_000), "day", steps=(BLOCK,))
VIEW = BalanceView("day|w|", 1_100, 1_100, 900, 10, 70)
ERRAND = Errand("h-1", "desk", {}, {"model": "claude-opus-5-5"}, 5)
STANDING = Standing(BUDGET, "day|w|", WINDOW, Mode.ENFORCE, VIEW)
OPUS = Candidate("claude-opus-5-5", worst=500, least=300, expected=100)


def decision(reason: Reason, standing: Standing = STANDING) -> Decision:
    return refused(decide(Facts("desk", (OPUS,)), [standing]), reason, "day|w|")


@pytest.mark.parametrize(
    ("reason", "expected", "needed", "retry_after"),
    [
        (Reason.SPENT, RefusalReason.SPENT, 300, None),
        (Reason.HELD, RefusalReason.HELD, 300, 1.5),
        (Reason.LENT, RefusalReason.LENT, 300, None),
        (Reason.UNBOUNDED, RefusalReason.UNBOUNDED, None, None),
        (Reason.UNREACHABLE, RefusalReason.UNREACHABLE, 300, None),
        (Reason.UNKNOWN_PRICE, RefusalReason.UNKNOWN_PRICE, None, None),
    ],
)
def test_a_refusal_has_the_numbers_of_its_balance(
    reason: Reason, expected: RefusalReason, needed: int | None, retry_after: float | None
) -> None:
    """Limit and spending as last seen, the least that the call needs, its window, and a remedy."""
    error = refusal(decision(reason), ERRAND, settles_in=1.5)
    assert {name: value for name, value in vars(error).items() if name not in ("remedy", "figures")} == {
        "budget": "day",
        "balance": "day|w|",
        "window_start": datetime(2026, 11, 22, tzinfo=UTC),
        "window_end": datetime(2026, 11, 23, tzinfo=UTC),
        "limit": 1_100,
        "spent": 900,
        "held": 70,
        "needed": needed,
        "unit": "usd",
        "reason": expected,
        "retry_after": retry_after,
        "route": "desk",
        "model": "claude-opus-5-5",
        "decision_id": "h-1",
    }


def told(reason: Reason) -> BudgetExceeded:
    return refusal(decision(reason), ERRAND, settles_in=1.5)


def test_every_reason_has_a_remedy_of_its_own() -> None:
    """Waiting and raising a limit are not the same."""
    remedies = {told(Reason(reason.value)).remedy for reason in RefusalReason}
    assert len(remedies) == len(RefusalReason)
    assert "max_tokens" in told(Reason.SPENT).remedy
    assert "max_uses" in told(Reason.UNBOUNDED).remedy
    assert "unknown_price" in told(Reason.UNKNOWN_PRICE).remedy


def test_a_balance_never_seen_has_the_limit_of_its_file() -> None:
    """And nothing spent that anybody knows of."""
    error = refusal(decision(Reason.UNREACHABLE, replace(STANDING, view=None)), ERRAND, settles_in=1.5)
    assert (error.limit, error.spent, error.held) == (1_000, 0, 0)


def test_a_process_that_heard_no_rules_refuses_without_a_budget() -> None:
    """The one thing known is that the agent is away."""
    error = refusal(None, ERRAND, settles_in=1.5)
    assert (error.reason, error.budget, error.balance, error.needed) == (RefusalReason.UNREACHABLE, "", "", None)
    assert (error.model, error.window_start, error.window_end) == ("claude-opus-5-5", None, None)
    assert "bursar agent" in error.remedy
