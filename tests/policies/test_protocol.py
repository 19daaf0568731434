"""Protocol: an old guard and a new agent understand each other, and the other way round."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.policies.protocol import (
    VERSION,
    Answer,
    BalanceView,
    Holder,
    Need,
    ProtocolError,
    Snapshot,
    SyncRequest,
    SyncResponse,
    Verdict,
    request_from_json,
    response_from_json,
    snapshot_from_json,
    to_json,
)

HOLDER = Holder("h", 12, "host", 34, "/state/h.jsonl", "desk")
NEED = Need("h-1", ("a|w|", "b|w|x=1"), most=900, least=100, expected=50)
REQUEST = SyncRequest(
    HOLDER,
    seq=7,
    records=({"kind": "released", "attempt_id": "h-0"},),
    returned={"a|w|": 10},
    granted_seen={"a|w|": 20},
    needs=(NEED,),
    views=("c|w|",),
    snapshot_id="s1",
    goodbye=True,
)
RESPONSE = SyncResponse(
    granted={"a|w|": 30},
    answers=(Answer("h-1", Verdict.REFUSED, 5, "spent", "a|w|"), Answer("h-2", Verdict.GRANTED, 6)),
    views=(BalanceView("a|w|", 100, 110, 50, 5, 20, "2026-11-23T00:00:00Z", usual=3, unusual=18),),
    settled={"a|w|": (3, 4)},
    snapshot=Snapshot("s2", "version = 1", "[[model]]", "bursar.toml"),
)


def over_the_wire(message: SyncRequest | SyncResponse) -> Any:
    return json.loads(json.dumps(to_json(message)))


@pytest.mark.parametrize("request_", [REQUEST, SyncRequest(Holder("h", 1, "host", 2), 0)])
def test_a_request_survives_the_wire(request_: SyncRequest) -> None:
    """Full and bare."""
    assert request_from_json(over_the_wire(request_)) == request_


@pytest.mark.parametrize("response", [RESPONSE, SyncResponse(), SyncResponse(snapshot=Snapshot("s"))])
def test_a_response_survives_the_wire(response: SyncResponse) -> None:
    """Full and bare."""
    assert response_from_json(over_the_wire(response)) == response


def test_a_newer_guard_is_understood() -> None:
    """Fields that came later are passed over, wherever they are; its version is told."""
    value = over_the_wire(REQUEST)
    value |= {"later": 1, "protocol": VERSION + 1}
    value["holder"]["later"] = 1
    value["needs"][0]["later"] = 1
    assert to_json(request_from_json(value)) == {**to_json(REQUEST), "protocol": VERSION + 1}


def test_a_newer_agent_is_understood() -> None:
    """The same for its answers."""
    value = over_the_wire(RESPONSE)
    value |= {"later": 1, "protocol": VERSION + 1}
    for part in (*value["answers"], *value["views"], value["snapshot"]):
        part["later"] = 1
    assert to_json(response_from_json(value)) == {**to_json(RESPONSE), "protocol": VERSION + 1}


def test_an_older_guard_is_understood() -> None:
    """One that knew only the least."""
    holder = {"id": "h", "pid": 1, "host": "x", "started_ns": 2}
    found = request_from_json({"holder": holder, "seq": 3})
    assert found == SyncRequest(Holder("h", 1, "x", 2), 3)
    need = {"attempt_id": "a", "balances": ["b"], "most": 2, "least": 1}
    assert request_from_json({"holder": holder, "seq": 3, "needs": [need]}).needs == (Need("a", ("b",), 2, 1),)


def test_an_older_agent_is_understood() -> None:
    """One that says next to nothing."""
    assert response_from_json({}) == SyncResponse()
    found = response_from_json({"answers": [{"attempt_id": "a", "verdict": "wait"}], "snapshot": {"id": "s"}})
    assert found == SyncResponse(answers=(Answer("a", Verdict.WAIT),), snapshot=Snapshot("s"))


@pytest.mark.parametrize("settled", [[], {"a|w|": 3}, {"a|w|": [3]}, {"a|w|": [3, "4"]}, {"a|w|": [1, 2, 3]}])
def test_what_is_settled_comes_in_pairs(settled: Any) -> None:
    """Anything else is not understood."""
    with pytest.raises(ProtocolError):
        response_from_json({"settled": settled})


def changed(value: Any, path: str, new: Any) -> Any:
    """A copy of a JSON value with one field replaced, or taken away by `...`."""
    copy = json.loads(json.dumps(value))
    *way, last = path.split(".")
    place = copy
    for name in way:
        place = place[int(name)] if name.isdigit() else place[name]
    if new is ...:
        del place[last]
    else:
        place[last] = new
    return copy


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        ("holder", ..., "incomplete: 'holder'"),
        ("holder", 5, "holder must be a JSON object, not int"),
        ("holder.pid", ..., "incomplete: .*pid"),
        ("seq", ..., "incomplete: 'seq'"),
        ("seq", "7", "seq must be a whole number, not '7'"),
        ("seq", True, "seq must be a whole number, not True"),
        ("records", 5, "incomplete"),
        ("returned", None, "returned must be a JSON object, not NoneType"),
        ("returned", {"a": 1.5}, r"returned\['a'\] must be a whole number, not 1.5"),
        ("granted_seen", ["a"], "granted_seen must be a JSON object, not list"),
        ("needs", [5], "need must be a JSON object, not int"),
        ("needs.0.balances", ..., "incomplete: 'balances'"),
        ("needs.0.most", ..., "incomplete: .*most"),
        ("needs.0.least", "1", "least must be a whole number, not '1'"),
        ("views", 5, "incomplete"),
    ],
)
def test_a_request_that_cannot_be_understood_says_why(path: str, new: Any, message: str) -> None:
    """Naming the field."""
    with pytest.raises(ProtocolError, match=message):
        request_from_json(changed(over_the_wire(REQUEST), path, new))


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        ("granted", {"a": None}, r"granted\['a'\] must be a whole number, not None"),
        ("answers.0.verdict", "perhaps", "answer.verdict: 'perhaps' is not a valid Verdict"),
        ("answers.0.verdict", ..., "incomplete: 'verdict'"),
        ("answers.0.amount", "5", "amount must be a whole number"),
        ("answers", 5, "incomplete"),
        ("views.0.limit", ..., "incomplete: .*limit"),
        ("views.0.spent", 1e9, "spent must be a whole number"),
        ("snapshot", "s2", "snapshot must be a JSON object, not str"),
        ("snapshot.id", ..., "the snapshot is incomplete: it has no id"),
        ("snapshot.id", None, "snapshot.id must be text, not NoneType"),
        ("snapshot.policy", 5, "snapshot.policy must be text, not int"),
        ("protocol", "1", "protocol must be a whole number"),
    ],
)
def test_a_response_that_cannot_be_understood_says_why(path: str, new: Any, message: str) -> None:
    """Naming the field: nothing of it is used."""
    with pytest.raises(ProtocolError, match=message):
        response_from_json(changed(over_the_wire(RESPONSE), path, new))


@pytest.mark.parametrize("value", [None, 5, [], "x"])
def test_what_is_no_object_is_no_message(value: Any) -> None:
    """For all three readers."""
    for read in (request_from_json, response_from_json, snapshot_from_json):
        with pytest.raises(ProtocolError, match=f"must be a JSON object, not {type(value).__name__}"):
            read(value)
