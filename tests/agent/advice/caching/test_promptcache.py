"""Claims about the model of the prompt cache: rule by rule, and that the sandbox's own agrees with it."""

from __future__ import annotations

import pytest
from tests.agent.advice.caching.small_cases import SECOND, small_case

from bursar.agent.advice.caching.chain import Policy
from bursar.agent.advice.caching.promptcache import LOOKBACK, Bill, Prefix, PromptCache, Refresh
from bursar.agent.sandbox.cache import Lookup, Prompt
from bursar.agent.sandbox.cache import PromptCache as SandboxCache
from bursar.agent.sandbox.marks import FIVE_MINUTES, ONE_HOUR, Mark

MINUTE = 60 * SECOND
TTL = {"5m": FIVE_MINUTES, "1h": ONE_HOUR}


def chain(*ends: int) -> list[Prefix]:
    """Prefixes of one prompt, by their lengths."""
    found: list[Prefix] = []
    for depth, end in enumerate(ends, start=1):
        found.append(Prefix(found[-1] if found else None, depth, end))
    return found


def request(cache: PromptCache, at_ns: int, *marks: tuple[Prefix, str], total: int = 9_000) -> Bill:
    """One that is answered at once."""
    return cache.request(at_ns, at_ns, total, marks)


@pytest.mark.parametrize(
    ("ttl", "gap_ns", "read"),
    [
        ("5m", 5 * MINUTE - 1, True),
        ("5m", 5 * MINUTE, False),
        ("1h", 60 * MINUTE - 1, True),
        ("1h", 60 * MINUTE, False),
    ],
)
def test_an_entry_lives_from_the_start_of_who_touched_it_last(ttl: str, gap_ns: int, read: bool) -> None:
    """Written, read, and read again: each gap below its time to live, or else it is written anew."""
    (one,) = chain(2_000)
    cache = PromptCache(1_024)
    written = (0, 0, 2_000) if ttl == "1h" else (0, 2_000, 0)
    assert request(cache, 0, (one, ttl)) == (7_000, *written)
    expected = (7_000, 2_000, 0, 0) if read else (7_000, *written)
    assert [request(cache, gap_ns, (one, ttl)), request(cache, 2 * gap_ns, (one, ttl))] == [expected, expected]


def test_nobody_reads_before_the_answer_begins() -> None:
    """Two at once both write; a third, after the first answer, reads."""
    (one,) = chain(2_000)
    cache = PromptCache(0)
    bills = [cache.request(at, at + 5 * SECOND, 2_000, [(one, "5m")]) for at in (0, 4 * SECOND, 5 * SECOND)]
    assert [bill.read for bill in bills] == [0, 0, 2_000]


def test_below_the_minimum_nothing_is_cached() -> None:
    """The mark is ignored, without an error; a longer one of the same request counts."""
    short, long = chain(1_023, 1_024)
    cache = PromptCache(1_024)
    assert request(cache, 0, (short, "5m"), (long, "5m")) == (7_976, 0, 1_024, 0)
    assert request(cache, 1, (short, "5m")) == (9_000, 0, 0, 0)


@pytest.mark.parametrize(("behind", "read"), [(LOOKBACK - 1, 100), (LOOKBACK, 0)])
def test_a_mark_looks_at_twenty_positions(behind: int, read: int) -> None:
    """Its own is the first of them: an entry 19 blocks before it is found, one 20 before it is not."""
    places = chain(*range(100, 100 + 30))
    cache = PromptCache(0)
    request(cache, 0, (places[0], "5m"))
    assert request(cache, 1, (places[behind], "5m")).read == read


def test_the_longest_hit_is_read_and_what_is_behind_it_written_by_its_marks() -> None:
    """An hour up to the last mark of an hour, five minutes up to the last of all, the rest is plain input."""
    one, two, three = chain(1_000, 3_000, 4_500)
    cache = PromptCache(0)
    request(cache, 0, (one, "1h"))
    assert request(cache, 1, (one, "1h"), (two, "1h"), (three, "5m"), total=5_000) == (500, 1_000, 1_500, 2_000)


@pytest.mark.parametrize(("refresh", "read"), [(Refresh.MARKED, 1_000), (Refresh.HIGHEST, 0)])
def test_two_readings_of_what_a_hit_renews(refresh: Refresh, read: int) -> None:
    """A conversation is read every four minutes; whether the system prompt under it lives on is the question."""
    system, talk = chain(1_000, 2_000)
    cache = PromptCache(0, refresh)
    for minute in (0, 4, 8):
        request(cache, minute * MINUTE, (system, "5m"), (talk, "5m"))
    other = Prefix(system, 2, 1_700)
    assert request(cache, 9 * MINUTE, (system, "5m"), (other, "5m")).read == read


def test_what_is_found_before_a_mark_keeps_its_own_time_to_live() -> None:
    """Five minutes' marks find an entry of an hour: still there after 59 minutes without a call."""
    one, two = chain(1_000, 2_000)
    cache = PromptCache(0)
    request(cache, 0, (one, "1h"))
    assert request(cache, MINUTE, (two, "5m")).read == 1_000
    assert request(cache, 60 * MINUTE, (two, "5m")).read == 1_000


def test_entries_do_not_pile_up() -> None:
    """A new prompt every second for an hour and a half: 300 live at any time, and 1,024 are let stand."""
    cache = PromptCache(0)
    for second in range(5_400):
        request(cache, second * SECOND, (Prefix(None, 1, 1_000), "5m"))
    assert 300 <= len(cache) <= 1_024 + 1


@pytest.mark.parametrize("policy", [Policy(((0, "5m"),)), Policy(((0, "1h"), (1, "5m")), "5m"), Policy((), "1h")])
def test_the_sandbox_agrees(policy: Policy) -> None:
    """Two implementations, written apart, divide every prompt of 100 random streams alike."""
    read = 0
    for seed in range(100):
        calls, places, minimum = small_case(seed, calls=30)
        kept = Policy(tuple(mark for mark in policy.marks if mark[0] < places), policy.tail)
        ours, theirs = PromptCache(minimum), SandboxCache()
        begun: list[tuple[int, int, Lookup]] = []
        for number, call in enumerate(calls):
            for told in sorted(one for one in begun if one[0] <= call.at_ns):
                theirs.store(told[2])
                begun.remove(told)
            marks = kept.on(call)
            found = theirs.look_up(_prompt(call.tail, call.total, marks, minimum), call.at_ns / SECOND)
            begun.append((call.ready_ns, number, found))
            bill = ours.request(call.at_ns, call.ready_ns, call.total, marks)
            assert bill == (found.input, found.read, found.write_5m, found.write_1h), (seed, number)
            read += bill.read
    assert read > 0


def _prompt(tail: Prefix | None, total: int, marks: list[tuple[Prefix, str]], minimum: int) -> Prompt:
    """The same prompt for the sandbox; what comes behind the last block is a block that nobody has seen before."""
    path: list[Prefix] = []
    while tail is not None:
        path.insert(0, tail)
        tail = tail.parent
    return Prompt(
        digests=(*(str(id(prefix)) for prefix in path), "rest"),
        ends=(*(prefix.end for prefix in path), total),
        marks=tuple(Mark(prefix.depth - 1, TTL[ttl]) for prefix, ttl in marks),
        min_cache=minimum,
    )
