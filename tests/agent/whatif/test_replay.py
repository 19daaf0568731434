"""Replay: what another policy would have done, in sums that can be done by hand."""

from __future__ import annotations

import pytest

from bursar.agent.ledger.pastcalls import Past
from bursar.agent.whatif.replay import Replayed, Sum, replay
from bursar.policies.decision import Skipped
from bursar.policies.policyfile import parse_policy
from bursar.policies.prices import shipped_book
from bursar.policies.usage import Usage

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
NOON = 1_795_262_400
"""2026-11-21T12:00:00Z."""
SECOND = 10**9
CALL = Usage(input=100_000, output=30_000)
"""On Opus 5.5 at 4 and 20 USD a million 1 USD; on Sonnet 5.5 half of it, and of that half in a batch."""
USD = 10**9


def call(
    at: int = NOON, *, model: str = OPUS, route: str = "desk", requested: str = OPUS, cost: int | None = USD
) -> Past:
    return Past(at * SECOND, route, model, requested, {"tenant": "acme"}, cost, CALL, ())


def under(policy: str, *calls: Past) -> Replayed:
    head = f'version = 1\nmode = "enforce"\nladder = ["{OPUS}", "{SONNET}", "{HAIKU}"]\n'
    return replay(parse_policy(head + policy, file="new.toml"), calls, shipped_book())


def day(limit: str, *steps: str, more: str = "") -> str:
    at = "\n".join(steps)
    return f'[[budget]]\nname = "day"\nlimit = "{limit}"\nevery = "day"\n{more}\n[budget.at]\n{at}\n'


def test_without_a_budget_everything_costs_what_it_did() -> None:
    """And nothing is told."""
    found = under("", call(), call())
    assert found.by_work == {("desk", "go", "no_budget"): Sum(2, 2 * USD, 2 * USD)}
    assert found.events == []


def test_a_block_spares_what_the_money_does_not_last_for() -> None:
    """Of five calls at a dollar three fit into three dollars."""
    found = under(day("3 USD", '"100%" = "block"'), *[call()] * 5)
    assert found.by_work == {
        ("desk", "go", "within"): Sum(3, 3 * USD, 3 * USD),
        ("desk", "block", "spent"): Sum(2, 2 * USD, 0),
    }
    assert found.total.saved_nano == 2 * USD
    assert [(event.step, event.actions) for event in found.events] == [("100%", ("block",))]


def test_a_downgrade_costs_what_the_cheaper_model_would_have() -> None:
    """From half of the limit on: the third call and the fourth at half a dollar each, on Sonnet."""
    found = under(day("4 USD", '"50%" = ["downgrade", "alert log"]'), *[call()] * 4)
    assert found.by_work == {
        ("desk", "go", "within"): Sum(2, 2 * USD, 2 * USD),
        ("desk", "downgrade", "step"): Sum(2, 2 * USD, USD),
    }
    (event,) = found.events
    assert (event.at_ns, event.budget, event.step) == (NOON * SECOND, "day", "50%")
    assert event.actions == ("downgrade", "alert log")


