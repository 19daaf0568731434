"""Plan: how a request changes to fit another model, and why it may not. The matrix of all of it is in tests/proof."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bursar.policies.book import ModelPrices
from bursar.policies.capabilities import Capabilities, capabilities
from bursar.policies.changes import REMOVED, Change, Why
from bursar.policies.plan import NEW_TOKENIZER_FACTOR, Misfit, Plan, Rung, caches, milder, plan
from bursar.policies.pricefile import shipped_book
from bursar.policies.requestsize import measure

BODY: dict[str, Any] = {"max_tokens": 4_096, "messages": [{"role": "user", "content": "hello"}]}
OPUS, SONNET, HAIKU, OLD = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-haiku-4-5"
NOTHING: dict[str, Any] = {}
AS_IT_IS = Plan(cache_works=False)
"""No change; a prompt this short is not cached."""


def rung(model: str, **known: Any) -> Rung:
    facts = shipped_book().find(model)
    can = capabilities(facts.id if facts else model, model)
    return Rung(model, facts, replace(can, **known), fast=model == OPUS)


def planned(
    source: str = OPUS,
    target: str | Rung = HAIKU,
    *,
    betas: str | None = None,
    lossy: bool = True,
    floor: int = 0,
    **changes: Any,
) -> Plan | Misfit:
    body = {"model": source, **BODY, **changes}
    there = rung(target) if isinstance(target, str) else target
    return plan(body, betas, measure(body), rung(source), there, lossy_allowed=lossy, floor=floor)


def changes_of(found: Plan | Misfit) -> dict[str, Any]:
    assert isinstance(found, Plan)
    return dict(found.changes)


def test_a_plain_request_stays_as_it_is() -> None:
    """On any route."""
    assert planned(lossy=False) == AS_IT_IS


@pytest.mark.parametrize(
    ("max_tokens", "floor", "expected"),
    [
        (64_000, 0, None),
        (64_001, 0, 64_000),
        (128_000, 64_000, 64_000),
        (128_000, 64_001, Misfit.MAX_TOKENS),
        (64_000, 100_000, None),
        (1, 0, None),
    ],
)
def test_max_tokens_goes_down_to_the_ceiling_and_not_below_what_the_route_needs(
    max_tokens: int, floor: int, expected: int | Misfit | None
) -> None:
    """Never up: a small one stays."""
    found = planned("claude-sonnet-4-6", OLD, max_tokens=max_tokens, floor=floor, lossy=False)
    if isinstance(expected, Misfit):
        assert found is expected
    else:
        assert changes_of(found) == ({} if expected is None else {"max_tokens": expected})


def test_a_change_that_loses_something_needs_the_route_s_word() -> None:
    """With it the change is made and noted; without, the request does not fit."""
    assert planned(speed="fast", lossy=False) is Misfit.LOSSY
    found = planned(speed="fast", betas="fast-mode-2026-02-01")
    assert isinstance(found, Plan)
    assert (found.changes, found.dropped_betas) == ({"speed": REMOVED}, ("fast-mode-2026-02-01",))
    assert found.notes == (
        Change("speed", "fast", None, Why.UNSUPPORTED, lossy=True),
        Change("betas", "fast-mode-2026-02-01", None, Why.UNSUPPORTED),
    )


PRICED = ModelPrices("mine", (), context_window=200_000, max_output=64_000, tokenizer="new")


@pytest.mark.parametrize(
    ("target", "misfit"),
    [
        (Rung("mine", None, Capabilities("mine")), Misfit.NO_PRICE),
        (Rung(HAIKU, PRICED, Capabilities("mine"), retired=True), Misfit.RETIRED),
        (Rung(HAIKU, PRICED, Capabilities("mine", retired=True)), Misfit.RETIRED),
        (Rung("anthropic.claude-haiku-5-5", PRICED, Capabilities("mine")), Misfit.PLATFORM),
        (Rung("mine", replace(PRICED, max_output=None), Capabilities("mine")), Misfit.MAX_TOKENS),
        (Rung("mine", replace(PRICED, context_window=None), Capabilities("mine")), Misfit.CONTEXT),
        (Rung("mine", PRICED, Capabilities("mine")), None),
        (Rung("mine", replace(PRICED, max_output=None), Capabilities("mine", max_output=64_000)), None),
    ],
)
def test_a_model_of_one_s_own_takes_plain_requests_once_its_limits_are_known(
    target: Rung, misfit: Misfit | None
) -> None:
    """And nothing that a model may not know; a retired one, or one of another platform, takes nothing."""
    found = planned(target=target, lossy=False)
    assert found == (Plan() if misfit is None else misfit)
    if misfit is None:
        assert planned(target=target, output_config={"effort": "low"}) is Misfit.EFFORT
        assert planned(target=target, temperature=1) is Misfit.SAMPLING


@pytest.mark.parametrize(
    ("target", "changes", "misfit"),
    [
        (HAIKU, {"max_tokens": 0}, Misfit.WARM_UP),
        (HAIKU, {"mcp_servers": [NOTHING]}, Misfit.PARAMETER),
        (HAIKU, {"from_the_future": 1}, Misfit.PARAMETER),
        (HAIKU, {"from_the_future": None}, None),
        (HAIKU, {"output_config": {"task_budget": NOTHING}}, Misfit.PARAMETER),
        (HAIKU, {"context_management": {"pages": 3}}, Misfit.PARAMETER),
        (OLD, {"inference_geo": "us"}, Misfit.RESIDENCY),
        (HAIKU, {"inference_geo": "us"}, None),
        (SONNET, {"tools": [{"name": "a"}], "tool_choice": {"type": "any"}}, Misfit.TOOL_CHOICE),
        (HAIKU, {"tools": [{"name": "a"}], "tool_choice": {"type": "any"}}, None),
        (HAIKU, {"messages": [*BODY["messages"], {"role": "assistant", "content": "Well,"}]}, Misfit.PREFILL),
        (HAIKU, {"tools": [{"type": "tool_from_the_future", "name": "a"}]}, Misfit.TOOLS),
        ("claude-opus-4-1", {"output_config": {"format": {"type": "json_schema"}}}, Misfit.STRUCTURED_OUTPUTS),
        ("claude-opus-4-1", {"output_format": {"type": "json_schema"}}, Misfit.STRUCTURED_OUTPUTS),
        ("claude-opus-4-1", {"tools": [{"name": "a", "strict": True}]}, Misfit.STRUCTURED_OUTPUTS),
        ("claude-sonnet-5", {"messages": [{"role": "system", "content": "a"}]}, Misfit.SYSTEM_MESSAGES),
        (HAIKU, {"context_management": {"edits": [{"type": "compact_20260112"}]}}, Misfit.CONTEXT_EDITS),
        (OLD, {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, Misfit.CONTEXT_EDITS),
        (HAIKU, {"thinking": {"type": "adaptive", "display": "updates"}}, Misfit.THINKING),
        (HAIKU, {"messages": [{"role": "user", "content": [{"type": "compaction"}]}]}, Misfit.CONTENT),
    ],
)
def test_what_fits_in_no_form_is_named(target: str, changes: dict[str, Any], misfit: Misfit | None) -> None:
    """Whatever the route allows; what is forced is never changed."""
    found = planned(target=target, **changes)
    assert (found.notes if isinstance(found, Plan) else found) == (() if misfit is None else misfit)


@pytest.mark.parametrize(
    ("betas", "expected"),
    [
        (None, ()),
        ("files-api-2025-04-14", ()),
        ("files-api-2025-04-14,context-1m-2025-08-07", ("context-1m-2025-08-07",)),
        ("compact-2026-01-12", Misfit.BETA),
        ("surprise-2026-11-01", Misfit.BETA),
    ],
)
def test_betas(betas: str | None, expected: tuple[str, ...] | Misfit) -> None:
    """One of another model's is left out where it has no effect; one that nobody knows fits nowhere."""
    found = planned(betas=betas, lossy=False)
    assert (found.dropped_betas if isinstance(found, Plan) else found) == expected


