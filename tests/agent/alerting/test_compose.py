"""Claims about messages: they say in plain words which budget, how much, until when, and what follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bursar.agent.alerting.alerts import Reached
from bursar.agent.alerting.background import Background, RouteCost
from bursar.agent.alerting.compose import compose_step

STEP = Reached(
    balance="support|2026-11-21T00:00:00Z|tenant=acme",
    budget="support",
    scope="tenant=acme",
    window_start="2026-11-21T00:00:00Z",
    window_end="2026-11-22T00:00:00Z",
    step="80%",
    channel="team",
    spent=40_100_000_000,
    expected=0,
    limit=50_000_000_000,
)
ROUTES = (RouteCost("support.triage", 30_000_000_000), RouteCost("", 10_100_000_000))


def test_the_whole_message() -> None:
    """One message, word by word."""
    message = compose_step(replace(STEP, does=("downgrade",)), Background(routes=ROUTES))
    assert message.text == (
        'Budget "support" (tenant=acme) has reached 80%. '
        "40.10 of 50.00 USD are spent, 80.2% of the limit. "
        "The window began at 2026-11-21T00:00:00Z and ends at 2026-11-22T00:00:00Z. "
        "From here on Bursar moves its calls to the next model of their ladder. "
        "Most went to support.triage (30.00 USD), calls without a route (10.10 USD)."
    )


@pytest.mark.parametrize(
    ("does", "acts", "says"),
    [
        ((), True, "Bursar changes nothing at this step."),
        (("batch",), True, "Bursar changes nothing at this step."),
        (("block",), True, "From here on Bursar refuses further calls."),
        (
            ("downgrade to cheapest", "block"),
            True,
            "From here on Bursar moves its calls to the cheapest model of their ladder and refuses further calls.",
        ),
        (
            ("block",),
            False,
            "Under a policy that acts, Bursar now refuses further calls; this one only observes, and nothing changes.",
        ),
    ],
)
def test_what_follows(does: tuple[str, ...], acts: bool, says: str) -> None:
    """It says what the step does, and claims nothing that does not happen."""
    assert says in compose_step(replace(STEP, does=does, acts=acts)).sentences


def test_sums() -> None:
    """Money in flight is told apart; a limit of nothing has no share."""
    flying = compose_step(replace(STEP, expected=400_000_000))
    assert flying.sentences[0] == (
        "40.10 of 50.00 USD are spent and 0.40 USD expected of calls in flight, 81.0% of the limit."
    )
    assert compose_step(replace(STEP, limit=0)).sentences[0] == "40.10 of 0.00 USD are spent."


def test_what_may_be_missing() -> None:
    """Without scope, end of window or routes nothing is made up."""
    message = compose_step(replace(STEP, scope="", window_end=None))
    assert message.headline == 'Budget "support" has reached 80%'
    assert message.sentences[1] == "The window began at 2026-11-21T00:00:00Z."
    assert len(message.sentences) == 3


def test_data() -> None:
    """Programs get the figures themselves."""
    data = compose_step(STEP, Background(routes=ROUTES[:1])).data
    assert (data["budget"], data["step"], data["spent"], data["limit"]) == (
        "support",
        "80%",
        40_100_000_000,
        50_000_000_000,
    )
    assert data["routes"] == [{"route": "support.triage", "nano": 30_000_000_000, "before": None}]
