"""What a call's span says: attributes derived from its charges, on the SDK's span or on one of our own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from bursar.instrumentation.context import Work
from bursar.policies import attributes as names
from bursar.policies.charge import Basis, Charge
from bursar.policies.engine import Decision
from bursar.policies.errors import BudgetExceeded

SCOPE = "bursar.instrumentation"
NANO_PER_USD = 1_000_000_000
_encode = json.JSONEncoder(separators=(",", ":")).encode

Attributes = dict[str, AttributeValue]


class Told(Protocol):
    """What a span tells of a call."""

    requested_model: str
    provider: str
    span: Span | None
    own_span: bool
    work: Work
    attempts: int
    charges: list[Charge]
    decision: Decision | None
    sent_max_tokens: int | None


def tracer_of(client: object) -> Tracer:
    """The tracer for spans of our own: from the client's provider if it was given one, else the global one."""
    options = getattr(client, "open_telemetry", None)
    provider = options.get("tracer_provider") if isinstance(options, dict) else None  # pyright: ignore
    return trace.get_tracer(SCOPE, tracer_provider=provider)  # pyright: ignore[reportUnknownArgumentType]


def start_span(call: Told, tracer: Tracer) -> Span:
    """A span of our own, where the SDK makes none; named and shaped by the GenAI conventions."""
    return tracer.start_span(
        f"chat {call.requested_model}",
        kind=SpanKind.CLIENT,
        attributes={
            names.OPERATION: "chat",
            names.PROVIDER: call.provider,
            names.REQUEST_MODEL: call.requested_model,
        },
    )


def end_span(span: Span, error: BaseException | None) -> None:
    """End a span of our own, with the error that the application sees."""
    if error is not None and span.is_recording():
        span.set_status(Status(StatusCode.ERROR, str(error)[:200]))
        span.set_attribute(names.ERROR_TYPE, type(error).__name__)
    span.end()


def stamp(call: Told, provisional: Sequence[Charge]) -> None:
    """Write what is known of a call on its span, lower bounds of streams included; later stamps overwrite earlier."""
    span = call.span
    if span is None or not span.is_recording():
        return
    charges = (*call.charges, *provisional)
    span.set_attributes({**_identity(call), **_cost(charges)})
    if call.own_span and charges:
        span.set_attributes(_response(charges[-1]))


def refuse(call: Told, refusal: BudgetExceeded) -> None:
    """Write on the span that a budget said no, and which."""
    span = call.span
    if span is not None and span.is_recording():
        said = {names.ACTION: "block", names.REASON: refusal.reason.value, names.BUDGET: refusal.budget}
        span.set_attributes({**_identity(call), **said})


def _identity(call: Told) -> Attributes:
    attributes: Attributes = {names.ROUTE: call.work.route or "", names.ATTEMPTS: call.attempts}
    for label, value in call.work.labels.items():
        attributes[names.LABEL_PREFIX + label] = value
    decision = call.decision
    if decision is not None:
        attributes[names.ACTION] = decision.verdict.action.value
        attributes[names.REASON] = decision.verdict.reason.value
        if decision.verdict.budget:
            attributes[names.BUDGET] = decision.verdict.budget
        if decision.observed is not None:
            attributes[names.WOULD_HAVE] = f"{decision.observed.action}: {decision.observed.budget}"
    if call.sent_max_tokens is not None:
        attributes[names.SENT_MAX_TOKENS] = call.sent_max_tokens
    return attributes


def _cost(charges: Sequence[Charge]) -> Attributes:
    """The sum over a call's charges: each hop of a fallback chain and each billed attempt is one."""
    if not charges:
        return {}
    last = charges[-1]
    attributes: Attributes = {
        names.ATTEMPT_ID: last.attempt_id,
        names.SERVED_MODEL: last.model,
        names.COST_BASIS: max((charge.basis for charge in charges), key=lambda basis: basis.rank).value,
        names.COST_ESTIMATED: any(charge.basis is Basis.ESTIMATE for charge in charges),
        names.CACHE_CREATION_TOKENS: last.usage.cache_write,
    }
    missing = sorted({reason for charge in charges for reason in charge.missing})
    if missing:
        attributes[names.COST_MISSING] = missing
    if last.usage.web_searches or last.usage.web_fetches:
        attributes[names.WEB_SEARCHES] = last.usage.web_searches
        attributes[names.WEB_FETCHES] = last.usage.web_fetches
    costs = [charge.cost_nano_usd for charge in charges if charge.cost_nano_usd is not None]
    if len(costs) == len(charges):
        attributes[names.COST_NANO_USD] = sum(costs)
        attributes[names.COST_USD] = sum(costs) / NANO_PER_USD
        attributes[names.COST_DETAILS] = _encode(_by_class(charges))
    return attributes


def _by_class(charges: Sequence[Charge]) -> dict[str, int]:
    classes: dict[str, int] = {}
    for charge in charges:
        for line in charge.lines:
            classes[line.label] = classes.get(line.label, 0) + line.nano_usd
    return classes


def _response(charge: Charge) -> Attributes:
    """What the SDK's span says by itself, for a span of our own."""
    usage = charge.usage
    attributes: Attributes = {
        names.RESPONSE_MODEL: charge.model,
        names.INPUT_TOKENS: usage.prompt,
        names.OUTPUT_TOKENS: usage.output,
        names.CACHE_READ_TOKENS: usage.cache_read,
        names.CACHE_WRITE_TOKENS: usage.cache_write,
        names.CACHE_5M_TOKENS: usage.cache_write_5m,
        names.CACHE_1H_TOKENS: usage.cache_write_1h,
    }
    if charge.response_id:
        attributes[names.RESPONSE_ID] = charge.response_id
    if charge.request_id:
        attributes[names.REQUEST_ID] = charge.request_id
    return attributes
