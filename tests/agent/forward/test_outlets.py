"""Claims about what each receiver is sent: its address, its names, and that it shows tokens, cache and cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from tests.agent.forward.received import NOON, SDK, call, export, failed, seen, span
from tests.agent.forward.receivers import PROTOBUF, HeliconeLogs, HeliconeTraces, Langfuse, Otlp, attributes_of

from bursar.agent.forward.answers import Answer, Verdict
from bursar.agent.forward.calls import calls_of
from bursar.agent.forward.outlets import Outlets, address_of
from bursar.agent.rules import Rules
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies.forward import Forward, ForwardKind, Protocol
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

RULES = Rules(None, shipped_book(), Snapshot("none"))
NANO = 100 * 2_000 + 2000 * 100 + 300 * 2_500 + 200 * 4_000 + 42 * 10_000
"""Of `received.CALL`, at 2, 0.10, 2.50, 4 and 10 USD a million tokens: 2,370,000 nano-dollars."""
LABELS = {"bursar__route": "support.triage", "bursar__label__team": "dés\u20acks\n2", "bursar__label__session": "s-1"}
USER = {"user__id": "ann"}


def send(
    app: Starlette, forward: Forward, spans: Sequence[SeenSpan], headers: Mapping[str, str] | None = None
) -> Answer:
    async def sent() -> Answer:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            outlet = Outlets(client, clock_ns=lambda: NOON).of(forward, headers or {})
            return await outlet.send(spans, calls_of(spans, RULES))

    return asyncio.run(sent())


@pytest.mark.parametrize(
    ("kind", "url", "protocol", "address"),
    [
        ("otlp", "http://jaeger:4318", "http/protobuf", "http://jaeger:4318/v1/traces"),
        ("otlp", "http://jaeger:4318/", "http/protobuf", "http://jaeger:4318/v1/traces"),
        ("otlp", "https://gateway/otlp/v1/traces", "http/protobuf", "https://gateway/otlp/v1/traces"),
        ("otlp", "http://jaeger:4317", "grpc", "http://jaeger:4317"),
        ("helicone", "https://api.worker.helicone.ai", "http/protobuf", "https://api.worker.helicone.ai/custom/v1/log"),
        ("langfuse", "http://langfuse:3000", "http/protobuf", "http://langfuse:3000/api/public/otel/v1/traces"),
    ],
)
def test_an_address_without_a_path_gets_the_usual_one(
    kind: ForwardKind, url: str, protocol: Protocol, address: str
) -> None:
    assert address_of(Forward("x", kind, url, protocol=protocol)) == address


def test_a_collector_gets_every_span_and_calls_with_their_cost() -> None:
    """Others' spans as they came; on the call Bursar's names, and the older name of cache writes beside the newer."""
    receiver = Otlp(authorization="Bearer k")
    sent = export(("http", [span(1)]), (SDK, [call(2, **LABELS)]), ("http", [span(3, told={"a": 1})]))
    answer = send(receiver.app, Forward("x", "otlp", "http://j"), seen(sent), {"authorization": "Bearer k"})
    assert answer == Answer(Verdict.DONE, sent=3)
    before, after = sent.resource_spans[0], receiver.resources[0]
    assert [one.scope.name for one in after.scope_spans] == ["http", SDK, "http"]
    assert after.scope_spans[0] == before.scope_spans[0] and after.scope_spans[2] == before.scope_spans[2]
    told, came = (attributes_of(one.scope_spans[1].spans[0].attributes) for one in (after, before))
    assert told | came == told
    added = {key: told[key] for key in told.keys() - came.keys() if key != "bursar.cost.missing"}
    assert added == {
        "bursar.cost.nano_usd": NANO,
        "gen_ai.usage.cost": NANO / 10**9,
        "bursar.cost.basis": "span",
        "bursar.cost.estimated": False,
        "bursar.cost.details": '{"input":200000,"cache_read":200000,"cache_write_5m":750000,'
        '"cache_write_1h":800000,"output":420000}',
        "gen_ai.usage.cache_creation.input_tokens": 500,
    }


def test_what_a_span_is_stamped_with_stands() -> None:
    """Bursar's own figure is not told twice, and no sender's attribute is changed."""
    receiver = Otlp()
    stamp = {"bursar__attempt__id": "att_1", "bursar__cost__nano_usd": 7, "bursar__cost__basis": "usage"}
    send(receiver.app, Forward("x", "otlp", "http://j"), seen(export((SDK, [call(1, **stamp)]))))
    told = attributes_of(receiver.spans[0].attributes)
    assert (told["bursar.cost.nano_usd"], told["bursar.cost.basis"]) == (7, "usage")
    assert "gen_ai.usage.cost" not in told


def test_langfuse_shows_tokens_cache_cost_session_and_user() -> None:
    """By class, each at its own price, with the class that it has no name for told under Bursar's."""
    receiver = Langfuse("pk", "sk")
    spans = seen(export((SDK, [call(1, **LABELS, **USER)]), ("http", [span(2, told={"session.id": "s-1"})])))
    headers = {"authorization": "Basic cGs6c2s="}
    assert send(receiver.app, Forward("x", "langfuse", "http://lf"), spans, headers).sent == 2
    shown = receiver.observations()
    assert shown["0000000000000001"] == {
        "type": "GENERATION",
        "usageDetails": {
            "input": 100,
            "input_cache_read": 2000,
            "input_cache_creation_5m": 300,
            "input_cache_creation_1h": 200,
            "output": 42,
            "total": 2642,
        },
        "costDetails": {
            "input": 0.0002,
            "input_cache_read": 0.0002,
            "input_cache_creation_5m": 0.00075,
            "input_cache_creation_1h": 0.0008,
            "output": 0.00042,
            "total": 0.00237,
        },
        "sessionId": "s-1",
        "userId": "ann",
        "metadata": {"team": "dés\u20acks\n2"},
    }
    assert shown["0000000000000002"]["sessionId"] == "s-1" and shown["0000000000000002"]["type"] == "SPAN"
    assert receiver.headers[0]["x-langfuse-ingestion-version"] == "4"


