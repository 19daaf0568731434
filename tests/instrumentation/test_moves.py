"""Moves: a conversation that was moved stays where it is until its end, and one is moved only where that is cheaper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.instrumentation.guarding import LIMIT, Stage, budget, errand

from bursar.instrumentation import moves
from bursar.instrumentation.errand import Admission
from bursar.policies.decision import Action, Reason, Skipped

AT = '"50%" = "downgrade"\n"80%" = "downgrade to cheapest"\n"100%" = "block"'


def staged(spent: int) -> Stage:
    """Without a view, the first call of a stage sees with its answer what is spent, in hundredths of the limit."""
    stage = Stage(budget(at=AT))
    spend(stage, spent)
    return stage


def spend(stage: Stage, spent: int) -> None:
    stage.script = [stage.grants(spent=LIMIT * spent // 100)]
    stage.see(spent=LIMIT * spent // 100)


def said(stage: Stage, conversation: str, attempt: str = "h-1", **changes: Any) -> Admission:
    """A turn of a conversation."""
    admission = stage.guard.admit(replace(errand(attempt, max_tokens=100, **changes), converse=lambda: conversation))
    stage.leases.release(attempt)
    return admission


def test_a_conversation_that_was_moved_stays() -> None:
    """Also once the step is left; another that begins then is on the model it asks for."""
    stage = staged(60)
    assert said(stage, "a").changes == {"model": "mid"}
    spend(stage, 10)
    stayed = said(stage, "a")
    assert stayed.changes == {"model": "mid"}
    assert stayed.decision is not None
    verdict = stayed.decision.verdict
    assert (verdict.action, verdict.reason, verdict.model) == (Action.DOWNGRADE, Reason.CONVERSATION, "mid")
    assert said(stage, "b").changes == {}


def test_it_goes_further_down_when_a_step_asks_for_it_and_never_up() -> None:
    """From mid to small at 80%, where it stays when only one rung is asked for."""
    stage = staged(60)
    said(stage, "a")
    spend(stage, 85)
    assert said(stage, "a").changes == {"model": "small"}
    spend(stage, 60)
    assert said(stage, "a").changes == {"model": "small"}


def test_a_retry_is_no_turn() -> None:
    """It keeps its call's plan, whatever became of the conversation since."""
    stage = staged(60)
    said(stage, "a")
    assert said(stage, "a", settled="big").changes == {}


def test_no_conversation_is_looked_for_while_none_was_moved() -> None:
    """That takes a walk over all it says."""
    stage = staged(10)

    def ask() -> str:
        raise AssertionError("nobody needs to know")

    stage.guard.admit(replace(errand(), converse=ask))


def test_the_one_that_was_silent_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is judged as a new one then."""
    monkeypatch.setattr(moves, "MEMORY", 2)
    stage = staged(60)
    for name in "abac":
        said(stage, name)
    spend(stage, 10)
    assert [said(stage, name).changes for name in "abc"] == [{"model": "mid"}, {}, {"model": "mid"}]


# What is to come

CACHED: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
WARM = [
    {"role": "user", "content": "x" * 10_000},
    {"role": "assistant", "content": "y" * 10_000},
    {"role": "user", "content": "z"},
]


def test_a_conversation_under_way_moves_where_what_is_to_come_pays_for_it() -> None:
    """
    Its 8,000 tokens are read for 1.6 million nano-dollars on big, and written for 20 million on mid.

    For one call that is dearer, also for all that anybody knows; over the fifty that this route's conversations have
    to come it is cheaper.
    """
    stage = staged(60)
    stayed = said(stage, "a", messages=WARM, **CACHED)
    assert stayed.changes == {}
    assert stayed.decision is not None
    assert stayed.decision.skipped == (("day 50% to mid", Skipped.DEARER),)
    for turns in range(1, 51):
        for _ in range(30):
            stage.guard.estimates.came("desk", turns)
    assert said(stage, "a", messages=WARM, **CACHED).changes == {"model": "mid"}
