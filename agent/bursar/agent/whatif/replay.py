"""
What would another policy have done with the calls that the ledger has?

Each call is judged by the shipped engine, in the order of time, on balances that are spent from anew. Two things are
milder than life: a call counts as what it cost, not as what it might have; and it is judged alone, with nothing in
flight beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bursar.agent.ledger.pastcalls import Past
from bursar.agent.whatif.balance import ReplayedBalance
from bursar.policies.amounts import Unit, parse_duration
from bursar.policies.decision import Action, Candidate, Decision, Facts, Reason
from bursar.policies.engine import decide
from bursar.policies.othermodel import transposed
from bursar.policies.policy import Budget, Mode, Policy, Step
from bursar.policies.prices import PriceBook
from bursar.policies.standing import Survey
from bursar.policies.unbatched import Unbatched
from bursar.policies.windows import OWN_WINDOWS, ROLLING, Window

PROGRESS = 1_000
"""After so many calls it is told how far it is."""
_SECOND = 10**9


@dataclass(slots=True)
class Sum:
    """Calls of one kind: what they cost, and what they would have. Nano-dollars."""

    calls: int = 0
    nano: int = 0
    replayed_nano: int = 0

    @property
    def saved_nano(self) -> int:
        """Negative where it would have cost more."""
        return self.nano - self.replayed_nano


@dataclass(frozen=True, slots=True)
class Event:
    """A step was reached for the first time in its window."""

    at_ns: int
    budget: str
    balance: str
    step: str
    actions: tuple[str, ...]


@dataclass(slots=True)
class Replayed:
    """What came of it."""

    by_work: dict[tuple[str, str, str], Sum] = field(default_factory=dict[tuple[str, str, str], Sum])
    """By route, action and reason."""
    events: list[Event] = field(default_factory=list[Event])
    unknown: int = 0
    """Calls whose cost nobody knows: they are in no sum."""
    left_out: tuple[str, ...] = ()
    """What of the policy no history can say, in plain words."""

    @property
    def total(self) -> Sum:
        """All calls together."""
        sums = self.by_work.values()
        return Sum(sum(s.calls for s in sums), sum(s.nano for s in sums), sum(s.replayed_nano for s in sums))


def replay(
    policy: Policy, calls: Iterable[Past], book: PriceBook, *, progress: Callable[[int], object] = lambda _: None
) -> Replayed:
    """Every call once more, under this policy; `progress` is told how many were judged."""
    player = _Player(policy, book)
    done = 0
    for done, call in enumerate(calls, 1):
        player.play(call)
        if done % PROGRESS == 0:
            progress(done)
    progress(done)
    return player.result


class _Player:
    def __init__(self, policy: Policy, book: PriceBook) -> None:
        self._policy = policy
        self._book = book
        self._balances: dict[str, ReplayedBalance] = {}
        self._windows: dict[str, Window] = {}
        self._refuse_unknown = policy.unknown_price == "refuse"
        self.result = Replayed(left_out=tuple(_left_out(policy)))

    def play(self, call: Past) -> None:
        """Judge one call, and spend what it then costs."""
        if call.cost_nano is None:
            self.result.unknown += 1
            return
        asked = self._cost_on(call, call.requested_model)
        balances = list(self._met(call))
        decision = None
        if not all(balance.quiet(call.at_ns) for balance in balances):
            decision = self._judged(call, asked, balances)
        refused = self._refuses(balances, call, asked if decision is None else decision.candidate.expected)
        action, reason, served = Action.GO, Reason.WITHIN if balances else Reason.NO_BUDGET, asked
        if decision is not None:
            action, reason, served = decision.verdict.action, decision.verdict.reason, decision.candidate.expected
        if refused and action is not Action.BLOCK:
            action, reason = Action.BLOCK, Reason.SPENT
        if action is Action.BLOCK:
            served = 0
        else:
            for balance in balances:
                balance.spend(call.at_ns, _counted(call, served, balance.budget.limit.unit), served)
        self._count(call, action, reason, served)
        for balance in balances:
            self._tell(balance, call.at_ns)

    def _judged(self, call: Past, asked: int, balances: list[ReplayedBalance]) -> Decision:
        survey = Survey(balance.standing(call.at_ns) for balance in balances)
        candidates = [Candidate(call.requested_model, worst=asked, least=asked, expected=asked)]
        batched = None
        why = ""
        if not survey.calm:
            for model in self._below(call):
                cost = self._cost_on(call, model)
                candidates.append(Candidate(model, worst=cost, least=cost, expected=cost))
            route = self._policy.named(call.route)
            why = "" if route is not None and route.may_wait_seconds else Unbatched.NO_WAIT
            if not why:
                half = self._cost_on(call, call.requested_model, batch=True)
                batched = Candidate(call.requested_model, worst=half, least=half, expected=half)
        facts = Facts(call.route, tuple(candidates), labels=call.labels, batched=batched, unbatched=why)
        return decide(facts, survey, refuse_unknown_price=self._refuse_unknown)

    def _refuses(self, balances: list[ReplayedBalance], call: Past, cost: int) -> bool:
        """Whether the money of some budget would not have lasted for it."""
        return any(
            balance.mode is Mode.ENFORCE
            and balance.budget.hard
            and balance.spent(call.at_ns) + _counted(call, cost, balance.budget.limit.unit) > balance.ceiling
            for balance in balances
        )

    def _met(self, call: Past) -> Iterator[ReplayedBalance]:
        at: datetime | None = None
        for budget in self._policy.budgets:
            if budget.every in OWN_WINDOWS or not budget.matches(
                route=call.route, model=call.requested_model, labels=call.labels
            ):
                continue
            at = at or datetime.fromtimestamp(call.at_ns // _SECOND, UTC)
            yield self._balance(budget, call, at)

    def _balance(self, budget: Budget, call: Past, at: datetime) -> ReplayedBalance:
        window = self._window(budget, at)
        key = budget.balance_key(window, budget.scope(call.labels, call.route, call.requested_model))
        balance = self._balances.get(key)
        if balance is None:
            rolls = parse_duration(budget.every.removeprefix(ROLLING)) if budget.every.startswith(ROLLING) else None
            mode = budget.mode or self._policy.mode
            balance = self._balances[key] = ReplayedBalance(budget, key, window, mode, rolls)
        return balance

    def _window(self, budget: Budget, at: datetime) -> Window:
        """The window that holds an instant; calls come in order of time, so that mostly it is the one before."""
        last = self._windows.get(budget.name)
        if last is None or last.start is None or last.end is None or not last.start <= at < last.end:
            last = self._windows[budget.name] = budget.window(at, self._policy.zone)
        return last

    def _below(self, call: Past) -> tuple[str, ...]:
        """The rungs under the model asked for."""
        ladder = self._policy.ladder_for(call.route)
        here = self._book.find(call.requested_model)
        for position, rung in enumerate(ladder):
            if rung == call.requested_model or (here is not None and self._book.find(rung) == here):
                return ladder[position + 1 :]
        return ()

    def _cost_on(self, call: Past, model: str, *, batch: bool = False) -> int:
        """What the call would have cost there, by its own usage; as it was where no price is known."""
        known = call.cost_nano or 0
        if model == call.model and not batch:
            return known
        modifiers = (*call.modifiers, "batch") if batch and "batch" not in call.modifiers else call.modifiers
        day = datetime.fromtimestamp(call.at_ns // _SECOND, UTC).date()
        quote = transposed(call.usage, of=call.model, to=model, at=day, book=self._book, modifiers=modifiers).quote
        return known if quote.cost_nano_usd is None else quote.cost_nano_usd

    def _count(self, call: Past, action: Action, reason: Reason, served: int) -> None:
        found = self.result.by_work.setdefault((call.route, action.value, reason.value), Sum())
        found.calls += 1
        found.nano += call.cost_nano or 0
        found.replayed_nano += served

    def _tell(self, balance: ReplayedBalance, at_ns: int) -> None:
        """The steps that this call was the first to reach."""
        if balance.quiet(at_ns):
            return
        for step in balance.standing(at_ns).due():
            if step.label not in balance.reached:
                balance.reached[step.label] = None
                self.result.events.append(
                    Event(at_ns, balance.budget.name, balance.key, step.label, tuple(map(_word, step.actions)))
                )


def _word(action: object) -> str:
    kind, channel = getattr(action, "kind", ""), getattr(action, "channel", None)
    return f"{kind} {channel}" if channel else str(kind)


def _counted(call: Past, nano: int, unit: Unit) -> int:
    if unit == "usd":
        return nano
    return call.usage.prompt + call.usage.output if unit == "tokens" else 1


def _left_out(policy: Policy) -> Iterator[str]:
    for budget in policy.budgets:
        if budget.every in OWN_WINDOWS:
            yield f'budget "{budget.name}": no history says which {budget.every} a call belonged to'
    steps: list[tuple[Budget, Step]] = [(budget, step) for budget in policy.budgets for step in budget.steps]
    for kind, why in (("effort", "what less effort makes of an answer"), ("throttle", "how long a call would wait")):
        if any(step.does(kind) for _, step in steps):  # type: ignore[arg-type]
            yield f'"{kind}" steps: no history says {why}'
    if any(step.loop is not None for _, step in steps):
        yield '"loop" steps: what was asked is not kept'
