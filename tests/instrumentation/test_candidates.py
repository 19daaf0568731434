"""Candidates: what each model that could serve a call would cost it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from tests.instrumentation.pricing import BODY, BOOK, EXPECTED, LEAST, NOON, WORST

from bursar.instrumentation.candidates import Candidates, weigh, weigh_asked
from bursar.instrumentation.errand import Errand
from bursar.instrumentation.estimates import Estimates
from bursar.instrumentation.rules import Rules
from bursar.policies.amounts import Limit
from bursar.policies.changes import REMOVED
from bursar.policies.decision import Candidate, Skipped
from bursar.policies.licence import Licence, licences
from bursar.policies.plan import Misfit
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.pricefile import parse_book, shipped_book
from bursar.policies.route import Route

POLICY = Policy(1, Mode.ENFORCE, ladder=("big", "mid", "small"), routes=(Route("short", ladder=("big", "small")),))


def weighed(
    policy: Policy | None = POLICY,
    *,
    estimates: Estimates | None = None,
    route: str = "desk",
    settled: str | None = None,
    at_ns: int = NOON,
    rules: Rules | None = None,
    region: str | None = None,
    **changes: Any,
) -> Candidates:
    errand = Errand("h-1", route, {"tenant": "acme"}, {**BODY, **changes}, at_ns, region, settled)
    return weigh(errand, rules or Rules(BOOK, policy, heard=True), estimates or Estimates())


def counted(candidate: Candidate) -> Candidate:
    """With the tokens of the request: all of it, cut to 1,024 of output, and expected with as many."""
    return replace(candidate, worst_tokens=11_000, least_tokens=2_024, expected_tokens=1_463)


def models(found: Candidates) -> list[str]:
    return [candidate.model for candidate in found.facts.candidates]


def test_the_model_asked_for_comes_first_and_the_rungs_below_it_follow() -> None:
    """Each with its bound, the least it can do with, and what it will likely cost."""
    found = weighed()
    assert found.facts.candidates == tuple(
        counted(Candidate(model, WORST[model], LEAST[model], EXPECTED[model])) for model in ("big", "mid", "small")
    )
    assert (found.facts.route, found.facts.labels, found.facts.unbounded) == ("desk", {"tenant": "acme"}, ())
    assert found.rates.keys() == {"big", "mid", "small"}
    assert found.size.input_bound == 1_000


@pytest.mark.parametrize(
    ("route", "model", "expected"),
    [
        ("desk", "big", ["big", "mid", "small"]),
        ("desk", "mid", ["mid", "small"]),
        ("desk", "small", ["small"]),
        ("desk", "other", ["other"]),
        ("short", "big", ["big", "small"]),
        ("short", "mid", ["mid"]),
    ],
)
def test_only_rungs_below_are_candidates(route: str, model: str, expected: list[str]) -> None:
    """Of the route's own ladder where it has one; a model that is on none has no rungs."""
    assert models(weighed(route=route, model=model)) == expected


def test_without_a_policy_there_is_the_model_alone() -> None:
    """Nobody said what a rung would be."""
    assert models(weighed(None)) == ["big"]


def test_a_rung_is_known_under_each_of_its_names() -> None:
    """An alias or a dated id is the rung it names."""
    policy = Policy(1, Mode.ENFORCE, ladder=("claude-opus-4-5", "claude-haiku-4-5"))
    rules = Rules(shipped_book(), policy, heard=True)
    found = weighed(rules=rules, model="claude-opus-4-5-20251101")
    assert models(found) == ["claude-opus-4-5-20251101", "claude-haiku-4-5"]


def test_a_retry_keeps_the_plan_of_its_call() -> None:
    """The model it was moved to is the one that is priced, and there is no other."""
    found = weighed(settled="mid")
    assert found.facts.candidates == (counted(Candidate("mid", WORST["mid"], LEAST["mid"], EXPECTED["mid"])),)


