"""Claims about recent use: sums of a route's calls on a model, those in batches apart."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from sqlite_utils import Database
from tests.agent.ledger.deferred import NOON, opened

from bursar.agent.ledger.booking import book
from bursar.agent.ledger.recentuse import calls_per_day, recent
from bursar.policies.batchpays import Used
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Settled
from bursar.policies.usage import Usage

USAGE = Usage(input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5)


@pytest.fixture
def db() -> Iterator[Database]:
    with opened() as memory:
        yield memory


def charged(
    db: Database, name: str, *, route: str = "r", model: str = "m", batch: bool = False, at_ns: int = NOON
) -> None:
    modifiers = ("batch",) if batch else ("geo:us",)
    charge = Charge(name, 1, USAGE, Basis.USAGE, "m-1", model, route, at_ns=at_ns, modifiers=modifiers)
    book(db, [Settled(charge)], holder="h", policy=None, now_ns=NOON)


def test_sums(db: Database) -> None:
    """Two at once, one in a batch; other routes, other models and older calls are not among them."""
    charged(db, "a")
    charged(db, "b")
    charged(db, "c", batch=True)
    charged(db, "d", route="other")
    charged(db, "e", model="other")
    charged(db, "f", at_ns=NOON - 1)
    assert recent(db, "r", "m", NOON) == (Used(2, 2, 4, 6, 8, 10), Used(1, 1, 2, 3, 4, 5))
    assert recent(db, "none", "m", NOON) == (Used(), Used())


DAY = 86_400 * 10**9


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ([], Fraction(0)),
        ([0.5, 0.25], Fraction(2)),
        ([4, 3, 2, 1], Fraction(1)),
        ([7, 1], Fraction(2, 7)),
        ([8, 2, 1], Fraction(1)),
        ([-1, 2], Fraction(1, 2)),
    ],
)
def test_calls_in_a_day_are_counted_from_the_first_on(db: Database, ages: list[float], expected: Fraction) -> None:
    """Of the last week; a day is the least that is looked at, and what is to come is not there yet."""
    for number, age in enumerate(ages):
        charged(db, f"a-{number}", at_ns=NOON - int(age * DAY))
    charged(db, "b", route="other", at_ns=NOON - 1)
    assert calls_per_day(db, "r", NOON) == expected
