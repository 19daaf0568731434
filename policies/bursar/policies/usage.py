"""What a call used: disjoint token classes and server-tool counts, as Anthropic reports them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, Literal

from bursar.policies.values import value

PartKind = Literal["message", "compaction", "advisor", "fallback"]

CODE_EXECUTION = (
    "code execution: billed by the container's time, which no response tells; free beside web search or web fetch of "
    "20260209 and later"
)


@value
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


@value
class Part:
    """One separately billed piece of a response: an iteration of a beta `usage`, with the model that served it."""

    usage: Usage
    kind: PartKind = "message"
    model: str | None = None
    """None: the model of the response."""


@value
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
    missing: tuple[str, ...] = ()
    """What the figures leave open, or contradict each other in."""


def read_usage(reported: Any) -> Usage:
    """
    Anthropic's `usage` (the SDK's object or the JSON object) as disjoint classes.

    Missing and null counts are zero. Writes that the 5m/1h split does not name are 5-minute ones: the split may be
    absent, and server tools write behind an automatic 5-minute mark that it leaves out.
    """
    return _read(fields_of(reported), [])


def read_report(
    reported: Any, *, stop_reason: str | None, has_content: bool, has_container: bool = False
) -> UsageReport:
    """
    A response's `usage` with all that its price depends on.

    `has_content` is false for an empty `content` list: together with the stop reason `refusal` it means a refusal
    before any output, which is not billed although its usage shows tokens. `has_container` says that the response
    names a `container`, in which code ran.
    """
    get = fields_of(reported)
    missing: list[str] = [CODE_EXECUTION] if has_container else []
    usage = _read(get, missing)
    refused = stop_reason == "refusal"
    iterations = get("iterations")
    parts = (
        _billed_parts(iterations, usage, missing, refused=refused, has_content=has_content)
        if iterations
        else (Part(usage),)
    )
    # By place, here and below: by keyword, values take twice as long to make.
    return UsageReport(
        usage,
        parts,
        _text(get("service_tier")),
        _text(get("inference_geo")),
        _text(get("speed")),
        refused and not has_content and (not iterations or not parts),
        tuple(dict.fromkeys(missing)) if missing else (),
    )


_KINDS: Mapping[str, PartKind] = {
    "message": "message",
    "compaction": "compaction",
    "advisor_message": "advisor",
    "fallback_message": "fallback",
}


def _billed_parts(
    iterations: Any, whole: Usage, missing: list[str], *, refused: bool, has_content: bool
) -> tuple[Part, ...]:
    """Every iteration that is billed: all but those that declined before any output, alone or in a fallback chain."""
    entries = [fields_of(entry) for entry in iterations]
    kinds = [_text(get("type")) or "message" for get in entries]
    in_chain = "fallback_message" in kinds
    # In a chain the marks between the models are content, and so tell nothing of whether the last one answered.
    refused_at_once = refused and (in_chain or not has_content)
    parts: list[Part] = []
    for kind, get in zip(kinds, entries, strict=True):
        usage = _read(get, missing)
        declined = (in_chain and kind == "message") or (refused_at_once and kind in ("message", "fallback_message"))
        if declined and usage.output == 0:
            continue
        parts.append(Part(usage, _KINDS.get(kind, "message"), _text(get("model"))))
    # Search fees stand at the top level only; the iterations repeat no server-tool counts.
    if whole.web_searches and not any(part.usage.web_searches for part in parts):
        parts.append(Part(Usage(web_searches=whole.web_searches)))
    return tuple(parts)


Get = Callable[[str], Any]


def fields_of(source: Any) -> Get:
    """How a JSON object, or an object of the SDK's, is asked for a field that it may lack; None lacks all."""
    kind: Any = source.__class__
    if kind is dict or _is_mapping(kind):
        get: Get = source.get
        return get
    declared: dict[str, Any] | None = getattr(source, "__dict__", None)
    if declared is None:
        return _nothing
    # Asked by attribute, the SDK's models take long to say that they have none of a name.
    undeclared: dict[str, Any] | None = getattr(source, "__pydantic_extra__", None)
    return ({**declared, **undeclared} if undeclared else declared).get


@lru_cache(maxsize=256)
def _is_mapping(kind: Any) -> bool:
    return issubclass(kind, Mapping)


def _nothing(name: str) -> None:
    """What something without fields answers, such as None."""


def _read(get: Get, missing: list[str]) -> Usage:
    """One `usage` object, top level or iteration; what it contradicts itself in or leaves open goes to `missing`."""
    split, tools, details = get("cache_creation"), get("server_tool_use"), get("output_tokens_details")
    total = get("cache_creation_input_tokens")
    write_5m, write_1h = (_count(total), 0) if split is None else _writes(total, fields_of(split), missing)
    searches, fetches = (0, 0) if tools is None else _server_tools(fields_of(tools), missing)
    return Usage(
        _count(get("input_tokens")),
        _count(get("cache_read_input_tokens")),
        write_5m,
        write_1h,
        _count(get("output_tokens")),
        0 if details is None else _count(fields_of(details)("thinking_tokens")),
        searches,
        fetches,
    )


def _writes(total: Any, split: Get, missing: list[str]) -> tuple[int, int]:
    """The 5-minute and the 1-hour writes."""
    write_1h = _count(split("ephemeral_1h_input_tokens"))
    named = write_1h + _count(split("ephemeral_5m_input_tokens"))
    written = _count(total)
    if named > written:
        if total is not None:
            missing.append(f"cache writes: the split names {named:,} tokens, the total {written:,}")
        written = max(written or named, write_1h)
    return written - write_1h, write_1h


def _server_tools(get: Get, missing: list[str]) -> tuple[int, int]:
    """Searches and fetches."""
    if get("code_execution_requests"):
        missing.append(CODE_EXECUTION)
    return _count(get("web_search_requests")), _count(get("web_fetch_requests"))


def _count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
