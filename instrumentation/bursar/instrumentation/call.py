"""One SDK method invocation: begun, filled by its attempts, finished exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from time import perf_counter_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span

from bursar.instrumentation import telemetry
from bursar.instrumentation.belonging import run_of
from bursar.instrumentation.context import Work, name_work
from bursar.instrumentation.extract import Tally
from bursar.instrumentation.marks import Marks
from bursar.instrumentation.metrics import error_type
from bursar.instrumentation.peers import claim
from bursar.instrumentation.quiet import excuse, quiet
from bursar.instrumentation.refusal import decided
from bursar.instrumentation.runtime import Runtime
from bursar.instrumentation.served import PutOff
from bursar.policies.cascade import Stage
from bursar.policies.changes import Change
from bursar.policies.charge import Charge
from bursar.policies.decision import Decision
from bursar.policies.errors import BudgetExceeded
from bursar.policies.models import canonical

_PROVIDERS = {"Bedrock": "aws.bedrock", "Vertex": "gcp.vertex_ai", "GoogleCloud": "gcp.vertex_ai", "Foundry": "azure"}


class Call:
    """What is known of one call, and the span that tells it: the SDK's where it makes one, else our own."""

    span: Span | None = None
    own_span = False
    tells_response = False
    """Whether the SDK's own span leaves this response untold, since the application reads it by itself."""
    decision: Decision | None = None
    sent_max_tokens: int | None = None
    put_off: PutOff | None = None
    """Set once it was put off."""
    marks: Marks | None = None
    """The cache marks that were added, or that it was held out from them; the same at a retry."""
    first_chunk_ns: int | None = None
    """When a stream had told its first event, by the same clock as `began_ns`."""
    attempts = 0
    body_pending = False
    """Whether the application holds a body that is not read yet: then the call ends with the body."""
    outermost_watched = False
    """Whether `Entry` watches what the application reads: then no inner body ends the call."""
    _finished = False
    _conversation = _run = ""

    def __init__(
        self, runtime: Runtime, client: Any, requested_model: str, work: Work, *, span_is_ours: bool = True
    ) -> None:
        self.runtime = runtime
        self.client = client
        self.id = runtime.ids.call()
        self.requested_model = requested_model
        self.work = work
        self.named = runtime.rules.heard or runtime.config.agent is None
        """Whether its route was found by the rules in force, and not before anything was heard of them."""
        self.stage: Stage | None = work.staging.stage if work.staging is not None else None
        self.provider = provider_of(type(client).__name__)
        self.region = _region(client, requested_model, self.provider)
        self.dialects = runtime.config.dialects
        self.began_ns = perf_counter_ns()
        self.charges: list[Charge] = []
        self._span_is_ours = span_is_ours
        self._outer_span = trace.get_current_span()

    def belonging(self, body: Any) -> tuple[str, str]:
        """The conversation and the run that it belongs to, each empty where no budget asks; the same for a retry."""
        asked = self.runtime.rules.belongs
        if "conversation" in asked:
            self.conversation(body)
        if "run" in asked and not self._run:
            self._run = run_of(self._outer_span, self.runtime.config.run, self.runtime.ids.holder)
        return self._conversation, self._run

    def conversation(self, body: Any) -> str:
        """The conversation that it belongs to, the same for a retry."""
        if not self._conversation and isinstance(body, Mapping):
            self._conversation = self.runtime.conversations.find(self.client, body)  # pyright: ignore
        return self._conversation

    def name_again(self) -> None:
        """Find the route once more, by rules that came after the call began."""
        caller = self.work.caller
        self.named = self.runtime.rules.heard
        if caller is None:
            return
        with quiet("find a route"), trace.use_span(self._outer_span):
            found = self.runtime.rules.find_route(caller, self.runtime.config.service)
            self.work = replace(self.work, route=found or caller)

    def see_span(self) -> None:
        """
        Find the span to enrich: the first attempt runs inside the SDK's, if it makes one.

        Inside the same span that was current before the call, the SDK made none, and a span of our own is begun.
        """
        if self.span is not None:
            return
        current = trace.get_current_span()
        if current is not self._outer_span or not self._span_is_ours or claim(current):
            # Without `instrument()` nobody can tell where a call ends: the SDK's span is enriched, and none is begun.
            # Another instrumentation's span of this very call is as good as the SDK's.
            self.span = current
            return
        self.span = telemetry.start_span(self, telemetry.tracer_of(self.client))
        self.own_span = True

    def charged(self, charge: Charge, tally: Tally | None) -> None:
        """Keep a charge, and tell whoever listens, and the span, where `tally` brings what it does not say yet."""
        self.charges.append(charge)
        if self.work.staging is not None:
            self.work.staging.charges.append(charge)
        if self._conversation and charge.response_id is not None:
            self.runtime.conversations.answered(charge.response_id, self._conversation)
        if tally is not None:
            self.show((), tally)
        self.runtime.metrics.charged(charge, self.provider)
        self.runtime.tell(charge, self.changes, self.put_off)

    @property
    def changes(self) -> tuple[Change, ...]:
        """Everything of its request that is sent otherwise than asked, and why."""
        decided = self.decision.changes if self.decision is not None else ()
        return decided if self.marks is None else (*decided, *self.marks.notes)

    def streaming(self, now_ns: int) -> None:
        """A stream has told its first event just now."""
        if self.first_chunk_ns is None:
            self.first_chunk_ns = now_ns

    def refused(self, refusal: BudgetExceeded) -> None:
        """A budget said no: journalled, so that it can be explained afterwards, and told on the span."""
        at_ns = self.runtime.clock_ns()
        self.runtime.record(decided(refusal, self.id, at_ns, self.requested_model, self.work.labels, self.stage))
        self.runtime.metrics.refused(refusal)
        telemetry.refuse(self, refusal)

    def show(self, provisional: tuple[Charge, ...], tally: Tally | None) -> None:
        """Stamp the span with what is known so far; `tally` is what the last response said."""
        try:
            telemetry.stamp(self, (*self.charges, *provisional), tally)
        except Exception:  # noqa: BLE001 - the guest never breaks its host
            excuse("write a span")

    def returned(self) -> None:
        """The SDK's method has returned: the call is over unless a body is still to be read."""
        if not self.body_pending:
            self.finish(None)

    def finish(self, error: BaseException | None) -> None:
        """The call is over; a span of our own ends with the error the application sees. To be cancelled is none."""
        if isinstance(error, Exception):
            self.ended(error_type(error), str(error))
        else:
            self.ended(None)

    def ended(self, failure: str | None, text: str = "") -> None:
        """The same for a stream, whose error the application sees while it reads: `failure` names it."""
        if self._finished:
            return
        self._finished = True
        self.runtime.metrics.finished(self, failure, perf_counter_ns())
        if self.own_span and self.span is not None:
            with quiet("end a span"):
                telemetry.end_span(self.span, failure, text)


def begin(runtime: Runtime, client: Any, requested_model: str, *, span_is_ours: bool = True) -> Call:
    """A call about to be made by the nearest frame above the SDK."""
    config = runtime.config
    work = name_work(
        default_route=config.route,
        default_labels=config.labels,
        find=lambda caller: runtime.rules.find_route(caller, config.service),
    )
    return Call(runtime, client, requested_model, work, span_is_ours=span_is_ours)


@lru_cache(maxsize=256)
def provider_of(kind: str) -> str:
    """By the name of a client's class."""
    return next((provider for name, provider in _PROVIDERS.items() if name in kind), "anthropic")


def _region(client: Any, requested_model: str, provider: str) -> str | None:
    """The region that a cloud bills by: in the model's id on Bedrock, in the endpoint's name on Google Cloud."""
    named = canonical(requested_model).region
    if named is not None or provider != "gcp.vertex_ai":
        return named
    region = getattr(client, "region", None)
    return region if isinstance(region, str) and region != "global" else None
