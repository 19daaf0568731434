"""Claims about tables: sorted as asked, and the same for a spreadsheet, exactly."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.agent.dashboard.table import Column, Kind, Row, Table, Value, to_csv

COLUMNS = (
    Column("route", "Route"),
    Column("cost", "Cost", Kind.MONEY),
    Column("share", "Share", Kind.SHARE),
    Column("took", "Took", Kind.DURATION),
    Column("at", "At", Kind.INSTANT),
    Column("trend", "Trend", Kind.TREND),
)


def table(*rows: Mapping[str, Value]) -> Table:
    return Table("spend", "Spend", COLUMNS, tuple(Row(cells) for cells in rows))


def names(sorted_table: Table) -> list[object]:
    return [row.cells["route"] for row in sorted_table.rows]


MIXED = table({"route": "b", "cost": 2}, {"route": "A", "cost": None}, {"route": "c", "cost": 10})


def test_figures_sort_as_numbers_and_texts_without_case() -> None:
    """What is not known comes last, whichever way."""
    assert names(MIXED.sorted_by("-cost")) == ["c", "b", "A"]
    assert names(MIXED.sorted_by("cost")) == ["b", "c", "A"]
    assert names(MIXED.sorted_by("route")) == ["A", "b", "c"]


def test_a_column_there_is_none_of_sorts_as_usual() -> None:
    """An old link still shows the page."""
    assert names(MIXED.sorted_by("gone", "-cost")) == ["c", "b", "A"]
    assert MIXED.sorted_by("gone", "gone too") == MIXED


def test_a_title_asks_for_the_largest_first_and_then_the_other_way() -> None:
    """Texts begin at A."""
    cost, route = COLUMNS[1], COLUMNS[0]
    assert MIXED.next_sort(cost) == "-cost"
    assert MIXED.sorted_by("-cost").next_sort(cost) == "cost"
    assert MIXED.next_sort(route) == "route"
    assert MIXED.sorted_by("route").next_sort(route) == "-route"


def test_a_spreadsheet_gets_exact_figures() -> None:
    """Dollars to the last nano-dollar beyond what a double holds, seconds, UTC; no drawing; nothing for unknown."""
    row: dict[str, Value] = {
        "route": 'a "b", c', "cost": 2**53 * 10**3 + 1, "share": 0.25, "took": 1_250_000_000,
        "at": 1_795_953_600 * 10**9,
    }  # fmt: skip
    assert to_csv(table(row, {"route": "x"})) == (
        "route,cost_usd,share,took_seconds,at\r\n"
        '"a ""b"", c",9007199254.740992001,0.25,1.25,2026-11-29T12:00:00Z\r\n'
        "x,,,,\r\n"
    )


def test_a_name_is_no_formula() -> None:
    """A route's name comes from an application, and a spreadsheet would run it; figures below zero stay figures."""
    text = to_csv(table({"route": '=HYPERLINK("http://evil")', "cost": -1}, {"route": "@x"}, {"route": "-1+2"}))
    lines = text.splitlines()
    assert lines[1] == '"\'=HYPERLINK(""http://evil"")",-0.000000001,,,'
    assert [line.split(",")[0] for line in lines[2:]] == ["'@x", "'-1+2"]


def test_amounts_stand_in_the_unit_of_their_row() -> None:
    """Dollars with decimals, tokens and calls as whole numbers; a bar as its share."""
    columns = (
        Column("limit", "Limit", Kind.AMOUNT),
        Column("used", "Used", Kind.METER),
        Column("ends", "", Kind.UNTIL),
    )
    rows = (
        Row({"limit": 2_000_000_000, "used": 0.5, "ends": 0}, unit="usd"),
        Row({"limit": 2_000_000_000, "used": None}, unit="tokens"),
    )
    told = to_csv(Table("t", "T", columns, rows))
    assert told.splitlines() == ["limit,used,ends", "2.00,0.5,1970-01-01T00:00:00Z", "2000000000,,"]


def test_a_mix_is_a_text_where_it_is_not_drawn() -> None:
    """Sorted from A on, and no formula either."""
    columns = (Column("route", "Route"), Column("models", "Models", Kind.MIX))
    rows = tuple(Row({"route": name, "models": text}) for name, text in (("a", "opus 100%"), ("b", "=haiku 60%")))
    mixed = Table("spend", "Spend", columns, rows)
    assert names(mixed.sorted_by("models")) == ["b", "a"]
    assert mixed.next_sort(columns[1]) == "models"
    assert to_csv(mixed).splitlines() == ["route,models", "a,opus 100%", "b,'=haiku 60%"]
