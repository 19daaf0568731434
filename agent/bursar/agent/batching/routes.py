"""Where do applications and commands reach what is put off?"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bursar.agent.batching.desk import Desk
from bursar.agent.serving.jsonbody import beside, read_json
from bursar.agent.serving.server import BODY_LIMIT, read_body
from bursar.policies import deferral
from bursar.policies.deferral import MOST_BODY_BYTES, DeferralError

CANCEL_BATCH = "/batches/cancel"
MOST_BYTES = 2 * MOST_BODY_BYTES + 1024 * 1024
"""Of an offer: its request is a text in it, with signs escaped."""


def routes(desk: Desk) -> list[BaseRoute]:
    """All of them, for the agent's server."""
    answers = _Answers(desk)
    return [
        Route(deferral.PATH, answers.offer, methods=["POST"]),
        Route(deferral.WAIT_PATH, answers.wait, methods=["POST"]),
        Route(deferral.WITHDRAW_PATH, answers.withdraw, methods=["POST"]),
        Route(CANCEL_BATCH, answers.cancel_batch, methods=["POST"]),
    ]


class _Answers:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def offer(self, request: Request) -> Response:
        """Answered once the call is on the disk."""
        offer = deferral.offer_from_json(await _json(request, MOST_BYTES))
        return JSONResponse(deferral.to_json(await self._desk.offer(offer)))

    async def wait(self, request: Request) -> Response:
        """Held open until one of the calls is over."""
        wanted = deferral.wait_request_from_json(await _json(request))
        return JSONResponse(deferral.to_json(await self._desk.wait(wanted)))

    async def withdraw(self, request: Request) -> Response:
        """Answered with how the call stands: with its answer, where that was there already."""
        wanted = deferral.withdraw_request_from_json(await _json(request))
        return JSONResponse(deferral.to_json(await self._desk.withdraw(wanted)))

    async def cancel_batch(self, request: Request) -> Response:
        """Let go of all that waits for a batch."""
        value = await _json(request)
        name = value.get("id") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        if not isinstance(name, str):
            raise DeferralError("id must be the name of a batch")
        if not await self._desk.cancel_batch(name):
            return PlainTextResponse(f"there is no batch {name}: `bursar batches` lists them\n", 404)
        return JSONResponse({"id": name})


async def _json(request: Request, limit: int = BODY_LIMIT) -> Any:
    raw = await read_body(request, limit)
    try:
        return await beside(read_json, raw)
    except ValueError as error:
        raise DeferralError(f"the body is no JSON: {error}") from error
