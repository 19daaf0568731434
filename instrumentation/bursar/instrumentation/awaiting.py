"""How does a call wait for its answer after it was put off, and what becomes of it in the end?"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anthropic._request import APIRequest

from bursar.instrumentation.answer import http_answer, is_refused, placeholder, refusal_of, response_of
from bursar.instrumentation.asking import Asking, Deferred
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.extract import Tally
from bursar.instrumentation.quiet import excuse, quiet
from bursar.instrumentation.served import PutOff
from bursar.instrumentation.waiter import Waiter, Waits, is_unknown, through, through_async
from bursar.policies.balancekey import told_of
from bursar.policies.charge import Charge
from bursar.policies.deferral import Outcome, WithdrawRequest
from bursar.policies.records import charge_from_json
from bursar.policies.standing import Standing
from bursar.policies.unbatched import Unbatched

if TYPE_CHECKING:
    from bursar.instrumentation.call import Call
    from bursar.instrumentation.context import Work
    from bursar.instrumentation.runtime import Runtime

GRACE_SECONDS = 10.0
"""How long past its deadline an answer is waited for before the call is sent at once."""
LOOK_SECONDS = 5.0
"""How often it is looked past that whether the agent is there: it sends the call itself, which takes its time."""
LONGEST_SECONDS = 600.0
"""How long that may take: as long as the SDK waits for any answer."""


class Later:
    """A call that the agent has on its disk: waited for, answered, or sent at once after all."""

    def __init__(self, call: Call, request: APIRequest, kind: Any, errand: Errand, admission: Admission) -> None:
        """`kind` is the SDK's class of responses."""
        assert admission.deferred is not None
        self._call, self._request, self._kind = call, request, kind
        self._errand = errand
        self._deferred = admission.deferred
        self._outcome: Outcome | None = None
        call.decision = admission.decision or call.decision
        call.put_off = PutOff(self._deferred.id, "", 0.0)

    def came(self) -> bool:
        """Whether there is an answer; without one the call has to be sent at once. Blocks."""
        if self._aside():
            return True
        with self._left_in_peace():
            self._outcome = through(self._waits())
        return self._outcome is not None

    async def came_async(self) -> bool:
        """The same without blocking the event loop."""
        if self._aside():
            return True
        with self._left_in_peace():
            self._outcome = await through_async(self._waits())
        return self._outcome is not None

    def answer(self) -> Any:
        """What the application is given. Raises `BudgetExceeded`."""
        call, request = self._call, self._request
        if self._outcome is None:  # it keeps the deferral, and passes this over
            call.show((), None)
            outcome = placeholder(self._deferred.id, call.requested_model)
            return response_of(self._kind, request, call.client, http_answer(outcome, request, call.client))
        return answered(call, request, self._kind, self._outcome, since_ns=self._deferred.since_ns)

    def sent_at_once(self) -> Errand:
        """The same errand as an attempt of its own that is not put off; the agent is told as soon as it can be."""
        runtime = self._call.runtime
        if runtime.waiter is not None:
            runtime.waiter.withdraw(WithdrawRequest(self._deferred.id, sends=True, why="late"))
        if self._errand.deferring is not None:
            self._errand.deferring.close(Unbatched.WITHDRAWN)
        self._call.put_off = None
        return replace(self._errand, attempt_id=runtime.ids.attempt(), at_ns=runtime.clock_ns())

    def _aside(self) -> bool:
        """Whether its answer is fetched later: the application keeps the deferral."""
        asking = self._call.work.asking
        if asking is None or not asking.tries:
            return False
        asking.deferred, asking.work = self._deferred, self._call.work
        return True

    def _waits(self) -> Waits[Outcome]:
        """What is waited for, and how long each time."""
        runtime, deferred = self._call.runtime, self._deferred
        assert runtime.waiter is not None  # nothing is put off without an agent
        return (yield from awaited(runtime.waiter, deferred, runtime.clock_ns))

    @contextmanager
    def _left_in_peace(self) -> Generator[None]:
        """
        A task that is cancelled leaves nothing to be paid for, unless somebody else may ask for the answer.

        Where waiting itself fails, by a fault of ours, the call is sent at once.
        """
        try:
            yield
        except Exception:  # noqa: BLE001 - the guest never breaks its host
            excuse("wait for a call that was put off")
        except BaseException:  # cancelled, or interrupted from the keyboard; raised again
            line = self._call.runtime.waiter
            if not self._deferred.lasting and line is not None:
                line.withdraw(WithdrawRequest(self._deferred.id, why="cancelled"))
            raise


