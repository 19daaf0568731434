"""Claims about messages of guards: what cannot be worked with is refused with a sentence that names it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.agent.serving.wire import parse_request
from bursar.policies.protocol import Holder, Need, ProtocolError, SyncRequest, to_json

HOLDER = {"id": "h", "pid": 1, "host": "web-1", "started_ns": 5}
NEED = {"attempt_id": "a", "balances": ["b"], "most": 2, "least": 1}


def body(**changes: Any) -> bytes:
    """A message with these fields."""
    return json.dumps({"holder": HOLDER, "seq": 1, **changes}).encode()


def test_round_trip() -> None:
    """What a guard writes is read as it was meant; fields of a later version are passed over."""
    request = SyncRequest(
        Holder("h", 1, "web-1", 5, journal="/j", service="desk"),
        seq=3,
        records=({"kind": "sent"},),
        returned={"b": 1},
        granted_seen={"b": 2**63 - 1},
        needs=(Need("a", ("b", "c"), 2, 1, 1),),
        views=("b",),
        snapshot_id="s",
        goodbye=True,
    )
    assert parse_request(json.dumps({**to_json(request), "later": 1}).encode()) == request


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"{", "the body is no JSON"),
        (b"\xff", "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
        (b"[]", "the request must be a JSON object, not list"),
        (b"{}", "the sync request is incomplete: 'holder'"),
        (body(holder=[]), "holder must be a JSON object, not list"),
        (body(holder={"id": "h"}), "the sync request is incomplete"),
        (body(holder={**HOLDER, "id": ""}), "holder.id must not be empty"),
        (body(holder={**HOLDER, "id": 7}), "the texts of holder must be texts, got 7"),
        (body(holder={**HOLDER, "host": "\ud800"}), r"the texts of holder must be texts, got '\\ud800'"),
        (body(holder={**HOLDER, "journal": 7}), "holder.journal must be texts, got 7"),
        (body(holder={**HOLDER, "pid": "1"}), "holder.pid must be a whole number from 0"),
        (body(holder={**HOLDER, "started_ns": 2**63}), "holder.started_ns must be a whole number"),
        (body(seq=-1), "seq must be a whole number from 0 to 9223372036854775807, got -1"),
        (body(seq=True), "seq must be a whole number"),
        (body(returned={"\ud800": 1}), "the keys of returned must be texts"),
        (body(returned=[]), "returned must be a JSON object, not list"),
        (body(returned={"b": 2**63}), r"returned\['b'\] must be a whole number from 0"),
        (body(granted_seen={"b": -1}), r"granted_seen\['b'\] must be a whole number from 0"),
        (body(needs=[{**NEED, "most": 2**63}]), "need.most must be a whole number from 0"),
        (body(needs=[{**NEED, "expected": -1}]), "need.expected must be a whole number from 0"),
        (body(returned={"b": 0.5}), r"returned\['b'\] must be a whole number, not 0.5"),
        (body(granted_seen={"b": None}), r"granted_seen\['b'\] must be a whole number"),
        (body(needs=[7]), "need must be a JSON object, not int"),
        (body(needs=[{**NEED, "most": "2"}]), "most must be a whole number"),
        (body(needs=[{**NEED, "least": -1}]), "need.least must be a whole number"),
        (body(needs=[{**NEED, "expected": 0.1}]), "expected must be a whole number"),
        (body(needs=[{**NEED, "attempt_id": None}]), "the texts of a need must be texts, got None"),
        (body(needs=[{**NEED, "balances": [1]}]), "the texts of a need must be texts, got 1"),
        (body(views=[1]), "views must be texts, got 1"),
        (body(records=["sent"]), "every one of records must be a JSON object"),
        (body(records=7), "the sync request is incomplete"),
    ],
)
def test_refused(message: bytes, told: str) -> None:
    """Each thing that is wrong is named."""
    with pytest.raises(ProtocolError, match=told):
        parse_request(message)


def test_records_are_not_judged() -> None:
    """A bad record is the ledger's to count: it must not keep the good ones out."""
    assert parse_request(body(records=[{"kind": "nonsense"}, {}])).records == ({"kind": "nonsense"}, {})
