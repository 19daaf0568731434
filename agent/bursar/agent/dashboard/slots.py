"""How wide are the steps of a chart over a stretch of time?"""

from __future__ import annotations

from typing import Final

from bursar.agent.dashboard.asking import Asked

MOST_SLOTS = 100
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS: Final = (
    _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY,
)  # fmt: skip
_MINUTES_KEPT_NS = 2 * _DAY * 10**9
"""What is older has its sums by the hour; see `sumbook.series`."""


def step_seconds(asked: Asked, now_ns: int) -> int:
    """The narrowest step that has sums and of which there are not too many; of a label there are only hours."""
    length = (asked.until_ns - asked.since_ns) // 10**9
    least = _HOUR if asked.label or now_ns - asked.since_ns > _MINUTES_KEPT_NS else _MINUTE
    fitting = [step for step in _STEPS if step >= least and step * MOST_SLOTS >= length]
    return fitting[0] if fitting else -(-length // MOST_SLOTS // _DAY) * _DAY
