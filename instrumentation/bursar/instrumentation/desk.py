"""How are calls offered to the agent, looked for there, and taken back?"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from bursar.instrumentation.link import BREAKER_SECONDS, AgentLink, Unreachable
from bursar.policies import deferral
from bursar.policies.deferral import DeferralError, Message, Offer, Outcome, Taken, WaitRequest, WithdrawRequest

T = TypeVar("T")
OFFER_SECONDS = 2.0
"""What an offer may take: its body is large, and the agent answers once it is on the disk."""
PER_MEGABYTE = 0.5
"""Seconds more for each megabyte."""
KEPT = 8
"""Connections kept open between offers."""


class Desk:
    """
    Connections of their own, so that no large body holds up a call that asks for money. May be used by many threads.

    An agent that failed a moment ago is not asked again at once.
    """

    def __init__(
        self,
        connect: Callable[[], AgentLink],
        later: Callable[[WithdrawRequest], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`later` withdraws a call as soon as the agent can be told."""
        self._connect = connect
        self._later = later
        self._clock = clock
        self._free: list[AgentLink] = []
        self._lock = threading.Lock()
        self._broken_until = float("-inf")

    def offer(self, offer: Offer) -> Taken:
        """
        Offer a call. Raises `Unreachable`.

        An agent that gave no answer may have it all the same: it is told later that the call was sent at once.
        """
        if self._broken:
            raise Unreachable("the agent did not answer a moment ago")
        seconds = OFFER_SECONDS + PER_MEGABYTE * len(offer.body) / 2**20
        try:
            return _understood(deferral.taken_from_json, self._post(deferral.PATH, offer, seconds))
        except Unreachable:
            self.give_up(WithdrawRequest(offer.id, sends=True, why="unreachable"))
            raise

    def look(self, ids: tuple[str, ...]) -> tuple[Outcome, ...]:
        """How these deferrals stand just now, those that the agent knows. Raises `Unreachable`."""
        answer = self._post(deferral.WAIT_PATH, WaitRequest(ids, seconds=0.0, deliver=False), OFFER_SECONDS)
        return _understood(deferral.wait_response_from_json, answer).outcomes

    def withdraw(self, request: WithdrawRequest) -> None:
        """Say that a call is no longer waited for. Raises `Unreachable`."""
        self._post(deferral.WITHDRAW_PATH, request, OFFER_SECONDS)

    def give_up(self, request: WithdrawRequest) -> None:
        """Say so as soon as it can be said."""
        self._later(request)

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            links, self._free = self._free, []
        for link in links:
            link.close()

    def abandon(self) -> None:
        """Forget the parent's connections after a fork. Takes no lock: who held it is not here."""
        for link in self._free:
            link.abandon()

    @property
    def _broken(self) -> bool:
        return self._clock() < self._broken_until

    def _post(self, path: str, message: Message, seconds: float) -> Any:
        if self._broken:
            raise Unreachable("the agent did not answer a moment ago")
        with self._lock:
            link = self._free.pop() if self._free else self._connect()
        try:
            answer = link.post(path, json.dumps(deferral.to_json(message)).encode(), seconds=seconds)
        except Unreachable:
            self._broken_until = self._clock() + BREAKER_SECONDS
            raise
        with self._lock:
            if len(self._free) < KEPT:
                self._free.append(link)
                return answer
        link.close()
        return answer


def _understood(read: Callable[[Any], T], answer: Any) -> T:
    try:
        return read(answer)
    except DeferralError as error:
        raise Unreachable(str(error)) from error
