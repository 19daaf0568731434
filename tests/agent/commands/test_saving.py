"""Claims about savings: what the strong model alone would have cost, figure by figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from tests.agent.cascading import (
    CHEAP_NANO,
    HAIKU,
    OPUS,
    ROUTE,
    STRONG_NANO,
    USAGE,
    accepted,
    escalated,
    failed_over,
    lost,
    refused,
    sent,
    settled,
    stage,
    under_way,
)
from tests.agent.ledger import fresh

from bursar.agent.commands.saving import Saving, Uncompared, Work, interval, savings
from bursar.agent.ledger.booking import book, orphan
from bursar.agent.ledger.cascades import cascades
from bursar.policies.cascade import StageName
from bursar.policies.charge import Basis
from bursar.policies.prices import shipped_book
from bursar.policies.records import Record, Sent, Settled

BOOK = shipped_book()


def judged(*records: Sequence[Record], dead: bool = False) -> list[Saving]:
    """What is made of these records once they are booked."""
    with fresh.ledger() as db:
        book(db, [record for group in records for record in group], holder="h1", policy=None, now_ns=1)
        if dead:
            orphan(db, "h1", now_ns=1)
        return savings(cascades(db, 0, 2**62), BOOK)


def only(*records: Sequence[Record]) -> Saving:
    (found,) = judged(*records)
    return found


def test_an_accepted_answer_saves_the_difference() -> None:
    """150,000 nano-dollars in place of 6,000,000: the cheap call's own tokens at the strong model's prices."""
    found = only(accepted("k1"))
    assert (CHEAP_NANO, STRONG_NANO) == (150_000, 6_000_000)
    assert found.work == Work(ROUTE, HAIKU, OPUS)
    assert (found.calls, found.escalated, found.nano) == (1, 0, 150_000)
    assert (found.all_strong_nano, found.saved_nano) == (6_000_000, 5_850_000)
    assert (found.compared, found.estimated, found.factors) == (1, 1, {Fraction(1)})


def test_an_escalated_call_costs_the_cheap_one_on_top() -> None:
    """What the strong model cost is known; there is nothing to estimate."""
    found = only(escalated("k1"))
    assert (found.calls, found.escalated, found.nano) == (1, 1, 6_150_000)
    assert (found.all_strong_nano, found.saved_nano) == (6_000_000, -150_000)
    assert (found.compared, found.estimated, found.why) == (1, 0, {"not_accepted": 1})


def test_savings_and_losses_add_up() -> None:
    """Eight accepted, two escalated: 8 x 5,850,000 saved, less 2 x 150,000."""
    groups = [*(accepted(f"a{n}") for n in range(8)), escalated("e1"), escalated("e2", "max_tokens")]
    found = only(*groups)
    assert (found.calls, found.escalated, found.share) == (10, 2, 0.2)
    assert found.nano == 10 * 150_000 + 2 * 6_000_000
    assert found.all_strong_nano == 10 * 6_000_000
    assert found.saved_nano == 46_500_000
    assert found.why == {"max_tokens": 1, "not_accepted": 1}
    # 1 - 1,500,000 / 60,000,000
    assert found.break_even == 0.975


def test_a_failed_cheap_call_cost_nothing() -> None:
    """The strong model answered alone: nothing saved, and nothing lost."""
    found = only(failed_over("k1"))
    assert (found.calls, found.escalated, found.nano, found.saved_nano) == (1, 1, 6_000_000, 0)


def test_a_refused_escalation_is_no_saving() -> None:
    """The answer was not good enough: that it was cheap proves nothing."""
    found = only(refused("k1"), accepted("k2"))
    assert (found.calls, found.escalated, found.refused, found.why) == (2, 1, 1, {"max_tokens": 1})
    assert (found.nano, found.compared, found.compared_nano, found.saved_nano) == (300_000, 1, 150_000, 5_850_000)
    assert found.uncompared == {Uncompared.REFUSED: 1}


def test_calls_without_an_answer_and_in_flight_are_apart() -> None:
    """They are in no share and in no sum."""
    found = only(lost("k1"), under_way("k2"), accepted("k3"))
    assert (found.calls, found.failed, found.in_flight, found.nano) == (1, 1, 1, 150_000)


def test_calls_of_the_test_count_as_cost() -> None:
    """A judge of 150,000 a call eats as much of the saving."""
    place = stage("k1", StageName.ACCEPT)
    judge = sent(place)
    found = only([*accepted("k1"), judge, settled(judge, CHEAP_NANO)])
    assert (found.nano, found.all_strong_nano, found.saved_nano) == (300_000, 6_000_000, 5_700_000)


def test_a_second_attempt_of_the_cheap_call_counts_as_cost() -> None:
    """One that failed cost nothing."""
    again = sent(stage("k1", StageName.CHEAP), attempt="k1-again")
    found = only([*lost("k1"), again, settled(again, CHEAP_NANO)])
    assert (found.calls, found.nano, found.saved_nano) == (1, 150_000, 5_850_000)


def unpriced(cascade: str) -> list[Record]:
    first = sent(stage(cascade, StageName.CHEAP))
    return [first, settled(first, None, basis=Basis.UNKNOWN)]


def to_mystery(cascade: str) -> list[Record]:
    first = sent(stage(cascade, StageName.CHEAP, strong="mystery"))
    return [first, settled(first, CHEAP_NANO)]


def test_what_is_not_known_is_not_compared() -> None:
    """An unknown charge is counted beside the sums; a model without a price has no cost to compare with."""
    found = only(unpriced("k1"), accepted("k2"))
    assert (found.calls, found.unknown, found.nano, found.saved_nano) == (2, 1, 150_000, 5_850_000)
    assert found.uncompared == {Uncompared.INEXACT: 1}
    mystery = only(to_mystery("k1"))
    assert (mystery.compared, mystery.all_strong_nano, mystery.break_even) == (0, 0, None)
    assert mystery.uncompared == {Uncompared.NO_PRICE: 1}


def test_the_bound_of_a_dead_process_is_not_compared() -> None:
    """It is what the strong call may have cost at most."""
    records = under_way("k1")
    start = records[-1]
    assert isinstance(start, Sent)
    (found,) = judged([*records[:-1], replace(start, bound_nano=9_000_000)], dead=True)
    assert (found.calls, found.escalated, found.nano) == (1, 1, 9_150_000)
    assert found.uncompared == {Uncompared.INEXACT: 1}


def test_tokens_are_converted_between_tokenizers() -> None:
    """Opus 5.5 counts 1.3 tokens for one of Haiku 4.5's: 1,300 in and 130 out."""
    first = sent(stage("k1", StageName.CHEAP), model="claude-haiku-4-5")
    found = only([first, settled(first, 1_500_000)])
    assert (found.all_strong_nano, found.factors) == (1_300 * 4_000 + 130 * 20_000, {Fraction(13, 10)})


