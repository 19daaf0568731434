"""What crosses the wall between a guard and its agent: one request, one response, a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bursar.policies.jsontext import encode

VERSION = 1
"""Raised when a field changes its meaning. New fields do not raise it: each side passes over what it does not know."""

PATH = "/guard/sync"
RECALL_PATH = "/guard/recall"
"""Where a process waits to be told that money which lies idle with it is wanted elsewhere."""
RECALL_SECONDS = 20.0
"""How long such a request is held open before it is answered with nothing."""
RESERVES = "reserves"
"""A word in `SyncRequest.knows`: this process keeps what is set aside for outages apart."""

FORGETS = "forgets"
"""A word in `SyncRequest.knows`: this process forgets balances that are over, and is to be told `settled`."""


class ProtocolError(ValueError):
    """A message that cannot be understood; the text says which field and why."""


class Verdict(StrEnum):
    """The agent's answer to one need."""

    GRANTED = "granted"
    WAIT = "wait"
    """Only money in flight stands in the way: ask again within the budget's patience."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Holder:
    """One incarnation of one process: who holds leases, and where its journal lies."""

    id: str
    pid: int
    host: str
    started_ns: int
    journal: str | None = None
    """Path of the journal, for an agent on the same host; None when it could not be written."""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """
    What one attempt wants before it leaves from every one of these balances or none: of each what it counts in.

    `most` and `least` are nano-dollars; `expected` is what is asked of balances that lend by expectation.
    """

    attempt_id: str
    balances: tuple[str, ...]
    most: int
    """The bound of the request as it stands."""
    least: int
    """The bound when fitted as far as the route allows; equal to `most` where it may not be trimmed."""
    expected: int = 0
    most_tokens: int = 0
    least_tokens: int = 0
    expected_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a need; `balance` names the one that stood in the way."""

    attempt_id: str
    verdict: Verdict
    amount: int = 0
    """Nano-dollars lent by each balance in USD."""
    reason: str = ""
    balance: str = ""
    tokens: int = 0
    """Tokens lent by each balance in tokens."""


@dataclass(frozen=True, slots=True)
class BalanceView:
    """A balance as the agent saw it when it answered. Amounts are in its unit, nano-dollars where that is USD."""

    key: str
    limit: int
    ceiling: int
    """What may be spent in all: the blocking share of the limit, plus the overdraft."""
    spent: int
    """Charges booked, the bounds of unknown ones included."""
    expected: int
    """What the attempts in flight are expected to cost."""
    lent: int
    """What processes may still spend out of their leases."""
    window_end: str | None = None
    recent: Mapping[str, int] = field(default_factory=dict[str, int])
    """By the seconds of each of the budget's velocities, the nano-dollars spent within so long."""
    processes: int = 1
    """How many processes meet its calls."""
    in_force: tuple[str, ...] = ()
    """The steps that were reached and are not left yet, by label: those that change calls, or stand at a loop."""
    usual: int | None = None
    """What an hour like this one usually costs, in nano-dollars; None where nobody knows or no step asks."""
    unusual: int | None = None
    """From what on the last hour, which `recent` has, is so far above it that there must be a loop."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rules in force, whole: swapped, never edited."""

    id: str
    policy: str | None = None
    """Text of the policy file; None when the agent has none."""
    prices: str | None = None
    """Text of the user's own price file."""
    file: str = ""
    """Where the policy came from, for messages."""
    overrides: str | None = None
    """JSON of the overrides in force; see `overrides`."""
    salt: str = ""
    """Under which credentials are named; empty where the agent puts nothing off. See `credential`."""
    credentials: tuple[str, ...] = ()
    """The names of those that the agent submits batches with."""
    fingerprint_key: str = ""
    """Under which blocks of prompts are hashed, in hex; empty where nobody wants fingerprints. See `fingerprint`."""
    markings: str | None = None
    """JSON of the cache marks that guards are to add; see `cachemarks`. None where there are none."""
    models: str | None = None
    """JSON of what the Models API says of each model; see `capabilities`. None where it was not asked, or silent."""
    licences: str | None = None
    """JSON of what the newest evals said of models on routes; see `licence`. None where there was none."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A guard's side: what happened since, what it gives back, what it needs. Counters only grow."""

    holder: Holder
    seq: int
    records: tuple[Mapping[str, Any], ...] = ()
    returned: Mapping[str, int] = field(default_factory=dict[str, int])
    """Per balance, all that this holder has ever given back."""
    granted_seen: Mapping[str, int] = field(default_factory=dict[str, int])
    """Per balance, the most it has ever been granted as far as it knows: mends an agent restored from an old copy."""
    needs: tuple[Need, ...] = ()
    views: tuple[str, ...] = ()
    """Balances whose state is wanted although no money is."""
    snapshot_id: str | None = None
    goodbye: bool = False
    """The process ends: its incarnation is closed once this is booked."""
    knows: tuple[str, ...] = ()
    """What it can do that earlier versions could not."""
    protocol: int = VERSION


