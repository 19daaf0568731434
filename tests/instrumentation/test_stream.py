"""Stream: a watched body is the body, and its end is told once."""

from __future__ import annotations

import asyncio
import gc
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest

from bursar.instrumentation import stream as module
from bursar.instrumentation.stream import Watcher, decoder, http, watch

PIECES = [b"one", b"two", b"three"]


class Seen(Watcher):
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.ends = 0

    def chunk(self, data: bytes) -> None:
        assert not self.ends
        self.chunks.append(data)

    def end(self) -> None:
        self.ends += 1


class Sync(httpx2.SyncByteStream):
    elapsed = 5

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from PIECES
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed += 1
        self.later = "set at close"


class Async(httpx2.AsyncByteStream):
    elapsed = 5

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        self.closed += 1
        self.later = "set at close"


def watched(body: Any) -> tuple[Any, Seen]:
    response, seen = SimpleNamespace(stream=body), Seen()
    watch(response, seen)
    return response.stream, seen


def test_the_library_is_the_sdk_s() -> None:
    """httpx2 for the SDK of today."""
    assert http is httpx2


@pytest.mark.parametrize(
    ("body", "kinds"),
    [(Sync(), (True, False)), (Async(), (False, True)), (httpx2.ByteStream(b"x"), (True, True))],
)
def test_a_body_keeps_its_kind(body: Any, kinds: tuple[bool, bool]) -> None:
    """The client refuses one of the other kind."""
    stream, _ = watched(body)
    assert (isinstance(stream, httpx2.SyncByteStream), isinstance(stream, httpx2.AsyncByteStream)) == kinds


def test_a_body_read_to_its_end_is_unchanged() -> None:
    """Piece by piece; its end is told with the last, not again by closing or dropping it."""
    body = Sync()
    stream, seen = watched(body)
    assert list(stream) == PIECES
    assert (seen.chunks, seen.ends, body.closed) == (PIECES, 1, 0)
    stream.close()
    del stream
    gc.collect()
    assert (seen.ends, body.closed) == (1, 1)


def test_an_async_body_read_to_its_end_is_unchanged() -> None:
    """The same."""

    async def read() -> tuple[list[bytes], Seen, Async]:
        body = Async()
        stream, seen = watched(body)
        pieces = [piece async for piece in stream]
        await stream.aclose()
        return pieces, seen, body

    pieces, seen, body = asyncio.run(read())
    assert (pieces, seen.chunks, seen.ends, body.closed) == (PIECES, PIECES, 1, 1)


def test_a_body_in_memory_can_be_read_either_way() -> None:
    """As transports of tests hand it to both clients."""
    stream, seen = watched(httpx2.ByteStream(b"x"))
    assert (list(stream), seen.ends) == ([b"x"], 1)
    stream, seen = watched(httpx2.ByteStream(b"x"))

    async def read() -> list[bytes]:
        return [piece async for piece in stream]

    assert (asyncio.run(read()), seen.ends) == ([b"x"], 1)


def closed_unread(stream: Any) -> None:
    stream.close()
    stream.close()


def closed_midway(stream: Any) -> None:
    reading = iter(stream)
    next(reading)
    stream.close()
    reading.close()


def left_midway(stream: Any) -> None:
    for _ in stream:
        break


def dropped_midway(stream: Any) -> None:
    next(iter(stream))


def dropped_unread(stream: Any) -> None:
    assert stream is not None


@pytest.mark.parametrize(
    ("leave", "pieces"),
    [(closed_unread, 0), (closed_midway, 1), (left_midway, 1), (dropped_midway, 1), (dropped_unread, 0)],
)
def test_a_body_that_is_left_ends_once(leave: Callable[[Any], None], pieces: int) -> None:
    """Without waiting for the garbage collector."""
    gc.disable()
    try:
        body = Sync()
        stream, seen = watched(body)
        leave(stream)
        del stream
        assert (seen.chunks, seen.ends) == (PIECES[:pieces], 1)
    finally:
        gc.enable()


