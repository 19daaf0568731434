"""Claims about savings: what the cache, smaller models and batches spared, by the price list and by hand."""

from __future__ import annotations

from dataclasses import replace

from bursar.agent.alerting.savings import Savings, saved_by_downgrades, savings_of
from bursar.agent.ledger.usagebook import Group
from bursar.policies.prices import shipped_book
from bursar.policies.usage import Usage

OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"
DAY = 20_778
"""2026-11-21, in days since the epoch."""
GROUP = Group(OPUS, OPUS, "go", DAY, "row", (), 1, 0, Usage())
BOOK = shipped_book()
M = 10**6


def test_cache() -> None:
    """A million tokens of Opus 5.5 cost 4 USD plain, 0.20 read, 5 and 8 written: 3.80 saved, 1 and 4 paid for it."""
    usage = Usage(cache_read=M, cache_write_5m=M, cache_write_1h=M)
    found = savings_of([replace(GROUP, usage=usage)], BOOK)
    assert found == Savings(cache_reads=3_800_000_000, cache_writes=5_000_000_000)


def test_downgrades() -> None:
    """A million tokens in and out are 24 USD on Opus 5.5; served by Sonnet 5.5 for 12, 12 were saved."""
    group = replace(GROUP, model=SONNET, action="downgrade", cost=12_000_000_000, usage=Usage(input=M, output=M))
    assert saved_by_downgrades([group], BOOK) == 12_000_000_000
    assert saved_by_downgrades([replace(group, action="go")], BOOK) == 0
    assert saved_by_downgrades([replace(group, requested_model="gone")], BOOK) == 0


def test_batches() -> None:
    """Half of 24 USD."""
    group = replace(GROUP, modifiers=("batch",), usage=Usage(input=M, output=M))
    assert savings_of([group], BOOK).batches == 12_000_000_000
    assert savings_of([replace(group, modifiers=())], BOOK).batches == 0


def test_a_downgraded_batch_is_compared_with_a_batch() -> None:
    """Each lever for itself: half of what the smaller model saved, and half of what it cost."""
    usage = Usage(input=M, output=M)
    group = replace(GROUP, model=SONNET, action="downgrade", modifiers=("batch",), cost=6_000_000_000, usage=usage)
    found = savings_of([group], BOOK)
    assert (found.downgrades, found.batches) == (6_000_000_000, 6_000_000_000)


def test_without_a_price() -> None:
    """Counted, and guessed at nothing."""
    assert savings_of([replace(GROUP, model="gone", charges=3, usage=Usage(cache_read=M))], BOOK) == Savings(unpriced=3)
