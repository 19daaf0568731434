"""Claims about messages: they say in plain words which budget, how much, until when, and what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from tests.agent.alerting.slackserver import refusal

from bursar.agent.alerting.alerts import Reached
from bursar.agent.alerting.background import Background, Deeds, InForce, RouteCost
from bursar.agent.alerting.compose import compose_notice, compose_step, compose_test
from bursar.agent.alerting.message import Field, Listing
from bursar.agent.alerting.notices import Notice, Subject, burn_notice, creep_notice, forecast_notice
from bursar.agent.alerting.slack import slack_body
from bursar.policies.outlook.burn import Burn
from bursar.policies.outlook.creep import Creep
from bursar.policies.outlook.forecast import Forecast

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
        (("throttle",), True, "From here on Bursar spreads its calls over the time that is left."),
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


LOOP = replace(STEP, step="loop", loop="repeated", does=("throttle", "block"))


def test_a_loop() -> None:
    """The same request, or an unusual hour with its figures; and what follows for whom."""
    repeated = compose_step(LOOP)
    assert repeated.headline == 'Budget "support" (tenant=acme) meets the same request again and again (step loop)'
    assert "From here on Bursar lets its calls go no faster than that and refuses such calls." in repeated.sentences
    hour = replace(LOOP, loop="unusual", hour=18_200_000_000, usual=400_000_000, unusual=2_400_000_000)
    unusual = compose_step(hour)
    assert unusual.headline == 'Budget "support" (tenant=acme) spends far more than is usual (step loop)'
    assert unusual.sentences[0] == (
        "18.20 USD were spent in the last hour, or are expected of calls in flight, where 0.40 USD are usual at this "
        "time (told from 2.40 USD on)."
    )


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


FORECAST = Forecast(61_204_000_000, 55_000_000_000, 72_100_000_000, 13, 0.5, 1_795_277_400)
"""The limit is reached at 16:10 in UTC of 2026-11-21."""
DEEDS = Deeds(downgraded=12, saved=1_200_000_000, blocked=1, held_back=400_000_000)
WHOLE = Background(
    routes=(RouteCost("support.triage", 30_000_000_000, 18_000_000_000), RouteCost("", 10_100_000_000, 0)),
    forecast=FORECAST,
    deeds=DEEDS,
    in_force=(InForce("50%", ()), InForce("80%", ("downgrade",))),
)
NOTICED = Subject(
    STEP.balance, "support", STEP.scope, STEP.window_start, STEP.window_end, STEP.spent, STEP.expected, STEP.limit
)


def test_all_that_is_known() -> None:
    """Forecast, what was done, and routes against last week, in one line."""
    assert compose_step(replace(STEP, does=("downgrade",)), WHOLE).text == (
        'Budget "support" (tenant=acme) has reached 80%. '
        "40.10 of 50.00 USD are spent, 80.2% of the limit. "
        "The window began at 2026-11-21T00:00:00Z and ends at 2026-11-22T00:00:00Z. "
        "The forecast for its end is 61.20 USD (from 55.00 to 72.10, as 13 windows before); "
        "the limit is reached at 2026-11-21 16:10 UTC. "
        "From here on Bursar moves its calls to the next model of their ladder. "
        "12 calls were moved to a smaller model, which saved 1.20 USD. "
        "1 call was refused, which might have cost 0.40 USD at most. "
        "Most went to support.triage (30.00 USD, +12.00 USD against the same time last week), "
        "calls without a route (10.10 USD, +10.10 USD against the same time last week)."
    )


def test_fields_and_listings() -> None:
    """The same for whoever has room: figures side by side, in the policy's time, and lists below."""
    message = compose_step(
        replace(STEP, does=("downgrade",), expected=500_000_000), replace(WHOLE, zone=ZoneInfo("Europe/Berlin"))
    )
    assert message.fields == (
        Field("Spent", "40.10 of 50.00 USD (81.2%)"),
        Field("In flight", "0.50 USD expected"),
        Field("Forecast", "61.20 USD (from 55.00 to 72.10, as 13 windows before)"),
        Field("Runs out", "2026-11-21 17:10 CET"),
        Field("Window turns", "2026-11-22 01:00 CET"),
    )
    assert message.listings == (
        Listing(
            "Where it went",
            (
                "support.triage: 30.00 USD, +12.00 USD against the same time last week",
                "calls without a route: 10.10 USD, +10.10 USD against the same time last week",
            ),
        ),
        Listing(
            "What Bursar does",
            (
                "From here on Bursar moves its calls to the next model of their ladder.",
                "Steps in force: 80%: downgrade",
                "12 calls were moved to a smaller model, which saved 1.20 USD",
                "1 call was refused, which might have cost 0.40 USD at most",
            ),
        ),
    )
    assert message.footer == "bursar budgets · bursar explain 'support|2026-11-21T00:00:00Z|tenant=acme'"


