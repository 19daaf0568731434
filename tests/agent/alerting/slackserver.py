"""
Slack's side of an incoming webhook, as its documents have it: what it takes, what it refuses, and how it fails.

Taken is a JSON object with a `text` or `blocks`, answered by 200 and `ok`. Refused with 400 is what is no such object
or breaks a limit of Block Kit: 50 blocks, 150 characters of plain text in a header, 3,000 in a section's text, 10
fields of 2,000, 10 elements in a context; and, which Slack would take, a sign of its own that was not meant as one.
In between it may answer 500, answer 429 with Retry-After, or not answer at all.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import httpx

Mood = Literal["well", "500", "429", "hangs"]
RETRY_AFTER = 30


def refusal(body: Any) -> str | None:
    """Why Slack would not take a body; None where it does."""
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    blocks: list[Any] = fields.get("blocks", [])
    if not (fields.get("text") or blocks):
        return "no_text"
    if len(blocks) > 50:
        return "invalid_blocks: more than 50"
    return next((why for block in blocks if (why := _refused(block)) is not None), None)


def _refused(block: dict[str, Any]) -> str | None:
    match block["type"]:
        case "header":
            return _text(block["text"], "plain_text", 150)
        case "section" if "fields" in block:
            if not 0 < len(block["fields"]) <= 10:
                return "invalid_blocks: fields"
            return next((why for each in block["fields"] if (why := _text(each, "mrkdwn", 2000)) is not None), None)
        case "section":
            return _text(block["text"], "mrkdwn", 3000)
        case "context":
            if not 0 < len(block["elements"]) <= 10:
                return "invalid_blocks: elements"
            return next((why for each in block["elements"] if (why := _text(each, "mrkdwn", 3000)) is not None), None)
        case other:
            return f"invalid_blocks: {other}"


def _text(text: dict[str, Any], kind: str, most: int) -> str | None:
    written = text["text"]
    if text["type"] != kind or not 0 < len(written) <= most:
        return f"invalid_blocks: {kind} of {len(written)}"
    return "invalid_blocks: a sign of Slack's" if kind == "mrkdwn" and ("<" in written or ">" in written) else None


@dataclass
class Slack:
    """The server. `mood` says how it is at a request."""

    mood: Callable[[], Mood] = lambda: "well"
    taken: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answers: Counter[str] = field(default_factory=Counter[str])
    """How often it answered what."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        mood = self.mood()
        self.answers[mood] += 1
        match mood:
            case "500":
                return httpx.Response(500, text="rollup_error")
            case "429":
                return httpx.Response(429, headers={"retry-after": str(RETRY_AFTER)}, text="rate_limited")
            case "hangs":
                await asyncio.sleep(3600)  # the other side gives up long before
                raise AssertionError("nobody waits so long")
            case "well":
                return self._take(json.loads(request.content))

    def _take(self, body: dict[str, Any]) -> httpx.Response:
        why = refusal(body)
        if why is not None:
            self.answers["refused"] += 1
            return httpx.Response(400, text=why)
        self.taken.append(body)
        return httpx.Response(200, text="ok")

    def client(self) -> httpx.AsyncClient:
        """Somebody who reaches nobody but it."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self))
