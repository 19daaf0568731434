"""Plan: why a request may not move to another model as it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bursar.policies.book import ModelPrices
from bursar.policies.estimate import measure
from bursar.policies.plan import NEW_TOKENIZER_FACTOR, Misfit, Target, misfit

SOURCE = ModelPrices(
    "claude-opus-5-5", (), generation="5.5", tokenizer="new", context_window=200_000, max_output=64_000
)
HAIKU = ModelPrices("claude-haiku-5-5", (), generation="5.5", tokenizer="new", context_window=10_000, max_output=8_000)
OLDER = replace(HAIKU, id="claude-haiku-4-5", generation="4.5", tokenizer="old")
BODY: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 1_000,
    "messages": [{"role": "user", "content": "hello"}],
}


def reason(
    target: ModelPrices | None = HAIKU, source: ModelPrices | None = SOURCE, *, retired: bool = False, **changes: Any
) -> Misfit | None:
    body = {**BODY, **changes}
    name = target.id if target is not None else "claude-haiku-5-5"
    return misfit(body, measure(body), source, Target(name, target, retired))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"max_tokens": 8_000}, None),
        ({"max_tokens": 8_001}, Misfit.MAX_TOKENS),
        ({"speed": "fast"}, Misfit.SPEED),
        ({"speed": "standard"}, None),
        ({"speed": None}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1_024}}, None),
    ],
)
def test_a_request_fits_a_model_of_its_generation_that_can_hold_it(
    changes: dict[str, Any], expected: Misfit | None
) -> None:
    """Its output, its speed and its features."""
    assert reason(**changes) is expected


def test_prompt_and_output_must_fit_the_context_window_together() -> None:
    """A prompt of 8,000 expected tokens beside 1,000 of output in 10,000; one of 9,100 does not fit."""
    assert reason(messages=[{"role": "user", "content": "x" * 20_000}]) is None
    assert reason(messages=[{"role": "user", "content": "x" * 22_750}]) is Misfit.CONTEXT


def test_a_newer_tokenizer_makes_the_prompt_longer() -> None:
    """By 1.35: 8,000 old tokens are 10,800 new ones. The other way round nothing is taken off."""
    prompt = [{"role": "user", "content": "x" * 20_000}]
    assert NEW_TOKENIZER_FACTOR == 1.35
    assert reason(source=replace(SOURCE, tokenizer="old"), messages=prompt) is Misfit.CONTEXT
    assert reason(OLDER, messages=prompt) is None
    assert reason(replace(OLDER, context_window=9_000), messages=prompt) is Misfit.CONTEXT


@pytest.mark.parametrize(
    "changes",
    [
        {"thinking": {"type": "adaptive"}},
        {"output_config": {"effort": "low"}},
        {"betas": ["x"]},
        {"context_management": {"edits": []}},
        {"mcp_servers": [{"url": "https://example.com"}]},
        {"container": "c"},
        {"fallbacks": ["claude-haiku-4-5"]},
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        {"tools": [{"name": "mine"}, {"type": "web_search_20260209", "name": "web_search"}]},
    ],
)
def test_features_whose_form_differs_stay_within_a_generation(changes: dict[str, Any]) -> None:
    """A parameter that is valid for one generation is a 400 for another; for a source nobody knows, for any."""
    assert reason(**changes) is None
    assert reason(OLDER, **changes) is Misfit.GENERATION
    assert reason(source=None, **changes) is Misfit.GENERATION


PLAIN: list[dict[str, Any]] = [
    {},
    {"thinking": None},
    {"betas": []},
    {"tools": [{"name": "mine", "input_schema": {}}, {"type": "custom", "name": "other"}]},
    {"tools": None},
    {"tools": "nonsense"},
]


@pytest.mark.parametrize("changes", PLAIN)
def test_a_plain_request_crosses_generations(changes: dict[str, Any]) -> None:
    """Tools of the application's own included."""
    assert reason(OLDER, **changes) is None


@pytest.mark.parametrize(
    ("asked", "target", "fits"),
    [
        ("claude-opus-5-5", "claude-haiku-5-5", True),
        ("claude-opus-5-5", "anthropic.claude-haiku-5-5", False),
        ("anthropic.claude-opus-5-5", "claude-haiku-5-5", False),
        ("anthropic.claude-opus-5-5", "anthropic.claude-haiku-5-5", True),
        ("eu.anthropic.claude-opus-5-5", "eu.anthropic.claude-haiku-5-5", True),
        ("eu.anthropic.claude-opus-5-5", "us.anthropic.claude-haiku-5-5", False),
        ("eu.anthropic.claude-opus-5-5", "anthropic.claude-haiku-5-5", False),
        ("claude-opus-4-5@20251101", "claude-haiku-5-5", True),
        ("claude-opus-4-5@20251101", "claude-haiku-4-5@20251001", True),
        ("anthropic/claude-opus-4-5", "claude-haiku-4-5@20251001", False),
    ],
)
def test_a_model_is_named_as_the_client_s_platform_names_it(asked: str, target: str, fits: bool) -> None:
    """Bedrock does not know the Claude API's ids, and another region is another place for the data."""
    found = misfit({"model": asked}, measure(BODY), SOURCE, Target(target, HAIKU))
    assert found is (None if fits else Misfit.PLATFORM)


def test_a_model_without_a_price_is_never_moved_to() -> None:
    """Nobody could say what it saves."""
    assert reason(None) is Misfit.NO_PRICE


def test_a_retired_model_is_never_moved_to() -> None:
    """It would not answer."""
    assert reason(retired=True) is Misfit.RETIRED


def test_unknown_limits_forbid_nothing() -> None:
    """A model of the user's own file may name neither window nor output."""
    bare = ModelPrices("mine", (), generation="5.5")
    assert reason(bare, max_tokens=10**6) is None