def test_observing() -> None:
    """What would have been done, with what the calls did cost, and steps that are not taken."""
    deeds = Deeds(would_block=14, would_block_nano=3_100_000_000, would_downgrade=1)
    step = replace(STEP, acts=False, does=("block",))
    message = compose_step(step, Background(deeds=deeds, in_force=(InForce("80%", ("block",)),)))
    assert "Would have blocked 14 calls, 3.10 USD. Would have downgraded 1 call." in message.text
    assert "Steps it would take: 80%: block" in message.listings[-1].lines


def test_a_forecast_without_a_past() -> None:
    """Says that it is a guess, and that the money lasts where it does."""
    guess = replace(FORECAST, windows=0, exhausted_at=None)
    message = compose_step(STEP, Background(forecast=guess))
    assert "(from 55.00 to 72.10, a wide guess, since there is no history)." in message.text
    assert message.fields[2] == Field("Runs out", "not in this window")


@pytest.mark.parametrize(
    ("notice", "headline", "why"),
    [
        (
            burn_notice(NOTICED, Burn(4.26, 3.0, 3600, 8_000_000_000), date(2026, 11, 21)),
            "burns 4.3 times too fast",
            "8.00 USD were spent in the last 60 minutes: 4.3 times the pace that lasts to the end of the window "
            "(told from 3 times on).",
        ),
        (
            forecast_notice(NOTICED, FORECAST),
            "is going to end at 61.20 of 50.00 USD",
            "The forecast for its end is 61.20 USD (from 55.00 to 72.10, as 13 windows before); "
            "the limit is reached at 2026-11-21 16:10 UTC.",
        ),
        (
            creep_notice(NOTICED, Creep(0.55, 14_600_000_000, 10_000_000_000, 3), date(2026, 11, 20)),
            "becomes dearer day by day",
            "14.60 USD were spent on 2026-11-20, where 10.00 USD are usual that weekday; "
            "it has built up over 3 days in a row.",
        ),
    ],
)
def test_notices(notice: Notice, headline: str, why: str) -> None:
    """What was noticed, in figures; then the same as of a step."""
    message = compose_notice(notice, WHOLE)
    assert message.headline == f'Budget "support" (tenant=acme) {headline}'
    assert message.sentences[0] == why
    assert message.text.count("The forecast for its end is") == 1
    assert message.listings[0] == Listing("What was noticed", (why,))
    assert (message.data["kind"], message.data["name"], message.data["bursar"]["saved"]) == (
        "notice",
        notice.name,
        1_200_000_000,
    )


def test_a_notice_where_nothing_is_done() -> None:
    """Says so."""
    message = compose_notice(forecast_notice(NOTICED, FORECAST))
    assert message.listings[-1] == Listing("What Bursar does", ("No step that changes calls is in force.",))


def test_tokens() -> None:
    """A budget in tokens speaks of tokens."""
    step = replace(STEP, unit="tokens", spent=1_600_000, limit=2_000_000, expected=1000)
    message = compose_step(step)
    assert message.sentences[0] == (
        "1,600,000 of 2,000,000 tokens are spent and 1,000 tokens expected of calls in flight, 80.0% of the limit."
    )
    assert message.fields[0] == Field("Spent", "1,600,000 of 2,000,000 tokens (80.0%)")


def test_a_test() -> None:
    """Nobody takes it for an alert."""
    message = compose_test("team", 1_795_262_400)
    assert message.headline == "Bursar: this is a test, and nothing has happened"
    assert 'The channel "team" was tried with "bursar alert test team"' in message.text
    assert message.data == {"kind": "test", "channel": "team", "at": 1_795_262_400}


def test_slack_takes_them() -> None:
    """All of them, within its limits."""
    messages = [
        compose_step(STEP, WHOLE),
        compose_notice(forecast_notice(NOTICED, FORECAST), WHOLE),
        compose_test("t", 0),
    ]
    assert [refusal(slack_body(message)) for message in messages] == [None, None, None]
