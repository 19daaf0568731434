"""What is a table of a page, one for people and the same for a spreadsheet?"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from bursar.agent.dashboard import words
from bursar.policies.amounts import Unit, usd

Value = int | float | str | bool | None
"""What a cell holds; None where it is not known."""


class Kind(StrEnum):
    """What the figures of a column are, and so how they are written, and to which side."""

    TEXT = "text"
    MONEY = "money"
    """Nano-dollars."""
    AMOUNT = "amount"
    """In the unit of its row: nano-dollars, tokens or calls."""
    COUNT = "count"
    SHARE = "share"
    """A part of one."""
    METER = "meter"
    """The same, drawn as a bar too: of what must not be passed."""
    PROGRESS = "progress"
    """Likewise, of what is to be reached."""
    DURATION = "duration"
    """Nanoseconds."""
    INSTANT = "instant"
    """Nanoseconds since the epoch."""
    UNTIL = "until"
    """The same, told by how far it is from now."""
    TREND = "trend"
    """Whole numbers, drawn as a line; not in a CSV."""
    MIX = "mix"
    """What something is made up of, drawn as a bar; in a CSV the text that says the same."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in an address and a CSV, and what stands over it."""

    name: str
    title: str
    kind: Kind = Kind.TEXT
    help: str = ""
    """A sentence for who points at the title."""
    sortable: bool = True
    whole: bool = False
    """Whether a text stays on one line."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of one in a bar."""

    name: str
    share: float
    colour: int
    """Of the style sheet's eight, from 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a value for each column by its name, and where its first cell leads."""

    cells: Mapping[str, Value]
    href: str = ""
    trends: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    badges: Mapping[str, str] = field(default_factory=dict[str, str])
    """By column, a class for its cell: `good`, `warn` or `bad`; `total` for a sum."""
    parts: Mapping[str, Sequence[Part]] = field(default_factory=dict[str, Sequence[Part]])
    """By column, what its bar is made of, the largest first."""
    links: Mapping[str, str] = field(default_factory=dict[str, str])
    """By column, where the cell leads."""
    unit: Unit = "usd"
    """What its amounts are."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows, in the order that was asked for."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = ""
    """What to do where there are no rows: whole sentences."""
    sort: str = ""
    """By which column it stands, with a `-` ahead for the largest first."""

    def sorted_by(self, sort: str, usual: str = "") -> Table:
        """The same by a column; by the `usual` one where there is none of that name. What is not known comes last."""
        known = {column.name: column for column in self.columns if column.sortable}
        order = sort if sort.removeprefix("-") in known else usual
        name, down = order.removeprefix("-"), order.startswith("-")
        if name not in known:
            return self
        told = [row for row in self.rows if row.cells.get(name) is not None]
        untold = [row for row in self.rows if row.cells.get(name) is None]
        numeric = known[name].kind not in _TEXTS
        told.sort(key=lambda row: _rank(row.cells.get(name), numeric=numeric), reverse=down)
        return replace(self, rows=(*told, *untold), sort=order)

    def next_sort(self, column: Column) -> str:
        """What a click on a title asks for: figures largest first, texts from A on; again, the other way round."""
        first = column.name if column.kind in _TEXTS else f"-{column.name}"
        second = f"-{column.name}" if column.kind in _TEXTS else column.name
        return second if self.sort == first else first


_TEXTS: Final = frozenset((Kind.TEXT, Kind.MIX))
_NOT_IN_CSV: Final = frozenset((Kind.TREND,))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(table: Table) -> str:
    """
    The table for a spreadsheet: money as exact dollars, durations as seconds, instants in UTC.

    Amounts stand in the unit of their row, which a table with such a column says in another. A text that a
    spreadsheet would run as a formula gets an apostrophe ahead.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    columns = [column for column in table.columns if column.kind not in _NOT_IN_CSV]
    writer.writerow([_heading(column) for column in columns])
    for row in table.rows:
        writer.writerow([_plain(row.cells.get(column.name), column.kind, row.unit) for column in columns])
    return out.getvalue()


def _heading(column: Column) -> str:
    unit = {Kind.MONEY: "_usd", Kind.DURATION: "_seconds"}.get(column.kind, "")
    return f"{column.name}{unit}"


def _plain(value: Value, kind: Kind, unit: Unit) -> str:
    match kind, value:
        case _, None:
            return ""
        case Kind.MONEY, int():
            return usd(value)
        case Kind.AMOUNT, int():
            return usd(value) if unit == "usd" else str(value)
        case Kind.DURATION, int():
            whole, part = divmod(value, 10**9)
            return f"{whole}.{part:09d}".rstrip("0").rstrip(".")
        case Kind.INSTANT | Kind.UNTIL, int():
            return words.iso(value)
        case ((Kind.TEXT | Kind.MIX), _):
            text = str(value)
            return f"'{text}" if text.startswith(_FORMULA) else text
        case _:
            return str(value)


def _rank(value: Value, *, numeric: bool) -> tuple[float, str] | tuple[int, str]:
    if numeric and isinstance(value, int | float):
        return (value, "")
    return (0, str(value).casefold())
