from __future__ import annotations

from dataclasses import field, fields, replace

import pytest

from bursar.policies.charge import Charge, Line
from bursar.policies.prices import Quote
from bursar.policies.usage import Part, Usage, UsageReport
from bursar.policies.values import value


@value
class Point:
    x: int
    marks: tuple[str, ...] = field(default=())


def test_a_value_is_a_dataclass() -> None:
    """Equal by its fields, hashed by them, replaced by copy, and with no room for any other attribute."""
    point = Point(1)
    assert point == Point(1, ())
    assert point != Point(2)
    assert len({point, Point(1), Point(2)}) == 2
    assert (replace(point, x=3), point.x) == (Point(3), 1)
    assert [each.name for each in fields(Point)] == ["x", "marks"]
    with pytest.raises(AttributeError):
        point.z = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("kind", [Charge, Line, Quote, Part, Usage, UsageReport])
def test_what_is_made_for_every_call_is_a_value(kind: type) -> None:
    """A frozen `__init__`, which goes through `object.__setattr__` for every field, is on no call's path."""
    assert "__setattr__" not in vars(kind)
    assert "__slots__" in vars(kind)
