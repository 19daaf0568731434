"""Claims about cache advice from usage: where it pays, how much at most and at least, and where it does not."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from bursar.agent.advice.usage import Finding, Pattern, Reason, RouteUsage, advise
from bursar.policies.prices import PriceBook, parse_book, shipped_book

DAY = date(2026, 11, 22)
SECOND = 10**9
MINUTE = 60 * SECOND
ONE_DAY = Fraction(1)
BOOK = shipped_book()

# Two dollars a million in, 0.10 to read, 2.50 to write; from 512 tokens on.
MODEL = "claude-sonnet-5-5"


def usage(prompts: list[int], gap_ns: int = MINUTE, **changes: Any) -> RouteUsage:
    """Calls of one route at one distance."""
    at_ns = [gap_ns * place for place in range(len(prompts))]
    fields: dict[str, Any] = {"route": "support", "model": MODEL, "at_ns": at_ns, "prompts": prompts, **changes}
    return RouteUsage(**fields)


def only(row: RouteUsage, days: Fraction = ONE_DAY, book: PriceBook = BOOK) -> Finding:
    (one,) = advise([row], book, DAY, days)
    return one


def test_what_all_prompts_may_share_is_the_most_that_is_saved() -> None:
    """
    Ten calls a minute apart, the shortest of 1,000 tokens: one write, nine reads.

    10 x 1,000 x 2 dollars, less 1,000 x 2.50 and 9 x 1,000 x 0.10, a million: 0.0166 dollars. Nothing at least, since
    prompts from 1,000 to 5,000 tokens may have nothing in common.
    """
    one = only(usage([5_000, 1_000, *[3_000] * 8]))
    assert (one.reason, one.advised, one.saving_per_day_nano) == (Reason.UNCACHED, True, (0, 16_600_000))
    assert one.pattern == Pattern(512, calls=10, writes=1, shortest=1_000, longest=5_000, typical=3_000)


@pytest.mark.parametrize(
    ("longest", "least"),
    [(2_400, 16_600_000), (2_401, 0)],
)
def test_prompts_alike_are_taken_to_share_half(longest: int, least: int) -> None:
    """Within 20% of each other half of the shortest is taken as shared: 1,000 tokens of 2,000; above, nothing."""
    assert only(usage([2_000, *[longest] * 9])).saving_per_day_nano == (least, 33_200_000)


@pytest.mark.parametrize(("shortest", "least"), [(1_024, 8_499_200), (1_022, 0)])
def test_half_of_the_shortest_must_be_cacheable(shortest: int, least: int) -> None:
    """What is shorter than the model's minimum saves nothing, so it is no lower end."""
    saving = only(usage([shortest] * 10)).saving_per_day_nano
    assert saving is not None
    assert saving[0] == least


@pytest.mark.parametrize(
    ("gap_ns", "count", "reason"),
    [
        (5 * MINUTE, 2, Reason.UNCACHED),
        (5 * MINUTE + 1, 2, Reason.TOO_RARE),
        (60 * MINUTE, 50, Reason.TOO_RARE),
        (MINUTE, 1, Reason.TOO_RARE),
    ],
)
def test_a_call_must_come_while_the_entry_lives(gap_ns: int, count: int, reason: Reason) -> None:
    """Five minutes from the start of the call before; a call alone never finds anything."""
    one = only(usage([2_000] * count, gap_ns))
    assert (one.reason, one.saving_per_day_nano is None) == (reason, reason is Reason.TOO_RARE)


@pytest.mark.parametrize(("bursts", "reason"), [((0, 1, 20, 21), Reason.UNCACHED), ((0, 1, 20), Reason.TOO_RARE)])
def test_two_calls_a_write_are_the_least(bursts: tuple[int, ...], reason: Reason) -> None:
    """Two bursts of two calls pay for two writes; a burst of two and a call alone are fewer than two calls a write."""
    row = usage([2_000] * len(bursts), at_ns=[minute * MINUTE for minute in bursts])
    one = only(row)
    assert (one.reason, one.pattern.writes) == (reason, 2)


def test_each_gap_costs_a_write() -> None:
    """Two bursts of two: 4 x 1,000 x 2 dollars, less two writes at 2.50 and two reads at 0.10, a million."""
    row = usage([1_000, 2_000, 2_000, 2_000], at_ns=[0, MINUTE, 20 * MINUTE, 21 * MINUTE])
    assert only(row).saving_per_day_nano == (0, 2_800_000)


