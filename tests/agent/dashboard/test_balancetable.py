"""Claims about tables of balances: what is full, what is in force, and what somebody put aside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from tests.agent.dashboard.shown import HOSTILE, NOON, POLICY, SECOND

from bursar.agent.dashboard import asking
from bursar.agent.dashboard.balancetable import balance_table, concerning, override_words
from bursar.agent.dashboard.page import Now
from bursar.agent.dashboard.table import Row, to_csv
from bursar.agent.ledger.balancebook import Standing
from bursar.policies.overrides import Override, OverrideKind
from bursar.policies.pricefile import shipped_book

USD = 10**9
AT_NOON = Now(NOON, UTC, shipped_book(), POLICY)
ASKED = asking.read("/budgets", [("span", "7d")], now_ns=NOON)
ACME = Standing(
    *("day|w|tenant=acme", "day", "tenant=acme", "usd", 10 * USD, 10 * USD, 9 * USD),
    flying=USD // 2, lent=USD, calls=3, window="w", window_end=NOON + 60 * SECOND, in_force=("80%",),
)  # fmt: skip
PAUSE = Override("o", OverrideKind.PAUSE, "day", NOON - 1, NOON + 3_600 * SECOND, reason="a launch", by="ada")


def rows(*standings: Standing, overrides: tuple[Override, ...] = ()) -> tuple[Row, ...]:
    return balance_table(standings, ASKED, AT_NOON, overrides, empty="", of_one=False).rows


def test_a_balance_says_how_full_it_is_and_what_is_in_force() -> None:
    """A link to its budget keeps the time that is looked at."""
    (row,) = rows(ACME)
    assert (row.cells["used"], row.cells["steps"], row.badges) == (0.9, "80%", {"used": "warn"})
    assert row.links["budget"] == "/budgets/day?span=7d"


@pytest.mark.parametrize(("spent", "steps"), [(10 * USD, "80%, refuses calls"), (10 * USD - 1, "80%")])
def test_a_full_balance_of_a_hard_budget_refuses(spent: int, steps: str) -> None:
    """From its ceiling on."""
    (row,) = rows(replace(ACME, spent=spent))
    assert row.cells["steps"] == steps


def test_a_spreadsheet_is_told_the_unit_of_each_row() -> None:
    """Dollars with their decimals, tokens as they are counted."""
    tokens = replace(ACME, budget="tokens", unit="tokens", limit=2_000_000, spent=500, scope="", window_end=None)
    told = to_csv(balance_table([ACME, tokens], ASKED, AT_NOON, (), empty="", of_one=False))
    assert told.splitlines()[1:] == [
        "day,tenant=acme,0.9,9.00,0.50,10.00,1.00,3,2026-11-21T12:01:00Z,80%,,usd",
        "tokens,all,0.00025,500,500000000,2000000,1000000000,3,,80%,,tokens",
    ]


def test_an_override_says_until_when_by_whom_and_why() -> None:
    """Of the budget, of all budgets, or of this one scope value."""
    other: dict[str, Any] = {"kind": OverrideKind.RAISE, "amount": 5 * USD}
    for_acme, for_bob = (replace(PAUSE, scope=f"tenant={name}", **other) for name in ("acme", "bob"))
    assert override_words(PAUSE, AT_NOON) == "paused until 2026-11-21 13:00:00 by ada: a launch"
    assert override_words(for_acme, AT_NOON).startswith("raised by 5.00 USD until")
    assert concerning([PAUSE, for_acme, for_bob, replace(PAUSE, budget="*")], ACME) == [
        PAUSE,
        for_acme,
        replace(PAUSE, budget="*"),
    ]


def test_a_budget_of_any_name_has_an_address() -> None:
    """Percent-encoded whole, so that nothing of it is read as more."""
    (row,) = rows(replace(ACME, budget=f"a/b?{HOSTILE}"))
    assert "<" not in row.links["budget"]
    assert row.links["budget"].startswith("/budgets/a%2Fb%3F%3Cscript")
