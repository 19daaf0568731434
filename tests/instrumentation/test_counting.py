"""Counting: where only its bytes refuse a call, its tokens are counted once, for nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from tests.instrumentation.guarding import DAY, LIMIT, Stage, away, budget, errand
from tests.instrumentation.pricing import LEAST
from tests.instrumentation.scene import ASK, async_client, client

from bursar.instrumentation.counting import PATH, Counting
from bursar.instrumentation.errand import Admission
from bursar.policies.errors import BudgetExceeded, RefusalReason
from bursar.policies.protocol import Verdict

# 200 tokens by the count, 2 of them its hundredth part, and 64 of frame; then 1,024 out.
COUNTED = (200 + 2 + 64) * 4_000 + 1_024 * 20_000
LEFT = LIMIT - 22_300_000
"""Spent: what is left pays for what is expected, 439 tokens in, and for the call as counted; not for 1,000 bytes."""


class Counter:
    """Says a number, and for which model it was asked."""

    def __init__(self, tokens: int | None) -> None:
        self.tokens = tokens
        self.asked: list[str] = []

    def now(self, model: str) -> int | None:
        self.asked.append(model)
        return self.tokens

    async def later(self, model: str) -> int | None:
        return self.now(model)


def admit(stage: Stage, counter: Counter) -> Admission:
    return stage.guard.admit(replace(errand(max_tokens=1_024), counting=counter))


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_count_takes_the_place_of_the_bytes(way: str) -> None:
    """Refused by 1,000 bytes, and lent money for the 266 tokens it has at most."""
    stage, counter = Stage(budget()), Counter(200)
    stage.script = [stage.says(Verdict.REFUSED, "spent", spent=LEFT), stage.grants(spent=LEFT)]
    asked = replace(errand(max_tokens=1_024), counting=counter)
    admission = stage.guard.admit(asked) if way == "sync" else asyncio.run(stage.guard.admit_async(asked))
    assert (admission.bound_nano, counter.asked) == (COUNTED, ["big"])
    assert [ask.need.most for ask in stage.asked if ask.need] == [LEAST["big"], COUNTED]
    assert admission.text_bytes == 0  # nothing is to be learnt from a size that is none


@pytest.mark.parametrize(
    ("counted", "spent", "reason"),
    [
        (None, LEFT, "spent"),
        (900, LEFT, "spent"),
        (200, LIMIT, "spent"),
        (200, LEFT, "unbounded"),
    ],
)
def test_a_refusal_stands_where_counting_does_not_help(counted: int | None, spent: int, reason: str) -> None:
    """The API does not say, or says too much; the expectation would not pass either; or it is not about money."""
    stage, counter = Stage(budget()), Counter(counted)
    stage.script = [stage.says(Verdict.REFUSED, reason, spent=spent)]
    with pytest.raises(BudgetExceeded) as caught:
        admit(stage, counter)
    assert caught.value.reason is RefusalReason(reason)
    assert len(counter.asked) == (spent == LEFT and reason == "spent")


def test_a_call_is_counted_once() -> None:
    """What is refused by its count too is refused; and the wait for others is not begun again."""
    stage, counter = Stage(budget('patience = "1s"')), Counter(200)
    stage.script = [stage.says(Verdict.WAIT, "held", spent=LEFT)]
    with pytest.raises(BudgetExceeded) as caught:
        admit(stage, counter)
    assert (caught.value.reason, counter.asked) == (RefusalReason.HELD, ["big"])
    assert sum(stage.slept) == pytest.approx(1.0, abs=0.03)


def test_nothing_is_counted_while_the_agent_is_away() -> None:
    """No count brings it back."""
    stage, counter = Stage(budget('on_unreachable = "closed"')), Counter(200)
    stage.see(DAY, spent=LEFT)
    stage.now += 5
    stage.script = [away]
    with pytest.raises(BudgetExceeded):
        admit(stage, counter)
    assert counter.asked == []


# How it is asked


class Api:
    """Counts, and keeps what it was asked."""

    def __init__(self, status: int = 200, answer: Any = None) -> None:
        self.status, self.answer = status, {"input_tokens": 42} if answer is None else answer
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return httpx2.Response(self.status, json=self.answer)


def test_the_client_of_the_call_asks_for_what_the_prompt_is_made_of() -> None:
    """On the model that would be sent, with the call's betas and key, and nothing that is no part of the prompt."""
    api = Api()
    body = {**ASK, "temperature": 0.5, "stream": True, "system": "Be brief.", "tools": None}
    counting = Counting(client(api), body, "context-1m-2025-08-07")
    assert counting.now("claude-haiku-5-5") == 42
    request = api.requests[0]
    assert (request.url.path, request.url.query) == (PATH, b"beta=true")
    assert request.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert {"x-api-key", "authorization"} & request.headers.keys()
    assert json.loads(request.content) == {
        "model": "claude-haiku-5-5",
        "messages": ASK["messages"],
        "system": "Be brief.",
    }


def test_an_async_client_is_awaited() -> None:
    """By the same request, without betas on the plain path."""
    api = Api()
    assert asyncio.run(Counting(async_client(api), ASK, None).later("claude-haiku-5-5")) == 42
    assert (api.requests[0].url.path, api.requests[0].url.query) == (PATH, b"")


@pytest.mark.parametrize("api", [Api(500, {"error": {}}), Api(404, {}), Api(200, {"tokens": 3}), Api(200, [])])
def test_whatever_goes_wrong_nobody_says(api: Api) -> None:
    """One request, without a retry, and no exception."""
    assert Counting(client(api, max_retries=2), ASK, None).now("m") is None
    assert asyncio.run(Counting(async_client(api, max_retries=2), ASK, None).later("m")) is None
    assert len(api.requests) == 2
