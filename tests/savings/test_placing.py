"""Claims about requests with other marks."""

from __future__ import annotations

from typing import Any

import pytest
from tests.savings.placing import Json, marked, unmarked

from bursar.policies.cachemarks import Mark

FIVE = {"type": "ephemeral", "ttl": "5m"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def text(said: str, **more: Any) -> Json:
    return {"type": "text", "text": said, **more}


def body(**more: Any) -> Json:
    """Marked in every place, as a request may not be."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("r", cache_control=FIVE)]}
    messages = [
        {"role": "user", "content": [text("a"), text("b"), text("")]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": [result]},
    ]
    tools = [{"name": "x"}, {"name": "y", "cache_control": FIVE}]
    return {"tools": tools, "system": "s", "messages": messages, "cache_control": FIVE, **more}


def places(made: Json) -> list[str]:
    """Where marks stand, in the order of the cache."""
    found = [f"tools[{index}]" for index, tool in enumerate(made["tools"]) if "cache_control" in tool]
    found += [f"system[{index}]" for index, block in enumerate(made["system"]) if "cache_control" in block]
    for at, message in enumerate(made["messages"]):
        found += [f"{at}.{part}" for part, block in enumerate(message["content"]) if "cache_control" in block]
    return found + ["tail"] * ("cache_control" in made)


def test_no_mark_is_left() -> None:
    made = unmarked(body())
    assert places(made) == []
    assert "cache_control" not in made["messages"][2]["content"][0]["content"][0]


def test_the_request_given_stays_as_it_is() -> None:
    given = body()
    marked(given, [Mark("system")])
    assert given == body()


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("tools", ["tools[1]"]),
        ("tools[0]", ["tools[0]"]),
        ("system", ["system[0]"]),
        ("messages[0]", ["0.1"]),  # an empty text cannot be marked
        ("messages[0].content[0]", ["0.0"]),
        ("messages[1]", ["1.0"]),
        ("messages[2]", ["2.0"]),
        ("tail", ["tail"]),
        ("tools[2]", []),
        ("messages[3]", []),
        ("messages[0].content[2]", []),
    ],
)
def test_a_place(place: str, where: list[str]) -> None:
    """The only mark stands there; what a request does not have is passed over."""
    assert places(marked(body(), [Mark(place, "1h")])) == where


def test_times_to_live() -> None:
    made = marked(body(), [Mark("tools", "1h"), Mark("tail")])
    assert (made["tools"][1]["cache_control"], made["cache_control"]) == (HOUR, FIVE)


def test_two_marks_on_one_block_are_one() -> None:
    """Where the last block has a mark of its own, that one stays: the API refuses another life there."""
    made = marked(body(), [Mark("messages[2]", "1h"), Mark("tail")])
    assert (places(made), made["messages"][2]["content"][0]["cache_control"]) == (["2.0"], HOUR)
