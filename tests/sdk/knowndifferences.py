"""
Which tests of the SDK's suite must differ with Bursar active, since they deny what Bursar is there for.

Each entry names tests and the words in which they fail; in any other words they count as differing. An entry whose
tests differ no longer is told by its count of 0, and goes.
"""

from __future__ import annotations

from tests.sdk.comparison import Known

_SPAN = r"<opentelemetry\.sdk\.trace\.ReadableSpan object at 0x\w+>"
_OURS = (
    r"bursar\.[\w.]+|gen_ai\.usage\.cost|gen_ai\.usage\.cache_creation\.input_tokens|gen_ai\.response\.finish_reasons"
)
_SEEN = r"gen_ai\.usage\.output_tokens|gen_ai\.response\.id|gen_ai\.response\.finish_reasons"
_TESTS = r"tests/test_open_telemetry\.py::"

KNOWN = (
    Known(
        rf"{_TESTS}(Test(CallSpans::test_(environment_variable|option)_disables_spans"
        r"|PropagationOption::test_disabled_open_telemetry_sends_no_trace_context\[a?sync\]"
        r"|TracesOption::test_disabled_traces_have_no_spans\[[\w-]+\]"
        r"|ConversationId::test_(a_client|platform_clients)_without_spans_read\w*(\[a?sync\])?"
        r"|ConversationId::test_(environment_is|platform_clients)_read\w*(\[a?sync\])?))",
        # All assertions before this last one held: no header is sent, nothing else is told.
        rf"E   (AssertionError: )?assert \(({_SPAN},? ?)+\) == \(\)\n.*",
        "the SDK's spans are switched off, so that each call has a span of Bursar's own; they want none at all",
    ),
    Known(
        rf"{_TESTS}TestTracingFailures::test_disabled_spans_call_nothing_of_opentelemetry\[a?sync-(option|variable)\]",
        # Every function of opentelemetry.trace raises here, and still every call was answered.
        r"E   AssertionError: assert \[('get_current_span',? ?)+\] == \[\]\n.*",
        "whether the SDK made a span is seen by the current one, which is asked for; they want no question asked",
    ),
    Known(
        rf"{_TESTS}TestCallSpans::test_unary_attributes",
        # Nothing is missing and nothing of the SDK's has another value: lines of a difference are ours alone.
        rf"E   (AssertionError: )?assert \{{[^\n]*\n.*Left contains \d+ more items:\nE     \{{'({_OURS})': "
        rf"((?!Right contains|Differing items).)*Full diff:\n((?!\nE     -).)*",
        "the SDK's span gains Bursar's attributes; it wants exactly the SDK's",
    ),
    Known(
        rf"{_TESTS}TestCallSpans::test_(async_)?(raw_response_(ends_the_span_with_its_body|whose_events_\w+)"
        r"|stop_reason_is_the_one_in_the_response\[\w+\])",
        rf"E   (AssertionError: )?assert '({_SEEN})' not in \{{.*",
        "the SDK's span gains what Bursar read of a response that the SDK did not parse, and the reason it finished; "
        "they want both left out",
    ),
    Known(
        r"tests/test_middleware\.py::Test(Async|Sync)Middleware::test_middleware_ordering_across_sequential_requests",
        r"E   assert <function (Async|Sync)APIClient\._build_middleware_chain\.\S+ at \w+> is <function [^\n]+\n"
        r"E    \+  where [^\n]+ = <anthropic\.\w+ object at \w+>\._middleware_chain",
        "a client takes Bursar's middleware in at its first request; they want the same private chain object after it",
    ),
)
