"""Claims about the wording: the figures, the assumption behind them and what to do, in words and as JSON."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from bursar.agent.advice.usage import Pattern, Reason, Recommendation
from bursar.agent.advice.wording import saving_text, sentence, to_json

PATTERN = Pattern(512, calls=100, writes=4, shortest=9_000, longest=10_000, typical=9_500)


def one(reason: Reason = Reason.UNCACHED, **changes: Any) -> Recommendation:
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
    return Recommendation(reason=reason, **{**fields, **changes})


def test_a_recommendation_says_what_why_and_under_which_assumption() -> None:
    """The whole sentence, once: observation, upper end, lower end, the model's minimum, what to do."""
    assert sentence(one()) == (
        "1.2% of the prompt tokens are read from the cache, though calls come close enough together. "
        "At most 1.209999999 USD a day are saved: if all 100 calls share as much as the shortest has (9,000 tokens), "
        "and 4 of them write it, one after each gap of more than five minutes. "
        "It is 0.60 USD if they share half of that, which prompts of such similar length (up to 10,000) make likely. "
        "claude-sonnet-5-5 caches from 512 tokens on. "
        'Put cache_control={"type": "ephemeral"} on the last block that all calls share: the end of the tools, '
        "the system prompt or the examples."
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"saving_per_day_nano": (0, 5)}, "Nothing is saved if they share nothing: token counts do not tell."),
        ({"saving_per_day_nano": None, "reason": Reason.UNPRICED}, "there is no price for claude-sonnet-5-5"),
        ({"reason": Reason.UNREAD_WRITES}, "The cache is written, but only 1.2% of the prompt tokens are read"),
        (
            {"pattern": Pattern(None, 100, 4, 9_000, 10_000, 9_500)},
            "From which length on claude-sonnet-5-5 caches is not known.",
        ),
        (
            {"reason": Reason.TOO_SHORT, "pattern": Pattern(4_096, 0, 0, 0, 0, 700)},
            "the median prompt has 700 tokens, and claude-sonnet-5-5 caches prompts from 4,096 tokens on.",
        ),
        (
            {"reason": Reason.TOO_RARE, "pattern": Pattern(512, 9, 8, 600, 700, 650)},
            "of 9 calls, 8 come first or more than five minutes after the one before",
        ),
    ],
)
def test_each_reason_has_its_words(changes: dict[str, Any], told: str) -> None:
    """A reader learns from the sentence alone why it is, or is not, advised."""
    assert told in sentence(one(**changes))


@pytest.mark.parametrize("reason", list(Reason))
def test_only_advice_says_what_to_put_where(reason: Reason) -> None:
    """Where caching would not help, the snippet would mislead."""
    advised = reason not in (Reason.TOO_SHORT, Reason.TOO_RARE)
    assert ("Put cache_control" in sentence(one(reason))) is advised
    assert (to_json(one(reason))["snippet"] is not None) is advised


def test_json_has_whole_money_and_daily_figures() -> None:
    """Nano-dollars are whole; calls and tokens are those of a day."""
    assert {**to_json(one()), "text": ""} == {
        "kind": "cache",
        "route": "support",
        "model": "claude-sonnet-5-5",
        "advised": True,
        "reason": "uncached",
        "calls_per_day": 15.7,
        "prompt_tokens_per_day": 142857.1,
        "cache_read_tokens_per_day": 1714.3,
        "min_cacheable_tokens": 512,
        "shared_tokens_at_most": 9_000,
        "saving_nano_usd_per_day": {"from": 600_000_000, "to": 1_209_999_999},
        "text": "",
        "snippet": 'cache_control={"type": "ephemeral"}',
    }
    assert to_json(one(saving_per_day_nano=None))["saving_nano_usd_per_day"] is None


def test_a_saving_is_rounded_down() -> None:
    """A table never promises more than was computed."""
    assert saving_text(one()) == "0.60 to 1.20"
    assert saving_text(one(saving_per_day_nano=(9_999_999, 12_345_678_901))) == "0.00 to 12.34"
    assert saving_text(one(saving_per_day_nano=None)) == ""
