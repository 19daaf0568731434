"""Amounts: exact, and refused with a remedy where they are not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from fractions import Fraction

import pytest

from bursar.policies.amounts import (
    AmountError,
    Limit,
    Velocity,
    parse_duration,
    parse_limit,
    parse_share,
    parse_usd,
    parse_velocity,
    usd,
)


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("50 USD", 50_000_000_000),
        ("0 USD", 0),
        ("0.50 USD", 500_000_000),
        (" 2 USD ", 2_000_000_000),
        ("0.000000001 USD", 1),
        ("1.123456789 USD", 1_123_456_789),
        # A float would come out at 0.29999999999999998 and 9007199254.740992.
        ("0.3 USD", 300_000_000),
        ("9007199254.740993 USD", 9_007_199_254_740_993_000),
        ("9223372036.854775807 USD", 2**63 - 1),
    ],
)
def test_money_is_exact(text: str, nano: int) -> None:
    """Decimal text to whole nano-dollars, never by way of a float."""
    assert parse_usd(text) == nano


@pytest.mark.parametrize(
    ("parse", "text", "problem", "remedy"),
    [
        (parse_usd, "50 EUR", '"50 EUR" is no amount of money', '"50 USD"'),
        (parse_usd, "-1 USD", "no amount of money", '"50 USD"'),
        (parse_usd, "50", "no amount of money", '"50 USD"'),
        (parse_usd, "50USD", "no amount of money", "a space"),
        (parse_usd, "$50", "no amount of money", '"50 USD"'),
        (parse_usd, "1,000 USD", "no amount of money", '"50 USD"'),
        (parse_usd, "1e3 USD", "no amount of money", '"50 USD"'),
        (parse_usd, "1. USD", "no amount of money", '"50 USD"'),
        (parse_usd, "", "no amount of money", '"50 USD"'),
        (parse_usd, "0.0000000001 USD", "more than nine decimals", '"0.000000001 USD"'),
        (parse_usd, "1.0000000000 USD", "more than nine decimals", '"0.000000001 USD"'),
        (parse_usd, "9223372036.854775808 USD", "more than the ledger can hold", '"9223372036.854775807 USD"'),
        (parse_limit, "50", "is no limit", '"2M tokens"'),
        (parse_limit, "50 EUR", "is no limit", '"50 USD"'),
        (parse_limit, "-50 USD", "no amount of money", '"50 USD"'),
        (parse_limit, "0.5 calls", "no whole number of calls", '"1000 calls"'),
        (parse_limit, "1.0001k tokens", "no whole number of tokens", '"1000 tokens"'),
        (parse_limit, "9999999999B tokens", "more than the ledger can hold", '"9223372036854775807 tokens"'),
        (parse_duration, "2", "no span of time", '"2s"'),
        (parse_duration, "2 s", "no span of time", '"2s"'),
        (parse_duration, "-2s", "no span of time", '"2s"'),
        (parse_duration, "2w", "no span of time", "ms, s, m, h or d"),
        (parse_velocity, "10 USD in", "no amount of money", '"50 USD"'),
        (parse_velocity, "10 USD in 10 minutes", "no span of time", '"10m"'),
        (parse_velocity, "ten USD in 10m", "no amount of money", '"50 USD"'),
        (parse_velocity, "10 USD in 0m", "span of no length", '"10 USD in 10m"'),
        (parse_share, "80", "no share", '"80%"'),
        (parse_share, "-1%", "no share", '"80%"'),
        (parse_share, "80 %", "no share", '"80%"'),
    ],
)
def test_what_is_no_amount_says_so(parse: Callable[[str], object], text: str, problem: str, remedy: str) -> None:
    """With what is wrong, and an example of what is right."""
    with pytest.raises(AmountError) as caught:
        parse(text)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert str(caught.value) == f"{caught.value.problem}: {caught.value.remedy}"


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("50 USD", Limit("usd", 50_000_000_000)),
        ("2M tokens", Limit("tokens", 2_000_000)),
        ("1.5k tokens", Limit("tokens", 1_500)),
        ("3B tokens", Limit("tokens", 3_000_000_000)),
        ("1000 calls", Limit("calls", 1000)),
        ("0 calls", Limit("calls", 0)),
    ],
)
def test_a_limit_has_a_unit(text: str, limit: Limit) -> None:
    """Money, tokens or calls."""
    assert parse_limit(text) == limit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2), ("1.5s", 1.5), ("10m", 600), ("2h", 7_200), ("1d", 86_400), ("0s", 0)],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """Of any unit from milliseconds to days."""
    assert parse_duration(text) == seconds


def test_a_velocity_is_money_in_a_span() -> None:
    """Nano-dollars and seconds, as a pair."""
    assert parse_velocity("10 USD in 10m") == Velocity(10_000_000_000, 600.0) == (10_000_000_000, 600.0)


@pytest.mark.parametrize(
    ("text", "share"),
    [("80%", Fraction(4, 5)), ("0%", Fraction(0)), ("100%", Fraction(1)), ("33.3%", Fraction(333, 1000))],
)
def test_a_share_is_exact(text: str, share: Fraction) -> None:
    """A fraction, not a float."""
    assert parse_share(text) == share


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (1_234_567, "0.001234567"),
        (10_000_000, "0.01"),
        (100_000_000, "0.10"),
        (125_000_000, "0.125"),
        (500_000_000, "0.50"),
        (50_000_000_000, "50.00"),
        (1_234_567_000_000_000, "1234567.00"),
        (-20_000_000, "-0.02"),
        (-1_500_000_000, "-1.50"),
    ],
)
def test_money_is_written_exactly(nano: int, text: str) -> None:
    """At least two decimals, and beyond them only those that say something."""
    assert usd(nano) == text


@pytest.mark.parametrize("nano", [0, 1, 99, 10**9 - 1, 10**9, 2**63 - 1])
def test_what_is_written_reads_back(nano: int) -> None:
    """So that a limit shown can be pasted into a policy."""
    assert parse_usd(f"{usd(nano)} USD") == nano


def test_the_error_can_be_copied_and_pickled() -> None:
    """As every exception should."""
    error = AmountError("that is wrong", "do this")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.problem, twin.remedy) == ("that is wrong", "do this")