def test_each_route_and_pair_of_models_is_a_kind_of_work() -> None:
    """The one with the most money first."""
    found = judged(accepted("k1", route="a"), escalated("k2", route="b"), accepted("k3", route="b"))
    assert [(one.work.route, one.calls) for one in found] == [("b", 2), ("a", 1)]


def test_the_day_s_price_holds() -> None:
    """A cheap call of October is compared with October's prices: Sonnet 5.5 read from cache at 0.20 then, 0.10 now."""
    october = 1_791_028_800 * 10**9
    usage = replace(USAGE, input=0, cache_read=1_000, output=0)
    nano: list[int] = []
    for at_ns in (october, october + 30 * 86_400 * 10**9):
        first = sent(stage("k1", StageName.CHEAP, strong="claude-sonnet-5-5"), at_ns=at_ns)
        nano.append(only([first, settled(first, 1, usage=usage)]).all_strong_nano)
    assert nano == [200_000, 100_000]


@pytest.mark.parametrize(("hits", "of"), [(0, 10), (3, 10), (10, 10), (250, 1000), (1, 1)])
def test_a_share_lies_within_wilson_s_interval(hits: int, of: int) -> None:
    """The shares that lie 1.96 of their own standard errors away from what was counted, and never outside of 0 to 1."""
    for end in interval(hits, of):
        if 0 < end < 1:
            assert (hits / of - end) ** 2 == pytest.approx(1.95996**2 * end * (1 - end) / of, rel=1e-4)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (3, 10, 0.1078, 0.6032), (10, 10, 0.7225, 1)],
)
def test_small_numbers_leave_a_wide_interval(hits: int, of: int, low: float, high: float) -> None:
    """None of ten may still be one in four; of nothing, anything."""
    assert interval(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_a_strong_call_that_a_budget_moved_is_counted_as_it_was() -> None:
    """At what it cost on the model that served it."""
    second = sent(stage("k1", StageName.STRONG, "not_accepted"))
    moved: Settled = settled(second, 3_000_000, model="claude-sonnet-5-5")
    found = only([*accepted("k1"), second, moved])
    assert (found.all_strong_nano, found.saved_nano) == (3_000_000, -150_000)
