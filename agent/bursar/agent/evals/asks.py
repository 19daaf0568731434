"""What would a sample's request be, if it were sent to another model, and what may it cost there?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, cast

from bursar.policies.book import PriceBook, Rates
from bursar.policies.capabilities import Capabilities, capabilities, shipped_capabilities
from bursar.policies.changes import changed, without_betas
from bursar.policies.estimate import FLOOR_OUTPUT_TOKENS, bound, expected
from bursar.policies.models import canonical
from bursar.policies.plan import Misfit, Plan, Rung, plan
from bursar.policies.prices import rates
from bursar.policies.requestsize import measure
from bursar.policies.unbatched import unbatchable

__all__ = ["Ask", "Left", "Terms", "Unasked", "ask"]

TYPICAL_OUTPUT_TOKENS = FLOOR_OUTPUT_TOKENS // 4
"""Guessed for the expectation alone, where nothing is known of a route's answers."""
_ALWAYS_LEFT = "stream"


class Left(StrEnum):
    """Why a sample is not run, beside the misfits of `plan`."""

    UNBOUNDED = "unbounded"
    """Nothing in its request bounds what it may cost."""
    UNREADABLE = "unreadable"


Unasked = Misfit | Left


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, ready to be sent to one model."""

    attempt_id: str
    model: str
    body: bytes
    betas: str
    batch: bool
    """Whether a batch may carry it, and one is wanted."""
    worst_nano: int
    likely_nano: int
    caches: bool
    """Whether the prompt is long enough for the model to cache it at all."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By what requests are fitted and priced."""

    book: PriceBook
    day: date
    lossy: bool
    """Whether the route allows a request to lose something, as its downgrades then may."""
    batch: bool
    known: Mapping[str, Capabilities]

    @classmethod
    def shipped(cls, book: PriceBook, day: date, *, lossy: bool, batch: bool) -> Terms:
        """By what is shipped of the models."""
        return cls(book, day, lossy, batch, shipped_capabilities())


def ask(
    attempt_id: str, request: str, betas: str, to: str, terms: Terms, *, output: int | None = None
) -> Ask | Unasked:
    """
    The request as a downgrade to a model would change it, without streaming; or why there is none.

    `output`: the tokens of its recorded answer, where they are known.
    """
    body = _body(request)
    if body is None:
        return Left.UNREADABLE
    planned = _planned(body, betas, to, terms)
    if isinstance(planned, Misfit):
        return planned
    sent = {**changed(body, planned.changes), "model": to}
    sent.pop(_ALWAYS_LEFT, None)
    left = without_betas(betas, planned.dropped_betas)
    batch = terms.batch and unbatchable(sent, left) is None
    size = measure(sent)
    if size.unbounded:
        return Left.UNBOUNDED
    found = _rates(sent, to, size.input_bound, terms, batch=batch)
    if found is None:
        return Misfit.NO_PRICE
    likely = expected(
        size, found, output_tokens=output or TYPICAL_OUTPUT_TOKENS, warm=False, cached=planned.cache_works
    )
    text = json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Ask(attempt_id, to, text, left, batch, bound(size, found), likely, planned.cache_works)


def _planned(body: Mapping[str, Any], betas: str, to: str, terms: Terms) -> Plan | Misfit:
    """The same model needs no plan."""
    asked = str(body.get("model"))
    source, target = _rung(asked, terms), _rung(to, terms)
    if canonical(asked).id == canonical(to).id:
        return Plan()
    thinking = body.get("thinking")
    budget = cast("Mapping[str, Any]", thinking).get("budget_tokens") if isinstance(thinking, Mapping) else None
    floor = FLOOR_OUTPUT_TOKENS + (budget if isinstance(budget, int) else 0)
    return plan(body, betas, measure(body), source, target, lossy_allowed=terms.lossy, floor=floor)


def _rung(model: str, terms: Terms) -> Rung:
    facts = terms.book.find(model)
    can = capabilities(facts.id if facts is not None else model, model, terms.known)
    if facts is None:
        return Rung(model, None, can)
    retired = facts.retirement is not None and facts.retirement <= terms.day
    return Rung(model, facts, can, retired, facts.has_fast(terms.day))


def _rates(body: Mapping[str, Any], model: str, tokens: int, terms: Terms, *, batch: bool) -> Rates | None:
    geo = body.get("inference_geo")
    fast = body.get("speed") == "fast"
    return rates(
        model,
        terms.day,
        terms.book,
        prompt_tokens=tokens,
        batch=batch,
        fast=fast,
        geo=str(geo) if geo else None,
        region=canonical(model).region,
    )


def _body(request: str) -> Mapping[str, Any] | None:
    try:
        value: object = json.loads(request)
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else None
