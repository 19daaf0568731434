"""One HTTP request inside a call: sent, then settled or released, exactly once. docs/attempt.md draws its life."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, cast

from bursar.instrumentation.answered import Answered
from bursar.instrumentation.errand import Admission, Errand, utc_day
from bursar.instrumentation.extract import EventBytes, Tally, is_binary_stream, is_event_stream, json_body
from bursar.policies.charge import Basis, Charge
from bursar.policies.elapsed import elapsed
from bursar.policies.prices import Quote, price
from bursar.policies.records import Released, Sent, Settled
from bursar.policies.usage import Usage

if TYPE_CHECKING:
    from bursar.instrumentation.call import Call

_UNSEEN = Quote(None, missing=("no usage was seen",))
_NOTHING = Usage()


def _effort(body: Mapping[str, Any], changes: Mapping[str, Any]) -> str:
    """The level of effort that a request is sent with; empty where it has none."""
    config: Any = changes.get("output_config") if "output_config" in changes else body.get("output_config")
    if config is None or not isinstance(config, Mapping):  # `None` first: nearly all, and the abstract class takes long
        return ""
    level = cast("Mapping[str, Any]", config).get("effort")
    return level if isinstance(level, str) else ""


class Attempt:
    """From the moment before it leaves until it is known what it cost."""

    __slots__ = (
        *("_admission", "_at_ns", "_call", "_first_ns", "_linked", "_model", "_over", "_request_id", "_sent_ns"),
        "_shown",
        *("action", "effort", "id", "prompt", "reason", "tally"),
    )

    def __init__(self, call: Call, errand: Errand, model: str, admission: Admission) -> None:
        self.id = errand.attempt_id
        self.tally = Tally()
        verdict = admission.decision.verdict if admission.decision is not None else None
        # `str`, here and elsewhere on every call's path: an enum's `value` takes ten times as long.
        self.action = str(verdict.action) if verdict is not None else "go"
        self.reason = str(verdict.reason) if verdict is not None else ""
        self.effort = _effort(errand.body, admission.changes)
        self._call = call
        self._model = model
        self._admission = admission
        self._at_ns = errand.at_ns
        self._linked = errand.linked
        self._request_id: str | None = None
        self._over = False
        self._sent_ns = perf_counter_ns()
        self._first_ns: int | None = None
        """When a stream had told its first event, by the same clock."""
        self._shown: Charge | None = None
        """What the span says already, of a stream."""
        self.prompt: bytes | None = None
        """The request as it was sent, once it is answered, where its fingerprint is wanted."""

    def sent(self) -> None:
        """Journal that it is about to leave, so that no crash can hide it."""
        admission, call = self._admission, self._call
        decision = admission.decision
        call.runtime.record(
            Sent(
                self.id,
                call.id,
                self._at_ns,
                call.work.route or "",
                self._model,
                call.requested_model,
                call.work.labels,
                admission.balances,
                admission.leased,
                admission.bound_nano,
                admission.expected_nano,
                self.action,
                self.reason,
                admission.bound_tokens,
                admission.expected_tokens,
                decision.figures() if decision is not None and decision.standings else {},
                call.stage,
                call.marks.told if call.marks is not None else "",
                self.effort,
            )
        )

    def answered(self, headers: Any) -> None:
        """An HTTP response is here; its headers name the request."""
        self._request_id = headers.get("request-id") or headers.get("x-amzn-requestid")

    def read(self, content: bytes, content_type: str) -> None:
        """Settle by a whole body: a message, or all its events where a transport has them in memory already."""
        if is_event_stream(content_type):
            for event in EventBytes(binary=is_binary_stream(content_type)).feed(content):
                self.tally.event(event)
        else:
            self.tally.message(json_body(content))
        self.settle()

    def told(self, message: Any, headers: Any) -> None:
        """Settle by the SDK's own message. It knows its request's id already; headers take long to be asked for it."""
        self._request_id = getattr(message, "_request_id", None)
        if self._request_id is None:
            self.answered(headers)
        self.tally.message(message)
        self.settle()

    def counted(self, *, first: bool) -> None:
        """A stream has told usage: stamped in case nothing more is seen, and the `first` lower bound journalled."""
        if not self._over:
            if first:
                self._first_ns = perf_counter_ns()
                self._call.streaming(self._first_ns)
            charge = self._shown = self._charge()
            if first:
                self._call.runtime.record(Settled(charge, final=False))
            self._call.show((charge,), self.tally)

    def settle(self) -> None:
        """What it cost is known, or will never be: the charge is made and everybody told."""
        if self._over:
            return
        self._over = True
        now_ns = perf_counter_ns()
        took_ns = elapsed(self._sent_ns, now_ns)
        charge = self._charge(took_ns) if self._shown is None else self._shown.lasting(took_ns)
        runtime = self._call.runtime
        runtime.guard.durations.add((now_ns - self._sent_ns) / 1e9)
        # In this order: money that is free may be lent to others at once, and a crash between the two would count the
        # whole bound beside what they spend of it.
        runtime.record(Settled(charge))
        runtime.leases.settle(self.id, charge.cost_nano_usd, charge.tokens)
        if charge.basis is Basis.USAGE:
            runtime.guard.estimates.learn(
                charge.route,
                charge.model,
                charge.usage.output,
                prompt_tokens=charge.usage.prompt,
                text_bytes=self._admission.text_bytes,
            )
        self._call.charged(charge, None if self._shown is not None else self.tally)
        if self.prompt is not None:
            self._hand_over(self.prompt, now_ns)

    def release(self, why: str) -> None:
        """It is known to have cost nothing: it never left, or was answered by an error."""
        if self._over:
            return
        self._over = True
        self._call.runtime.record(Released(self.id, why))
        self._call.runtime.leases.release(self.id)
        self._call.show((), None)

    def _hand_over(self, prompt: bytes, now_ns: int) -> None:
        """Let the background take the fingerprint."""
        call, sent_ns = self._call, self._sent_ns
        if call.runtime.prints is not None:
            ttft_ns = (now_ns if self._first_ns is None else self._first_ns) - sent_ns
            route = call.work.route or ""
            call.runtime.prints.take(
                Answered(self.id, route, self._model, prompt, sent_ns, ttft_ns, self.tally.miss_reason)
            )

    def _charge(self, took_ns: int | None = None) -> Charge:
        tally, call = self.tally, self._call
        model = tally.model or self._model
        report = tally.report()
        quote, basis, missing = _UNSEEN, Basis.UNKNOWN, _UNSEEN.missing
        if report is not None:
            day = utc_day(self._at_ns)
            book, linked = call.runtime.rules.book, self._linked
            quote = price(report, model=model, at=day, book=book, region=call.region, linked=linked)
            missing = quote.missing if tally.final else (*quote.missing, "output after the stream was broken off")
            if quote.cost_nano_usd is not None:
                basis = Basis.USAGE if tally.final and not quote.estimated else Basis.ESTIMATE
        # By place: by keyword, values take twice as long to make.
        return Charge(
            self.id,
            quote.cost_nano_usd,
            report.usage if report is not None else _NOTHING,
            basis,
            model,
            call.requested_model,
            call.work.route or "",
            call.id,
            call.work.labels,
            quote.price_id,
            self._request_id,
            tally.response_id,
            self._at_ns,
            quote.lines,
            missing,
            quote.modifiers,
            self.action,
            self.reason,
            call.stage,
            None,
            took_ns,
            None if self._first_ns is None else elapsed(self._sent_ns, self._first_ns),
            tally.stop_reason,
        )
