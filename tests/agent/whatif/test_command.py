"""`bursar simulate`: the article's pipelines, for people and for machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlite_utils import Database
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, used

from bursar.agent.cli import cli
from bursar.agent.ledger import overridebook, rollups, schema
from bursar.policies.protocol import Snapshot
from bursar.policies.usage import Usage


def test_an_example_is_told_as_rows() -> None:
    """Every line with its levers, our figure, the article's, and why they differ."""
    ended = CliRunner().invoke(cli, ["simulate", "--example", "tickets", "--prices", "2025-06", "--json"])
    assert ended.exit_code == 0
    document = json.loads(ended.stdout)
    assert [row["levers"] for row in document["rows"]] == ["baseline", "tier", "tier+cache", "tier+cache+batch"]
    assert [row["usd_per_day"] for row in document["rows"]] == [16.5, 4.4, 4.4, 2.2]
    assert [row["article_usd_per_day"] for row in document["rows"]] == [None, 2.6, None, 1.3]
    assert all(row["why"] for row in document["rows"])


def test_people_are_shown_a_table() -> None:
    """With whose prices they are."""
    ended = CliRunner().invoke(cli, ["simulate", "--example", "invoices", "--prices", "2025-06"])
    assert ended.exit_code == 0
    assert "prices of 2025-06-15" in ended.stdout
    assert "52.50" in ended.stdout


def test_an_unknown_example_is_a_wrong_usage() -> None:
    """With those that there are."""
    ended = CliRunner().invoke(cli, ["simulate", "--example", "poems"])
    assert ended.exit_code == 2
    assert "invoices" in ended.output


LADDER = f'version = 1\nmode = "observe"\nladder = ["{OPUS}", "{SONNET}"]\n'


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calls a moment ago, at 0.006 USD each."""
    file = tmp_path_factory.mktemp("ledger") / "bursar.sqlite"
    now = int(datetime.now(UTC).timestamp())
    with Database(file) as db:
        schema.upgrade(db)
        for place in (2, 1):
            put(db, used(f"a{place}", Usage(input=1_000, output=100), at=now - place))
        overridebook.keep_rules(db, Snapshot("s", LADDER, None, file="bursar.toml"), now * SECOND)
        db.conn.commit()
    return file


def run(ledger: Path, *more: str) -> Any:
    return CliRunner().invoke(cli, ["simulate", "--db", str(ledger), *more])


def test_levers_are_pulled_on_the_ledger(ledger: Path) -> None:
    """One rung down the ladder of the policy in force: half; the rest has nothing to go by."""
    ended = run(ledger, "--levers", "tier,cache,batch", "--json")
    assert ended.exit_code == 0
    document = json.loads(ended.stdout)
    assert [(row["levers"], row["nano_usd"]) for row in document["stack"]] == [
        ("baseline", 12_000_000),
        ("tier", 6_000_000),
        ("tier+cache", 6_000_000),
        ("tier+cache+batch", 6_000_000),
    ]
    assert document["rows"][0]["to"] == SONNET
    assert set(document["rows"][0]["why"]) == {"cache", "batch"}
    assert document["total"] == {"calls": 2, "nano_usd": 12_000_000, "unknown_charges": 0, "bounds": 0}


def test_a_candidate_stands_in_for_the_ladder(ledger: Path) -> None:
    """Haiku 5.5 at 0.10 and 0.50: 0.00015 USD a call."""
    ended = run(ledger, "--levers", "tier", "--candidate", "claude-haiku-5-5", "--json")
    assert json.loads(ended.stdout)["stack"][1]["nano_usd"] == 300_000


def test_people_are_shown_the_stack(ledger: Path) -> None:
    """In lines that fit a narrow terminal, with what each lever rests on."""
    ended = run(ledger, "--levers", "tier,batch")
    assert ended.exit_code == 0
    assert "tier + batch" in ended.stdout
    assert "50.0%" in ended.stdout
    assert "too few calls to tell" in " ".join(ended.stdout.split())
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--levers tier,cache,batch"),
        (["--levers", "tier", "--example", "invoices"], "do not go together"),
        (["--levers", "tier,speed"], "there are tier, cache, batch"),
        (["--levers", ","], "there are tier, cache, batch"),
        (["--levers", "cache", "--candidate", SONNET], "--levers tier"),
        (["--levers", "tier", "--candidate", "nobody-knows"], "no price of it"),
    ],
)
def test_what_does_not_go_together_is_a_wrong_usage(ledger: Path, options: list[str], said: str) -> None:
    """And it says what to write."""
    ended = run(ledger, *options)
    assert (ended.exit_code, said in ended.output) == (2, True)


def test_levers_and_rules_are_simulated_one_at_a_time(ledger: Path, tmp_path: Path) -> None:
    """The ladder of the levers is the policy's in force."""
    file = tmp_path / "new.toml"
    file.write_text(LADDER)
    ended = run(ledger, "--levers", "tier", "--policy", str(file))
    assert ended.exit_code == 2
    assert "--policy and --levers do not go together" in ended.output


def test_a_ledger_without_calls_is_no_error(tmp_path: Path) -> None:
    """It is said, and there is no table; one that is not there cannot be started on."""
    file = tmp_path / "empty.sqlite"
    with Database(file) as db:
        schema.upgrade(db)
    ended = run(file, "--levers", "tier")
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "no calls since 7d" in ended.stderr
    assert run(tmp_path / "none.sqlite", "--levers", "tier").exit_code == 3


def test_a_policy_is_replayed_with_who_and_when(ledger: Path, tmp_path: Path) -> None:
    """Of two calls at 0.006 USD the second is refused; one that came from a ladder's top would be moved."""
    file = tmp_path / "new.toml"
    step = '[budget.at]\n"100%" = "block"\n'
    file.write_text(
        f'version = 1\nmode = "enforce"\n[[budget]]\nname = "day"\nlimit = "0.01 USD"\nevery = "rolling 24h"\n{step}'
    )
    document = json.loads(run(ledger, "--policy", str(file), "--json").stdout)
    (treated,) = document["treated"]
    assert (treated["route"], treated["action"], treated["calls"]) == ("desk", "block", 1)
    assert treated["first_at"] == treated["last_at"] != ""
    assert [row["first_at"] <= row["last_at"] for row in document["rows"]] == [True, True]
    shown = run(ledger, "--policy", str(file))
    assert "blocked" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_what_is_rolled_up_is_left_out_and_said_so(tmp_path: Path) -> None:
    """Two calls of forty days ago, of which the ledger keeps sums alone."""
    file = tmp_path / "old.sqlite"
    now = int(datetime.now(UTC).timestamp())
    with Database(file) as db:
        schema.upgrade(db)
        for place in (1, 2):
            put(db, used(f"a{place}", Usage(input=1_000), at=now - 40 * 86_400 + place))
        rollups.roll_up(db, (now - 30 * 86_400) * SECOND)
        db.conn.commit()
    ended = run(file, "--levers", "tier", "--since", "60d", "--json")
    assert json.loads(ended.stdout)["rolled_up_calls"] == 2
    assert "2 calls of that time are kept as sums" in ended.stderr
