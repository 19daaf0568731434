"""Which requests does Claude Code tell of in its events and spans, and what did each cost?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from bursar.agent.spans.seenevent import SeenEvent, text, whole
from bursar.agent.spans.seenspan import Attributes, SeenSpan
from bursar.agent.spans.spancharge import MOST_NANO, day, nano_of
from bursar.agent.spans.spantimes import Times, within
from bursar.policies import attributes as names
from bursar.policies.charge import Basis, Charge
from bursar.policies.elapsed import elapsed
from bursar.policies.models import canonical
from bursar.policies.policy import Policy
from bursar.policies.prices import PriceBook, price
from bursar.policies.route import find_route
from bursar.policies.usage import UsageReport, read_report

ROUTE = "claude-code"
"""The route of its requests, where the policy finds none by `service`."""

_SCOPE = "com.anthropic.claude_code"
_REQUEST = ("api_request", "claude_code.api_request")
_SPAN = "claude_code.llm_request"
_DAY_MS = 86_400_000
_MS = 10**6
_ATTEMPT = "gen_ai.request.attempt"
"""The event of its spans at which an attempt is sent; the span itself begins with the first."""

UNTOLD = ("inference_geo", "service_tier", "server_tool_use", "advisor and fallback iterations")
"""What the price depends on and no telemetry of Claude Code tells."""
LIFETIME = "lifetime of cache writes: priced as 5 minutes"

_USER = ("user.email", "user.account_uuid", "user.account_id", "user.id")
_REPOSITORY = ("repository", "vcs.repository.name", "vcs.repository.url.full")
LABELS: Mapping[str, Sequence[str]] = {
    "service": ("service.name",),
    "env": ("deployment.environment.name", "deployment.environment"),
    "session": ("session.id",),
    "user": _USER,
    "organization": ("organization.id",),
    "repository": _REPOSITORY,
    "team": ("team", "team.id"),
    "department": ("department",),
    "cost_center": ("cost_center",),
    "query_source": ("query_source", "query_source_safe"),
    "agent": ("agent.name",),
    "skill": ("skill.name",),
    "plugin": ("plugin.name",),
    "mcp_server": ("mcp_server.name",),
    "effort": ("effort",),
}
"""By label, the attributes that it is read from, of the record or else of the process; the first that is there."""


@dataclass(frozen=True, slots=True)
class Told:
    """One request that Claude Code tells of."""

    charge: Charge
    session: str | None
    told_ns: int
    """When it was over, and told."""


def is_scope(scope: str) -> bool:
    """Whether a library of this name is a part of Claude Code."""
    return scope == _SCOPE or scope.startswith(f"{_SCOPE}.")


def requests(events: Iterable[SeenEvent]) -> tuple[SeenEvent, ...]:
    """Those events that tell of an answered request; prompts and the rest are let go at once."""
    return tuple(event for event in events if (text(event.attributes, "event.name") or event.name) in _REQUEST)


def of_event(event: SeenEvent, book: PriceBook, *, policy: Policy | None, now_ns: int) -> Told | None:
    """What an `api_request` event tells; None where it tells of no tokens."""
    told_ns = event.at_ns or now_ns
    took_ms = min(whole(event.attributes, "duration_ms") or 0, _DAY_MS)
    at_ns = max(told_ns - took_ms * _MS, 0)
    told = _told(event.attributes, event.resource, book, policy=policy, at_ns=at_ns, told_ns=told_ns)
    return _timed(told, Times(_milliseconds(event.attributes, "duration_ms"), _first_token_ns(event.attributes)))


def of_span(span: SeenSpan, book: PriceBook, *, policy: Policy | None, now_ns: int) -> Told | None:
    """
    What a span of the beta traces tells; None where it is none of a request, or names none.

    Without the request's id nothing could know it for the one that an event tells.
    """
    if not (span.name == _SPAN and is_scope(span.scope) and span.text("request_id")):
        return None
    at_ns = span.start_ns or now_ns
    told = _told(span.attributes, span.resource, book, policy=policy, at_ns=at_ns, told_ns=span.end_ns or at_ns)
    told = _timed(told, Times(_duration_ns(span), _first_token_ns(span.attributes)))
    if told is None or told.charge.basis is not Basis.SPAN or LIFETIME not in told.charge.missing:
        return told
    # A lower bound, said so: the event of the same request, which tells the lifetime, corrects it.
    return replace(told, charge=replace(told.charge, basis=Basis.ESTIMATE))


def route_of(resource: Attributes, policy: Policy | None) -> str:
    """The first route that the policy finds by the process's service, else `ROUTE`."""
    route = None if policy is None else find_route(policy.routes, code=None, service=text(resource, "service.name"))
    return ROUTE if route is None else route.name


def labels_of(attributes: Attributes, resource: Attributes) -> dict[str, str]:
    """Who and where; `bursar.label.*` of either wins."""
    found = {name: text(attributes, *told) or text(resource, *told) for name, told in LABELS.items()}
    return {name: value for name, value in found.items() if value} | dict(_chosen(resource)) | dict(_chosen(attributes))