def test_an_async_body_that_is_left_ends_once() -> None:
    """Closed in the middle, and dropped unread."""

    async def leave() -> tuple[Seen, Seen]:
        stream, closed = watched(Async())
        reading = aiter(stream)
        await anext(reading)
        await stream.aclose()
        await reading.aclose()
        stream, dropped = watched(Async())
        del stream
        return closed, dropped

    closed, dropped = asyncio.run(leave())
    assert (closed.chunks, closed.ends) == (PIECES[:1], 1)
    assert (dropped.chunks, dropped.ends) == ([], 1)


def test_an_error_of_the_body_passes_and_ends_it() -> None:
    """The very error, after all pieces before it."""
    broken = httpx2.ReadError("cut")
    stream, seen = watched(Sync(broken))
    with pytest.raises(httpx2.ReadError) as caught:
        list(stream)
    assert caught.value is broken
    assert (seen.chunks, seen.ends) == (PIECES, 1)


def test_an_error_of_an_async_body_passes_and_ends_it() -> None:
    """The same, for a task that is cancelled too."""

    async def read(error: Any, kind: type[BaseException]) -> Seen:
        stream, seen = watched(Async(error))
        with pytest.raises(kind):
            async for _ in stream:
                pass
        return seen

    for error in (httpx2.ReadError("cut"), asyncio.CancelledError()):
        seen = asyncio.run(read(error, type(error)))
        assert (seen.chunks, seen.ends) == (PIECES, 1)


def test_a_body_that_fails_to_close_still_ends() -> None:
    """And its error passes."""

    class Stuck(Sync):
        def close(self) -> None:
            raise OSError("stuck")

    stream, seen = watched(Stuck())
    with pytest.raises(OSError, match="stuck"):
        stream.close()
    assert seen.ends == 1


def test_other_attributes_are_the_body_s() -> None:
    """Those it has, those it gets later, and none besides."""
    body = Sync()
    stream, _ = watched(body)
    assert stream.elapsed == 5
    assert not hasattr(stream, "later")
    stream.close()
    assert stream.later == "set at close"


def test_bodies_may_be_watched_twice() -> None:
    """As by an outer and an inner middleware: each is told its end once."""
    body = Sync()
    inner, first = watched(body)
    outer, second = watched(inner)
    assert list(outer) == PIECES
    assert (first.ends, second.ends, second.chunks) == (1, 1, PIECES)


def test_a_response_of_the_library_reads_a_watched_body() -> None:
    """Decoded as ever, while the watcher sees what came over the wire."""
    packed = gzip.compress(b"hello")
    response = httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=httpx2.ByteStream(packed))
    seen = Seen()
    watch(response, seen)
    assert response.read() == b"hello"
    assert (b"".join(seen.chunks), seen.ends) == (packed, 1)


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


@pytest.mark.parametrize("library", [httpx2, httpx])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("GZIP ", gzip.compress),
        ("identity, gzip", gzip.compress),
        ("deflate", deflated),
    ],
)
def test_what_the_sdk_can_read_is_decoded_piece_by_piece(
    encoding: str, pack: Callable[[bytes], bytes], library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the library of the SDK before 1.0 too, whose decoders answer otherwise."""
    monkeypatch.setattr(module, "http", library)
    plain = b"event: message_start\n" * 20
    decode = decoder(encoding)
    assert decode is not None
    packed = pack(plain)
    assert b"".join(decode(packed[i : i + 7]) for i in range(0, len(packed), 7)) == plain


@pytest.mark.parametrize("encoding", ["br;q=1", "compress", "gzip, deflate"])
def test_what_nobody_here_can_read_has_no_decoder(encoding: str) -> None:
    """Its usage is unknown, and said to be."""
    assert decoder(encoding) is None


def test_every_body_has_a_decoder_of_its_own() -> None:
    """They remember where they are."""
    one, other = decoder("gzip"), decoder("gzip")
    assert one is not None
    assert other is not None
    packed = gzip.compress(b"x")
    assert (one(packed), other(packed)) == (b"x", b"x")
