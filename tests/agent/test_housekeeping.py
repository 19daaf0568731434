"""Claims about housekeeping: what is older than thirty days is rolled up, and guards are answered meanwhile."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.agent.ledger import fresh
from tests.agent.ledger.test_rollups import NOON, charge, kept

from bursar.agent.housekeeping import Housekeeping
from bursar.agent.ledger import Ledger, printbook, reports
from bursar.agent.ledger.rollups import DAY_NS, HOUR_NS
from bursar.policies.fingerprint import Block, Fingerprint, Section
from bursar.policies.records import Settled


def test_a_round_rolls_up_what_is_thirty_days_old(tmp_path: Path) -> None:
    """To the hour; the totals stay, and the mark of how far the ledger has come is written."""
    now_ns = NOON + 30 * DAY_NS + HOUR_NS
    ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: now_ns)
    charges = [charge(f"old{n}", at_ns=NOON + n) for n in range(500)] + [charge("young", at_ns=NOON + HOUR_NS)]
    ledger.book([Settled(one) for one in charges], holder=None, policy=None).result()
    mark = (tmp_path / "db.commits").read_text()
    Housekeeping(ledger, clock_ns=lambda: now_ns).run()
    with ledger.reading() as db:
        assert kept(db) == {"young"}
        assert reports.totals(db, 0, 2**62)["nano_usd"] == 501 * 100
    assert (tmp_path / "db.commits").read_text() != mark
    ledger.close()


def test_one_that_is_stopped_goes_no_further(tmp_path: Path) -> None:
    """The end of the agent does not wait for thirty days' worth of calls."""
    ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON)
    ledger.book([Settled(charge("old"))], holder=None, policy=None).result()
    house = Housekeeping(ledger, clock_ns=lambda: NOON + 60 * DAY_NS)
    house.stop()
    house.run()
    with ledger.reading() as db:
        assert kept(db) == {"old"}
    ledger.close()


def test_a_ledger_that_is_gone_is_left_for_the_next_round(tmp_path: Path) -> None:
    """Nothing is raised into the scheduler."""
    ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON)
    ledger.close()
    Housekeeping(ledger, clock_ns=lambda: NOON).run()


def test_fingerprints_go_with_their_calls(tmp_path: Path) -> None:
    """After thirty days; a younger one stays."""
    ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON)
    block = Block("00" * 8, Section.SYSTEM, 0, 0, "text", "", 400, 100)
    for name, told_ns in (("old", NOON), ("young", NOON + HOUR_NS)):
        one = Fingerprint(name, (block,))
        ledger.submit(partial(printbook.keep, prints=[one], now_ns=told_ns)).result()
    Housekeeping(ledger, clock_ns=lambda: NOON + 30 * DAY_NS + HOUR_NS).run()
    with ledger.reading() as db:
        assert [row[0] for row in db.conn.execute("SELECT attempt_id FROM fingerprints")] == ["young"]
    ledger.close()
