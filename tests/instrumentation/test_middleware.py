"""Every way of calling: what is charged, what the span says, and that no caller sees a difference."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AnthropicFoundry
from anthropic._models import FinalRequestOptions
from anthropic._request import APIRequest
from anthropic.lib.bedrock import AnthropicBedrock
from anthropic.lib.vertex import AnthropicVertex
from tests.instrumentation.scene import (
    ASK,
    COST_NANO,
    START_COST_NANO,
    Answer,
    Body,
    answer,
    async_client,
    client,
    error,
    events,
    in_turn,
    sse,
)

from bursar.instrumentation import instrument, route, served, uninstrument
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.guard import Guard
from bursar.instrumentation.middleware import METER, is_billable
from bursar.instrumentation.testing import recorded
from bursar.policies.changes import REMOVED, Change, Why
from bursar.policies.charge import Basis
from bursar.policies.decision import Candidate, Facts
from bursar.policies.engine import decide
from bursar.policies.errors import BudgetExceeded, RefusalReason
from bursar.policies.plan import Plan

Client = Any
Act = Callable[[Client], object]
EXACT = (COST_NANO, Basis.USAGE)
LOWER = (START_COST_NANO, Basis.ESTIMATE)
UNKNOWN = (None, Basis.UNKNOWN)


def create(c: Client) -> object:
    return c.messages.create(**ASK)


def iterate(c: Client) -> object:
    return [event.type for event in c.messages.create(**ASK, stream=True)]


def break_and_drop(c: Client) -> object:
    for event in c.messages.create(**ASK, stream=True):
        return event.type
    return None


def break_and_close(c: Client) -> object:
    with c.messages.create(**ASK, stream=True) as stream:
        return next(stream).type


def never_read(c: Client) -> object:
    return type(c.messages.create(**ASK, stream=True)).__name__


def helper_text(c: Client) -> object:
    with c.messages.stream(**ASK) as stream:
        return list(stream.text_stream)


def helper_events(c: Client) -> object:
    with c.messages.stream(**ASK) as stream:
        return [event.type for event in stream]


def helper_until_done(c: Client) -> object:
    with c.messages.stream(**ASK) as stream:
        return stream.until_done()


def helper_final(c: Client) -> object:
    with c.messages.stream(**ASK) as stream:
        return stream.get_final_message()


def helper_left_by_exception(c: Client) -> object:
    with c.messages.stream(**ASK) as stream:
        for _ in stream:
            raise ValueError("the application's own")
    return None


def parse(c: Client) -> object:
    return c.messages.parse(**ASK)


def raw(c: Client) -> object:
    return c.messages.with_raw_response.create(**ASK).headers["request-id"]


def raw_parsed_twice(c: Client) -> object:
    response = c.messages.with_raw_response.create(**ASK)
    return response.parse(), response.parse()


def raw_stream(c: Client) -> object:
    return [event.type for event in c.messages.with_raw_response.create(**ASK, stream=True).parse()]


def streaming_parse(c: Client) -> object:
    with c.messages.with_streaming_response.create(**ASK) as response:
        return response.parse()


def streaming_bytes(c: Client) -> object:
    with c.messages.with_streaming_response.create(**ASK) as response:
        return b"".join(response.iter_bytes())


def streaming_lines(c: Client) -> object:
    with c.messages.with_streaming_response.create(**ASK, stream=True) as response:
        return list(response.iter_lines())


def beta_create(c: Client) -> object:
    return c.beta.messages.create(**ASK)


def beta_stream(c: Client) -> object:
    with c.beta.messages.stream(**ASK) as stream:
        return stream.get_final_message()


def generic_post(c: Client) -> object:
    return c.post("/v1/messages", body=ASK, cast_to=anthropic.types.Message)


def generator_of_messages(c: Client) -> object:
    return c.messages.create(**{**ASK, "messages": (m for m in ASK["messages"])})


def with_options(c: Client) -> object:
    return create(c.with_options(timeout=3).with_options(max_retries=1))


def replaced_middleware(c: Client) -> object:
    return create(c.with_options(middleware=[passing]))


def added_middleware(c: Client) -> object:
    create(c)
    return create(c.with_options(middleware=[*c.middleware, passing]))


def passing(request: Any, call_next: Any) -> Any:
    return call_next(request)


def raising(failure: Exception) -> Answer:
    def respond(request: httpx2.Request) -> httpx2.Response:
        raise failure

    return respond


def streamed(body: bytes, failure: Exception | None = None) -> Answer:
    return lambda request: httpx2.Response(
        200, headers={"content-type": "text/event-stream"}, stream=Body(body, failure)
    )


OVERLOADED = error(529, "overloaded_error")
MID_STREAM = sse([*events()[:4], {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}])

CASES: list[tuple[str, Act, Answer, dict[str, Any], list[tuple[int | None, Basis]]]] = [
    ("create", create, answer, {}, [EXACT]),
    ("create, read as a stream", iterate, answer, {}, [EXACT]),
    ("a stream broken off and dropped", break_and_drop, answer, {}, [LOWER]),
    ("a stream broken off and closed", break_and_close, answer, {}, [LOWER]),
    ("a stream never read", never_read, answer, {}, [UNKNOWN]),
    ("the helper's text", helper_text, answer, {}, [EXACT]),
    ("the helper's events", helper_events, answer, {}, [EXACT]),
    ("the helper until done", helper_until_done, answer, {}, [EXACT]),
    ("the helper's final message", helper_final, answer, {}, [EXACT]),
    ("the helper left by an exception", helper_left_by_exception, answer, {}, [LOWER]),
    ("parse", parse, answer, {}, [EXACT]),
    ("raw, unparsed", raw, answer, {}, [EXACT]),
    ("raw, parsed twice", raw_parsed_twice, answer, {}, [EXACT]),
    ("raw stream", raw_stream, answer, {}, [EXACT]),
    ("streaming response, parsed", streaming_parse, answer, {}, [EXACT]),
    ("streaming response, bytes", streaming_bytes, answer, {}, [EXACT]),
    ("streaming response, lines", streaming_lines, answer, {}, [EXACT]),
    ("beta create", beta_create, answer, {}, [EXACT]),
    ("beta stream", beta_stream, answer, {}, [EXACT]),
    ("client.post", generic_post, answer, {}, [EXACT]),
    ("messages from a generator", generator_of_messages, answer, {}, [EXACT]),
    ("a copy of a copy", with_options, answer, {}, [EXACT]),
    ("middleware replaced", replaced_middleware, answer, {}, [EXACT]),
    ("middleware added to the client's", added_middleware, answer, {}, [EXACT, EXACT]),
    ("middleware of the application", create, answer, {"middleware": [passing]}, [EXACT]),
    ("middleware of the application, stream", iterate, answer, {"middleware": [passing]}, [EXACT]),
    ("our middleware by hand as well", create, answer, {"middleware": [METER]}, [EXACT]),
    ("529, then an answer", create, in_turn(OVERLOADED, answer), {"max_retries": 2}, [EXACT]),
    ("429 for good", create, error(429, "rate_limit_error"), {}, []),
    ("400", create, error(400, "invalid_request_error"), {}, []),
    ("connection refused", create, raising(httpx2.ConnectError("refused")), {}, []),
    ("no answer in time: it may have been billed", create, raising(httpx2.ReadTimeout("late")), {}, [UNKNOWN]),
    ("the server hangs up: it may have been billed", create, raising(httpx2.ReadError("gone")), {}, [UNKNOWN]),
    ("an error in mid-stream", iterate, streamed(MID_STREAM), {}, [LOWER]),
    ("a stream cut", iterate, streamed(sse(events()[:4]), httpx2.RemoteProtocolError("cut")), {}, [LOWER]),
    ("a stream that ends early", iterate, streamed(sse(events()[:4])), {}, [LOWER]),
    ("an argument the SDK does not know", lambda c: c.messages.create(**ASK, wrong=1), answer, {}, []),
]


def outcome(act: Act, c: Client) -> str:
    """All that a caller can see of a call."""
    try:
        return repr(act(c))
    except Exception as failure:  # noqa: BLE001 - whatever is raised is what is compared
        return f"{type(failure).__name__}: {failure} <- {failure.__cause__!r}"


@pytest.mark.parametrize("traced", [True, False], ids=["the SDK's span", "our span"])
@pytest.mark.parametrize(("act", "respond", "options", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_each_billed_attempt_is_charged_once_and_each_call_has_one_span(
    act: Act, respond: Answer, options: dict[str, Any], expected: list[tuple[int | None, Basis]], traced: bool
) -> None:
    """Charges and spans of every case, with the SDK's tracing on and off."""
    with recorded() as seen:
        outcome(act, client(fresh(respond), **options, open_telemetry={} if traced else False))
        gc.collect()
    assert [(charge.cost_nano_usd, charge.basis) for charge in seen.charges] == expected
    calls = 0 if act is CASES[-1][1] else max(len(expected), 1)
    assert len(seen.spans) == calls
    sdk_s = traced and act is not generic_post  # the SDK traces its own methods only
    assert all(span.name.startswith("chat ") is not sdk_s for span in seen.spans)
    for span, charge in zip(seen.spans, seen.charges, strict=False):
        attributes = dict(span.attributes or {})
        if charge.cost_nano_usd is not None:
            assert attributes["bursar.cost.nano_usd"] == charge.cost_nano_usd
            assert attributes["gen_ai.usage.cost"] == charge.cost_nano_usd / 1e9


