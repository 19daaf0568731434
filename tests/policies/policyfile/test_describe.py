"""Describe: a policy in sentences, with the money worked out."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from bursar.policies.amounts import Limit, Velocity
from bursar.policies.policy import Budget, Channel, Digest, Mode, Policy, Step, StepAction, Unbounded, Unreachable
from bursar.policies.policyfile.describe import describe
from bursar.policies.route import Find, Route
from bursar.policies.windows import Anchor

SLACK = StepAction("alert", channel="slack")

LOOP = "When the same request comes more than 20 times in 10 minutes, or an hour costs more than 6 times the usual"


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
                    Step("90%", Fraction(9, 10), None, (StepAction("batch"), StepAction("effort"))),
                    Step("100%", Fraction(1), None, (StepAction("block"),)),
                    Step("10 USD in 10m", None, Velocity(10**10, 600.0), (SLACK,)),
                ),
                on_unreachable=Unreachable("closed"),
            ),
        ),
        routes=(
            Route("support.triage", Find(code="desk.triage:*", service="desk"), ladder=("a", "b")),
            Route("named", lossy=True),
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
        "  At 90% (45.00 USD): put the call off to a Message Batch, at half the price, on routes with may_wait, "
        "lower effort or thinking by one level, on routes with lossy = true.",
        "  At 100% (50.00 USD): refuse the call with BudgetExceeded.",
        "  At 10 USD in 10m: alert slack.",
        f"  {LOOP}: alert slack.",
        "  It may be overdrawn by 0.25 USD, by calls that cost more than was expected.",
        "  A large max_tokens is fitted to the money left.",
        "  A call waits up to 2 s for money held by others.",
        "  A call that its request does not bound is admitted with 0.50 USD set aside.",
        "  While the agent is away, calls that a budget covers are refused.",
        'Route "support.triage" is found by code desk.triage:* and service desk, with the ladder a, b.',
        'Route "named" is named by the application. Its requests may lose thinking, effort or a beta to fit another '
        "model or a step.",
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


BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))


def test_a_limit_in_tokens_is_told_in_tokens() -> None:
    """With its window, and what is fitted and waited for."""
    step = Step("50%", Fraction(1, 2), None, (SLACK,))
    assert lines_of(Budget("tokens", Limit("tokens", 2_000_000), "rolling 24h", steps=(step, BLOCK))) == [
        'Budget "tokens": 2,000,000 tokens over 24h, rolling, for all calls.',
        "  At 50% (1,000,000 tokens): alert slack.",
        "  At 100% (2,000,000 tokens): refuse the call with BudgetExceeded.",
        f"  {LOOP}: alert slack.",
        "  A large max_tokens is fitted to the tokens left.",
        "  A call waits up to 2 s for tokens held by others.",
        "  A call that its request does not bound is admitted at what it is known to use, and may overdraw.",
    ]


def test_a_limit_in_calls_fits_nothing() -> None:
    """A call is a call, whatever it asks for."""
    assert lines_of(Budget("calls", Limit("calls", 1_000), "conversation", per=("user",), steps=(BLOCK,))) == [
        'Budget "calls": 1,000 calls every conversation for each user, for all calls.',
        "  At 100% (1,000 calls): refuse the call with BudgetExceeded.",
        "  What is counted are calls that were answered; whatever they cost, each is one.",
        "  A call waits up to 2 s for calls held by others.",
    ]


@pytest.mark.parametrize(
    ("every", "begins", "timezone", "told"),
    [
        ("day", Anchor(minute=390), None, "every day at 06:30"),
        ("week", Anchor(weekday=6), None, "every week from Sunday"),
        ("month", Anchor(day=15, minute=60), "Asia/Tokyo", "every month from the 15. at 01:00 in Asia/Tokyo"),
        ("hour", Anchor(), "Asia/Kolkata", "every hour in Asia/Kolkata"),
    ],
)
def test_where_windows_begin_is_told(every: str, begins: Anchor, timezone: str | None, told: str) -> None:
    """What is unusual about it; midnight, Monday and the first go without saying."""
    budget = Budget("b", Limit("usd", 10**9), every, begins=begins, timezone=timezone)
    assert lines_of(budget)[0] == f'Budget "b": 1.00 USD {told}, for all calls.'


def test_a_block_at_a_velocity_alone_is_no_soft_budget() -> None:
    """It refuses calls, and never for how much was spent in all."""
    fast = Step("1 USD in 1m", None, Velocity(10**9, 60.0), (StepAction("block"),))
    assert lines_of(Budget("b", Limit("usd", 10**10), "day", steps=(fast,))) == [
        'Budget "b": 10.00 USD every day, for all calls.',
        "  At 1 USD in 1m: refuse the call with BudgetExceeded.",
        "  It refuses calls for how fast money is spent, and never for how much.",
    ]


def test_what_a_hard_budget_asks_of_calls_is_told() -> None:
    """Fit, patience and unbounded calls."""
    base = Budget("b", Limit("usd", 10**9), "day", steps=(BLOCK,), fit="asked", patience_seconds=0.25)
    asked = "  max_tokens stays as asked, so a large one may be refused while money is left."
    assert asked in lines_of(base)
    assert "  A call waits up to 0.25 s for money held by others." in lines_of(base)
    for kind, told in (("refuse", "is refused"), ("overdraft", "is admitted at its estimate, and may overdraw")):
        rule = Unbounded("refuse") if kind == "refuse" else Unbounded("overdraft")
        budget = Budget("b", Limit("usd", 10**9), "day", steps=(BLOCK,), unbounded=rule)
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
