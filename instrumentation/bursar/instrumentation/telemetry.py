"""What a call's span says: attributes derived from its charges, on the SDK's span or on one of our own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, cast

from opentelemetry import trace
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.util.types import AttributeValue

from bursar.instrumentation.context import Work
from bursar.instrumentation.extract import Tally
from bursar.instrumentation.served import PutOff
from bursar.policies import attributes as names
from bursar.policies.cascade import Stage
from bursar.policies.changes import Change, changes_json
from bursar.policies.charge import Basis, Charge
from bursar.policies.decision import Decision
from bursar.policies.dialects import translate
from bursar.policies.errors import BudgetExceeded

SCOPE = "bursar.instrumentation"
NANO_PER_USD = 1_000_000_000

Attributes = dict[str, AttributeValue]
_last_tracer: tuple[object, Tracer] = (None, NoOpTracer())
"""The provider that was asked last, and its tracer: nearly always there is but one, and each question takes long."""


class Told(Protocol):
    """What a span tells of a call."""

    requested_model: str
    provider: str
    span: Span | None
    own_span: bool
    tells_response: bool
    dialects: tuple[str, ...]
    work: Work
    stage: Stage | None
    attempts: int
    decision: Decision | None
    sent_max_tokens: int | None
    put_off: PutOff | None

    @property
    def changes(self) -> tuple[Change, ...]: ...


def tracer_of(client: object) -> Tracer:
    """The tracer for spans of our own: from the client's provider if it was given one, else the global one."""
    global _last_tracer
    options = getattr(client, "open_telemetry", None)
    given = cast("dict[str, Any]", options).get("tracer_provider") if isinstance(options, dict) else None
    provider: TracerProvider = trace.get_tracer_provider() if given is None else given
    known, tracer = _last_tracer
    if known is not provider:
        tracer = trace.get_tracer(SCOPE, tracer_provider=provider)
        _last_tracer = provider, tracer
    return tracer


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


def end_span(span: Span, failure: str | None, text: str) -> None:
    """End a span of our own, with the error that the application sees."""
    if failure is not None and span.is_recording():
        span.set_status(Status(StatusCode.ERROR, text[:200] or failure))
        span.set_attribute(names.ERROR_TYPE, failure)
    span.end()


def stamp(call: Told, charges: Sequence[Charge], tally: Tally | None) -> None:
    """
    Write what is known of a call on its span, lower bounds of streams included; later stamps overwrite earlier.

    `tally` is what the last response said. One write for all of it: that, more than its size, is what a stamp costs.
    """
    span = call.span
    if span is None or not span.is_recording():
        return
    attributes = _identity(call, charges)
    if charges:
        _cost(attributes, charges)
        if tally is not None:
            _answer(attributes, charges[-1], tally)
            if call.own_span or call.tells_response:
                _response(attributes, charges[-1], tally)
        if call.dialects:
            attributes.update(translate(call.dialects, charges))
    span.set_attributes(attributes)


def refuse(call: Told, refusal: BudgetExceeded) -> None:
    """Write on the span that a budget said no, and which."""
    span = call.span
    if span is not None and span.is_recording():
        said = {names.ACTION: "block", names.REASON: refusal.reason.value, names.BUDGET: refusal.budget}
        span.set_attributes({**_identity(call), **said})


def _identity(call: Told, charges: Sequence[Charge] = ()) -> Attributes:
    attributes: Attributes = {names.ROUTE: call.work.route or ""}
    if call.attempts > 1:
        attributes[names.ATTEMPTS] = call.attempts
    for label, value in call.work.labels.items():
        attributes[_label(label)] = value
    if call.stage is not None:
        attributes[names.CASCADE_ID] = call.stage.cascade
        attributes[names.CASCADE_STAGE] = call.stage.name
    decision = call.decision
    if decision is not None:
        verdict = decision.verdict
        attributes[names.ACTION] = str(verdict.action)
        attributes[names.REASON] = str(verdict.reason)
        if verdict.budget:
            attributes[names.BUDGET] = verdict.budget
        if decision.skipped:
            attributes[names.SKIPPED] = [f"{step}: {why}" for step, why in decision.skipped]
        if decision.observed is not None:
            attributes[names.WOULD_HAVE] = f"{decision.observed.action}: {decision.observed.budget}"
    changes = call.changes
    if changes:
        attributes[names.PLAN] = changes_json(changes)
    if call.put_off is not None:
        _put_off(attributes, call.put_off, charges)
    if call.sent_max_tokens is not None:
        attributes[names.SENT_MAX_TOKENS] = call.sent_max_tokens
    return attributes


