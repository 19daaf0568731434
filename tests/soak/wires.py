"""What is answered to requests that no HTTP client would send: broken off, at odds with their headers, huge?"""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from tests.soak.goodrequests import Good

NO_ANSWER = 0
"""The connection was closed, or nothing was said in time."""
_PART = bytes(2**20)
_CHUNK = b"100000\r\n" + _PART + b"\r\n"


def answered(url: str, parts: Iterable[bytes], *, seconds: float = 60.0, ends: bool = False) -> int:
    """The status that bytes on a connection are answered with; `ends`: nothing more is sent after them."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=seconds) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it hung up on what it does not want to have; its answer may be there all the same
        return _status(connection)


def _status(connection: socket.socket) -> int:
    said = b""
    try:
        while b"\r\n" not in said and (part := connection.recv(4096)):
            said += part
    except OSError:
        return NO_ANSWER
    words = said.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else NO_ANSWER


def ordinary(good: Good, **changes: str) -> bytes:
    """A good request on the wire; `changes` are other headers, or more of them."""
    headers = {"host": "127.0.0.1", "content-type": good.kind, "content-length": str(len(good.body))}
    return _head(good, {**headers, "connection": "close", **_named(changes)}) + good.body


def cut_short(good: Good) -> Iterator[tuple[str, bytes]]:
    """That request without its end, or at odds with what it says of its length; and how. Nothing follows on it."""
    size = len(good.body)
    yield "it has less than announced", ordinary(good, content_length=str(size + 100))
    yield "it has more than announced", ordinary(good, content_length=str(size // 2))
    for length in ("-1", "x", "1e3", "9" * 30, "", f"{size}, {size + 1}"):
        yield f"its length is {length!r}", ordinary(good, content_length=length)
    for said in (b"zz\r\n", b"-5\r\n", b"F" * 20 + b"\r\n", b"5\r\nab", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"0\r\n", b""):
        yield f"its chunks are {said!r}", _chunked(good) + said
    yield "it has a length and chunks", ordinary(good, transfer_encoding="chunked")
    yield "its encoding is nobody's", ordinary(good, transfer_encoding="gzip")


def broken(good: Good) -> Iterator[tuple[str, bytes]]:
    """That request, whole, but broken in one way each, and which way that is."""
    for encoding in ("gzip", "br", "deflate, gzip", "\xff"):
        yield f"it says that it is {encoding}", ordinary(good, content_encoding=encoding)
    zipped = gzip.compress(bytes(2**20))
    bomb = Good(good.path, zipped, good.kind, good.method)
    yield "it is a bomb", ordinary(bomb, content_encoding="gzip")
    for kind in ("", "text/html", "multipart/form-data", "application/json; charset=utf-16", "a" * 5_000):
        yield f"its type is {kind[:30]!r}", ordinary(good, content_type=kind)
    for accept in (
        "",
        ";;;q=x",
        "application/openmetrics-text; version=x; q=\xff",
        "text/plain; escaping=none",
        "*/*;q=9",
    ):
        yield f"it takes {accept!r}", ordinary(good, accept=accept)
    for host in ("", "localhost:x", "[::1", "\xff", "elsewhere"):
        yield f"it is for {host!r}", ordinary(good, host=host)
    yield "it comes from a page", ordinary(good, origin="http://[")
    yield "it has a long header", ordinary(good, x_long="x" * 100_000)
    yield "it has a header of no name", ordinary(good).replace(b"connection:", b":", 1)
    yield "its path is long", ordinary(Good(f"{good.path}?{'x' * 60_000}", good.body, good.kind, good.method))
    yield "its path is odd", ordinary(Good(f"{good.path}%00%ff?%zz=%", good.body, good.kind, good.method))
    yield "its method is odd", ordinary(Good(good.path, good.body, good.kind, "PATCH"))
    yield "its version is odd", ordinary(good).replace(b"HTTP/1.1", b"HTTP/9.9", 1)


def huge(good: Good, *, megabytes: int, chunked: bool) -> Iterator[bytes]:
    """So many megabytes to an endpoint."""
    if chunked:
        yield _chunked(good)
        for _ in range(megabytes):
            yield _CHUNK
        yield b"0\r\n\r\n"
        return
    yield ordinary(Good(good.path, b"", good.kind, good.method), content_length=str(megabytes * 2**20))
    for _ in range(megabytes):
        yield _PART


def _chunked(good: Good) -> bytes:
    headers = {"host": "127.0.0.1", "content-type": good.kind, "transfer-encoding": "chunked", "connection": "close"}
    return _head(good, headers)


def _head(good: Good, headers: Mapping[str, str]) -> bytes:
    lines = [f"{good.method} {good.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _named(changes: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in changes.items()}
