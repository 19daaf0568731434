"""Is a call that is offered taken, and what is whoever waits for it told?"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from sqlite_utils import Database

from bursar.agent.batching.means import Means
from bursar.agent.batching.outcomes import read_outcomes
from bursar.agent.batching.paying import Paying
from bursar.agent.ledger import batchbook, deferralbook, deferring
from bursar.agent.ledger.deferring import Step, Terms
from bursar.agent.rules import Rules
from bursar.agent.serving.jsonbody import read_json
from bursar.policies.batchflush import Times, learn, schedule, soon
from bursar.policies.deferral import (
    MOST_BODY_BYTES,
    DeferralError,
    Offer,
    Outcome,
    State,
    Taken,
    WaitRequest,
    WaitResponse,
    WithdrawRequest,
)
from bursar.policies.unbatched import Unbatched, unbatchable

MOST_WAITING = 500_000
MOST_WAITING_BYTES = 4 * 1024**3
"""More than that is not queued: the largest number of requests that the API itself lets wait, and room on a disk."""
MOST_IDS = 100_000
"""Waited for in one request; guards ask for a few thousand."""
LONGEST_ID = 200
"""Signs of a deferral's id, some of which are remembered after it is gone."""

_AT_ONCE = 40
_MEMORY = 10_000
_LARGE = 256 * 1024
_SURROGATE = re.compile("[\ud800-\udfff]")
_ATTEMPT = re.compile(r"[a-zA-Z0-9_-]{1,58}")
"""What is a custom id with the ending of a later attempt as well."""


@dataclass(slots=True)
class Backlog:
    """How much waits to be sent, as last counted and with what was taken since."""

    count: int = 0
    bytes: int = 0

    @property
    def full(self) -> bool:
        return self.count >= MOST_WAITING or self.bytes >= MOST_WAITING_BYTES


class Desk:
    """Takes offers, hands answers over, and lets calls go."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._paying = Paying()
        self._withdrawn: dict[str, None] = {}
        """Ids of which nothing was known when they were withdrawn: their offers may come late. The newest last."""
        self.backlog = Backlog()
        self.times = Times()
        """How long batches take, as last learnt."""

    async def offer(self, offer: Offer) -> Taken:
        """On the disk, or why not. Raises `DeferralError` for one that cannot be understood."""
        _check(offer)
        body = await _parsed(offer.body)
        reason = self._objection(offer, body) or await self._dearer(offer)
        if reason:
            known = await self._means.read(lambda db: deferring.rejoined(db, offer.id, offer.route, offer.key))
            if known is None:
                return Taken(offer.id, accepted=False, reason=reason)
            return Taken(known.id, accepted=True, state=known.told, rejoined=True)
        return await self._take(offer, body)

    async def wait(self, request: WaitRequest) -> WaitResponse:
        """How those asked for stand, once one of them is over; at once where one is unknown, which is left out."""
        if len(request.ids) > MOST_IDS:
            raise DeferralError(f"{len(request.ids)} deferrals are waited for: ask for at most {MOST_IDS} at a time")
        tidings, ids = self._means.tidings, tuple(dict.fromkeys(request.ids))
        event = tidings.listen(ids)
        try:
            found = await self._outcomes(ids)
            if len(found) == len(ids) and not any(outcome.state.over for outcome in found) and not event.is_set():
                await _set_within(event, request.seconds)
                found = await self._outcomes(ids)
        finally:
            tidings.leave(ids, event)
        over = [outcome.id for outcome in found if outcome.state.over]
        if request.deliver and over:
            await self._means.step(lambda db, terms: _delivered(db, over, terms))
        return WaitResponse(tuple(found))

    async def withdraw(self, request: WithdrawRequest) -> WaitResponse:
        """Let a call go, unless its answer is there: then that is handed over."""
        _name(request.id)
        _text(request.why, "why")
        why = request.why or ("the application sends it itself" if request.sends else "nobody waits for it any more")

        def let_go(db: Database, terms: Terms) -> Step:
            deferral = deferralbook.find(db, request.id)
            if deferral is None:
                self._note(request.id)
            step = Step() if deferral is None else deferring.give_up(db, deferral, State.CANCELLED, why, terms)
            deferralbook.deliver(db, [request.id], terms.now_ns)
            return step

        await self._means.step(let_go)
        self._means.tidings.work.set()
        return WaitResponse(tuple(await self._outcomes([request.id])))

    async def cancel_batch(self, name: str) -> bool:
        """Let go of all that still waits for a batch; the API is told soon. False where there is no such batch."""
        batch = await self._means.read(lambda db: batchbook.find(db, name))
        if batch is None:
            return False

        def let_go(db: Database, terms: Terms) -> Step:
            step = Step()
            for deferral in deferralbook.in_batch(db, batch.id, _AT_ONCE):
                step += deferring.give_up(db, deferral, State.CANCELLED, "its batch was cancelled", terms)
            return step

        while (await self._means.step(let_go)).over:
            pass
        self._means.tidings.work.set()
        return True

    async def learn(self) -> None:
        """Count what waits, and how long batches took."""
        lines, took = await self._means.read(lambda db: (deferralbook.lines(db), batchbook.took_seconds(db)))
        self.backlog = Backlog(sum(line.count for line in lines), sum(line.bytes for line in lines))
        self.times = learn(took)

    def _objection(self, offer: Offer, body: Mapping[str, Any]) -> str:
        """Why the call cannot be put off, by what is known without the ledger; empty where it can."""
        names = [one.id for one in self._means.bookkeeper.rules.current.credentials]
        if not offer.credential or offer.credential not in names:
            return Unbatched.CREDENTIAL
        if len(offer.body) > MOST_BODY_BYTES:
            return Unbatched.LARGE
        if body.get("stream") is not None:
            return Unbatched.PARAMETER
        unfit = unbatchable(body, offer.betas)
        if unfit is not None:
            return unfit[0]
        if soon(self._means.clock_ns(), offer.due_ns, self.times):
            return Unbatched.SOON
        return Unbatched.FULL if self.backlog.full else ""

    async def _dearer(self, offer: Offer) -> str:
        now_ns, book = self._means.clock_ns(), self._means.bookkeeper.rules.current.prices
        pays = self._paying.known(offer.route, offer.requested_model, now_ns)
        if pays is None:
            route, model = offer.route, offer.requested_model
            pays = await self._means.read(lambda db: self._paying.look(db, route, model, book, now_ns))
        return "" if pays else Unbatched.DEARER

    async def _take(self, offer: Offer, body: Mapping[str, Any]) -> Taken:
        means, salt = self._means, self._means.bookkeeper.rules.current.snapshot.salt
        prefix, kept = prefix_id(salt, offer.model, body), means.vault.seal(offer.body)

        def job(db: Database, rules: Rules, now_ns: int) -> deferring.Acceptance:
            if offer.id in self._withdrawn:
                return deferring.Acceptance(Taken(offer.id, accepted=False, reason=Unbatched.WITHDRAWN))
            times = schedule(now_ns, offer.due_ns)
            made = deferralbook.made(
                offer,
                prefix=prefix,
                span=times.span,
                now_ns=now_ns,
                flush_ns=times.flush_ns,
                fall_back_ns=times.fall_back_ns,
            )
            return deferring.take(db, made, kept, Terms(rules.policy, now_ns))

        taken = (await asyncio.wrap_future(means.bookkeeper.watched(job))).taken
        means.at("taken")
        if taken.accepted and not taken.rejoined:
            self.backlog = replace(
                self.backlog, count=self.backlog.count + 1, bytes=self.backlog.bytes + len(offer.body)
            )
        return taken

    def _note(self, deferral_id: str) -> None:
        """Its offer may still be on its way. Asked and told in the ledger's thread alone."""
        self._withdrawn[deferral_id] = None
        if len(self._withdrawn) > _MEMORY:
            del self._withdrawn[next(iter(self._withdrawn))]

    async def _outcomes(self, ids: Sequence[str]) -> list[Outcome]:
        return await self._means.read(lambda db: read_outcomes(db, ids, self._means.vault, self.times))


