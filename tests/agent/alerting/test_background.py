"""Claims about the background of an alert: programs get all of it as plain data."""

from __future__ import annotations

import json

from bursar.agent.alerting.background import NOTHING, Background, Deeds, InForce, RouteCost
from bursar.policies.outlook.forecast import Forecast


def test_as_data() -> None:
    """Ready for JSON, every figure under its name."""
    found = Background(
        (RouteCost("desk", 5, 3),), Forecast(12, 9, 20, 7, 0.5, None), Deeds(blocked=2), (InForce("80%", ("block",)),)
    )
    plain = json.loads(json.dumps(found.to_data()))
    assert plain["routes"] == [{"route": "desk", "nano": 5, "before": 3}]
    assert (plain["forecast"]["amount"], plain["bursar"]["blocked"]) == (12, 2)
    assert plain["in_force"] == [{"step": "80%", "does": ["block"]}]


def test_nothing_known() -> None:
    """The same names, so that nobody must ask whether they are there."""
    assert NOTHING.to_data() == {"routes": [], "forecast": None, "bursar": None, "in_force": []}
