"""A stage for admissions: a guard whose agent answers by script, on a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.instrumentation.pricing import BODY, BOOK, NOON

from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.guard import Guard
from bursar.instrumentation.leases import Hold, Leases
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.sync import Ask, lent_by
from bursar.policies.balancekey import kind_of
from bursar.policies.errors import BudgetExceeded
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import Answer, BalanceView, Verdict
from bursar.policies.records import Decided

LIMIT = 10**9
DAY = "day|2026-11-22T00:00:00Z|"
HEAD = 'version = 1\nmode = "enforce"\nladder = ["big", "mid", "small"]\n'

Scripted = Callable[[Ask], Answer | None]


def budget(*lines: str, name: str = "day", at: str = '"100%" = "block"') -> str:
    """A budget of a dollar a day."""
    head = f'[[budget]]\nname = "{name}"\nlimit = "1 USD"\nevery = "day"\n'
    return head + "\n".join(lines) + f"\n[budget.at]\n{at}\n"


class Stage:
    """The last answer of the script is given for ever."""

    def __init__(self, *budgets: str, top: str = "", on_loop: Callable[[Decided], object] = lambda _: None) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.asked: list[Ask] = []
        self.script: list[Scripted] = [self.grants()]
        self.leases = Leases(lambda: self.now)
        rules = Rules(BOOK, parse_policy(HEAD + top + "\n" + "\n".join(budgets), file="p.toml"), heard=True)
        self.guard = Guard(
            self.leases,
            lambda: rules,
            self,
            enforce=True,
            without_rules="open",
            on_release=lambda _: None,
            on_loop=on_loop,
            clock=lambda: self.now,
            sleep=self.sleep,
            sleep_async=self.sleep_async,
        )
        self.on_sleep: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.on_sleep()

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def ask(self, ask: Ask) -> Answer | None:
        self.asked.append(ask)
        return (self.script.pop(0) if len(self.script) > 1 else self.script[0])(ask)

    def see(self, key: str = DAY, **figures: Any) -> None:
        """Let the guard see a balance now."""
        figures = {"limit": LIMIT, "ceiling": LIMIT, "spent": 0, "expected": 0, "lent": 0} | figures
        self.guard.standings.see([BalanceView(key, **figures)])

    def grants(self, **figures: Any) -> Scripted:
        """All that is asked for, held as `Sync` holds it."""

        def answer(ask: Ask) -> Answer | None:
            if ask.need is None:
                for key in ask.views:
                    self.see(key, **figures)
                return None
            need, told = (
                ask.need,
                Answer(ask.need.attempt_id, Verdict.GRANTED, ask.need.most, tokens=ask.need.most_tokens),
            )
            lent = lent_by(told, need)
            for key in need.balances:
                self.see(key, **figures)
            granted = {key: self.leases.granted().get(key, 0) + lent[kind_of(key)] for key in need.balances}
            self.leases.merge(granted, {need.attempt_id: Hold(need.balances, lent)})
            return told

        return answer

    def says(self, verdict: Verdict, reason: str, **figures: Any) -> Scripted:
        """No money."""

        def answer(ask: Ask) -> Answer | None:
            self.see(**figures)
            return None if ask.need is None else Answer(ask.need.attempt_id, verdict, 0, reason, DAY)

        return answer

    def admit(self, attempt: str = "h-1", **changes: Any) -> Admission:
        return self.guard.admit(errand(attempt, **changes))

    def refused(self, attempt: str = "h-1", **changes: Any) -> BudgetExceeded:
        """The refusal of a call."""
        try:
            self.admit(attempt, **changes)
        except BudgetExceeded as refusal:
            return refusal
        raise AssertionError("it was admitted")


def errand(attempt: str = "h-1", *, settled: str | None = None, **changes: Any) -> Errand:
    """A call for `big`, with changes to its body; `settled`: a retry on a model."""
    return Errand(attempt, "desk", {"tenant": "acme"}, {**BODY, **changes}, NOON, settled_model=settled)


def away(ask: Ask) -> Answer | None:
    """The agent does not answer."""
    raise Unreachable("away")


def lends(stage: Stage, key: str, amount: int) -> None:
    """Money that the agent lent before."""
    stage.leases.merge({key: stage.leases.granted().get(key, 0) + amount})
