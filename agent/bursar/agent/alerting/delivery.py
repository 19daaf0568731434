"""When is a raised alert told, and how often is it tried?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import groupby

from bursar.agent.alerting.alerts import from_payload
from bursar.agent.alerting.channels import Channel, ChannelError
from bursar.agent.alerting.message import NOTICE, Message, compose, from_notice
from bursar.agent.ledger import Ledger, LedgerError, outbox
from bursar.agent.ledger.alertbook import top_routes
from bursar.agent.ledger.outbox import Alert

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

    def __init__(self, ledger: Ledger, channel: Callable[[str], Channel], *, clock_ns: Callable[[], int]) -> None:
        self._ledger = ledger
        self._channel = channel
        self._clock_ns = clock_ns
        self._accepted: set[tuple[str, str, str]] = set()
        """Told, but the ledger could not take the note yet."""
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
            try:
                await self._channel(alert.channel).send(message)
            except ChannelError as error:
                await self._put_off(alert, error)
                return False
            self._accepted.add(key)
        await asyncio.wrap_future(self._ledger.submit(lambda db: outbox.mark_sent(db, alert, self._clock_ns())))
        self._accepted.discard(key)
        return True

    async def _put_off(self, alert: Alert, error: ChannelError) -> None:
        delay = delay_ns(alert.tries + 1, error.retry_after)
        _log.warning(
            'channel "%s" did not take an alert: %s; try %d, the next in %d s',
            alert.channel,
            error,
            alert.tries + 1,
            delay // _SECOND,
        )
        next_try_ns = self._clock_ns() + delay
        await asyncio.wrap_future(
            self._ledger.submit(lambda db: outbox.mark_failed(db, alert, str(error), next_try_ns=next_try_ns))
        )

    def _due(self) -> list[Alert]:
        with self._ledger.reading() as db:
            return outbox.due(db, self._clock_ns())

    def _compose(self, alert: Alert) -> Message:
        if alert.payload.get("kind") == NOTICE:
            return from_notice(alert.payload)
        with self._ledger.reading() as db:
            return compose(from_payload(alert.payload), top_routes(db, alert.balance))
