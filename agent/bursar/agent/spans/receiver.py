"""How does telemetry of others come in: POST /v1/traces, /v1/logs and /v1/metrics, as OTLP/HTTP has it?"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bursar.agent.spans import claudecode, claudecodemetrics, otlp, otlplogs, otlpmetrics
from bursar.agent.spans.otlp import Encoding, MalformedError, TooManyError, encode_status
from bursar.agent.spans.seenevent import SeenEvent, SeenPoint
from bursar.agent.spans.seenspan import SeenSpan

__all__ = ["BehindError", "OnEvents", "OnPoints", "OnSpans", "SeenSpan", "routes"]

PATH, LOGS, METRICS = "/v1/traces", "/v1/logs", "/v1/metrics"

MOST_COMPRESSED = 4 * 2**20
MOST_PLAIN = 16 * 2**20
"""Bytes of a body, compressed and not."""

MOST_AT_ONCE = 8
"""Requests that are read and booked at the same time."""
MOST_HELD = 32 * 2**20
"""
Bytes of bodies, not compressed, that are read and booked at the same time.

Taken apart they are larger, and so only one is at a time; together that bounds the memory that senders can take.
"""

_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNAVAILABLE = 3, 8, 14
"""Codes of google.rpc."""

OnSpans = Callable[[Sequence[SeenSpan]], Awaitable[None]]
OnEvents = Callable[[Sequence[SeenEvent]], Awaitable[None]]
OnPoints = Callable[[Sequence[SeenPoint]], Awaitable[None]]
"""Takes what was sent; returns once it is safe, or raises `BehindError`."""


class BehindError(Exception):
    """Spans cannot be booked now; the sender is to keep them and try again."""

    def __init__(self, why: str, *, retry_after_seconds: int) -> None:
        super().__init__(why)
        self.retry_after_seconds = retry_after_seconds


class _RefusedError(Exception):
    """A request that is not taken: with which status, and what the sender is told."""

    def __init__(self, status: int, code: int, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class _Door:
    """What one path takes."""

    path: str
    read: Callable[[bytes, Encoding], tuple[Sequence[Any], bytes]]
    """What a body brings, and the body of the answer 200. Raises `MalformedError`."""
    take: Callable[[Sequence[Any]], Awaitable[None]]
    fewer: str
    """How a sender is made to send less at once."""


def routes(on_spans: OnSpans, on_events: OnEvents | None = None, on_points: OnPoints | None = None) -> list[Route]:
    """The routes of what somebody takes. A sender is told 200 only after that has returned."""
    doors = [_Door(PATH, _spans, on_spans, "fewer spans at once (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)")]
    if on_events is not None:
        doors.append(_Door(LOGS, _events, on_events, "fewer records at once (OTEL_BLRP_MAX_EXPORT_BATCH_SIZE)"))
    if on_points is not None:
        doors.append(_Door(METRICS, _points, on_points, "metrics of fewer attributes"))
    crowd = _Crowd()
    return [Route(door.path, _Receiver(door, crowd).receive, methods=["POST"]) for door in doors]


def _spans(body: bytes, encoding: Encoding) -> tuple[Sequence[SeenSpan], bytes]:
    export = otlp.decode(body, encoding)
    return export.spans, otlp.encode_answer(export, encoding)


def _events(body: bytes, encoding: Encoding) -> tuple[Sequence[SeenEvent], bytes]:
    logs = otlplogs.decode(body, encoding, wanted=claudecode.is_scope)
    return claudecode.requests(logs.events), otlplogs.encode_answer(logs, encoding)


def _points(body: bytes, encoding: Encoding) -> tuple[Sequence[SeenPoint], bytes]:
    metrics = otlpmetrics.decode(body, encoding, wanted=claudecodemetrics.is_metric)
    return metrics.points, otlpmetrics.encode_answer(metrics, encoding)


class _Crowd:
    """How many requests, and bytes of them, all endpoints together are busy with."""

    def __init__(self) -> None:
        self.busy = 0
        self.held = 0
        self.decoding = asyncio.Lock()


class _Room:
    """The place that one request takes, by its bytes."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._bytes = 0

    def take(self, size: int) -> None:
        """Make it that large, or refuse with 429 where others leave no place; the only one always has it."""
        if self._crowd.held - self._bytes and self._crowd.held - self._bytes + size > MOST_HELD:
            raise _wait(f"{self._crowd.held} bytes are being taken already")
        self._crowd.held += size - self._bytes
        self._bytes = size

    def leave(self) -> None:
        self._crowd.held -= self._bytes
        self._bytes = 0