def test_interleaving_is_lost_only_where_thinking_is_not_adaptive() -> None:
    """Adaptive thinking interleaves by itself."""
    asked = {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "betas": None}
    beta = "interleaved-thinking-2025-05-14"
    for target, lossy in ((HAIKU, False), (OLD, True)):
        body = {"model": "claude-sonnet-4-6", **BODY, "thinking": asked["thinking"]}
        found = plan(body, beta, measure(body), rung("claude-sonnet-4-6"), rung(target), lossy_allowed=True)
        assert isinstance(found, Plan)
        assert [note.lossy for note in found.notes if note.parameter == "betas"] == [lossy]


@pytest.mark.parametrize(
    ("source", "target", "characters", "fits"),
    [
        (OPUS, HAIKU, 900_000, True),
        (OPUS, HAIKU, 1_000_000, True),
        ("claude-opus-4-6", HAIKU, 999_000, True),
        ("claude-opus-4-6", HAIKU, 1_000_000, False),
        (OPUS, OLD, 199_000, True),
        (OPUS, OLD, 200_000, False),
        ("claude-opus-4-5", OLD, 800_000, True),
        ("claude-opus-4-5", HAIKU, 800_000, True),
    ],
)
def test_a_prompt_fits_for_certain_or_not_at_all(source: str, target: str, characters: int, fits: bool) -> None:
    """A window that holds all the other held, by either tokenizer, holds it; else its bytes must fit."""
    assert NEW_TOKENIZER_FACTOR == 1.35
    found = planned(source, target, messages=[{"role": "user", "content": "x" * characters}])
    assert (found is Misfit.CONTEXT) is not fits


