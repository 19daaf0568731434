"""Sampling: calls of the routes that the rules name reach the agent whole, and no other does."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from tests.benchmarks import capturing as measured
from tests.instrumentation.scene import ASK, MODEL, Answer, Body, answer, async_client, client, events, message, sse

from bursar.instrumentation import instrument, route, uninstrument
from bursar.instrumentation.capturing import (
    ASK_AGAIN_SECONDS,
    MOST_WAITING,
    MOST_WAITING_BYTES,
    SILENT_SECONDS,
    Sampler,
    Taken,
    sample_of,
)
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.quiet import forget_told
from bursar.instrumentation.runtime import Runtime, current_runtime
from bursar.instrumentation.testing import recorded
from bursar.policies.route import Capture
from bursar.policies.sample import MOST_BYTES, PATH, Sample, lot, sample_from_json


class Link:
    """An agent that takes samples and says which it wants from then on."""

    def __init__(self, below: int | None = None) -> None:
        self.below = below
        self.told: list[Sample] = []
        self.silent = False
        self.gate = threading.Event()
        self.gate.set()

    def post(self, path: str, body: bytes, *, seconds: float) -> Any:
        assert path == PATH
        assert seconds <= 2
        self.gate.wait(20)
        if self.silent:
            raise Unreachable("gone")
        self.told.append(sample_from_json(json.loads(body)))
        return {"below": self.below}

    def close(self) -> None: ...


def sampler(link: Link, clock: Callable[[], float] = lambda: 0.0) -> Sampler:
    return Sampler(lambda: link, clock)  # type: ignore[arg-type, return-value] # pyright: ignore[reportArgumentType]


@contextmanager
def capturing(folder: Path, link: Link) -> Generator[Runtime]:
    """This process instrumented, with rules that name the route `triage`."""
    instrument(environ={"BURSAR_STATE_DIR": str(folder)})
    runtime = current_runtime()
    assert runtime is not None
    runtime.rules = replace(runtime.rules, captures={"triage": Capture(500, 3600.0)})
    runtime.sampler = sampler(link)
    try:
        yield runtime
    finally:
        uninstrument()


def ask(respond: Answer = answer, named: str = "triage", **parameters: Any) -> None:
    with route(named):
        client(respond).messages.create(**ASK, **parameters)


def stream() -> None:
    with route("triage"):
        for _ in client().messages.create(**ASK, stream=True):
            pass


def stream_by_manager() -> None:
    with route("triage"), client().messages.stream(**ASK) as told:
        assert told.get_final_text() == "Hi"


def ask_raw() -> None:
    with route("triage"):
        client().messages.with_raw_response.create(**ASK).parse()


def ask_streaming_response() -> None:
    with route("triage"), client().messages.with_streaming_response.create(**ASK) as told:
        told.read()


def ask_async() -> None:
    async def work() -> None:
        with route("triage"):
            await async_client().messages.create(**ASK)

    asyncio.run(work())


def stream_async() -> None:
    async def work() -> None:
        with route("triage"):
            async for _ in await async_client().messages.create(**ASK, stream=True):
                pass

    asyncio.run(work())


@pytest.mark.parametrize(
    "way", [ask, stream, stream_by_manager, ask_raw, ask_streaming_response, ask_async, stream_async]
)
def test_a_call_of_the_route_is_told_as_it_was_sent_and_answered(way: Callable[[], None], tmp_path: Path) -> None:
    """By every way that the SDK has, streams included."""
    link = Link()
    with capturing(tmp_path, link) as runtime:
        way()
        runtime.flush(20)
    (told,) = link.told
    assert (told.route, told.model, told.betas, told.answer) == ("triage", MODEL, "", "Hi")
    body = json.loads(told.request)
    assert {name: body[name] for name in ASK} == ASK


def gone(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(529, json={"type": "error", "error": {"type": "overloaded_error", "message": "no"}})


def cut(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json=message(stop_reason="max_tokens"))


def torn(request: httpx2.Request) -> httpx2.Response:
    headers = {"content-type": "text/event-stream"}
    return httpx2.Response(200, headers=headers, stream=Body(sse(events()[:-1])))


@pytest.mark.parametrize(
    ("named", "respond", "parameters"),
    [
        ("chat", answer, {}),
        ("triage", gone, {}),
        ("triage", cut, {}),
        ("triage", torn, {"stream": True}),
        ("triage", answer, {"system": "x" * MOST_BYTES}),
    ],
)
def test_what_no_eval_can_be_made_of_is_not_told(
    named: str, respond: Answer, parameters: dict[str, Any], tmp_path: Path
) -> None:
    """Another route, an error, half an answer, a torn stream, more than a megabyte."""
    link = Link()
    with capturing(tmp_path, link) as runtime:
        with suppress(anthropic.APIStatusError), route(named):
            found = client(respond).messages.create(**ASK, **parameters)
            if "stream" in parameters:
                list(found)
        runtime.flush(20)
    assert link.told == []


@pytest.mark.parametrize("action", ["downgrade", "effort"])
def test_a_call_that_was_changed_is_no_measure(action: str, tmp_path: Path) -> None:
    """Its answer is another model's, or of less effort, than the application asked for."""
    link = Link()
    with capturing(tmp_path, link) as runtime:
        assert runtime.sampler is not None
        see = runtime.sampler.see

        def changed(call: Any, attempt: Any, response: Any) -> None:
            attempt.action = action
            see(call, attempt, response)

        runtime.sampler.see = changed  # type: ignore[method-assign]
        ask()
        runtime.flush(20)
    assert link.told == []


