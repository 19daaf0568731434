"""What tables tell of one call: its charge line by line, its attempts, what was changed, and where it counts?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from bursar.agent.dashboard import words
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.ledger.casefile import CaseFile
from bursar.agent.ledger.cases import Case, Decided
from bursar.agent.ledger.life import Attempt
from bursar.policies.amounts import Unit
from bursar.policies.balancekey import parse_balance_key

_UNITS: Mapping[str, Unit] = {"usd": "usd", "tokens": "tokens", "calls": "calls"}
_PER_REQUEST = ("web_search",)


def tables(case: Case, around: CaseFile, asked: Asked) -> tuple[Table, ...]:
    """All of them, the money first."""
    return (
        _lines(case),
        _balances(case, asked),
        _candidates(case),
        _changes(case),
        _attempts(case),
        _counted(around, asked),
        _cascade(around, asked),
        _put_off(around, asked),
        _repriced(around),
    )


def _lines(case: Case) -> Table:
    """Quantity by price, for each attempt with a charge, and a total."""
    columns = (
        Column("line", "What", sortable=False, whole=True),
        Column("quantity", "Quantity", Kind.COUNT, sortable=False),
        Column("each", "Price", sortable=False),
        Column("amount", "Amount", Kind.MONEY, sortable=False),
        Column("model", "Model", sortable=False, whole=True),
        Column("price", "Price row", sortable=False, whole=True),
        Column("basis", "Basis", sortable=False),
        Column("attempt", "Attempt", sortable=False, whole=True),
    )
    rows = [row for attempt in case.attempts if attempt.duplicate_of is None for row in _lines_of(attempt)]
    amounts = [attempt.charge.cost_nano_usd for attempt in case.attempts if attempt.charge and not attempt.duplicate_of]
    known = [amount for amount in amounts if amount is not None]
    if rows:
        total = "total" if len(known) == len(amounts) else "total of what is known"
        rows.append(Row({"line": total, "amount": sum(known) if known else None}))
    empty = "It has no charge: what is refused, released or still in flight has cost nothing yet."
    return Table("lines", "Charge", columns, tuple(rows), empty)


def _lines_of(attempt: Attempt) -> Iterator[Row]:
    charge = attempt.charge
    if charge is None:
        return
    shared = {"basis": charge.basis.value, "attempt": attempt.attempt_id}
    for line in charge.lines:
        per_million = line.label not in _PER_REQUEST
        yield Row(
            {
                "line": line.label.replace("_", " "), "quantity": line.quantity, "model": line.model,
                "each": words.each(line.pico_usd_each, per_million) if line.price_id else None,
                "amount": line.nano_usd if line.price_id else None, "price": line.price_id or None, **shared,
            }
        )  # fmt: skip
    if not charge.lines:
        model, price = charge.model, charge.price_id
        yield Row({"line": "all of it", "amount": charge.cost_nano_usd, "model": model, "price": price, **shared})


def _balances(case: Case, asked: Asked) -> Table:
    """What every budget stood at when it was decided."""
    columns = (
        Column("budget", "Budget", sortable=False),
        Column("scope", "For", sortable=False),
        Column("share", "Stood at", sortable=False),
        Column("spent", "Spent", Kind.AMOUNT, sortable=False),
        Column("expected", "In flight", Kind.AMOUNT, sortable=False),
        Column("lent", "Lent", Kind.AMOUNT, sortable=False),
        Column("limit", "Limit", Kind.AMOUNT, sortable=False),
        Column("ceiling", "Ceiling", Kind.AMOUNT, "What may be spent in all", sortable=False),
        Column("steps", "In force", sortable=False),
        Column("mode", "Mode", sortable=False),
        Column("unit", "Unit", sortable=False),
    )
    rows = [_balance(entry, asked) for one in _apart(case) for entry in one.figures.get("balances") or ()]
    return Table("balances", "What budgets stood at then", columns, tuple(rows))


def _balance(entry: Mapping[str, Any], asked: Asked) -> Row:
    key = str(entry.get("balance", ""))
    budget, scope = _named(key)
    steps = ", ".join(str(step) for step in entry.get("in_force") or ())
    unit = _UNITS.get(str(entry.get("unit", "usd")), "usd")
    figures = {name: _whole(entry.get(name)) for name in ("spent", "expected", "lent", "limit", "ceiling")}
    named = {"budget": budget, "scope": scope or "all", "share": _text(entry.get("share")), "steps": steps or None}
    return Row(
        {**named, **figures, "mode": _text(entry.get("mode")), "unit": unit},
        href=asked.link(f"/budgets/{quote(budget, safe='')}"),
        unit=unit,
    )


def _candidates(case: Case) -> Table:
    """What the call could have been sent as, and what each might have cost."""
    columns = (
        Column("model", "Model", sortable=False, whole=True),
        Column("worst", "At most", Kind.MONEY, sortable=False),
        Column("least", "Fitted", Kind.MONEY, "At most, fitted as far as the route allows", sortable=False),
        Column("expected", "Likely", Kind.MONEY, sortable=False),
        Column("tokens", "Tokens at most", Kind.COUNT, sortable=False),
        Column("why", "Why not", sortable=False),
    )
    rows = [
        Row(
            {
                "model": _text(entry.get("model")),
                **{name: _whole(entry.get(name)) for name in ("worst", "least", "expected")},
                "tokens": _whole(entry.get("worst_tokens")),
                "why": _text(entry.get("misfit") or entry.get("unlicensed")),
            }
        )
        for one in _apart(case)
        for entry in one.figures.get("candidates") or ()
    ]
    return Table("candidates", "What it might have cost", columns, tuple(rows))


def _changes(case: Case) -> Table:
    """Every parameter that was changed. Parameters only: no content is kept."""
    columns = (
        Column("parameter", "Parameter", sortable=False),
        Column("from", "Asked", sortable=False),
        Column("to", "Sent", sortable=False),
        Column("why", "Why", sortable=False),
        Column("lossy", "Loses something", sortable=False),
    )
    rows = [
        Row(
            {
                "parameter": _text(change.get("parameter")),
                "from": _parameter(change.get("from")),
                "to": _parameter(change.get("to")),
                "why": _text(change.get("why")),
                "lossy": "yes" if change.get("lossy") else "no",
            }
        )
        for one in _apart(case)
        for change in _changes_of(one)
    ]
    return Table("changes", "What was changed", columns, tuple(rows))


def _changes_of(one: Decided) -> Iterator[Mapping[str, Any]]:
    if one.planned != one.model and one.action != "block":
        yield {"parameter": "model", "from": one.model, "to": one.planned, "why": one.reason}
    yield from (change for change in one.figures.get("changes") or () if isinstance(change, Mapping))


def _attempts(case: Case) -> Table:
    """Each request that was sent, retries among them."""
    columns = (
        Column("attempt", "Attempt", sortable=False, whole=True),
        Column("at", "Sent", Kind.INSTANT, sortable=False),
        Column("state", "State", sortable=False),
        Column("asked", "Asked for", sortable=False, whole=True),
        Column("served", "Served by", sortable=False, whole=True),
        Column("effort", "Effort", sortable=False),
        Column("cost", "Cost", Kind.MONEY, sortable=False),
        Column("most", "At most", Kind.MONEY, sortable=False),
        Column("took", "Took", Kind.DURATION, sortable=False),
        Column("first", "First token", Kind.DURATION, sortable=False),
        Column("ended", "Ended with", help="Why the answer ended", sortable=False),
        Column("request", "Request", sortable=False),
        Column("message", "Message", sortable=False),
        Column("source", "Told by", sortable=False),
    )
    rows = [
        Row(
            {
                "attempt": one.attempt_id, "at": one.at_ns, "asked": one.requested_model, "served": one.model,
                "state": f"{one.state.value}: {one.failure}" if one.failure else one.state.value,
                "effort": one.effort, "cost": None if one.charge is None else one.charge.cost_nano_usd,
                "most": one.bound_nano, "took": one.duration_ns, "first": one.first_token_ns,
                "ended": None if one.charge is None else one.charge.stop_reason or None,
                "request": one.request_id, "message": one.response_id, "source": one.source,
            },
            badges={} if one.state.value == "settled" else {"state": "warn"},
        )
        for one in case.attempts
    ]  # fmt: skip
    empty = "No request left the application: it was refused, or put off, before it was sent."
    return Table("attempts", "Attempts", columns, tuple(rows), empty)


def _counted(around: CaseFile, asked: Asked) -> Table:
    columns = (
        Column("budget", "Budget", sortable=False),
        Column("scope", "For", sortable=False),
        Column("amount", "Counts", Kind.AMOUNT, sortable=False),
        Column("how", "As", sortable=False),
        Column("attempt", "Attempt", sortable=False, whole=True),
        Column("unit", "Unit", sortable=False),
    )
    rows = [
        Row(
            {
                "budget": one.budget, "scope": one.scope or "all", "amount": one.amount, "unit": one.unit,
                "how": "expected, while it is in flight" if one.held else "spent", "attempt": one.attempt_id,
            },
            href=asked.link(f"/budgets/{quote(one.budget, safe='')}"),
            unit=one.unit,
        )
        for one in around.counted
    ]  # fmt: skip
    return Table("counted", "Where it counts", columns, tuple(rows))


def _cascade(around: CaseFile, asked: Asked) -> Table:
    columns = (
        Column("attempt", "Attempt", sortable=False, whole=True),
        Column("stage", "Stage", sortable=False),
        Column("at", "Sent", Kind.INSTANT, sortable=False),
        Column("model", "Model", sortable=False, whole=True),
        Column("state", "State", sortable=False),
        Column("cost", "Cost", Kind.MONEY, sortable=False),
    )
    rows = [
        Row(
            {"attempt": one.attempt_id, "stage": one.stage, "at": one.at_ns, "model": one.model, "state": one.state,
             "cost": one.cost_nano},
            href=asked.link(f"/calls/{quote(one.attempt_id, safe='')}"),
        )
        for one in around.cascade
    ]  # fmt: skip
    return Table("cascade", "The cascade that it is part of", columns, tuple(rows))


def _put_off(around: CaseFile, asked: Asked) -> Table:
    columns = (
        Column("batch", "Batch", sortable=False),
        Column("state", "State", sortable=False),
        Column("taken", "Taken", Kind.INSTANT, sortable=False),
        Column("due", "Due", Kind.INSTANT, sortable=False),
        Column("ended", "Ended", Kind.INSTANT, sortable=False),
        Column("attempts", "Attempts", Kind.COUNT, sortable=False),
        Column("why", "What went wrong", sortable=False),
        Column("id", "Deferral", sortable=False),
    )
    rows = [
        Row(
            {
                "batch": None if put.batch is None else put.batch.api_id or put.batch.id,
                "state": put.deferral.told.value.replace("_", " "), "taken": put.deferral.taken_ns,
                "due": put.deferral.due_ns, "ended": put.deferral.ended_ns,
                "attempts": put.deferral.attempts + (put.deferral.fallback is not None),
                "why": put.deferral.why or None, "id": put.deferral.id,
            },
            href="" if put.batch is None else asked.link(f"/batches/{quote(put.batch.id, safe='')}"),
        )
        for put in around.put_off
    ]  # fmt: skip
    return Table("deferral", "Put off", columns, tuple(rows))


def _repriced(around: CaseFile) -> Table:
    columns = (
        Column("at", "At", Kind.INSTANT, sortable=False),
        Column("before", "Before", Kind.MONEY, sortable=False),
        Column("after", "After", Kind.MONEY, sortable=False),
        Column("old", "By", sortable=False),
        Column("new", "Now by", sortable=False),
        Column("why", "Why", sortable=False),
    )
    rows = [
        Row(
            {"at": one.at_ns, "before": one.old_nano, "after": one.new_nano, "old": one.old_price_id,
             "new": one.new_price_id, "why": one.why}
        )
        for one in around.repriced
    ]  # fmt: skip
    return Table("repriced", "Priced anew", columns, tuple(rows))


def _apart(case: Case) -> list[Decided]:
    """Decisions that differ in what they say: attempts of one call are mostly decided about alike."""
    seen: dict[str, Decided] = {}
    for one in case.decisions:
        seen.setdefault(json.dumps(dict(one.figures), sort_keys=True, default=str), one)
    return list(seen.values())


def _named(key: str) -> tuple[str, str]:
    try:
        parsed = parse_balance_key(key)
    except ValueError:
        return key, ""
    return parsed.budget, parsed.scope


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _parameter(value: object) -> str:
    return "not set" if value is None else json.dumps(value) if isinstance(value, dict | list) else str(value)
