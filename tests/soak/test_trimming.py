"""Two hundred callers that ask for far more than they use are let go all the same."""

from __future__ import annotations

from tests.soak.trimming import GOAL, run


def test_a_small_budget_serves_two_hundred_callers() -> None:
    """9 USD, 60% used, each asking for 64,000 tokens: 3.60 USD hold 200 calls only because they are trimmed."""
    outcome = run(0, 1, most=200)
    assert outcome.share >= GOAL
    assert (outcome.overspent, outcome.cut) == (0, 0)
    assert outcome.trimmed == outcome.admitted
