"""Cases of tracing and threads: parents, contexts while a stream is read, sampling, providers, loops in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from tests.matrix.answers import ERROR_IN_STREAM
from tests.matrix.case import BROKEN, BROKEN_FAILED, EXACT, LOWER, SDK_TRACES, WHOLE, Case, broken, streamed, untouched
from tests.matrix.spans import SPANS
from tests.matrix.stage import ASK, Stage

TRACER = trace.get_tracer("application")


def under_a_span(stage: Stage) -> object:
    with TRACER.start_as_current_span("work"):
        answer = stage.client().messages.create(**ASK)
        stage.look("after the call")
        return answer


def stream_under_a_span(stage: Stage) -> object:
    """Spans that an application opens while it reads are children of its own span, not of the call's."""
    with TRACER.start_as_current_span("work") as work:
        stream = stage.client().messages.create(**ASK, stream=True)
        events: list[str] = []
        for event in stream:
            with TRACER.start_as_current_span("step") as step:
                parent: Any = getattr(step, "parent", None)
                stage.note("step is work's", parent is not None and parent == work.get_span_context())
            stage.look(f"at {event.type}")
            events.append(event.type)
        stage.look("after it was read")
        return events


def stream_read_under_another_span(stage: Stage) -> object:
    with TRACER.start_as_current_span("work"):
        stream = stage.client().messages.create(**ASK, stream=True)
    with TRACER.start_as_current_span("later"):
        first = next(stream)
        stage.look("at the first event")
    return [first, [*stream]]


def streams_closed_in_order(stage: Stage) -> None:
    """First opened, first closed: whoever keeps contexts attached leaves the wrong span current."""
    client = stage.client()
    with TRACER.start_as_current_span("work"):
        one, two = (client.messages.create(**ASK, stream=True) for _ in range(2))
        next(one)
        next(two)
        one.close()
        stage.look("after the first was closed")
        two.close()
        stage.look("after the second was closed")
    stage.look("at the end")


def abandoned_under_a_span(stage: Stage) -> None:
    with TRACER.start_as_current_span("work"):
        stage.client().messages.create(**ASK, stream=True)
        stage.look("after it was dropped")
    stage.look("at the end")


def failing_under_a_span(stage: Stage) -> None:
    with TRACER.start_as_current_span("work"):
        try:
            list(stage.client().messages.create(**ASK, stream=True))
        finally:
            stage.look("after the failure")


def sampled_out(act: Callable[[Any], object]) -> Any:
    """An act inside a trace that somebody upstream decided not to record."""

    def acting(stage: Stage) -> object:
        unsampled = SpanContext(0x5CE0E9A56015FEC5AADFA328AE398115, 0xAB54A98CEB1F0AD2, True, TraceFlags(0))
        with trace.use_span(NonRecordingSpan(unsampled)):
            return act(stage)

    return acting


def create(stage: Stage) -> object:
    return stage.client().messages.create(**ASK)


def iterate(stage: Stage) -> object:
    return list(stage.client().messages.create(**ASK, stream=True))


def untraced(stage: Stage) -> object:
    return stage.client(open_telemetry=False).messages.create(**ASK)


def untraced_stream(stage: Stage) -> object:
    return list(stage.client(open_telemetry=False).messages.create(**ASK, stream=True))


def provider_of_its_own(stage: Stage) -> object:
    provider = TracerProvider()
    provider.add_span_processor(SPANS)
    return stage.client(open_telemetry={"tracer_provider": provider}).messages.create(**ASK)


def with_content(stage: Stage) -> object:
    options = {"traces": {"content_mode": "content"}, "conversation_id": "c"}
    return stage.client(open_telemetry=options).messages.create(**ASK)


def in_threads(work: Callable[[], object]) -> list[object]:
    """What four threads bring home."""
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def threads_of_one_client(stage: Stage) -> object:
    client = stage.client()
    return in_threads(lambda: client.messages.create(**ASK).usage)


def loops_in_threads(stage: Stage) -> object:
    async def one() -> object:
        return (await stage.async_client().messages.create(**ASK)).usage

    return in_threads(lambda: asyncio.run(one()))


def stream_read_in_a_thread(stage: Stage) -> object:
    stream = stage.client().messages.create(**ASK, stream=True)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend(stream))
    thread.start()
    thread.join()
    return found


FOUR: dict[str, Any] = {"charges": (EXACT,) * 4, "spans": (WHOLE,) * 4, "requests": 4, "unordered": True}

CASES = [
    Case("parent_context", under_a_span, parent="work"),
    streamed("stream_ctx_not_leaked", stream_under_a_span, parent="work"),
    streamed("stream_read_under_another_span", stream_read_under_another_span, parent="work"),
    streamed(
        "streams_closed_in_order",
        streams_closed_in_order,
        charges=(LOWER, LOWER),
        spans=(BROKEN, BROKEN),
        requests=2,
        parent="work",
    ),
    untouched("stream_abandoned_under_a_span", abandoned_under_a_span, parent="work"),
    broken(
        "stream_failing_under_a_span",
        failing_under_a_span,
        answers=(ERROR_IN_STREAM,),
        spans=(BROKEN_FAILED,),
        parent="work",
    ),
    Case("sampled_out", sampled_out(create), spans=()),
    streamed("sampled_out_stream", sampled_out(iterate), spans=()),
    Case("open_telemetry_off", untraced, owner="bursar", needs=SDK_TRACES),
    streamed("open_telemetry_off_stream", untraced_stream, owner="bursar", needs=SDK_TRACES),
    Case("open_telemetry_own_provider", provider_of_its_own, owner="sdk", needs=SDK_TRACES),
    Case("open_telemetry_content", with_content, owner="sdk", needs=SDK_TRACES),
    Case("threads", threads_of_one_client, **FOUR),
    Case("loops_in_threads", loops_in_threads, **FOUR),
    streamed("stream_read_in_a_thread", stream_read_in_a_thread),
]
