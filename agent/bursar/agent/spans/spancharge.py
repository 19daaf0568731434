"""What charge does a span of somebody's tell of?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from bursar.agent.spans.inference import Inference, read_inference
from bursar.agent.spans.seenspan import AttributeValue, SeenSpan
from bursar.agent.spans.spantimes import Times, times_of
from bursar.policies import attributes as names
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Policy
from bursar.policies.prices import PriceBook, Quote, price
from bursar.policies.route import find_route
from bursar.policies.usage import Usage

_COSTS = ("operation.cost", names.COST_USD, "llm.cost.total")
"""In dollars: Logfire's, OpenLIT's (and ours, where a span is stamped), OpenInference's."""
EARLIER_ATTEMPTS = "earlier attempts of the call"

_SECOND = 10**9
MOST_NANO = 10**15
"""A million dollars, in nano-dollars: no call costs that, and sums of such stay sums."""
_RESENDS = "http.request.resend_count"
_SERVICE = "service.name"
_ENVIRONMENTS = ("deployment.environment.name", "deployment.environment")
_UNKNOWN_SERVICE = "unknown_service"
"""What the OpenTelemetry SDKs call a service that nobody named."""


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What Bursar's instrumentation wrote on a span; the cost is the sum over all attempts of the call."""

    attempt_id: str
    attempts: int
    cost_nano: int | None
    basis: Basis
    missing: tuple[str, ...]


def charge_of(span: SeenSpan, book: PriceBook, *, policy: Policy | None = None, known: bool = False) -> Charge | None:
    """
    The charge that a span tells of; None where it tells of no cost.

    `known` says that the ledger knows the attempt whose id the span carries. `policy` finds a route for spans that
    name none.
    """
    call = read_inference(span)
    if call is None:
        return None
    stamp = _stamp(span)
    more = stamp.attempts > 1 if stamp is not None else bool(span.count(_RESENDS))
    if stamp is not None and stamp.cost_nano is not None and _may_stand(stamp, call, known=known):
        figures = _stamped(span, call, stamp, stamp.cost_nano, book)
    elif call.report is not None:
        figures = _priced(call, _quote(span, call, book), (EARLIER_ATTEMPTS,) if more else ())
    else:
        return None
    # A call that was tried again took all its tries, and a charge is of the last; one put off waited for its batch.
    times = Times() if more or names.DEFERRAL_ID in span.attributes else times_of(span)
    return _charge(span, call, policy, figures, times, None if stamp is None else stamp.attempt_id)


def _stamp(span: SeenSpan) -> _Stamp | None:
    attempt_id = span.text(names.ATTEMPT_ID)
    if attempt_id is None:
        return None
    cost = span.attributes.get(names.COST_NANO_USD)
    missing = span.attributes.get(names.COST_MISSING, ())
    return _Stamp(
        attempt_id=attempt_id,
        attempts=span.count(names.ATTEMPTS) or 1,
        cost_nano=cost if isinstance(cost, int) and 0 <= cost <= MOST_NANO else None,
        basis=_stamped_basis(span.text(names.COST_BASIS)),
        missing=tuple(str(what) for what in missing) if isinstance(missing, tuple) else (str(missing),),
    )


def _stamped_basis(told: str | None) -> Basis:
    """What a stamped figure counts as here: never more exact than the journal's own word for it."""
    return Basis.ESTIMATE if told == Basis.ESTIMATE else Basis.SPAN


def _may_stand(stamp: _Stamp, call: Inference, *, known: bool) -> bool:
    """
    Whether the stamped sum may be booked under the id of the call's last attempt.

    With one attempt it is that attempt's cost. With more it may only where no journal accounts for them one by one,
    and where the last was answered in full: then the journal, should it come after all, has exact figures for it,
    which replace the sum.
    """
    if stamp.attempts == 1:
        return True
    return not known and (call.complete or stamp.basis is Basis.SPAN)


class _Figures(NamedTuple):
    """What a charge comes to."""

    quote: Quote
    basis: Basis
    missing: tuple[str, ...]


def _stamped(span: SeenSpan, call: Inference, stamp: _Stamp, cost_nano: int, book: PriceBook) -> _Figures:
    """The stamped cost; explained line by line where the span's own tokens come to the same."""
    quote = _quote(span, call, book)
    if quote.cost_nano_usd != cost_nano:
        quote = Quote(cost_nano)
    missing = dict.fromkeys(stamp.missing)
    if call.report is None:
        missing["token counts"] = None
    if stamp.attempts > 1:
        missing[f"token counts of {EARLIER_ATTEMPTS}"] = None
    return _Figures(quote, stamp.basis, tuple(missing))


