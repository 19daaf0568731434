"""Claims about the picture in terminals of different sizes."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC

import pytest
from rich.console import Console

from bursar.agent.top.picture import BudgetNow, DecisionNow, Picture, RouteNow, Totals
from bursar.agent.top.screen import bar, curve, left, render, shares, waiting

USD = 10**9
HOUR = 3600 * 10**9
NOON = 1_795_262_400 * 10**9
"""2026-11-21, twelve o'clock in UTC."""
BUDGET = BudgetNow("support-day", "", "usd", 50 * USD, 20 * USD, 5 * USD, "day", NOON + 12 * HOUR)
ROUTE = RouteNow(
    "support.triage",
    ("claude-opus-5-5", "claude-haiku-5-5"),
    *(40, 2 * USD, (0,) * 59 + (2 * USD,)),
    *(100, 7 * USD, 0, 750, 1000),
)
DECISION = DecisionNow(NOON - HOUR, "support.triage", "claude-opus-5-5", "block", "spent", "support-day", "100%")
PICTURE = Picture(
    NOON, UTC, "/var/bursar.sqlite", True, Totals(100, 7 * USD, 0, 2, 5 * USD, 1), (BUDGET,), (ROUTE,), (DECISION,)
)


def drawn(picture: Picture, width: int, height: int | None = None, *, alive: bool = True) -> list[str]:
    """The lines of a recorded terminal."""
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(render(picture, width=width, height=height, agent="http://a:1", alive=alive))
    said = out.getvalue()
    return [line.rstrip() for line in said.splitlines()]


def test_the_picture_in_eighty_columns() -> None:
    """Of 50 dollars 20 are spent and 5 held: half; three quarters of the prompts came from the cache."""
    assert drawn(PICTURE, 80, 24) == [
        "bursar top  12:00:00 UTC  /var/bursar.sqlite",
        "7.00 USD today   100 calls   2 in flight (5.00 USD)   1 process   agent answers",
        "",
        "budgets                       spent  held         of  ends in  forecast",
        "support-day  ████▒░░░░░  50%  20.00  5.00  50.00 USD  12h 00m",
        "",
        "routes          calls 1h  USD 1h  per minute       USD today  cached",
        "support.triage        40    2.00                █       7.00     75%",
        "",
        "decisions                         because             budget            model",
        "11:00:00   support.triage  block  the money is spent  support-day at …  opus-5-5",
        "q quits",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 200])
def test_no_line_is_wider_than_the_terminal_and_none_is_wrapped(width: int) -> None:
    """As many lines in each width, and the sums whole in all."""
    crowded = replace(
        PICTURE,
        budgets=(
            replace(BUDGET, budget="a-budget-with-a-very-long-name", forecast=60 * USD, exhausted_ns=NOON + HOUR),
        ),
        routes=(replace(ROUTE, route="package.module:Class.a_method_with_a_long_name"),),
    )
    lines = drawn(crowded, width)
    assert len(lines) == 11
    assert max(map(len, lines)) <= width
    assert "20.00" in lines[4]
    assert "2.00" in lines[7]
    assert "block" in lines[10]


def test_a_wide_terminal_shows_more() -> None:
    """Models, calls of the day, longer bars, and when the money will be gone."""
    foreseen = replace(BUDGET, forecast=60 * USD, exhausted_ns=NOON + 2 * HOUR)
    lines = drawn(replace(PICTURE, budgets=(foreseen,)), 140)
    assert "████████▒▒░░░░░░░░░░  50%" in lines[4]
    assert lines[4].endswith("60.00, out 14:00")
    assert lines[7].endswith("opus-5-5, haiku-5-5")


@pytest.mark.parametrize("height", [12, 24, 40])
def test_no_more_lines_than_the_terminal_has(height: int) -> None:
    """What does not fit is counted in the title."""
    many = replace(PICTURE, budgets=(BUDGET,) * 30, routes=(ROUTE,) * 30, decisions=(DECISION,) * 30)
    lines = drawn(many, 80, height)
    assert len(lines) == height
    room = (height - 9) // 3
    assert f"budgets ({room}" in lines[3] or f"budgets ({room + 1}" in lines[3]


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [((1, 1, 1), 15, [1, 1, 1]), ((9, 9, 9), 9, [3, 3, 3]), ((2, 20, 9), 15, [2, 7, 6]), ((5, 5, 5), 2, [1, 1, 1])],
)
def test_room_goes_to_who_has_least(wanted: tuple[int, ...], room: int, given: list[int]) -> None:
    """In turn, and nobody gets more than it wants."""
    assert shares(wanted, room) == given


def test_empty_tables_say_what_to_do() -> None:
    """Without a policy, without calls; without decisions there is nothing to do."""
    empty = Picture(NOON, UTC, "x", policy=False)
    said = " ".join(drawn(empty, 120, alive=False))
    assert "start `bursar agent --policy bursar.toml`" in said
    assert "start it with `bursar run -- COMMAND`" in said
    assert "every call went as it was asked" in said
    assert "no agent answers: start `bursar agent`" in said
    assert "No call has met a budget yet" in " ".join(drawn(replace(empty, policy=True), 120))


def test_a_decision_that_was_made_often() -> None:
    """With how often."""
    assert (
        "block ×1,200  the money is spent"
        in drawn(replace(PICTURE, decisions=(replace(DECISION, times=1200),)), 80)[10]
    )


def test_what_is_not_well_is_told_in_the_totals() -> None:
    """Charges of unknown cost, and alerts that nobody took yet."""
    totals = replace(PICTURE.totals, unknown=3, waiting_alerts=2)
    line = drawn(replace(PICTURE, totals=totals), 140)[1]
    assert "3 of unknown cost" in line
    assert "2 alerts wait" in line


def test_units_other_than_money() -> None:
    """Tokens and calls are whole numbers with their unit."""
    tokens = replace(BUDGET, unit="tokens", limit=2_000_000, spent=1_900_000, held=0)
    assert "1,900,000        2,000,000 tokens" in drawn(replace(PICTURE, budgets=(tokens,)), 100)[4]


def test_a_curve() -> None:
    """The dearest stretch is the highest block, what cost nothing is a space, and the newest stands last."""
    assert curve([0, 0, 1, 0, 4, 4, 8, 8], 4) == " ▁▄█"
    assert curve([0] * 60, 15) == " " * 15


def test_a_bar_beyond_its_limit_is_full() -> None:
    """Only the figure says by how much."""
    over = replace(BUDGET, spent=60 * USD, held=USD)
    assert bar(over, 10).plain == "██████████ 122%"
    assert bar(replace(BUDGET, limit=0), 10).plain.endswith("100%")


@pytest.mark.parametrize(
    ("ns", "text"), [(59 * HOUR, "2d 11h"), (HOUR + HOUR // 60, "1h 01m"), (HOUR // 2, "30m"), (-HOUR, "0m")]
)
def test_how_long_is_left(ns: int, text: str) -> None:
    """In its two largest units."""
    assert left(NOON + ns, NOON) == text


def test_a_window_without_an_end_has_its_name() -> None:
    """A rolling one."""
    rolling = replace(BUDGET, window="rolling 24h", ends_ns=None)
    assert "rolling 24h" in drawn(replace(PICTURE, budgets=(rolling,)), 100)[4]


def test_while_there_is_no_ledger() -> None:
    """What the command says of it, and that it goes on looking."""
    out = io.StringIO()
    console = Console(file=out, width=80)
    console.print(waiting("there is no ledger at /x: start the agent once", width=80))
    said = out.getvalue()
    assert "start the agent once" in said
    assert "q quits" in said
