"""Claims about adoption: the dead are booked once, the living are left alone, and torn lines harm nobody."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bursar.agent import adoption
from bursar.agent.adoption import Adopted, Adoption
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger, LedgerError, holders, reports
from bursar.agent.ledger.holders import HolderState
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.settings import Settings
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import BalanceView, Holder, Need, Snapshot, SyncRequest
from bursar.policies.records import Record, Released, Sent, Settled, to_json, to_line
from bursar.policies.usage import Usage

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
KEY = "day|2026-11-21T00:00:00Z|"
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "0.000001 USD"
every = "day"
[budget.at]
"100%" = "block"
"""


@dataclass
class House:
    """A state folder, its ledger, and who adopts journals in it."""

    folder: Path
    ledger: Ledger
    bookkeeper: Bookkeeper
    adoption: Adoption

    def journal(self, holder: str, *lines: bytes) -> Path:
        """A journal with these lines, which nobody locks."""
        path = self.folder / f"{holder}.jsonl"
        path.write_bytes(b"".join(lines))
        return path

    def totals(self) -> tuple[int, int, int]:
        """Charges, nano-dollars, and how much of these is an estimate."""
        with self.ledger.reading() as db:
            row = reports.totals(db, 0, 2**62)
        return row["charges"], row["nano_usd"], row["estimated_nano_usd"]

    def view(self) -> BalanceView:
        """The one balance."""
        request = SyncRequest(Holder("looker", 1, "host", NOON), 0, views=(KEY,))
        return self.bookkeeper.sync(request).result().views[0]

    def known(self, holder: str) -> holders.Known | None:
        with self.ledger.reading() as db:
            return holders.find(db, holder)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    folder = tmp_path / "journal"
    folder.mkdir()
    rules = Rules(parse_policy(POLICY, file="bursar.toml"), shipped_book(), Snapshot("s"))
    settings = Settings(state_dir=tmp_path, db=tmp_path / "db")
    ledger = Ledger(settings.db, clock_ns=lambda: NOON)
    in_force = RulesInForce(settings, read=lambda _: rules)
    bookkeeper = Bookkeeper(ledger, in_force, clock_ns=lambda: NOON, on_alert=lambda: None)
    yield House(folder, ledger, bookkeeper, Adoption(folder, "host", bookkeeper))
    ledger.close()


