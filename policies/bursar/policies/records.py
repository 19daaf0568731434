"""The lines of a journal: what became of each attempt, as one JSON object a line, readable after any crash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Any, TypeVar

from bursar.policies.cascade import Stage, stage_from_json
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.elapsed import believed
from bursar.policies.jsontext import Encoded, array, encode, nullable, object_of_texts, quoted
from bursar.policies.usage import Usage
from bursar.policies.values import value

T = TypeVar("T")
_KEPT = 1_024


class RecordError(ValueError):
    """A line that is no record: torn by a crash, or from something else."""


@value
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
    bound_tokens: int | None = None
    """The most tokens it can use, and what is held of balances in tokens; None where nothing bounds it."""
    expected_tokens: int = 0
    decision: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The numbers behind the action, as `decision.Decision.figures` gives them."""
    stage: Stage | None = None
    """Its place in a cascade, as of `Charge` and `Decided`; written only where there is one."""
    marking: str = ""
    """The id of the `Marking` whose cache marks were added to it, with a `-` ahead where it was held out from them."""
    effort: str = ""
    """The `output_config.effort` that it was sent with; empty where it had none."""


@value
class Settled:
    """What an attempt cost. A stream writes one at `message_start` that is not `final`: a lower bound."""

    charge: Charge
    final: bool = True

    @property
    def attempt_id(self) -> str:
        return self.charge.attempt_id


@value
class Released:
    """An attempt that is known to have cost nothing: never sent, or answered by an error."""

    attempt_id: str
    why: str = ""


@value
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
    stage: Stage | None = None


Record = Sent | Settled | Released | Decided

_KINDS: dict[str, type[Record]] = {"sent": Sent, "settled": Settled, "released": Released, "decided": Decided}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_line(record: Record) -> bytes:
    """
    A record as one line of JSON, newline included, its kind under `kind`.

    Written out field by field: two of these stand on every call's path, and a general encoder takes several times as
    long.
    """
    match record:
        case Settled():
            final = "true" if record.final else "false"
            text = f'{{"kind":"settled","charge":{_charge(record.charge)},"final":{final}}}\n'
        case Sent():
            text = _sent(record)
        case Released():
            text = f'{{"kind":"released","attempt_id":{quoted(record.attempt_id)},"why":{quoted(record.why)}}}\n'
        case Decided():
            text = (
                f'{{"kind":"decided","call_id":{quoted(record.call_id)},"at_ns":{record.at_ns},'
                f'"route":{quoted(record.route)},"model":{quoted(record.model)},"action":{quoted(record.action)},'
                f'"reason":{quoted(record.reason)},"labels":{object_of_texts(record.labels)},'
                f'"decision":{_figures(record.decision)}'
                f"{'' if record.stage is None else _stage(record.stage)}}}\n"
            )
    return text.encode("ascii")


def to_json(record: Record) -> dict[str, Any]:
    """A record as the JSON object that its line holds."""
    fields: dict[str, Any] = json.loads(to_line(record))
    return fields


def _sent(sent: Sent) -> str:
    bound = "null" if sent.bound_nano is None else sent.bound_nano
    tokens = "null" if sent.bound_tokens is None else sent.bound_tokens
    about = _about(sent.route, sent.model, sent.requested_model, tuple(sent.labels.items()))
    return (
        f'{{"kind":"sent","attempt_id":{quoted(sent.attempt_id)},"call_id":{quoted(sent.call_id)},'
        f'"at_ns":{sent.at_ns},{about},"bound_nano":{bound},"expected_nano":{sent.expected_nano},'
        f"{_judged(sent.balances, sent.leased, sent.action, sent.reason)},"
        f'"bound_tokens":{tokens},"expected_tokens":{sent.expected_tokens},"decision":{_figures(sent.decision)}'
        f"{'' if sent.stage is None else _stage(sent.stage)}"
        f"{_named('marking', sent.marking) if sent.marking else ''}"
        f"{_named('effort', sent.effort) if sent.effort else ''}}}\n"
    )


# What most lines of a process have in common is written once. Ids from outside are among it, so not without end.
@lru_cache(maxsize=_KEPT)
def _about(route: str, model: str, requested_model: str, labels: tuple[tuple[str, str], ...]) -> str:
    return (
        f'"route":{quoted(route)},"model":{quoted(model)},"requested_model":{quoted(requested_model)},'
        f'"labels":{object_of_texts(dict(labels))}'
    )


@lru_cache(maxsize=_KEPT)
def _judged(balances: tuple[str, ...] | None, leased: tuple[str, ...], action: str, reason: str) -> str:
    told = "null" if balances is None else array(balances)
    return f'"balances":{told},"leased":{array(leased)},"action":{quoted(action)},"reason":{quoted(reason)}'


