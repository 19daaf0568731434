"""Where do processes tell the fingerprints of their prompts?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from functools import partial

from sqlite_utils import Database
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bursar.agent.ledger import Ledger, identity, printbook
from bursar.agent.serving.jsonbody import read_json
from bursar.agent.serving.server import read_body
from bursar.policies import fingerprint
from bursar.policies.fingerprint import FingerprintError, Prints

AT_A_TIME = 50
"""Fingerprints kept in one transaction: a guard that asks for money waits for no more of them."""
_KEY = "fingerprint_key"


def routes(ledger: Ledger, clock_ns: Callable[[], int]) -> list[BaseRoute]:
    """The one route, for the agent's server."""
    return [Route(fingerprint.PATH, _Desk(ledger, clock_ns).take, methods=["POST"])]


def key_of(ledger: Ledger) -> str:
    """The key under which this installation's prompts are hashed, in hex: made once, kept in the ledger. Blocks."""
    return ledger.submit(lambda db: identity.kept(db, _KEY, secrets.token_hex(32))).result()


class _Desk:
    def __init__(self, ledger: Ledger, clock_ns: Callable[[], int]) -> None:
        self._ledger = ledger
        self._clock_ns = clock_ns

    async def take(self, request: Request) -> Response:
        """Answered once they are on the disk, with how many of them were new."""
        body = await read_body(request)
        try:
            told = await asyncio.to_thread(_read, body)
        except FingerprintError as error:
            return PlainTextResponse(f"{error}\n", 400)
        kept = 0
        for start in range(0, len(told.prints), AT_A_TIME):
            job = partial(self._keep, told=told, start=start)
            kept += await asyncio.wrap_future(self._ledger.submit(job))
        return JSONResponse({"kept": kept})

    def _keep(self, db: Database, told: Prints, start: int) -> int:
        return printbook.keep(db, told.prints[start : start + AT_A_TIME], self._clock_ns())


def _read(body: bytes) -> Prints:
    try:
        return fingerprint.from_json(read_json(body))
    except ValueError as error:
        if isinstance(error, FingerprintError):
            raise
        raise FingerprintError(f"the body is no JSON: {error}; send what `fingerprint.to_json` writes") from error
