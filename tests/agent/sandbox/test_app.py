"""Claims about the sandbox as the anthropic SDK sees it.

Sonnet 5.5 takes 2,000 nano-dollars an input token, 2,500 a 5-minute write, 4,000 a 1-hour write, 100 a read and 10,000
an output token.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message, MessageParam, ToolParam

from bursar.agent.sandbox.bill import key_label

if TYPE_CHECKING:
    from tests.agent.sandbox.conftest import Stage

SONNET = "claude-sonnet-5-5"
HAIKU = "claude-haiku-5-5"  # 5.5 of the larger ones cannot be made to use a tool
HELLO: list[MessageParam] = [{"role": "user", "content": "hello"}]  # 2 tokens and 4 for the role
KEY = "sk-ant-test-0001"
LONG = "x" * 4_000  # 1,000 tokens, more than the 512 that Sonnet 5.5 caches


def staged(tokens: int, **more: str) -> dict[str, str]:
    """Headers that stage a number of output tokens, and more; underscores stand for hyphens."""
    rest = {f"x-sandbox-{name.replace('_', '-')}": value for name, value in more.items()}
    return {"x-sandbox-output-tokens": str(tokens), **rest}


def cached(stage: Stage, *, model: str = SONNET, ttl: str = "5m", system: str = LONG) -> tuple[int, int, int, int]:
    """Ask with a cached system prompt; input, 5-minute write, 1-hour write and read as the API reports them."""
    block: Any = {"type": "text", "text": system, "cache_control": {"type": "ephemeral", "ttl": ttl}}
    message = stage.client.messages.create(
        model=model,
        max_tokens=100,
        system=[block],
        messages=HELLO,
        extra_headers=staged(10),
    )
    split = message.usage.cache_creation
    assert split is not None
    assert message.usage.cache_read_input_tokens is not None
    five_minutes, one_hour = split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens
    assert message.usage.cache_creation_input_tokens == five_minutes + one_hour
    return message.usage.input_tokens, five_minutes, one_hour, message.usage.cache_read_input_tokens


def test_create(stage: Stage) -> None:
    """A plain call answers with the tokens asked for, and costs 6 in and 500 out."""
    message = stage.client.messages.create(model=SONNET, max_tokens=1_000, messages=HELLO, extra_headers=staged(500))
    assert (message.usage.input_tokens, message.usage.output_tokens, message.stop_reason) == (6, 500, "end_turn")
    assert (message.model, message.usage.service_tier, message.usage.inference_geo) == (SONNET, "standard", "global")
    assert message.usage.speed == "standard"
    cost = 6 * 2_000 + 500 * 10_000
    assert stage.bill == {
        "nano_usd": cost,
        "requests": 1,
        "by_model": {SONNET: cost},
        "by_key": {key_label(KEY): cost},
    }


def test_alias_is_resolved(stage: Stage) -> None:
    """The response and the bill name the dated id."""
    message = stage.client.messages.create(
        model="claude-haiku-4-5", max_tokens=10, messages=HELLO, extra_headers=staged(10)
    )
    assert message.model == "claude-haiku-4-5-20251001"
    assert stage.bill["by_model"] == {"claude-haiku-4-5-20251001": 6 * 1_000 + 10 * 5_000}


def test_max_tokens_cuts(stage: Stage) -> None:
    """No more is output, or billed, than max_tokens."""
    message = stage.client.messages.create(model=SONNET, max_tokens=30, messages=HELLO, extra_headers=staged(31))
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 30)
    assert stage.bill["nano_usd"] == 6 * 2_000 + 30 * 10_000


def test_fast_and_us(stage: Stage) -> None:
    """Opus 5.5 at 2 x 1.1: 8,800 nano-dollars in, 44,000 out."""
    message = stage.client.messages.create(
        model="claude-opus-5-5",
        max_tokens=10,
        messages=HELLO,
        speed="fast",
        inference_geo="us",
        extra_headers=staged(10),
    )
    assert (message.usage.speed, message.usage.inference_geo) == ("fast", "us")
    assert stage.bill["nano_usd"] == 6 * 8_800 + 10 * 44_000


def test_haiku_length_tier(stage: Stage) -> None:
    """A prompt of 100,001 tokens costs five times as much, output too."""
    for characters in (399_984, 399_985):
        stage.client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=10,
            messages=[{"role": "user", "content": "x" * characters}],
            extra_headers=staged(10),
        )
    assert stage.bill["nano_usd"] == (100_000 * 100 + 10 * 500) + (100_001 * 500 + 10 * 2_500)


def test_create_stream(stage: Stage) -> None:
    """A stream begins with a placeholder, ends with the whole, and costs what the message would."""
    with stage.client.messages.create(
        model=SONNET, max_tokens=100, messages=HELLO, stream=True, extra_headers=staged(25)
    ) as stream:
        events = list(stream)
    start, delta = events[0], events[-2]
    assert start.type == "message_start"
    assert (start.message.usage.input_tokens, start.message.usage.output_tokens) == (6, 1)
    assert delta.type == "message_delta"
    assert (delta.delta.stop_reason, delta.usage.output_tokens, delta.usage.input_tokens) == ("end_turn", 25, 6)
    assert stage.bill["nano_usd"] == 6 * 2_000 + 25 * 10_000


def test_stream_helper_gives_the_same_message(stage: Stage) -> None:
    """The accumulated stream is the message of a plain call, but for its id."""
    plain = stage.client.messages.create(model=SONNET, max_tokens=200, messages=HELLO)
    with stage.client.messages.stream(model=SONNET, max_tokens=200, messages=HELLO) as stream:
        streamed = stream.get_final_message()
    assert plain.id.startswith("msg_")
    assert streamed.id != plain.id
    assert (streamed.usage, streamed.stop_reason) == (plain.usage, plain.stop_reason)
    assert [block.type == "text" and block.text for block in streamed.content] == [
        block.type == "text" and block.text for block in plain.content
    ]


def test_async_client(stage: Stage) -> None:
    """The asynchronous client creates and streams alike."""

    async def ask() -> tuple[int, int]:
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=stage.url) as client:
            plain = await client.messages.create(model=SONNET, max_tokens=100, messages=HELLO, extra_headers=staged(10))
            async with client.messages.stream(
                model=SONNET, max_tokens=100, messages=HELLO, extra_headers=staged(20)
            ) as stream:
                final = await stream.get_final_message()
            return plain.usage.output_tokens, final.usage.output_tokens

    assert asyncio.run(ask()) == (10, 20)
    assert stage.bill["nano_usd"] == 2 * 6 * 2_000 + 30 * 10_000


def test_beta_client(stage: Stage) -> None:
    """`/v1/messages?beta=true` is the same endpoint."""
    message = stage.client.beta.messages.create(
        model=SONNET, max_tokens=100, messages=[{"role": "user", "content": "hello"}], extra_headers=staged(10)
    )
    assert message.usage.output_tokens == 10
    assert stage.bill["requests"] == 1


def test_forced_tool(stage: Stage) -> None:
    """A forced tool is called with valid input, plain and streamed."""
    tool: ToolParam = {
        "name": "weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    plain = stage.client.messages.create(
        model=HAIKU, max_tokens=50, messages=HELLO, tools=[tool], tool_choice={"type": "tool", "name": "weather"}
    )
    with stage.client.messages.stream(
        model=HAIKU, max_tokens=50, messages=HELLO, tools=[tool], tool_choice={"type": "any"}
    ) as stream:
        streamed = stream.get_final_message()
    for message in (plain, streamed):
        (block,) = message.content
        assert block.type == "tool_use"
        assert (block.name, block.input, message.stop_reason) == ("weather", {"city": "sandbox"}, "tool_use")
        assert block.id.startswith("toolu_")


def test_structured_output(stage: Stage) -> None:
    """A JSON schema is answered with JSON that fits it."""
    schema: dict[str, object] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    message = stage.client.messages.create(
        model=SONNET,
        max_tokens=50,
        messages=HELLO,
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    (block,) = message.content
    assert block.type == "text"
    assert block.text == '{"n":0}'


def test_count_tokens_is_free(stage: Stage) -> None:
    """Counting agrees with the bill and is not on it."""
    assert stage.client.messages.count_tokens(model=SONNET, messages=HELLO).input_tokens == 6
    assert stage.bill["requests"] == 0


def test_models(stage: Stage) -> None:
    """The SDK can read the list of models."""
    models = list(stage.client.models.list())
    assert models[0].display_name == "Claude Fable 5.2"
    assert {SONNET, "claude-haiku-4-5-20251001"} <= {model.id for model in models}
    assert stage.client.models.list(limit=3).data == models[:3]


def test_one_model(stage: Stage) -> None:
    """By an alias, with what it can; what is none is not found."""
    model = stage.client.models.retrieve("claude-haiku-4-5")
    assert model.id == "claude-haiku-4-5-20251001"
    assert model.capabilities is not None
    assert (model.capabilities.batch.supported, model.line) == (True, "haiku")
    with pytest.raises(anthropic.NotFoundError, match="model: claude-nope"):
        stage.client.models.retrieve("claude-nope")


def test_bill_by_key(stage: Stage) -> None:
    """Each key has its own sum, and no key can be read from the bill."""
    for key, tokens in (("sk-ant-one", 10), ("sk-ant-two", 20)):
        client = stage.client.with_options(api_key=key)
        client.messages.create(model=SONNET, max_tokens=100, messages=HELLO, extra_headers=staged(tokens))
    bill: Any = stage.client.get("/sandbox/bill", cast_to=object)
    assert bill["by_key"] == {key_label("sk-ant-one"): 112_000, key_label("sk-ant-two"): 212_000}
    assert (bill["nano_usd"], bill["by_model"]) == (324_000, {SONNET: 324_000})


def test_cache_miss_hit_and_expiry(stage: Stage) -> None:
    """A first call writes, a second within five minutes reads, and one five minutes after that writes again."""
    assert cached(stage) == (6, 1_000, 0, 0)
    stage.clock.now += 299
    assert cached(stage) == (6, 0, 0, 1_000)
    stage.clock.now += 300
    assert cached(stage) == (6, 1_000, 0, 0)
    calls = 3 * (6 * 2_000 + 10 * 10_000)
    assert stage.bill["nano_usd"] == calls + 2 * 1_000 * 2_500 + 1_000 * 100


def test_cache_for_an_hour(stage: Stage) -> None:
    """A 1-hour write costs twice the input price and is still read after 59 minutes."""
    assert cached(stage, ttl="1h") == (6, 0, 1_000, 0)
    stage.clock.now += 3_599
    assert cached(stage, ttl="1h") == (6, 0, 0, 1_000)
    assert stage.bill["nano_usd"] == 2 * (6 * 2_000 + 10 * 10_000) + 1_000 * 4_000 + 1_000 * 100


@pytest.mark.parametrize(
    ("model", "tokens", "written"),
    [(SONNET, 511, 0), (SONNET, 512, 512), ("claude-haiku-4-5", 4_095, 0), ("claude-haiku-4-5", 4_096, 4_096)],
)
def test_minimum_by_model(stage: Stage, model: str, tokens: int, written: int) -> None:
    """A prefix below the model's minimum is plain input, without an error."""
    assert cached(stage, model=model, system="x" * 4 * tokens) == (6 + tokens - written, written, 0, 0)


