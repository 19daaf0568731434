"""What is handed to the background of an attempt that was answered, for the fingerprint of its prompt."""

from __future__ import annotations

from typing import NamedTuple


class Answered(NamedTuple):
    """The bytes are those that were sent: handing them over costs nothing, and they hold no object of the caller's."""

    attempt_id: str
    route: str
    model: str
    content: bytes
    sent_ns: int
    """By `perf_counter_ns`."""
    ttft_ns: int
    miss_reason: str = ""
