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
from bursar.agent.whatif.rungs import below
from bursar.policies.amounts import Unit, parse_duration
from bursar.policies.decision import Action, Candidate, Decision, Facts, Reason, Skipped
from bursar.policies.engine import decide
from bursar.policies.othermodel import tokenizer_factor, transposed
from bursar.policies.policy import Budget, Mode, Policy, Step
from bursar.policies.prices import PriceBook
from bursar.policies.standing import Survey
from bursar.policies.unbatched import Unbatched
from bursar.policies.windows import OWN_WINDOWS, ROLLING, Window

Objection = Callable[[str, str], Skipped | None]
PROGRESS = 1_000
"""After so many calls it is told how far it is."""
_SECOND = 10**9


@dataclass(slots=True)
class Sum:
    """Calls of one kind: what they cost, and what they would have. Nano-dollars."""

    calls: int = 0
    nano: int = 0
    replayed_nano: int = 0
    first_ns: int = field(default=0, compare=False)
    """When the first of them was sent, and the last."""
    last_ns: int = field(default=0, compare=False)

    @property
    def saved_nano(self) -> int:
        """Negative where it would have cost more."""
        return self.nano - self.replayed_nano

    def add(self, call: Past, served: int) -> None:
        """One more, in order of time."""
        self.first_ns = self.first_ns if self.calls else call.at_ns
        self.last_ns = call.at_ns
        self.calls += 1
        self.nano += call.cost_nano or 0
        self.replayed_nano += served


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
    by_balance: dict[tuple[str, str, str], Sum] = field(default_factory=dict[tuple[str, str, str], Sum])
    """Of those that would not have gone as they did: by the balance that decides, route and action."""
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
    policy: Policy,
    calls: Iterable[Past],
    book: PriceBook,
    *,
    objection: Objection = lambda _route, _model: None,
    progress: Callable[[int], object] = lambda _: None,
) -> Replayed:
    """
    Every call once more, under this policy; `progress` is told how many were judged.

    `objection` says why no eval vouches for a model on a route, where the policy asks for one.
    """
    player = _Player(policy, book, objection)
    done = 0
    for done, call in enumerate(calls, 1):
        player.play(call)
        if done % PROGRESS == 0:
            progress(done)
    progress(done)
    return player.result


class _Player:
    def __init__(self, policy: Policy, book: PriceBook, objection: Objection) -> None:
        self._policy = policy
        self._objection = objection
        self._book = book
        self._balances: dict[str, ReplayedBalance] = {}
        self._windows: dict[str, Window] = {}
        """The last one of each budget."""
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
        served, model = asked, call.requested_model
        action, reason, decider = Action.GO, Reason.WITHIN if balances else Reason.NO_BUDGET, ""
        if decision is not None:
            served, model = decision.candidate.expected, decision.candidate.model
            action, reason = decision.verdict.action, decision.verdict.reason
            decider = decision.verdict.balance
        refusing = None if action is Action.BLOCK else self._refusing(balances, call, served, model)
        if refusing is not None:
            action, reason, decider = Action.BLOCK, Reason.SPENT, refusing.key
        if action is Action.BLOCK:
            served = 0
        else:
            for balance in balances:
                balance.spend(call.at_ns, self._counted(call, served, model, balance.budget.limit.unit), served)
        self._count(call, action, reason, decider, served)
        for balance in balances:
            self._tell(balance, call.at_ns, refused=reason is Reason.SPENT and balance.key == decider)

    def _judged(self, call: Past, asked: int, balances: list[ReplayedBalance]) -> Decision:
        survey = Survey(balance.standing(call.at_ns) for balance in balances)
        candidates = [Candidate(call.requested_model, worst=asked, least=asked, expected=asked)]
        batched = None
        why = ""
        if not survey.calm:
            ladder = self._policy.ladder_for(call.route)
            lower = below(call.requested_model, ladder, self._book)
            candidates += (self._candidate(call, model) for model in lower)
            route = self._policy.named(call.route)
            why = "" if route is not None and route.may_wait_seconds else Unbatched.NO_WAIT
            if not why:
                half = self._cost_on(call, call.requested_model, batch=True)
                batched = Candidate(call.requested_model, worst=half, least=half, expected=half)
        facts = Facts(call.route, tuple(candidates), labels=call.labels, batched=batched, unbatched=why)
        return decide(facts, survey, refuse_unknown_price=self._refuse_unknown)

    def _candidate(self, call: Past, model: str) -> Candidate:
        cost = self._cost_on(call, model)
        unlicensed = self._objection(call.route, model) if self._policy.requires_eval_for(call.route) else None
        return Candidate(model, worst=cost, least=cost, expected=cost, unlicensed=unlicensed)

    def _refusing(self, balances: list[ReplayedBalance], call: Past, cost: int, model: str) -> ReplayedBalance | None:
        """The first balance whose money would not have lasted for it."""
        for balance in balances:
            if balance.mode is Mode.ENFORCE and balance.budget.hard:
                amount = self._counted(call, cost, model, balance.budget.limit.unit)
                if balance.spent(call.at_ns) + amount > balance.ceiling:
                    return balance
        return None

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
        """The one that holds an instant; nearly always that of the call before, since finding one takes its time."""
        last = self._windows.get(budget.name)
        if last is not None and (last.start is None or (last.end is not None and last.start <= at < last.end)):
            return last
        found = self._windows[budget.name] = budget.window(at, self._policy.zone)
        return found

    def _cost_on(self, call: Past, model: str, *, batch: bool = False) -> int:
        """What the call would have cost there, by its own usage; as it was where that, or a price, is not known."""
        known = call.cost_nano or 0
        if not call.counted or (model == call.model and not batch):
            return known
        modifiers = (*call.modifiers, "batch") if batch and "batch" not in call.modifiers else call.modifiers
        day = datetime.fromtimestamp(call.at_ns // _SECOND, UTC).date()
        quote = transposed(call.usage, of=call.model, to=model, at=day, book=self._book, modifiers=modifiers).quote
        return known if quote.cost_nano_usd is None else quote.cost_nano_usd

    def _counted(self, call: Past, nano: int, model: str, unit: Unit) -> int:
        """What it takes from a balance of that unit; tokens as the model counts them that it would be asked of."""
        if unit == "usd":
            return nano
        if unit == "calls":
            return 1
        tokens = call.usage.prompt + call.usage.output
        return tokens if model == call.model else round(tokens * tokenizer_factor(call.model, model, self._book))

    def _count(self, call: Past, action: Action, reason: Reason, balance: str, served: int) -> None:
        self.result.by_work.setdefault((call.route, action.value, reason.value), Sum()).add(call, served)
        if action is not Action.GO:
            self.result.by_balance.setdefault((balance, call.route, action.value), Sum()).add(call, served)

    def _tell(self, balance: ReplayedBalance, at_ns: int, *, refused: bool) -> None:
        """The steps that this call was the first to reach; where it was refused the one that blocks, in any case."""
        due = [] if balance.quiet(at_ns) else list(balance.standing(at_ns).due())
        if refused:
            due += [step for step in balance.budget.steps if step.share is not None and step.does("block")]
        for step in due:
            if step.label not in balance.reached:
                balance.reached[step.label] = None
                self.result.events.append(
                    Event(at_ns, balance.budget.name, balance.key, step.label, tuple(map(_word, step.actions)))
                )


def _word(action: object) -> str:
    kind, channel = getattr(action, "kind", ""), getattr(action, "channel", None)
    return f"{kind} {channel}" if channel else str(kind)


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
