"""Claims about usage objects given as text."""

from __future__ import annotations

import pytest
from anthropic import BaseModel
from anthropic.types import CacheCreation, OutputTokensDetails, ServerToolUsage, Usage
from anthropic.types.beta import BetaMessageIterationUsage, BetaUsage

from bursar.agent.commands.usage_text import GROUPS, KEYS, OF_ITERATIONS, UsageTextError, parse_usage


def test_a_usage_object_is_returned_as_it_is() -> None:
    """Nulls, groups and iterations included."""
    text = (
        '{"input_tokens": 3, "output_tokens": 0, "cache_read_input_tokens": null, "service_tier": "batch", '
        '"cache_creation": {"ephemeral_1h_input_tokens": 5}, "server_tool_use": null, '
        '"iterations": [{"type": "message", "model": "claude-opus-5-5", "input_tokens": 3}]}'
    )
    usage = parse_usage(text)
    assert usage["cache_creation"] == {"ephemeral_1h_input_tokens": 5}
    assert usage["iterations"][0]["input_tokens"] == 3
    assert usage["cache_read_input_tokens"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "--usage is no JSON"),
        ("1" * 5000, "--usage is no JSON"),
        ("[" * 100_000, "--usage is no JSON"),
        ("[1]", "--usage is [1], no JSON object"),
        ('"text"', "no JSON object"),
        ("{}", "--usage counts nothing"),
        ('{"speed": "fast"}', "--usage counts nothing"),
        ('{"input_token": 3}', 'input_token is no key of Anthropic\'s usage object: did you mean "input_tokens"?'),
        ('{"input_tokens": -1}', "input_tokens is -1: write a whole number"),
        ('{"input_tokens": 1.0}', "input_tokens is 1.0: write a whole number"),
        ('{"input_tokens": true}', "input_tokens is true: write a whole number"),
        ('{"input_tokens": "3"}', 'input_tokens is "3": write a whole number'),
        ('{"cache_creation": 5}', "cache_creation is 5, no JSON object"),
        ('{"cache_creation": {"ephemeral_5m": 1}}', "cache_creation.ephemeral_5m is not known"),
        ('{"server_tool_use": {"web_search_requests": -1}}', "server_tool_use.web_search_requests is -1"),
        ('{"iterations": {}}', "iterations is {}: write a list"),
        ('{"iterations": [3]}', "iterations[0] is 3, no JSON object"),
        ('{"iterations": [{}, {"tokens": 3}]}', "iterations[1].tokens is no key"),
    ],
)
def test_what_is_no_usage_object(text: str, said: str) -> None:
    """The sentence names the key and what is wrong with it."""
    with pytest.raises(UsageTextError) as caught:
        parse_usage(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("model", "known"),
    [
        (Usage, KEYS),
        (BetaUsage, KEYS),
        (CacheCreation, GROUPS["cache_creation"]),
        (ServerToolUsage, GROUPS["server_tool_use"]),
        (OutputTokensDetails, GROUPS["output_tokens_details"]),
        (BetaMessageIterationUsage, OF_ITERATIONS),
    ],
)
def test_every_key_of_the_sdk_is_known(model: type[BaseModel], known: tuple[str, ...]) -> None:
    """A usage object that the SDK prints can be pasted."""
    assert set(model.model_fields) <= set(known)
