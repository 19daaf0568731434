"""Which calls were made or refused, the newest first, and which of them is searched for?"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from sqlite_utils import Database

from bursar.agent.dashboard.asking import Asked, AskedError
from bursar.agent.dashboard.page import Now, Page
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.ledger import callbook, cases, sumbook
from bursar.agent.ledger.callbook import Call, Cursor, Found, Wanted
from bursar.policies.decision import Action

SHOWN = 50
_COLUMNS: Final = (
    Column("at", "At", Kind.INSTANT, sortable=False),
    Column("route", "Route", sortable=False, whole=True),
    Column("asked", "Asked for", sortable=False, whole=True),
    Column("served", "Served by", sortable=False, whole=True),
    Column("action", "Decided", sortable=False, whole=True),
    Column("budget", "By budget", sortable=False, whole=True),
    Column("state", "State", sortable=False, whole=True),
    Column("cost", "Cost", Kind.MONEY, sortable=False),
    Column("basis", "Basis", help="usage: the API's own figures; estimate: a bound", sortable=False),
    Column("took", "Took", Kind.DURATION, sortable=False),
    Column("first", "First token", Kind.DURATION, sortable=False),
    Column("id", "Id", sortable=False, whole=True),
)
_EMPTY = (
    "No call of this time is like that. Choose a longer time, or take a filter away. "
    "Where there is no call at all yet: `bursar run -- python app.py` has an application tell of its calls."
)


def calls_page(db: Database, asked: Asked, _: Now) -> Page:
    """Calls and refusals; a name of one of them leads to it, whatever else is asked for."""
    named = cases.find(db, asked.find) if asked.find else None
    before = None if asked.before is None else Cursor(*asked.before)
    wanted = _wanted(asked)
    found = (
        callbook.search(db, wanted, before, limit=SHOWN, look=callbook.LOOK)
        if named is None
        else callbook.of_case(named)
    )
    table = Table("calls", "Calls", _COLUMNS, tuple(_row(call, asked) for call in found.calls), _empty(found, asked))
    data = {
        "found": found,
        "named": None if named is None else (asked.find, call_address(asked.find, asked)),
        "labels": sumbook.labels(db, asked.since_ns, asked.until_ns),
        "states": tuple(callbook.STATES),
        "actions": tuple(action.value for action in Action),
    }
    return Page("calls", "Calls", data, (table,))


def call_address(name: str, asked: Asked) -> str:
    """Where a call's page is, under any of its names."""
    return asked.link(f"/calls/{quote(name, safe='')}")


def _empty(found: Found, asked: Asked) -> str:
    """What to do where nothing was found, or nothing yet."""
    if found.older is None:
        return _EMPTY
    which = "next" if asked.before else "newest"
    return f"None of the {which} {callbook.LOOK:,} calls is like that: go on to older ones below."


def _wanted(asked: Asked) -> Wanted:
    state, action = asked.about("state"), asked.about("action")
    if state and state not in callbook.STATES:
        raise AskedError(f"state={state!r} is none of {', '.join(callbook.STATES)}")
    if action and action not in set(Action):
        raise AskedError(f"action={action!r} is none of {', '.join(Action)}")
    name, _, value = asked.label.partition("=")
    return Wanted(
        asked.since_ns,
        asked.until_ns,
        find=asked.find,
        route=asked.about("route"),
        model=asked.about("model"),
        state=state,
        action=action,
        label=(name, value) if asked.label else None,
    )


def _row(call: Call, asked: Asked) -> Row:
    refused = call.state == callbook.REFUSED
    badges = {"state": "bad" if refused else "warn"} if call.state not in ("settled", "sent", "held") else {}
    if call.basis in ("estimate", "unknown"):
        badges["basis"] = "warn"
    if call.action not in ("go", ""):
        badges["action"] = "bad" if refused else "warn"
    return Row(
        {
            "at": call.at_ns,
            "route": call.route,
            "asked": call.requested_model,
            "served": call.model,
            "action": f"{call.action} ({call.reason})" if call.reason and call.action != "go" else call.action,
            "budget": call.budget or None,
            "state": f"{call.state}: {call.failure}" if call.failure else call.state,
            "cost": call.cost_nano,
            "basis": call.basis,
            "took": call.duration_ns,
            "first": call.first_token_ns,
            "id": call.id,
        },
        href=call_address(call.id, asked),
        badges=badges,
        links={"budget": asked.link(f"/budgets/{quote(call.budget, safe='')}")} if call.budget else {},
    )
