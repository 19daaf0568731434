"""Claims about inferences: which spans are calls of Claude, and what their token counts mean."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.agent.spans.inference import Inference, read_inference
from bursar.agent.spans.seenspan import AttributeValue, SeenSpan
from bursar.policies.usage import Part, Usage

SDK = "com.anthropic.sdk.python"
IN, OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
READ, WRITE = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"
CREATION = "gen_ai.usage.cache_creation.input_tokens"
W5, W1H = (f"anthropic.usage.cache_creation.ephemeral_{ttl}_input_tokens" for ttl in ("5m", "1h"))
MODEL = {"gen_ai.request.model": "claude-sonnet-5-5"}
CHAT = {**MODEL, "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}
UNSEEN_BY_SDK = ("speed", "inference_geo", "server_tool_use", "advisor and fallback iterations")


def span(attributes: dict[str, Any], scope: str = SDK, name: str = "anthropic.messages.create") -> SeenSpan:
    values: dict[str, AttributeValue] = attributes
    return SeenSpan(name, scope, "0a" * 16, "0b" * 8, None, "CLIENT", 1, 2, values)


def read(attributes: dict[str, Any], scope: str = SDK, name: str = "anthropic.messages.create") -> Inference:
    found = read_inference(span(attributes, scope, name))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("scope", "name", "attributes", "is_call"),
    [
        (SDK, "anthropic.messages.create", MODEL, True),
        (SDK, "anthropic.beta.messages.create", MODEL, True),
        (f"{SDK}.bedrock", "anthropic.messages.create", MODEL, True),
        (f"{SDK}ista", "anthropic.messages.create", MODEL, False),
        (SDK, "anthropic.messages.count_tokens", MODEL, False),
        (SDK, "anthropic.messages.batches.results", MODEL, False),
        (SDK, "anthropic.messages.tool_runner", {**CHAT, "gen_ai.operation.name": "invoke_agent"}, False),
        ("com.anthropic.claude_code.tracing", "claude_code.llm_request", {**MODEL, "input_tokens": 5}, False),
        ("other", "chat", CHAT, True),
        ("other", "chat", {**CHAT, "gen_ai.provider.name": "aws.bedrock"}, True),
        ("other", "chat", {**CHAT, "gen_ai.provider.name": "gcp.vertex_ai"}, True),
        ("other", "chat", {**CHAT, "gen_ai.provider.name": "openai"}, False),
        ("other", "chat", {**CHAT, "gen_ai.request.model": "gpt-9"}, False),
        ("other", "chat", {**CHAT, "gen_ai.request.model": "anthropic.claude-sonnet-4-5-20250929-v1:0"}, True),
        ("other", "embed", {**CHAT, "gen_ai.operation.name": "embeddings"}, False),
        ("other", "chat", {**MODEL, "gen_ai.operation.name": "chat", "gen_ai.system": "Anthropic"}, True),
        ("other", "chat", {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}, False),
        ("bursar.instrumentation", "chat m", {"bursar.attempt.id": "a1"}, True),
    ],
)
def test_which_spans_are_calls(scope: str, name: str, attributes: dict[str, Any], is_call: bool) -> None:
    """The SDK's own, what Bursar stamped, and others' chats with a Claude model; nothing else."""
    assert (read_inference(span(attributes, scope, name)) is not None) is is_call


@pytest.mark.parametrize(
    ("attributes", "usage"),
    [
        ({IN: 2600, OUT: 42, READ: 2000, WRITE: 500, W5: 300, W1H: 200}, Usage(100, 2000, 300, 200, 42)),
        ({IN: 2600, OUT: 42, READ: 2000, CREATION: 500}, Usage(100, 2000, 500, 0, 42)),
        ({IN: 2600, OUT: 42, READ: 2000, WRITE: 500, CREATION: 7}, Usage(100, 2000, 500, 0, 42)),
        ({IN: 2600, OUT: 42, READ: 2000, W5: 300, W1H: 200}, Usage(100, 2000, 300, 200, 42)),
        ({IN: 2500, OUT: 42, READ: 2000, WRITE: 500}, Usage(0, 2000, 500, 0, 42)),
        ({IN: 100, OUT: 42, READ: 2000, WRITE: 500}, Usage(100, 2000, 500, 0, 42)),
        ({IN: 10, OUT: 0}, Usage(10)),
        ({"gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.completion_tokens": 4}, Usage(input=10, output=4)),
        (
            {IN: 10, OUT: 4, "gen_ai.usage.cache_read_input_tokens": 3, "gen_ai.usage.cache_creation_input_tokens": 2},
            Usage(5, 3, 2, 0, 4),
        ),
        ({IN: 10, OUT: 9, "gen_ai.usage.reasoning.output_tokens": 5}, Usage(input=10, output=9, thinking=5)),
        (
            {IN: 10, OUT: 9, "bursar.usage.web_search_requests": 2, "bursar.usage.web_fetch_requests": 1},
            Usage(input=10, output=9, web_searches=2, web_fetches=1),
        ),
    ],
)
def test_inclusive_counts_become_disjoint_classes(attributes: dict[str, Any], usage: Usage) -> None:
    """Cached tokens are taken off the prompt, unless it is too small to include them; nothing falls below zero."""
    report = read({**MODEL, **attributes}).report
    assert report is not None
    assert report.usage == usage


@pytest.mark.parametrize("attributes", [{}, {READ: 0, WRITE: 0}, {"gen_ai.usage.cost": 1.5}])
def test_a_span_without_counts_tells_no_usage(attributes: dict[str, Any]) -> None:
    """Errors and streams that nobody read have no report, rather than one of zeros."""
    call = read({**MODEL, **attributes})
    assert (call.report, call.complete, call.missing) == (None, False, ())


@pytest.mark.parametrize(
    ("attributes", "complete"), [({IN: 5, OUT: 1}, True), ({IN: 5, OUT: 0}, True), ({IN: 5}, False), ({OUT: 5}, False)]
)
def test_a_report_is_complete_with_both_ends(attributes: dict[str, Any], complete: bool) -> None:
    """A prompt without an answer's count is a stream that was broken off; zero is a count."""
    assert read({**MODEL, **attributes}).complete is complete


