"""Cases of streams: read to the end by every accessor, broken off, dropped, kept, never read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.matrix.answers import (
    CUMULATIVE,
    STOP,
    STREAM,
    TEXT_BLOCK,
    TOOL_BLOCK,
    Answer,
    delta,
    start,
    told,
)
from tests.matrix.case import (
    COST_NANO,
    LOWER,
    Told,
    broken,
    streamed,
    untouched,
)
from tests.matrix.stage import ASK, Stage


def opened(stage: Stage) -> Any:
    return stage.client().messages.create(**ASK, stream=True)


def iterate(stage: Stage) -> object:
    stream = opened(stage)
    stage.look("before it is read")
    events: list[object] = []
    for event in stream:
        stage.look(f"at {event.type}")
        events.append(event)
    stage.look("after it was read")
    return [type(stream).__name__, stream.response, events]


def iterate_in_with(stage: Stage) -> object:
    with opened(stage) as stream:
        return list(stream)


def iterate_by_next(stage: Stage) -> object:
    stream = opened(stage)
    return [next(stream), [*stream], next(stream, "no more")]


def break_and_close(stage: Stage) -> object:
    with opened(stage) as stream:
        first = next(stream)
    stage.look("after closing it")
    return first


def close_then_read(stage: Stage) -> object:
    stream = opened(stage)
    next(stream)
    stream.close()
    return list(stream)


def break_and_drop(stage: Stage) -> object:
    for event in opened(stage):
        return event
    return None


def never_read(stage: Stage) -> object:
    opened(stage)
    stage.look("after dropping it")
    return None


def closed_unread(stage: Stage) -> object:
    opened(stage).close()
    return None


def kept_unread(stage: Stage) -> object:
    return opened(stage)


def kept_midway(stage: Stage) -> object:
    stream = opened(stage)
    next(stream)
    return stream


def left_by_exception(stage: Stage) -> object:
    for _ in opened(stage):
        raise ValueError("the application's own")
    return None


def beta_iterate(stage: Stage) -> object:
    return list(stage.client().beta.messages.create(**ASK, stream=True))


def helped(use: Callable[[Any], object], *, beta: bool = False) -> Callable[[Stage], object]:
    """An act that uses the stream helper this way."""

    def act(stage: Stage) -> object:
        client = stage.client()
        manager = (client.beta if beta else client).messages.stream(**ASK)
        stage.look("before it is entered")
        with manager as stream:
            stage.look("before it is read")
            used = use(stream)
        stage.look("after it was left")
        return [type(manager).__name__, type(stream).__name__, stream.response.is_closed, used]

    return act


def first_event(stream: Any) -> object:
    for event in stream:
        return event
    return None


def raising(stream: Any) -> object:
    for _ in stream:
        raise ValueError("the application's own")
    return None


def snapshots(stream: Any) -> object:
    return [(event.type, stream.current_message_snapshot.usage.output_tokens) for event in stream]


def helper_closed(stream: Any) -> object:
    next(stream)
    stream.close()
    return None


def helper_not_entered(stage: Stage) -> object:
    stage.client().messages.stream(**ASK)
    stage.look("after dropping it")
    return None


def text_then_final(stream: Any) -> object:
    return [list(stream.text_stream), stream.get_final_message(), stream.get_final_text(), stream.request_id]


TOOL_STREAM = told([start(), *TOOL_BLOCK, delta(stop_reason="tool_use"), STOP])
# Counts of `message_delta` are cumulative: they replace those of `message_start`, and each other.
CUMULATIVE_STREAM = told([start(), *TEXT_BLOCK, delta(5), delta(usage=CUMULATIVE), STOP])

CASES = [
    streamed("create_stream", iterate),
    streamed("create_stream_ctx", iterate_in_with),
    streamed("create_stream_next", iterate_by_next),
    streamed("create_stream_tool_use", iterate, answers=(TOOL_STREAM,)),
    streamed("create_stream_cumulative", iterate, answers=(CUMULATIVE_STREAM,)),
    streamed("create_stream_gzip", iterate, answers=(Answer(STREAM.body, STREAM.content_type, encoding="gzip"),)),
    streamed(
        "create_stream_no_last_line_end",
        iterate,
        answers=(Answer(STREAM.body.rstrip(), STREAM.content_type),),
        spans=(Told(2600, 42, COST_NANO, failed=True),),  # the SDK never sees `message_stop`
    ),
    broken("create_stream_break_close", break_and_close),
    broken("create_stream_closed_then_read", close_then_read),
    broken("create_stream_break_gc", break_and_drop),
    broken("create_stream_user_exc", left_by_exception),
    untouched("create_stream_never_iterated", never_read),
    untouched("create_stream_closed_unread", closed_unread),
    # Still in the application's hands: nothing can be settled, and what was begun stands in the journal.
    streamed("create_stream_kept_unread", kept_unread, charges=(), spans=(), keeps=True),
    streamed("create_stream_kept_midway", kept_midway, charges=(LOWER,), spans=(), keeps=True),
    streamed("stream_helper", helped(lambda stream: list(stream.text_stream))),
    streamed("stream_helper_events", helped(list)),
    streamed("stream_helper_snapshots", helped(snapshots)),
    streamed("stream_helper_until_done", helped(lambda stream: stream.until_done())),
    streamed("stream_helper_final_message", helped(lambda stream: stream.get_final_message())),
    streamed("stream_helper_final_text", helped(lambda stream: stream.get_final_text())),
    streamed("stream_helper_all_accessors", helped(text_then_final)),
    streamed("stream_helper_tool_use", helped(list), answers=(TOOL_STREAM,)),
    broken("stream_helper_break", helped(first_event)),
    broken("stream_helper_closed", helped(helper_closed)),
    broken("stream_helper_user_exc", helped(raising)),
    untouched("stream_helper_unread", helped(lambda stream: None)),
    streamed("stream_helper_not_entered", helper_not_entered, charges=(), spans=(), requests=0),
    streamed("beta_create_stream", beta_iterate),
    streamed("beta_stream_helper", helped(list, beta=True)),
    streamed("beta_stream_helper_final", helped(lambda stream: stream.get_final_message(), beta=True)),
    broken("beta_stream_helper_break", helped(first_event, beta=True)),
]
