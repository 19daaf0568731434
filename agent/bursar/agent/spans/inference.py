"""Is a span a call of Claude, and what does it tell of the tokens that were used?"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies import attributes as names
from bursar.policies.models import canonical
from bursar.policies.usage import Part, Usage, UsageReport, read_report

_SDK_SCOPES = tuple(
    f"com.anthropic.sdk.{language}"
    for language in ("python", "typescript", "java", "kotlin", "go", "ruby", "csharp", "php")
)
_SDK_CALLS = ("anthropic.messages.create", "anthropic.beta.messages.create")
_PROVIDERS = ("anthropic", "aws.bedrock", "gcp.vertex_ai", "vertex_ai")
_PROVIDER_NAMES = (names.PROVIDER, "gen_ai.system", "llm.provider", "llm.system")
"""Of the conventions, today and before 2025, and of OpenInference."""
_OPERATION_NAMES = (names.OPERATION, "llm.request.type")
"""The second is OpenLLMetry's before it had the first."""
_KIND = "openinference.span.kind"
_MODEL_NAMES = (names.RESPONSE_MODEL, names.SERVED_MODEL, "llm.response.model_name", "llm.model_name")
_REQUEST_MODEL_NAMES = (names.REQUEST_MODEL, "llm.request.model_name")
_RAW = "gen_ai.usage.raw"
"""Logfire's: the API's own usage object, as JSON."""
_COUNTS_ONE_MORE = "opentelemetry.instrumentation.anthropic"
"""OpenLLMetry adds a stream's last output count to its first, which is 1."""
_IS_STREAM = "gen_ai.is_streaming"

