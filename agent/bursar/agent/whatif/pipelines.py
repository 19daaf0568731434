"""The three pipelines of the article that Bursar began with, and what the article says that they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Levers(StrEnum):
    """What was pulled, one on top of the other."""

    BASELINE = "baseline"
    TIER = "tier"
    CACHE = "tier+cache"
    BATCH = "tier+cache+batch"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Calls of one kind: so many a day, each with so many tokens."""

    name: str
    what: str
    calls: int
    """A day."""
    shared: int
    """Input tokens that are the same in every call, at its beginning."""
    own: int
    """Input tokens that are the call's own."""
    output: int
    """Tokens of an answer; zero where the article leaves them out."""
    claims: Mapping[Levers, Decimal] = field(default_factory=dict[Levers, Decimal])
    """What the article says that a day costs, in USD, where it says so."""
    asks: str = ""
    """What the article leaves out, in words."""

    @property
    def input(self) -> int:
        """Input tokens of a call."""
        return self.shared + self.own


@dataclass(frozen=True, slots=True)
class Era:
    """Whose prices: the two models that the work is between, and the day."""

    name: str
    strong: str
    cheap: str
    day: date | None
    """None: the day on which it is asked."""


ERAS: Mapping[str, Era] = {
    "2025-06": Era("2025-06", "claude-3-7-sonnet-20250219", "claude-3-5-haiku-20241022", date(2025, 6, 15)),
    "today": Era("today", "claude-sonnet-5-5", "claude-haiku-5-5", None),
}

PIPELINES: Mapping[str, Pipeline] = {
    "invoices": Pipeline(
        "invoices",
        "5,000 invoices a day, 1,500 tokens of instructions in, 400 out",
        calls=5_000,
        shared=1_500,
        own=0,
        output=400,
        claims={
            Levers.BASELINE: Decimal(47),
            Levers.TIER: Decimal(10),
            Levers.CACHE: Decimal(4),
            Levers.BATCH: Decimal(2),
        },
        asks="The invoice's own text is left out: each 500 tokens of it are another 2.5 million a day.",
    ),
    "clauses": Pipeline(
        "clauses",
        "500 clauses a day, 2,500 tokens in, of which 2,400 are the same for all",
        calls=500,
        shared=2_400,
        own=100,
        output=0,
        claims={Levers.TIER: Decimal("1.00"), Levers.CACHE: Decimal("0.10")},
        asks="The answers are left out: the article counts none.",
    ),
    "tickets": Pipeline(
        "tickets",
        "10,000 tickets a day, 300 tokens in, 50 out",
        calls=10_000,
        shared=0,
        own=300,
        output=50,
        claims={Levers.TIER: Decimal("2.60"), Levers.BATCH: Decimal("1.30")},
        asks="Models from 5.5 on think unless told not to, and thinking is output: an answer of 50 tokens may cost "
        "several times as much.",
    ),
}
