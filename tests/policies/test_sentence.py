"""Claims about the one sentence that says what was done with a call, and why."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.policies.decision import Action, Reason
from bursar.policies.sentence import sentence

KEY = "support-day|2026-11-21T00:00:00Z|tenant=acme"
MONEY: dict[str, Any] = {
    "budget": "support-day",
    "balance": KEY,
    "step": "80%",
    "limit": 500_000_000,
    "spent": 480_000_000,
    "held": 10_000_000,
    "needed": 20_000_000,
    "unit": "usd",
    "balances": [{"balance": "other|x|", "share": "1.00%"}, {"balance": KEY, "share": "80.66%"}],
}
BY = 'budget "support-day" (tenant=acme)'
STOOD = "0.48 USD of 0.50 USD were spent and 0.01 USD held for calls in flight; this call may need 0.02 USD"


def said(action: str, reason: str, **changes: Any) -> str:
    return sentence(action, reason, {**MONEY, **changes}, asked="opus", planned="haiku")


@pytest.mark.parametrize(
    ("action", "reason", "says"),
    [
        ("block", "spent", f"Refused by {BY}: {STOOD}, more than is left."),
        ("block", "held", f"Refused by {BY}: {STOOD}, and calls in flight hold what is left."),
        (
            *("block", "lent"),
            f"Refused by {BY}: {STOOD}, and what is left is lent to a process that did not give it back.",
        ),
        ("block", "loop", f"Refused by {BY}: the very same request came again and again, more often than its step "
         'at "80%" allows.'),
        ("downgrade", "step", f'Moved from opus to haiku by {BY}: it stood at 80.66%, at or past its step at "80%".'),
        ("batch", "asked", f"Put off to a Message Batch by {BY}: the application asked for it."),
        ("effort", "step", f'Sent with less effort by {BY}: it stood at 80.66%, at or past its step at "80%".'),
        ("go", "within", "Sent as asked: no step of its budgets was due."),
        ("go", "no_budget", "Sent as asked: no budget covers it."),
    ],
)  # fmt: skip
def test_a_decision_in_a_sentence(action: str, reason: str, says: str) -> None:
    """Who decided, on which figures, exactly."""
    assert said(action, reason) == says


def test_tokens_are_no_dollars() -> None:
    """A budget in tokens is told in tokens."""
    told = said("block", "spent", unit="tokens", limit=1_000, spent=900, held=0, needed=None)
    stood = "900 tokens of 1,000 tokens were spent; this call may need an unknown amount"
    assert told == f"Refused by {BY}: {stood}, more than is left."


def test_a_budget_that_only_observes_says_what_it_would_have_done() -> None:
    """The call went as it was asked."""
    observed = {"action": "block", "reason": "spent", "budget": "trial", "step": ""}
    assert said("go", "within", observed=observed) == (
        'Sent as asked: budget "trial" only observes; it would have come to block.'
    )


def test_a_refusal_for_want_of_a_price_names_the_model() -> None:
    """It was not even asked what is left."""
    assert "no price is known for mystery, and the rules refuse such calls" in said(
        "block", "unknown_price", model="mystery"
    )


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("reason", [*Reason, "", "of a later version"])
def test_every_action_and_reason_comes_to_a_sentence(action: str, reason: str) -> None:
    """Also where next to nothing was kept, or another version named it."""
    for figures in ({}, MONEY, {"balance": "x", "balances": [None, 3], "budget": None, "step": None}):
        told = sentence(action, reason, figures, asked="opus", planned="haiku")
        assert told.endswith(".")
        assert "None" not in told