def awaited(line: Waiter, deferred: Deferred, clock_ns: Callable[[], int]) -> Waits[Outcome]:
    """
    What is waited for, and how long each time, until the outcome is there.

    None: its time is over, and the agent is gone; or it has no such call. One that is there sends the call itself in
    the end, which may take a while.
    """
    last = deferred.due_ns + int(LONGEST_SECONDS * 1e9)
    while True:
        left = (deferred.due_ns - clock_ns()) / 1e9 + GRACE_SECONDS
        outcome = yield line.wait(deferred.id), max(left, LOOK_SECONDS)
        if outcome is not None and is_unknown(outcome):
            return None
        if outcome is not None or clock_ns() > last:
            return outcome
        if line.away:
            return None


def leave_at_once(asking: Asking, work: Work, errand: Errand) -> None:
    """It is sent at once, though the application asked otherwise: why."""
    asking.work = work
    asking.why = (errand.deferring.why if errand.deferring is not None else "") or str(Unbatched.NO_AGENT)


def answered(call: Call, request: APIRequest, kind: Any, outcome: Outcome, *, since_ns: int | None = None) -> Any:
    """The application's answer, with its cost told. Raises `BudgetExceeded` where there is none."""
    asking = call.work.asking
    if since_ns is None:
        since_ns = asking.deferred.since_ns if asking is not None and asking.deferred is not None else 0
    waited = max(call.runtime.clock_ns() - since_ns, 0) / 1e9 if since_ns else 0.0
    with quiet("tell what a call cost that was put off"):
        tell(call, outcome, PutOff(outcome.id, outcome.batch_id, waited))
    if is_refused(outcome):
        balance = str((outcome.refusal or {}).get("balance") or "")
        raise refusal_of(
            outcome,
            route=call.work.route or "",
            model=call.requested_model,
            standing=_standing(call, balance),
            decision_id=call.charges[-1].attempt_id if call.charges else outcome.id,
        ) from None
    return response_of(kind, request, call.client, http_answer(outcome, request, call.client, waited))


def tell(call: Call, outcome: Outcome, put_off: PutOff) -> None:
    """Its charges, each told once in this process: the agent has booked them, so that they are not journalled here."""
    call.put_off = put_off
    charges = [charge_from_json(charge) for charge in outcome.charges]
    tally = Tally()
    if outcome.message is not None:
        tally.message(json.loads(outcome.message))
    call.show((), None)
    for place, charge in enumerate(charges, start=1):
        _tell(call, charge, tally if place == len(charges) else None)


def tell_alone(runtime: Runtime, outcome: Outcome) -> Charge | None:
    """The same where the call was made by another process; its answer's own charge."""
    charges = [charge_from_json(charge) for charge in outcome.charges]
    for charge in charges:
        if runtime.batches.claim(charge.attempt_id):
            runtime.metrics.charged(charge, "anthropic")
            runtime.tell(charge, (), PutOff(outcome.id, outcome.batch_id, 0.0))
    return charges[-1] if charges else None


def _tell(call: Call, charge: Charge, tally: Tally | None) -> None:
    if call.runtime.batches.claim(charge.attempt_id):
        call.charged(charge, tally)
    else:
        call.charges.append(charge)
        call.show((), tally)


def _standing(call: Call, balance: str) -> Standing | None:
    """Where the balance stands that refused, as far as this process knows."""
    decision = call.decision
    if decision is None or not balance:
        return None
    return next((s for s in decision.standings if told_of(s.key) == told_of(balance)), None)
