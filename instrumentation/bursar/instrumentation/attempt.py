"""One HTTP request inside a call: sent, then settled or released, exactly once. docs/attempt.md draws its life."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bursar.instrumentation.errand import Admission
from bursar.instrumentation.extract import EventBytes, Tally, is_binary_stream, is_event_stream, json_body
from bursar.instrumentation.quiet import quiet
from bursar.instrumentation.stream import Decode, decoder
from bursar.policies.charge import Basis, Charge
from bursar.policies.prices import price
from bursar.policies.records import Released, Sent, Settled
from bursar.policies.usage import Usage

if TYPE_CHECKING:
    from bursar.instrumentation.call import Call


class Attempt:
    """From the moment before it leaves until it is known what it cost."""

    def __init__(self, call: Call, attempt_id: str, model: str, admission: Admission, at_ns: int) -> None:
        self.id = attempt_id
        self.tally = Tally()
        self._call = call
        self._model = model
        self._admission = admission
        self._at_ns = at_ns
        self._request_id: str | None = None
        self._over = False

    def sent(self) -> None:
        """Journal that it is about to leave, so that no crash can hide it."""
        admission, call = self._admission, self._call
        decision = admission.decision
        self._call.runtime.record(
            Sent(
                attempt_id=self.id,
                call_id=call.id,
                at_ns=self._at_ns,
                route=call.work.route or "",
                model=self._model,
                requested_model=call.requested_model,
                labels=call.work.labels,
                balances=admission.balances,
                leased=admission.leased,
                bound_nano=admission.bound_nano,
                expected_nano=admission.expected_nano,
                action=decision.verdict.action.value if decision else "go",
                reason=decision.verdict.reason.value if decision else "",
                decision=decision.numbers() if decision and decision.standings else {},
            )
        )

    def answered(self, response: Any) -> None:
        """An HTTP response is here; its headers name the request."""
        self._request_id = response.headers.get("request-id") or response.headers.get("x-amzn-requestid")

    def read(self, content: bytes, content_type: str) -> None:
        """Settle by a whole body: a message, or all its events where a transport has them in memory already."""
        if is_event_stream(content_type):
            for event in EventBytes(binary=is_binary_stream(content_type)).feed(content):
                self.tally.event(event)
        else:
            self.tally.message(json_body(content))
        self.settle()

    def provisional(self) -> None:
        """A stream has begun: journal and stamp the lower bound, in case nothing more is ever seen."""
        if not self._over:
            charge = self._charge()
            self._call.runtime.record(Settled(charge, final=False))
            self._call.show((charge,))

    def settle(self) -> None:
        """What it cost is known, or will never be: the charge is made and everybody told."""
        if self._over:
            return
        self._over = True
        charge = self._charge()
        runtime = self._call.runtime
        runtime.leases.settle(self.id, charge.cost_nano_usd)
        runtime.record(Settled(charge))
        if charge.basis is Basis.USAGE:
            runtime.guard.estimates.learn(charge.route, charge.model, charge.usage.output)
        self._call.charged(charge)

    def release(self, why: str) -> None:
        """It is known to have cost nothing: it never left, or was answered by an error."""
        if self._over:
            return
        self._over = True
        self._call.runtime.leases.release(self.id)
        self._call.runtime.record(Released(self.id, why))
        self._call.show(())

    def _charge(self) -> Charge:
        tally, call = self.tally, self._call
        report = tally.report()
        model = tally.model or self._model
        charge = Charge(
            attempt_id=self.id,
            cost_nano_usd=None,
            usage=report.usage if report is not None else Usage(),
            basis=Basis.UNKNOWN,
            model=model,
            requested_model=call.requested_model,
            route=call.work.route or "",
            call_id=call.id,
            labels=call.work.labels,
            request_id=self._request_id,
            response_id=tally.response_id,
            at_ns=self._at_ns,
            missing=("no usage was seen",),
            action=self._admission.decision.verdict.action.value if self._admission.decision else "go",
            reason=self._admission.decision.verdict.reason.value if self._admission.decision else "",
        )
        if report is None:
            return charge
        at = datetime.fromtimestamp(self._at_ns // 10**9, UTC)
        quote = price(report, model=model, at=at, book=call.runtime.rules.book, region=call.region)
        missing = quote.missing if tally.final else (*quote.missing, "output after the stream was broken off")
        basis = Basis.UNKNOWN if quote.cost_nano_usd is None else Basis.USAGE if tally.final else Basis.ESTIMATE
        return replace(
            charge,
            cost_nano_usd=quote.cost_nano_usd,
            basis=basis,
            price_id=quote.price_id,
            lines=quote.lines,
            missing=missing,
            modifiers=quote.modifiers,
        )


class BodyWatcher:
    """Reads an attempt's figures out of a body while the application reads it, then settles the attempt."""

    def __init__(self, attempt: Attempt, response: Any, on_end: Callable[[], None] | None) -> None:
        content_type = response.headers.get("content-type", "")
        self._attempt = attempt
        self._on_end = on_end
        self._decode: Decode | None = decoder(response.headers.get("content-encoding", ""))
        self._whole: bytearray | None = bytearray() if content_type.startswith("application/json") else None
        self._events = EventBytes(binary=is_binary_stream(content_type))

    def chunk(self, data: bytes) -> None:
        """Some bytes of the body, as they came."""
        if self._decode is None:
            return
        with quiet("read a response"):
            try:
                plain = self._decode(data)
            except Exception:
                self._decode = None
                raise
            if self._whole is not None:
                self._whole += plain
            else:
                self._feed(plain)

    def end(self) -> None:
        """The body was read, closed, dropped or broken off."""
        with quiet("settle a call"):
            if self._whole:
                self._attempt.tally.message(json_body(bytes(self._whole)))
            self._attempt.settle()
        if self._on_end is not None:
            self._on_end()

    def _feed(self, plain: bytes) -> None:
        tally = self._attempt.tally
        for event in self._events.feed(plain):
            started = tally.started
            if tally.event(event) and not started:
                self._attempt.provisional()
