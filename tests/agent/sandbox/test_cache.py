"""Claims about the prompt cache, on prompts of blocks of 100 tokens unless they say otherwise."""

import pytest

from bursar.agent.sandbox.cache import Lookup, Prompt, PromptCache, Refresh
from bursar.agent.sandbox.marks import Mark

MINIMUM = 500


def prompt(names: str, *marks: tuple[int, int], tokens: int = 100) -> Prompt:
    """One block for each letter; a prefix is known by its letters; marks are (position, ttl)."""
    return Prompt(
        digests=tuple(names[: end + 1] for end in range(len(names))),
        ends=tuple(tokens * (end + 1) for end in range(len(names))),
        marks=tuple(Mark(position, ttl) for position, ttl in marks),
        min_cache=MINIMUM,
    )


def classes(lookup: Lookup) -> tuple[int, int, int, int]:
    """Input, 5-minute write, 1-hour write, read."""
    return lookup.input, lookup.write_5m, lookup.write_1h, lookup.read


def send(cache: PromptCache, asked: Prompt, at: float) -> tuple[int, int, int, int]:
    """One whole request."""
    lookup = cache.look_up(asked, at)
    cache.store(lookup)
    return classes(lookup)


def test_write_then_read() -> None:
    """What one request writes the next reads; blocks beyond the mark are plain input each time."""
    cache = PromptCache()
    assert send(cache, prompt("abcdefX", (5, 300)), 0) == (100, 600, 0, 0)
    assert send(cache, prompt("abcdefYZ", (5, 300)), 1) == (200, 0, 0, 600)


def test_nothing_is_written_without_a_mark() -> None:
    """A prompt without marks leaves no entry."""
    cache = PromptCache()
    assert send(cache, prompt("abcdef"), 0) == (600, 0, 0, 0)
    assert send(cache, prompt("abcdef", (5, 300)), 1) == (0, 600, 0, 0)


@pytest.mark.parametrize(("tokens", "expected"), [(99, (495, 0, 0, 0)), (100, (0, 500, 0, 0))])
def test_minimum_length(tokens: int, expected: tuple[int, int, int, int]) -> None:
    """A prefix below the model's minimum is silently not cached; exactly the minimum is."""
    asked = prompt("abcde", (4, 300), tokens=tokens)
    assert classes(PromptCache().look_up(asked, 0)) == expected


@pytest.mark.parametrize(
    ("ttl", "at", "read"), [(300, 299.9, 600), (300, 300, 0), (3_600, 3_599.9, 600), (3_600, 3_600, 0)]
)
def test_time_to_live(ttl: int, at: float, read: int) -> None:
    """An entry lives for its ttl from the start of the request that wrote it, and no longer."""
    cache = PromptCache()
    asked = prompt("abcdef", (5, ttl))
    send(cache, asked, 0)
    assert cache.look_up(asked, at).read == read


def test_a_hit_refreshes() -> None:
    """A read at 200 s keeps the entry until 500 s."""
    cache = PromptCache()
    asked = prompt("abcdef", (5, 300))
    send(cache, asked, 0)
    send(cache, asked, 200)
    assert [cache.look_up(asked, at).read for at in (500, 499)] == [0, 600]


def test_a_hit_refreshes_before_its_response_begins() -> None:
    """A slow request that started at 200 s keeps the entry alive while it runs."""
    cache = PromptCache()
    asked = prompt("abcdef", (5, 300))
    send(cache, asked, 0)
    cache.look_up(asked, 200)
    assert cache.look_up(asked, 400).read == 600


def test_life_counts_from_the_start_of_the_request() -> None:
    """A response that begins 100 s after its request leaves 200 s."""
    cache = PromptCache()
    asked = prompt("abcdef", (5, 300))
    slow = cache.look_up(asked, 0)
    assert classes(cache.look_up(asked, 100)) == (0, 600, 0, 0)
    cache.store(slow)
    assert [cache.look_up(asked, at).read for at in (300, 299)] == [0, 600]


def test_parallel_writes_keep_the_longer_life() -> None:
    """Of two that write the same, the one that started later counts, whichever response begins first."""
    cache = PromptCache()
    asked = prompt("abcdef", (5, 300))
    early, late = cache.look_up(asked, 0), cache.look_up(asked, 50)
    cache.store(late)
    cache.store(early)
    assert [cache.look_up(asked, at).read for at in (350, 349)] == [0, 600]


@pytest.mark.parametrize(("added", "read"), [(19, 600), (20, 0)])
def test_lookback(added: int, read: int) -> None:
    """A mark looks at 20 positions, itself the first: 19 new blocks still find the entry, 20 do not."""
    cache = PromptCache()
    send(cache, prompt("abcdef", (5, 300)), 0)
    longer = "abcdef" + "x" * added
    assert cache.look_up(prompt(longer, (len(longer) - 1, 300)), 1).read == read


