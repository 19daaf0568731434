"""Article: our figures beside its own, each worked out by hand, and why they differ."""

from __future__ import annotations

from datetime import date

import pytest

from bursar.agent.whatif.article import Row, rows
from bursar.agent.whatif.levers import UnpricedError, days
from bursar.agent.whatif.pipelines import ERAS, PIPELINES
from bursar.policies.prices import parse_book, shipped_book

TODAY = date(2026, 11, 29)


def told(example: str, era: str) -> list[Row]:
    pipeline, prices = PIPELINES[example], ERAS[era]
    return rows(pipeline, prices, days(pipeline, prices, shipped_book(), TODAY))


@pytest.mark.parametrize(
    ("example", "era", "nano"),
    [
        # 7.5 MTok x 3 + 2 MTok x 15; x 0.80 + x 4; 1,500 tokens are under Haiku 3.5's 2,048; half.
        ("invoices", "2025-06", (52_500_000_000, 14_000_000_000, 14_000_000_000, 7_000_000_000)),
        # 7.5 x 2 + 2 x 10; 0.75 + 1; 1,500 x 0.125 + 7,498,500 x 0.01 a million + 1; half.
        ("invoices", "today", (35_000_000_000, 1_750_000_000, 1_075_172_500, 537_586_250)),
        # 1.25 x 3; x 0.80; 50,000 x 0.80 + 2,400 x 1 + 1,197,600 x 0.08 a million; half.
        ("clauses", "2025-06", (3_750_000_000, 1_000_000_000, 138_208_000, 69_104_000)),
        ("clauses", "today", (2_500_000_000, 125_000_000, 17_276_000, 8_638_000)),
        # 3 x 3 + 0.5 x 15; 3 x 0.80 + 0.5 x 4; nothing is shared; half.
        ("tickets", "2025-06", (16_500_000_000, 4_400_000_000, 4_400_000_000, 2_200_000_000)),
        ("tickets", "today", (11_000_000_000, 550_000_000, 550_000_000, 275_000_000)),
    ],
)
def test_each_pipeline_costs_what_its_tokens_do(example: str, era: str, nano: tuple[int, ...]) -> None:
    """Baseline, the cheaper tier, with the cache on top, and with the batch on top of both."""
    assert tuple(row.nano for row in told(example, era)) == nano


@pytest.mark.parametrize(
    ("example", "line", "says"),
    [
        ("invoices", 0, "The article says 47 USD, 10% less."),
        ("invoices", 1, "29% less"),
        ("invoices", 2, "1,500 shared tokens are fewer than the 2,048 from which claude-3-5-haiku-20241022 caches."),
        ("invoices", 2, "The lever saves nothing."),
        ("invoices", 2, "That cannot be: the answers alone cost 8.00 USD."),
        ("invoices", 3, "That cannot be: the answers alone cost 4.00 USD."),
        ("clauses", 0, "The article says nothing of it."),
        ("clauses", 1, "The article is right."),
        ("clauses", 2, "The article says 0.10 USD, 28% less."),
        ("tickets", 1, "3 MTok in x 0.8 + 0.5 MTok out x 4 = 4.40 USD. The article says 2.60 USD, 41% less."),
        ("tickets", 2, "No two calls share anything"),
    ],
)
def test_each_line_says_why_it_differs(example: str, line: int, says: str) -> None:
    """With the arithmetic first."""
    assert says in told(example, "2025-06")[line].why


def test_at_present_prices_the_article_is_out_of_date() -> None:
    """Its models are retired, and only then is that said."""
    assert all("retired" in row.why for row in told("invoices", "today"))
    assert not any("retired" in row.why for row in told("invoices", "2025-06"))


def test_a_book_without_the_models_says_what_to_add() -> None:
    """No figure is invented."""
    book = parse_book("", source="mine")
    with pytest.raises(UnpricedError, match=r"mine has no price of claude-sonnet-5-5 .* add one under"):
        days(PIPELINES["tickets"], ERAS["today"], book, TODAY)
