"""Claims about what each model of the sandbox refuses."""

from typing import Any

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.request import parse_request

NOTHING: dict[str, Any] = {}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
OPUS, SONNET, HAIKU, OLD = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-haiku-4-5"
SIX, OLDEST = "claude-sonnet-4-6", "claude-sonnet-4-0"
ASK = {"role": "user", "content": "hello"}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": NOTHING}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "found"}]}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x" * 540_000}}


def said(model: str, betas: str | None = None, **changes: Any) -> str | None:
    """What the sandbox says; None where it takes the request."""
    body = {"model": model, "max_tokens": 4_096, "messages": [ASK], **changes}
    try:
        parse_request(body, betas)
    except ApiError as error:
        return error.message if error.status == 400 else f"{error.status}: {error.message}"
    return None


def thinking(kind: str, **more: Any) -> dict[str, Any]:
    return {"thinking": {"type": kind, **more}}


def effort(level: str) -> dict[str, Any]:
    return {"output_config": {"effort": level}}


BUDGET = thinking("enabled", budget_tokens=2_048)
FORCED = {"tools": [TOOL], "tool_choice": {"type": "any"}}
SEARCH = {"tools": [{"type": "web_search_20260318", "name": "web_search"}]}
CLEAR = {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}
COMPACT = {"context_management": {"edits": [{"type": "compact_20260112"}]}}