def test_a_rung_without_an_eval_says_so_where_its_route_asks_for_one() -> None:
    """The model asked for needs none; a route that asks for none has nothing to say."""
    asking = replace(POLICY, routes=(Route("desk", requires_eval=True), *POLICY.routes))
    known = licences([Licence("desk", "small", NOON, passed=True), Licence("short", "mid", NOON, passed=True)])
    rules = Rules(BOOK, asking, heard=True, licences=known)
    found = weighed(rules=rules).facts.candidates
    assert [candidate.unlicensed for candidate in found] == [None, Skipped.NO_EVAL, None]
    assert replace(found[1], unlicensed=None) == weighed().facts.candidates[1]
    assert [candidate.unlicensed for candidate in weighed(rules=rules, route="short").facts.candidates] == [None, None]
    late = weighed(rules=rules, at_ns=NOON + 91 * 86_400 * 10**9).facts.candidates
    assert [candidate.unlicensed for candidate in late] == [None, Skipped.NO_EVAL, Skipped.OLD_EVAL]


def test_a_rung_that_does_not_fit_says_why() -> None:
    """It is priced all the same, so that the decision can show it."""
    found = weighed(inference_geo="us")
    assert [candidate.misfit for candidate in found.facts.candidates] == [None, Misfit.RESIDENCY, Misfit.RESIDENCY]
    assert found.facts.candidates[1].worst == WORST["mid"]


def test_a_rung_is_asked_for_no_more_output_than_it_has() -> None:
    """`max_tokens` is lowered to its ceiling of 16,000, which is what its bound is made of."""
    small = weighed(max_tokens=20_000).facts.candidates[2]
    assert small.plan is not None
    assert small.plan.changes == {"max_tokens": 16_000}
    assert small.worst == weighed(max_tokens=16_000).facts.candidates[2].worst


def test_a_beta_that_stands_in_a_header_is_seen() -> None:
    """One that nobody knows fits no other model; one that has no effect on it is left out."""
    rules = Rules(shipped_book(), Policy(1, Mode.ENFORCE, ladder=("claude-opus-5-5", "claude-haiku-5-5")), heard=True)
    body = {**BODY, "model": "claude-opus-5-5"}

    def rung(betas: str | None) -> Candidate:
        return weigh(Errand("h-1", "desk", {}, body, NOON, betas=betas), rules, Estimates()).facts.candidates[1]

    assert (rung(None).misfit, rung(None).plan) == (None, None)
    assert rung("surprise-2026-11-01").misfit is Misfit.BETA
    planned = rung("context-1m-2025-08-07, files-api-2025-04-14").plan
    assert planned is not None
    assert planned.dropped_betas == ("context-1m-2025-08-07",)


def test_what_a_request_would_lose_depends_on_its_route() -> None:
    """Fast mode is lost to a model without it; the price of the plan is the price of what is sent."""
    ladder = ("claude-opus-5-5", "claude-sonnet-5-5")
    routes = (Route("desk"), Route("plain", lossy=True))
    rules = Rules(shipped_book(), Policy(1, Mode.ENFORCE, ladder=ladder, routes=routes), heard=True)
    fast: dict[str, Any] = {"model": "claude-opus-5-5", "speed": "fast"}
    assert weighed(rules=rules, **fast).facts.candidates[1].misfit is Misfit.LOSSY
    assert weighed(rules=rules, route="elsewhere", **fast).facts.candidates[1].misfit is Misfit.LOSSY
    moved = weighed(rules=rules, route="plain", **fast).facts.candidates[1]
    plain = weighed(rules=rules, route="plain", model="claude-opus-5-5").facts.candidates[1]
    assert moved.plan is not None
    assert moved.plan.changes == {"speed": REMOVED}
    assert (moved.misfit, moved.worst, moved.expected) == (None, plain.worst, plain.expected)


