"""What does a process tell of a day's requests? The fingerprints that the instrumentation's own worker would make."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from bursar.instrumentation.fingerprint import Hashing
from bursar.instrumentation.promptblocks import prompt_of
from bursar.policies.fingerprint import Block, Fingerprint

KEY = "00" * 16
"""An installation's, in hex."""


@dataclass(frozen=True, slots=True)
class Blur:
    """How much worse than in the sandbox the fingerprints are; nothing by default."""

    off: float = 0.0
    """
    Each block's estimate of tokens is off by up to this share, up or down: the sandbox counts tokens as the worker
    estimates them, and the API does not.
    """
    share: float = 1.0
    """Of the conversations that are looked at, as by a worker that is short of time."""


class Worker:
    """Makes them, and remembers which texts it has told the beginnings of."""

    def __init__(self, blur: Blur) -> None:
        self._hashing = Hashing(KEY)
        self._blur = blur

    def fingerprint(self, attempt_id: str, body: dict[str, Any], begins: float) -> Fingerprint | None:
        """A request by its blocks, or nothing; `begins` is how many seconds its answer took to begin."""
        prompt = prompt_of(json.dumps(body).encode())
        blocks = self._hashing.blocks(prompt)
        conversation = self._hashing.conversation(blocks)
        if _drawn(conversation) >= self._blur.share:
            return None
        return Fingerprint(
            attempt_id,
            tuple(replace(block, tokens=self._estimate(block)) for block in blocks),
            conversation=conversation,
            share=self._blur.share,
            ttft_ns=round(begins * 1e9),
            automatic=prompt.automatic,
            stretches=self._hashing.stretches(prompt, blocks),
        )

    def _estimate(self, block: Block) -> int:
        """The same for the same block, wherever it stands."""
        return round(block.tokens * (1 + self._blur.off * (2 * _drawn(block.hash) - 1)))


def _drawn(digest: str) -> float:
    """From 0 up to, and without, 1."""
    return int(digest, 16) / float(1 << 4 * len(digest))
