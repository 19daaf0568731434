"""Claims about studies: each call at its own price, three looks, the fewest marks of those nearly as good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.agent.advice.caching.made import BOOK, MINUTE, UNTIL, Desk

from bursar.agent.advice.caching.chain import Policy
from bursar.agent.advice.caching.promptcache import Refresh
from bursar.agent.advice.caching.study import Study, studied
from bursar.agent.advice.gathering import LOOKS
from bursar.policies.prices import parse_book


def only(desk: Desk) -> Study:
    (study,) = studied(desk.source())
    return study


@pytest.mark.parametrize(
    ("tokens", "changes", "dollars"),
    [
        (1_000, {"model": "claude-opus-5-5"}, 4.0),
        (1_000, {"model": "claude-opus-5-5", "modifiers": ("fast",)}, 8.0),
        (1_000, {"model": "claude-opus-5-5", "modifiers": ("geo:us",)}, 4.4),
        (100_000, {"model": "claude-haiku-5-5"}, 0.1),
        (100_001, {"model": "claude-haiku-5-5"}, 0.5),
        (1_000, {"model": "claude-opus-5-5", "share": 0.25}, 16.0),
    ],
)
def test_each_call_has_its_own_price(tokens: int, changes: dict[str, Any], dollars: float) -> None:
    """Dollars a million: of its model, its length, its speed and place; times the calls that it stands for."""
    desk = Desk()
    desk.add(UNTIL - MINUTE, f"user/u {tokens}", **changes)
    study = only(desk)
    assert study.plain.total == study.survey.billed.total() == round(tokens * dollars * 10**9)


def test_calls_are_looked_at_three_times() -> None:
    """In the order of time, whatever they are."""
    desk = Desk()
    for number in range(7):
        desk.add(UNTIL - MINUTE + number, "user/u 900", modifiers=("batch",) if number % 2 else ())
    told: list[int] = []
    studied(replace(desk.source(), told=lambda: told.append(1)))
    assert len(told) == LOOKS * 7


def test_fewer_marks_are_preferred_where_they_are_nearly_as_good() -> None:
    """
    Tools of 600 tokens before a system prompt of 50,000, which is another one after half an hour: a mark on the tools
    saves their second write, under 1% of it all.
    """
    desk = Desk()
    for number in range(60):
        system = f"system/{number // 30} 50000"
        desk.add(UNTIL - 60 * MINUTE + number * MINUTE, "tools/t 600", system, f"user/{number} 10")
    study = only(desk)
    assert study.names == ("tools", "system")
    sizes = {way.policy.size for way in study.ways}
    assert sizes == {1, 2}
    best = study.best()
    assert best is not None
    assert best.policy == Policy(((1, "5m"),))


def test_both_readings_of_the_rule_are_replayed() -> None:
    """
    A conversation of two hours keeps its own end alive; whether the system prompt under it too, readings differ on.

    If it does, new ones every 40 minutes read 30,000 tokens of it for five minutes' marks; if not, each writes them.
    """
    desk = Desk()
    talk = ["system/rules 30000", "user/0 100"]
    for turn in range(31):
        at_ns = UNTIL - 150 * MINUTE + turn * 4 * MINUTE
        desk.add(at_ns, *talk)
        talk += [f"assistant/{turn} 100", f"user/{turn} 900"]
        if turn and turn % 10 == 0:
            desk.add(at_ns + 2 * MINUTE, "system/rules 30000", f"user/new{turn} 10")
    study = only(desk)
    best = study.best()
    assert best is not None
    assert best.policy == Policy(((0, "5m"),), "5m")
    more = study.tallies[best, Refresh.HIGHEST].total - study.tallies[best, Refresh.MARKED].total
    # Three times 30,000 tokens at 5 instead of 0.20 dollars a million.
    assert more == 3 * 30_000 * 4_800_000 * 1_000


def test_a_minimum_that_nobody_knows_is_taken_to_be_1024() -> None:
    """A price file may name none: then it is said that it was assumed."""
    book = BOOK.extended(
        parse_book(
            '[[model]]\nid = "claude-new-9"\ninput = 2\noutput = 10\ncache_read = 0.1\ncache_write_5m = 2.5\n'
            "cache_write_1h = 4\n",
            source="test",
        )
    )
    desk = Desk()
    for number in range(5):
        desk.add(UNTIL - MINUTE + number, "user/u 900", model="claude-new-9")
    (study,) = studied(desk.source(book=book))
    assert (study.survey.minimum, study.minimum_known, study.best()) == (1_024, False, None)
