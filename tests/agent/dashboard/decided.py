"""Calls of a policy for tests of pages: one moved to a smaller model, one refused, each with its figures of then."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database
from tests.agent.dashboard.shown import NOON, POLICY, POLICY_TEXT, SECOND
from tests.agent.ledger.booked import OPUS, put, used

from bursar.agent.ledger import overridebook
from bursar.policies.decision import Candidate, Facts
from bursar.policies.engine import decide
from bursar.policies.policy import Mode
from bursar.policies.protocol import BalanceView, Snapshot
from bursar.policies.records import Decided, Record, Sent, Settled
from bursar.policies.standing import Standing
from bursar.policies.usage import Usage

HAIKU = "claude-haiku-5-5"
USD = 10**9
TOKENS = "tokens|2026-11-21T00:00:00Z||tokens"
KEY = "day|2026-11-21T00:00:00Z|tenant=acme"
CALL = Facts("desk", (Candidate(OPUS, 30 * USD, 20 * USD, 9 * USD), Candidate(HAIKU, USD, USD, USD // 2)))


def figures(stands: int, /, **more: Any) -> dict[str, Any]:
    """What the ledger keeps of a decision on a balance of 10 USD, so many nano-dollars of it spent."""
    budget = POLICY.budgets[0]
    view = BalanceView(KEY, 10 * USD, 10 * USD, stands, 0, 0)
    window = budget.window(datetime.fromtimestamp(NOON // SECOND, UTC), UTC)
    told: dict[str, Any] = json.loads(decide(CALL, [Standing(budget, KEY, window, Mode.ENFORCE, view)]).figures().text)
    return {**told, "rules": "rules-1", **more}


def moved(name: str = "moved", route: str = "desk", labels: dict[str, str] | None = None) -> list[Record]:
    """1,000 tokens in and 100 out on the smaller model, at 0.10 and 0.50 USD per MTok: 150 micro-dollars."""
    first, last = used(
        name, Usage(input=1_000, output=100), model=HAIKU, requested=OPUS, at=NOON // SECOND - 60, route=route,
        action="downgrade", decision=figures(8 * USD),
    )  # fmt: skip
    assert isinstance(first, Sent)
    assert isinstance(last, Settled)
    named = replace(last.charge, request_id=f"req_{name}", response_id=f"msg_{name}", labels=labels or {})
    kept = replace(named, duration_ns=1_500_000_000, first_token_ns=200_000_000)
    return [replace(first, labels=labels or {}, balances=(KEY, TOKENS)), Settled(kept)]


def refused(name: str = "refused", route: str = "desk", labels: dict[str, str] | None = None) -> list[Record]:
    """It may need 20 USD at least, and 0.50 are left."""
    money = {"limit": 10 * USD, "spent": 9_500_000_000, "held": 0, "needed": 20 * USD, "unit": "usd"}
    decision = figures(9_500_000_000, **money, decision_id=f"{name}-asked", balance=KEY, model=OPUS, least=20 * USD)
    return [Decided(name, NOON - 30 * SECOND, route, OPUS, "block", "spent", labels or {}, decision)]


def booked(db: Database, *records: list[Record]) -> None:
    """Book them, and the rules that they were decided by."""
    overridebook.keep_rules(db, Snapshot("rules-1", POLICY_TEXT, file="bursar.toml"), NOON)
    put(db, *records, policy=POLICY)
