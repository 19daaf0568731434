"""Claims about overrides: what they change, for whom, and for how long."""

from __future__ import annotations

import pytest

from bursar.policies.overrides import Override, OverrideKind, from_text, to_text, with_overrides
from bursar.policies.policy import Mode, Policy
from bursar.policies.policyfile import parse_policy

POLICY = parse_policy(
    """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "50 USD"
every = "day"
per = ["tenant"]
overdraft = "5 USD"
[budget.at]
"80%" = "alert log"
"100%" = "block"
[[budget]]
name = "team"
limits = { day = "10 USD", month = "1000 calls" }
[budget.at]
"50%" = "block"
""",
    file="f",
)
USD = 10**9


def pause(budget: str = "*") -> Override:
    return Override("a", OverrideKind.PAUSE, budget, since_ns=10, until_ns=20)


def raised(budget: str, amount: int, *, scope: str | None = None) -> Override:
    return Override("b", OverrideKind.RAISE, budget, since_ns=10, until_ns=20, amount=amount, scope=scope)


def modes(policy: Policy) -> dict[str, Mode | None]:
    return {budget.name: budget.mode for budget in policy.budgets}


@pytest.mark.parametrize(("now_ns", "holds"), [(9, False), (10, True), (19, True), (20, False)])
def test_it_holds_up_to_its_end(now_ns: int, holds: bool) -> None:
    """From its first instant on, and not at its last."""
    assert pause().holds(now_ns) is holds


@pytest.mark.parametrize(
    ("budget", "paused"),
    [
        ("day", {"day"}),
        ("team", {"team:day", "team:month"}),
        ("team:month", {"team:month"}),
        ("*", {"day", "team:day", "team:month"}),
        ("other", set[str]()),
    ],
)
def test_a_paused_budget_observes(budget: str, paused: set[str]) -> None:
    """By its name, by that of a table with several windows, or all of them."""
    after = modes(with_overrides(POLICY, [pause(budget)]))
    assert {name for name, mode in after.items() if mode is Mode.OBSERVE} == paused


def test_a_raise_moves_limit_and_ceilings_of_each_scope() -> None:
    """50 + 20 USD; the block's half of it where it stands at 50%; the overdraft comes on top."""
    day = with_overrides(POLICY, [raised("day", 20 * USD)]).budgets[0]
    assert day.limit_of("tenant=acme") == 70 * USD
    assert (day.soft_ceiling_of("tenant=acme"), day.ceiling_of("tenant=acme")) == (70 * USD, 75 * USD)
    team = with_overrides(POLICY, [raised("team:day", 2 * USD)]).budgets[1]
    assert team.ceiling_of("") == 6 * USD


def test_a_raise_for_one_scope_is_nobody_elses() -> None:
    """And two raises add up."""
    both = [raised("day", 20 * USD, scope="tenant=acme"), raised("day", 1 * USD)]
    day = with_overrides(POLICY, both).budgets[0]
    assert (day.limit_of("tenant=acme"), day.limit_of("tenant=bob")) == (71 * USD, 51 * USD)


def test_a_raise_in_another_unit_does_nothing() -> None:
    """Dollars add nothing to a limit in calls: an edit of the policy may have changed it meanwhile."""
    month = with_overrides(POLICY, [raised("team", 2 * USD)]).budgets[2]
    assert month.limit_of("") == 1_000


def test_without_overrides_the_policy_is_the_same() -> None:
    """Nothing is touched."""
    assert with_overrides(POLICY, []) == POLICY


def test_they_cross_the_wall_as_text() -> None:
    """What is written is read again, and fields of a later version are passed over."""
    both = (pause(), raised("day", 5, scope="tenant=acme"))
    assert from_text(to_text(both)) == both
    later = to_text([pause()]).replace('"id"', '"colour":"red","id"')
    assert from_text(later) == (pause(),)


@pytest.mark.parametrize("text", ["nonsense", "[1]", '[{"kind":"pause"}]', '[{"kind":"halt","id":"a"}]'])
def test_what_is_no_override_is_told(text: str) -> None:
    """As ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"."):
        from_text(text)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (pause(), "every budget is paused: it observes, and changes nothing"),
        (pause("day"), 'budget "day" is paused: it observes, and changes nothing'),
        (raised("day", 20 * USD), 'budget "day" is raised by 20.00 USD'),
        (raised("day", USD // 2, scope="tenant=acme"), 'budget "day" (tenant=acme) is raised by 0.50 USD'),
    ],
)
def test_it_says_what_it_does(override: Override, said: str) -> None:
    """In the words that commands, alerts and tables use."""
    assert str(override) == said
