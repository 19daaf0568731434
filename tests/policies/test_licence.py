"""Licences: a call is moved only to a model that an eval of its own route vouches for, and not for ever."""

from __future__ import annotations

import pytest

from bursar.policies.decision import Skipped
from bursar.policies.licence import Licence, LicenceError, from_text, licences, objection, to_text

DAY = 86_400 * 10**9
AT = 1_000 * DAY
PASSED = Licence("triage", "claude-haiku-4-5-20251001", AT, passed=True)


@pytest.mark.parametrize(
    ("route", "model", "days", "expected"),
    [
        ("triage", "claude-haiku-4-5", 0, None),
        ("triage", "claude-haiku-4-5-20251001", 90, None),
        ("triage", "us.anthropic.claude-haiku-4-5-20251001-v1:0", 1, None),
        ("triage", "claude-haiku-4-5", 90.001, Skipped.OLD_EVAL),
        ("triage", "claude-haiku-5-5", 1, Skipped.NO_EVAL),
        ("triage.urgent", "claude-haiku-4-5", 1, Skipped.NO_EVAL),
        ("", "claude-haiku-4-5", 1, Skipped.NO_EVAL),
    ],
)
def test_an_eval_vouches_for_its_own_route_and_model_for_ninety_days(
    route: str, model: str, days: float, expected: Skipped | None
) -> None:
    """The model under any of its ids; another route, another model or a day too many is a reason by name."""
    known = licences([PASSED])
    assert objection(known, route=route, model=model, at_ns=AT + int(days * DAY)) is expected


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_eval_counts_in_whatever_order_they_are_told(order: int) -> None:
    """One that failed takes back what an older one gave, and the other way round."""
    failed = Licence("triage", "claude-haiku-4-5", AT + DAY, passed=False)
    mended = Licence("triage", "claude-haiku-4-5", AT + 2 * DAY, passed=True)
    for evals, expected in (([PASSED, failed], Skipped.FAILED_EVAL), ([PASSED, failed, mended], None)):
        known = licences(evals[::order])
        assert objection(known, route="triage", model="claude-haiku-4-5", at_ns=AT + 3 * DAY) is expected


def test_licences_cross_the_wall_as_they_are() -> None:
    """What is told is what was kept; a text that is none is refused with a reason."""
    failed = Licence("desk", "claude-haiku-5-5", AT, passed=False)
    assert from_text(to_text([PASSED, failed])) == licences([PASSED, failed])
    assert from_text("[]") == {}


@pytest.mark.parametrize("text", ["{", "[1]", '[{"route": "r"}]', "3", '[{"route": "r", "model": "m", "at_ns": "x"}]'])
def test_a_text_that_is_no_licences_is_refused(text: str) -> None:
    """Nobody is to be moved by what cannot be read."""
    with pytest.raises(LicenceError, match="cannot be read"):
        from_text(text)


def test_only_true_is_passed() -> None:
    """A word that a later version might write is no licence."""
    text = '[{"route": "r", "model": "m", "at_ns": 5, "passed": "yes"}]'
    assert objection(from_text(text), route="r", model="m", at_ns=6) is Skipped.FAILED_EVAL