def test_cache_is_per_model(stage: Stage) -> None:
    """What Sonnet has written Opus cannot read."""
    cached(stage)
    assert cached(stage, model="claude-opus-5-5") == (6, 1_000, 0, 0)


def test_latency_shortens_the_life_of_an_entry(stage: Stage) -> None:
    """A response that begins 100 s late leaves 200 s; the wait is what was staged."""
    system: list[Any] = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    stage.client.messages.create(
        model=SONNET, max_tokens=10, system=system, messages=HELLO, extra_headers=staged(10, latency_ms="100000")
    )
    assert stage.clock.waits == [100.0]
    stage.clock.now += 200
    assert cached(stage) == (6, 1_000, 0, 0)


def test_parallel_first_calls_both_write(stage: Stage) -> None:
    """An entry exists only once the first response begins: two that wait for each other both pay."""
    both: list[asyncio.Barrier] = []

    async def meet(seconds: float) -> None:
        both[:] = both or [asyncio.Barrier(2)]
        await both[0].wait()

    async def ask() -> list[int | None]:
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=stage.url) as client:
            calls = [
                client.messages.create(
                    model=SONNET,
                    max_tokens=10,
                    system=[{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}],
                    messages=HELLO,
                    extra_headers=staged(10, latency_ms="1"),
                )
                for _ in range(2)
            ]
            return [message.usage.cache_creation_input_tokens for message in await asyncio.gather(*calls)]

    stage.restage(meet)
    assert asyncio.run(ask()) == [1_000, 1_000]
    assert cached(stage) == (6, 0, 0, 1_000)


