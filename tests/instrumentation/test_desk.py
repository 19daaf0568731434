"""The desk: connections that are used again, an agent that failed is spared, and a lost answer is told of later."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.instrumentation.desk import KEPT, OFFER_SECONDS, Desk
from bursar.instrumentation.link import BREAKER_SECONDS, Unreachable
from bursar.policies.deferral import Offer, State, WithdrawRequest

OFFER = Offer("d-1", "c-1", "a-1", 1, 2, "digest", "m", "m", "{}", "cred")


class Link:
    """A connection that answers by script; `Unreachable` is raised."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.closed = stage, False

    def post(self, path: str, body: bytes, *, seconds: float) -> Any:
        self.stage.posted.append((path, seconds))
        if isinstance(self.stage.says, Exception):
            raise self.stage.says
        return self.stage.says

    def close(self) -> None:
        self.closed = True

    abandon = close


class Stage:
    def __init__(self, says: Any) -> None:
        self.says = says
        self.now = 100.0
        self.made: list[Link] = []
        self.posted: list[tuple[str, float]] = []
        self.given_up: list[WithdrawRequest] = []
        self.desk = Desk(self.connect, self.given_up.append, clock=lambda: self.now)

    def connect(self) -> Any:
        self.made.append(Link(self))
        return self.made[-1]


def test_a_connection_is_used_again() -> None:
    """One after the other needs but one; a large body is given more time."""
    stage = Stage({"id": "d-1", "accepted": True})
    assert stage.desk.offer(OFFER).accepted
    stage.desk.offer(Offer("d-2", "c", "a", 1, 2, "r", "m", "m", "x" * 2**21, "cred"))
    assert len(stage.made) == 1
    assert [seconds for _, seconds in stage.posted] == [pytest.approx(OFFER_SECONDS, abs=0.01), OFFER_SECONDS + 1.0]
    stage.desk.close()
    assert stage.made[0].closed and KEPT > 1


def test_an_offer_without_an_answer_is_given_up_later() -> None:
    """The agent may have it; so may one that answers nonsense."""
    for says in (Unreachable("hung"), {"id": "d-1"}):
        stage = Stage(says)
        with pytest.raises(Unreachable):
            stage.desk.offer(OFFER)
        assert stage.given_up == [WithdrawRequest("d-1", sends=True, why="unreachable")]


def test_an_agent_that_failed_is_not_asked_again_at_once() -> None:
    """The next calls lose no time; it was never offered them, so that nothing is to be withdrawn."""
    stage = Stage(Unreachable("hung"))
    for _ in range(3):
        with pytest.raises(Unreachable):
            stage.desk.offer(OFFER)
    assert (len(stage.posted), len(stage.given_up)) == (1, 1)
    stage.now += BREAKER_SECONDS
    stage.says = {"id": "d-1", "accepted": True, "state": "queued"}
    assert stage.desk.offer(OFFER).state is State.QUEUED


def test_looking_hands_nothing_over() -> None:
    """Only those that the agent knows are told."""
    stage = Stage({"outcomes": [{"id": "k-1", "state": "succeeded", "message": "{}"}]})
    assert [outcome.id for outcome in stage.desk.look(("k-1", "k-1-2"))] == ["k-1"]
