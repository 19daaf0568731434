"""What marks save by fingerprints, on the model that a route is moved to: in sums that can be done by hand."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import pytest
from sqlite_utils import Database
from tests.agent.advice.past import DAY, NOON, SECOND
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import SONNET, used

from bursar.agent.advice.caching.study import Source
from bursar.agent.advice.gathering import fingerprints
from bursar.agent.ledger import printbook
from bursar.agent.ledger.booking import book
from bursar.agent.ledger.pastattempts import past_attempts
from bursar.agent.whatif.printed import Marked, marked
from bursar.agent.whatif.stack import Lever, stack
from bursar.policies.fingerprint import Block, Fingerprint, Section
from bursar.policies.prices import shipped_book
from bursar.policies.usage import Usage

HAIKU = "claude-haiku-5-5"
BOOK = shipped_book()
END = (NOON + DAY) * SECOND
CALLS, SHARED, OWN = 100, 2_000, 1_000
ON_SONNET = SHARED * (100 * 2_000 - 2_500 - 99 * 100)
"""Of a hundred calls one writes what they share, 99 read it: at 2, 2.50 and 0.10 USD a million, in nano-dollars."""
ON_HAIKU = SHARED * (100 * 100 - 125 - 99 * 10)
"""At 0.10, 0.125 and 0.01."""


def block(number: int, section: Section, tokens: int, *, kind: str = "text") -> Block:
    role = "user" if section is Section.MESSAGES and kind == "text" else ""
    return Block(f"{number:016x}", section, 0 if tokens else -1, 0, kind, role, tokens * 4, tokens, bool(tokens))


def prompt(number: int) -> tuple[Block, ...]:
    return (
        block(1, Section.SYSTEM, 0, kind="settings"),
        block(2, Section.SYSTEM, SHARED),
        block(3, Section.MESSAGES, 0, kind="settings"),
        block(10 + number, Section.MESSAGES, OWN),
    )


@pytest.fixture
def db() -> Iterator[Database]:
    """A hundred calls, half a minute apart, that share their system prompt, and nothing marked."""
    with fresh.ledger() as memory:
        for place in range(CALLS):
            name, at = f"a{place}", NOON + 30 * place
            records = used(name, Usage(input=SHARED + OWN), at=at, model=SONNET)
            book(memory, records, holder="h", policy=None, now_ns=(at + 20) * SECOND)
            printbook.keep(memory, [Fingerprint(name, prompt(place), f"c{place}")], 1)
        yield memory


def source(db: Database) -> Source:
    return fingerprints(db, BOOK, 0, END)


def test_the_best_marks_save_what_is_read_instead_of_sent(db: Database) -> None:
    """Against calls without a mark; of all tokens 66% are read, and a hundredth of that written."""
    found = marked(source(db), {})
    assert found == {("desk", SONNET): Marked(CALLS, ON_SONNET, Fraction(66, 100), Fraction(2, 300), Fraction(0), "")}


def test_a_cheaper_model_has_its_own_prices_and_minimum(db: Database) -> None:
    """What it saves there is less; the key stays the model that was asked."""
    assert marked(source(db), {("desk", SONNET): HAIKU})["desk", SONNET].nano == ON_HAIKU


def test_the_stack_goes_by_fingerprints_where_there_are_any(db: Database) -> None:
    """Baseline 100 x 3,000 tokens at 2 USD a million; on Haiku at a twentieth; then cached."""
    found = stack(
        past_attempts(db, 0, END),
        BOOK,
        [Lever.TIER, Lever.CACHE],
        lambda _route, _model: HAIKU,
        END,
        marking=partial(marked, source(db)),
    )
    assert found.totals() == [600_000_000, 30_000_000, 30_000_000 - ON_HAIKU]
    assert found.lines[0].cache_by == "fingerprints"


def test_fingerprints_of_a_few_calls_do_not_speak_for_all(db: Database) -> None:
    """Ten of a hundred calls: token counts say more."""
    few = Marked(10, 1, Fraction(0), Fraction(0), Fraction(0), "")
    calls = list(past_attempts(db, 0, END))
    found = stack(
        calls, BOOK, [Lever.CACHE], lambda _route, _model: None, END, marking=lambda _: {("desk", SONNET): few}
    )
    assert found.lines[0].cache_by == "token counts"