@lru_cache(maxsize=_KEPT)
def _remarks(missing: tuple[str, ...], modifiers: tuple[str, ...], action: str, reason: str) -> str:
    return (
        f'"missing":{array(missing)},"modifiers":{array(modifiers)},"action":{quoted(action)},"reason":{quoted(reason)}'
    )


@lru_cache(maxsize=_KEPT)
def _priced(label: str, pico_usd_each: int, model: str, price_id: str) -> tuple[str, str, str]:
    """A line of a charge, but for its quantity and its nano-dollars, which stand between these."""
    return (
        f'{{"label":{quoted(label)},"quantity":',
        f',"pico_usd_each":{pico_usd_each},"nano_usd":',
        f',"model":{quoted(model)},"price_id":{quoted(price_id)}}}',
    )


def _charge(charge: Charge) -> str:
    cost = "null" if charge.cost_nano_usd is None else charge.cost_nano_usd
    usage = charge.usage
    about = _about(charge.route, charge.model, charge.requested_model, tuple(charge.labels.items()))
    return (
        f'{{"attempt_id":{quoted(charge.attempt_id)},"cost_nano_usd":{cost},"usage":{{"input":{usage.input},'
        f'"cache_read":{usage.cache_read},"cache_write_5m":{usage.cache_write_5m},'
        f'"cache_write_1h":{usage.cache_write_1h},"output":{usage.output},"thinking":{usage.thinking},'
        f'"web_searches":{usage.web_searches},"web_fetches":{usage.web_fetches}}},'
        f'"basis":"{charge.basis}",{about},"call_id":{quoted(charge.call_id)},'
        f'"price_id":{nullable(charge.price_id)},"request_id":{nullable(charge.request_id)},'
        f'"response_id":{nullable(charge.response_id)},"at_ns":{charge.at_ns},'
        f'"lines":[{",".join([line_text(line) for line in charge.lines])}],'
        f"{_remarks(charge.missing, charge.modifiers, charge.action, charge.reason)}"
        f"{'' if charge.stage is None else _stage(charge.stage)}"
        f"{'' if charge.told_nano_usd is None else _number('told_nano_usd', charge.told_nano_usd)}"
        f"{'' if charge.duration_ns is None else _number('duration_ns', charge.duration_ns)}"
        f"{'' if charge.first_token_ns is None else _number('first_token_ns', charge.first_token_ns)}"
        f"{'' if charge.stop_reason is None else _stopped(charge.stop_reason)}}}"
    )


def _stage(stage: Stage) -> str:
    """One of the last fields of an object, written only where there is one."""
    return (
        f',"stage":{{"cascade":{quoted(stage.cascade)},"name":{quoted(stage.name)},"strong":{quoted(stage.strong)},'
        f'"why":{quoted(stage.why)}}}'
    )


def _named(name: str, text: str) -> str:
    """Likewise."""
    return f',"{name}":{quoted(text)}'


@lru_cache(maxsize=_KEPT)
def _stopped(reason: str) -> str:
    """Likewise; there are few."""
    return _named("stop_reason", reason)


def _number(name: str, number: int) -> str:
    """Likewise."""
    return f',"{name}":{number}'


def line_text(line: Line) -> str:
    """A line of a charge as JSON."""
    before, between, after = _priced(line.label, line.pico_usd_each, line.model, line.price_id)
    return f"{before}{line.quantity}{between}{line.nano_usd}{after}"


def _figures(decision: Mapping[str, Any]) -> str:
    return decision.text if isinstance(decision, Encoded) else encode(decision)


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
    """
    A charge from `dataclasses.asdict` of one. Raises `KeyError`, `TypeError` or `ValueError`.

    Times that cannot be true, and a stop reason that is no text, are left out: no money is lost over them.
    """
    fields = _known(Charge, value)
    fields["usage"] = _build(Usage, value["usage"])
    fields["basis"] = Basis(value["basis"])
    fields["lines"] = tuple(_build(Line, line) for line in value.get("lines", ()))
    fields["missing"] = tuple(value.get("missing", ()))
    fields["modifiers"] = tuple(value.get("modifiers", ()))
    fields["stage"] = stage_from_json(value.get("stage"))
    fields["duration_ns"] = believed(value.get("duration_ns"))
    fields["first_token_ns"] = believed(value.get("first_token_ns"))
    reason = value.get("stop_reason")
    fields["stop_reason"] = reason if isinstance(reason, str) else None
    return Charge(**fields)


def _known(kind: type[Any], value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in kind.__dataclass_fields__ if name in value}


def _build(kind: type[T], value: Mapping[str, Any]) -> T:
    fields = _known(kind, value)
    for name in ("balances", "leased"):
        if isinstance(fields.get(name), list):
            fields[name] = tuple(fields[name])
    if "stage" in fields:
        fields["stage"] = stage_from_json(fields["stage"])
    return kind(**fields)