@pytest.mark.parametrize(
    ("model", "changes", "problem"),
    [
        (OLD, thinking("adaptive"), "adaptive thinking is not supported on this model"),
        (HAIKU, BUDGET, '"thinking.type.enabled" is not supported'),
        (OPUS, thinking("disabled"), '"thinking.type.disabled" is not supported'),
        (HAIKU, thinking("between_tools"), '"thinking.type.between_tools" is not supported'),
        (SIX, thinking("enabled", budget_tokens=1_023), "thinking.enabled.budget_tokens: Input should be greater"),
        (SIX, thinking("enabled"), "thinking.enabled.budget_tokens: Input should be greater"),
        (SIX, thinking("adaptive", budget_tokens=2_048), "thinking.adaptive.budget_tokens: Extra inputs"),
        (SONNET, thinking("between_tools", display="omitted"), "thinking.between_tools: Extra inputs"),
        (HAIKU, thinking("adaptive", display="loud"), "thinking.display: Input should be"),
        (OLD, effort("low"), "output_config.effort: This model does not support"),
        (SIX, effort("xhigh"), "output_config.effort: This model does not support"),
        (HAIKU, {**thinking("disabled"), **effort("max")}, "thinking: cannot be turned off at effort 'max'"),
        (OLD, {"temperature": 0.2, "top_p": 0.9}, "`temperature` and `top_p` cannot both"),
        (HAIKU, {"temperature": 0.2}, "temperature: sampling parameters are not supported"),
        (HAIKU, {"top_p": 1}, "temperature: sampling parameters are not supported"),
        (HAIKU, {"top_k": 5}, "temperature: sampling parameters are not supported"),
        (OLD, {**BUDGET, "temperature": 0.2}, "temperature: may only be set to 1"),
        (OLD, {**BUDGET, "top_k": 5}, "temperature: may only be set to 1"),
        (OLD, {**BUDGET, "top_p": 0.9}, "top_p: must be between 0.95 and 1"),
        ("claude-sonnet-5", {"messages": [ASK, {"role": "system", "content": "a"}]}, "messages: role 'system'"),
        (SIX, {"messages": [ASK, {"role": "assistant", "content": "Well,"}]}, "This model does not support assistant"),
        (
            OLD,
            {**BUDGET, "messages": [ASK, {"role": "assistant", "content": "W"}]},
            "This model does not support assis",
        ),
        (
            OLD,
            {**BUDGET, "tools": [TOOL], "messages": [ASK, USE, RESULT]},
            "messages.1.content.0.type: Expected `think",
        ),
        (OPUS, {"tools": [{"type": "computer_20251124"}]}, "tools.0: 'claude-opus-5-5' does not support tool types"),
        (OLDEST, {"tools": [{**TOOL, "strict": True}]}, "tools.0.strict: structured outputs"),
        (OLD, SEARCH, 'tools.0.allowed_callers: not supported by this model; set it to ["direct"]'),
        (
            OLDEST,
            {"output_config": {"format": {"type": "json_schema", "schema": NOTHING}}},
            "output_config.format: struct",
        ),
        (SONNET, FORCED, 'tool_choice: type "tool" and "any" are not supported'),
        (OLD, {**BUDGET, **FORCED}, "tool_choice: Thinking may not be enabled"),
        (OLD, {"messages": [{"role": "user", "content": [IMAGE] * 101}]}, "messages: A maximum of 100 images and PDF"),
        (OLD, {"messages": [{"role": "user", "content": [PDF]}]}, "messages: A maximum of 100 images and PDF pages"),
        (OLD, CLEAR, "context_management.edits.0.type: requires `thinking`"),
        (HAIKU, COMPACT, "context_management.edits.0.type: 'compact_20260112' is not supported"),
        (OLDEST, {"max_tokens": 64_000, "messages": [{"role": "user", "content": "x" * 600_000}]}, "input length and"),
    ],
)
def test_refusals(model: str, changes: dict[str, Any], problem: str) -> None:
    """In the API's own words where they are known."""
    found = said(model, **changes)
    assert found is not None
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (OPUS, thinking("adaptive", display="summarized")),
        (SONNET, thinking("between_tools")),
        (HAIKU, {**thinking("disabled"), **effort("high")}),
        ("claude-sonnet-5", {**thinking("disabled"), **effort("max")}),
        (OLD, BUDGET),
        (OLD, {**BUDGET, "temperature": 1}),
        (OLD, {**BUDGET, "top_p": 0.95}),
        (HAIKU, {"temperature": 1}),
        (HAIKU, {"top_p": 0.99}),
        (OLDEST, {"temperature": 0.2, "top_p": 0.9, "top_k": 5}),
        (OLD, {"messages": [ASK, {"role": "assistant", "content": "Well,"}]}),
        (HAIKU, {"messages": [ASK, {"role": "system", "content": "a"}]}),
        (OLD, {"tools": [TOOL], "messages": [ASK, USE, RESULT]}),
        (SIX, {**thinking("adaptive"), "tools": [TOOL], "messages": [ASK, USE, RESULT]}),
        (HAIKU, FORCED),
        (SIX, {**thinking("adaptive"), **FORCED}),
        (OPUS, SEARCH),
        (OLD, {"tools": [{**SEARCH["tools"][0], "allowed_callers": ["direct"]}]}),
        (OPUS, {"messages": [{"role": "user", "content": [IMAGE] * 101}]}),
        (HAIKU, CLEAR),
        (OPUS, COMPACT),
        (OLD, {"max_tokens": 64_000, "messages": [{"role": "user", "content": "x" * 600_000}]}),
    ],
)
def test_what_is_taken(model: str, changes: dict[str, Any]) -> None:
    """The same things where the model knows them."""
    assert said(model, **changes) is None


@pytest.mark.parametrize(
    ("model", "betas", "problem"),
    [
        (HAIKU, "files-api-2025-04-14, context-1m-2025-08-07", None),
        (HAIKU, "surprise-2026-11-01", "anthropic-beta: Unexpected value(s) `surprise-2026-11-01`"),
        (HAIKU, "fast-mode-2026-02-01", "anthropic-beta: `fast-mode-2026-02-01` is not supported by claude-haiku-5-5"),
        (OPUS, "fast-mode-2026-02-01", None),
    ],
)
def test_betas(model: str, betas: str, problem: str | None) -> None:
    """A beta that nobody knows is refused, and one that this model does not have."""
    found = said(model, betas)
    assert found is None if problem is None else (found or "").startswith(problem)
