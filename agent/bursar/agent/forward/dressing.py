"""What is written onto a span before it is passed on, beside what it carries already?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from bursar.agent.forward.calls import Called
from bursar.agent.spans.seenspan import Attributes, AttributeValue, SeenSpan
from bursar.policies import attributes as names
from bursar.policies.amounts import usd
from bursar.policies.charge import Basis, Charge
from bursar.policies.dialects import NANO_PER_USD, translate

_SESSION = ("bursar.label.session", "bursar.label.session_id", "session.id", "gen_ai.conversation.id")
_USER = ("bursar.label.user", "bursar.label.user_id", "user.id", "enduser.id")
_NO_TOKEN = re.compile(r"[^A-Za-z0-9-]+")
_TRACELOOP = "traceloop.association.properties."

_FIELDS: Mapping[type, str] = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}

Dress = Callable[[SeenSpan, Called | None], Attributes]


def dress(span: SeenSpan, added: Attributes) -> None:
    """Write attributes onto a received span, except for those that it has: what its sender said stands."""
    wire = span.wire
    if wire is None:
        return
    present = {pair.key for pair in wire.span.attributes}
    for name, value in added.items():
        if name in present:
            continue
        pair = wire.span.attributes.add(key=name)
        for item in value if isinstance(value, tuple) else ():
            _set(pair.value.array_value.values.add(), item)
        if not isinstance(value, tuple):
            _set(pair.value, value)


def for_otlp(span: SeenSpan, call: Called | None) -> Attributes:
    """Bursar's own names, and those of the conventions that several backends read only in their older form."""
    added: dict[str, AttributeValue] = {}
    written = span.count(names.CACHE_WRITE_TOKENS)
    if written is not None:
        added[names.CACHE_CREATION_TOKENS] = written
    if call is not None and call.charge is not None and names.COST_NANO_USD not in span.attributes:
        added.update(_cost(call.charge))
    return added


def for_langfuse(span: SeenSpan, call: Called | None) -> Attributes:
    """With its usage and cost details, session, user, and labels as metadata of the trace."""
    added = {**for_otlp(span, call)}
    if call is not None and call.charge is not None:
        added.update(translate(("langfuse",), (call.charge,)))
    told = {"langfuse.session.id": session(span), "langfuse.user.id": user(span)}
    added.update({name: value for name, value in told.items() if value is not None})
    added.update({f"langfuse.trace.metadata.{label}": value for label, value in labels(span)})
    return added


def for_helicone(span: SeenSpan, call: Called | None) -> Attributes:
    """With the names of 2024 that its trace endpoint reads."""
    if call is None or call.charge is None:
        return {}
    told = translate(("traceloop",), (call.charge,))
    properties = {f"{_TRACELOOP}{name}": value for name, value in helicone_headers(span, call).items()}
    return {**told, names.RESPONSE_MODEL: call.model, **properties}


def helicone_headers(span: SeenSpan, call: Called) -> Mapping[str, str]:
    """Session, user and properties as Helicone's headers name them; values that a header may hold."""
    headers: dict[str, str] = {}
    charge = call.charge
    route = charge.route if charge is not None else span.text(names.ROUTE) or span.name
    found = session(span)
    if found is not None:
        headers.update(
            {"Helicone-Session-Id": found, "Helicone-Session-Name": route, "Helicone-Session-Path": f"/{route}"}
        )
    if (who := user(span)) is not None:
        headers["Helicone-User-Id"] = who
    headers["Helicone-Property-Route"] = route
    if charge is not None and charge.cost_nano_usd is not None:
        headers["Helicone-Property-Cost-Usd"] = usd(charge.cost_nano_usd)
        headers["Helicone-Property-Cost-Basis"] = str(charge.basis)
    for label, value in labels(span):
        headers[f"Helicone-Property-{_NO_TOKEN.sub('-', label).title()}"] = value
    return {name: _header_value(value) for name, value in headers.items()}


def session(span: SeenSpan) -> str | None:
    """The session that a span belongs to: by its label, else by the conventions' names."""
    return next((text for name in _SESSION if (text := span.text(name)) is not None), None)


def user(span: SeenSpan) -> str | None:
    """The user that a span belongs to, likewise."""
    return next((text for name in _USER if (text := span.text(name)) is not None), None)


def labels(span: SeenSpan) -> Iterator[tuple[str, str]]:
    """The labels of a span that are neither session nor user."""
    for name, value in span.attributes.items():
        if name.startswith(names.LABEL_PREFIX) and name not in _SESSION and name not in _USER:
            yield name.removeprefix(names.LABEL_PREFIX), str(value)


def _cost(charge: Charge) -> Attributes:
    """The cost as Bursar's instrumentation would have stamped it; no figure where it is not known."""
    added: dict[str, AttributeValue] = {
        names.ROUTE: charge.route,
        names.COST_BASIS: str(charge.basis),
        names.COST_ESTIMATED: charge.basis is Basis.ESTIMATE,
    }
    if charge.missing:
        added[names.COST_MISSING] = charge.missing
    if charge.cost_nano_usd is not None:
        added[names.COST_NANO_USD] = charge.cost_nano_usd
        added[names.COST_USD] = charge.cost_nano_usd / NANO_PER_USD
        added[names.COST_DETAILS] = json.dumps(_by_class(charge), separators=(",", ":"))
    return added


def _by_class(charge: Charge) -> Mapping[str, int]:
    classes: dict[str, int] = {}
    for line in charge.lines:
        classes[line.label] = classes.get(line.label, 0) + line.nano_usd
    return classes


def _header_value(text: str) -> str:
    """Text as a header may hold it: one line of Latin-1, and not without end."""
    return " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")[:1000]


def _set(value: object, item: str | float | bool) -> None:
    """Write one scalar into an `AnyValue`."""
    setattr(value, _FIELDS[type(item)], item)