def test_a_prompt_too_short_for_a_model_s_cache_is_priced_without_it() -> None:
    """Haiku 4.5 caches from 4,096 tokens on; of 2,489 expected none is written: 1 USD a million tokens, not 1.25."""
    ladder = ("claude-sonnet-4-5", "claude-haiku-4-5")
    rules = Rules(shipped_book(), Policy(1, Mode.ENFORCE, ladder=ladder), heard=True)
    marked = {"type": "text", "text": "x" * 8_000, "cache_control": {"type": "ephemeral"}}
    body = {"model": "claude-sonnet-4-5", "max_tokens": 2_048, "messages": [{"role": "user", "content": [marked]}]}
    haiku = weigh(Errand("h-1", "desk", {}, body, NOON), rules, Estimates()).facts.candidates[1]
    tokens = (haiku.expected - 1_024 * 5_000) // 1_000
    assert haiku.expected == tokens * 1_000 + 1_024 * 5_000
    assert 2_480 < tokens < 2_500


def test_less_effort_is_weighed_where_a_step_may_ask_for_it() -> None:
    """On a lossy route; elsewhere it says why not. An answer with less effort is taken to be a quarter shorter."""
    step = Step("80%", Fraction(4, 5), None, (StepAction("effort"),))
    budget = Budget("b", Limit("usd", 1), "day", steps=(step,))
    routes = (Route("plain", lossy=True),)
    rules = Rules(shipped_book(), Policy(1, Mode.ENFORCE, budgets=(budget,), routes=routes), heard=True)
    found = weighed(rules=rules, route="plain", model="claude-opus-5-5").facts
    assert found.milder is not None
    assert found.milder.plan is not None
    assert found.milder.plan.changes == {"output_config": {"effort": "low"}}
    assert found.asked.expected - found.milder.expected == 256 * 20_000
    strict = weighed(rules=rules, model="claude-opus-5-5").facts.milder
    assert strict is not None
    assert strict.misfit is Misfit.LOSSY
    assert weighed().facts.milder is None


RETIRING = """
[[model]]
id = "gone"
retirement = 2026-11-22
context_window = 50_000
max_output = 32_000
input = 1
cache_read = 1
cache_write_5m = 1
cache_write_1h = 1
output = 1
"""


@pytest.mark.parametrize(("at_ns", "misfit"), [(NOON - 86_400 * 10**9, None), (NOON, Misfit.RETIRED)])
def test_a_rung_is_gone_from_the_day_of_its_retirement(at_ns: int, misfit: Misfit | None) -> None:
    """In UTC."""
    rules = Rules(BOOK.extended(parse_book(RETIRING, source="r")), Policy(1, Mode.ENFORCE, ladder=("big", "gone")))
    assert weighed(rules=rules, at_ns=at_ns).facts.candidates[1].misfit is misfit


def test_a_rung_without_a_price_is_no_candidate_for_money() -> None:
    """Its misfit says so, and it is never held at any; its tokens count all the same."""
    policy = Policy(1, Mode.ENFORCE, ladder=("big", "nobody"))
    assert weighed(policy).facts.candidates[1] == counted(Candidate("nobody", None, 0, 0, Misfit.NO_PRICE))


@pytest.mark.parametrize(
    ("ladder", "unknown_price", "worst"),
    [
        (("mid", "small"), "dearest", WORST["mid"]),
        (("small", "mid"), "dearest", WORST["mid"]),
        (("small",), "dearest", WORST["small"]),
        ((), "dearest", WORST["big"]),
        (("nobody",), "dearest", WORST["big"]),
        (("mid", "small"), "refuse", None),
    ],
)
def test_a_model_without_a_price_is_held_at_the_dearest(
    ladder: tuple[str, ...], unknown_price: Any, worst: int | None
) -> None:
    """Of its ladder; of all there are, where no rung has a price; or at nothing, to be refused."""
    policy = Policy(1, Mode.ENFORCE, ladder=ladder, unknown_price=unknown_price)
    (asked, *_) = weighed(policy, model="other").facts.candidates
    assert (asked.worst, asked.misfit) == (worst, None)


def test_without_a_policy_an_unknown_price_is_unknown() -> None:
    """Nobody is going to hold it to anything."""
    assert weighed(None, model="other").facts.asked == counted(Candidate("other", None, 0, 0))


