"""What is known of an event, or of a point of a metric, that somebody sent?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bursar.agent.spans.seenspan import Attributes, AttributeValue


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """A log record as it was received."""

    name: str
    """What happened: the record's event name, or else the text that is its body."""
    scope: str
    """Which library told it."""
    at_ns: int
    """When, in nanoseconds since the epoch; 0 where it does not say."""
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    resource: Attributes = field(default_factory=dict[str, AttributeValue])


@dataclass(frozen=True, slots=True)
class SeenPoint:
    """A point of a metric that is a sum, as it was received."""

    metric: str
    scope: str
    value: float
    since_ns: int
    until_ns: int
    """The stretch of time that it sums over, in nanoseconds since the epoch."""
    cumulative: bool
    """Whether it sums from the beginning of its process, and not since the point before."""
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    resource: Attributes = field(default_factory=dict[str, AttributeValue])


def whole(attributes: Mapping[str, AttributeValue], name: str) -> int | None:
    """An attribute that is a whole number from zero on, in whatever way it is written, else None."""
    value = attributes.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def text(attributes: Mapping[str, AttributeValue], *names: str) -> str | None:
    """The first of these attributes that is a text and not empty, else None."""
    values = (attributes.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), None)
