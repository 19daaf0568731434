"""Claims about deeds: calls that were moved, refused or would have been, each in its own balance and window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, used

from bursar.agent.alerting.background import Deeds
from bursar.agent.ledger import deeds
from bursar.agent.ledger.deeds import KeptBack, deeds_of
from bursar.policies.policyfile import parse_policy
from bursar.policies.prices import shipped_book
from bursar.policies.records import Decided, Record
from bursar.policies.usage import Usage

NOON = 1_795_262_400
DAY = "day|2026-11-21T00:00:00Z|"
WINDOW = ((NOON - 43_200) * SECOND, (NOON + 43_200) * SECOND)
POLICY = parse_policy(
    'version = 1\nmode = "enforce"\n[[budget]]\nname = "day"\nlimit = "9 USD"\nevery = "day"\n', file="bursar.toml"
)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def refused(call: str, needed: int, *, balance: str = DAY, at: int = NOON, action: str = "block") -> list[Record]:
    return [Decided(call, at * SECOND, "desk", OPUS, action, "spent", decision={"balance": balance, "needed": needed})]


def observed(action: str, budget: str = "day") -> dict[str, Any]:
    return {"observed": {"action": action, "reason": "spent", "budget": budget, "step": "100%"}}


def test_nothing_done(db: Database) -> None:
    """Calls that went as they were are no deed, whatever their decision holds."""
    put(db, used("a", Usage(input=1000), at=NOON, decision={"observed": None}), policy=POLICY)
    assert deeds_of(db, DAY, *WINDOW, shipped_book()) == Deeds()


def test_refusals(db: Database) -> None:
    """Those of this balance in this window, and what they might have cost."""
    put(
        db,
        refused("a", 5),
        refused("b", 7),
        refused("c", 100, balance="day|2026-11-21T00:00:00Z|tenant=x"),
        refused("d", 100, at=NOON - 86_400),
        refused("e", 100, action="downgrade"),
    )
    found = deeds_of(db, DAY, *WINDOW, shipped_book())
    assert (found.blocked, found.held_back) == (2, 12)


def test_downgrades(db: Database) -> None:
    """1,000 tokens at 4 instead of 2 USD per million save 0.002 USD; without prices nobody knows."""
    put(
        db,
        used("a", Usage(input=1000), at=NOON, model=SONNET, requested=OPUS, action="downgrade"),
        used("b", Usage(input=1000), at=NOON),
        policy=POLICY,
    )
    found = deeds_of(db, DAY, *WINDOW, shipped_book())
    assert (found.downgraded, found.saved) == (1, 2_000_000)
    assert deeds_of(db, DAY, *WINDOW, None).saved == 0


def test_what_would_have_been_done(db: Database) -> None:
    """Two calls of 0.004 USD would have been refused by this budget; another's word is not counted."""
    put(
        db,
        used("a", Usage(input=1000), at=NOON, decision=observed("block")),
        used("b", Usage(input=1000), at=NOON, decision=observed("block")),
        used("c", Usage(input=1000), at=NOON, decision=observed("block", "other")),
        used("d", Usage(input=1000), at=NOON, decision=observed("downgrade")),
        used("e", Usage(input=1000), at=NOON - 86_400, decision=observed("block")),
        policy=POLICY,
    )
    found = deeds_of(db, DAY, *WINDOW, shipped_book())
    assert (found.would_block, found.would_block_nano, found.would_downgrade) == (2, 8_000_000, 1)


def kept(call: str, action: str = "block", at: int = NOON, **figures: int) -> list[Record]:
    return [Decided(call, at * SECOND, "desk", OPUS, action, "spent", decision=figures)]


def test_what_was_kept_back(db: Database) -> None:
    """By what the refused calls were expected to cost; one of which nobody knows that is counted beside."""
    put(db, kept("a", expected=5), kept("b", expected=7), kept("c"), kept("d", "downgrade", expected=100))
    put(db, kept("e", at=NOON - 86_400, expected=100))
    assert deeds.kept_back(db, *WINDOW) == KeptBack(3, 12, 1, True)


def test_only_so_much_is_read_of_what_was_kept_back(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest; and it says that these are not all."""
    monkeypatch.setattr(deeds, "MOST_READ", 2)
    put(db, *(kept(str(at), at=NOON + at, expected=at) for at in range(1, 5)))
    assert deeds.kept_back(db, *WINDOW) == KeptBack(2, 7, 0, False)