def _priced(call: Inference, quote: Quote, unseen: tuple[str, ...]) -> _Figures:
    """The price of what the span tells; without output tokens a lower bound."""
    basis = Basis.SPAN if call.complete and not quote.estimated else Basis.ESTIMATE
    if quote.cost_nano_usd is None:
        basis = Basis.UNKNOWN
    return _Figures(quote, basis, (*quote.missing, *call.missing, *unseen))


def _quote(span: SeenSpan, call: Inference, book: PriceBook) -> Quote:
    if call.report is None:
        return Quote(None)
    return price(call.report, model=call.model, at=day(span.start_ns), book=book, region=call.region)


def _charge(
    span: SeenSpan,
    call: Inference,
    policy: Policy | None,
    figures: _Figures,
    times: Times,
    attempt_id: str | None,
) -> Charge:
    quote = figures.quote
    return Charge(
        attempt_id=attempt_id or f"span-{span.trace_id}-{span.span_id}",
        cost_nano_usd=quote.cost_nano_usd,
        usage=Usage() if call.report is None else call.report.usage,
        basis=figures.basis,
        model=call.model,
        requested_model=call.requested_model,
        route=_route(span, policy),
        labels=dict(_labels(span)),
        price_id=quote.price_id,
        request_id=span.text(names.REQUEST_ID),
        response_id=span.text(names.RESPONSE_ID),
        at_ns=span.start_ns,
        lines=quote.lines,
        missing=figures.missing,
        modifiers=quote.modifiers,
        action=span.text(names.ACTION) or "go",
        reason=span.text(names.REASON) or "",
        told_nano_usd=_told(span) if attempt_id is None else None,
        duration_ns=times.duration_ns,
        first_token_ns=times.first_token_ns,
        stop_reason=call.stop_reason,
    )


def _told(span: SeenSpan) -> int | None:
    """What the library that made the span holds that the call cost."""
    return next((nano for name in _COSTS if (nano := nano_of(span.attributes.get(name))) is not None), None)


def _route(span: SeenSpan, policy: Policy | None) -> str:
    """The stamped route, the first that the policy finds, the function that made the call, its service, or the span."""
    stamped = span.text(names.ROUTE)
    if stamped is not None:
        return stamped
    code, service = _code(span), _service(span)
    route = find_route(policy.routes, code=code, service=service) if policy is not None else None
    return route.name if route is not None else code or service or span.name


def _code(span: SeenSpan) -> str | None:
    """`module:function` by the conventions of before 2025; since then the function's name is qualified itself."""
    module = span.text("code.namespace")
    function = span.text("code.function.name") or span.text("code.function")
    return f"{module}:{function}" if module and function else function or module


def _service(span: SeenSpan) -> str | None:
    name = span.resource.get(_SERVICE)
    return name if isinstance(name, str) and name and not name.startswith(_UNKNOWN_SERVICE) else None


def _labels(span: SeenSpan) -> Iterator[tuple[str, str]]:
    """`service` and `env` of the process, then what the span itself is labelled with, which wins."""
    service = _service(span)
    if service is not None:
        yield "service", service
    environment = _first(span.resource.get(name) for name in _ENVIRONMENTS)
    if environment is not None:
        yield "env", environment
    for name, value in span.attributes.items():
        if name.startswith(names.LABEL_PREFIX):
            yield name.removeprefix(names.LABEL_PREFIX), str(value)


def _first(values: Iterable[AttributeValue | None]) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)


def nano_of(usd: AttributeValue | None) -> int | None:
    """An amount of dollars, as a number or a text, in whole nano-dollars; None for what is none."""
    if isinstance(usd, bool) or not isinstance(usd, int | float | str):
        return None
    try:
        nano = Decimal(str(usd)) * 10**9
        return int(nano.to_integral_value()) if 0 <= nano <= MOST_NANO else None
    except InvalidOperation:
        return None


def day(at_ns: int) -> date:
    """The day of an instant, in UTC: the day of its price."""
    return datetime.fromtimestamp(at_ns // _SECOND, UTC).date()
