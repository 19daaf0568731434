"""Claims about causes: each part is what its factor moves in its turn, and together they are the difference."""

from __future__ import annotations

import random

import pytest

from bursar.agent.alerting.causes import CAUSES, PROMPT, ModelUse, Week, change_by_cause

OLD = {
    "opus": ModelUse(2, {"input": (200, 400), "output": (20, 200)}),
    "haiku": ModelUse(2, {"input": (200, 200)}),
}
"""800: a call of opus is 100 tokens at 2 and 10 at 10, so 300; one of haiku 100 at 1."""
NEW = {
    "opus": ModelUse(2, {"input": (300, 900), "cache_read": (100, 100), "output": (40, 400)}),
    "haiku": ModelUse(6, {"input": (600, 600)}),
}
"""2,000: twice the calls, a quarter of them opus, twice as long, a quarter of its prompt read, its input at 3."""


def test_every_cause_by_hand() -> None:
    """
    Each factor in its turn, over eight calls.

    volume: 800 * 8 / 4 is 1,600. mix: 8 * (0.25 * 300 + 0.75 * 100) is 1,200. size: a call of opus is 200 at 2 and 20
    at 10, so 600; 8 * (150 + 75) is 1,800. cache: 200 * (0.75 * 2 + 0.25 * 1) + 200 is 550; 1,700. price: 2,000.
    """
    assert change_by_cause(OLD, NEW) == {"volume": 800, "mix": -400, "size": 600, "cache": -100, "price": 300}


@pytest.mark.parametrize(
    ("new", "causes"),
    [
        ({"a": ModelUse(10, {"input": (100, 200)})}, {}),
        ({"a": ModelUse(15, {"input": (150, 300)})}, {"volume": 100}),
        ({"a": ModelUse(10, {"input": (150, 300)})}, {"size": 100}),
        ({"a": ModelUse(10, {"input": (100, 300)})}, {"price": 100}),
        ({"a": ModelUse(10, {"input": (50, 100), "cache_read": (50, 10)})}, {"cache": -90}),
        ({"b": ModelUse(10, {"input": (70, 300)})}, {"mix": 100}),
        ({"a": ModelUse(10, {"input": (100, 200), "web_search": (2, 100)})}, {"size": 100}),
        ({}, {"volume": -200}),
    ],
)
def test_one_cause_alone(new: Week, causes: dict[str, int]) -> None:
    """Where one thing changes, all of the difference is its own; a model that is new, or gone, is a matter of mix."""
    old = {"a": ModelUse(10, {"input": (100, 200)})}
    assert change_by_cause(old, new) == {**dict.fromkeys(CAUSES, 0), **causes}


def test_a_first_week_is_all_volume() -> None:
    """Nothing before it is like anything."""
    assert change_by_cause({}, NEW) == {**dict.fromkeys(CAUSES, 0), "volume": 2000}
    assert change_by_cause({}, {}) == dict.fromkeys(CAUSES, 0)


def week(chance: random.Random) -> Week:
    """Any week: some models, some classes, costs that no price list knows."""
    classes = (*PROMPT, "output", "web_search", "other")
    return {
        model: ModelUse(
            chance.randrange(1, 50),
            {name: (chance.randrange(1, 10**6), chance.randrange(10**9)) for name in classes if chance.random() < 0.6},
        )
        for model in "abcd"
        if chance.random() < 0.7
    }


def test_the_parts_add_up_to_the_nano_dollar() -> None:
    """In any two weeks."""
    chance = random.Random(7)
    for _ in range(300):
        old, new = week(chance), week(chance)
        difference = sum(use.cost for use in new.values()) - sum(use.cost for use in old.values())
        assert sum(change_by_cause(old, new).values()) == difference
