"""Marks stay where they save something beyond what is saved without them, and go where they do not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bursar.agent.advice.caching.trial import ENOUGH_CALLS, ENOUGH_NS, Costs, costs, judged
from bursar.agent.ledger.markingbook import Paid, Pulled, State
from bursar.policies.cachemarks import Mark, Marking
from bursar.policies.pricefile import shipped_book
from bursar.policies.usage import Usage

NOON = 1_795_262_400 * 10**9
DAY = NOON // (86_400 * 10**9)
ONE = Pulled(Marking("r1", "chat", "claude-sonnet-5-5", (Mark("system"),)), 0.5, NOON)
BOOK = shipped_book()


def test_costs_are_of_prompts_and_what_they_would_be_without_a_cache() -> None:
    """Sonnet 5.5, USD per MTok: 2 in, 0.10 read, 2.50 and 4 written; pico-dollars a token are a million of these."""
    usage = Usage(input=100, cache_read=1_000, cache_write_5m=10, cache_write_1h=1)
    found = costs([Paid("claude-sonnet-5-5", DAY, 1_111, 3, usage)], BOOK)
    assert found == Costs(3, 100 * 2_000_000 + 1_000 * 100_000 + 10 * 2_500_000 + 4_000_000, 1_111 * 2_000_000)
    assert found.saved == 1 - Fraction(329, 2_222)


def test_a_long_prompt_has_its_own_price_where_the_model_has_one() -> None:
    """Haiku 5.5: five times as much beyond 100,000 tokens."""
    usage = Usage(input=1_000)
    short, long = (costs([Paid("claude-haiku-5-5", DAY, n, 1, usage)], BOOK) for n in (100_000, 100_001))
    assert (short.paid, long.paid) == (100_000_000, 500_000_000)


def test_what_has_no_price_is_left_out() -> None:
    assert costs([Paid("claude-unheard-of", DAY, 1, 7, Usage(input=5))], BOOK) == Costs()
    assert Costs().saved == 0


def seen(saved: float, calls: int = 100) -> Costs:
    return Costs(calls, round((1 - saved) * 10**12), 10**12)


@pytest.mark.parametrize(
    ("marked", "held_out", "state"),
    [
        (seen(0.4), seen(0.0, 10), State.KEPT),
        (seen(0.1), seen(0.0, 10), State.KEPT),
        (seen(-0.05), seen(0.0, 10), State.TAKEN_BACK),
        (seen(0.3), seen(0.3, 10), State.TAKEN_BACK),
        (seen(0.3), seen(0.35, 10), State.TAKEN_BACK),
        (seen(0.4), Costs(), State.KEPT),
        (seen(-0.25, ENOUGH_CALLS - 1), seen(0.0), State.PULLED),
        (seen(-0.25, ENOUGH_CALLS), seen(0.0), State.TAKEN_BACK),
    ],
)
def test_marks_are_judged_by_what_they_save_beyond_those_held_out(marked: Costs, held_out: Costs, state: State) -> None:
    assert judged(ONE, marked, held_out, NOON + ENOUGH_NS).state is state


def test_nothing_is_judged_before_an_entry_could_end() -> None:
    assert judged(ONE, seen(-1.0), seen(0.0), NOON + ENOUGH_NS - 1) == ONE


def test_what_was_seen_is_said_beside_what_was_predicted() -> None:
    """Beyond the tenth that the held-out save by themselves: three tenths of a dollar."""
    found = judged(ONE, seen(0.4), seen(0.1, 10), NOON + ENOUGH_NS)
    assert found.realised == pytest.approx(0.3)
    assert found.reason == (
        "30.0% of what 100 prompts would cost saved, 50.0% predicted; against 10 held out: 0.30 USD so far"
    )
