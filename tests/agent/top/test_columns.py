"""Claims about which columns fit, and how wide they are."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from bursar.agent.top.columns import Column, table

COLUMNS: tuple[Column[str], ...] = (
    Column("name", lambda row: row, least=6),
    Column("sum", lambda row: "1,234.50", number=True),
    Column("share", lambda row: Text("45%"), rank=1, number=True),
    Column("models", lambda row: "opus-5-5, haiku-5-5", rank=2, least=10),
)


def drawn(width: int, *rows: str) -> list[str]:
    """The lines in a terminal of this width, without what stands behind them."""
    out = io.StringIO()
    console = Console(file=out, width=200)
    console.print(table(COLUMNS, rows, width=width))
    said = out.getvalue()
    return [line.rstrip() for line in said.splitlines()]


def test_a_wide_terminal_has_every_column_whole() -> None:
    """Figures stand right, words left."""
    assert drawn(80, "support.triage", "a") == [
        "name                 sum  share  models",
        "support.triage  1,234.50    45%  opus-5-5, haiku-5-5",
        "a               1,234.50    45%  opus-5-5, haiku-5-5",
    ]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (52, "support.triage  1,234.50    45%  opus-5-5, haiku-5-5"),
        (43, "support.triage  1,234.50    45%  opus-5-5,…"),
        (32, "support.triage  1,234.50    45%"),
        (25, "support…  1,234.50    45%"),
        (22, "support.tri…  1,234.50"),
        (10, "suppo…  1,234.50"),
    ],
)
def test_columns_are_left_out_by_rank_and_never_a_figure_is_cut(width: int, line: str) -> None:
    """First words are cut, then the column of the highest rank goes; what is left over is the first column's."""
    assert drawn(width, "support.triage")[1] == line


def test_names_of_applications_are_no_markup_and_no_second_line() -> None:
    """Whatever they are."""
    assert drawn(80, "[bold]a\nb")[1].startswith("[bold]a b")


def test_a_name_steers_no_terminal() -> None:
    """An escape sequence in it is shown as a mark and its letters, as wide as it looks."""
    assert drawn(80, "\x1b[31mred", "a")[1:] == [
        "\ufffd[31mred  1,234.50    45%  opus-5-5, haiku-5-5",
        "a         1,234.50    45%  opus-5-5, haiku-5-5",
    ]
