"""Thinking, effort and sampling: the same thing in each model's own form, or what is lost of it."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.policies.capabilities import capabilities
from bursar.policies.changes import REMOVED, Change, Why
from bursar.policies.draft import Draft
from bursar.policies.features import features
from bursar.policies.pricefile import shipped_book
from bursar.policies.rungs import Misfit, Rung
from bursar.policies.thinking import plan_effort, plan_history, plan_sampling, plan_thinking, thinks

ADAPTIVE, DISABLED, BETWEEN = ({"type": kind} for kind in ("adaptive", "disabled", "between_tools"))
FORCED = {"type": "any"}
SAME: dict[str, Any] = {}
LOOP = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": SAME}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "b"}]},
]
THOUGHT = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "b", "signature": "c"}]},
    {"role": "user", "content": "d"},
]


def budget(tokens: int, **more: Any) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens, **more}


def rung(name: str) -> Rung:
    model = name if name.startswith("my") else f"claude-{name}"
    return Rung(model, shipped_book().find(model), capabilities(model))


def draft(source: str, target: str, **body: Any) -> Draft:
    whole = {"max_tokens": 4_096, **body}
    return Draft(whole, features(whole), rung(source), rung(target))


@pytest.mark.parametrize(
    ("source", "target", "body", "changes", "why", "lossy"),
    [
        ("opus-5-5", "haiku-5-5", SAME, SAME, None, False),
        ("opus-5-5", "haiku-5-5", {"thinking": ADAPTIVE}, SAME, None, False),
        ("sonnet-4-6", "haiku-4-5", SAME, SAME, None, False),
        ("sonnet-4-6", "haiku-4-5", {"thinking": budget(2_000)}, SAME, None, False),
        ("my-model", "haiku-5-5", SAME, SAME, None, False),
        ("opus-5-5", "my-model", SAME, SAME, None, False),
        # off stays off
        ("sonnet-4-6", "haiku-5-5", SAME, {"thinking": DISABLED}, Why.FORM, False),
        ("sonnet-4-6", "sonnet-5-5", SAME, {"thinking": BETWEEN}, Why.FORM, False),
        ("sonnet-5", "sonnet-5-5", {"thinking": DISABLED}, {"thinking": BETWEEN}, Why.FORM, False),
        ("sonnet-5-5", "haiku-5-5", {"thinking": BETWEEN}, {"thinking": DISABLED}, Why.FORM, False),
        ("sonnet-5-5", "sonnet-4-6", {"thinking": BETWEEN}, {"thinking": REMOVED}, Why.DEFAULT, False),
        ("opus-5", "opus-5-5", {"thinking": DISABLED}, {"thinking": REMOVED}, Why.UNSUPPORTED, True),
        ("opus-4-8", "opus-5-5", SAME, SAME, Why.UNSUPPORTED, True),
        # on stays on
        ("opus-5-5", "sonnet-4-6", SAME, {"thinking": ADAPTIVE}, Why.FORM, False),
        ("opus-5-5", "haiku-4-5", SAME, SAME, Why.DEFAULT, False),
        ("opus-5-5", "haiku-4-5", {"thinking": ADAPTIVE}, {"thinking": budget(2_048)}, Why.FORM, False),
        (
            "opus-5-5",
            "haiku-4-5",
            {"thinking": {**ADAPTIVE, "display": "summarized"}, "max_tokens": 2_048},
            {"thinking": budget(1_024, display="summarized")},
            Why.FORM,
            False,
        ),
        ("sonnet-4-6", "haiku-5-5", {"thinking": budget(2_000)}, {"thinking": ADAPTIVE}, Why.FORM, False),
        (
            "sonnet-4-6",
            "haiku-5-5",
            {"thinking": budget(2_000, display="omitted")},
            {"thinking": {**ADAPTIVE, "display": "omitted"}},
            Why.FORM,
            False,
        ),
        # no budget goes with the request
        (
            "opus-5",
            "haiku-4-5",
            {"thinking": ADAPTIVE, "max_tokens": 2_047},
            {"thinking": REMOVED},
            Why.UNSUPPORTED,
            True,
        ),
        (
            "opus-5",
            "haiku-4-5",
            {"thinking": ADAPTIVE, "tool_choice": FORCED},
            {"thinking": REMOVED},
            Why.UNSUPPORTED,
            True,
        ),
        ("opus-5", "haiku-4-5", {"thinking": ADAPTIVE, "messages": LOOP}, {"thinking": REMOVED}, Why.UNSUPPORTED, True),
        ("opus-4-5", "3-5-haiku", {"thinking": budget(2_000)}, {"thinking": REMOVED}, Why.UNSUPPORTED, True),
        # a budget above the output
        ("opus-4-6", "haiku-4-5", {"thinking": budget(4_096)}, {"thinking": budget(3_072)}, Why.LEVEL, True),
    ],
)
def test_thinking(
    source: str, target: str, body: dict[str, Any], changes: dict[str, Any], why: Why | None, lossy: bool
) -> None:
    """On where it was on, off where it was off; half of the output is a budget, of at least 1,024 beside as much."""
    planned = draft(source, target, **body)
    assert plan_thinking(planned) is None
    assert planned.changes == changes
    assert [(note.why, note.lossy) for note in planned.notes] == ([] if why is None else [(why, lossy)])


@pytest.mark.parametrize(
    ("source", "target", "body", "misfit"),
    [
        ("opus-5-5", "my-model", {"thinking": ADAPTIVE}, Misfit.THINKING),
        ("opus-5-5", "haiku-5-5", {"thinking": {"type": "telepathic"}}, Misfit.THINKING),
        ("opus-4-6", "haiku-4-5", {"thinking": budget(2_000), "max_tokens": 2_000}, Misfit.MAX_TOKENS),
    ],
)
def test_thinking_that_fits_in_no_form(source: str, target: str, body: dict[str, Any], misfit: Misfit) -> None:
    """Nobody knows what the model would make of it, or there is no room."""
    assert plan_thinking(draft(source, target, **body)) is misfit


@pytest.mark.parametrize(
    ("target", "body", "expected"),
    [
        ("opus-5-5", SAME, True),
        ("sonnet-5-5", SAME, True),
        ("sonnet-5-5", {"thinking": BETWEEN}, False),
        ("sonnet-4-6", SAME, False),
        ("sonnet-4-6", {"thinking": budget(2_000)}, True),
        ("my-model", SAME, False),
    ],
)
def test_a_model_thinks_as_it_is_asked_or_unasked(target: str, body: dict[str, Any], expected: bool) -> None:
    """What a request without the parameter gets is each model's own."""
    assert thinks(draft("opus-5-5", target, **body)) is expected


