"""Claims about the Message Batches API as the anthropic SDK sees it.

Each request asks for 6 tokens and is answered with 10: on Sonnet 5.5 at half price 6 * 1,000 + 10 * 5,000.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest
from anthropic.types import MessageParam

from bursar.agent.sandbox.bill import key_label
from bursar.agent.sandbox.limits import Limits

if TYPE_CHECKING:
    from tests.agent.sandbox.conftest import Stage

KEY = "sk-ant-test-0001"
SONNET = "claude-sonnet-5-5"
EACH = 6 * 1_000 + 10 * 5_000
TEN = {"x-sandbox-output-tokens": "10"}


def ask(custom_id: str, **changes: Any) -> Any:
    params = {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}], **changes}
    return {"custom_id": custom_id, "params": params}


def create(stage: Stage, *custom_ids: str, **staged: str) -> Any:
    """A batch of these; underscores stand for hyphens."""
    headers = {f"x-sandbox-{name.replace('_', '-')}": value for name, value in staged.items()}
    requests = [ask(custom_id) for custom_id in custom_ids]
    return stage.client.messages.batches.create(requests=requests, extra_headers={**TEN, **headers})


def outcomes(stage: Stage, batch_id: str) -> list[tuple[str, str]]:
    return [(line.custom_id, line.result.type) for line in stage.client.messages.batches.results(batch_id)]


def test_from_creation_to_results(stage: Stage) -> None:
    """Created in progress; ended as soon as somebody asks again; billed when processed, not when read."""
    batch = create(stage, "a", "b", "c")
    assert (batch.processing_status, batch.request_counts.processing, batch.results_url) == ("in_progress", 3, None)
    assert batch.id.startswith("msgbatch_")
    assert (batch.expires_at - batch.created_at).total_seconds() == 24 * 3_600
    cost = 3 * EACH
    expected = {"nano_usd": cost, "requests": 3, "by_model": {SONNET: cost}, "by_key": {key_label(KEY): cost}}
    assert stage.bill == expected
    ended = stage.client.messages.batches.retrieve(batch.id)
    assert (ended.processing_status, ended.request_counts.succeeded) == ("ended", 3)
    assert outcomes(stage, batch.id) == [(name, "succeeded") for name in "bac"]
    first = next(stage.client.messages.batches.results(batch.id)).result
    assert first.type == "succeeded"
    message = first.message
    assert (message.usage.output_tokens, message.usage.service_tier, message.model) == (10, "batch", SONNET)
    assert stage.bill == expected


def test_beta(stage: Stage) -> None:
    """All six methods of the beta resource."""
    batches = stage.client.beta.messages.batches
    batch = batches.create(requests=[ask("a")], extra_headers={**TEN, "x-sandbox-batch-ms": "1000"})
    assert batches.cancel(batch.id).processing_status == "canceling"
    stage.clock.now += 1
    assert batches.retrieve(batch.id).processing_status == "ended"
    assert [line.result.type for line in batches.results(batch.id)] == ["succeeded"]
    assert [each.id for each in batches.list()] == [batch.id]
    assert batches.delete(batch.id).type == "message_batch_deleted"
    assert list(batches.list()) == []


def test_async(stage: Stage) -> None:
    """The asynchronous client alike."""

    async def run() -> list[str]:
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=stage.url, max_retries=0) as client:
            batch = await client.messages.batches.create(requests=[ask("a"), ask("b")], extra_headers=TEN)
            return [line.custom_id async for line in await client.messages.batches.results(batch.id)]

    assert asyncio.run(run()) == ["b", "a"]
    assert stage.bill["nano_usd"] == 2 * EACH


def test_time_passes(stage: Stage) -> None:
    """Two requests in two seconds: one is billed after one, and there are no results before the end."""
    batch = create(stage, "a", "b", batch_ms="2000")
    stage.clock.now += 1
    assert stage.client.messages.batches.retrieve(batch.id).processing_status == "in_progress"
    assert stage.bill["nano_usd"] == EACH
    with pytest.raises(anthropic.AnthropicError, match="No `results_url`"):
        stage.client.messages.batches.results(batch.id)
    with pytest.raises(anthropic.NotFoundError, match=r"no results of .* it has not ended yet"):
        stage.client.get(f"/v1/messages/batches/{batch.id}/results", cast_to=httpx2.Response)
    stage.clock.now += 1
    assert stage.client.messages.batches.retrieve(batch.id).ended_at is not None
    assert stage.bill["nano_usd"] == 2 * EACH


def test_cancel(stage: Stage) -> None:
    """The request in progress still succeeds and is billed; the rest is canceled and is not."""
    batch = create(stage, "a", "b", "c", batch_ms="3000")
    told = stage.client.messages.batches.cancel(batch.id)
    assert (told.processing_status, told.request_counts.processing) == ("canceling", 3)
    stage.clock.now += 1
    assert sorted(outcomes(stage, batch.id)) == [("a", "succeeded"), ("b", "canceled"), ("c", "canceled")]
    assert stage.bill["nano_usd"] == EACH
    with pytest.raises(anthropic.BadRequestError, match="can no longer be canceled"):
        stage.client.messages.batches.cancel(batch.id)


def test_staged_outcomes(stage: Stage) -> None:
    """Each kind of result, as its creation staged it; only what succeeds is billed."""
    batch = create(stage, "a", "b", "c", "d", batch_outcomes="a=errored, b=expired, c=canceled")
    lines = {line.custom_id: line.result for line in stage.client.messages.batches.results(batch.id)}
    types = {name: result.type for name, result in lines.items()}
    assert types == {"a": "errored", "b": "expired", "c": "canceled", "d": "succeeded"}
    assert lines["a"].type == "errored"
    assert (lines["a"].error.error.type, lines["a"].error.error.message) == ("api_error", "Internal server error")
    counts = stage.client.messages.batches.retrieve(batch.id).request_counts
    assert (counts.errored, counts.expired, counts.canceled, counts.succeeded) == (1, 1, 1, 1)
    assert stage.bill["nano_usd"] == EACH


def test_batches_and_calls_share_the_cache(stage: Stage) -> None:
    """What a batch wrote, a plain call reads: 1,000 tokens at 1,250, then at 100 nano-dollars."""
    system: Any = [{"type": "text", "text": "x" * 4_000, "cache_control": {"type": "ephemeral"}}]
    stage.client.messages.batches.create(requests=[ask("a", system=system)], extra_headers=TEN)
    plain = stage.client.messages.create(
        model=SONNET, max_tokens=100, system=system, messages=ask("a")["params"]["messages"], extra_headers=TEN
    )
    assert plain.usage.cache_read_input_tokens == 1_000
    assert stage.bill["nano_usd"] == (1_000 * 1_250 + EACH) + (1_000 * 100 + 6 * 2_000 + 10 * 10_000)


def test_list_goes_through_all_pages(stage: Stage) -> None:
    """Twenty-five batches, the newest first, over three pages of ten; and back."""
    ids = [create(stage, "a").id for _ in range(25)]
    assert [each.id for each in stage.client.messages.batches.list(limit=10)] == ids[::-1]
    page = stage.client.messages.batches.list(limit=10, before_id=ids[5])
    assert ([each.id for each in page.data], page.has_more) == (ids[15:5:-1], True)
    assert [each.id for each in page] == [*ids[15:5:-1], *ids[24:15:-1]]
    assert len(stage.client.messages.batches.list().data) == 20


def test_delete(stage: Stage) -> None:
    """Not while it is processed; afterwards for good, and the bill stays."""
    batch = create(stage, "a", batch_ms="1000")
    with pytest.raises(anthropic.BadRequestError, match="still being processed"):
        stage.client.messages.batches.delete(batch.id)
    stage.clock.now += 1
    assert stage.client.messages.batches.delete(batch.id).id == batch.id
    with pytest.raises(anthropic.NotFoundError, match=f"There is no message batch {batch.id}"):
        stage.client.messages.batches.retrieve(batch.id)
    assert stage.bill["nano_usd"] == EACH


def test_archived_results(stage: Stage) -> None:
    """After 29 days the results are gone, the batch is not."""
    batch = create(stage, "a")
    stage.clock.now += 29 * 24 * 3_600
    assert stage.client.messages.batches.retrieve(batch.id).archived_at is not None
    with pytest.raises(anthropic.NotFoundError, match="it was archived"):
        stage.client.get(f"/v1/messages/batches/{batch.id}/results", cast_to=httpx2.Response)


def test_refused_creations(stage: Stage) -> None:
    """A mistake in the batch itself is told at once; one in a request's params when the batch has ended."""
    create_batch = stage.client.messages.batches.create
    with pytest.raises(anthropic.BadRequestError, match="requests: List should have at least 1 item"):
        create_batch(requests=[])
    with pytest.raises(anthropic.BadRequestError, match=r"requests\.1\.custom_id: 'a' is not unique"):
        create_batch(requests=[ask("a"), ask("a")])
    with pytest.raises(anthropic.BadRequestError, match="x-sandbox-batch-outcomes: 'lost' is not one of"):
        create(stage, "a", batch_outcomes="a=lost")
    batch = create_batch(requests=[ask("a", model="claude-nope")])
    assert outcomes(stage, batch.id) == [("a", "errored")]
    assert len(stage.client.messages.batches.list().data) == 1


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"x-api-key": "k"}, 400, "invalid_request_error"),
    ],
)
def test_headers_that_must_be_there(stage: Stage, headers: dict[str, str], status: int, kind: str) -> None:
    """A key and a version."""
    refused = httpx2.get(f"{stage.url}/v1/messages/batches", headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (status, kind)


def test_another_key_pays_for_its_own(stage: Stage) -> None:
    """Keys of one workspace see each other's batches; each batch is on the bill of the key that created it."""
    batch = create(stage, "a")
    with anthropic.Anthropic(api_key="other", base_url=stage.url, max_retries=0) as other:
        assert len(list(other.messages.batches.results(batch.id))) == 1
        other.messages.batches.create(requests=[ask("a"), ask("b")], extra_headers=TEN)
    assert stage.bill["by_key"] == {key_label(KEY): EACH, key_label("other"): 2 * EACH}


def test_staged_refusals(stage: Stage) -> None:
    """A refused creation creates nothing; a refused reading is read when it is tried again."""
    with pytest.raises(anthropic.RateLimitError):
        create(stage, "a", error="429")
    assert list(stage.client.messages.batches.list()) == []
    batch = create(stage, "a")
    once = {
        "x-sandbox-error": "529",
        "x-sandbox-scene": "s",
        "x-sandbox-error-times": "1",
        "x-sandbox-retry-after": "0",
    }
    client = stage.client.with_options(max_retries=1, default_headers={**once, "x-sandbox-retry-after": "0"})
    assert client.messages.batches.retrieve(batch.id).processing_status == "ended"


def test_hang(stage: Stage) -> None:
    """A creation that is never answered creates nothing."""
    with pytest.raises(anthropic.APITimeoutError):
        stage.client.with_options(timeout=0.05).messages.batches.create(
            requests=[ask("a")], extra_headers={"x-sandbox-error": "hang"}
        )
    assert list(stage.client.messages.batches.list()) == []


def test_a_creation_whose_answer_is_lost_is_created(stage: Stage) -> None:
    """The list finds it, and it is billed."""
    with pytest.raises(anthropic.APIConnectionError):
        create(stage, "a", error="cut")
    (batch,) = stage.client.messages.batches.list()
    assert batch.request_counts.succeeded == 1
    assert stage.bill["nano_usd"] == EACH


@pytest.mark.parametrize("error", ["cut", "midstream"])
def test_results_that_are_cut(stage: Stage, error: str) -> None:
    """Of four lines two arrive, and half a third, before the connection is lost; nothing is billed again."""
    batch = create(stage, "a", "b", "c", "d")
    results = stage.client.messages.batches.with_streaming_response.results
    pieces: list[bytes] = []
    with results(batch.id, extra_headers={"x-sandbox-error": error}) as raw, pytest.raises(httpx2.RemoteProtocolError):
        pieces.extend(raw.iter_bytes())
    body = b"".join(pieces)
    assert body.count(b"\n") == 2
    assert 100 < len(body.rpartition(b"\n")[2]) < 400
    assert stage.bill["nano_usd"] == 4 * EACH


def test_latency_and_pace(stage: Stage) -> None:
    """Latency before an answer begins, pace before each line of results."""
    batch = create(stage, "a", "b", latency_ms="20")
    assert stage.clock.waits == [0.02]
    slow = stage.client.with_options(default_headers={"x-sandbox-pace-ms": "7"})
    list(slow.messages.batches.results(batch.id))
    assert stage.clock.waits == [0.02, 0.007, 0.007]


def test_content_type(stage: Stage) -> None:
    """Results are lines of JSON, and say so."""
    batch = create(stage, "a")
    stage.client.messages.batches.retrieve(batch.id)
    raw = stage.client.get(f"/v1/messages/batches/{batch.id}/results", cast_to=httpx2.Response)
    assert raw.headers["content-type"] == "application/x-jsonl"
    assert raw.headers["request-id"].startswith("req_")


def scene(stage: Stage, **words: Any) -> None:
    """Stage this for the whole sandbox; underscores stand for hyphens."""
    told = {name.replace("_", "-"): value for name, value in words.items()}
    httpx2.post(f"{stage.url}/sandbox/scene", json=told).raise_for_status()


def test_a_sandbox_s_own_delay(stage: Stage) -> None:
    """How long a batch takes that does not say so; the header wins."""
    stage.restage(batch_delay_s=5)
    slow, quick = create(stage, "a"), create(stage, "a", batch_ms="1000")
    stage.clock.now += 1
    assert [each.processing_status for each in stage.client.messages.batches.list()] == ["ended", "in_progress"]
    stage.clock.now += 4
    assert stage.client.messages.batches.retrieve(slow.id).processing_status == "ended"
    assert quick.created_at == slow.created_at


def test_a_batch_that_never_ends(stage: Stage) -> None:
    """In progress after 23 hours, expired after 24, for nothing; another one canceled, for nothing too."""
    batch, other = (create(stage, "a", "b", batch_ms="never") for _ in range(2))
    stage.clock.now += 23 * 3_600
    assert stage.client.messages.batches.retrieve(batch.id).processing_status == "in_progress"
    assert stage.client.messages.batches.cancel(other.id).processing_status == "canceling"
    assert stage.client.messages.batches.retrieve(other.id).request_counts.canceled == 2
    stage.clock.now += 3_600
    assert sorted(outcomes(stage, batch.id)) == [("a", "expired"), ("b", "expired")]
    assert stage.bill["requests"] == 0


def test_shares_of_what_goes_wrong(stage: Stage) -> None:
    """Counts are zero until the end; then they come to all; what succeeded is billed, and nothing else."""
    staged = {"batch_outcomes": "overloaded_error=20, invalid_request_error=10, expired=10, canceled=5"}
    batch = create(stage, *(f"item-{number}" for number in range(200)), batch_ms="1000", batch_seed="7", **staged)
    stage.clock.now += 0.99
    counts = stage.client.messages.batches.retrieve(batch.id).request_counts
    told = (counts.processing, counts.succeeded, counts.errored, counts.canceled, counts.expired)
    assert told == (200, 0, 0, 0, 0)
    stage.clock.now += 0.01
    counts = stage.client.messages.batches.retrieve(batch.id).request_counts
    lines = list(stage.client.messages.batches.results(batch.id))
    kinds = Counter(line.result.error.error.type for line in lines if line.result.type == "errored")
    assert set(kinds) == {"overloaded_error", "invalid_request_error"}
    assert (counts.processing, counts.errored) == (0, kinds.total())
    assert Counter(line.result.type for line in lines) == {
        "succeeded": counts.succeeded,
        "errored": counts.errored,
        "canceled": counts.canceled,
        "expired": counts.expired,
    }
    assert 0 < counts.canceled < counts.expired < counts.errored < counts.succeeded < 200
    assert (stage.bill["nano_usd"], stage.bill["requests"]) == (counts.succeeded * EACH, counts.succeeded)


def test_long_answers_with_a_beta(stage: Stage) -> None:
    """The creation's beta lets each request have 300,000 tokens."""
    asked = [ask("a", max_tokens=300_000)]
    with_beta = stage.client.beta.messages.batches.create(requests=asked, betas=["output-300k-2026-03-24"])
    without = stage.client.messages.batches.create(requests=asked)
    assert [outcomes(stage, batch.id) for batch in (with_beta, without)] == [[("a", "succeeded")], [("a", "errored")]]


def test_what_a_batch_may_not_carry(stage: Stage) -> None:
    """Is taken with the rest, and told of each request when the batch has ended; the others are answered."""
    mistakes: list[dict[str, Any]] = [
        {"stream": True},
        {"speed": "fast"},
        {"max_tokens": 0},
        {"store": True},
        {"previous_thread_event_id": "e"},
        {"cache_hint": {"key": "k"}},
        {"context_hint": {"key": "k"}},
    ]
    asked = [ask(f"m{number}", **changes) for number, changes in enumerate(mistakes)]
    batch = stage.client.messages.batches.create(requests=[*asked, ask("fine")], extra_headers=TEN)
    lines = {line.custom_id: line.result for line in stage.client.messages.batches.results(batch.id)}
    assert lines.pop("fine").type == "succeeded"
    kinds = [result.error.error.type for result in lines.values() if result.type == "errored"]
    assert kinds == ["invalid_request_error"] * len(mistakes)
    assert stage.bill["nano_usd"] == EACH


def test_a_profile_that_conflicts(stage: Stage) -> None:
    """Is an error of the request, not of the batch."""
    batch = stage.client.messages.batches.create(
        requests=[ask("a"), ask("b", user_profile_id="uprof_2")], user_profile_id="uprof_1"
    )
    assert sorted(outcomes(stage, batch.id)) == [("a", "succeeded"), ("b", "errored")]


def test_too_large(stage: Stage) -> None:
    """A 413, for bytes and for requests, and nothing is created; the whole body is heard, so the client hears it."""
    stage.restage(limits=Limits(requests=2, size=1_000_000))
    with pytest.raises(anthropic.RequestTooLargeError, match="A batch may have at most 2 requests, not 3"):
        create(stage, "a", "b", "c")
    with pytest.raises(anthropic.RequestTooLargeError, match="exceeds the maximum size of 1000000 bytes"):
        stage.client.messages.batches.create(requests=[ask("a", system="x" * 2_000_000)])
    assert list(stage.client.messages.batches.list()) == []


def test_too_often(stage: Stage) -> None:
    """Two requests a minute: the third is told to come back in half a minute, and then may."""
    stage.restage(limits=Limits(per_minute=2))
    create(stage, "a")
    stage.client.messages.batches.list()
    with pytest.raises(anthropic.RateLimitError, match="rate limit of 2 requests") as caught:
        create(stage, "b")
    assert caught.value.response.headers["retry-after"] == "30"
    stage.clock.now += 30
    assert len(stage.client.messages.batches.list().data) == 1


def test_a_full_queue(stage: Stage) -> None:
    """Three requests wait in a queue of four: two more must, until one is done."""
    stage.restage(limits=Limits(queued=4))
    create(stage, "a", "b", "c", batch_ms="30000")
    with pytest.raises(anthropic.RateLimitError, match="4 batch requests in the processing queue") as caught:
        create(stage, "d", "e")
    assert caught.value.response.headers["retry-after"] == "10"
    stage.clock.now += 10
    assert create(stage, "d", "e").request_counts.processing == 2


def test_a_creation_that_is_answered_too_late_is_created(stage: Stage) -> None:
    """With latency, the client gives up and does not know; the list does."""

    async def until_it_gives_up(seconds: float) -> None:
        assert seconds == 60
        await asyncio.sleep(1)

    stage.restage(until_it_gives_up)
    with pytest.raises(anthropic.APITimeoutError):
        stage.client.with_options(timeout=0.5).messages.batches.create(
            requests=[ask("a")], extra_headers={"x-sandbox-latency-ms": "60000"}
        )
    assert len(stage.client.messages.batches.list().data) == 1


def test_a_scene_of_the_whole_sandbox(stage: Stage) -> None:
    """A client that sends no header loses one creation's answer; by trying again it has two batches."""
    scene(stage, output_tokens=10, batch_ms=1_000)
    scene(stage, on="messages.batches.create", error="cut", error_times=1)
    batches = stage.client.with_options(max_retries=1).messages.batches
    batch = batches.create(requests=[ask("a")])
    assert batch.id in [each.id for each in batches.list()]
    assert len(batches.list().data) == 2
    stage.clock.now += 1
    assert stage.bill["nano_usd"] == 2 * EACH


def test_scenes_are_shown_and_taken_away(stage: Stage) -> None:
    """And a mistake in one is told when it is put."""
    scene(stage, on="messages.batches.list", error="529")
    with pytest.raises(anthropic.OverloadedError):
        stage.client.messages.batches.list()
    create(stage, "a")
    url = f"{stage.url}/sandbox/scene"
    assert httpx2.get(url).json() == {
        "messages.batches.list": {"x-sandbox-error": "529", "x-sandbox-scene": "messages.batches.list 1"}
    }
    refused = httpx2.post(url, json={"on": "batches"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")
    assert httpx2.delete(url).json() == {}
    assert len(stage.client.messages.batches.list().data) == 1


def test_a_scene_of_calls(stage: Stage) -> None:
    """Plain calls are staged for the whole sandbox too."""
    stage.app.state.staging.put({"on": "messages.create", "error": "529", "error-times": 1, "output-tokens": 10})
    hello: list[MessageParam] = [{"role": "user", "content": "hello"}]
    with pytest.raises(anthropic.OverloadedError):
        stage.client.messages.create(model=SONNET, max_tokens=100, messages=hello)
    message = stage.client.messages.create(model=SONNET, max_tokens=100, messages=hello)
    assert message.usage.output_tokens == 10
