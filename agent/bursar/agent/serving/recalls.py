"""How does a process hear at once that money which lies idle with it is wanted elsewhere?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Recalls:
    """
    Requests held open by processes, and what they are to be told. Lives in one event loop.

    What is wanted of a process that is between two requests waits for its next one, so nothing is missed.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, set[str]] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self._closed = False

    def want(self, holder: str, keys: Iterable[str]) -> None:
        """Tell a process that these balances are wanted: at once where it waits, else when it next does."""
        self._wanted.setdefault(holder, set()).update(keys)
        waiting = self._waiting.get(holder)
        if waiting is not None:
            waiting.set()
        elif len(self._wanted) > _MEMORY:
            self._wanted.pop(next(iter(self._wanted)))

    async def wait(self, holder: str, seconds: float) -> tuple[str, ...]:
        """What is wanted of a process, as soon as it is; nothing after so many seconds, or once the agent ends."""
        before = self._waiting.get(holder)
        if before is not None:
            before.set()  # its connection broke: this request takes its place
        event = self._waiting[holder] = asyncio.Event()
        try:
            if not self._wanted.get(holder) and not self._closed:
                await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            if self._waiting.get(holder) is event:
                del self._waiting[holder]
                wanted = self._wanted.pop(holder, set[str]())
            else:
                wanted = set[str]()
        return tuple(sorted(wanted))

    def close(self) -> None:
        """Let everybody go: the agent ends, and held requests would keep it from that."""
        self._closed = True
        for waiting in self._waiting.values():
            waiting.set()


_MEMORY = 4_096
"""Processes that are not waiting, and of which something is wanted; beyond that the oldest word is forgotten."""
