"""Telemetry: whose tracer makes a span of our own, and what a span says of a decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import cast

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider

from bursar.instrumentation.telemetry import Told, stamp, tracer_of
from bursar.policies import attributes as names
from bursar.policies.amounts import Limit
from bursar.policies.decision import Candidate, Decision, Facts, Skipped
from bursar.policies.engine import decide
from bursar.policies.policy import Budget, Mode, Step, StepAction
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing
from bursar.policies.windows import own_window


def test_each_client_s_spans_go_to_its_own_provider() -> None:
    """However they take turns; and to the global one where a client was given none."""
    one, other = (
        TracerProvider(resource=Resource({"name": name}), shutdown_on_exit=False) for name in ("one", "other")
    )
    for provider in (one, other, one):
        client = SimpleNamespace(open_telemetry={"tracer_provider": provider})
        span = tracer_of(client).start_span("chat")
        assert isinstance(span, Span)
        assert span.resource is provider.resource
        assert tracer_of(client) is tracer_of(client)
    for without in (SimpleNamespace(open_telemetry={}), SimpleNamespace(open_telemetry=False), None):
        assert type(tracer_of(without)) is type(trace.get_tracer("t"))


@dataclass
class Call:
    """What a span tells of, as far as it is asked here."""

    span: Span
    decision: Decision
    work: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(route="triage", labels={}))
    stage = put_off = sent_max_tokens = None
    attempts = 1
    own_span = tells_response = False
    dialects = changes = ()
    requested_model = provider = ""


@pytest.mark.parametrize("unlicensed", [None, Skipped.NO_EVAL, Skipped.OLD_EVAL])
def test_a_step_that_was_not_taken_stands_on_the_span_with_its_reason(unlicensed: Skipped | None) -> None:
    """As `bursar explain` has it; where none was passed over there is nothing to tell."""
    asked, below = Candidate("opus", 9, 9, 9), Candidate("haiku", 1, 1, 1, unlicensed=unlicensed)
    step = Step("80%", Fraction(8, 10), None, (StepAction("downgrade", target="rung"),))
    budget = Budget("day", Limit("usd", 10), "day", steps=(step,))
    standing = Standing(budget, "day|w|", own_window("run", "r"), Mode.ENFORCE, BalanceView("day|w|", 10, 10, 9, 0, 0))
    span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("chat")
    assert isinstance(span, Span)
    stamp(cast("Told", Call(span, decide(Facts("triage", (asked, below)), [standing]))), (), None)
    attributes = dict(span.attributes or {})
    if unlicensed is None:
        assert names.SKIPPED not in attributes
        assert attributes[names.ACTION] == "downgrade"
    else:
        assert attributes[names.SKIPPED] == (f"day 80% to haiku: {unlicensed}",)
        assert attributes[names.ACTION] == "go"
