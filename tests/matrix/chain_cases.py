"""Cases of calls inside calls: copies of clients, middleware, fallback chains, tool runners, threads of messages."""

from __future__ import annotations

from typing import Any

from anthropic import BetaRefusalFallbackMiddleware, beta_tool
from tests.matrix.answers import (
    CUMULATIVE,
    MESSAGE,
    MODEL,
    REFUSED_USAGE,
    STOP,
    STREAM,
    STRONGER,
    TEXT_BLOCK,
    TOOL,
    TOOL_BLOCK,
    delta,
    said,
    start,
    told,
)
from tests.matrix.case import (
    COST_NANO,
    EXACT,
    HAS_THREADS,
    SEARCHES_NANO,
    SILENT,
    TOKENS_NANO,
    WHOLE,
    Case,
    Charged,
    Told,
    streamed,
)
from tests.matrix.plain_cases import SENTENCE
from tests.matrix.stage import ASK, Stage


def passing(request: Any, call_next: Any) -> Any:
    return call_next(request)


def asking_twice(request: Any, call_next: Any) -> Any:
    call_next(request)
    return call_next(request)


def raising(request: Any, call_next: Any) -> Any:
    call_next(request)
    raise ValueError("the application's own")


class Remembering:
    """A cache: the second time the first answer is given, and nothing is sent."""

    def __init__(self) -> None:
        self.answer: Any = None

    def __call__(self, request: Any, call_next: Any) -> Any:
        self.answer = self.answer or call_next(request)
        return self.answer


def with_options(stage: Stage) -> object:
    return stage.client().with_options(timeout=3).with_options(max_retries=1).messages.create(**ASK)


def copied_after_use(stage: Stage) -> object:
    client = stage.client()
    return [client.messages.create(**ASK), client.copy(timeout=3).messages.create(**ASK)]


def subclassed(stage: Stage) -> object:
    import anthropic

    class Mine(anthropic.Anthropic):
        """An application's own client."""

        def __init__(self, **options: Any) -> None:
            super().__init__(api_key="k", **options)
            self.mine = True

    return stage.client(Mine).messages.create(**ASK)


def behind(middleware: Any, **more: Any) -> Any:
    """An act of a client with this middleware."""

    def act(stage: Stage) -> object:
        return stage.client(middleware=[middleware]).messages.create(**ASK, **more)

    return act


def iterated_behind(middleware: Any) -> Any:
    def act(stage: Stage) -> object:
        return list(stage.client(middleware=[middleware]).messages.create(**ASK, stream=True))

    return act


def replaced(stage: Stage) -> object:
    client = stage.client()
    return [client.messages.create(**ASK), client.with_options(middleware=[passing]).messages.create(**ASK)]


def added(stage: Stage) -> object:
    client = stage.client()
    first = client.messages.create(**ASK)
    return [first, client.with_options(middleware=[*client.middleware, passing]).messages.create(**ASK)]


def remembered(stage: Stage) -> object:
    client = stage.client(middleware=[Remembering()])
    return [client.messages.create(**ASK), client.messages.create(**ASK)]


def falling_back(stage: Stage) -> object:
    chain = BetaRefusalFallbackMiddleware([{"model": STRONGER}])
    return stage.client(middleware=[chain]).beta.messages.create(**ASK)


def falling_back_in_stream(stage: Stage) -> object:
    chain = BetaRefusalFallbackMiddleware([{"model": STRONGER}])
    stream = stage.client(middleware=[chain]).beta.messages.create(**ASK, stream=True)
    stage.look("before it is read")
    events: list[object] = []
    for event in stream:
        stage.look(f"at {event.type}")
        events.append(event)
    return events


def falling_back_in_helper(stage: Stage) -> object:
    chain = BetaRefusalFallbackMiddleware([{"model": STRONGER}])
    with stage.client(middleware=[chain]).beta.messages.stream(**ASK) as stream:
        return stream.get_final_message()


@beta_tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def run_tools(stage: Stage) -> object:
    runner = stage.client().beta.messages.tool_runner(**ASK, tools=[weather])
    stage.look("before it runs")
    return list(runner)


