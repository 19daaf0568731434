"""How do fingerprints get to the agent?"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Protocol

from bursar.instrumentation.link import Misunderstood
from bursar.instrumentation.quiet import tell_once
from bursar.policies.fingerprint import PATH, Fingerprint, Prints, to_json

BATCH = 200
BATCH_BYTES = 1_000_000
MOST = 2_000
"""Fingerprints kept while the agent is away, and how large they may be in all."""
MOST_BYTES = 8_000_000
_BLOCK_BYTES, _STRETCH_BYTES, _REST_BYTES = 90, 11, 200
"""What each takes as JSON, about, if no other fingerprint shares it."""


class Link(Protocol):
    """A connection of its own to the agent."""

    def post(self, path: str, body: bytes, *, patient: bool = False, seconds: float | None = None) -> object:
        """Raises `Unreachable`."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...

    def abandon(self) -> None:
        """Forget it after a fork."""
        ...


class PrintPost:
    """Fingerprints that are to be told, oldest first; kept within bounds while the agent is away."""

    def __init__(self, link: Link, holder: Callable[[], str], dropped: Callable[[str], object]) -> None:
        """`dropped` is told the conversation (by its sampling hash) of what had to be forgotten untold."""
        self._link = link
        self._holder = holder
        self._dropped = dropped
        self._kept: deque[tuple[Fingerprint, str, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, one: Fingerprint, conversation: str) -> None:
        """Keep one until it is told."""
        size = _size(one)
        self._kept.append((one, conversation, size))
        self._bytes += size
        while len(self._kept) > MOST or (self._bytes > MOST_BYTES and len(self._kept) > 1):
            self._dropped(self._forget())

    def ship(self, seconds: float | None = None) -> None:
        """Tell all of them. Raises `Unreachable`; what was not taken is kept."""
        while self._kept:
            batch = self._batch()
            body = json.dumps(to_json(Prints(self._holder(), batch)), separators=(",", ":")).encode()
            try:
                self._link.post(PATH, body, patient=seconds is None, seconds=seconds)
            except Misunderstood as error:
                tell_once("fingerprints", f"bursar: the agent cannot read these fingerprints, they are lost: {error}")
                for _ in batch:
                    self._dropped(self._forget())
                continue
            for _ in batch:
                self._forget()

    def _batch(self) -> tuple[Fingerprint, ...]:
        found, total = list[Fingerprint](), 0
        for one, _, size in self._kept:
            total += size
            if found and (total > BATCH_BYTES or len(found) >= BATCH):
                break
            found.append(one)
        return tuple(found)

    def _forget(self) -> str:
        _, conversation, size = self._kept.popleft()
        self._bytes -= size
        return conversation


def _size(one: Fingerprint) -> int:
    stretches = sum(len(hashes) for hashes in one.stretches.values())
    return _REST_BYTES + _BLOCK_BYTES * len(one.blocks) + _STRETCH_BYTES * stretches
