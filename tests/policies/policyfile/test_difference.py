"""Claims about what another policy would change, told as sentences that go and come."""

from __future__ import annotations

from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.difference import difference

OLD = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "50 USD"
every = "day"
[budget.at]
"80%" = "alert log"
"100%" = "block"
[[route]]
name = "support"
"""


def changed(old: str, new: str) -> list[str]:
    return difference(parse_policy(old, file="f"), parse_policy(new, file="f"))


def test_the_same_policy_changes_nothing() -> None:
    """Also where it is written otherwise."""
    assert changed(OLD, OLD.replace('"80%" = "alert log"', '"80%" = ["alert log"] # as before')) == []


def test_a_step_is_told_under_its_budget() -> None:
    """The budget itself stays as it was, and stands above for who reads it."""
    assert changed(OLD, OLD.replace('"80%"', '"70%"')) == [
        '  Budget "day": 50.00 USD every day, for all calls.',
        "-   At 80% (40.00 USD): alert log.",
        "+   At 70% (35.00 USD): alert log.",
    ]


def test_a_limit_moves_every_amount_of_it() -> None:
    """Before and after, in dollars."""
    assert changed(OLD, OLD.replace("50 USD", "60 USD")) == [
        '- Budget "day": 50.00 USD every day, for all calls.',
        "-   At 80% (40.00 USD): alert log.",
        "-   At 100% (50.00 USD): refuse the call with BudgetExceeded.",
        '+ Budget "day": 60.00 USD every day, for all calls.',
        "+   At 80% (48.00 USD): alert log.",
        "+   At 100% (60.00 USD): refuse the call with BudgetExceeded.",
    ]


def test_what_is_gone_and_what_is_new() -> None:
    """Whole budgets and routes, and the mode."""
    new = OLD.replace('name = "day"', 'name = "today"').replace("enforce", "observe").replace('"support"', '"desk"')
    told = changed(OLD, new)
    assert "- The policy is enforced: steps are taken and calls may be refused." in told
    assert "+ The policy observes: it records what it would do, and changes nothing." in told
    assert '- Budget "day": 50.00 USD every day, for all calls.' in told
    assert '+ Budget "today": 50.00 USD every day, for all calls.' in told
    assert '- Route "support" is named by the application.' in told
    assert '+ Route "desk" is named by the application.' in told
