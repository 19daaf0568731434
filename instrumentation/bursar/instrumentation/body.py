"""How an attempt's figures are read out of a body, or of the events made from it, while the application reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.extract import EventBytes, is_binary_stream, json_body
from bursar.instrumentation.quiet import quiet
from bursar.instrumentation.stream import Decode, Watcher, decoder

CUT = "api_error"
"""What the SDK calls a stream that the server ended before its time."""


class BodyWatcher(Watcher):
    """Tells an attempt what its body says, and settles it at the body's end."""

    def __init__(self, attempt: Attempt, headers: Any, on_end: Callable[[str | None], None] | None) -> None:
        content_type = headers.get("content-type", "")
        self._attempt = attempt
        self._on_end = on_end
        self._decode: Decode | None = decoder(headers.get("content-encoding", ""))
        self._whole: bytearray | None = bytearray() if content_type.startswith("application/json") else None
        self._events = EventBytes(binary=is_binary_stream(content_type))

    def chunk(self, data: bytes) -> None:
        """Some bytes of the body, as they came."""
        if self._decode is None:
            return
        with quiet("read a response"):
            try:
                plain = self._decode(data)
            except Exception:  # whatever a decoder raises: it is not asked again, and `quiet` tells it once
                self._decode = None
                raise
            if self._whole is not None:
                self._whole += plain
                return
            for event in self._events.feed(plain):
                self._count(event)

    def event(self, event: Any) -> None:
        """One of the SDK's own events, made from the same bytes."""
        with quiet("read an event"):
            self._count(event)

    def broken(self, error: BaseException) -> None:
        """Reading failed; the end follows."""
        tally = self._attempt.tally
        tally.failure = tally.failure or type(error).__name__

    def end(self) -> None:
        """The body was read, closed, dropped or broken off."""
        tally = self._attempt.tally
        with quiet("settle a call"):
            if self._whole:
                tally.message(json_body(bytes(self._whole)))
            if self.drained and tally.started and not tally.complete:
                tally.failure = tally.failure or CUT
            self._attempt.settle()
        if self._on_end is not None:
            self._on_end(tally.failure)

    def _count(self, event: Any) -> None:
        tally = self._attempt.tally
        started = tally.started
        if tally.event(event):
            self._attempt.counted(first=not started)