def test_conversation_with_automatic_caching(stage: Stage) -> None:
    """With top-level cache_control each turn reads the last one, and the answer counts as it was billed."""
    messages: list[MessageParam] = [{"role": "user", "content": LONG}]
    control: Any = {"type": "ephemeral"}

    def ask() -> Message:
        return stage.client.messages.create(
            model=SONNET, max_tokens=100, cache_control=control, messages=messages, extra_headers=staged(40)
        )

    first = ask()
    messages.extend([first.to_param(), {"role": "user", "content": "more"}])
    second = ask()
    assert first.usage.cache_creation_input_tokens == 1_004
    assert second.usage.cache_read_input_tokens == 1_004
    assert second.usage.cache_creation_input_tokens == (40 + 4) + (1 + 4)
    assert second.usage.input_tokens == 0


def test_warm_up(stage: Stage) -> None:
    """max_tokens 0 fills the cache, answers nothing, and pays for input alone."""
    system: list[Any] = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    message = stage.client.messages.create(model=SONNET, max_tokens=0, system=system, messages=HELLO)
    assert (message.content, message.usage.output_tokens) == ([], 0)
    assert stage.bill["nano_usd"] == 6 * 2_000 + 1_000 * 2_500
    assert cached(stage) == (6, 0, 0, 1_000)


