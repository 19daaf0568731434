"""Which requests go into which batch? As many as the API takes at once, by the headers that they share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from bursar.instrumentation.orders import Headers, Order

MOST_REQUESTS = 100_000
MOST_BYTES = 256 * 1_000_000
"""The API's 256 MB, taken as the smaller of the two that this may mean."""
FRAME_BYTES = len('{"requests":[]}')
ITEM_BYTES = len('{"custom_id":"","params":},')


class Packed(Protocol):
    """What is put into a parcel."""

    @property
    def id(self) -> str: ...

    @property
    def order(self) -> Order: ...


P = TypeVar("P", bound=Packed)
Kind = tuple[bool, Headers]


def bytes_of(packed: Packed) -> int:
    """What a request takes of its batch's body, with the comma behind it."""
    return packed.order.size + len(packed.id) + ITEM_BYTES


class Parcels(Generic[P]):
    """Requests under way to their batches, each kind in one of its own. No batch is begun before one is full."""

    def __init__(self, *, most_requests: int = MOST_REQUESTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_requests = most_requests
        self._most_bytes = most_bytes
        self._open: dict[Kind, list[P]] = {}
        self._bytes: dict[Kind, int] = {}

    def takes(self, packed: Packed) -> bool:
        """Whether any batch is large enough for this one."""
        return FRAME_BYTES + bytes_of(packed) <= self._most_bytes

    def add(self, packed: P) -> list[P]:
        """Put a request in; what has to leave first because it would not fit beside it."""
        kind = (packed.order.beta, packed.order.headers)
        waiting, size = self._open.get(kind, []), self._bytes.get(kind, FRAME_BYTES)
        if len(waiting) >= self._most_requests or size + bytes_of(packed) > self._most_bytes:
            full, waiting, size = waiting, [], FRAME_BYTES
        else:
            full = []
        waiting.append(packed)
        self._open[kind], self._bytes[kind] = waiting, size + bytes_of(packed)
        return full

    def rest(self) -> Iterator[list[P]]:
        """All that is still here, parcel by parcel."""
        while self._open:
            kind = next(iter(self._open))
            self._bytes.pop(kind)
            yield self._open.pop(kind)
