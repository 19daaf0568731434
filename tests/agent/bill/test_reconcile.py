"""Claims about `bursar reconcile`: exit codes, the JSON, and what a person reads."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.agent.bill.adminserver import ADMIN, Reports, cost_item, reports, usage_item
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, used

from bursar.agent.bill import adminapi
from bursar.agent.cli import cli
from bursar.agent.ledger import Ledger
from bursar.policies.usage import Usage

DAY = "2026-11-21"
AT = int(datetime.fromisoformat(f"{DAY}T12:00:00+00:00").timestamp())
CALL = Usage(input=1_000, output=2_000)
"""4 cents and 4 tenths on Opus 5.5: 1,000 x 4,000 + 2,000 x 20,000 = 44,000,000 nano-dollars."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second between two requests: that there is one is claimed beside the clock."""
    monkeypatch.setattr(adminapi, "PACE_SECONDS", 0.0)


def kept(folder: Path) -> Path:
    """A ledger with one call."""
    path = folder / "bursar.sqlite"
    ledger = Ledger(fresh.file(path), clock_ns=time.time_ns)
    ledger.book(used("a", CALL, at=AT), holder=None, policy=None).result(10)
    ledger.close()
    return path


def run(db: Path, url: str, *arguments: str, key: str | None = ADMIN) -> Result:
    environ = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_ADMIN_KEY": key, "ANTHROPIC_ADMIN_API_KEY": None, "COLUMNS": "80"}
    span = ["--since", DAY, "--until", "2026-11-22"]
    return CliRunner().invoke(cli, ["reconcile", "--db", str(db), *span, *arguments], env=environ)


def bill(made: Reports, *, output: int, cents: str, workspace: str | None = None) -> None:
    """One day of one model."""
    made.used = {DAY: [usage_item(OPUS, uncached=1_000, output=output, workspace_id=workspace)]}
    made.billed = {DAY: [cost_item(cents, OPUS, workspace_id=workspace)]}


def test_they_agree(tmp_path: Path) -> None:
    """To the tenth of a cent: exit code 0, and the sums."""
    with reports() as (made, url):
        bill(made, output=2_000, cents="4.4")
        result = run(kept(tmp_path), url, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["agrees"]
    assert document["total"] == {"ledger_nano_usd": 44_000_000, "bill_nano_usd": 44_000_000}
    assert document["by"] == ["day", "model"]


def test_a_call_that_did_not_pass(tmp_path: Path) -> None:
    """Another 500 tokens out, a cent: named with its tokens, its workspace and its gap; exit code 1."""
    with reports() as (made, url):
        bill(made, output=2_500, cents="5.4", workspace="wrkspc_1")
        result = run(kept(tmp_path), url, "--tolerance", "0.009 USD", "--json")
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)["rows"]
    assert row == {
        "day": DAY,
        "what": OPUS,
        "workspace": None,
        "finding": "bypassed",
        "differs": True,
        "ledger_nano_usd": 44_000_000,
        "bill_nano_usd": 54_000_000,
        "gap_nano_usd": 10_000_000,
        "ledger_quantities": {"input": 1_000, "output": 2_000},
        "bill_quantities": {"input": 1_000, "output": 2_500},
        "bill_workspaces": ["wrkspc_1"],
        "said": "500 tokens did not pass Bursar (workspace wrkspc_1)",
    }


TABLE = """\
2026-11-21 to 2026-11-21: 1 of 2 differ by more than 0.01 USD
In USD

 day          what              ledger    bill   difference   finding
 ─────────────────────────────────────────────────────────────────────
 2026-11-21   claude-opus-5-5    0.044   0.094         0.05   bypassed

2026-11-21 claude-opus-5-5: 2,500 tokens did not pass Bursar (workspace default)
1 more agree (--all shows them).
By day and model: the ledger knows a call's workspace by a label only (--workspace-label).
"""


def test_what_a_person_reads(tmp_path: Path) -> None:
    """The verdict, the day, the cause, and what could not be compared, in eighty columns."""
    with reports() as (made, url):
        bill(made, output=4_500, cents="9.4")
        made.billed[DAY].append(cost_item("0.5", None, cost_type="code_execution"))
        result = run(kept(tmp_path), url)
    assert [line.rstrip() for line in result.stdout.splitlines()] == TABLE.splitlines()


def test_one_workspace(tmp_path: Path) -> None:
    """What another workspace was billed is none of the ledger's business."""
    with reports() as (made, url):
        bill(made, output=2_000, cents="4.4")
        made.billed[DAY].append(cost_item("900", OPUS, workspace_id="wrkspc_2"))
        db = kept(tmp_path)
        assert run(db, url).exit_code == 1
        assert run(db, url, "--workspace", "default").exit_code == 0


def test_by_workspace(tmp_path: Path) -> None:
    """The ledger's call names no workspace and so counts in the default one; the bill has it in another."""
    with reports() as (made, url):
        bill(made, output=2_000, cents="4.4", workspace="wrkspc_1")
        result = run(kept(tmp_path), url, "--workspace-label", "ws", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["by"]) == (1, ["day", "model", "workspace"])
    assert [(row["workspace"], row["finding"]) for row in document["rows"]] == [
        ("default", "not on this bill"),
        ("wrkspc_1", "bypassed"),
    ]


@pytest.mark.parametrize(
    ("arguments", "key", "code", "said"),
    [
        ([], None, 3, "bursar: no admin key: make one in the Claude Console"),
        ([], "sk-ant-api03-x", 3, "an ordinary API key cannot, an admin key can"),
        (["--tolerance", "some"], ADMIN, 2, 'write --tolerance "0.01 USD" or --tolerance "0.5%"'),
        (["--since", "2026-11-23"], ADMIN, 2, "is not before --until"),
    ],
)
def test_it_cannot_start(tmp_path: Path, arguments: list[str], key: str | None, code: int, said: str) -> None:
    """Each with its exit code and a sentence on standard error."""
    with reports() as (_, url):
        result = run(kept(tmp_path), url, *arguments, key=key)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stdout == ""


def test_days_are_whole() -> None:
    """An hour asked about is its day: the cost report knows no shorter time; the default is a week and today."""
    from bursar.agent.bill.reconcile import _days  # pyright: ignore[reportPrivateUsage]

    now = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
    today = now.date()
    assert _days("1h", None, now) == (today, today + timedelta(days=1))
    assert _days(None, None, now) == (today - timedelta(days=7), today + timedelta(days=1))
    assert _days("2026-11-01", "2026-11-21", now) == (today - timedelta(days=20), today)
