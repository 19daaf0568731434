"""What does a process tell of a day's requests? The fingerprints that the instrumentation's own worker would make."""

from __future__ import annotations

import json
from typing import Any

from bursar.instrumentation.fingerprint import Hashing
from bursar.instrumentation.promptblocks import prompt_of
from bursar.policies.fingerprint import Fingerprint

KEY = "00" * 16
"""An installation's, in hex."""


class Worker:
    """Makes them, and remembers which texts it has told the beginnings of."""

    def __init__(self) -> None:
        self._hashing = Hashing(KEY)

    def fingerprint(self, attempt_id: str, body: dict[str, Any], begins: float) -> Fingerprint:
        """A request by its blocks; `begins` is how many seconds its answer took to begin."""
        prompt = prompt_of(json.dumps(body).encode())
        blocks = self._hashing.blocks(prompt)
        return Fingerprint(
            attempt_id,
            blocks,
            conversation=self._hashing.conversation(blocks),
            ttft_ns=round(begins * 1e9),
            automatic=prompt.automatic,
            stretches=self._hashing.stretches(prompt, blocks),
        )
