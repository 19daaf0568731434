"""Claims about all advice together: fingerprints say more than token counts, where there are enough of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.advice.gathering import LOOKS, gathered
from bursar.agent.advice.recommendation import Kind
from bursar.agent.ledger import booking, pastcalls, printbook
from bursar.policies.charge import Basis, Charge
from bursar.policies.fingerprint import Block, Fingerprint, Section
from bursar.policies.prices import shipped_book
from bursar.policies.records import Settled
from bursar.policies.usage import Usage

MINUTE = 60 * 10**9
UNTIL = 20_790 * 86_400 * 10**9
MODEL = "claude-opus-5-5"
BESIDE = (Kind.BATCH, Kind.VERBOSITY, Kind.WASTE, Kind.COVERAGE)
"""What is advised beside caching."""


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def block(name: int, section: Section, tokens: int) -> Block:
    return Block(f"{name:016x}", section, 0, 0, "text", "", 4 * tokens, tokens)


def call(db: Database, route: str, number: int, *, printed: bool) -> None:
    """One of a route's calls, a minute after the other, with 2,000 shared tokens before 100 of its own."""
    attempt = f"{route}-{number}"
    charge = Charge(
        attempt_id=attempt,
        cost_nano_usd=8_400_000,
        usage=Usage(input=2_100, output=1),
        basis=Basis.USAGE,
        model=MODEL,
        requested_model=MODEL,
        route=route,
        at_ns=UNTIL - 200 * MINUTE + number * MINUTE,
    )
    booking.book(db, [Settled(charge)], holder="p", policy=None, now_ns=1)
    blocks = (block(1, Section.SYSTEM, 2_000), block(number + 2, Section.MESSAGES, 100))
    if printed:
        printbook.keep(db, [Fingerprint(attempt, blocks)], UNTIL)


@pytest.mark.parametrize(("printed", "kind"), [(0, Kind.CACHE), (49, Kind.CACHE), (50, Kind.CUT), (110, Kind.CUT)])
def test_token_counts_give_way_to_enough_fingerprints(db: Database, printed: int, kind: Kind) -> None:
    """Fifty of 110 calls are enough; and of one route only one of both is told."""
    for number in range(110):
        call(db, "support", number, printed=number < printed)
    found = gathered(db, shipped_book(), UNTIL - 300 * MINUTE, UNTIL)
    assert [one.kind for one in found if one.kind not in BESIDE] == [kind]


def test_half_of_a_small_route_is_enough(db: Database) -> None:
    """Five of ten calls with fingerprints; another route without any keeps its token counts; globs choose."""
    for number in range(10):
        call(db, "support", number, printed=number < 5)
        call(db, "docs", number, printed=False)
    told: list[None] = []
    found = gathered(db, shipped_book(), 0, UNTIL, told=lambda: told.append(None))
    caching = [one for one in found if one.kind not in BESIDE]
    assert {(one.route, one.kind) for one in caching} == {("support", Kind.CUT), ("docs", Kind.CACHE)}
    assert len(told) == LOOKS * printbook.count(db, 0, UNTIL) + pastcalls.count(db, 0, UNTIL) == 15 + 20
    assert [one.route for one in gathered(db, shipped_book(), 0, UNTIL, route="s*")] == ["support"]


def test_what_to_do_beside_caching_comes_with_it(db: Database) -> None:
    """Calls without labels are told of; of one route alone what is about all is not."""
    call(db, "docs", 0, printed=False)
    assert (Kind.COVERAGE, "labels") in [(one.kind, one.place) for one in gathered(db, shipped_book(), 0, UNTIL)]
    assert Kind.COVERAGE not in [one.kind for one in gathered(db, shipped_book(), 0, UNTIL, route="docs")]
