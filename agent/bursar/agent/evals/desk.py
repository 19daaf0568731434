"""How does the agent take samples of calls, and what evals of them said, and when does it forget the samples?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from sqlite_utils import Database
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bursar.agent.batching.vault import Vault
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger, LedgerError, evalbook, samplebook
from bursar.agent.rules import RulesInForce
from bursar.agent.scheduler import Chore
from bursar.agent.serving.jsonbody import beside, read_json
from bursar.agent.serving.server import read_body
from bursar.policies import sample
from bursar.policies.licence import Licence, to_text
from bursar.policies.route import Capture
from bursar.policies.sample import Sample, SampleError, Wanted, sample_from_json

_log = logging.getLogger(__name__)

EVALS = "/evals"
FORGET = "/samples/forget"
PURGE_SECONDS = 60
_MOST_BYTES = 6 * sample.MOST_BYTES + 64 * 1024
"""Of a message with one sample: its texts stand in it with signs escaped."""


class Desk:
    """Keeps what the rules in force ask for, and no longer than they say."""

    def __init__(self, bookkeeper: Bookkeeper, vault: Vault, clock_ns: Callable[[], int]) -> None:
        self._bookkeeper = bookkeeper
        self._vault = vault
        self._clock_ns = clock_ns

    def routes(self) -> list[BaseRoute]:
        """Where applications and commands reach it."""
        return [
            Route(sample.PATH, self._sample, methods=["POST"]),
            Route(EVALS, self._keep, methods=["POST"]),
            Route(FORGET, self._forget, methods=["POST"]),
        ]

    def chores(self) -> list[Chore]:
        """What it does by the clock."""
        return [Chore("purge samples", PURGE_SECONDS, self.purge)]

    async def take(self, told: Sample) -> Wanted:
        """Keep a sample, where the rules in force ask for it and it is in luck."""
        capture = self._captures().get(told.route)
        if capture is None:
            return Wanted(0)
        request, answer = self._vault.seal(told.request), self._vault.seal(told.answer)
        job = partial(_keep_sample, told=told, request=request, answer=answer, capture=capture, now_ns=self._clock_ns())
        return await asyncio.wrap_future(self._bookkeeper.ledger.submit(job))

    async def purge(self) -> None:
        """Forget what is older than its route's rules allow, and all of a route that they no longer name."""
        job = partial(samplebook.purge, captures=self._captures(), now_ns=self._clock_ns())
        try:
            await asyncio.wrap_future(self._bookkeeper.ledger.submit(job))
        except LedgerError as error:
            _log.warning("samples are purged in the next round: %s", error)

    def _captures(self) -> Mapping[str, Capture]:
        policy = self._bookkeeper.rules.current.policy
        return {} if policy is None else policy.captures

    async def _sample(self, request: Request) -> Response:
        """Answered with which calls are wanted from now on."""
        try:
            told = sample_from_json(await beside(_object, await read_body(request, _MOST_BYTES)))
        except SampleError as error:
            return PlainTextResponse(f"{error}\n", 400)
        return Response(sample.to_body(await self.take(told)), media_type="application/json")

    async def _keep(self, request: Request) -> Response:
        """Answered once the eval is on the disk and its licence in force."""
        try:
            made = evalbook.from_json(await beside(_object, await read_body(request)))
        except (SampleError, KeyError, TypeError, ValueError) as error:
            return PlainTextResponse(f"this is no eval ({error}): send what `bursar eval` makes\n", 400)
        found = await asyncio.wrap_future(self._bookkeeper.ledger.submit(partial(_keep_eval, made=made)))
        self._bookkeeper.rules.hear_of_licences(to_text(found))
        return JSONResponse({"passed": made.passed}, 201)

    async def _forget(self, request: Request) -> Response:
        """Answered with how many samples are gone."""
        try:
            route = (await beside(_object, await read_body(request))).get("route")
        except SampleError as error:
            return PlainTextResponse(f"{error}\n", 400)
        if not isinstance(route, str):
            return PlainTextResponse("route must name the route whose samples are to be forgotten\n", 400)
        gone = await asyncio.wrap_future(self._bookkeeper.ledger.submit(partial(samplebook.forget, route=route)))
        return JSONResponse({"forgotten": gone})


def take_up_licences(ledger: Ledger, rules: RulesInForce) -> None:
    """Put in force what the ledger's evals say: at the agent's start."""
    with ledger.reading() as db:
        found = evalbook.licences(db)
    rules.hear_of_licences(to_text(found))


def _keep_sample(db: Database, *, told: Sample, request: Any, answer: Any, capture: Capture, now_ns: int) -> Wanted:
    return samplebook.keep(db, told, request, answer, capture, now_ns)


def _keep_eval(db: Database, *, made: evalbook.Evaluation) -> list[Licence]:
    evalbook.keep(db, made)
    return evalbook.licences(db)


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        value = read_json(raw)
    except ValueError as error:
        raise SampleError(f"the body is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise SampleError("the body must be a JSON object")
    return cast("Mapping[str, Any]", value)
