"""How will each balance come out, without working its past out anew every second?"""

from __future__ import annotations

from sqlite_utils import Database

from bursar.agent.alerting.outlook import LONG_WINDOWS, Memories, forecast_of
from bursar.agent.ledger.alertbook import Open
from bursar.agent.ledger.history import MINUTE, Purse
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.outlook.course import Course
from bursar.policies.outlook.forecast import Forecast
from bursar.policies.policy import Budget, Policy

_SECOND = 10**9


class Forecasts:
    """Forecasts of days, weeks and months. A balance's past is kept until midnight, a forecast for its minute."""

    def __init__(self) -> None:
        self._memories = Memories()
        self._minute = 0
        self._found: dict[str, Forecast | None] = {}

    def of(
        self, db: Database, policy: Policy, budget: Budget, window: Open, *, limit: int, spent: int, now_ns: int
    ) -> Forecast | None:
        """The forecast of a balance whose window is open; None where it is too early for one, or never has one."""
        if budget.every not in LONG_WINDOWS:
            return None
        minute = now_ns // _SECOND // MINUTE
        self._turn(minute)
        if window.key not in self._found:
            course = Course(limit, spent, window.start_ns // _SECOND, window.end_ns // _SECOND, minute * MINUTE)
            purse = Purse(budget.name, parse_balance_key(window.key).scope, budget.limit.unit)
            memory = self._memories.of(db, purse, course.now, policy.zone)
            self._found[window.key] = forecast_of(memory, budget.every, course)
        return self._found[window.key]

    def _turn(self, minute: int) -> None:
        if minute != self._minute:
            self._found.clear()
            self._minute = minute