def test_helicones_log_shows_a_call_as_anthropic_answered_it() -> None:
    """Native usage, from which it prices; session, user, properties; spans that are no calls are not sent."""
    receiver = HeliconeLogs("k")
    content = {
        "gen_ai__input__messages": '[{"role":"user","parts":[{"type":"text","content":"hello"}]}]',
        "gen_ai__output__messages": '[{"role":"assistant","parts":[{"type":"text","content":"yes"},{"type":"x"}]}]',
    }
    spans = seen(
        export((SDK, [call(1, **LABELS, **USER, **content), failed(2, "overloaded_error")]), ("http", [span(3)]))
    )
    answer = send(receiver.app, Forward("x", "helicone", "http://h"), spans, {"authorization": "Bearer k"})
    assert answer == Answer(Verdict.DONE, sent=2, passed_over=1, left=())
    told, error = receiver.requests.values()
    assert {key: told[key] for key in ("provider", "status", "model", "ms", "ttft", "user", "session", "path")} == {
        "provider": "ANTHROPIC",
        "status": 200,
        "model": "claude-sonnet-5-5",
        "ms": 2000,
        "ttft": 250,
        "user": "ann",
        "session": "s-1",
        "path": "/support.triage",
    }
    assert told["usage"] == {
        "input_tokens": 100,
        "cache_read_input_tokens": 2000,
        "cache_creation_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 42,
    }
    assert told["properties"] == {
        "route": "support.triage",
        "cost-usd": "0.00237",
        "cost-basis": "span",
        "team": "dés?ks 2",
    }
    assert told["request"]["messages"] == [{"role": "user", "content": "hello"}]
    assert told["response"]["content"] == [{"type": "text", "text": "yes"}]
    assert (error["status"], error["response"]["error"]["type"]) == (529, "overloaded_error")


def test_what_helicones_log_gets_twice_is_one_request() -> None:
    """Its request's id is made from the span's."""
    receiver = HeliconeLogs("k")
    for _ in range(2):
        spans = seen(export((SDK, [call(1)])))
        send(receiver.app, Forward("x", "helicone", "http://h"), spans, {"authorization": "Bearer k"})
    assert (receiver.got, len(receiver.requests)) == (2, 1)


