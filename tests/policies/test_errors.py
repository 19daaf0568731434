"""BudgetExceeded: a refusal with both numbers, the reason and the remedy."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bursar.policies.errors import BudgetExceeded, RefusalReason

BERLIN = ZoneInfo("Europe/Berlin")


def refusal(**changes: Any) -> BudgetExceeded:
    fields: dict[str, Any] = {
        "budget": "support-day",
        "balance": "support-day|2026-11-21T23:00:00Z|tenant=acme",
        "window_start": datetime(2026, 11, 22, tzinfo=BERLIN),
        "window_end": datetime(2026, 11, 23, tzinfo=BERLIN),
        "limit": 50_000_000_000,
        "spent": 49_980_000_000,
        "held": 0,
        "needed": 70_000_000,
        "reason": RefusalReason.SPENT,
        "remedy": "raise the limit, or wait for the window to turn",
        "retry_after": None,
        "route": "support.triage",
        "model": "claude-opus-5-5",
        "decision_id": "d-1",
    }
    return BudgetExceeded(**{**fields, **changes})


TURNS = "; its window turns at 2026-11-23T00:00+01:00"
REMEDY = ". Remedy: raise the limit, or wait for the window to turn"
SUMS = "support-day (tenant=acme): 49.98 of 50.00 USD spent"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, f"{SUMS}, this call may need 0.07 USD{TURNS}{REMEDY}"),
        ({"held": 10_000_000}, f"{SUMS} and 0.01 USD held, this call may need 0.07 USD{TURNS}{REMEDY}"),
        (
            {"reason": RefusalReason.HELD, "held": 10_000_000, "retry_after": 1.5},
            f"{SUMS} and 0.01 USD held, this call may need 0.07 USD and calls in flight hold what is left{TURNS}"
            f"; try again in 1.5 s{REMEDY}",
        ),
        (
            {"reason": RefusalReason.LENT},
            f"{SUMS}, this call may need 0.07 USD and what is left is lent to a process that does not answer"
            f"{TURNS}{REMEDY}",
        ),
        (
            {"reason": RefusalReason.UNBOUNDED, "needed": None},
            f"{SUMS}, the request does not bound what this call may cost{TURNS}{REMEDY}",
        ),
        (
            {"reason": RefusalReason.UNREACHABLE},
            f"{SUMS}, this call may need 0.07 USD and the agent cannot be reached{TURNS}{REMEDY}",
        ),
        (
            {"reason": RefusalReason.UNKNOWN_PRICE, "needed": None, "model": "claude-next"},
            f'{SUMS}, no price is known for the model "claude-next"{TURNS}{REMEDY}',
        ),
        (
            {"reason": RefusalReason.UNUSUAL},
            f"{SUMS}, its last hour cost far more than is usual at this time{TURNS}{REMEDY}",
        ),
        (
            {"reason": RefusalReason.VELOCITY},
            f"{SUMS}, it is being spent faster than the policy allows{TURNS}{REMEDY}",
        ),
        (
            {"reason": RefusalReason.LATE},
            f"{SUMS}, this call was put off and no answer came in time{TURNS}{REMEDY}",
        ),
        (
            {
                "balance": "support-day|2026-11-21T23:00:00Z|tenant=acme|tokens",
                "unit": "tokens",
                "limit": 2_000_000,
                "spent": 1_999_000,
                "held": 500,
                "needed": 1_524,
            },
            "support-day (tenant=acme): 1,999,000 of 2,000,000 tokens spent and 500 tokens held, "
            f"this call may need 1,524 tokens{TURNS}{REMEDY}",
        ),
        (
            {"balance": "b|run r1||calls", "budget": "b", "unit": "calls", "limit": 5, "spent": 5, "needed": 1},
            f"b: 5 of 5 calls spent, this call may need 1 calls{TURNS}{REMEDY}",
        ),
        (
            {"balance": "support-day|2026-11-21T23:00:00Z|", "window_end": None},
            f"support-day: 49.98 of 50.00 USD spent, this call may need 0.07 USD{REMEDY}",
        ),
        (
            {
                "budget": "",
                "balance": "",
                "window_end": None,
                "reason": RefusalReason.UNREACHABLE,
                "needed": None,
            },
            f"call refused: this call may need an unknown amount and the agent cannot be reached{REMEDY}",
        ),
    ],
)
def test_the_message_names_balance_numbers_reason_and_remedy(changes: dict[str, Any], message: str) -> None:
    """In one sentence for a person, and never a false zero."""
    assert str(refusal(**changes)) == message


def test_the_reasons_are_the_words_used_everywhere() -> None:
    """In the error, the span, the log and the page."""
    assert [str(reason) for reason in RefusalReason] == [
        "spent",
        "held",
        "lent",
        "unbounded",
        "unreachable",
        "unknown_price",
        "loop",
        "unusual",
        "velocity",
        "late",
    ]


def test_it_is_a_plain_exception() -> None:
    """So that `except anthropic.APIError` does not swallow it and the SDK does not retry it."""
    assert BudgetExceeded.__bases__ == (Exception,)


def test_its_fields_are_keyword_only() -> None:
    """Fourteen positions would be mixed up."""
    with pytest.raises(TypeError, match="positional"):
        BudgetExceeded("support-day")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_survives_pickling(protocol: int) -> None:
    """It crosses process pools with every field, its message and its notes."""
    error = refusal(retry_after=2.0)
    error.add_note("seen by a worker")
    twin = pickle.loads(pickle.dumps(error, protocol))
    assert type(twin) is BudgetExceeded
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)
    assert twin.__notes__ == ["seen by a worker"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_it_survives_copying(copied: Any) -> None:
    """With every field and its message."""
    error = refusal()
    twin = copied(error)
    assert twin is not error
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)