def prefix_id(salt: str, model: str, body: Mapping[str, Any]) -> str:
    """A keyed hash of what may be a shared prefix: it says which calls share one, and nothing of what it is."""
    text = json.dumps([model, body.get("tools"), body.get("system")], sort_keys=True)
    return hmac.new(bytes.fromhex(salt), text.encode(), hashlib.sha256).hexdigest()[:16]


def _check(offer: Offer) -> None:
    """Raise `DeferralError` for what no ledger takes, and for an id that is no custom id."""
    if not _ATTEMPT.fullmatch(offer.attempt_id):
        raise DeferralError("attempt_id must have 1 to 58 letters, digits, - and _: it becomes a custom_id")
    for name in ("key", "betas", "reason"):
        _text(getattr(offer, name), name)
    _name(offer.id)
    if not isinstance(offer.bounded, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DeferralError("bounded must be true or false")
    for name, value in (("labels", offer.labels), ("decision", offer.decision)):
        if not isinstance(value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DeferralError(f"{name} must be an object")
    for label, text in offer.labels.items():
        _text(text, f"the label {ascii(label)[:60]}")


def _name(deferral_id: str) -> None:
    if len(deferral_id) > LONGEST_ID:
        raise DeferralError(f"the id of a deferral has at most {LONGEST_ID} signs, not {len(deferral_id)}")


def _text(value: object, name: str) -> None:
    if not isinstance(value, str) or _SURROGATE.search(value):
        raise DeferralError(f"the texts of a message must be whole, and {name} is {ascii(value)[:60]}")


async def _parsed(body: str) -> Mapping[str, Any]:
    """The request. A large one is read beside the event loop."""
    try:
        value = read_json(body) if len(body) < _LARGE else await asyncio.to_thread(read_json, body)
    except ValueError as error:
        raise DeferralError(f"body must be the JSON of a request: {error}") from error
    if not isinstance(value, dict):
        raise DeferralError("body must be the JSON object of a request")
    return cast("Mapping[str, Any]", value)


def _delivered(db: Database, ids: Sequence[str], terms: Terms) -> Step:
    deferralbook.deliver(db, ids, terms.now_ns)
    return Step()


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
