"""How a simulation looks to people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bursar.agent.whatif.article import Row
from bursar.agent.whatif.pipelines import Era, Pipeline
from bursar.agent.whatif.replay import Event, Replayed
from bursar.policies.amounts import usd
from bursar.policies.balancekey import parse_balance_key

EVENTS = 20
"""So many of the steps that were reached are shown; `--json` has all."""
_DONE = {"downgrade": "downgraded", "block": "blocked", "batch": "put off"}
_STYLES = {"downgrade": "yellow", "block": "red", "batch": "cyan"}


def example(pipeline: Pipeline, era: Era, today: date, found: Sequence[Row]) -> RenderableType:
    """One of the article's pipelines, our figures beside its own."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, leading=1)
    table.add_column("levers", no_wrap=True)
    table.add_column("USD a day", justify="right", no_wrap=True)
    table.add_column("article", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in found:
        said = "" if row.article is None else f"{row.article:.2f}"
        table.add_row(row.levers.value, usd(row.nano), said, row.why)
    models = f"{era.strong}, then {era.cheap}; prices of {era.day or today}"
    return Group(Text(f"{pipeline.what}\n{models}", "bold"), table, Text(pipeline.asks, "dim"))


def replayed(found: Replayed, policy: str) -> RenderableType:
    """What another policy would have done, with what, and when."""
    total = found.total
    change = "less" if total.saved_nano >= 0 else "more"
    heading = (
        f"{total.calls:,} calls cost {usd(total.nano)} USD; under {policy} they would have cost "
        f"{usd(total.replayed_nano)}, {usd(abs(total.saved_nano))} {change}."
    )
    notes = [f"Not replayed: {said}." for said in found.left_out]
    if found.unknown:
        notes.append(f"{found.unknown:,} more calls have no known cost, and are in no sum.")
    notes.append("Each call counts as what it cost, alone: in life bounds are held while calls are in flight.")
    return Group(
        Text(heading, "bold"), _work(found), *_treated(found), *_events(found.events), Text("\n".join(notes), "dim")
    )


def _work(found: Replayed) -> Table:
    table = Table("route", "decision", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("calls", "cost, USD", "would cost, USD"):
        table.add_column(title, justify="right", no_wrap=True)
    for (route, action, reason), one in sorted(found.by_work.items(), key=lambda entry: -entry[1].nano):
        said = action if action == "go" else f"{action} ({reason})"
        table.add_row(
            route, Text(said, _STYLES.get(action, "")), f"{one.calls:,}", usd(one.nano), usd(one.replayed_nano)
        )
    return table


def _treated(found: Replayed) -> list[RenderableType]:
    """Who would have been treated otherwise, and when; the earliest first."""
    if not found.by_balance:
        return []
    table = Table("first (UTC)", "last", "budget", "route", "what", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("calls", justify="right", no_wrap=True)
    rows = sorted(found.by_balance.items(), key=lambda entry: entry[1].first_ns)
    for (balance, route, action), one in rows[:EVENTS]:
        what = Text(_DONE.get(action, action), _STYLES.get(action, ""))
        table.add_row(_at(one.first_ns), _at(one.last_ns), _named(balance), route, what, f"{one.calls:,}")
    return _with_rest(table, len(rows) - EVENTS)


def _named(balance: str) -> str:
    """A budget, with whose balance it is where there are several; empty where no budget decided."""
    if not balance:
        return ""
    key = parse_balance_key(balance)
    return f"{key.budget} ({key.scope})" if key.scope else key.budget


def _at(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%m-%d %H:%M")


def _with_rest(table: Table, left: int) -> list[RenderableType]:
    return [table] if left <= 0 else [table, Text(f"and {left:,} more (--json has them)", "dim")]


def _events(events: Sequence[Event]) -> list[RenderableType]:
    if not events:
        return [Text("No step would have been reached.")]
    table = Table("when (UTC)", "budget", "step", "what it would have done", box=box.SIMPLE_HEAD, pad_edge=False)
    for event in events[:EVENTS]:
        at = datetime.fromtimestamp(event.at_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(at, _named(event.balance), event.step, ", ".join(event.actions))
    return _with_rest(table, len(events) - EVENTS)
