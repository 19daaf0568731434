"""What is known of a finished span that somebody sent?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

AttributeValue = str | int | float | bool | tuple[str | int | float | bool, ...]
Attributes = Mapping[str, AttributeValue]

Kind = Literal["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
StatusCode = Literal["UNSET", "OK", "ERROR"]


class Wire(NamedTuple):
    """A span as it stood in its export, with all that nobody reads here, and among which others it stood."""

    resource: ResourceSpans
    scope: ScopeSpans
    span: Span


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """A span as it was received; ids in lowercase hex, instants in nanoseconds since the epoch."""

    name: str
    scope: str
    """The name of the instrumentation scope: which library made it."""
    trace_id: str
    span_id: str
    parent: str | None
    """The id of the enclosing span; None for a root."""
    kind: Kind
    start_ns: int
    end_ns: int
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    status_code: StatusCode = "UNSET"
    resource: Attributes = field(default_factory=dict[str, AttributeValue])
    """The attributes of the process it comes from."""

    wire: Wire | None = field(default=None, repr=False, compare=False)
    """Where it came from, to be passed on; None for one that was made here."""

    def happened(self, name: str) -> tuple[int, ...]:
        """When each event of this name was, in the order they were told; none of a span that was made here."""
        events = () if self.wire is None else self.wire.span.events
        return tuple(event.time_unix_nano for event in events if event.name == name)

    def text(self, *names: str) -> str | None:
        """The first of these attributes that is a text and not empty, else None."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, str) and value:
                return value
        return None

    def count(self, *names: str) -> int | None:
        """The first of these attributes that is a whole number from zero on, else None."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
        return None
