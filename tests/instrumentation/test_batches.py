"""Batches: every way of reading results, whose work they are, and that nobody sees a difference."""

from __future__ import annotations

import asyncio
import gc
import json
import lzma
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from opentelemetry import trace
from tests.instrumentation.batching import NOW_NS, Host, async_client, client
from tests.instrumentation.scene import MODEL, Body, message

from bursar.instrumentation import batches as module
from bursar.instrumentation import route
from bursar.instrumentation.batches import Asked, Batches, Dispatched, Origin, asked_of_batches, observe
from bursar.instrumentation.context import Work
from bursar.instrumentation.quiet import forget_told
from bursar.policies.records import Released, Settled

TRAFFIC = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "recorded.jsonl.xz"
CREATED_NS = NOW_NS - 3_600 * 10**9
BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 0},
    "created_at": "2026-11-22T11:00:00+00:00",
    "expires_at": "2026-11-23T11:00:00+00:00",
    "ended_at": "2026-11-22T11:30:00+00:00",
    "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
}
USAGE = {"input_tokens": 10, "output_tokens": 2, "service_tier": "batch"}
EACH = 10 * 1_000 + 2 * 5_000
RESULTS: list[dict[str, Any]] = [
    {"custom_id": "b", "result": {"type": "succeeded", "message": message(id="msg_b", usage=USAGE)}},
    {"custom_id": "c", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "api_error"}}}},
    {"custom_id": "a", "result": {"type": "succeeded", "message": message(id="msg_a", usage=USAGE)}},
]
LINES = b"".join(json.dumps(line).encode() + b"\n" for line in RESULTS)
REQUESTS: Any = [
    {"custom_id": name, "params": {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}}
    for name in "abc"
]
BOTH = ["batch-msg_b", "batch-msg_a"]


def api(request: httpx2.Request) -> httpx2.Response:
    """The batches resource, its results in pieces of 50 bytes."""
    headers = {"request-id": "req_1"}
    if request.url.path.endswith("/results"):
        body = Body(LINES)
        return httpx2.Response(200, headers={**headers, "content-type": "application/x-jsonl"}, stream=body)
    return httpx2.Response(200, headers=headers, json=BATCH)


def with_results(body: httpx2.SyncByteStream) -> Callable[[httpx2.Request], httpx2.Response]:
    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=body) if request.url.path.endswith("/results") else api(request)

    return respond


def iterate(c: Any) -> object:
    return [line.custom_id for line in c.messages.batches.results("msgbatch_1")]


def iterate_beta(c: Any) -> object:
    return [line.custom_id for line in c.beta.messages.batches.results("msgbatch_1")]


def raw_parsed(c: Any) -> object:
    return [line.custom_id for line in c.messages.batches.with_raw_response.results("msgbatch_1").parse()]


def streamed_lines(c: Any) -> object:
    with c.messages.batches.with_streaming_response.results("msgbatch_1") as response:
        return [json.loads(line)["custom_id"] for line in response.iter_lines()]


def streamed_bytes(c: Any) -> object:
    with c.messages.batches.with_streaming_response.results("msgbatch_1") as response:
        return [json.loads(line)["custom_id"] for line in response.read().splitlines()]


def plain_get(c: Any) -> object:
    response = c.get("/v1/messages/batches/msgbatch_1/results", cast_to=httpx2.Response)
    return [json.loads(line)["custom_id"] for line in response.content.splitlines()]


@pytest.mark.parametrize("act", [iterate, iterate_beta, raw_parsed, streamed_lines, streamed_bytes, plain_get])
def test_every_way_of_reading(act: Callable[[Any], object]) -> None:
    """Two charges at batch price, journalled and told; the application gets what it got without us."""
    host = Host()
    bare = anthropic.Anthropic(
        api_key="k", max_retries=0, http_client=httpx2.Client(transport=httpx2.MockTransport(api))
    )
    assert act(client(host, api)) == act(bare) == ["b", "c", "a"]
    assert host.ids == BOTH
    assert [charge.cost_nano_usd for charge in host.told] == [EACH, EACH]
    assert host.records == [Settled(charge) for charge in host.told]


@pytest.mark.parametrize("beta", [False, True])
def test_async(beta: bool) -> None:
    """The same, async."""
    host = Host()

    async def run() -> list[str]:
        c = async_client(host, api)
        resource = c.beta.messages.batches if beta else c.messages.batches
        return [line.custom_id async for line in await resource.results("msgbatch_1")]

    assert asyncio.run(run()) == ["b", "c", "a"]
    assert host.ids == BOTH


