"""Claims about explaining a decision from the ledger alone: made again, or why it cannot be, and in one sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.commands.test_explain import KEY, NOON, POLICY, USD, figures
from tests.agent.dashboard.shown import ledger

from bursar.agent.explanation import explain, plainly
from bursar.agent.ledger import overridebook
from bursar.agent.ledger.cases import Decided
from bursar.policies.protocol import Snapshot


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        overridebook.keep_rules(memory, Snapshot("rules-1", POLICY, file="bursar.toml"), NOON)
        yield memory


def decided(action: str, reason: str, planned: str, stands: int, /, **more: object) -> Decided:
    return Decided("a1", NOON, "draft", "opus", planned, {}, action, reason, {**figures(stands), **more})


def test_a_decision_is_made_again(db: Database) -> None:
    """By the rules of then: at 80% it comes out the same, with figures that were tampered with it does not."""
    moved = decided("downgrade", "step", "haiku", 8 * USD // 10)
    assert explain(db, moved).sentence == (
        'Moved from opus to haiku by budget "day": it stood at 80.00%, at or past its step at "80%".'
    )
    tampered = decided("downgrade", "step", "haiku", 8 * USD // 10)
    tampered.figures["balances"][0]["spent"] = USD // 2
    for one, agrees in ((moved, True), (tampered, False)):
        hindsight = explain(db, one).hindsight
        assert hindsight is not None
        assert hindsight.agrees is agrees


def test_what_cannot_be_made_again_says_why(db: Database) -> None:
    """No budget was asked, the rules are gone, or too little was kept."""
    unasked = Decided("a1", NOON, "draft", "opus", "opus", {}, "go", "no_budget", {})
    gone = decided("go", "within", "opus", 0, rules="rules-0")
    bare = decided("downgrade", "step", "haiku", 8 * USD // 10, candidates=list[object]([dict[str, object]()]))
    said = [explain(db, one).why_not for one in (unasked, gone, bare)]
    assert [text.split(":")[0].split("(")[0] for text in said] == [
        "No budget was asked",
        "The rules that it was made by are not in this ledger.",
        "What the ledger keeps of it is not enough ",
    ]


def test_a_refusal_in_one_sentence() -> None:
    """What was spent, of what, and what the call would have needed."""
    money = {"limit": USD, "spent": USD - 100, "held": 0, "needed": 200, "unit": "usd", "balance": KEY, "budget": "day"}
    assert plainly(decided("block", "spent", "opus", USD - 100, **money)) == (
        'Refused by budget "day": 0.9999999 USD of 1.00 USD were spent; this call may need 0.0000002 USD, '
        "more than is left."
    )
