"""What tables tell of a budget's past: decisions, windows, holds, alerts and overrides?"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from bursar.agent.dashboard import words
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.page import Now
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.explanation import plainly
from bursar.agent.ledger.budgetpast import Decisions, Held, Past, Told
from bursar.agent.ledger.cases import Decided
from bursar.agent.ledger.overridebook import Entry
from bursar.policies.balancekey import parse_balance_key

ACTION_BADGES = {"block": "bad", "downgrade": "warn", "batch": "warn", "effort": "warn"}


def call_address(name: str, asked: Asked) -> str:
    """Where a call's page is, under any of its names."""
    return asked.link(f"/calls/{quote(name, safe='')}")


def decisions(found: Decisions, asked: Asked) -> Table:
    """Each with its reason in a sentence, and a link to the call."""
    columns = (
        Column("at", "At", Kind.INSTANT, sortable=False),
        Column("action", "Decided", sortable=False, whole=True),
        Column("why", "Why", sortable=False),
        Column("route", "Route", sortable=False, whole=True),
        Column("for", "For", sortable=False),
        Column("step", "Step", sortable=False),
        Column("reason", "Reason", sortable=False),
    )
    empty = "It let every call of this time go as it was asked. Choose a longer time to see more."
    return Table("decisions", "Decisions", columns, tuple(_decision(one, asked) for one in found.found), empty)


def _decision(one: Decided, asked: Asked) -> Row:
    badge = ACTION_BADGES.get(one.action, "")
    return Row(
        {
            "at": one.at_ns,
            "action": one.action,
            "why": plainly(one),
            "route": one.route,
            "for": scope_of(str(one.figures.get("balance") or "")),
            "step": str(one.figures.get("step") or "") or None,
            "reason": one.reason,
        },
        href=call_address(one.id, asked),
        badges={"action": badge} if badge else {},
    )


def windows(found: Sequence[Past]) -> Table:
    """Those that are over, the newest first."""
    columns = (
        Column("start", "From", Kind.INSTANT),
        Column("end", "Until", Kind.INSTANT),
        Column("scope", "For"),
        Column("used", "Used", Kind.METER),
        Column("spent", "Spent", Kind.AMOUNT),
        Column("limit", "Limit", Kind.AMOUNT),
        Column("over", "Over", Kind.AMOUNT, "What was spent beyond the limit"),
        Column("unknown", "Bound", Kind.MONEY, "The part of it that is a bound, and no figure of the API's"),
        Column("calls", "Calls", Kind.COUNT),
        Column("unit", "Unit"),
    )
    rows = [
        Row(
            {
                "start": past.start_ns, "end": past.end_ns, "scope": past.scope or "all", "spent": past.spent,
                "used": past.spent / past.limit if past.limit else None, "limit": past.limit,
                "over": past.over or None, "unknown": past.unknown or None, "calls": past.calls, "unit": past.unit,
            },
            badges={"over": "bad"} if past.over else {},
            unit=past.unit,
        )
        for past in found
    ]  # fmt: skip
    return Table("windows", "Past windows", columns, tuple(rows), "No window of it is over yet.")


def holds(found: Sequence[Held], asked: Asked) -> Table:
    """What is in flight."""
    columns = (
        Column("attempt", "Attempt"),
        Column("since", "Sent", Kind.UNTIL),
        Column("route", "Route"),
        Column("model", "Model"),
        Column("scope", "For"),
        Column("expected", "Expected", Kind.AMOUNT),
        Column("held", "Held", Kind.AMOUNT, "Lent by the agent for this attempt, beside what its process has"),
        Column("unit", "Unit"),
    )
    rows = [
        Row(
            {
                "attempt": one.attempt_id, "since": one.at_ns or None, "route": one.route, "model": one.model,
                "scope": scope_of(one.balance), "expected": one.expected, "held": one.lent, "unit": one.unit,
            },
            href=call_address(one.attempt_id, asked),
            unit=one.unit,
        )
        for one in found
    ]  # fmt: skip
    return Table("holds", "In flight", columns, tuple(rows), "No call of it is in flight.")


def alerts(found: Sequence[Told]) -> Table:
    """Told or waiting, each with what its channel said."""
    columns = (
        Column("at", "Raised", Kind.INSTANT),
        Column("step", "Step"),
        Column("scope", "For"),
        Column("channel", "To"),
        Column("state", "State"),
        Column("sent", "Told", Kind.INSTANT),
        Column("tries", "Tries", Kind.COUNT),
        Column("said", "The channel said"),
    )
    rows = [
        Row(
            {
                "at": one.created_ns, "step": one.step, "scope": scope_of(one.balance), "channel": one.channel,
                "state": "told" if one.state == "sent" else "waits", "sent": one.sent_ns, "tries": len(one.tries),
                "said": _said(one),
            },
            badges={} if one.state == "sent" else {"state": "warn"},
        )
        for one in found
    ]  # fmt: skip
    empty = 'None was raised. A step that alerts names a channel: `"80%" = "alert slack"` in the policy file.'
    return Table("alerts", "Alerts", columns, tuple(rows), empty)


def _said(one: Told) -> str | None:
    if one.last_error:
        return one.last_error
    last = one.tries[-1] if one.tries else None
    return None if last is None else last.said or last.outcome


def deliveries(found: Sequence[Told]) -> Table:
    """Every try to tell one of these alerts, the newest first."""
    columns = (
        Column("begun", "Tried", Kind.INSTANT),
        Column("took", "Took", Kind.DURATION),
        Column("step", "Step"),
        Column("scope", "For"),
        Column("channel", "To"),
        Column("outcome", "Outcome"),
        Column("said", "The channel said"),
    )
    tries = sorted((one for told in found for one in told.tries), key=lambda one: one.begun_ns, reverse=True)
    rows = [
        Row(
            {
                "begun": one.begun_ns, "took": None if one.ended_ns is None else one.ended_ns - one.begun_ns,
                "step": one.step, "scope": scope_of(one.balance), "channel": one.channel,
                "outcome": one.outcome, "said": one.said or None,
            },
            badges={} if one.outcome == "accepted" else {"outcome": "bad" if one.outcome == "failed" else "warn"},
        )
        for one in tries
    ]  # fmt: skip
    return Table("deliveries", "Tries to tell them", columns, tuple(rows), "None was tried to be told yet.")


def overrides(found: Sequence[Entry], now: Now) -> Table:
    """Paused and raised, ever."""
    columns = (
        Column("since", "From", Kind.INSTANT),
        Column("until", "Until", Kind.INSTANT),
        Column("what", "What"),
        Column("by", "By"),
        Column("why", "Why"),
        Column("ended", "Taken back"),
    )
    rows = [
        Row(
            {
                "since": entry.override.since_ns,
                "until": entry.override.until_ns,
                "what": str(entry.override),
                "by": entry.override.by or None,
                "why": entry.override.reason or None,
                "ended": None if entry.ended_ns is None else f"{words.at(entry.ended_ns, now.tz)} by {entry.ended_by}",
            }
        )
        for entry in found
    ]
    return Table("overrides", "Overrides", columns, tuple(rows), "It was never paused or raised.")


def scope_of(balance: str) -> str:
    """Whom a balance is for, in words."""
    try:
        return parse_balance_key(balance).scope or "all"
    except ValueError:
        return balance or "all"