def test_async_streamed() -> None:
    """Bytes, async, and left in the middle."""
    host = Host()

    async def run() -> None:
        c = async_client(host, api)
        async with c.messages.batches.with_streaming_response.results("msgbatch_1") as response:
            async for _ in response.iter_lines():
                break

    asyncio.run(run())
    assert host.ids == BOTH[:1]


def first_and_drop(c: Any) -> None:
    next(c.messages.batches.results("msgbatch_1"))


def first_and_close(c: Any) -> None:
    lines = c.messages.batches.results("msgbatch_1")
    next(lines)
    lines.close()


def never_read(c: Any) -> None:
    c.messages.batches.results("msgbatch_1")


@pytest.mark.parametrize(("act", "ids"), [(first_and_drop, BOTH[:1]), (first_and_close, BOTH[:1]), (never_read, [])])
def test_what_is_not_read_is_not_charged(act: Callable[[Any], None], ids: list[str]) -> None:
    """Only what was pulled; the rest when somebody reads it, and each once."""
    host = Host()
    c = client(host, api)
    act(c)
    gc.collect()
    assert host.ids == ids
    iterate(c)
    assert host.ids == BOTH


def test_a_connection_that_is_lost() -> None:
    """What came is charged, a cut line is no error of ours; the application sees the SDK's own error."""
    host = Host()
    cut = Body(LINES[:-20], httpx2.ReadError("lost"))
    with pytest.raises(httpx2.ReadError, match="lost"):
        iterate(client(host, with_results(cut)))
    assert host.ids == BOTH[:1]