def test_an_intermediate_mark_finds_what_the_last_cannot() -> None:
    """With a mark on the old end, 20 new blocks are written and the old ones read."""
    cache = PromptCache()
    send(cache, prompt("abcdef", (5, 300)), 0)
    longer = "abcdef" + "x" * 20
    assert send(cache, prompt(longer, (5, 300), (25, 300)), 1) == (0, 2_000, 0, 600)


def test_a_change_early_on_loses_everything() -> None:
    """Prefixes match exactly, or not at all."""
    cache = PromptCache()
    send(cache, prompt("abcdef", (5, 300)), 0)
    assert send(cache, prompt("Abcdef", (5, 300)), 1) == (0, 600, 0, 0)


def test_mixed_lives() -> None:
    """With the hit at A, the last 1-hour mark at B and the last mark at C: read A, write B - A and C - B."""
    cache = PromptCache()
    send(cache, prompt("abcde", (4, 3_600)), 0)
    asked = prompt("abcdefghij", (4, 3_600), (6, 3_600), (8, 300))
    assert send(cache, asked, 1) == (100, 200, 200, 500)
    assert send(cache, asked, 2) == (100, 0, 0, 900)


def test_an_hour_outlives_five_minutes() -> None:
    """After six minutes only the 1-hour prefix is left."""
    cache = PromptCache()
    asked = prompt("abcdefgh", (5, 3_600), (7, 300))
    send(cache, asked, 0)
    assert send(cache, asked, 360) == (0, 200, 0, 600)


def test_a_hit_keeps_the_life_that_was_paid_for() -> None:
    """Asking for an hour on a prefix that is cached for five minutes reads it, and does not lengthen its life."""
    cache = PromptCache()
    send(cache, prompt("abcdef", (5, 300)), 0)
    assert send(cache, prompt("abcdef", (5, 3_600)), 1) == (0, 0, 0, 600)
    assert cache.look_up(prompt("abcdef", (5, 300)), 301).read == 0


@pytest.mark.parametrize(
    ("written", "asked", "found_at", "dead_at"), [(3_600, 300, 500, 4_100), (300, 3_600, 200, 500)]
)
def test_a_hit_by_look_back_keeps_its_own_life(written: int, asked: int, found_at: int, dead_at: int) -> None:
    """A mark of another life that finds an entry before it refreshes that for the life it was written for."""
    cache = PromptCache()
    send(cache, prompt("abcdef", (5, written)), 0)
    assert send(cache, prompt("abcdefghi", (8, asked)), found_at)[3] == 600
    assert [cache.look_up(prompt("abcdef", (5, written)), at).read for at in (dead_at, dead_at - 1)] == [0, 600]


@pytest.mark.parametrize(("rule", "read"), [(Refresh.ALL, 600), (Refresh.HIGHEST, 0)])
def test_what_a_hit_refreshes(rule: Refresh, read: int) -> None:
    """A hit on the longer prefix at 200 s keeps the shorter marked one alive beyond 300 s, or does not."""
    cache = PromptCache(rule)
    asked = prompt("abcdefgh", (5, 300), (7, 300))
    send(cache, asked, 0)
    assert send(cache, asked, 200)[3] == 800
    assert cache.look_up(prompt("abcdefX", (5, 300)), 400).read == read


@pytest.mark.parametrize("rule", Refresh)
def test_the_highest_hit_is_refreshed_by_either_rule(rule: Refresh) -> None:
    """What the request reads up to lives on."""
    cache = PromptCache(rule)
    asked = prompt("abcdefgh", (5, 300), (7, 300))
    send(cache, asked, 0)
    send(cache, asked, 200)
    assert cache.look_up(asked, 400).read == 800


@pytest.mark.parametrize("rule", Refresh)
def test_an_unmarked_prefix_under_a_hit_is_not_refreshed(rule: Refresh) -> None:
    """A request that marks the longer prefix alone keeps that one alive, and never the shorter."""
    cache = PromptCache(rule)
    send(cache, prompt("abcdefgh", (5, 300), (7, 300)), 0)
    assert send(cache, prompt("abcdefgh", (7, 300)), 200)[3] == 800
    assert cache.look_up(prompt("abcdefX", (5, 300)), 400).read == 0


def test_expired_entries_are_dropped() -> None:
    """A later store forgets entries that nobody can read any more, and no others."""
    cache = PromptCache()
    send(cache, prompt("abcdef", (5, 300)), 0)
    send(cache, prompt("ghijkl", (5, 300)), 200)
    send(cache, prompt("mnopqr", (5, 300)), 400)
    assert len(cache) == 2
