"""What a call used: disjoint token classes and server-tool counts, as Anthropic reports them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

PartKind = Literal["message", "compaction", "advisor", "fallback"]


@dataclass(frozen=True, slots=True)
class Usage:
    """
    Tokens by class, and server-tool requests.

    The first five are disjoint and additive: `input` excludes what was read from or written to the cache, as in
    Anthropic's `usage` (OpenTelemetry's `gen_ai.usage.input_tokens` includes both). `thinking` is a part of `output`.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    thinking: int = 0
    web_searches: int = 0
    web_fetches: int = 0

    @property
    def prompt(self) -> int:
        """The whole prompt in tokens: uncached, read and written. What decides a price's length tier."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    @property
    def cache_write(self) -> int:
        """Tokens written to the cache under either TTL."""
        return self.cache_write_5m + self.cache_write_1h

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Part:
    """One separately billed piece of a response: an iteration of a beta `usage`, with the model that served it."""

    usage: Usage
    kind: PartKind = "message"
    model: str | None = None
    """None: the model of the response."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """
    Everything about one response that its price depends on.

    `usage` is the top level as the API reported it. `parts` are what is billed: usually that same usage, but the
    beta's iterations where there are any, since compaction and advisor tokens stand nowhere else (docs/billing.md).
    """

    usage: Usage
    parts: tuple[Part, ...]
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    refused_before_output: bool = False


def read_usage(reported: Any) -> Usage:
    """
    Anthropic's `usage` (the SDK's object or the JSON object) as disjoint classes.

    Missing and null counts are zero. Writes that the 5m/1h split does not name are 5-minute ones: the split may be
    absent, and server tools write behind an automatic 5-minute mark that it leaves out.
    """
    split = _get(reported, "cache_creation")
    write_1h = _count(split, "ephemeral_1h_input_tokens")
    written = _count(reported, "cache_creation_input_tokens")
    if not written:
        written = write_1h + _count(split, "ephemeral_5m_input_tokens")
    tools = _get(reported, "server_tool_use")
    return Usage(
        input=_count(reported, "input_tokens"),
        cache_read=_count(reported, "cache_read_input_tokens"),
        cache_write_5m=max(written - write_1h, 0),
        cache_write_1h=write_1h,
        output=_count(reported, "output_tokens"),
        thinking=_count(_get(reported, "output_tokens_details"), "thinking_tokens"),
        web_searches=_count(tools, "web_search_requests"),
        web_fetches=_count(tools, "web_fetch_requests"),
    )


def read_report(reported: Any, *, stop_reason: str | None, has_content: bool) -> UsageReport:
    """
    A response's `usage` with all that its price depends on.

    `has_content` is false for an empty `content` list: together with the stop reason `refusal` it means a refusal
    before any output, which is not billed although its usage shows tokens.
    """
    usage = read_usage(reported)
    iterations = _get(reported, "iterations") or ()
    refused = stop_reason == "refusal"
    parts = _billed_parts(iterations, refused=refused) if iterations else (Part(usage),)
    # Search fees stand at the top level only; the iterations repeat no server-tool counts.
    if iterations and not any(part.usage.web_searches for part in parts) and usage.web_searches:
        parts = (*parts, Part(Usage(web_searches=usage.web_searches)))
    return UsageReport(
        usage=usage,
        parts=parts,
        service_tier=_text(reported, "service_tier"),
        inference_geo=_text(reported, "inference_geo"),
        speed=_text(reported, "speed"),
        refused_before_output=refused and not has_content and (not iterations or not parts),
    )


_KINDS: Mapping[str, PartKind] = {
    "message": "message",
    "compaction": "compaction",
    "advisor_message": "advisor",
    "fallback_message": "fallback",
}


def _billed_parts(iterations: Any, *, refused: bool) -> tuple[Part, ...]:
    """Every iteration that is billed: all but those that declined before any output, alone or in a fallback chain."""
    kinds = [_text(entry, "type") or "message" for entry in iterations]
    in_chain = "fallback_message" in kinds
    parts: list[Part] = []
    for kind, entry in zip(kinds, iterations, strict=True):
        usage = read_usage(entry)
        declined = (in_chain and kind == "message") or (refused and kind in ("message", "fallback_message"))
        if declined and usage.output == 0:
            continue
        parts.append(Part(usage=usage, kind=_KINDS.get(kind, "message"), model=_text(entry, "model")))
    return tuple(parts)


def _get(source: Any, name: str) -> Any:
    if isinstance(source, Mapping):
        return source.get(name)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return getattr(source, name, None)


def _count(source: Any, name: str) -> int:
    value = _get(source, name)
    return value if type(value) is int and value > 0 else 0


def _text(source: Any, name: str) -> str | None:
    value = _get(source, name)
    return value if isinstance(value, str) else None
