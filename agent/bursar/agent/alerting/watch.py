"""What is noticed by the clock: balances that burn, will not last or creep up, and the week that is to be told?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from sqlite_utils import Database

from bursar.agent.alerting import digest
from bursar.agent.alerting.notices import Notice, Subject, burn_notice, creep_notice, forecast_notice
from bursar.agent.alerting.outlook import Memories, forecast_of
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import LedgerError, alertbook, balances, epochs, history, outbox, reports
from bursar.agent.ledger.alertbook import Open
from bursar.agent.ledger.history import MINUTE, Purse
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.outlook.burn import STRETCHES, burning
from bursar.policies.outlook.course import Course
from bursar.policies.outlook.creep import matters
from bursar.policies.outlook.forecast import EARLIEST, forecast, overruns
from bursar.policies.policy import Budget, Mode, Policy
from bursar.policies.protocol import BalanceView

_log = logging.getLogger(__name__)
_SECOND = 10**9
_DAY = 86_400


class Watch:
    """
    Looks at every open balance, and keeps what it knows of their past until the next midnight.

    What it finds goes through the outbox, where each thing stands once: so it may look as often as it likes.
    """

    def __init__(self, bookkeeper: Bookkeeper, *, clock_ns: Callable[[], int]) -> None:
        self._bookkeeper = bookkeeper
        self._clock_ns = clock_ns
        self._memories = Memories()

    def look(self) -> None:
        """Look once; to be called from a thread. A ledger that cannot be written is looked at again next time."""
        policy = self._bookkeeper.rules.current.policy
        if policy is None:
            return
        now_ns = self._clock_ns()
        with self._bookkeeper.ledger.reading() as db:
            found = [notice for notice in self._notices(db, policy, now_ns) if not _raised(db, notice)]
            week = _week_to_tell(db, policy, now_ns)
            rolling = epochs.under_way(db)
        try:
            if found:
                self._bookkeeper.raise_noticed(lambda db, at: alertbook.raise_notices(db, found, at)).result()
            if rolling:
                # What they have spent grows old also while nobody calls: only so a step is left in time.
                self._bookkeeper.raise_noticed(
                    lambda db, at: alertbook.raise_reached(db, rolling, policy=policy, now_ns=at)
                ).result()
            if week is not None:
                self._bookkeeper.raise_noticed(week).result()
        except LedgerError as error:
            _log.warning("what was noticed waits: %s", error)

    def _notices(self, db: Database, policy: Policy, now_ns: int) -> Iterator[Notice]:
        budgets = {budget.name: budget for budget in policy.budgets if budget.watch}
        for window in alertbook.open_balances(db, now_ns):
            budget = budgets.get(parse_balance_key(window.key).budget)
            if budget is None:
                continue
            for view in balances.views(db, [window.key], policy, now_ns):
                yield from _told_to(budget, self._of_balance(db, policy, budget, window, view, now_ns))

    def _of_balance(
        self, db: Database, policy: Policy, budget: Budget, window: Open, view: BalanceView, now_ns: int
    ) -> Iterator[Notice]:
        # Whole minutes only: that is how spending is kept.
        now = now_ns // _SECOND // MINUTE * MINUTE
        course = Course(view.limit, view.spent, window.start_ns // _SECOND, window.end_ns // _SECOND, now)
        purse = Purse(budget.name, parse_balance_key(window.key).scope, budget.limit.unit)
        about = _subject(budget, policy, window, view)
        today = datetime.fromtimestamp(now, policy.zone).date()
        memory = self._memories.of(db, purse, now, policy.zone)
        if "burn" in budget.watch:
            lately = history.lately(db, purse, now, STRETCHES)
            burn = burning(course, memory.season, lately)
            if burn is not None:
                yield burn_notice(about, burn, today)
        if "forecast" in budget.watch and course.spent >= EARLIEST * course.limit:
            # Below a tenth of the limit no forecast comes to it: a tenth of the spending must be due. The band, which
            # takes its time, is asked for only where there is something to tell.
            plain = forecast(course, memory.season)
            if plain is not None and overruns(course, plain):
                yield forecast_notice(about, forecast_of(memory, budget.every, course) or plain)
        if "creep" in budget.watch:
            creep = memory.creep
            if creep is not None and matters(creep, course):
                yield creep_notice(about, creep, today - timedelta(days=1))


def _told_to(budget: Budget, found: Iterable[Notice]) -> Iterator[Notice]:
    """Each for everybody whom the budget's steps alert."""
    return (replace(notice, channel=channel) for notice in found for channel in budget.channels)


def _raised(db: Database, notice: Notice) -> bool:
    return outbox.is_raised(db, balance=notice.about.balance, step=notice.step, channel=notice.channel)


def _subject(budget: Budget, policy: Policy, window: Open, view: BalanceView) -> Subject:
    key = parse_balance_key(window.key)
    return Subject(
        balance=window.key,
        budget=budget.name,
        scope=key.scope,
        window_start=balances.iso(window.start_ns),
        window_end=balances.iso(window.end_ns),
        spent=view.spent,
        expected=view.expected,
        limit=view.limit,
        unit=budget.limit.unit,
        acts=(budget.mode or policy.mode) is Mode.ENFORCE,
    )


def _week_to_tell(db: Database, policy: Policy, now_ns: int) -> Callable[[Database, int], int] | None:
    """The job that raises the digest which is due; None where it is raised, or nothing was ever spent."""
    if policy.digest is None:
        return None
    channel = policy.digest.channel
    week = digest.due_week(policy.digest, now_ns // _SECOND, policy.zone)
    step = digest.step_of(week)
    if outbox.is_raised(db, balance=alertbook.DIGEST, step=step, channel=channel):
        return None
    if not reports.totals(db, (week.since - 7 * _DAY) * _SECOND, week.until * _SECOND)["charges"]:
        return None
    payload = {"kind": "digest", **week._asdict()}
    return lambda db, at: alertbook.raise_digest(db, step, channel, payload, at)
