"""Claims about the steps of charts: narrow enough to see something, few enough to be drawn, and there to be read."""

from __future__ import annotations

import pytest

from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.slots import MOST_SLOTS, step_seconds

NOW = 1_795_262_400 * 10**9
HOUR, DAY = 3_600, 86_400


def asked(length: int, *, ago: int = 0, label: str = "") -> Asked:
    until = NOW - ago * 10**9
    return Asked("/", until - length * 10**9, until, label=label)


@pytest.mark.parametrize(
    ("length", "step"),
    [
        (HOUR, 60),
        (6 * HOUR, 300),
        (DAY, 15 * 60),
        (2 * DAY, 30 * 60),
        (7 * DAY, 3 * HOUR),
        (30 * DAY, 12 * HOUR),
        (90 * DAY, DAY),
        (700 * DAY, 7 * DAY),
        (1_001 * DAY, 11 * DAY),
    ],
)
def test_the_narrowest_step_is_taken_of_which_there_are_not_too_many(length: int, step: int) -> None:
    assert step_seconds(asked(length), NOW) == step
    assert step * MOST_SLOTS >= length


def test_of_labels_and_of_what_is_old_there_are_only_hours() -> None:
    """Minutes are kept for two days."""
    assert step_seconds(asked(HOUR, label="tenant=acme"), NOW) == HOUR
    assert step_seconds(asked(HOUR, ago=2 * DAY), NOW) == HOUR
    assert step_seconds(asked(HOUR, ago=DAY), NOW) == 60