def sent(attempt_id: str, bound: int = 100, leased: tuple[str, ...] = ()) -> Sent:
    return Sent(attempt_id, attempt_id, NOON, "r", "opus", "opus", {}, (KEY,), leased, bound, bound // 2)


def settled(attempt_id: str, cost: int) -> Settled:
    return Settled(Charge(attempt_id, cost, Usage(output=1), Basis.USAGE, "opus", "opus", "r", attempt_id, at_ns=NOON))


def lines(*records: Record) -> list[bytes]:
    return [to_line(record) for record in records]


def test_a_dead_process(house: House) -> None:
    """What it settled is its cost, what it left in flight its bound, what it released nothing; the file goes."""
    path = house.journal(
        "dead", *lines(sent("a"), settled("a", 7), sent("b", 100), sent("c"), Released("c", "an error"))
    )
    assert house.adoption.run() == [Adopted("dead", records=5, torn=0)]
    assert not path.exists()
    assert house.totals() == (2, 107, 100)
    assert house.view().spent == 107


def test_torn_lines(house: House) -> None:
    """A line cut off by the crash, and garbage, are counted and passed over."""
    torn = to_line(settled("b", 9))[:40]
    house.journal("dead", *lines(settled("a", 7)), b"\x00garbage\n", b"[1]\n", b"\n", torn + b"\n", torn)
    assert house.adoption.run() == [Adopted("dead", records=1, torn=4)]
    assert house.totals() == (1, 7, 0)
    known = house.known("dead")
    assert known is not None
    assert (known.skipped, known.state) == (4, HolderState.RECOVERED)


def test_last_line_without_its_end(house: House) -> None:
    """A last line that lacks only its newline is whole."""
    house.journal("dead", to_line(settled("a", 7)).rstrip(b"\n"))
    assert house.adoption.run() == [Adopted("dead", records=1, torn=0)]
    assert house.totals() == (1, 7, 0)


def test_counted_once(house: House) -> None:
    """A journal that was shipped before, and one that is adopted twice, count once."""
    records: list[Record] = [sent("a"), settled("a", 7), sent("b", 100)]
    owner = Holder("dead", 42, "host", NOON)
    house.bookkeeper.sync(SyncRequest(owner, 0, records=tuple(to_json(record) for record in records[:2]))).result()
    for _ in range(2):
        house.journal("dead", *lines(*records))
        assert house.adoption.run() == [Adopted("dead", records=3, torn=0)]
        assert house.totals() == (2, 107, 100)


def test_broken_off_before_the_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between booking and closing leaves the file, and the next look finishes."""
    path = house.journal("dead", *lines(sent("a"), settled("a", 7), sent("b", 100)))

    def crash(_: str) -> None:
        raise LedgerError("the machine went down")

    with monkeypatch.context() as patched:
        patched.setattr(house.bookkeeper, "close_holder", crash)
        assert house.adoption.run() == []
    assert path.exists()
    assert house.totals() == (1, 7, 0)
    assert house.adoption.run() == [Adopted("dead", records=3, torn=0)]
    assert house.totals() == (2, 107, 100)


def test_leases_come_back(house: House) -> None:
    """The money of a dead process can be lent again, but for the bound of what it left in flight."""
    owner, heir = Holder("dead", 42, "host", NOON), Holder("heir", 43, "host", NOON)
    house.bookkeeper.sync(
        SyncRequest(owner, 1, needs=(Need("a", (KEY,), 300, 300), Need("b", (KEY,), 700, 700)))
    ).result()
    assert house.view().lent == 1000
    house.journal("dead", *lines(sent("a", 300, leased=(KEY,))))
    house.adoption.run()
    assert (house.view().spent, house.view().lent) == (300, 0)
    answered = house.bookkeeper.sync(SyncRequest(heir, 1, needs=(Need("c", (KEY,), 700, 700),))).result()
    assert [answer.amount for answer in answered.answers] == [700]


def test_the_living_are_left_alone(house: House) -> None:
    """A journal whose lock is held stays as it is, until the lock is let go."""
    path = house.journal("living", *lines(settled("a", 7)))
    lock = os.open(path, os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert house.adoption.run() == []
    assert path.exists()
    assert house.totals() == (0, 0, 0)
    os.close(lock)
    assert house.adoption.run() == [Adopted("living", records=1, torn=0)]


_OWNER = """\
import fcntl, sys
file = open(sys.argv[1], "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_killed_process(house: House) -> None:
    """A process of its own keeps its journal while it runs, and leaves it when it is killed."""
    path = house.journal("other", *lines(sent("a")))
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"
        assert house.adoption.run() == []
        owner.kill()
        owner.wait()
    assert house.adoption.run() == [Adopted("other", records=1, torn=0)]


def test_a_journal_just_being_made(house: House) -> None:
    """An empty one may be about to be locked by its owner: it is taken at the second look only."""
    path = house.journal("new")
    assert house.adoption.run() == []
    assert path.exists()
    assert house.adoption.run() == [Adopted("new", records=0, torn=0)]
    assert not path.exists()


def test_filled_between_two_looks(house: House) -> None:
    """One that was empty and is locked now belongs to a living process."""
    path = house.journal("new")
    house.adoption.run()
    path.write_bytes(to_line(settled("a", 7)))
    with path.open("ab") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert house.adoption.run() == []
    assert path.exists()


def test_in_parts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long journal is booked in bounded parts; one that is stopped half-way keeps its file and is finished later."""
    monkeypatch.setattr(adoption, "CHUNK", 2)
    sizes: list[int] = []
    sync = house.bookkeeper.sync

    def watched(request: SyncRequest) -> Any:
        sizes.append(len(request.records))
        if len(sizes) == 2:
            house.adoption.stop()
        return sync(request)

    monkeypatch.setattr(adoption, "STOP_SECONDS", 0.0)
    monkeypatch.setattr(house.bookkeeper, "sync", watched)
    path = house.journal("dead", *lines(*(settled(f"a{n}", 1) for n in range(5))))
    assert house.adoption.run() == []
    assert sizes == [2, 2]
    assert path.exists()
    assert house.adoption.run() == []
    assert Adoption(house.folder, "host", house.bookkeeper).run() == [Adopted("dead", records=5, torn=0)]
    assert sizes == [2, 2, 2, 2, 1]
    assert house.totals() == (5, 5, 0)


def test_an_owner_never_heard_of_is_lent_nothing(house: House) -> None:
    """Killed before its first message arrived: that message finds it gone, and lends a dead process nothing."""
    house.journal("dead")
    house.adoption.run()
    house.adoption.run()
    need = Need("dead-1", (KEY,), 100, 100)
    late = house.bookkeeper.sync(SyncRequest(Holder("dead", 42, "host", NOON), 1, needs=(need,))).result()
    assert late.answers == ()
    assert house.view().lent == 0


def test_a_journal_that_its_owner_takes_along(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Between the look at the folder and the look into the file: nothing to say about."""
    path = house.journal("leaving", *lines(sent("a")))
    listed = list(house.folder.glob("*.jsonl"))
    path.unlink()

    def before_it_left(_folder: Path, _pattern: str) -> Iterator[Path]:
        return iter(listed)

    monkeypatch.setattr(Path, "glob", before_it_left)
    assert house.adoption.run() == []
    assert not caplog.records


def test_no_folder(house: House, tmp_path: Path) -> None:
    """Where no application ever wrote a journal there is nothing to do."""
    assert Adoption(tmp_path / "none", "host", house.bookkeeper).run() == []


def test_what_cannot_be_opened(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A link is not followed; it is told once, and the others are adopted."""
    outside = house.folder.parent / "outside"
    outside.write_bytes(to_line(settled("b", 9)))
    (house.folder / "a-link.jsonl").symlink_to(outside)
    house.journal("dead", *lines(settled("a", 7)))
    assert house.adoption.run() == [Adopted("dead", records=1, torn=0)]
    assert house.adoption.run() == []
    assert caplog.text.count("a-link.jsonl cannot be adopted") == 1
    assert outside.exists()


@pytest.mark.parametrize(
    ("host", "folder", "file_left", "state"),
    [
        ("host", "journal", False, HolderState.RECOVERED),
        ("elsewhere", "journal", False, HolderState.CLOSED),
        ("host", "other", False, HolderState.CLOSED),
        ("host", None, False, HolderState.CLOSED),
        ("host", "journal", True, HolderState.CLOSED),
    ],
)
def test_goodbye_with_calls_in_flight(
    house: House, host: str, folder: str | None, file_left: bool, state: HolderState
) -> None:
    """Who said goodbye and took its journal is recovered; not one whose journal is out of sight, or still held."""
    journal = None if folder is None else str(house.folder.parent / folder / "gone.jsonl")
    owner = Holder("gone", 42, host, NOON, journal=journal)
    needs = (Need("a", (KEY,), 300, 300),)
    house.bookkeeper.sync(SyncRequest(owner, 1, needs=needs)).result()
    records = (to_json(sent("a", 300, leased=(KEY,))),)
    house.bookkeeper.sync(SyncRequest(owner, 2, records=records, goodbye=True)).result()
    path = house.folder / "gone.jsonl"
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file_left:
            path.unlink()
        house.adoption.run()
    known = house.known("gone")
    assert known is not None
    assert known.state is state
    assert house.view().spent == (300 if state is HolderState.RECOVERED else 0)
