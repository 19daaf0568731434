"""How do reports, budgets, routes and holds look in a terminal?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bursar.agent.ledger.prospect import Prospect
from bursar.agent.visible import visible
from bursar.policies.amounts import usd
from bursar.policies.policyfile.mistakes import Mistake

Row = Mapping[str, Any]

WIDE = 110
"""In a terminal of fewer columns, tables keep what was spent and leave out some of how."""
_BEGINNING = "1970-01-01T00:00:00Z"
_BAR = 10
_STATES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_CLOSE, _FULL = 80, 100
"""From these percentages of a limit on, a bar is yellow, and red."""


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Row], str | Text]
    number: bool = True
    wide: bool = False
    """Whether it is shown in a wide terminal only."""


def spend(report: Row, keys: Sequence[str], *, width: int) -> Table:
    """A report by its keys, with the total below it."""
    names = [_Column(key.removeprefix("label:"), _named(key), number=False) for key in keys]
    return _table(_span(report), [*names, *_sums(report["total"])], report["rows"], width=width, total=report["total"])


def routes(report: Row, models: Mapping[str, Sequence[str]], *, width: int) -> Table:
    """A report by route, with the models that served each, the dearest first."""
    columns = [
        _Column("route", _named("route"), number=False),
        _Column("models", lambda row: ", ".join(models.get(str(row["route"]), ())), number=False, wide=True),
        *_sums(report["total"]),
        _Column("USD a call", lambda row: usd(row["nano_usd"] // row["calls"]) if row["calls"] else "", wide=True),
    ]
    return _table(_span(report), columns, report["rows"], width=width, total=report["total"])


def budgets(rows: Sequence[Row], *, width: int) -> Table:
    """Every balance of now, with a bar for what is spent of it and expected of calls in flight."""
    columns = [
        _Column("budget", _named("budget"), number=False),
        _Column("scope", lambda row: row["scope"] or "all", number=False),
        _Column("until", lambda row: row["window_end"] or row["window"], number=False, wide=True),
        _Column("calls", lambda row: f"{row['calls']:,}", wide=True),
        _Column("spent", _amount("spent")),
        *_if_any(rows, "unknown_nano", _Column("bound", lambda row: usd(row["unknown_nano"]))),
        *_if_any(rows, "expected", _Column("in flight", _amount("expected"))),
        *_if_any(rows, "lent", _Column("lent", _amount("lent"), wide=True)),
        _Column("limit", lambda row: "none" if row["limit"] is None else _amount("limit")(row)),
        *([] if all(row["unit"] == "usd" for row in rows) else [_Column("unit", _named("unit"), number=False)]),
        _Column("used", _used, number=False),
    ]
    title = "Budgets, in USD" if all(row["unit"] == "usd" for row in rows) else "Budgets"
    return _table(title, columns, rows, width=width)


def holds(rows: Sequence[Row], *, now_ns: int, width: int) -> Table:
    """Every attempt in flight: how long already, whose, and what it may cost."""
    columns = [
        _Column("age", lambda row: f"{max(now_ns - row['at_ns'], 0) / 1e9:,.1f} s"),
        _Column("route", _named("route"), number=False),
        _Column("model", _named("model"), number=False, wide=True),
        _Column("state", _named("state"), number=False),
        _Column("process", lambda row: f"{row['pid'] or '?'} on {row['host'] or '?'}", number=False, wide=True),
        _Column("expected", lambda row: usd(row["expected_nano"])),
        _Column("at most", lambda row: "unknown" if row["bound_nano"] is None else usd(row["bound_nano"])),
        _Column("attempt", _named("attempt_id"), number=False, wide=True),
    ]
    return _table("Calls in flight, in USD", columns, rows, width=width)


def mistakes(file: str, found: Sequence[Mistake], *, width: int) -> Table:
    """What is wrong in a policy file, line by line."""
    columns = [
        _Column("line", lambda row: str(row["line"] or "")),
        _Column("key", _named("path"), number=False),
        _Column("problem", _named("problem"), number=False),
        _Column("remedy", _named("remedy"), number=False),
    ]
    rows = [{"line": m.line, "path": m.path, "problem": m.problem, "remedy": m.remedy} for m in found]
    counted = "1 mistake" if len(rows) == 1 else f"{len(rows)} mistakes"
    return _table(f"{file}: {counted}", columns, rows, width=width)


def observed(rows: Sequence[Row]) -> list[Text]:
    """What budgets that only observe would have done in the last 24 hours, a sentence each."""
    return [Text(f"In 24 h {row['budget']} would have {_would(row)}.", "yellow") for row in rows]


def _would(row: Row) -> str:
    done = {"block": "refused", "downgrade": "moved to a smaller model", "effort": "given less effort"}
    calls = "1 call" if row["calls"] == 1 else f"{row['calls']:,} calls"
    return f"{done.get(row['action'], row['action'])} {calls}, {usd(row['nano_usd'])} USD"


def changes(difference: Sequence[str] | None) -> list[RenderableType]:
    """What a policy would change of the one in force, as a diff; nothing where none is known to be."""
    if difference is None:
        return []
    if not difference:
        return [Text("\nIt does what the policy in force does.")]
    styles = {"-": "red", "+": "green"}
    lines = [Text(line, styles.get(line[:1], "")) for line in difference]
    return [Text("\nAgainst the policy in force:", "bold"), *lines]


def prospects(found: Sequence[Prospect], *, width: int) -> list[RenderableType]:
    """Where the balances of a policy would stand at once, those that refuse first."""
    if not found:
        return []
    rows = [asdict(one) for one in found]
    columns = [
        _Column("budget", _named("budget"), number=False),
        _Column("scope", lambda row: row["scope"] or "all", number=False),
        _Column("spent", _amount("spent")),
        _Column("limit", _amount("limit")),
        _Column("at once", _at_once, number=False),
    ]
    return [_table("If it were put in force now", columns, rows, width=width)]


def _at_once(row: Row) -> Text:
    if row["refuses"]:
        return Text("refuses calls", "red")
    if not row["counted"]:
        return Text("counts from now on", "dim")
    return Text(f"at {row['due'][-1]}" if row["due"] else "below every step")


def findings(rows: Sequence[Row]) -> Table:
    """What a check-up found, a line each, with what to do about it below."""
    table = Table.grid(padding=(0, 2))
    for row in rows:
        remedy = f"\n-> {row['remedy']}" if row["remedy"] else ""
        state = Text(str(row["state"]), _STATES[str(row["state"])])
        table.add_row(
            state, Text(visible(str(row["what"]))), Text.assemble(visible(str(row["said"])), (remedy, "bold"))
        )
    return table


def bar(share_percent: int) -> Text:
    """Ten blocks and a figure; what is beyond the limit shows in the figure only."""
    filled = min(_BAR, share_percent * _BAR // 100)
    style = "red" if share_percent >= _FULL else "yellow" if share_percent >= _CLOSE else "green"
    return Text.assemble(("█" * filled, style), ("░" * (_BAR - filled), "dim"), f" {share_percent}%")


def cache_share(row: Row) -> str:
    """The part of the prompt that was read from the cache, in whole percent; nothing where there was no prompt."""
    prompt = _prompt(row)
    return f"{row['cache_read'] * 100 // prompt}%" if prompt else ""


def _sums(total: Row) -> list[_Column]:
    """Calls, tokens and money; columns of doubt stand there only when the total has any."""
    return [
        _Column("calls", lambda row: f"{row['calls']:,}"),
        _Column("tokens in", lambda row: f"{_prompt(row):,}", wide=True),
        _Column("cached", cache_share),
        _Column("tokens out", lambda row: f"{row['output']:,}", wide=True),
        _Column("USD", lambda row: usd(row["nano_usd"])),
        *_if_any([total], "estimated_nano_usd", _Column("of it estimated", lambda r: usd(r["estimated_nano_usd"]))),
        *_if_any([total], "told_nano_usd", _Column("as told", lambda row: usd(row["told_nano_usd"]))),
        *_if_any([total], "unknown_charges", _Column("and unknown", lambda row: f"{row['unknown_charges']:,}")),
        *_if_any([total], "incomplete_charges", _Column("and incomplete", lambda r: f"{r['incomplete_charges']:,}")),
    ]


def _span(report: Row) -> str:
    start = "" if report["since"] == _BEGINNING else f"from {report['since']} "
    return f"{start}up to {report['until']}"


def _if_any(rows: Iterable[Row], name: str, column: _Column) -> list[_Column]:
    return [column] if any(row[name] for row in rows) else []


def _prompt(row: Row) -> int:
    prompt: int = row["input"] + row["cache_read"] + row["cache_write_5m"] + row["cache_write_1h"]
    return prompt


def _used(row: Row) -> str | Text:
    if row["limit"] is None:
        return ""
    taken = row["spent"] + row["expected"]
    return bar(taken * 100 // row["limit"] if row["limit"] else _FULL)


def _amount(key: str) -> Callable[[Row], str]:
    """A figure in its row's unit: dollars, or a plain number."""
    return lambda row: usd(row[key]) if row["unit"] == "usd" else f"{row[key]:,}"


def _named(key: str) -> Callable[[Row], str]:
    return lambda row: "" if row[key] is None else str(row[key])


def _table(
    title: str, columns: Sequence[_Column], rows: Sequence[Row], *, width: int, total: Row | None = None
) -> Table:
    shown = [column for column in columns if width >= WIDE or not column.wide]
    table = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_footer=total is not None
    )
    for place, column in enumerate(shown):
        table.add_column(
            column.title,
            footer="" if total is None else _footer(column, total, first=place == 0),
            justify="right" if column.number else "left",
            overflow="fold",  # a figure in two lines is whole, a cropped one is wrong
        )
    for row in rows:
        table.add_row(*(_plain(column.cell(row)) for column in shown))
    return table


def _footer(column: _Column, total: Row, *, first: bool) -> Text:
    if column.number:
        return _plain(column.cell(total))
    return Text("total" if first else "")


def _plain(cell: str | Text) -> Text:
    """Names come from applications: nothing in them is markup."""
    return cell if isinstance(cell, Text) else Text(visible(cell))