def test_results_are_charged_once() -> None:
    """Read twice, by a copy, by two threads at once, and in a forked child's memory."""
    host = Host()
    c = client(host, api)
    threads = [threading.Thread(target=iterate, args=(c,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    iterate(c.with_options(timeout=5))
    iterate_beta(c)
    assert sorted(host.ids) == sorted(BOTH)
    host.batches = host.batches.heir()
    iterate(c)
    assert len(host.ids) == 2


def test_another_process_makes_the_same_charge() -> None:
    """So that the ledger can count it once: also where it is read by somebody else, and later."""
    first, second = Host(), Host()
    iterate(client(first, api))
    second.clock_ns = lambda: NOW_NS + 86_400 * 10**9
    iterate_beta(client(second, api))
    named = [[(each.attempt_id, each.response_id, each.at_ns) for each in host.told] for host in (first, second)]
    assert named[0] == named[1] == [("batch-msg_b", "msg_b", CREATED_NS), ("batch-msg_a", "msg_a", CREATED_NS)]


def test_results_count_to_who_submitted_them() -> None:
    """Where that was in this process; its route and labels, not the reader's."""
    host = Host()
    c = client(host, api)
    with route("nightly.tagging", tenant="acme"):
        c.messages.batches.create(requests=REQUESTS)
    with route("collector", team="ops"):
        iterate(c)
    assert {(charge.route, charge.labels["tenant"], len(charge.labels)) for charge in host.told} == {
        ("nightly.tagging", "acme", 1)
    }
    assert {charge.requested_model for charge in host.told} == {MODEL}


def test_results_of_a_strange_batch_count_to_their_reader() -> None:
    """Nobody else is known."""
    host = Host()
    with route("collector", team="ops"):
        iterate(client(host, api))
    assert {(charge.route, charge.labels["team"]) for charge in host.told} == {("collector", "ops")}


def test_a_reader_without_a_route_is_named_by_its_code() -> None:
    """The nearest that is not the SDK's, as of any other call: here the joint itself."""
    host = Host()
    iterate(client(host, api))
    assert {charge.route for charge in host.told} == {"tests.instrumentation.batching:client.joint"}


def test_a_route_that_is_known_already_is_taken() -> None:
    """Who calls the joint may know whose work it is."""
    host = Host()

    def joint(request: Any, call_next: Any) -> Any:
        response = call_next(request)
        observe(host, request, response, Work("given"))
        return response

    http = httpx2.Client(transport=httpx2.MockTransport(api))
    iterate(anthropic.Anthropic(api_key="k", middleware=[joint], http_client=http))
    assert {charge.route for charge in host.told} == {"given"}


@pytest.mark.parametrize(
    ("created_at", "at_ns"),
    [
        ("2026-11-22T11:00:00Z", CREATED_NS),
        ("2026-11-22T11:00:00.000001+00:00", CREATED_NS + 1_000),
        ("2026-11-22T13:00:00+02:00", CREATED_NS),
        ("2026-11-22T11:00:00", NOW_NS),
        ("2026-11-23T11:00:00Z", NOW_NS),
        ("1969-11-23T11:00:00Z", NOW_NS),
        ("yesterday", NOW_NS),
        (None, NOW_NS),
    ],
)
def test_the_day_is_that_of_the_creation(created_at: str | None, at_ns: int) -> None:
    """As the batch itself tells it; where it tells none that can be, the time of reading."""
    host = Host()

    def respond(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/results"):
            return api(request)
        return httpx2.Response(200, json={**BATCH, "created_at": created_at})

    iterate(client(host, respond))
    assert {charge.at_ns for charge in host.told} == {at_ns}


def test_without_asking_for_the_batch_first() -> None:
    """A bare GET of the results: the time of reading."""
    host = Host()
    plain_get(client(host, api))
    assert {charge.at_ns for charge in host.told} == {NOW_NS}


@pytest.mark.parametrize(
    ("models", "requested"),
    [([MODEL, MODEL], MODEL), ([MODEL, "claude-haiku-5-5"], None), ([], None), ([None], None), ([["x"]], None)],
)
def test_the_model_of_a_batch(models: list[Any], requested: str | None) -> None:
    """Known where all its requests ask for the same."""
    host = Host()
    c = client(host, api)
    asked = [{"custom_id": str(place), "params": {"model": model}} for place, model in enumerate(models)]
    c.messages.batches.create(requests=asked)
    origin = host.batches.origin("msgbatch_1")
    assert (origin.model, origin.created_ns) == (requested, CREATED_NS)
    assert origin.work is not None


def test_the_rest_is_free_and_left_alone() -> None:
    """Neither charged nor remembered."""
    host = Host()
    c = client(host, api)
    c.messages.batches.list()
    c.messages.batches.cancel("msgbatch_1")
    c.messages.batches.delete("msgbatch_1")
    c.messages.count_tokens(model=MODEL, messages=[])
    assert not host.records
    assert host.batches.origin("msgbatch_1") == Origin()


@pytest.mark.parametrize("status", [404, 500])
def test_errors_are_the_applications(status: int) -> None:
    """Nothing is read out of them, whatever they say."""
    host = Host()

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=LINES) if request.url.path.endswith("results") else api(request)

    with pytest.raises(anthropic.APIStatusError):
        iterate(client(host, respond))
    assert not host.records


def test_our_failures_stay_ours(caplog: pytest.LogCaptureFixture) -> None:
    """A memory that fails, a response that is no HTTP response, a body that is no JSON: told, never raised."""
    forget_told()
    host = Host()
    observe(host, anthropic.NOT_GIVEN, object())
    c = client(host, lambda request: httpx2.Response(200, text="<html>"))
    c.messages.batches.with_raw_response.retrieve("msgbatch_1")
    host.batches = None  # type: ignore[assignment] # what a bug might do
    assert iterate(client(host, api)) == ["b", "c", "a"]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "bursar could not meter a batch; the application goes on without it"
    ]


@pytest.mark.parametrize(
    ("method", "url", "asked"),
    [
        ("post", "/v1/messages/batches", Asked("create", "")),
        ("POST", "/v1/messages/batches?beta=true", Asked("create", "")),
        ("get", "/v1/messages/batches/b_1", Asked("retrieve", "b_1")),
        ("get", "/v1/messages/batches/b_1?beta=true", Asked("retrieve", "b_1")),
        ("get", "/v1/messages/batches/b_1/results", Asked("results", "b_1")),
        ("GET", "https://x.test/proxy/v1/messages/batches/b_1/results?beta=true", Asked("results", "b_1")),
        ("get", "/v1/messages/batches", None),
        ("get", "/v1/messages/batches?limit=5", None),
        ("delete", "/v1/messages/batches/b_1", None),
        ("post", "/v1/messages/batches/b_1/cancel", None),
        ("post", "/v1/messages/batches/b_1/results", None),
        ("get", "/v1/messages/batches/b_1/results/2", None),
        ("get", "/v1/xmessages/batches/b_1/results", None),
        ("post", "/v1/messages", None),
        ("post", "/v1/messages/count_tokens", None),
    ],
)
def test_what_is_asked(method: str, url: str, asked: Asked | None) -> None:
    """By method and path; the host, what is before the path and the query do not matter."""
    assert asked_of_batches(method, url) == asked


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten first: of batches, those heard of longest ago; a result is then charged again."""
    monkeypatch.setattr(module, "ORIGINS", 2)
    monkeypatch.setattr(module, "CHARGED", 2)
    memory = Batches()
    for name in ("a", "b", "a", "c"):
        memory.remember(name, Origin(created_ns=1))
    assert [memory.origin(name).created_ns for name in "abc"] == [1, None, 1]
    assert [memory.claim(name) for name in ("x", "y", "x", "z", "y", "x")] == [True, True, False, True, False, True]


def test_what_is_known_of_a_submission_stays() -> None:
    """Asking for a batch again adds its time where that was missing, and takes nothing away."""
    memory = Batches()
    memory.remember("a", Origin(Work("mine"), MODEL))
    memory.remember("a", Origin(created_ns=5))
    memory.remember("a", Origin(created_ns=6))
    assert memory.origin("a") == Origin(Work("mine"), MODEL, 5)
    assert memory.heir().origin("a") == Origin(Work("mine"), MODEL, 5)


class Named:
    """A span as the SDK has it, or an application."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.attributes: dict[str, Any] = {}

    def is_recording(self) -> bool:
        return True

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        self.attributes.update(attributes)


@pytest.mark.parametrize(("name", "stamped"), [("anthropic.messages.batches.results", True), ("nightly", False)])
def test_only_the_sdk_s_span_is_stamped(name: str, stamped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the SDK's tracing off the application's own span is current: it is none of ours."""
    span: Any = Named(name)
    monkeypatch.setattr(trace, "get_current_span", lambda: span)
    iterate(client(Host(), api))
    assert span.attributes.get("bursar.cost.nano_usd") == (2 * EACH if stamped else None)


class Chunks(httpx2.SyncByteStream):
    """A body in pieces of 97 bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), 97):
            yield self._body[start : start + 97]


@pytest.mark.skipif(not TRAFFIC.exists(), reason=f"the recorded traffic is not at {TRAFFIC}")
def test_recorded_batches() -> None:
    """Three real results of Haiku 4.5 at half price (500 in, 2,500 out), on the day their batches were created."""
    with lzma.open(TRAFFIC, "rt") as rows:
        recorded = {
            row["url_path"]: row["response_body"]
            for row in map(json.loads, rows)
            if row["category"] == "batches" and row["method"] == "GET"
        }
    host = Host()

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=Chunks(recorded[request.url.path].encode()))

    c = client(host, respond)
    paths = [path for path in recorded if path.endswith("/results")]
    for path in paths:
        list(c.messages.batches.results(path.split("/")[-2]))
    costs = sorted(charge.cost_nano_usd or 0 for charge in host.told)
    assert costs == [19 * 500 + 4 * 2_500, 20 * 500 + 5 * 2_500, 20 * 500 + 5 * 2_500]
    assert {charge.at_ns // 10**9 for charge in host.told} == {1_787_150_691, 1_787_150_830}


OURS = ["bursar-0123456789abcdef-1-0-deadbeef", "bursar-0123456789abcdef-2-1-deadbeef"]


def ours(request: httpx2.Request) -> httpx2.Response:
    """Results of a batch that `map_batch` has made: one message, one error."""
    if not request.url.path.endswith("/results"):
        return api(request)
    lines = [{**RESULTS[0], "custom_id": OURS[0]}, {**RESULTS[1], "custom_id": OURS[1]}]
    return httpx2.Response(200, stream=Body(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))


def test_what_map_batch_sent_is_settled_once_by_whoever_reads_it() -> None:
    """The charge under its attempt, the error released: also where nothing else is known of them."""
    host = Host()
    for _ in range(2):
        with route("collector"):
            iterate(client(host, ours))
    (charge,) = host.told
    assert (charge.attempt_id, charge.route, charge.requested_model) == (OURS[0], "collector", MODEL)
    assert host.records == [Settled(charge), Released(OURS[1], "batch errored")]
    assert host.learnt == [0]


def test_what_this_process_knows_of_it_is_told_with_its_charge() -> None:
    """Whose it is, what it asked for, and what there is to learn from it."""
    host = Host()
    known = Dispatched(Work("nightly", {"tenant": "acme"}), "claude-sonnet-latest", 80, "chat-1")
    host.batches.sent(OURS[0], known)
    iterate(client(host, ours))
    (charge,) = host.told
    assert (charge.route, charge.labels, charge.requested_model) == ("nightly", {"tenant": "acme"}, known.model)
    assert (host.learnt, host.conversations) == ([80], {"msg_b": "chat-1"})
    assert host.batches.arrived(OURS[0]) is None