class _Receiver:
    """One endpoint."""

    def __init__(self, door: _Door, crowd: _Crowd) -> None:
        self._door = door
        self._crowd = crowd

    async def receive(self, request: Request) -> Response:
        """Answer one export, in the encoding it came in."""
        encoding = _encoding(request)
        try:
            if encoding is None:
                raise _unsupported("content-type", request, " or ".join(Encoding))
            answer = await self._take(request, encoding)
        except _RefusedError as refused:
            return _refusal(refused, encoding or Encoding.JSON)
        return Response(answer, media_type=encoding.value)

    async def _take(self, request: Request, encoding: Encoding) -> bytes:
        if self._crowd.busy >= MOST_AT_ONCE:
            raise _wait(f"{MOST_AT_ONCE} exports are being taken already")
        self._crowd.busy += 1
        room = _Room(self._crowd)
        try:
            items, answer = await self._read(request, encoding, room)
            if items:
                await self._door.take(items)
        except BehindError as behind:
            raise _RefusedError(
                503, _UNAVAILABLE, str(behind), retry_after_seconds=behind.retry_after_seconds
            ) from behind
        finally:
            self._crowd.busy -= 1
            room.leave()
        return answer

    async def _read(self, request: Request, encoding: Encoding, room: _Room) -> tuple[Sequence[Any], bytes]:
        """What is in a request's body. Off the event loop, since a large body takes a while to decode."""
        compression = request.headers.get("content-encoding", "identity").strip().lower()
        if compression not in ("identity", "gzip"):
            raise _unsupported("content-encoding", request, "gzip, or none")
        gzipped = compression == "gzip"
        body = await _body(request, MOST_COMPRESSED if gzipped else MOST_PLAIN, self._door.fewer, room)
        async with self._crowd.decoding:
            if gzipped:
                body = await run_in_threadpool(self._inflated, body)
                room.take(len(body))
            return await run_in_threadpool(self._decode, body, encoding)

    def _inflated(self, body: bytes) -> bytes:
        try:
            return _inflate(body, self._door.fewer)
        except MalformedError as error:
            raise _malformed(error) from error

    def _decode(self, body: bytes, encoding: Encoding) -> tuple[Sequence[Any], bytes]:
        try:
            return self._door.read(body, encoding)
        except MalformedError as error:
            raise _malformed(error) from error
        except TooManyError as error:
            raise _RefusedError(413, _INVALID_ARGUMENT, f"{error}: send {self._door.fewer}") from error


async def _body(request: Request, most: int, fewer: str, room: _Room) -> bytes:
    """The body as sent, of at most so many bytes."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(f"the body has {announced} bytes", most, fewer)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise _too_large("the body is longer", most, fewer)
            room.take(len(body))
    except ClientDisconnect as gone:
        raise _RefusedError(400, _INVALID_ARGUMENT, "the body broke off before its end") from gone
    return bytes(body)


def _inflate(body: bytes, fewer: str) -> bytes:
    """What a gzip body holds, never inflated beyond the limit. Raises `MalformedError`."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, MOST_PLAIN + 1)
    except zlib.error as error:
        raise MalformedError(f"the body is no gzip ({error})") from error
    if len(plain) > MOST_PLAIN:
        raise _too_large("the body is longer once decompressed", MOST_PLAIN, fewer)
    if not inflater.eof:
        raise MalformedError("the gzip body ends too early")
    # A chain of empty members would cost far more time than bytes, and no exporter sends two.
    if inflater.unused_data:
        raise MalformedError("the gzip body has more than one member")
    return plain


def _encoding(request: Request) -> Encoding | None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return next((encoding for encoding in Encoding if encoding == media_type), None)


def _unsupported(header: str, request: Request, expected: str) -> _RefusedError:
    value = request.headers.get(header)
    told = "is missing" if value is None else f"{value!r} is not supported"
    return _RefusedError(415, _INVALID_ARGUMENT, f"the {header} {told}: send {expected}")


def _malformed(error: MalformedError) -> _RefusedError:
    return _RefusedError(400, _INVALID_ARGUMENT, f"{error}: nothing of it was taken")


def _wait(why: str) -> _RefusedError:
    return _RefusedError(429, _RESOURCE_EXHAUSTED, f"{why}: send this one again", retry_after_seconds=1)


def _too_large(what: str, most: int, fewer: str) -> _RefusedError:
    return _RefusedError(
        413,
        _INVALID_ARGUMENT,
        f"{what}, and at most {most} bytes are taken: send {fewer}",
    )


def _refusal(refused: _RefusedError, encoding: Encoding) -> Response:
    headers = {} if refused.retry_after_seconds is None else {"Retry-After": str(refused.retry_after_seconds)}
    body = encode_status(refused.code, str(refused), encoding)
    return Response(body, status_code=refused.status, media_type=encoding.value, headers=headers)