@pytest.mark.parametrize(
    ("scope", "more", "missing"),
    [
        (SDK, {}, UNSEEN_BY_SDK),
        ("other", {}, ("speed", "inference_geo", "service_tier", *UNSEEN_BY_SDK[2:])),
        (
            "other",
            {"anthropic.response.service_tier": "standard"},
            UNSEEN_BY_SDK,
        ),
        (
            SDK,
            {
                "bursar.usage.speed": "standard",
                "bursar.usage.inference_geo": "us",
                "bursar.usage.web_search_requests": 0,
            },
            ("advisor and fallback iterations",),
        ),
        (SDK, {WRITE: 2}, (*UNSEEN_BY_SDK, "lifetime of cache writes: priced as 5 minutes")),
        (SDK, {WRITE: 2, W5: 2}, UNSEEN_BY_SDK),
        (SDK, {WRITE: 2, W1H: 2}, UNSEEN_BY_SDK),
        (
            SDK,
            {READ: 9},
            (*UNSEEN_BY_SDK, "input tokens fewer than the cached ones: read as excluding them"),
        ),
        (
            SDK,
            {"anthropic.message.stop_reason": "refusal"},
            (*UNSEEN_BY_SDK, "whether the refusal came before any output, which is not billed"),
        ),
    ],
)
def test_what_a_span_cannot_tell_is_named(scope: str, more: dict[str, Any], missing: tuple[str, ...]) -> None:
    """Each figure that the price depends on and the span leaves open stands in `missing`, and no other."""
    assert read({**CHAT, IN: 5, OUT: 1, **more}, scope).missing == missing


