"""Turns: which windows a budget asks for and when they begin, or what is wrong with it."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from bursar.policies.policyfile import Mistake, PolicyError, parse_policy
from bursar.policies.windows import Anchor

HEAD = 'version = 1\nmode = "enforce"\n[[budget]]\nname = "b"\n'
BUDGET = 'budget[0] "b"'


def anchor_of(begins: str, every: str) -> Anchor:
    text = f'{HEAD}limit = "5 USD"\nevery = "{every}"\nbegins = "{begins}"\n'
    return parse_policy(text, file="p.toml").budgets[0].begins


@pytest.mark.parametrize(
    ("begins", "every", "anchor"),
    [
        ("06:00", "day", Anchor(minute=360)),
        ("6:05", "day", Anchor(minute=365)),
        ("23:59", "week", Anchor(minute=1_439)),
        ("sunday", "week", Anchor(weekday=6)),
        ("Monday 06:00", "week", Anchor(minute=360)),
        ("wednesday  18:30", "week", Anchor(weekday=2, minute=1_110)),
        ("15", "month", Anchor(day=15)),
        ("31 06:00", "month", Anchor(day=31, minute=360)),
    ],
)
def test_a_beginning_is_a_day_a_time_or_both(begins: str, every: str, anchor: Anchor) -> None:
    """As people write it."""
    assert anchor_of(begins, every) == anchor


def test_of_several_windows_each_takes_what_it_has() -> None:
    """The weekday is the week's, and the hour everybody's."""
    text = f'{HEAD}begins = "sunday 06:00"\nlimits = {{ day = "5 USD", week = "20 USD" }}\n'
    assert {budget.begins for budget in parse_policy(text, file="p.toml").budgets} == {Anchor(6, 1, 360)}


def test_a_budget_may_have_a_clock_of_its_own() -> None:
    """Else the policy's."""
    text = f'{HEAD}limit = "5 USD"\nevery = "day"\ntimezone = "Asia/Tokyo"\n'
    policy = parse_policy(text, file="p.toml")
    assert (policy.zone, policy.budgets[0].timezone) == (UTC, "Asia/Tokyo")
    assert ZoneInfo("Asia/Tokyo") is not None


ONE = f'{HEAD}limit = "5 USD"\nevery = "day"\n'
ROLLING = ONE.replace('"day"', '"rolling 24h"')

MISTAKES = [
    # the text, the key, its line, words of the problem, words of the remedy
    (f'{ONE}begins = "noon"\n', "begins", 7, '"noon" is no beginning', '"06:00" where a day begins'),
    (f'{ONE}begins = "24:00"\n', "begins", 7, '"24:00" is no beginning', '"06:00" where a day begins'),
    (f'{ONE}begins = "6"\n', "begins", 7, "begins a month, and no window of this budget is one", "take it out"),
    (f'{ONE}begins = "32"\n', "begins", 7, '"32" is no beginning', '"15", or "15 06:00" where a month begins'),
    (f'{ONE}begins = "0"\n', "begins", 7, '"0" is no beginning', '"15"'),
    (f'{ONE}begins = "monday"\n', "begins", 7, "begins a week, and no window of this budget is one", "take it out"),
    (f'{ONE}begins = ""\n', "begins", 7, "is no beginning", '"06:00"'),
    (f"{ONE}begins = 6\n", "begins", 7, "not a number", 'begins = "monday 06:00"'),
    (f'{ROLLING}begins = "06:00"\n', "begins", 7, "only a day, week or month begins", "take it out"),
    (f'{ROLLING}timezone = "UTC"\n', "timezone", 7, "no window of this budget turns by a clock", "take it out"),
    (f'{ONE}timezone = "Mars/Base"\n', "timezone", 7, "no known time zone", "IANA name"),
    (f'{ONE}limits = {{ day = "5 USD" }}\n', None, None, "exclude each other", "names every window"),
    (f"{HEAD}limits = {{ }}\n", "limits", 5, "it names no window", "limits = { day ="),
    (f'{HEAD}limits = "5 USD"\n', "limits", 5, "a table is expected, not a text", "limits = { day ="),
    (f'{HEAD}limits = {{ dya = "5 USD" }}\n', "limits", 5, '"dya" is no window', 'did you mean "day"?'),
    (f"{HEAD}limits = {{ day = 5 }}\n", "limits", 5, 'the limit of "day" is no text', '{ day = "50 USD" }'),
    (f'{HEAD}limits = {{ day = "5 EUR" }}\n', "limits", 5, '"5 EUR" is no limit', '"50 USD"'),
    (f'{HEAD}limits = {{ "rolling 59s" = "5 USD" }}\n', "limits", 5, "too short or too long", "a minute to 366 days"),
    (f'{HEAD}limits = {{ "rolling 367d" = "5 USD" }}\n', "limits", 5, "too short or too long", "a minute to 366 days"),
    # One mistake breeds no other.
    (f'{HEAD}limit = "5 USD"\nevery = "dya"\nbegins = "monday"\n', "every", 6, '"dya" is no window', '"day"'),
    (f'{HEAD}limits = {{ dya = "5 USD" }}\nbegins = "06:00"\n', "limits", 5, '"dya" is no window', '"day"'),
    # Money in a budget that counts none.
    (
        f'{ONE.replace("5 USD", "5 calls")}unbounded = "reserve 1 USD"\n',
        "unbounded",
        7,
        "what is reserved is money, but the limit is in calls",
        'unbounded = "refuse"',
    ),
    (
        f'{HEAD}limits = {{ day = "5 USD", run = "5 calls" }}\noverdraft = "1 USD"\n',
        "overdraft",
        6,
        "an overdraft is money, but the limit is in calls",
        "take it out",
    ),
]


@pytest.mark.parametrize(("text", "key", "line", "problem", "remedy"), MISTAKES)
def test_a_mistake_says_where_what_and_how_to_mend_it(
    text: str, key: str | None, line: int | None, problem: str, remedy: str
) -> None:
    """Each once, and no other with it."""
    found = mistakes(text)
    assert {mistake.problem for mistake in found if problem not in mistake.problem} == set()
    if key is not None:
        assert [(mistake.path, mistake.line) for mistake in found] == [(f"{BUDGET}.{key}", line)]
    assert remedy in found[0].remedy


def mistakes(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, file="p.toml")
    return caught.value.mistakes


@pytest.mark.parametrize("unbounded", ["refuse", "overdraft"])
def test_a_budget_of_tokens_may_say_what_happens_to_unbounded_calls(unbounded: str) -> None:
    """Where no money is meant."""
    text = f'{HEAD}limit = "5 tokens"\nevery = "day"\nunbounded = "{unbounded}"\n'
    assert parse_policy(text, file="p.toml").budgets[0].unbounded.kind == unbounded
