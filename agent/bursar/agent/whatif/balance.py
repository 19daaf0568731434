"""How would one balance have stood, call after call?"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from bursar.policies.balancekey import parse_balance_key
from bursar.policies.policy import Budget, Mode, Step
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import HYSTERESIS, Standing
from bursar.policies.windows import Window

_SECOND = 10**9


class Span:
    """What came in within so many seconds; amounts in one unit, instants in nanoseconds that never go back."""

    def __init__(self, seconds: float) -> None:
        self._nanoseconds = round(seconds * _SECOND)
        self._entries: deque[tuple[int, int]] = deque()
        self._sum = 0

    def add(self, at_ns: int, amount: int) -> None:
        """Something came in."""
        self._entries.append((at_ns, amount))
        self._sum += amount

    def at(self, now_ns: int) -> int:
        """What is not older than the span."""
        while self._entries and self._entries[0][0] <= now_ns - self._nanoseconds:
            self._sum -= self._entries.popleft()[1]
        return self._sum


class ReplayedBalance:
    """A balance that is spent from again, under rules that may be others. Amounts in its unit."""

    def __init__(self, budget: Budget, key: str, window: Window, mode: Mode, rolls_seconds: float | None) -> None:
        self.budget = budget
        self.key = key
        self.mode = mode
        self._window = window
        scope = parse_balance_key(key).scope
        self.limit = budget.limit_of(scope)
        self.ceiling = budget.ceiling_of(scope)
        self._spent = 0
        self._rolling = None if rolls_seconds is None else Span(rolls_seconds)
        self._recent = {velocity.span: Span(velocity.seconds) for velocity in budget.velocities}
        self._in_force: tuple[str, ...] = ()
        self.reached: dict[str, None] = {}
        """The steps that were told, in the order in which they came."""

    def spent(self, now_ns: int) -> int:
        """What counts at an instant."""
        return self._spent if self._rolling is None else self._rolling.at(now_ns)

    def spend(self, at_ns: int, amount: int, nano: int) -> None:
        """A call has cost so much, in the balance's unit and in nano-dollars."""
        self._spent += amount
        if self._rolling is not None:
            self._rolling.add(at_ns, amount)
        for span in self._recent.values():
            span.add(at_ns, nano)

    def standing(self, now_ns: int) -> Standing:
        """As the engine judges it."""
        spent = self.spent(now_ns)
        self._in_force = tuple(step.label for step in self.budget.steps if self._is_in_force(step, spent))
        recent = {name: span.at(now_ns) for name, span in self._recent.items()}
        view = BalanceView(
            self.key, self.limit, self.ceiling, spent, expected=0, lent=0, recent=recent, in_force=self._in_force
        )
        return Standing(self.budget, self.key, self._window, self.mode, view)

    def quiet(self, now_ns: int) -> bool:
        """Whether no step can be due, so that nothing has to be judged."""
        first = self.budget.steps[0].share if self.budget.steps else None
        if self._recent or self._in_force:
            return False
        return first is None or self.spent(now_ns) < first * self.limit

    def _is_in_force(self, step: Step, spent: int) -> bool:
        if step.share is None or not step.changes:
            return False
        share = Fraction(spent, self.limit) if self.limit > 0 else Fraction(1)
        return share >= step.share or (step.label in self._in_force and share >= step.share - HYSTERESIS)
