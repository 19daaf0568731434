"""Claims about explaining a call from the ledger alone, found under any of its names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.agent.ledger import fresh

from bursar.agent.cli import cli
from bursar.agent.ledger import Ledger, overridebook
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.decision import Candidate, Facts
from bursar.policies.engine import decide
from bursar.policies.policy import Mode
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import BalanceView, Snapshot
from bursar.policies.records import Decided, Record, Released, Sent, Settled
from bursar.policies.standing import Standing
from bursar.policies.usage import Usage

NOON = 1_795_262_400 * 10**9
USD = 10**9
POLICY = """\
version = 1
mode = "enforce"
ladder = ["opus", "haiku"]
[[budget]]
name = "day"
limit = "1 USD"
every = "day"
[budget.at]
"80%" = "downgrade"
"100%" = "block"
"""
KEY = "day|2026-11-21T00:00:00Z|"
CALL = Facts("draft", (Candidate("opus", 300, 200, 90), Candidate("haiku", 30, 20, 9)))


def figures(spent: int) -> dict[str, Any]:
    budget = parse_policy(POLICY, file="f").budgets[0]
    view = BalanceView(KEY, USD, USD, spent, 0, 0)
    standing = Standing(budget, KEY, budget.window(datetime.fromtimestamp(NOON // 10**9, UTC), UTC), Mode.ENFORCE, view)
    told: dict[str, Any] = json.loads(decide(CALL, [standing]).figures().text)
    return {**told, "rules": "rules-1"}


def sent(action: str, spent: int, **changes: Any) -> Sent:
    planned, reason = ("haiku", "step") if action == "downgrade" else ("opus", "within")
    decision = {**figures(spent), **changes}
    kept: dict[str, Any] = {"balances": (KEY,), "action": action, "reason": reason, "decision": decision}
    return replace(Sent("a1", "c1", NOON, "draft", planned, "opus"), **kept)


def sent2() -> Sent:
    return replace(sent("go", 100), attempt_id="a2", at_ns=NOON + 1)


def settled() -> Settled:
    line = Line("output", 100, 10_000, 1_000, "haiku", "haiku@launch")
    charge = Charge("a1", 1_000, Usage(output=100), Basis.USAGE, "haiku", "opus", "draft", "c1", at_ns=NOON)
    named = replace(charge, lines=(line,), request_id="req_1", response_id="msg_1")
    return Settled(replace(named, duration_ns=1_250_000_000, first_token_ns=300_000_000, stop_reason="end_turn"))


Booking = Callable[..., Path]


@pytest.fixture
def explained(tmp_path: Path) -> Booking:
    """Books records, and by default the rules, into a ledger; its path."""

    def book(*records: Record, rules: bool = True) -> Path:
        ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON)
        if rules:
            snapshot = Snapshot("rules-1", POLICY, file="bursar.toml")
            ledger.submit(lambda db: overridebook.keep_rules(db, snapshot, NOON)).result()
        ledger.book(records, holder="h", policy=None).result()
        ledger.close()
        return tmp_path / "db"

    return book


def explain(db: Path, name: str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["explain", name, "--db", str(db), *options])


@pytest.mark.parametrize("name", ["c1", "a1", "req_1", "msg_1"])
def test_a_call_is_found_under_each_of_its_names(explained: Booking, name: str) -> None:
    """Its own, the attempt's, the request's, the message's: what was decided, why, and what it cost."""
    found = explain(explained(sent("downgrade", 8 * USD // 10), settled()), name)
    assert (found.exit_code, found.output.splitlines()) == (
        0,
        [
            "2026-11-21T12:00:00Z  draft",
            "  asked for opus: downgrade to haiku, because of step",
            "  by budget day, step 80%",
            "  day (enforce): 0.80 USD spent and 0.00 USD expected of 1.00 USD, 80.00%: at 80%.",
            "  So: downgrade (step) on haiku.",
            "  The same figures lead to the same decision.",
            "  attempt a1: settled, 0.000001 USD by usage, haiku",
            "    took 1.250 s, 0.300 s to the first token",
            "    stopped: end_turn",
            "    100 output: 0.000001 USD (haiku@launch)",
        ],
    )


def test_a_refusal_is_found_by_the_errors_decision_id(explained: Booking) -> None:
    """A call that never left has no attempt; its sum is done again."""
    decision = {
        **figures(USD - 100),
        "decision_id": "a9",
        "balance": KEY,
        "model": "opus",
        "least": 200,
        "budget": "day",
    }
    refused = Decided("c9", NOON, "draft", "opus", "block", "spent", decision=decision)
    found = explain(explained(refused), "a9")
    assert found.exit_code == 0
    assert "  asked for opus: block, because of spent" in found.output
    assert "of 1.00 USD that may be spent in all, 0.9999999 USD are spent" in found.output
    assert "The call may need 0.0000002 USD at least." in found.output


def test_a_decision_that_its_figures_deny_is_told_and_fails(explained: Booking) -> None:
    """Exit code 1: the ledger, or Bursar, is wrong."""
    start = sent("downgrade", 8 * USD // 10)
    start.decision["balances"][0]["spent"] = USD // 2
    found = explain(explained(start), "a1")
    assert (found.exit_code, "Made again it comes out otherwise." in found.output) == (1, True)


def test_rules_of_then_are_needed(explained: Booking) -> None:
    """A ledger that never had them says so, and judges nothing."""
    found = explain(explained(sent("downgrade", 8 * USD // 10), rules=False), "a1")
    assert (found.exit_code, "The rules that it was made by are not in this ledger." in found.output) == (0, True)


def test_figures_of_an_earlier_version_are_not_enough(explained: Booking) -> None:
    """What lacks is named."""
    start = sent("downgrade", 8 * USD // 10)
    start = replace(start, decision={name: v for name, v in start.decision.items() if name != "candidates"})
    found = explain(explained(start), "a1")
    assert (found.exit_code, "is not enough ('candidates')" in found.output) == (0, True)


def test_json_has_the_figures(explained: Booking) -> None:
    """All that the ledger keeps, and the verdict on it."""
    told = json.loads(explain(explained(sent("go", 100), settled()), "a1", "--json").output)
    assert told["call_id"] == "c1"
    (decision,) = told["decisions"]
    assert (decision["action"], decision["reproduced"], decision["figures"]["rules"]) == ("go", True, "rules-1")
    assert told["attempts"] == [
        {
            "attempt_id": "a1",
            "state": "settled",
            "model": "haiku",
            "nano_usd": 1_000,
            "basis": "usage",
            "duration_ns": 1_250_000_000,
            "first_token_ns": 300_000_000,
            "stop_reason": "end_turn",
            "failure": None,
        }
    ]


def test_a_try_that_failed_says_how(explained: Booking) -> None:
    """It cost nothing, and stands beside the one that was answered."""
    later = replace(settled().charge, attempt_id="a2", first_token_ns=None)
    db = explained(sent("go", 100), Released("a1", "http 429"), sent2(), Settled(later))
    said = explain(db, "c1").output.splitlines()
    assert "  attempt a1: released, http 429" in said
    assert "    took 1.250 s" in said
    first, second = json.loads(explain(db, "c1", "--json").output)["attempts"]
    assert (first["state"], first["failure"], first["duration_ns"]) == ("released", "http 429", None)
    assert (second["state"], second["failure"], second["duration_ns"]) == ("settled", None, 1_250_000_000)


def test_an_unknown_name(explained: Booking) -> None:
    """Exit code 1, and what was looked for."""
    found = explain(explained(settled()), "nope")
    assert (found.exit_code, "no call, attempt, decision, request or message nope" in found.output) == (1, True)
