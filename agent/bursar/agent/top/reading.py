"""How is the picture read from the ledger, again and again, at a price that does not grow with its history?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from sqlite_utils import Database

from bursar.agent.ledger import alertbook, balances, glance, meterbook, overridebook, reports
from bursar.agent.ledger.glance import Spent
from bursar.agent.ledger.rollups import MINUTE_NS
from bursar.agent.top.forecasts import Forecasts
from bursar.agent.top.picture import MINUTES, BudgetNow, DecisionNow, Picture, RouteNow, Totals
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.overrides import from_text, with_overrides
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.protocol import Snapshot

DECISIONS = 200
"""How many of the last ones are read, before those that are the same are put together."""
BUDGETS = 40
"""Of the fullest."""


class Reader:
    """Reads one picture after the other, and keeps what changes seldom: rules and forecasts."""

    def __init__(self) -> None:
        self._forecasts = Forecasts()
        self._rules: tuple[str, Policy | None] = ("", None)

    def read(self, db: Database, ledger: Path, now_ns: int) -> Picture:
        """The picture of an instant, as last committed."""
        policy = self._policy(overridebook.latest_rules(db))
        zone = UTC if policy is None else policy.zone
        today = glance.spent(db, _midnight_ns(now_ns, zone))
        flying = glance.flying(db)
        return Picture(
            at_ns=now_ns,
            zone=zone,
            ledger=str(ledger),
            policy=policy is not None and bool(policy.budgets),
            totals=Totals(
                today_calls=sum(one.calls for one in today),
                today_nano=sum(one.nano for one in today),
                unknown=sum(one.unknown for one in today),
                in_flight=flying.holds,
                held_nano=flying.held_nano,
                processes=flying.processes,
                waiting_alerts=flying.waiting_alerts,
            ),
            budgets=tuple(self._budgets(db, policy, now_ns)),
            routes=_routes(db, today, now_ns),
            decisions=tuple(_decisions(db, now_ns)),
        )

    def _policy(self, snapshot: Snapshot | None) -> Policy | None:
        """The rules that a process was told last; None where there are none, or they cannot be read."""
        if snapshot is None or snapshot.policy is None:
            return None
        if self._rules[0] != snapshot.id:
            self._rules = (snapshot.id, _understood(snapshot))
        return self._rules[1]

    def _budgets(self, db: Database, policy: Policy | None, now_ns: int) -> Iterator[BudgetNow]:
        for key in meterbook.fullest(db, now_ns)[:BUDGETS]:
            balance = balances.read(db, key, now_ns)
            if balance is None or balance.limit is None:
                continue
            parsed, window = parse_balance_key(key), alertbook.window_of(db, key)
            budget = balances.budget_of(key, policy)
            foreseen = (
                None
                if policy is None or budget is None or window is None
                else self._forecasts.of(
                    db, policy, budget, window, limit=balance.limit, spent=balance.spent, now_ns=now_ns
                )
            )
            out = None if foreseen is None else foreseen.exhausted_at
            yield BudgetNow(
                budget=parsed.budget,
                scope=parsed.scope,
                unit=parsed.unit,
                limit=balance.limit,
                spent=balance.spent,
                held=balances.expected(db, key),
                window=parsed.window_id,
                ends_ns=balance.window_end,
                forecast=None if foreseen is None else foreseen.amount,
                exhausted_ns=None if out is None else out * 10**9,
            )


def _routes(db: Database, today: Iterable[Spent], now_ns: int) -> tuple[RouteNow, ...]:
    """Every route of today and of the last hour, the dearest of the hour first."""
    first = now_ns // MINUTE_NS - MINUTES + 1
    lately = glance.minutes(db, first * MINUTE_NS)
    hour = _by_route(glance.spent(db, first * MINUTE_NS))
    day = _by_route(today)
    found = [_route(name, hour.get(name, []), day.get(name, []), lately.get(name, {}), first) for name in {*hour, *day}]
    return tuple(sorted(found, key=lambda one: (-one.hour_nano, -one.today_nano, one.route)))


def _route(name: str, hour: list[Spent], day: list[Spent], lately: dict[int, int], first: int) -> RouteNow:
    models: dict[str, int] = defaultdict(int)
    for one in (*hour, *day):
        models[one.model] += one.nano
    return RouteNow(
        route=name,
        models=tuple(sorted(models, key=lambda model: (-models[model], model))),
        hour_calls=sum(one.calls for one in hour),
        hour_nano=sum(one.nano for one in hour),
        minutes=tuple(lately.get(slot, 0) for slot in range(first, first + MINUTES)),
        today_calls=sum(one.calls for one in day),
        today_nano=sum(one.nano for one in day),
        unknown=sum(one.unknown for one in day),
        cache_read=sum(one.cache_read for one in day),
        prompt=sum(one.prompt for one in day),
    )


def _by_route(found: Iterable[Spent]) -> dict[str, list[Spent]]:
    by: dict[str, list[Spent]] = {}
    for one in found:
        by.setdefault(one.route, []).append(one)
    return by


def _decisions(db: Database, now_ns: int) -> list[DecisionNow]:
    """The last ones, the same put together: a loop that is refused would else be all that is seen."""
    kinds: dict[DecisionNow, tuple[int, int]] = {}
    for one in _each(db, now_ns):
        kind = replace(one, at_ns=0)
        at_ns, times = kinds.get(kind, (one.at_ns, 0))
        kinds[kind] = (at_ns, times + 1)
    return [replace(kind, at_ns=at_ns, times=times) for kind, (at_ns, times) in kinds.items()]


def _each(db: Database, now_ns: int) -> Iterator[DecisionNow]:
    """One by one, the newest first."""
    for row in reports.decisions(db, 0, now_ns + 1, limit=DECISIONS):
        figures = row["decision"]
        yield DecisionNow(
            at_ns=row["at_ns"],
            route=row["route"],
            model=row["model"],
            action=row["action"],
            reason=row["reason"],
            budget=str(figures.get("budget") or ""),
            step=str(figures.get("step") or ""),
        )


def _understood(snapshot: Snapshot) -> Policy | None:
    try:
        policy = parse_policy(snapshot.policy or "", file=snapshot.file)
        return with_overrides(policy, from_text(snapshot.overrides or "[]"))
    except (PolicyError, ValueError):
        return None


def _midnight_ns(now_ns: int, zone: tzinfo) -> int:
    local = datetime.fromtimestamp(now_ns // 10**9, zone)
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 10**9
