"""What do "50 USD", "2M tokens", "80%", "2s" and "10 USD in 10m" mean, and how is money written?"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal, NamedTuple

NANO = 10**9
"""Nano-dollars in a dollar."""

MOST_IN_A_LOOP = 1_000
"""How often a request is counted at most."""

Unit = Literal["usd", "tokens", "calls"]

_MOST = 2**63 - 1
"""What a ledger's integer column holds."""

# Eighteen digits hold every amount there is, and keep an absurd one from being computed with.
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
_MONEY = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18}))? USD")
_COUNT = re.compile(rf"({_NUMBER})([kMB]?) (tokens|calls)")
_DURATION = re.compile(rf"({_NUMBER})(ms|s|m|h|d)")
_LOOP = re.compile(r"loop ([0-9]{1,6}) in (\S+)")
_SHARE = re.compile(rf"({_NUMBER})%")

_SCALE = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9}
_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class AmountError(ValueError):
    """A text that is no amount of the kind asked for: what is wrong with it, and what to write instead."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}"


class Limit(NamedTuple):
    """So much of one unit: nano-dollars for `usd`, else whole tokens or calls."""

    unit: Unit
    amount: int


class Loop(NamedTuple):
    """The same request more than so often within so many seconds."""

    times: int
    seconds: float


class Velocity(NamedTuple):
    """So much money within so many seconds."""

    amount_nano: int
    seconds: float

    @property
    def span(self) -> str:
        """Its seconds as text: by this name the agent tells what was spent within them."""
        return repr(self.seconds).removesuffix(".0")


def parse_usd(text: str) -> int:
    """`50 USD` or `0.50 USD` as nano-dollars."""
    found = _MONEY.fullmatch(text.strip())
    if not found:
        raise AmountError(f'"{text}" is no amount of money', 'write a number, a space and USD, as in "50 USD"')
    whole, decimals = found[1], found[2] or ""
    if len(decimals) > 9:
        raise AmountError(f'"{text}" has more than nine decimals', 'the smallest amount is "0.000000001 USD"')
    return _storable(text, int(whole) * NANO + int(decimals.ljust(9, "0")), f"{usd(_MOST)} USD")


def parse_limit(text: str) -> Limit:
    """`50 USD`, `2M tokens` or `1000 calls`; k, M and B are thousands, millions and billions."""
    found = _COUNT.fullmatch(text.strip())
    if found:
        count = Fraction(found[1]) * _SCALE[found[2]]
        if count.denominator != 1:
            raise AmountError(f'"{text}" is no whole number of {found[3]}', f'write a whole number: "1000 {found[3]}"')
        return Limit("tokens" if found[3] == "tokens" else "calls", _storable(text, int(count), f"{_MOST} {found[3]}"))
    if "USD" in text:
        return Limit("usd", parse_usd(text))
    raise AmountError(f'"{text}" is no limit', 'write an amount with its unit: "50 USD", "2M tokens" or "1000 calls"')


def parse_duration(text: str) -> float:
    """`500ms`, `2s`, `10m`, `2h` or `1d` as seconds."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise AmountError(f'"{text}" is no span of time', 'write a number and ms, s, m, h or d, as in "2s" or "10m"')
    return float(Fraction(found[1]) * _MILLISECONDS[found[2]] / 1000)


def written_duration(seconds: float) -> str:
    """As `parse_duration` reads it, in the largest unit that leaves a whole number: `2h`."""
    milliseconds = round(seconds * 1000)
    units = sorted(_MILLISECONDS.items(), key=lambda unit: -unit[1])
    return next(f"{milliseconds // size}{name}" for name, size in units if milliseconds % size == 0)


def parse_velocity(text: str) -> Velocity:
    """`10 USD in 10m` as nano-dollars and seconds."""
    money, _, span = text.partition(" in ")
    velocity = Velocity(parse_usd(money), parse_duration(span))
    if velocity.seconds == 0:
        raise AmountError(f'"{text}" names a span of no length', 'write a span above zero, as in "10 USD in 10m"')
    return velocity


def parse_loop(text: str) -> Loop:
    """`loop 20 in 10m` as how often, and within how many seconds."""
    found = _LOOP.fullmatch(text.strip())
    if not found:
        raise AmountError(f'"{text}" is no loop', 'write how often in how long, as in "loop 20 in 10m"')
    loop = Loop(int(found[1]), parse_duration(found[2]))
    if not (1 <= loop.times <= MOST_IN_A_LOOP and loop.seconds > 0):
        raise AmountError(f'"{text}" can never be told', f"write 1 to {MOST_IN_A_LOOP} times, in a span above zero")
    return loop


def parse_share(text: str) -> Fraction:
    """`80%` or `99.5%` as an exact share: 4/5, 199/200."""
    found = _SHARE.fullmatch(text.strip())
    if not found:
        raise AmountError(f'"{text}" is no share', 'write a number and a percent sign, as in "80%"')
    return Fraction(found[1]) / 100


def usd(nano: int) -> str:
    """Nano-dollars as dollars, exact, with at least two decimals: 1234567 is `0.001234567`, 5 * 10**8 is `0.50`."""
    whole, part = divmod(abs(nano), NANO)
    decimals = f"{part:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}{whole}.{decimals}"


def written(amount: int, unit: Unit) -> str:
    """An amount with its unit, as people read it: `0.50 USD`, `2,000,000 tokens`."""
    return f"{usd(amount)} USD" if unit == "usd" else f"{amount:,} {unit}"


def _storable(text: str, amount: int, most: str) -> int:
    if amount > _MOST:
        raise AmountError(f'"{text}" is more than the ledger can hold', f'the most is "{most}"')
    return amount
