"""Claims about distributions: every value is in one bar, gaps are seen, and the sentence has the quantiles."""

from __future__ import annotations

from bursar.agent.dashboard.distribution import MOST_BARS, distribution, said
from bursar.agent.ledger.octaves import step_of
from bursar.agent.ledger.spreadbook import Spread


def spread(*values: int) -> Spread:
    steps: dict[int, int] = {}
    for value in values:
        steps[step_of(value)] = steps.get(step_of(value), 0) + 1
    return Spread(tuple(sorted(steps.items())))


def test_a_bar_begins_at_its_tick() -> None:
    """Quarter octaves from 64 on; between two bars that are there a gap is a bar of nothing."""
    chart = distribution("output", spread(64, 70, 70, 128))
    assert chart.ticks == ["64", "76", "91", "108", "128"]
    assert chart.lines[0].values == [3, 0, 0, 0, 1]
    assert list(chart.x) == [0, 1, 2, 3, 4]


def test_wide_ones_have_wider_bars() -> None:
    """From one millisecond to an hour are 87 quarter octaves: told by octaves, and nothing is lost."""
    chart = distribution("duration", spread(1, 1_000, 3_600_000))
    assert len(chart.x) == 22 <= MOST_BARS
    assert sum(value or 0 for value in chart.lines[0].values) == 3
    assert (chart.ticks[0], chart.ticks[-1]) == ("1 ms", "34 min 57 s")


def test_nothing_at_all_is_a_value_too() -> None:
    """An answer without tokens lies below one."""
    chart = distribution("output", spread(0, 1))
    assert (chart.ticks, chart.lines[0].values) == (["0", "1"], [1, 1])


def test_the_sentence_says_what_max_tokens_would_cut() -> None:
    """Of a hundred answers, one of about 1,000 tokens."""
    text = said("output", spread(*[100] * 99, 1_000))
    assert text == (
        "Half of 100 lie below about 99, 95 of 100 below 99. "
        "A max_tokens below about 99 would cut more than one answer in a hundred."
    )
    assert "max_tokens" not in said("duration", spread(100))
    assert said("first_token", spread(1_000)) == "Half of 1 lie below about 939 ms, 95 of 100 below 939 ms."


def test_without_values_there_is_nothing_to_draw() -> None:
    chart = distribution("first_token", Spread())
    assert (list(chart.x), list(chart.ticks)) == ([], [])
    assert chart.summary == "How long until streams begin. Nothing was told of it in this time."