@pytest.mark.parametrize(("act", "respond", "options"), [c[1:4] for c in CASES], ids=[c[0] for c in CASES])
def test_a_caller_sees_what_it_sees_without_bursar(act: Act, respond: Answer, options: dict[str, Any]) -> None:
    """Results, exceptions and their causes, event order: the same with and without."""
    bare = outcome(act, client(fresh(respond), **options))
    with recorded():
        assert outcome(act, client(fresh(respond), **options)) == bare


def fresh(respond: Answer) -> Answer:
    """`in_turn` is used up by a run; begin it anew."""
    return in_turn(OVERLOADED, answer) if respond is CASES[27][2] else respond


async def async_calls(c: Any) -> None:
    await c.messages.create(**ASK)
    async for _ in await c.messages.create(**ASK, stream=True):
        pass
    async with c.messages.stream(**ASK) as stream:
        await stream.get_final_message()
    async with c.messages.with_streaming_response.create(**ASK) as response:
        await response.parse()
    async for _ in await c.messages.create(**ASK, stream=True):
        break


@pytest.mark.parametrize("options", [{}, {"open_telemetry": False}], ids=["the SDK's span", "our span"])
def test_async_calls_are_charged_like_the_others(options: dict[str, Any]) -> None:
    """create, stream, helper, streaming response, and a stream broken off."""

    async def run() -> None:
        await async_calls(async_client(**options))
        gc.collect()

    with recorded() as seen:
        asyncio.run(run())
    assert [(charge.cost_nano_usd, charge.basis) for charge in seen.charges] == [EXACT, EXACT, EXACT, EXACT, LOWER]
    assert len(seen.spans) == 5


