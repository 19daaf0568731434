"""What is charged for an attempt that the agent made?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bursar.agent.ledger.life import Attempt
from bursar.policies.book import PriceBook
from bursar.policies.charge import Basis, Charge
from bursar.policies.prices import price
from bursar.policies.usage import Usage, read_report


def charge_of(
    attempt: Attempt, message: Mapping[str, Any], *, batch: bool, book: PriceBook, request_id: str | None
) -> Charge:
    """The charge of an attempt that was answered by this message, in a batch or at once."""
    usage = message.get("usage")
    model = str(message.get("model") or attempt.model)
    stop_reason = _text(message.get("stop_reason"))
    known = replace(
        unknown(attempt, "no usage was seen"),
        model=model,
        request_id=request_id,
        response_id=_text(message.get("id")),
        stop_reason=stop_reason,
    )
    if not isinstance(usage, Mapping):
        return known
    report = read_report(
        usage,
        stop_reason=stop_reason,
        has_content=bool(message.get("content")),
        has_container=message.get("container") is not None,
    )
    at = datetime.fromtimestamp(attempt.at_ns // 10**9, UTC)
    quote = price(report, model=model, at=at, book=book, batch=batch)
    return replace(
        known,
        cost_nano_usd=quote.cost_nano_usd,
        usage=report.usage,
        basis=_basis(quote.cost_nano_usd, estimated=quote.estimated),
        price_id=quote.price_id,
        lines=quote.lines,
        missing=quote.missing,
        modifiers=quote.modifiers,
    )


def unknown(attempt: Attempt, why: str) -> Charge:
    """The charge of an attempt of which nobody knows what it cost: it keeps its bound."""
    return Charge(
        attempt_id=attempt.attempt_id,
        cost_nano_usd=None,
        usage=Usage(),
        basis=Basis.UNKNOWN,
        model=attempt.model,
        requested_model=attempt.requested_model,
        route=attempt.route,
        call_id=attempt.call_id,
        labels=attempt.labels,
        at_ns=attempt.at_ns,
        missing=(why,),
        action=attempt.action,
        reason=attempt.reason,
    )


def _basis(cost: int | None, *, estimated: bool) -> Basis:
    if cost is None:
        return Basis.UNKNOWN
    return Basis.ESTIMATE if estimated else Basis.USAGE


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
