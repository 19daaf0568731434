"""How is what token counts alone tell put into words?"""

from __future__ import annotations

from fractions import Fraction

from bursar.agent.advice.recommendation import Kind, Recommendation, Saving
from bursar.agent.advice.usage import Finding, Reason
from bursar.policies.amounts import NANO, usd

SNIPPET = 'cache_control={"type": "ephemeral"}'

_A_RANGE = (
    "A range assumes that all calls share as much as the shortest of them sends, or, at its lower end, half of that; "
    "and that each gap of more than five minutes costs a write."
)
_UP_TO = (
    '"Up to" assumes that all calls share as much as the shortest of them sends, and that each gap of more than five '
    "minutes costs a write. If they share nothing, nothing is saved: token counts do not tell."
)
_UNPRICED = "That calls share a part of their prompts is assumed: token counts do not tell."
_FIVE_MINUTES = (
    "A cache entry is taken to live five minutes. Where calls recur within the hour, "
    '{"type": "ephemeral", "ttl": "1h"} may pay: such a write costs twice the input.'
)
_LEAST_SHARE = Fraction(1, 1000)
"""The smallest share that one decimal of a percentage shows."""


def recommendation(one: Finding) -> Recommendation:
    """A finding as advice; tokens and calls a day as decimals."""
    saving = one.saving_per_day_nano
    evidence = {
        "reason": one.reason.value,
        "calls_per_day": _a_day(one.calls, one.days),
        "prompt_tokens_per_day": _a_day(one.prompt_tokens, one.days),
        "cache_read_tokens_per_day": _a_day(one.cache_read, one.days),
        "cache_writes_per_day": _a_day(one.pattern.writes, one.days),
        "min_cacheable_tokens": one.pattern.minimum,
        "shared_tokens_likely": one.pattern.likely_shared,
        "shared_tokens_at_most": one.pattern.shortest,
    }
    said = assumes(one)
    return Recommendation(
        kind=Kind.CACHE,
        route=one.route,
        model=one.model,
        text=sentence(one),
        saving=None if saving is None else Saving(saving[0], None, saving[1]),
        evidence=evidence,
        snippet=SNIPPET if one.advised else "",
        assumes=() if said is None else (said,),
        advised=one.advised,
    )


def sentence(one: Finding) -> str:
    """What to do, what it is worth and where to do it; or, in one short sentence, why not."""
    pattern = one.pattern
    if one.reason is Reason.TOO_SHORT:
        return (
            f"Caching would do nothing: the median prompt has {pattern.typical:,} tokens, and {one.model} caches from "
            f"{pattern.minimum:,}."
        )
    if one.reason is Reason.TOO_RARE:
        return f"Caching would save nothing: {pattern.writes:,} of {_calls(pattern.calls)} would find no live entry."
    return f"{_observed(one)} {_worth(one)} {_place(one)}"


def assumes(one: Finding) -> str | None:
    """What the figures rest on, in the same words for all that rest on it; None where nothing is assumed."""
    match one.reason:
        case Reason.TOO_SHORT:
            return None
        case Reason.TOO_RARE:
            return _FIVE_MINUTES
        case _ if one.saving_per_day_nano is None:
            return _UNPRICED
        case _:
            return _A_RANGE if one.saving_per_day_nano[0] else _UP_TO


def saving_text(one: Finding) -> str:
    """`0.11 to 0.22` or `up to 0.22`, in US dollars a day; empty where there is no figure."""
    if one.saving_per_day_nano is None:
        return ""
    least, most = one.saving_per_day_nano
    return f"{amount(least)} to {amount(most)}" if least else f"up to {amount(most)}"


def amount(nano: int) -> str:
    """Nano-dollars as dollars, to the cent from a dollar on, to two significant digits below."""
    digits = min(len(str(nano)) - 2, 7) if nano < NANO else 7
    return usd(round(nano, -digits) if digits > 0 else nano)


def _observed(one: Finding) -> str:
    sent = f"{_calls(one.calls)} sent about {one.pattern.typical:,} tokens each"
    if one.reason is Reason.UNREAD_WRITES:
        return f"Move the cache mark to an earlier block: {sent}, some written to cache, {_share_read(one)} from it."
    return f"Cache the shared prompt: {sent}, {_share_read(one)} from cache."


def _share_read(one: Finding) -> str:
    if not one.cache_read:
        return "none read"
    share = Fraction(one.cache_read, one.prompt_tokens)
    return f"{float(100 * share):.1f}% read" if share >= _LEAST_SHARE else "under 0.1% read"


def _worth(one: Finding) -> str:
    if one.saving_per_day_nano is None:
        return f"What that is worth is not known: there is no price for {one.model}."
    return f"Worth {saving_text(one)} USD a day."


def _place(one: Finding) -> str:
    changing = ", ahead of what changes" if one.reason is Reason.UNREAD_WRITES else ""
    minimum = one.pattern.minimum
    least = ": its shortest cacheable prompt is not known" if minimum is None else f" caches from {minimum:,} tokens"
    return f"Put {SNIPPET} on the last block that all calls share{changing} ({one.model}{least})."


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"


def _a_day(count: int, days: Fraction) -> float:
    return round(float(count / days), 1)
