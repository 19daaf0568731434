"""Belonging: which conversation and which run a call is part of."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from bursar.instrumentation import belonging as module
from bursar.instrumentation.belonging import Conversations, run_of

CLIENT = SimpleNamespace()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


class Scene:
    """Conversations named c1, c2 and so on as they begin."""

    def __init__(self) -> None:
        numbers = count(1)
        self.conversations = Conversations(b"key", lambda: f"c{next(numbers)}")

    def find(self, *turns: Any, client: Any = CLIENT, **body: Any) -> str:
        return self.conversations.find(client, {"messages": list(turns), **body})


TOOL_USE: dict[str, Any] = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "t1", "name": "n", "input": {}}],
}
RESULT: dict[str, Any] = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "4"}]}


def test_a_request_that_repeats_one_and_its_answer_goes_on_with_it() -> None:
    """As a chat does, and as the SDK's tool runner, whose messages only grow."""
    scene = Scene()
    assert scene.find(user("2+2")) == "c1"
    assert scene.find(user("2+2"), TOOL_USE, RESULT) == "c1"
    assert scene.find(user("2+2"), TOOL_USE, RESULT, said("4"), user("and 3+3?")) == "c1"


def test_the_same_opening_again_begins_anew() -> None:
    """And later turns are the newer one's."""
    scene = Scene()
    assert [scene.find(user("hi")), scene.find(user("hi"))] == ["c1", "c2"]
    assert scene.find(user("hi"), said("hello"), user("well")) == "c2"


def test_two_conversations_in_parallel_stay_apart() -> None:
    """However their turns are mixed."""
    scene = Scene()
    one, other = [user("a")], [user("b")]
    found = [scene.find(*one), scene.find(*other)]
    for turn in range(3):
        one += [said("yes"), user(f"{turn}")]
        other += [said("yes"), user(f"{turn}")]
        found += [scene.find(*other), scene.find(*one)]
    assert found == ["c1", "c2", *["c2", "c1"] * 3]


def test_requests_that_share_their_examples_are_no_conversation() -> None:
    """Each asks about something else after the same turns."""
    scene = Scene()
    examples = [user("2"), said("even"), user("3"), said("odd")]
    assert [scene.find(*examples, user(text)) for text in ("4", "5", "4")] == ["c1", "c2", "c3"]


def test_a_turn_sent_again_is_the_same_conversation() -> None:
    """Another answer is asked for; a first turn begins one instead."""
    scene = Scene()
    scene.find(user("a"))
    assert [scene.find(user("a"), said("b"), user("c")) for _ in range(2)] == ["c1", "c1"]


def test_an_answer_begun_for_the_model_is_no_turn() -> None:
    """The next request holds it whole."""
    scene = Scene()
    assert scene.find(user("a"), said("{")) == "c1"
    assert scene.find(user("a"), said("{}"), user("b"), said("{")) == "c1"


def test_cache_marks_and_the_form_of_a_text_do_not_matter() -> None:
    """The last message carries the mark, and the next time it does not."""
    scene = Scene()
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    assert scene.find({"role": "user", "content": [marked]}) == "c1"
    assert scene.find(user("a"), said("b"), user("c")) == "c1"


def test_the_system_prompt_tells_twins_apart_and_may_change() -> None:
    """Two agents read one text; a clock in the prompt breaks nothing."""
    scene = Scene()
    assert scene.find(user("a"), system="critic") == "c1"
    assert scene.find(user("a"), system="poet") == "c2"
    assert scene.find(user("a"), said("b"), user("c"), system="critic") == "c1"
    assert scene.find(user("a"), said("b"), user("c"), said("d"), user("e"), system="critic, 12:01") == "c1"


@pytest.mark.parametrize("messages", [None, "text", [], [1], [{"role": "user"}], [{"content": [None]}]])
def test_a_body_of_wrong_shapes_is_a_conversation_too(messages: Any) -> None:
    """The API will refuse it in its own words."""
    scene = Scene()
    assert scene.conversations.find(CLIENT, {"messages": messages}) == "c1"
    assert scene.conversations.find(CLIENT, {}) == "c2"


def test_what_the_application_names_goes_before() -> None:
    """Baggage, then the SDK's own option; an empty word is none."""
    scene = Scene()
    client = SimpleNamespace(open_telemetry={"conversation_id": "sdk"})
    assert scene.find(user("a"), client=client) == "sdk"
    with_baggage("gen_ai.conversation.id", "mine", lambda: check(scene.find(user("a"), client=client), "mine"))
    for option in ({}, {"conversation_id": ""}, {"conversation_id": 7}, None):
        assert scene.find(user("a"), client=SimpleNamespace(open_telemetry=option)).startswith("c")


def check(found: str, expected: str) -> None:
    assert found == expected


def with_baggage(name: str, value: str, do: Any) -> None:
    token = context.attach(baggage.set_baggage(name, value))
    try:
        do()
    finally:
        context.detach(token)


def going_on(previous: Any) -> dict[str, Any]:
    return {"thread": {"type": "continue", "previous_message_id": previous}}


def test_a_thread_that_the_api_holds_is_gone_on_with_by_its_last_response() -> None:
    """Only the new messages are sent, so nothing else says whose they are."""
    scene = Scene()
    for question, name in (("a", "c1"), ("b", "c2")):
        assert scene.find(user(question), thread={"type": "create"}) == name
        scene.conversations.answered(f"msg_{name}", name)
    assert scene.find(user("go on"), **going_on("msg_c1")) == "c1"
    scene.conversations.answered("msg_3", "c1")
    assert scene.find(user("go on"), **going_on("msg_3")) == "c1"
    assert scene.find(user("go on"), **going_on("msg_c2")) == "c2"


def test_a_thread_of_another_process_is_one_conversation_here() -> None:
    """Whoever began it; a turn that is sent again stays in it."""
    scene = Scene()
    assert [scene.find(user("x"), **going_on("msg_far")) for _ in range(2)] == ["c1", "c1"]
    assert scene.find(user("x"), **going_on(7)) == "c2"
    assert scene.find(user("y"), thread="odd") == "c3"


def test_conversations_are_forgotten_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was silent the longest; nothing of any text is kept."""
    monkeypatch.setattr(module, "MEMORY", 20)
    scene = Scene()
    scene.find(user("first"))
    for number in range(30):
        scene.find(user(str(number)))
    known = scene.conversations._known  # pyright: ignore[reportPrivateUsage]
    assert len(known) <= 20
    assert all(len(stretch) == 16 for stretch, _ in known)
    assert scene.find(user("first"), said("x"), user("y")) == "c32"


TRACE = NonRecordingSpan(SpanContext(0xABC, 0x1, is_remote=False, trace_flags=TraceFlags(1)))


@pytest.mark.parametrize(
    ("outer", "given", "expected"),
    [
        (trace.INVALID_SPAN, None, "process"),
        (TRACE, None, "00000000000000000000000000000abc"),
        (TRACE, "job-7", "job-7"),
        (trace.INVALID_SPAN, "job-7", "job-7"),
    ],
)
def test_a_run_is_what_it_was_started_as_else_its_trace_else_the_process(
    outer: Any, given: str | None, expected: str
) -> None:
    """`BURSAR_RUN` goes before the trace, and baggage before both."""
    assert run_of(outer, given, "process") == expected
    with_baggage("bursar.run", "nightly", lambda: check(run_of(outer, given, "process"), "nightly"))
