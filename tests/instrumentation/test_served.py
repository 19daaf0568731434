"""Served: what answered, for as long as somebody is likely to ask."""

from __future__ import annotations

from bursar.instrumentation.served import MEMORY, Served, Servings
from bursar.policies.changes import Change, Why
from bursar.policies.charge import Basis, Charge
from bursar.policies.usage import Usage


def charge(response_id: str | None, model: str = "claude-haiku-5-5") -> Charge:
    return Charge(
        "a",
        1,
        Usage(),
        Basis.USAGE,
        model,
        "claude-opus-5-5",
        "r",
        response_id=response_id,
        action="downgrade",
        reason="step",
    )


def test_a_response_is_known_by_its_id() -> None:
    """What was asked, what answered, and why."""
    servings = Servings()
    servings.keep(charge("msg_1"))
    assert servings.find("msg_1") == Served("claude-opus-5-5", "claude-haiku-5-5", "downgrade", "step", charge("msg_1"))
    assert servings.find("msg_2") is None


def test_the_last_word_on_a_response_stands() -> None:
    """A later charge replaces an earlier one."""
    servings = Servings()
    servings.keep(charge("msg_1", "first"))
    servings.keep(charge("msg_1", "second"))
    found = servings.find("msg_1")
    assert found is not None
    assert found.model == "second"


def test_an_attempt_without_a_response_is_not_kept() -> None:
    """Nobody could ask for it."""
    servings = Servings()
    servings.keep(charge(None))
    assert servings.find("") is None


def test_the_oldest_responses_are_forgotten() -> None:
    """The last 1,024 are known."""
    assert MEMORY == 1_024
    servings = Servings()
    for number in range(MEMORY + 1):
        servings.keep(charge(f"msg_{number}"))
    assert servings.find("msg_0") is None
    assert servings.find("msg_1") is not None
    assert servings.find(f"msg_{MEMORY}") is not None


def test_what_was_changed_of_a_request_is_told() -> None:
    """From what to what, why, and whether anything is lost by it."""
    servings = Servings()
    note = Change("speed", "fast", None, Why.UNSUPPORTED, lossy=True)
    servings.keep(charge("msg_1"), (note,))
    found = servings.find("msg_1")
    assert found is not None
    assert found.changes == (note,)
