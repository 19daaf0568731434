"""How does this process hear at once that money which lies idle here is wanted elsewhere?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Protocol

from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.quiet import quiet
from bursar.policies import protocol
from bursar.policies.protocol import RecallRequest

PAUSE_SECONDS = 1.0
"""How long to wait before asking again an agent that is away, or knows of no such request."""
MARGIN_SECONDS = 5.0
"""How much longer than it may be held a request is waited for."""


class Line(Protocol):
    """A connection of its own to the agent."""

    def post(self, path: str, body: bytes, *, seconds: float) -> object:
        """Raises `Unreachable`."""
        ...

    def hang_up(self) -> None:
        """Make a request under way fail, from another thread."""
        ...


class Recall:
    """
    One request held open at the agent for as long as something lies idle here, on a connection and thread of its own.

    A process that keeps nothing by it asks nothing: what is free with it is on its way back anyhow.
    """

    def __init__(
        self,
        line: Line,
        holder: Callable[[], str],
        *,
        idles: Callable[[], bool],
        give_back: Callable[[Collection[str]], object],
    ) -> None:
        """`idles`: whether anything may stay here. `give_back`: send what is free of these balances, now."""
        self._line = line
        self._holder = holder
        self._idles = idles
        self._give_back = give_back
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Something may have come to lie idle: see to it that the agent is listened to."""
        if self._stopping.is_set() or not self._idles():
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="bursar-recall", daemon=True)
            self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Stop listening, at once."""
        self._stopping.set()
        self._wake.set()
        self._line.hang_up()

    def listen(self) -> None:
        """One request, and what it says done. Raises `Unreachable`."""
        body = protocol.to_line(RecallRequest(self._holder()))
        answer = self._line.post(protocol.RECALL_PATH, body, seconds=protocol.RECALL_SECONDS + MARGIN_SECONDS)
        try:
            wanted = protocol.recall_response_from_json(answer).wanted
        except protocol.ProtocolError as error:
            raise Unreachable(str(error)) from error
        if wanted:
            self._give_back(wanted)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._idles():
                self._wake.clear()
                if not self._idles():  # what came between the two has set it again
                    self._wake.wait()
                continue
            with quiet("hear what its agent wants back"):
                try:
                    self.listen()
                except Unreachable:
                    self._stopping.wait(PAUSE_SECONDS)
