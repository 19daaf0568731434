"""Cases of the async client: the same ways of calling, and what only tasks can do to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from anthropic import BetaRefusalFallbackMiddleware, beta_async_tool
from tests.matrix.answers import (
    CUT_STREAM,
    ERROR_IN_STREAM,
    MESSAGE,
    NO_ANSWER,
    NO_CONNECTION,
    RATE_LIMITED,
    SILENCE,
    STALLED_STREAM,
    STRONGER,
)
from tests.matrix.case import (
    BROKEN_FAILED,
    EXACT,
    FAILED,
    SILENT,
    UNKNOWN,
    WHOLE,
    Case,
    broken,
    streamed,
    unanswered,
    untouched,
)
from tests.matrix.chain_cases import (
    CALLING,
    CHAINED,
    DECLINING,
    DECLINING_STREAM,
    RESCUING,
    RESCUING_STREAM,
    TWICE,
)
from tests.matrix.stage import ASK, Stage


async def create(stage: Stage) -> object:
    return await stage.async_client().messages.create(**ASK)


async def parse(stage: Stage) -> object:
    return await stage.async_client().messages.parse(**ASK)


async def beta_create(stage: Stage) -> object:
    return await stage.async_client().beta.messages.create(**ASK)


async def with_options(stage: Stage) -> object:
    return await stage.async_client().with_options(timeout=3).messages.create(**ASK)


async def persistent(stage: Stage) -> object:
    return await stage.async_client(max_retries=2).messages.create(**ASK)


async def raw(stage: Stage) -> object:
    response = await stage.async_client().messages.with_raw_response.create(**ASK)
    parsed: Any = response.parse()
    return [response, await parsed if asyncio.iscoroutine(parsed) else parsed]


async def raw_unparsed(stage: Stage) -> object:
    return (await stage.async_client().messages.with_raw_response.create(**ASK)).headers["request-id"]


async def streaming_response(stage: Stage) -> object:
    async with stage.async_client().messages.with_streaming_response.create(**ASK) as response:
        stage.look("before it is read")
        return await response.parse()


async def streaming_bytes(stage: Stage) -> object:
    async with stage.async_client().messages.with_streaming_response.create(**ASK) as response:
        return [piece async for piece in response.iter_bytes(64)]


async def streaming_unread(stage: Stage) -> object:
    async with stage.async_client().messages.with_streaming_response.create(**ASK) as response:
        return response.status_code


async def opened(stage: Stage) -> Any:
    return await stage.async_client().messages.create(**ASK, stream=True)


async def iterate(stage: Stage) -> object:
    stream = await opened(stage)
    stage.look("before it is read")
    events: list[object] = []
    async for event in stream:
        stage.look(f"at {event.type}")
        events.append(event)
    return [type(stream).__name__, events]


async def break_and_close(stage: Stage) -> object:
    async with await opened(stage) as stream:
        return await anext(stream)


async def break_and_drop(stage: Stage) -> object:
    async for event in await opened(stage):
        return event
    return None


async def never_read(stage: Stage) -> object:
    await opened(stage)
    return None


async def kept_midway(stage: Stage) -> object:
    stream = await opened(stage)
    await anext(stream)
    return stream


def helped(use: Callable[[Any], Awaitable[object]]) -> Callable[[Stage], Awaitable[object]]:
    """An act that uses the stream helper this way."""

    async def act(stage: Stage) -> object:
        manager = stage.async_client().messages.stream(**ASK)
        stage.look("before it is entered")
        async with manager as stream:
            stage.look("before it is read")
            used = await use(stream)
        return [type(manager).__name__, type(stream).__name__, used]

    return act


async def all_text(stream: Any) -> object:
    return [text async for text in stream.text_stream]


async def all_events(stream: Any) -> object:
    return [event async for event in stream]


async def first_event(stream: Any) -> object:
    async for event in stream:
        return event
    return None


async def raising(stream: Any) -> object:
    async for _ in stream:
        raise ValueError("the application's own")
    return None


async def beta_helper(stage: Stage) -> object:
    async with stage.async_client().beta.messages.stream(**ASK) as stream:
        return await stream.get_final_message()


async def cancelled_before_an_answer(stage: Stage) -> object:
    task = asyncio.create_task(stage.async_client().messages.create(**ASK), name="caller")
    await stage.server.arrived.wait()
    task.cancel()
    return await asyncio.gather(task, return_exceptions=True)


async def cancelled_in_mid_stream(stage: Stage) -> object:
    reading = asyncio.Event()

    async def read() -> None:
        async for event in await opened(stage):
            if event.type == "content_block_delta":
                reading.set()

    task = asyncio.create_task(read(), name="reader")
    await reading.wait()
    task.cancel()
    return await asyncio.gather(task, return_exceptions=True)


async def helper_cancelled(stage: Stage) -> object:
    reading = asyncio.Event()

    async def read() -> None:
        async with stage.async_client().messages.stream(**ASK) as stream:
            async for _ in stream:
                reading.set()

    task = asyncio.create_task(read(), name="reader")
    await reading.wait()
    task.cancel()
    return await asyncio.gather(task, return_exceptions=True)


async def timed_out_by_the_application(stage: Stage) -> object:
    call = asyncio.create_task(stage.async_client().messages.create(**ASK))
    await stage.server.arrived.wait()
    return await asyncio.wait_for(call, 0.001)


async def closed_by_another_task(stage: Stage) -> object:
    stream = await opened(stage)
    first = await anext(stream)
    await asyncio.create_task(stream.close())
    return [first, [event async for event in stream]]


async def read_by_another_task(stage: Stage) -> object:
    stream = await opened(stage)

    async def read() -> list[object]:
        return [event async for event in stream]

    return await asyncio.create_task(read())


async def a_hundred_at_once(stage: Stage) -> object:
    client = stage.async_client()
    answers = await asyncio.gather(*(client.messages.create(**ASK) for _ in range(100)))
    return [answer.usage for answer in answers]


async def streams_at_once(stage: Stage) -> object:
    client = stage.async_client()

    async def read() -> list[str]:
        return [event.type async for event in await client.messages.create(**ASK, stream=True)]

    return await asyncio.gather(*(read() for _ in range(5)))


async def in_threads(stage: Stage) -> object:
    """A sync client in the threads of an async application."""
    client = stage.client()
    answers = await asyncio.gather(*(asyncio.to_thread(client.messages.create, **ASK) for _ in range(4)))
    return [answer.usage for answer in answers]


async def fall_back(stage: Stage) -> object:
    chain = BetaRefusalFallbackMiddleware([{"model": STRONGER}])
    return await stage.async_client(middleware=[chain]).beta.messages.create(**ASK)


async def fall_back_in_stream(stage: Stage) -> object:
    chain = BetaRefusalFallbackMiddleware([{"model": STRONGER}])
    stream = await stage.async_client(middleware=[chain]).beta.messages.create(**ASK, stream=True)
    return [event async for event in stream]


async def passing(request: Any, call_next: Any) -> Any:
    return await call_next(request)


async def behind_middleware(stage: Stage) -> object:
    client = stage.async_client(middleware=[passing])
    return [await client.messages.create(**ASK), client.middleware[0] is passing or client.middleware[1] is passing]


@beta_async_tool
async def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


async def run_tools(stage: Stage) -> object:
    runner = stage.async_client().beta.messages.tool_runner(**ASK, tools=[weather])
    return [message async for message in runner]


LOST: dict[str, Any] = {"charges": (UNKNOWN,), "spans": (SILENT,)}

CASES = [
    Case("async_create", create),
    Case("async_parse", parse),
    Case("async_beta_create", beta_create),
    Case("async_with_options", with_options),
    Case("async_raw_response", raw),
    Case("async_raw_response_noparse", raw_unparsed),
    Case("async_streaming_response", streaming_response),
    Case("async_streaming_response_iter_bytes", streaming_bytes),
    Case("async_streaming_response_unread", streaming_unread, charges=(UNKNOWN,), spans=(SILENT,)),
    streamed("async_create_stream", iterate),
    broken("async_create_stream_break_close", break_and_close),
    broken("async_stream_break", break_and_drop),
    untouched("async_create_stream_never_iterated", never_read),
    broken("async_stream_outlives_its_loop", kept_midway),
    streamed("async_stream_helper", helped(all_text)),
    streamed("async_stream_helper_events", helped(all_events)),
    streamed("async_stream_helper_until_done", helped(lambda stream: stream.until_done())),
    streamed("async_stream_helper_final_message", helped(lambda stream: stream.get_final_message())),
    streamed("async_stream_helper_final_text", helped(lambda stream: stream.get_final_text())),
    broken("async_stream_helper_break", helped(first_event)),
    broken("async_stream_helper_user_exc", helped(raising)),
    streamed("async_beta_stream_helper", beta_helper),
    Case("async_cancel_before_answer", cancelled_before_an_answer, (SILENCE,), **LOST),
    Case("async_wait_for", timed_out_by_the_application, (SILENCE,), **LOST),
    broken("async_stream_cancel", cancelled_in_mid_stream, answers=(STALLED_STREAM,)),
    broken("async_stream_helper_cancel", helper_cancelled, answers=(STALLED_STREAM,)),
    broken("async_stream_closed_by_another_task", closed_by_another_task),
    streamed("async_stream_read_by_another_task", read_by_another_task),
    Case(
        "async_concurrent",
        a_hundred_at_once,
        charges=(EXACT,) * 100,
        spans=(WHOLE,) * 100,
        requests=100,
        unordered=True,
    ),
    streamed(
        "async_concurrent_streams",
        streams_at_once,
        charges=(EXACT,) * 5,
        spans=(WHOLE,) * 5,
        requests=5,
        unordered=True,
    ),
    Case("to_thread", in_threads, charges=(EXACT,) * 4, spans=(WHOLE,) * 4, requests=4, unordered=True),
    unanswered("async_err_429", create, RATE_LIMITED),
    unanswered("async_err_conn", create, NO_CONNECTION),
    Case("async_err_read_timeout", create, (NO_ANSWER,), charges=(UNKNOWN,), spans=(FAILED,)),
    broken("async_err_midstream", iterate, answers=(ERROR_IN_STREAM,), spans=(BROKEN_FAILED,)),
    broken("async_err_cut", iterate, answers=(CUT_STREAM,), spans=(BROKEN_FAILED,)),
    Case("async_retry_ok", persistent, (RATE_LIMITED, MESSAGE), requests=2),
    Case("async_fallback_create", fall_back, (DECLINING, RESCUING), **CHAINED),
    Case("async_fallback_stream", fall_back_in_stream, (DECLINING_STREAM, RESCUING_STREAM), **CHAINED),
    Case("async_middleware", behind_middleware),
    Case("async_beta_tool_runner", run_tools, (CALLING, MESSAGE), **TWICE),
]
