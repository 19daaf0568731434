"""How are money, counts, shares and times written on a page?"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from bursar.policies.amounts import NANO, Unit, usd, written

NOTHING = "–"
"""Where a figure is not known, or there is none."""

_SECOND = 10**9
_PLACES = 4
"""Digits that a rounded amount keeps, at least."""


def money(nano: int | None) -> str:
    """
    Nano-dollars as dollars for a glance: two decimals from ten cents on, below that four digits that count.

    Rounded half to even on whole numbers, never through a float. The exact amount belongs beside it (`exact_money`).
    """
    if nano is None:
        return NOTHING
    sign, size = ("-" if nano < 0 else ""), abs(nano)
    if size >= NANO // 10 or size == 0:
        return f"{sign}${_rounded(size, 2)}"
    digits = len(str(size))
    return f"{sign}${_rounded(size, min(9, 9 - digits + _PLACES)).rstrip('0')}"


def exact_money(nano: int | None) -> str:
    """Every nano-dollar of it."""
    return NOTHING if nano is None else f"{usd(nano)} USD"


def amount(value: int | None, unit: Unit) -> str:
    """A figure in a budget's unit: dollars, or a plain number."""
    if value is None:
        return NOTHING
    return money(value) if unit == "usd" else f"{count(value)} {unit}"


def exact_amount(value: int | None, unit: Unit) -> str:
    """All of it."""
    return NOTHING if value is None else written(value, unit)


def count(number: int | None) -> str:
    """Whole things, with thin groups of three."""
    return NOTHING if number is None else f"{number:,}"


def short(number: int | None) -> str:
    """A large count for a glance: 1.2M."""
    if number is None:
        return NOTHING
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if abs(number) >= size * 10 or (size > 10**3 and abs(number) >= size):
            return f"{number / size:.3g}{letter}"
    return f"{number:,}"


def share(part: float | None) -> str:
    """A part of one as percent: whole ones, but for what is below ten."""
    if part is None:
        return NOTHING
    percent = part * 100
    return f"{percent:.1f}%" if 0 < percent < 10 else f"{percent:.0f}%"


def seconds(ns: int | None) -> str:
    """A duration: 120 ms, 3.4 s, 2 min 5 s, 3 h 20 min, 2 d 4 h."""
    if ns is None:
        return NOTHING
    if ns < _SECOND:
        return f"{ns // 1_000_000} ms"
    if ns < 60 * _SECOND:
        return f"{ns / _SECOND:.1f} s"
    whole = ns // _SECOND
    for size, name, smaller, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}{f' {rest} {small}' if rest else ''}"
    return f"{whole} s"


def until(ns: int | None, now_ns: int) -> str:
    """How far an instant is from now: in 3 h 20 min, 5 s ago."""
    if ns is None:
        return NOTHING
    return f"in {seconds(ns - now_ns)}" if ns > now_ns else f"{seconds(now_ns - ns)} ago"


def each(pico: int, per_million: bool = True) -> str:
    """What one of something costs, exactly: pico-dollars a token as dollars a million of them."""
    if per_million:
        return f"${usd(pico * 1000)} / M"  # pico-dollars for one are micro-dollars for a million
    return f"${usd(pico // 1000)}" if pico % 1000 == 0 else f"{pico:,} pico-dollars"


def at(ns: int | None, tz: tzinfo) -> str:
    """An instant on the policy's clock: 2026-11-20 15:04:05."""
    return NOTHING if ns is None else datetime.fromtimestamp(ns // _SECOND, tz).strftime("%Y-%m-%d %H:%M:%S")


def clock(ns: int | None, tz: tzinfo) -> str:
    """The time of day of an instant."""
    return NOTHING if ns is None else datetime.fromtimestamp(ns // _SECOND, tz).strftime("%H:%M:%S")


def moment(ns: int | None, now_ns: int, tz: tzinfo) -> str:
    """An instant of about now: today's as the time of day, others with their date: 15:04, Sat 28 Nov 15:04."""
    if ns is None:
        return NOTHING
    there, here = (datetime.fromtimestamp(each // _SECOND, tz) for each in (ns, now_ns))
    return f"{there:%H:%M}" if there.date() == here.date() else f"{there:%a} {there.day} {there:%b} {there:%H:%M}"


def iso(ns: int) -> str:
    """An instant for machines, in UTC."""
    return datetime.fromtimestamp(ns // _SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rounded(nano: int, decimals: int) -> str:
    unit = 10 ** (9 - decimals)
    whole, rest = divmod(nano, unit)
    if rest * 2 > unit or (rest * 2 == unit and whole % 2):
        whole += 1
    dollars, part = divmod(whole, 10**decimals)
    return f"{dollars:,}.{part:0{decimals}d}" if decimals else f"{dollars:,}"