def test_output_is_in_the_window_where_the_model_says_so() -> None:
    """Of 4.1 and earlier; a document that nobody can measure fits only where everything fits."""
    old = rung("claude-opus-4-1")
    assert planned("claude-opus-4-5", old, messages=[{"role": "user", "content": "x" * 190_000}]) is not Misfit.CONTEXT
    longer = planned("claude-opus-4-5", old, messages=[{"role": "user", "content": "x" * 196_500}])
    assert longer is Misfit.CONTEXT
    remote = [{"role": "user", "content": [{"type": "document", "source": {"type": "url"}}]}]
    assert planned(OPUS, OLD, messages=remote) is Misfit.CONTEXT
    assert planned(OPUS, HAIKU, messages=remote) == AS_IT_IS


def test_a_smaller_window_takes_fewer_pages() -> None:
    """A hundred images and pages under a million tokens."""
    image = {"type": "image", "source": {"type": "base64", "data": "x"}}
    wide = rung(OLD, context_window=900_000)
    for count, misfit in ((100, None), (101, Misfit.IMAGES)):
        found = planned(target=wide, messages=[{"role": "user", "content": [image] * count}])
        assert found == (misfit or found)
        assert isinstance(found, Misfit) is (misfit is not None)


@pytest.mark.parametrize(("characters", "works"), [(10_000, False), (10_100, True)])
def test_a_prompt_below_the_minimum_is_not_cached(characters: int, works: bool) -> None:
    """4,096 tokens on Haiku 4.5, at 0.4 a byte; a minimum that nobody knows is taken to be met."""
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "x" * characters}]}
    assert caches(measure(body), rung(OLD)) is works
    assert caches(measure(body), Rung("mine", None, Capabilities("mine"))) is True
    found = planned("claude-sonnet-4-5", OLD, **body)
    assert isinstance(found, Plan)
    assert found.cache_works is works


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        (OPUS, NOTHING, {"output_config": {"effort": "low"}}),
        (SONNET, NOTHING, {"output_config": {"effort": "medium"}}),
        (SONNET, {"output_config": {"effort": "max"}}, {"output_config": {"effort": "xhigh"}}),
        ("claude-sonnet-4-6", {"output_config": {"effort": "max"}}, {"output_config": {"effort": "high"}}),
        (SONNET, {"output_config": {"effort": "low"}}, Misfit.EFFORT),
        (
            SONNET,
            {"output_config": {"format": {"type": "json_schema"}}},
            {"output_config": {"format": {"type": "json_schema"}, "effort": "medium"}},
        ),
        (
            OLD,
            {"thinking": {"type": "enabled", "budget_tokens": 3_000}},
            {"thinking": {"type": "enabled", "budget_tokens": 1_500}},
        ),
        (
            OLD,
            {"thinking": {"type": "enabled", "budget_tokens": 1_500}},
            {"thinking": {"type": "enabled", "budget_tokens": 1_024}},
        ),
        (OLD, {"thinking": {"type": "enabled", "budget_tokens": 1_024}}, Misfit.EFFORT),
        (OLD, NOTHING, Misfit.EFFORT),
        (OPUS, {"max_tokens": 0}, Misfit.EFFORT),
        (OPUS, {"messages": [{"role": "user", "content": "a", "output_config": NOTHING}]}, Misfit.EFFORT),
        ("mine", NOTHING, Misfit.EFFORT),
    ],
)
def test_less_effort_is_one_level_or_half_of_the_budget(
    model: str, asked: dict[str, Any], expected: dict[str, Any] | Misfit
) -> None:
    """From the model's own default where none is given; noted as a loss, and only where the route allows it."""
    body = {"model": model, **BODY, **asked}
    found = milder(body, rung(model), lossy_allowed=True)
    if isinstance(expected, Misfit):
        assert found is expected
        return
    assert changes_of(found) == expected
    assert isinstance(found, Plan)
    assert [(note.why, note.lossy) for note in found.notes] == [(Why.STEP, True)]
    assert milder(body, rung(model), lossy_allowed=False) is Misfit.LOSSY
