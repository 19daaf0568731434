"""How is the agent scraped, however often, without work for the ledger?"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import LedgerError, meterbook
from bursar.agent.ledger.forwardtables import TargetState
from bursar.agent.ledger.meterbook import Reading
from bursar.agent.serving.exposition import Health, Told

PATH = "/metrics"
FRESH_SECONDS = 5.0
"""For so long every scrape is answered with the same reading."""


ReadForwards = Callable[[], Sequence[TargetState]]


def routes(
    bookkeeper: Bookkeeper,
    clock_ns: Callable[[], int],
    forwards: ReadForwards,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> list[BaseRoute]:
    """Where Prometheus scrapes; `forwards` reads how receivers of spans stand, `clock` is monotonic, in seconds."""
    return [Route(PATH, _Scraped(bookkeeper, clock_ns, forwards, clock).answer, methods=["GET"])]


_Read = tuple[Reading, tuple[TargetState, ...] | None]


class _Scraped:
    """The last reading, and how it is replaced: by one scrape at a time, on a thread of its own."""

    def __init__(
        self,
        bookkeeper: Bookkeeper,
        clock_ns: Callable[[], int],
        forwards: ReadForwards,
        clock: Callable[[], float],
    ) -> None:
        self._bookkeeper = bookkeeper
        self._clock_ns = clock_ns
        self._forwards = forwards
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: tuple[float, _Read] | None = None
        self._version = version("bursar")

    async def answer(self, request: Request) -> Response:
        """In the format that the scraper asks for; 503 where the ledger cannot be read."""
        try:
            reading, forwards = await self._reading()
        except (LedgerError, sqlite3.Error) as error:
            return PlainTextResponse(f"the ledger cannot be read ({error})\n", 503)
        ledger = self._bookkeeper.ledger
        health = Health(
            self._version,
            ledger.waiting,
            ledger.last_commit_ns,
            trouble=self._bookkeeper.trouble is not None,
            forwards=forwards,
        )
        try:
            encode, content_type = choose_encoder(request.headers.get("accept", ""))
        except (TypeError, ValueError) as error:
            return PlainTextResponse(f"the Accept header cannot be read ({error}): leave it out\n", 400)
        return Response(encode(Told(reading, health)), headers={"content-type": content_type})

    async def _reading(self) -> _Read:
        async with self._lock:
            if self._kept is None or self._clock() - self._kept[0] >= FRESH_SECONDS:
                reading = await asyncio.to_thread(self._read)
                self._kept = self._clock(), reading
            return self._kept[1]

    def _read(self) -> _Read:
        with self._bookkeeper.ledger.reading() as db:
            return meterbook.read(db, self._clock_ns()), self._read_forwards()

    def _read_forwards(self) -> tuple[TargetState, ...] | None:
        """A queue that cannot be read is told as that, and hides nothing of the ledger."""
        try:
            return tuple(self._forwards())
        except LedgerError:
            return None
