"""When is a raised alert told, and how often is it tried?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import groupby

from sqlite_utils import Database

from bursar.agent.alerting.channels import Channel, ChannelError
from bursar.agent.alerting.message import Message
from bursar.agent.alerting.messages import message_of
from bursar.agent.ledger import Ledger, LedgerError, outbox
from bursar.agent.ledger.outbox import Alert
from bursar.agent.rules import Rules

_log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 5
LONGEST_DELAY_SECONDS = 600
_SECOND = 10**9


def delay_ns(tries: int, retry_after: float | None = None) -> int:
    """
    How long to wait after so many tries that failed: 5 s, doubling up to 10 minutes.

    Never less than the other side asked for (`retry_after`, in seconds), up to the same longest.
    """
    own = min(FIRST_DELAY_SECONDS << min(tries - 1, 16), LONGEST_DELAY_SECONDS)
    asked = min(int(retry_after or 0), LONGEST_DELAY_SECONDS)
    return max(own, asked) * _SECOND


class Delivery:
    """
    Tells what stands in the outbox, and notes in the ledger what became of it.

    An alert is told once. The one exception: a crash between the channel's answer and its note, after which nobody
    can know, and it is told again.
    """

    def __init__(
        self,
        ledger: Ledger,
        channel: Callable[[str], Channel],
        *,
        clock_ns: Callable[[], int],
        rules: Callable[[], Rules | None] = lambda: None,
    ) -> None:
        """`rules` are those in force, by whose clock and prices a message is written."""
        self._ledger = ledger
        self._channel = channel
        self._clock_ns = clock_ns
        self._rules = rules
        self._accepted: dict[tuple[str, str, str], tuple[int, str | None]] = {}
        """Told, with the number of the try and the answer, but the ledger could not take the note yet."""
        self._wanted = self._closed = False
        self._task: asyncio.Task[None] | None = None

    def nudge(self) -> None:
        """Look at the outbox soon. To be called in the event loop; comes back at once."""
        if self._closed:
            return
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Break off; what was not accepted stays in the outbox for the next start."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await self.tell_due()
            except LedgerError as error:
                _log.warning("alerts wait: %s", error)

    async def tell_due(self) -> None:
        """Tell every alert whose time has come; each channel in order, and no channel waits for another."""
        due = sorted(await asyncio.to_thread(self._due), key=lambda alert: alert.channel)
        channels = [list(alerts) for _, alerts in groupby(due, key=lambda alert: alert.channel)]
        await asyncio.gather(*(self._tell_all(alerts) for alerts in channels))

    async def _tell_all(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            if not await self._tell(alert):
                return

    async def _tell(self, alert: Alert) -> bool:
        """Tell one alert, and note it; whether the channel took it."""
        key = (alert.balance, alert.step, alert.channel)
        if key not in self._accepted:
            message = await asyncio.to_thread(self._compose, alert)
            # Noted first, and so durable before anything leaves: a ledger that takes no note now would later not know
            # that it was told.
            begun_ns = self._clock_ns()
            number = await asyncio.wrap_future(self._ledger.submit(lambda db: outbox.begin(db, alert, begun_ns)))
            try:
                said = await self._channel(alert.channel).send(message)
            except ChannelError as error:
                await self._put_off(alert, error, number)
                return False
            self._accepted[key] = (number, said)
        await self._note_sent(alert, *self._accepted[key])
        del self._accepted[key]
        return True

    async def _note_sent(self, alert: Alert, number: int, said: str | None) -> None:
        now_ns = self._clock_ns()

        def note(db: Database) -> None:
            outbox.mark_sent(db, alert, now_ns, number=number, said=said)

        await asyncio.wrap_future(self._ledger.submit(note))

    async def _put_off(self, alert: Alert, error: ChannelError, number: int) -> None:
        delay = delay_ns(alert.tries + 1, error.retry_after)
        _log.warning(
            'channel "%s" did not take an alert: %s; try %d, the next in %d s',
            alert.channel,
            error,
            alert.tries + 1,
            delay // _SECOND,
        )
        now_ns = self._clock_ns()
        next_try_ns = now_ns + delay

        def note(db: Database) -> None:
            outbox.mark_failed(db, alert, str(error), next_try_ns=next_try_ns, number=number, now_ns=now_ns)
            if error.retry_after is not None:
                outbox.put_off(db, alert.channel, next_try_ns)

        await asyncio.wrap_future(self._ledger.submit(note))

    def _due(self) -> list[Alert]:
        with self._ledger.reading() as db:
            return outbox.due(db, self._clock_ns())

    def _compose(self, alert: Alert) -> Message:
        with self._ledger.reading() as db:
            return message_of(db, alert, self._rules(), self._clock_ns())
