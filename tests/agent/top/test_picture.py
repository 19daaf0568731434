"""Claims about what is seen at one instant."""

from __future__ import annotations

import pytest

from bursar.agent.top.picture import BudgetNow


@pytest.mark.parametrize(
    ("limit", "spent", "held", "percent"), [(200, 50, 50, 50), (200, 199, 0, 99), (100, 250, 0, 250), (0, 0, 0, 100)]
)
def test_the_share_of_a_limit(limit: int, spent: int, held: int, percent: int) -> None:
    """Spent and held, in whole percent rounded down: 100 is reached, not nearly; of nothing all is gone."""
    assert BudgetNow("b", "", "usd", limit, spent, held, "day").percent == percent
