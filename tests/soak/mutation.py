"""How is a good OTLP export made bad: bytes changed, cut and repeated, values of wrong kinds, absurd and deep ones?"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode

JSON, PROTOBUF = "application/json", "application/x-protobuf"
_NUMBERS = (-1, 0, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400, 0.5, 1e308, float("nan"), float("inf"))
_TEXTS = ("", "\0", "x" * 5_000, "NaN", "-1", "\ud800", "\udfff", "*", "ß𝄞")
_SHAPES = (
    "null true [] {} [[]]",
    '{"intValue":"x"} {"doubleValue":"Infinity"} {"arrayValue":{"values":[{}]}} {"kvlistValue":null}',
)
ODD: tuple[Any, ...] = (*_NUMBERS, *_TEXTS, *(json.loads(shape) for line in _SHAPES for shape in line.split()))
"""Values that are hard on whoever expects others."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that is no good, or may still be."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    method: str = "POST"


def mutated(path: str, body: bytes, kind: str, rng: random.Random) -> Bad:
    """A good export of this media type, changed in some way."""
    headers = {"content-type": kind}
    changes: list[Callable[[bytes, random.Random], bytes]] = [_flipped, _cut, _repeated, _truncated, _spliced]
    if kind == JSON:
        changes += [*[_odd_value] * 8, _nested, _left_out]
    made = rng.choice(changes)(body, rng)
    if rng.random() < 0.1:
        made, headers["content-encoding"] = gzip.compress(made, 1), "gzip"
        made = _flipped(made, rng) if rng.random() < 0.5 else made
    if rng.random() < 0.03:
        headers["content-type"] = PROTOBUF if kind == JSON else JSON
    return Bad(path, made, headers)


def monsters(path: str, *, megabytes: int) -> Iterator[Bad]:
    """Bodies that are too much: long, bombs, deep, of very many things."""
    size = megabytes * 2**20
    for kind in (JSON, PROTOBUF):
        yield Bad(path, bytes(size), {"content-type": kind})
        yield Bad(path, gzip.compress(bytes(size), 9), {"content-type": kind, "content-encoding": "gzip"})
        empty = gzip.compress(b"", 9) * 10_000
        yield Bad(path, empty, {"content-type": kind, "content-encoding": "gzip"})
    yield Bad(path, b"[" * (size // 8), {"content-type": JSON})
    yield Bad(path, b'{"resourceSpans":' * (size // 136), {"content-type": JSON})
    spans = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * (size // 24) + b"{}]}]}]}"
    yield Bad(path, spans, {"content-type": JSON})
    # A length-delimited field inside a field, and so on: as deep as the bytes go.
    deep = b""
    for _ in range(2_000):
        deep = b"\x0a" + _varint(len(deep)) + deep
    yield Bad(path, deep, {"content-type": PROTOBUF})
    yield Bad(path, b"\x0a\x00" * (size // 16), {"content-type": PROTOBUF})


def riches(path: str, field: str, size: int) -> Iterator[Bad]:
    """JSON objects just within an endpoint's limit of `size` bytes, of as many values in `field` as that holds."""
    head, tail = b'{"%b":[' % field.encode(), b"0]}"
    for value in (b"[],", b"{},", b'"ab",', b"1.5,", b'{"a":1},'):
        yield Bad(path, head + value * ((size - len(head) - len(tail)) // len(value)) + tail, {"content-type": JSON})


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])


def _flipped(body: bytes, rng: random.Random) -> bytes:
    made = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        made[rng.randrange(len(made))] = rng.randrange(256)
    return bytes(made)


def _cut(body: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(body))
    return body[:start] + body[start + rng.randrange(1, 64) :]


def _repeated(body: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(body))
    part = body[start : start + rng.randrange(1, 256)]
    return body[:start] + part * rng.choice((2, 3, 50)) + body[start:]


def _truncated(body: bytes, rng: random.Random) -> bytes:
    return body[: rng.randrange(len(body))]


def _spliced(body: bytes, rng: random.Random) -> bytes:
    return body[: rng.randrange(len(body))] + body[rng.randrange(len(body)) :]


def queried(path: str, pairs: Sequence[tuple[str, str]]) -> Bad:
    """A page, asked for in other words."""
    return Bad(f"{path}?{urlencode(pairs, errors='surrogatepass')}", b"", method="GET")


QUERY = ("span", "since", "until", "label", "find", "sort", "page", "table", "next", "ticket")
"""What addresses of pages may say."""


def _odd_query(path: str, rng: random.Random) -> Bad:
    values = [str(one)[:500] for one in ODD]
    return queried(path, [(rng.choice(QUERY), rng.choice(values)) for _ in range(rng.randrange(1, 4))])


def changed(path: str, method: str, body: bytes, kind: str, rng: random.Random) -> Bad:
    """Any good request, changed in some way."""
    return mutated(path, body, kind, rng) if method == "POST" else _odd_query(path, rng)


def with_value(body: bytes, place: int, value: Any) -> bytes:
    """JSON with a value in place of another: of the one at `place` among them all, counted round."""
    tree = json.loads(body)
    places = list(_places(tree))
    parent, key = places[place % len(places)]
    parent[key] = value
    return json.dumps(tree).encode()


def _odd_value(body: bytes, rng: random.Random) -> bytes:
    """One value of the JSON, at any depth, becomes another, of any kind."""
    tree = json.loads(body)
    places = list(_places(tree))
    for _ in range(rng.choice((1, 1, 3))):
        parent, key = rng.choice(places)
        parent[key] = rng.choice(ODD)
    return json.dumps(tree).encode()


def _left_out(body: bytes, rng: random.Random) -> bytes:
    """One value of the JSON less."""
    tree = json.loads(body)
    parent, key = rng.choice(list(_places(tree)))
    del parent[key]
    return json.dumps(tree).encode()


def _nested(body: bytes, rng: random.Random) -> bytes:
    tree = json.loads(body)
    parent, key = rng.choice(list(_places(tree)))
    deep: Any = parent[key]
    for _ in range(rng.choice((5, 90, 150, 400))):
        deep = {"arrayValue": {"values": [deep]}} if rng.random() < 0.5 else [deep]
    parent[key] = deep
    return json.dumps(tree).encode()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    keys: list[Any] = []
    if isinstance(tree, dict):
        keys = list(cast("dict[str, Any]", tree))
    elif isinstance(tree, list):
        keys = list(range(len(tree)))  # pyright: ignore[reportUnknownArgumentType]
    for key in keys:
        yield tree, key
        yield from _places(tree[key])
