"""The lines of a journal: what became of each attempt, as one JSON object a line, readable after any crash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.usage import Usage

T = TypeVar("T")


class RecordError(ValueError):
    """A line that is no record: torn by a crash, or from something else."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt is about to leave: written before the request, so that no crash can hide it."""

    attempt_id: str
    call_id: str
    at_ns: int
    route: str
    model: str
    requested_model: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    balances: tuple[str, ...] | None = None
    """Keys of every balance this attempt counts against; None when no policy was known: the agent matches then."""
    leased: tuple[str, ...] = ()
    """The part of `balances` that lent money for it."""
    bound_nano: int | None = None
    """The most it can cost, in nano-dollars, and what is held; None when the request does not bound it."""
    expected_nano: int = 0
    action: str = "go"
    reason: str = ""
    decision: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The numbers behind the action, as `engine.Decision.numbers` gives them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What an attempt cost. A stream writes one at `message_start` that is not `final`: a lower bound."""

    charge: Charge
    final: bool = True

    @property
    def attempt_id(self) -> str:
        return self.charge.attempt_id


@dataclass(frozen=True, slots=True)
class Released:
    """An attempt that is known to have cost nothing: never sent, or answered by an error."""

    attempt_id: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision without an attempt: a call that was refused, or would have been."""

    call_id: str
    at_ns: int
    route: str
    model: str
    action: str
    reason: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    decision: Mapping[str, Any] = field(default_factory=dict[str, Any])


Record = Sent | Settled | Released | Decided

_encode = json.JSONEncoder(separators=(",", ":")).encode  # built once: `json.dumps` builds one for every line

_KINDS: dict[str, type[Record]] = {"sent": Sent, "settled": Settled, "released": Released, "decided": Decided}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_json(record: Record) -> dict[str, Any]:
    """A record as a JSON object, its kind under `kind`."""
    fields = _shallow(record)
    if isinstance(record, Settled):
        charge = record.charge
        lines = [_shallow(line) for line in charge.lines]
        fields["charge"] = {**_shallow(charge), "usage": _shallow(charge.usage), "lines": lines}
    return {"kind": _NAMES[type(record)], **fields}


def _shallow(value: Any) -> dict[str, Any]:
    """The fields of a dataclass; `asdict` copies every leaf, at several times the cost, on every call's path."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def to_line(record: Record) -> bytes:
    """A record as one line, newline included."""
    return _encode(to_json(record)).encode() + b"\n"


def from_json(value: Any) -> Record:
    """
    A record from its JSON object; fields that this version does not know are passed over.

    Raises `RecordError`.
    """
    if not isinstance(value, dict):
        raise RecordError(f"expected a JSON object, got {type(value).__name__}")
    fields: dict[str, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
    kind = _KINDS.get(str(fields.pop("kind", "")))
    if kind is None:
        raise RecordError("the record has no `kind` that this version knows")
    try:
        if kind is Settled:
            return Settled(charge=charge_from_json(fields["charge"]), final=bool(fields.get("final", True)))
        return _build(kind, fields)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"not a complete `{_NAMES[kind]}` record: {error}") from error


def from_line(line: bytes) -> Record:
    """A record from its line. Raises `RecordError`."""
    try:
        value = json.loads(line)
    except ValueError as error:
        raise RecordError(f"not JSON: {line[:60]!r}") from error
    return from_json(value)


def charge_from_json(value: Mapping[str, Any]) -> Charge:
    """A charge from `dataclasses.asdict` of one. Raises `KeyError`, `TypeError` or `ValueError`."""
    fields = _known(Charge, value)
    fields["usage"] = _build(Usage, value["usage"])
    fields["basis"] = Basis(value["basis"])
    fields["lines"] = tuple(_build(Line, line) for line in value.get("lines", ()))
    fields["missing"] = tuple(value.get("missing", ()))
    fields["modifiers"] = tuple(value.get("modifiers", ()))
    return Charge(**fields)


def _known(kind: type[Any], value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in kind.__dataclass_fields__ if name in value}


def _build(kind: type[T], value: Mapping[str, Any]) -> T:
    fields = _known(kind, value)
    for name in ("balances", "leased"):
        if isinstance(fields.get(name), list):
            fields[name] = tuple(fields[name])
    return kind(**fields)
