"""Marks stand where they were advised, beside the application's own, or the request goes as it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bursar.policies.cachemarks import Mark, Marking
from bursar.policies.changes import Why
from bursar.policies.marking import DAY_NS, Marked, Unmarked, held_out, marked

FIVE: Any = {"type": "ephemeral"}
HOUR: Any = {"type": "ephemeral", "ttl": "1h"}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def marking(*marks: Mark, held_out: float = 0.1) -> Marking:
    return Marking("r1", "chat", "claude-sonnet-5-5", marks, held_out)


def body(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "model": "claude-sonnet-5-5",
        "tools": [{"name": "a"}, {"name": "b"}],
        "system": "Be kind.",
        "messages": [
            {"role": "user", "content": [text("one"), text("two")]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "…"}, text("three")]},
            {"role": "user", "content": "four"},
        ],
    }
    return {**made, **changes}


PLACES: list[tuple[str, str, Any]] = [
    ("tools", "tools", [{"name": "a"}, {"name": "b", "cache_control": FIVE}]),
    ("tools[0]", "tools", [{"name": "a", "cache_control": FIVE}, {"name": "b"}]),
    ("system", "system", [text("Be kind.", cache_control=FIVE)]),
    ("system[0]", "system", [text("Be kind.", cache_control=FIVE)]),
]


@pytest.mark.parametrize(("place", "parameter", "sent"), PLACES)
def test_a_mark_stands_where_it_was_advised(place: str, parameter: str, sent: Any) -> None:
    """A text becomes the block that it is short for."""
    found = marked(body(), marking(Mark(place)))
    assert isinstance(found, Marked)
    assert found.changes == {parameter: sent}


@pytest.mark.parametrize(
    ("place", "message", "part"), [("messages[0]", 0, 1), ("messages[0].content[0]", 0, 0), ("tail", 2, 0)]
)
def test_a_mark_in_messages_leaves_the_others_as_they_are(place: str, message: int, part: int) -> None:
    found = marked(body(), marking(Mark(place, "1h")))
    assert isinstance(found, Marked)
    expected = body()["messages"]
    if isinstance(expected[message]["content"], str):
        expected[message]["content"] = [text(expected[message]["content"])]
    expected[message]["content"][part]["cache_control"] = HOUR
    assert found.changes == {"messages": expected}


def test_the_applications_objects_are_never_touched() -> None:
    """Nor copied deeper than they change."""
    asked = body()
    before = copy.deepcopy(asked)
    found = marked(asked, marking(Mark("tools", "1h"), Mark("system", "1h"), Mark("messages[0]"), Mark("tail")))
    assert isinstance(found, Marked)
    assert asked == before
    assert found.changes["messages"][1] is asked["messages"][1]
    assert (found.note.parameter, found.note.after, found.note.why) == (
        "cache_control",
        "tools 1h, system 1h, messages[0], tail",
        Why.ADVICE,
    )


def test_the_tail_is_the_last_block_that_may_be_marked() -> None:
    """Not an empty text, nor what was thought; in the message before, where the last has none."""
    turns = [
        {"role": "user", "content": [text("one"), text("")]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "…"}]},
    ]
    found = marked(body(messages=turns), marking(Mark("tail")))
    assert isinstance(found, Marked)
    assert found.changes["messages"][0]["content"] == [text("one", cache_control=FIVE), text("")]


def test_a_place_that_a_request_lacks_is_passed_over() -> None:
    """The search counted such a request so, too; the note says what was advised."""
    found = marked(body(tools=[]), marking(Mark("tools"), Mark("system")))
    assert isinstance(found, Marked)
    assert list(found.changes) == ["system"]


def test_a_tool_that_is_loaded_later_is_passed_over() -> None:
    found = marked(body(tools=[{"name": "a"}, {"name": "b", "defer_loading": True}]), marking(Mark("tools")))
    assert isinstance(found, Marked)
    assert "cache_control" in found.changes["tools"][0]


OWN: list[tuple[dict[str, Any], tuple[Mark, ...], Unmarked]] = [
    ({"system": [text("Be kind.", cache_control=HOUR)]}, (Mark("system"),), Unmarked.MARKED),
    ({"cache_control": FIVE}, (Mark("tail"),), Unmarked.MARKED),
    ({"system": ""}, (Mark("system"),), Unmarked.NO_PLACE),
    ({"tools": [], "system": []}, (Mark("tools"), Mark("system")), Unmarked.NO_PLACE),
    ({}, (Mark("messages[9]"),), Unmarked.NO_PLACE),
    ({}, (Mark("messages[1].content[0]"),), Unmarked.NO_PLACE),
    ({"tools": [{"name": "a", "cache_control": FIVE}]}, (Mark("system", "1h"),), Unmarked.ORDER),
    ({"cache_control": HOUR}, (Mark("system"),), Unmarked.ORDER),
    (
        {"system": [text(f"{n}", cache_control=FIVE) for n in range(3)], "cache_control": FIVE},
        (Mark("messages[0]"),),
        Unmarked.FULL,
    ),
    (
        {"system": [text(f"{n}", cache_control=FIVE) for n in range(4)]},
        (Mark("messages[0]"),),
        Unmarked.FULL,
    ),
]


@pytest.mark.parametrize(("changes", "marks", "why"), OWN)
def test_a_request_that_cannot_be_marked_goes_as_it_is(
    changes: dict[str, Any], marks: tuple[Mark, ...], why: Unmarked
) -> None:
    """With the reason."""
    assert marked(body(**changes), marking(*marks)) is why


def test_a_mark_of_the_applications_stays_beside_ours() -> None:
    """With a mark inside a tool result, which counts for the whole of it."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("done", cache_control=FIVE)]}
    turns = [{"role": "user", "content": [result]}]
    found = marked(body(messages=turns), marking(Mark("system", "1h"), Mark("messages[0]")))
    assert isinstance(found, Marked)
    assert found.changes == {"system": [text("Be kind.", cache_control=HOUR)]}


def test_about_the_share_that_is_to_be_held_out_is() -> None:
    """Of 2,000 conversations 10%, give or take four standard deviations of 13; and all or none where it says so."""
    asked = [body(messages=[{"role": "user", "content": f"question {n}"}]) for n in range(2_000)]
    drawn = [held_out(marking(), one, 0) for one in asked]
    assert 146 <= sum(drawn) <= 254
    assert not any(held_out(marking(held_out=0.0), one, 0) for one in asked)
    assert all(held_out(marking(held_out=1.0), one, 0) for one in asked)


def test_the_turns_of_a_conversation_go_one_way_for_a_day() -> None:
    """And another day, or another marking, draws anew."""
    asked = [body(messages=[{"role": "user", "content": [text(f"question {n}")]}]) for n in range(50)]
    later = [{**one, "messages": [*one["messages"], {"role": "assistant", "content": "Hm."}]} for one in asked]
    half = marking(held_out=0.5)
    first = [held_out(half, one, 0) for one in asked]
    assert [held_out(half, one, DAY_NS - 1) for one in later] == first
    assert [held_out(half, one, DAY_NS) for one in later] != first
    other = Marking("r2", half.route, half.model, (), 0.5)
    assert [held_out(other, one, 0) for one in asked] != first
