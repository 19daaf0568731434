"""Claims about a policy that is not in force yet: whom it would refuse, and what it would begin to count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger.booking import book
from bursar.agent.ledger.prospect import Prospect, prospects
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.records import Settled
from bursar.policies.usage import Usage

HOUR = 3600 * 10**9
NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
USD = 10**9


def policy(limit: str = "50 USD", *, mode: str = "enforce", every: str = "day", more: str = "") -> Policy:
    return parse_policy(
        f"""\
version = 1
mode = "{mode}"
[[budget]]
name = "day"
per = ["tenant"]
limit = "{limit}"
every = "{every}"
{more}
[budget.at]
"80%" = "alert log"
"100%" = "block"
""",
        file="f",
    )


@pytest.fixture
def db() -> Iterator[Database]:
    """Acme has spent 30 USD and Bob 9 today, by calls of 100 tokens, and Acme 70 yesterday; all of it counted."""
    with fresh.ledger() as memory:
        book_all(memory, policy())
        yield memory


def book_all(db: Database, by: Policy | None) -> None:
    charges = [
        charged("a", 20 * USD, "acme"),
        charged("b", 10 * USD, "acme"),
        charged("c", 9 * USD, "bob"),
        charged("d", 70 * USD, "acme", at_ns=NOON - 24 * HOUR),
    ]
    for charge in charges:
        book(db, [Settled(charge)], holder=None, policy=by, now_ns=NOON)


def charged(name: str, nano: int, tenant: str, **changes: Any) -> Charge:
    whole = Charge(name, nano, Usage(input=60, output=40), Basis.USAGE, "opus", "opus", "draft", at_ns=NOON)
    return replace(whole, labels={"tenant": tenant}, **changes)


def of(found: list[Prospect]) -> list[tuple[str, int, bool, tuple[str, ...], bool]]:
    return [(one.scope, one.spent, one.counted, one.due, one.refuses) for one in found]


@pytest.mark.parametrize(
    ("limit", "acme"),
    [
        ("50 USD", (30 * USD, True, (), False)),
        ("37.5 USD", (30 * USD, True, ("80%",), False)),
        ("30.000000001 USD", (30 * USD, True, ("80%",), False)),
        ("30 USD", (30 * USD, True, ("80%", "100%"), True)),
    ],
)
def test_a_balance_that_is_counted_stands_so_at_once(
    db: Database, limit: str, acme: tuple[int, bool, tuple[str, ...], bool]
) -> None:
    """To the nano-dollar; who would be refused comes first."""
    found = of(prospects(db, policy(limit), NOON))
    assert ("tenant=acme", *acme) in found
    assert found[0][0] == "tenant=acme"


def test_an_observing_policy_refuses_nobody(db: Database) -> None:
    """Whatever is spent."""
    assert not any(one.refuses for one in prospects(db, policy("1 USD", mode="observe"), NOON))


def test_a_new_window_begins_at_nothing_and_says_what_it_would_have_counted(db: Database) -> None:
    """A month instead of a day: Acme's 100 USD are in it, and refuse nobody, since they were never counted."""
    found = of(prospects(db, policy("50 USD", every="month"), NOON))
    assert found == [
        ("tenant=acme", 100 * USD, False, ("80%", "100%"), False),
        ("tenant=bob", 9 * USD, False, (), False),
    ]


def test_another_unit_is_another_balance(db: Database) -> None:
    """Two calls of a hundred tokens each, today."""
    assert of(prospects(db, policy("1000 tokens"), NOON))[0][:3] == ("tenant=acme", 200, False)
    assert of(prospects(db, policy("2 calls"), NOON))[0][:3] == ("tenant=acme", 2, False)


def test_a_rolling_window_looks_back_from_now(db: Database) -> None:
    """30 hours take in yesterday's noon; 23 do not."""
    long, short = (of(prospects(db, policy(every=f"rolling {hours}h"), NOON))[0] for hours in (30, 23))
    assert (long[1], short[1]) == (100 * USD, 30 * USD)


def test_only_calls_that_match_count(db: Database) -> None:
    """A budget for another route would have counted nothing."""
    assert prospects(db, policy(every="month", more='match = { route = "other" }'), NOON) == []
