"""What does one cascade tell of itself: to the calls made for it, and on the span above theirs?"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from bursar.instrumentation import seat, telemetry
from bursar.instrumentation.context import Work, doing, name_work
from bursar.instrumentation.metrics import error_type
from bursar.instrumentation.quiet import quiet
from bursar.instrumentation.runtime import Runtime
from bursar.instrumentation.staging import Staging
from bursar.policies import attributes as names
from bursar.policies.cascade import Escalation, Stage, StageName
from bursar.policies.charge import Basis, Charge


class CascadeRun:
    """From its first call to its last. Without a runtime it tells nothing, and the calls are the application's own."""

    def __init__(self, runtime: Runtime | None, call: Callable[..., Any], cheap: str, strong: str) -> None:
        self.charges: list[Charge] = []
        self._cheap, self._strong = cheap, strong
        self._why: Escalation | None = None
        self._stages = 0
        self._settled_for_cheap = False
        self._failure: str | None = None
        """What the API said instead of the cheap answer."""
        self._id = ""
        self._work: Work | None = None
        self._span: Span | None = None
        if runtime is not None:
            with quiet("begin a cascade"):
                self._begin(runtime, call)

    def _begin(self, runtime: Runtime, call: Callable[..., Any]) -> None:
        """Name the work before a span of ours is the current one: rules may find a route by the application's."""
        config = runtime.config
        seat.set_up_tracing(runtime)
        work = name_work(
            default_route=config.route,
            default_labels=config.labels,
            find=lambda caller: runtime.rules.find_route(caller, config.service),
        )
        self._id = runtime.ids.cascade()
        self._span = telemetry.tracer_of(_client(call)).start_span(
            f"cascade {work.route}",
            kind=SpanKind.INTERNAL,
            attributes={
                names.ROUTE: work.route or "",
                names.CASCADE_ID: self._id,
                names.CASCADE_CHEAP_MODEL: self._cheap,
                names.CASCADE_STRONG_MODEL: self._strong,
                **{names.LABEL_PREFIX + label: value for label, value in work.labels.items()},
            },
        )
        self._work = work

    @contextmanager
    def stage(self, name: StageName) -> Generator[None]:
        """What is called inside is this part of the cascade, and its spans are children of the one span."""
        if name is not StageName.ACCEPT:
            self._stages += 1
        if self._work is None or self._span is None:
            yield
            return
        stage = Stage(self._id, name.value, self._strong, self._why.value if self._why is not None else "")
        staging = Staging(stage, self.charges)
        work = Work(self._work.route, self._work.labels, staging=staging, key=self._work.key)
        with (
            doing(work),
            trace.use_span(self._span, record_exception=False, set_status_on_exception=False),
        ):
            yield

    def escalate(self, why: Escalation, failure: Exception | None = None) -> None:
        """The cheap answer is not good enough, or there is none."""
        self._why = why
        self._failure = error_type(failure) if failure is not None else None

    def settle_for_cheap(self) -> None:
        """A budget refused the strong call, and the application takes the cheap answer."""
        self._settled_for_cheap = True

    def __enter__(self) -> CascadeRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        with quiet("end a cascade's span"):
            if self._span.is_recording():
                self._span.set_attributes(self._outcome())
            if isinstance(error, Exception):
                telemetry.end_span(self._span, error_type(error), str(error))
            else:  # to be cancelled is no error
                telemetry.end_span(self._span, None, "")

    def _outcome(self) -> telemetry.Attributes:
        """
        How it went, and what all its calls cost.

        The sum has names of its own: backends add up what stands under a call's, and would count it twice.
        """
        attributes: telemetry.Attributes = {
            names.CASCADE_STAGES: self._stages,
            names.CASCADE_ESCALATED: self._why is not None,
        }
        if self._why is not None:
            attributes[names.CASCADE_REASON] = self._why.value
        if self._failure is not None:
            attributes[names.CASCADE_FAILURE] = self._failure
        if self._settled_for_cheap:
            attributes[names.CASCADE_SETTLED] = True
        costs = [charge.cost_nano_usd for charge in self.charges]
        known = [cost for cost in costs if cost is not None]
        if costs and len(known) == len(costs):
            attributes[names.CASCADE_COST_NANO_USD] = sum(known)
            attributes[names.CASCADE_COST_USD] = sum(known) / telemetry.NANO_PER_USD
            attributes[names.CASCADE_COST_ESTIMATED] = any(c.basis is Basis.ESTIMATE for c in self.charges)
        return attributes


def _client(call: Callable[..., Any]) -> Any:
    """The client whose method it is, for the tracer provider it was given; None for anything else."""
    return getattr(getattr(call, "__self__", None), "_client", None)
