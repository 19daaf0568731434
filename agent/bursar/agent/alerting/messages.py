"""Which message is an entry of the outbox, with what the ledger knows around it?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import TypeVar

from sqlite_utils import Database

from bursar.agent.alerting import alerts, announcement, notices
from bursar.agent.alerting.background import NOTHING, Background, InForce, RouteCost
from bursar.agent.alerting.compose import compose_notice, compose_step
from bursar.agent.alerting.digest import Span, compose_digest, tell_of
from bursar.agent.alerting.message import Message
from bursar.agent.alerting.outlook import forecast_of, remember
from bursar.agent.ledger import alertbook, balances
from bursar.agent.ledger.alertbook import Open
from bursar.agent.ledger.deeds import deeds_of
from bursar.agent.ledger.history import Purse
from bursar.agent.ledger.outbox import Alert
from bursar.agent.rules import Rules
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.outlook.course import Course
from bursar.policies.outlook.forecast import Forecast
from bursar.policies.policy import Budget, Policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import BalanceView

_log = logging.getLogger(__name__)

T = TypeVar("T")

WEEK_NS = 7 * 86_400 * 10**9
_SECOND = 10**9


def message_of(db: Database, alert: Alert, rules: Rules | None, now_ns: int) -> Message:
    """The message of an alert as things stand now; a step's own figures are those at which it was reached."""
    policy = rules.policy if rules is not None else None
    zone: tzinfo = policy.zone if policy is not None else UTC
    match alert.payload.get("kind", "step"):
        case "digest":
            book = rules.prices if rules is not None else shipped_book()
            return compose_digest(tell_of(db, Span(alert.payload["since"], alert.payload["until"]), zone, book), zone)
        case "notice":
            notice = notices.from_payload(alert.payload)
            return compose_notice(notice, _background(db, alert.balance, rules, now_ns))
        case announcement.KIND:
            return announcement.compose_announcement(alert.payload)
        case _:
            step = alerts.from_payload(alert.payload)
            return compose_step(step, _background(db, alert.balance, rules, now_ns))


def _background(db: Database, key: str, rules: Rules | None, now_ns: int) -> Background:
    """Each part for itself: what cannot be read keeps neither the alert nor the other parts from being told."""
    window = alertbook.window_of(db, key)
    policy, book = (rules.policy, rules.prices) if rules is not None else (None, None)
    known = Background(zone=policy.zone if policy is not None else UTC)
    if window is None:
        return replace(known, routes=_read(lambda: tuple(alertbook.top_routes(db, key)), (), key))
    judged = _read(lambda: _judged(db, window, policy, now_ns), NOTHING, key)
    return replace(
        known,
        routes=_read(lambda: _routes(db, window, now_ns), (), key),
        deeds=_read(lambda: deeds_of(db, key, window.start_ns, window.end_ns, book), None, key),
        forecast=judged.forecast,
        in_force=judged.in_force,
    )


def _read(read: Callable[[], T], otherwise: T, key: str) -> T:
    try:
        return read()
    except Exception:  # noqa: BLE001 - whatever it is, the alert matters more than what stands around it
        _log.exception("an alert of %s is told without all of its background", key)
        return otherwise


def _judged(db: Database, window: Open, policy: Policy | None, now_ns: int) -> Background:
    """What the policy's own budget makes of it; nothing where it has none of that name (any longer)."""
    if policy is None:
        return NOTHING
    name = parse_balance_key(window.key).budget
    budget = next((budget for budget in policy.budgets if budget.name == name), None)
    view = next(iter(balances.views(db, [window.key], policy, now_ns)), None)
    if budget is None or view is None:
        return NOTHING
    found = _forecast(db, window, budget, view, policy.zone, now_ns)
    return Background(forecast=found, in_force=_in_force(budget, view))


def _routes(db: Database, window: Open, now_ns: int) -> tuple[RouteCost, ...]:
    """The dearest routes of a balance, beside what they had cost a week ago by the same moment."""
    until_ns = min(now_ns, window.end_ns)
    before = alertbook.before(db, window.key, window.start_ns - WEEK_NS, until_ns - WEEK_NS)
    return tuple(
        RouteCost(route, nano, None if before is None else before.get(route, 0))
        for route, nano, _ in alertbook.top_routes(db, window.key)
    )


def _forecast(
    db: Database, window: Open, budget: Budget, view: BalanceView, zone: tzinfo, now_ns: int
) -> Forecast | None:
    """None also for a window that is over: how it ended is known."""
    if now_ns >= window.end_ns:
        return None
    now = now_ns // _SECOND
    course = Course(view.limit, view.spent, window.start_ns // _SECOND, window.end_ns // _SECOND, now)
    purse = Purse(budget.name, parse_balance_key(window.key).scope, budget.limit.unit)
    return forecast_of(remember(db, purse, now, zone), budget.every, course)


def _in_force(budget: Budget, view: BalanceView) -> tuple[InForce, ...]:
    taken = view.spent + view.expected
    reached = (step for step in budget.steps if step.share is not None and taken >= step.share * view.limit)
    return tuple(InForce(step.label, alerts.does(step)) for step in reached)
