"""What did the sandbox charge for every single request? And a model on it that uses the tools it is given."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.fields import Json, is_list, is_object

CASE_PATH = "/stage/case/"
"""What an application posts to, before each case, with the case's name behind it."""

_MESSAGE_ID = re.compile(rb'"id": ?"(msg_[0-9a-z]+)"')


@dataclass(frozen=True, slots=True)
class Billed:
    """One request as the sandbox saw it; a refused one has no message and costs nothing."""

    case: str
    message_id: str | None
    nano_usd: int
    status: int
    user_agent: str


class Stage:
    """The sandbox, played to one request at a time, so that the bill's growth is that request's price."""

    def __init__(self) -> None:
        self.billed: list[Billed] = []
        # Counted, not drawn: ids that come back in a prompt are part of what the next answer is made from.
        ids = count(1)
        self._sandbox = create_app(new_id=lambda: f"01{next(ids):022d}")
        self._app: ASGIApp = self._sandbox
        self._case = ""
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if path.startswith(CASE_PATH):
            self._case = path.removeprefix(CASE_PATH)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        elif path == "/v1/messages":
            async with self._turn:
                await self._bill(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _bill(self, scope: Scope, receive: Receive, send: Send) -> None:
        before = self._total()
        heard = _Heard(send)
        await self._app(scope, _Rewritten(receive), heard)
        found = _MESSAGE_ID.search(heard.head)
        self.billed.append(
            Billed(
                self._case,
                found[1].decode() if found else None,
                self._total() - before,
                heard.status,
                dict(scope["headers"]).get(b"user-agent", b"").decode(),
            )
        )

    def _total(self) -> int:
        return int(self._sandbox.state.bill.totals()["nano_usd"])


class _Heard:
    """Passes an answer on, and keeps its status and the first part, where the message's id stands."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.head = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        elif not self.head:
            self.head = bytes(message.get("body", b""))
        await self._send(message)


class _Rewritten:
    """Hands a request's whole body over with the model's choice of tool in it; then whatever comes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = False

    async def __call__(self) -> Message:
        if self._read:
            return await self._receive()
        self._read = True
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            parts.append(bytes(message.get("body", b"")))
            if not message.get("more_body"):
                break
        return {"type": "http.request", "body": rewritten(b"".join(parts)), "more_body": False}


def rewritten(body: bytes) -> bytes:
    """The request with its tool chosen; unchanged where it is none, or has none."""
    try:
        request: object = json.loads(body)
    except ValueError:  # the sandbox tells the caller
        return body
    if not is_object(request):
        return body
    choice = choose(request)
    return body if choice is None else json.dumps({**request, "tool_choice": choice}).encode()


def choose(request: Json) -> Json | None:
    """
    The tool a model would use: each once, in their order, then text; then the last again where it must use one.

    None: the request's own `tool_choice` stands. The sandbox uses tools only when told which; a choice of tool costs no
    tokens there, so the price is that of the request as it was sent.
    """
    given: Json = request.get("tool_choice") or {"type": "auto"}
    tools: list[Json] = request.get("tools") or []
    wanted, names = given.get("type"), [str(tool["name"]) for tool in tools if "name" in tool]
    if not names or wanted not in ("auto", "any"):
        return None
    used = set(_used(request))
    left = [name for name in names if name not in used]
    if left:
        return {"type": "tool", "name": left[0]}
    return {"type": "tool", "name": names[-1]} if wanted == "any" else None


def _used(request: Json) -> Iterator[str]:
    """The tools that the conversation has used so far."""
    messages: list[Json] = request.get("messages") or []
    for message in messages:
        content: object = message.get("content")
        for block in content if is_list(content) else []:
            if is_object(block) and block.get("type") == "tool_use":
                yield str(block.get("name"))
