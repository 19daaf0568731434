"""Describe: a policy in sentences, with the money worked out."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from bursar.policies.amounts import Limit, Velocity
from bursar.policies.policy import (
    Budget,
    Channel,
    Digest,
    Find,
    Mode,
    Policy,
    Route,
    Step,
    StepAction,
    Unbounded,
    Unreachable,
)
from bursar.policies.policyfile.describe import describe

SLACK = StepAction("alert", channel="slack")


def test_a_full_policy_is_told_from_top_to_bottom() -> None:
    """Every rule that acts, and its amounts in dollars."""
    policy = Policy(
        version=1,
        mode=Mode.ENFORCE,
        timezone="Europe/Berlin",
        on_unreachable=Unreachable("limited", 1_000_000_000),
        ladder=("claude-opus-5-5", "claude-haiku-5-5"),
        budgets=(
            Budget(
                name="support-day",
                match={"route": "support.*", "env": "prod"},
                per=("tenant", "user"),
                limit=Limit("usd", 50_000_000_000),
                every="day",
                overdraft_nano=250_000_000,
                steps=(
                    Step("50%", Fraction(1, 2), None, (SLACK,)),
                    Step("80%", Fraction(4, 5), None, (StepAction("downgrade", target="rung"), SLACK)),
                    Step("85%", Fraction(17, 20), None, (StepAction("downgrade", target="cheapest"),)),
                    Step("90%", Fraction(9, 10), None, (StepAction("batch"),)),
                    Step("100%", Fraction(1), None, (StepAction("block"),)),
                    Step("10 USD in 10m", None, Velocity(10**10, 600.0), (SLACK,)),
                ),
                on_unreachable=Unreachable("closed"),
            ),
        ),
        routes=(
            Route("support.triage", Find(code="desk.triage:*", service="desk"), ladder=("a", "b")),
            Route("named"),
        ),
        channels=(Channel("slack", "slack", "SLACK_WEBHOOK_URL"), Channel("pager", "webhook", "PAGER_URL")),
    )
    assert describe(policy) == [
        "The policy is enforced: steps are taken and calls may be refused.",
        "Windows turn by the clock of Europe/Berlin.",
        "While the agent is away, calls go on for up to 1.00 USD per balance and outage.",
        "A call whose price is unknown is held at the dearest price of the ladder.",
        "The ladder, from strong to cheap: claude-opus-5-5, claude-haiku-5-5.",
        'Budget "support-day": 50.00 USD every day for each tenant and user, '
        "for calls with route support.* and env prod.",
        "  At 50% (25.00 USD): alert slack.",
        "  At 80% (40.00 USD): downgrade to the next model of the ladder, alert slack.",
        "  At 85% (42.50 USD): downgrade to the cheapest model of the ladder.",
        "  At 90% (45.00 USD): batch (not acted on in this release).",
        "  At 100% (50.00 USD): refuse the call with BudgetExceeded.",
        "  At 10 USD in 10m: alert slack (not watched in this release).",
        "  It may be overdrawn by 0.25 USD.",
        "  A large max_tokens is fitted to the money that is left.",
        "  A call waits up to 2 s for money held by others.",
        "  A call that its request does not bound is admitted with 0.50 USD set aside.",
        "  While the agent is away, calls that a budget covers are refused.",
        'Route "support.triage" is found by code desk.triage:* and service desk, with the ladder a, b.',
        'Route "named" is named by the application.',
        'Channel "slack" posts to Slack, at the URL in the environment variable SLACK_WEBHOOK_URL.',
        'Channel "pager" posts to a webhook, at the URL in the environment variable PAGER_URL.',
    ]


def test_an_observing_policy_without_a_budget_says_so() -> None:
    """Nobody should believe to be protected by it."""
    assert describe(Policy(1, Mode.OBSERVE, unknown_price="refuse")) == [
        "The policy observes: it records what it would do, and changes nothing.",
        "Windows turn by the clock of UTC.",
        "While the agent is away, calls go on and budgets do not hold.",
        "A call whose price is unknown is refused by the budgets it meets.",
        "There is no budget: calls are counted, and none is refused.",
        'Channel "log" writes to the agent\'s log.',
    ]


def lines_of(budget: Budget) -> list[str]:
    return [line for line in describe(Policy(1, Mode.ENFORCE, budgets=(budget,))) if line.startswith(("Budget", "  "))]


def test_a_soft_budget_says_that_it_refuses_nothing() -> None:
    """And whether it only observes."""
    budget = Budget("soft", Limit("usd", 10**9), "month", mode=Mode.OBSERVE)
    assert lines_of(budget) == [
        'Budget "soft": 1.00 USD every month, for all calls.',
        "  This budget observes: it records what it would do, and changes nothing.",
        "  It has no block step, so it refuses no call.",
    ]


def test_a_budget_that_is_not_kept_says_so() -> None:
    """In its own unit, and with its window."""
    step = Step("50%", Fraction(1, 2), None, (SLACK,))
    assert lines_of(Budget("tokens", Limit("tokens", 2_000_000), "rolling 24h", steps=(step,))) == [
        'Budget "tokens": 2000000 tokens over 24h, rolling, for all calls.',
        "  At 50%: alert slack.",
        "  This release keeps no balance for it: it counts nothing, and takes none of its steps.",
    ]


def test_what_a_hard_budget_asks_of_calls_is_told() -> None:
    """Fit, patience and unbounded calls."""
    block = Step("100%", Fraction(1), None, (StepAction("block"),))
    base = Budget("b", Limit("usd", 10**9), "day", steps=(block,), fit="asked", patience_seconds=0.25)
    asked = "  max_tokens stays as asked, so a large one may be refused while money is left."
    assert asked in lines_of(base)
    assert "  A call waits up to 0.25 s for money held by others." in lines_of(base)
    for kind, told in (("refuse", "is refused"), ("overdraft", "is admitted at its estimate, and may overdraw")):
        rule = Unbounded("refuse") if kind == "refuse" else Unbounded("overdraft")
        budget = Budget("b", Limit("usd", 10**9), "day", steps=(block,), unbounded=rule)
        assert f"  A call that its request does not bound {told}." in lines_of(budget)


def test_what_is_watched_is_told() -> None:
    """To whom, and of what."""
    step = Step("50%", Fraction(1, 2), None, (SLACK, StepAction("alert", channel="log")))
    base = Budget("b", Limit("usd", 10**9), "day", steps=(step,))
    assert "  It tells slack and log when money burns too fast." in lines_of(replace(base, watch=("burn",)))
    told = (
        "  It tells slack and log when money burns too fast, when the window is going to end above the limit and when "
    )
    assert told + "days become dearer one after the other." in lines_of(
        replace(base, watch=("burn", "forecast", "creep"))
    )


def test_the_digest_is_told() -> None:
    """Where, and when."""
    said = describe(Policy(1, Mode.OBSERVE, digest=Digest("slack", "friday", 17)))[-1]
    assert said == "Every Friday at 17:00 the week's spending is told to slack."
