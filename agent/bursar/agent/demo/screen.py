"""How the demo looks while it runs and at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bursar.agent.commands import tables
from bursar.agent.demo.lever import Lever
from bursar.agent.demo.summary import Summary
from bursar.policies.amounts import usd

Row = Mapping[str, Any]
_STYLES = {"downgrade": "yellow", "batch": "cyan", "block": "red", "go": "green"}
RECENT = 8
ROOMY = 96
"""From so many columns on, tables stand side by side."""


def live(budget: Row | None, routes: Sequence[Row], recent: Iterable[Row], alerts: Sequence[str]) -> RenderableType:
    """The spend so far: the budget's bar, each route and model, the last decisions, what Slack was told."""
    return Group(_bar(budget), _routes(routes), _recent(recent), _slack(alerts))


def closing(summary: Summary, *, width: int) -> RenderableType:
    """What it came to: spend, steps, ledger against bill, the first recommendation."""
    by_model = {_short(model): amount for model, amount in summary.by_model.items()}
    return Group(
        _beside(_spend("spend by route", summary.by_route), _spend("spend by model", by_model), width=width),
        _beside(_steps(summary), _books(summary), width=width),
        *_put_off(summary),
        *_lever(summary.lever),
    )


def _put_off(summary: Summary) -> list[RenderableType]:
    found = summary.put_off
    if not found["calls"]:
        return []
    said = f"{found['delivered']} of {found['calls']} digests were put off to a batch and answered"
    return [Text(f"{said}: {usd(found['saved_nano_usd'])} USD saved", "cyan")]


def _lever(lever: Lever | None) -> list[RenderableType]:
    """The first recommendation, and what doing as it says did save."""
    if lever is None:
        return []
    table = Table("the first recommendation, tried", box=box.ROUNDED, expand=True)
    table.add_column("USD", justify="right", no_wrap=True)
    table.add_row(f"{lever.calls} questions to {lever.route}, as they were", usd(lever.without_nano_usd))
    table.add_row("the same questions, with the mark that is advised", usd(lever.with_nano_usd))
    table.add_row("saved", Text(usd(lever.saved_nano_usd), "bold green"))
    table.add_row("predicted, from the first time alone", usd(lever.predicted_nano_usd))
    return [Panel(Text(lever.text), title="First recommendation", title_align="left"), table]


def _beside(left: Table, right: Table, *, width: int) -> RenderableType:
    if width < ROOMY:
        return Group(left, right)
    beside = Table.grid(expand=True, padding=(0, 1))
    beside.add_column(ratio=1)
    beside.add_column(ratio=1)
    beside.add_row(left, right)
    return beside


def _bar(budget: Row | None) -> Text:
    if budget is None:
        return Text("support-day: nothing spent yet")
    taken = budget["spent"] + budget["expected"]
    limit = budget["limit"]
    return Text.assemble(
        ("support-day ", "bold"), tables.bar(taken * 100 // limit), f"  {usd(taken)} of {usd(limit)} USD"
    )


def _routes(rows: Sequence[Row]) -> Table:
    table = Table("route", "model", box=box.ROUNDED, expand=True)
    for title in ("calls", "tokens", "cached", "USD"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        tokens = row["input"] + row["cache_read"] + row["cache_write_5m"] + row["cache_write_1h"]
        table.add_row(
            row["route"],
            _short(row["model"]),
            f"{row['calls']:,}",
            f"{tokens + row['output']:,}",
            tables.cache_share(row),
            usd(row["nano_usd"]),
        )
    return table


def _recent(rows: Iterable[Row]) -> Table:
    table = Table("last calls", "asked", "served", "decision", box=box.ROUNDED, expand=True)
    table.add_column("USD", justify="right", no_wrap=True)
    for row in rows:
        action = str(row["action"])
        cost = row["cost_nano"]
        table.add_row(
            row["route"],
            _short(row["requested_model"]),
            _short(row["model"] or ""),
            Text(action if action == "go" else f"{action} ({row['reason']})", _STYLES.get(action, "")),
            "" if cost is None else usd(cost),
        )
    return table


def _short(model: str) -> str:
    """A model's name as people say it, where columns are dear."""
    return model.removeprefix("claude-")


def _slack(alerts: Sequence[str]) -> Panel:
    said = "\n".join(_beginning(text) for text in alerts) or "nothing yet"
    return Panel(Text(said), title="Slack", title_align="left")


def _beginning(text: str) -> str:
    """The first two sentences of a message: what happened, and the sums."""
    return ". ".join(text.splitlines()[0].split(". ")[:2]).rstrip(".") + "."


def _spend(title: str, amounts: Mapping[str, int]) -> Table:
    table = Table(title, box=box.ROUNDED, expand=True)
    table.add_column("USD", justify="right", no_wrap=True)
    table.add_column("share", no_wrap=True)
    total = sum(amounts.values())
    for name, amount in amounts.items():
        table.add_row(name, usd(amount), tables.bar(amount * 100 // total if total else 0))
    return table


def _steps(summary: Summary) -> Table:
    said = {
        "alert": "told Slack",
        "batch": "put off to a batch, answered at half the price",
        "downgrade": "served by a cheaper model",
        "block": "refused, nothing spent",
    }
    table = Table("step", "what it did", box=box.ROUNDED, expand=True)
    table.add_column("times", justify="right")
    for step, count in summary.steps.items():
        table.add_row(step, said.get(step, step), f"{count:,}")
    return table


def _books(summary: Summary) -> Table:
    table = Table("the books", box=box.ROUNDED, expand=True)
    table.add_column("USD", justify="right", no_wrap=True)
    agree = summary.ledger_nano_usd == summary.sandbox_nano_usd
    table.add_row("Bursar's ledger", usd(summary.ledger_nano_usd))
    table.add_row("the sandbox's bill", usd(summary.sandbox_nano_usd))
    table.add_row("they differ by", Text(usd(abs(summary.ledger_nano_usd - summary.sandbox_nano_usd)), _tone(agree)))
    table.add_row("limit of the day", usd(summary.limit_nano_usd))
    table.add_row("spent beyond it", Text(usd(summary.overspend_nano_usd), _tone(not summary.overspend_nano_usd)))
    return table


def _tone(good: bool) -> str:
    return "bold green" if good else "bold red"