@pytest.mark.parametrize(
    ("target", "body", "changes", "note"),
    [
        ("haiku-5-5", SAME, SAME, None),
        ("haiku-5-5", {"output_config": {"effort": "max"}}, SAME, None),
        (
            "sonnet-4-6",
            {"output_config": {"effort": "xhigh"}},
            {"output_config": {"effort": "high"}},
            ("xhigh", "high"),
        ),
        ("opus-4-5", {"output_config": {"effort": "max"}}, {"output_config": {"effort": "high"}}, ("max", "high")),
        ("haiku-4-5", {"output_config": {"effort": "low"}}, {"output_config": REMOVED}, ("low", None)),
        (
            "haiku-4-5",
            {"output_config": {"effort": "low", "format": {"type": "json_schema"}}},
            {"output_config": {"format": {"type": "json_schema"}}},
            ("low", None),
        ),
        (
            "haiku-5-5",
            {"thinking": DISABLED, "output_config": {"effort": "max"}},
            {"output_config": {"effort": "high"}},
            ("max", "high"),
        ),
        ("sonnet-5", {"thinking": DISABLED, "output_config": {"effort": "max"}}, SAME, None),
    ],
)
def test_effort(
    target: str, body: dict[str, Any], changes: dict[str, Any], note: tuple[str, str | None] | None
) -> None:
    """Kept where the model has the level, else the next below; what stands beside it stays."""
    planned = draft("sonnet-5", target, **body)
    assert plan_effort(planned) is None
    assert planned.changes == changes
    assert [(told.before, told.after, told.lossy) for told in planned.notes] == (
        [] if note is None else [(*note, True)]
    )


