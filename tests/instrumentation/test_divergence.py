"""Which changes break a prompt's cache, and which are what prompts do."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.instrumentation import lastprompts
from bursar.instrumentation.fingerprint import Hashing
from bursar.instrumentation.lastprompts import LastPrompts
from bursar.instrumentation.promptblocks import prompt_in
from bursar.policies.fingerprint import Break, Cause

LONG = "You answer for a small library. Name the shelf, never the price, and keep to one sentence. " * 3
TOOLS = [
    {
        "name": name,
        "description": f"{name} in the catalogue, by title or author or year.",
        "input_schema": {"type": "object"},
    }
    for name in ("find", "lend", "take_back")
]
ASKS = {"role": "user", "content": "Where do I find the books on wombats, and who wrote the best of them?"}
SAYS = {"role": "assistant", "content": "On shelf 12, by Barbara Triggs, with many pictures of wombats in burrows."}
THANKS = {"role": "user", "content": "Thank you."}
BASE: dict[str, Any] = {"model": "m", "tools": TOOLS, "system": LONG, "messages": [ASKS]}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


class Process:
    """What has seen some prompts."""

    def __init__(self) -> None:
        self.hashing = Hashing("5a" * 16)
        self.prompts = LastPrompts()

    def sees(self, *, route: str = "desk", model: str = "m", **changes: Any) -> Break | None:
        prompt = prompt_in({**BASE, **changes})
        return self.prompts.compare(route, model, prompt, self.hashing.blocks(prompt))


def after(old: dict[str, Any], new: dict[str, Any]) -> Break | None:
    """What is said of a prompt after another."""
    process = Process()
    assert process.sees(**old) is None
    return process.sees(**new)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


TEMPLATE = "Read the following with care. Name what it is about, who wrote it, and what shelf it belongs on. "
SHOTS = [user("First example, of some length."), SAYS, user("Second example, of some length."), SAYS]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {}),
        ({}, {"messages": [ASKS, SAYS, THANKS]}),
        ({"messages": [ASKS, SAYS, THANKS]}, {}),
        ({}, {"messages": [user("Something else.")]}),
        ({}, {"messages": [user("On 2026-11-29 Jane Doe asked for req_1a2b3c4d5e.")]}),
        ({"messages": [user("It is 10:05. Hello?")]}, {"messages": [user("It is 11:17. Hello?")]}),
        ({"messages": [ASKS, SAYS, THANKS]}, {"messages": [ASKS, SAYS, user("And on quokkas?")]}),
        ({"messages": [THANKS]}, {"messages": [user([{"type": "text", "text": "Hi"}])]}),
        ({"messages": [user(f"{TEMPLATE}One")]}, {"messages": [user(f"{TEMPLATE}Two")]}),
        ({"messages": [user(f"Red. {TEMPLATE}")]}, {"messages": [user(f"Blue. {TEMPLATE}")]}),
        ({}, {"tool_choice": {"type": "any"}, "messages": [user("Something else.")]}),
        ({}, {"messages": [user([IMAGE, {"type": "text", "text": "What is this?"}])]}),
        ({}, {"tools": [{"name": "other"}], "system": "Another.", "messages": [THANKS]}),
        ({"messages": [*SHOTS, ASKS]}, {"messages": [*SHOTS, THANKS]}),
    ],
)
def test_what_prompts_do_is_no_break(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Going on, ending otherwise, being sent again, being of another kind."""
    assert after(old, new) is None


