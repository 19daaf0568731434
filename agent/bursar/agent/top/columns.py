"""Which columns of a table fit into a terminal, and how wide is each?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.table import Table
from rich.text import Text

from bursar.agent.visible import visible

Row = TypeVar("Row")
_GAP = 2


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column. Those with the highest `rank` are left out first where there is too little room, those with 0 never."""

    title: str
    cell: Callable[[Row], str | Text]
    rank: int = 0
    number: bool = False
    least: int | None = None
    """So narrow it may get, cut with an ellipsis; None: never cut, as no figure may be."""


def table(columns: Sequence[Column[Row]], rows: Sequence[Row], *, width: int) -> Table:
    """The rows under the titles of those columns that fit, a line each."""
    cells = [[_text(column.cell(row)) for row in rows] for column in columns]
    natural = [
        max([len(column.title), *(cell.cell_len for cell in of)]) for column, of in zip(columns, cells, strict=True)
    ]
    shown = fitting(columns, natural, width)
    widths = spread(columns, natural, shown, width)
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    for place, wide in zip(shown, widths, strict=True):
        right = columns[place].number
        grid.add_column(width=wide, no_wrap=True, overflow="ellipsis", justify="right" if right else "left")
    grid.add_row(*(Text(columns[place].title, "dim") for place in shown))
    for number in range(len(rows)):
        grid.add_row(*(cells[place][number] for place in shown))
    return grid


def fitting(columns: Sequence[Column[Row]], natural: Sequence[int], width: int) -> list[int]:
    """The places of the columns that fit, each no narrower than it may get."""
    shown = list(range(len(columns)))
    while _sum(least(columns[place], natural[place]) for place in shown) > width:
        last = max(shown, key=lambda place: (columns[place].rank, place))
        if columns[last].rank == 0:
            break
        shown.remove(last)
    return shown


def spread(columns: Sequence[Column[Row]], natural: Sequence[int], shown: Sequence[int], width: int) -> list[int]:
    """How wide each of these is: what is left over goes to those that would else be cut, the first ones first."""
    widths = [least(columns[place], natural[place]) for place in shown]
    left = width - _sum(widths)
    for number, place in enumerate(shown):
        more = max(min(natural[place] - widths[number], left), 0)
        widths[number] += more
        left -= more
    return widths


def least(column: Column[Row], natural: int) -> int:
    """The narrowest that a column may be."""
    return natural if column.least is None else min(natural, max(column.least, len(column.title)))


def _sum(widths: Iterable[int]) -> int:
    counted = list(widths)
    return sum(counted) + _GAP * (len(counted) - 1)


def _text(cell: str | Text) -> Text:
    """Names come from applications: nothing in them is markup, and no line is broken."""
    return cell if isinstance(cell, Text) else Text(visible(" ".join(cell.split("\n"))))
