"""Coverage: shares of what was spent, and what to write for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import pytest
from tests.agent.advice.past import past

from bursar.agent.advice.coverage import Coverage, is_default
from bursar.agent.advice.recommendation import Recommendation
from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.policies.policyfile import parse_policy

USD = 10**9


def told(calls: Iterable[PastAttempt], named: Iterable[str] = ()) -> dict[str, Recommendation]:
    coverage = Coverage(list(named))
    for call in calls:
        coverage.add(call)
    return {one.place: one for one in coverage.recommendations(Fraction(2))}


CALLS = [
    past(cost_nano=6 * USD, labels='{"tenant":"acme"}'),
    past(cost_nano=3 * USD, route="desk.triage:run"),
    past(cost_nano=USD, route="unnamed", basis="span"),
    past(cost_nano=None, route="desk.triage:run", basis="unknown"),
]


def test_the_largest_callers_without_a_name_come_first() -> None:
    """Six of ten dollars have a route; three dollars in two days are 1.50 a day."""
    found = told(CALLS)["routes"]
    assert found.evidence["share"] == 0.6
    assert found.evidence["callers"] == [
        {"code": "desk.triage:run", "nano_usd": 3 * USD},
        {"code": "unnamed", "nano_usd": USD},
    ]
    assert "60% of what was spent" in found.text
    assert "desk.triage:run (1.50 USD a day)" in found.text


def test_the_snippet_finds_them_without_a_change_to_the_code() -> None:
    """It is a policy as it stands; a caller that is no code of the user's is not in it."""
    policy = parse_policy('version = 1\nmode = "enforce"\n' + told(CALLS)["routes"].snippet, file="a.toml")
    (route,) = policy.routes
    assert route.name == "desk.triage.run"
    assert route.find is not None and route.find.code == "desk.triage:run"


def test_labels_and_exact_figures_have_shares_of_their_own() -> None:
    """Six of ten dollars are labelled, nine are the API's own figures; one attempt is in no sum."""
    found = told(CALLS)
    assert found["labels"].evidence["share"] == 0.6
    assert found["basis"].evidence["share"] == 0.9
    assert found["basis"].evidence["unknown_charges"] == 1
    assert "Of 1 attempts nobody knows the cost" in found["basis"].text


def test_what_is_whole_is_not_told() -> None:
    """Nor is anything where there was nothing."""
    assert told([past(labels='{"team":"a"}')]) == {}
    assert told([]) == {}


def test_a_route_of_the_policy_is_nobodys_default() -> None:
    """Whatever its name looks like."""
    assert "routes" in told([past(route="a:b")])
    assert "routes" not in told([past(route="a:b")], named=["a:b"])


@pytest.mark.parametrize(
    ("route", "default"),
    [
        ("desk.triage:run", True),
        ("__main__:<module>", True),
        ("unnamed", True),
        ("support.triage", False),
        ("a b:c", False),
    ],
)
def test_a_default_looks_like_code(route: str, default: bool) -> None:
    """A module and a function."""
    assert is_default(route) is default
