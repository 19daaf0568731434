from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest
from anthropic.types import Usage as SdkUsage
from anthropic.types.beta import BetaUsage

from bursar.policies.usage import CODE_EXECUTION, Part, Usage, UsageReport, read_report, read_usage


def test_prompt_and_written_tokens() -> None:
    """The prompt is all that was sent: 1 uncached, 20 read, 300 and 4,000 written; output is no part of it."""
    usage = Usage(input=1, cache_read=20, cache_write_5m=300, cache_write_1h=4_000, output=50_000, thinking=7)
    assert usage.prompt == 4_321
    assert usage.cache_write == 4_300


def test_usages_add_class_by_class() -> None:
    """Every field is summed with its own kind."""
    assert Usage(1, 2, 3, 4, 5, 6, 7, 8) + Usage(10, 20, 30, 40, 50, 60, 70, 80) == Usage(
        11, 22, 33, 44, 55, 66, 77, 88
    )


def split(five: Any, hour: Any) -> dict[str, Any]:
    return {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour}


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        pytest.param({}, Usage(), id="nothing"),
        pytest.param(None, Usage(), id="no usage at all"),
        pytest.param({"input_tokens": 10, "output_tokens": 5}, Usage(input=10, output=5), id="the two required counts"),
        pytest.param(
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_creation_input_tokens": None,
                "cache_read_input_tokens": None,
                "cache_creation": None,
                "output_tokens_details": None,
                "server_tool_use": None,
            },
            Usage(input=10, output=5),
            id="nulls",
        ),
        pytest.param({"cache_read_input_tokens": 7}, Usage(cache_read=7), id="read"),
        pytest.param(
            {"cache_creation_input_tokens": 7, "cache_creation": split(4, 3)},
            Usage(cache_write_5m=4, cache_write_1h=3),
            id="total and split agree",
        ),
        pytest.param(
            {"cache_creation": split(4, 3)}, Usage(cache_write_5m=4, cache_write_1h=3), id="split without total"
        ),
        pytest.param(
            {"cache_creation_input_tokens": 0, "cache_creation": split(4, 3)},
            Usage(cache_write_5m=4, cache_write_1h=3),
            id="split beside a total of zero",
        ),
        pytest.param({"cache_creation_input_tokens": 7}, Usage(cache_write_5m=7), id="total without split"),
        pytest.param(
            {"cache_creation_input_tokens": 10, "cache_creation": split(4, 3)},
            Usage(cache_write_5m=7, cache_write_1h=3),
            id="total larger than split: the rest is 5-minute",
        ),
        pytest.param(
            {"cache_creation_input_tokens": 10_345, "cache_creation": split(0, 0)},
            Usage(cache_write_5m=10_345),
            id="total beside an empty split",
        ),
        pytest.param(
            {"cache_creation_input_tokens": 5, "cache_creation": split(None, 5)},
            Usage(cache_write_1h=5),
            id="all of it for an hour",
        ),
        pytest.param(
            {"cache_creation_input_tokens": 2, "cache_creation": split(0, 5)},
            Usage(cache_write_1h=5),
            id="total smaller than its 1-hour part: no count below zero",
        ),
        pytest.param(
            {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 6}},
            Usage(output=9, thinking=6),
            id="thinking",
        ),
        pytest.param(
            {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 3}},
            Usage(web_searches=2, web_fetches=3),
            id="server tools",
        ),
        pytest.param(
            {"input_tokens": -5, "output_tokens": "9", "cache_read_input_tokens": 1.5}, Usage(), id="no counts"
        ),
    ],
)
def test_reported_usage_becomes_disjoint_classes(reported: Any, expected: Usage) -> None:
    """Missing and null are zero; writes that the split does not name are 5-minute ones."""
    assert read_usage(reported) == expected


def test_the_sdks_own_objects_are_read_like_json() -> None:
    """The response's object and the body's JSON object come to the same."""
    body: dict[str, Any] = {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 3,
        "cache_creation": split(4, 3),
        "output_tokens_details": {"thinking_tokens": 2},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 1},
        "service_tier": "standard",
    }
    expected = Usage(10, 3, 7, 3, 5, 2, 1, 1)
    assert read_usage(body) == expected
    assert read_usage(SdkUsage.model_validate(body)) == expected
    assert read_report(
        BetaUsage.model_validate({**body, "iterations": [{**body, "type": "message"}]}),
        stop_reason="end_turn",
        has_content=True,
    ).parts == (Part(expected),)


def reported(usage: Any, *, stop_reason: str | None = "end_turn", has_content: bool = True) -> UsageReport:
    return read_report(usage, stop_reason=stop_reason, has_content=has_content)


def test_without_iterations_the_top_level_is_billed() -> None:
    """One part, at the response's model; what else the price depends on stands beside it."""
    body = {
        "input_tokens": 10,
        "output_tokens": 5,
        "service_tier": "batch",
        "inference_geo": "us",
        "speed": "fast",
        "iterations": None,
    }
    usage = Usage(input=10, output=5)
    assert reported(body) == UsageReport(usage, (Part(usage),), "batch", "us", "fast")
    assert reported({**body, "iterations": []}).parts == (Part(usage),)


