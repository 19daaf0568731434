"""Who waits for an answer, and how does he hear that it is there?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Tidings:
    """
    Requests held open until one of their calls is over. Lives in one event loop.

    Who asks first listens and then looks, so that nothing that ends in between is missed.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._all: set[asyncio.Event] = set()
        self._closed = False
        self.work = asyncio.Event()
        """Set when something was queued, or is to be looked at, before the clock says so."""

    @property
    def closed(self) -> bool:
        return self._closed

    def listen(self, ids: Iterable[str]) -> asyncio.Event:
        """An event that is set as soon as one of these is over."""
        event = asyncio.Event()
        for one in ids:
            self._listeners.setdefault(one, set()).add(event)
        self._all.add(event)
        if self._closed:
            event.set()
        return event

    def leave(self, ids: Iterable[str], event: asyncio.Event) -> None:
        """Listen no more."""
        self._all.discard(event)
        for one in ids:
            listeners = self._listeners.get(one)
            if listeners is not None:
                listeners.discard(event)
                if not listeners:
                    del self._listeners[one]

    def over(self, ids: Iterable[str]) -> None:
        """Tell everybody who waits for one of these."""
        for one in ids:
            for event in self._listeners.get(one, ()):
                event.set()

    def close(self) -> None:
        """Let everybody go: the agent ends."""
        self._closed = True
        for event in self._all:
            event.set()
