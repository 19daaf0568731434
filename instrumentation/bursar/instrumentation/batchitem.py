"""
One request of a batch: held, sent, then settled or released by whoever reads its result. docs/attempt.md has its life.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace

from bursar.instrumentation.batches import Dispatched
from bursar.instrumentation.belonging import run_of
from bursar.instrumentation.context import Work
from bursar.instrumentation.counting import Counting
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.itemid import ItemId, digest_of
from bursar.instrumentation.orders import Order
from bursar.instrumentation.refusal import decided
from bursar.instrumentation.runtime import Runtime
from bursar.policies.changes import changed
from bursar.policies.charge import Basis, Charge
from bursar.policies.errors import BudgetExceeded
from bursar.policies.records import Sent
from bursar.policies.usage import Usage


class BatchItem:
    """From the question whether it may go until it has left; `runtime` is None where nothing is instrumented."""

    __slots__ = ("_admission", "_at_ns", "_conversation", "_runtime", "_work", "id", "order", "params")

    def __init__(self, order: Order, attempt: str, work: Work, runtime: Runtime | None) -> None:
        self.id = str(ItemId(attempt, order.place, digest_of(attempt, order.digest)))
        self.order = order
        self.params: Mapping[str, Any] = order.params
        self._work = work
        self._runtime = runtime
        self._admission = Admission()
        self._at_ns = 0
        self._conversation = ""

    @property
    def request(self) -> dict[str, Any]:
        """As it stands in the batch."""
        return {"custom_id": self.id, "params": self.params}

    def errand(self, runtime: Runtime, client: Any, betas: str | None) -> Errand:
        """What the guard wants to know of it."""
        params, asked = self.order.params, runtime.rules.belongs
        if "conversation" in asked:
            self._conversation = runtime.conversations.find(client, params)
        self._at_ns = runtime.clock_ns()
        return Errand(
            self.id,
            self._work.route or "",
            self._work.labels,
            params,
            self._at_ns,
            betas=betas,
            conversation=self._conversation,
            run=run_of(trace.get_current_span(), runtime.config.run, runtime.ids.holder) if "run" in asked else "",
            counting=Counting(client, params, betas),
            batch=True,
        )

    def admitted(self, admission: Admission) -> None:
        """It may go, with the `max_tokens` that the money lent for it bounds."""
        self._admission = admission
        if admission.changes:
            self.params = changed(self.order.params, admission.changes)

    def refused(self, refusal: BudgetExceeded) -> None:
        """A budget said no: journalled, so that it can be explained afterwards."""
        if self._runtime is not None:
            self._runtime.record(decided(refusal, self.id, self._at_ns, self._model, self._work.labels))
            self._runtime.metrics.refused(refusal)

    def sent(self) -> None:
        """Journal that it is about to leave, so that no crash can hide it."""
        runtime, admission, work = self._runtime, self._admission, self._work
        if runtime is None:
            return
        decision = admission.decision
        text_bytes = admission.text_bytes
        runtime.batches.sent(self.id, Dispatched(work, self._model, text_bytes, self._conversation))
        runtime.record(
            Sent(
                self.id,
                self.id,
                self._at_ns,
                work.route or "",
                self._model,
                self._model,
                work.labels,
                admission.balances,
                admission.leased,
                admission.bound_nano,
                admission.expected_nano,
                str(decision.verdict.action) if decision is not None else "go",
                str(decision.verdict.reason) if decision is not None else "",
                admission.bound_tokens,
                admission.expected_tokens,
                decision.figures() if decision is not None and decision.standings else {},
            )
        )

    def never_sent(self, why: str) -> None:
        """It cost nothing: its batch was not created."""
        if self._runtime is not None:
            self._runtime.batches.arrived(self.id)
            self._runtime.release(self.id, why)

    def unknown(self) -> None:
        """Nobody knows what became of it: it keeps its bound, until somebody reads its result after all."""
        if self._runtime is not None:
            self._runtime.batches.arrived(self.id)
            self._runtime.settle(self._unknown())

    def _unknown(self) -> Charge:
        return Charge(
            attempt_id=self.id,
            cost_nano_usd=None,
            usage=Usage(),
            basis=Basis.UNKNOWN,
            model=self._model,
            requested_model=self._model,
            route=self._work.route or "",
            call_id=self.id,
            labels=self._work.labels,
            at_ns=self._at_ns,
            missing=("the result of its batch",),
            modifiers=("batch",),
        )

    @property
    def _model(self) -> str:
        model = self.order.params.get("model")
        return model if isinstance(model, str) else ""
