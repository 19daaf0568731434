"""Acceptance: which answers the ready tests of a cascade take."""

from __future__ import annotations

import sys
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel
from tests.instrumentation.scene import message

from bursar.instrumentation.acceptance import Test, at_least, flag, matches


class Ticket(BaseModel):
    """What a triage is to come to."""

    kind: str
    confidence: float


class Other(BaseModel):
    """Something else."""

    name: str


SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["billing", "defect"]}, "confidence": {"type": "number"}},
    "required": ["kind", "confidence"],
}
GOOD = '{"kind": "billing", "confidence": 0.9, "escalate": false}'
FENCED = f"```json\n{GOOD}\n```"


def said(text: str, **changes: Any) -> anthropic.types.Message:
    """A message of the SDK's with this text; the API may say reasons that an older SDK does not know."""
    content = [{"type": "text", "text": text}] if text else []
    late = {name: changes.pop(name) for name in ("stop_reason",) if name in changes}
    return anthropic.types.Message.model_validate(message(**{"content": content, **changes})).model_copy(update=late)


def called(**given: Any) -> anthropic.types.Message:
    """A message that answers by calling a tool."""
    block = {"type": "tool_use", "id": "toolu_1", "name": "file", "input": given}
    return said("", content=[{"type": "text", "text": "I file it."}, block], stop_reason="tool_use")


ACCEPTANCE: list[tuple[Test, anthropic.types.Message, bool]] = [
    (matches(Ticket), said(GOOD), True),
    (matches(Ticket), said(FENCED), True),
    (matches(Ticket), said(f"  \n{GOOD}\n"), True),
    (matches(Ticket), called(kind="billing", confidence=1), True),
    (matches(Ticket), said('{"kind": "billing"}'), False),
    (matches(Ticket), said(f"Here it is: {GOOD}"), False),
    (matches(Ticket), said("I am not sure."), False),
    (matches(Ticket), said(""), False),
    (matches(list[int]), said("[1, 2]"), True),
    (matches(list[int]), said('["a"]'), False),
    (matches(SCHEMA), said(GOOD), True),
    (matches(SCHEMA), said('{"kind": "weather", "confidence": 1}'), False),
    (matches(SCHEMA), said("no JSON"), False),
    (matches(SCHEMA), called(kind="defect", confidence=0.5), True),
    (flag("escalate"), said(GOOD), True),
    (flag("escalate"), said('{"escalate": true}'), False),
    (flag("escalate"), said('{"kind": "billing"}'), False),
    (flag("escalate"), said('{"escalate": 1}'), True),
    (flag("escalate"), said("[true]"), False),
    (flag("verdict", value="unsure"), said('{"verdict": "unsure"}'), False),
    (flag("verdict", value="unsure"), said('{"verdict": "billing"}'), True),
    (at_least("confidence", 0.9), said(GOOD), True),
    (at_least("confidence", 0.91), said(GOOD), False),
    (at_least("confidence", 0), said('{"confidence": true}'), False),
    (at_least("confidence", 0), said('{"confidence": "0.9"}'), False),
    (at_least("confidence", 0), said("{}"), False),
    (at_least("confidence", 0.8), called(confidence=0.8), True),
]


@pytest.mark.parametrize(("test", "answer", "accepted"), ACCEPTANCE)
def test_an_answer_is_accepted_by_what_it_says(test: Test, answer: anthropic.types.Message, accepted: bool) -> None:
    """Its text read as JSON, fenced or not, or the input of the tool it calls; what lacks the key is not taken."""
    assert test(answer) is accepted
    assert test(answer.to_dict()) is accepted


@pytest.mark.parametrize("test", [matches(Ticket), matches(SCHEMA), flag("escalate"), at_least("confidence", 0)])
@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded", "pause_turn"])
def test_an_answer_that_is_not_whole_is_not_accepted(test: Test, reason: str) -> None:
    """Whatever it says so far."""
    assert test(said(GOOD))
    assert not test(said(GOOD, stop_reason=reason))


def test_what_parse_made_of_an_answer_is_tested() -> None:
    """By its type, by its fields, and by a schema."""
    answer = {**message(), "parsed_output": Ticket(kind="billing", confidence=0.7)}
    assert matches(Ticket)(answer)
    assert not matches(Other)(answer)
    assert matches(SCHEMA)(answer)
    assert at_least("confidence", 0.7)(answer)
    assert not at_least("confidence", 0.8)(answer)
    assert not flag("kind", value="billing")(answer)


@pytest.mark.parametrize("test", [matches(Ticket), flag("escalate"), at_least("confidence", 0)])
@pytest.mark.parametrize("answer", ["a text", None, object()])
def test_what_is_no_message_is_the_caller_s_mistake(test: Test, answer: object) -> None:
    """It would be escalated every time, and paid for."""
    with pytest.raises(TypeError, match=r"the ready tests read a message, and this is a .*messages.create"):
        test(answer)


def test_a_schema_that_is_none_is_refused_at_once() -> None:
    """Not with the first answer."""
    with pytest.raises(ValueError, match="no JSON Schema"):
        matches({"type": "tickets"})


def test_a_schema_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the extra, and the way without."""
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ImportError, match=r'pip install "bursar\[schema\]", or give a pydantic model'):
        matches(SCHEMA)
    assert matches(Ticket)(said(GOOD))
