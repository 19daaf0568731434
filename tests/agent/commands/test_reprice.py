"""Claims about `bursar reprice`: history at other prices, on record, and never beside another writer."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from tests.agent.ledger import fresh

from bursar.agent.cli import cli
from bursar.agent.commands.howfar import Done
from bursar.agent.commands.reprice import Plan, Stretch, carry_out, render, to_json
from bursar.agent.ledger import Ledger, LedgerInUse, LedgerMissing
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.prices import parse_book, price, shipped_book
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Part, Usage, UsageReport

NOW_NS = time.time_ns()
TODAY = datetime.fromtimestamp(NOW_NS // 10**9, UTC).date()
EVER = Stretch(0, 2**63 - 1)
USD = 10**9
OPUS = "claude-opus-5-5"
HALF = 'multiply = "0.5"\n'
POLICY = parse_policy(
    'version = 1\nmode = "observe"\n[[budget]]\nname = "all"\nlimit = "100 USD"\nevery = "month"\n', file="bursar.toml"
)


def charged(name: str, model: str = OPUS) -> list[Record]:
    """A call of a million tokens in, at the shipped price of 4 USD, or at none."""
    usage = Usage(input=1_000_000)
    quote = price(UsageReport(usage, (Part(usage),)), model=model, at=TODAY, book=shipped_book())
    basis = Basis.USAGE if quote.cost_nano_usd is not None else Basis.UNKNOWN
    charge = Charge(
        name,
        quote.cost_nano_usd,
        usage,
        basis,
        model,
        model,
        "support",
        f"call-{name}",
        at_ns=NOW_NS,
        price_id=quote.price_id,
        lines=quote.lines,
        missing=quote.missing,
        modifiers=quote.modifiers,
    )
    return [Sent(name, f"call-{name}", NOW_NS, "support", model, model, bound_nano=9 * USD), Settled(charge)]


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of three calls, one of a model without a price; all commands find it."""
    path = tmp_path / "bursar.sqlite"
    ledger = Ledger(fresh.file(path), clock_ns=lambda: NOW_NS)
    records = [record for each in (charged("a1"), charged("a2"), charged("a3", "claude-next")) for record in each]
    ledger.book(records, holder="p1", policy=POLICY).result()
    ledger.close()
    monkeypatch.setenv("BURSAR_DB", str(path))
    monkeypatch.delenv("BURSAR_PRICES", raising=False)
    return path


