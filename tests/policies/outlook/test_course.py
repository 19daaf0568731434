"""Claims about a course: how long its window is, and what is due of it."""

from __future__ import annotations

from datetime import UTC

from bursar.policies.outlook.course import Course
from bursar.policies.outlook.season import Season


def test_a_flat_day_is_due_by_the_clock() -> None:
    """Six hours of twenty-four are a quarter."""
    course = Course(limit=100, spent=10, start=0, end=86_400, now=21_600)
    assert course.length == 86_400
    assert course.due(Season(UTC)) == 0.25
