"""Claims about delivery: every alert is told once, whatever the channel, the ledger and restarts do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.alerting.alerts import Reached, to_payload
from bursar.agent.alerting.channels import Channel, ChannelError, SlackChannel
from bursar.agent.alerting.delivery import Delivery, delay_ns
from bursar.agent.alerting.message import Message
from bursar.agent.ledger import Ledger, outbox

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
STEP = Reached(
    balance="day|2026-11-21T00:00:00Z|",
    budget="day",
    scope="",
    window_start="2026-11-21T00:00:00Z",
    window_end="2026-11-22T00:00:00Z",
    step="80%",
    channel="team",
    spent=8 * SECOND,
    expected=0,
    limit=10 * SECOND,
)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: int = NOON

    def __call__(self) -> int:
        return self.now


@dataclass
class Listener:
    """A channel that takes messages, or raises what it was told to raise."""

    heard: list[str] = field(default_factory=list[str])
    errors: list[Exception] = field(default_factory=list[Exception])

    async def send(self, message: Message) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.heard.append(message.data["step"])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON)
    yield opened
    opened.close()


def raise_alert(ledger: Ledger, step: str = "80%", channel: str = "team") -> bool:
    """Put one alert into the outbox; whether it was new."""

    def put(db: Database) -> bool:
        payload = {**to_payload(STEP), "step": step}
        return outbox.raise_alert(db, balance=STEP.balance, step=step, channel=channel, payload=payload, now_ns=NOON)

    return ledger.submit(put).result()


def kept(ledger: Ledger) -> list[tuple[str, int, str | None, bool]]:
    """Of each alert its step, its tries, its last error and whether it was told."""
    with ledger.reading() as db:
        alerts = outbox.recent(db, 0)
    return [(alert.step, alert.tries, alert.last_error, alert.sent_ns is not None) for alert in alerts]


def tell(ledger: Ledger, clock: Clock, channel: Callable[[str], Channel]) -> None:
    """One look at the outbox, by a delivery that knows nothing of those before."""
    asyncio.run(Delivery(ledger, channel, clock_ns=clock).tell_due())


@pytest.mark.parametrize(
    ("tries", "retry_after", "seconds"),
    [
        (1, None, 5),
        (2, None, 10),
        (3, None, 20),
        (7, None, 320),
        (8, None, 600),
        (9, None, 600),
        (10_000, None, 600),
        (1, 30.0, 30),
        (4, 30.0, 40),
        (1, 86_400.0, 600),
    ],
)
def test_delays(tries: int, retry_after: float | None, seconds: int) -> None:
    """5 s, doubling up to ten minutes; longer where the other side asks for it, but never beyond that."""
    assert delay_ns(tries, retry_after) == seconds * SECOND


def test_slack_that_stumbles(ledger: Ledger) -> None:
    """Slack answers 500, then 429, then 200: one message is accepted, at the third try, and none follows."""
    answers = [httpx.Response(500), httpx.Response(429, headers={"retry-after": "60"}), httpx.Response(200)]
    at: list[int] = []
    clock = Clock()

    def answer(_: httpx.Request) -> httpx.Response:
        at.append((clock.now - NOON) // SECOND)
        return answers.pop(0)

    async def minutes() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            delivery = Delivery(ledger, lambda _: SlackChannel("https://hooks.example.org", client), clock_ns=clock)
            for second in range(200):
                clock.now = NOON + second * SECOND
                await delivery.tell_due()

    raise_alert(ledger)
    asyncio.run(minutes())
    assert at == [0, 5, 65]
    assert kept(ledger) == [("80%", 3, None, True)]


def test_restart_between_tries(tmp_path: Path) -> None:
    """What a channel did not take is told after a restart, and not again after the next."""
    clock, channel = Clock(), Listener(errors=[ChannelError("it answered 500")])
    for seconds, heard in [(0, []), (4, []), (5, ["80%"]), (1000, ["80%"])]:
        clock.now = NOON + seconds * SECOND
        ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=clock)
        raise_alert(ledger)
        tell(ledger, clock, lambda _: channel)
        ledger.close()
        assert channel.heard == heard


def test_failed_try_is_kept(ledger: Ledger) -> None:
    """The ledger says how often it was tried and what went wrong."""
    raise_alert(ledger)
    tell(ledger, Clock(), lambda _: Listener(errors=[ChannelError("it answered 500")]))
    assert kept(ledger) == [("80%", 1, "it answered 500", False)]


def test_raised_once(ledger: Ledger) -> None:
    """An alert that was told cannot be raised again."""
    channel = Listener()
    assert raise_alert(ledger)
    tell(ledger, Clock(), lambda _: channel)
    assert not raise_alert(ledger)
    tell(ledger, Clock(), lambda _: channel)
    assert channel.heard == ["80%"]


def test_channels_do_not_wait_for_each_other(ledger: Ledger) -> None:
    """A channel that hangs holds up its own alerts only."""
    told = Listener()

    async def race() -> None:
        heard = asyncio.Event()

        class Hanging:
            async def send(self, message: Message) -> None:
                await heard.wait()

        class Quick:
            async def send(self, message: Message) -> None:
                await told.send(message)
                heard.set()

        delivery = Delivery(ledger, lambda name: Hanging() if name == "a" else Quick(), clock_ns=Clock())
        await asyncio.wait_for(delivery.tell_due(), 10)

    raise_alert(ledger, channel="a")
    raise_alert(ledger, channel="b")
    asyncio.run(race())
    assert told.heard == ["80%"]


def test_a_channel_that_fails_is_left_for_this_time(ledger: Ledger) -> None:
    """After one failure the others of that channel keep their place and are not tried in vain."""
    channel = Listener(errors=[ChannelError("it answered 500")])
    raise_alert(ledger, "50%")
    raise_alert(ledger, "80%")
    clock = Clock()
    tell(ledger, clock, lambda _: channel)
    assert sorted(tries for _, tries, _, _ in kept(ledger)) == [0, 1]
    tell(ledger, clock, lambda _: channel)
    assert channel.heard == ["80%"]


def test_a_channel_that_asks_for_a_pause(ledger: Ledger) -> None:
    """With Retry-After everything for that channel waits, and not only the alert that was tried."""
    channel, other = Listener(errors=[ChannelError("it answered 429", retry_after=60.0)]), Listener()
    raise_alert(ledger, "50%")
    raise_alert(ledger, "80%")
    raise_alert(ledger, "90%", channel="b")
    clock = Clock()
    delivery = Delivery(ledger, lambda name: other if name == "b" else channel, clock_ns=clock)
    for seconds, heard in ((0, []), (59, []), (60, ["50%", "80%"])):
        clock.now = NOON + seconds * SECOND
        asyncio.run(delivery.tell_due())
        assert sorted(channel.heard) == heard
    assert other.heard == ["90%"]


def test_every_try_is_on_record(ledger: Ledger) -> None:
    """Before it leaves, with what was answered, and as broken off where the agent ended in between."""
    raise_alert(ledger)
    clock = Clock()

    class Ending:
        async def send(self, message: Message) -> None:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Delivery(ledger, lambda _: Ending(), clock_ns=clock).tell_due())
    tell(ledger, clock, lambda _: Listener(errors=[ChannelError("it answered 500")]))
    clock.now += 5 * SECOND
    tell(ledger, clock, lambda _: Listener())
    with ledger.reading() as db:
        found = [(one.outcome, one.said, one.begun_ns - NOON) for one in outbox.tries(db, 0)]
    assert found == [("begun", None, 0), ("failed", "it answered 500", 0), ("accepted", None, 5 * SECOND)]


def test_note_that_cannot_be_kept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger cannot take the note, the alert is not told twice: the note is made up for."""
    channel = Listener()
    notes = iter([OSError("the disk is full"), None])
    note = outbox.mark_sent

    def failing(db: Database, alert: outbox.Alert, now_ns: int, *, number: int, said: str | None) -> None:
        if (error := next(notes)) is not None:
            raise error
        note(db, alert, now_ns, number=number, said=said)

    monkeypatch.setattr(outbox, "mark_sent", failing)
    raise_alert(ledger)
    delivery = Delivery(ledger, lambda _: channel, clock_ns=Clock())
    with pytest.raises(OSError, match="the disk is full"):
        asyncio.run(delivery.tell_due())
    assert kept(ledger) == [("80%", 0, None, False)]
    asyncio.run(delivery.tell_due())
    assert kept(ledger) == [("80%", 1, None, True)]
    assert channel.heard == ["80%"]


def test_nudges(ledger: Ledger) -> None:
    """A nudge tells what is due; one during a delivery is not lost, and one after the end does nothing."""
    heard: list[str] = []

    async def nudging() -> None:
        done = asyncio.Event()

        class Nudging:
            async def send(self, message: Message) -> None:
                heard.append(message.data["step"])
                if len(heard) == 1:
                    raise_alert(ledger, "90%")
                    delivery.nudge()
                else:
                    done.set()

        delivery = Delivery(ledger, lambda _: Nudging(), clock_ns=Clock())
        delivery.nudge()
        await asyncio.wait_for(done.wait(), 10)
        await delivery.aclose()
        raise_alert(ledger, "100%")
        delivery.nudge()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    raise_alert(ledger, "80%")
    asyncio.run(nudging())
    assert heard == ["80%", "90%"]
