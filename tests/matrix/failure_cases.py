"""Cases that fail: refused, unreachable, broken in mid-stream, wrongly called; and those tried again."""

from __future__ import annotations

from typing import Any

from tests.matrix.answers import (
    CUT_STREAM,
    ERROR_IN_STREAM,
    MESSAGE,
    NO_ANSWER,
    NO_CONNECTION,
    OVERLOADED,
    RATE_LIMITED,
    SHORT_STREAM,
    STREAM,
    Answer,
    failed,
    refused,
)
from tests.matrix.case import (
    BROKEN_FAILED,
    EXACT,
    FAILED,
    UNKNOWN,
    WHOLE,
    Case,
    Told,
    broken,
    streamed,
    unanswered,
)
from tests.matrix.plain_cases import create
from tests.matrix.stage import ASK, Stage
from tests.matrix.stream_cases import helped, iterate


def raw(stage: Stage) -> object:
    return stage.client().messages.with_raw_response.create(**ASK)


def persistent(stage: Stage) -> object:
    return stage.client(max_retries=2).messages.create(**ASK)


def persistent_stream(stage: Stage) -> object:
    return list(stage.client(max_retries=2).messages.create(**ASK, stream=True))


def wrong_argument(stage: Stage) -> object:
    return stage.client().messages.create(**ASK, wrong=1)


def unserializable(stage: Stage) -> object:
    return stage.client().messages.create(**{**ASK, "messages": [{"role": "user", "content": object()}]})


def no_key(stage: Stage) -> object:
    client = stage.client()
    client.api_key = None
    return client.messages.create(**ASK)


def client_closed(stage: Stage) -> object:
    client = stage.client()
    client.close()
    return client.messages.create(**ASK)


def closed_in_mid_stream(stage: Stage) -> object:
    client = stage.client()
    stream = client.messages.create(**ASK, stream=True)
    first = next(stream)
    client.close()
    return [first, [*stream]]


def generator_that_raises(stage: Stage) -> object:
    def messages() -> Any:
        yield ASK["messages"][0]
        raise ValueError("the application's own")

    return stage.client().messages.create(**{**ASK, "messages": messages()})


def twice(stage: Stage) -> object:
    client = stage.client()
    try:
        client.messages.create(**ASK)
    except Exception as failure:  # noqa: BLE001 - whatever is raised is what is compared
        stage.note("failure", failure)
    return client.messages.create(**ASK)


MAYBE: dict[str, Any] = {"charges": (UNKNOWN,), "spans": (FAILED,)}
"""It left, and no answer came: it may have been billed."""
NEVER_LEFT: dict[str, Any] = {"charges": (), "spans": (FAILED,), "requests": 0, "unsent": 1}

CASES = [
    unanswered("err_400", create, refused(400, "invalid_request_error")),
    unanswered("err_401", create, refused(401, "authentication_error")),
    unanswered("err_429", create, RATE_LIMITED),
    unanswered("err_500", create, refused(500, "api_error")),
    unanswered("err_502_html", create, Answer(b"<html>bad gateway</html>", "text/html", 502)),
    unanswered("err_529", create, OVERLOADED),
    unanswered("err_stream_429", iterate, RATE_LIMITED),
    unanswered("err_helper_429", helped(list), RATE_LIMITED),
    unanswered("err_raw_429", raw, RATE_LIMITED),
    unanswered("err_conn", create, NO_CONNECTION),
    unanswered("err_conn_timeout", create, failed("ConnectTimeout")),
    unanswered("err_pool_timeout", create, failed("PoolTimeout")),
    unanswered("err_proxy", create, failed("ProxyError")),
    Case("err_read_timeout", create, (NO_ANSWER,), **MAYBE),
    Case("err_read_timeout_stream", iterate, (NO_ANSWER,), **MAYBE),
    Case("err_hung_up", create, (failed("RemoteProtocolError"),), **MAYBE),
    Case("err_body_cut", create, (Answer(MESSAGE.body, breaks="ReadError"),), **MAYBE),
    broken("err_midstream", iterate, answers=(ERROR_IN_STREAM,), spans=(BROKEN_FAILED,)),
    broken("err_midstream_helper", helped(list), answers=(ERROR_IN_STREAM,), spans=(BROKEN_FAILED,)),
    broken("err_cut", iterate, answers=(CUT_STREAM,), spans=(BROKEN_FAILED,)),
    broken("err_cut_helper", helped(list), answers=(CUT_STREAM,), spans=(BROKEN_FAILED,)),
    broken("err_truncated", iterate, answers=(SHORT_STREAM,), spans=(BROKEN_FAILED,)),
    broken("err_truncated_helper", helped(list), answers=(SHORT_STREAM,), spans=(BROKEN_FAILED,)),
    Case("err_badarg", wrong_argument, charges=(), spans=(), requests=0),
    Case("err_unserializable", unserializable, **NEVER_LEFT),
    Case("err_generator_raises", generator_that_raises, charges=(), spans=(), requests=0),
    Case("err_no_key", no_key, **NEVER_LEFT),
    Case("err_client_closed", client_closed, **NEVER_LEFT),
    streamed("client_closed_in_mid_stream", closed_in_mid_stream),
    Case("retry_ok", persistent, (RATE_LIMITED, MESSAGE), requests=2),
    Case("retry_overloaded_twice", persistent, (OVERLOADED, OVERLOADED, MESSAGE), requests=3),
    Case("retry_conn", persistent, (NO_CONNECTION, MESSAGE), requests=2),
    Case("retry_stream", persistent_stream, (OVERLOADED, STREAM), requests=2),
    # The first try may have been billed: beside the exact charge stands an unknown one, and the sum is unknown too.
    Case(
        "retry_unanswered",
        persistent,
        (NO_ANSWER, MESSAGE),
        charges=(UNKNOWN, EXACT),
        spans=(Told(2600, 42, None),),
        requests=2,
    ),
    unanswered("retries_used_up", persistent, OVERLOADED, requests=3),
    Case("retries_unanswered", persistent, (NO_ANSWER,), charges=(UNKNOWN,) * 3, spans=(FAILED,), requests=3),
    Case("failed_then_called_again", twice, (RATE_LIMITED, MESSAGE), spans=(FAILED, WHOLE), requests=2),
]
