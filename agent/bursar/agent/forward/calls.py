"""Which spans tell of calls of Claude, and what did each call cost, told once?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bursar.agent.rules import Rules
from bursar.agent.spans import claudecode
from bursar.agent.spans.inference import read_inference
from bursar.agent.spans.seenspan import SeenSpan
from bursar.agent.spans.spancharge import charge_of
from bursar.policies import attributes as names
from bursar.policies.charge import Charge


@dataclass(frozen=True, slots=True)
class Called:
    """One call."""

    model: str
    """As served."""
    requested_model: str
    charge: Charge | None
    """None where the span tells of no usage, as after an error."""


def calls_of(spans: Sequence[SeenSpan], rules: Rules) -> Mapping[int, Called]:
    """
    The calls by the place of their span.

    Of several spans for one call (the SDK's and another instrumentation's around it, or two with one message id) only
    one is here, so that no receiver adds its cost up twice: Bursar's own, else the inner one, else the first. Spans
    of one call that are passed on in different requests are not known for one.
    """
    found = {place: call for place, span in enumerate(spans) if (call := _call(span, rules)) is not None}
    enclosing = {(spans[place].trace_id, spans[place].parent) for place in found}
    kept: dict[int, Called] = {}
    told: set[str] = set()
    for place in sorted(found, key=lambda place: (not _stamped(spans[place]), place)):
        span = spans[place]
        message = span.text(names.RESPONSE_ID)
        if message in told or ((span.trace_id, span.span_id) in enclosing and not _stamped(span)):
            continue
        if message is not None:
            told.add(message)
        kept[place] = found[place]
    return kept


def _call(span: SeenSpan, rules: Rules) -> Called | None:
    of_claude_code = claudecode.of_span(span, rules.prices, policy=rules.policy, now_ns=span.start_ns)
    if of_claude_code is not None:
        told = of_claude_code.charge
        return Called(told.model, told.requested_model, told)
    inference = read_inference(span)
    if inference is None:
        return None
    charge = charge_of(span, rules.prices, policy=rules.policy)
    return Called(inference.model, inference.requested_model, charge)


def _stamped(span: SeenSpan) -> bool:
    return span.text(names.ATTEMPT_ID) is not None
