"""What does the agent answer over HTTP?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import LedgerError
from bursar.agent.serving.doorman import Doorman, Visitors
from bursar.agent.serving.jsonbody import beside
from bursar.agent.serving.porter import CrowdedError, Porter
from bursar.agent.serving.recalls import Recalls
from bursar.agent.serving.wire import parse_recall, parse_request
from bursar.policies import protocol
from bursar.policies.deferral import DeferralError
from bursar.policies.protocol import ProtocolError, RecallResponse

BODY_LIMIT = 8 * 1024 * 1024
READY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the routes work with."""

    bookkeeper: Bookkeeper
    token: str | None = None
    local: bool = True
    """Whether only this machine can connect."""
    recalls: Recalls = field(default_factory=Recalls)
    visitors: Visitors | None = None
    """Who may look at pages without showing the token with each request."""


class BodyTooLargeError(Exception):
    """A body of more than may be sent there."""


def create_app(state: ServerState, extra_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The agent's routes, and those of other rooms, all behind the same door."""
    desk = _Desk(state.bookkeeper, state.recalls)
    routes = [
        Route(protocol.PATH, desk.sync, methods=["POST"]),
        Route(protocol.RECALL_PATH, desk.recall, methods=["POST"]),
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", desk.readyz, methods=["GET"]),
        *extra_routes,
    ]
    door = Middleware(Doorman, token=state.token, local=state.local, visitors=state.visitors)
    return Starlette(routes=routes, middleware=[door, Middleware(Porter)], exception_handlers=_HANDLERS)


async def read_body(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The whole body, of up to `limit` bytes. Raises `BodyTooLargeError`, answered 413, as soon as it has more."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise BodyTooLargeError(f"the body is too large (here it may have {limit} bytes)")
        parts.append(part)
    return b"".join(parts)


class _Desk:
    def __init__(self, bookkeeper: Bookkeeper, recalls: Recalls) -> None:
        self._bookkeeper = bookkeeper
        self._recalls = recalls

    async def sync(self, request: Request) -> Response:
        message = await beside(parse_request, await read_body(request))
        response = await asyncio.wrap_future(self._bookkeeper.sync(message))
        return JSONResponse(protocol.to_json(response))

    async def recall(self, request: Request) -> Response:
        """Held open until some of the money that lies idle with a process is wanted."""
        message = await beside(parse_recall, await read_body(request))
        wanted = await self._recalls.wait(message.holder, protocol.RECALL_SECONDS)
        return JSONResponse(protocol.to_json(RecallResponse(wanted)))

    async def readyz(self, _: Request) -> Response:
        """Ready while the ledger's writer answers and its last commit went well."""
        trouble = await self._trouble()
        if trouble is not None:
            return _sentence(503, f"not ready: {trouble}")
        return _sentence(200, "ready")

    async def _trouble(self) -> str | None:
        try:
            # Shielded: the job is already the writer's, and a deadline here cannot take it back.
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._bookkeeper.beat())), READY_SECONDS)
        except TimeoutError:
            return f"the ledger has not answered for {READY_SECONDS:g} s; its disk may be slow or full"
        except LedgerError as error:
            return str(error)
        return None


async def _healthz(_: Request) -> Response:
    return _sentence(200, "alive")


async def _bad_message(_: Request, error: Exception) -> Response:
    return _sentence(400, str(error))


async def _not_written(_: Request, error: Exception) -> Response:
    return _sentence(503, str(error))


async def _too_large(_: Request, error: Exception) -> Response:
    return _sentence(413, f"{error}: send it in parts")


async def _crowded(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 503, {"Retry-After": "1"})


async def _gone(*_: object) -> Response:
    """Nobody reads this: the client hung up while it was sending."""
    return Response(status_code=400)


_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    ProtocolError: _bad_message,
    DeferralError: _bad_message,
    LedgerError: _not_written,
    BodyTooLargeError: _too_large,
    CrowdedError: _crowded,
    ClientDisconnect: _gone,
}


def _sentence(status: int, text: str) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status)