def _chosen(attributes: Attributes) -> Iterator[tuple[str, str]]:
    for name, value in attributes.items():
        if name.startswith(names.LABEL_PREFIX):
            yield name.removeprefix(names.LABEL_PREFIX), str(value)


def _timed(told: Told | None, times: Times) -> Told | None:
    if told is None:
        return None
    duration_ns, first_token_ns = within(times)
    return replace(told, charge=replace(told.charge, duration_ns=duration_ns, first_token_ns=first_token_ns))


def _duration_ns(span: SeenSpan) -> int | None:
    """From the last attempt on; without its event only where it was the first too."""
    sent = span.happened(_ATTEMPT)
    if sent:
        return elapsed(sent[-1], span.end_ns)
    return elapsed(span.start_ns, span.end_ns) if (whole(span.attributes, "attempt") or 1) == 1 else None


def _first_token_ns(attributes: Attributes) -> int | None:
    return _milliseconds(attributes, "ttft_ms")


def _milliseconds(attributes: Attributes, name: str) -> int | None:
    told = whole(attributes, name)
    return None if told is None else elapsed(0, told * _MS)


def _told(
    attributes: Attributes,
    resource: Attributes,
    book: PriceBook,
    *,
    policy: Policy | None,
    at_ns: int,
    told_ns: int,
) -> Told | None:
    counts = _counts(attributes)
    if counts is None:
        return None
    model = text(attributes, "model") or ""
    report = _report(counts, attributes)
    region = canonical(model).region
    quote = price(report, model=model, at=day(at_ns), book=book, region=region)
    split = None not in (counts["5m"], counts["1h"])
    unseen = (*UNTOLD, *(() if split or not counts["written"] else (LIFETIME,)))
    charge = Charge(
        attempt_id=_attempt_id(attributes, resource, at_ns),
        cost_nano_usd=quote.cost_nano_usd,
        usage=report.usage,
        basis=_basis(counts, known=quote.cost_nano_usd is not None, estimated=quote.estimated),
        model=model,
        requested_model=model,
        route=route_of(resource, policy),
        labels=labels_of(attributes, resource),
        price_id=quote.price_id,
        request_id=text(attributes, "request_id"),
        at_ns=at_ns,
        lines=quote.lines,
        missing=tuple(dict.fromkeys((*quote.missing, *unseen))),
        modifiers=quote.modifiers,
        told_nano_usd=_own_estimate(attributes),
        stop_reason=text(attributes, "stop_reason"),
    )
    return Told(charge, text(attributes, "session.id"), told_ns)


def _counts(attributes: Attributes) -> dict[str, int | None] | None:
    """The tokens by class; None where neither prompt nor answer is told."""
    read = {
        "input": "input_tokens",
        "output": "output_tokens",
        "read": "cache_read_tokens",
        "written": "cache_creation_tokens",
        "5m": "cache_creation_5m_tokens",
        "1h": "cache_creation_1h_tokens",
    }
    counts = {name: whole(attributes, told) for name, told in read.items()}
    return None if counts["input"] is None and counts["output"] is None else counts


def _report(counts: Mapping[str, int | None], attributes: Attributes) -> UsageReport:
    reported: dict[str, Any] = {
        "input_tokens": counts["input"],
        "output_tokens": counts["output"],
        "cache_read_input_tokens": counts["read"],
        "cache_creation_input_tokens": counts["written"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": counts["5m"],
            "ephemeral_1h_input_tokens": counts["1h"],
        },
        "speed": text(attributes, "speed"),
    }
    return read_report(reported, stop_reason=None, has_content=True)


def _basis(counts: Mapping[str, int | None], *, known: bool, estimated: bool) -> Basis:
    if not known:
        return Basis.UNKNOWN
    return Basis.ESTIMATE if estimated or None in (counts["input"], counts["output"]) else Basis.SPAN


def _own_estimate(attributes: Attributes) -> int | None:
    """What Claude Code itself holds that the request cost, in nano-dollars."""
    nano = nano_of(attributes.get("cost_usd"))
    micros = whole(attributes, "cost_usd_micros")
    return nano if nano is not None or micros is None or micros > MOST_NANO // 1000 else micros * 1000


def _attempt_id(attributes: Attributes, resource: Attributes, at_ns: int) -> str:
    """One id for a request, however often and in whatever form it is told."""
    request = text(attributes, "request_id") or text(attributes, "client_request_id")
    if request is not None:
        return f"claude-code-{request}"
    session, sequence = text(attributes, "session.id"), whole(attributes, "event.sequence")
    if session is not None and sequence is not None:
        return f"claude-code-{session}-{sequence}"
    return f"claude-code-{digest(at_ns, sorted(attributes.items()), sorted(resource.items()))}"


def digest(*what: object) -> str:
    """A short name for things that have none."""
    return blake2b(repr(what).encode(), digest_size=12).hexdigest()
