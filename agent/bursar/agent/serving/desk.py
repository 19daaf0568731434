"""What may be asked of a running agent by commands: overrides, the rules in force, and advice put aside."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import verdictbook
from bursar.agent.ledger.verdictbook import Dismissal
from bursar.agent.serving.jsonbody import beside, read_json
from bursar.agent.serving.server import read_body
from bursar.policies.overrides import EVERY_BUDGET, Override, OverrideKind
from bursar.policies.policy import Budget, Policy

OVERRIDES = "/overrides"
END = "/overrides/end"
DISMISSALS = "/advice/dismissals"
LONGEST_SECONDS = 366 * 86_400
MOST_LIMIT = 2**62
"""Of a budget with all that it is raised by: what is spent and lent beside it must fit into the ledger too."""
_SECOND = 10**9


class OrderError(ValueError):
    """An order that cannot be carried out; the text says why and what to write instead."""


def routes(bookkeeper: Bookkeeper, clock_ns: Callable[[], int]) -> list[BaseRoute]:
    """Where commands reach the agent."""
    desk = _Desk(bookkeeper, clock_ns)
    return [
        Route(OVERRIDES, desk.make, methods=["POST"]),
        Route(END, desk.end, methods=["POST"]),
        Route(DISMISSALS, desk.dismiss, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, bookkeeper: Bookkeeper, clock_ns: Callable[[], int]) -> None:
        self._bookkeeper = bookkeeper
        self._clock_ns = clock_ns

    async def make(self, request: Request) -> Response:
        """Put an override in force; answered with it once it is on the disk."""
        try:
            order = await beside(_object, await read_body(request))
            override = read_order(order, self._bookkeeper.rules.current.policy, self._clock_ns())
        except OrderError as error:
            return PlainTextResponse(f"{error}\n", 400)
        await asyncio.wrap_future(self._bookkeeper.override(override))
        return JSONResponse(asdict(override), 201)

    async def end(self, request: Request) -> Response:
        """Take back what is in force of a budget's overrides; answered with them."""
        try:
            order = await beside(_object, await read_body(request))
            budget, by = _text(order, "budget"), _text(order, "by", "")
        except OrderError as error:
            return PlainTextResponse(f"{error}\n", 400)
        ended = await asyncio.wrap_future(self._bookkeeper.end_overrides(budget, by))
        return JSONResponse([asdict(override) for override in ended])

    async def dismiss(self, request: Request) -> Response:
        """Put a recommendation aside; answered with it once that is on the disk."""
        try:
            order = await beside(_object, await read_body(request))
            told = {name: _text(order, name) for name in ("id", "route", "model", "reason", "by", "text")}
        except OrderError as error:
            return PlainTextResponse(f"{error}\n", 400)
        dismissal = Dismissal(at_ns=self._clock_ns(), **told)
        await asyncio.wrap_future(self._bookkeeper.ledger.submit(partial(verdictbook.dismiss, one=dismissal)))
        return JSONResponse(asdict(dismissal), 201)


def read_order(order: Mapping[str, Any], policy: Policy | None, now_ns: int) -> Override:
    """An override from what a command sent. Raises `OrderError` for one that would do nothing."""
    if policy is None:
        raise OrderError("the agent has no policy, so there is no budget to pause or raise: start it with --policy")
    kind, budget = _kind(order), _text(order, "budget")
    seconds, amount = _whole(order, "seconds"), _whole(order, "amount", 0)
    if not 0 < seconds <= LONGEST_SECONDS:
        raise OrderError("an override holds for more than nothing and at most 366 days: write --for 1h")
    override = Override(
        id=secrets.token_hex(4),
        kind=kind,
        budget=budget,
        since_ns=now_ns,
        until_ns=now_ns + seconds * _SECOND,
        amount=amount,
        unit=_text(order, "unit", "usd"),  # type: ignore[arg-type] # one that no budget has is refused below
        scope=_text(order, "scope", "") or None,
        reason=_text(order, "reason", ""),
        by=_text(order, "by", ""),
    )
    _check(override, policy)
    return override


def _check(override: Override, policy: Policy) -> None:
    about = [budget for budget in policy.budgets if override.concerns(budget)]
    if not about:
        names = ", ".join(budget.name for budget in policy.budgets) or "none"
        raise OrderError(f'there is no budget "{override.budget}": the policy has {names}')
    if override.kind is OverrideKind.PAUSE:
        return
    if override.amount <= 0:
        raise OrderError('a raise adds something: write an amount, as in "20 USD"')
    units = {budget.limit.unit for budget in about}
    if override.unit not in units:
        unit = " or ".join(sorted(units)).replace("usd", "USD")
        raise OrderError(f'the limit of "{override.budget}" is in {unit}: raise it by an amount of that')
    if override.budget == EVERY_BUDGET:
        raise OrderError("one budget is raised at a time: name it")
    if any(_limit(budget) + override.amount > MOST_LIMIT for budget in about):
        raise OrderError(f'the limit of "{override.budget}" would be more than the ledger can hold: raise it by less')


def _limit(budget: Budget) -> int:
    return budget.limit.amount + sum(raised.amount for raised in budget.raises)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = read_json(body)
    except ValueError as error:
        raise OrderError(f"the body is no JSON ({error}): send an object") from error
    if not isinstance(value, dict):
        raise OrderError("the body is no JSON object: send one")
    return cast("Mapping[str, Any]", value)


def _kind(order: Mapping[str, Any]) -> OverrideKind:
    try:
        return OverrideKind(_text(order, "kind"))
    except ValueError as error:
        raise OrderError('the kind of an override is "pause" or "raise"') from error


def _text(order: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = order.get(name, default)
    if not isinstance(value, str):
        raise OrderError(f"{name} must be a text")
    return value


def _whole(order: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = order.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise OrderError(f"{name} must be a whole number")
    return value