def test_the_least_is_what_the_route_needs() -> None:
    """Its longest usual answer, its thinking and a page on top; never more than was asked for."""
    estimates = Estimates()
    for _ in range(59):
        estimates.learn("desk", "big", 4_096)
    big, mid, _ = weighed(estimates=estimates).facts.candidates
    assert (big.least, mid.least) == (1_000 * 4_000 + 4_096 * 20_000, LEAST["mid"])
    thinking = {"type": "enabled", "budget_tokens": 2_000}
    assert weighed(thinking=thinking).facts.asked.least == 1_000 * 4_000 + 3_024 * 20_000
    assert (
        weighed(max_tokens=50).facts.asked.least
        == weighed(max_tokens=50).facts.asked.worst
        == 1_000 * 4_000 + 50 * 20_000
    )
    for odd in ("adaptive", {"type": "adaptive"}, {"budget_tokens": "many"}):
        assert weighed(thinking=odd).facts.asked.least == LEAST["big"]


def test_tokens_are_bounded_fitted_and_expected_like_money() -> None:
    """1,000 of input at most and 439 expected; answers of 4,096, thinking, or a request that asks for less."""
    estimates = Estimates()
    for _ in range(59):
        estimates.learn("desk", "big", 4_096)
    learnt = weighed(estimates=estimates).facts.asked
    assert (learnt.worst_tokens, learnt.least_tokens, learnt.expected_tokens) == (11_000, 5_096, 439 + 4_096)
    short = weighed(max_tokens=50).facts.asked
    assert (short.worst_tokens, short.least_tokens, short.expected_tokens) == (1_050, 1_050, 489)
    thinking = weighed(thinking={"type": "enabled", "budget_tokens": 2_000}).facts.asked
    assert thinking.least_tokens == 1_000 + 3_024


def test_a_call_that_another_pays_for_counts_its_tokens() -> None:
    """It costs this organisation nothing, and may be fitted to a limit in tokens like any other."""
    rules = Rules(BOOK, POLICY, heard=True)
    found = weigh(Errand("h-1", "desk", {}, BODY, NOON, linked=True), rules, Estimates()).facts.asked
    assert found == counted(Candidate("big", 0, 0, 0))


def test_the_expectation_is_what_the_route_s_answers_were_like() -> None:
    """The 95th percentile of 512 tokens in place of a page; a route that is new borrows it, another model does not."""
    estimates = Estimates()
    for _ in range(59):
        estimates.learn("desk", "big", 512)
    big, mid, _ = weighed(estimates=estimates).facts.candidates
    assert (big.expected, mid.expected) == (439 * 4_000 + 512 * 20_000, EXPECTED["mid"])
    assert weighed(estimates=estimates, route="other").facts.asked.expected == big.expected


def test_a_conversation_is_warm_where_it_is_and_cold_elsewhere() -> None:
    """Reading on big costs 0.2 a token, writing on mid 2.5: the move is priced with both."""
    block = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    turns = [{"role": "user", "content": [block]}, {"role": "assistant", "content": "y"}]
    found = weighed(messages=turns)
    start = weighed(messages=turns[:1])
    big, mid, _ = found.facts.candidates
    tokens = (big.expected - 1_024 * 20_000) // 200
    assert tokens > 100
    assert mid.expected == tokens * 2_500 + 1_024 * 10_000
    first = (start.facts.asked.expected - 1_024 * 20_000) // 5_000
    assert 50 < first < tokens


def test_what_is_unbounded_is_named() -> None:
    """For every candidate alike."""
    found = weighed(tools=[{"type": "web_search_20260209", "name": "web_search"}])
    assert found.facts.unbounded == ("web_search_20260209",)


def test_terms_of_the_request_are_in_its_price() -> None:
    """Fast speed doubles Opus 5.5 until its end; the region of a cloud costs a tenth more."""
    rules = Rules(shipped_book(), None)
    plain = weighed(rules=rules, model="claude-opus-5-5").rates["claude-opus-5-5"]
    fast = weighed(rules=rules, model="claude-opus-5-5", speed="fast").rates["claude-opus-5-5"]
    place = weighed(rules=rules, model="claude-opus-5-5", inference_geo="us").rates["claude-opus-5-5"]
    region = weighed(rules=rules, model="claude-opus-5-5", region="us-east5").rates["claude-opus-5-5"]
    assert fast.output > plain.output
    assert place.output * 10 == region.output * 10 == plain.output * 11


