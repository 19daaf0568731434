"""Claims about how often somebody may ask."""

from __future__ import annotations

from bursar.agent.dashboard.rate import MOST_CLIENTS, Allowance, Rate


class Clock:
    """Monotonic seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_a_pace() -> None:
    """Three at once, then one every two seconds; a refusal says when, and costs nothing."""
    clock = Clock()
    rate = Rate(Allowance(burst=3, per_second=0.5), clock)
    assert [rate.wait("a") for _ in range(5)] == [0, 0, 0, 2.0, 2.0]
    clock.now = 1.0
    assert rate.wait("a") == 1.0
    clock.now = 2.0
    assert [rate.wait("a"), rate.wait("a")] == [0, 2.0]


def test_rest_fills_up_to_the_burst_only() -> None:
    """A day without a question does not allow a flood."""
    clock = Clock()
    rate = Rate(Allowance(burst=2, per_second=1), clock)
    clock.now = 86_400.0
    assert [rate.wait("a") for _ in range(3)] == [0, 0, 1.0]


def test_clients_do_not_count_for_each_other() -> None:
    """One who asks too often takes nothing from the next."""
    rate = Rate(Allowance(burst=1, per_second=1), Clock())
    assert [rate.wait("a"), rate.wait("a"), rate.wait("b")] == [0, 1.0, 0]


def test_memory_is_bounded() -> None:
    """Who asked the longest ago is forgotten, and may ask anew."""
    rate = Rate(Allowance(burst=1, per_second=1e-9), Clock())
    for number in range(MOST_CLIENTS + 1):
        assert rate.wait(str(number)) == 0
    assert rate.wait("0") == 0
    assert rate.wait(str(MOST_CLIENTS)) > 0
