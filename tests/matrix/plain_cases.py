"""Cases of whole answers: create, parse, raw and streaming responses, generic requests, what is free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
from pydantic import BaseModel
from tests.matrix.answers import (
    MESSAGE,
    MODEL,
    STREAM,
    TOOL,
    Answer,
    said,
)
from tests.matrix.case import (
    COST_NANO,
    EXACT,
    SILENT,
    UNKNOWN,
    WHOLE,
    Case,
    Charged,
    Told,
    streamed,
    untouched,
)
from tests.matrix.stage import ASK, Stage

SENTENCE: Any = {"role": "user", "content": "Hello"}


class City(BaseModel):
    """What an application wants parsed."""

    name: str


def create(stage: Stage) -> object:
    return stage.client().messages.create(**ASK)


def create_in_memory(stage: Stage) -> object:
    return [stage.client().messages.create(**ASK).id, list(stage.client().messages.create(**ASK, stream=True))]


def two_turns(stage: Stage) -> object:
    client = stage.client()
    return [client.messages.create(**ASK), client.messages.create(**ASK)]


def parse(stage: Stage) -> object:
    return stage.client().messages.parse(**ASK)


def parse_typed(stage: Stage) -> object:
    return stage.client().messages.parse(**ASK, output_format=City)


def raw(stage: Stage) -> object:
    response = stage.client().messages.with_raw_response.create(**ASK)
    return [response, response.headers["request-id"]]


def raw_parsed(stage: Stage) -> object:
    return stage.client().messages.with_raw_response.create(**ASK).parse()


def raw_parsed_twice(stage: Stage) -> object:
    response = stage.client().messages.with_raw_response.create(**ASK)
    first, second = response.parse(), response.parse()
    return [first, first is second]


def raw_stream(stage: Stage) -> object:
    response = stage.client().messages.with_raw_response.create(**ASK, stream=True)
    stage.look("before it is read")
    return list(response.parse())


def raw_stream_unparsed(stage: Stage) -> object:
    return type(stage.client().messages.with_raw_response.create(**ASK, stream=True)).__name__


def reading(read: Callable[[Any], object]) -> Callable[[Stage], object]:
    """An act that reads a streaming response this way."""

    def act(stage: Stage) -> object:
        with stage.client().messages.with_streaming_response.create(**ASK) as response:
            stage.look("before it is read")
            return [type(response).__name__, read(response)]

    return act


def streaming_unread(stage: Stage) -> object:
    with stage.client().messages.with_streaming_response.create(**ASK) as response:
        return response


def streaming_half_read(stage: Stage) -> object:
    with stage.client().messages.with_streaming_response.create(**ASK) as response:
        return next(response.iter_bytes(50))


def streaming_stream_lines(stage: Stage) -> object:
    with stage.client().messages.with_streaming_response.create(**ASK, stream=True) as response:
        return list(response.iter_lines())


def streaming_stream_parsed(stage: Stage) -> object:
    with stage.client().messages.with_streaming_response.create(**ASK, stream=True) as response:
        return list(response.parse())


def beta_create(stage: Stage) -> object:
    return stage.client().beta.messages.create(**ASK, betas=["context-management-2025-06-27"])


def beta_parse(stage: Stage) -> object:
    return stage.client().beta.messages.parse(**ASK)


def beta_raw(stage: Stage) -> object:
    return stage.client().beta.messages.with_raw_response.create(**ASK).parse()


def generic_post(stage: Stage) -> object:
    return stage.client().post("/v1/messages", body=ASK, cast_to=anthropic.types.Message)


def generator_of_messages(stage: Stage) -> object:
    pulled: list[int] = []

    def messages() -> Any:
        pulled.append(1)
        yield SENTENCE

    answer = stage.client().messages.create(**{**ASK, "messages": messages()})
    stage.note("pulled", len(pulled))
    return answer


def more_parameters(stage: Stage) -> object:
    extras: Any = {"stop_sequences": ["\n"], "metadata": {"user_id": "u"}}
    return stage.client().messages.create(**ASK, system="Be brief", **extras)


def extra_headers(stage: Stage) -> object:
    return stage.client().messages.create(
        **ASK, extra_headers={"x-mine": "1"}, extra_query={"q": "1"}, extra_body={"service_tier": "auto"}
    )


def count_tokens(stage: Stage) -> object:
    return stage.client().messages.count_tokens(model=MODEL, messages=[SENTENCE])


def beta_count_tokens(stage: Stage) -> object:
    return stage.client().beta.messages.count_tokens(model=MODEL, messages=[SENTENCE])


COUNTED = Answer(b'{"input_tokens": 8}')
UNHEARD_OF = said(model="claude-unheard-of")
ODD_JSON = Answer(b'{"id": "msg_0000", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5"}')
NOT_JSON = Answer(b"<html>", "text/html")
REFUSED_AT_ONCE = said(content=[], stop_reason="refusal", usage={"input_tokens": 100, "output_tokens": 1})
FREE: dict[str, Any] = {"charges": (), "spans": ()}

CASES = [
    Case("create", create),
    Case("create_twice", two_turns, charges=(EXACT, EXACT), spans=(WHOLE, WHOLE), requests=2),
    Case("create_more_parameters", more_parameters),
    Case("create_extra_everything", extra_headers),
    Case("create_tool_use", create, (said(content=[TOOL], stop_reason="tool_use"),)),
    Case("create_gzip", create, (Answer(MESSAGE.body, encoding="gzip"),)),
    Case(
        "create_in_memory",
        create_in_memory,
        (Answer(MESSAGE.body, whole=True), Answer(STREAM.body, STREAM.content_type, whole=True)),
        charges=(EXACT, EXACT),
        spans=(WHOLE, WHOLE),
        requests=2,
    ),
    Case(
        "create_unknown_model",
        create,
        (UNHEARD_OF,),
        charges=(UNKNOWN,),
        spans=(Told(2600, 42, None),),
    ),
    Case("create_without_usage", create, (ODD_JSON,), charges=(UNKNOWN,), spans=(SILENT,)),
    Case("create_not_json", create, (NOT_JSON,), charges=(UNKNOWN,), spans=(SILENT,)),
    # A refusal before any output is not billed, although its usage shows tokens.
    Case(
        "create_refused_at_once", create, (REFUSED_AT_ONCE,), charges=(Charged(0, "usage"),), spans=(Told(100, 1, 0),)
    ),
    Case("parse", parse),
    Case("parse_typed", parse_typed, (said(content=[{"type": "text", "text": '{"name": "Oslo"}'}]),)),
    Case("parse_fails_the_type", parse_typed, spans=(Told(2600, 42, COST_NANO, failed=True),)),
    Case("raw_response", raw_parsed),
    Case("raw_response_noparse", raw),
    Case("raw_response_parsed_twice", raw_parsed_twice),
    streamed("raw_response_stream", raw_stream),
    untouched("raw_response_stream_noparse", raw_stream_unparsed),
    Case("streaming_response", reading(lambda response: response.parse())),
    Case("streaming_response_read", reading(lambda response: response.read())),
    Case("streaming_response_json", reading(lambda response: response.json())),
    Case("streaming_response_text", reading(lambda response: response.text())),
    Case("streaming_response_iter_bytes", reading(lambda response: list(response.iter_bytes(64)))),
    Case("streaming_response_iter_text", reading(lambda response: list(response.iter_text(64)))),
    Case("streaming_response_iter_lines", reading(lambda response: list(response.iter_lines()))),
    Case("streaming_response_unread", streaming_unread, charges=(UNKNOWN,), spans=(SILENT,)),
    Case("streaming_response_half_read", streaming_half_read, charges=(UNKNOWN,), spans=(SILENT,)),
    streamed("streaming_response_stream_lines", streaming_stream_lines),
    streamed("streaming_response_stream_parsed", streaming_stream_parsed),
    Case("beta_create", beta_create),
    Case("beta_parse", beta_parse),
    Case("beta_raw_response", beta_raw),
    Case("generic_post", generic_post, owner="bursar"),
    Case("positional_generator_messages", generator_of_messages),
    Case("count_tokens", count_tokens, (COUNTED,), **FREE),
    Case("beta_count_tokens", beta_count_tokens, (COUNTED,), **FREE),
]
