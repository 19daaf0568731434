"""Claims about silence: who holds money others could use and is not heard of is named, once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import balances, holders
from bursar.agent.silence import Silence, Silent, silent
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import Holder

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
TODAY = "day|2026-11-21T00:00:00Z|"
YESTERDAY = "day|2026-11-20T00:00:00Z|"
HOLDER = Holder("h", 42, "web-1", NOON, service="desk")


def policy() -> Policy:
    return parse_policy(
        'version = 1\nmode = "enforce"\n[[budget]]\nname = "day"\nlimit = "10 USD"\nevery = "day"\n', file="f"
    )


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def lend(db: Database, key: str, amount: int) -> None:
    balances.ensure(db, key, policy())
    holders.register(db, HOLDER, seq=1, now_ns=NOON)
    holders.grant(db, HOLDER.id, key, amount)


@pytest.mark.parametrize(("seconds", "found"), [(59, []), (60, [60]), (61, [61])])
def test_a_minute(db: Database, seconds: int, found: list[int]) -> None:
    """A minute without a word is silence, not a second less."""
    lend(db, TODAY, 5)
    assert [each.seconds for each in silent(db, NOON + seconds * SECOND + SECOND - 1)] == found


def test_how_much(db: Database) -> None:
    """The most that is lent in one balance; what was given back is not."""
    lend(db, TODAY, 5)
    lend(db, "day|2026-11-21T00:00:00Z|other", 9)
    holders.take_back(db, HOLDER.id, {TODAY: 2, "day|2026-11-21T00:00:00Z|other": 3})
    assert silent(db, NOON + 90 * SECOND) == [Silent(HOLDER, 90, 6)]


def test_nothing_out(db: Database) -> None:
    """Who holds nothing may be silent."""
    lend(db, TODAY, 5)
    holders.take_back(db, HOLDER.id, {TODAY: 5})
    assert silent(db, NOON + 90 * SECOND) == []


def test_windows_that_have_ended(db: Database) -> None:
    """Money of a window that is over is of no use to anybody."""
    lend(db, YESTERDAY, 5)
    assert silent(db, NOON + 90 * SECOND) == []


def test_the_recovered(db: Database) -> None:
    """A process that is recovered is not waited for."""
    lend(db, TODAY, 5)
    holders.move(db, HOLDER.id, holders.HolderState.RECOVERED)
    assert silent(db, NOON + 90 * SECOND) == []


def test_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each is told once, and again only after it was heard of in between."""
    silence = Silence()
    found = [Silent(HOLDER, 90, 2 * 10**9)]
    for look in (found, found, [], found):
        silence.tell(look)
    assert len(caplog.records) == 2
    assert "process 42 on web-1 (desk) has been silent for 90 s and holds up to 2.00 USD" in caplog.text


def test_the_agent_itself_is_never_silent(db: Database) -> None:
    """What it holds for calls that are put off waits for no message of its own."""
    balances.ensure(db, TODAY, policy())
    holders.register(db, Holder(holders.OWN, 0, "web-1", NOON), seq=0, now_ns=NOON)
    holders.grant(db, holders.OWN, TODAY, 5)
    assert silent(db, NOON + 90 * SECOND) == []
