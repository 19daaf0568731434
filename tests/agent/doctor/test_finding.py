"""Claims about findings."""

from __future__ import annotations

from tests.agent.doctor.lookedat import FAIL, OK, WARN

from bursar.agent.doctor.finding import Finding, well


def test_only_what_fails_is_not_well() -> None:
    """A warning is worth knowing, and no reason to stop a deployment."""
    assert well([])
    assert well([Finding("a", OK, "x"), Finding("b", WARN, "y", "z")])
    assert not well([Finding("a", OK, "x"), Finding("b", FAIL, "y", "z")])
