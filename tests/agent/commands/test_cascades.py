"""Claims about `bursar cascades`: the JSON, the table, and a loss said in red and in words."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from tests.agent.cascading import (
    HAIKU,
    OPUS,
    ROUTE,
    accepted,
    escalated,
    lost,
    refused,
    sent,
    settled,
    stage,
    under_way,
)
from tests.agent.ledger import fresh

from bursar.agent.cli import cli
from bursar.agent.commands.cascades import table, to_json, verdict
from bursar.agent.commands.saving import Saving, Work
from bursar.agent.ledger import Ledger
from bursar.policies.cascade import StageName
from bursar.policies.records import Record


def kept(folder: Path, *groups: Sequence[Record]) -> Path:
    path = folder / "bursar.sqlite"
    ledger = Ledger(fresh.file(path), clock_ns=time.time_ns)
    ledger.book([record for group in groups for record in group], holder="h1", policy=None).result(10)
    ledger.close()
    return path


def run(db: Path, *arguments: str) -> Result:
    environ = {"BURSAR_PRICES": "", "COLUMNS": "100"}
    return CliRunner().invoke(cli, ["cascades", "--db", str(db), *arguments], env=environ)


def test_json_tells_each_kind_of_work(tmp_path: Path) -> None:
    """Three accepted and one escalated of four: 3 x 5,850,000 nano-dollars saved, less 150,000."""
    groups = [*(accepted(f"a{n}") for n in range(3)), escalated("e"), refused("r"), lost("l"), under_way("u")]
    result = run(kept(tmp_path, *groups), "--since", "2026-11-21", "--until", "2026-11-22", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert (document["since"], document["until"]) == ("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z")
    (row,) = document["cascades"]
    low, high = row.pop("escalated_share_95")
    assert (low, high) == pytest.approx((0.1176, 0.7693), abs=5e-5)
    assert row == {
        "route": ROUTE,
        "cheap_model": HAIKU,
        "strong_model": OPUS,
        "calls": 5,
        "escalated": 2,
        "escalated_share": 0.4,
        "why": {"max_tokens": 1, "not_accepted": 1},
        "refused": 1,
        "failed": 1,
        "in_flight": 1,
        "nano_usd": 6_750_000,
        "unknown_charges": 0,
        "compared": {
            "calls": 4,
            "nano_usd": 6_600_000,
            "all_strong_nano_usd": 24_000_000,
            "basis": "estimate",
            "tokenizer_factors": ["1"],
            "saved_nano_usd": 17_400_000,
            "break_even_share": 0.975,
        },
        "not_compared": {"a budget refused the strong call": 1},
    }


def test_what_was_never_estimated_is_exact(tmp_path: Path) -> None:
    """Every call was escalated: both sums are the API's own."""
    result = run(kept(tmp_path, escalated("e1"), escalated("e2")), "--json")
    (row,) = json.loads(result.stdout)["cascades"]
    assert (row["compared"]["basis"], row["compared"]["saved_nano_usd"]) == ("usage", -300_000)
    assert row["escalated_share"] == 1


TABLE = """\
Cascades, in USD

 route            calls           escalated      cost   all strong     saved
 ─────────────────────────────────────────────────────────────────────────
 support.triage       5    40% (12% to 77%)   0.00675        0.024    0.0174

support.triage: claude-opus-5-5 alone would have cost 0.024 USD for 4 calls, the cascade cost 0.0066: 0.0174 USD saved
All strong is an estimate where the strong model was not asked: the cheap call's own tokens at the strong model's \
prices. Its answers may be of another length.
support.triage: not compared, 1 of 5: a budget refused the strong call
support.triage: not counted, 1: the cheap call failed for good
"""


def test_the_table_says_what_came_of_it(tmp_path: Path) -> None:
    """In a terminal of a hundred columns, with what is not in the figures below."""
    groups = [*(accepted(f"a{n}") for n in range(3)), escalated("e"), refused("r"), lost("l")]
    result = run(kept(tmp_path, *groups))
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [line.split() for line in TABLE.splitlines()]


def loss() -> Saving:
    """Ten calls, nine of them escalated, at a cheap model that costs a quarter."""
    found = Saving(Work("support.reply", "claude-sonnet-5-5", OPUS), calls=10, escalated=9, nano=11_750_000)
    found.compared, found.compared_nano, found.all_strong_nano, found.cheap_nano = 10, 11_750_000, 10_000_000, 2_500_000
    return found


def test_a_loss_is_said_in_red_and_in_words() -> None:
    """With the share of escalated calls from which on it pays: 1 - 2.5 / 10."""
    said = verdict(loss())
    assert said.style == "red"
    assert said.plain == (
        "support.reply: claude-opus-5-5 alone would have cost 0.01 USD for 10 calls, the cascade cost 0.01175: "
        "0.00175 USD MORE. It pays while less than 75% of the calls are escalated: give the cheap model more to go by, "
        "accept more of its answers, or ask the strong one at once"
    )
    console = Console(width=120, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(table([loss()], width=120))
    assert "\x1b[31m-0.00175" in capture.get()
    assert "claude-sonnet-5-5, claude-opus-5-5" in capture.get()


def test_a_cheap_model_that_is_none_is_told() -> None:
    """Its own calls cost more than the strong model's."""
    found = loss()
    found.cheap_nano = 10_500_000
    assert verdict(found).plain.endswith("Its cheap calls cost more than claude-opus-5-5: ask that at once")


def test_a_saving_is_not_red() -> None:
    """Nor is there a remedy."""
    found = loss()
    found.compared_nano = 9_000_000
    assert (verdict(found).style, verdict(found).plain.endswith("0.001 USD saved")) == ("", True)


def test_another_tokenizer_is_said(tmp_path: Path) -> None:
    """The factor stands beside the estimate."""
    first = sent(stage("k1", StageName.CHEAP), model="claude-haiku-4-5")
    db = kept(tmp_path, [first, settled(first, 1_500_000)])
    assert "prices, times 1.3 for another tokenizer." in run(db).stdout
    assert json.loads(run(db, "--json").stdout)["cascades"][0]["compared"]["tokenizer_factors"] == ["1.3"]


def test_nothing_to_tell_is_said(tmp_path: Path) -> None:
    """No cascade at all, and one that cannot be compared yet."""
    db = kept(tmp_path, refused("r"))
    assert "support.triage: nothing to compare yet" in run(db).stdout
    assert "No cascade in this time" in run(db, "--until", "2026-11-01").stdout
    assert json.loads(run(db, "--until", "2026-11-01", "--json").stdout)["cascades"] == []
    assert to_json(Saving(Work("r", HAIKU, OPUS)))["escalated_share"] is None


@pytest.mark.parametrize(("arguments", "code"), [(["--since", "soon"], 2), (["--db", "/nowhere/at/all"], 3)])
def test_mistakes_end_with_their_codes(tmp_path: Path, arguments: list[str], code: int) -> None:
    """As of every command."""
    result = run(kept(tmp_path, accepted("k1")), *arguments)
    assert result.exit_code == code
    assert result.stderr.startswith("bursar: ")
