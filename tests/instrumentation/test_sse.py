"""Events made from a message: what the SDK puts together from them is that very message."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from tests.instrumentation.scene import ASK, USAGE, async_client, client, message

from bursar.instrumentation.extract import EventBytes, Tally
from bursar.instrumentation.sse import body_of_message, events

CITATION = {
    "type": "char_location",
    "cited_text": "Hi",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 2,
    "file_id": None,
}
RESULT = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "caller": {"type": "direct"},
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.com",
            "title": "t",
            "encrypted_content": "e",
            "page_age": None,
        }
    ],
}
BLOCKS: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "text": [{"type": "text", "text": "Grüße \u2028 \U0001f42b", "citations": None}],
    "cited": [{"type": "text", "text": "Hi", "citations": [CITATION, CITATION]}],
    "empty text": [{"type": "text", "text": "", "citations": None}],
    "thinking": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "cmVk"},
        {"type": "text", "text": "So.", "citations": None},
    ],
    "thinking not shown": [{"type": "thinking", "thinking": "", "signature": "c2ln"}],
    "tools": [
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "f",
            "input": {"a": [1, {"b": "ü"}]},
            "caller": {"type": "direct"},
        },
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
    ],
    "server tools": [
        {
            "type": "server_tool_use",
            "id": "srvtoolu_1",
            "name": "web_search",
            "input": {"query": "q"},
            "caller": {"type": "direct"},
        },
        RESULT,
    ],
}


def streamed(said: dict[str, Any]) -> Any:
    headers = {"content-type": "text/event-stream"}
    body = body_of_message(said)
    with client(lambda _: httpx2.Response(200, headers=headers, content=body)).messages.stream(**ASK) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("name", BLOCKS)
def test_a_stream_tells_the_whole_message(name: str) -> None:
    """Every kind of block, with its usage and how it ended."""
    said = message(content=BLOCKS[name], stop_reason="tool_use" if name == "tools" else "end_turn")
    at_once = client(lambda _: httpx2.Response(200, json=said)).messages.create(**ASK)
    told = streamed(said)
    assert json.loads(told.to_json(exclude_none=True)) == json.loads(at_once.to_json(exclude_none=True))


def test_a_stop_sequence_and_a_refusal_are_told() -> None:
    """What stands beside the reason."""
    said = message(stop_reason="stop_sequence", stop_sequence="###")
    assert (streamed(said).stop_reason, streamed(said).stop_sequence) == ("stop_sequence", "###")
    refused = message(content=[], stop_reason="refusal", stop_details={"type": "refusal", "category": None})
    assert streamed(refused).stop_reason == "refusal"


def test_an_async_stream_reads_the_same() -> None:
    import asyncio

    said = message(content=BLOCKS["tools"], stop_reason="tool_use")
    headers = {"content-type": "text/event-stream"}

    async def main() -> Any:
        c = async_client(lambda _: httpx2.Response(200, headers=headers, content=body_of_message(said)))
        async with c.messages.stream(**ASK) as stream:
            return await stream.get_final_message()

    assert asyncio.run(main()) == streamed(said)


def test_no_output_is_told_before_it_is_there() -> None:
    """As the API does it: the start has a placeholder, the end has the counts."""
    told = list(events(message()))
    assert (told[0]["message"]["usage"]["output_tokens"], told[0]["message"]["content"]) == (0, [])
    assert told[-2]["usage"]["output_tokens"] == USAGE["output_tokens"]
    tally = Tally()
    for event in EventBytes(binary=False).feed(body_of_message(message())):
        tally.event(event)
    whole = Tally()
    whole.message(message())
    assert tally.report() == whole.report()