@pytest.mark.parametrize("whole", [sse(events()), sse(events()).rstrip()], ids=["ended", "without its last line end"])
def test_a_stream_whose_bytes_are_in_memory_is_charged(whole: bytes) -> None:
    """Transports of tests and caches hand out bodies that were read already: nothing is left to watch."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=whole)

    async def run() -> None:
        async with async_client(respond).messages.stream(**ASK) as stream:
            await stream.get_final_message()

    with recorded() as seen:
        iterate(client(respond))
        helper_final(client(respond))
        iterate(client(respond, open_telemetry=False))
        asyncio.run(run())
    assert [(charge.cost_nano_usd, charge.basis) for charge in seen.charges] == [EXACT] * 4
    assert len(seen.spans) == 4


def test_a_hundred_tasks_at_once_keep_their_routes_apart() -> None:
    """Context crosses `await`: each task's charges carry its own route and label."""

    async def one(c: Any, n: int) -> None:
        with route(f"work.{n}", tenant=str(n)):
            await c.messages.create(**ASK)

    async def run() -> None:
        c = async_client()
        await asyncio.gather(*(one(c, n) for n in range(100)))

    with recorded() as seen:
        asyncio.run(run())
    assert {(charge.route, charge.labels["tenant"]) for charge in seen.charges} == {
        (f"work.{n}", str(n)) for n in range(100)
    }
    assert len({charge.attempt_id for charge in seen.charges}) == 100


