"""Claims about the rules together, over simulated traffic: troubles are found soon, and peace is left alone."""

from __future__ import annotations

import pytest
from tests.benchmarks.alarms import Quiet, creep, loop, night_loop, quiet_month, spike, unusual_days

SEEDS = range(2)


@pytest.mark.parametrize("use", [90, 80])
def test_a_spike_is_found_while_it_lasts(use: int) -> None:
    """Eight times the traffic for half an hour."""
    assert all((spike(seed, use) or 999) <= 30 for seed in SEEDS)


@pytest.mark.parametrize(("use", "minutes"), [(90, 70), (80, 120), (50, 360)])
def test_a_loop_is_found(use: int, minutes: int) -> None:
    """18 USD an hour on top: the sooner, the fuller the budget is used."""
    assert all((loop(seed, use) or 999) <= minutes for seed in SEEDS)


@pytest.mark.parametrize(("use", "days"), [(90, 2.0), (50, 6.0)])
def test_creep_is_found(use: int, days: float) -> None:
    """A tenth more every day."""
    assert all((creep(seed, use) or 99) <= days for seed in SEEDS)


@pytest.mark.parametrize("use", [90, 50])
def test_a_loop_at_three_in_the_morning_is_found_by_its_hour(use: int) -> None:
    """18 USD an hour where 1.40 are usual: within forty minutes, also inside a budget that is half used."""
    assert all((night_loop(seed, use) or 999) <= 40 for seed in SEEDS)
    assert sum(unusual_days(seed, use) for seed in SEEDS) == 0


def test_peace_is_left_alone() -> None:
    """In three months at 80% use at most one alarm that meant nothing."""
    assert sum((quiet_month(seed, 80) for seed in range(3)), Quiet()).false <= 1
