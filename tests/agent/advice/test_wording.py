"""Claims about the wording: what to do and what it is worth, what that rests on, in words and as JSON."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from bursar.agent.advice.recommendation import to_json
from bursar.agent.advice.usage import Finding, Pattern, Reason
from bursar.agent.advice.wording import amount, assumes, recommendation, saving_text, sentence

PATTERN = Pattern(512, calls=100, writes=4, shortest=9_000, longest=10_000, typical=9_500)


def one(reason: Reason = Reason.UNCACHED, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "route": "support",
        "model": "claude-sonnet-5-5",
        "pattern": PATTERN,
        "calls": 110,
        "prompt_tokens": 1_000_000,
        "cache_read": 12_000,
        "days": Fraction(7),
        "saving_per_day_nano": (600_000_000, 1_209_999_999),
    }
    return Finding(reason=reason, **{**fields, **changes})


def test_a_recommendation_says_what_to_do_what_it_is_worth_and_where() -> None:
    """The whole of it, once."""
    assert sentence(one()) == (
        "Cache the shared prompt: 110 calls sent about 9,500 tokens each, 1.2% read from cache. "
        "Worth 0.60 to 1.21 USD a day. "
        'Put cache_control={"type": "ephemeral"} on the last block that all calls share '
        "(claude-sonnet-5-5 caches from 512 tokens)."
    )


SHORT = Pattern(4_096, 0, 0, 0, 0, 1_700)
RARE = Pattern(512, 9, 8, 600, 700, 650)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cache_read": 0}, "9,500 tokens each, none read from cache. Worth"),
        ({"cache_read": 1_000}, "9,500 tokens each, 0.1% read from cache. Worth"),
        ({"cache_read": 999}, "9,500 tokens each, under 0.1% read from cache. Worth"),
        ({"saving_per_day_nano": (0, 220_000_000)}, " Worth up to 0.22 USD a day. Put"),
        (
            {"saving_per_day_nano": None, "reason": Reason.UNPRICED},
            " What that is worth is not known: there is no price for claude-sonnet-5-5. Put",
        ),
        (
            {"reason": Reason.UNREAD_WRITES},
            "Move the cache mark to an earlier block: 110 calls sent about 9,500 tokens each, some written to cache, "
            "1.2% read from it. Worth",
        ),
        ({"reason": Reason.UNREAD_WRITES}, "that all calls share, ahead of what changes (claude-sonnet-5-5 caches"),
        (
            {"pattern": Pattern(None, 100, 4, 9_000, 10_000, 9_500)},
            "all calls share (claude-sonnet-5-5: its shortest cacheable prompt is not known).",
        ),
    ],
)
def test_each_case_has_its_words(changes: dict[str, Any], told: str) -> None:
    """A reader learns from the sentence alone why it is advised."""
    assert told in sentence(one(**changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"reason": Reason.TOO_SHORT, "pattern": SHORT},
            "Caching would do nothing: the median prompt has 1,700 tokens, and claude-sonnet-5-5 caches from 4,096.",
        ),
        (
            {"reason": Reason.TOO_RARE, "pattern": RARE},
            "Caching would save nothing: 8 of 9 calls would find no live entry.",
        ),
        (
            {"reason": Reason.TOO_RARE, "pattern": Pattern(512, 1, 1, 600, 600, 600)},
            "Caching would save nothing: 1 of 1 call would find no live entry.",
        ),
    ],
)
def test_why_not_is_one_short_sentence(changes: dict[str, Any], told: str) -> None:
    """The whole of it: there is nothing to do."""
    assert sentence(one(**changes)) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "A range assumes that all calls share as much as the shortest of them sends, or, at its lower end, half"),
        ({"reason": Reason.UNREAD_WRITES}, "A range assumes"),
        ({"saving_per_day_nano": (0, 5)}, "If they share nothing, nothing is saved: token counts do not tell."),
        ({"saving_per_day_nano": None, "reason": Reason.UNPRICED}, "That calls share a part of their prompts"),
        ({"saving_per_day_nano": None, "reason": Reason.TOO_RARE}, 'Where calls recur within the hour, {"type"'),
    ],
)
def test_what_the_figures_rest_on_is_said_apart(changes: dict[str, Any], told: str) -> None:
    """It is in the JSON, in the same words for all that rest on it, and not in the sentence."""
    assumed = assumes(one(**changes))
    assert assumed is not None
    assert told in assumed
    assert to_json(recommendation(one(**changes)))["assumes"] == assumed
    assert "assume" not in sentence(one(**changes))


def test_nothing_is_assumed_of_prompts_that_are_too_short() -> None:
    """Their lengths are known."""
    assert assumes(one(Reason.TOO_SHORT, pattern=SHORT, saving_per_day_nano=None)) is None


@pytest.mark.parametrize("reason", list(Reason))
def test_only_advice_says_what_to_put_where(reason: Reason) -> None:
    """Where caching would not help, the snippet would mislead."""
    advised = reason not in (Reason.TOO_SHORT, Reason.TOO_RARE)
    assert ("Put cache_control" in sentence(one(reason))) is advised
    assert (to_json(recommendation(one(reason)))["snippet"] is not None) is advised


def test_json_has_whole_money_and_daily_figures() -> None:
    """Nano-dollars are whole; calls and tokens are those of a day."""
    document = to_json(recommendation(one()))
    evidence = document.pop("evidence")
    assert evidence.items() < document.items()
    assert {**document, "id": "", "text": "", "assumes": ""} == {
        "id": "",
        "kind": "cache",
        "route": "support",
        "model": "claude-sonnet-5-5",
        "place": "",
        "advised": True,
        "reason": "uncached",
        "calls_per_day": 15.7,
        "prompt_tokens_per_day": 142857.1,
        "cache_read_tokens_per_day": 1714.3,
        "cache_writes_per_day": 0.6,
        "min_cacheable_tokens": 512,
        "shared_tokens_likely": 4_500,
        "shared_tokens_at_most": 9_000,
        "saving_nano_usd_per_day": {"from": 600_000_000, "expected": None, "to": 1_209_999_999},
        "saving_under": {},
        "text": "",
        "assumes": "",
        "snippet": 'cache_control={"type": "ephemeral"}',
    }
    assert to_json(recommendation(one(saving_per_day_nano=None)))["saving_nano_usd_per_day"] is None


@pytest.mark.parametrize(
    ("nano", "told"),
    [
        (0, "0.00"),
        (5, "0.000000005"),
        (126, "0.00000013"),
        (16_600_000, "0.017"),
        (99_600_000, "0.10"),
        (216_410_400, "0.22"),
        (994_999_999, "0.99"),
        (999_000_000, "1.00"),
        (1_000_000_000, "1.00"),
        (1_209_999_999, "1.21"),
        (12_345_678_901, "12.35"),
        (1_234_504_999_999, "1234.50"),
    ],
)
def test_an_amount_has_two_digits_that_count_or_cents(nano: int, told: str) -> None:
    """Cents from a dollar on; below, two significant digits. The exact figure is in the JSON."""
    assert amount(nano) == told


@pytest.mark.parametrize(
    ("saving", "told"),
    [((600_000_000, 1_209_999_999), "0.60 to 1.21"), ((0, 12_340_000_000), "up to 12.34"), (None, "")],
)
def test_a_saving_is_a_range_or_a_most(saving: tuple[int, int] | None, told: str) -> None:
    """Where nothing may be shared there is no lower end to name."""
    assert saving_text(one(saving_per_day_nano=saving)) == told
