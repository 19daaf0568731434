"""Every recorded Messages interaction, driven through the real SDK: usage class by class, answers as without Bursar."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from bursar.instrumentation import Charge
from bursar.instrumentation.testing import Recorded, recorded
from bursar.policies.charge import Basis

TRAFFIC = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "recorded.jsonl.xz"
CATEGORIES = ("messages", "messages_stream", "messages_error", "messages_stream_error")

pytestmark = pytest.mark.skipif(not TRAFFIC.exists(), reason=f"the recorded traffic is not at {TRAFFIC}")


@cache
def interactions() -> tuple[Mapping[str, Any], ...]:
    with lzma.open(TRAFFIC, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return tuple(row for row in rows if row["category"] in CATEGORIES)


def client_answering(row: Mapping[str, Any]) -> anthropic.Anthropic:
    """A client whose every request is answered by the recorded response."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = row["response_body"].encode()
        headers = {"content-type": content_type(row), "request-id": "req_recorded"}
        return httpx2.Response(row["status"], headers=headers, stream=Chunks(body))

    transport = httpx2.MockTransport(answer)
    return anthropic.Anthropic(api_key="k", http_client=httpx2.Client(transport=transport), max_retries=0)


class Chunks(httpx2.SyncByteStream):
    """A body in pieces of 97 bytes, which cut events at every possible place."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), 97):
            yield self._body[start : start + 97]


def content_type(row: Mapping[str, Any]) -> str:
    headers: Mapping[str, Any] = row["response_headers"] or {}
    named: Any = headers.get("content-type")
    if isinstance(named, list):
        return str(named[0])  # pyright: ignore[reportUnknownArgumentType] - as it was recorded
    return str(named or ("text/event-stream" if row["category"].startswith("messages_stream") else "application/json"))


def call(row: Mapping[str, Any]) -> list[str]:
    """Make the call as it was made, and say all that a caller can see of its answer."""
    client = client_answering(row)
    request: dict[str, Any] = dict(
        row["request"] or {"model": row["model"] or "claude-sonnet-5-5", "messages": [], "max_tokens": 8}
    )
    request.pop("stream", None)
    body: Any = {"model": "claude-sonnet-5-5", "messages": [], "max_tokens": 8, **request}
    try:
        if row["category"] == "messages_stream":
            stream = client.post(
                "/v1/messages",
                body=body,
                cast_to=anthropic.types.Message,
                stream=True,
                stream_cls=anthropic.Stream[anthropic.types.RawMessageStreamEvent],
            )
            return [f"{type(event).__name__} {event!r}" for event in stream]
        message = client.post("/v1/messages", body=body, cast_to=anthropic.types.Message)
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is part of what is compared
        return [f"{type(error).__name__}: {error}"]
    return [f"{type(message).__name__} {message!r}"]


def reported(row: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Model and usage by the recording's own summary; from the body for the ten recordings that lack the summary."""
    if row["usage"] is not None:
        return row["model"], row["usage"]
    if row["category"] == "messages":
        message = json.loads(row["response_body"])
        return message["model"], message["usage"]
    lines = row["response_body"].splitlines()
    events = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    start = next(event["message"] for event in events if event["type"] == "message_start")
    usage = dict(start["usage"])
    for event in events:
        if event["type"] == "message_delta":
            usage |= {name: value for name, value in event["usage"].items() if value is not None}
    return start["model"], usage


def classes(usage: Mapping[str, Any]) -> dict[str, int]:
    """The recorded usage as Anthropic's own classes; written apart from the code under test."""
    split: Mapping[str, int] = usage.get("cache_creation") or {}
    tools: Mapping[str, int] = usage.get("server_tool_use") or {}
    hour = split.get("ephemeral_1h_input_tokens") or 0
    five = split.get("ephemeral_5m_input_tokens") or 0
    total = usage.get("cache_creation_input_tokens") or 0
    return {
        "input": usage.get("input_tokens") or 0,
        "cache_read": usage.get("cache_read_input_tokens") or 0,
        "cache_write": max(total, hour) if total else five + hour,
        "cache_write_1h": hour,
        "output": usage.get("output_tokens") or 0,
        "web_searches": tools.get("web_search_requests") or 0,
    }


def seen_classes(charge: Charge) -> dict[str, int]:
    usage = charge.usage
    return {
        "input": usage.input,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "web_searches": usage.web_searches,
    }


def test_there_are_about_770_interactions() -> None:
    """The traffic is there, whole: nothing below passes by being empty."""
    assert len(interactions()) == 471 + 299 + 14 + 6


@pytest.mark.parametrize("n", range(790))
def test_the_charge_has_the_recorded_usage_and_the_caller_sees_no_difference(n: int) -> None:
    """One charge per billed attempt, class by class as reported; none for an error; answers and events unchanged."""
    row = interactions()[n]
    bare = call(row)
    with recorded() as seen:
        observed = call(row)
    assert observed == bare
    if row["status"] != 200:
        assert seen.charges == []
        return
    (charge,) = seen.charges
    check(row, charge, seen)


def check(row: Mapping[str, Any], charge: Charge, seen: Recorded) -> None:
    model, usage = reported(row)
    assert seen_classes(charge) == classes(usage)
    assert charge.model == model
    assert charge.basis is (Basis.UNKNOWN if charge.cost_nano_usd is None else Basis.USAGE)
    assert len(seen.spans) == 1
