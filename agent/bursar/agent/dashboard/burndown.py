"""How is a budget's window going: what is spent, where will it end, and when is it gone?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from sqlite_utils import Database

from bursar.agent.alerting.outlook import LONG_WINDOWS, Memory
from bursar.agent.dashboard import words
from bursar.agent.dashboard.chart import Chart, Line, Measure
from bursar.agent.dashboard.page import Now
from bursar.agent.ledger import alertbook, balances, flows, history
from bursar.agent.ledger.history import HOUR, MINUTE, Purse
from bursar.agent.ledger.meterbook import Standing
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.outlook.course import Course
from bursar.policies.outlook.forecast import EARLIEST, Forecast, way_there
from bursar.policies.policy import Budget

_SECOND = 10**9
_POINTS = 150
"""A window is drawn in at most so many steps."""
_STEPS = (MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 24 * HOUR)
_BY_MINUTE = flows.MINUTES_SECONDS - HOUR
"""Longer windows are drawn by the hour: minutes are not kept that long."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a window, in words."""

    headline: str
    detail: str = ""
    level: str = ""
    """`good`, `warn` or `bad`; empty where nobody can say."""


@dataclass(frozen=True, slots=True)
class Burndown:
    """One balance of now. Amounts in its unit."""

    standing: Standing
    window: str
    """Since when, and until when, in words."""
    used: float | None
    """Which part of the limit is spent; None for a limit of nothing."""
    ending: Ending
    chart: Chart


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The window: seconds since the epoch, `now` at the last whole minute, since that is how spending is kept."""

    start: int
    now: int
    end: int
    turns: bool
    """False for a rolling window, which ends now and for ever."""

    @property
    def step(self) -> int:
        """How far apart the points of the chart are."""
        return next((step for step in _STEPS if (self.end - self.start) <= step * _POINTS), _STEPS[-1])


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What the past says of a window, as alerts are told it too."""

    course: Course
    memory: Memory
    found: Forecast | None
    """None where it is too early."""


def burndown(db: Database, standing: Standing, now: Now) -> Burndown:
    """A balance with its chart, and what the forecast of the alerts says of it."""
    stretch = _stretch(db, standing, now)
    spent = _spent(db, standing, stretch)
    budget = _budget(standing, now)
    outlook = _outlook(db, standing, budget, stretch, now)
    found = None if outlook is None else outlook.found
    instants = [*spent, *_ahead(stretch, found)]
    future = [] if outlook is None or found is None else _future(found, outlook, instants)
    ending = _ending(standing, budget, outlook, spent, stretch, now)
    return Burndown(
        standing,
        _window(standing, stretch, now),
        standing.spent / standing.limit if standing.limit else None,
        ending,
        _chart(standing, spent, instants, future, ending),
    )


def _outlook(db: Database, standing: Standing, budget: Budget | None, stretch: _Stretch, now: Now) -> _Outlook | None:
    """None where there is never a forecast."""
    if budget is None or not stretch.turns or budget.every not in LONG_WINDOWS:
        return None
    course = Course(standing.limit, standing.spent, stretch.start, stretch.end, stretch.now)
    purse = _purse(standing)
    memory = now.memories.of(db, purse, stretch.now, now.tz)
    return _Outlook(course, memory, now.memories.forecast(memory, purse, budget.every, course))


def _ending(
    standing: Standing,
    budget: Budget | None,
    outlook: _Outlook | None,
    spent: dict[int, int],
    stretch: _Stretch,
    now: Now,
) -> Ending:
    if standing.spent >= standing.limit:
        return _used_up(standing, spent, stretch, now)
    if outlook is None:
        return _unforeseen(standing, budget)
    if outlook.found is None:
        return _early(outlook)
    return _foreseen(standing, outlook.found, stretch, now)