def test_a_cancelled_task_leaves_an_unknown_charge() -> None:
    """What was in flight may have been billed: said so, never zero."""

    async def run() -> None:
        waiting = asyncio.Event()

        class Slow(httpx2.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
                waiting.set()
                await asyncio.Event().wait()
                raise AssertionError("never reached")

        c: Any = anthropic.AsyncAnthropic(api_key="k", http_client=httpx2.AsyncClient(transport=Slow()), max_retries=0)
        task: asyncio.Task[object] = asyncio.create_task(c.messages.create(**ASK))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with recorded() as seen:
        asyncio.run(run())
    assert [(charge.cost_nano_usd, charge.basis) for charge in seen.charges] == [UNKNOWN]


def test_clouds_are_priced_by_their_region() -> None:
    """Bedrock by the id's prefix, Vertex by its endpoint: a tenth more on tokens, none on searches; Foundry at list."""
    tokens = COST_NANO - 20_000_000
    mock = httpx2.Client(transport=httpx2.MockTransport(answer))
    bedrock = AnthropicBedrock(aws_access_key="a", aws_secret_key="b", aws_region="us-east-1", http_client=mock)
    vertex = AnthropicVertex(region="us-east5", project_id="p", access_token="t", http_client=mock)
    worldwide = AnthropicVertex(region="global", project_id="p", access_token="t", http_client=mock)
    foundry = AnthropicFoundry(resource="r", api_key="k", http_client=mock)
    regional: Any = {**ASK, "model": "us.anthropic.claude-sonnet-5-5"}
    with recorded() as seen:
        bedrock.messages.create(**regional)
        vertex.messages.create(**ASK)
        worldwide.messages.create(**ASK)
        foundry.messages.create(**ASK)
    dearer = tokens * 11 // 10 + 20_000_000
    assert [charge.cost_nano_usd for charge in seen.charges] == [dearer, dearer, COST_NANO, COST_NANO]
    assert seen.charges[0].requested_model == "us.anthropic.claude-sonnet-5-5"


def test_what_served_a_message_can_be_asked() -> None:
    """`served(message)`: the models and the charge; nothing for a message of another process."""
    with recorded() as seen:
        message = client().messages.create(**ASK)
        known = served(message)
        assert known is not None
        assert (known.requested_model, known.model, known.charge) == (ASK["model"], ASK["model"], seen.charges[0])
        assert served(anthropic.types.Message.model_construct(id="msg_other")) is None


PLANNED = Plan(
    {"thinking": {"type": "adaptive"}, "speed": REMOVED},
    ("context-1m-2025-08-07",),
    (
        Change("thinking", {"type": "enabled", "budget_tokens": 2_000}, {"type": "adaptive"}, Why.FORM),
        Change("speed", "fast", None, Why.UNSUPPORTED, lossy=True),
        Change("betas", "context-1m-2025-08-07", None, Why.UNSUPPORTED),
    ),
)
THINKING_ASK: Any = {**ASK, "thinking": {"type": "enabled", "budget_tokens": 2_000}}
FAST: Any = {"speed": "fast"}
CHANGED_ASK: Any = {**THINKING_ASK, **FAST}


def planned(errand: Errand) -> Admission:
    """An admission that changes the request as planned."""
    decision = decide(Facts("r", (Candidate("claude-haiku-5-5", 1, 1, 1, plan=PLANNED),)), [])
    changes = {"model": "claude-haiku-5-5", **PLANNED.changes}
    return Admission(changes=changes, dropped_betas=PLANNED.dropped_betas, decision=decision)


def with_betas(c: Client) -> object:
    return c.beta.messages.create(**CHANGED_ASK, betas=["files-api-2025-04-14", "context-1m-2025-08-07"])


def with_headers(c: Client) -> object:
    headers = {"Anthropic-Beta": "files-api-2025-04-14,context-1m-2025-08-07"}
    return c.messages.create(**THINKING_ASK, extra_body=FAST, extra_headers=headers)


def with_client_headers(c: Client) -> object:
    headers = {"anthropic-beta": "files-api-2025-04-14, context-1m-2025-08-07"}
    return c.with_options(default_headers=headers).messages.create(**THINKING_ASK, extra_body=FAST)


def with_extra_body(c: Client) -> object:
    body = {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "speed": "fast", "metadata": {"user_id": "u"}}
    return c.messages.create(**ASK, extra_body=body, extra_headers={"anthropic-beta": "context-1m-2025-08-07"})


@pytest.mark.parametrize(
    ("act", "betas", "extra"),
    [
        (with_betas, "files-api-2025-04-14", {}),
        (with_headers, "files-api-2025-04-14", {}),
        (with_client_headers, "files-api-2025-04-14", {}),
        (with_extra_body, None, {"metadata": {"user_id": "u"}}),
    ],
)
def test_a_request_is_sent_as_planned(
    act: Act, betas: str | None, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters set and left out, betas left out of whichever header; told on the span, and by `served`."""
    sent: list[tuple[Any, str | None]] = []
    judged: list[Errand] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        sent.append((json.loads(request.content), request.headers.get("anthropic-beta")))
        return answer(request)

    def admit(self: Guard, errand: Errand) -> Admission:
        judged.append(errand)
        return planned(errand)

    monkeypatch.setattr(Guard, "admit", admit)
    with recorded() as seen:
        known = served(act(client(respond)))
    asked = {name: told for name, told in ASK.items() if name != "model"}
    assert sent == [({**asked, **extra, "model": "claude-haiku-5-5", "thinking": {"type": "adaptive"}}, betas)]
    assert judged[0].body == {**CHANGED_ASK, **extra}
    assert "context-1m-2025-08-07" in (judged[0].betas or "")
    assert known is not None
    assert known.changes == PLANNED.notes
    (span,) = seen.spans
    assert json.loads(str((span.attributes or {})["bursar.plan"])) == [note.told() for note in PLANNED.notes]


def test_an_extra_body_that_an_older_sdk_merges_later_is_seen_and_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would win over the body: what is planned is taken out of it, what is not stays."""
    extra = {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "speed": "fast", "metadata": {"user_id": "u"}}
    options = FinalRequestOptions.construct(method="post", url="/v1/messages", json_data=ASK, extra_json=extra)
    judged: list[Errand] = []
    sent: list[APIRequest] = []

    def admit(self: Guard, errand: Errand) -> Admission:
        judged.append(errand)
        return planned(errand)

    monkeypatch.setattr(Guard, "admit", admit)
    with recorded():
        METER.handle(APIRequest(options=options, cast_to=object), sent.append)
    assert judged[0].body == {**ASK, **extra}
    assert sent[0].options.extra_json == {"metadata": {"user_id": "u"}}
    assert sent[0].json == {**ASK, "model": "claude-haiku-5-5", "thinking": {"type": "adaptive"}}
    assert (options.json_data, options.extra_json) == (ASK, extra)


def test_a_request_that_does_not_change_says_nothing_of_a_plan() -> None:
    """Neither on the span nor to who asks."""
    with recorded() as seen:
        known = served(client().messages.create(**ASK))
    assert known is not None
    assert known.changes == ()
    assert "bursar.plan" not in (seen.spans[0].attributes or {})


Persistent = Callable[[Answer], object]


def persistent(act: Act) -> Persistent:
    """A call by a client that would try it twice more."""
    return lambda respond: act(client(respond, max_retries=2))


def create_async(respond: Answer) -> object:
    return asyncio.run(async_client(respond, max_retries=2).messages.create(**ASK))


def iterate_async(respond: Answer) -> object:
    async def act() -> object:
        return [event async for event in await async_client(respond, max_retries=2).messages.create(**ASK, stream=True)]

    return asyncio.run(act())


@pytest.mark.parametrize(
    "act",
    [persistent(create), persistent(iterate), persistent(helper_text), create_async, iterate_async],
    ids=["create", "stream", "stream helper", "async create", "async stream"],
)
def test_a_refused_call_is_never_sent_and_never_tried_again(act: Persistent, tmp_path: Path) -> None:
    """By a process that is closed to an agent it never heard of: the API sees nothing, and one refusal is on record."""
    asked: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return answer(request)

    nobody = {"BURSAR_AGENT": "http://127.0.0.1:1", "BURSAR_ON_UNREACHABLE": "closed"}
    instrument(environ={"BURSAR_STATE_DIR": str(tmp_path), **nobody})
    try:
        with recorded() as seen, pytest.raises(BudgetExceeded) as caught:
            act(respond)
        lines = [line for path in tmp_path.glob("journal/*.jsonl") for line in path.read_text().splitlines()]
    finally:
        uninstrument()
    assert caught.value.reason is RefusalReason.UNREACHABLE
    assert (asked, seen.charges) == ([], [])
    attributes = dict(seen.spans[0].attributes or {})
    assert [attributes[f"bursar.{name}"] for name in ("action", "reason")] == ["block", "unreachable"]
    assert [json.loads(line)["kind"] for line in lines] == ["decided"]


@pytest.mark.parametrize(
    ("method", "url", "billed"),
    [
        ("post", "/v1/messages", True),
        ("POST", "/v1/messages?beta=true", True),
        ("post", "/v1/messages/count_tokens", False),
        ("post", "/v1/messages/batches", False),
        ("get", "/v1/messages", False),
    ],
)
def test_only_what_creates_a_message_is_metered(method: str, url: str, billed: bool) -> None:
    """Counting tokens is free; a batch is billed by its results."""
    assert is_billable(method, url) is billed


def turns() -> Answer:
    """A bad moment, a good one, and a mistake of the caller's."""
    return in_turn(error(529, "overloaded_error"), answer, error(400, "invalid_request_error"))


BARE: Any = {"path": "/v1/messages", "cast_to": httpx2.Response, "body": ASK}


def test_a_bare_response_is_retried_and_raised_as_ever() -> None:
    """With middleware the SDK would hand out an error's as if it were an answer; ours is not to be noticed."""
    with recorded() as seen:
        subject = client(turns(), max_retries=1)
        assert subject.post(**BARE).status_code == 200
        with pytest.raises(anthropic.BadRequestError):
            subject.post(**BARE)
    assert [charge.cost_nano_usd for charge in seen.charges] == [COST_NANO]


def test_a_bare_response_of_an_async_client() -> None:
    """The same."""

    async def act() -> None:
        subject = async_client(turns(), max_retries=1)
        assert (await subject.post(**BARE)).status_code == 200
        with pytest.raises(anthropic.BadRequestError):
            await subject.post(**BARE)

    with recorded() as seen:
        asyncio.run(act())
    assert [charge.cost_nano_usd for charge in seen.charges] == [COST_NANO]
