"""Claims about asking the API: what its answers, its errors and its silence mean, and what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest

from bursar.agent.batching import api
from bursar.agent.batching.api import Api, NoAnswerError, NotSentError, RefusedError, Seen, kind_of, said
from bursar.agent.credentials import Credential

T = TypeVar("T")
CREDENTIAL = Credential("id", "http://api/base/", {"x-api-key": "sk-ant-1"}, "ANTHROPIC_API_KEY")
BATCH = {
    "id": "msgbatch_1",
    "processing_status": "ended",
    "created_at": "2026-11-21T12:00:00.000250+00:00",
    "ended_at": "2026-11-21T12:00:05Z",
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 0},
}
NOON = 1_795_262_400 * 10**9


def asked(answer: Callable[[httpx.Request], httpx.Response], ask: Callable[[Api], Awaitable[T]]) -> T:
    """What an API that answers so makes of a question."""

    async def work() -> T:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await ask(Api(client, CREDENTIAL))

    return asyncio.run(work())


def raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer


def test_a_batch() -> None:
    """Its instants to the microsecond, and how many of its requests stand where."""
    seen = asked(lambda _: httpx.Response(200, json=BATCH), lambda api: api.retrieve("msgbatch_1"))
    counts = {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 0}
    assert seen == Seen("msgbatch_1", ended=True, created_ns=NOON + 250_000, ended_ns=NOON + 5 * 10**9, counts=counts)


def test_what_is_sent() -> None:
    """The key, the version, the betas of the batch, its length, and its bytes."""
    sent: list[tuple[httpx.Request, bytes]] = []

    async def body() -> AsyncGenerator[bytes]:
        yield b'{"requests"'
        yield b":[]}"

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request, request.content))
        return httpx.Response(200, json=BATCH)

    async def create(api: Api) -> Seen:
        return await api.create(body(), 15, "beta-1,beta-2")

    asked(_reading(answer), create)
    (request, content) = sent[0]
    assert (request.method, str(request.url)) == ("POST", "http://api/base/v1/messages/batches")
    expected = {
        "x-api-key": "sk-ant-1", "anthropic-version": "2023-06-01", "anthropic-beta": "beta-1,beta-2",
        "content-length": "15", "content-type": "application/json",
    }  # fmt: skip
    assert expected.items() <= dict(request.headers).items()
    assert content == b'{"requests":[]}'


def _reading(answer: Callable[[httpx.Request], httpx.Response]) -> Any:
    async def read(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return answer(request)

    return read


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), NotSentError),
        (httpx.ConnectTimeout("slow"), NotSentError),
        (httpx.PoolTimeout("full"), NotSentError),
        (httpx.ReadTimeout("slow"), NoAnswerError),
        (httpx.ReadError("cut"), NoAnswerError),
        (httpx.WriteError("cut"), NoAnswerError),
        (httpx.RemoteProtocolError("cut"), NoAnswerError),
    ],
)
def test_silence(error: Exception, kind: type[Exception]) -> None:
    """Where no connection came about nothing arrived; else it may have."""
    with pytest.raises(kind):
        asked(raising(error), lambda api: api.retrieve("x"))
    with pytest.raises(kind):
        asked(raising(error), lambda api: api.message(b"{}", ""))


@pytest.mark.parametrize("content", [b"no json", b"[]", b'{"id":"x"}', b'{"id":"x","created_at":3}'])
def test_an_answer_that_is_none(content: bytes) -> None:
    """What was done may be done all the same."""
    with pytest.raises(NoAnswerError):
        asked(lambda _: httpx.Response(200, content=content), lambda api: api.retrieve("x"))


def test_refusals() -> None:
    """With all that the API said, and when to ask again; a page that is no JSON is told as it is."""
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "later"}}
    with pytest.raises(RefusedError, match="429 rate_limit_error: later") as error:
        asked(lambda _: httpx.Response(429, json=body, headers={"retry-after": "7"}), lambda api: api.cancel("x"))
    assert (error.value.status, error.value.body, error.value.retry_after) == (429, body, 7.0)
    answer = httpx.Response(502, text="<html>", headers={"retry-after": "Sat"})
    with pytest.raises(RefusedError) as error:
        asked(lambda _: answer, lambda api: api.message(b"{}", ""))
    assert (kind_of(error.value.body), said(error.value.body), error.value.retry_after) == ("api_error", "<html>", None)


def pages(request: httpx.Request) -> httpx.Response:
    """Five batches, one a second, two on a page; the newest first."""
    every = [{**BATCH, "id": f"b{n}", "created_at": f"2026-11-21T12:00:0{n}Z"} for n in range(4, -1, -1)]
    after = request.url.params.get("after_id")
    start = 0 if after is None else [one["id"] for one in every].index(after) + 1
    return httpx.Response(200, json={"data": every[start : start + 2], "has_more": start + 2 < len(every)})


@pytest.mark.parametrize(("second", "found"), [(0, "43210"), (2, "432"), (4, "4"), (5, "")])
def test_batches_since_an_instant(second: int, found: str) -> None:
    """Page by page, and no further than that."""
    seen = asked(pages, lambda api: api.created_since(NOON + second * 10**9))
    assert "".join(one.api_id[1] for one in seen) == found


def lines_of(parts: list[bytes]) -> list[bytes]:
    """The lines of results that come in these parts."""

    async def stream() -> AsyncGenerator[bytes]:
        for part in parts:
            yield part

    async def read(api: Api) -> list[bytes]:
        async with api.results("x") as lines:
            return [line async for line in lines]

    return asked(lambda _: httpx.Response(200, content=stream()), read)


@pytest.mark.parametrize(
    "parts",
    [[b'{"a":1}\n{"b":2}\n'], [b'{"a"', b':1}\n{"b', b'":2}'], [b"\n\n", b'{"a":1}\r\n', b'\n{"b":2}\n\n']],
)
def test_lines_however_they_are_cut(parts: list[bytes]) -> None:
    """Blank ones are left out; signs that end a line elsewhere do not here."""
    assert [line.strip() for line in lines_of(parts)] == [b'{"a":1}', b'{"b":2}']
    assert lines_of(["a\u2028b\n".encode()]) == ["a\u2028b".encode()]


def test_a_line_beyond_all_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not gathered in memory."""
    monkeypatch.setattr(api, "MOST_LINE_BYTES", 10)
    with pytest.raises(NoAnswerError, match="more than 10 bytes"):
        lines_of([b"12345", b"67890", b"1"])


def test_results_that_are_refused() -> None:
    """As everything else."""

    async def read(api: Api) -> None:
        async with api.results("x"):
            pass

    with pytest.raises(RefusedError, match="404"):
        asked(lambda _: httpx.Response(404, json={"error": {"type": "not_found_error", "message": ""}}), read)


def test_a_message() -> None:
    """As the API gave it, with the id of its request."""
    answered = asked(
        lambda _: httpx.Response(200, json={"id": "msg_1"}, headers={"request-id": "req_1"}),
        lambda api: api.message(b"{}", ""),
    )
    assert (answered.message, answered.request_id) == ({"id": "msg_1"}, "req_1")
