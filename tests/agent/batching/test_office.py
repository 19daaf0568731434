"""Claims about the room as a whole: what is purged when, who may read what is kept, and how it ends."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agent.batching.house import House, outcomes, take, turn

from bursar.agent.batching.office import Office
from bursar.agent.ledger import deferralbook
from bursar.agent.scheduler import Chore
from bursar.policies.deferral import State, WithdrawRequest


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def texts(house: House) -> list[str]:
    with house.ledger.reading() as db:
        return [kind for (kind,) in db.conn.execute("SELECT kind FROM deferral_texts ORDER BY kind").fetchall()]


def purged_after(house: House, seconds: float, *, deliver: bool) -> list[str]:
    async def work(office: Office) -> None:
        await take(office, house.offer("a"))
        house.later(301)
        await turn(office)
        if deliver:
            await outcomes(office, "d-a")
        house.later(seconds)
        await office.purge()

    house.run(work)
    return texts(house)


@pytest.mark.parametrize(
    ("seconds", "deliver", "left"),
    [
        (3_599, True, ["answer", "request"]),
        (3_600, True, []),
        (28 * 86_400, False, ["answer", "request"]),
        (29 * 86_400, False, []),
    ],
)
def test_purging(house: House, seconds: float, deliver: bool, left: list[str]) -> None:
    """Texts go an hour after they were handed over, and after 29 days in any case."""
    assert purged_after(house, seconds, deliver=deliver) == left


def test_what_was_purged_was_delivered(house: House) -> None:
    """For a month it is still known how it ended; then nothing is. Its charges stay."""
    purged_after(house, 3_600, deliver=True)

    async def work(office: Office) -> tuple[Any, Any]:
        first = await outcomes(office, "d-a")
        house.later(29 * 86_400)
        await office.purge()
        return first, await outcomes(office, "d-a")

    (first,), later = house.run(work)
    assert (first.state, first.message) == (State.DELIVERED, None)
    assert first.charges
    assert later == []
    assert house.spent() == house.bill()


def test_what_is_not_over_is_never_purged(house: House) -> None:
    """However old."""

    async def work(office: Office) -> None:
        await take(office, house.offer("a"))
        house.later(60 * 86_400)
        await office.purge()

    house.run(work)
    assert texts(house) == ["request"]


def test_what_was_withdrawn_is_purged_an_hour_later(house: House) -> None:
    """Nobody will ask for it."""

    async def work(office: Office) -> None:
        await take(office, house.offer("a"))
        await office.desk.withdraw(WithdrawRequest("d-a"))
        house.later(3_600)
        await office.purge()

    house.run(work)
    assert texts(house) == []


def test_only_its_owner_reads_the_ledger(tmp_path: Path) -> None:
    """The file and those that SQLite keeps beside it."""
    house = House(tmp_path, copied=False)
    house.run(lambda office: take(office, house.offer("a")))
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in house.folder.glob("db*") if "commits" not in path.name
    }
    assert set(modes) == {"db", "db-wal", "db-shm", "db.lock"}
    assert set(modes.values()) == {0o600}
    house.close()


def test_the_salt_is_the_ledgers(house: House) -> None:
    """Made once; credentials keep their names over a restart, and applications hear of them with the rules."""
    before = house.rules.current.snapshot
    assert len(before.salt) == 32
    house.restart()
    assert house.rules.current.snapshot == before


def test_chores_end_with_the_office(house: House) -> None:
    """One that hangs is broken off; none begins afterwards."""

    async def work(office: Office) -> list[bool]:
        hung = asyncio.Event()
        ended: list[bool] = []

        async def hang() -> None:
            hung.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(True)

        running = asyncio.create_task(office.carry_out("hang", hang))
        await hung.wait()
        await office.close()
        await running
        await office.carry_out("hang", hang)
        return ended

    assert house.run(work) == [True]


def test_every_chore_is_there(house: House) -> None:
    """And does something that ends."""

    async def work(office: Office) -> list[Chore]:
        chores = office.chores()
        for chore in chores:
            await chore.do()  # type: ignore[misc]
        return chores

    names = [chore.name for chore in house.run(work)]
    assert names == [
        "send batches", "find batches again", "collect batches", "watch deadlines", "purge what was put off",
    ]  # fmt: skip
    with house.ledger.reading() as db:
        assert deferralbook.newest(db, 1) == []
