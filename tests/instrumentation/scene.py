"""A stage for calls: clients of every kind over a mock transport, and the answers they get."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anthropic
import httpx2

USAGE = {
    "input_tokens": 100,
    "cache_read_input_tokens": 2000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 42,
    "output_tokens_details": {"thinking_tokens": 10},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    "service_tier": "standard",
}
# Sonnet 5.5, USD per MTok: 2 in, 0.10 read, 2.50 5m write, 4 1h write, 10 out; searches 0.01 USD each.
# 100*2000 + 2000*100 + 300*2500 + 200*4000 + 42*10000 nano-dollars, and 2*10,000,000.
COST_NANO = 200_000 + 200_000 + 750_000 + 800_000 + 420_000 + 20_000_000
START_COST_NANO = COST_NANO - 41 * 10_000
MODEL = "claude-sonnet-5-5"
ASK: Any = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}

Answer = Callable[[httpx2.Request], httpx2.Response]


def message(**changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **changes,
    }


def events() -> list[dict[str, Any]]:
    start = {**USAGE, "output_tokens": 1}
    return [
        {"type": "message_start", "message": message(content=[], stop_reason=None, usage=start)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 42},
        },
        {"type": "message_stop"},
    ]


def sse(parts: list[dict[str, Any]]) -> bytes:
    return b"".join(f"event: {part['type']}\ndata: {json.dumps(part)}\n\n".encode() for part in parts)


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body in small pieces for either client; with an error at its end, if one is given."""

    def __init__(self, data: bytes, error: Exception | None = None) -> None:
        self._pieces = [data[i : i + 50] for i in range(0, len(data), 50)]
        self._error = error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def answer(request: httpx2.Request) -> httpx2.Response:
    """The API on a good day: a message, or its events."""
    headers = {"request-id": "req_1"}
    if json.loads(request.content).get("stream"):
        headers["content-type"] = "text/event-stream"
        return httpx2.Response(200, headers=headers, stream=Body(sse(events())))
    return httpx2.Response(200, headers=headers, json=message())


def error(status: int, kind: str) -> Answer:
    body = {"type": "error", "error": {"type": kind, "message": "no"}}
    return lambda request: httpx2.Response(status, headers={"request-id": "req_e"}, json=body)


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other; the last one from then on."""
    left = list(answers)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


def client(respond: Answer = answer, **options: Any) -> Any:
    """A client of the real SDK whose every request is answered here."""
    given: Any = {"api_key": "k", "max_retries": 0, **options}
    return anthropic.Anthropic(**given, http_client=httpx2.Client(transport=httpx2.MockTransport(respond)))


def async_client(respond: Answer = answer, **options: Any) -> Any:
    """The same, async."""
    given: Any = {"api_key": "k", "max_retries": 0, **options}
    return anthropic.AsyncAnthropic(**given, http_client=httpx2.AsyncClient(transport=httpx2.MockTransport(respond)))
