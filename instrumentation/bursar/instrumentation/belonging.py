"""Which conversation and which run does a call belong to, without a word from the application?"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from opentelemetry import baggage
from opentelemetry.trace import Span

CONVERSATION = "gen_ai.conversation.id"
"""OpenTelemetry's name for it: read from baggage, and what the SDK's own option becomes on a span."""
RUN = "bursar.run"
"""The name in baggage of a run that goes through several processes."""
MEMORY = 20_000
"""Requests remembered, two entries for each; beyond that the one that was silent the longest is forgotten."""

Entry = tuple[bytes, bytes]
_RESPONSE = b"response"
"""In place of a hash, in entries of responses."""


class Conversations:
    """
    Tells which conversation a request goes on: the one whose last request it repeats whole, before a new answer.

    So a request without an assistant's turn begins one, and so do two that share nothing but their examples. Where
    the `system` prompt changes from turn to turn the turns alone decide. Of conversations that began alike, the later
    turns go to the one that began last. What is kept is keyed hashes, never a text.
    """

    def __init__(self, key: bytes, new_id: Callable[[], str]) -> None:
        """`key` makes the hashes of this process; `new_id` names a conversation that begins."""
        self._key = key
        self._new_id = new_id
        self._known: OrderedDict[Entry, str] = OrderedDict()
        self._lock = threading.RLock()  # a destructor may tell of an answer while this thread looks

    def find(self, client: Any, body: Mapping[str, Any]) -> str:
        """The id that the application or the SDK gives, else one by the requests before."""
        named = _named(client)
        if named is not None:
            return named
        previous = previous_of(body)
        if previous is not None:
            return self._going_on(previous)
        turns = _turns(body.get("messages"))
        system = self._hash(b"", body.get("system"))
        *before, whole = self._stretches(turns)
        with self._lock:
            found = self._last_of(before, system)
            name = found if found is not None else self._new_id()
            self._remember(name, (whole, system), (whole, b""))
        return name

    def answered(self, response_id: str, conversation: str) -> None:
        """Remember whose response this is: a thread that the API holds is gone on with by its last response alone."""
        with self._lock:
            self._remember(conversation, (response_id.encode(), _RESPONSE))

    def _going_on(self, previous: str) -> str:
        entry = (previous.encode(), _RESPONSE)
        with self._lock:
            name = self._known.get(entry)
            if name is None:
                name = self._new_id()
            self._remember(name, entry)
        return name

    def _remember(self, name: str, *entries: Entry) -> None:
        for entry in entries:
            self._known[entry] = name
            self._known.move_to_end(entry)
        while len(self._known) > MEMORY:
            self._known.popitem(last=False)

    def _last_of(self, before: Sequence[bytes], system: bytes) -> str | None:
        for stretch in reversed(before):
            for entry in ((stretch, system), (stretch, b"")):
                found = self._known.get(entry)
                if found is not None:
                    return found
        return None

    def _stretches(self, turns: Sequence[Any]) -> Iterator[bytes]:
        """A hash of the turns before each of the assistant's, then of all but an answer that is begun for it."""
        last = len(turns)
        while last and _role(turns[last - 1]) == "assistant":
            last -= 1
        digest = b""
        for turn in turns[:last]:
            if _role(turn) == "assistant":
                yield digest
            digest = self._hash(digest, _said(turn))
        yield digest

    def _hash(self, before: bytes, part: Any) -> bytes:
        text = repr(part).encode("utf-8", "replace")
        return blake2b(before + text, digest_size=16, key=self._key).digest()


def previous_of(body: Mapping[str, Any]) -> str | None:
    """The response that a request goes on from, where the API holds the conversation (`thread` of the SDK's 2.x)."""
    thread: Any = body.get("thread")
    previous: Any = thread.get("previous_message_id") if isinstance(thread, Mapping) else None  # pyright: ignore
    return previous if isinstance(previous, str) and previous else None


def _turns(messages: Any) -> Sequence[Any]:
    return messages if isinstance(messages, list | tuple) else ()  # pyright: ignore[reportUnknownVariableType]


def _role(turn: Any) -> Any:
    return turn.get("role") if isinstance(turn, Mapping) else None  # pyright: ignore


def _said(turn: Any) -> Any:
    """A turn without what may differ when it is repeated: the form of a plain text, and where the cache is marked."""
    if not isinstance(turn, Mapping):
        return turn
    content: Any = turn.get("content")  # pyright: ignore
    if isinstance(content, list | tuple):
        content = [_block(block) for block in content]  # pyright: ignore
        if len(content) == 1 and isinstance(content[0], dict) and content[0].keys() == {"type", "text"}:
            content = content[0]["text"]
    return _role(turn), content


def _block(block: Any) -> Any:
    if not isinstance(block, Mapping):
        return block
    return {name: block[name] for name in sorted(block) if name != "cache_control"}  # pyright: ignore


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
