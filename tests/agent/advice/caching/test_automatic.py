"""Marks are put in force where the policy lets them, judged by what they save, and taken back for good reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.test_printbook import settled

from bursar.agent.advice.caching.automatic import REST_NS, Automatic
from bursar.agent.advice.caching.trial import ENOUGH_CALLS, ENOUGH_NS
from bursar.agent.ledger import Ledger, markingbook
from bursar.agent.ledger.markingbook import Pulled, State
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.settings import Settings
from bursar.policies.cachemarks import Mark, Marking, from_text
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

NOON = 1_795_262_400 * 10**9
POLICY = """\
version = 1
mode = "enforce"
[[route]]
name = "chat"
cache = "auto"
[[route]]
name = "mail"
cache = "advise"
"""


class House:
    """The lever over a real ledger, with advice by script and a clock that stands still until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = NOON
        self.asked: list[str] = []
        self.policy = POLICY
        self.ledger = Ledger(fresh.file(folder / "db"), clock_ns=lambda: self.now_ns)
        self.settings = Settings(folder, folder / "db")
        self.begin()

    def begin(self) -> None:
        """As after a restart: what is known is in the ledger."""
        rules = Rules(parse_policy(self.policy, file="f"), shipped_book(), Snapshot("s", self.policy))
        self.rules = RulesInForce(self.settings, lambda _: rules, clock_ns=lambda: self.now_ns)
        self.automatic = Automatic(self.ledger, self.rules, self.advise, clock_ns=lambda: self.now_ns)

    def advise(self, route: str, now_ns: int) -> Sequence[Pulled]:
        self.asked.append(route)
        marking = Marking("r1", route, "claude-sonnet-5-5", (Mark("system"),))
        return [Pulled(marking, 0.5, now_ns)]

    def look(self) -> list[str]:
        """The routes that have marks in force afterwards."""
        self.automatic.look()
        text = self.rules.current.snapshot.markings
        return [] if text is None else [one.route for one in from_text(text)]

    def calls(self, marking: str, reads: int) -> None:
        """Enough calls that wrote 100 tokens and read so many."""

        def book(db: Database) -> None:
            for number in range(ENOUGH_CALLS):
                name = f"{marking}{number}"
                settled(db, name, NOON + number)
                db.conn.execute(
                    "UPDATE attempts SET marking = ?, cache_read = ?, cache_write_5m = 100, cache_write_1h = 0 "
                    "WHERE attempt_id = ?",
                    [marking, reads, name],
                )

        self.ledger.submit(book).result()

    def states(self) -> list[State]:
        with self.ledger.reading() as db:
            return [one.state for one in markingbook.all_pulled(db)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.ledger.close()


def test_only_a_route_that_says_auto_is_marked(house: House) -> None:
    """And it is asked about once, however often the clock comes round."""
    assert house.look() == ["chat"]
    assert house.look() == ["chat"]
    assert house.asked == ["chat"]


def test_marks_are_in_force_again_after_a_restart(house: House) -> None:
    house.look()
    house.begin()
    assert house.rules.current.snapshot.markings is None
    assert house.look() == ["chat"]
    assert house.asked == ["chat"]


@pytest.mark.parametrize(("before", "after"), [("auto", "advise"), ("enforce", "observe")])
def test_marks_go_when_the_policy_says_otherwise(before: str, after: str, house: House) -> None:
    """At the next look, though they paid."""
    house.look()
    house.policy = POLICY.replace(f'"{before}"', f'"{after}"')
    house.begin()
    assert house.look() == []


def test_marks_that_pay_stay(house: House) -> None:
    """100 written and 1,000 read at a twentieth, against all of it in full."""
    house.look()
    house.calls("r1", reads=1_000)
    house.now_ns += ENOUGH_NS
    assert house.look() == ["chat"]
    assert house.states() == [State.KEPT]


def test_marks_that_do_not_pay_are_taken_back_and_rest_a_week(house: House) -> None:
    """Writes that nobody reads cost a quarter more than none."""
    house.look()
    house.calls("r1", reads=0)
    house.now_ns += ENOUGH_NS
    assert house.look() == []
    assert house.states() == [State.TAKEN_BACK]
    house.now_ns = NOON + REST_NS - 1
    assert house.look() == []
    house.now_ns = NOON + REST_NS
    assert house.look() == ["chat"]


def test_what_the_held_out_save_by_themselves_is_not_the_marks_doing(house: House) -> None:
    """Both read as much: the application's own marks did it."""
    house.look()
    house.calls("r1", reads=1_000)
    house.calls("-r1", reads=1_000)
    house.now_ns += ENOUGH_NS
    assert house.look() == []


def test_advice_that_somebody_dismissed_is_not_carried_out(house: House) -> None:
    house.look()
    house.ledger.submit(lambda db: db.conn.execute("UPDATE verdicts SET state = 'dismissed'")).result()
    assert house.look() == []