def _stretch(db: Database, standing: Standing, now: Now) -> _Stretch:
    minute = now.ns // _SECOND // MINUTE * MINUTE
    window = alertbook.window_of(db, standing.key)
    if window is not None:
        return _Stretch(window.start_ns // _SECOND, minute, window.end_ns // _SECOND, turns=True)
    back = balances.rolls(standing.key) or HOUR
    return _Stretch(flows.back(now.ns, back) // _SECOND // MINUTE * MINUTE, minute, minute, turns=False)


def _budget(standing: Standing, now: Now) -> Budget | None:
    budgets = () if now.policy is None else now.policy.budgets
    return next((budget for budget in budgets if budget.name == standing.budget), None)


def _purse(standing: Standing) -> Purse:
    return Purse(standing.budget, parse_balance_key(standing.key).scope, standing.unit)


def _spent(db: Database, standing: Standing, stretch: _Stretch) -> dict[int, int]:
    """What was spent by each instant up to now, where it is what the balance says."""
    slots, read = (MINUTE, history.minutely) if stretch.end - stretch.start <= _BY_MINUTE else (HOUR, history.hourly)
    moved = read(db, _purse(standing), stretch.start // slots, stretch.now // slots + 1)
    points, total = dict[int, int](), 0
    left = sorted(moved.items(), reverse=True)
    for at in range(stretch.start, stretch.now, stretch.step):
        while left and left[-1][0] * slots < at:
            total += left.pop()[1]
        points[at] = max(min(total, standing.spent), 0)
    return {**points, stretch.now: standing.spent}


def _ahead(stretch: _Stretch, found: Forecast | None) -> list[int]:
    """The instants from now to the window's end, and that at which the limit is reached."""
    if not stretch.turns:
        return []
    first = stretch.start + ((stretch.now - stretch.start) // stretch.step + 1) * stretch.step
    instants = {stretch.end} if found is None else {*range(first, stretch.end, stretch.step), stretch.end}
    if found is not None and found.exhausted_at is not None:
        instants.add(found.exhausted_at)
    return sorted(at for at in instants if at > stretch.now)


def _future(found: Forecast, outlook: _Outlook, instants: Sequence[int]) -> list[Line]:
    """The forecast's line, and the two edges of its band: nothing before now."""
    course = outlook.course
    ahead = [at for at in instants if at >= course.now]
    parts = way_there(course, outlook.memory.season, ahead)
    nothing: list[int | None] = [None] * (len(instants) - len(ahead))

    def line(name: str, amount: int, style: str) -> Line:
        return Line(name, [*nothing, *(course.spent + round((amount - course.spent) * p) for p in parts)], style)

    return [
        line("forecast", found.amount, "dashed"),
        line("at most", found.high, "band"),
        line("at least", found.low, "band"),
    ]


def _chart(
    standing: Standing, spent: dict[int, int], instants: Sequence[int], future: Sequence[Line], ending: Ending
) -> Chart:
    unit = standing.unit
    said = f"{_named(standing)}: {words.amount(standing.spent, unit)} of {words.amount(standing.limit, unit)} spent"
    return Chart(
        name=f"budget-{blake2b(standing.key.encode(), digest_size=4).hexdigest()}",
        title="",
        x=instants,
        lines=(
            Line("spent", [spent.get(at) for at in instants]),
            *future,
            Line("limit", [standing.limit] * len(instants), "limit"),
        ),
        measure=Measure.MONEY if unit == "usd" else Measure.COUNT,
        summary=f"{said}. {ending.headline}. {ending.detail}".strip(),
    )


def _named(standing: Standing) -> str:
    return f"{standing.budget} ({standing.scope})" if standing.scope else standing.budget


def _window(standing: Standing, stretch: _Stretch, now: Now) -> str:
    if not stretch.turns:
        return parse_balance_key(standing.key).window_id
    return f"since {_when(stretch.start, now)}, turns {_when(stretch.end, now)}"


def _unforeseen(standing: Standing, budget: Budget | None) -> Ending:
    """Why there can be no forecast."""
    if budget is None:
        return Ending("No forecast", "The policy in force has no such budget any more.")
    if balances.rolls(standing.key) is not None:
        return Ending("No forecast", "A rolling window has no end: what is older falls out of it.")
    return Ending("No forecast", f"A window of an {budget.every} is over before a trend shows.")


def _early(outlook: _Outlook) -> Ending:
    due = outlook.course.due(outlook.memory.season)
    return Ending(
        "Too early for a forecast",
        f"By this time {words.share(due)} of a window's spending is usually done: "
        f"more than {words.share(EARLIEST)} must be.",
    )


def _foreseen(standing: Standing, found: Forecast, stretch: _Stretch, now: Now) -> Ending:
    amount, low, high = (words.amount(each, standing.unit) for each in (found.amount, found.low, found.high))
    sure = (
        f"four of five of the {found.windows} windows before went between {low} and {high}"
        if found.windows
        else f"{low} to {high}, a wide guess: too few windows went before"
    )
    ends = f"Forecast for its end: {amount} ({sure})."
    gone = found.exhausted_at
    if gone is not None and gone - stretch.now <= MINUTE:
        left = words.amount(standing.limit - standing.spent, standing.unit)
        return Ending("As good as used up", f"{left} is left. {ends}", "bad")
    if gone is not None:
        early = f"{_apart(stretch.now, gone)} from now, {_apart(gone, stretch.end)} before the window turns"
        return Ending(f"Runs out about {_when(gone, now)}", f"{early.capitalize()}. {ends}", "warn")
    if found.high > standing.limit:
        return Ending("Lasts, if it goes on as before", f"{ends} The limit is within what may happen.", "")
    return Ending("Lasts to the end of the window", ends, "good")


def _used_up(standing: Standing, spent: dict[int, int], stretch: _Stretch, now: Now) -> Ending:
    since = next((at for at, amount in spent.items() if amount >= standing.limit), stretch.now)
    until = f" The window turns {_when(stretch.end, now)}." if stretch.turns else ""
    over = standing.spent - standing.limit
    more = f" {words.amount(over, standing.unit)} more than the limit is spent." if over else ""
    return Ending(f"Used up by {_when(since, now)}", f"{more}{until}".strip(), "bad")


def _when(at: int, now: Now) -> str:
    return words.moment(at * _SECOND, now.ns, now.tz)


def _apart(since: int, until: int) -> str:
    """How far apart two instants are, in whole minutes."""
    return words.seconds(max(until - since, MINUTE) // MINUTE * MINUTE * _SECOND)