def test_missing_ends_are_named() -> None:
    """A broken-off stream says so, and so does a span without its prompt."""
    assert "output tokens: the stream was not read to its end" in read({**MODEL, IN: 5}).missing
    assert "input tokens" in read({**MODEL, OUT: 5}).missing


def test_compaction_is_a_part_of_its_own() -> None:
    """Compaction tokens stand beside the usage, not in it, and are billed all the same."""
    tokens = {"anthropic.usage.compaction.input_tokens": 70, "anthropic.usage.compaction.output_tokens": 8}
    call = read({**MODEL, IN: 5, OUT: 1, **tokens})
    assert call.report is not None
    assert call.report.usage == Usage(input=5, output=1)
    assert call.report.parts == (Part(Usage(input=5, output=1)), Part(Usage(input=70, output=8), "compaction"))
    assert "cache classes of compaction: priced as uncached" in call.missing


@pytest.mark.parametrize(
    ("attributes", "model", "requested"),
    [
        ({"gen_ai.request.model": "a", "gen_ai.response.model": "b", "bursar.served_model": "c"}, "b", "a"),
        ({"gen_ai.request.model": "a", "bursar.served_model": "c"}, "c", "a"),
        ({"gen_ai.request.model": "a"}, "a", "a"),
        ({"gen_ai.response.model": "b"}, "b", "b"),
    ],
)
def test_the_served_model_goes_before_the_requested(attributes: dict[str, Any], model: str, requested: str) -> None:
    """What served the call is what it costs; both are kept."""
    call = read(attributes)
    assert (call.model, call.requested_model) == (model, requested)


@pytest.mark.parametrize(
    ("attributes", "region"),
    [
        ({"gen_ai.request.model": "eu.anthropic.claude-sonnet-5-5"}, "eu"),
        ({**MODEL, "server.address": "us-east5-aiplatform.googleapis.com"}, "us-east5"),
        ({**MODEL, "server.address": "aiplatform.googleapis.com"}, None),
        ({**MODEL, "server.address": "api.anthropic.com"}, None),
        (MODEL, None),
    ],
)
def test_a_clouds_region_is_found(attributes: dict[str, Any], region: str | None) -> None:
    """In the requested id on Bedrock, in the endpoint's name on Google Cloud."""
    assert read(attributes).region == region


def test_tier_speed_and_geography_are_passed_on() -> None:
    """They decide the price, so the report has them as the span tells them."""
    told = {
        "anthropic.response.service_tier": "batch",
        "bursar.usage.speed": "fast",
        "bursar.usage.inference_geo": "us",
    }
    report = read({**MODEL, IN: 5, OUT: 1, **told}).report
    assert report is not None
    assert (report.service_tier, report.speed, report.inference_geo) == ("batch", "fast", "us")


def test_a_span_that_tells_a_call_again_is_passed_over() -> None:
    """LangSmith's: a trace of its own and no message id, so that it would count beside the SDK's span."""
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-opus-5-5",
    }
    assert read_inference(span(told, scope="my.tracer", name="chat")) is not None
    assert read_inference(span(told, scope="langsmith", name="chat")) is None


REASONS, OWN = "gen_ai.response.finish_reasons", "anthropic.message.stop_reason"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({REASONS: ("max_tokens",)}, "max_tokens"),
        ({REASONS: ("stop",), OWN: "stop_sequence"}, "stop_sequence"),
        ({REASONS: ("length",)}, "length"),
        ({REASONS: ()}, None),
        ({REASONS: (7,)}, None),
        ({REASONS: "max_tokens"}, None),
        ({OWN: ""}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("more", [{IN: 5, OUT: 6}, {"gen_ai.usage.raw": '{"input_tokens":5,"output_tokens":6}'}])
def test_why_the_answer_ended(told: dict[str, Any], reason: str | None, more: dict[str, Any]) -> None:
    """In the API's own word where it is there; other libraries have words of their own, which are left as they are."""
    assert read({**MODEL, **told, **more}).stop_reason == reason
