"""Charges for tests, booked as guards would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger.booking import book
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Policy
from bursar.policies.prices import price, shipped_book
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Part, Usage, UsageReport

SECOND = 10**9
OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"


def used(
    name: str,
    usage: Usage,
    *,
    model: str = OPUS,
    requested: str | None = None,
    at: int,
    route: str = "desk",
    batch: bool = False,
    action: str = "go",
    decision: Mapping[str, Any] | None = None,
) -> list[Record]:
    """An attempt sent at an instant (seconds since the epoch) and settled at the shipped prices of its day."""
    day = datetime.fromtimestamp(at, UTC).date()
    quote = price(UsageReport(usage, (Part(usage),)), model=model, at=day, book=shipped_book(), batch=batch)
    asked = requested or model
    charge = Charge(
        name,
        quote.cost_nano_usd,
        usage,
        Basis.USAGE,
        model,
        asked,
        route,
        name,
        price_id=quote.price_id,
        at_ns=at * SECOND,
        lines=quote.lines,
        modifiers=quote.modifiers,
        action=action,
    )
    start = Sent(name, name, at * SECOND, route, model, asked, action=action, reason="step", decision=decision or {})
    return [start, Settled(charge)]


def put(db: Database, *records: list[Record], policy: Policy | None = None) -> None:
    """Book them."""
    book(db, [record for listed in records for record in listed], holder="h", policy=policy, now_ns=0)


def unexplained(name: str, nano: int | None, *, at: int, route: str = "desk", model: str = OPUS) -> list[Record]:
    """A charge of which only the sum is known, or not even that."""
    basis = Basis.UNKNOWN if nano is None else Basis.ESTIMATE
    charge = Charge(name, nano, Usage(), basis, model, model, route, name, at_ns=at * SECOND)
    return [Settled(replace(charge))]
