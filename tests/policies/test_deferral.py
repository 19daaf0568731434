"""Deferral: what crosses the wall about a call that was put off is understood, or refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bursar.policies.deferral import (
    DeferralError,
    Message,
    Offer,
    Outcome,
    State,
    Taken,
    WaitRequest,
    WaitResponse,
    WithdrawRequest,
    offer_from_json,
    taken_from_json,
    to_json,
    wait_request_from_json,
    wait_response_from_json,
    withdraw_request_from_json,
)

OFFER = Offer(
    id="h-c1",
    call_id="h-c1",
    attempt_id="h-2",
    at_ns=1,
    due_ns=2,
    route="r",
    model="m",
    requested_model="m",
    body='{"model":"m"}',
    credential="ab",
    labels={"tenant": "acme"},
    balances=("day|w|",),
    hard=("day|w|",),
    most=3,
)
OUTCOME = Outcome("h-c1", State.ERRORED, "no", status=400, error={"type": "invalid_request_error"}, charges=({},))
MESSAGES: list[tuple[Message, Callable[[Any], Message]]] = [
    (OFFER, offer_from_json),
    (Taken("h-c1", accepted=False, reason="credential"), taken_from_json),
    (WaitRequest(("a", "b"), 1.5, deliver=False), wait_request_from_json),
    (WaitResponse((OUTCOME,)), wait_response_from_json),
    (WithdrawRequest("h-c1", sends=True, why="late"), withdraw_request_from_json),
]


@pytest.mark.parametrize(("message", "read"), MESSAGES)
def test_each_message_is_read_as_it_was_written(message: Message, read: Callable[[Any], Message]) -> None:
    """Over JSON, and past fields that this version does not know."""
    assert read({**json.loads(json.dumps(to_json(message))), "of_a_later_version": 1}) == message


@pytest.mark.parametrize(
    ("read", "value", "named"),
    [
        (offer_from_json, [], "JSON object"),
        (offer_from_json, {**to_json(OFFER), "due_ns": -1}, "due_ns"),
        (offer_from_json, {**to_json(OFFER), "most": True}, "most"),
        (offer_from_json, {**to_json(OFFER), "body": None}, "body"),
        (offer_from_json, {**to_json(OFFER), "hard": "day|w|"}, "hard"),
        (taken_from_json, {"id": "a"}, "accepted"),
        (taken_from_json, {"id": "a", "accepted": True, "state": "lost"}, "lost"),
        (wait_request_from_json, {"ids": [1]}, "ids"),
        (wait_request_from_json, {"ids": [], "seconds": 1e9}, "seconds"),
        (wait_response_from_json, {"outcomes": [{"id": "a"}]}, "state"),
        (wait_response_from_json, {"outcomes": 1}, "outcomes"),
        (withdraw_request_from_json, {}, "id"),
    ],
)
def test_what_cannot_be_understood_says_which_field(read: Callable[[Any], Message], value: Any, named: str) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(DeferralError, match=named):
        read(value)


def test_what_is_over_is_not_waited_for() -> None:
    """A call that was sent at once instead is on its way still."""
    assert [state for state in State if not state.over] == [
        State.QUEUED,
        State.SUBMITTING,
        State.IN_PROGRESS,
        State.FALLEN_BACK,
    ]
