"""Claims about the requests of a batch. Sonnet 5.5 at half price: 1,000 nano-dollars in, 5,000 out, 1,250 a 5-minute
write, 50 a read."""

from __future__ import annotations

from itertools import count, pairwise
from typing import Any

import pytest

from bursar.agent.sandbox.batch import Batch, Item, Result
from bursar.agent.sandbox.batch_scene import BatchScene, Fate, Outcome
from bursar.agent.sandbox.batch_work import BatchWork
from bursar.agent.sandbox.bill import Bill
from bursar.agent.sandbox.cache import PromptCache

SONNET = "claude-sonnet-5-5"
LONG = "x" * 4_000  # 1,000 tokens
PROFILE = "uprof_1"


def params(**changes: Any) -> dict[str, Any]:
    return {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}], **changes}


class Shop:
    """A batch worker with a bill of its own."""

    def __init__(
        self, *, version: str = "2023-06-01", tokens: int | None = 10, betas: str | None = None, **staged: Any
    ) -> None:
        numbers = count(1)
        staged.setdefault("fates", {})
        self.bill = Bill()
        self.cache = PromptCache()
        self.work = BatchWork(self.bill, self.cache, lambda: str(next(numbers)))
        self.batch = Batch("b", "key_1", version, betas, PROFILE, (), BatchScene(0, tokens, **staged), 0)

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
        ({"speed": "standard"}, "invalid_request_error", "speed: not supported in a message"),
        ({"store": True}, "invalid_request_error", "store: not supported in a message"),
        ({"thread": {"type": "x"}}, "invalid_request_error", "thread: not supported in a message"),
        ({"previous_thread_event_id": "e"}, "invalid_request_error", "previous_thread_event_id: not supported"),
        ({"cache_hint": {"key": "k"}}, "invalid_request_error", "cache_hint: not supported in a message"),
        ({"context_hint": {"key": "k"}}, "invalid_request_error", "context_hint: not supported in a message"),
        ({"research_preview_2026_02": "x"}, "invalid_request_error", "research_preview_2026_02: not supported"),
        (
            {"billing_policy": {"type": "billing_policy", "bill_to": "user_profile"}},
            "invalid_request_error",
            "billing_policy.bill_to: 'user_profile' is not supported in a message batch",
        ),
        ({"user_profile_id": "other"}, "invalid_request_error", "user_profile_id: conflicts with the anthropic-user"),
        ({"max_tokens": 128_001}, "invalid_request_error", "max_tokens: 128001 > 128000, which is the maximum"),
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


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": False},
        {"user_profile_id": PROFILE},
        {"billing_policy": {"type": "billing_policy", "bill_to": "self"}},
        {"fallback_credit_token": "fct_1"},
    ],
)
def test_what_is_no_mistake(changes: dict[str, Any]) -> None:
    """Saying what is so anyway is allowed; credit for a fallback is ignored."""
    assert Shop().process(**changes).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("model", "asked", "outcome"),
    [
        (SONNET, 300_000, Outcome.SUCCEEDED),
        (SONNET, 300_001, Outcome.ERRORED),
        ("claude-haiku-4-5", 64_000, Outcome.SUCCEEDED),
        ("claude-haiku-4-5", 64_001, Outcome.ERRORED),
    ],
)
def test_long_answers(model: str, asked: int, outcome: Outcome) -> None:
    """300,000 tokens with the beta of the creation, and all of them at half price."""
    shop = Shop(betas="files-api-2025-04-14,output-300k-2026-03-24", tokens=200_000)
    result = shop.process(model=model, max_tokens=asked)
    assert result.outcome is outcome
    if model == SONNET and outcome is Outcome.SUCCEEDED:
        assert shop.bill.totals()["nano_usd"] == 6 * 1_000 + 200_000 * 5_000


def test_a_beta_that_a_model_does_not_know() -> None:
    """Is told of each request that it spoils."""
    shop = Shop(betas="mid-conversation-output-config-2026-07-01")
    assert shop.process(model="claude-opus-4-8").outcome is Outcome.ERRORED
    assert shop.process().outcome is Outcome.SUCCEEDED


def test_cold_requests() -> None:
    """The cache is best effort: a request that does not find what is there writes it again, and is billed for that."""
    shop = Shop(warm=0)
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    first, second = (shop.process(name=name, system=system).members["message"]["usage"] for name in "ab")
    assert first == second
    assert (second["cache_creation_input_tokens"], second["cache_read_input_tokens"]) == (1_000, 0)
    assert shop.bill.totals()["nano_usd"] == 2 * (1_000 * 1_250 + 6 * 1_000 + 10 * 5_000)


@pytest.mark.parametrize(("version", "outcome"), [("2023-06-01", Outcome.SUCCEEDED), ("2026-10-21", Outcome.ERRORED)])
def test_params_are_held_to_the_version_of_the_creation(version: str, outcome: Outcome) -> None:
    """Sampling parameters are an error from 2026-10-21 on."""
    assert Shop(version=version).process(model="claude-haiku-4-5", temperature=0.5).outcome is outcome


def test_staged_error() -> None:
    """A request that is staged to fail does so, for nothing; the others do not."""
    shop = Shop(fates={"bad": Fate.ERRORED})
    bad, good = shop.process(name="bad"), shop.process(name="good")
    assert (bad.outcome, bad.members["error"]["error"]["type"]) == (Outcome.ERRORED, "api_error")
    assert (good.outcome, shop.bill.totals()["requests"]) == (Outcome.SUCCEEDED, 1)


@pytest.mark.parametrize(
    ("fate", "kind", "said"),
    [
        (Fate.OVERLOADED, "overloaded_error", "Overloaded"),
        (Fate.API_ERROR, "api_error", "Internal server error"),
        (Fate.INVALID, "invalid_request_error", "Staged for this request"),
    ],
)
def test_staged_kinds_of_error(fate: Fate, kind: str, said: str) -> None:
    """Some are worth another try, some are not."""
    error = Shop(fates={"*": fate}).process().members["error"]["error"]
    assert (error["type"], error["message"]) == (kind, said)


def test_own_length() -> None:
    """Without staged tokens an answer has as many as the same request would get alone."""
    first, second = (Shop(tokens=None).process().members["message"]["usage"]["output_tokens"] for _ in range(2))
    assert first == second >= 20