def read(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def spent(path: Path) -> tuple[int, int]:
    return read(path, "SELECT spent_nano, unknown_nano FROM balances")[0]


def plan(path: Path, text: str = HALF, *, dry_run: bool = False, why: str = "") -> Plan:
    return Plan(path, shipped_book().extended(parse_book(text, source="acme.toml")), EVER, why=why, dry_run=dry_run)


def untold(said: str, of: int | None = None) -> Done:
    """Progress that nobody looks at."""
    return lambda done: None


def test_charges_and_balances_are_rewritten_in_chunks_with_progress(db: Path) -> None:
    """Two calls of 4 dollars at half, one at a time; each chunk is told, and the unknown one stays at its bound."""
    told: list[tuple[int, int | None]] = []

    def noted(said: str, of: int | None = None) -> Done:
        return lambda done: told.append((done, of))

    outcome = carry_out(plan(db), now_ns=7, begin=noted, chunk=1)
    assert told == [(1, 3), (2, 3), (3, 3), (3, 3)]
    assert (outcome.total.charges, outcome.total.old_nano, outcome.total.new_nano) == (2, 8 * USD, 4 * USD)
    assert spent(db) == (13 * USD, 9 * USD)
    assert read(db, "SELECT attempt_id, at_ns, why FROM repricings") == [
        (name, 7, f"{shipped_book().source} + acme.toml as of 2026-11-22") for name in ("a1", "a2")
    ]


def test_a_dry_run_writes_nothing_and_works_beside_an_agent(db: Path) -> None:
    """While the ledger is held by its writer, it tells what would change."""
    agent = Ledger(fresh.file(db), clock_ns=lambda: NOW_NS)
    try:
        rehearsed = carry_out(plan(db, dry_run=True), now_ns=7, begin=untold)
        assert rehearsed.total.moved == -4 * USD
        assert spent(db) == (17 * USD, 9 * USD)
        assert read(db, "SELECT * FROM repricings") == []
    finally:
        agent.close()


def test_beside_a_running_agent_nothing_is_written(db: Path) -> None:
    """One writer: the refusal says whose ledger it is, and what works meanwhile."""
    agent = Ledger(fresh.file(db), clock_ns=lambda: NOW_NS)
    try:
        with pytest.raises(
            LedgerInUse, match=r"in use by process \d+.*while the agent is down; --dry-run works beside it"
        ):
            carry_out(plan(db), now_ns=7, begin=untold)
    finally:
        agent.close()
    assert spent(db) == (17 * USD, 9 * USD)


@pytest.mark.parametrize("dry_run", [False, True])
def test_no_ledger_is_made_where_there_is_none(tmp_path: Path, dry_run: bool) -> None:
    """A mistyped path is an error, not an empty history."""
    path = tmp_path / "none.sqlite"
    with pytest.raises(LedgerMissing, match="there is no ledger at"):
        carry_out(plan(path, dry_run=dry_run), now_ns=7, begin=untold)
    assert not path.exists()


def test_the_outcome_in_json(db: Path) -> None:
    """Sums, reasons, and a row for each kind of change, the greatest first."""
    five = "\n".join(f"{name} = 2" for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"))
    of = plan(db, f'{HALF}[[model]]\nid = "claude-next"\n{five}', why="contract of November")
    told = to_json(carry_out(of, now_ns=7, begin=untold), of)
    row = {"old_price_id": f"{OPUS}@launch", "new_price_id": f"{OPUS}@launch", "no_longer_unknown": 0}
    assert told["rows"] == [
        {**row, "model": OPUS, "charges": 2, "old_nano_usd": 8 * USD, "new_nano_usd": 4 * USD},
        {
            "model": "claude-next",
            "old_price_id": None,
            "new_price_id": "claude-next@launch/acme.toml",
            "charges": 1,
            "old_nano_usd": 0,
            "new_nano_usd": USD,
            "no_longer_unknown": 1,
        },
    ]
    assert (told["charges"], told["changed"], told["unchanged"], told["no_longer_unknown"]) == (3, 3, 0, 1)
    assert (told["old_nano_usd"], told["new_nano_usd"], told["not_recomputable"]) == (8 * USD, 5 * USD, {})
    assert told["why"] == f"contract of November: {shipped_book().source} + acme.toml as of 2026-11-22"
    assert read(db, "SELECT DISTINCT why FROM repricings") == [(told["why"],)]
    assert json.loads(json.dumps(told)) == told


def shown(of: Plan) -> str:
    console = Console(width=140, force_terminal=False)
    with console.capture() as capture:
        console.print(render(carry_out(of, now_ns=7, begin=untold), of))
    return capture.get()


def test_the_outcome_on_a_terminal(db: Path) -> None:
    """What would change first, then what did, then that nothing is left to do."""
    rehearsed = shown(plan(db, dry_run=True))
    assert "2 would change, 1 come to the same" in rehearsed
    (row,) = [line.split() for line in rehearsed.splitlines() if line.split()[:1] == [OPUS]]
    assert row == [OPUS, f"{OPUS}@launch", f"{OPUS}@launch", "2", "8.00", "4.00"]
    assert "2 changed, 1 come to the same" in shown(plan(db))
    assert "0 changed, 3 come to the same" in shown(plan(db))
    assert "old USD" not in shown(plan(db))


def test_what_is_left_alone_is_told_with_its_reason(db: Path) -> None:
    """After a discount was put on, the shipped book alone takes nothing back."""
    carry_out(plan(db), now_ns=7, begin=untold)
    alone = Plan(db, shipped_book(), EVER)
    told = to_json(carry_out(alone, now_ns=8, begin=untold), alone)
    assert (told["changed"], told["not_recomputable"]) == (0, {"other_book": 2})
    assert "2 left alone: priced by a price file of the user's, and this book is the shipped one alone" in shown(alone)


def test_an_undated_book_is_named_without_a_date(db: Path) -> None:
    """Nothing is made up about its age."""
    assert Plan(db, parse_book("replace = true", source="own.toml"), EVER, why="why").reason == "why: own.toml"


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["reprice", *arguments])


def test_the_command_prices_history_anew(db: Path, tmp_path: Path) -> None:
    """JSON on standard output alone, nothing said of progress so soon, and the ledger changed once."""
    prices = tmp_path / "acme.toml"
    prices.write_text(HALF)
    arguments = ("--since", "1h", "--prices", str(prices), "--why", "contract", "--json")
    rehearsed = invoked(*arguments, "--dry-run")
    assert (rehearsed.exit_code, spent(db)) == (0, (17 * USD, 9 * USD))
    result = invoked(*arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["new_nano_usd"] == 4 * USD
    assert json.loads(rehearsed.stdout) | {"dry_run": False} == json.loads(result.stdout) | {
        "until": json.loads(rehearsed.stdout)["until"],
        "since": json.loads(rehearsed.stdout)["since"],
    }
    assert result.stderr == ""
    assert spent(db) == (13 * USD, 9 * USD)
    assert json.loads(invoked(*arguments).stdout)["changed"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "--since is needed"),
        (("--since", "yesterday"), 2, 'bursar: "yesterday" names no time'),
        (("--since", "1h", "--db", "nowhere.sqlite"), 3, "bursar: there is no ledger at nowhere.sqlite"),
    ],
)
def test_wrong_words_are_answered_with_a_sentence(db: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """And with the exit code that stands for it."""
    result = invoked(*arguments)
    assert result.exit_code == code
    assert said in result.stderr


def test_the_day_of_the_call_decides(db: Path) -> None:
    """A row that begins tomorrow changes nothing of today."""
    tomorrow = date.fromordinal(TODAY.toordinal() + 1)
    five = "\n".join(f"{name} = 9" for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"))
    outcome = carry_out(plan(db, f'[[model]]\nid = "{OPUS}"\nfrom = {tomorrow}\n{five}'), now_ns=7, begin=untold)
    assert outcome.changed == {}
