"""How are amounts, shares and times written in a message?"""

from __future__ import annotations

from datetime import datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal

from bursar.policies.amounts import NANO, Unit, usd

_CENT, _HUNDREDTH = Decimal("0.01"), Decimal("0.0001")


def amount(count: int, unit: Unit) -> str:
    """`40.10 USD`, exact; `1,200 tokens`."""
    return f"{usd(count)} USD" if unit == "usd" else f"{count:,} {unit}"


def amount_of(count: int, limit: int, unit: Unit) -> str:
    """`40.10 of 50.00 USD`, exact."""
    return f"{number(count, unit)} of {amount(limit, unit)}"


def number(count: int, unit: Unit) -> str:
    """The same without its unit."""
    return usd(count) if unit == "usd" else f"{count:,}"


def about(count: int, unit: Unit) -> str:
    """To the cent, or below a dollar to a hundredth of one: for what is an estimate, and for eyes."""
    return f"{rounded(count, unit)} {'USD' if unit == 'usd' else unit}"


def rounded(count: int, unit: Unit) -> str:
    """The same without its unit."""
    if unit != "usd":
        return f"{count:,}"
    exact = Decimal(count) / NANO
    step = _CENT if abs(count) >= NANO or count % (NANO // 100) == 0 else _HUNDREDTH
    return f"{exact.quantize(step, ROUND_HALF_EVEN):,}"


def signed(nano: int) -> str:
    """`+1.20 USD` or `-0.30 USD`, rounded."""
    return f"{'+' if nano >= 0 else '-'}{about(abs(nano), 'usd')}"


def clock(at: int, zone: tzinfo) -> str:
    """An instant, in seconds since the epoch, by the policy's clock: `2026-11-21 17:40 CET`."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M %Z")
