"""Calls that are put off, for tests of the ledger: a database, a policy and an offer that fits both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import deferralbook, deferring
from bursar.agent.ledger.deferralbook import Deferral, Text
from bursar.agent.ledger.deferring import Acceptance, Terms
from bursar.policies.deferral import Offer
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
USD = 10**9
DAY = "day|2026-11-21T00:00:00Z|"
POLICY: Policy = parse_policy(
    """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
[budget.at]
"100%" = "block"
""",
    file="f",
)
TERMS = Terms(POLICY, NOON)
REQUEST = Text(sealed=False, text=b"{}")


def opened() -> Database:
    """An empty ledger in memory, with the agent as a holder."""
    db = fresh.ledger()
    deferring.open_own(db, NOON)
    return db


def made(name: str = "a", **other: Any) -> Deferral:
    """A call that may cost a dollar in a batch and two at once, and waits for two hours."""
    offer = Offer(
        id=f"d-{name}",
        call_id=f"call-{name}",
        attempt_id=f"try-{name}",
        at_ns=NOON,
        due_ns=NOON + 7_200 * SECOND,
        route="digest",
        model="m",
        requested_model="m",
        body="{}",
        credential="c",
        labels={"tenant": "acme"},
        balances=(DAY,),
        hard=(DAY,),
        most=USD,
        expected=USD // 2,
        sync_most=2 * USD,
        sync_expected=USD,
        reason="step",
        decision={"budget": "day"},
    )
    own = {
        "prefix": "p",
        "span": 6,
        "now_ns": NOON,
        "flush_ns": NOON + 300 * SECOND,
        "fall_back_ns": NOON + 7_140 * SECOND,
    }
    theirs = {name: other.pop(name) for name in tuple(other) if name in Offer.__dataclass_fields__}
    return replace(deferralbook.made(replace(offer, **theirs), **own), **other)  # type: ignore[arg-type]


def taken(db: Database, name: str = "a", **other: Any) -> Acceptance:
    """The same, taken."""
    return deferring.take(db, made(name, **other), REQUEST, TERMS)


def found(db: Database, name: str = "a") -> Deferral:
    """A call as it stands now."""
    one = deferralbook.find(db, f"d-{name}")
    assert one is not None
    return one


def out(db: Database) -> int:
    """What is lent to the agent."""
    row = db.conn.execute(
        "SELECT coalesce(sum(granted - returned - charged), 0) FROM leases WHERE holder = 'deferrals'"
    ).fetchone()
    return int(row[0])
