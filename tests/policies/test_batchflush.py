"""Claims about when a batch is sent, how large it may be, and until when it is waited for."""

from __future__ import annotations

import json

import pytest

from bursar.policies import batchflush
from bursar.policies.batchflush import FRAMING, MOST_BYTES, Flush, Queue, Times, body_bytes, flush_due, learn, schedule

SECOND = 10**9
NOW = 1_000 * SECOND


def queue(count: int = 1, size: int = 100, flush_s: int = 300, fall_back_s: int = 7_000) -> Queue:
    return Queue(count, size, NOW + flush_s * SECOND, NOW + fall_back_s * SECOND)


@pytest.mark.parametrize(
    ("waits", "why"),
    [
        (queue(), None),
        (queue(count=0, flush_s=-1), None),
        (queue(count=99_999), None),
        (queue(count=100_000), Flush.COUNT),
        (queue(size=MOST_BYTES - 15), Flush.BYTES),
        (queue(size=MOST_BYTES - 16), None),
        (queue(flush_s=1), None),
        (queue(flush_s=0), Flush.AGE),
        (queue(fall_back_s=21), None),
        (queue(fall_back_s=20), Flush.DEADLINE),
    ],
)
def test_flush(waits: Queue, why: Flush | None) -> None:
    """At the API's limits (the 15 bytes around all requests counted), at its age, or while a slow batch still fits."""
    assert flush_due(waits, Times(), NOW) is why


@pytest.mark.parametrize(
    ("wait_s", "flush_s", "fall_back_s", "span"),
    [
        (7_200, 300, 7_140, 6),
        (600, 60, 540, 5),
        (60, 6, 54, 3),
        (0, 0, 0, 0),
        (-5, 0, -5, 0),
    ],
)
def test_schedule(wait_s: int, flush_s: int, fall_back_s: int, span: int) -> None:
    """A tenth of the wait for company, at most five minutes; a tenth for a fallback, at most one."""
    made = schedule(NOW, NOW + wait_s * SECOND)
    assert (made.flush_ns - NOW, made.fall_back_ns - NOW) == (flush_s * SECOND, fall_back_s * SECOND)
    assert made.span == span


def test_learning() -> None:
    """Four batches teach nothing; of ten from 10 to 100 s the usual one takes 50, and nine in ten at most 90."""
    assert learn([1.0] * 4) == Times(20.0, 20.0)
    assert learn([10.0 * n for n in range(10, 0, -1)]) == Times(50.0, 90.0, learnt=True)


@pytest.mark.parametrize(
    ("wait_s", "times", "answer"),
    [
        (1, Times(), False),
        (0, Times(), True),
        (600, Times(600.0, 900.0, learnt=True), True),
        (601, Times(600.0, 900.0, learnt=True), False),
    ],
)
def test_soon(wait_s: int, times: Times, answer: bool) -> None:
    """Until batches were seen, only what is due already is too soon; then what the usual one does not make."""
    assert batchflush.soon(NOW, NOW + wait_s * SECOND, times) is answer


def test_framing() -> None:
    """A body put together of its parts is as long as it is said to be, and JSON."""
    requests = [("a-1", b'{"x":1}'), ("b", b"{ }")]
    parts = [
        batchflush.BEFORE_ID + name.encode() + batchflush.BEFORE_PARAMS + text + batchflush.AFTER
        for name, text in requests
    ]
    body = batchflush.HEAD + b",".join(parts) + batchflush.TAIL
    framed = sum(len(name) + len(text) + FRAMING for name, text in requests)
    assert len(body) == body_bytes(2, framed)
    assert json.loads(body)["requests"][1] == {"custom_id": "b", "params": {}}
    assert body_bytes(0, 0) == len(b'{"requests":[]}')