def run_tools_until_done(stage: Stage) -> object:
    return stage.client().beta.messages.tool_runner(**ASK, tools=[weather]).until_done()


def run_tools_streaming(stage: Stage) -> object:
    runner = stage.client().beta.messages.tool_runner(**ASK, tools=[weather], stream=True)
    return [list(stream) for stream in runner]


def message_thread(stage: Stage) -> object:
    thread = stage.client().beta.messages.thread(model=MODEL, max_tokens=64)
    return [thread.send(SENTENCE), thread.send(SENTENCE)]


DETAILS = {
    "type": "refusal",
    "category": None,
    "explanation": None,
    "fallback_credit_token": "token",
    "fallback_has_prefill_claim": False,
}
# Hop one, Sonnet 5.5: 100 tokens in at 2,000 nano-dollars and 7 out at 10,000. Hop two, Opus 5.5: a token costs double.
DECLINED = Charged(100 * 2_000 + 7 * 10_000, "usage")
RESCUED = Charged(2 * TOKENS_NANO + SEARCHES_NANO, "usage")
CHAIN_NANO = 270_000 + 24_740_000
DECLINING = said(stop_reason="refusal", stop_details=DETAILS, usage=REFUSED_USAGE)
DECLINING_STREAM = told(
    [
        start(usage={**REFUSED_USAGE, "output_tokens": 1}),
        *TEXT_BLOCK,
        delta(7, "refusal", stop_details=DETAILS),
        STOP,
    ]
)
RESCUING = said(model=STRONGER)
RESCUING_STREAM = told([start(model=STRONGER), *TEXT_BLOCK, delta(usage=CUMULATIVE), STOP])
CHAINED: dict[str, Any] = {
    "charges": (DECLINED, RESCUED),
    "spans": (Told(2600, 42, CHAIN_NANO),),
    "requests": 2,
}
CALLING = said(content=[TOOL], stop_reason="tool_use")
CALLING_STREAM = told([start(), *TOOL_BLOCK, delta(stop_reason="tool_use"), STOP])
TWICE: dict[str, Any] = {"charges": (EXACT, EXACT), "spans": (WHOLE, WHOLE), "requests": 2}

CASES = [
    Case("with_options", with_options),
    Case("copied_after_use", copied_after_use, **TWICE),
    Case("client_subclass", subclassed),
    Case("middleware", behind(passing)),
    streamed("middleware_stream", iterated_behind(passing)),
    Case("middleware_replaced", replaced, **TWICE),
    Case("middleware_added", added, **TWICE),
    # Both are billed, and the one call's span has their sum.
    Case(
        "middleware_asks_twice",
        behind(asking_twice),
        charges=(EXACT, EXACT),
        spans=(Told(2600, 42, 2 * COST_NANO),),
        requests=2,
    ),
    Case("middleware_raises_afterwards", behind(raising), spans=(Told(2600, 42, COST_NANO, failed=True),)),
    Case(
        "middleware_remembers",
        remembered,
        spans=(WHOLE, Told(2600, 42, None)),
        own_spans=(WHOLE, SILENT),
    ),
    Case("fallback_create", falling_back, (DECLINING, RESCUING), **CHAINED),
    Case("fallback_create_not_needed", falling_back),
    Case("fallback_stream", falling_back_in_stream, (DECLINING_STREAM, RESCUING_STREAM), **CHAINED),
    Case("fallback_stream_helper", falling_back_in_helper, (DECLINING_STREAM, RESCUING_STREAM), **CHAINED),
    streamed("fallback_stream_not_needed", falling_back_in_stream),
    Case("beta_tool_runner", run_tools, (CALLING, MESSAGE), **TWICE),
    Case("beta_tool_runner_until_done", run_tools_until_done, (CALLING, MESSAGE), **TWICE),
    Case("beta_tool_runner_stream", run_tools_streaming, (CALLING_STREAM, STREAM), **TWICE),
    Case("beta_thread", message_thread, needs=HAS_THREADS, **TWICE),
]
