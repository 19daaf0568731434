"""Whether a call may leave, as what, and with whose money: the engine's verdict, carried out over leases."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, cast

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from bursar.instrumentation.candidates import Candidates, Estimates, weigh
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.fitting import fitted, need_of, unjudged
from bursar.instrumentation.leases import Leases
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.refusal import Refused, reason_of, refusal, unlent
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.standings import Met, Standings
from bursar.instrumentation.sync import Ask, lent_by
from bursar.policies.balancekey import Amounts, told_of
from bursar.policies.changes import Change, Why
from bursar.policies.engine import Action, Decision, Reason, decide
from bursar.policies.policy import Policy
from bursar.policies.protocol import Answer, Verdict

POLL_SECONDS = 0.02
"""How often a call that waits for settlements asks again."""
ROUNDS = 4
"""How often a plan may change because fresher figures came with the answer; then the last one stands."""


class Carrier(Protocol):
    """Who brings an ask to the agent and its answer back. Raises `Unreachable`."""

    def ask(self, ask: Ask) -> Answer | None:
        """None: the ask had no need, or a later message overtook it."""
        ...


CARRIERS = 32
"""Threads of one event loop that carry asks; those that wait ride along with whoever is on the way."""
_carriers: RunVar[anyio.CapacityLimiter] = RunVar("bursar_carriers")

Reply = Answer | Unreachable | None
Admitting = Generator[Ask | float, Reply, Admission]
"""An admission in progress: it yields what it waits for, an answer of the agent or so many seconds."""


class _Way:
    """Where an admission's asks are: one on its way, and whether any has brought money."""

    def __init__(self) -> None:
        self.ask: Ask | None = None
        self.lent = False

    def leave(self, ask: Ask) -> None:
        """An ask goes out."""
        self.ask = ask

    def back(self, reply: Reply) -> Reply:
        """Its answer is here."""
        self.ask = None
        self.lent = self.lent or _lent(reply)
        return reply


def _lent(reply: Reply) -> bool:
    return isinstance(reply, Answer) and reply.verdict is Verdict.GRANTED


