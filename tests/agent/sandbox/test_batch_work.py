"""Claims about the requests of a batch. Sonnet 5.5 at half price: 1,000 nano-dollars in, 5,000 out, 1,250 a 5-minute
write, 50 a read."""

from __future__ import annotations

from itertools import count, pairwise
from typing import Any

import pytest

from bursar.agent.sandbox.batch_work import BatchWork
from bursar.agent.sandbox.batches import Batch, Item, Result
from bursar.agent.sandbox.bill import Bill
from bursar.agent.sandbox.cache import PromptCache
from bursar.agent.sandbox.scene import BatchScene, Outcome

SONNET = "claude-sonnet-5-5"
LONG = "x" * 4_000  # 1,000 tokens


def params(**changes: Any) -> dict[str, Any]:
    return {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}], **changes}


class Shop:
    """A batch worker with a bill of its own."""

    def __init__(self, *, version: str = "2023-06-01", tokens: int | None = 10, **staged: Outcome) -> None:
        numbers = count(1)
        self.bill = Bill()
        self.cache = PromptCache()
        self.work = BatchWork(self.bill, self.cache, lambda: str(next(numbers)))
        self.batch = Batch("b", "key_1", version, (), BatchScene(0, tokens, staged), 0)

    def process(self, at: float = 0, name: str = "c", **changes: Any) -> Result:
        return self.work.process(self.batch, Item(name, params(**changes)), at)


def test_a_message_at_half_the_price() -> None:
    """6 tokens in and 10 out, told as of the batch tier and put on the creator's bill."""
    shop = Shop()
    result = shop.process()
    assert (result.custom_id, result.outcome) == ("c", Outcome.SUCCEEDED)
    message = result.members["message"]
    assert (message["id"], message["type"], message["model"]) == ("msg_1", "message", SONNET)
    usage = message["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["service_tier"]) == (6, 10, "batch")
    cost = 6 * 1_000 + 10 * 5_000
    assert shop.bill.totals() == {
        "nano_usd": cost,
        "requests": 1,
        "by_model": {SONNET: cost},
        "by_key": {"key_1": cost},
    }


def test_prompts_are_cached_at_half_price_too() -> None:
    """The first writes 1,000 tokens for five minutes, the next within that time reads them."""
    shop = Shop()
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    costs = [0]
    for at in (0, 299, 599):
        shop.process(at, system=system)
        costs.append(shop.bill.totals()["nano_usd"])
    each = [after - before for before, after in pairwise(costs)]
    rest = 6 * 1_000 + 10 * 5_000
    assert each == [1_000 * 1_250 + rest, 1_000 * 50 + rest, 1_000 * 1_250 + rest]


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"model": "claude-nope"}, "not_found_error", "model: claude-nope"),
        ({"max_tokens": "many"}, "invalid_request_error", "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 0}, "invalid_request_error", "max_tokens: 0 is not supported in a message batch"),
        ({"stream": True}, "invalid_request_error", "stream: not supported in a message batch"),
        ({"speed": "fast", "model": "claude-opus-5-5"}, "invalid_request_error", "speed: not supported in a message"),
    ],
)
def test_mistakes_in_params(changes: dict[str, Any], kind: str, message: str) -> None:
    """They are errored results, in the API's shape, and free."""
    shop = Shop()
    result = shop.process(**changes)
    assert result.outcome is Outcome.ERRORED
    envelope = result.members["error"]
    assert (envelope["type"], envelope["request_id"], envelope["error"]["type"]) == ("error", "req_1", kind)
    assert envelope["error"]["message"].startswith(message)
    assert shop.bill.totals()["requests"] == 0


def test_stream_false_is_no_mistake() -> None:
    """Saying what is so anyway is allowed."""
    assert Shop().process(stream=False).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(("version", "outcome"), [("2023-06-01", Outcome.SUCCEEDED), ("2026-10-21", Outcome.ERRORED)])
def test_params_are_held_to_the_version_of_the_creation(version: str, outcome: Outcome) -> None:
    """Sampling parameters are an error from 2026-10-21 on."""
    assert Shop(version=version).process(model="claude-haiku-4-5", temperature=0.5).outcome is outcome


def test_staged_error() -> None:
    """A request that is staged to fail does so, for nothing; the others do not."""
    shop = Shop(bad=Outcome.ERRORED)
    bad, good = shop.process(name="bad"), shop.process(name="good")
    assert (bad.outcome, bad.members["error"]["error"]["type"]) == (Outcome.ERRORED, "api_error")
    assert (good.outcome, shop.bill.totals()["requests"]) == (Outcome.SUCCEEDED, 1)


def test_own_length() -> None:
    """Without staged tokens an answer has as many as the same request would get alone."""
    first, second = (Shop(tokens=None).process().members["message"]["usage"]["output_tokens"] for _ in range(2))
    assert first == second >= 20
