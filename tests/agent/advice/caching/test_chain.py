"""Claims about the search: its price for a set of marks is what happens, and its best is the best there is."""

from __future__ import annotations

import pytest
from tests.agent.advice.caching.small_cases import RATES, SECOND, replayed, small_case

from bursar.agent.advice.caching.chain import Call, Policy, Search, policies
from bursar.agent.advice.caching.promptcache import Prefix

CASES = 400
MINUTE = 60 * SECOND


def searched(calls: list[Call], places: int, minimum: int) -> Search:
    search = Search(places, minimum)
    for call in calls:
        search.see(call)
    return search


def test_the_search_equals_trying_everything() -> None:
    """400 random streams of 2 to 14 calls, 9,572 sets of marks: each at its replayed price, the best one found."""
    tried = gained = 0
    for seed in range(CASES):
        calls, places, minimum = small_case(seed)
        search = searched(calls, places, minimum)
        saved = {policy: replayed(calls, policy, minimum) for policy in policies(places)}
        assert {policy: search.saving(policy) for policy in saved} == saved, seed
        predicted, best = search.best()[0]
        assert predicted == saved[best] == max(saved.values()), seed
        tried += len(saved)
        gained += predicted > 0
    assert (tried, gained > CASES // 2) == (9_572, True)


@pytest.mark.parametrize(("places", "sets"), [(0, 3), (1, 8), (2, 20), (3, 48), (4, 106)])
def test_a_set_has_at_most_four_marks_an_hours_before_five_minutes(places: int, sets: int) -> None:
    """
    With k of n places marked, C(n, k) ways, each with k + 1 places to pass to five minutes, or one if an hour ends it.

    For two places: without a mark at the end 1 + 2 x 2 + 3, with one of five minutes as many, of an hour 1 + 2 + 1.
    """
    found = list(policies(places))
    assert (len(found), len(set(found))) == (sets, sets)
    assert max(policy.size for policy in found) == min(places + 1, 4)


def test_a_shared_beginning_and_a_growing_conversation() -> None:
    """
    Two turns of each of two conversations within five minutes, behind 2,000 shared tokens, 1,000 more a turn.

    Marked at both, the first turn writes 3,000, its second reads them and writes 1,000; the other's first reads what is
    shared and writes 1,000, its second reads 3,000 and writes 1,000.
    """
    shared = Prefix(None, 1, 2_000)
    calls: list[Call] = []
    for number in range(2):
        first = Prefix(shared, 2, 3_000)
        for turn, tail in enumerate((first, Prefix(first, 3, 4_000))):
            at_ns = (2 * number + turn) * MINUTE
            calls.append(Call(at_ns, at_ns, tail.end, RATES[0], 1_000, (shared,), tail))
    best, policy = searched(calls, 1, 0).best()[0]
    # Reads: 0, 3,000, 2,000, 3,000, each saves 3.8 of 4 dollars a million; writes: 3,000 and 3 x 1,000, each costs 1.
    assert (best, policy) == (1_000 * (8_000 * 3_800_000 - 6_000 * 1_000_000), Policy(((0, "5m"),), "5m"))