@pytest.mark.parametrize(
    ("old", "new", "cause", "depth"),
    [
        ({"system": f"Now 10:05\n{LONG}"}, {"system": f"Now 11:17\n{LONG}"}, Cause.TIMESTAMP, 4),
        ({"system": f"{LONG}\nNow 10:05"}, {"system": f"{LONG}\nNow 11:17"}, Cause.TIMESTAMP, 4),
        ({"system": LONG}, {"system": "Another one.", "messages": [ASKS, SAYS, THANKS]}, Cause.TEXT, 4),
        ({}, {"tools": TOOLS[::-1]}, Cause.TOOL_ORDER, 0),
        ({}, {"tools": TOOLS[:2]}, Cause.TOOLS, 2),
        ({}, {"tools": [*TOOLS, {"name": "more"}]}, Cause.TOOLS, 3),
        ({}, {"tools": [TOOLS[0], {**TOOLS[1], "description": "Other."}, TOOLS[2]]}, Cause.TOOLS, 1),
        ({}, {"tools": [TOOLS[0], dict(reversed(TOOLS[1].items())), TOOLS[2]]}, Cause.KEY_ORDER, 1),
        ({}, {"tool_choice": {"type": "any"}}, Cause.TOOL_CHOICE, 5),
        ({}, {"thinking": {"type": "adaptive"}, "messages": [ASKS, SAYS, THANKS]}, Cause.THINKING, 5),
        ({}, {"output_config": {"effort": "low"}}, Cause.EFFORT, 5),
        ({}, {"speed": "fast"}, Cause.SPEED, 3),
        ({}, {"messages": [ASKS, SAYS, user([IMAGE])]}, Cause.IMAGES, 5),
        (
            {"messages": [user(f"It is 10:05. {TEMPLATE * 2}")]},
            {"messages": [user(f"It is 11:17. {TEMPLATE * 2}")]},
            Cause.TIMESTAMP,
            6,
        ),
        ({"messages": [user(f"Red. {TEMPLATE * 12}")]}, {"messages": [user(f"Blue. {TEMPLATE * 12}")]}, Cause.TEXT, 6),
        (
            {"messages": [ASKS, {**SAYS, "content": [THOUGHT, {"type": "text", "text": SAYS["content"]}]}, THANKS]},
            {"messages": [ASKS, SAYS, THANKS, SAYS, THANKS]},
            Cause.THINKING,
            7,
        ),
        ({"messages": [ASKS, SAYS, THANKS, SAYS, ASKS]}, {"messages": [THANKS, SAYS, ASKS]}, Cause.TEXT, 6),
    ],
)
def test_what_changes_ahead_of_what_stays_is_a_break(
    old: dict[str, Any], new: dict[str, Any], cause: Cause, depth: int
) -> None:
    """Tools 0 to 2, settings 3, system 4, settings 5, messages from 6 on."""
    found = after(old, new)
    assert found is not None
    assert (found.cause, found.depth) == (cause, depth)


def test_the_figures_of_a_break() -> None:
    """Bytes of the canonical text up to the stretch, its length, and a token for four bytes of what stays behind."""
    found = after({"system": f"é 9.{LONG}"}, {"system": f"é 10.{LONG}"})
    head = len(b'{"type":"text","text":"' + "é ".encode())
    assert found == Break(4, head, Cause.NUMBER, 2, -(-len("." + LONG) // 4))


def test_what_stays_behind_is_counted_to_the_section_s_end() -> None:
    """The rest of the system prompt, not the messages: these cannot be moved ahead of it."""
    parts = [{"type": "text", "text": text} for text in ("It is 10:05.", LONG)]
    found = after({"system": parts}, {"system": [{"type": "text", "text": "It is 11:17."}, parts[1]]})
    assert found is not None
    assert found.shared_after == -(-len(LONG) // 4) + 1  # and ":05." of the first block is ".": one more


def test_a_prompt_is_compared_with_the_one_that_is_most_like_it() -> None:
    """Conversations that take turns on a route are told apart."""
    process = Process()
    other = user("How do I renew my card, and what does it cost to do so by post?")
    for turns in ([ASKS], [other], [ASKS, SAYS, THANKS], [other, SAYS, THANKS]):
        assert process.sees(messages=turns) is None
    found = process.sees(messages=[ASKS, {**SAYS, "content": f"Now {SAYS['content']}"}, THANKS, SAYS, ASKS])
    assert found is not None
    assert (found.depth, found.cause) == (7, Cause.TEXT)


def test_another_model_is_a_break_where_a_conversation_goes_on_there() -> None:
    """Or a route is moved; the same prompt sent to a second model as well is none."""
    process = Process()
    assert process.sees() is None
    assert process.sees(model="n") is None  # a cascade, or a comparison
    found = process.sees(model="k", messages=[ASKS, SAYS, THANKS])
    assert found is not None
    assert found.cause is Cause.MODEL
    assert process.sees(model="k", messages=[THANKS]) is None


def test_routes_are_compared_with_themselves_alone() -> None:
    """Whatever others do between."""
    process = Process()
    assert process.sees(route="a", system=f"Now 10:05\n{LONG}") is None
    assert process.sees(route="b", system=f"Now 11:17\n{LONG}") is None


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes, prompts of each, and their text: what is forgotten is compared with no more, or without a cause."""
    monkeypatch.setattr(lastprompts, "ROUTES", 2)
    monkeypatch.setattr(lastprompts, "TEXT_CHARACTERS", 100)
    process = Process()
    for route in "abc":
        process.sees(route=route, system=f"Now 10:05\n{LONG}")
    assert process.sees(route="a", system=f"Now 11:17\n{LONG}") is None
    found = process.sees(route="a", system=f"Now 12:31\n{LONG}")
    assert found is None or found.cause is Cause.TEXT
