"""Claims about wording: exact where it is money spent, rounded where it is an estimate, and in the reader's time."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from bursar.agent.alerting.wording import about, amount, amount_of, clock, signed
from bursar.policies.amounts import Unit


@pytest.mark.parametrize(
    ("count", "unit", "exact", "rounded"),
    [
        (40_100_000_000, "usd", "40.10 USD", "40.10 USD"),
        (40_123_456_789, "usd", "40.123456789 USD", "40.12 USD"),
        (1_234_567_890_123, "usd", "1234.567890123 USD", "1,234.57 USD"),
        (500_000_000, "usd", "0.50 USD", "0.50 USD"),
        (1_234_567, "usd", "0.001234567 USD", "0.0012 USD"),
        (0, "usd", "0.00 USD", "0.00 USD"),
        (1_234_567, "tokens", "1,234,567 tokens", "1,234,567 tokens"),
        (12, "calls", "12 calls", "12 calls"),
    ],
)
def test_amounts(count: int, unit: Unit, exact: str, rounded: str) -> None:
    """In their unit; below a dollar a hundredth of a cent still shows."""
    assert (amount(count, unit), about(count, unit)) == (exact, rounded)


def test_an_amount_of_another() -> None:
    """The unit stands once."""
    assert amount_of(40_100_000_000, 50_000_000_000, "usd") == "40.10 of 50.00 USD"
    assert amount_of(1200, 2000, "tokens") == "1,200 of 2,000 tokens"


def test_changes_have_a_sign() -> None:
    """Also where there is none."""
    assert [signed(nano) for nano in (1_200_000_000, -300_000_000, 0)] == ["+1.20 USD", "-0.30 USD", "+0.00 USD"]


def test_the_clock_is_the_policy_s() -> None:
    """With its zone."""
    at = 1_795_262_400
    assert clock(at, UTC) == "2026-11-21 12:00 UTC"
    assert clock(at, ZoneInfo("Europe/Berlin")) == "2026-11-21 13:00 CET"