@dataclass(frozen=True, slots=True)
class SyncResponse:
    """The agent's side. `granted` is cumulative: merge by maximum."""

    granted: Mapping[str, int] = field(default_factory=dict[str, int])
    answers: tuple[Answer, ...] = ()
    views: tuple[BalanceView, ...] = ()
    keep: tuple[str, ...] = ()
    """Of the balances under `granted`, those whose free money may stay for the next calls; all else is to come back."""
    reserves: Mapping[str, int] = field(default_factory=dict[str, int])
    """By the key of a reserve, the most of it that may stay: more is to come back."""
    settled: Mapping[str, tuple[int, int]] | None = None
    """Of the balances under `granted`, what was returned and what was charged in all; None for who does not ask."""
    snapshot: Snapshot | None = None
    protocol: int = VERSION


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """A process says that it is there to be told, and waits."""

    holder: str
    protocol: int = VERSION


@dataclass(frozen=True, slots=True)
class RecallResponse:
    """The balances whose idle money is wanted, if any."""

    wanted: tuple[str, ...] = ()
    protocol: int = VERSION


def to_json(message: SyncRequest | SyncResponse | RecallRequest | RecallResponse) -> dict[str, Any]:
    """A message as a JSON object. Its mappings are not copied, as `dataclasses.asdict` would, which takes long."""
    return _told(message)


def to_line(message: RecallRequest) -> bytes:
    """A small message as JSON."""
    return encode(to_json(message)).encode("ascii")


def to_body(request: SyncRequest, lines: Iterable[bytes] = ()) -> bytes:
    """
    A request as JSON, with journal lines put in among its records as they stand.

    What is plainly not a JSON object, such as a line that a crash tore, is left out.
    """
    head = encode(to_json(request)).encode("ascii")
    records = b",".join(stripped for line in lines if (stripped := line.strip())[:1] == b"{" and stripped[-1:] == b"}")
    return head.replace(b'"records":[]', b'"records":[%s]' % records, 1)


def _told(message: Any) -> dict[str, Any]:
    return {name: _as_json(getattr(message, name)) for name in message.__dataclass_fields__}


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_json(part) for part in value]  # pyright: ignore[reportUnknownVariableType]
    return _told(value) if hasattr(value, "__dataclass_fields__") else value


def request_from_json(value: Any) -> SyncRequest:
    """Raises `ProtocolError`."""
    fields = _object(value, "the request")
    try:
        known = _known(SyncRequest, fields)
        known["holder"] = Holder(**_known(Holder, _object(fields["holder"], "holder")))
        known["seq"] = _whole(fields["seq"], "seq")
        known["records"] = tuple(fields.get("records", ()))
        known["returned"] = _amounts(fields.get("returned", {}), "returned")
        known["granted_seen"] = _amounts(fields.get("granted_seen", {}), "granted_seen")
        known["needs"] = tuple(_need(need) for need in fields.get("needs", ()))
        known["views"] = tuple(fields.get("views", ()))
        known["knows"] = tuple(map(str, fields.get("knows", ())))
        return SyncRequest(**known)
    except (KeyError, TypeError) as error:
        raise ProtocolError(f"the sync request is incomplete: {error}") from error


