"""Claims about times: what took no time, less than none or more than a day was not measured."""

from __future__ import annotations

import pytest

from bursar.policies.elapsed import LONGEST_NS, believed, elapsed


@pytest.mark.parametrize(
    ("until_ns", "took_ns"),
    [(8, 1), (7, None), (6, None), (7 + LONGEST_NS, LONGEST_NS), (8 + LONGEST_NS, None)],
)
def test_only_what_can_be_true_is_a_time(until_ns: int, took_ns: int | None) -> None:
    """A clock that stood still, went back, or was set forward while the machine slept tells of none."""
    assert elapsed(7, until_ns) == took_ns


@pytest.mark.parametrize(
    ("told", "took_ns"), [(1, 1), (0, None), (-1, None), (2**70, None), (1.5, None), ("9", None), (True, None)]
)
def test_what_is_told_is_a_whole_number_of_such_a_size(told: object, took_ns: int | None) -> None:
    """Or nothing is believed."""
    assert believed(told) == took_ns