def test_helicones_log_that_asks_for_time_gets_the_rest_later() -> None:
    """Of ten calls eight go at once: one is put off, one refused for good, six taken; the last two are not tried."""
    receiver = HeliconeLogs("k")
    receiver.staged.answers = [PlainTextResponse("slow", 429, {"retry-after": "9"}), PlainTextResponse("bad", 400)]
    spans = seen(export((SDK, [call(number) for number in range(1, 11)])))
    answer = send(receiver.app, Forward("x", "helicone", "http://h"), spans, {"authorization": "Bearer k"})
    assert (answer.verdict, answer.sent, answer.refused, answer.retry_after) == (Verdict.LATER, 6, 1, 9)
    assert answer.left is not None and len(answer.left) == 3 and answer.left[-2:] == (8, 9)
    assert receiver.staged.asked == 8


def test_helicones_trace_endpoint_reads_the_names_of_2024() -> None:
    """Model, tokens, user, session; it knows no cache, and only calls are sent, since it takes every span for one."""
    receiver = HeliconeTraces("k")
    spans = seen(export((SDK, [call(1, **LABELS, **USER)]), ("http", [span(2)])))
    forward = Forward("x", "helicone", "http://h/v1/trace/log-python")
    answer = send(receiver.app, forward, spans, {"authorization": "Bearer k"})
    assert answer == Answer(Verdict.DONE, sent=1, passed_over=1)
    (told,) = receiver.requests()
    properties: dict[str, Any] = told.pop("properties")
    assert told == {
        "provider": "ANTHROPIC",
        "model": "claude-sonnet-5-5",
        "prompt_tokens": 2600,
        "completion_tokens": 42,
        "user": "ann",
    }
    assert (properties["Session-Id"], properties["Cost-Usd"], properties["Route"]) == (
        "s-1",
        "0.00237",
        "support.triage",
    )


@pytest.mark.parametrize(
    "told",
    [
        {"gen_ai__request__temperature": float("nan"), "gen_ai__response__time_to_first_chunk": float("inf")},
        {"gen_ai__input__messages": '[{"role":1,"parts":[{"content":"\\ud800"},3]},7]'},
        {"gen_ai__input__messages": '{"role":"user"}', "gen_ai__output__messages": "no json"},
        {"gen_ai__output__messages": "[" * 100_000},
        {"bursar__label__\u20ac\n": "x" * 5000, "user__id": "\u20ac"},
    ],
)
def test_whatever_a_span_holds_can_be_told_to_helicones_log(told: dict[str, Any]) -> None:
    """Values that JSON or a header cannot hold are left out or replaced, and the call is told all the same."""
    receiver = HeliconeLogs("k")
    spans = seen(export((SDK, [call(1, **told)])))
    answer = send(receiver.app, Forward("x", "helicone", "http://h"), spans, {"authorization": "Bearer k"})
    assert (answer.sent, len(receiver.requests)) == (1, 1)


def partial(rejected: int, message: str) -> Response:
    told = ExportTraceServiceResponse()
    told.partial_success.rejected_spans = rejected
    told.partial_success.error_message = message
    body: bytes = told.SerializeToString()
    return Response(body, media_type=PROTOBUF)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (partial(1, "too old: Bearer k"), Answer(Verdict.DONE, 1, 1, said="it refused 1 of 2 spans: too old: ***")),
        (partial(9, ""), Answer(Verdict.DONE, 0, 2, said="it refused 2 of 2 spans: it does not say why")),
        (partial(0, "slow down"), Answer(Verdict.DONE, 2, said="it took all, and says: slow down")),
        (partial(0, ""), Answer(Verdict.DONE, 2)),
        (Response(b"\xff\xff", media_type=PROTOBUF), Answer(Verdict.DONE, 2)),
        (PlainTextResponse("ok"), Answer(Verdict.DONE, 2)),
        (PlainTextResponse("Bearer k?", 401), Answer(Verdict.LATER, said="it answered 401 ***?")),
    ],
)
def test_what_was_taken_in_part_is_not_sent_again(response: Response, answer: Answer) -> None:
    """As OTLP has it; an answer that says nothing of spans took all of them."""
    receiver = Otlp()
    receiver.staged.answers = [response]
    spans = seen(export((SDK, [call(1), call(2)])))
    assert send(receiver.app, Forward("x", "otlp", "http://j"), spans, {"authorization": "Bearer k"}) == answer


def test_nothing_is_asked_where_no_span_is_for_it() -> None:
    receiver = HeliconeTraces("k")
    forward = Forward("x", "helicone", "http://h/v1/trace/log-python")
    assert send(receiver.app, forward, seen(export(("http", [span(1)])))) == Answer(Verdict.DONE, passed_over=1)
    assert receiver.staged.asked == 0
