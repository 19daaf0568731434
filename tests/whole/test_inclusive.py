"""Counts of input convert both ways: OpenTelemetry's includes what was cached, Anthropic's does not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.agent.spans.inference import read_inference
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies import attributes as names
from bursar.policies.usage import Usage

counts = st.integers(min_value=0, max_value=10**9)


@settings(deadline=None, max_examples=60)
@given(st.builds(Usage, input=counts, cache_read=counts, cache_write_5m=counts, cache_write_1h=counts, output=counts))
def test_what_a_span_says_inclusively_is_read_back_class_by_class(usage: Usage) -> None:
    """The prompt goes out as one inclusive count beside its cached parts, and comes back as disjoint classes."""
    span = SeenSpan(
        "anthropic.messages.create",
        "com.anthropic.sdk.python",
        "0a" * 16,
        "0b" * 8,
        None,
        "CLIENT",
        1,
        2,
        {
            names.REQUEST_MODEL: "claude-sonnet-5-5",
            names.INPUT_TOKENS: usage.prompt,
            names.OUTPUT_TOKENS: usage.output,
            names.CACHE_READ_TOKENS: usage.cache_read,
            names.CACHE_WRITE_TOKENS: usage.cache_write,
            names.CACHE_5M_TOKENS: usage.cache_write_5m,
            names.CACHE_1H_TOKENS: usage.cache_write_1h,
        },
    )
    found = read_inference(span)
    assert found is not None
    assert found.report is not None
    assert found.report.usage == usage
