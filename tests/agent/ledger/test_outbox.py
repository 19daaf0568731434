"""Claims about the outbox: one message per balance, step and channel, tried until it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import outbox


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def raised(db: Database, step: str = "80%", *, balance: str = "k", channel: str = "slack", at: int = 100) -> bool:
    return outbox.raise_alert(db, balance=balance, step=step, channel=channel, payload={"share": "81%"}, now_ns=at)


def test_a_step_is_told_once_however_often_it_is_crossed(db: Database) -> None:
    """By balance, step and channel; also after it was told."""
    assert raised(db)
    assert not raised(db, at=200)
    outbox.mark_sent(db, outbox.due(db, 300)[0], 300)
    assert not raised(db, at=400)
    assert outbox.due(db, 500) == []
    assert raised(db, "90%")
    assert raised(db, channel="mail")
    assert raised(db, balance="k2")


def test_alerts_are_due_in_the_order_they_were_raised(db: Database) -> None:
    """With what is to be said, up to so many."""
    raised(db, "90%", at=200)
    raised(db, "80%", at=100)
    assert [alert.step for alert in outbox.due(db, 200)] == ["80%", "90%"]
    assert [alert.step for alert in outbox.due(db, 150)] == ["80%"]
    assert [alert.step for alert in outbox.due(db, 200, limit=1)] == ["80%"]
    assert outbox.due(db, 200)[0].payload == {"share": "81%"}


def test_a_channel_with_many_starves_no_other(db: Database) -> None:
    """So many of each, however many older ones wait for another."""
    for number in range(60):
        raised(db, f"{number}%", at=100 + number)
    raised(db, channel="mail", at=900)
    found = outbox.due(db, 1000)
    assert [(alert.channel, alert.created_ns) for alert in found] == [
        *(("slack", 100 + number) for number in range(50)),
        ("mail", 900),
    ]


def test_a_failed_alert_is_tried_again_later(db: Database) -> None:
    """Its tries and last error are kept until it is told."""
    raised(db)
    outbox.mark_failed(db, outbox.due(db, 100)[0], "HTTP 500", next_try_ns=160)
    assert outbox.due(db, 159) == []
    again = outbox.due(db, 160)[0]
    assert (again.tries, again.last_error, again.sent_ns) == (1, "HTTP 500", None)
    outbox.mark_sent(db, again, 170)
    told = outbox.recent(db, 0)[0]
    assert (told.tries, told.last_error, told.sent_ns) == (2, None, 170)


def test_a_late_failure_does_not_undo_a_delivery(db: Database) -> None:
    """Two workers, one of them slow."""
    raised(db)
    alert = outbox.due(db, 100)[0]
    outbox.mark_sent(db, alert, 110)
    outbox.mark_failed(db, alert, "timeout", next_try_ns=120)
    assert outbox.due(db, 1_000) == []
    assert outbox.recent(db, 0)[0].last_error is None


def test_recent_alerts_are_listed_newest_first(db: Database) -> None:
    """Told or not, since an instant."""
    for at, step in ((100, "50%"), (200, "80%"), (300, "90%")):
        raised(db, step, at=at)
    assert [alert.step for alert in outbox.recent(db, 200)] == ["90%", "80%"]


def tries(db: Database) -> list[tuple[str, int, int | None, str, str | None]]:
    return [(one.step, one.begun_ns, one.ended_ns, one.outcome, one.said) for one in outbox.tries(db, 0)]


def test_every_try_is_kept(db: Database) -> None:
    """When it began and ended, and what the channel said; one without an end was broken off."""
    raised(db)
    alert = outbox.due(db, 100)[0]
    outbox.begin(db, alert, 110)
    failed = outbox.begin(db, alert, 120)
    outbox.mark_failed(db, alert, "it answered 500", next_try_ns=200, number=failed, now_ns=125)
    sent = outbox.begin(db, alert, 200)
    outbox.mark_sent(db, alert, 201, number=sent)
    assert tries(db) == [
        ("80%", 110, None, "begun", None),
        ("80%", 120, 125, "failed", "it answered 500"),
        ("80%", 200, 201, "accepted", None),
    ]
    assert outbox.tries(db, 101) == []


def test_a_channel_that_asks_for_a_pause_has_one(db: Database) -> None:
    """All that waits for it is put off, what is put off longer stays so, and no other channel waits."""
    raised(db, "50%")
    raised(db, "80%")
    raised(db, channel="mail")
    outbox.mark_failed(db, outbox.due(db, 100)[0], "it answered 500", next_try_ns=900)
    outbox.put_off(db, "slack", 500)
    assert [(alert.step, alert.channel) for alert in outbox.due(db, 499)] == [("80%", "mail")]
    assert len(outbox.due(db, 500)) == 2
    assert len(outbox.due(db, 900)) == 3


def test_whether_it_is_there(db: Database) -> None:
    """By all three names, told or not."""
    raised(db)
    assert outbox.is_raised(db, balance="k", step="80%", channel="slack")
    outbox.mark_sent(db, outbox.due(db, 100)[0], 110)
    assert outbox.is_raised(db, balance="k", step="80%", channel="slack")
    for other in ({"balance": "k2"}, {"step": "90%"}, {"channel": "mail"}):
        assert not outbox.is_raised(db, **{"balance": "k", "step": "80%", "channel": "slack", **other})