def test_five_marks(stage: Stage) -> None:
    """A fifth mark is the SDK's BadRequestError, with a request id, and free."""
    block: Any = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    with pytest.raises(anthropic.BadRequestError, match="A maximum of 4 blocks with cache_control") as caught:
        stage.client.messages.create(model=SONNET, max_tokens=10, system=[block] * 5, messages=HELLO)
    assert caught.value.request_id is not None
    body: Any = caught.value.body
    assert body["request_id"] == caught.value.request_id
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert stage.bill["requests"] == 0


def test_unknown_model(stage: Stage) -> None:
    """An unknown model is not found, never charged."""
    with pytest.raises(anthropic.NotFoundError, match="model: claude-nope"):
        stage.client.messages.create(model="claude-nope", max_tokens=10, messages=HELLO)


def test_no_key(stage: Stage) -> None:
    """A request without a key is not let in; one with a bearer token is."""
    refused = httpx2.get(f"{stage.url}/v1/models")
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")
    with anthropic.Anthropic(auth_token="token", base_url=stage.url) as client:
        client.messages.create(model=SONNET, max_tokens=10, messages=HELLO, extra_headers=staged(10))
    assert stage.bill["by_key"] == {key_label("token"): 112_000}


def test_unknown_path(stage: Stage) -> None:
    """What the sandbox does not have is not found, in the API's shape."""
    with pytest.raises(anthropic.NotFoundError, match="POST /v1/files is not part of the sandbox"):
        stage.client.post("/v1/files", cast_to=httpx2.Response)


