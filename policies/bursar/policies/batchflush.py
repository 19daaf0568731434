"""
When is what waits sent as a batch, how much of it, and until when is a batch waited for?

The longer a call may wait, the longer it waits for company: that fills batches, and shared prefixes meet in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_REQUESTS = 100_000
MOST_BYTES = 256 * 1024 * 1024
"""What the API takes in one batch, the JSON around the requests included."""
HEAD, TAIL = b'{"requests":[', b"]}"
BEFORE_ID, BEFORE_PARAMS, AFTER = b'{"custom_id":"', b'","params":', b"}"
FRAMING = len(BEFORE_ID) + len(BEFORE_PARAMS) + len(AFTER) + 1
"""What a request costs beside its own text and its id: the comma behind it included."""

LONGEST_AGE_SECONDS = 300.0
LONGEST_SYNC_SECONDS = 60.0
PART = 10
"""For company a call waits a tenth of what it may wait in all; as much is left for a fallback at the end."""
PRIOR_SECONDS = 20.0
"""
What a batch is taken to need until some have ended. Too little is the milder mistake: what does not come in time is
sent at the ordinary price, which is what it would have cost anyway.
"""
ENOUGH = 5
"""So many ended batches say more than the prior."""

_SECOND = 10**9


class Flush(StrEnum):
    """Why a batch is sent now."""

    COUNT = "count"
    BYTES = "bytes"
    AGE = "age"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits together. Instants in nanoseconds."""

    count: int
    bytes: int
    """With framing."""
    flush_ns: int
    """When its first call has waited long enough for company."""
    fall_back_ns: int
    """When its first call will be waited for no longer."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long batches take, in seconds."""

    usual: float = PRIOR_SECONDS
    slow: float = PRIOR_SECONDS
    """Nine in ten are faster."""
    learnt: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """Until when a call waits for company, and for a batch."""

    flush_ns: int
    fall_back_ns: int
    span: int
    """The class of how long it may wait: what travels together is due at about the same time."""


def flush_due(queue: Queue, times: Times, now_ns: int) -> Flush | None:
    """Why what waits is to be sent now; None while it may wait for more."""
    if not queue.count:
        return None
    if queue.count >= MOST_REQUESTS:
        return Flush.COUNT
    if queue.bytes >= MOST_BYTES - len(HEAD) - len(TAIL):
        return Flush.BYTES
    if now_ns >= queue.flush_ns:
        return Flush.AGE
    if now_ns + int(times.slow * _SECOND) >= queue.fall_back_ns:
        return Flush.DEADLINE
    return None


def schedule(taken_ns: int, due_ns: int) -> Schedule:
    """When a call that is taken now is to be sent at the latest, and when it is no longer waited for."""
    wait_ns = max(due_ns - taken_ns, 0)
    flush_ns = taken_ns + min(wait_ns // PART, int(LONGEST_AGE_SECONDS * _SECOND))
    fall_back_ns = due_ns - min(wait_ns // PART, int(LONGEST_SYNC_SECONDS * _SECOND))
    return Schedule(flush_ns, fall_back_ns, (wait_ns // _SECOND).bit_length() // 2)


def soon(taken_ns: int, due_ns: int, times: Times) -> bool:
    """Whether an answer is wanted sooner than batches usually come; until that is learnt, whether it is due already."""
    wait = (due_ns - taken_ns) / _SECOND
    return wait <= (times.usual if times.learnt else 0.0)


def learn(took_seconds: Sequence[float]) -> Times:
    """How long batches take, out of those that have ended; the prior where these are too few."""
    if len(took_seconds) < ENOUGH:
        return Times()
    ordered = sorted(took_seconds)
    return Times(_quantile(ordered, 5), _quantile(ordered, 9), learnt=True)


def body_bytes(requests: int, framed: int) -> int:
    """The length of a batch's body; `framed` is the sum of its requests with `FRAMING` and their ids."""
    return len(HEAD) + framed - (1 if requests else 0) + len(TAIL)


def _quantile(ordered: Sequence[float], tenths: int) -> float:
    """The smallest value that at least so many tenths of all do not exceed."""
    return ordered[-(-len(ordered) * tenths // 10) - 1]
