"""Past attempts for tests, as the ledger would tell of them."""

from __future__ import annotations

from typing import Any

from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.policies.usage import Usage

SECOND = 10**9
DAY = 86_400
NOON = 1_795_262_400
"""2026-11-21T12:00:00Z."""
SONNET = "claude-sonnet-5-5"
"""2 USD a million fresh tokens, 2.50 written for five minutes, 0.10 read, 10 put out."""


def past(at: float = NOON, **changes: Any) -> PastAttempt:
    """One answered after a second: 1,000 tokens in, 100 out, on Sonnet 5.5 0.003 USD."""
    at_ns = round(at * SECOND)
    one = PastAttempt(
        at_ns=at_ns,
        answered_ns=at_ns + SECOND,
        holder="p",
        route="digest",
        model=SONNET,
        labels="{}",
        basis="usage",
        cost_nano=3_000_000,
        bound_nano=None,
        bound_tokens=None,
        streamed=False,
        staged=False,
        action="go",
        fitted=False,
        modifiers=(),
        conversation="",
        effort="",
        usage=Usage(input=1_000, output=100),
    )
    return one._replace(**changes)