def test_response_headers(stage: Stage) -> None:
    """Every answer has a request id of its own and names the organisation."""
    seen = [
        stage.client.messages.with_raw_response.create(model=SONNET, max_tokens=10, messages=HELLO).headers
        for _ in range(2)
    ]
    assert seen[0]["request-id"].startswith("req_")
    assert seen[0]["request-id"] != seen[1]["request-id"]
    assert seen[0]["anthropic-organization-id"] == "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("429", anthropic.RateLimitError),
        ("529", anthropic.APIStatusError),
        ("500", anthropic.InternalServerError),
    ],
)
def test_staged_statuses(stage: Stage, error: str, raised: type[anthropic.APIStatusError]) -> None:
    """A staged status arrives as the SDK's error for it, and nothing is billed."""
    with pytest.raises(raised) as caught:
        stage.client.messages.create(model=SONNET, max_tokens=10, messages=HELLO, extra_headers=staged(10, error=error))
    assert caught.value.status_code == int(error)
    assert caught.value.response.headers.get("retry-after") == ("1" if error == "429" else None)
    assert stage.bill["requests"] == 0


def test_retries_of_a_scene(stage: Stage) -> None:
    """Two rate limits and then an answer: the SDK's third attempt is the one billed."""
    headers = staged(10, error="429", error_times="2", scene="busy", retry_after="0.001")
    message = stage.client.with_options(max_retries=2).messages.create(
        model=SONNET, max_tokens=10, messages=HELLO, extra_headers=headers
    )
    assert message.usage.output_tokens == 10
    assert (stage.bill["requests"], stage.bill["nano_usd"]) == (1, 112_000)


def test_midstream_error(stage: Stage) -> None:
    """A stream that fails half-way is billed for input and the 50 tokens that were sent."""
    stream = stage.client.messages.create(
        model=SONNET, max_tokens=100, messages=HELLO, stream=True, extra_headers=staged(100, error="midstream")
    )
    with stream, pytest.raises(anthropic.APIStatusError, match="overloaded_error") as caught:
        list(stream)
    body: Any = caught.value.body
    assert body["request_id"] == stream.response.headers["request-id"]
    assert stage.bill["nano_usd"] == 6 * 2_000 + 50 * 10_000


def test_cut_stream(stage: Stage) -> None:
    """A stream that is cut ends without message_stop, and is billed as far as it got."""
    seen: list[str] = []
    stream = stage.client.messages.create(
        model=SONNET, max_tokens=100, messages=HELLO, stream=True, extra_headers=staged(100, error="cut")
    )
    with stream, pytest.raises(Exception, match="peer closed connection without sending complete message body"):
        seen.extend(event.type for event in stream)
    assert seen == ["message_start", "content_block_start", *["content_block_delta"] * 5]
    assert stage.bill["nano_usd"] == 6 * 2_000 + 50 * 10_000


@pytest.mark.parametrize("error", ["cut", "midstream"])
def test_cut_message(stage: Stage, error: str) -> None:
    """A message that is lost on its way is billed whole: the work was done."""
    with pytest.raises(anthropic.APIConnectionError):
        stage.client.messages.create(
            model=SONNET, max_tokens=100, messages=HELLO, extra_headers=staged(100, error=error)
        )
    assert stage.bill["nano_usd"] == 6 * 2_000 + 100 * 10_000


def test_hang(stage: Stage) -> None:
    """A request that is never answered costs nothing."""
    with pytest.raises(anthropic.APITimeoutError):
        stage.client.with_options(timeout=0.05).messages.create(
            model=SONNET, max_tokens=100, messages=HELLO, extra_headers=staged(100, error="hang")
        )
    assert stage.bill["requests"] == 0


def test_pace(stage: Stage) -> None:
    """A paced stream waits before each delta."""
    with stage.client.messages.create(
        model=SONNET, max_tokens=100, messages=HELLO, stream=True, extra_headers=staged(25, pace_ms="7")
    ) as stream:
        list(stream)
    assert stage.clock.waits == [0.007] * 3
