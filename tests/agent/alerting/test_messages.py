"""Claims about the messages of the outbox: each with what the ledger knows around it at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, used
from tests.agent.ledger.flowing import spend

from bursar.agent.alerting.alerts import Reached, to_payload
from bursar.agent.alerting.messages import message_of
from bursar.agent.alerting.notices import Notice, Subject
from bursar.agent.alerting.notices import to_payload as notice_payload
from bursar.agent.ledger.outbox import Alert
from bursar.agent.rules import Rules
from bursar.policies.policyfile import parse_policy
from bursar.policies.prices import shipped_book
from bursar.policies.protocol import Snapshot
from bursar.policies.records import Decided
from bursar.policies.usage import Usage

DAY = 86_400
MIDNIGHT = 1_795_219_200
NOON = MIDNIGHT + DAY // 2
KEY = "day|2026-11-21T00:00:00Z|"
POLICY = parse_policy(
    """\
version = 1
mode = "enforce"

ladder = ["claude-opus-5-5", "claude-sonnet-5-5"]
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
[budget.at]
"50%" = "downgrade"
"80%" = "alert log"
"100%" = "block"
""",
    file="bursar.toml",
)
RULES = Rules(POLICY, shipped_book(), Snapshot("id"))
STEP = Reached(KEY, "day", "", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "80%", "log", 8 * 10**9, 0, 10**10)
M = 10**6


@pytest.fixture
def db() -> Iterator[Database]:
    """Today: 4 USD on the desk, and 2 for sorting, moved from Opus to Sonnet; a refusal. A week ago 1 for the desk."""
    with fresh.ledger() as memory:
        put(
            memory,
            used("a", Usage(input=M), at=NOON - 60),
            used("b", Usage(input=M), at=NOON - 60, route="sort", model=SONNET, requested=OPUS, action="downgrade"),
            used("c", Usage(input=M // 4), at=NOON - 7 * DAY - 1),
            used("d", Usage(input=M), at=NOON - 7 * DAY),
            [Decided("e", NOON * SECOND, "desk", OPUS, "block", "spent", decision={"balance": KEY, "needed": 10**9})],
            policy=POLICY,
        )
        spend(memory, "day", "", {NOON - 60: 6 * 10**9})
        yield memory


def alert(payload: dict[str, Any]) -> Alert:
    return Alert(KEY, "80%", "log", NOON * SECOND, payload)


def test_a_step(db: Database) -> None:
    """Forecast and steps in force by the rules of now, routes against the same time last week, and what was done."""
    message = message_of(db, alert(to_payload(STEP)), RULES, NOON * SECOND)
    data = message.data
    assert (data["kind"], data["spent"]) == ("step", 8 * 10**9)
    # 6 USD at noon of a flat day, and three quarters of 6 to come.
    assert data["forecast"]["amount"] == 10_500_000_000
    assert data["routes"] == [
        {"route": "desk", "nano": 4 * 10**9, "before": 10**9},
        {"route": "sort", "nano": 2 * 10**9, "before": 0},
    ]
    assert data["bursar"]["downgraded"] == 1
    assert (data["bursar"]["saved"], data["bursar"]["blocked"], data["bursar"]["held_back"]) == (2 * 10**9, 1, 10**9)
    assert data["in_force"] == [{"step": "50%", "does": ("downgrade",)}]


def test_a_window_that_is_over(db: Database) -> None:
    """Has no forecast, and is compared with the whole of the window a week before."""
    data = message_of(db, alert(to_payload(STEP)), RULES, (NOON + DAY) * SECOND).data
    assert data["forecast"] is None
    assert data["routes"][0] == {"route": "desk", "nano": 4 * 10**9, "before": 5 * 10**9}


@pytest.mark.parametrize("rules", [None, Rules(None, shipped_book(), Snapshot("id"))])
def test_without_a_policy(db: Database, rules: Rules | None) -> None:
    """What the ledger alone knows."""
    data = message_of(db, alert(to_payload(STEP)), rules, NOON * SECOND).data
    assert (data["forecast"], data["in_force"]) == (None, [])
    assert data["routes"][0]["nano"] == 4 * 10**9
    assert data["bursar"]["downgraded"] == 1


def test_a_budget_that_is_gone(db: Database) -> None:
    """The same."""
    other = parse_policy('version = 1\nmode = "enforce"\n', file="bursar.toml")
    data = message_of(db, alert(to_payload(STEP)), Rules(other, shipped_book(), Snapshot("id")), NOON * SECOND).data
    assert (data["forecast"], data["in_force"], data["bursar"]["blocked"]) == (None, [], 1)


def test_a_balance_that_is_gone(db: Database) -> None:
    """Is told with what stands in the outbox."""
    gone = Alert("old|2020-01-01T00:00:00Z|", "80%", "log", 0, to_payload(STEP))
    message = message_of(db, gone, RULES, NOON * SECOND)
    assert message.headline == 'Budget "day" has reached 80%'
    assert message.data["routes"] == []


def test_a_notice(db: Database) -> None:
    """By its own figures."""
    about = Subject(KEY, "day", "", STEP.window_start, STEP.window_end, STEP.spent, 0, STEP.limit)
    figures = {"rate": 4.0, "threshold": 3.0, "seconds": 3600, "spent": 10**9}
    notice = Notice("burn rate", "burn rate 2026-11-21", "log", about, figures)
    message = message_of(db, alert(notice_payload(notice)), RULES, NOON * SECOND)
    assert message.headline == 'Budget "day" burns 4.0 times too fast'
    assert message.data["forecast"]["amount"] == 10_500_000_000


def test_a_digest(db: Database) -> None:
    """Of the week that its entry names."""
    payload = {"kind": "digest", "since": MIDNIGHT - 6 * DAY, "until": MIDNIGHT + DAY}
    message = message_of(db, alert(payload), RULES, NOON * SECOND)
    assert (message.data["spent"], message.data["spent_before"]) == (6 * 10**9, 5 * 10**9)
    assert message_of(db, alert(payload), None, NOON * SECOND).data["spent"] == 6 * 10**9


def test_a_background_that_cannot_be_read(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Keeps neither the alert nor the rest from being told; the log has the reason."""
    db.conn.execute("DROP TABLE flows")
    message = message_of(db, alert(to_payload(STEP)), RULES, NOON * SECOND)
    assert message.headline == 'Budget "day" has reached 80%'
    assert message.data["forecast"] is None
    assert message.data["routes"][0]["nano"] == 4 * 10**9
    assert ["without all of its background" in record.getMessage() for record in caplog.records] == [True]
