"""How is advice on caching said?"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction

from bursar.agent.advice.interval import LEAST_DAYS
from bursar.agent.advice.recommendation import Saving
from bursar.agent.advice.wording import amount
from bursar.policies.cachemarks import TAIL, Mark
from bursar.policies.fingerprint import Cause


class Why(StrEnum):
    """Why marks are, or are not, recommended."""

    CUT = "cut"
    REMOVE = "remove"
    """The marks that stand cost more than they bring."""
    AS_GOOD = "as_good"
    """The marks that stand are as good as any."""
    TOO_SHORT = "too_short"
    """Prompts are shorter than what the model caches at all."""
    SHARED_TOO_SHORT = "shared_too_short"
    """What they share is."""
    NOTHING_SHARED = "nothing_shared"
    """Each prompt is sent once, and begins like no other."""
    TOO_RARE = "too_rare"
    """Calls come too far apart."""


RENEWED = (
    "Not documented: whether reading a prompt from the cache renews the shorter marked prefixes in it as well. The "
    "figures assume so; saving_under has both readings."
)
FEW_DAYS = (
    "Under three whole days of calls say nothing of how days differ: those figures are what was observed, no more."
)
APART = "Figures of one route are not to be added up: what one change saves another cannot save again."
SAMPLED = (
    "Some processes looked only at a part of the conversations. Each stands for several, and what they share is "
    "touched more often than was seen: the saving may be much larger or smaller than is said."
)
MINIMUM = "The shortest prompt that the model caches is not known: 1,024 tokens are taken."
OFF = (
    "For the marks that stand the model of the cache comes to another sum than the bill, by more than 5%: see "
    "billed_nano_usd_per_day and replayed_nano_usd_per_day."
)
ALONE = "Each route is judged by itself: what it shares with other routes on the same model is not seen."

WHY_NOT = {
    Why.TOO_SHORT: "Caching would do nothing: prompts have about {tokens} tokens, and {model} caches from {minimum}.",
    Why.NOTHING_SHARED: (
        "Caching would save nothing: {calls} prompts of about {tokens} tokens begin each in another way, and none is "
        "sent again."
    ),
    Why.SHARED_TOO_SHORT: (
        "Caching would do nothing: what prompts share is shorter than the {minimum} tokens from which {model} caches."
    ),
    Why.TOO_RARE: (
        "Caching would save nothing: {calls} calls come too far apart, and what is written is gone before it is read."
    ),
}

CAUSES = {
    Cause.TIMESTAMP: ("a time stamp", "Put it behind everything that stays the same, or leave it out."),
    Cause.IDENTIFIER: ("an identifier that is new each time", "Put it behind everything that stays the same."),
    Cause.PERSON: ("text about one person", "Put it behind the text that all share."),
    Cause.TOOL_ORDER: ("the same tools in another order", "Sort the tools, by name say, before each call."),
    Cause.KEY_ORDER: ("the same JSON with its keys in another order", "Write it with sorted keys."),
    Cause.TOOLS: ("other tools", "Send the same tools each time, and name in the prompt those that are meant."),
    Cause.TOOL_CHOICE: ("another tool_choice", "Keep it the same; ask for a tool in the last message instead."),
    Cause.IMAGES: ("images in some prompts only", "Keep prompts with and without images on routes of their own."),
    Cause.THINKING: ("another thinking configuration", "Keep it the same within a conversation."),
    Cause.EFFORT: ("another effort", "Keep it the same within a conversation."),
    Cause.MODEL: ("another model", "Stay with one model within a conversation: each has a cache of its own."),
    Cause.SPEED: ("another speed", "Keep it the same within a conversation."),
    Cause.NUMBER: ("a number that changes", "Put it behind everything that stays the same."),
    Cause.ORDER: ("the same blocks in another order", "Keep their order, those that change last."),
    Cause.TEXT: ("text that changes", "Put it behind the text that stays the same."),
}
"""What breaks caching, and what to do about it."""


def miss_reason(cause: Cause, place: str) -> str:
    """What the API's own diagnostics call a break: the part of the prompt that changed, or the model."""
    return "model_changed" if cause is Cause.MODEL else f"{place.partition('[')[0]}_changed"


def marks_text(marks: Sequence[Mark]) -> str:
    """`tools and system for 1h, and the end of each request for 5m`."""
    said: list[str] = []
    for ttl in ("1h", "5m"):
        named = ["the end of each request" if mark.place == TAIL else mark.place for mark in marks if mark.ttl == ttl]
        if named:
            listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
            said.append(f"{listed} for {ttl}")
    return ", and ".join(said)


def worth(saving: Saving, days: Fraction) -> str:
    """What it is worth: the lower end, and what was observed."""
    mid = saving.low if saving.mid is None else saving.mid
    if days < LEAST_DAYS:
        return f"Worth {signed(mid)} USD a day as observed."
    if saving.low > 0:
        return f"Worth at least {signed(saving.low)} USD a day, {signed(mid)} as observed."
    return f"Worth {signed(mid)} USD a day as observed, between {signed(saving.low)} and {signed(saving.high)}."


def signed(nano: int) -> str:
    """Nano-dollars as dollars, a loss with its sign."""
    return f"-{amount(-nano)}" if nano < 0 else amount(nano)


def calls(count: int) -> str:
    """`1 call`, `2,000 calls`."""
    return "1 call" if count == 1 else f"{count:,} calls"


def percent(share: Fraction) -> str:
    """A share in whole percent, more than nothing never as 0%."""
    return "under 1%" if 0 < share < Fraction(1, 100) else f"{round(100 * share)}%"


def span(nanoseconds: int) -> str:
    """`4.5 minutes`, `55 minutes`, `3 hours`."""
    minutes = nanoseconds / (60 * 10**9)
    return f"{minutes:g} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
