"""Claims about the book of overrides: nothing in it is ever lost, and what stands is what is neither over nor ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import overridebook
from bursar.policies.overrides import Override, OverrideKind
from bursar.policies.protocol import Snapshot

PAUSE = Override("a", OverrideKind.PAUSE, "day", since_ns=10, until_ns=20, reason="launch", by="ada")
RAISE = Override("b", OverrideKind.RAISE, "day", 11, 30, amount=5, unit="calls", scope="tenant=acme")


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def test_what_is_kept_comes_back_whole(db: Database) -> None:
    """Every field of both kinds, the newest first."""
    for override in (PAUSE, RAISE):
        overridebook.keep(db, override)
    assert [entry.override for entry in overridebook.history(db)] == [RAISE, PAUSE]


@pytest.mark.parametrize(("now_ns", "standing"), [(10, {"a", "b"}), (19, {"a", "b"}), (20, {"b"}), (30, set[str]())])
def test_what_stands_is_not_over(db: Database, now_ns: int, standing: set[str]) -> None:
    """At its last instant an override is over."""
    for override in (PAUSE, RAISE):
        overridebook.keep(db, override)
    assert {override.id for override in overridebook.standing(db, now_ns)} == standing


def test_ending_takes_back_one_budgets_and_says_who(db: Database) -> None:
    """What others have stays, what is over already is left as it ended, and the entry stays on record."""
    others = replace(PAUSE, id="c", budget="other")
    for override in (PAUSE, RAISE, others):
        overridebook.keep(db, override)
    assert overridebook.end(db, "day", now_ns=25, by="bob") == (RAISE,)
    assert overridebook.standing(db, 15) == (PAUSE, others)
    ended = {entry.override.id: (entry.ended_ns, entry.ended_by) for entry in overridebook.history(db)}
    assert ended == {"a": (None, None), "b": (25, "bob"), "c": (None, None)}
    assert overridebook.end(db, "day", now_ns=26, by="eve") == ()


def test_rules_are_found_by_their_id_and_the_latest_told(db: Database) -> None:
    """Rules that come back into force are the latest again, and each is kept once."""
    first, second = Snapshot("1", "one", "prices", "f", "[]"), Snapshot("2", "two")
    overridebook.keep_rules(db, first, 100)
    overridebook.keep_rules(db, second, 200)
    assert overridebook.rules(db, "1") == first
    assert overridebook.rules(db, "3") is None
    assert overridebook.latest_rules(db) == second
    overridebook.keep_rules(db, first, 300)
    assert overridebook.latest_rules(db) == first
    assert db.conn.execute("SELECT count(*) FROM rulebook").fetchone() == (2,)
