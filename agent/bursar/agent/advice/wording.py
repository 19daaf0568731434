"""How is a recommendation said: in words for people, and as JSON?"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from bursar.agent.advice.usage import Reason, Recommendation
from bursar.policies.amounts import usd

SNIPPET = 'cache_control={"type": "ephemeral"}'
_WHERE = "on the last block that all calls share: the end of the tools, the system prompt or the examples"


def to_json(one: Recommendation) -> dict[str, Any]:
    """A recommendation as a JSON object; money in nano-dollars, tokens and calls a day as decimals."""
    saving = one.saving_per_day_nano
    return {
        "kind": "cache",
        "route": one.route,
        "model": one.model,
        "advised": one.advised,
        "reason": one.reason.value,
        "calls_per_day": _a_day(one.calls, one.days),
        "prompt_tokens_per_day": _a_day(one.prompt_tokens, one.days),
        "cache_read_tokens_per_day": _a_day(one.cache_read, one.days),
        "min_cacheable_tokens": one.pattern.minimum,
        "shared_tokens_at_most": one.pattern.shortest,
        "saving_nano_usd_per_day": None if saving is None else {"from": saving[0], "to": saving[1]},
        "text": sentence(one),
        "snippet": SNIPPET if one.advised else None,
    }


def sentence(one: Recommendation) -> str:
    """What to do, or why not, with the figures and the assumptions behind it."""
    if one.reason is Reason.TOO_SHORT:
        return (
            f"Caching would do nothing: the median prompt has {one.pattern.typical:,} tokens, and {one.model} caches "
            f"prompts from {one.pattern.minimum:,} tokens on."
        )
    if one.reason is Reason.TOO_RARE:
        return (
            f"Caching for five minutes would not pay: of {one.pattern.calls:,} calls, {one.pattern.writes:,} come "
            "first or more than five minutes after the one before, and would pay for a write. Where calls recur within "
            'the hour, {"type": "ephemeral", "ttl": "1h"} may pay: such a write costs twice the input.'
        )
    return " ".join((_observed(one), _expected(one), _minimum(one), f"Put {SNIPPET} {_WHERE}."))


def saving_text(one: Recommendation) -> str:
    """`0.00 to 4.32`, in US dollars a day; empty where there is no figure."""
    saving = one.saving_per_day_nano
    return "" if saving is None else f"{_cents(saving[0])} to {_cents(saving[1])}"


def _observed(one: Recommendation) -> str:
    read = f"{100 * one.cache_read / one.prompt_tokens:.1f}%"
    told = f"{read} of the prompt tokens are read from the cache"
    if one.reason is Reason.UNREAD_WRITES:
        return (
            f"The cache is written, but only {told}: the mark stands behind something that changes from call to call."
        )
    return f"{told[0].upper()}{told[1:]}, though calls come close enough together."


def _expected(one: Recommendation) -> str:
    pattern = one.pattern
    if one.saving_per_day_nano is None:
        return f"How much it would save is not known: there is no price for {one.model}."
    least, most = one.saving_per_day_nano
    upper = (
        f"At most {usd(most)} USD a day are saved: if all {pattern.calls:,} calls share as much as the shortest has "
        f"({pattern.shortest:,} tokens), and {pattern.writes:,} of them write it, one after each gap of more than five "
        "minutes."
    )
    if not least:
        return f"{upper} Nothing is saved if they share nothing: token counts do not tell."
    lower = f"{usd(least)} USD if they share half of that"
    return f"{upper} It is {lower}, which prompts of such similar length (up to {pattern.longest:,}) make likely."


def _minimum(one: Recommendation) -> str:
    if one.pattern.minimum is None:
        return f"From which length on {one.model} caches is not known."
    return f"{one.model} caches from {one.pattern.minimum:,} tokens on."


def _a_day(count: int, days: Fraction) -> float:
    return round(float(count / days), 1)


def _cents(nano: int) -> str:
    """Dollars to the cent, rounded down: a saving is never made larger by its writing."""
    return f"{nano // 10**9}.{nano // 10**7 % 100:02d}"