def _put_off(attributes: Attributes, put_off: PutOff, charges: Sequence[Charge]) -> None:
    """That it was put off; by the decision of another process, where it was rejoined."""
    attributes[names.DEFERRAL_ID] = put_off.deferral_id
    attributes[names.DEFERRAL_SECONDS] = put_off.seconds
    if put_off.batch_id:
        attributes[names.BATCH_ID] = put_off.batch_id
    if names.ACTION not in attributes and charges:
        attributes[names.ACTION], attributes[names.REASON] = charges[-1].action, charges[-1].reason


@lru_cache(maxsize=256)
def _label(label: str) -> str:
    return names.LABEL_PREFIX + label


def _cost(attributes: Attributes, charges: Sequence[Charge]) -> None:
    """The sum over a call's charges: each hop of a fallback chain and each billed attempt is one."""
    last = charges[-1]
    attributes[names.ATTEMPT_ID] = last.attempt_id
    if last.model != last.requested_model:
        attributes[names.SERVED_MODEL] = last.model
    if len(charges) == 1:
        basis, missing, cost = last.basis, last.missing, last.cost_nano_usd
        estimated = basis is Basis.ESTIMATE
    else:
        estimated = any(charge.basis is Basis.ESTIMATE for charge in charges)
        basis = max((charge.basis for charge in charges), key=lambda basis: basis.rank)
        missing = tuple(sorted({reason for charge in charges for reason in charge.missing}))
        costs = [charge.cost_nano_usd for charge in charges]
        cost = None if None in costs else sum(filter(None, costs))
    attributes[names.COST_BASIS] = str(basis)
    attributes[names.COST_ESTIMATED] = estimated
    if missing:
        attributes[names.COST_MISSING] = missing
    if cost is not None:
        attributes[names.COST_NANO_USD] = cost
        attributes[names.COST_USD] = cost / NANO_PER_USD
        attributes[names.COST_DETAILS] = _by_class(charges)


def _by_class(charges: Sequence[Charge]) -> str:
    """Nano-dollars by class, as JSON; labels of lines need no escaping."""
    classes: dict[str, int] = {}
    for charge in charges:
        for line in charge.lines:
            classes[line.label] = classes.get(line.label, 0) + line.nano_usd
    return f"{{{','.join([f'{_QUOTE}{label}{_QUOTE}:{nano}' for label, nano in classes.items()])}}}"


_QUOTE = '"'


def _answer(attributes: Attributes, charge: Charge, tally: Tally) -> None:
    """What the SDK's own span leaves out of a response, where there is any of it."""
    usage, report = charge.usage, tally.report()
    if tally.started:
        attributes[names.CACHE_CREATION_TOKENS] = usage.cache_write
    if tally.stop_reason is not None:
        attributes[names.FINISH_REASONS] = (tally.stop_reason,)
    if usage.web_searches or usage.web_fetches:
        attributes[names.WEB_SEARCHES] = usage.web_searches
        attributes[names.WEB_FETCHES] = usage.web_fetches
    if report is not None:
        if report.speed is not None:
            attributes[names.SPEED] = report.speed
        if report.inference_geo is not None:
            attributes[names.INFERENCE_GEO] = report.inference_geo


def _response(attributes: Attributes, charge: Charge, tally: Tally) -> None:
    """
    What the SDK's span says by itself, for one that does not.

    Nothing is said that was not seen: no zeros for a body that was never read, and no output of a stream that was
    broken off, which has told a placeholder at most.
    """
    attributes[names.RESPONSE_MODEL] = charge.model
    if charge.response_id:
        attributes[names.RESPONSE_ID] = charge.response_id
    if charge.request_id:
        attributes[names.REQUEST_ID] = charge.request_id
    if tally.started:
        usage = charge.usage
        attributes[names.INPUT_TOKENS] = usage.prompt
        attributes[names.CACHE_READ_TOKENS] = usage.cache_read
        attributes[names.CACHE_WRITE_TOKENS] = usage.cache_write
        attributes[names.CACHE_5M_TOKENS] = usage.cache_write_5m
        attributes[names.CACHE_1H_TOKENS] = usage.cache_write_1h
        if tally.final:
            attributes[names.OUTPUT_TOKENS] = usage.output