def response_from_json(value: Any) -> SyncResponse:
    """Raises `ProtocolError`."""
    fields = _object(value, "the response")
    try:
        snapshot = fields.get("snapshot")
        return SyncResponse(
            granted=_amounts(fields.get("granted", {}), "granted"),
            answers=tuple(_answer(answer) for answer in fields.get("answers", ())),
            views=tuple(_view(view) for view in fields.get("views", ())),
            keep=tuple(map(str, fields.get("keep", ()))),
            reserves=_amounts(fields.get("reserves", {}), "reserves"),
            settled=_settled(fields.get("settled")),
            snapshot=snapshot_from_json(snapshot) if snapshot is not None else None,
            protocol=_whole(fields.get("protocol", VERSION), "protocol"),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ProtocolError):
            raise
        raise ProtocolError(f"the sync response is incomplete: {error}") from error


def recall_request_from_json(value: Any) -> RecallRequest:
    """Raises `ProtocolError`."""
    fields = _object(value, "the recall request")
    holder = fields.get("holder")
    if not isinstance(holder, str) or not holder:
        raise ProtocolError("holder must name the process that waits")
    return RecallRequest(holder)


def recall_response_from_json(value: Any) -> RecallResponse:
    """Raises `ProtocolError`."""
    fields = _object(value, "the recall response")
    try:
        return RecallResponse(tuple(map(str, fields.get("wanted", ()))))
    except TypeError as error:
        raise ProtocolError(f"the recall response is incomplete: {error}") from error


def snapshot_from_json(value: Any) -> Snapshot:
    """Raises `ProtocolError`."""
    fields = _known(Snapshot, _object(value, "snapshot"))
    credentials = fields.pop("credentials", ())
    if not isinstance(credentials, list | tuple):
        raise ProtocolError("snapshot.credentials must be a list")
    for name, text in fields.items():
        if not isinstance(text, str) and (text is not None or name in ("id", "file")):
            raise ProtocolError(f"snapshot.{name} must be text, not {type(text).__name__}")
    if "id" not in fields:
        raise ProtocolError("the snapshot is incomplete: it has no id")
    return Snapshot(**fields, credentials=tuple(map(str, credentials)))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


_OF_NEED = ("most", "least", "expected", "most_tokens", "least_tokens", "expected_tokens")


def _need(value: Any) -> Need:
    fields = _known(Need, _object(value, "need"))
    fields["balances"] = tuple(fields["balances"])
    return Need(**_with_whole(fields, _OF_NEED))


def _answer(value: Any) -> Answer:
    fields = _known(Answer, _object(value, "answer"))
    try:
        fields["verdict"] = Verdict(fields["verdict"])
    except ValueError as error:
        raise ProtocolError(f"answer.verdict: {error}") from error
    return Answer(**_with_whole(fields, ("amount", "tokens")))


def _view(value: Any) -> BalanceView:
    fields = _known(BalanceView, _object(value, "view"))
    fields["recent"] = _amounts(fields.get("recent", {}), "recent")
    fields["in_force"] = tuple(map(str, fields.get("in_force", ())))
    for name in ("usual", "unusual"):
        if fields.get(name) is not None:
            fields[name] = _whole(fields[name], name)
    return BalanceView(**_with_whole(fields, ("limit", "ceiling", "spent", "expected", "lent", "processes")))


def _settled(value: Any) -> dict[str, tuple[int, int]] | None:
    if value is None:
        return None
    pairs = ((key, *pair) for key, pair in _object(value, "settled").items())
    return {key: (_whole(back, "settled"), _whole(charged, "settled")) for key, back, charged in pairs}


def _with_whole(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _whole(value, name) if name in names else value for name, value in fields.items()}


def _amounts(value: Any, name: str) -> dict[str, int]:
    return {key: _whole(amount, f"{name}[{key!r}]") for key, amount in _object(value, name).items()}


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"{name} must be a whole number, not {value!r}")
    return value


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError(f"{name} must be a JSON object, not {type(value).__name__}")
    return value  # pyright: ignore[reportUnknownVariableType]


def _known(kind: type[Any], value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in kind.__dataclass_fields__ if name in value}
