"""Capabilities: what each model accepts, where it is from, and what the Models API says over it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from anthropic.types import ModelInfo

from bursar.policies.capabilities import (
    EFFORTS,
    Capabilities,
    capabilities,
    family,
    from_models_api,
    overlaid,
    parse_capabilities,
    shipped_betas,
    shipped_capabilities,
)
from bursar.policies.models import canonical
from bursar.policies.pricefile import shipped_book
from bursar.policies.shipped import read

YES, NO = {"supported": True}, {"supported": False}
NOTHING: dict[str, Any] = {}
TOLD: dict[str, Any] = {
    "id": "claude-next-6",
    "type": "model",
    "display_name": "Claude Next 6",
    "created_at": "2027-01-01T00:00:00Z",
    "lifecycle": "active",
    "max_tokens": 256_000,
    "max_input_tokens": 2_000_000,
    "capabilities": {
        "batch": YES,
        "citations": YES,
        "code_execution": NO,
        "context_management": {"supported": True, "clear_tool_uses_20250919": YES, "compact_20260112": NO},
        "effort": {"supported": True, "low": YES, "medium": YES, "high": YES, "max": NO, "xhigh": NO},
        "image_input": YES,
        "pdf_input": NO,
        "server_tools": {"supported": True, "code_execution": YES, "web_search": NO},
        "structured_outputs": YES,
        "thinking": {
            "supported": True,
            "types": {"adaptive": YES, "enabled": NO, "disabled": NO, "between_tools": YES},
        },
    },
}


def test_every_model_of_the_price_book_is_known_but_the_newest() -> None:
    """No page tells what Fable 5.2 and Mythos 5.2 accept: nothing is taken for granted of them."""
    known = {canonical(model.id).id for model in shipped_book().models}
    assert known - shipped_capabilities().keys() == {"claude-fable-5-2", "claude-mythos-5-2"}
    assert shipped_capabilities().keys() <= known


def test_every_fact_names_its_source() -> None:
    """A page or a file, with a date or a release where it is a page; what is argued says so."""
    document = tomllib.loads(read("capabilities.toml"))
    for entry in (*document["fact"], *document["beta"]):
        assert len(entry["source"]) > 20
        assert entry.get("argued", True) is True
    assert all(known.sources for known in shipped_capabilities().values())


@pytest.mark.parametrize(
    ("model", "thinking", "unset", "effort", "unset_effort"),
    [
        ("claude-opus-5-5", {"adaptive"}, "always", EFFORTS, "medium"),
        ("claude-sonnet-5-5", {"adaptive", "between_tools"}, "on", EFFORTS, "high"),
        ("claude-haiku-5-5", {"adaptive", "disabled"}, "on", EFFORTS, "medium"),
        ("claude-sonnet-4-6", {"adaptive", "enabled", "disabled"}, "off", ("low", "medium", "high", "max"), "high"),
        ("claude-opus-4-5", {"enabled", "disabled"}, "off", ("low", "medium", "high"), "high"),
        ("claude-haiku-4-5-20251001", {"enabled", "disabled"}, "off", (), None),
    ],
)
def test_what_is_shipped_of_a_model(
    model: str, thinking: set[str], unset: str, effort: tuple[str, ...], unset_effort: str | None
) -> None:
    """As the pages say."""
    known = capabilities(model)
    assert (set(known.thinking or ()), known.unset) == (thinking, unset)
    assert (known.effort, known.effort_unset) == (effort, unset_effort)


def test_a_stranger_is_known_for_nothing() -> None:
    """Which is a no to all that a request may use."""
    assert capabilities("my-model") == Capabilities("my-model")


def test_bedrock_lacks_what_it_lacks() -> None:
    """Structured outputs of the newer models, and their toolsets; the rest stays."""
    there = capabilities("claude-haiku-5-5", "eu.anthropic.claude-haiku-5-5")
    here = capabilities("claude-haiku-5-5", "claude-haiku-5-5")
    assert (here.structured_outputs, there.structured_outputs) == (True, False)
    assert here.tools is not None
    assert there.tools == here.tools - {"computer_toolset_20260801", "browser_toolset_20260801"}
    assert capabilities("claude-haiku-4-5", "anthropic.claude-haiku-4-5").structured_outputs is True


def test_the_models_api_is_read() -> None:
    """Each capability in the form the SDK's own type has; a level or a strategy that is refused is none."""
    ModelInfo.model_validate(TOLD)
    assert from_models_api(TOLD) == Capabilities(
        "claude-next-6",
        thinking=frozenset({"adaptive", "between_tools"}),
        effort=("low", "medium", "high"),
        structured_outputs=True,
        images=True,
        pdfs=False,
        citations=True,
        code_calls_tools=False,
        context_edits=frozenset({"clear_tool_uses_20250919"}),
        lacks=frozenset({"web_search"}),
        max_output=256_000,
        context_window=2_000_000,
        sources=("Models API",),
    )


