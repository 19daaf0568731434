"""What a call goes through until it may leave: the engine's verdict over leases, as steps that others wait for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bursar.instrumentation.candidates import Candidates, not_put_off, weigh, weigh_asked
from bursar.instrumentation.errand import Admission, Counting, Errand
from bursar.instrumentation.estimates import Durations, Estimates
from bursar.instrumentation.fitting import fitted, learnable, need_of, unjudged
from bursar.instrumentation.leases import Leases
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.loops import Loops, Repeats, loop_record, looped, seconds_of, with_loops
from bursar.instrumentation.moves import Moves
from bursar.instrumentation.outage import draw, without_agent
from bursar.instrumentation.pacing import Pacing, having_waited
from bursar.instrumentation.postponing import Looking, Offering, Replied, offered, rejoined
from bursar.instrumentation.refusal import Refused, only_the_bound, reason_of, refusal
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.standings import Met, Standings
from bursar.instrumentation.sync import Ask, lent_by
from bursar.policies import engine
from bursar.policies.balancekey import Amounts, told_of
from bursar.policies.changes import Change, Why
from bursar.policies.decision import Action, Decision, Reason
from bursar.policies.engine import decide
from bursar.policies.errors import BudgetExceeded
from bursar.policies.policy import Policy
from bursar.policies.protocol import Answer, Verdict
from bursar.policies.records import Decided
from bursar.policies.throttle import paces

POLL_SECONDS = 0.02
"""How often a call that waits for settlements asks again."""
RECALL_SECONDS = 0.1
"""How long a call waits for money that lies idle elsewhere, whatever its budgets' patience: who has it is told."""
ROUNDS = 4
"""How often a plan may change because fresher figures came with the answer; then the last one stands."""

Reply = Answer | Unreachable | None


@dataclass(frozen=True, slots=True)
class Count:
    """What an admission waits for where the bytes of a request are all that stands in its way."""

    counting: Counting
    model: str


Step = Ask | Count | Offering | Looking | float
Told = Reply | Replied | int
Admitting = Generator[Step, Told, Admission]
"""An admission in progress: it yields what it waits for, an answer of the agent, a count, or so many seconds."""


