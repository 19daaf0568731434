"""How a body is watched while the application reads it: its bytes pass through unchanged, its end is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anthropic import _base_client  # pyright: ignore[reportPrivateUsage] - the one place that knows which library it is

if TYPE_CHECKING:
    import httpx2

    http = httpx2
else:
    # The HTTP library that the SDK stands on: httpx2 from 1.0, httpx before. The application may have both.
    http = getattr(_base_client, "httpx2", None) or _base_client.httpx


class Watcher:
    """Who is told of a body: every chunk as it came over the wire, how it ended, and then its end, once."""

    blind = False
    """Whether the bytes need not be shown: what they say is read from the SDK's own events."""
    drained = False
    """Set at the end of a body that was read to it."""

    def chunk(self, data: bytes) -> None:
        """Some bytes, still encoded."""

    def event(self, event: Any) -> None:
        """One of the SDK's own events, made from the same bytes; deltas of content are left out."""

    def broken(self, error: BaseException) -> None:
        """Reading failed; the end follows."""

    def end(self) -> None:
        """The body was read, closed, dropped or broken off; nothing more will come."""


def tap(events: Iterator[Any], watcher: Watcher) -> Iterator[Any]:
    """
    The SDK's own events, shown to a watcher as the application takes them; its body is then blind.

    Cheaper than a second look at the bytes. It reads nothing before it is read, and closes with what it wraps.
    """
    watcher.blind = True
    try:
        for event in events:
            if getattr(event, "type", None) != "content_block_delta":
                watcher.event(event)
            yield event
    except Exception as error:
        watcher.broken(error)
        raise


class _Watch:
    """What both kinds share. Attributes it does not have are those of the body it wraps (`elapsed` and the like)."""

    def __init__(self, body: Any, watcher: Watcher) -> None:
        self._body = body
        self._watcher: Watcher | None = watcher

    def _end(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.end()

    def _drained(self) -> None:
        if self._watcher is not None:
            self._watcher.drained = True

    def _broken(self, error: BaseException) -> None:
        if self._watcher is not None:
            self._watcher.broken(error)

    def _chunk(self, data: bytes) -> None:
        if self._watcher is not None:
            self._watcher.chunk(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_body"], name)

    def __del__(self) -> None:
        self._end()


class _SyncMixin(_Watch):
    def __iter__(self) -> Iterator[bytes]:
        try:
            if self._watcher is None or self._watcher.blind:
                yield from self._body
            else:
                for data in self._body:
                    self._chunk(data)
                    yield data
            self._drained()
        except Exception as error:
            self._broken(error)
            raise
        finally:
            self._end()

    def close(self) -> None:
        try:
            self._body.close()
        finally:
            self._end()


class _AsyncMixin(_Watch):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._body:
                self._chunk(data)
                yield data
            self._drained()
        except Exception as error:
            self._broken(error)
            raise
        finally:
            self._end()

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            self._end()


class _SyncWatch(_SyncMixin, http.SyncByteStream):
    pass


class _AsyncWatch(_AsyncMixin, http.AsyncByteStream):
    pass


class _BothWatch(_SyncMixin, _AsyncMixin, http.SyncByteStream, http.AsyncByteStream):
    """For bodies in memory, which the transports of tests hand to either client."""


def watch(response: Any, watcher: Watcher) -> None:
    """Let `watcher` see the unread body of an HTTP response; the body keeps its kind: sync, async, or both."""
    body = response.stream
    is_sync, is_async = isinstance(body, http.SyncByteStream), isinstance(body, http.AsyncByteStream)
    kind = _BothWatch if is_sync and is_async else _SyncWatch if is_sync else _AsyncWatch
    response.stream = kind(body, watcher)


Decode = Callable[[bytes], bytes]


def decoder(content_encoding: str) -> Decode | None:
    """A decoder for a body as it comes over the wire; None where its encoding is not one that the SDK can read."""
    names = [name.strip() for name in content_encoding.lower().split(",") if name.strip() not in ("", "identity")]
    if not names:
        return bytes
    known = getattr(import_module(f"{http.__name__}._decoders"), "SUPPORTED_DECODERS", {})
    if len(names) > 1 or names[0] not in known:
        return None
    decoding: Any = known[names[0]]()

    def decode(data: bytes) -> bytes:
        plain: bytes | Iterator[bytes] = decoding.decode(data)  # in one piece by httpx, in bounded ones by httpx2
        return plain if isinstance(plain, bytes) else b"".join(plain)

    return decode