def test_a_request_without_a_model_is_weighed_too() -> None:
    """The API will refuse it in its own words."""
    assert weighed(None, model=None).facts.asked == counted(Candidate("", None, 0, 0))


@pytest.mark.parametrize(
    ("context", "worst", "expected_tokens", "unbounded"),
    [
        (0, WORST["big"], 1_463, ()),
        (2_000, WORST["big"] + 2_000 * 4_000, 3_463, ()),
        (None, WORST["big"], 1_463, ("thread",)),
    ],
)
def test_what_the_api_holds_of_a_thread_is_part_of_the_prompt(
    context: int | None, worst: int, expected_tokens: int, unbounded: tuple[str, ...]
) -> None:
    """As many tokens as its last response was made of; where nobody knows, the request bounds nothing."""
    errand = Errand("h-1", "desk", {}, BODY, NOON, context_tokens=context)
    facts = weigh(errand, Rules(BOOK, POLICY, heard=True), Estimates()).facts
    assert (facts.asked.worst, facts.asked.expected_tokens, facts.unbounded) == (worst, expected_tokens, unbounded)


LEARNT = Estimates()
for _ in range(80):
    LEARNT.learn("desk", "big", 3_000, prompt_tokens=600, text_bytes=1_000)


CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"max_tokens": 100}, {}),
    ({"max_tokens": 2_000}, {}),
    ({"thinking": {"type": "enabled", "budget_tokens": 4_000}}, {}),
    ({"model": "unheard of"}, {}),
    ({"speed": "fast"}, {}),
    ({"inference_geo": "us"}, {}),
    ({"mcp_servers": [{"url": "u"}]}, {}),
    ({"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]}, {}),
    ({"messages": [*BODY["messages"], {"role": "assistant", "content": "Yes"}]}, {}),
    ({}, {"region": "eu"}),
    ({}, {"linked": True}),
    ({}, {"context_tokens": 5_000}),
    ({}, {"context_tokens": None}),
]
"""Changes of the body, and of the errand."""


@pytest.mark.parametrize("estimates", [Estimates(), LEARNT])
@pytest.mark.parametrize(
    "errand",
    [Errand("h-1", "desk", {"tenant": "acme"}, {**BODY, **changes}, NOON, **more) for changes, more in CASES],
)
def test_the_short_way_weighs_as_the_long_one(errand: Errand, estimates: Estimates) -> None:
    """Whatever the request, and whatever is known of its route."""
    rules = Rules(BOOK, POLICY, heard=True)
    assert weigh_asked(errand, rules, estimates) == weigh(errand, rules, estimates, ladder=False)


def test_a_request_of_a_batch_is_weighed_at_half_the_price() -> None:
    """On its own model alone, whatever is due or was decided for its conversation; and never as if its cache held."""
    book = replace(BOOK, modifiers={"batch": Fraction(1, 2)})
    rules, estimates = Rules(book, POLICY, heard=True), Estimates()
    errand = Errand("h-1", "desk", {"tenant": "acme"}, BODY, NOON, batch=True)
    found = weigh(errand, rules, estimates, moved_to="small")
    (asked,) = found.facts.candidates
    assert (asked.worst, asked.least, asked.expected) == (WORST["big"] // 2, LEAST["big"] // 2, EXPECTED["big"] // 2)
    assert (found.facts.moved_to, found.facts.milder) == ("", None)
    block = {"type": "text", "text": "x" * 20_000, "cache_control": {"type": "ephemeral"}}
    turns = [{"role": "user", "content": [block]}, {"role": "assistant", "content": "y"}]
    talk = replace(errand, body={**BODY, "messages": turns})
    warm = weigh(replace(talk, batch=False), rules, estimates, ladder=False).facts.asked
    assert warm.expected < 2 * weigh(talk, rules, estimates).facts.asked.expected