def test_a_response_of_which_no_request_is_known_breaks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is strange about it: the call is charged, and what went wrong is told once, as what it is."""
    forget_told()
    link = Link()
    with capturing(tmp_path, link) as runtime, recorded() as seen:
        assert runtime.sampler is not None
        see = runtime.sampler.see

        def strange(call: Any, attempt: Any, response: Any) -> None:
            see(call, attempt, httpx2.Response(200))

        runtime.sampler.see = strange  # type: ignore[method-assign]
        ask()
        runtime.flush(20)
    assert (link.told, len(seen.charges)) == ([], 1)
    assert [record.getMessage() for record in caplog.records if "sample" in record.getMessage()] == [
        "bursar could not keep a sample; the application goes on without it"
    ]


def taken(name: str = "a") -> Taken:
    return Taken(name, "triage", 7, "", b"{}", "application/json", json.dumps(message()).encode())


def test_only_lots_that_the_agent_wants_are_told() -> None:
    """Once it has said so, and until that is old."""
    now = 0.0
    low, high = sorted(("a-1", "a-2"), key=lot)
    link = Link(below=lot(high))
    made = sampler(link, lambda: now)
    assert made.wants("triage", high)
    made.take(taken("first"))
    made.flush(20)
    assert (made.wants("triage", low), made.wants("triage", high)) == (True, False)
    assert made.wants("chat", high)
    now = ASK_AGAIN_SECONDS + 1
    assert made.wants("triage", high)
    made.close()


def test_an_agent_that_takes_none_is_left_alone() -> None:
    """For a while: what comes meanwhile is not kept."""
    now = 0.0
    link = Link()
    link.silent = True
    made = sampler(link, lambda: now)
    made.take(taken())
    made.flush(20)
    assert not made.wants("triage", "a-2")
    now = SILENT_SECONDS
    link.silent = False
    assert made.wants("triage", "a-2")
    made.take(taken("a-2"))
    made.close()
    assert [told.attempt_id for told in link.told] == ["a-2"]


def test_what_waits_is_bounded() -> None:
    """A slow agent costs memory up to there, and no call waits for it."""
    link = Link()
    link.gate.clear()
    made = sampler(link)
    for number in range(3 * MOST_WAITING):
        made.take(taken(f"a-{number}"))
    assert not made.wants("triage", "one-more")
    link.gate.set()
    made.flush(20)
    made.close()
    assert MOST_WAITING <= len(link.told) <= MOST_WAITING + 1  # one may have been on its way


def test_what_waits_is_bounded_in_bytes_too() -> None:
    """Calls of a megabyte each: sixteen fit, and no more."""
    link = Link()
    link.gate.clear()
    made = sampler(link)
    large = replace(taken(), request=b'"' + b"x" * (MOST_BYTES - 2_000) + b'"')
    for number in range(40):
        made.take(replace(large, attempt_id=f"a-{number}"))
    link.gate.set()
    made.flush(20)
    made.close()
    fit = MOST_WAITING_BYTES // large.size
    assert fit <= len(link.told) <= fit + 1


@pytest.mark.parametrize(
    ("encoding", "body", "answer"),
    [
        ("", json.dumps(message()).encode(), "Hi"),
        ("gzip", gzip.compress(json.dumps(message()).encode(), mtime=0), "Hi"),
        ("rot13", b"{}", None),
        ("", b"[]", None),
        ("", b"no JSON", None),
        ("", json.dumps(message(model=None)).encode(), None),
    ],
)
def test_a_body_is_read_as_it_came(encoding: str, body: bytes, answer: str | None) -> None:
    """What cannot be read is no sample."""
    made = sample_of(replace(taken(), body=body, encoding=encoding))
    assert (None if made is None else made.answer) == answer


def test_the_benchmark_measures_calls_of_each_kind() -> None:
    """Once each, which takes some time."""
    found = measured.figures(times=1)
    assert list(found) == ["told", "its lot is not wanted", "another route"]
    assert min(found.values()) > 0
