"""Claims about message objects."""

from dataclasses import replace

from bursar.agent.sandbox.answer import Answer, StopReason
from bursar.agent.sandbox.bill import Usage
from bursar.agent.sandbox.messages import content_object, delta_usage_object, usage_object

USAGE = Usage(input=1, write_5m=20, write_1h=300, read=4_000, output=5, speed="fast", inference_geo="us")


def test_usage_is_disjoint_with_a_split() -> None:
    """Creation is the sum of its split; input holds neither reads nor writes."""
    assert usage_object(USAGE) == {
        "input_tokens": 1,
        "cache_creation_input_tokens": 320,
        "cache_read_input_tokens": 4_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 300},
        "output_tokens": 5,
        "service_tier": "standard",
        "inference_geo": "us",
        "speed": "fast",
    }


def test_service_tier() -> None:
    """A message of a batch says so."""
    assert usage_object(replace(USAGE, service_tier="batch"))["service_tier"] == "batch"


def test_delta_usage_has_totals_only() -> None:
    """message_delta knows neither the split nor speed and place."""
    assert delta_usage_object(USAGE) == {
        "input_tokens": 1,
        "cache_creation_input_tokens": 320,
        "cache_read_input_tokens": 4_000,
        "output_tokens": 5,
    }


def test_content() -> None:
    """A text, a tool call, or nothing after a warm-up."""
    text = Answer("the sum", None, 2, StopReason.END_TURN)
    tool = Answer('{"a":1}', "look", 2, StopReason.TOOL_USE)
    nothing = Answer("", None, 0, StopReason.MAX_TOKENS)
    assert content_object(text, "toolu_1") == [{"type": "text", "text": "the sum"}]
    assert content_object(tool, "toolu_1") == [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1}}]
    assert content_object(nothing, "toolu_1") == []