@dataclass
class Wrong:
    service_tier: int = 3
    speed: None = None


def test_terms_of_a_wrong_type_are_none() -> None:
    """What is no text says nothing."""
    report = reported(Wrong())
    assert (report.service_tier, report.inference_geo, report.speed) == (None, None, None)


@pytest.mark.parametrize(
    ("reported", "usage", "missing"),
    [
        pytest.param(
            {"cache_creation_input_tokens": 5, "cache_creation": split(4, 3)},
            Usage(cache_write_5m=2, cache_write_1h=3),
            ("cache writes: the split names 7 tokens, the total 5",),
            id="more in the split than in all",
        ),
        pytest.param(
            {"cache_creation_input_tokens": 2_000, "cache_creation": split(0, 5_000)},
            Usage(cache_write_1h=5_000),
            ("cache writes: the split names 5,000 tokens, the total 2,000",),
            id="more for an hour than in all",
        ),
        pytest.param(
            {"cache_creation_input_tokens": 0, "cache_creation": split(4, 3)},
            Usage(cache_write_5m=4, cache_write_1h=3),
            ("cache writes: the split names 7 tokens, the total 0",),
            id="a split of nothing",
        ),
        pytest.param({"cache_creation": split(4, 3)}, Usage(cache_write_5m=4, cache_write_1h=3), (), id="no total"),
        pytest.param(
            {"cache_creation_input_tokens": 7, "cache_creation": split(4, 3)},
            Usage(cache_write_5m=4, cache_write_1h=3),
            (),
            id="they agree",
        ),
        pytest.param(
            {"server_tool_use": {"code_execution_requests": 2}}, Usage(), (CODE_EXECUTION,), id="code was executed"
        ),
        pytest.param({"server_tool_use": {"code_execution_requests": 0}}, Usage(), (), id="no code was executed"),
    ],
)
def test_what_a_usage_contradicts_itself_in_or_cannot_tell_is_named(
    reported: dict[str, Any], usage: Usage, missing: tuple[str, ...]
) -> None:
    """At the top level and in an iteration alike, and once."""
    report = read_report(reported, stop_reason=None, has_content=True)
    assert (report.usage, report.missing) == (usage, missing)
    iterated = read_report({"iterations": [reported, reported]}, stop_reason=None, has_content=True)
    assert iterated.missing == missing


def test_a_container_is_a_sign_that_code_ran() -> None:
    """The SDK's `usage` has no counter for it; the response names a container, and its cost stands in no response."""
    report = read_report({"input_tokens": 1}, stop_reason=None, has_content=True, has_container=True)
    assert report.missing == (CODE_EXECUTION,)
    assert CODE_EXECUTION.startswith("code execution: billed by the container's time")


def test_undeclared_fields_of_the_sdks_objects_are_read_too() -> None:
    """What the SDK's types do not declare it keeps all the same: iterations on the GA usage, a counter to come."""
    body = {
        "input_tokens": 9,
        "output_tokens": 9,
        "iterations": [{"type": "compaction", "input_tokens": 3, "output_tokens": 4}],
        "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0, "code_execution_requests": 1},
    }
    report = read_report(SdkUsage.model_validate(body), stop_reason=None, has_content=True)
    assert report.parts == (Part(Usage(input=3, output=4), "compaction"),)
    assert report.missing == (CODE_EXECUTION,)


def test_any_mapping_is_read_like_a_dict() -> None:
    """A read-only view of a JSON object, and nested ones too."""
    inner = MappingProxyType({"ephemeral_1h_input_tokens": 3})
    assert read_usage(MappingProxyType({"input_tokens": 2, "cache_creation": inner})) == Usage(2, cache_write_1h=3)


