"""Which conversation and which run does a call belong to, without a word from the application?"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from opentelemetry import baggage
from opentelemetry.trace import Span

CONVERSATION = "gen_ai.conversation.id"
"""OpenTelemetry's name for it: read from baggage, and what the SDK's own option becomes on a span."""
RUN = "bursar.run"
"""The name in baggage of a run that goes through several processes."""
MEMORY = 10_000
"""Conversations remembered; beyond that the one that was silent the longest is forgotten."""
PAUSE_SECONDS = 3_600.0
"""After such a pause the same opening is taken for a new conversation."""


class Conversations:
    """
    Tells conversations apart by how they begin: every later turn repeats the opening of the first.

    A request without an assistant's turn begins one. What is kept is a keyed hash, never a text.
    """

    def __init__(self, key: bytes, new_id: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        """`key` makes the hashes of this process; `new_id` names a conversation that begins."""
        self._key = key
        self._new_id = new_id
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, client: Any, body: Mapping[str, Any]) -> str:
        """The id that the application or the SDK gives, else one by the request's opening."""
        named = _named(client)
        if named is not None:
            return named
        messages: Any = body.get("messages")
        turns: list[Any] = messages if isinstance(messages, list) else []
        opening = self._hash(body.get("system"), turns[0] if turns else None)
        begins = not any(isinstance(turn, Mapping) and turn.get("role") == "assistant" for turn in turns)  # pyright: ignore
        now = self._clock()
        with self._lock:
            known = self._known.pop(opening, None)
            if known is None or begins or now - known[1] > PAUSE_SECONDS:
                known = (self._new_id(), now)
            self._known[opening] = (known[0], now)
            if len(self._known) > MEMORY:
                self._known.popitem(last=False)
        return known[0]

    def _hash(self, *parts: Any) -> bytes:
        return blake2b(repr(parts).encode("utf-8", "replace"), digest_size=16, key=self._key).digest()


def _named(client: Any) -> str | None:
    given = baggage.get_baggage(CONVERSATION)
    if isinstance(given, str) and given:
        return given
    options: Any = getattr(client, "open_telemetry", None)
    option = options.get("conversation_id") if isinstance(options, Mapping) else None  # pyright: ignore
    return option if isinstance(option, str) and option else None


def run_of(outer: Span, given: str | None, process: str) -> str:
    """
    The run of a call: named in baggage, or by `BURSAR_RUN`, else the trace around the call, else the process.

    `outer` is the span that was current before the call; the SDK's own is no run.
    """
    named = baggage.get_baggage(RUN)
    if isinstance(named, str) and named:
        return named
    if given:
        return given
    context = outer.get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else process