def test_a_route_that_may_wait_is_put_off_at_half_the_price() -> None:
    """The others go on, and the reason is not theirs."""
    policy = day("4 USD", '"50%" = "batch"') + '[[route]]\nname = "digest"\nmay_wait = "2h"\n'
    found = under(policy, call(), call(), call(route="digest"), call())
    assert found.by_work[("digest", "batch", "step")] == Sum(1, USD, USD // 2)
    assert found.by_work[("desk", "go", "within")] == Sum(3, 3 * USD, 3 * USD)


def test_a_call_that_was_moved_is_judged_by_what_it_asked_for() -> None:
    """It cost half a dollar on Sonnet; without that step it would have cost one on Opus."""
    found = under(day("9 USD", '"100%" = "block"'), call(model=SONNET, cost=USD // 2))
    assert found.by_work == {("desk", "go", "within"): Sum(1, USD // 2, USD)}


def test_each_window_begins_anew() -> None:
    """A day later the budget is whole again, and its steps are told again."""
    found = under(day("1 USD", '"100%" = ["block", "alert log"]'), call(), call(), call(NOON + 86_400))
    assert found.total.calls == 3
    assert found.by_work[("desk", "block", "spent")].calls == 1
    assert len(found.events) == 2


def test_a_rolling_window_forgets_what_is_older() -> None:
    """An hour after the first call there is money for another."""
    policy = day("1 USD", '"100%" = "block"').replace('every = "day"', 'every = "rolling 1h"')
    found = under(policy, call(), call(NOON + 3_599), call(NOON + 3_600))
    assert [found.by_work[("desk", *what)].calls for what in (("go", "within"), ("block", "spent"))] == [2, 1]


def test_too_much_within_a_short_time_is_refused() -> None:
    """Two dollars in ten minutes are reached with the second call; ten minutes later all is well."""
    policy = day("100 USD", '"2 USD in 10m" = "block"')
    found = under(policy, call(), call(NOON + 1), call(NOON + 2), call(NOON + 602))
    assert found.by_work[("desk", "block", "velocity")].calls == 1
    assert found.by_work[("desk", "go", "within")].calls == 3


@pytest.mark.parametrize(("limit", "calls"), [("2 calls", 2), ("260k tokens", 2)])
def test_limits_in_calls_and_tokens_count_these(limit: str, calls: int) -> None:
    """130,000 tokens a call."""
    found = under(day(limit, '"100%" = "block"'), *[call()] * 3)
    assert found.by_work[("desk", "go", "within")].calls == calls


def test_what_only_observes_changes_nothing() -> None:
    """Neither the budget's own mode nor the file's."""
    found = under(day("1 USD", '"50%" = "downgrade"', '"100%" = "block"', more='mode = "observe"'), *[call()] * 3)
    assert found.total.saved_nano == 0


def test_an_unknown_cost_is_in_no_sum() -> None:
    """It is counted beside them."""
    found = under(day("1 USD", '"100%" = "block"'), call(cost=None), call())
    assert (found.unknown, found.total.calls) == (1, 1)


def test_what_no_history_can_say_is_named() -> None:
    """Conversations, less effort, waiting, loops."""
    policy = day("1 USD", '"50%" = ["effort", "throttle"]', '"loop" = "block"')
    policy += '[[budget]]\nname = "talk"\nlimit = "1 USD"\nevery = "conversation"\n'
    found = under(policy)
    assert [said.split(":")[0] for said in found.left_out] == [
        'budget "talk"',
        '"effort" steps',
        '"throttle" steps',
        '"loop" steps',
    ]


def test_who_would_have_been_treated_otherwise_and_when_is_told() -> None:
    """By the tenant's balance that decides: moved from the third call on, put off, refused from the fifth on."""
    policy = day("4 USD", '"50%" = "downgrade"', '"100%" = "block"', more='per = ["tenant"]')
    calls = [call(NOON + place) for place in range(8)]
    found = under(policy, *calls).by_balance
    (moved, refused) = sorted(found, key=lambda key: found[key].first_ns)
    assert [key[0].split("|")[0] for key in (moved, refused)] == ["day", "day"]
    assert "acme" in moved[0]
    assert (moved[1:], refused[1:]) == (("desk", "downgrade"), ("desk", "block"))
    # Two dollars, then four times half a dollar: then there is nothing left.
    assert (found[moved].first_ns, found[moved].last_ns) == ((NOON + 2) * SECOND, (NOON + 5) * SECOND)
    assert (found[refused].first_ns, found[refused].calls) == ((NOON + 6) * SECOND, 2)


def test_a_refusal_reaches_the_step_that_blocks() -> None:
    """Also where a part of the limit is left: of 2.50 USD two are spent, and a third does not fit."""
    (event,) = under(day("2.50 USD", '"100%" = ["block", "alert log"]'), call(), call(), call(NOON + 1)).events
    assert (event.at_ns, event.step, event.actions) == ((NOON + 1) * SECOND, "100%", ("block", "alert log"))


def test_what_is_put_off_is_told_with_its_time() -> None:
    """The second call of the route that may wait."""
    policy = day("4 USD", '"25%" = "batch"') + '[[route]]\nname = "desk"\nmay_wait = "2h"\n'
    found = under(policy, call(), call(NOON + 1))
    ((_, route, action),) = found.by_balance
    assert (route, action) == ("desk", "batch")
    assert [(event.at_ns, event.actions) for event in found.events] == [(NOON * SECOND, ("batch",))]
    assert found.by_work[("desk", "batch", "step")].first_ns == (NOON + 1) * SECOND


def test_a_bound_is_never_made_cheaper() -> None:
    """Of a call that nobody saw the answer of no usage is known that another model could be priced by."""
    lost = call()._replace(usage=Usage(), basis="estimate")
    found = under(day("2 USD", '"25%" = "downgrade"'), call(), lost)
    assert found.total.replayed_nano == 2 * USD


def test_tokens_are_counted_as_the_cheaper_model_counts_them() -> None:
    """
    Of 400,000 tokens Opus 4.6 takes 130,000 and is at a quarter; Haiku 5.5 counts 169,000 for as many words, and so
    only one more call fits, where two more of 130,000 would.
    """
    policy = f'ladder = ["claude-opus-4-6", "{HAIKU}"]\n' + day(
        "400k tokens", '"25%" = "downgrade"', '"100%" = "block"'
    )
    old = call(model="claude-opus-4-6", requested="claude-opus-4-6")
    head = 'version = 1\nmode = "enforce"\n'
    found = replay(parse_policy(head + policy, file="new.toml"), [old] * 3, shipped_book())
    assert {key[1]: one.calls for key, one in found.by_work.items()} == {"go": 1, "downgrade": 1, "block": 1}


@pytest.mark.parametrize(("why", "cost"), [(None, USD // 2), (Skipped.NO_EVAL, USD), (Skipped.OLD_EVAL, USD)])
def test_a_model_that_no_eval_vouches_for_is_not_moved_to(why: Skipped | None, cost: int) -> None:
    """Where the policy asks for one: else Sonnet takes the second call, at half a dollar."""
    policy = day("4 USD", '"25%" = "downgrade"')
    head = f'version = 1\nmode = "enforce"\nrequires_eval = true\nladder = ["{OPUS}", "{SONNET}"]\n'
    rules = parse_policy(head + policy, file="new.toml")
    found = replay(rules, [call()] * 2, shipped_book(), objection=lambda _route, _model: why)
    assert found.total.replayed_nano == USD + cost
