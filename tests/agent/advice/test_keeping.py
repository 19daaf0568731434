"""Advice is worked out when it is due and there is something new, and kept for all who read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.agent.ledger import fresh
from tests.agent.ledger.test_printbook import settled

from bursar.agent.advice.keeping import LOOK_BACK_NS, Keeping, rest_ns
from bursar.agent.ledger import Ledger, advicebook
from bursar.agent.ledger.advicebook import Kept

NOON = 1_795_262_400 * 10**9
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class House:
    """A ledger, and a command that takes as long as it is told to."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = NOON
        self.takes_ns = 2 * SECOND
        self.asked: list[int] = []
        self.answer: Sequence[Mapping[str, Any]] | None = [{"id": "a1"}]
        self.ledger = Ledger(fresh.file(folder / "db"), clock_ns=lambda: self.now_ns)
        self.begin()

    def begin(self) -> None:
        """As after a restart."""
        self.keeping = Keeping(self.ledger, self.ask, clock_ns=lambda: self.now_ns)

    def ask(self, span_ns: int) -> Sequence[Mapping[str, Any]] | None:
        self.asked.append(span_ns)
        self.now_ns += self.takes_ns
        return self.answer

    def call(self) -> None:
        """One call of now."""
        name, at_ns = f"a{self.now_ns}", self.now_ns
        self.ledger.submit(lambda db: settled(db, name, at_ns)).result()

    def looks(self, *, after: int, call: bool = True) -> int:
        """How often the command is asked when it is looked for a while later, after another call."""
        self.now_ns += after
        if call:
            self.call()
        before = len(self.asked)
        self.keeping.look()
        return len(self.asked) - before

    def kept(self) -> Kept | None:
        with self.ledger.reading() as db:
            return advicebook.latest(db)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.ledger.close()


def test_it_is_worked_out_a_few_minutes_after_the_start(house: House) -> None:
    """Of the last seven days, and kept with when it was begun and when it was ready."""
    assert house.looks(after=MINUTE) == 0
    assert house.looks(after=MINUTE) == 1
    began = NOON + 2 * MINUTE
    assert house.asked == [LOOK_BACK_NS] == [7 * 24 * HOUR]
    assert house.kept() == Kept(began + 2 * SECOND, began - 7 * 24 * HOUR, began, [{"id": "a1"}])


@pytest.mark.parametrize(
    ("took", "rest"),
    [(2 * SECOND, 10 * MINUTE), (6 * SECOND, 10 * MINUTE), (MINUTE, 100 * MINUTE), (4 * MINUTE, 6 * HOUR)],
)
def test_it_rests_a_hundred_times_as_long_as_it_took(house: House, took: int, rest: int) -> None:
    """From ten minutes to six hours; a restart changes nothing about it."""
    house.takes_ns = took
    assert house.looks(after=3 * MINUTE) == 1
    house.begin()
    assert house.looks(after=rest - 1) == 0
    assert house.looks(after=1) == 1
    assert rest_ns(took) == rest


def test_without_traffic_nothing_is_asked(house: House) -> None:
    """Neither before the first call, nor where none came since the last time."""
    for _ in range(2):
        assert house.looks(after=HOUR, call=False) == 0
        house.call()
        assert house.looks(after=1, call=False) == 1


def test_what_fails_leaves_the_last_and_is_not_tried_at_once(house: House) -> None:
    assert house.looks(after=3 * MINUTE) == 1
    kept = house.kept()
    house.answer = None
    assert house.looks(after=10 * MINUTE) == 1
    assert house.looks(after=9 * MINUTE) == 0
    assert house.looks(after=MINUTE) == 1
    assert house.kept() == kept


def test_advice_of_a_time_to_come_is_no_advice(house: House) -> None:
    """A clock that was wrong does not silence it for years."""
    house.ledger.submit(lambda db: advicebook.keep(db, Kept(NOON * 2, 0, 0, []))).result()
    assert house.looks(after=3 * MINUTE) == 1


def test_a_ledger_that_cannot_be_written_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.call()
    house.now_ns += 3 * MINUTE
    house.ledger.close()
    house.keeping.look()
    assert "what could be saved stays as it was" in caplog.text
