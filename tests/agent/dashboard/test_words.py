"""Claims about figures on a page: rounded on whole numbers, exact where it is said to be."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from bursar.agent.dashboard import words

BEYOND_FLOATS = 2**53 * 10**3 + 1
"""Nano-dollars that a double cannot hold: $9,007,199,254.740992001 times a thousand and one."""


@pytest.mark.parametrize(
    ("nano", "written"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (67_700, "$0.0000677"),
        (12_345_678, "$0.01235"),
        (99_999_999, "$0.1"),
        (100_000_000, "$0.10"),
        (125_000_000, "$0.12"),
        (135_000_000, "$0.14"),
        (1_234_567_890_000, "$1,234.57"),
        (-5_000_000_000, "-$5.00"),
        (2**63 - 1, "$9,223,372,036.85"),
        (None, "–"),
    ],
)
def test_money_for_a_glance(nano: int | None, written: str) -> None:
    """Two decimals, or four digits that count; half goes to even."""
    assert words.money(nano) == written


def test_money_is_exact_where_a_double_is_not() -> None:
    """To the last nano-dollar, far beyond 2^53."""
    assert float(BEYOND_FLOATS) != BEYOND_FLOATS
    assert words.exact_money(BEYOND_FLOATS) == "9007199254.740992001 USD"
    assert words.exact_money(None) == "–"


@pytest.mark.parametrize(
    ("number", "written"),
    [(None, "–"), (0, "0"), (9_999, "9,999"), (12_345, "12.3k"), (1_200_000, "1.2M"), (2_500_000_000, "2.5B")],
)
def test_counts_for_a_glance(number: int | None, written: str) -> None:
    """Whole as long as they are short."""
    assert words.short(number) == written


def test_amounts_are_written_in_their_unit() -> None:
    """A limit in tokens is no money."""
    assert words.amount(500_000_000, "usd") == "$0.50"
    assert words.amount(2_000_000, "tokens") == "2,000,000 tokens"
    assert words.amount(None, "calls") == "–"


@pytest.mark.parametrize(
    ("ns", "written"),
    [
        (None, "–"),
        (999_999_999, "999 ms"),
        (3_400_000_000, "3.4 s"),
        (125 * 10**9, "2 min 5 s"),
        (120 * 10**9, "2 min"),
        (12_000 * 10**9, "3 h 20 min"),
        (187_200 * 10**9, "2 d 4 h"),
    ],
)
def test_durations(ns: int | None, written: str) -> None:
    """In the two units that matter."""
    assert words.seconds(ns) == written


def test_moments_have_a_date_where_it_is_not_todays() -> None:
    """23:30 in UTC on the 28th is half past midnight of the 29th in Berlin."""
    now_ns, berlin = 1_795_953_600 * 10**9, timezone(timedelta(hours=1))
    late_ns = now_ns - 45_000 * 10**9
    assert words.moment(late_ns, now_ns, berlin) == "00:30"
    assert words.moment(late_ns, now_ns, UTC) == "Sat 28 Nov 23:30"
    assert words.moment(None, now_ns, UTC) == "–"


def test_instants_stand_on_the_policys_clock() -> None:
    """And in UTC for machines."""
    ns = 1_795_953_600 * 10**9
    berlin = timezone(timedelta(hours=1))
    assert words.at(ns, berlin) == "2026-11-29 13:00:00"
    assert words.clock(ns, berlin) == "13:00:00"
    assert words.iso(ns) == "2026-11-29T12:00:00Z"
    assert words.at(None, berlin) == words.clock(None, berlin) == "–"


def test_amounts_are_exact_in_their_unit() -> None:
    """Every nano-dollar, every token."""
    assert words.exact_amount(1, "usd") == "0.000000001 USD"
    assert words.exact_amount(2_000_000, "tokens") == "2,000,000 tokens"
    assert words.exact_amount(None, "usd") == "–"


@pytest.mark.parametrize(
    ("pico", "per_million", "written"),
    [
        (2_000_000, True, "$2.00 / M"),
        (125_000, True, "$0.125 / M"),
        (1, True, "$0.000001 / M"),
        (10_000_000_000, False, "$0.01"),
        (1_500, False, "1,500 pico-dollars"),
    ],
)
def test_what_one_costs_is_exact(pico: int, per_million: bool, written: str) -> None:
    """A million tokens at so many pico-dollars each; a search by itself."""
    assert words.each(pico, per_million) == written


def test_how_far_an_instant_is() -> None:
    """Ahead, or gone by."""
    assert words.until(12_000 * 10**9, 0) == "in 3 h 20 min"
    assert words.until(0, 5 * 10**9) == "5.0 s ago"
    assert words.until(None, 0) == "–"