UNSAID: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"effort": NO}, {"effort": ()}),
    ({"context_management": NO}, {"context_edits": frozenset[str]()}),
    ({"effort": YES}, NOTHING),
    ({"thinking": {"supported": True}}, NOTHING),
    ({"image_input": {"supported": "yes"}}, NOTHING),
    ({"pdf_input": None, "effort": "all"}, NOTHING),
]


@pytest.mark.parametrize(("said", "expected"), UNSAID)
def test_what_the_models_api_does_not_say_is_unknown(said: dict[str, Any], expected: dict[str, Any]) -> None:
    """Whatever stands there instead."""
    told = from_models_api({"id": "m", "capabilities": said, "max_tokens": 0, "max_input_tokens": True})
    assert told == Capabilities("m", sources=("Models API",), **expected)
    assert from_models_api({"lifecycle": "retired"}) == Capabilities("", retired=True)


def test_what_the_models_api_says_goes_before_what_is_shipped() -> None:
    """Only where it says anything; a family of tools that it refuses is taken away in every version."""
    shipped = capabilities("claude-opus-5-5")
    told = overlaid(shipped, from_models_api({**TOLD, "id": "claude-opus-5-5"}))
    assert set(told.thinking or ()) == {"adaptive", "between_tools"}
    assert (told.effort, told.max_output) == (EFFORTS[:3], 256_000)
    assert (told.unset, told.prefill, told.forced_tools) == ("always", False, False)
    assert shipped.tools is not None
    assert told.tools is not None
    assert {family(tool) for tool in shipped.tools - told.tools} == {"web_search"}
    assert told.sources == (*shipped.sources, "Models API")
    assert overlaid(shipped, from_models_api({"id": "claude-opus-5-5"})) == shipped


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ('prefil = true\nsource = "s"\nmodels = ["m"]', "m: prefil is no capability"),
        (
            'prefill = true\nsource = "s"\nmodels = ["m"]\n[[fact]]\nprefill = false\nsource = "t"\nmodels = ["m"]',
            "told twice",
        ),
    ],
)
def test_a_fact_that_cannot_be_meant_is_an_error(facts: str, problem: str) -> None:
    """A slip, or two pages that contradict each other."""
    with pytest.raises(ValueError, match=problem):
        parse_capabilities(f"[[fact]]\n{facts}")


def test_a_beta_is_known_by_its_models() -> None:
    """And by what leaving it out would mean for others."""
    betas = shipped_betas()
    assert betas["files-api-2025-04-14"].models is None
    assert betas["context-1m-2025-08-07"].drop == "lossless"
    assert (betas["interleaved-thinking-2025-05-14"].drop, betas["compact-2026-01-12"].drop) == ("lossy", None)
    assert "claude-haiku-5-5" not in (betas["compact-2026-01-12"].models or ())
