"""Records of cascades between Haiku and Opus, as processes ship them, with figures that can be checked by hand."""

from __future__ import annotations

from typing import Any

from bursar.policies.cascade import Stage, StageName
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Decided, Record, Released, Sent, Settled
from bursar.policies.usage import Usage

HAIKU, OPUS = "claude-haiku-5-5", "claude-opus-5-5"
NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
ROUTE = "support.triage"
USAGE = Usage(input=1_000, output=100)
# USD per MTok: Haiku 5.5 0.10 in and 0.50 out, Opus 5.5 4 in and 20 out.
CHEAP_NANO = 1_000 * 100 + 100 * 500
STRONG_NANO = 1_000 * 4_000 + 100 * 20_000
SECOND = 10**9


def stage(cascade: str, name: StageName, why: str = "", strong: str = OPUS) -> Stage:
    return Stage(cascade, name.value, strong, why)


def sent(place: Stage, *, at_ns: int = NOON, route: str = ROUTE, model: str | None = None, attempt: str = "") -> Sent:
    asked = model or (OPUS if place.name == "strong" else HAIKU)
    name = attempt or f"{place.cascade}-{place.name}"
    later = SECOND if place.name == "strong" else 0
    return Sent(name, f"c-{name}", at_ns + later, route, asked, asked, stage=place)


def settled(start: Sent, nano: int | None, *, basis: Basis = Basis.USAGE, **changes: Any) -> Settled:
    fields: dict[str, Any] = {
        "attempt_id": start.attempt_id,
        "cost_nano_usd": nano,
        "usage": USAGE,
        "basis": basis,
        "model": start.model,
        "requested_model": start.requested_model,
        "route": start.route,
        "call_id": start.call_id,
        "at_ns": start.at_ns,
        "stage": start.stage,
    }
    return Settled(Charge(**{**fields, **changes}))


def accepted(cascade: str, **how: Any) -> list[Record]:
    """The cheap answer was good enough."""
    first = sent(stage(cascade, StageName.CHEAP), **how)
    return [first, settled(first, CHEAP_NANO)]


def escalated(cascade: str, why: str = "not_accepted", **how: Any) -> list[Record]:
    """Both models were asked, and both answered."""
    second = sent(stage(cascade, StageName.STRONG, why), **how)
    return [*accepted(cascade, **how), second, settled(second, STRONG_NANO)]


def failed_over(cascade: str) -> list[Record]:
    """The cheap model was overloaded, and the strong one answered."""
    first = sent(stage(cascade, StageName.CHEAP))
    second = sent(stage(cascade, StageName.STRONG, "failed"))
    return [first, Released(first.attempt_id, "http 529"), second, settled(second, STRONG_NANO)]


def refused(cascade: str) -> list[Record]:
    """A budget refused the strong call."""
    place = stage(cascade, StageName.STRONG, "max_tokens")
    return [*accepted(cascade), Decided(f"c-{cascade}", NOON + SECOND, ROUTE, OPUS, "block", "spent", stage=place)]


def lost(cascade: str) -> list[Record]:
    """The cheap call was answered by an error that ended it."""
    first = sent(stage(cascade, StageName.CHEAP))
    return [first, Released(first.attempt_id, "http 400")]


def under_way(cascade: str) -> list[Record]:
    """The strong call is in flight."""
    return [*accepted(cascade), sent(stage(cascade, StageName.STRONG, "refusal"))]
