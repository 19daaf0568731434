"""Waiting: one thread asks for all, tells each, survives an agent that comes and goes, and ends when nobody waits."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from bursar.instrumentation import waiter
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.waiter import AT_A_TIME, Waiter, is_unknown, now
from bursar.policies import deferral
from bursar.policies.deferral import Outcome, State, WaitResponse, WithdrawRequest


class Line:
    """An agent's end of the wire: each request is answered by what the script says, in turn; the last for ever."""

    def __init__(self, *script: Callable[[tuple[str, ...]], Any]) -> None:
        self.script = list(script)
        self.asked: list[tuple[str, ...]] = []
        self.broken_off = threading.Event()
        self.closed = threading.Event()
        self.held = threading.Event()

    def post(self, path: str, body: bytes, *, seconds: float) -> Any:
        ids = tuple(json.loads(body)["ids"])
        self.asked.append(ids)
        return (self.script.pop(0) if len(self.script) > 1 else self.script[0])(ids)

    def hang_up(self) -> None:
        self.broken_off.set()

    def close(self) -> None:
        self.closed.set()

    def abandon(self) -> None:
        """Nothing to forget."""


def over(*ids: str) -> Callable[[tuple[str, ...]], Any]:
    """These are over, the rest waits."""

    def answer(asked: tuple[str, ...]) -> Any:
        outcomes = [Outcome(one, State.SUCCEEDED if one in ids else State.QUEUED) for one in asked]
        return deferral.to_json(WaitResponse(tuple(outcomes)))

    return answer


def all_over(asked: tuple[str, ...]) -> Any:
    return over(*asked)(asked)


def none_known(asked: tuple[str, ...]) -> Any:
    return deferral.to_json(WaitResponse())


def away(asked: tuple[str, ...]) -> Any:
    raise Unreachable("away")


def nonsense(asked: tuple[str, ...]) -> Any:
    return {"outcomes": [{"id": "a", "state": "on holiday"}]}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiter, "PAUSE_SECONDS", 0.001)


def made(line: Line, withdrawn: list[WithdrawRequest] | None = None) -> Waiter:
    return Waiter(line, (withdrawn if withdrawn is not None else []).append)


def test_each_is_told_its_own_outcome() -> None:
    """All of them who wait for the same call too."""
    line = Line(all_over)
    waiting = made(line)
    futures = [waiting.wait(one) for one in ("a", "b", "a")]
    assert [future.result(20).id for future in futures] == ["a", "b", "a"]
    waiting.close()
    assert line.closed.wait(20)


def test_those_that_are_not_over_are_asked_for_again() -> None:
    line = Line(over(), over(), all_over)
    waiting = made(line)
    assert waiting.wait("a").result(20).state is State.SUCCEEDED
    assert line.asked == [("a",)] * 3
    waiting.close()


@pytest.mark.parametrize("trouble", [away, nonsense])
def test_an_agent_that_is_away_is_asked_until_it_is_back(trouble: Callable[[tuple[str, ...]], Any]) -> None:
    """It is known to be away meanwhile."""
    line = Line(trouble)
    waiting = made(line)
    future = waiting.wait("a")
    while not waiting.away:
        assert not future.done()
    line.script[:] = [all_over]
    assert future.result(20).id == "a"
    waiting.close()


def test_what_the_agent_does_not_know_is_told_as_that() -> None:
    """Nobody waits for it in vain."""
    waiting = made(Line(none_known))
    outcome = waiting.wait("a").result(20)
    assert is_unknown(outcome)
    assert is_unknown(Outcome("a", State.DELIVERED))
    assert not is_unknown(Outcome("a", State.DELIVERED, message="{}"))
    waiting.close()


def test_a_request_that_is_held_is_broken_off_for_one_that_comes() -> None:
    """Who comes later need not wait until those before are answered."""
    line = Line(over())

    def held(asked: tuple[str, ...]) -> Any:
        if len(asked) == 2:
            return all_over(asked)
        line.held.set()
        assert line.broken_off.wait(20)
        line.broken_off.clear()
        raise Unreachable("broken off")

    line.script[:] = [over(), over(), over(), held]  # held longer and longer
    waiting = made(line)
    first = waiting.wait("a")
    assert line.held.wait(20)
    second = waiting.wait("b")
    assert (first.result(20).id, second.result(20).id) == ("a", "b")
    assert not waiting.away
    waiting.close()


def test_many_take_turns() -> None:
    """No request is larger than the agent reads with ease."""
    line = Line(all_over)
    waiting = made(line)
    gate = threading.Event()

    def first(asked: tuple[str, ...]) -> Any:
        assert gate.wait(20)
        return over()(asked)

    line.script.insert(0, first)
    futures = [waiting.wait(str(number)) for number in range(AT_A_TIME + 10)]
    gate.set()
    assert len({future.result(20).id for future in futures}) == AT_A_TIME + 10
    assert max(map(len, line.asked)) <= AT_A_TIME
    waiting.close()


def test_who_stops_waiting_is_asked_for_no_more() -> None:
    """A future that is cancelled, by its owner or because its time is over."""
    line = Line(over())
    waiting = made(line)
    future = waiting.wait("a")
    assert now(future, 0.001) is None
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result()
    assert waiting._waiting == {}  # pyright: ignore[reportPrivateUsage]
    waiting.close()


def test_what_is_withdrawn_is_told_once_the_agent_can_be_told() -> None:
    """And not lost while it is away."""
    tries: list[WithdrawRequest] = []

    def withdraw(request: WithdrawRequest) -> None:
        tries.append(request)
        if len(tries) < 3:
            raise Unreachable("away")

    waiting = Waiter(Line(all_over), withdraw)
    waiting.withdraw(WithdrawRequest("a", sends=True))
    assert waiting.wait("b").result(20).id == "b"
    assert [request.id for request in tries] == ["a"] * 3
    waiting.close()


def test_it_goes_on_for_those_who_still_wait_when_instrumentation_ends() -> None:
    """Their calls are not sent twice for that."""
    line = Line(over())
    waiting = made(line)
    future: Future[Outcome] = waiting.wait("a")
    waiting.close()
    line.script[:] = [all_over]
    assert future.result(20).id == "a"
    waiting.close()
    assert line.closed.wait(20)
