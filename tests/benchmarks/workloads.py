"""What is called: five workloads over a mock transport that answers from bytes made once, the same for every way."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2

MODEL = "claude-sonnet-5-5"
CHUNKS = 200
CONCURRENT = 100
USAGE = {
    "input_tokens": 412,
    "cache_read_input_tokens": 2_000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 42,
    "service_tier": "standard",
}
SMALL: Any = {"model": MODEL, "max_tokens": 256, "messages": [{"role": "user", "content": "Hello"}]}
LARGE: Any = {
    "model": MODEL,
    "max_tokens": 1_024,
    "system": ("All work is described in this long prompt. " * 2_500)[:100_000],
    "messages": [
        {"role": ("user", "assistant")[turn % 2], "content": f"Turn {turn}: and what of this? " * 8}
        for turn in range(21)
    ],
}

Act = Callable[[Any], object]

_number = itertools.count()


def _asked(request: Any) -> Any:
    """The request with a last message of its own: one that is made again and again is a loop, and judged as one."""
    *before, last = request["messages"]
    return {**request, "messages": [*before, {**last, "content": f"{last['content']} {next(_number)}"}]}


@dataclass(frozen=True, slots=True)
class Workload:
    """One workload: how it is done once, how many calls that is, and how much of it is measured."""

    title: str
    act: Act
    counted: int
    """Acts under valgrind."""
    timed: int
    """Acts a round, on the clock."""
    goal: float
    """What Bursar may add to the SDK's own tracing, as a share of the bare call."""
    calls: int = 1


def _numbered(text: str) -> bytes:
    """A template for bytes with one running number, where the text says so."""
    return text.replace("%", "%%").replace("NUMBER", "%d").encode()


def _message(content: list[dict[str, Any]], stop: str | None, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_{os.getpid()}_NUMBER",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }


def _events() -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _message([], None, {**USAGE, "output_tokens": 1})}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for _ in range(CHUNKS):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "some words "}}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 402},
    }
    yield {"type": "message_stop"}


_ANSWER = _numbered(json.dumps(_message([{"type": "text", "text": "Hello to you."}], "end_turn", USAGE)))
_START, *_REST = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _events())
_FIRST, _LATER = _numbered(_START), [piece.encode() for piece in _REST]
_numbers = itertools.count()


def answered() -> int:
    """How many calls were answered so far; itself it uses up a number."""
    return next(_numbers)


class _Pieces(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body as it comes from the network, not in memory already: an answer whole, a stream event by event."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


class _Transport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """The API, with no network and hardly any work; ids are its own for each answer, as the ledger expects."""

    def __init__(self, *, streams: bool) -> None:
        self._streams = streams

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        number = next(_numbers)
        kind = b"text/event-stream" if self._streams else b"application/json"
        headers = [(b"content-type", kind), (b"request-id", b"req_%d_%d" % (os.getpid(), number))]
        pieces = [_FIRST % number, *_LATER] if self._streams else [_ANSWER % number]
        return httpx2.Response(200, headers=headers, stream=_Pieces(pieces))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.handle_request(request)


class Clients:
    """The three clients that the workloads call, alike but for their transports."""

    def __init__(self, *, traced: bool) -> None:
        given: Any = {"api_key": "k", "max_retries": 0, "open_telemetry": {} if traced else False}
        self.plain: Any = anthropic.Anthropic(**given, http_client=httpx2.Client(transport=_Transport(streams=False)))
        self.streaming: Any = anthropic.Anthropic(
            **given, http_client=httpx2.Client(transport=_Transport(streams=True))
        )
        self.concurrent: Any = anthropic.AsyncAnthropic(
            **given, http_client=httpx2.AsyncClient(transport=_Transport(streams=False))
        )
        self.runner = asyncio.Runner()


def create_small(clients: Clients) -> None:
    """A short question and a short answer."""
    clients.plain.messages.create(**_asked(SMALL))


def create_large(clients: Clients) -> None:
    """A system prompt of 100 kB and 21 messages."""
    clients.plain.messages.create(**_asked(LARGE))


def create_conversation(clients: Clients) -> None:
    """The same system prompt, and the first message of a conversation."""
    clients.plain.messages.create(**_asked({**LARGE, "messages": LARGE["messages"][:1]}))


def create_stream(clients: Clients) -> None:
    """Every event of a stream."""
    for _ in clients.streaming.messages.create(**_asked(SMALL), stream=True):
        pass


def stream_helper(clients: Clients) -> None:
    """Every piece of text, by the SDK's helper."""
    with clients.streaming.messages.stream(**_asked(SMALL)) as stream:
        for _ in stream.text_stream:
            pass


def create_concurrently(clients: Clients) -> None:
    """A hundred short questions at once."""

    async def all_of_them() -> None:
        await asyncio.gather(*(clients.concurrent.messages.create(**_asked(SMALL)) for _ in range(CONCURRENT)))

    clients.runner.run(all_of_them())


WORKLOADS = {
    "small": Workload("create, small", create_small, counted=25, timed=30, goal=0.10),
    "large": Workload("create, 100 kB and 20 turns", create_large, counted=15, timed=15, goal=0.04),
    "stream": Workload("stream=True, 200 chunks", create_stream, counted=4, timed=4, goal=0.02),
    "helper": Workload("stream helper, 200 chunks", stream_helper, counted=5, timed=3, goal=0.02),
    "async": Workload("async, 100 at once", create_concurrently, counted=1, timed=1, goal=0.10, calls=CONCURRENT),
}
