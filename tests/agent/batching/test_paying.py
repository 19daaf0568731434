"""Claims about batches that would be dearer: refused with the reason, by what the route used lately."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agent.batching.house import NOON, SECOND, House, take

from bursar.agent.batching import paying
from bursar.agent.batching.office import Office
from bursar.agent.batching.paying import Paying, kind
from bursar.policies.batchpays import Used
from bursar.policies.charge import Basis, Charge
from bursar.policies.deferral import Taken
from bursar.policies.pricefile import shipped_book
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.unbatched import Unbatched
from bursar.policies.usage import Usage

HAIKU = "claude-haiku-4-5"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def calls(house: House, usage: Usage, *, count: int = 6, route: str = "digest", hours: int = 1) -> None:
    """So many calls that were made at once, an hour ago."""
    records: list[Record] = []
    for n in range(count):
        at_ns = NOON - hours * 3_600 * SECOND
        charge = Charge(f"c{n}", 1_000, usage, Basis.USAGE, HAIKU, HAIKU, route, at_ns=at_ns)
        records += [Sent(f"c{n}", f"c{n}", at_ns, route, HAIKU, HAIKU, balances=()), Settled(charge)]
    house.ledger.book(records, holder="h", policy=None).result(10)


WARM = Usage(cache_read=10_000, input=10, output=10)
"""10,000 tokens read for 1,000: a batch that reads three in ten pays 4,525 and more for them."""


@pytest.mark.parametrize(
    ("usage", "other", "reason"),
    [
        (WARM, {}, Unbatched.DEARER),
        (WARM, {"count": 4}, ""),
        (WARM, {"route": "another"}, ""),
        (WARM, {"hours": 25}, ""),
        (Usage(input=10_000, output=10), {}, ""),
        (Usage(cache_read=10_000, input=8_000, output=10), {}, ""),
    ],
)
def test_warm_calls(house: House, usage: Usage, other: dict[str, int], reason: str) -> None:
    """Calls that read nearly all of it from the cache are not put off; others are."""
    calls(house, usage, **other)  # type: ignore[arg-type]

    async def work(office: Office) -> list[Taken]:
        return await take(office, house.offer("a"))

    (taken,) = house.run(work)
    assert (taken.accepted, taken.reason) == (not reason, reason)


def test_prices_of_the_model() -> None:
    """A read at a tenth, output at five times the input."""
    found = kind(Used(1), Used(), HAIKU, shipped_book(), NOON)
    assert (found.read, found.output) == (0.1, 5.0)


def test_looked_up_once_a_minute(house: House) -> None:
    """In between what was found stands."""
    paying = Paying()
    assert paying.known("digest", HAIKU, NOON) is None
    with house.ledger.reading() as db:
        assert paying.look(db, "digest", HAIKU, shipped_book(), NOON)
    assert paying.known("digest", HAIKU, NOON + 59 * SECOND) is True
    assert paying.known("digest", HAIKU, NOON + 60 * SECOND) is None


def test_only_so_many_are_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes come from outside, and may be any number: the newest answers are kept."""
    monkeypatch.setattr(paying, "MOST_KNOWN", 2)
    asked, book = Paying(), shipped_book()
    with house.ledger.reading() as db:
        for route in ("a", "b", "a", "c"):
            asked.look(db, route, HAIKU, book, NOON)
    assert [asked.known(route, HAIKU, NOON) is None for route in ("a", "b", "c")] == [False, True, False]