class Guard:
    """Admits attempts over the rules in force and this process's leases. Raises only `BudgetExceeded`."""

    def __init__(
        self,
        leases: Leases,
        rules: Callable[[], Rules],
        carrier: Carrier | None,
        *,
        enforce: bool,
        without_rules: str,
        on_release: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        sleep_async: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._sleep = sleep
        self._sleep_async = sleep_async
        self._leases = leases
        self._rules = rules
        self._carrier = carrier
        self._enforce = enforce
        self._without_rules = without_rules
        self._on_release = on_release
        self._clock = clock
        self.standings = Standings(clock, enforce=enforce)
        self.estimates = Estimates()

    @property
    def is_new(self) -> bool:
        """Whether an agent is configured and has not told its rules yet."""
        return self._carrier is not None and not self._rules().heard

    def greet(self) -> None:
        """Ask the agent for its rules, so that the first call is named and judged by them. Never raises."""
        self._carry(Ask())

    async def greet_async(self) -> None:
        """The same without blocking the event loop."""
        await self._carry_async(Ask())

    def admit(self, errand: Errand) -> Admission:
        """Decide on the caller's thread. Raises `BudgetExceeded`."""
        admission = self._at_once(errand)
        if admission is not None:
            return admission
        admitting = self._admitting(errand)
        reply: Reply = None
        with self._released_unless_admitted(errand) as way:
            while True:
                try:
                    step = admitting.send(reply)
                except StopIteration as stop:
                    return cast(Admission, stop.value)
                if isinstance(step, Ask):
                    way.leave(step)
                    reply = way.back(self._carry(step))
                else:
                    self._sleep(step)
                    reply = None

    async def admit_async(self, errand: Errand) -> Admission:
        """The same without ever blocking the event loop. Raises `BudgetExceeded`."""
        admission = self._at_once(errand)
        if admission is not None:
            return admission
        admitting = self._admitting(errand)
        reply: Reply = None
        with self._released_unless_admitted(errand) as way:
            while True:
                try:
                    step = admitting.send(reply)
                except StopIteration as stop:
                    return cast(Admission, stop.value)
                if isinstance(step, Ask):
                    way.leave(step)
                    reply = way.back(await self._carry_async(step))
                else:
                    await self._sleep_async(step)
                    reply = None

    def _at_once(self, errand: Errand) -> Admission | None:
        """
        The admission of a call that needs no answer of anybody: nothing is due, and its money is in the lease.

        None: it takes the long way. What is decided is the same on both.
        """
        rules = self._rules()
        policy = rules.policy
        if self._carrier is None or (policy is None and rules.heard):
            return unjudged(weigh(errand, rules, self.estimates, ladder=False))
        if policy is None or errand.settled_model is not None:
            return None
        met = self._met(errand, policy)
        if not met.survey.calm or self._clock() > met.fresh_until:
            return None
        weighed = weigh(errand, rules, self.estimates, ladder=False)
        decision = decide(weighed.facts, met.survey, refuse_unknown_price=policy.unknown_price == "refuse")
        if decision.verdict.action is not Action.GO:
            return None
        if decision.hard and not self._leases.hold(errand.attempt_id, decision.hard, decision.whole):
            return None
        return self._go(errand, decision, weighed, lent=decision.whole, leased=decision.hard)

    @contextmanager
    def _released_unless_admitted(self, errand: Errand) -> Generator[_Way]:
        """
        A refusal, or a task cancelled while it waited, keeps no money; the agent is told if it had lent any.

        A cancelled task may leave its ask on the way: what that still brings is released when it comes.
        """
        way = _Way()
        try:
            yield way
        except BaseException:  # a cancelled task too gives its money back; raised again in any case
            if way.ask is not None and not way.ask.reply.cancel():
                way.ask.reply.add_done_callback(lambda reply: self._release_late(errand, reply))
            self._leases.release(errand.attempt_id)
            if way.lent:
                self._on_release(errand.attempt_id)
            raise

    def _release_late(self, errand: Errand, reply: Future[Answer | None]) -> None:
        self._leases.release(errand.attempt_id)
        if not reply.cancelled() and reply.exception() is None and _lent(reply.result()):
            self._on_release(errand.attempt_id)

    async def _carry_async(self, ask: Ask) -> Reply:
        """In a thread of our own: the application's may all be waiting for its event loop."""
        try:
            limiter = _carriers.get()
        except LookupError:
            limiter = anyio.CapacityLimiter(CARRIERS)
            _carriers.set(limiter)
        return await anyio.to_thread.run_sync(self._carry, ask, limiter=limiter)

    def _carry(self, ask: Ask) -> Reply:
        if self._carrier is None:
            return Unreachable("no agent is configured")
        try:
            return self._carrier.ask(ask)
        except Unreachable as error:
            # Its traceback holds this frame, and so itself: the caller's frames would live on until a collection.
            return error.with_traceback(None)

    def _admitting(self, errand: Errand) -> Admitting:
        for _ in range(ROUNDS):
            rules = self._rules()
            if self._carrier is not None and not rules.heard:
                self._refuse_if_closed(errand)
            weighed = weigh(errand, rules, self.estimates)
            if self._carrier is None or rules.policy is None:
                return unjudged(weighed)
            admission = yield from self._through_budgets(errand, rules.policy, weighed)
            if admission is not None:
                return admission
        raise refusal(None, errand) from None

    def _through_budgets(
        self, errand: Errand, policy: Policy, weighed: Candidates
    ) -> Generator[Ask | float, Reply, Admission | None]:
        """
        Plan, ask for the money of the plan, and plan again where the answer's figures say otherwise.

        None: the rules changed meanwhile, and everything is to be judged anew.
        """
        decision = self._decide(errand, policy, weighed)
        if not decision.hard and self.standings.stale(decision.balances):
            yield Ask(views=decision.balances)
            decision = self._decide(errand, policy, weighed)
        for left in reversed(range(ROUNDS)):
            if decision.verdict.action is Action.BLOCK:
                raise refusal(decision, errand) from None
            if not decision.hard:
                return self._go(errand, decision, weighed, lent=decision.whole, leased=())
            lent = yield from self._obtain(errand, policy, decision)
            if self._rules().policy is not policy:
                self._leases.release(errand.attempt_id)
                return None
            if isinstance(lent, Refused):
                return self._unlent(errand, policy, weighed, refused=lent, decision=decision)
            fresher = self._decide(errand, policy, weighed)
            if not left or _same_plan(fresher, decision):
                shown = replace(decision, survey=fresher.survey)
                return self._go(errand, shown, weighed, lent=lent, leased=decision.hard)
            self._leases.release(errand.attempt_id)
            decision = fresher
        return None

    def _unlent(
        self, errand: Errand, policy: Policy, weighed: Candidates, *, refused: Refused, decision: Decision
    ) -> Admission:
        """No money was lent: the call is refused, unless the agent is away and every budget it meets is open."""
        # The figures that came with the answer are those that the refusal is explained by.
        decision = replace(decision, survey=self._decide(errand, policy, weighed).survey)
        outcome = unlent(policy, decision, refused)
        if outcome.verdict.action is Action.BLOCK:
            raise refusal(outcome, errand) from None
        return self._go(errand, outcome, weighed, lent=decision.whole, leased=())

    def _obtain(
        self, errand: Errand, policy: Policy, decision: Decision
    ) -> Generator[Ask | float, Reply, Amounts | Refused]:
        """Hold money for the attempt in every hard balance: what is held, or why not."""
        hard = {told_of(key) for key in decision.hard}
        if not self.standings.stale(hard) and self._leases.hold(errand.attempt_id, decision.hard, decision.whole):
            return decision.whole
        need = need_of(errand.attempt_id, decision)
        patience = min(s.budget.patience_seconds for s in decision.standings if s.key in decision.hard)
        until = self._clock() + patience
        while True:
            reply = yield Ask(need=need, views=decision.balances)
            if isinstance(reply, Unreachable):
                return Refused(Reason.UNREACHABLE, decision.hard[0])
            if reply is not None and reply.verdict is Verdict.GRANTED:
                if self._leases.held(errand.attempt_id):
                    return lent_by(reply, need)
            elif reply is not None and reply.verdict is Verdict.REFUSED:
                return Refused(reason_of(reply.reason), reply.balance)
            if self._rules().policy is not policy:
                return Refused(Reason.HELD, decision.hard[0])  # whoever asked judges anew by the new rules
            if self._clock() >= until:
                return Refused(Reason.HELD, (reply.balance if reply is not None else "") or decision.hard[0])
            yield POLL_SECONDS

    def _decide(self, errand: Errand, policy: Policy, weighed: Candidates) -> Decision:
        survey = self._met(errand, policy).survey
        decision = decide(weighed.facts, survey, refuse_unknown_price=policy.unknown_price == "refuse")
        if decision.verdict.action is Action.GO and decision.candidate.model != errand.asked:
            # A retry stays on the model that its call was moved to, and says so.
            moved = replace(decision.verdict, action=Action.DOWNGRADE, reason=Reason.STEP)
            return replace(decision, verdict=moved)
        if decision.verdict.action is Action.GO and errand.settled_plan is not None:
            milder = replace(decision.verdict, action=Action.EFFORT, reason=Reason.STEP)
            return replace(decision, verdict=milder)
        return decision

    def _met(self, errand: Errand, policy: Policy) -> Met:
        return self.standings.met(policy, errand, errand.asked)

    def _go(
        self, errand: Errand, decision: Decision, weighed: Candidates, *, lent: Amounts, leased: tuple[str, ...]
    ) -> Admission:
        """The attempt leaves: on the planned model, and with no more output than what is lent bounds."""
        candidate = decision.candidate
        planned = candidate.plan
        changes: dict[str, Any] = dict(planned.changes) if planned is not None else {}
        if candidate.model != errand.asked:
            changes["model"] = candidate.model
        if leased and (lent.usd < decision.most or lent.tokens < candidate.worst_tokens):
            tokens = changes["max_tokens"] = fitted(decision, weighed, lent)
            asked = weighed.size.max_tokens
            decision = replace(decision, fit=Change("max_tokens", asked, tokens, Why.FIT))
        return Admission(
            balances=decision.balances,
            leased=leased,
            bound_nano=lent.usd if candidate.worst is not None else None,
            # As it is held, not as it was hoped for: both sides charge their leases by it.
            expected_nano=lent.expected,
            bound_tokens=lent.tokens,
            expected_tokens=min(candidate.expected_tokens, lent.tokens),
            changes=changes,
            dropped_betas=planned.dropped_betas if planned is not None else (),
            decision=decision,
        )

    def _refuse_if_closed(self, errand: Errand) -> None:
        """No agent was ever heard of: `BURSAR_ON_UNREACHABLE` decides."""
        if self._without_rules == "closed" and self._enforce:
            raise refusal(None, errand) from None


def _same_plan(one: Decision, other: Decision) -> bool:
    return (one.verdict.model, one.verdict.action) == (other.verdict.model, other.verdict.action)