class Admitter:
    """Admits attempts over the rules in force and this process's leases; it neither sends nor sleeps."""

    def __init__(
        self,
        leases: Leases,
        rules: Callable[[], Rules],
        clock: Callable[[], float],
        *,
        has_agent: bool,
        enforce: bool,
        without_rules: str,
        on_loop: Callable[[Decided], object],
    ) -> None:
        self._leases = leases
        self._rules = rules
        self._clock = clock
        self._has_agent = has_agent
        self._enforce = enforce
        self._without_rules = without_rules
        self._on_loop = on_loop
        self.standings = Standings(clock, enforce=enforce)
        self.estimates = Estimates()
        self.durations = Durations()
        self.moves = Moves()
        self._loops = Loops()
        self._pacing = Pacing()

    def repeats(self, errand: Errand) -> Repeats:
        """When this very request was made of late, where that is so often that a budget may take it for a loop."""
        policy = self._rules().policy
        fewest = policy.fewest_in_a_loop if policy is not None and self._has_agent else None
        if fewest is None or errand.settled_model is not None or errand.batch:  # a retry is the SDK's doing
            return ()
        made = self._loops.made(errand.route, errand.body, self._clock())
        return made if len(made) > fewest else ()

    def at_once(self, errand: Errand) -> Admission | None:
        """
        The admission of a call that needs no answer of anybody: nothing is due, and its money is in the lease.

        None: it takes the long way. What is decided is the same on both.
        """
        rules = self._rules()
        policy = rules.policy
        if self._has_agent and errand.deferring is not None and errand.deferring.wanted:
            return None
        if not self._has_agent or (policy is None and rules.heard):
            return unjudged(weigh(errand, rules, self.estimates, ladder=False), errand.context_tokens)
        if policy is None or errand.settled_model is not None or self.moves:
            return None
        met = self.standings.met(policy, errand, errand.asked)
        if not met.survey.calm or met.used_at > met.fresh_until:
            return None
        weighed = weigh_asked(errand, rules, self.estimates)
        decision = decide(weighed.facts, met.survey, refuse_unknown_price=policy.unknown_price == "refuse")
        if decision.verdict.action is not Action.GO:
            return None
        whole, leased = decision.whole, decision.hard
        if leased and not self._leases.hold(errand.attempt_id, leased, whole):
            return None
        self.estimates.came(errand.route, weighed.size.turns)
        return _admission(errand, decision, weighed, whole, leased, {}, ())

    def admitting(self, errand: Errand, repeats: Repeats = ()) -> Admitting:
        """Step by step, to the admission; whoever carries it waits for each. Raises `BudgetExceeded`."""
        if repeats:
            errand = replace(errand, repeats=repeats)
        for _ in range(ROUNDS):
            rules = self._rules()
            if self._has_agent and not rules.heard:
                self._refuse_if_closed(errand)
            found = yield from rejoined(errand, rules)
            if found is not None:
                return Admission(deferred=found)
            weighed = weigh(errand, rules, self.estimates, moved_to=self.moves.of(errand))
            if not self._has_agent or rules.policy is None:
                return (yield from self._without_policy(errand, rules, weighed))
            if repeats:
                self._tell_of_loops(errand, self._decide(errand, rules.policy, weighed))
            waited = yield from self._spread(errand, rules.policy, weighed)
            admission = yield from self._through_budgets(errand, rules.policy, weighed)
            if admission is not None:
                return having_waited(admission, waited) if waited else admission
        raise self._refusal(None, errand) from None

    def _without_policy(self, errand: Errand, rules: Rules, weighed: Candidates) -> Generator[Step, Told, Admission]:
        """Nothing is judged; what the application would have put off is, where that can be."""
        if self._has_agent and weighed.facts.to_be_batched and weighed.facts.batched is not None:
            decision = decide(weighed.facts, ())
            deferred = yield from offered(errand, rules, decision, weighed)
            if deferred is not None:
                return Admission(decision=decision, deferred=deferred)
        return unjudged(weighed, errand.context_tokens)

    def _tell_of_loops(self, errand: Errand, decision: Decision) -> None:
        """Tell the agent, once in a while, of a request that is made again and again; of a refusal it hears anyway."""
        if decision.verdict.reason is Reason.LOOP:
            raise self._refusal(decision, errand) from None
        now = errand.repeats[-1]
        for standing in decision.standings:
            for step in looped(standing, errand.repeats):
                if self._loops.is_news(standing.key, step.label, now, seconds_of(step)):
                    self._on_loop(loop_record(errand, decision, standing, step))

    def _spread(self, errand: Errand, policy: Policy, weighed: Candidates) -> Generator[Step, Told, float]:
        """Wait for the call's turn, where a budget wants its calls spread; how many seconds that took."""
        if errand.settled_model is not None or errand.batch:
            return 0.0
        decision = self._decide(errand, policy, weighed)
        if decision.survey.calm or decision.verdict.action in (Action.BATCH, Action.BLOCK):
            return 0.0
        found = paces(decision.survey.enforcing, datetime.fromtimestamp(errand.at_ns // 10**9, UTC))
        seconds = self._pacing.wait(found, decision.candidate, self._clock())
        if seconds > 0:
            yield seconds
        return seconds

    def _through_budgets(
        self, errand: Errand, policy: Policy, weighed: Candidates
    ) -> Generator[Step, Told, Admission | None]:
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
                raise self._refusal(decision, errand) from None
            if decision.verdict.action is Action.BATCH:
                deferred = yield from offered(errand, self._rules(), decision, weighed)
                if deferred is not None:
                    return Admission(balances=decision.balances, decision=decision, deferred=deferred)
                weighed = not_put_off(weighed, errand)
                decision = self._decide(errand, policy, weighed)
                continue
            if not decision.hard:
                return self._go(errand, decision, weighed, lent=decision.whole, leased=())
            lent = yield from self._obtain(errand, policy, decision, patient=not (weighed.size.exact or errand.batch))
            if self._rules().policy is not policy:
                self._leases.release(errand.attempt_id)
                return None
            if isinstance(lent, Refused):
                exact = yield from self._counted(errand, policy, weighed, decision, refused=lent)
                if exact is None:
                    return (yield from self._unlent(errand, policy, weighed, refused=lent, decision=decision))
                weighed = exact
                decision = self._decide(errand, policy, weighed)
                continue
            fresher = self._decide(errand, policy, weighed)
            if not left or _same_plan(fresher, decision):
                shown = replace(decision, survey=fresher.survey)
                return self._go(errand, shown, weighed, lent=lent, leased=decision.hard)
            self._leases.release(errand.attempt_id)
            decision = fresher
        return None

    def _counted(
        self, errand: Errand, policy: Policy, weighed: Candidates, decision: Decision, *, refused: Refused
    ) -> Generator[Step, Told, Candidates | None]:
        """The call weighed anew with its tokens counted, where only the bound by its bytes refuses; once a call."""
        fresher = replace(decision, survey=self._met(errand, policy).survey)
        if errand.counting is None or weighed.size.exact or not only_the_bound(fresher, refused):
            return None
        tokens = yield Count(errand.counting, decision.candidate.model)
        if not isinstance(tokens, int):
            return None
        return weigh(errand, self._rules(), self.estimates, moved_to=weighed.facts.moved_to, exact=tokens)

    def _unlent(
        self, errand: Errand, policy: Policy, weighed: Candidates, *, refused: Refused, decision: Decision
    ) -> Generator[Step, Told, Admission]:
        """No money was lent: the call is refused, unless the agent is away and every budget it meets lets it go."""
        # The figures that came with the answer are those that the refusal is explained by.
        decision = replace(decision, survey=self._decide(errand, policy, weighed).survey)
        if refused.reason is not Reason.UNREACHABLE:
            raise self._refusal(engine.refused(decision, refused.reason, refused.balance), errand) from None
        outcome, reserves = without_agent(policy, decision)
        if outcome.verdict.action is Action.BLOCK:
            raise self._refusal(outcome, errand) from None
        if not reserves:
            return self._go(errand, outcome, weighed, lent=decision.whole, leased=())
        until = self._clock() + _patience(decision)
        lent = yield from draw(self._leases, errand.attempt_id, outcome, reserves, over=lambda: self._clock() >= until)
        if isinstance(lent, str):
            raise self._refusal(engine.refused(decision, Reason.UNREACHABLE, told_of(lent)), errand) from None
        return self._go(errand, outcome, weighed, lent=lent, leased=reserves)

    def _obtain(
        self, errand: Errand, policy: Policy, decision: Decision, *, patient: bool
    ) -> Generator[Step, Told, Amounts | Refused]:
        """Hold money for the attempt in every hard balance: what is held, or why not; `patient`: it may wait for it."""
        hard = {told_of(key) for key in decision.hard}
        if not self.standings.stale(hard) and self._leases.hold(errand.attempt_id, decision.hard, decision.whole):
            return decision.whole
        need = need_of(errand.attempt_id, decision)
        began, patience = self._clock(), _patience(decision) if patient else 0.0
        while True:
            reply = yield Ask(need=need, views=decision.balances)
            if isinstance(reply, Unreachable):
                return Refused(Reason.UNREACHABLE, decision.hard[0])
            assert reply is None or isinstance(reply, Answer)  # the others answer other steps
            if reply is not None and reply.verdict is Verdict.GRANTED:
                if self._leases.held(errand.attempt_id):
                    return lent_by(reply, need)
            elif reply is not None and reply.verdict is Verdict.REFUSED:
                return Refused(reason_of(reply.reason), reply.balance)
            if self._rules().policy is not policy:
                return Refused(Reason.HELD, decision.hard[0])  # whoever asked judges anew by the new rules
            lies_idle = reply is not None and reply.reason == Reason.LENT
            if self._clock() - began >= (max(patience, RECALL_SECONDS) if lies_idle else patience):
                why = Reason.LENT if lies_idle else Reason.HELD
                return Refused(why, (reply.balance if reply is not None else "") or told_of(decision.hard[0]))
            yield POLL_SECONDS

    def _decide(self, errand: Errand, policy: Policy, weighed: Candidates) -> Decision:
        survey = self._met(errand, policy).survey
        if errand.repeats:
            survey = with_loops(survey, errand.repeats)
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
        self.moves.note(errand, decision)
        planned = candidate.plan
        changes: dict[str, Any] = dict(planned.changes) if planned is not None else {}
        if candidate.model != errand.asked:
            changes["model"] = candidate.model
        if leased and (lent.usd < decision.most or lent.tokens < candidate.worst_tokens):
            tokens = changes["max_tokens"] = fitted(decision, weighed, lent)
            asked = weighed.size.max_tokens
            decision = replace(decision, fit=Change("max_tokens", asked, tokens, Why.FIT))
        dropped = planned.dropped_betas if planned is not None else ()
        return _admission(errand, decision, weighed, lent, leased, changes, dropped)

    def _refusal(self, decision: Decision | None, errand: Errand) -> BudgetExceeded:
        return refusal(decision, errand, settles_in=self.durations.usual)

    def _refuse_if_closed(self, errand: Errand) -> None:
        """No agent was ever heard of: `BURSAR_ON_UNREACHABLE` decides."""
        if self._without_rules == "closed" and self._enforce:
            raise self._refusal(None, errand) from None


def _admission(
    errand: Errand,
    decision: Decision,
    weighed: Candidates,
    lent: Amounts,
    leased: tuple[str, ...],
    changes: Mapping[str, Any],
    dropped_betas: tuple[str, ...],
) -> Admission:
    candidate = decision.candidate
    tokens = candidate.expected_tokens
    # By place: by keyword, values take twice as long to make.
    return Admission(
        decision.survey.balances,
        leased,
        lent.usd if candidate.worst is not None else None,
        # As it is held, not as it was hoped for: both sides charge their leases by it.
        lent.expected,
        lent.tokens,
        min(lent.tokens, tokens),
        learnable(weighed, errand.context_tokens),
        changes,
        dropped_betas,
        decision,
    )


def _patience(decision: Decision) -> float:
    """How long the most impatient of the budgets that must lend lets a call wait, in seconds."""
    return min(s.budget.patience_seconds for s in decision.standings if s.key in decision.hard)


def _same_plan(one: Decision, other: Decision) -> bool:
    return (one.verdict.model, one.verdict.action) == (other.verdict.model, other.verdict.action)
