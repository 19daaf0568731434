"""Rungs: what is known of a model on a ladder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bursar.policies.capabilities import Capabilities
from bursar.policies.pricefile import shipped_book
from bursar.policies.rungs import Rung, elsewhere


def test_what_the_models_api_says_of_limits_goes_before_the_price_book() -> None:
    """Where neither says anything, nobody knows."""
    facts = shipped_book().find("claude-haiku-4-5")
    rung = Rung("claude-haiku-4-5", facts, Capabilities("claude-haiku-4-5"))
    assert (rung.name, rung.max_output, rung.context_window) == ("claude-haiku-4-5", 64_000, 200_000)
    told = replace(rung, can=Capabilities("claude-haiku-4-5", max_output=32_000, context_window=100_000))
    assert (told.max_output, told.context_window) == (32_000, 100_000)
    assert (Rung("m", None, Capabilities("m")).max_output, Rung("m", None, Capabilities("m")).context_window) == (
        None,
        None,
    )


@pytest.mark.parametrize(
    ("asked", "target", "expected"),
    [
        ("claude-opus-5-5", "claude-haiku-5-5", False),
        ("claude-opus-5-5", "anthropic.claude-haiku-5-5", True),
        ("anthropic.claude-opus-5-5", "claude-haiku-5-5", True),
        ("anthropic.claude-opus-5-5", "anthropic.claude-haiku-5-5", False),
        ("eu.anthropic.claude-opus-5-5", "eu.anthropic.claude-haiku-5-5", False),
        ("eu.anthropic.claude-opus-5-5", "us.anthropic.claude-haiku-5-5", True),
        ("eu.anthropic.claude-opus-5-5", "anthropic.claude-haiku-5-5", True),
        ("claude-opus-4-5@20251101", "claude-haiku-5-5", False),
        ("claude-opus-4-5@20251101", "claude-haiku-4-5@20251001", False),
        ("anthropic/claude-opus-4-5", "claude-haiku-4-5@20251001", True),
    ],
)
def test_a_model_is_named_as_the_client_s_platform_names_it(asked: str, target: str, expected: bool) -> None:
    """Bedrock does not know the Claude API's ids, and another region is another place for the data."""
    assert elsewhere(asked, target) is expected