def test_high_effort_is_what_a_model_without_effort_does() -> None:
    """So nothing is lost by leaving it out."""
    planned = draft("sonnet-5", "haiku-4-5", output_config={"effort": "high"})
    assert plan_effort(planned) is None
    assert planned.notes == [Change("output_config.effort", "high", None, Why.DEFAULT)]


def test_effort_that_nobody_knows_fits_nowhere() -> None:
    """A model of which nothing is known, and a level that is none."""
    assert plan_effort(draft("sonnet-5", "my-model", output_config={"effort": "low"})) is Misfit.EFFORT
    assert plan_effort(draft("sonnet-5", "haiku-5-5", output_config={"effort": "utmost"})) is Misfit.EFFORT


@pytest.mark.parametrize(
    ("target", "body", "dropped", "lossy"),
    [
        ("haiku-4-5", {"temperature": 0.2}, [], False),
        ("haiku-4-5", {"temperature": 0.2, "top_p": 0.9}, ["top_p"], True),
        ("opus-4", {"temperature": 0.2, "top_p": 0.9, "top_k": 5}, [], False),
        ("haiku-5-5", {"temperature": 0.2}, ["temperature"], True),
        ("haiku-5-5", {"temperature": 1.0}, ["temperature"], False),
        ("haiku-5-5", {"top_p": 0.99}, ["top_p"], False),
        ("haiku-5-5", {"top_p": 1}, ["top_p"], True),
        ("haiku-5-5", {"top_k": 40}, ["top_k"], True),
        ("haiku-4-5", {"thinking": budget(2_000), "temperature": 0.2}, ["temperature"], True),
        ("haiku-4-5", {"thinking": budget(2_000), "temperature": 1}, [], False),
        ("haiku-4-5", {"thinking": budget(2_000), "top_p": 0.95}, [], False),
        ("haiku-4-5", {"thinking": budget(2_000), "top_p": 0.9}, ["top_p"], True),
        ("haiku-4-5", {"thinking": budget(2_000), "top_k": 5}, ["top_k"], True),
    ],
)
def test_sampling(target: str, body: dict[str, Any], dropped: list[str], lossy: bool) -> None:
    """What the model does not let anybody choose is left out; its default is no loss."""
    planned = draft("opus-4", target, **body)
    assert plan_sampling(planned) is None
    assert planned.changes == dict.fromkeys(dropped, REMOVED)
    assert {note.lossy for note in planned.notes} <= {lossy}
    assert plan_sampling(draft("opus-4", "my-model", **body)) is Misfit.SAMPLING


def test_what_earlier_turns_thought_is_lost_to_who_does_not_read_it() -> None:
    """The API drops it without an error; but a turn with a budget must begin with its thinking."""
    read = draft("sonnet-4-6", "haiku-5-5", messages=THOUGHT)
    lost = draft("opus-5-5", "haiku-5-5", messages=THOUGHT)
    assert (plan_history(read), read.notes) == (None, [])
    assert (plan_history(lost), [note.lossy for note in lost.notes]) == (None, [True])
    loop = [*THOUGHT[:2], LOOP[2]]
    assert (
        plan_history(draft("opus-4-6", "haiku-4-5", messages=loop, thinking=budget(2_000))) is Misfit.THINKING_HISTORY
    )
    assert plan_history(draft("opus-4-6", "haiku-4-5", messages=loop)) is None
