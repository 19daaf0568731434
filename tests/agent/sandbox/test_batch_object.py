"""Claims about batches as the API tells them. The epoch's first day, for dates that can be read."""

from __future__ import annotations

import json

import pytest

from bursar.agent.sandbox.batch import Batch, Item, Result
from bursar.agent.sandbox.batch_object import batch_object, page_object, result_line
from bursar.agent.sandbox.batch_scene import BatchScene, Outcome

URL = "http://sandbox/v1/messages/batches/b1/results"


def batch(*, ended: float | None = None, canceled: float | None = None) -> Batch:
    results = [Result("a", Outcome.SUCCEEDED)] if ended is not None else []
    scene = BatchScene(0, None, {})
    return Batch("b1", "k", "v", None, None, (Item("a", {}),), scene, 60, results, canceled, ended)


def test_a_new_batch() -> None:
    """Everything that the API says, and nothing else."""
    assert batch_object(batch(), 60, "http://sandbox/") == {
        "id": "b1",
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": None,
        "created_at": "1970-01-01T00:01:00.000000+00:00",
        "expires_at": "1970-01-02T00:01:00.000000+00:00",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }


@pytest.mark.parametrize(
    ("ended", "canceled", "status", "url"),
    [
        (None, None, "in_progress", None),
        (None, 61, "canceling", None),
        (62, None, "ended", URL),
        (62, 61, "ended", URL),
    ],
)
def test_status(ended: float | None, canceled: float | None, status: str, url: str | None) -> None:
    """Results can be had once it has ended, also by cancellation."""
    told = batch_object(batch(ended=ended, canceled=canceled), 70, "http://sandbox/")
    assert (told["processing_status"], told["results_url"]) == (status, url)
    assert told["ended_at"] == (None if ended is None else "1970-01-01T00:01:02.000000+00:00")
    assert told["cancel_initiated_at"] == (None if canceled is None else "1970-01-01T00:01:01.000000+00:00")


def test_archived() -> None:
    """29 days after its creation."""
    month = 60 + 29 * 24 * 3_600.0
    before, after = (batch_object(batch(ended=62), now, "http://sandbox/") for now in (month - 1, month))
    assert (before["archived_at"], before["results_url"]) == (None, URL)
    assert (after["archived_at"], after["results_url"]) == ("1970-01-30T00:01:00.000000+00:00", None)
    assert batch_object(batch(), month, "http://sandbox/")["archived_at"] is None


def test_pages() -> None:
    """A page names its first and last; an empty one has none."""
    assert page_object([{"id": "x"}, {"id": "y"}], has_more=True) == {
        "data": [{"id": "x"}, {"id": "y"}],
        "has_more": True,
        "first_id": "x",
        "last_id": "y",
    }
    assert page_object([], has_more=False) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_result_lines() -> None:
    """One line of JSON; what has no message and no error has a type alone."""
    line = result_line(Result("a", Outcome.SUCCEEDED, {"message": {"id": "msg_\n"}}))
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert json.loads(line) == {"custom_id": "a", "result": {"type": "succeeded", "message": {"id": "msg_\n"}}}
    assert json.loads(result_line(Result("b", Outcome.EXPIRED))) == {"custom_id": "b", "result": {"type": "expired"}}