# Names that older instrumentations still write, after the ones of today.
_INPUT = (names.INPUT_TOKENS, "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
_OUTPUT = (names.OUTPUT_TOKENS, "gen_ai.usage.completion_tokens", "llm.token_count.completion")
_CACHE_READ = (
    names.CACHE_READ_TOKENS,
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
)
_CACHE_WRITE = (
    names.CACHE_WRITE_TOKENS,
    names.CACHE_CREATION_TOKENS,
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
)
_THINKING = "gen_ai.usage.reasoning.output_tokens"
_COMPACTION_INPUT = "anthropic.usage.compaction.input_tokens"
_COMPACTION_OUTPUT = "anthropic.usage.compaction.output_tokens"
_STOP_REASON = "anthropic.message.stop_reason"
_SERVER_ADDRESS = "server.address"
_VERTEX_HOST = "-aiplatform.googleapis.com"


@dataclass(frozen=True, slots=True)
class Inference:
    """What a span tells of one call of Claude."""

    model: str
    """As served; the requested one where no response said otherwise."""
    requested_model: str
    region: str | None
    """The region that a cloud bills by: in the model's id on Bedrock, in the endpoint's name on Google Cloud."""
    report: UsageReport | None
    """None: the span tells of no tokens, as after an error."""
    complete: bool
    """Whether the closing counts are in; without them the report is a lower bound."""
    missing: tuple[str, ...] = ()
    """What the price depends on and the span does not tell."""
    stop_reason: str | None = None
    """Why the answer ended, in the API's words where the span has them, else in its own."""


def read_inference(span: SeenSpan) -> Inference | None:
    """
    What a span tells of a call of Claude; None for any other span.

    Calls are what Bursar has stamped, the SDK's own spans of `messages.create`, and the spans of others for one
    inference (`chat`) by a Claude model. Counting, batches, tools and agents are none: they cost nothing themselves,
    or repeat the tokens of the calls inside them.
    """
    requested = span.text(*_REQUEST_MODEL_NAMES) or ""
    model = span.text(*_MODEL_NAMES) or requested
    of_sdk = _is_sdk(span)
    if not (of_sdk or _is_stamped(span) or _is_chat(span, model)):
        return None
    raw = _raw(span)
    if raw is not None:
        region = canonical(requested).region
        return Inference(model, requested or model, region, raw, True, _RAW_HIDES, _stop_reason(span))
    tokens = _tokens(span)
    return Inference(
        model=model,
        requested_model=requested or model,
        region=canonical(requested).region or _google_region(span),
        report=None if tokens is None else _report(span, tokens),
        complete=tokens is not None and None not in (tokens.prompt, tokens.output),
        missing=() if tokens is None else _missing(span, tokens, of_sdk=of_sdk),
        stop_reason=_stop_reason(span),
    )


class _Tokens(NamedTuple):
    """A span's counts, OpenTelemetry's way: the prompt includes what was read from and written to the cache."""

    prompt: int | None
    output: int | None
    read: int
    written: int
    written_5m: int | None
    written_1h: int | None

    @property
    def uncached(self) -> int:
        """The prompt without its cached parts; the count itself where it is too small to include them."""
        prompt = self.prompt or 0
        return prompt if self.excludes_cache else prompt - self.read - self.written

    @property
    def excludes_cache(self) -> bool:
        """Whether the sender counts Anthropic's way, whatever the conventions say: it can mean nothing else."""
        return self.prompt is not None and self.prompt < self.read + self.written


def _is_sdk(span: SeenSpan) -> bool:
    """Whether it is the SDK's own, in any language: a scope may name a cloud after it."""
    return span.name in _SDK_CALLS and ".".join(span.scope.split(".")[:4]) in _SDK_SCOPES


def _is_stamped(span: SeenSpan) -> bool:
    return span.text(names.ATTEMPT_ID) is not None


_RETELLERS = frozenset({"langsmith"})
"""
Tracers that tell a call again in a trace of its own, without the message's id: such a span cannot be known for the
call that the SDK's own span, or a journal, has told already.
"""


def _is_chat(span: SeenSpan, model: str) -> bool:
    provider = span.text(*_PROVIDER_NAMES) or ""
    return (
        (span.text(*_OPERATION_NAMES) == "chat" or span.text(_KIND) == "LLM")
        and span.scope not in _RETELLERS
        and provider.lower() in _PROVIDERS
        and canonical(model).id.startswith("claude-")
    )


_RAW_HIDES = ("whether the refusal, if it was one, came before any output, which is not billed",)


def _raw(span: SeenSpan) -> UsageReport | None:
    """The API's own usage, where the span has it whole."""
    written = span.text(_RAW)
    if written is None:
        return None
    try:
        usage: Any = json.loads(written)
        if not isinstance(usage, dict) or not {"input_tokens", "output_tokens"} <= usage.keys():
            return None
        return read_report(usage, stop_reason=None, has_content=True)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _tokens(span: SeenSpan) -> _Tokens | None:
    """The counts, or None where the span has none at all."""
    prompt, output, read, written = (span.count(*each) for each in (_INPUT, _OUTPUT, _CACHE_READ, _CACHE_WRITE))
    written_5m, written_1h = span.count(names.CACHE_5M_TOKENS), span.count(names.CACHE_1H_TOKENS)
    if prompt is None and output is None and not read and not written:
        return None
    written = written or (written_5m or 0) + (written_1h or 0)
    return _Tokens(prompt, output, read or 0, written, written_5m, written_1h)


def _report(span: SeenSpan, tokens: _Tokens) -> UsageReport:
    """The counts as Anthropic reports them, and with them all that the price depends on and the span tells."""
    reported: dict[str, Any] = {
        "input_tokens": tokens.uncached,
        "output_tokens": tokens.output,
        "cache_read_input_tokens": tokens.read,
        "cache_creation_input_tokens": tokens.written,
        "cache_creation": {"ephemeral_1h_input_tokens": tokens.written_1h},
        "output_tokens_details": {"thinking_tokens": span.count(_THINKING)},
        "server_tool_use": {
            "web_search_requests": span.count(names.WEB_SEARCHES),
            "web_fetch_requests": span.count(names.WEB_FETCHES),
        },
        "service_tier": span.text(names.SERVICE_TIER),
        "inference_geo": span.text(names.INFERENCE_GEO),
        "speed": span.text(names.SPEED),
    }
    # Whether a refusal left content is not on a span; taking it as billed is the dearer reading, and `missing` says so.
    report = read_report(reported, stop_reason=None, has_content=True)
    compaction = Usage(input=span.count(_COMPACTION_INPUT) or 0, output=span.count(_COMPACTION_OUTPUT) or 0)
    if compaction == Usage():
        return report
    return replace(report, parts=(*report.parts, Part(compaction, kind="compaction")))


def _missing(span: SeenSpan, tokens: _Tokens, *, of_sdk: bool) -> tuple[str, ...]:
    """What a span of this kind cannot tell, and what this one leaves open."""
    doubts = (
        ("speed", span.text(names.SPEED) is None),
        ("inference_geo", span.text(names.INFERENCE_GEO) is None),
        ("service_tier", not of_sdk and span.text(names.SERVICE_TIER) is None),
        ("server_tool_use", names.WEB_SEARCHES not in span.attributes),
        ("advisor and fallback iterations", True),
        ("input tokens", tokens.prompt is None),
        ("output tokens: the stream was not read to its end", tokens.output is None),
        ("input tokens fewer than the cached ones: read as excluding them", tokens.excludes_cache),
        (
            "lifetime of cache writes: priced as 5 minutes",
            tokens.written > 0 and tokens.written_5m is None and tokens.written_1h is None,
        ),
        (
            "output tokens of streams: one too many, by this instrumentation",
            span.scope == _COUNTS_ONE_MORE and span.attributes.get(_IS_STREAM) is True,
        ),
        ("cache classes of compaction: priced as uncached", bool(span.count(_COMPACTION_INPUT))),
        ("whether the refusal came before any output, which is not billed", span.text(_STOP_REASON) == "refusal"),
    )
    return tuple(what for what, open_ in doubts if open_)


def _stop_reason(span: SeenSpan) -> str | None:
    """In the API's words where the SDK tells it; the conventions' list has one for each answer, here the only one."""
    reasons = span.attributes.get(names.FINISH_REASONS)
    first = reasons[0] if isinstance(reasons, tuple) and reasons else None
    return span.text(_STOP_REASON) or (first if isinstance(first, str) and first else None)


def _google_region(span: SeenSpan) -> str | None:
    """`us-east5` of `us-east5-aiplatform.googleapis.com`; None for the global endpoint and for other hosts."""
    host = span.text(_SERVER_ADDRESS) or ""
    return host.removesuffix(_VERTEX_HOST) if host.endswith(_VERTEX_HOST) else None
