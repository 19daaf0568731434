"""Sending: of every ask it is told once what became of it, and what nobody knows is said to be so."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.agent.batching.house import staged
from tests.agent.evals.stage import HAIKU, Stage

from bursar.agent.batching.api import Api
from bursar.agent.evals.asks import Ask
from bursar.agent.evals.sending import TRIES, Answer, Sender


def made(name: str, *, batch: bool = True, betas: str = "", **changes: Any) -> Ask:
    body = {"model": HAIKU, "max_tokens": 50, "messages": [{"role": "user", "content": name}], **changes}
    return Ask(name, HAIKU, json.dumps(body).encode(), betas, batch, 1_000, 500, caches=False)


def sent(stage: Stage, *asks: Ask) -> dict[str, Answer]:
    found: list[Answer] = []
    stage.with_api(lambda api: Sender(api, found.append, sleep=stage.sleep).send(asks))
    assert len(found) == len({answer.ask.attempt_id for answer in found}), "told twice"
    return {answer.ask.attempt_id: answer for answer in found}


def fates(found: dict[str, Answer]) -> dict[str, str]:
    return {name: str(answer.fate) for name, answer in found.items()}


@pytest.mark.parametrize("batch", [True, False])
def test_what_is_asked_is_answered(batch: bool) -> None:
    """In a batch or at once, each with its own message."""
    stage = Stage()
    found = sent(stage, made("a", batch=batch), made("b", batch=batch))
    assert fates(found) == {"a": "answered", "b": "answered"}
    messages = [answer.message for answer in found.values()]
    assert all(message is not None and message["model"] == HAIKU for message in messages)
    assert {answer.batch for answer in found.values()} == {batch}
    assert len(stage.wire.posts("/v1/messages/batches")) == int(batch)


def test_what_stands_in_the_header_goes_into_batches_of_its_own() -> None:
    """One header is a whole batch's."""
    stage = Stage()
    sent(stage, made("a", betas="one"), made("b"), made("c", betas="one"), made("d", batch=False, betas="two"))
    assert len(stage.wire.posts("/v1/messages/batches")) == 2
    assert len(stage.wire.posts("/v1/messages")) == 1


@pytest.mark.parametrize("batch", [True, False])
def test_a_request_that_is_none_for_the_model_is_refused(batch: bool) -> None:
    """That is what the application would be answered too."""
    found = sent(Stage(), made("a", batch=batch, max_tokens="many"), made("b", batch=batch))
    assert fates(found) == {"a": "refused", "b": "answered"}
    assert "invalid_request_error" in found["a"].why


@pytest.mark.parametrize("batch", [True, False])
def test_an_answer_at_once_is_measured_from_its_last_try(batch: bool) -> None:
    """Three seconds of the clock go by with each look at it; how long a batch takes is nobody's time."""
    stage, told = Stage(), list[Answer]()
    looks = itertools.count(0, 3 * 10**9)
    refusals = [] if batch else [httpx.Response(429, json={"type": "error", "error": {"type": "x", "message": "no"}})]
    stage.wire.before = lambda _: refusals.pop() if refusals else None
    stage.with_api(
        lambda api: Sender(api, told.append, sleep=stage.sleep, timer_ns=lambda: next(looks)).send(
            [made("a", batch=batch)]
        )
    )
    assert [(answer.fate, answer.duration_ns) for answer in told] == [("answered", None if batch else 3 * 10**9)]
    assert next(looks) == (0 if batch else 9 * 10**9)


def answered_by(status: int) -> Callable[[httpx.Request], httpx.Response | None]:
    body = {"type": "error", "error": {"type": "x_error", "message": "no"}}
    return lambda _: httpx.Response(status, json=body)


@pytest.mark.parametrize(
    ("status", "fate", "tries"),
    [(429, "failed", TRIES), (529, "failed", TRIES), (401, "failed", 1), (404, "failed", 1), (400, "refused", 1)],
)
def test_at_once_it_is_tried_again_where_that_may_help(status: int, fate: str, tries: int) -> None:
    """And not for ever."""
    stage = Stage()
    stage.wire.before = answered_by(status)
    assert fates(sent(stage, made("a", batch=False))) == {"a": fate}
    assert len(stage.wire.posts("/v1/messages")) == tries


@pytest.mark.parametrize("status", [401, 413, 429, 500])
def test_a_batch_that_is_not_taken_costs_nothing(status: int) -> None:
    """All in it failed, and say why."""
    stage = Stage()
    stage.wire.before = answered_by(status)
    found = sent(stage, made("a"), made("b"))
    assert fates(found) == {"a": "failed", "b": "failed"}
    assert str(status) in found["a"].why


def lost(request: httpx.Request) -> None:
    raise httpx.ReadTimeout("lost", request=request)


@pytest.mark.parametrize("batch", [True, False])
def test_an_answer_that_is_lost_leaves_it_open(batch: bool) -> None:
    """The API may have it: nobody says that it cost nothing."""
    stage = Stage()
    stage.wire.after = lost
    assert fates(sent(stage, made("a", batch=batch))) == {"a": "unknown"}


def test_each_result_is_told_as_it_is() -> None:
    """Errors of a batch stand beside its answers."""
    stage = Stage()
    stage.wire.headers = staged(lambda name: {"b": "errored", "c": "expired"}.get(name, "succeeded"))
    found = sent(stage, made("a"), made("b"), made("c"))
    assert fates(found) == {"a": "answered", "b": "failed", "c": "failed"}


def test_a_batch_that_cannot_be_looked_at_for_a_while_is_looked_at_again() -> None:
    """Its results come all the same."""
    stage = Stage()
    left = [500, 500, 429]

    def troubled(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET" and left:
            return answered_by(left.pop())(request)
        return None

    stage.wire.before = troubled
    assert fates(sent(stage, made("a"))) == {"a": "answered"}
    assert left == []


def test_a_batch_that_is_gone_leaves_all_of_it_open() -> None:
    """Somebody deleted it."""
    stage = Stage()
    stage.wire.before = lambda request: answered_by(404)(request) if request.method == "GET" else None
    assert fates(sent(stage, made("a"), made("b"))) == {"a": "unknown", "b": "unknown"}


def broken_off(stage: Stage, *asks: Ask, looks: int) -> dict[str, Answer]:
    """Sent, and broken off at the so manieth look."""
    found: list[Answer] = []

    async def work(api: Api) -> None:
        task: asyncio.Task[None] | None = None

        async def sleep(seconds: float) -> None:
            await stage.sleep(seconds)
            if len(stage.slept) == looks and task is not None:
                task.cancel()
                await asyncio.sleep(0)

        task = asyncio.ensure_future(Sender(api, found.append, sleep=sleep).send(asks))
        with pytest.raises(asyncio.CancelledError):
            await task

    stage.with_api(work)
    return {answer.ask.attempt_id: answer for answer in found}


def test_a_batch_that_is_broken_off_is_cancelled_and_its_answers_fetched() -> None:
    """What was answered by then was paid for."""
    stage = Stage()
    stage.wire.headers = staged(lambda _: "succeeded", batch_ms=600_000)
    found = broken_off(stage, made("a"), made("b"), looks=2)
    assert any(path.endswith("/cancel") for _, path, _ in stage.wire.requests)
    assert set(fates(found).values()) <= {"answered", "failed"}
    assert set(found) == {"a", "b"}