def entry(kind: str | None, given: int, taken: int, model: str | None = None) -> dict[str, Any]:
    return {"type": kind, "input_tokens": given, "output_tokens": taken, "model": model}


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [
        pytest.param(
            [entry("compaction", 180_000, 3_500), entry("message", 23_000, 1_000)],
            (Part(Usage(input=180_000, output=3_500), "compaction"), Part(Usage(input=23_000, output=1_000))),
            id="compaction",
        ),
        pytest.param(
            [
                entry("message", 412, 89),
                entry("advisor_message", 823, 1_612, "claude-opus-5"),
                entry("message", 1_348, 442),
            ],
            (
                Part(Usage(input=412, output=89)),
                Part(Usage(input=823, output=1_612), "advisor", "claude-opus-5"),
                Part(Usage(input=1_348, output=442)),
            ),
            id="advisor",
        ),
        pytest.param(
            [entry("message", 535, 0, "claude-fable-5"), entry("fallback_message", 412, 264, "claude-opus-4-8")],
            (Part(Usage(input=412, output=264), "fallback", "claude-opus-4-8"),),
            id="declined before output: not billed",
        ),
        pytest.param(
            [entry("message", 535, 20, "claude-fable-5"), entry("fallback_message", 412, 264, "claude-opus-4-8")],
            (
                Part(Usage(input=535, output=20), "message", "claude-fable-5"),
                Part(Usage(input=412, output=264), "fallback", "claude-opus-4-8"),
            ),
            id="declined in mid-stream: billed",
        ),
        pytest.param([entry("message", 50_000, 0)], (Part(Usage(input=50_000)),), id="pre-warm: billed"),
        pytest.param(
            [entry("compaction", 100, 0), entry("fallback_message", 10, 1, "claude-opus-5")],
            (Part(Usage(input=100), "compaction"), Part(Usage(input=10, output=1), "fallback", "claude-opus-5")),
            id="only messages decline",
        ),
        pytest.param([entry(None, 1, 2)], (Part(Usage(input=1, output=2)),), id="without a type"),
        pytest.param([entry("new_kind", 1, 2)], (Part(Usage(input=1, output=2)),), id="of a type to come"),
    ],
)
def test_iterations_are_billed_in_place_of_the_top_level(
    iterations: list[dict[str, Any]], expected: tuple[Part, ...]
) -> None:
    """Each at its own model; the top level, which leaves some out and repeats the rest, is not added."""
    report = reported({"input_tokens": 999, "output_tokens": 999, "iterations": iterations})
    assert report.parts == expected
    assert report.usage == Usage(input=999, output=999)


def test_iterations_have_a_split_of_their_own() -> None:
    """An iteration's writes are read as the top level's are."""
    iteration = {"type": "message", "cache_creation_input_tokens": 10, "cache_creation": split(4, 3)}
    assert reported({"iterations": [iteration]}).parts == (Part(Usage(cache_write_5m=7, cache_write_1h=3)),)


def test_searches_are_billed_once() -> None:
    """They stand at the top level; where iterations name them too, those count."""
    tools = {"server_tool_use": {"web_search_requests": 2}}
    plain = entry("message", 1, 1)
    part = Part(Usage(input=1, output=1))
    assert reported({**tools, "iterations": [plain]}).parts == (part, Part(Usage(web_searches=2)))
    own = reported({**tools, "iterations": [{**plain, **tools}]})
    assert own.parts == (Part(Usage(input=1, output=1, web_searches=2)),)


@pytest.mark.parametrize(
    ("stop_reason", "has_content", "refused"),
    [
        ("refusal", False, True),
        ("refusal", True, False),
        ("end_turn", False, False),
        ("max_tokens", False, False),
        (None, False, False),
    ],
)
def test_a_refusal_before_output_has_no_content(stop_reason: str | None, has_content: bool, refused: bool) -> None:
    """A refusal in mid-stream, and an empty answer of another kind, are billed."""
    report = reported({"input_tokens": 412}, stop_reason=stop_reason, has_content=has_content)
    assert report.refused_before_output is refused
    assert report.usage == Usage(input=412)


@pytest.mark.parametrize(
    ("kinds", "outputs", "left"),
    [
        (["message"], [0], []),
        (["message", "fallback_message"], [0, 0], []),
        (["compaction", "message"], [80, 0], ["compaction"]),
        (["message"], [7], ["message"]),
    ],
    ids=["alone", "a whole chain", "after a compaction", "in mid-stream"],
)
def test_a_refusal_before_output_is_not_billed_in_the_beta_either(
    kinds: list[str], outputs: list[int], left: list[str]
) -> None:
    """Beta responses always carry iterations: what declined without a token of output is free, the rest is not."""
    iterations = [{"type": k, "input_tokens": 100, "output_tokens": n} for k, n in zip(kinds, outputs, strict=True)]
    reported = {"input_tokens": 100, "output_tokens": outputs[-1], "iterations": iterations}
    report = read_report(reported, stop_reason="refusal", has_content=outputs[-1] > 0)
    assert [part.kind for part in report.parts] == left
    assert report.refused_before_output is (not left)


@pytest.mark.parametrize(
    ("kinds", "outputs", "billed"),
    [
        (["message", "message"], [50, 0], [50, 0]),
        (["message", "fallback_message"], [0, 0], []),
        (["message", "fallback_message"], [30, 0], [30]),
    ],
    ids=["a tool loop refused in mid-stream", "a chain, with marks in its content", "a chain that declined twice"],
)
def test_a_refusal_with_content_bills_what_came_before_it(
    kinds: list[str], outputs: list[int], billed: list[int]
) -> None:
    """What was put out is billed with all its input; in a chain the marks between models are no output."""
    iterations = [{"type": k, "input_tokens": 100, "output_tokens": n} for k, n in zip(kinds, outputs, strict=True)]
    report = read_report({"input_tokens": 100, "iterations": iterations}, stop_reason="refusal", has_content=True)
    assert [part.usage.output for part in report.parts] == billed
    assert report.refused_before_output is False
