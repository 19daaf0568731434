"""Claims about `bursar prices`: the book in force, its age and sources, and models of ladders that will be gone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bursar.agent.cli import cli
from bursar.agent.commands.prices import Leaving, leaving, read_policy, render, show, unpriced
from bursar.policies.policy import Mode, Policy
from bursar.policies.prices import PriceBook, parse_book, shipped_book
from bursar.policies.route import Route

TODAY = date(2026, 11, 22)
BOOK = shipped_book()
POLICY = """\
version = 1
mode = "observe"
ladder = ["claude-opus-5-5", "claude-sonnet-4-5"]
[[route]]
name = "triage"
find = { code = "desk:*" }
ladder = ["claude-sonnet-4-5", "claude-haiku-5-5"]
"""


def policy(*ladder: str, **routes: tuple[str, ...]) -> Policy:
    own = tuple(Route(name, ladder=rungs) for name, rungs in routes.items())
    return Policy(version=1, mode=Mode.OBSERVE, ladder=ladder, routes=own)


def shown(book: PriceBook, *, width: int, today: date = TODAY, of: Policy | None = None) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(render(show(book, today, of), width=width))
    return capture.get()


@pytest.mark.parametrize(
    ("model", "today", "expected"),
    [
        # Sonnet 4.5 ends on 2026-11-30: told of from 30 days before.
        ("claude-sonnet-4-5", date(2026, 10, 30), None),
        ("claude-sonnet-4-5", date(2026, 10, 31), (30, True, "claude-sonnet-4-5 will be retired on 2026-11-30")),
        ("claude-sonnet-4-5", date(2026, 11, 29), (1, True, "claude-sonnet-4-5 will be retired on 2026-11-30")),
        ("claude-sonnet-4-5", date(2026, 11, 30), (0, True, "claude-sonnet-4-5 was retired on 2026-11-30")),
        ("claude-opus-4-1", TODAY, (-109, True, "claude-opus-4-1 was retired on 2026-08-05")),
        # Opus 4.5 is only promised until 2026-11-24.
        ("claude-opus-4-5", TODAY, (2, False, "claude-opus-4-5 may be retired from 2026-11-24")),
        (
            "claude-opus-4-5",
            date(2026, 11, 24),
            (0, False, "claude-opus-4-5 may be retired any day, being promised only until 2026-11-24"),
        ),
        ("claude-opus-5-5", TODAY, None),
        ("claude-haiku-5-5", TODAY, None),
        ("claude-next", TODAY, None),
    ],
)
def test_who_is_leaving(model: str, today: date, expected: tuple[int, bool, str] | None) -> None:
    """What ends within 30 days, and what may, each with the ladder to mend."""
    found = leaving(policy(model), BOOK, today)
    if expected is None:
        assert found == []
    else:
        days, certain, said = expected
        (one,) = found
        assert (one.days, one.certain) == (days, certain)
        assert one.sentence == f"{said}: put its successor into the policy's ladder"


def test_every_ladder_is_looked_at_and_each_model_told_of_once() -> None:
    """The first to go first, with all the ladders that it stands in."""
    found = leaving(
        policy("claude-sonnet-4-5", "claude-opus-5-5", triage=("claude-opus-4-5", "claude-sonnet-4-5")), BOOK, TODAY
    )
    assert found == [
        Leaving("claude-opus-4-5", ("triage",), date(2026, 11, 24), certain=False, days=2),
        Leaving("claude-sonnet-4-5", ("policy", "triage"), date(2026, 11, 30), certain=True, days=8),
    ]
    assert found[1].sentence.endswith('put its successor into the policy\'s ladder, the ladder of "triage"')


def test_rungs_without_a_price_are_named() -> None:
    """A model that the book does not have, and one whose first row is still to come."""
    five = "\n".join(f"{name} = 1" for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"))
    book = BOOK.extended(parse_book(f'[[model]]\nid = "claude-next"\nfrom = 2026-12-01\n{five}', source="acme.toml"))
    rungs = policy("claude-opus-5-5", "claude-next", "claude-other")
    assert unpriced(rungs, book, TODAY) == ["claude-next", "claude-other"]
    assert unpriced(rungs, book, date(2026, 12, 1)) == ["claude-other"]


def test_the_book_is_shown_with_age_source_and_exact_prices() -> None:
    """Twelve days later it is twelve days old; prices are decimals in text, and every tier has a row."""
    found = show(BOOK, date(2026, 12, 4), None)
    assert (found["source"], found["as_of"], found["age_days"]) == (BOOK.source, "2026-11-22", 12)
    assert found["modifiers"] == {"batch": "0.5", "fast": "2", "geo:us": "1.1", "regional": "1.1", "us-gov": "1.2"}
    assert (found["web_search_per_1000"], found["multiply"]) == ("10", "1")
    assert (found["leaving"], found["unpriced"]) == (None, None)
    (sonnet,) = [model for model in found["models"] if model["id"] == "claude-sonnet-5-5"]
    assert {name: sonnet[name] for name in ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")} == {
        "input": "2",
        "cache_write_5m": "2.5",
        "cache_write_1h": "4",
        "cache_read": "0.1",
        "output": "10",
    }
    assert (sonnet["from"], sonnet["price_id"]) == ("2026-10-07", "claude-sonnet-5-5@2026-10-07")
    tiers = [(model["above_tokens"], model["output"]) for model in found["models"] if model["id"] == "claude-haiku-5-5"]
    assert tiers == [(None, "0.5"), (100_000, "2.5")]
    assert all(model["source"] for model in found["models"])
    assert json.loads(json.dumps(found)) == found


def test_a_users_file_is_seen() -> None:
    """Its name, its age, its factors and its rows."""
    text = 'as_of = 2026-11-12\nmultiply = "0.85"\n[[model]]\nid = "claude-opus-5-5"\nmultiply = "1.10"'
    found = show(BOOK.extended(parse_book(text, source="acme.toml")), TODAY, None)
    assert found["source"] == f"{BOOK.source} + acme.toml"
    assert (found["as_of"], found["age_days"], found["multiply"]) == ("2026-11-12", 10, "0.85")
    assert [model["multiply"] for model in found["models"] if model["id"] == "claude-opus-5-5"] == ["1.1"]


def test_a_terminal_shows_the_same() -> None:
    """A line for each price, and what to do below; a narrow terminal leaves out the sources."""
    narrow = shown(BOOK, width=90, of=policy("claude-sonnet-4-5"))
    rows = [line.split() for line in narrow.splitlines()]
    assert ["claude-opus-5-5", "4", "5", "8", "0.2", "20", "active"] in rows
    assert ["claude-haiku-5-5", ">", "100,000", "0.5", "0.625", "1", "0.05", "2.5", "active"] in rows
    assert "as of 2026-11-22, 0 days old" in narrow
    assert "! claude-sonnet-4-5 will be retired on 2026-11-30" in narrow
    assert "litellm" not in narrow
    assert "litellm" in shown(BOOK, width=160)


@pytest.mark.parametrize(
    ("rung", "said"),
    [
        ("claude-opus-5-5", "Every model of the ladders has a price, and none ends within 30 days."),
        ("claude-next", "! claude-next has no price: its calls cost nobody knows what"),
    ],
)
def test_a_terminal_says_whether_the_ladders_are_sound(rung: str, said: str) -> None:
    """Good news too."""
    assert said in shown(BOOK, width=120, of=policy(rung))
    assert "ladder" not in shown(BOOK, width=120)


def test_a_book_of_no_date_says_so() -> None:
    """Its age is unknown, and not zero."""
    undated = replace(BOOK, as_of=None, web_search_pico=None)
    assert show(undated, TODAY, None)["age_days"] is None
    assert "Prices of unknown age" in shown(undated, width=120)


def invoked(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.delenv("BURSAR_PRICES", raising=False)
    return CliRunner().invoke(cli, ["prices", *arguments])


def test_the_command_answers_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a policy and a price file of one's own."""
    rules, prices = tmp_path / "bursar.toml", tmp_path / "prices.toml"
    rules.write_text(POLICY)
    prices.write_text('multiply = "0.5"')
    result = invoked("--policy", str(rules), "--prices", str(prices), "--json", monkeypatch=monkeypatch)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    assert (found["multiply"], found["unpriced"]) == ("0.5", [])
    assert found["source"].endswith(f" + {prices}")
    assert [one["ladders"] for one in found["leaving"]] == [["policy", "triage"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'version = 1\nmode = "watch"', "mode: "),
        (b"\xff", "the file is no UTF-8 text"),
    ],
)
def test_a_bad_policy_is_wrong_usage(
    tmp_path: Path, content: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said on standard error, with the file's name and what is wrong in it."""
    rules = tmp_path / "bursar.toml"
    rules.write_bytes(content)
    result = invoked("--policy", str(rules), monkeypatch=monkeypatch)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"bursar: {rules}: 1 mistake")
    assert said in result.stderr


def test_a_policy_of_the_file_is_understood(tmp_path: Path) -> None:
    """Its ladders, and those of its routes."""
    rules = tmp_path / "bursar.toml"
    rules.write_text(POLICY)
    read = read_policy(rules, BOOK)
    assert (read.ladder, read.routes[0].ladder) == (
        ("claude-opus-5-5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5", "claude-haiku-5-5"),
    )
