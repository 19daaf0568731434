"""Asks: what a sample's request becomes for another model, and what it may cost there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from bursar.agent.evals.asks import Ask, Left, Terms, Unasked, ask
from bursar.policies.plan import Misfit
from bursar.policies.pricefile import shipped_book

TERMS = Terms.shipped(shipped_book(), date(2026, 11, 22), lossy=False, batch=True)
OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-5-5"
BODY: dict[str, Any] = {"model": OPUS, "max_tokens": 1_000, "messages": [{"role": "user", "content": "x" * 57}]}
# A message of text counts 43 bytes beside its own: so 100 input tokens at most, and 64 of the frame.
INPUT = 164


def made(to: str = HAIKU, terms: Terms = TERMS, betas: str = "", **changes: Any) -> Ask | Unasked:
    return ask("eval-1", json.dumps({**BODY, **changes}), betas, to, terms)


def body(found: Ask | Unasked) -> Any:
    assert isinstance(found, Ask)
    return json.loads(found.body)


def test_the_request_is_the_one_that_was_sent_for_another_model() -> None:
    """As it was, but for its model, and without streaming: an answer in one piece is all there is to compare."""
    found = made(stream=True, system="Be brief. é")
    assert body(found) == {**BODY, "model": HAIKU, "system": "Be brief. é"}
    assert isinstance(found, Ask)
    assert (found.attempt_id, found.model, found.betas) == ("eval-1", HAIKU, "")


def test_its_worst_case_is_priced_at_half_in_a_batch() -> None:
    """Haiku 5.5 costs 0.10 USD in and 0.50 USD out per million tokens; 1,000 tokens may come out."""
    at_once, batched = made(terms=replace(TERMS, batch=False)), made()
    assert isinstance(at_once, Ask)
    assert isinstance(batched, Ask)
    assert at_once.worst_nano == INPUT * 100 + 1_000 * 500
    assert batched.worst_nano * 2 == at_once.worst_nano
    assert (at_once.batch, batched.batch) == (False, True)
    assert 0 < batched.likely_nano < batched.worst_nano


def test_what_is_likely_goes_by_the_answer_that_was_recorded() -> None:
    """Ten tokens more cost ten tokens more: at half of 500 nano-dollars each."""
    few, more = (ask("e", json.dumps(BODY), "", HAIKU, TERMS, output=tokens) for tokens in (20, 30))
    assert isinstance(few, Ask)
    assert isinstance(more, Ask)
    assert more.likely_nano - few.likely_nano == 10 * 250


def test_it_is_changed_as_a_downgrade_would_change_it() -> None:
    """A beta that does nothing is left out, and what nobody knows of fits no model."""
    assert made(betas="surprise-2026-11-01") is Misfit.BETA
    assert made(surprise=1) is Misfit.PARAMETER
    assert made(inference_geo="us", to="claude-haiku-4-5") is Misfit.RESIDENCY


def test_what_loses_something_needs_the_routes_leave() -> None:
    """The same request, on a route with and without `lossy`."""
    thinking: dict[str, Any] = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}
    assert made("claude-haiku-4-5", **thinking) is Misfit.LOSSY
    assert isinstance(made("claude-haiku-4-5", replace(TERMS, lossy=True), **thinking), Ask)


def test_the_model_that_it_was_asked_of_is_asked_the_same() -> None:
    """A reference that is run anew needs no plan, whatever the request has in it."""
    found = made(OPUS, surprise=1)
    assert body(found) == {**BODY, "surprise": 1}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, Left.UNBOUNDED),
        ({"model": HAIKU, "mcp_servers": [{"name": "a", "url": "b"}]}, Left.UNBOUNDED),
    ],
)
def test_what_nothing_bounds_is_not_run(changes: dict[str, Any], why: Left) -> None:
    """No budget would hold for it."""
    assert made(**changes) is why


def test_what_no_batch_carries_is_sent_at_once() -> None:
    """At the ordinary price."""
    found = made(billing_policy="x", to=OPUS)
    assert isinstance(found, Ask)
    assert not found.batch


@pytest.mark.parametrize("request_", ["", "[]", "7", "{"])
def test_a_request_that_cannot_be_read_is_not_run(request_: str) -> None:
    """Nor does it break the run."""
    assert ask("e", request_, "", HAIKU, TERMS) is Left.UNREADABLE
