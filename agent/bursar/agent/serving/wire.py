"""Is a guard's message one that can be worked with?"""

from __future__ import annotations

import re

from bursar.agent.serving.jsonbody import read_loosely
from bursar.policies.protocol import (
    Need,
    ProtocolError,
    RecallRequest,
    SyncRequest,
    recall_request_from_json,
    request_from_json,
)

_MOST = 2**63 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a sign: JSON may escape one, and no database takes it."""


def parse_request(body: bytes) -> SyncRequest:
    """
    The message in a request's body, with every name a text and every amount one that the ledger holds.

    Records are left as they are: the ledger books the sound ones and counts the others. Raises `ProtocolError`.
    """
    request = request_from_json(_json(body, "a sync request"))
    _check_holder(request)
    _whole(request.seq, "seq")
    for name, amounts in (("returned", request.returned), ("granted_seen", request.granted_seen)):
        _texts(tuple(amounts), f"the keys of {name}")
        for key, amount in amounts.items():
            _whole(amount, f"{name}[{key!r}]")
    for need in request.needs:
        _check_need(need)
    _texts(request.views, "views")
    if not all(isinstance(record, dict) for record in request.records):
        raise ProtocolError("every one of records must be a JSON object")
    return request


def parse_recall(body: bytes) -> RecallRequest:
    """Who waits to be told, from a request's body. Raises `ProtocolError`."""
    request = recall_request_from_json(_json(body, "a recall request"))
    _texts((request.holder,), "holder")
    return request


def _json(body: bytes, what: str) -> object:
    try:
        return read_loosely(body)
    except ValueError as error:
        raise ProtocolError(f"the body is no JSON: {error}; send {what} as `protocol.to_json` writes it") from error


def _check_holder(request: SyncRequest) -> None:
    holder = request.holder
    _texts((holder.id, holder.host, holder.service), "the texts of holder")
    if not holder.id:
        raise ProtocolError("holder.id must not be empty: it names the process")
    if holder.journal is not None:
        _texts((holder.journal,), "holder.journal")
    _whole(holder.pid, "holder.pid")
    _whole(holder.started_ns, "holder.started_ns")


def _check_need(need: Need) -> None:
    _texts((need.attempt_id, *need.balances), "the texts of a need")
    for name in ("most", "least", "expected"):
        _whole(getattr(need, name), f"need.{name}")


def _texts(values: tuple[object, ...], name: str) -> None:
    for value in values:
        if not isinstance(value, str) or _SURROGATE.search(value):
            raise ProtocolError(f"{name} must be texts, got {ascii(value)[:60]}")


def _whole(value: object, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise ProtocolError(f"{name} must be a whole number from 0 to {_MOST}, got {ascii(value)[:60]}")
