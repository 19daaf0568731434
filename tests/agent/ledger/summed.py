"""Charges for tests of the sums, told as a guard tells them."""

from __future__ import annotations

from dataclasses import replace

from sqlite_utils import Database
from tests.agent.ledger.booked import SECOND, used

from bursar.agent.ledger.booking import book
from bursar.policies.records import Record, Settled
from bursar.policies.usage import Usage

MIDNIGHT = 1_790_208_000
"""2026-09-24T00:00Z, in seconds since the epoch."""
ALL = (0, 2**62)


def charge(
    name: str, nano: int, *, at: int = MIDNIGHT, duration_ms: float | None = None, labels: dict[str, str] | None = None
) -> Settled:
    (_, settled) = used(name, Usage(input=10, output=1), at=at)
    assert isinstance(settled, Settled)
    duration = None if duration_ms is None else int(duration_ms * 10**6)
    return Settled(replace(settled.charge, cost_nano_usd=nano, duration_ns=duration, labels=labels or {}))


def told(db: Database, *records: Record) -> None:
    book(db, records, holder="h", policy=None, now_ns=MIDNIGHT * SECOND)
