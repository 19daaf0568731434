"""Claims about tables in a terminal."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from bursar.agent.commands import tables
from bursar.policies.policyfile.mistakes import Mistake

WIDE, USUAL, NARROW = 140, 80, 40

OPUS: dict[str, Any] = {
    "route": "support.triage",
    "model": "claude-opus-5-5",
    "calls": 1_200,
    "charges": 1_201,
    "nano_usd": 1_234_567_890,
    "estimated_nano_usd": 0,
    "unknown_charges": 0,
    "incomplete_charges": 0,
    "told_nano_usd": 0,
    "input": 100,
    "cache_read": 300,
    "cache_write_5m": 50,
    "cache_write_1h": 50,
    "output": 7_000,
}
HAIKU = {**OPUS, "model": "claude-haiku-5-5", "calls": 3, "nano_usd": 500, "cache_read": 0}
TOTAL = {**OPUS, "route": None, "model": None, "calls": 1_203, "nano_usd": 1_234_568_390, "output": 14_000}
REPORT: dict[str, Any] = {
    "total": TOTAL,
    "rows": [OPUS, HAIKU],
    "since": "2026-11-20T00:00:00Z",
    "until": "2026-11-22T00:00:00Z",
}
BALANCE: dict[str, Any] = {
    "budget": "support-day",
    "scope": "tenant=acme",
    "unit": "usd",
    "window": "2026-11-22T00:00:00Z",
    "window_end": "2026-11-23T00:00:00Z",
    "limit": 50 * 10**9,
    "spent": 30 * 10**9,
    "expected": 0,
    "lent": 0,
    "unknown_nano": 0,
    "calls": 12,
}


def shown(what: RenderableType, width: int = USUAL) -> list[str]:
    """The lines of a table, each with single spaces between its words."""
    file = StringIO()
    Console(file=file, width=width, highlight=False).print(what)
    lines = file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    return [" ".join(line.split()) for line in lines]


def test_a_report_in_a_usual_terminal() -> None:
    """Routes, calls, the share of the prompt read from the cache, and dollars to the last nano."""
    lines = shown(tables.spend(REPORT, ["route", "model"], width=USUAL))
    assert lines[0] == "from 2026-11-20T00:00:00Z up to 2026-11-22T00:00:00Z"
    assert "route model calls cached USD" in lines
    assert "support.triage claude-opus-5-5 1,200 60% 1.23456789" in lines  # 300 of 500
    assert "support.triage claude-haiku-5-5 3 0% 0.0000005" in lines
    assert "total 1,203 60% 1.23456839" in lines


def test_a_wide_terminal_shows_tokens() -> None:
    """The whole prompt is 100 + 300 + 50 + 50."""
    lines = shown(tables.spend(REPORT, ["route", "model"], width=WIDE), WIDE)
    assert "support.triage claude-opus-5-5 1,200 500 60% 7,000 1.23456789" in lines


def test_money_stands_at_the_right() -> None:
    """Every figure of a column ends at the same place."""
    file = StringIO()
    Console(file=file, width=USUAL).print(tables.spend(REPORT, ["route", "model"], width=USUAL))
    ends = {len(line.rstrip()) for line in file.getvalue().splitlines() if "0.0000005" in line or "1.23" in line}
    assert len(ends) == 1


def test_a_report_of_everything_names_no_beginning() -> None:
    """The epoch is no date that anybody asked for."""
    lines = shown(tables.spend({**REPORT, "since": "1970-01-01T00:00:00Z"}, ["route"], width=USUAL))
    assert lines[0] == "up to 2026-11-22T00:00:00Z"


def test_doubt_stands_beside_the_total() -> None:
    """What is estimated, unknown or incomplete has a column as soon as anything is, also in a usual terminal."""
    doubtful = {"estimated_nano_usd": 2 * 10**8, "unknown_charges": 3, "incomplete_charges": 4}
    rows = [{**OPUS, **doubtful}, HAIKU]
    lines = shown(tables.spend({**REPORT, "total": {**TOTAL, **doubtful}, "rows": rows}, ["model"], width=WIDE), WIDE)
    assert "model calls tokens in cached tokens out USD of it estimated and unknown and incomplete" in lines
    assert "claude-opus-5-5 1,200 500 60% 7,000 1.23456789 0.20 3 4" in lines
    assert "claude-haiku-5-5 3 200 0% 7,000 0.0000005 0.00 0 0" in lines
    assert "total 1,203 500 60% 14,000 1.23456839 0.20 3 4" in lines


def test_what_a_sender_says_itself_stands_beside_the_price() -> None:
    """A column for it is there as soon as anybody says anything, also in a usual terminal."""
    told = {"told_nano_usd": 1_200_000_000}
    report = {**REPORT, "total": {**TOTAL, **told}, "rows": [{**OPUS, **told}, HAIKU]}
    lines = shown(tables.spend(report, ["model"], width=USUAL))
    assert "model calls cached USD as told" in lines
    assert "claude-opus-5-5 1,200 60% 1.23456789 1.20" in lines


def test_labels_are_shown_without_their_prefix() -> None:
    """A label that a call lacks is an empty cell, and nothing in a name is markup, or an order to the terminal."""
    rows = [{**OPUS, "label:tenant": "[red]acme[/red]\x1b"}, {**HAIKU, "label:tenant": None}]
    lines = shown(tables.spend({**REPORT, "rows": rows}, ["label:tenant"], width=USUAL))
    assert "tenant calls cached USD" in lines
    assert "[red]acme[/red]\ufffd 1,200 60% 1.23456789" in lines
    assert "3 0% 0.0000005" in lines


def test_a_narrow_terminal_crops_nothing() -> None:
    """Names are folded, and figures too where there is no other way: a cropped one would be wrong."""
    lines = shown(tables.spend(REPORT, ["route", "model"], width=NARROW), NARROW)
    first = lines.index(next(line for line in lines if line.startswith("suppor")))
    assert lines[first : first + 3] == ["suppor claud 1,200 60% 1.234", "t.tria e-opu 56789", "ge s-5-5"]


def test_no_prompt_has_no_cache_share() -> None:
    """Nothing read of nothing is no percentage."""
    nothing = {"input": 0, "cache_read": 0, "cache_write_5m": 0, "cache_write_1h": 0}
    assert tables.cache_share(nothing) == ""
    assert tables.cache_share({**nothing, "input": 2, "cache_read": 1}) == "33%"


def test_routes_name_their_models_and_the_price_of_a_call() -> None:
    """1.23456789 USD over 1,200 calls is 0.001028806 USD each, rounded down."""
    models = {"support.triage": ["claude-opus-5-5", "claude-haiku-5-5"]}
    lines = shown(tables.routes({**REPORT, "rows": [OPUS]}, models, width=WIDE), WIDE)
    assert "support.triage claude-opus-5-5, claude-haiku-5-5 1,200 500 60% 7,000 1.23456789 0.001028806" in lines


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "support-day tenant=acme 30.00 50.00 ██████░░░░ 60%"),
        ({"spent": 75 * 10**9}, "support-day tenant=acme 75.00 50.00 ██████████ 150%"),
        ({"spent": 0, "scope": ""}, "support-day all 0.00 50.00 ░░░░░░░░░░ 0%"),
        ({"limit": None}, "support-day tenant=acme 30.00 none"),
        ({"limit": 0}, "support-day tenant=acme 30.00 0.00 ██████████ 100%"),
        ({"expected": 10 * 10**9}, "support-day tenant=acme 30.00 10.00 50.00 ████████░░ 80%"),
        ({"unknown_nano": 10**9}, "support-day tenant=acme 30.00 1.00 50.00 ██████░░░░ 60%"),
    ],
)
def test_budgets_have_bars(changes: dict[str, Any], line: str) -> None:
    """The bar counts what is spent and what calls in flight are expected to cost."""
    assert line in shown(tables.budgets([{**BALANCE, **changes}], width=USUAL))


def test_budgets_of_several_units_name_each() -> None:
    """Dollars with their decimals, and plain numbers with the window that names no instant."""
    tokens = {"unit": "tokens", "spent": 1_500_000, "limit": 2_000_000, "scope": "", "window": "rolling 24h"}
    lines = shown(tables.budgets([BALANCE, {**BALANCE, **tokens, "window_end": None}], width=WIDE), WIDE)
    assert "Budgets" in lines
    assert any("30.00" in line and "50.00 usd" in line for line in lines)
    assert any("rolling 24h" in line and "1,500,000" in line and "2,000,000 tokens" in line for line in lines)


@pytest.mark.parametrize(("percent", "style"), [(79, "green"), (80, "yellow"), (99, "yellow"), (100, "red")])
def test_the_colour_of_a_bar(percent: int, style: str) -> None:
    """It warns near the limit, and at it."""
    assert tables.bar(percent).spans[0].style == style


def test_holds_say_whose_and_since_when() -> None:
    """An attempt without a bound, of a process that is not known, says so."""
    row: dict[str, Any] = {
        "attempt_id": "a1",
        "at_ns": 10**9,
        "route": "support",
        "model": "claude-opus-5-5",
        "state": "sent",
        "pid": 42,
        "host": "desk",
        "bound_nano": 5 * 10**8,
        "expected_nano": 10**8,
    }
    other = {**row, "attempt_id": "a2", "pid": None, "host": None, "bound_nano": None}
    lines = shown(tables.holds([row, other], now_ns=3_500_000_000, width=WIDE), WIDE)
    assert "2.5 s support claude-opus-5-5 sent 42 on desk 0.10 0.50 a1" in lines
    assert "2.5 s support claude-opus-5-5 sent ? on ? 0.10 unknown a2" in lines


def test_mistakes_are_counted() -> None:
    """One line each: where, which key, what, and what to do."""
    mistakes = [Mistake("mode", 2, "no mode", "write one"), Mistake("", None, "no text", "write some")]
    lines = shown(tables.mistakes("bursar.toml", mistakes, width=USUAL))
    assert lines[0] == "bursar.toml: 2 mistakes"
    assert "2 mode no mode write one" in lines
    assert "no text write some" in lines
    assert shown(tables.mistakes("bursar.toml", mistakes[:1], width=USUAL))[0] == "bursar.toml: 1 mistake"


def test_findings_put_what_to_do_below() -> None:
    """A line for each check, a second one where there is something to be done."""
    rows = [
        {"what": "python", "state": "ok", "said": "3.11", "remedy": ""},
        {"what": "agent", "state": "fail", "said": "gone", "remedy": "start it"},
    ]
    assert shown(tables.findings(rows)) == ["ok python 3.11", "fail agent gone", "-> start it"]