@pytest.mark.parametrize(
    ("model", "tokens", "minimum"),
    [(MODEL, 511, 512), ("claude-haiku-4-5", 4_095, 4_096), ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 99, 4_096)],
)
def test_below_the_models_minimum_nothing_is_cached(model: str, tokens: int, minimum: int) -> None:
    """The API ignores the mark there, without an error; advice to set it would be wrong."""
    one = only(usage([tokens] * 10, model=model))
    assert (one.reason, one.advised, one.saving_per_day_nano) == (Reason.TOO_SHORT, False, None)
    assert one.pattern.minimum == minimum
    assert only(usage([minimum] * 10, model=model)).reason is Reason.UNCACHED


def test_a_few_short_prompts_do_not_hide_the_others() -> None:
    """A ping of twenty tokens is never cached, and says nothing of what the long prompts share."""
    one = only(usage([20, 2_000, 2_000, 2_000]))
    assert (one.pattern.calls, one.pattern.shortest, one.calls) == (3, 2_000, 4)
    assert one.reason is Reason.UNCACHED


@pytest.mark.parametrize(("read", "advised"), [(1_999, True), (2_000, False)])
def test_a_route_that_reads_a_tenth_is_left_alone(read: int, advised: bool) -> None:
    """From 10% of its prompt tokens on a route is taken as cached already."""
    assert [one.advised for one in advise([usage([2_000] * 10, cache_read=read)], BOOK, DAY, ONE_DAY)] == [
        True
    ] * advised


def test_what_is_saved_already_is_not_saved_again() -> None:
    """1,000 tokens read save 0.0019 dollars today: they come off the most that caching could save, 0.0332."""
    assert only(usage([2_000, *[3_000] * 9], cache_read=1_000)).saving_per_day_nano == (0, 33_200_000 - 1_900_000)


def test_writes_that_nobody_reads_are_named_and_counted() -> None:
    """10,000 tokens written in vain cost half a dollar a million more than input: 0.005 dollars are saved besides."""
    one = only(usage([2_000, *[3_000] * 9], cache_write=10_000))
    assert (one.reason, one.saving_per_day_nano) == (Reason.UNREAD_WRITES, (0, 33_200_000 + 5_000_000))


def test_nothing_is_said_where_nothing_is_left_to_save() -> None:
    """Two calls with little in common, one of which reads much: present use saves more than the advice could."""
    assert advise([usage([600, 30_000], cache_read=3_000)], BOOK, DAY, ONE_DAY) == []


def test_savings_are_a_day() -> None:
    """A week's saving is divided by seven, to the nearest nano-dollar."""
    assert only(usage([5_000, 1_000, *[3_000] * 8]), Fraction(7)).saving_per_day_nano == (0, 2_371_429)


def test_the_price_of_the_day_and_of_the_length_is_taken() -> None:
    """Haiku 5.5 costs five times as much above 100,000 tokens, and so do its savings."""
    short = only(usage([50_000] * 10, model="claude-haiku-5-5")).saving_per_day_nano
    long = only(usage([150_000] * 10, model="claude-haiku-5-5")).saving_per_day_nano
    # 10 x 0.10, less 0.125 and 9 x 0.01, is 0.785 dollars a million for every shared token.
    assert (short, long) == ((19_625_000, 39_250_000), (294_375_000, 588_750_000))


def test_an_unknown_model_has_no_figure() -> None:
    """That caching helps is known from the calls; how much is not invented."""
    one = only(usage([2_000] * 10, model="claude-unheard-of"))
    assert (one.reason, one.advised, one.saving_per_day_nano, one.pattern.minimum) == (
        Reason.UNPRICED,
        True,
        None,
        None,
    )


def test_a_model_without_a_known_minimum_is_advised_on() -> None:
    """A price file may name no minimum: then no prompt is too short, and the text says that it is not known."""
    book = parse_book(
        '[[model]]\nid = "claude-new-9"\ninput = 2\noutput = 10\ncache_read = 0.1\ncache_write_5m = 2.5\n'
        "cache_write_1h = 4\n",
        source="test",
    )
    one = only(usage([100] * 10, model="claude-new-9"), book=book)
    assert (one.reason, one.pattern.minimum) == (Reason.UNCACHED, None)
    assert one.saving_per_day_nano == (830_000, 1_660_000)


def test_the_largest_saving_comes_first_and_refusals_last() -> None:
    """What to do stands above what not to do; equal ones by name."""
    rows = [
        usage([100] * 10, route="short"),
        usage([2_000] * 10, route="small"),
        usage([9_000] * 10, route="large"),
        usage([2_000] * 10, 9 * MINUTE, route="rare"),
        usage([2_000] * 10, route="also-small"),
        usage([], route="empty"),
    ]
    found = [one.route for one in advise(rows, BOOK, DAY, ONE_DAY)]
    assert found == ["large", "also-small", "small", "rare", "short"]
