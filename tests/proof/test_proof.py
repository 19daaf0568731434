"""No request that was valid becomes a 400: every feature, from every model that takes it to every other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.proof.cells import NAMES, Mover, cells, refusal, rung, sources
from tests.proof.requests import (
    BETAS,
    CONTENT,
    FAST,
    IMAGE,
    LOOP,
    MARK,
    PDF,
    REQUESTS,
    SCHEMA,
    TEXT,
    THOUGHT,
    THOUGHTFUL_LOOP,
    TOOL,
    TOOLS,
    Asking,
    thinking,
    turns,
)

from bursar.policies.plan import Misfit, Plan, milder


def test_no_planned_request_is_refused() -> None:
    """All 30,176 cells, on routes that may lose something: the sandbox, with tables of its own, takes each plan."""
    assert [(cell.asking.name, cell.source, cell.target, cell.refusal) for cell in cells() if cell.refusal] == []
    assert len(cells()) == 30_176
    assert all(isinstance(cell.outcome, Plan | Misfit) for cell in cells())


def test_every_feature_is_valid_somewhere() -> None:
    """A request that no model takes would prove nothing."""
    assert [asking.name for asking in REQUESTS if not sources(asking)] == []


def test_a_strict_route_has_the_same_plans_but_those_that_lose_something() -> None:
    """What is lost stands in the notes, so that nothing else can be."""
    for asking in REQUESTS[8:20]:
        mover = Mover(asking)
        for source in sources(asking):
            loose, strict = (mover.planned(source, "claude-haiku-4-5-20251001", lossy=may) for may in (True, False))
            loses = isinstance(loose, Plan) and any(note.lossy for note in loose.notes)
            assert strict == (Misfit.LOSSY if loses else loose)


def test_less_effort_is_never_refused() -> None:
    """Every feature on every model that takes it: the same request with less effort is taken too, or is no plan."""
    plans = 0
    for asking in REQUESTS:
        mover = Mover(asking)
        for model in sources(asking):
            planned = milder(asking.body(model), rung(model), lossy_allowed=True)
            if isinstance(planned, Plan):
                plans += 1
                assert (asking.name, model, mover.refused(model, planned)) == (asking.name, model, None)
    assert plans > 500


THINKINGS: list[dict[str, Any]] = [
    {},
    *(thinking(kind) for kind in ("adaptive", "disabled", "between_tools")),
    thinking("adaptive", display="omitted"),
    *(thinking("enabled", budget_tokens=budget) for budget in (1_024, 4_000, 60_000)),
]
CONVERSATIONS: list[dict[str, Any]] = [
    {},
    LOOP,
    THOUGHTFUL_LOOP,
    turns("a", [THOUGHT, TEXT], "b"),
    turns("a", "b"),
    turns([IMAGE, PDF, TEXT]),
    turns([{**TEXT, "cache_control": MARK}]),
]
CHOICES: list[dict[str, Any]] = [
    {},
    {"tools": [TOOL], "tool_choice": {"type": "any"}},
    {"tools": [{**TOOL, "strict": True}]},
    *(asking.changes for asking in TOOLS if "messages" not in asking.changes),
]
SAMPLINGS: list[dict[str, Any]] = [{}, {}, {"temperature": 0.2}, {"temperature": 1}, {"top_p": 0.97}, {"top_k": 5}]
HEADERS = [
    None,
    FAST,
    "interleaved-thinking-2025-05-14",
    "context-1m-2025-08-07",
    *(a.betas for a in (*BETAS, *CONTENT)),
]
LEVELS = [None, None, "low", "medium", "high", "xhigh", "max"]


@st.composite
def askings(draw: st.DrawFn) -> Asking:
    """Any combination of the features above."""
    changes: dict[str, Any] = {"max_tokens": draw(st.sampled_from([1, 1_500, 2_048, 4_096, 64_000, 100_000]))}
    for parts in (THINKINGS, CHOICES, CONVERSATIONS, SAMPLINGS):
        changes |= draw(st.sampled_from(parts))
    config = {"effort": draw(st.sampled_from(LEVELS)), "format": draw(st.sampled_from([None, None, SCHEMA]))}
    if any(config.values()):
        changes["output_config"] = {name: told for name, told in config.items() if told is not None}
    if draw(st.booleans()):
        changes["speed"] = draw(st.sampled_from(["fast", "standard"]))
    return Asking("random", changes, draw(st.sampled_from(HEADERS)))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(asking=askings(), source=st.sampled_from(NAMES), target=st.sampled_from(NAMES))
def test_no_combination_of_features_is_refused(asking: Asking, source: str, target: str) -> None:
    """Whatever a model takes is planned onto another so that it takes it, or not at all; and so is less effort."""
    assume(source != target and refusal(asking.body(source), asking.betas) is None)
    mover = Mover(asking)
    moved = mover.planned(source, target)
    assert isinstance(moved, Misfit) or mover.refused(target, moved) is None
    planned = milder(asking.body(source), rung(source), lossy_allowed=True)
    assert isinstance(planned, Misfit) or mover.refused(source, planned) is None


@pytest.mark.parametrize("lossy", [True, False])
def test_what_was_asked_is_left_alone(lossy: bool) -> None:
    """No body is changed in place, and no content is copied."""
    asking = Asking("both", {**THOUGHTFUL_LOOP, **thinking("enabled", budget_tokens=2_048), "temperature": 1})
    body = asking.body("claude-opus-4-6")
    before = repr(body)
    moved = Mover(asking).planned("claude-opus-4-6", "claude-haiku-5-5", lossy=lossy)
    assert repr(body) == before
    assert not isinstance(moved, Plan) or moved.changes.keys() <= {"thinking", "temperature"}
