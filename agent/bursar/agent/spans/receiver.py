"""How do spans of others come in: POST /v1/traces, as the OTLP/HTTP specification has it?"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bursar.agent.spans.otlp import Encoding, Export, MalformedError, decode, encode_answer, encode_status
from bursar.agent.spans.seenspan import SeenSpan

__all__ = ["BehindError", "OnSpans", "SeenSpan", "routes"]

PATH = "/v1/traces"

MOST_COMPRESSED = 4 * 2**20
MOST_PLAIN = 32 * 2**20
"""Bytes of a body, compressed and not."""

MOST_AT_ONCE = 8
"""Requests that are read and booked at the same time: what bounds the memory that senders can take."""

_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNAVAILABLE = 3, 8, 14
"""Codes of google.rpc."""

OnSpans = Callable[[Sequence[SeenSpan]], Awaitable[None]]
"""Takes spans; returns once they are safe, or raises `BehindError`."""


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


def routes(on_spans: OnSpans) -> list[Route]:
    """The routes of the receiver. A sender is told 200 only after `on_spans` has returned."""
    return [Route(PATH, _Receiver(on_spans).receive, methods=["POST"])]


class _Receiver:
    """One endpoint, and how many requests it is busy with."""

    def __init__(self, on_spans: OnSpans) -> None:
        self._on_spans = on_spans
        self._busy = 0

    async def receive(self, request: Request) -> Response:
        """Answer one export, in the encoding it came in."""
        encoding = _encoding(request)
        try:
            if encoding is None:
                raise _unsupported("content-type", request, " or ".join(Encoding))
            export = await self._take(request, encoding)
        except _RefusedError as refused:
            return _refusal(refused, encoding or Encoding.JSON)
        return Response(encode_answer(export, encoding), media_type=encoding.value)

    async def _take(self, request: Request, encoding: Encoding) -> Export:
        if self._busy >= MOST_AT_ONCE:
            raise _RefusedError(
                429,
                _RESOURCE_EXHAUSTED,
                f"{MOST_AT_ONCE} exports are being taken already: send this one again",
                retry_after_seconds=1,
            )
        self._busy += 1
        try:
            export = await _read(request, encoding)
            if export.spans:
                await self._on_spans(export.spans)
        except BehindError as behind:
            raise _RefusedError(
                503, _UNAVAILABLE, str(behind), retry_after_seconds=behind.retry_after_seconds
            ) from behind
        finally:
            self._busy -= 1
        return export


async def _read(request: Request, encoding: Encoding) -> Export:
    """The spans in a request's body. Off the event loop, since a large body takes a while to decode."""
    compression = request.headers.get("content-encoding", "identity").strip().lower()
    if compression not in ("identity", "gzip"):
        raise _unsupported("content-encoding", request, "gzip, or none")
    gzipped = compression == "gzip"
    body = await _body(request, MOST_COMPRESSED if gzipped else MOST_PLAIN)
    return await run_in_threadpool(_decode, body, encoding, gzipped=gzipped)


def _decode(body: bytes, encoding: Encoding, *, gzipped: bool) -> Export:
    try:
        return decode(_inflate(body) if gzipped else body, encoding)
    except MalformedError as error:
        raise _RefusedError(400, _INVALID_ARGUMENT, f"{error}: nothing of it was taken") from error


async def _body(request: Request, most: int) -> bytes:
    """The body as sent, of at most so many bytes."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(f"the body has {announced} bytes", most)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise _too_large("the body is longer", most)
    except ClientDisconnect as gone:
        raise _RefusedError(400, _INVALID_ARGUMENT, "the body broke off before its end") from gone
    return bytes(body)


def _inflate(body: bytes) -> bytes:
    """What a gzip body holds, never inflated beyond the limit. Raises `MalformedError`."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, MOST_PLAIN + 1)
    except zlib.error as error:
        raise MalformedError(f"the body is no gzip ({error})") from error
    if len(plain) > MOST_PLAIN:
        raise _too_large("the body is longer once decompressed", MOST_PLAIN)
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


def _too_large(what: str, most: int) -> _RefusedError:
    return _RefusedError(
        413,
        _INVALID_ARGUMENT,
        f"{what}, and at most {most} bytes are taken: send fewer spans at once (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)",
    )


def _refusal(refused: _RefusedError, encoding: Encoding) -> Response:
    headers = {} if refused.retry_after_seconds is None else {"Retry-After": str(refused.retry_after_seconds)}
    body = encode_status(refused.code, str(refused), encoding)
    return Response(body, status_code=refused.status, media_type=encoding.value, headers=headers)
