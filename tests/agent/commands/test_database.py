"""Claims about copies of the ledger: whole while it is written, put back with care, and judged."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.agent.ledger.test_rollups import NOON, charge

from bursar.agent.cli import cli
from bursar.agent.ledger import Ledger, open_for_reading, reports
from bursar.policies.records import Settled


def opened(path: Path) -> Ledger:
    return Ledger(path, clock_ns=lambda: NOON)


def spend(path: Path, *names: str) -> None:
    ledger = opened(path)
    ledger.book([Settled(charge(name)) for name in names], holder=None, policy=None).result()
    ledger.close()


def db(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["db", *map(str, arguments)])


def total(path: Path) -> int:
    with open_for_reading(path) as ledger:
        found: int = reports.totals(ledger, 0, 2**62)["nano_usd"]
        return found


def test_a_copy_is_whole_while_the_ledger_is_written(tmp_path: Path) -> None:
    """Four threads book all the time; every balance of the copy is the sum of its postings."""
    ledger, stop, begun = opened(tmp_path / "db"), threading.Event(), threading.Barrier(5)

    def write(thread: int) -> None:
        number = 0
        while not stop.is_set():
            one = charge(f"{thread}-{number}")
            ledger.book([Settled(one)], holder=None, policy=None).result()
            if number == 0:
                begun.wait(60)
            number += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        begun.wait(60)
        copied = db("backup", tmp_path / "copy", "--db", tmp_path / "db")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    ledger.close()
    assert (copied.exit_code, "is copied to" in copied.output) == (0, True)
    assert db("check", "--db", tmp_path / "copy").exit_code == 0
    assert 0 < total(tmp_path / "copy") <= total(tmp_path / "db")


def test_a_copy_never_overwrites(tmp_path: Path) -> None:
    """Whatever is there stays."""
    spend(tmp_path / "db", "a")
    (tmp_path / "copy").write_text("mine")
    refused = db("backup", tmp_path / "copy", "--db", tmp_path / "db")
    assert (refused.exit_code, "exists already" in refused.output) == (3, True)
    assert (tmp_path / "copy").read_text() == "mine"


def test_restore_into_an_empty_place(tmp_path: Path) -> None:
    """After a lost disk."""
    spend(tmp_path / "db", "a")
    db("backup", tmp_path / "copy", "--db", tmp_path / "db")
    put = db("restore", tmp_path / "copy", "--db", tmp_path / "new" / "db")
    assert (put.exit_code, total(tmp_path / "new" / "db")) == (0, 100)


def test_restore_does_not_lose_newer_commits_unasked(tmp_path: Path) -> None:
    """And when asked to, what stood there is kept, and the next start says what is lost."""
    path, copy = tmp_path / "db", tmp_path / "copy"
    spend(path, "a")
    db("backup", copy, "--db", path)
    spend(path, "b")
    refused = db("restore", copy, "--db", path)
    assert (refused.exit_code, "has 1 commits more: add --lose-newer" in refused.output) == (3, True)
    assert total(path) == 200
    put = db("restore", copy, "--db", path, "--lose-newer")
    assert (put.exit_code, "1 commits are lost" in put.output) == (0, True)
    assert (total(path), total(tmp_path / "db.before-restore")) == (100, 200)
    again = opened(path)
    assert again.lost_commits == 1
    again.close()


def test_restore_over_another_ledger_is_refused(tmp_path: Path) -> None:
    """Its name is another one."""
    spend(tmp_path / "db", "a")
    spend(tmp_path / "other", "b")
    refused = db("restore", tmp_path / "other", "--db", tmp_path / "db")
    assert (refused.exit_code, "is another ledger" in refused.output) == (3, True)


def test_restore_under_a_running_agent_is_refused(tmp_path: Path) -> None:
    """It would write into a file that is gone."""
    spend(tmp_path / "db", "a")
    db("backup", tmp_path / "copy", "--db", tmp_path / "db")
    ledger = opened(tmp_path / "db")
    refused = db("restore", tmp_path / "copy", "--db", tmp_path / "db")
    ledger.close()
    assert (refused.exit_code, "is in use by process" in refused.output) == (3, True)


@pytest.mark.parametrize("text", ["no ledger at all", ""])
def test_what_is_no_ledger_is_not_put_back(tmp_path: Path, text: str) -> None:
    """Nor does it hurt the one that is there."""
    spend(tmp_path / "db", "a")
    (tmp_path / "copy").write_text(text)
    assert db("restore", tmp_path / "copy", "--db", tmp_path / "db").exit_code == 3
    assert total(tmp_path / "db") == 100


def test_check_names_what_is_off(tmp_path: Path) -> None:
    """Exit code 1, in words and as JSON."""
    spend(tmp_path / "db", "a")
    assert "every sum is right" in db("check", "--db", tmp_path / "db").output
    with sqlite3.connect(tmp_path / "db") as spoiled:
        spoiled.execute("INSERT INTO balances (key, budget, scope, spent_nano) VALUES ('k|w|', 'k', '', 7)")
    spoiled.close()
    told = db("check", "--db", tmp_path / "db", "--json")
    assert (told.exit_code, json.loads(told.output)["wrong"]) == (
        1,
        ["Balance k|w| is off by 7 nano-dollars from what was posted to it."],
    )
